"""An environment to start a test from: complete, small, and like no stack file, so that no test depends on one."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from infra.environment import (
    AddressPlan,
    AwsPlan,
    Capacity,
    ClientEntry,
    ClientsPlan,
    DatasetPlan,
    DnsPlan,
    Environment,
    HealthCheckPlan,
    LoadBalancerPlan,
    MonitoringPlan,
    NetworkPlan,
    RolloutPlan,
    ServicePlan,
    ZonePlan,
)

ZONES = ("eu-west-2a", "eu-west-2b", "eu-west-2c")


def environment(name: str = "live", **changes: Any) -> Environment:
    """Return a sample environment called `name`, with `changes` made to its fields."""
    sample = Environment(
        name=name,
        mirrors=None,
        scale=None,
        aws=AwsPlan(region="eu-west-2"),
        network=NetworkPlan(
            cidr="10.20.0.0/16",
            zones={
                zone: ZonePlan(public_cidr=f"10.20.{128 + 16 * index}.0/20", private_cidr=f"10.20.{16 * index}.0/20")
                for index, zone in enumerate(ZONES)
            },
            interface_endpoints=("logs", "secretsmanager"),
            log_retention_days=30,
        ),
        virtual_ips={
            zone: AddressPlan(allocation_id=None, published=None, attached=True, protected=False) for zone in ZONES
        },
        clients=ClientsPlan(entries=(ClientEntry(cidr="192.0.2.0/28", names=("Example",)),), max_entries=50),
        load_balancer=LoadBalancerPlan(
            deletion_protected=False,
            health_check=HealthCheckPlan(
                protocol="HTTPS",
                path="/health",
                interval_seconds=10,
                timeout_seconds=9,
                healthy_threshold=3,
                unhealthy_threshold=3,
            ),
            deregistration_delay_seconds=120,
        ),
        dns=DnsPlan(name=f"dos-{name}.eps.digital.nhs.uk", hosted_zone="eps.digital.nhs.uk"),
        dataset=DatasetPlan(
            kind="Test data",
            bucket=f"eps-dos-api-{name}-dataset",
            owned=True,
            emptied_on_destroy=False,
            protected=False,
            superseded_days=90,
            unfinished_upload_days=7,
            reader_roles=(),
            operator_role_arns=(),
            supplier_areas=(),
        ),
        service=ServicePlan(
            release="1.4.0",
            image_name="eps-dos-api-1.4.0",
            image_owner="self",
            image_id=None,
            instance_type="c7g.large",
            capacity=Capacity(minimum=3, maximum=6, target_cpu_percent=50),
            initial_capacity=3,
            schedules=(),
            certificate_secret_arn=None,
            operator_sessions=False,
            instance_configuration={"environment": name, "release": "1.4.0"},
        ),
        rollout=RolloutPlan(
            minimum_healthy_percent=100, maximum_healthy_percent=110, instance_warmup_seconds=120, bake_seconds=300
        ),
        monitoring=MonitoringPlan(subscriber_emails=(), log_retention_days=30),
        permissions_boundary_arn=None,
        tags={
            "CostCentre": "to be decided",
            "DataClassification": "Official",
            "Environment": name,
            "ManagedBy": "pulumi",
            "Owner": "to be decided",
            "Project": "eps-dos-api",
            "Service": "directory-of-services-api",
        },
        lifetime=None,
        settings={},
    )
    return replace(sample, **changes)


def mirror(name: str = "nft", **changes: Any) -> Environment:
    """Return a sample environment that mirrors the sample's Live: it reads Live's data and owns none."""
    live = environment("live")
    return environment(
        name,
        mirrors="live",
        scale=Decimal("0.5"),
        dataset=replace(live.dataset, kind="Live", owned=False),
        **changes,
    )
