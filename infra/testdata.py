"""Test data: what may be put into a dataset, told before anything is.

The form of a record isn't given by the API overview and so isn't looked at; a file must be whole, and one of its kind.
Left out: reading and uploading (`ops.dataset`).
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence

from infra.environment import DatasetPlan, SupplierArea
from infra.errors import Problem

RECORDS = "_loads/"
"""Where the records of loads are kept in the bucket; no data may have such a key."""
KINDS = (".csv", ".json")
LONGEST_KEY_BYTES = 1024
"""Amazon S3 guide, object key names: UTF-8."""
LARGEST_FILE_BYTES = 256 * 1024 * 1024
"""Of one file. Far under S3's limit for one request (5 GiB): a file is read whole to be checked."""
MOST_FILES = 10_000


def problems_of_file(key: str, content: bytes, areas: Sequence[SupplierArea] = ()) -> list[Problem]:
    """Return what is wrong with a file that would have `key` in the bucket."""
    said = [*_of_key(key, areas), *(_of_content(key, content) if key.endswith(KINDS) else ())]
    return [Problem(where=f"{key[:200]}:", message=one, fix="mend the file, or leave it out") for one in said]


def refusal(plan: DatasetPlan, stack: str) -> Problem | None:
    """Return why nobody loads test data into this dataset; None if it may be done."""
    if plan.kind == "Live":
        return Problem(
            where=f"{stack}:",
            message=f"answers from Live's dataset, {plan.bucket}, which no test data may reach",
            fix="load it into int, dev, or an environment made for the test: eps-dos ephemeral create",
        )
    if not plan.owned:
        return Problem(where=f"{stack}:", message="has no dataset of its own", fix="name the stack whose data it reads")
    return None


def changes(wanted: Mapping[str, str], there: Mapping[str, str]) -> tuple[list[str], list[str], list[str]]:
    """Return the keys that are new, changed and surplus; both map a key to its content's SHA-256."""
    added = sorted(wanted.keys() - there.keys())
    changed = sorted(key for key in wanted.keys() & there.keys() if wanted[key] != there[key])
    return added, changed, sorted(there.keys() - wanted.keys())


def _of_key(key: str, areas: Sequence[SupplierArea]) -> list[str]:
    found = []
    if len(key.encode()) > LONGEST_KEY_BYTES:
        found.append(f"has a name of {len(key.encode())} bytes; allowed: {LONGEST_KEY_BYTES}")
    if not key.isprintable() or any(part in {"", ".", ".."} for part in key.split("/")):
        found.append("has a name with signs that don't print, or parts such as ..; allowed: an ordinary path")
    if key.startswith(RECORDS):
        found.append(f"would be among the records of loads; allowed: a name outside {RECORDS}")
    if not key.endswith(KINDS):
        found.append(f"is of a kind that isn't known; allowed: {', '.join(KINDS)}")
    found += [
        f"is in the area of {one.supplier}, who configures it itself; allowed: a name outside {one.prefix}"
        for one in areas
        if key.startswith(one.prefix)
    ]
    return found


def _of_content(key: str, content: bytes) -> list[str]:
    if len(content) > LARGEST_FILE_BYTES:
        return [f"has {len(content)} bytes; allowed: {LARGEST_FILE_BYTES}"]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return [f"isn't UTF-8 at byte {error.start}"]
    return _of_json(text) if key.endswith(".json") else _of_csv(text)


def _of_json(text: str) -> list[str]:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return [f"is no JSON: {error.msg} in line {error.lineno}, column {error.colno}"]
    except RecursionError:
        return ["is nested too deeply to be read"]
    return []


def _of_csv(text: str) -> list[str]:
    columns = None
    try:
        for row in (reader := csv.reader(io.StringIO(text, newline=""), strict=True)):
            columns = len(row) if columns is None else columns
            if len(row) != columns:
                return [f"has {len(row)} columns in line {reader.line_num}, and {columns} in the first"]
    except csv.Error as error:
        return [f"is no CSV: {error}"]
    return [] if columns else ["holds no line"]
