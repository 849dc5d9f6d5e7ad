"""What a mirror differs in, as a person and a program are told it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from infra.deciding import load_environment
from infra.environment import Environment
from infra.graph import ABSENT, Allowed, Difference, Graph, Resource
from infra.mirroring import differences
from infra.recording import record
from ops.cli import run
from ops.drift.findings import Check, Expected, Night, read
from ops.mirror.comparison import Comparison, Level, as_json, as_text
from ops.stacks.engine import NoSuchStackError, StackHandle
from tests.infra.stackfiles import CHECKOUT, project


def test_nft_as_configured_differs_in_nothing_that_it_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project(tmp_path))
    assert run(["mirror", "nft", "--level", "declared"]) == 0
    printed = capsys.readouterr().out
    assert "Group service maxSize: 12 → 6" in printed
    assert "differs and may: each environment has a range of its own" in printed
    assert "everything else is the same" in printed


def test_an_environment_that_mirrors_nothing_is_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project(tmp_path))
    assert run(["mirror", "int"]) == 2
    assert "Pulumi.int.yaml: eps-dos-api:mirrors is missing" in capsys.readouterr().err


@pytest.mark.parametrize("lives", [{}, {"eu-west-2a": "eipalloc-0000000b"}], ids=["made", "allocated elsewhere, too"])
def test_an_address_allocated_elsewhere_is_no_drift(lives: dict[str, str]) -> None:
    live, nft = load_environment("live", CHECKOUT), load_environment("nft", CHECKOUT)
    live, nft = brought(live, lives), brought(nft, {"eu-west-2a": "eipalloc-0000000a"})
    found = differences(record(live), record(nft), (live, nft))
    assert [one for one in found if one.allowed is None] == []
    # Of another zone than the one that says so.
    wrong = differences(record(live), record(brought(nft, {"eu-west-2b": "eipalloc-0000000c"})), (live, nft))
    assert any(one.path.endswith(".allocationId") for one in wrong if one.allowed is None)


def brought(environment: Environment, allocations: dict[str, str]) -> Environment:
    """Return an environment with addresses that were allocated elsewhere, by zone."""
    plans = {zone: replace(plan, allocation_id=allocations.get(zone)) for zone, plan in environment.virtual_ips.items()}
    return replace(environment, virtual_ips=plans)


def test_a_template_changed_more_often_than_lives_is_no_drift_and_one_that_is_no_number_is() -> None:
    rollout = "eps-dos:index:Rollout"
    assert drifted("launchTemplateVersion", "7", rollout, "nft-rollout") == ()
    (found,) = drifted("launchTemplateVersion", "$Latest", rollout, "nft-rollout")
    assert found.path == "launchTemplateVersion"


def drifted(
    property_name: str, value: object, type_: str, name: str, *, allowed: bool = False
) -> tuple[Difference, ...]:
    """Return what Live and NFT differ in once a property of NFT's is changed: what may not, or what may."""
    live, nft = load_environment("live", CHECKOUT), load_environment("nft", CHECKOUT)
    graph = record(nft)
    changed = graph.one(type_, name)
    edited = Resource(**{**vars(changed), "inputs": {**changed.inputs, property_name: value}})
    found = differences(
        record(live), Graph.of("nft", [edited if one is changed else one for one in graph]), (live, nft)
    )
    return tuple(one for one in found if (one.allowed is not None) is allowed)


@pytest.mark.parametrize(
    ("property_name", "value", "type_", "name"),
    [
        ("maxSize", 7, "aws:autoscaling/group:Group", "nft-service"),
        ("instanceType", "c7g.small", "aws:ec2/launchTemplate:LaunchTemplate", "nft-service"),
        ("enableCrossZoneLoadBalancing", False, "aws:lb/loadBalancer:LoadBalancer", "nft-lb"),
        ("cidrBlock", "10.99.0.0/16", "aws:ec2/vpc:Vpc", "nft-vpc"),
        ("port", 444, "aws:lb/listener:Listener", "nft-listener"),
        ("retentionInDays", 1, "aws:cloudwatch/logGroup:LogGroup", "nft-service"),
    ],
)
def test_a_value_that_it_may_not_have_is_drift_and_nothing_else_is(
    property_name: str, value: object, type_: str, name: str
) -> None:
    (found,) = drifted(property_name, value, type_, name)
    assert (found.type, found.path) == (type_, property_name)


def test_drift_stands_first_and_in_json() -> None:
    compared = [
        Comparison(
            level=Level.state,
            resources=78,
            differences=drifted("maxSize", 7, "aws:autoscaling/group:Group", "nft-service"),
        )
    ]
    assert as_text(compared, "live", "nft").splitlines() == [
        "state: live → nft, 78 resources compared",
        "  DRIFT",
        "    Group service maxSize: 12 → 7",
        "  1 differs and may not",
    ]
    (told,) = json.loads(as_json(compared))[0]["differences"]
    assert (told["property"], told["live"], told["mirror"], told["verdict"]) == ("maxSize", "12", "7", "DRIFT")


def test_what_is_seen_at_several_levels_is_said_once() -> None:
    scaled = drifted("maxSize", 6, "aws:autoscaling/group:Group", "nft-service", allowed=True)
    drift = drifted("maxSize", 7, "aws:autoscaling/group:Group", "nft-service")
    (minimum,) = (difference for difference in scaled if difference.path == "minSize")
    (maximum,) = (difference for difference in scaled if difference.path == "maxSize")
    compared = [
        Comparison(level=Level.declared, resources=80, differences=(minimum, maximum)),
        Comparison(level=Level.state, resources=78, differences=(minimum, *drift)),
        Comparison(level=Level.actual, resources=78, differences=(minimum, *drift)),
    ]
    assert as_text(compared, "live", "nft").splitlines()[3:] == [
        "  DRIFT",
        "    Group service maxSize: 12 → 7 [state, actual]",
        "  scaled as configured",
        "    Group service minSize: 6 → 3",
        "    Group service maxSize: 12 → 6 [declared]",
        "  1 differs and may not",
    ]


def test_what_may_differ_is_cut_short_and_what_may_not_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a hundred clients of Live's that aren't NFT's."""
    monkeypatch.chdir(project(tmp_path))
    clients = ", ".join(f"192.0.2.{number}/32" for number in range(40)) + ", "
    clients += ", ".join(f"198.51.100.{number}/32" for number in range(9))
    (tmp_path / "suppliers.yaml").write_text(
        f"suppliers: [{{name: A, assured: true, environments: [live], clients: [{clients}]}}]\n"
    )
    assert run(["mirror", "nft", "--level", "declared"]) == 0
    short = capsys.readouterr().out.splitlines()
    assert run(["mirror", "nft", "--level", "declared", "--all"]) == 0
    whole = capsys.readouterr().out.splitlines()
    assert short[:20] == whole[:20]
    assert short[61:] == [
        f"  ... {len(whole) - 62} more lines of what may differ: --all",
        "  everything else is the same",
    ]
    (nft,) = drifted("port", 444, "aws:lb/listener:Listener", "nft-listener")
    many = Comparison(level=Level.state, resources=1, differences=(nft,) * 3)
    assert "Listener listener port" in as_text([many], "live", "nft", 0)


def test_a_long_value_that_may_differ_is_cut_short_unless_everything_is_asked_for() -> None:
    long = "x" * 61
    key = "aws:ec2/vpc:Vpc::<stack>-vpc"
    may = Difference(key=key, path="a", left="y", right=long, allowed=Allowed(type="aws:*", path="a", reason="why"))
    may_not = Difference(key=key, path="b", left="y", right=long)
    compared = [Comparison(level=Level.state, resources=2, differences=(may, may_not))]
    short = as_text(compared, "live", "nft", 60)
    assert f"Vpc vpc a: y → {'x' * 60}…\n" in short
    assert f"Vpc vpc b: y → {long}\n" in short
    assert f"Vpc vpc a: y → {long}\n" in as_text(compared, "live", "nft")


def test_of_two_lists_only_what_one_of_them_has_is_shown() -> None:
    waits = Difference(
        key="eps-dos:index:Rollout::<stack>-rollout",
        path="(options).dependencies",
        left=["bucket", "listener", "vpc"],
        right=["listener", "vpc"],
    )
    compared = [Comparison(level=Level.state, resources=2, differences=(waits,))]
    assert 'Rollout rollout (options).dependencies: ["bucket"] → []' in as_text(compared, "live", "nft")
    (whole,) = json.loads(as_json(compared))[0]["differences"]
    assert whole["live"] == '["bucket", "listener", "vpc"]'


def test_what_looks_like_a_secret_is_not_shown() -> None:
    secret = "AKIAIOSFODNN7EXAMPLE"  # noqa: S105 - the one in AWS's documentation
    key = "aws:ec2/launchTemplate:LaunchTemplate::<stack>-service"
    differences = (
        Difference(key=key, path="userData", left="a", right=f"export KEY={secret}"),
        Difference(key=key, path="password", left=ABSENT, right="correct horse"),
    )
    compared = [Comparison(level=Level.actual, resources=2, differences=differences)]
    for told in (as_text(compared, "live", "nft"), as_json(compared)):
        assert secret not in told
        assert "correct horse" not in told
        assert told.count("[secret]") == 2


def of_states(monkeypatch: pytest.MonkeyPatch, **states: Graph) -> None:
    """Let the backend have these stacks and no other."""

    def graph(handle: StackHandle) -> Graph:
        if handle.name not in states:
            raise NoSuchStackError(handle.name)
        return states[handle.name]

    monkeypatch.setattr(StackHandle, "graph", graph)


@pytest.mark.parametrize("command", [["mirror", "nft", "--level", "actual"], ["verify", "nft", "--drift"]])
@pytest.mark.parametrize(
    "states",
    [
        {},
        {"nft": Graph.of("nft", [Resource(urn="urn:pulumi:nft::p::pulumi:pulumi:Stack::p-nft",
                                          type="pulumi:pulumi:Stack", inputs={}, outputs={})])},
    ],
    ids=["no stack", "an empty stack"],
)  # fmt: skip
def test_what_is_not_deployed_is_that_and_no_list_of_differences(
    command: list[str],
    states: dict[str, Graph],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project(tmp_path))
    live = record(load_environment("live", CHECKOUT))
    of_states(monkeypatch, live=live, **states)
    assert run([*command, "--json"]) == 1
    told = capsys.readouterr().out
    assert json.loads(told) == [{"level": "actual", "checked": False, "reason": "not deployed: nft"}]
    check: Check = "mirror" if command[0] == "mirror" else "drift"
    source = Expected(stack="nft", check=check)
    (tmp_path / f"{source}.json").write_text(told)
    assert read(tmp_path, [source]) == Night(findings=(), unchecked={source: "not deployed: nft"})


def test_asked_for_all_levels_it_still_answers_for_what_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project(tmp_path))
    of_states(monkeypatch)
    assert run(["mirror", "nft"]) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == [
        "state: not checked: not deployed: live, nft",
        "actual: not checked: not deployed: live, nft",
    ]
