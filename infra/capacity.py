"""Capacity: a mirror's is Live's, times the configured scale; how many instances a group begins with; clients' room."""

from decimal import ROUND_CEILING, Decimal

from infra.environment import Capacity

LARGEST_SCALE = Decimal(4)
RULES_PER_SECURITY_GROUP = 60
"""What an account's quota is until it is raised (Amazon VPC guide, quotas). A prefix list counts as its maximum."""
MOST_CLIENTS = 100
"""Entries that a request takes; the provider makes a list by a single one (EC2 API, CreateManagedPrefixList; aws
provider, internal/service/ec2/vpc_managed_prefix_list.go)."""
CLIENTS_STEP = 10


def scaled(live: Capacity, factor: Decimal, zone_count: int) -> Capacity:
    """Return Live's capacity times `factor`: counts of instances, rounded up, never under one per zone.

    With an empty zone, a mirror would not fail the way Live does. CPU targets (percent) are not scaled.
    `factor` is a Decimal because 25 * 2.2 rounds up to 56 in binary floating point.

    Raises ValueError if `factor` is outside (0, 4]: settings refuse it first, so the caller is at fault.
    """
    if not 0 < factor <= LARGEST_SCALE:
        raise ValueError(f"factor is {factor}; allowed: more than 0, at most {LARGEST_SCALE}")

    def count(instances: int) -> int:
        return max(int((instances * factor).to_integral_value(ROUND_CEILING)), zone_count)

    return Capacity(
        minimum=count(live.minimum), maximum=count(live.maximum), target_cpu_percent=live.target_cpu_percent
    )


def initial(capacity: Capacity, zone_count: int) -> int:
    """Return how many instances a new group starts with: one per zone, within its bounds."""
    return min(max(capacity.minimum, zone_count), capacity.maximum)


def room_for_clients(ranges: int) -> int | None:
    """Return how many entries a prefix list for `ranges` is to have room for; None: no list holds so many.

    As many as the quota allows anyway, so that a supplier more changes no maximum; beyond that, in steps.
    """
    if ranges > MOST_CLIENTS:
        return None
    return max(RULES_PER_SECURITY_GROUP, -(-ranges // CLIENTS_STEP) * CLIENTS_STEP)
