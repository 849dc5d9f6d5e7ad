"""Changes that a reviewer meets, as the real engine previewed them in the lab (tests/ops/review/recording.py)."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from math import ceil

import pytest

from ops.review.content import MAXIMUM, MINIMUM
from ops.review.markdown import as_markdown
from ops.review.model import StackReview, headline, lost_addresses
from ops.review.text import as_text
from tests.ops.review.plans import plan, reviewed, state, step
from tests.ops.review.recording import FIXTURES, SCENARIOS, Recorded
from tests.ops.review.test_markdown import problems

VERDICTS = {
    "scale": "nothing dangerous: 3 updated",
    "release": "nothing dangerous: 2 updated, replaces 6 instances",
    "supplier-added": "1 dangerous change is not acknowledged",
    "supplier-removed": "1 dangerous change is not acknowledged (clients cut off)",
    "tag": "nothing dangerous: 48 updated, replaces 6 instances",
    "zone-reserved": "nothing dangerous: 1 created",
    "zone-attached": "nothing dangerous: 5 created, 7 updated",
    "subnet-mapping-edited": "3 dangerous changes are not acknowledged (an outage)",
    "address-unprotected-and-replaced": "a policy forbids it, so this is no approval; 7 dangerous changes seen "
    "(3 published addresses would be lost, an outage)",
    "zone-removed-from-live": "the preview failed, so this is no approval; 1 dangerous change seen "
    "(1 published address would be lost)",
    "nothing": "nothing changes",
    "failing": "the preview failed, so this is no approval",
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_verdict(name: str) -> None:
    assert headline(Recorded.read(name).stack_review()) == VERDICTS[name]


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_rendering(name: str) -> None:
    """After a wanted change: python -m tests.ops.review.recording --render, and look at the difference."""
    markdown = as_markdown(Recorded.read(name).review())
    assert markdown == (FIXTURES / f"{name}.md").read_text(encoding="utf-8")
    assert problems(markdown) == []


def test_a_zone_removed_from_live_has_the_lost_address_and_whom_it_concerns_on_top() -> None:
    recorded = Recorded.read("zone-removed-from-live")
    (lost,) = lost_addresses(recorded.stack_review())
    assert (lost.zone, lost.published) == ("eu-west-2c", True)
    below_the_verdict = as_markdown(recorded.review()).split("\n### ")[1].splitlines()[1:]
    assert below_the_verdict[:4] == [
        "",
        "**Addresses lost**",
        "",
        f"- **`{lost.address}` (eu-west-2c)**, published: in the firewalls of Example Prescribing, Sample Dispensing",
    ]
    assert not recorded.review().gate.passed


def test_an_edited_mapping_has_the_outage_on_top_with_its_reason() -> None:
    first = Recorded.read("subnet-mapping-edited").stack_review().dangers[0]
    assert (first.what, first.action) == ("load balancer dev-lb", "replace")
    assert "AWS refuses it, since its addresses can't belong to both" in first.outage


def test_a_scale_change_is_calm_and_tells_the_figures() -> None:
    recorded = Recorded.read("scale")
    facts = {one.name: (one.before, one.after) for one in recorded.stack_review().capacity if one.changes}
    assert facts == {MINIMUM: ("3", "6"), MAXIMUM: ("6", "12")}
    assert recorded.review().gate.passed


def test_a_release_is_told_as_a_release() -> None:
    facts = {one.name: (one.before, one.after) for one in Recorded.read("release").stack_review().release}
    assert facts["release"] == ("1.4.0", "1.5.0")


def test_the_picture_is_there_only_if_something_in_it_changes() -> None:
    pictured = {name for name in SCENARIOS if Recorded.read(name).stack_review().picture}
    of_no_box = {"nothing", "failing", "supplier-added", "supplier-removed", "zone-removed-from-live"}
    assert pictured == SCENARIOS.keys() - of_no_box


def test_a_supplier_that_is_cut_off_stands_on_top_with_its_range() -> None:
    below_the_verdict = as_text(Recorded.read("supplier-removed").review()).splitlines()[3]
    message = "cuts off Sample Dispensing 203.0.113.0/27"
    assert below_the_verdict == f"  ! ManagedPrefixList live-clients {message} (cut)"


ROWS, COLUMNS = 30, 120
"""Half a screen."""


@pytest.mark.parametrize("name", ["scale", "zone-reserved", "zone-attached", "release", "tag"])
def test_what_happens_every_week_is_read_on_half_a_screen(name: str) -> None:
    lines = as_text(Recorded.read(name).review()).splitlines()
    assert sum(max(1, ceil(len(line) / COLUMNS)) for line in lines) <= ROWS


def test_the_same_change_has_the_same_fingerprint_though_names_are_made_up_anew() -> None:
    recorded = Recorded.read("zone-attached")
    text = json.dumps(recorded.events)
    made_up = set(re.findall(r"int-empty-eu-west-2c-([0-9a-f]{7})", text))
    assert made_up
    for digits in made_up:
        text = text.replace(digits, "abcdef0")
    again = replace(recorded, events=tuple(json.loads(text)))
    assert again.stack_review().fingerprint == recorded.stack_review().fingerprint


def test_another_change_has_another_fingerprint() -> None:
    changing = [name for name in SCENARIOS if name not in {"nothing", "failing", "zone-removed-from-live"}]
    assert len({Recorded.read(name).stack_review().fingerprint for name in changing}) == len(changing)


def test_two_boot_scripts_that_differ_in_a_hidden_line_are_two_plans_and_their_other_lines_are_shown() -> None:
    def previewed(token: str) -> StackReview:
        scripts = (f"#!/bin/sh\nTOKEN={token}\nrun --port {port}\n" for port in (443, 8443))
        before, after = (state({"userData": base64.b64encode(script.encode()).decode()}) for script in scripts)
        return reviewed(plan(step("update", "aws:ec2/launchTemplate:LaunchTemplate", "live-service", before, after)))

    one, other = previewed("first-hidden-value"), previewed("second-hidden-value")
    assert one.fingerprint != other.fingerprint
    ((shown,),) = [change.properties for part in one.components for change in part.changes]
    assert (shown.before.text, shown.after.text) == tuple(
        f"#!/bin/sh\\nTOKEN=[secret]\\nrun --port {port}\\n" for port in (443, 8443)
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_of_a_machine_is_in_a_fixture(name: str) -> None:
    text = (FIXTURES / f"{name}.json").read_text(encoding="utf-8")
    assert [word for word in ("/tmp/", "/root/", "/home/", "eps-dos-recording-") if word in text] == []  # noqa: S108 - not used, looked for
