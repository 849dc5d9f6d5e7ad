"""Loading a dataset: from a folder, or as a copy of another dataset. Entered by ephemeral.

Both are the same work on another source: what differs is put, what was there already is adopted, and the record is
written last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from infra import testdata
from infra.environment import DatasetPlan
from infra.errors import ConfigError
from infra.testdata import shown
from infra.times import stamp
from ops.aws.clients import Aws
from ops.dataset.record import Load, Stored, records, write
from ops.dataset.sources import OURS, Content, Copy, File, Folder, checked, explained, heads, objects, version_of
from ops.output.progress import Tell, say

NOT_YET = Stored(version="", sha256="")

Source: TypeAlias = Folder | Copy


def load(
    aws: Aws,
    plan: DatasetPlan,
    source: Path,
    request: str,
    tell: Tell,
    *,
    files: Mapping[str, File] | None = None,
    stack: str = OURS,
    replace: bool = False,
    dry_run: bool = False,
) -> Load:
    """Put the files of `source` into the dataset and return the record. What is there already isn't uploaded again.

    `files` is what `checked` returned for the same; without, they are checked here. Raises ConfigError, before anything
    is changed, if the data or the dataset aren't fit, or who calls may not; botocore's errors.
    """
    if files is None:
        files = checked(plan, source, request, stack)
    folder = Folder(aws=aws, bucket=plan.bucket, request=request, name=str(source), files=files)
    with explained(stack, plan.bucket, stack, plan.operator_role_arns):
        return _load(aws, plan, folder, request, tell, replace=replace, dry_run=dry_run)


def copy(aws: Aws, source_bucket: str, plan: DatasetPlan, request: str, tell: Tell) -> Load:
    """Copy another environment's test data into the dataset, within AWS, and return the record.

    Raises ConfigError, before anything is changed, if the dataset is Live's or nobody's to load, or the source is
    Live's, nobody's or not there; botocore's errors.
    """
    problems = [problem for problem in (testdata.refusal(plan, OURS), testdata.problem_of_request(request)) if problem]
    if problems:
        raise ConfigError(problems)
    source = Copy(aws=aws, bucket=source_bucket, plan=plan)
    with explained(OURS, plan.bucket, OURS, plan.operator_role_arns):
        return _load(aws, plan, source, request, tell, replace=False, dry_run=False)


def _load(
    aws: Aws, plan: DatasetPlan, source: Source, request: str, tell: Tell, *, replace: bool, dry_run: bool
) -> Load:
    """Do what there is to do, record it, and return the record; with `dry_run`, return what the record would be."""
    wanted = source.contents()
    planned = _planned(aws, plan, source, wanted, request, tell)
    if not replace:
        planned = dataclasses.replace(planned, removed={})
    if dry_run or planned.is_empty:
        return planned
    # Who can't be named changes nothing.
    who = aws.sts.get_caller_identity()["Arn"]
    stored, removed = _put(aws, plan.bucket, source, wanted, planned, tell)
    record = dataclasses.replace(
        planned,
        who=who,
        when=stamp(aws.now()),
        added={key: stored[key] for key in planned.added},
        changed={key: stored[key] for key in planned.changed},
        removed=removed,
    )
    write(aws, plan.bucket, record)
    return record


def _planned(
    aws: Aws, plan: DatasetPlan, source: Source, wanted: Mapping[str, Content], request: str, tell: Tell
) -> Load:
    """Return what the record would be if whatever isn't wanted were removed, as long as nothing is done."""
    there = objects(aws, plan.bucket)
    alike = [
        key
        for key, content in wanted.items()
        if key in there and content.size == there[key].size and content.tag in ("", there[key].tag)
    ]
    same = {
        key: stored
        for key, stored in heads(aws, plan.bucket, alike, tell).items()
        if wanted[key].sha256 in ("", stored.sha256)
    }
    recorded = {
        stored.version
        for load in (records(aws, plan.bucket) if same else ())
        for group in (load.added, load.changed, load.adopted)
        for stored in group.values()
    }
    adopted = {key: stored for key, stored in sorted(same.items()) if stored.version not in recorded}
    areas = tuple(area.prefix for area in plan.supplier_areas)
    return Load(
        request=request,
        source=source.name,
        who="",
        when="",
        tool=f"eps-dos {version('eps-dos-api-infrastructure')}",
        added=dict.fromkeys(sorted(wanted.keys() - there.keys()), NOT_YET),
        changed=dict.fromkeys(sorted((wanted.keys() & there.keys()) - same.keys()), NOT_YET),
        adopted=adopted,
        removed={key: "" for key in sorted(there.keys() - wanted.keys()) if not key.startswith(areas)},
        unchanged=len(same) - len(adopted),
    )


def _put(
    aws: Aws, bucket: str, source: Source, wanted: Mapping[str, Content], planned: Load, tell: Tell
) -> tuple[dict[str, Stored], dict[str, str]]:
    """Put and remove what is planned; return the versions that this makes, by key."""
    stored: dict[str, Stored] = {}
    removed: dict[str, str] = {}
    count = len(planned.added) + len(planned.changed) + len(planned.removed)
    try:
        for key in (*planned.added, *planned.changed):
            tell(f"{len(stored)} of {count}, {shown(key)}")
            stored[key] = source.put(key, wanted[key])
        for key in planned.removed:
            tell(f"{len(stored) + len(removed)} of {count}, {shown(key)}")
            removed[key] = version_of(aws.s3.delete_object(Bucket=bucket, Key=key))
    except BaseException:
        say(
            f"{len(stored) + len(removed)} of {count} were done, and nothing is recorded yet; "
            "the same command does the rest and records what is there"
        )
        raise
    return stored, removed
