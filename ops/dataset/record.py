"""The record of each load, kept in the dataset's bucket."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from botocore.exceptions import ClientError
from pydantic import TypeAdapter, ValidationError

from infra import testdata
from infra.testdata import shown
from ops.aws.clients import Aws, listed
from ops.output.progress import say


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One version of an object."""

    version: str
    """Empty as long as nothing was done."""
    sha256: str
    """Of its content, hexadecimal; empty if S3 doesn't know it: it was put there in another way."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """The record of one load, as it is kept in the bucket."""

    request: str
    """The supplier's reference."""
    source: str
    """The files' folder, or the bucket that they were copied from."""
    who: str
    """ARN of whoever did it; like the others, empty as long as nothing was done."""
    when: str
    """UTC, by AWS's clock."""
    tool: str
    added: Mapping[str, Stored]
    """By key."""
    changed: Mapping[str, Stored]
    adopted: Mapping[str, Stored]
    """Was there with the wanted content, but in no record: put by a load that was interrupted, or in another way."""
    removed: Mapping[str, str]
    """The version that marks each as deleted."""
    unchanged: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to record."""
        return not (self.added or self.changed or self.adopted or self.removed)

    @property
    def summary(self) -> str:
        """How much was done."""
        adopted = f"{len(self.adopted)} adopted, " if self.adopted else ""
        return (
            f"{len(self.added)} added, {len(self.changed)} changed, {len(self.removed)} removed, "
            f"{adopted}{self.unchanged} unchanged"
        )


_LOAD = TypeAdapter(Load)


def records(aws: Aws, bucket: str) -> Iterator[Load]:
    """Yield the record of each load into a dataset; report what isn't a record, and leave it out."""
    for key in listed(aws.s3, "list_objects_v2", "Contents[].Key", Bucket=bucket, Prefix=testdata.RECORDS):
        try:
            yield _LOAD.validate_json(aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ValidationError:
            say(f"s3://{bucket}/{shown(key)}: is no record of a load; left out")


def write(aws: Aws, bucket: str, load: Load) -> None:
    """Keep the record of `load` in the dataset. Raises botocore's errors."""
    body = json.dumps(asdict(load), indent=2).encode()
    request = re.sub(r"[^A-Za-z0-9._-]", "-", load.request)
    key = f"{testdata.RECORDS}{load.when}-{request}-{hashlib.sha256(body).hexdigest()[:8]}.json"
    try:
        aws.s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*")
    except ClientError as error:
        # It is there, and by its name it is the same: the answer to a first try was lost.
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
