"""What a night's checks left behind: findings, and never an all-clear from what can't be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.deciding import load_environment
from ops.drift.findings import Expected, expected, read
from tests.infra.stackfiles import CHECKOUT

MIRROR, VERIFY = Expected(stack="nft", check="mirror"), Expected(stack="nft", check="verify")
DRIFT = {
    "what": "aws:lb/targetGroup:TargetGroup::<stack>-tg",
    "property": "healthCheck.interval",
    "live": "10",
    "mirror": "30",
    "verdict": "DRIFT",
    "reason": None,
}
ALLOWED = {**DRIFT, "property": "name", "verdict": "differs and may", "reason": "because"}


def level(*differences: object) -> list[object]:
    return [{"level": "actual", "checked": True, "differences": list(differences)}]


def write(folder: Path, source: Expected, document: object) -> None:
    (folder / f"{source}.json").write_text(json.dumps(document))


def test_every_stack_is_verified_and_looked_at_once() -> None:
    stacks = [load_environment(name, CHECKOUT) for name in ("live", "nft", "int", "dev")]
    assert [str(one) for one in expected(stacks)] == [
        *("dev.drift", "dev.verify", "int.drift", "int.verify", "live.verify", "nft.mirror", "nft.verify")
    ]
    assert [str(one) for one in expected(stacks[:1])] == ["live.drift", "live.verify"]


def test_of_a_mirror_what_may_not_differ_is_found(tmp_path: Path) -> None:
    write(tmp_path, MIRROR, level(DRIFT, ALLOWED))
    night = read(tmp_path, [MIRROR])
    (found,) = night.findings
    assert (found.what, found.path, found.should, found.instead, found.note) == (
        DRIFT["what"],
        *("healthCheck.interval", "10", "30", ""),
    )
    assert night.unchecked == {}


def test_of_an_environment_alone_what_was_deployed_is_held_against_what_is(tmp_path: Path) -> None:
    source = Expected(stack="int", check="drift")
    told = {key: value for key, value in DRIFT.items() if key not in ("live", "mirror")}
    write(tmp_path, source, level({**told, "deployed": "10", "actual": "30"}))
    (found,) = read(tmp_path, [source]).findings
    assert (found.should, found.instead) == ("10", "30")


def test_of_verify_what_failed_is_found(tmp_path: Path) -> None:
    checks = [
        {"name": "port", "value": "TCP 443", "verdict": "failed", "evidence": "TCP 80, too"},
        {"name": "name", "value": "a", "verdict": "ok", "evidence": "b"},
        {"name": "client", "value": "a", "verdict": "not checked", "evidence": "b"},
    ]
    write(tmp_path, VERIFY, [{"title": "nft", "passed": False, "checks": checks}])
    (found,) = read(tmp_path, [VERIFY]).findings
    assert (found.what, found.should, found.instead) == ("port", "TCP 443", "TCP 80, too")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{}",
        "[]",
        "null",
        "[1]",
        "[" * 100_000,
        "\x00",
        json.dumps([{"level": "actual", "checked": False, "reason": "the stack isn't there"}]),
        json.dumps([{"level": "actual", "checked": True, "differences": [{"verdict": "DRIFT"}]}]),
        json.dumps([{"level": "actual", "checked": True}]),
    ],
)
def test_what_is_no_answer_is_a_check_that_came_to_no_end(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / f"{MIRROR}.json").write_text(text)
    night = read(tmp_path, [MIRROR])
    assert night.findings == ()
    assert list(night.unchecked) == [MIRROR]
    assert night.unchecked[MIRROR]


def test_a_thing_stays_the_same_when_its_value_changes_but_for_what_is_in_a_list(tmp_path: Path) -> None:
    def identities(path: str, value: str) -> str:
        write(tmp_path, MIRROR, level({**DRIFT, "property": path, "mirror": value}))
        return read(tmp_path, [MIRROR]).findings[0].identity

    assert identities("healthCheck.interval", "30") == identities("healthCheck.interval", "31")
    assert identities("healthCheck.interval", "30") != identities("healthCheck.timeout", "30")
    assert identities("ingress[]", "tcp 22") != identities("ingress[]", "tcp 23")
