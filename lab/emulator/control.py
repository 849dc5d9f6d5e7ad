"""The control API: what the lab asks of its emulator and no client of AWS would.

    GET            /_lab/health     {"status": "ok", "run": ID, "startedAt": T, "requests": N, "emulatedSeconds": S}
    GET            /_lab/calls      {"ec2.RunInstances": 3, ...}
    GET            /_lab/calls/log  the last 20,000 in order: [{"at", "emulatedSeconds", "service", "action", "status",
                                    "parameters", "tags": {ID, ARN or NAME: {KEY: VALUE}}, "caller": ACCESS KEY}]
    GET|PUT|DELETE /_lab/faults     {"unhealthyImages": [...], "throttle": {"service", "action", "times"} | null,
                                    "loads": {SCALING GROUP: INSTANCES}, "darkZones": [...],
                                    "failedNodes": [...]}
    GET|PUT|DELETE /_lab/quotas     {"L-0263D0A3": 5, ...}; PUT changes those it names
    GET|PUT        /_lab/addresses  {"kept": {NAME: ADDRESS}, "allocated": [{"allocationId", "region", "address"}]};
                                    GET shows those that are kept and that nobody has yet
    GET|POST       /_lab/clock      {"emulatedSeconds": S, "pace": P, "calendar": T};
                                    POST {"advanceSeconds": 30} lets time pass
    POST           /_lab/copies     as lab.emulator.serving.Ready has it: a copy of this process, which
                                    serves the same account, apart from this one from now on, and counts its own calls
    POST           /_lab/reset      empties the account, and all of the above but copies

What is wrong with a request is said in {"error": ...}, with status 400, 403 (`door`), 404 or 405.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from lab.emulator import addresses, clock, faults, quotas
from lab.emulator.account import Account
from lab.emulator.baseline import ACCOUNT
from lab.emulator.extensions import ec2_dependencies
from lab.emulator.operations import Answer

PREFIX = "/_lab/"


def answer(account: Account, environ: Mapping[str, Any], body: bytes) -> Answer:
    """Return the answer to a request whose path starts with PREFIX. The caller holds the emulator's lock."""
    path, method = str(environ["PATH_INFO"]), str(environ["REQUEST_METHOD"])
    methods = ROUTES.get(path)
    if methods is None:
        return _json(HTTPStatus.NOT_FOUND, {"error": f"{path} is unknown; there are {', '.join(ROUTES)}"})
    if method not in methods:
        return _json(
            HTTPStatus.METHOD_NOT_ALLOWED,
            {"error": f"{method} is not allowed on {path}; allowed: {', '.join(methods)}"},
        )
    try:
        document = json.loads(body) if body else None
        return _json(HTTPStatus.OK, methods[method](account, document))
    except ValueError as error:
        return _json(HTTPStatus.BAD_REQUEST, {"error": str(error)})


def refusal(reason: str) -> Answer:
    """Return the answer to who may not ask, and why."""
    return _json(HTTPStatus.FORBIDDEN, {"error": reason})


def _json(status: HTTPStatus, document: object) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(document, default=str).encode())


def _health(account: Account, _: object) -> object:
    return {
        "status": "ok",
        "run": account.run_id,
        "startedAt": account.started_at.isoformat(),
        "requests": account.calls.counts.total(),
        "emulatedSeconds": round(clock.now(), 3),
    }


def _count_calls(account: Account, _: object) -> object:
    return dict(sorted(account.calls.counts.items()))


def _log_calls(account: Account, _: object) -> object:
    return [call.as_json() for call in account.calls.log]


def _show_faults(_: Account, __: object) -> object:
    return faults.current().as_json()


def _put_faults(account: Account, document: object) -> object:
    faults.inject(faults.parse(document))
    return _show_faults(account, None)


def _delete_faults(account: Account, _: object) -> object:
    faults.inject(faults.Faults())
    return _show_faults(account, None)


def _show_quotas(_: Account, __: object) -> object:
    return {code: quotas.value(code) for code in quotas.QUOTAS}


def _put_quotas(account: Account, document: object) -> object:
    if not isinstance(document, dict):
        raise ValueError(f'quotas are {document!r}; allowed: an object, such as {{"{quotas.ELASTIC_IPS}": 5}}')
    quotas.apply(document)
    return _show_quotas(account, None)


def _delete_quotas(account: Account, _: object) -> object:
    quotas.reset()
    return _show_quotas(account, None)


def _show_addresses(_: Account, __: object) -> object:
    return {"kept": ec2_dependencies.still_kept(ACCOUNT)}


def _put_addresses(account: Account, document: object) -> object:
    wanted = addresses.parse(document)
    addresses.tell(wanted)
    ec2_dependencies.have_allocated(wanted, ACCOUNT)
    return _show_addresses(account, None)


def _show_clock(_: Account, __: object) -> object:
    return {
        "emulatedSeconds": round(clock.now(), 3),
        "pace": clock.CLOCK.pace,
        "calendar": clock.calendar().isoformat(timespec="seconds"),
    }


def _advance_clock(account: Account, document: object) -> object:
    seconds = document.get("advanceSeconds") if isinstance(document, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f'clock is {document!r}; allowed: {{"advanceSeconds": 30}}')
    clock.CLOCK.advance(seconds)
    # What should have happened by then happens now, and not at whichever request comes next.
    clock.tick()
    return _show_clock(account, None)


def _copy(account: Account, _: object) -> object:
    if account.copy is None:
        raise ValueError("this emulator is part of a larger process, which can't be copied")
    return account.copy()


def _reset(account: Account, _: object) -> object:
    account.reset()
    return _health(account, None)


ROUTES: Mapping[str, Mapping[str, Callable[[Account, object], object]]] = {
    "/_lab/health": {"GET": _health},
    "/_lab/calls": {"GET": _count_calls},
    "/_lab/calls/log": {"GET": _log_calls},
    "/_lab/faults": {"GET": _show_faults, "PUT": _put_faults, "DELETE": _delete_faults},
    "/_lab/quotas": {"GET": _show_quotas, "PUT": _put_quotas, "DELETE": _delete_quotas},
    "/_lab/addresses": {"GET": _show_addresses, "PUT": _put_addresses},
    "/_lab/clock": {"GET": _show_clock, "POST": _advance_clock},
    "/_lab/copies": {"POST": _copy},
    "/_lab/reset": {"POST": _reset},
}
