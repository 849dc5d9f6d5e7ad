"""Which operation of which service a request asks for, and how that service words an answer of ours.

Names are boto3's: the service as in `boto3.client(name)`, the action as in the API reference. Needed wherever the
emulator itself answers or counts: moto finds the same out later, deep inside, and not at all for what it doesn't know.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4
from xml.sax.saxutils import escape

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

# Services that requests are not signed for by boto3's name.
BOTO3_NAMES = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "tagging": "resourcegroupstaggingapi",
}
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Operation:
    """One operation of a service, in boto3's names; UNKNOWN where the request doesn't tell."""

    service: str
    action: str

    def __str__(self) -> str:
        return f"{self.service}.{self.action}"


@dataclass(frozen=True)
class Answer:
    """What goes back to the caller."""

    status: int
    headers: dict[str, str]
    body: bytes


def operation_of(environ: dict[str, Any], body: bytes) -> Operation:
    """Return the operation that a request is for. `body` is the request's, which `environ` no longer needs to hold.

    A query names it in its parameter Action, JSON in the header X-Amz-Target, and REST by method and path (Smithy's AWS
    protocols: awsQuery, ec2Query, awsJson, restXml, restJson). Left out: CBOR, which neither botocore nor moto speaks.
    """
    service = _service_of(environ)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return Operation(service, target.rpartition(".")[2])
    parameters = environ.get("QUERY_STRING", "")
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        parameters = f"{body.decode(errors='replace')}&{parameters}"
    action = parse_qs(parameters).get("Action")
    if action:
        return Operation(service, action[0])
    try:
        model, _ = get_service_router(service).match(Request(dict(environ)))
    except (HTTPException, NotImplementedError, UnknownServiceError):
        return Operation(service, UNKNOWN)
    return Operation(service, str(model.name))


def parameters_of(operation: Operation, environ: Mapping[str, Any], body: bytes) -> Mapping[str, Any]:
    """Return what a request for `operation` says, under the names that boto3's client takes; nothing of an unknown one.

    Left out: contents (of objects, of documents to be kept), which may be large.
    """
    request = Request({**environ, "wsgi.input": io.BytesIO(body)})
    try:
        model = get_service_model(operation.service)
        described = model.operation_model(operation.action)
        protocol = determine_request_protocol(model, request.content_type)
        in_path = get_service_router(operation.service).match(request)[1] if protocol.startswith("rest") else {}
        parsed = PROTOCOL_PARSERS[protocol](described).parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": body,
                "url_path": request.path,
                "url_params": in_path,
            }
        )
    # What moto can't read it refuses, a moment later and in AWS's words.
    except (HTTPException, NotImplementedError, OperationNotFoundError, RequestParserError, UnknownServiceError):
        return {}
    return {name: value for name, value in parsed.items() if not isinstance(value, bytes)}


def caller_of(environ: Mapping[str, Any]) -> str:
    """Return the id of the access key that a request is signed with; empty if it isn't."""
    return _scope_of(environ)[0]


def _service_of(environ: Mapping[str, Any]) -> str:
    scope = _scope_of(environ)
    # Unsigned or presigned requests in the lab are S3's: moto thinks so, too.
    signed_for = scope[3].lower() if len(scope) == 5 else "s3"
    return BOTO3_NAMES.get(signed_for, signed_for)


def _scope_of(environ: Mapping[str, Any]) -> list[str]:
    # AWS4-HMAC-SHA256 Credential=KEY/20261123/eu-west-2/ec2/aws4_request, ... ("Signature Version 4", AWS IAM guide)
    _, _, credential = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")
    return str(credential).split(",")[0].split("/")


def error_answer(operation: Operation, environ: dict[str, Any], code: str, message: str, status: int) -> Answer:
    """Return an error as the service of `operation` words its errors, so that any AWS client understands it.

    The forms are those of Smithy's AWS protocols; S3's and EC2's are their own (S3 "Error responses", EC2 "Error
    codes").
    """
    request_id = str(uuid4())
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": code}
    protocol = _protocol_of(operation, environ)
    if protocol in ("json", "rest-json"):
        version = environ.get("CONTENT_TYPE") or "application/json"
        return Answer(status, headers | {"Content-Type": version}, _json({"__type": code, "message": message}))
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if operation.service == "s3":
        body = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
    elif protocol == "ec2":
        body = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    else:
        error = f"<Error><Type>Sender</Type>{error}</Error>"
        body = f"<ErrorResponse>{error}<RequestId>{request_id}</RequestId></ErrorResponse>"
    declaration = '<?xml version="1.0" encoding="UTF-8"?>'
    return Answer(status, headers | {"Content-Type": "text/xml"}, f"{declaration}{body}".encode())


def _protocol_of(operation: Operation, environ: dict[str, Any]) -> str:
    if "HTTP_X_AMZ_TARGET" in environ:
        return "json"
    try:
        metadata = get_service_model(operation.service).metadata
    except UnknownServiceError:
        return "query"
    return str(metadata["protocol"])


def _json(document: dict[str, str]) -> bytes:
    return json.dumps(document).encode()
