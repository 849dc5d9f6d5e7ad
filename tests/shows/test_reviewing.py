"""What a reviewer is promised: what breaks a rule changes nothing, and a published address stays.

One lab with Live, in the order of its life: refused before there is anything, brought up, published, and held to it.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.types import EIP
from tests.shows.environments import Environments

pytestmark = [pytest.mark.engine, pytest.mark.scenario]

VIOLATIONS = {
    # One that is seen as soon as the resource is, and one that shows when all of the stack is known.
    "imds-v2": ("infra/components/service.py", 'http_tokens="required"', 'http_tokens="optional"'),
    "versioned": ("infra/components/dataset.py", 'status="Enabled"', 'status="Suspended"'),
}
COMMANDS = {
    "pulumi up": ("lab", "pulumi", "up", "--stack", "live", "--yes", "--non-interactive"),
    "eps-dos up": ("up", "live", "--lab"),
}


CERTIFICATE = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:live-{}"
SUBSCRIBERS = ("first@example.org", "second@example.org")
BROUGHT = "eu-west-2c"
"""The zone whose address was allocated outside the stack."""


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environments]:
    """A lab with nothing in it but an address; Live brings that, has a certificate and somebody to call."""
    with Environments.started(tmp_path_factory.mktemp("reviewing")) as made:
        allocation = made.client("ec2").allocate_address(Domain="vpc")["AllocationId"]
        settings = {
            "certificateSecretArn": CERTIFICATE.format("1"),
            "alarmSubscribers": [*SUBSCRIBERS],
            "allocationIds": {BROUGHT: allocation},
        }
        with (made.checkout / "Pulumi.live.yaml").open("a") as file:
            file.writelines(f"  eps-dos-api:{key}: {json.dumps(value)}\n" for key, value in settings.items())
        made.keep_edits()
        yield made


Edit = tuple[str, str, str]
"""A file of the checkout, what it has, and what it shall have in its place."""


@contextmanager
def edited(environments: Environments, *edits: Edit) -> Iterator[None]:
    """Make edits, and undo them."""
    before = {name: (environments.checkout / name).read_text() for name, _, _ in edits}
    try:
        for name, old, new in edits:
            file = environments.checkout / name
            text = file.read_text()
            assert old in text, f"{name} has no {old!r} any more"
            file.write_text(text.replace(old, new))
        yield
    finally:
        for name, text in before.items():
            (environments.checkout / name).write_text(text)


def resources(environments: Environments) -> list[Any]:
    """Return the state of Live, resource by resource; none before it was ever brought up."""
    return list(environments.export("live")["deployment"].get("resources") or [])


@pytest.mark.parametrize(("rule", "command"), list(zip(VIOLATIONS, COMMANDS, strict=True)))
def test_a_violation_stops_up_before_anything_is_made(environments: Environments, rule: str, command: str) -> None:
    with edited(environments, VIOLATIONS[rule]):
        refused = environments.eps_dos(*COMMANDS[command], check=False)
    assert refused.returncode != 0
    assert rule in refused.stdout + refused.stderr
    assert environments.inventory("live") == Counter()
    assert resources(environments) == []


def test_a_violation_stops_up_before_anything_is_changed(environments: Environments) -> None:
    environments.up("live")
    before, state = environments.inventory("live"), resources(environments)
    assert before["instance"] > 0
    environments.edit("live", "minimum: 6", "minimum: 9")
    with edited(environments, VIOLATIONS["versioned"]):
        refused = environments.eps_dos(*COMMANDS["pulumi up"], check=False)
    assert refused.returncode != 0
    assert "versioned" in refused.stdout + refused.stderr
    environments.undo_edits()
    assert environments.inventory("live") == before
    assert environments.group("live")["MinSize"] == 6
    assert resources(environments) == state


def planned(environments: Environments) -> set[tuple[str, str]]:
    """Return type and what an `up` of Live would change of it: an operation, an option or an input."""
    printed = environments.pulumi("preview", "--stack", "live", "--json", "--show-sames").stdout
    found = set()
    for step in json.loads(printed)["steps"]:
        old, new = step.get("oldState") or {}, step.get("newState") or {}
        kind = str((new or old)["type"])
        if step["op"] != "same":
            found.add((kind, str(step["op"])))
        # An option that isn't set isn't written.
        found |= {(kind, option) for option in ("protect", "retainOnDelete") if old.get(option) != new.get(option)}
        if old.get("inputs") != new.get("inputs"):
            found.add((kind, "inputs"))
    return found


def test_publishing_protects_and_retains_the_addresses_and_changes_nothing_else(environments: Environments) -> None:
    addresses = environments.outputs("live")["virtualIps"]
    before = (environments.checkout / "Pulumi.live.yaml").read_text()
    assert environments.eps_dos("vips", "publish", "live").stdout.count(" published") == 3
    written = (environments.checkout / "Pulumi.live.yaml").read_text()
    lines = [f'    {zone}: "{address}"' for zone, address in sorted(addresses.items())]
    assert written == "\n".join([before.rstrip("\n"), "  eps-dos-api:virtualIps:", *lines, ""])
    assert planned(environments) == {(EIP, "protect"), (EIP, "retainOnDelete")}
    environments.deploy("live")
    assert planned(environments) == set()
    assert environments.outputs("live")["virtualIps"] == addresses
    environments.keep_edits()


def test_what_is_published_refuses_to_be_destroyed(environments: Environments) -> None:
    before, addresses = environments.inventory("live"), environments.outputs("live")["virtualIps"]
    # By itself, since all of Live is refused for its load balancer already.
    target = ("--target", "**live-vip-eu-west-2a")
    refused = environments.pulumi("destroy", "--stack", "live", "--yes", *target, check=False)
    assert refused.returncode != 0
    assert "it is protected" in refused.stdout + refused.stderr
    assert environments.inventory("live") == before
    assert environments.outputs("live")["virtualIps"] == addresses


def test_a_change_by_hand_is_seen_and_several_stacks_are_reviewed_at_once(environments: Environments) -> None:
    elbv2, arn = environments.client("elbv2"), environments.group("live")["TargetGroupARNs"][0]
    elbv2.modify_target_group(TargetGroupArn=arn, HealthCheckIntervalSeconds=30)
    refreshed = reviews(environments, "live", "nft")
    assert [one["name"] for one in refreshed["live"]["drift"]] == ["live-tg"]
    assert refreshed["live"]["source"]["label"] == "the lab as it is, not AWS, refreshed"
    # Not there yet: all of it would be made.
    assert set(refreshed["nft"]["counts"]) == {"create"}
    assert (refreshed["nft"]["verdict"], refreshed["nft"]["drift"]) == ("calm", [])
    assert reviews(environments, "live", "--no-refresh")["live"]["drift"] == []
    elbv2.modify_target_group(TargetGroupArn=arn, HealthCheckIntervalSeconds=10)


def reviews(environments: Environments, *arguments: str) -> dict[str, Any]:
    """Return the review of each stack."""
    printed = environments.eps_dos("review", *arguments, "--format", "json", check=False).stdout
    return {one["stack"]: one for one in json.loads(printed)["stacks"]}


@dataclass(frozen=True, kw_only=True)
class Case:
    """An edit, and what its review says: by action and name of the resource, words of the danger's message."""

    edits: Sequence[Edit]
    dangers: Mapping[tuple[str, str], str]


NETWORK, GROUPS = "infra/components/network.py", "infra/components/security_groups.py"
EVERYBODY = (
    "cuts off Example Prescribing 192.0.2.0/28; Example Prescribing 198.51.100.16/28; Sample Dispensing 203.0.113.0/27"
)
LISTED_ON_LIVE = "environments: [live, int]"


NOTHING = "(lambda *_, **__: None)("
"""A call that makes no resource."""


CASES = {
    "several at once": Case(
        edits=[
            (
                "suppliers.yaml",
                "name: Sample Dispensing\n    assured: true",
                "name: Sample Dispensing\n    assured: false",
            ),
            ("suppliers.yaml", "192.0.2.0/28", "192.0.2.0/29"),
            ("Pulumi.live.yaml", "path: /health", "path: /ready"),
            ("Pulumi.live.yaml", "    unhealthyThreshold: 3", "    unhealthyThreshold: 2"),
            ("Pulumi.live.yaml", "    minimum: 6\n    maximum: 12", "    minimum: 3\n    maximum: 3"),
            ("Pulumi.live.yaml", CERTIFICATE.format("1"), CERTIFICATE.format("2")),
            ("Pulumi.live.yaml", f', "{SUBSCRIBERS[1]}"', ""),
            ("Pulumi.live.yaml", "instanceType: c7g.large", "instanceType: c7g.xlarge"),
        ],
        dangers={
            ("cut", "live-clients"): "cuts off Example Prescribing 192.0.2.8/29; Sample Dispensing 203.0.113.0/27",
            ("judge", "live-tg"): "path /health => /ready, unhealthyThreshold 3 => 2",
            ("shrink", "live-service"): "minSize 6 => 3 instances, maxSize 12 => 3 instances",
            ("certificate", "live-service"): f"takes its certificate from {CERTIFICATE.format('2')}",
        },
    ),
    "a supplier loses Live, and another health check": Case(
        edits=[
            ("suppliers.yaml", LISTED_ON_LIVE, "environments: [int]"),
            ("Pulumi.live.yaml", "protocol: HTTPS\n    path: /health", "protocol: TCP"),
        ],
        dangers={
            ("cut", "live-clients"): "cuts off Sample Dispensing 203.0.113.0/27",
            ("judge", "live-tg"): "protocol HTTPS => TCP",
        },
    ),
    "the clients' rule goes": Case(
        edits=[(GROUPS, 'rule(admit, "clients-in"', f'{NOTHING}admit, "clients-in"')],
        dangers={("cut", "live-clients-in"): EVERYBODY},
    ),
    "the load balancer may no longer speak to the instances": Case(
        edits=[(GROUPS, 'rule(release, "load-balancer-out"', f'{NOTHING}release, "load-balancer-out"')],
        dangers={("cut", "live-load-balancer-out"): EVERYBODY},
    ),
    "the instances no longer admit the load balancer": Case(
        edits=[(GROUPS, 'rule(admit, "service-in"', f'{NOTHING}admit, "service-in"')],
        dangers={("cut", "live-service-in"): EVERYBODY},
    ),
    "the default route goes": Case(
        edits=[
            (
                NETWORK,
                'aws.ec2.Route(\n            f"{name}-public-internet"',
                f'{NOTHING}\n            f"{{name}}-public-internet"',
            )
        ],
        dangers={("cut", "live-public-internet"): EVERYBODY},
    ),
    "one zone's subnet loses its routes": Case(
        edits=[
            (
                NETWORK,
                "aws.ec2.RouteTableAssociation(",
                f'({NOTHING[:-1]} if zone == "eu-west-2b" else aws.ec2.RouteTableAssociation)(',
            )
        ],
        dangers={("cut", "live-public-eu-west-2b"): f"{EVERYBODY} by ADDRESS (eu-west-2b)"},
    ),
    "entries are described otherwise": Case(
        edits=[("infra/components/clients.py", "description=entry.cidr", "description=entry.who")],
        dangers={("cut", "live-clients"): f"{EVERYBODY}, for as long as the update is under way"},
    ),
    "the instances leave the target group": Case(
        edits=[("infra/components/service.py", "target_group_arns=[args.target_group_arn]", "target_group_arns=[]")],
        dangers={("cut", "live-service"): EVERYBODY},
    ),
    "the name leads elsewhere": Case(
        edits=[("infra/components/dns.py", "name=args.load_balancer_dns_name", 'name="elsewhere.example.org"')],
        dangers={("redirect", "live-record"): f"leads to another load balancer; {EVERYBODY}"},
    ),
    "another name": Case(
        edits=[("Pulumi.live.yaml", "dnsName: dos.eps", "dnsName: dos-new.eps")],
        dangers={("replace", "live-record"): f"dos.eps.digital.nhs.uk becomes dos-new.eps.digital.nhs.uk; {EVERYBODY}"},
    ),
}


def reviewed(environments: Environments, folder: Path, *options: str) -> tuple[int, dict[str, Any], list[str]]:
    """Return the exit code of Live's review, the document, and the text's lines about Live."""
    outputs = [folder / "review.json", folder / "review.txt"]
    chosen = [part for output in outputs for part in ("--output", str(output))]
    done = environments.eps_dos("review", "live", *options, *chosen, check=False)
    (live,) = json.loads(outputs[0].read_text())["stacks"]
    assert live["errors"] == [], done.stderr
    return done.returncode, live, outputs[1].read_text().splitlines()[2:]


def holds_back(environments: Environments, folder: Path, case: Case) -> dict[str, Any]:
    """See that a review holds the case back, clients on top, and lets it through acknowledged; return the review."""
    zones = environments.outputs("live")["virtualIps"]
    with edited(environments, *case.edits):
        code, live, lines = reviewed(environments, folder, "--no-refresh")
    assert code == 1
    said = {(danger["action"], danger["urn"].rsplit("::", 1)[-1]): danger["message"] for danger in live["dangers"]}
    assert said.keys() == case.dangers.keys()
    for key, words in case.dangers.items():
        assert words.replace("ADDRESS", zones["eu-west-2b"]) in said[key]
    top = next(line for line in lines[1:] if not line.startswith("  lost: "))
    assert "cuts off" in top, lines

    acknowledgements = environments.checkout / "review-acknowledgements.yaml"
    kept = acknowledgements.read_text() if acknowledgements.exists() else None
    entries = [
        {"stack": "live", "urn": danger["urn"], "action": danger["action"],
         "reason": "agreed with all of them by telephone", "expires": f"{datetime.now(UTC).date()}"}
        for danger in live["dangers"]
    ]  # fmt: skip
    acknowledgements.write_text(json.dumps({"acknowledgements": entries}))
    # What was previewed is judged again; nothing runs.
    again = environments.eps_dos("review", "--from", str(folder / "review.json"), check=False)
    acknowledgements.unlink() if kept is None else acknowledgements.write_text(kept)
    assert again.returncode == 0, again.stdout
    return live


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_clients_would_notice_is_held_back_with_them_on_top_until_acknowledged(
    environments: Environments, tmp_path: Path, case: Case
) -> None:
    live = holds_back(environments, tmp_path, case)
    if case is CASES["several at once"]:
        # What is only mentioned, on a line each.
        facts = {fact["name"]: (fact["before"], fact["after"]) for fact in (*live["capacity"], *live["mentioned"])}
        assert facts["instance type"] == ("c7g.large", "c7g.xlarge")
        assert facts["alarm subscribers"] == (", ".join(SUBSCRIBERS), SUBSCRIBERS[0])
        assert live["instancesReplaced"] == 6


def test_a_brought_address_that_leaves_the_file_is_lost_from_the_firewalls_of_whoever_connects(
    environments: Environments, tmp_path: Path
) -> None:
    address = environments.outputs("live")["virtualIps"][BROUGHT]
    lines = (environments.checkout / "Pulumi.live.yaml").read_text().splitlines(keepends=True)
    gone = [("Pulumi.live.yaml", line, "") for line in lines if "allocationIds" in line or address in line]
    assert len(gone) == 2
    with edited(environments, *gone):
        code, live, text = reviewed(environments, tmp_path, "--no-refresh")
    assert code == 1
    assert (
        text[1]
        == f"  lost: {address} ({BROUGHT}), published: in the firewalls of Example Prescribing, Sample Dispensing"
    )
    assert live["dangers"][0]["addresses"] == [{"address": address, "zone": BROUGHT, "published": True}]


def test_an_address_that_loses_its_protection_is_seen_whatever_the_refresh_takes_over(
    environments: Environments, tmp_path: Path
) -> None:
    lifted = "protect=False, retain_on_delete=False"
    edit = ("infra/components/virtual_ips.py", "protect=plan.protected, retain_on_delete=plan.protected", lifted)
    with edited(environments, edit):
        code, live, _ = reviewed(environments, tmp_path)
    said = {(danger["action"], danger["urn"].rsplit("::", 1)[-1]) for danger in live["dangers"]}
    assert code == 1
    assert said == {("unprotect", "live-vip-eu-west-2a"), ("unprotect", "live-vip-eu-west-2b")}


def changed(live: dict[str, Any]) -> set[str]:
    """Return the names of all resources that a review says are changed, but for their tags."""
    return {change["name"] for component in live["components"] for change in component["changes"]}


def test_a_tag_that_accounts_for_money_replaces_no_instance(environments: Environments, tmp_path: Path) -> None:
    with edited(environments, ("Pulumi.live.yaml", "CostCentre: to be decided", 'CostCentre: "4711"')):
        code, live, _ = reviewed(environments, tmp_path, "--no-refresh")
    assert (code, live["verdict"], live["dangers"]) == (0, "calm", [])
    assert (live["instancesReplaced"], "replaces" in live["headline"]) == (None, False)


def test_a_new_name_and_more_room_are_calm_and_nothing_else_is_in_their_review(
    environments: Environments, tmp_path: Path
) -> None:
    edits = [
        ("suppliers.yaml", "name: Sample Dispensing", "name: Sample Dispensing Limited"),
        ("Pulumi.live.yaml", "    maximum: 12", "    maximum: 15"),
        (GROUPS, '"Clients, by prefix list"', '"Clients, as the prefix list has them"'),
    ]
    with edited(environments, *edits):
        code, live, _ = reviewed(environments, tmp_path)
    assert (code, live["verdict"], live["dangers"], live["drift"]) == (0, "calm", [], [])
    assert changed(live) == {"live-service", "live-dashboard", "live-at-maximum", "live-clients-in"}


def test_tags_that_others_put_on_everything_are_seen_until_they_are_named(
    environments: Environments, tmp_path: Path
) -> None:
    ec2 = environments.client("ec2")
    own = ec2.describe_tags(Filters=[{"Name": "tag:Environment", "Values": ["live"]}])["Tags"]
    put = {
        "Resources": sorted({one["ResourceId"] for one in own if not one["ResourceId"].startswith(("i-", "vol-"))}),
        "Tags": [{"Key": "Organisation", "Value": "a trust"}],
    }
    ec2.create_tags(**put)
    _, unnamed, _ = reviewed(environments, tmp_path)
    file = environments.checkout / "Pulumi.live.yaml"
    with edited(
        environments,
        ("Pulumi.live.yaml", file.read_text(), f"{file.read_text()}  eps-dos-api:othersTagKeys: [Organisation]\n"),
    ):
        code, named, _ = reviewed(environments, tmp_path)
    ec2.delete_tags(**put)
    assert len(unnamed["drift"]) > 15
    assert (code, named["dangers"], named["drift"]) == (0, [], [])
    assert named["tagChanges"] == []


def test_no_version_of_the_prefix_list_lacks_a_range_that_stays(environments: Environments) -> None:
    ec2 = environments.client("ec2")
    (clients,) = ec2.describe_managed_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": ["eps-dos-api-live-clients"]}]
    )["PrefixLists"]

    def ranges(version: int) -> set[str]:
        entries = ec2.get_managed_prefix_list_entries(PrefixListId=clients["PrefixListId"], TargetVersion=version)
        return {entry["Cidr"] for entry in entries["Entries"]}

    # A supplier is renamed, lists the range of another as well, and moves.
    edits = [
        ("suppliers.yaml", "name: Sample Dispensing", "name: Sample Dispensing Limited"),
        ("suppliers.yaml", "[203.0.113.0/27]", "[192.0.2.0/28, 203.0.113.64/27]"),
    ]
    with edited(environments, *edits):
        environments.deploy("live")
    (now,) = ec2.describe_managed_prefix_lists(PrefixListIds=[clients["PrefixListId"]])["PrefixLists"]
    versions = {version: ranges(version) for version in range(clients["Version"], now["Version"] + 1)}
    assert environments.outputs("live")["clients"]["192.0.2.0/28"] == "Example Prescribing, Sample Dispensing Limited"
    assert versions[clients["Version"]] == {"192.0.2.0/28", "198.51.100.16/28", "203.0.113.0/27"}
    assert versions[now["Version"]] == {"192.0.2.0/28", "198.51.100.16/28", "203.0.113.64/27"}
    assert all({"192.0.2.0/28", "198.51.100.16/28"} <= entries for entries in versions.values()), versions


def test_another_address_in_the_file_is_refused_with_whose_firewalls_have_it(environments: Environments) -> None:
    address = environments.outputs("live")["virtualIps"]["eu-west-2b"]
    environments.edit("live", f'eu-west-2b: "{address}"', 'eu-west-2b: "192.0.2.77"')
    said = f"would be {address} in eu-west-2b; 192.0.2.77 is published"
    refused = environments.pulumi("up", "--stack", "live", "--yes", check=False)
    assert refused.returncode != 0
    assert said in refused.stdout + refused.stderr
    live = reviews(environments, "live")["live"]
    assert live["verdict"] == "failed"
    concerned = {(one["address"], *danger["concerns"]) for danger in live["dangers"] for one in danger["addresses"]}
    assert concerned == {(address, "Example Prescribing", "Sample Dispensing")}
