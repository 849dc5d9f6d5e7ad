"""An environment as decided: everything that components need to create it, and nothing that a cloud would have to say.

It stands between settings, which are what people wrote, and components, which create and decide nothing. Every field is
a plain value, so an environment can be compared, printed and tested without AWS. How it is decided is in
`infra.deciding`; what only AWS knows (account id, image id) the components look up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

PORT = 443
"""The only port that is open, TCP; the API overview gives it for every environment."""

LIFETIME = "eps-dos-api:infra:Lifetime"
"""The type of the mark that an environment made for one test has in its state; a permanent one has none."""


@dataclass(frozen=True, kw_only=True)
class AwsPlan:
    """Where and as whom the stack's one AWS provider works; the `aws:` part of a stack's configuration."""

    region: str
    allowed_account_ids: tuple[str, ...] = ()
    """Accounts that this stack may be deployed to; empty: any."""
    profile: str | None = None
    assume_role_arns: tuple[str, ...] = ()
    others_tag_keys: tuple[str, ...] = ()
    """Tags that others put on what the stack made, and that are theirs to change."""


@dataclass(frozen=True, kw_only=True)
class ZonePlan:
    """One availability zone's part of the network; its ranges depend on the zone's letter, never on its position."""

    public_cidr: str
    private_cidr: str


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """The VPC of one environment: public subnets for the load balancer, private ones for instances, no NAT."""

    cidr: str
    zones: Mapping[str, ZonePlan]
    """By zone, those that are attached."""
    interface_endpoints: tuple[str, ...]
    """Short service names (`secretsmanager`), completed with the region."""
    log_retention_days: int


@dataclass(frozen=True, kw_only=True)
class AddressPlan:
    """One zone's virtual IP."""

    allocation_id: str | None
    """An address allocated elsewhere (bring your own); None: the stack allocates one."""
    published: str | None
    """The address as suppliers have it in their firewalls; None: not published yet."""
    attached: bool
    """False for a reserved zone: the address is made and published before the load balancer gets it."""
    protected: bool
    """Can't be deleted or replaced, and stays in AWS if the stack forgets it."""


@dataclass(frozen=True, kw_only=True)
class ClientEntry:
    """One line of the prefix list of clients."""

    cidr: str
    names: tuple[str, ...]
    """The suppliers whose range it is, `load generator` or `tester`; for people, and nowhere in AWS."""

    @property
    def who(self) -> str:
        """The names in one line."""
        return ", ".join(self.names)


@dataclass(frozen=True, kw_only=True)
class ClientsPlan:
    """Who may connect: the customer-managed prefix list."""

    entries: tuple[ClientEntry, ...]
    """Ordered by address; no two overlap."""
    max_entries: int
    """Fixed, because it is this number that counts against the rules of a security group."""


@dataclass(frozen=True, kw_only=True)
class LoadBalancerPlan:
    """The Network Load Balancer and what it asks of its targets."""

    deletion_protected: bool
    health_check: "HealthCheckPlan"
    deregistration_delay_seconds: int


@dataclass(frozen=True, kw_only=True)
class HealthCheckPlan:
    """When a target counts as healthy."""

    protocol: Literal["TCP", "HTTP", "HTTPS"]
    path: str | None
    """None with TCP, which has no path."""
    interval_seconds: int
    timeout_seconds: int
    """Under the interval, and explicit: AWS's default isn't always."""
    healthy_threshold: int
    unhealthy_threshold: int


@dataclass(frozen=True, kw_only=True)
class DnsPlan:
    """The environment's name."""

    name: str
    """As published (`dos-NFT.eps.digital.nhs.uk`); Route 53 stores lower case."""
    hosted_zone: str
    """The zone that holds the record; equal to `name` for a delegated zone with the alias at its apex."""


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Counts of instances, and the average CPU of the group (percent) that target tracking aims at."""

    minimum: int
    maximum: int
    target_cpu_percent: int

    @property
    def may_be_empty(self) -> bool:
        """Whether no instance at all is a state that was asked for, and so no alarm."""
        return self.minimum == 0


@dataclass(frozen=True, kw_only=True)
class SchedulePlan:
    """A desired capacity set by the clock; minimum and maximum stay as they are."""

    name: str
    recurrence: str
    """Five cron fields."""
    time_zone: str
    start: str | None
    """When it runs first, in UTC as EC2 Auto Scaling takes it (2026-12-01T18:00:00Z); None: as it recurs."""
    desired: int


@dataclass(frozen=True, kw_only=True)
class ServicePlan:
    """What runs behind the load balancer."""

    release: str
    """The resolved version; `live` and `live+1` have become one."""
    image_name: str
    image_owner: str
    image_id: str | None
    """Run in place of the image of that name; None: that one."""
    instance_type: str
    capacity: Capacity
    initial_capacity: int
    """Desired when the group is made: one per zone at least; afterwards scaling owns it."""
    schedules: tuple[SchedulePlan, ...]
    certificate_secret_arn: str | None
    """The one secret that the role may read; None: to be decided, and the role may read none."""
    operator_sessions: bool
    """Whether operators may open sessions on instances, by Session Manager."""
    instance_configuration: Mapping[str, str]
    """Written to environment.json on every instance; holds nothing secret."""


@dataclass(frozen=True, kw_only=True)
class RolloutPlan:
    """How a release replaces the one before it (EC2 Auto Scaling API, RefreshPreferences)."""

    minimum_healthy_percent: int
    maximum_healthy_percent: int
    instance_warmup_seconds: int
    bake_seconds: int
    """How long the new release must hold, with its alarms quiet, before the rollout counts as done."""
    alarms_overridden: bool = False
    """Whether it starts although an alarm rings, as the stack's file records; it does without alarms then."""


@dataclass(frozen=True, kw_only=True)
class SupplierArea:
    """A supplier's own part of a dataset: what its AWS account may write, and nothing beside it."""

    supplier: str
    account_id: str
    prefix: str
    """Ends with a slash."""


@dataclass(frozen=True, kw_only=True)
class DatasetPlan:
    """The data that the environment answers from."""

    kind: Literal["Live", "Test data"]
    """As the API overview words it."""
    bucket: str
    owned: bool
    """False: the bucket is Live's, read by name and never written."""
    emptied_on_destroy: bool
    protected: bool
    superseded_days: int
    """How long a version of an object stays once another has taken its place, or once it was deleted."""
    unfinished_upload_days: int
    reader_roles: tuple[str, ...]
    """Role ARNs of other accounts, or names of environments in this account, that may read it."""
    operator_role_arns: tuple[str, ...]
    """Roles that may write it."""
    supplier_areas: tuple[SupplierArea, ...]


@dataclass(frozen=True, kw_only=True)
class MonitoringPlan:
    """Who hears of alarms, and what the alarms compare with."""

    subscriber_emails: tuple[str, ...]
    log_retention_days: int


@dataclass(frozen=True, kw_only=True)
class LifetimePlan:
    """For how long an environment is there that was made for one test. Times are UTC."""

    created_at: datetime
    expires_at: datetime
    owner: str
    like: str
    """The permanent environment that it was made like."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment, decided; the sole input of the components.

    `mirrors` and `scale` tell where it was taken from and change nothing any more: the numbers are in the plans.
    """

    name: str
    """Name of the stack, value of the tag `Environment`: `live`, `nft`, `int`, `dev`, or that of an ephemeral one."""
    mirrors: str | None
    scale: Decimal | None
    aws: AwsPlan
    network: NetworkPlan
    virtual_ips: Mapping[str, AddressPlan]
    """By zone, reserved zones included; empty: AWS assigns the addresses (ephemeral environments)."""
    clients: ClientsPlan
    load_balancer: LoadBalancerPlan
    dns: DnsPlan
    dataset: DatasetPlan
    service: ServicePlan
    rollout: RolloutPlan
    monitoring: MonitoringPlan
    permissions_boundary_arn: str | None
    """The organisation's own, which its roles get; None: the stack's own, `eps-dos-api-STACK-boundary`."""
    tags: Mapping[str, str]
    """On every taggable resource."""
    lifetime: LifetimePlan | None
    """None: it is permanent."""
    settings: Mapping[str, object]
    """The stack's own configuration, without secrets: enough to rebuild it from the stack's state alone."""
