"""The emulator as a WSGI application: moto's, with the lab's extensions in it and the lab's manners around it.

Around it: one request at a time, so that no backend is seen half changed; time that moves on before each request; a
count of calls; faults on purpose; and errors as AWS words them wherever moto would answer with HTML or a traceback.
Left out: authentication. Whatever program of this machine asks is the account 123456789012; no web page is (`door`).
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

# moto reads this when it makes a backend: a new account has no images of its own.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

from flask import Flask
from moto.backends import SERVICE_NAMES
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app

from lab.emulator import clock, control, door, extensions, faults
from lab.emulator.account import Account, Asked
from lab.emulator.operations import Answer, Operation, caller_of, error_answer, operation_of, parameters_of
from lab.emulator.tagged import tags_of

LOG = logging.getLogger("lab.emulator")
_PHRASES = {status.value: status.phrase for status in HTTPStatus}

StartResponse = Callable[..., Any]


class RequestHandler(MotoRequestHandler):
    """Serves HTTP without a line per request: the emulator's log is for what goes wrong."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing."""


class Services(DomainDispatcherApplication):
    """moto's services, without its own pages: who asks for /moto-api/reset or instance metadata asks S3, as in AWS."""

    def get_backend_for_host(self, host: str | None) -> object:
        """Return the service that has the host `host`, None if none has."""
        return None if host in {"moto_api", "instance_metadata"} else super().get_backend_for_host(host)


class Emulator:
    """The WSGI application."""

    def __init__(self) -> None:
        extensions.install_all()
        self.account = Account()
        self._moto = Services(_create_service_app)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        body = _take_body(environ)
        is_control = environ.get("PATH_INFO", "").startswith(control.PREFIX)
        if reason := door.reason_to_refuse(environ):
            answer = control.refusal(reason) if is_control else _denied(environ, body, reason)
        elif is_control:
            with self.account.lock:
                answer = control.answer(self.account, environ, body)
        else:
            with self.account.lock:
                operation = operation_of(environ, body)
                parameters = parameters_of(operation, environ, body)
                asked = Asked(parameters, tags_of(parameters), caller_of(environ))
                answer = self._answer(operation, environ)
                self.account.calls.record(operation, answer.status, asked)
        phrase = _PHRASES.get(answer.status, "Unknown")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        is_head = environ.get("REQUEST_METHOD") == "HEAD"
        # An answer to HEAD tells the length of what it doesn't send.
        length = headers.pop("content-length", "") if is_head else ""
        headers["content-length"] = length or str(len(answer.body))
        start_response(f"{answer.status} {phrase}", list(headers.items()))
        return [] if is_head else [answer.body]

    def _answer(self, operation: Operation, environ: dict[str, Any]) -> Answer:
        # Nothing below is worth a second try, except where that is the point: botocore and the SDKs for Go try again
        # at 500, 502, 503 and 504, not at 501.
        try:
            clock.tick()
            if faults.take_throttle(operation.service, operation.action):
                return _throttled(operation, environ)
            answer = self._ask_moto(environ)
        except NotImplementedError:
            LOG.warning("%s is not implemented", operation)
            return _not_implemented(operation, environ)
        except Exception:
            LOG.exception("%s failed in the emulator", operation)
            message = (
                f"The lab's emulator failed in {operation}. This is a fault of the lab, not of the request: "
                "the traceback is in the emulator's log."
            )
            return error_answer(operation, environ, "InternalFailure", message, HTTPStatus.NOT_IMPLEMENTED)
        if answer.status >= HTTPStatus.BAD_REQUEST and _is_no_aws_answer(operation, answer):
            LOG.warning("%s is not implemented: %s", operation, answer.body[:200])
            return _not_implemented(operation, environ)
        return answer

    def _ask_moto(self, environ: dict[str, Any]) -> Answer:
        seen: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
            seen[:] = [int(status.split()[0]), dict(headers)]
            return lambda _: None

        chunks = self._moto(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        status, headers = seen
        return Answer(status, headers, body)


def create_app() -> Emulator:
    """Return the emulator as a WSGI application."""
    return Emulator()


def _create_service_app(service: SERVICE_NAMES | None) -> Flask:
    if service is None:
        raise NotImplementedError("moto doesn't know the service")
    return create_backend_app(service)


def _take_body(environ: dict[str, Any]) -> bytes:
    # Read once here, then handed on to moto from memory: two readers want it.
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        body: bytes = stream.read()
    else:
        body = stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _is_no_aws_answer(operation: Operation, answer: Answer) -> bool:
    # Where moto has no route, Flask answers with a page for people; where it finds no action, with nothing at all.
    # S3 does answer with nothing, to HEAD.
    if answer.headers.get("Content-Type", "").startswith("text/html") and not answer.body.lstrip().startswith(b"<?xml"):
        return b"<!doctype html>" in answer.body[:100].lower() or (not answer.body and operation.service != "s3")
    return False


def _not_implemented(operation: Operation, environ: dict[str, Any]) -> Answer:
    message = f"The lab's emulator does not implement the action {operation.action} of the service {operation.service}."
    return error_answer(operation, environ, "NotImplemented", message, HTTPStatus.NOT_IMPLEMENTED)


def _denied(environ: dict[str, Any], body: bytes, reason: str) -> Answer:
    message = f"The lab's emulator answers programs of this machine alone: {reason}."
    return error_answer(operation_of(environ, body), environ, "AccessDenied", message, HTTPStatus.FORBIDDEN)


def _throttled(operation: Operation, environ: dict[str, Any]) -> Answer:
    # Codes: EC2 "Error codes", S3 "Error responses", "Common errors" of the query APIs, and of the JSON ones.
    if operation.service == "ec2":
        return error_answer(
            operation, environ, "RequestLimitExceeded", "Request limit exceeded.", HTTPStatus.SERVICE_UNAVAILABLE
        )
    if operation.service == "s3":
        return error_answer(
            operation, environ, "SlowDown", "Please reduce your request rate.", HTTPStatus.SERVICE_UNAVAILABLE
        )
    code = "ThrottlingException" if "HTTP_X_AMZ_TARGET" in environ else "Throttling"
    return error_answer(operation, environ, code, "Rate exceeded", HTTPStatus.BAD_REQUEST)
