"""What an environment's owner hears of its end: a day and an hour before, and once it is gone.

`python -m ops.ephemeral.notices`, for the workflow that reaps. Made from what `list --json` and `reap --json` printed,
which is from states, so it is shown as text and means nothing. Each notice begins with a mark, so that it is posted
once; an environment that is extended has another end, and new notices. Left out: GitHub's API, which the workflow has.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from infra.times import in_words
from ops.output.markdown import code

REAPED_EVERY = timedelta(hours=1)
"""A notice is due a run earlier, so that it comes a day or an hour before at the latest."""
BEFORE = {"a day": timedelta(days=1), "an hour": timedelta(hours=1)}

_NAME = re.compile(r"[a-z][a-z0-9-]*", re.ASCII)
"""Another name could end the mark."""
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A comment, and the issue or pull request where it goes."""

    number: int
    mark: str
    """The comment's first line. One that is there already isn't posted again."""
    body: str
    """Mark included."""


def notices(
    listed: Iterable[Mapping[str, Any]], reaped: Iterable[Mapping[str, Any]], now: datetime, run: str
) -> list[Notice]:
    """Return what is to be said at `now`; `run` is the address of the workflow's run.

    `listed` are the rows of `list` before the reaping, `reaped` those of `reap`. Nobody is told of an environment that
    says no issue or pull request, and nobody a day before of one that was made to live for about a day.
    """
    said = []
    went = {row["name"] for row in reaped if row["gone"]}
    for row in listed:
        if not isinstance(row["askedIn"], int) or row["expiresAt"] is None or not _NAME.fullmatch(row["name"]):
            continue
        name, ends = code(row["name"]), str(row["expiresAt"])
        if row["name"] in went:
            text = f"⚪ {name} [is gone]({run}): its time was over at {code(ends)}."
            said.append(_notice(row, "gone", text))
        elif (due := _due(row, now)) is not None:
            left = in_words(datetime.fromisoformat(ends) - now)
            longer = code(f"eps-dos ephemeral extend {row['name']} --ttl 24h")
            text = f"⏰ {name} goes at {code(ends)}, in {left}, with everything in it. Longer: {longer}"
            said.append(_notice(row, due, text))
    return said


def _due(row: Mapping[str, Any], now: datetime) -> str | None:
    """Return which warning is due, the last first; None if none is."""
    ends, made = datetime.fromisoformat(row["expiresAt"]), datetime.fromisoformat(row["createdAt"])
    for word, before in reversed(BEFORE.items()):
        early = before + REAPED_EVERY
        if now < ends <= now + early:
            return word if ends - made > early else None
    return None


def _notice(row: Mapping[str, Any], kind: str, text: str) -> Notice:
    mark = f"<!-- eps-dos-ephemeral-notice {row['name']} {row['expiresAt']} {kind} -->"
    owner = str(row["owner"])
    # A login of GitHub's, which hears of it; anything else is no name of anybody's there.
    to = f"@{owner}: " if _LOGIN.fullmatch(owner) else ""
    return Notice(number=row["askedIn"], mark=mark, body=f"{mark}\n{to}{text}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the notices to stdout, as JSON."""
    parser = argparse.ArgumentParser(
        prog="ops.ephemeral.notices", description="Say what is about to go, and what went."
    )
    parser.add_argument("--listed", type=Path, required=True, help="what `list --json` printed before the reaping")
    parser.add_argument("--reaped", type=Path, required=True, help="what `reap --json` printed")
    parser.add_argument("--run", required=True, help="address of the workflow's run")
    given = parser.parse_args(arguments)
    listed, reaped = (json.loads(file.read_text(encoding="utf-8") or "[]") for file in (given.listed, given.reaped))
    made = notices(listed, reaped, datetime.now(UTC), given.run)
    print(json.dumps([asdict(notice) for notice in made]))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
