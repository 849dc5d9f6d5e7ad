"""The record of each load, kept in the dataset's bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra import testdata
from infra.testdata import shown
from ops.aws.clients import Aws
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
    """ARN of whoever did it."""
    when: str
    """UTC, by AWS's clock."""
    tool: str
    added: Mapping[str, Stored] = field(default_factory=dict)
    """By key."""
    changed: Mapping[str, Stored] = field(default_factory=dict)
    adopted: Mapping[str, Stored] = field(default_factory=dict)
    """Was there with the wanted content, but in no record: put by a load that was interrupted, or in another way."""
    removed: Mapping[str, str] = field(default_factory=dict)
    """The version that marks each as deleted."""
    unchanged: int = 0

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Load:
        """Return what a record says. Raises KeyError, TypeError or AttributeError if it is none."""

        def stored(name: str) -> dict[str, Stored]:
            return {key: Stored(version=one["version"], sha256=one["sha256"]) for key, one in said[name].items()}

        return cls(
            request=str(said["request"]), source=str(said["source"]), who=str(said["who"]), when=str(said["when"]),
            tool=str(said["tool"]), added=stored("added"), changed=stored("changed"), adopted=stored("adopted"),
            removed=dict(said["removed"]), unchanged=int(said["unchanged"]),
        )  # fmt: skip

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


def records(aws: Aws, bucket: str) -> Iterator[Load]:
    """Yield the record of each load into a dataset; what is none is told, and left out."""
    for page in aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=testdata.RECORDS):
        for one in page.get("Contents", []):
            text = aws.s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
            try:
                yield Load.of(json.loads(text))
            except (ValueError, KeyError, TypeError, AttributeError):
                say(f"s3://{bucket}/{shown(one['Key'])}: is no record of a load; left out")
