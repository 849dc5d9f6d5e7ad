"""The comment about an environment where it was asked for: `python -m ops.ephemeral.comment`, for the workflow.

Made from what `create --json` and `list --json` printed, which is from AWS and from states, so it is shown as text and
means nothing. Left out: GitHub's API, which the workflow has.
"""

from __future__ import annotations

import argparse
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.output.markdown import code, plain
from ops.output.redaction import Redactor
from ops.output.report import MARKS
from ops.output.shown import shown


def marker(name: str) -> str:
    """Return how the comment on the environment `name` begins, by which it is found: an issue may ask for several."""
    return f"<!-- eps-dos-ephemeral {name} -->"


RENEW = "To have a new one, take the label off, wait until this says that it is gone, and set it again."
LABELLED = "It goes when the label is taken off or this is closed. A push doesn't change it."
RENEW_BY_FORM = "To have a new one, start the workflow `ephemeral` again once it is gone."


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An environment after a run of the workflow."""

    name: str
    wanted: bool
    """Whether the pull request is to have it."""
    made: Mapping[str, Any] | None
    """What `create` printed; None if this run made nothing, or not all of it."""
    listed: Mapping[str, Any] | None
    """Its row of `list`; None if there is no such environment."""
    by_form: bool = False
    """Whether it was asked for by the workflow's form, not by a label."""

    @property
    def renewal(self) -> str:
        """How to have another."""
        return RENEW_BY_FORM if self.by_form else RENEW

    @property
    def checks(self) -> Sequence[Mapping[str, Any]]:
        """What was checked as it was made."""
        return [check for report in self.made["reports"] for check in report["checks"]] if self.made else []

    @property
    def failed(self) -> bool:
        """Whether one of these checks failed."""
        return any(check["verdict"] == "failed" for check in self.checks)

    @property
    def dns_name(self) -> str | None:
        """The name that it answers to."""
        return next((str(check["value"]) for check in self.checks if check["name"] == "name"), None)


def compose(seen: Seen, addresses: Sequence[str], run: str) -> str:
    """Return the comment. `addresses` are those that its name has now, `run` is the address of the workflow's run."""
    redactor = Redactor()

    def words(value: object) -> str:
        return shown(str(value), redactor).words

    def text(value: object) -> str:
        return plain(words(value))

    def row(check: Mapping[str, Any]) -> str:
        return f"| {MARKS[check['verdict']]} | {text(check['name'])} | {text(check['value'] or check['evidence'])} |"

    name = code(seen.name)
    if seen.listed is None:
        if seen.wanted:
            return _page(seen, f"❌ {name} [could not be made]({run})", ["Nothing of it is there.", "", seen.renewal])
        return _page(seen, f"⚪ {name} [is gone]({run})", ["Set the label `ephemeral` to have a new one."])
    until = code(words(seen.listed.get("expiresAt") or "unknown"))
    if not seen.wanted:
        lines = [f"It could not be destroyed, or not all of it; `reap` goes on with it after {until}."]
        return _page(seen, f"❌ {name} [is still there]({run})", lines)
    if seen.made is None:
        state = text(seen.listed.get("state"))
        lines = [f"This run made nothing new. In the backend it is: {state}, until {until}.", "", seen.renewal]
        return _page(seen, f"⚠️ {name} [was there, or is not complete]({run})", lines)
    lines = [
        f"- name: {code(words(seen.dns_name or 'unknown'))}",
        f"- addresses now: {', '.join(map(code, addresses)) or 'its name is not known to DNS yet'}; AWS may "
        "assign others",
        f"- until {until}; longer: `eps-dos ephemeral extend {seen.name} --ttl 24h`",
        "",
        "| | | |",
        "|---|---|---|",
        *map(row, seen.checks),
        "",
        f"{'Its owner is warned a day and an hour before.' if seen.by_form else LABELLED} {seen.renewal}",
    ]
    mark, what = ("❌", "is there, and not as promised") if seen.failed else ("✅", "is there")
    return _page(seen, f"{mark} {name} [{what}]({run})", lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the comment's text to stdout."""
    parser = argparse.ArgumentParser(prog="ops.ephemeral.comment", description="Tell of a pull request's environment.")
    parser.add_argument("name")
    parser.add_argument("--listed", type=Path, required=True, help="what `list --json` printed")
    parser.add_argument("--made", type=Path, help="what `create --json` printed; none: it was to be destroyed")
    parser.add_argument("--by-form", action="store_true", help="it was asked for by the workflow's form")
    parser.add_argument("--run", required=True, help="address of the workflow's run")
    given = parser.parse_args(arguments)
    made = given.made.read_text(encoding="utf-8").strip() if given.made else ""
    rows = json.loads(given.listed.read_text(encoding="utf-8"))
    seen = Seen(
        name=given.name,
        wanted=given.made is not None,
        made=json.loads(made) if made else None,
        listed=next((row for row in rows if row["name"] == given.name), None),
        by_form=given.by_form,
    )
    print(compose(seen, _addresses(seen.dns_name) if seen.dns_name else (), given.run), end="")  # noqa: T201 - its answer


def _addresses(name: str) -> tuple[str, ...]:
    try:
        answers = socket.getaddrinfo(name, 443, socket.AF_INET)
        return tuple(sorted({str(answer[4][0]) for answer in answers}))
    except OSError:
        return ()


def _page(seen: Seen, title: str, lines: Sequence[str]) -> str:
    return "\n".join([marker(seen.name), f"## {title}", "", *lines, ""])


if __name__ == "__main__":
    main()
