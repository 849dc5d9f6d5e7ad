"""`eps-dos dataset`: test data configured at a supplier's request, with a record of who asked and what changed.

The bucket keeps every version. A load that was interrupted is taken up by the next: what is there stays, and the
record is written last. Whether data may be loaded is in `infra.testdata`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra import testdata
from infra.environment import DatasetPlan
from infra.errors import ConfigError, Problem
from infra.naming import check_stack_name
from infra.reaping import stamp
from ops.lab import InLab, environment_of, place
from ops.place import project_folder
from ops.progress import progress, say

if TYPE_CHECKING:
    from ops.aws import Aws

Tell = Callable[[str], None]

app = typer.Typer(help="Test data of an environment: load it, and see who had it loaded.", no_args_is_help=True)

CHECKSUM = "sha256"
"""An object's own metadata with its content's SHA-256, in hexadecimal: the same for all ways of uploading."""

ForPrograms = Annotated[bool, typer.Option("--json", help="For programs.")]
Stack = Annotated[str, typer.Argument(help="The environment: int, dev, or one made for a test.", metavar="STACK")]


@dataclass(frozen=True, kw_only=True)
class Load:
    """The record of one load, as it is kept in the bucket."""

    request: str
    """The supplier's reference."""
    source: str
    """The files' folder, or the bucket that they were copied from."""
    who: str
    """ARN of whoever did it."""
    when: str
    """UTC."""
    added: Mapping[str, str] = field(default_factory=dict)
    """The version of each object that is new, by its key."""
    changed: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    unchanged: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was done."""
        return not (self.added or self.changed or self.removed)

    @property
    def summary(self) -> str:
        """How much was done."""
        return (
            f"{len(self.added)} added, {len(self.changed)} changed, {len(self.removed)} removed, "
            f"{self.unchanged} unchanged"
        )


@app.command("load")
def load_(
    stack: Stack,
    path: Annotated[Path, typer.Argument(help="A folder with test data, or one file.", metavar="PATH")],
    request: Annotated[str, typer.Option(help="The supplier's request, as a reference.", metavar="REF")],
    replace: Annotated[bool, typer.Option("--replace", help="Remove what PATH doesn't have, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    in_lab: InLab = False,
    for_programs: ForPrograms = False,
) -> None:
    """Put test data into the dataset of STACK. Refused for Live's. The bucket keeps what was there before."""
    check_stack_name(stack)
    _check_request(request)
    files = files_of(path)
    environment = environment_of(stack, project_folder(Path.cwd()), in_lab)
    at = place(in_lab)
    from ops.aws import Aws

    with progress(f"{stack}: loading {path}") as tell:
        done = load(
            Aws(environment.aws, at), environment.dataset, path, request, tell,
            files=files, stack=stack, replace=replace, dry_run=dry_run,
        )  # fmt: skip
    if for_programs:
        typer.echo(json.dumps({**asdict(done), "dryRun": dry_run}, indent=2))
        return
    for sign, keys in (("+", done.added), ("~", done.changed), ("-", done.removed)):
        for key in keys:
            typer.echo(f"{sign} {key}")
    typer.echo(f"{stack}: {done.summary}{'; nothing was done' if dry_run or done.is_empty else ''}")


@app.command()
def log(stack: Stack, in_lab: InLab = False, for_programs: ForPrograms = False) -> None:
    """Show who had what loaded into the dataset of STACK, the newest first."""
    check_stack_name(stack)
    environment = environment_of(stack, project_folder(Path.cwd()), in_lab)
    at = place(in_lab)
    from ops.aws import Aws

    loads = [*records(Aws(environment.aws, at), environment.dataset.bucket)]
    loads.sort(key=lambda one: one.when, reverse=True)
    if for_programs:
        typer.echo(json.dumps([asdict(one) for one in loads], indent=2))
        return
    for one in loads:
        typer.echo(f"{one.when}  {one.request}: {one.summary}; from {one.source}, by {one.who}")
    if not loads:
        typer.echo("none")


def files_of(path: Path) -> dict[str, Path]:
    """Return the files under `path` by the key that each would have. Raises ConfigError with all that is wrong."""
    if path.is_symlink() or not path.exists():
        raise _wrong(f"{path}:", "is no file and no folder", "name the folder with the test data")
    if path.is_file():
        return {path.name: path}
    found: dict[str, Path] = {}
    problems = []
    for folder, folders, names in os.walk(path):
        for name in (*folders, *names):
            one = Path(folder) / name
            if one.is_symlink() or not (one.is_dir() or one.is_file()):
                problems.append(
                    Problem(where=f"{one}:", message="is a link or a device; allowed: files", fix="put a file there")
                )
            elif one.is_file():
                found[one.relative_to(path).as_posix()] = one
    if not found and not problems:
        problems.append(Problem(where=f"{path}:", message="is empty", fix="name the folder with the test data"))
    if len(found) > testdata.MOST_FILES:
        problems.append(
            Problem(where=f"{path}:", message=f"has {len(found)} files; allowed: {testdata.MOST_FILES}", fix="split it")
        )
    if problems:
        raise ConfigError(problems)
    return found


def load(
    aws: Aws,
    plan: DatasetPlan,
    source: Path,
    request: str,
    tell: Tell,
    *,
    files: Mapping[str, Path] | None = None,
    stack: str = "the environment",
    replace: bool = False,
    dry_run: bool = False,
) -> Load:
    """Put the files of `source` into the dataset and return the record. What is there already isn't uploaded again.

    Raises ConfigError, before anything is changed, if the data or the dataset aren't fit; botocore's errors.
    """
    against = testdata.refusal(plan, stack)
    if against is not None:
        raise ConfigError([against])
    files = files_of(source) if files is None else files
    problems = [
        problem
        for key, path in sorted(files.items())
        for problem in testdata.problems_of_file(key, path.read_bytes(), plan.supplier_areas)
    ]
    if problems:
        raise ConfigError(problems)
    wanted = {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()}
    there = {
        key: checksum
        for key, checksum in _there(aws, plan.bucket, stack)
        if not any(key.startswith(area.prefix) for area in plan.supplier_areas)
    }
    added, changed, surplus = testdata.changes(wanted, there)

    def put(key: str) -> str:
        tell(key)
        digest = bytes.fromhex(wanted[key])
        answer = aws.s3.put_object(
            Bucket=plan.bucket, Key=key, Body=files[key].read_bytes(), Metadata={CHECKSUM: wanted[key]},
            ChecksumSHA256=base64.b64encode(digest).decode(),
        )  # fmt: skip
        return str(answer.get("VersionId", ""))

    def remove(key: str) -> None:
        tell(key)
        aws.s3.delete_object(Bucket=plan.bucket, Key=key)

    kept = len(wanted) - len(added) - len(changed)
    return _done(
        aws, plan.bucket, request, str(source), (added, changed, surplus if replace else []), kept, put, remove,
        dry_run=dry_run,
    )  # fmt: skip


def copy(aws: Aws, source_bucket: str, plan: DatasetPlan, request: str, tell: Tell) -> Load:
    """Copy another environment's test data into the dataset, within AWS, and return the record.

    Its records of loads stay behind. Raises ConfigError if the dataset is Live's or nobody's to load, or the source
    isn't there; botocore's errors.
    """
    against = testdata.refusal(plan, "the environment")
    if against is not None:
        raise ConfigError([against])
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=source_bucket)
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    keys = [key for key in keys if not key.startswith(testdata.RECORDS)]

    def put(key: str) -> str:
        tell(key)
        answer = aws.s3.copy_object(
            Bucket=plan.bucket, Key=key, CopySource={"Bucket": source_bucket, "Key": key}, MetadataDirective="COPY"
        )
        return str(answer.get("VersionId", ""))

    there = dict(_there(aws, plan.bucket, "the environment"))
    missing = [key for key in keys if key not in there]
    return _done(
        aws, plan.bucket, request, f"s3://{source_bucket}", (missing, [], []), len(keys) - len(missing), put,
        lambda _key: None, dry_run=False,
    )  # fmt: skip


def records(aws: Aws, bucket: str) -> Iterator[Load]:
    """Yield the record of each load into a dataset."""
    for page in aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=testdata.RECORDS):
        for one in page.get("Contents", []):
            said = json.loads(aws.s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read())
            yield Load(**{**said, "removed": tuple(said.get("removed", ()))})


def _done(
    aws: Aws,
    bucket: str,
    request: str,
    source: str,
    keys: tuple[list[str], list[str], list[str]],
    unchanged: int,
    put: Callable[[str], str],
    remove: Callable[[str], None],
    *,
    dry_run: bool,
) -> Load:
    """Do what there is to do, and record it; with `dry_run`, return what the record would be."""
    added, changed, surplus = keys
    facts: dict[str, Any] = {"request": request, "source": source, "unchanged": unchanged, "removed": tuple(surplus)}
    if dry_run or not (added or changed or surplus):
        return Load(who="", when="", added=dict.fromkeys(added, ""), changed=dict.fromkeys(changed, ""), **facts)
    done = 0
    try:
        versions: dict[str, str] = {}
        for key in (*added, *changed):
            versions[key] = put(key)
            done += 1
        for key in surplus:
            remove(key)
            done += 1
    except BaseException:
        say(f"{done} of {len(added) + len(changed) + len(surplus)} were done; the same command does the rest")
        raise
    record = Load(
        who=str(aws.sts.get_caller_identity()["Arn"]),
        when=stamp(datetime.now(UTC)),
        added={key: versions[key] for key in added},
        changed={key: versions[key] for key in changed},
        **facts,
    )
    named = re.sub(r"[^A-Za-z0-9._-]", "-", request)
    body = json.dumps(asdict(record), indent=2).encode()
    key = f"{testdata.RECORDS}{record.when}-{named}-{hashlib.sha256(body).hexdigest()[:8]}.json"
    aws.s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    return record


def _there(aws: Aws, bucket: str, stack: str) -> Iterator[tuple[str, str]]:
    """Yield key and SHA-256 of every object; an empty one for what was uploaded in another way."""
    from botocore.exceptions import ClientError

    try:
        for page in aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for one in page.get("Contents", []):
                if not one["Key"].startswith(testdata.RECORDS):
                    head = aws.s3.head_object(Bucket=bucket, Key=one["Key"])
                    yield one["Key"], head["Metadata"].get(CHECKSUM, "")
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
            raise _wrong(f"{stack}:", f"has no dataset {bucket} yet", f"pulumi up --stack {stack}") from None
        raise


def _check_request(text: str) -> None:
    if not re.fullmatch(r"[\x21-\x7e][\x20-\x7e]{0,99}", text):
        raise _wrong(
            "--request", f"is {text[:100]!r}; allowed: 1 to 100 printable ASCII characters", "--request CHG0012345"
        )


def _wrong(where: str, message: str, fix: str) -> ConfigError:
    return ConfigError([Problem(where=where, message=message, fix=fix)])
