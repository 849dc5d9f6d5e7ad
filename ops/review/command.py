"""`eps-dos review STACK...`: a preview for a reviewer: dangers first, and whether each is acknowledged.

It runs previews and gathers what they depend on; what is made of that is in the modules beside this one. Left out:
posting it anywhere (.github/workflows/preview.yml).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated

import typer

from infra.errors import ConfigError
from infra.naming import LIVE, check_stack_name, stack_names
from infra.reach import network_of
from infra.sources import unknown_stack
from infra.state import ArmedStateError
from infra.suppliers import FILE as SUPPLIERS
from infra.suppliers import Supplier, SupplierList, admitted
from infra.yamlfile import read_mapping
from ops.lab.entering import InLab, place
from ops.output.progress import progress, say
from ops.output.redaction import Redactor, secrets_of
from ops.review.acknowledgements import gate, read_acknowledgements
from ops.review.alarms import alarm_warnings
from ops.review.base import Renamed, base_in_lab
from ops.review.base import commit as checked_out
from ops.review.content import Context, review_stack
from ops.review.dangers import Declared
from ops.review.document import UntrustedReviewError, as_json, from_json
from ops.review.kept_plan import keep
from ops.review.markdown import as_markdown
from ops.review.model import Review, Source, StackReview
from ops.review.plan import read_plan
from ops.review.text import as_text, show
from ops.stacks.engine import NoBackendError, NoSuchStackError, PulumiError, StackHandle
from ops.stacks.names import complete_stack
from ops.stacks.place import Place, project_folder
from ops.stacks.stackfile import StackFile

MOST_AT_ONCE = 4

CODE = Path(__file__).resolve().parents[2]
"""The checkout that this code is from: in a pull request's review the base's, which isn't the folder it works in."""


class Format(StrEnum):
    """How a review is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


def review(
    stacks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STACK]...", help="Which stacks; by default all that have a file.", autocompletion=complete_stack
        ),
    ] = None,
    in_lab: InLab = False,
    base: Annotated[
        str | None,
        typer.Option(metavar="COMMIT", help="Deploy COMMIT to a lab of its own, then preview over that: no account."),
    ] = None,
    refresh: Annotated[
        bool, typer.Option(help="Look at what AWS really has, so that changes by hand are seen.")
    ] = True,
    format_: Annotated[
        Format, typer.Option("--format", help="text, markdown (for a pull request) or json.")
    ] = Format.TEXT,
    outputs: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Write to FILE and not to stdout; .json, .md, .txt say the format. Repeatable.",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="In text: every property of every resource, also of what is created.")
    ] = False,
    save_plan: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep each stack's plan there, to be applied as reviewed.")
    ] = None,
    commit: Annotated[
        str | None, typer.Option(metavar="SHA", help="The commit to name, if not the one checked out.")
    ] = None,
    made_elsewhere: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Run nothing: judge and render this JSON, trusting nothing in it."),
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="How many stacks at a time.")] = MOST_AT_ONCE,
) -> None:
    """Preview STACKs for a reviewer: dangers first. Exits 1 if one fails, or a danger isn't acknowledged.

    Example: eps-dos review live nft --base main
    """
    checkout = project_folder(Path.cwd())
    now = datetime.now(UTC)
    redactor = Redactor(secrets_of(os.environ))
    # Mistakes are reported before anything is started.
    acknowledgements = read_acknowledgements(checkout, now.date())
    if made_elsewhere is not None:
        commit = commit or ""
        judged_by = checked_out(CODE)
        reviews = _made_elsewhere(made_elsewhere, redactor)
    else:
        there = stack_names(checkout)
        names = list(dict.fromkeys(stacks or there))
        unknown = [unknown_stack(check_stack_name(name), checkout) for name in names if name not in there]
        if unknown:
            raise ConfigError(unknown)
        if save_plan is not None:
            save_plan = save_plan.absolute()
            save_plan.mkdir(parents=True, exist_ok=True)
        with _place(checkout, names, in_lab, base) as (at, renamed), progress(f"previewing {', '.join(names)}") as tell:

            def of(name: str) -> StackReview:
                source = _source(name, in_lab=in_lab, base=base, refresh=refresh)
                context = _context(name, checkout, source, redactor)
                return _reviewed(name, _Preview(at, renamed, refresh, save_plan), context, tell)

            with ThreadPoolExecutor(max_workers=min(parallel, max(1, len(names)))) as pool:
                reviews = tuple(pool.map(of, names))
        commit = commit or checked_out(checkout)
        judged_by = "" if checkout.resolve() == CODE else checked_out(CODE) or str(CODE)
    judged = gate(reviews, acknowledgements, now.date(), redactor)
    made = Review(commit=redactor.text(commit), made_at=now, gate=judged, judged_by=judged_by)
    _write(made, format_, outputs or [], full)
    raise typer.Exit(0 if judged.passed else 1)


def _made_elsewhere(file: Path, redactor: Redactor) -> tuple[StackReview, ...]:
    try:
        return from_json(file.read_text(encoding="utf-8", errors="replace"), redactor)
    except UntrustedReviewError as error:
        raise ConfigError.of(f"--from {file.name}:", f"{error}", "make it again") from None


@dataclass(frozen=True)
class _Preview:
    """How stacks are previewed."""

    at: Place
    renamed: Renamed
    refresh: bool
    save_plan: Path | None


@contextmanager
def _place(checkout: Path, stacks: Sequence[str], in_lab: bool, base: str | None) -> Iterator[tuple[Place, Renamed]]:
    if base is None:
        yield place(in_lab), lambda written: written
    else:
        with base_in_lab(checkout, base, stacks, say) as lab:
            yield lab


def _source(stack: str, *, in_lab: bool, base: str | None, refresh: bool) -> Source:
    options = "" if refresh else " --no-refresh"
    if base is not None:
        label = f"the lab, not AWS: {base} deployed on this machine, then this change previewed over it"
        return Source(kind="lab", label=label, command=f"eps-dos review {stack} --base {base}{options}")
    seen = "refreshed" if refresh else "not refreshed: changes by hand aren't seen"
    if in_lab:
        label = f"the lab as it is, not AWS, {seen}"
        return Source(kind="lab", label=label, command=f"eps-dos review {stack} --lab{options}")
    return Source(kind="real", label=f"the real state, {seen}", command=f"eps-dos review {stack}{options}")


def _context(stack: str, folder: Path, source: Source, redactor: Redactor) -> Context:
    return Context(
        source=source,
        declared=Declared(published=published_in_file(stack, folder), suppliers=ranges(stack, folder)),
        clients=[supplier.name for supplier in _admitted(stack, folder)],
        redactor=redactor,
    )


def published_in_file(stack: str, folder: Path) -> Mapping[str, str] | None:
    """Return the addresses in the stack file, even if the rest of it is wrong; None if it can't be read."""
    try:
        addresses = StackFile(folder / f"Pulumi.{stack}.yaml").get("virtualIps")
    except (ConfigError, OSError):
        return None
    return {str(zone): str(address) for zone, address in addresses.items()} if isinstance(addresses, Mapping) else {}


def ranges(stack: str, folder: Path) -> Mapping[IPv4Network, Collection[str]]:
    """Return the names of the suppliers that may connect to `stack`, by range."""
    names: dict[IPv4Network, list[str]] = {}
    for supplier in _admitted(stack, folder):
        for cidr in supplier.clients:
            if network := network_of(cidr):
                names.setdefault(network, []).append(supplier.name)
    return names


def _admitted(stack: str, folder: Path) -> Sequence[Supplier]:
    """Return the suppliers that may connect to `stack`, in whose firewalls its addresses are."""
    try:
        listed = SupplierList.model_validate(read_mapping(folder / SUPPLIERS))
    except (ConfigError, ValueError):
        return ()
    return admitted(listed.suppliers, stack, assured_only=stack == LIVE)


def _reviewed(stack: str, preview: _Preview, context: Context, tell: Callable[[str], None]) -> StackReview:
    """Return the review of one stack. Of a failed preview, it says why it failed and what was seen until then."""
    handle = StackHandle(stack, preview.at)
    path = preview.save_plan / f"{stack}.plan.json" if preview.save_plan else None
    try:
        if preview.at.in_lab:
            handle.create()
        outcome = handle.preview(lambda now: tell(f"{stack}, {now}"), refresh=preview.refresh, plan=path)
        plan = read_plan(stack, preview.renamed(outcome.events))
    except NoBackendError:
        raise
    except PulumiError as error:
        plan = read_plan(stack, preview.renamed(error.events), preview.renamed(error.messages) or [str(error)])
    except (NoSuchStackError, ArmedStateError) as error:
        plan = read_plan(stack, (), [str(error)])
    if path is not None and path.exists() and (why_not := keep(path, context.redactor)):
        say(f"{stack}: {why_not}")
    return review_stack(plan, replace(context, warnings=tuple(alarm_warnings(plan, preview.at))))


_SUFFIXES = {".json": Format.JSON, ".md": Format.MARKDOWN, ".txt": Format.TEXT}


def _write(made: Review, format_: Format, outputs: Sequence[Path], full: bool) -> None:
    writers: Mapping[Format, Callable[[Review], str]] = {
        Format.TEXT: partial(as_text, full=full),
        Format.MARKDOWN: as_markdown,
        Format.JSON: as_json,
    }
    for output in outputs:
        text = writers[_SUFFIXES.get(output.suffix, format_)](made)
        output.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    if outputs:
        return
    if format_ is Format.TEXT:
        show(made, sys.stdout, full=full)
    else:
        typer.echo(writers[format_](made))
