"""What a review of deciding found to be accepted or told badly, each as the behaviour that is wanted."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.deciding import load_environment
from infra.environment import Environment
from infra.errors import ConfigError
from infra.yamlfile import read_mapping
from tests.infra.stackfiles import CHECKOUT, project, set_keys, suppliers

ARN = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:"
TAGS = {"Owner": "a", "CostCentre": "b", "DataClassification": "c"}
SCHEDULE = {"name": "a", "recurrence": "0 7 * * 1-5", "timeZone": "Europe/London", "desired": 3}
EPHEMERAL = {
    "createdAt": "2026-11-23T10:00:00Z",
    "expiresAt": "2026-11-26T10:00:00Z",
    "owner": "a tester",
    "like": "int",
}


def capacity(minimum: int, maximum: int) -> dict[str, int]:
    return {"minimum": minimum, "maximum": maximum, "targetCpuPercent": 50}


def demo(folder: Path, **changes: Any) -> Path:
    """Add an ephemeral environment like Int, called demo, to the checkout's."""
    config = read_mapping(CHECKOUT / "Pulumi.int.yaml")["config"]
    own = {"dnsName": "dos-demo.eps.digital.nhs.uk", "cidr": "10.99.0.0/16", "dataset": {"bucket": "eps-dos-api-demo"}}
    set_keys(project(folder) / "Pulumi.demo.yaml", {**config, **own, "ephemeral": EPHEMERAL, **changes})
    return folder


def refused(folder: Path, stack: str) -> str:
    with pytest.raises(ConfigError) as raised:
        load_environment(stack, folder)
    return str(raised.value)


WRONGLY_ACCEPTED: list[tuple[str, str, dict[str, Any], str]] = [
    ("a secret's ARN with a wildcard lets the role read every secret", "live",
     {"certificateSecretArn": f"{ARN}*"}, "certificateSecretArn"),
    ("Live has three zones", "live", {"zones": ["eu-west-2a", "eu-west-2b"]}, "zones"),
    ("Live is never empty", "live", {"capacity": capacity(0, 12)}, "capacity"),
    ("Live has an instance in every zone, or a mirror of scale 1 isn't like it", "live",
     {"capacity": capacity(1, 2)}, "capacity"),
    ("the subnets must hold the instances", "live",
     {"cidr": "10.20.0.0/24", "capacity": capacity(6, 500)}, "cidr"),
    ("a VPC isn't loopback", "live", {"cidr": "127.0.0.0/16"}, "cidr"),
    ("a VPC isn't link-local", "live", {"cidr": "169.254.0.0/16"}, "cidr"),
    ("a VPC has no public (here: documentation) range", "live", {"cidr": "192.0.2.0/24"}, "cidr"),
    ("a virtual IP isn't private", "live", {"virtualIps": {"eu-west-2a": "10.0.0.1"}}, "virtualIps"),
    ("a virtual IP isn't the broadcast address", "live",
     {"virtualIps": {"eu-west-2a": "255.255.255.255"}}, "virtualIps"),
    ("a role to assume is given by its ARN", "live", {"aws:assumeRoles": [{"roleArn": "x"}]}, "aws:assumeRoles"),
    ("a profile is a text", "live", {"aws:profile": {"a": 1}}, "aws:profile"),
    ("an empty mandatory tag says nothing", "live", {"tags": {**TAGS, "Owner": ""}}, "tags.Owner"),
    ("a tag has one line", "live", {"tags": {**TAGS, "Owner": "a\nb"}}, "tags.Owner"),
    ("IAM holds tag keys that differ in case only for one", "live", {"tags": {**TAGS, "environment": "int"}},
     "tags.environment"),
    ("a resource takes 50 tags", "live", {"tags": {**TAGS, **{f"k{one}": "v" for one in range(60)}}}, "tags"),
    ("a mirror's tags are keys and values, not dropped", "nft", {"tags": ["a"]}, "tags"),
    ("Live's data may be read by whom Live names", "nft", {}, "dataset.readers"),
    ("the names of two scheduled actions are two", "dev", {"schedules": [SCHEDULE, SCHEDULE]}, "schedules"),
    ("what a schedule empties, a schedule fills again", "dev", {"schedules": [{**SCHEDULE, "desired": 0}]},
     "schedules set 0 and never more"),
    ("a recurrence has one line", "dev", {"schedules": [{**SCHEDULE, "recurrence": "0 7 * * 1-5\n"}]},
     "schedules[0].recurrence"),
    ("account ids are digits from 0 to 9", "live", {"imageOwner": "١٢٣٤٥٦٧٨٩٠١٢"}, "imageOwner"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stack", "mistake", "key"), [one[1:] for one in WRONGLY_ACCEPTED], ids=[one[0] for one in WRONGLY_ACCEPTED]
)
def test_a_value_that_can_not_work_is_refused(tmp_path: Path, stack: str, mistake: dict[str, Any], key: str) -> None:
    folder = project(tmp_path, **{stack: mistake})
    if key == "dataset.readers":
        set_keys(folder / "Pulumi.live.yaml", {"dataset": {"bucket": "eps-dos-api-live-dataset", "readers": []}})
    assert key in refused(folder, stack)


ASSURED = {"name": "A", "clients": ["192.0.2.0/28"]}
WRONG_SUPPLIERS: list[tuple[str, list[dict[str, Any]]]] = [
    ("one who isn't assured reaches Live from an assured one's range",
     [ASSURED, {"name": "B", "assured": False, "environments": ["dev"], "clients": ["192.0.2.0/28"]}]),
    ("one who isn't assured reaches Live from inside an assured one's range",
     [ASSURED, {"name": "B", "assured": False, "environments": ["dev"], "clients": ["192.0.2.4/30"]}]),
    ("two suppliers write one prefix, each with an account of its own",
     [{"name": "A B", "environments": ["dev"], "awsAccount": "111122223333"},
      {"name": "a-b", "environments": ["dev"], "awsAccount": "444455556666"}]),
    ("a name without a Latin letter or digit has the prefix suppliers//",
     [{"name": "株", "environments": ["dev"], "awsAccount": "111122223333"}]),
    ("a name stands twice", [ASSURED, {"name": "A", "clients": ["198.51.100.0/28"]}]),
    ("an environment is misspelt, and nobody admitted", [{**ASSURED, "environments": ["Live", "nff"]}]),
    ("multicast", [{**ASSURED, "clients": ["224.0.0.0/8"]}]),
    ("reserved", [{**ASSURED, "clients": ["240.0.0.0/8"]}]),
    ("nobody's", [{**ASSURED, "clients": ["0.0.0.0/8"]}]),
]  # fmt: skip


def _decide_both(folder: Path) -> None:
    for stack in ("live", "dev"):
        load_environment(stack, folder)


@pytest.mark.parametrize("entries", [one[1] for one in WRONG_SUPPLIERS], ids=[one[0] for one in WRONG_SUPPLIERS])
def test_a_list_of_suppliers_that_admits_the_wrong_ones_is_refused(
    tmp_path: Path, entries: list[dict[str, Any]]
) -> None:
    folder = suppliers(project(tmp_path), *entries)
    with pytest.raises(ConfigError, match=r"suppliers\.yaml"):
        _decide_both(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"reservedZones": ["eu-west-2d"]},
        {"protectAddresses": True},
        {"ephemeral": {**EPHEMERAL, "like": "../x"}},
        {"ephemeral": {**EPHEMERAL, "createdAt": 1, "expiresAt": 2}},
    ],
    ids=["reserved zone", "protected addresses", "like nothing", "times as numbers"],
)
def test_an_ephemeral_environment_is_held_to_what_it_may_be(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert "Pulumi.demo.yaml" in refused(demo(tmp_path, **changes), "demo")


def test_a_mirror_of_a_list_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    assert "eps-dos-api:mirrors" in refused(project(tmp_path, nft={"mirrors": ["live"]}), "nft")


def test_an_endlessly_nested_value_of_the_engines_is_an_error_and_no_traceback() -> None:
    with pytest.raises(ConfigError):
        load_environment("nft", CHECKOUT, {"aws:region": "eu-west-2", "eps-dos-api:tags": "[" * 100_000})


def test_an_ephemeral_environment_is_not_mirrored(tmp_path: Path) -> None:
    folder = demo(tmp_path)
    own = {"mirrors": "demo", "dnsName": "dos-two.eps.digital.nhs.uk", "cidr": "10.98.0.0/16"}
    set_keys(folder / "Pulumi.two.yaml", own)
    assert "eps-dos-api:mirrors is demo" in refused(folder, "two")


def decided(folder: Path, stack: str) -> Environment:
    return load_environment(stack, folder)


def test_an_expiry_is_read_as_pulumi_rewrites_an_unquoted_one(tmp_path: Path) -> None:
    """Seen on engine 3.259.0: writing a stack file turns 2026-11-26T10:00:00Z, unquoted, into this."""
    folder = demo(tmp_path, ephemeral={**EPHEMERAL, "expiresAt": "2026-11-26 10:00:00 +0000 UTC"})
    assert decided(folder, "demo").tags["ExpiresAt"] == "2026-11-26T10:00:00Z"


def test_settings_can_be_an_output_whatever_yaml_made_of_them(tmp_path: Path) -> None:
    folder = demo(tmp_path)
    file = folder / "Pulumi.demo.yaml"
    file.write_text(file.read_text().replace("'2026-11-26T10:00:00Z'", "2026-11-26T10:00:00Z"))
    json.dumps(decided(folder, "demo").settings)


def test_what_starts_the_instances_of_a_test_stays_when_it_has_run(tmp_path: Path) -> None:
    folder = demo(tmp_path)
    set_keys(folder / "Pulumi.demo.yaml", {"ephemeral": {**EPHEMERAL, "startsAt": "2026-11-24T10:30:00Z"}})
    service = decided(folder, "demo").service
    (window,) = service.schedules
    assert (window.start, window.recurrence, window.time_zone) == ("2026-11-24T10:30:00Z", "30 10 24 11 *", "UTC")
    assert (window.desired, service.initial_capacity, service.capacity.minimum) == (3, 0, 0)


def test_days_may_be_named_in_a_recurrence(tmp_path: Path) -> None:
    recurrence = "0 7 * * MON-FRI"
    dev = decided(project(tmp_path, dev={"schedules": [{**SCHEDULE, "recurrence": recurrence}]}), "dev")
    assert dev.service.schedules[0].recurrence == recurrence


def test_an_account_without_quotes_is_read_from_the_file_as_from_the_engine(tmp_path: Path) -> None:
    assert decided(project(tmp_path, live={"imageOwner": 111122223333}), "live").service.image_owner == "111122223333"


def test_what_is_wrong_in_lives_file_is_not_blamed_on_the_one_that_reads_it(tmp_path: Path) -> None:
    folder = project(tmp_path, live={"release": "9.9.9"})
    assert refused(folder, "int").startswith("Pulumi.live.yaml: eps-dos-api:release is 9.9.9")


def test_an_inherited_tag_is_mended_where_it_stands(tmp_path: Path) -> None:
    folder = project(tmp_path, live={"tags": {**TAGS, "Owner": "a;b"}})
    assert refused(folder, "nft").startswith("Pulumi.live.yaml: eps-dos-api:tags.Owner")


def test_a_mistake_and_an_overlap_are_told_at_once(tmp_path: Path) -> None:
    page = refused(project(tmp_path, nft={"scale": 6, "cidr": "10.20.0.0/16"}), "nft")
    assert "eps-dos-api:scale is 6" in page
    assert "overlaps 10.20.0.0/16 of Pulumi.live.yaml" in page


def test_a_broken_file_hides_no_mistake_in_another(tmp_path: Path) -> None:
    folder = project(tmp_path, nft={"scale": 6})
    (folder / "Pulumi.dev.yaml").write_text("a: [")
    page = refused(folder, "nft")
    assert "Pulumi.dev.yaml" in page
    assert "eps-dos-api:scale is 6" in page


def test_the_fix_is_a_command_that_can_be_run(tmp_path: Path) -> None:
    page = refused(project(tmp_path, nft={"scale": 6}), "nft")
    assert "fix: pulumi config set eps-dos-api:scale 0.5 --stack nft" in page


def test_a_version_without_quotes_is_told_to_get_them(tmp_path: Path) -> None:
    file = project(tmp_path) / "releases.yaml"
    file.write_text(file.read_text().replace('"1.4.0"', "1.4"))
    assert "quote" in refused(tmp_path, "live")


def test_a_mirror_made_for_one_test_reserves_no_zone_though_live_does(tmp_path: Path) -> None:
    folder = project(tmp_path, live={"reservedZones": ["eu-west-2d"]})
    own = {"mirrors": "live", "dnsName": "dos-demo.eps.digital.nhs.uk", "cidr": "10.99.0.0/16"}
    set_keys(folder / "Pulumi.demo.yaml", {**own, "ephemeral": {**EPHEMERAL, "liveData": "compares answers"}})
    assert load_environment("demo", folder).virtual_ips == {}
    assert set(load_environment("nft", folder).virtual_ips) == {*load_environment("live", folder).virtual_ips}
