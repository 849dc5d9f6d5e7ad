"""Loading a dataset: from a folder, or as a copy of another dataset. Entered by ephemeral."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from infra import testdata
from infra.environment import DatasetPlan
from infra.errors import ConfigError, Problem
from infra.naming import LIVE
from infra.testdata import shown
from infra.times import stamp
from ops.aws.clients import Aws
from ops.dataset.record import Load, Stored, records
from ops.output.progress import Tell, say

LARGEST_COPY_BYTES = 5 * 1024**3
"""That one request copies (Amazon S3 API, CopyObject); what is larger is copied in parts."""
COPIED_PART_BYTES = 512 * 1024**2
"""Far from the 10,000 parts that an object may have (Amazon S3 guide, multipart upload limits)."""
REQUESTS_AT_ONCE = 8
"""As many as a client has connections for, and two to spare (botocore, max_pool_connections: 10)."""
OURS = "the environment"
"""Of whom a message speaks where no name is given."""


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that was found fit to be loaded."""

    path: Path
    size: int
    """Bytes."""
    sha256: str


def checked(plan: DatasetPlan, source: Path, request: str, stack: str = OURS) -> dict[str, File]:
    """Return the files under `source`, or itself, by the key that each will have.

    Raises ConfigError with all that is wrong with them, with `request`, and with loading them into this dataset.
    """
    problems = [one for one in (testdata.refusal(plan, stack), testdata.problem_of_request(request)) if one is not None]
    paths, unfit = _paths(source)
    problems += unfit
    sizes: dict[str, int] = {}
    for name, path in paths.items():
        try:
            sizes[name] = path.stat().st_size
        except OSError as error:
            problems.append(_unreadable(path, error))
    if sizes or not unfit:
        problems += testdata.problems_of_files(sizes, plan.supplier_areas)
    found: dict[str, File] = {}
    # Otherwise it would take long to say that it is too much.
    too_much = sum(sizes.values()) > testdata.LARGEST_LOAD_BYTES
    for name, size in sorted(sizes.items()):
        if too_much or size > testdata.LARGEST_FILE_BYTES or not name.endswith(testdata.KINDS):
            continue
        try:
            content = paths[name].read_bytes()
        except OSError as error:
            problems.append(_unreadable(paths[name], error))
            continue
        problems += testdata.problems_of_content(name, content)
        found[testdata.key_of(name)] = File(
            path=paths[name], size=len(content), sha256=hashlib.sha256(content).hexdigest()
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

    def put(key: str) -> Stored:
        file = files[key]
        content = file.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise _wrong(f"{file.path}:", "was changed while it was loaded", "the same command, once it is at rest")
        # S3 computes it, too, refuses what isn't the same, and keeps it (Amazon S3 API, PutObject).
        checksum = base64.b64encode(bytes.fromhex(file.sha256)).decode()
        answer = aws.s3.put_object(
            Bucket=plan.bucket, Key=key, Body=content, ChecksumAlgorithm="SHA256", ChecksumSHA256=checksum,
            Metadata={"request": request},
        )  # fmt: skip
        return Stored(version=_version(answer), sha256=file.sha256)

    with explained(stack, plan.bucket, stack, plan.operator_role_arns):
        there = {
            key: size
            for key, (size, _) in _objects(aws, plan.bucket)
            if not any(key.startswith(area.prefix) for area in plan.supplier_areas)
        }
        same = _heads(aws, plan.bucket, [key for key, file in files.items() if there.get(key) == file.size], tell)
        added, changed, surplus = testdata.changes(
            {key: file.sha256 for key, file in files.items()},
            {key: same[key].sha256 if key in same else "" for key in there},
        )
        same = {key: one for key, one in same.items() if key not in changed}
        return _Work(
            aws=aws, bucket=plan.bucket, request=request, source=str(source), added=added, changed=changed,
            surplus=surplus if replace else (), same=same, put=put, tell=tell,
        ).done(dry_run=dry_run)  # fmt: skip


def copy(aws: Aws, source_bucket: str, plan: DatasetPlan, request: str, tell: Tell) -> Load:
    """Copy another environment's test data into the dataset, within AWS, and return the record.

    What is there in its current version is copied; its records of loads stay behind. Raises ConfigError, before
    anything is changed, if the dataset is Live's or nobody's to load, or the source is Live's, nobody's or not there;
    botocore's errors.
    """
    problems = [one for one in (testdata.refusal(plan, OURS), testdata.problem_of_request(request)) if one is not None]
    if problems:
        raise ConfigError(problems)
    with explained(f"s3://{source_bucket}", source_bucket, "STACK, whose it is"):
        _check_source(aws, source_bucket)
        wanted = dict(_objects(aws, source_bucket))

    def put(key: str) -> Stored:
        size, _ = wanted[key]
        # AWS doesn't say which of the two it refuses.
        with explained(f"s3://{source_bucket}", f"it, or in {plan.bucket}", OURS, plan.operator_role_arns):
            if size > LARGEST_COPY_BYTES:
                _copy_in_parts(aws, source_bucket, plan.bucket, key)
                return _head(aws, plan.bucket, key)
            answer = aws.s3.copy_object(
                Bucket=plan.bucket, Key=key, CopySource={"Bucket": source_bucket, "Key": key},
                ChecksumAlgorithm="SHA256",
            )  # fmt: skip
        return Stored(version=_version(answer), sha256=_hex(answer["CopyObjectResult"].get("ChecksumSHA256", "")))

    with explained(OURS, plan.bucket, OURS, plan.operator_role_arns):
        there = dict(_objects(aws, plan.bucket))
        same = _heads(aws, plan.bucket, [key for key, one in there.items() if wanted.get(key) == one], tell)
        return _Work(
            aws=aws, bucket=plan.bucket, request=request, source=f"s3://{source_bucket}",
            added=sorted(wanted.keys() - there.keys()),
            changed=sorted((wanted.keys() & there.keys()) - same.keys()),
            surplus=(), same=same, put=put, tell=tell,
        ).done(dry_run=False)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What there is to do, and how."""

    aws: Aws
    bucket: str
    request: str
    source: str
    added: Sequence[str]
    changed: Sequence[str]
    surplus: Sequence[str]
    same: Mapping[str, Stored]
    """What is there as wanted."""
    put: Callable[[str], Stored]
    tell: Tell

    def done(self, *, dry_run: bool) -> Load:
        """Do it, record it, and return the record; with `dry_run`, return what the record would be."""
        recorded = {
            one.version
            for load in (records(self.aws, self.bucket) if self.same else ())
            for group in (load.added, load.changed, load.adopted)
            for one in group.values()
        }
        adopted = {key: one for key, one in sorted(self.same.items()) if one.version not in recorded}
        facts: dict[str, Any] = {
            "request": self.request,
            "source": self.source,
            "tool": f"eps-dos {version('eps-dos-api-infrastructure')}",
            "adopted": adopted,
            "unchanged": len(self.same) - len(adopted),
        }
        if dry_run or not (self.added or self.changed or self.surplus or adopted):
            nothing = Stored(version="", sha256="")
            return Load(
                who="", when="", **facts,
                added=dict.fromkeys(self.added, nothing), changed=dict.fromkeys(self.changed, nothing),
                removed=dict.fromkeys(self.surplus, ""),
            )  # fmt: skip
        # Who can't be named changes nothing.
        who = self.aws.sts.get_caller_identity()["Arn"]
        stored, removed = self._changed()
        record = Load(
            who=who, when=stamp(self.aws.now()), **facts,
            added={key: stored[key] for key in self.added}, changed={key: stored[key] for key in self.changed},
            removed=removed,
        )  # fmt: skip
        self._write(record)
        return record

    def _changed(self) -> tuple[dict[str, Stored], dict[str, str]]:
        stored: dict[str, Stored] = {}
        removed: dict[str, str] = {}
        count = len(self.added) + len(self.changed) + len(self.surplus)
        try:
            for key in (*self.added, *self.changed):
                self.tell(f"{len(stored)} of {count}, {shown(key)}")
                stored[key] = self.put(key)
            for key in self.surplus:
                self.tell(f"{len(stored) + len(removed)} of {count}, {shown(key)}")
                removed[key] = _version(self.aws.s3.delete_object(Bucket=self.bucket, Key=key))
        except BaseException:
            say(
                f"{len(stored) + len(removed)} of {count} were done, and nothing is recorded yet; "
                "the same command does the rest and records what is there"
            )
            raise
        return stored, removed

    def _write(self, record: Load) -> None:
        body = json.dumps(asdict(record), indent=2).encode()
        named = re.sub(r"[^A-Za-z0-9._-]", "-", record.request)
        key = f"{testdata.RECORDS}{record.when}-{named}-{hashlib.sha256(body).hexdigest()[:8]}.json"
        try:
            self.aws.s3.put_object(
                Bucket=self.bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
            )
        except ClientError as error:
            # It is there, and by its name it is the same: the answer to a first try was lost.
            if _code(error) != "PreconditionFailed":
                raise


def _paths(source: Path) -> tuple[dict[str, Path], list[Problem]]:
    """Return the files by name, and what isn't one."""
    if not source.exists():
        return {}, [_problem(source, "isn't there", "name the folder with the test data")]
    if source.is_file():
        return {source.name: source}, []
    if not source.is_dir():
        return {}, [_problem(source, "is neither a file nor a folder", "name the folder with the test data")]
    found: dict[str, Path] = {}
    problems: list[Problem] = []

    def closed(error: OSError) -> None:
        problems.append(_unreadable(Path(error.filename), error))

    for folder, folders, names in os.walk(source, onerror=closed):
        if len(found) + len(problems) + len(names) > testdata.MOST_FILES:
            # Perhaps it is the root of a disk: neither all of it is looked at, nor is all told that it isn't data.
            said = f"holds more than {testdata.MOST_FILES} files"
            return {}, [_problem(source, said, "name the folder with the test data, or split it")]
        for name in sorted((*folders, *names)):
            one = Path(folder) / name
            if one.is_symlink() or not (one.is_dir() or one.is_file()):
                problems.append(_problem(one, "is a link or a device; allowed: files", "put a file there"))
            elif one.is_file():
                found[one.relative_to(source).as_posix()] = one
    return found, problems


def _objects(aws: Aws, bucket: str) -> Iterator[tuple[str, tuple[int, str]]]:
    """Yield the key of every object but the records, with its size (bytes) and its tag.

    Where nothing was uploaded in parts, equal tags mean equal content (Amazon S3 API, Object: SSE-S3).
    """
    for page in aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for one in page.get("Contents", []):
            if not one["Key"].startswith(testdata.RECORDS):
                yield one["Key"], (one["Size"], one["ETag"])


def _heads(aws: Aws, bucket: str, keys: Sequence[str], tell: Tell) -> dict[str, Stored]:
    """Return what S3 knows of each: a request for each, and none has to wait for another."""
    _ = aws.s3  # made once, before threads ask for it
    found: dict[str, Stored] = {}
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        # What ends the loop early, such as Ctrl-C, ends `map`, which takes back what hasn't begun.
        for key, stored in zip(keys, pool.map(lambda one: _head(aws, bucket, one), keys), strict=True):
            found[key] = stored
            tell(f"compared {len(found)} of {len(keys)}")
    return found


def _head(aws: Aws, bucket: str, key: str) -> Stored:
    head = aws.s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    return Stored(version=_version(head), sha256=_hex(head.get("ChecksumSHA256", "")))


def _version(answer: Mapping[str, Any]) -> str:
    """Return the version that S3 speaks of: `null` if the bucket has lost its versioning, as S3 calls it."""
    return str(answer.get("VersionId", "null"))


def _hex(checksum: str) -> str:
    """Return S3's SHA-256 of an object in hexadecimal; empty for one of its parts' checksums."""
    return "" if "-" in checksum else base64.b64decode(checksum).hex()


def _copy_in_parts(aws: Aws, source_bucket: str, bucket: str, key: str) -> None:
    aws.s3.copy(
        {"Bucket": source_bucket, "Key": key},
        bucket,
        key,
        ExtraArgs={"ChecksumAlgorithm": "SHA256"},
        Config=TransferConfig(multipart_threshold=LARGEST_COPY_BYTES, multipart_chunksize=COPIED_PART_BYTES),
    )


def _check_source(aws: Aws, bucket: str) -> None:
    """Raise ConfigError unless the bucket's own tags say that it holds test data of one of our environments."""
    try:
        tags = {one["Key"]: one["Value"] for one in aws.s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
    except ClientError as error:
        if _code(error) != "NoSuchTagSet":
            raise
        tags = {}
    owner = tags.get("Environment")
    if owner is None or owner == LIVE:
        whose = "is Live's dataset" if owner else "has no tag Environment that says whose it is"
        raise _wrong(f"s3://{bucket}:", f"{whose}; allowed: a dataset of test data", "--dataset int, or a folder")


@contextmanager
def explained(where: str, bucket: str, stack: str, operators: Sequence[str] = ()) -> Iterator[None]:
    """Tell what to do if there is no such bucket, which is the dataset of `stack`, or AWS refuses it."""
    try:
        yield
    except ClientError as error:
        if _code(error) == "NoSuchBucket":
            raise _wrong(f"{where}:", f"there is no dataset {bucket} yet", f"eps-dos up {stack}") from None
        if _code(error) in {"AccessDenied", "403"}:
            named = f" ({', '.join(operators)})" if operators else ""
            raise _wrong(
                f"{where}:",
                f"AWS refuses you {error.operation_name} in {bucket}; allowed: its operators{named}",
                "work in one of the roles that eps-dos-api:operators names, or have yours named there: docs/dataset.md",
            ) from None
        raise


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _unreadable(path: Path, error: OSError) -> Problem:
    return _problem(path, f"can't be read: {error.strerror or error}", "mend its rights, or leave it out")


def _problem(path: Path, message: str, fix: str) -> Problem:
    return Problem(where=f"{shown(str(path))}:", message=message, fix=fix)


def _wrong(where: str, message: str, fix: str) -> ConfigError:
    return ConfigError.of(where, message, fix)
