"""Test data: what may be put into a dataset, checked before any of it is.

The form of a record isn't given by the API overview and so isn't looked at; a file must be whole, and one of its kind.
Left out: reading and uploading (`ops.dataset.command`).
"""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NoReturn
from xml.parsers import expat

from infra.environment import DatasetPlan, SupplierArea
from infra.errors import Problem

RECORDS = "_loads/"
"""Where the records of loads are kept in the bucket; no data may have such a key."""
KINDS = (".csv", ".json", ".xml")
LONGEST_KEY_BYTES = 1024
"""Amazon S3 guide, object key names: UTF-8."""
LARGEST_FILE_BYTES = 256 * 1024 * 1024
"""Of one file. Far under S3's limit for one request (5 GiB): a file is read whole to be checked."""
LARGEST_LOAD_BYTES = 4 * 1024 * 1024 * 1024
"""Of all files of a load together: what is read and sent within an hour over an office's line."""
MOST_FILES = 10_000
"""Of one load: each is a request, or two."""
LONGEST_REQUEST = 100
"""Characters of a supplier's reference."""

_REQUEST = re.compile(rf"[\x21-\x7e](?:[\x20-\x7e]{{0,{LONGEST_REQUEST - 2}}}[\x21-\x7e])?")
_LONGEST_SHOWN = 200


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


def problem_of_request(reference: str) -> Problem | None:
    """Return what is wrong with a supplier's `reference`; it becomes part of names, metadata and reports."""
    if _REQUEST.fullmatch(reference):
        return None
    return Problem(
        where="--request",
        message=f"is {reference[:LONGEST_REQUEST]!a}; allowed: 1 to {LONGEST_REQUEST} printable ASCII characters, "
        "no space first or last",
        fix="--request CHG0012345",
    )


def key_of(name: str) -> str:
    """Return the key of the file that is called `name` in its folder: the same on every machine.

    Letters with accents are written in one way or the other, by system; the key has Unicode's normal form C.
    """
    return unicodedata.normalize("NFC", name)


def problems_of_files(sizes: Mapping[str, int], areas: Sequence[SupplierArea] = ()) -> list[Problem]:
    """Return what is wrong with names and `sizes` (bytes) of files, before one of them is read."""
    if not sizes:
        return [_problem("the folder", "holds no file", "name the folder with the test data")]
    problems = [
        _problem(name, message)
        for name, size in sorted(sizes.items())
        for message in (*_of_key(key_of(name), areas), *_of_size(size))
    ]
    by_key: dict[str, list[str]] = {}
    for name in sizes:
        by_key.setdefault(key_of(name), []).append(name)
    problems += [
        _problem(key, f"is the name of {len(names)} files, written in different ways", "rename all but one")
        for key, names in sorted(by_key.items())
        if len(names) > 1
    ]
    total = sum(sizes.values())
    if total > LARGEST_LOAD_BYTES:
        problems.append(_problem("the load", f"has {total} bytes; allowed: {LARGEST_LOAD_BYTES}", "split it"))
    return problems


def problems_of_content(key: str, content: bytes) -> list[Problem]:
    """Return what is wrong with the content of a file of one of `KINDS`."""
    try:
        # A byte order mark in front, as spreadsheets write it, is not part of the content.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return [_problem(key, f"isn't UTF-8 at byte {error.start}")]
    of_kind = {".csv": _of_csv, ".json": _of_json, ".xml": _of_xml}
    return [_problem(key, message) for message in of_kind[key[key.rindex(".") :]](text)]


def _problem(name: str, message: str, fix: str = "mend the file, or leave it out") -> Problem:
    return Problem(where=f"{shown(name)}:", message=message, fix=fix)


def shown(name: str) -> str:
    """Return a name as it can be printed anywhere, whatever it is made of."""
    safe = name if name.isprintable() else ascii(name)[1:-1]
    return safe if len(safe) <= _LONGEST_SHOWN else f"{safe[:_LONGEST_SHOWN]}..."


def _of_key(key: str, areas: Iterable[SupplierArea]) -> Iterator[str]:
    # A name that isn't UTF-8 on the disk has surrogates; it is refused below, since they don't print.
    length = len(key.encode("utf-8", "surrogatepass"))
    if length > LONGEST_KEY_BYTES:
        yield f"has a name of {length} bytes; allowed: {LONGEST_KEY_BYTES}"
    if not key.isprintable() or any(part in {"", ".", ".."} for part in key.split("/")):
        yield "has a name with signs that don't print, or parts such as ..; allowed: an ordinary path"
    if key.startswith(RECORDS):
        yield f"would be among the records of loads; allowed: a name outside {RECORDS}"
    if not key.endswith(KINDS):
        yield f"is of a kind that isn't known; allowed: {', '.join(KINDS)}"
    for area in areas:
        if key.startswith(area.prefix):
            yield f"is in the area of {area.supplier}, who configures it itself; allowed: a name outside {area.prefix}"


def _of_size(size: int) -> Iterator[str]:
    if size > LARGEST_FILE_BYTES:
        yield f"has {size} bytes; allowed: {LARGEST_FILE_BYTES}"


def _of_json(text: str) -> Iterator[str]:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    try:
        # Numbers stay text: how large one may be is the API's to say, and Python's limits aren't JSON's.
        json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse)
    except json.JSONDecodeError as error:
        yield f"isn't JSON: {error.msg} in line {error.lineno}, column {error.colno}"
    except ValueError as error:
        yield f"isn't JSON: it has {error}, which is no number in JSON"
    except RecursionError:
        yield "is nested too deeply to be read"


def _of_csv(text: str) -> Iterator[str]:
    columns, blank = None, False
    # One field may be as long as a file; the limit is the module's, and no reader's own (csv.field_size_limit).
    csv.field_size_limit(LARGEST_FILE_BYTES)
    try:
        for row in (reader := csv.reader(io.StringIO(text, newline=""), strict=True)):
            columns = len(row) if columns is None else columns
            # Programs leave blank lines at the end.
            blank = not row or blank
            if row and blank:
                yield f"has a blank line before line {reader.line_num}"
                return
            if row and len(row) != columns:
                yield f"has {len(row)} columns in line {reader.line_num}, and {columns} in the first"
                return
    except csv.Error as error:
        yield f"isn't CSV: {error} in line {reader.line_num}"
        return
    if not columns:
        yield "holds no line"


def _of_xml(text: str) -> Iterator[str]:
    class DoctypeError(Exception):
        pass

    def refuse(*_: object) -> NoReturn:
        raise DoctypeError

    # What the file says of its encoding doesn't count: it is UTF-8, or refused.
    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode(), True)
    except DoctypeError:
        # It can declare entities that grow without end, or name files of whoever reads it (XML 1.0, 4.2).
        yield "has a document type declaration (<!DOCTYPE>); allowed: none"
    except expat.ExpatError as error:
        yield f"isn't XML: {expat.errors.messages[error.code]} in line {error.lineno}, column {error.offset + 1}"
