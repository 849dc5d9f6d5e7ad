"""Records the fixtures of reviews: real previews, by the real engine in the lab, of changes that a reviewer meets.

Run as `python -m tests.ops.review.recording [NAME]...` in the checkout; it takes some minutes and writes
tests/ops/review/fixtures/NAME.json (what the engine wrote, without what no review reads) and NAME.md (the rendering).
With --render it only renders anew what was recorded.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import boto3

from infra import types
from lab.project import FOLDERS
from ops.lab import entering
from ops.output.progress import say
from ops.output.redaction import Redactor
from ops.review.acknowledgements import gate
from ops.review.command import published_in_file, ranges
from ops.review.content import Context, review_stack
from ops.review.dangers import VITAL, Declared
from ops.review.markdown import as_markdown
from ops.review.model import Review, Source, StackReview
from ops.review.plan import read_plan
from ops.stacks.engine import PulumiError, StackHandle
from ops.stacks.place import Place
from ops.stacks.stackfile import StackFile

CHECKOUT = Path(__file__).parents[3]
FIXTURES = Path(__file__).parent / "fixtures"
MADE_AT = datetime(2026, 11, 23, 22, 10, tzinfo=UTC)

READ_OF_THE_SAME = frozenset(
    {
        *VITAL, types.SCALING_POLICY, types.STACK, types.ROLLOUT,
        # The way of a client, of which `infra.reach` reads every step.
        types.LISTENER, types.TARGET_GROUP, types.SCALING_GROUP, types.SCALING_GROUP_ATTACHMENT, types.LAUNCH_TEMPLATE,
        types.INTERNET_GATEWAY, types.INTERNET_GATEWAY_ATTACHMENT, types.ROUTE, types.ROUTE_TABLE,
        types.ROUTE_TABLE_ASSOCIATION, types.NETWORK_ACL, types.SUBNET, types.SECURITY_GROUP, types.PREFIX_LIST,
        types.INGRESS, types.EGRESS,
    }
)  # fmt: skip
"""Types of which a review reads also what doesn't change."""

Edit = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One change, and the stack whose preview shows it."""

    stack: str
    edit: Edit
    """Changes the project in a folder."""


def _set(stack: str, **values: object) -> Edit:
    def edit(project: Path) -> None:
        file = StackFile(project / f"Pulumi.{stack}.yaml")
        for key, value in values.items():
            file.remove(key) if value is None else file.set(key, value)
        file.save()

    return edit


def _add_supplier(project: Path) -> None:
    entry = "  - {name: New Prescribing, assured: true, environments: [live], clients: [198.51.100.128/28]}\n"
    file = project / "suppliers.yaml"
    file.write_text(f"{file.read_text()}{entry}")


def _replace_in(name: str, *pairs: tuple[str, str]) -> Edit:
    def edit(project: Path) -> None:
        file = project / name
        text = file.read_text()
        for old, new in pairs:
            assert old in text, f"{name} has no {old!r} any more"
            text = text.replace(old, new)
        file.write_text(text)

    return edit


def _bring_address(project: Path) -> None:
    """Give Dev's first zone an address that was allocated elsewhere, so that its mapping is another one."""
    allocation = boto3.client("ec2").allocate_address(Domain="vpc")["AllocationId"]
    _set("dev", allocationIds={"eu-west-2a": allocation})(project)


def _without_zone(stack: str, zone: str) -> Edit:
    """Take a zone out, its published address too: otherwise the stack file contradicts itself, and says so."""

    def edit(project: Path) -> None:
        file = StackFile(project / f"Pulumi.{stack}.yaml")
        zones, published = file.get("zones"), file.get("virtualIps")
        assert isinstance(zones, list)
        assert isinstance(published, Mapping)
        file.set("zones", [one for one in zones if one != zone])
        file.set("virtualIps", {one: address for one, address in published.items() if one != zone})
        file.save()

    return edit


SCENARIOS: Mapping[str, Scenario] = {
    "scale": Scenario(stack="nft", edit=_set("nft", scale=1)),
    "release": Scenario(stack="live", edit=_set("live", release="1.5.0")),
    "supplier-added": Scenario(stack="live", edit=_add_supplier),
    "supplier-removed": Scenario(
        stack="live", edit=_replace_in("suppliers.yaml", ("environments: [live, int]", "environments: [int]"))
    ),
    "tag": Scenario(
        stack="live", edit=_replace_in("Pulumi.live.yaml", ("CostCentre: to be decided", 'CostCentre: "4711"'))
    ),
    "zone-reserved": Scenario(stack="dev", edit=_set("dev", reservedZones=["eu-west-2c"])),
    "zone-attached": Scenario(stack="int", edit=_set("int", zones=["eu-west-2a", "eu-west-2b", "eu-west-2c"],
                                                     reservedZones=None)),
    "subnet-mapping-edited": Scenario(stack="dev", edit=_bring_address),
    "address-unprotected-and-replaced": Scenario(
        stack="live",
        edit=_replace_in(
            "infra/components/virtual_ips.py",
            ("protect=plan.protected, retain_on_delete=plan.protected", "protect=False, retain_on_delete=False"),
            ('domain="vpc",', 'domain="vpc", public_ipv4_pool="ipv4pool-ec2-012345",'),
        ),
    ),
    # Refused before any resource is looked at, since Live has three zones.
    "zone-removed-from-live": Scenario(stack="live", edit=_without_zone("live", "eu-west-2c")),
    "nothing": Scenario(stack="nft", edit=lambda _project: None),
    "failing": Scenario(
        stack="nft",
        edit=_replace_in("infra/program.py", ("    capacity = environment.service.capacity",
                                              "    raise LookupError(f'no such thing as {name}')")),
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a preview wrote, and what a review of it depends on."""

    stack: str
    events: tuple[Mapping[str, Any], ...]
    errors: tuple[str, ...]
    published: Mapping[str, str]
    suppliers: Mapping[str, Sequence[str]]
    """Names by range."""

    def review(self) -> Review:
        """Return the review of it, with nothing acknowledged."""
        judged = gate([self.stack_review()], [], MADE_AT.date(), Redactor())
        return Review(commit="3f2a1bc", made_at=MADE_AT, gate=judged)

    def stack_review(self) -> StackReview:
        """Return what there is to say of the stack."""
        source = Source(
            kind="lab",
            label="the lab, not AWS: main deployed on this machine, then this change previewed over it",
            command=f"eps-dos review {self.stack} --base main",
        )
        plan = read_plan(self.stack, self.events, self.errors)
        suppliers = {IPv4Network(cidr): names for cidr, names in self.suppliers.items()}
        declared = Declared(published=self.published, suppliers=suppliers)
        clients = tuple(dict.fromkeys(name for names in self.suppliers.values() for name in names))
        return review_stack(plan, Context(source=source, declared=declared, clients=clients, redactor=Redactor()))

    @classmethod
    def read(cls, name: str) -> Recorded:
        """Return a fixture."""
        content = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
        return cls(
            stack=content["stack"],
            events=tuple(content["events"]),
            errors=tuple(content["errors"]),
            published=content["published"],
            suppliers=content["suppliers"],
        )

    def write(self, name: str) -> None:
        """Keep it as a fixture, with its rendering."""
        FIXTURES.mkdir(parents=True, exist_ok=True)
        # An event a line, so that a difference shows which.
        lines = ",\n".join(json.dumps(event, ensure_ascii=False) for event in self.events)
        rest = json.dumps({key: value for key, value in vars(self).items() if key != "events"}, ensure_ascii=False)
        text = f'{rest[:-1]}, "events": [\n{lines}\n]}}'
        (FIXTURES / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
        self.render(name)

    def render(self, name: str) -> None:
        """Keep its rendering."""
        (FIXTURES / f"{name}.md").write_text(as_markdown(self.review()), encoding="utf-8")


@contextmanager
def base(folder: Path) -> Iterator[Place]:
    """Give a lab with Live, NFT, Int and Dev, as they are but for their zones; Live's and Int's addresses published."""
    project = folder / "project"
    project.mkdir(parents=True)
    _copy_project(CHECKOUT, project)
    # Zones to add: Dev has no third one yet, Int has reserved it.
    _set("dev", zones=["eu-west-2a", "eu-west-2b"])(project)
    _set("int", zones=["eu-west-2a", "eu-west-2b"], reservedZones=["eu-west-2c"])(project)
    before, environment = Path.cwd(), dict(os.environ)
    os.chdir(project)
    try:
        place = entering.place(in_lab=True)
        for stack in ("live", "nft", "int", "dev"):
            _up(stack, place)
        for stack in ("live", "int"):
            addresses = StackHandle(stack, place).outputs()["virtualIps"]
            _set(stack, virtualIps=addresses)(project)
            _up(stack, entering.place(in_lab=True))
        yield place
    finally:
        os.chdir(project)
        entering.here().stop(lambda _line: None)
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)


def previewed(scenario: Scenario, place: Place) -> Recorded:
    """Return what the preview of a scenario writes, and leave the project as it was."""
    project = place.checkout
    kept = Path(tempfile.mkdtemp(prefix="eps-dos-kept-"))
    _copy_project(project, kept)
    try:
        scenario.edit(project)
        at = entering.place(in_lab=True)
        events: Sequence[Mapping[str, Any]] = ()
        errors: Sequence[str] = ()
        try:
            events = StackHandle(scenario.stack, at).preview(lambda _now: None, refresh=True).events
        except PulumiError as error:
            events, errors = error.events, error.messages
        return Recorded(
            stack=scenario.stack,
            events=tuple(_trimmed(events, str(project))),
            errors=tuple(one.replace(str(project), "PROJECT") for one in errors),
            published=published_in_file(scenario.stack, project) or {},
            suppliers={str(cidr): [*names] for cidr, names in ranges(scenario.stack, project).items()},
        )
    finally:
        _clear(project)
        _copy_project(kept, project)
        shutil.rmtree(kept)


def _up(stack: str, place: Place) -> None:
    say(f"bringing up {stack}")
    handle = StackHandle(stack, place)
    handle.create()
    handle.up(lambda _now: None)


def _copy_project(source: Path, target: Path) -> None:
    names = ("Pulumi.yaml", "__main__.py", "releases.yaml", "suppliers.yaml", *FOLDERS)
    for path in (*(source / name for name in names), *source.glob("Pulumi.*.yaml")):
        if path.is_dir():
            shutil.copytree(path, target / path.name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            shutil.copy2(path, target / path.name)


def _clear(project: Path) -> None:
    for path in project.iterdir():
        if path.name != ".lab":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _trimmed(events: Sequence[Mapping[str, Any]], project: str) -> Iterator[Mapping[str, Any]]:
    """Yield what a review reads of the events; nothing of this machine."""
    seen = set()
    for event in events:
        kind = next((key for key in event if key not in {"sequence", "timestamp"}), "")
        content = dict(event.get(kind) or {})
        if kind in {"preludeEvent", "cancelEvent", "policyLoadEvent", "stdoutEvent", "progressEvent"}:
            continue
        if kind == "diagnosticEvent" and content.get("severity") != "error":
            continue
        if kind == "policyAnalyzeSummaryEvent":
            # All that counts is which policies held somewhere, and which did not.
            del content["resourceUrn"]
        if kind in {"resourcePreEvent", "resOutputsEvent"}:
            metadata = content["metadata"]
            if metadata["op"] == "refresh" or kind == "resOutputsEvent":
                # Nothing was changed by hand here, so a refresh finds nothing, and an end says what a beginning did.
                continue
            if metadata["op"] == "same" and metadata.get("type") not in READ_OF_THE_SAME:
                metadata = {**metadata, "old": _bare(metadata["old"]), "new": _bare(metadata["new"])}
            content["metadata"] = metadata
        text = (
            json.dumps({kind: content}, ensure_ascii=False)
            .replace(project, "PROJECT")
            .replace(str(CHECKOUT), "PROJECT")
        )
        if text not in seen:
            seen.add(text)
            yield json.loads(text)


def _bare(state: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return {**state, "inputs": {}, "outputs": {}} if state else state


def main(names: Sequence[str]) -> None:
    """Record the scenarios called `names`, or all."""
    if names == ["--render"]:
        for name in SCENARIOS:
            Recorded.read(name).render(name)
        return
    unknown = set(names) - SCENARIOS.keys()
    if unknown:
        sys.exit(f"no such scenario: {', '.join(sorted(unknown))}; there are: {', '.join(SCENARIOS)}")
    with tempfile.TemporaryDirectory(prefix="eps-dos-recording-") as folder, base(Path(folder)) as place:
        for name in names or SCENARIOS:
            say(f"recording {name}")
            previewed(SCENARIOS[name], place).write(name)


if __name__ == "__main__":
    main(sys.argv[1:])
