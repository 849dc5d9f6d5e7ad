"""How a release travels: what a promotion would write, and the gates that say whether it may.

Dev takes any release; Live's mirror and Int take Live's or the next; Live takes what its mirror has run. The evidence
is that of deployments, no more: that a release was deployed and stayed for so long says nothing of tests.

Pure: what is deployed, what was, and which images exist are given as data. Left out: where they come from and the edit
of the files (`ops.release`), what `live` and `live+1` mean (`releases`), whether a whole file is valid (`deciding`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from infra.errors import ConfigError
from infra.refreshes import in_words
from infra.releases import FILE, LIVE, NEXT, Release, resolved
from infra.settings import Override

FOLLOWS_LIVE = frozenset({"int"})
"""Runs Live's release or the next, as its mirrors do (API overview: Int)."""


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """What a stack's file records of a promotion past a gate; it holds for one release."""

    release: str
    overrides: tuple[Override, ...] = ()
    reason: str | None = None
    rollback_from: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stack of the pipeline."""

    stack: str
    wanted: str
    """As written: a version, `live` or `live+1`."""
    mirrors: str | None = None
    deployed: str | None = None
    """The release that its state has; None: not deployed."""
    exemption: Exemption | None = None
    lasting: bool = True
    """False for an environment made for one test, which is no evidence for Live."""


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """All stacks and the catalogue, the oldest release first."""

    releases: tuple[Release, ...]
    stages: Mapping[str, Stage]
    evidence: timedelta
    """How long Live's mirror must have run a release."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The catalogue's versions, the oldest first."""
        return tuple(release.version for release in self.releases)

    @property
    def live_version(self) -> str | None:
        """What Live is configured to run; None: there is no Live."""
        return self.stages[LIVE].wanted if LIVE in self.stages else None

    def release(self, stack: str) -> Release | None:
        """Return the release that `stack` is configured to run; None if what is written means none."""
        wanted = self.stages[stack].wanted
        try:
            return resolved(wanted, self.live_version or "", self.releases, "", stack)
        except ConfigError:
            return None

    def version(self, stack: str) -> str | None:
        """Return the version of `release`."""
        release = self.release(stack)
        return release.version if release else None

    def is_earlier(self, version: str, other: str) -> bool:
        """Whether `version` stands before `other` in the catalogue; False if either isn't in it."""
        versions = self.versions
        return version in versions and other in versions and versions.index(version) < versions.index(other)

    def mirrors_of(self, stack: str) -> tuple[str, ...]:
        """Return the lasting stacks that mirror `stack`, sorted."""
        return tuple(sorted(stage.stack for stage in self.stages.values() if stage.mirrors == stack and stage.lasting))


@dataclass(frozen=True, kw_only=True)
class Run:
    """A stack ran a release, from the end of the deployment that succeeded until something else took its place."""

    stack: str
    release: str
    image_id: str
    since: datetime
    until: datetime | None = None
    """None: it still runs."""

    def lasted(self, now: datetime) -> timedelta:
        """Return how long, at `now`."""
        return (self.until or now) - self.since


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One entry of a stack's deployment history, with the release that the state had when it was over."""

    at: datetime
    succeeded: bool
    release: str | None
    """None: nothing was deployed any more, or yet."""
    image_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One condition of a promotion, and whether it holds."""

    name: str
    open: bool
    evidence: str
    """Why it is open; of a closed gate, what is the case instead."""
    fix: str = ""
    """What opens a closed gate."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What isn't written in files: deployments, images and alarms."""

    runs: Sequence[Run]
    images: Mapping[str, str]
    """The id of a release's image by the image's name; missing: nothing can be launched from it, or there is none."""
    now: datetime
    unlaunchable: Mapping[str, str] = field(default_factory=dict)
    """Why nothing can be launched from an image, by its name, or by its id if something ran from it."""
    ringing: Mapping[str, str] = field(default_factory=dict)
    """State by name of the alarms beside which AWS would start no rollout to the stack that is asked about."""


def runs(stack: str, history: Iterable[Deployment]) -> tuple[Run, ...]:
    """Return what `stack` ran, the oldest first. `history` is in the order of time.

    A run begins with a deployment that succeeded: one that failed half way may have left the release on some instances
    only. Later ones that leave release and image as they are, whether they succeed or not, don't end it.
    """
    ended: list[Run] = []
    current: Run | None = None
    for deployment in history:
        if current and (deployment.release, deployment.image_id) != (current.release, current.image_id):
            ended.append(replace(current, until=deployment.at))
            current = None
        if current is None and deployment.succeeded and deployment.release is not None:
            current = Run(stack=stack, release=deployment.release, image_id=deployment.image_id, since=deployment.at)
    return (*ended, current) if current else tuple(ended)


def written(pipeline: Pipeline, stack: str, version: str) -> str:
    """Return what the file of `stack` says to run `version`: where a stack follows Live, by that word if there is one.

    What no word means is the version itself, which a gate then refuses.
    """
    stage = pipeline.stages[stack]
    if not follows(stage):
        return version
    words = {replace(stage, wanted=word): word for word in (LIVE, NEXT)}
    for changed, word in words.items():
        if replace(pipeline, stages={**pipeline.stages, stack: changed}).version(stack) == version:
            return word
    return version


def promoted(pipeline: Pipeline, version: str, stack: str, exemption: Exemption | None = None) -> Pipeline:
    """Return the pipeline after `version` was promoted to `stack`, as the files will say; gates have no part in it.

    When Live moves, a `live+1` that meant this version becomes `live`, so that what runs there stays; so does one that
    would mean nothing any more.
    """
    stage = replace(pipeline.stages[stack], wanted=written(pipeline, stack, version), exemption=exemption)
    after = replace(pipeline, stages={**pipeline.stages, stack: stage})
    if stack != LIVE:
        return after
    changed = {
        name: replace(other, wanted=LIVE)
        for name, other in after.stages.items()
        if other.wanted == NEXT and (pipeline.version(name) == version or after.version(name) is None)
    }
    return replace(after, stages={**after.stages, **changed})


def edits(before: Pipeline, after: Pipeline) -> dict[str, str]:
    """Return what is to be written as release, by stack."""
    return {name: stage.wanted for name, stage in after.stages.items() if stage.wanted != before.stages[name].wanted}


def moved(before: Pipeline, after: Pipeline) -> dict[str, tuple[str | None, str | None]]:
    """Return the stacks that shall run another release than before: (before, after) by stack."""
    versions = {name: (before.version(name), after.version(name)) for name in after.stages}
    return {name: pair for name, pair in versions.items() if pair[0] != pair[1]}


def used(runs_of_all: Iterable[Run]) -> dict[str, tuple[str, ...]]:
    """Return which stacks run each image, or would go back to it, as clauses by its id: the last two runs of each."""
    by_stack: dict[str, list[Run]] = {}
    for run in runs_of_all:
        by_stack.setdefault(run.stack, []).append(run)
    clauses: dict[str, tuple[str, ...]] = {}
    for stack, its in by_stack.items():
        current, before = its[-1], its[-2] if len(its) > 1 else None
        verb = "runs it" if current.until is None else "ran it last"
        clauses[current.image_id] = (*clauses.get(current.image_id, ()), f"{stack} {verb}")
        if before is not None and before.image_id != current.image_id:
            clauses[before.image_id] = (*clauses.get(before.image_id, ()), f"{stack} could go back to it")
    return clauses


def gates(pipeline: Pipeline, stack: str, observed: Observed, before: str | None = None) -> tuple[Gate, ...]:
    """Return every gate between `stack` and the release that `pipeline` has it run.

    `before` is what it was configured to run until now, if that is known; else what is deployed is compared with.
    """
    return tuple(_gates(pipeline, pipeline.stages[stack], observed, before))


def _gates(pipeline: Pipeline, stage: Stage, observed: Observed, before: str | None) -> Iterator[Gate]:
    release = pipeline.release(stage.stack)
    yield _in_catalogue(pipeline, stage, release)
    yield _nothing_in_use_left_out(pipeline)
    if follows(stage):
        yield _lives_or_next(pipeline, stage)
    if release is None:
        return
    yield _image_exists(stage, release, observed, promoting=before is not None)
    # In a file that follows Live, going back with Live is no decision; promoting to an earlier one is.
    if not follows(stage) or (before is not None and stage.wanted in {LIVE, NEXT}):
        yield _no_downgrade(pipeline, stage, release.version, before)
    if stage.stack == LIVE:
        yield _evidence(pipeline, stage, release, observed)
    if stage.deployed is not None:
        yield _used_can_be_launched(stage, observed)
    if any(entry.former_images for entry in pipeline.releases):
        yield _former_images(pipeline, observed)
    if stage.deployed is not None:
        yield _no_alarm_rings(stage, release.version, observed.ringing, promoting=before is not None)


def follows(stage: Stage) -> bool:
    """Whether a stack runs Live's release or the next and nothing else."""
    return stage.mirrors is not None or stage.stack in FOLLOWS_LIVE


def _open(name: str, evidence: str) -> Gate:
    return Gate(name=name, open=True, evidence=evidence)


def _closed(name: str, evidence: str, fix: str) -> Gate:
    return Gate(name=name, open=False, evidence=evidence, fix=fix)


def _in_catalogue(pipeline: Pipeline, stage: Stage, release: Release | None) -> Gate:
    name = "in the catalogue"
    if release:
        return _open(name, f"{FILE} has {release.version}")
    verb = "means" if stage.wanted in {LIVE, NEXT} else "is"
    evidence = f"{stage.wanted} {verb} none of them: {FILE} has {', '.join(pipeline.versions)}"
    return _closed(name, evidence, f"add it to {FILE}")


def _nothing_in_use_left_out(pipeline: Pipeline) -> Gate:
    name = "what runs is in the catalogue"
    deployed = {stage.stack: stage.deployed for stage in pipeline.stages.values() if stage.deployed is not None}
    left_out = [
        f"{stack} runs {version}" for stack, version in sorted(deployed.items()) if version not in pipeline.versions
    ]
    if left_out:
        evidence = f"{', '.join(left_out)}, which {FILE} doesn't have"
        return _closed(name, evidence, f"put it back into {FILE}; an entry can go when no environment runs it")
    return _open(name, f"{len(deployed)} deployed, all in {FILE}")


def _lives_or_next(pipeline: Pipeline, stage: Stage) -> Gate:
    name = "Live's release or the next"
    if stage.wanted in {LIVE, NEXT}:
        return _open(name, f"{stage.wanted} is {pipeline.version(stage.stack) or 'none'}")
    versions, live = pipeline.versions, pipeline.live_version
    first = versions.index(live) if live in versions else len(versions)
    allowed = versions[first : first + 2]
    evidence = f"{stage.wanted} is neither; allowed: {' or '.join(allowed) or 'none'}"
    newest = allowed[-1] if allowed else "VERSION"
    return _closed(name, evidence, f"eps-dos release promote {newest} --to {stage.stack}")


def _image_exists(stage: Stage, release: Release, observed: Observed, *, promoting: bool) -> Gate:
    """Return the gate of the release's image, which is closed to promotions and first deployments only.

    Another deployment brings everything else: a supplier that is to be cut off doesn't wait for an image.
    """
    name, image_id = "image exists", observed.images.get(release.image)
    if image_id:
        return _open(name, f"{release.image} is {image_id}")
    evidence = observed.unlaunchable.get(release.image, f"AWS has no image {release.image} to launch")
    if promoting or stage.deployed is None:
        return _closed(name, evidence, f"build it, share it with the account, or correct {FILE}: image")
    kept = (
        "instances stay as they are" if stage.deployed == release.version else f"all is deployed but {release.version}"
    )
    return _open(name, f"{evidence}: {kept}")


def _used_can_be_launched(stage: Stage, observed: Observed) -> Gate:
    """Return what is the case with the images that the stack runs and would go back to; never closed.

    The way out is another release, and it goes through this very gate.
    """
    name = "what runs can be launched"
    its = used(run for run in observed.runs if run.stack == stage.stack)
    broken = [
        f"{', '.join(clauses)}: {observed.unlaunchable[image_id]}"
        for image_id, clauses in its.items()
        if image_id in observed.unlaunchable
    ]
    return _open(name, "; ".join(broken) or f"{', '.join(its) or 'nothing runs'}")


def _former_images(pipeline: Pipeline, observed: Observed) -> Gate:
    """Return which former names may leave the catalogue, and then AWS; never closed."""
    clauses = used(observed.runs)
    said = []
    for image in (name for release in pipeline.releases for name in release.former_images):
        by = clauses.get(observed.images.get(image, ""), ())
        said.append(f"{image} stays: {', '.join(by)}" if by else f"{image} may go")
    return _open("former images", "; ".join(said))


def _no_downgrade(pipeline: Pipeline, stage: Stage, version: str, before: str | None) -> Gate:
    name = "no downgrade"
    later = [other for other in (stage.deployed, before) if other is not None and pipeline.is_earlier(version, other)]
    if not later:
        replaced = before or stage.deployed
        return _open(name, f"takes the place of {replaced}" if replaced else "nothing runs yet")
    recorded = _exemption(stage, version)
    if recorded and recorded.rollback_from:
        return _open(name, f"recorded as a rollback from {recorded.rollback_from}")
    fix = f"eps-dos release promote {version} --to {stage.stack} --rollback"
    return _closed(name, f"{version} is earlier than {later[0]}", fix)


def _evidence(pipeline: Pipeline, stage: Stage, release: Release, observed: Observed) -> Gate:
    name, version = "ran in Live's mirror", release.version
    lives_runs = [run for run in observed.runs if run.stack == LIVE]
    image_id = observed.images.get(release.image)
    # Without an image nothing is rolled out, and what runs stays.
    if version == stage.deployed and image_id in {None, *(run.image_id for run in lives_runs if run.until is None)}:
        return _open(name, f"Live runs {version} already")
    recorded = _exemption(stage, version)
    if recorded and Override.EVIDENCE in recorded.overrides:
        return _open(name, f"overridden, as recorded: {recorded.reason}")
    if recorded and recorded.rollback_from and version in {run.release for run in lives_runs}:
        return _open(name, f"a rollback: Live has run {version} before")
    mirrors = pipeline.mirrors_of(LIVE)
    candidates = [run for run in observed.runs if run.stack in mirrors and run.release == version]
    same_image = [run for run in candidates if run.image_id == image_id]
    longest = max(same_image, key=lambda run: run.lasted(observed.now), default=None)
    required = _duration(pipeline.evidence)
    fix = f"eps-dos release promote {version} --to {mirrors[0] if mirrors else 'nft'}, pulumi up, and wait"
    if longest:
        lasted = longest.lasted(observed.now)
        if lasted >= pipeline.evidence:
            return _open(
                name,
                f"deployed successfully to {longest.stack} at {_time(longest.since)}, and ran there for "
                f"{_duration(lasted)} (asked: {required}); no word about tests",
            )
        evidence = f"{longest.stack} has run {version} for {_duration(lasted)}; asked: {required}"
        if longest.until is None:
            fix = f"wait until {_time(longest.since + pipeline.evidence)}"
    elif candidates:
        latest = candidates[-1]
        image = f"{release.image} ({image_id or 'no image'})"
        evidence = f"{latest.stack} has run {version} from {latest.image_id}, not from {image}"
    elif mirrors:
        evidence = f"{', '.join(mirrors)} never ran {version}"
    else:
        evidence = "Live has no mirror that could have run it"
    return _closed(name, evidence, f'{fix}; in an emergency: --override evidence --reason "..."')


def _no_alarm_rings(stage: Stage, version: str, ringing: Mapping[str, str], *, promoting: bool) -> Gate:
    """Return the gate of alarms, which is closed to promotions only.

    A deployment brings everything else, too: a supplier that is to be cut off doesn't wait for instances that fail.
    """
    name, states = "no alarm rings", in_words(ringing)
    if not ringing:
        return _open(name, "those that would stop a rollout are quiet")
    recorded = _exemption(stage, version)
    if recorded and recorded.rollback_from:
        return _open(name, f"{states}; a rollback starts all the same")
    if recorded and Override.ALARMS in recorded.overrides:
        return _open(name, f"{states}; overridden, as recorded: {recorded.reason}")
    if version == stage.deployed:
        return _open(name, f"{states}; {version} is deployed already")
    way = f'eps-dos release promote {version} --to {stage.stack} --override alarms --reason "..."'
    if promoting:
        return _closed(name, f"{states}: AWS starts no rollout until it is OK again", f"wait, or: {way}")
    return _open(name, f"{states}: all is deployed but {version}; for that, too: {way}")


def _exemption(stage: Stage, version: str) -> Exemption | None:
    return stage.exemption if stage.exemption and stage.exemption.release == version else None


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _duration(length: timedelta) -> str:
    minutes = int(length.total_seconds()) // 60
    hours, rest = divmod(minutes, 60)
    if hours:
        return f"{hours} h" if not rest else f"{hours} h {rest} min"
    return f"{minutes} min"
