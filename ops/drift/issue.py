"""The one issue that tells of drift: what, and since when. Its own text is all that is remembered from night to night.

The first line is a comment with the day on which each thing was first seen; people don't see it, and whoever edits it
can make a day wrong, nothing else: it holds digests and times, and anything else in it is not read. All other text is
from AWS and from stack files, so it is shown as text and means nothing. Left out: GitHub's API, which the workflow has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from infra.graph import ABSENT
from infra.times import stamp
from ops.drift.findings import Check, Expected, Finding, Night
from ops.output.markdown import code, plain
from ops.output.redaction import Redactor
from ops.output.shown import shown

MARKER = "<!-- eps-dos-drift"
"""How the issue begins, by which it is found."""

LIMIT = 60_000
"""Characters of an issue's text (GitHub takes 65,536): the rest is for what a workflow adds."""

MOST_REMEMBERED = 400
"""Things whose first day is kept; of more than can be shown, nobody asks since when."""

_MEMORY = re.compile(r"\A<!-- eps-dos-drift (\{[^<>]{0,60000}\}) -->")
_IDENTITY = re.compile(r"[0-9a-f]{16}")

Memory: TypeAlias = Mapping[str, Mapping[str, datetime]]
"""By check (`nft.mirror`) and identity: when it was first seen."""

Action: TypeAlias = Literal["report", "close", "nothing"]


@dataclass(frozen=True, kw_only=True)
class Issue:
    """What to do with the issue, and what it says."""

    action: Action
    """`report`: make it or bring it up to date; `close`: nothing drifts any more; `nothing`: there is none to close."""
    title: str
    body: str
    new: int
    """How many things weren't in it before."""


def compose(night: Night, previous: str | None, now: datetime, run: str) -> Issue:
    """Return the issue after a night; `previous` is the text of the open one, None if there is none.

    `run` is the address of the run that looked. What was known of a check that came to no end is remembered: not to
    have looked is no all-clear.
    """
    before = remembered(previous or "", now)
    kept = {str(check): dict(before.get(str(check), {})) for check in night.unchecked}
    since: dict[str, dict[str, datetime]] = kept
    for finding in night.findings:
        source, identity = str(finding.source), finding.identity
        since.setdefault(source, {})[identity] = before.get(source, {}).get(identity, now)
    for check in night.unchecked:
        since[str(check)].setdefault(_UNCHECKED, now)
    new = sum(1 for source, ids in since.items() for identity in ids if identity not in before.get(source, {}))
    if not night.findings and not night.unchecked:
        body = f"{_comment({})}\nNothing drifts any more, says [the run]({run}) of {_day(now)}.\n"
        return Issue(action="nothing" if previous is None else "close", title=TITLE, body=body, new=0)
    return Issue(action="report", title=_title(night), body=_body(night, since, now, run), new=new)


TITLE = "Drift: AWS is not as it was deployed"

_UNCHECKED = "0" * 16
"""Stands for the check itself, which came to no end."""


def remembered(body: str, now: datetime) -> Memory:
    """Return what the text of the issue remembers; nothing of what isn't a digest with a time in the past."""
    match = _MEMORY.match(body)
    if match is None:
        return {}
    try:
        document = json.loads(match[1])
    except (ValueError, RecursionError):
        return {}
    since = document.get("since")
    if not isinstance(since, dict):
        return {}
    return {
        str(source): {
            identity: time
            for identity, written in ids.items()
            if _IDENTITY.fullmatch(identity) and (time := _time(written)) is not None and time <= now
        }
        for source, ids in since.items()
        if isinstance(ids, dict)
    }


def _time(written: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else None


def _comment(since: Memory) -> str:
    room = MOST_REMEMBERED
    kept: dict[str, dict[str, str]] = {}
    for source, ids in sorted(since.items()):
        # The oldest first: what is new will be new tomorrow, too, if it doesn't fit.
        oldest = sorted(ids.items(), key=lambda item: item[1])[:room]
        room -= len(oldest)
        kept[source] = {identity: stamp(time) for identity, time in oldest}
    return f"{MARKER} {json.dumps({'version': 1, 'since': kept}, sort_keys=True)} -->"


def _title(night: Night) -> str:
    if night.findings:
        return f"{TITLE} ({', '.join(sorted({finding.source.stack for finding in night.findings}))})"
    return f"Drift: not looked at ({', '.join(sorted({check.stack for check in night.unchecked}))})"


def _body(night: Night, since: Memory, now: datetime, run: str) -> str:
    lines = [
        _comment(since),
        f"{_OPENINGS[bool(night.findings)]}, says [the run]({run}) of {_day(now)}. What each line means, and "
        "what to do, is in docs/mirror.md. This text is made anew each night: comment, and don't edit it.",
        "",
    ]
    left = LIMIT - _length("\n".join(lines)) - ROOM_FOR_ENDINGS
    for section in (*_sections(night, since, now), _unchecked(night, since, now)):
        written, left = _within(section, left)
        lines += written
    return "\n".join(lines)


_OPENINGS = {True: "What AWS has is not what was deployed and promised", False: "Not everything could be looked at"}

ROOM_FOR_ENDINGS = 2_000
"""Characters kept for saying what there was no room for."""


def _within(section: Sequence[str], room: int) -> tuple[list[str], int]:
    """Return the lines of a section that there is room for, and the room that is left then."""
    written: list[str] = []
    for index, line in enumerate(section):
        room -= _length(line) + 1
        if room < 0:
            return [*written, "", f"And {len(section) - index:,} more lines, in the run.", ""], room
        written.append(line)
    return [*written, ""] if written else [], room


def _sections(night: Night, since: Memory, now: datetime) -> Iterator[list[str]]:
    sources = sorted({finding.source for finding in night.findings})
    for source in sources:
        findings = [finding for finding in night.findings if finding.source == source]
        first = {finding.identity: since[str(source)][finding.identity] for finding in findings}
        findings.sort(key=lambda finding: (first[finding.identity], finding.what, finding.path))
        yield [*_head(source), *(_row(finding, first[finding.identity], now) for finding in findings)]


_HEADS: Mapping[Check, tuple[str, str]] = {
    "mirror": ("{stack} and what it mirrors", "| property | original | {stack} | |"),
    "drift": ("{stack}", "| property | deployed | in AWS | |"),
    "verify": ("{stack}: promises", "| promised | instead |"),
}
"""The title of a table, and the columns after the first two."""


def _head(source: Expected) -> list[str]:
    title, columns = (text.format(stack=plain(source.stack)) for text in _HEADS[source.check])
    return [f"### {title}", "", f"| since | what {columns}", "|---" * (columns.count("|") + 1) + "|"]


def _row(finding: Finding, first: datetime, now: datetime) -> str:
    since = f"{'**new** ' if first == now else ''}{_day(first)}"
    if finding.source.check == "verify":
        cells = [since, plain(_shown(finding.what)), plain(_shown(finding.should)), plain(_shown(finding.instead))]
    else:
        kind, _, name = finding.what.partition("::")
        what = " ".join(code(_shown(part)) for part in (kind.rsplit(":", 1)[-1], name.removeprefix("<stack>-")))
        # A resource that only one has is named in the cell before.
        sides = ["there" if side == finding.what else side for side in (finding.should, finding.instead)]
        values = [code(_shown(side, finding.path)) for side in sides]
        cells = [
            since,
            what,
            code(_shown(finding.path)) if finding.path else "",
            *values,
            plain(_shown(finding.note)),
        ]
    return f"| {' | '.join(cells)} |"


def _shown(text: str, name: str = "") -> str:
    """Return a value as it may be shown: without secrets, in one line, of a long one the beginning."""
    last = name.replace("[]", "").rsplit(".", 1)[-1]
    return "none" if text == repr(ABSENT) else shown(text, Redactor(), last).words if text else ""


def _unchecked(night: Night, since: Memory, now: datetime) -> list[str]:
    if not night.unchecked:
        return []
    lines = ["### Not looked at", "", "| since | what | why | known before |", "|---|---|---|---|"]
    for source, reason in sorted(night.unchecked.items()):
        ids = since[str(source)]
        first = f"{'**new** ' if ids[_UNCHECKED] == now else ''}{_day(ids[_UNCHECKED])}"
        before = len(ids) - 1
        lines.append(f"| {first} | {_named(source)} | {plain(_shown(reason))} | {before or 'nothing'} |")
    return lines


def _named(source: Expected) -> str:
    return f"{plain(source.stack)}: {plain(source.check)}"


def _day(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
