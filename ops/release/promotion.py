"""Writes a promotion into the stack files: into all of them, or none.

Left out: whether it may be (`infra.promotion`), and deploying it, which is a merge or a `pulumi up` away.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from pydantic.alias_generators import to_camel

from infra.promotion import Pipeline, edits
from ops.stacks.stackfile import StackFile

KEY, RECORD = "release", "promotion"


def write(folder: Path, before: Pipeline, after: Pipeline, stack: str) -> tuple[str, ...]:
    """Write the changes from `before` to `after` into the stack files in `folder`; return the names of changed files.

    What isn't changed stays to the byte. If one file can't be written, those before it are put back. Raises ConfigError
    if somebody else changed a file meanwhile.
    """
    changes = edits(before, after)
    files = {name: StackFile(folder / f"Pulumi.{name}.yaml") for name in sorted({*changes, stack})}
    for name, wanted in changes.items():
        files[name].set(KEY, wanted)
    record = after.stages[stack].exemption
    if record is None:
        files[stack].remove(RECORD)
    else:
        values = {**asdict(record), "overrides": [gate.value for gate in record.overrides]}
        files[stack].set(RECORD, {to_camel(name): value for name, value in values.items() if value})
    changed = []
    with ExitStack() as undo:
        for file in files.values():
            content = file.path.read_bytes()
            if file.save():
                undo.callback(file.path.write_bytes, content)
                changed.append(file.path.name)
        undo.pop_all()
    return tuple(changed)
