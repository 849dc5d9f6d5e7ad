"""From stack files to environments: what each of the four is, and what is refused in which words."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra import types
from infra.deciding import load_environment
from infra.environment import AddressPlan, Capacity
from infra.errors import ConfigError
from infra.graph import compare
from infra.mirroring import differences
from infra.naming import stack_names
from infra.recording import record
from infra.rules import violations
from infra.values import objects
from infra.yamlfile import read_mapping
from tests.infra.stackfiles import CHECKOUT, GONE, NAMES, project, set_keys, suppliers


def refused(folder: Path, stack: str, **engine: Any) -> str:
    """Return the page that a person would get."""
    with pytest.raises(ConfigError) as raised:
        load_environment(stack, folder, **engine)
    return str(raised.value)


@pytest.mark.parametrize("stack", NAMES)
def test_each_environment_of_the_checkout_breaks_no_rule(stack: str) -> None:
    assert violations(record(load_environment(stack, CHECKOUT))) == ()


def test_names_ports_and_datasets_are_those_of_the_overview() -> None:
    decided = {stack: load_environment(stack, CHECKOUT) for stack in NAMES}
    assert {stack: (one.dns.name, one.dataset.kind) for stack, one in decided.items()} == {
        "live": ("dos.eps.digital.nhs.uk", "Live"),
        "nft": ("dos-NFT.eps.digital.nhs.uk", "Live"),
        "int": ("dos-int.eps.digital.nhs.uk", "Test data"),
        "dev": ("dos-dev.eps.digital.nhs.uk", "Test data"),
    }
    assert {stack for stack, one in decided.items() if one.dataset.owned} == {"live", "int", "dev"}


def test_the_mirror_differs_from_live_in_nothing_that_it_may_not() -> None:
    live, nft = load_environment("live", CHECKOUT), load_environment("nft", CHECKOUT)
    assert [one for one in differences(record(live), record(nft), (live, nft)) if one.allowed is None] == []


def test_a_mirror_has_lives_capacity_times_the_scale(tmp_path: Path) -> None:
    folder = project(
        tmp_path, live={"capacity": {"minimum": 4, "maximum": 24, "targetCpuPercent": 50}}, nft={"scale": "0.5"}
    )
    nft = load_environment("nft", folder)
    assert nft.service.capacity == Capacity(minimum=3, maximum=12, target_cpu_percent=50)
    assert nft.scale == Decimal("0.5")


def test_what_live_changes_its_mirror_changes_with_it(tmp_path: Path) -> None:
    folder = project(tmp_path, live={"instanceType": "c7g.2xlarge"})
    assert load_environment("nft", folder).service.instance_type == "c7g.2xlarge"


@pytest.mark.parametrize(
    ("check", "timeout_seconds"),
    [
        ({"protocol": "HTTPS", "path": "/health", "intervalSeconds": 30}, 10),
        ({"protocol": "HTTP", "path": "/health", "intervalSeconds": 30}, 6),
        ({"protocol": "HTTPS", "path": "/health", "intervalSeconds": 10}, 9),
        ({"protocol": "TCP", "intervalSeconds": 5}, 4),
        ({"protocol": "TCP", "intervalSeconds": 30, "timeoutSeconds": 29}, 29),
    ],
)
def test_a_health_checks_timeout_is_explicit_and_under_the_interval(
    tmp_path: Path, check: dict[str, Any], timeout_seconds: int
) -> None:
    thresholds = {"healthyThreshold": 2, "unhealthyThreshold": 2}
    nft = load_environment("nft", project(tmp_path, live={"healthCheck": check | thresholds}))
    (targets,) = record(nft).of_type(types.TARGET_GROUP)
    assert targets.inputs["healthCheck"]["timeout"] == timeout_seconds  # type: ignore[index]  # a map


def test_who_pays_and_who_owns_change_without_a_new_version_of_the_template(tmp_path: Path) -> None:
    tags = {"Owner": "somebody", "CostCentre": "4711", "DataClassification": "to be decided"}
    before = record(load_environment("dev", CHECKOUT))
    after = record(load_environment("dev", project(tmp_path, dev={"tags": tags})))
    changed = {(change.type, change.path.split(".")[0]) for change in compare(before, after)}
    assert {path for type_, path in changed if type_ == types.LAUNCH_TEMPLATE} == {"tags"}
    (group,) = after.of_type(types.SCALING_GROUP)
    handed_on = {tag["key"]: tag["value"] for tag in objects(group.inputs["tags"]) if tag["propagateAtLaunch"]}
    assert handed_on == {"Owner": "somebody", "CostCentre": "4711"}


@pytest.mark.parametrize(("access", "opened"), [("none", False), ("session-manager", True)])
def test_operators_get_to_instances_only_where_that_is_asked_for(tmp_path: Path, access: str, opened: bool) -> None:
    graph = record(load_environment("dev", project(tmp_path, dev={"operatorAccess": access})))
    services = {
        str(endpoint.inputs["serviceName"]).rpartition(".")[2] for endpoint in graph.of_type(types.VPC_ENDPOINT)
    }
    assert services == {"s3", "logs", "monitoring", "secretsmanager", *(("ssm", "ssmmessages") if opened else ())}
    policy = str(graph.one(types.ROLE_POLICY, "dev-service").inputs["policy"])
    assert ("ssmmessages:OpenControlChannel" in policy, "ssm:UpdateInstanceInformation" in policy) == (opened, opened)
    assert violations(graph) == ()


def test_addresses_and_certificates_are_never_inherited(tmp_path: Path) -> None:
    arn = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:live"
    live = {"virtualIps": {"eu-west-2a": "192.0.2.1"}, "certificateSecretArn": arn, "protectAddresses": True}
    nft = load_environment("nft", project(tmp_path, live=live))
    assert nft.service.certificate_secret_arn is None
    assert nft.virtual_ips["eu-west-2a"] == AddressPlan(
        allocation_id=None, published=None, attached=True, protected=False
    )


def test_a_published_address_is_protected_in_any_stack(tmp_path: Path) -> None:
    int_ = load_environment("int", project(tmp_path, int={"virtualIps": {"eu-west-2a": "192.0.2.1"}}))
    assert [zone for zone, plan in int_.virtual_ips.items() if plan.protected] == ["eu-west-2a"]
    assert int_.load_balancer.deletion_protected


def test_a_reserved_zone_has_an_address_and_no_subnets(tmp_path: Path) -> None:
    live = load_environment("live", project(tmp_path, live={"reservedZones": ["eu-west-2d"]}))
    assert live.virtual_ips["eu-west-2d"].attached is False
    assert "eu-west-2d" not in live.network.zones


def test_attaching_a_zone_moves_nothing_that_is_there(tmp_path: Path) -> None:
    zones = ["eu-west-2a", "eu-west-2b", "eu-west-2c"]
    before = record(load_environment("live", project(tmp_path)))
    after = record(load_environment("live", project(tmp_path, live={"zones": [*zones, "eu-west-2d"]})))
    changed = [one for one in compare(before, after) if one.path and not one.path.startswith("(options)")]
    assert {(one.type, one.path) for one in changed} <= {
        ("aws:lb/loadBalancer:LoadBalancer", "subnetMappings[]"),
        ("aws:autoscaling/group:Group", "vpcZoneIdentifiers[]"),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", "subnetIds[]"),
        ("aws:cloudwatch/compositeAlarm:CompositeAlarm", "alarmRule"),
        ("aws:cloudwatch/dashboard:Dashboard", "dashboardBody.widgets[].properties.metrics[]"),
    }


def test_live_plus_one_is_the_next_in_the_catalogue(tmp_path: Path) -> None:
    folder = project(tmp_path, live={"release": "1.3.0"}, nft={"release": "live+1"}, int={"release": "live"})
    assert load_environment("nft", folder).service.release == "1.4.0"
    assert load_environment("int", folder).service.release == "1.3.0"


def test_dev_starts_with_one_instance_per_zone_though_it_may_be_empty() -> None:
    dev = load_environment("dev", CHECKOUT)
    assert (dev.service.capacity.minimum, dev.service.initial_capacity) == (0, 3)


def test_suppliers_with_an_account_write_under_their_own_name_in_dev_only(tmp_path: Path) -> None:
    folder = suppliers(project(tmp_path), {"name": "A", "environments": ["dev", "int"], "awsAccount": "111122223333"})
    assert [one.prefix for one in load_environment("dev", folder).dataset.supplier_areas] == ["suppliers/a/"]
    assert load_environment("int", folder).dataset.supplier_areas == ()


def test_an_unassured_supplier_leaves_lives_prefix_list_and_nothing_else_changes(tmp_path: Path) -> None:
    usual = {"name": "Example", "clients": ["192.0.2.0/28", "198.51.100.0/28"]}
    assured = record(load_environment("live", suppliers(project(tmp_path), usual)))
    not_assured = record(load_environment("live", suppliers(project(tmp_path), {**usual, "assured": False})))
    assert [(one.type, one.path, one.left) for one in compare(assured, not_assured)] == [
        ("aws:ec2/managedPrefixList:ManagedPrefixList", "entries[]", {"cidr": cidr, "description": cidr})
        for cidr in ("192.0.2.0/28", "198.51.100.0/28")
    ]


def test_the_engines_values_are_read_as_the_files_are(tmp_path: Path) -> None:
    for stack in NAMES:
        config = read_mapping(CHECKOUT / f"Pulumi.{stack}.yaml")["config"]
        engine = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
        from_engine, from_file = load_environment(stack, CHECKOUT, engine), load_environment(stack, CHECKOUT)
        assert record(from_engine) == record(from_file)


def test_settings_are_enough_to_decide_the_same_again(tmp_path: Path) -> None:
    nft = load_environment("nft", CHECKOUT)
    engine = {key: value if isinstance(value, str) else json.dumps(value) for key, value in nft.settings.items()}
    assert record(load_environment("nft", CHECKOUT, engine)) == record(nft)


def test_an_ephemeral_stack_has_no_addresses_of_its_own_and_says_when_it_ends(tmp_path: Path) -> None:
    folder = project(tmp_path)
    ephemeral = {
        "createdAt": "2026-11-23T10:00:00Z",
        "expiresAt": "2026-11-26T10:00:00+00:00",
        "owner": "a tester",
        "like": "int",
    }
    config = read_mapping(folder / "Pulumi.int.yaml")["config"]
    own = {"dnsName": "dos-demo.eps.digital.nhs.uk", "cidr": "10.99.0.0/16", "dataset": {"bucket": "eps-dos-api-demo"}}
    set_keys(folder / "Pulumi.demo.yaml", {**config, **own, "ephemeral": ephemeral})
    demo = load_environment("demo", folder)
    assert demo.virtual_ips == {}
    assert demo.tags["ExpiresAt"] == "2026-11-26T10:00:00Z"
    assert demo.dataset.emptied_on_destroy
    assert not demo.load_balancer.deletion_protected


def test_permanent_stacks_are_those_with_a_file() -> None:
    assert stack_names(CHECKOUT) == ("dev", "int", "live", "nft")


ONE_MISTAKE: list[tuple[str, dict[str, Any], list[str]]] = [
    ("nft", {"scale": 6}, ["Pulumi.nft.yaml: eps-dos-api:scale is 6; allowed: more than 0, at most 4",
                           "fix: pulumi config set eps-dos-api:scale"]),
    *[("nft", {"scale": scale}, [f"eps-dos-api:scale is {scale}; allowed: more than 0, at most 4"])
      for scale in (0, -1, "half", "nan", "inf", "1e9", "", "4.0001")],
    ("nft", {"instanceType": "c7g.large"},
     ["Pulumi.nft.yaml: eps-dos-api:instanceType is c7g.large; a mirror takes it from Pulumi.live.yaml",
      "fix: pulumi config rm eps-dos-api:instanceType --stack nft"]),
    ("nft", {"mirrors": "nowhere"}, ["eps-dos-api:mirrors is nowhere, and there is no Pulumi.nowhere.yaml"]),
    ("nft", {"release": "1.4.0"}, ["eps-dos-api:release is 1.4.0; allowed in a mirror: live, live+1"]),
    ("nft", {"cidr": "10.20.0.0/20"},
     ["eps-dos-api:cidr is 10.20.0.0/20, which overlaps 10.20.0.0/16 of Pulumi.live.yaml"]),
    ("nft", {"cidr": "10.30.0.0/25"}, ["is 10.30.0.0/25; allowed: a private IPv4 range of /16 to /24"]),
    ("nft", {"cidr": "192.0.3.0/24"}, ["is 192.0.3.0/24; allowed: a private IPv4 range"]),
    ("nft", {"dnsName": GONE}, ["Pulumi.nft.yaml: eps-dos-api:dnsName"]),
    ("nft", {"loadGenerators": ["0.0.0.0/0"]}, ["eps-dos-api:loadGenerators[0] is 0.0.0.0/0; is wider than a /8"]),
    ("nft", {"othersTagKeys": ["Backup"]}, ["eps-dos-api:othersTagKeys is [", "a mirror takes it from"]),
    ("live", {"othersTagKeys": ["Backup", "Owner", "Environment"]},
     ["eps-dos-api:othersTagKeys has Environment, which this project sets itself",
      "eps-dos-api:othersTagKeys has Owner, which this project sets itself"]),
    ("dev", {"operatorAccess": "ssh"}, ["operatorAccess is ssh; allowed: 'none' or 'session-manager'"]),
    ("live", {"capacity": GONE}, ["Pulumi.live.yaml: eps-dos-api:capacity is missing"]),
    ("live", {"instnceType": "x"}, ["eps-dos-api:instnceType is no setting; did you mean instanceType?"]),
    ("live", {"capacity": {"minimum": 1, "maximum": 2, "targetCPUPercent": 50}},
     ["eps-dos-api:capacity.targetCpuPercent is missing",
      "eps-dos-api:capacity.targetCPUPercent is no setting; did you mean targetCpuPercent?"]),
    ("live", {"capacity": {"minimum": 6, "maximum": 12, "targetCpuPercent": 57}},
     ["eps-dos-api:capacity.targetCpuPercent is 57; allowed on Live: at most 56, or 2 zones can't carry"]),
    ("live", {"capacity": {"minimum": 9, "maximum": 2, "targetCpuPercent": 50}},
     ["allowed: a minimum of at most the maximum, 2"]),
    ("live", {"capacity": {"minimum": True, "maximum": 2, "targetCpuPercent": 50}},
     ["eps-dos-api:capacity.minimum is True; allowed: a whole number"]),
    ("live", {"capacity": "many"}, ["eps-dos-api:capacity is many; allowed: keys and values"]),
    ("live", {"zones": ["eu-west-2a", "eu-west-1b"]}, ["eps-dos-api:zones has eu-west-1b, outside eu-west-2"]),
    ("live", {"zones": ["eu-west-2a", "eu-west-2a"]}, ["have eu-west-2a twice"]),
    ("live", {"release": "9.9.9"},
     ["eps-dos-api:release is 9.9.9; allowed: a version of releases.yaml: 1.3.0, 1.4.0, 1.5.0"]),
    ("live", {"release": "live"}, ["eps-dos-api:release is live; Live names its version"]),
    ("live", {"release": 1.4}, ["eps-dos-api:release is 1.4; allowed: a text"]),
    ("live", {"mirrors": "nft"}, ["eps-dos-api:mirrors is nft; Live mirrors nothing"]),
    ("live", {"aws:region": GONE}, ["Pulumi.live.yaml: aws:region is missing", "fix: pulumi config set aws:region"]),
    ("live", {"aws:skipRegionValidation": True}, ["aws:skipRegionValidation would be ignored"]),
    ("live", {"clientCapacity": 1}, ["eps-dos-api:clientCapacity is 1, and 3 ranges may connect to live"]),
    ("live", {"tags": {"Owner": "x"}},
     ["eps-dos-api:tags.CostCentre is missing", "eps-dos-api:tags.DataClassification"]),
    ("live", {"schedules": [{"name": "a", "recurrence": "0 7 * * *", "timeZone": "UTC", "desired": 3}]},
     ["eps-dos-api:schedules need a minimum of 0"]),
    ("live", {"virtualIps": {"eu-west-2a": "192.0.2.1", "eu-west-2b": "192.0.2.1"}},
     ["virtualIps has an address twice"]),
    ("live", {"virtualIps": {"eu-west-2f": "192.0.2.1"}},
     ["eps-dos-api:virtualIps has eu-west-2f, which is not among the zones eu-west-2a, eu-west-2b, eu-west-2c; "
      "192.0.2.1 is published there, and in the firewalls of Example Prescribing, Sample Dispensing",
      "fix: put eu-west-2f back into zones, or into reservedZones, in Pulumi.live.yaml"]),
    ("live", {"certificateSecretArn": "arn:aws:secretsmanager:us-east-1:111122223333:secret:a"},
     ["is in us-east-1; allowed: a secret in eu-west-2"]),
    ("live", {"healthCheck": {"protocol": "TCP", "path": "/", "intervalSeconds": 10, "healthyThreshold": 2,
                              "unhealthyThreshold": 2}}, ["allowed: a path with HTTP and HTTPS, none with TCP"]),
    ("live", {"healthCheck": {"protocol": "TCP", "intervalSeconds": 5, "timeoutSeconds": 5, "healthyThreshold": 2,
                              "unhealthyThreshold": 2}},
     ["allowed: a timeoutSeconds under intervalSeconds, 5; or none"]),
    ("dev", {"schedules": [{"name": "a", "recurrence": "0 25 * * *", "timeZone": "Europe/Londn", "desired": 3}]},
     ["schedules[0].recurrence is 0 25 * * *; allowed: five cron fields", "schedules[0].timeZone is Europe/Londn"]),
    ("dev", {"ephemeral": {"createdAt": "2026-11-23T10:00:00Z", "expiresAt": "2026-11-24T10:00:00Z", "owner": "a",
                           "like": "int"}}, ["eps-dos-api:ephemeral is set, and dev is permanent"]),
    ("dev", {"dataset": {"bucket": "eps-dos-api-int-dataset"}},
     ["eps-dos-api:dataset.bucket is eps-dos-api-int-dataset, which is also Pulumi.int.yaml's"]),
    ("dev", {"dnsName": "dos-INT.eps.digital.nhs.uk"}, ["which is also Pulumi.int.yaml's"]),
    ("dev", {"dnsName": "dos-dev.example.org"}, ["is dos-dev.example.org, outside the zone eps.digital.nhs.uk"]),
]  # fmt: skip


@pytest.mark.parametrize(("stack", "mistake", "told"), ONE_MISTAKE)
def test_a_mistake_is_told_with_its_place_the_value_and_what_is_allowed(
    tmp_path: Path, stack: str, mistake: dict[str, Any], told: list[str]
) -> None:
    page = refused(project(tmp_path, **{stack: mistake}), stack)
    for line in told:
        assert line in page
    assert page.count("    fix: ") == len(page.splitlines()) // 2
    assert "Traceback" not in page


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    page = refused(project(tmp_path, nft={"scale": 6, "zones": [], "instanceType": "c7g.large", "spare": 1}), "nft")
    for key in ("scale", "zones", "instanceType", "spare"):
        assert f"Pulumi.nft.yaml: eps-dos-api:{key} " in page


def test_what_a_mirror_has_from_live_is_mended_in_lives_file(tmp_path: Path) -> None:
    page = refused(project(tmp_path, live={"imageOwner": "somebody"}), "nft")
    assert "Pulumi.live.yaml: eps-dos-api:imageOwner is somebody" in page
    assert "--stack live" in page


def test_an_absent_live_is_told_once(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "Pulumi.live.yaml").unlink()
    assert "there is no Pulumi.live.yaml" in refused(folder, "nft")
    assert "there is no Pulumi.live.yaml" in refused(folder, "int")


def test_live_plus_one_with_nothing_newer_is_told(tmp_path: Path) -> None:
    folder = project(tmp_path, live={"release": "1.5.0"}, nft={"release": "live+1"})
    assert "is live+1, and releases.yaml has none after Live's 1.5.0" in refused(folder, "nft")


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "-y",
        "",
        "Live",
        "a b",
        "ünit",
        "x" * 200,
        "a" * 21,
        "nft-",
        "1a",
        "internal",
        "internal-x",
        "sg",
        "sg-1",
    ],
)
def test_a_stack_name_that_paths_or_aws_would_not_take_is_refused_first(tmp_path: Path, name: str) -> None:
    page = refused(tmp_path, name)
    assert page.startswith("stack name is ")
    assert len(page) < 400


def test_broken_yaml_is_told_with_file_line_and_column(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "Pulumi.live.yaml").write_text("config:\n  a: [1\n")
    assert "Pulumi.live.yaml: is no valid YAML: line 3, column 1" in refused(folder, "nft")


def test_a_secret_has_no_place_in_the_configuration() -> None:
    config = read_mapping(CHECKOUT / "Pulumi.nft.yaml")["config"]
    engine = {key: str(value) for key, value in config.items()} | {"eps-dos-api:certificateSecretArn": "hunter2"}
    page = refused(CHECKOUT, "nft", engine_config=engine, engine_secret_keys=["eps-dos-api:certificateSecretArn"])
    assert "eps-dos-api:certificateSecretArn is a secret" in page
    assert "hunter2" not in page


def test_room_for_more_clients_is_asked_for_and_is_enough(tmp_path: Path) -> None:
    folder = suppliers(project(tmp_path), {"clients": [f"192.0.2.{2 * number}/32" for number in range(62)]})
    page = refused(folder, "nft")
    assert "Pulumi.live.yaml: eps-dos-api:clientCapacity is 60, and 62 ranges may connect to nft; past 60, the" in page
    asked = "pulumi config set eps-dos-api:clientCapacity 70 --stack live, then eps-dos preflight nft, which prints"
    assert f"fix: {asked} the request for 70" in page
    set_keys(folder / "Pulumi.live.yaml", {"clientCapacity": 70})
    clients = load_environment("nft", folder).clients
    assert (len(clients.entries), clients.max_entries) == (62, 70)


def test_more_clients_than_any_list_holds_are_too_many(tmp_path: Path) -> None:
    folder = suppliers(project(tmp_path), {"clients": [f"192.0.2.{2 * number}/32" for number in range(101)]})
    page = refused(folder, "live")
    assert "101 ranges may connect to live; AWS takes 100 at once" in page
    assert "fix: join neighbouring ranges in suppliers.yaml" in page


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"clients": ["192.0.2.7/28"]}, "Example has 192.0.2.7/28, which is not the start of its range"),
        ({"clients": ["::/0"]}, "which is an IPv6 range"),
        ({"assured": "yes"}, "suppliers.yaml: suppliers[0].assured is yes"),
        ({"awsAccount": "12"}, "suppliers.yaml: suppliers[0].awsAccount is 12"),
        ({"colour": "red"}, "suppliers.yaml: suppliers[0].colour is red"),
    ],
)
def test_a_mistake_in_the_list_of_suppliers_is_told(tmp_path: Path, entry: dict[str, Any], told: str) -> None:
    assert told in refused(suppliers(project(tmp_path), entry), "live")


@pytest.mark.parametrize(
    "break_",
    [
        lambda text: text.replace('"1.4.0"', "1.4"),
        lambda text: text.replace('"1.4.0"', '"1.3.0"'),
        lambda text: text.replace("image: eps-dos-api-1.4.0", "image: eps-dos-api-1.3.0"),
        lambda text: text.replace("notes", "formerImages: [eps-dos-api-1.4.0]\n    notes", 1),
        lambda text: text.replace("image:", "picture:"),
        lambda _: "releases: []\n",
    ],
)
def test_a_mistake_in_the_catalogue_is_told(tmp_path: Path, break_: Callable[[str], str]) -> None:
    file = project(tmp_path) / "releases.yaml"
    file.write_text(break_(file.read_text()))
    assert "releases.yaml: releases" in refused(tmp_path, "live")
