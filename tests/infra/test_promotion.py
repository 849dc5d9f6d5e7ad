"""The gates of promotions: for each, one that opens it and one that closes it; and what a promotion would write."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from infra.promotion import (
    Deployment,
    Exemption,
    Gate,
    Observed,
    Pipeline,
    Run,
    Stage,
    edits,
    gates,
    moved,
    promoted,
    runs,
)
from infra.releases import Release
from infra.settings import Override

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VERSIONS = ("1.3.0", "1.4.0", "1.5.0", "1.6.0")
CATALOGUE = tuple(Release(version=one, date=date(2026, 8, 3), image=f"image-{one}") for one in VERSIONS)
IMAGES = {f"image-{one}": f"ami-{one}" for one in VERSIONS}


def pipeline(live: str = "1.4.0", **wanted: str) -> Pipeline:
    """Live and the others as in the checkout, each deployed as configured; `int` is spelled `int_`."""
    stages = {
        "live": Stage(stack="live", wanted=live, deployed=live),
        "nft": Stage(stack="nft", wanted=wanted.get("nft", "live"), mirrors="live", deployed=live),
        "int": Stage(stack="int", wanted=wanted.get("int_", "live"), deployed=live),
        "dev": Stage(stack="dev", wanted=wanted.get("dev", live), deployed=live),
    }
    return Pipeline(releases=CATALOGUE, stages=stages, evidence=timedelta(hours=24))


def ran(release: str, hours: float, stack: str = "nft", **changes: Any) -> Run:
    return replace(
        Run(stack=stack, release=release, image_id=f"ami-{release}", since=NOW - timedelta(hours=hours)), **changes
    )


def found(*history: Run, images: dict[str, str] | None = None) -> Observed:
    return Observed(runs=history, images=IMAGES if images is None else images, now=NOW)


def promotion(
    before: Pipeline, version: str, stack: str, known: Observed | None = None, exemption: Exemption | None = None
) -> dict[str, Gate]:
    after = promoted(before, version, stack, exemption)
    return {one.name: one for one in gates(after, stack, known or found(), before.version(stack))}


def closed(answers: dict[str, Gate]) -> list[str]:
    return [one.name for one in answers.values() if not one.open]


def test_live_takes_what_its_mirror_ran_for_long_enough() -> None:
    answers = promotion(pipeline(nft="live+1"), "1.5.0", "live", found(ran("1.5.0", 25)))
    assert closed(answers) == []
    assert answers["ran in Live's mirror"].evidence == (
        "deployed successfully to nft at 2026-11-22 11:00 UTC, and ran there for 25 h (asked: 24 h); "
        "no word about tests"
    )


@pytest.mark.parametrize(
    ("history", "so_far"),
    [
        ((), "nft never ran 1.5.0"),
        ((ran("1.4.0", 90),), "nft never ran 1.5.0"),
        ((ran("1.5.0", 23.5),), "nft has run 1.5.0 for 23 h 30 min; asked: 24 h"),
        ((ran("1.5.0", 90, until=NOW - timedelta(hours=89)),), "nft has run 1.5.0 for 1 h; asked: 24 h"),
        ((ran("1.5.0", 90, stack="int"),), "nft never ran 1.5.0"),
        (
            (ran("1.5.0", 90, image_id="ami-old"),),
            "nft has run 1.5.0 from ami-old, not from image-1.5.0 (ami-1.5.0)",
        ),
    ],
)
def test_live_refuses_what_its_mirror_has_not_run_as_such_and_for_long_enough(
    history: tuple[Run, ...], so_far: str
) -> None:
    answers = promotion(pipeline(nft="live+1"), "1.5.0", "live", found(*history))
    assert closed(answers) == ["ran in Live's mirror"]
    assert answers["ran in Live's mirror"].evidence == so_far


def test_the_time_to_wait_until_is_told() -> None:
    answers = promotion(pipeline(nft="live+1"), "1.5.0", "live", found(ran("1.5.0", 23)))
    assert answers["ran in Live's mirror"].fix.startswith("wait until 2026-11-23 13:00 UTC")


def test_a_mirror_made_for_one_test_is_no_evidence() -> None:
    before = pipeline()
    before = replace(before, stages={**before.stages, "nft": replace(before.stages["nft"], lasting=False)})
    answers = promotion(before, "1.5.0", "live", found(ran("1.5.0", 99)))
    assert answers["ran in Live's mirror"].evidence == "Live has no mirror that could have run it"


def test_evidence_is_overridden_by_a_reason_for_that_release_only() -> None:
    reason = "CVE-2026-1, agreed with the on-call lead"
    overridden = Exemption(release="1.5.0", overrides=(Override.EVIDENCE,), reason=reason)
    answers = promotion(pipeline(), "1.5.0", "live", exemption=overridden)
    assert closed(answers) == []
    assert answers["ran in Live's mirror"].evidence == f"overridden, as recorded: {reason}"
    assert closed(promotion(pipeline(), "1.6.0", "live", exemption=overridden)) == ["ran in Live's mirror"]


def test_the_same_version_from_a_new_image_asks_for_evidence_again() -> None:
    current = pipeline()
    of_the_old = found(ran("1.4.0", 99, "live"), ran("1.4.0", 99), images=IMAGES | {"image-1.4.0": "ami-patched"})
    assert [one.name for one in gates(current, "live", of_the_old) if not one.open] == ["ran in Live's mirror"]
    unchanged = found(ran("1.4.0", 99, "live"))
    assert all(one.open for one in gates(current, "live", unchanged))


@pytest.mark.parametrize("stack", ["nft", "int"])
@pytest.mark.parametrize(("version", "word"), [("1.4.0", "live"), ("1.5.0", "live+1")])
def test_int_and_mirrors_are_given_the_word_that_means_the_version(stack: str, version: str, word: str) -> None:
    before = pipeline()
    after = promoted(before, version, stack)
    assert after.stages[stack].wanted == word
    assert closed(promotion(before, version, stack)) == []


@pytest.mark.parametrize("stack", ["nft", "int"])
@pytest.mark.parametrize("version", ["1.3.0", "1.6.0"])
def test_int_and_mirrors_take_nothing_but_lives_release_or_the_next(stack: str, version: str) -> None:
    answers = promotion(pipeline(), version, stack)
    assert closed(answers) == ["Live's release or the next"]
    assert answers["Live's release or the next"].evidence == f"{version} is neither; allowed: 1.4.0 or 1.5.0"


def test_dev_takes_any_release() -> None:
    before = pipeline()
    assert edits(before, promoted(before, "1.6.0", "dev")) == {"dev": "1.6.0"}
    assert closed(promotion(before, "1.6.0", "dev")) == []


def test_a_downgrade_asks_for_a_rollback_that_is_recorded() -> None:
    before = pipeline(dev="1.5.0")
    answers = promotion(before, "1.3.0", "dev")
    assert closed(answers) == ["no downgrade"]
    assert answers["no downgrade"].evidence == "1.3.0 is earlier than 1.4.0"
    assert answers["no downgrade"].fix == "eps-dos release promote 1.3.0 --to dev --rollback"
    recorded = Exemption(release="1.3.0", rollback_from="1.5.0")
    assert closed(promotion(before, "1.3.0", "dev", exemption=recorded)) == []


def test_a_mirror_goes_back_only_if_asked_to_but_may_follow_live_back() -> None:
    before = pipeline(nft="live+1")
    assert closed(promotion(before, "1.4.0", "nft")) == ["no downgrade"]
    assert closed(promotion(before, "1.4.0", "nft", exemption=Exemption(release="1.4.0", rollback_from="1.5.0"))) == []
    ahead = replace(before.stages["nft"], wanted="live", deployed="1.5.0")
    following = replace(before, stages={**before.stages, "nft": ahead})
    assert all(one.open for one in gates(following, "nft", found()))


def test_a_rollback_of_live_needs_no_mirror_if_live_ran_the_release_before() -> None:
    back = Exemption(release="1.3.0", rollback_from="1.4.0")
    earlier = ran("1.3.0", 900, "live", until=NOW - timedelta(hours=800))
    assert closed(promotion(pipeline(), "1.3.0", "live", found(earlier), back)) == []
    assert closed(promotion(pipeline(), "1.3.0", "live", found(), back)) == ["ran in Live's mirror"]


RINGS = {"dev-unhealthy-hosts": "ALARM"}
WAY = 'eps-dos release promote 1.5.0 --to dev --override alarms --reason "..."'


def test_a_promotion_is_told_beforehand_that_an_alarm_rings_and_the_way() -> None:
    known = replace(found(), ringing=RINGS)
    gate = promotion(pipeline(), "1.5.0", "dev", known)["no alarm rings"]
    assert (gate.open, gate.evidence, gate.fix) == (
        False,
        "dev-unhealthy-hosts is ALARM: AWS starts no rollout until it is OK again",
        f"wait, or: {WAY}",
    )
    assert promotion(pipeline(), "1.5.0", "dev")["no alarm rings"].open


@pytest.mark.parametrize(
    ("version", "exemption", "evidence"),
    [
        ("1.5.0", Exemption(release="1.5.0", overrides=(Override.ALARMS,), reason="incident 4711"),
         "overridden, as recorded: incident 4711"),
        ("1.3.0", Exemption(release="1.3.0", rollback_from="1.4.0"), "a rollback starts all the same"),
        ("1.4.0", None, "1.4.0 is deployed already"),
    ],
)  # fmt: skip
def test_an_alarm_keeps_no_promotion_that_overrides_it_goes_back_or_rolls_nothing_out(
    version: str, exemption: Exemption | None, evidence: str
) -> None:
    answers = promotion(pipeline(), version, "dev", replace(found(), ringing=RINGS), exemption)
    assert closed(answers) == []
    assert answers["no alarm rings"].evidence == f"dev-unhealthy-hosts is ALARM; {evidence}"


def test_an_alarm_keeps_no_deployment_from_all_else_that_it_brings() -> None:
    pending = promoted(pipeline(), "1.5.0", "dev")
    answers = {one.name: one for one in gates(pending, "dev", replace(found(), ringing=RINGS))}
    assert closed(answers) == []
    assert answers["no alarm rings"].evidence == (
        f"dev-unhealthy-hosts is ALARM: all is deployed but 1.5.0; for that, too: {WAY}"
    )


def test_a_version_outside_the_catalogue_is_refused_with_what_is_in_it() -> None:
    answers = promotion(pipeline(), "9.9.9", "dev")
    assert closed(answers) == ["in the catalogue"]
    assert answers["in the catalogue"].evidence == (
        "9.9.9 is none of them: releases.yaml has 1.3.0, 1.4.0, 1.5.0, 1.6.0"
    )


def test_a_release_without_an_image_is_refused() -> None:
    answers = promotion(pipeline(), "1.5.0", "dev", found(images={}))
    assert closed(answers) == ["image exists"]


def test_a_release_without_an_image_keeps_nothing_else_from_being_deployed() -> None:
    gone = Observed(runs=(), images={}, unlaunchable={"image-1.5.0": "self has none", "image-1.4.0": "none"}, now=NOW)
    pending = promoted(pipeline(), "1.5.0", "dev")
    assert closed(answers := {gate.name: gate for gate in gates(pending, "dev", gone)}) == []
    assert answers["image exists"].evidence == "self has none: all is deployed but 1.5.0"
    assert closed(answers := {gate.name: gate for gate in gates(pipeline(), "live", gone)}) == []
    assert answers["image exists"].evidence == "none: instances stay as they are"


def test_a_first_deployment_needs_an_image() -> None:
    of_nothing = replace(pipeline(), stages={"dev": Stage(stack="dev", wanted="1.5.0")})
    assert closed({gate.name: gate for gate in gates(of_nothing, "dev", found(images={}))}) == ["image exists"]


def test_what_runs_or_would_be_gone_back_to_and_cannot_be_launched_is_said_and_closes_nothing() -> None:
    history = (ran("1.3.0", 90, "dev", until=NOW - timedelta(hours=9)), ran("1.4.0", 9, "dev"), ran("1.3.0", 9, "int"))
    wrong = {"ami-1.4.0": "1.4.0 is gone", "ami-1.3.0": "1.3.0 is disabled"}
    answers = promotion(pipeline(), "1.5.0", "dev", replace(found(*history), unlaunchable=wrong))
    assert closed(answers) == []
    assert answers["what runs can be launched"].evidence == (
        "dev runs it: 1.4.0 is gone; dev could go back to it: 1.3.0 is disabled"
    )


def test_a_former_image_stays_while_a_stack_runs_it_or_could_go_back_to_it() -> None:
    formers = [f"image-{letter}" for letter in "abcd"]
    written = {"version": "1.4.0", "date": "2026-08-03", "image": "image-new", "formerImages": formers}
    old = Release.model_validate(written)
    current = replace(pipeline(), releases=(CATALOGUE[0], old, *CATALOGUE[2:]))
    of_live = [ran("1.4.0", 90 - 10 * step, "live", image_id=f"ami-{name}") for step, name in enumerate("abc")]
    ended = [replace(run, until=after.since) for run, after in pairwise(of_live)]
    observed = found(*ended, of_live[-1], images={f"image-{name}": f"ami-{name}" for name in (*"abcd", "new")})
    answers = {gate.name: gate for gate in gates(current, "dev", observed)}
    assert answers["former images"].evidence == (
        "image-a may go; image-b stays: live could go back to it; image-c stays: live runs it; image-d may go"
    )
    assert "former images" not in promotion(pipeline(), "1.5.0", "dev")


def test_what_runs_somewhere_may_not_leave_the_catalogue() -> None:
    current = replace(pipeline(), releases=CATALOGUE[2:])
    answers = {one.name: one for one in gates(current, "dev", found())}
    assert answers["what runs is in the catalogue"].evidence == (
        "dev runs 1.4.0, int runs 1.4.0, live runs 1.4.0, nft runs 1.4.0, which releases.yaml doesn't have"
    )


@pytest.mark.parametrize("newest", ["1.5.0", "1.6.0"])
def test_when_live_takes_the_release_that_others_ran_as_the_next_they_stay_where_they_are(newest: str) -> None:
    live = VERSIONS[VERSIONS.index(newest) - 1]
    before = pipeline(live=live, nft="live+1", int_="live+1")
    after = promoted(before, newest, "live")
    assert edits(before, after) == {"live": newest, "nft": "live", "int": "live"}
    assert moved(before, after) == {"live": (live, newest)}


def test_those_that_follow_live_move_with_it() -> None:
    before = pipeline(nft="live+1", int_="live")
    after = promoted(before, "1.5.0", "live")
    assert edits(before, after) == {"live": "1.5.0", "nft": "live"}
    assert moved(before, after) == {"live": ("1.4.0", "1.5.0"), "int": ("1.4.0", "1.5.0")}


def test_a_next_that_would_mean_nothing_follows_live() -> None:
    before = pipeline(int_="live+1")
    after = promoted(before, "1.6.0", "live")
    assert edits(before, after) == {"live": "1.6.0", "int": "live"}


def deployed(hours_ago: float, release: str | None, succeeded: bool = True, image: str = "") -> Deployment:
    return Deployment(
        at=NOW - timedelta(hours=hours_ago),
        succeeded=succeeded,
        release=release,
        image_id=image or f"ami-{release}" if release else "",
    )


def test_a_run_goes_on_while_other_things_are_deployed_or_fail() -> None:
    history = [deployed(50, "1.4.0"), deployed(40, "1.4.0"), deployed(30, "1.4.0", succeeded=False)]
    assert runs("nft", history) == (ran("1.4.0", 50),)


def test_a_run_ends_with_another_release_another_image_or_nothing() -> None:
    history = [deployed(50, "1.4.0"), deployed(40, "1.5.0"), deployed(30, "1.5.0", image="ami-new"), deployed(20, None)]
    assert [(one.release, one.lasted(NOW)) for one in runs("nft", history)] == [
        ("1.4.0", timedelta(hours=10)),
        ("1.5.0", timedelta(hours=10)),
        ("1.5.0", timedelta(hours=10)),
    ]


def test_a_deployment_that_failed_begins_no_run() -> None:
    history = [deployed(50, "1.4.0"), deployed(40, "1.5.0", succeeded=False), deployed(30, "1.5.0")]
    assert [(one.release, one.since) for one in runs("nft", history)] == [
        ("1.4.0", NOW - timedelta(hours=50)),
        ("1.5.0", NOW - timedelta(hours=30)),
    ]
