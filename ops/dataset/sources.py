"""Where a dataset's data come from: a folder of this machine, or the bucket of another environment's dataset.

Both offer the same two calls: `contents`, what there is by the key that each will have, and `put`, which puts one into
the dataset and returns the version that this makes. Beside them, what is read of a bucket.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from infra import testdata
from infra.environment import DatasetPlan
from infra.errors import ConfigError, Problem
from infra.naming import LIVE
from infra.testdata import shown
from ops.aws.clients import Aws, listed, unless
from ops.aws.ownership import tags_of
from ops.dataset.record import Stored
from ops.output.progress import Tell

LARGEST_COPY_BYTES = 5 * 1024**3
"""That one request copies (Amazon S3 API, CopyObject); what is larger is copied in parts."""
COPIED_PART_BYTES = 512 * 1024**2
"""Far from the 10,000 parts that an object may have (Amazon S3 guide, multipart upload limits)."""
REQUESTS_AT_ONCE = 8
"""As many as a client has connections for, and two to spare (botocore, max_pool_connections: 10)."""
OURS = "the environment"
"""Of whom a message speaks where no name is given."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What is known of a content without reading it."""

    size: int
    """Bytes."""
    tag: str = ""
    """S3's. Where nothing was uploaded in parts, equal tags mean equal content (Amazon S3 API, Object: SSE-S3)."""
    sha256: str = ""
    """Hexadecimal."""


@dataclass(frozen=True, kw_only=True)
class File(Content):
    """A file that is fit to be loaded."""

    path: Path


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Files of this machine as a source."""

    aws: Aws
    bucket: str
    """The dataset that they are put into."""
    request: str
    name: str
    """As a record names it."""
    files: Mapping[str, File]

    def contents(self) -> Mapping[str, Content]:
        """Return the files."""
        return self.files

    def put(self, key: str, _content: Content) -> Stored:
        """Upload one. Raises ConfigError if it was changed since it was checked."""
        file = self.files[key]
        content = file.path.read_bytes()
        digest = hashlib.sha256(content)
        if digest.hexdigest() != file.sha256:
            raise ConfigError.of(
                f"{file.path}:", "was changed while it was loaded", "the same command, once it is at rest"
            )
        # S3 computes it, too, refuses what isn't the same, and keeps it (Amazon S3 API, PutObject).
        answer = self.aws.s3.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=content,
            Metadata={"request": self.request},
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
        )
        return Stored(version=version_of(answer), sha256=file.sha256)


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Another environment's dataset as a source, copied within AWS; its records of loads stay behind."""

    aws: Aws
    bucket: str
    plan: DatasetPlan
    """The dataset that it is copied to."""

    @property
    def name(self) -> str:
        """As a record names it."""
        return f"s3://{self.bucket}"

    def contents(self) -> Mapping[str, Content]:
        """Return all but the records. Raises ConfigError if it is Live's, nobody's or not there."""
        with explained(self.name, self.bucket, "STACK, whose it is"):
            self._check()
            return objects(self.aws, self.bucket)

    def put(self, key: str, content: Content) -> Stored:
        """Copy one in its current version."""
        source: Any = {"Bucket": self.bucket, "Key": key}
        # AWS doesn't say which of the two it refuses.
        with explained(self.name, f"it, or in {self.plan.bucket}", OURS, self.plan.operator_role_arns):
            if content.size > LARGEST_COPY_BYTES:
                parts = TransferConfig(multipart_threshold=LARGEST_COPY_BYTES, multipart_chunksize=COPIED_PART_BYTES)
                checksum = {"ChecksumAlgorithm": "SHA256"}
                self.aws.s3.copy(source, self.plan.bucket, key, ExtraArgs=checksum, Config=parts)
                return _head(self.aws, self.plan.bucket, key)
            answer = self.aws.s3.copy_object(
                Bucket=self.plan.bucket,
                Key=key,
                CopySource=source,
                ChecksumAlgorithm="SHA256",
                # By itself S3 copies tags, too, which takes rights to read and write them (Amazon S3 API, CopyObject).
                # A copy in parts has none.
                TaggingDirective="REPLACE",
            )
        return Stored(version=version_of(answer), sha256=_hex(answer["CopyObjectResult"]))

    def _check(self) -> None:
        """Raise ConfigError unless the bucket's own tags say that it holds test data of one of our environments."""
        answer = unless(lambda: self.aws.s3.get_bucket_tagging(Bucket=self.bucket), "NoSuchTagSet")
        owner = tags_of(answer["TagSet"] if answer else ()).get("Environment")
        if owner is None or owner == LIVE:
            whose = "is Live's dataset" if owner else "has no tag Environment that says whose it is"
            raise ConfigError.of(
                f"{self.name}:", f"{whose}; allowed: a dataset of test data", "--dataset int, or a folder"
            )


def checked(plan: DatasetPlan, source: Path, request: str, stack: str = OURS) -> dict[str, File]:
    """Return the files under `source`, or itself, by the key that each will have.

    Raises ConfigError with all that is wrong with them, with `request`, and with loading them into this dataset.
    """
    problems = [problem for problem in (testdata.refusal(plan, stack), testdata.problem_of_request(request)) if problem]
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
    files: dict[str, File] = {}
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
        sha256 = hashlib.sha256(content).hexdigest()
        files[testdata.key_of(name)] = File(path=paths[name], size=len(content), sha256=sha256)
    if problems:
        raise ConfigError(problems)
    return files


def _paths(source: Path) -> tuple[dict[str, Path], list[Problem]]:
    """Return the files by name, and what isn't one."""
    if not source.exists():
        return {}, [_problem(source, "isn't there", "name the folder with the test data")]
    if source.is_file():
        return {source.name: source}, []
    if not source.is_dir():
        return {}, [_problem(source, "is neither a file nor a folder", "name the folder with the test data")]
    files: dict[str, Path] = {}
    problems: list[Problem] = []

    def closed(error: OSError) -> None:
        problems.append(_unreadable(Path(error.filename), error))

    for folder, folders, names in os.walk(source, onerror=closed):
        if len(files) + len(problems) + len(names) > testdata.MOST_FILES:
            # Perhaps it is the root of a disk: neither is all of it looked at, nor all said that isn't data.
            said = f"holds more than {testdata.MOST_FILES} files"
            return {}, [_problem(source, said, "name the folder with the test data, or split it")]
        for path in (Path(folder) / name for name in sorted((*folders, *names))):
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                problems.append(_problem(path, "is a link or a device; allowed: files", "put a file there"))
            elif path.is_file():
                files[path.relative_to(source).as_posix()] = path
    return files, problems


def _unreadable(path: Path, error: OSError) -> Problem:
    return _problem(path, f"can't be read: {error.strerror or error}", "mend its rights, or leave it out")


def _problem(path: Path, message: str, fix: str) -> Problem:
    return Problem(where=f"{shown(str(path))}:", message=message, fix=fix)


def objects(aws: Aws, bucket: str) -> dict[str, Content]:
    """Return every object but the records, by key."""
    return {
        there["Key"]: Content(size=there["Size"], tag=there["ETag"])
        for there in listed(aws.s3, "list_objects_v2", "Contents[]", Bucket=bucket)
        if not there["Key"].startswith(testdata.RECORDS)
    }


def heads(aws: Aws, bucket: str, keys: Sequence[str], tell: Tell) -> dict[str, Stored]:
    """Return what S3 knows of each: a request for each, and none has to wait for another."""
    _ = aws.s3  # made once, before threads ask for it
    read: dict[str, Stored] = {}
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        # What ends the loop early, such as Ctrl-C, ends `map`, which takes back what hasn't begun.
        for key, stored in zip(keys, pool.map(lambda key: _head(aws, bucket, key), keys), strict=True):
            read[key] = stored
            tell(f"compared {len(read)} of {len(keys)}")
    return read


def _head(aws: Aws, bucket: str, key: str) -> Stored:
    head = aws.s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    return Stored(version=version_of(head), sha256=_hex(head))


def version_of(answer: Mapping[str, Any]) -> str:
    """Return the version that S3 speaks of: `null` if the bucket has lost its versioning, as S3 calls it."""
    return str(answer.get("VersionId", "null"))


def _hex(answer: Mapping[str, Any]) -> str:
    """Return S3's SHA-256 of an object in hexadecimal; empty if it has none, or only one of its parts' checksums."""
    checksum = answer.get("ChecksumSHA256", "")
    return "" if "-" in checksum else base64.b64decode(checksum).hex()


@contextmanager
def explained(where: str, bucket: str, stack: str, operators: Sequence[str] = ()) -> Iterator[None]:
    """Say what to do if there is no such bucket, which is the dataset of `stack`, or AWS refuses it."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "NoSuchBucket":
            raise ConfigError.of(f"{where}:", f"there is no dataset {bucket} yet", f"eps-dos up {stack}") from None
        if code in {"AccessDenied", "403"}:
            named = f" ({', '.join(operators)})" if operators else ""
            raise ConfigError.of(
                f"{where}:",
                f"AWS refuses you {error.operation_name} in {bucket}; allowed: its operators{named}",
                "work in one of the roles that eps-dos-api:operators names, or have yours named there: docs/dataset.md",
            ) from None
        raise
