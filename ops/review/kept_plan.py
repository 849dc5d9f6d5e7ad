"""A plan that is kept, to be applied as it was reviewed: made sure to hold no secret, or not kept at all.

Pulumi encrypts what is marked as a secret, also in a plan. What nobody marked stands there as it is; a plan travels as
an artifact, so it must not. Left out: applying it (`StackHandle.up`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra.graph import SECRET, SECRET_KEY, SECRET_MARK, UNKNOWN, Value
from ops.output.detection import holds_secret
from ops.output.redaction import Redactor
from ops.review.values import readable

PULUMIS_OWN = frozenset({"seed", "magic", "time", "version"})
"""Random or encoded by Pulumi: a name's seed, a digest of the plan."""


def suspicious(
    value: Value, redactor: Redactor, where: str = "", name: str = "", secret: bool = False
) -> Iterator[str]:
    """Yield where in a plan, as parsed from Pulumi's file, something looks like a secret and isn't encrypted.

    `where` is the path to `value`, `name` the property that it is of, `secret` whether it lies in what is called one.
    """
    if isinstance(value, Mapping):
        if value.get(SECRET_KEY) == SECRET_MARK:
            return
        for key, item in value.items():
            if key not in PULUMIS_OWN:
                place = f"{where}.{key}" if where else str(key)
                if redactor.text(str(key)) != key:
                    yield redactor.text(place)
                within = holds_secret(str(key), value, within=secret)
                yield from suspicious(item, redactor, place, str(key), within)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from suspicious(item, redactor, f"{where}[{index}]", name, secret)
    elif isinstance(value, str) and not isinstance(document := readable(value), str):
        # A policy, or user data: what stands in there counts, not how it is encoded.
        if document not in (SECRET, UNKNOWN):
            yield from suspicious(document, redactor, where, name, secret)
    elif redactor.value_within(value, name, secret=secret) != value:
        yield redactor.text(where)


def keep(path: Path, redactor: Redactor) -> str:
    """Let only its owner read the plan at `path`, or remove it if it shows a secret; return why, or an empty text."""
    try:
        places = sorted(suspicious(json.loads(path.read_text(encoding="utf-8")), redactor))
    except (ValueError, RecursionError):
        path.unlink()
        return "the plan is not kept: it can't be read, and so not be searched for secrets"
    if places:
        path.unlink()
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        return f"the plan is not kept: what looks like a secret stands in it unencrypted, at {places[0]}{more}"
    path.chmod(0o600)
    return ""
