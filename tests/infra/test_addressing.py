"""How a VPC is divided."""

from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from infra.addressing import ZONE_LETTERS, overlapping, zone_plan
from infra.environment import ZonePlan

vpcs = st.builds(
    lambda address, prefix: IPv4Network((address, prefix), strict=False),
    st.ip_addresses(v=4, network="10.0.0.0/8"),
    st.integers(min_value=16, max_value=24),
)


def test_a_zones_letter_says_which_parts_are_its_own() -> None:
    assert zone_plan(IPv4Network("10.20.0.0/16"), "eu-west-2b") == ZonePlan(
        private_cidr="10.20.16.0/20", public_cidr="10.20.144.0/20"
    )


@given(vpcs)
def test_all_parts_of_all_zones_lie_inside_and_apart(vpc: IPv4Network) -> None:
    plans = [zone_plan(vpc, f"eu-west-2{letter}") for letter in ZONE_LETTERS]
    parts = [IPv4Network(cidr) for plan in plans for cidr in (plan.private_cidr, plan.public_cidr)]
    assert all(part.subnet_of(vpc) for part in parts)
    assert sum(part.num_addresses for part in parts) == vpc.num_addresses
    assert len(set(parts)) == len(parts)


def test_ranges_that_meet_are_named() -> None:
    others = {
        "int": IPv4Network("10.40.0.0/16"),
        "dev": IPv4Network("10.40.128.0/20"),
        "nft": IPv4Network("10.30.0.0/16"),
    }
    assert overlapping(IPv4Network("10.40.0.0/16"), others) == ("dev", "int")
