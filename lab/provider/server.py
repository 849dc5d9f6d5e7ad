"""The gRPC edge: Pulumi's ResourceProvider protocol over the engine of the table.

It translates and does nothing else: Structs to Python and back, secrets marked where they were, problems to check
failures, errors to statuses. Nothing of a request is ever logged, since it may hold secrets. Left out: components,
transforms, listing, parameterised packages, which the AWS provider has no use for here.

Source: proto/pulumi/provider.proto, as documented in the installed pulumi.runtime.proto.provider_pb2.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2
from google.rpc import status_pb2  # type: ignore[import-untyped]  # generated
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from lab.provider import functions, lifecycle, planning, schema
from lab.provider.changes import Change, Kind
from lab.provider.connection import CONFIGURATION, Connection, connect, decoded
from lab.provider.errors import PartialError, ProviderError, RefusedError
from lab.provider.functions import FUNCTIONS
from lab.provider.model import Resource
from lab.provider.planning import Autonaming, Differences
from lab.provider.rows import ROWS
from lab.provider.schema import Problem
from lab.provider.wire import Path, UnsupportedValueError, decode, encode, has_unknown

_KINDS = {
    Kind.ADD: (provider_pb2.PropertyDiff.ADD, provider_pb2.PropertyDiff.ADD_REPLACE),
    Kind.DELETE: (provider_pb2.PropertyDiff.DELETE, provider_pb2.PropertyDiff.DELETE_REPLACE),
    Kind.UPDATE: (provider_pb2.PropertyDiff.UPDATE, provider_pb2.PropertyDiff.UPDATE_REPLACE),
}
_STATUS_DETAILS = "grpc-status-details-bin"
_INVALID = re.compile(r"[^\x20-\x7e]+")

Request = TypeVar("Request")
Answer = TypeVar("Answer")


def _answering(
    method: Callable[[Provider, Request, grpc.ServicerContext], Answer],
) -> Callable[[Provider, Request, grpc.ServicerContext], Answer]:
    """Let an error that the person is to read end the call with it."""

    @functools.wraps(method)
    def answer(provider: Provider, request: Request, context: grpc.ServicerContext) -> Answer:
        try:
            return method(provider, request, context)
        except (ProviderError, UnsupportedValueError) as error:
            _abort(context, grpc.StatusCode.UNKNOWN, error)

    return answer


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one engine. What isn't defined here answers UNIMPLEMENTED, as gRPC's base class does."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._connection: Connection | None = None

    def cancel(self) -> None:
        """Let everything that waits for AWS give up."""
        if self._connection is not None:
            self._connection.cancelled.set()

    def Handshake(
        self, _request: provider_pb2.ProviderHandshakeRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Say what the provider understands."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    def GetPluginInfo(self, _request: empty_pb2.Empty, _context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """The version of the pulumi_aws that the table is held against."""
        return plugin_pb2.PluginInfo(version=self._version)

    def GetSchema(
        self, _request: provider_pb2.GetSchemaRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.GetSchemaResponse:
        """A package schema of names only: what an engine asks that wants to know whether a token exists."""
        described = {
            "name": "aws",
            "version": self._version,
            "resources": {token: {} for token in ROWS},
            "functions": {token: {} for token in FUNCTIONS},
        }
        return provider_pb2.GetSchemaResponse(schema=json.dumps(described))

    def Attach(self, _request: plugin_pb2.PluginAttach, _context: grpc.ServicerContext) -> empty_pb2.Empty:
        """An engine that found the provider running: nothing is kept of engines."""
        return empty_pb2.Empty()

    def Cancel(self, _request: empty_pb2.Empty, _context: grpc.ServicerContext) -> empty_pb2.Empty:
        """The engine was interrupted."""
        self.cancel()
        return empty_pb2.Empty()

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Refuse arguments that pulumi_aws doesn't have, and those that the stand-in doesn't honour."""
        news, _secrets = decode(request.news)
        arguments = schema.provider_entry()["inputs"]
        problems = [
            Problem(name, f'"{name}" is not a valid configuration key of the AWS provider')
            for name in news
            if name not in arguments and name not in ("version", "pluginDownloadURL") and not name.startswith("__")
        ]
        problems += [
            Problem(name, f"the lab's stand-in doesn't implement the provider's {name}")
            for name, value in news.items()
            if name in arguments and name not in CONFIGURATION and value not in (None, "", "[]", "{}", "false", False)
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(problems))

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Another region makes another provider, as the real one's does; anything else is a change in place."""
        olds, _ = decode(request.old_inputs if request.HasField("old_inputs") else request.olds)
        news, _ = decode(request.news)
        changed = sorted(
            name
            for name in olds.keys() | news.keys()
            if olds.get(name) != news.get(name) and name not in ("version", "pluginDownloadURL")
        )
        replacing = [name for name in changed if name == "region" and not has_unknown(news.get(name))]
        return _diff_response(Differences([_config_change(name, olds, news) for name in changed], frozenset(replacing)))

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Connect, or refuse: nothing is asked of AWS by a provider that wasn't configured."""
        arguments, _secrets = decode(request.args)
        try:
            self._connection = connect(decoded(arguments))
        except RefusedError as error:
            _abort(context, grpc.StatusCode.INVALID_ARGUMENT, error)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    @_answering
    def Check(self, request: provider_pb2.CheckRequest, _context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        """Refuse what the real provider would refuse, and fill in what it would."""
        row = _row(request.urn)
        news, secrets = decode(request.news)
        olds, _ = decode(request.olds)
        checked = planning.check(
            row, _name(request.urn), news, olds, self._connected(), request.randomSeed, _autonaming(request)
        )
        return provider_pb2.CheckResponse(
            inputs=encode(checked.inputs, _with_all_tags(secrets)), failures=_failures(checked.problems)
        )

    @_answering
    def Diff(self, request: provider_pb2.DiffRequest, _context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """What would change, and whether it takes a new resource."""
        state, _ = decode(request.olds)
        before, _ = decode(request.old_inputs)
        news, _ = decode(request.news)
        return _diff_response(
            planning.diff(_row(request.urn), before or state, state, news, list(request.ignoreChanges))
        )

    @_answering
    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        """Create, or in a preview say what can be known."""
        row = _row(request.urn)
        inputs, secrets = decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(planning.planned_create(row, inputs), secrets))
        try:
            work = lifecycle.create(row, self._connected(), inputs, request.timeout)
        except PartialError as error:
            _abort_partial(context, error, inputs, secrets)
        return provider_pb2.CreateResponse(id=work.id, properties=encode(work.state, secrets))

    @_answering
    def Read(self, request: provider_pb2.ReadRequest, _context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        """What AWS has now; an empty id says that it has nothing."""
        state, secrets = decode(request.properties)
        before, input_secrets = decode(request.inputs)
        there = lifecycle.read(_row(request.urn), self._connected(), request.id, before, state)
        if there is None:
            return provider_pb2.ReadResponse()
        outputs, inputs = there
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=encode(outputs, secrets | input_secrets),
            inputs=encode(inputs, input_secrets),
        )

    @_answering
    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        """Change what differs, or in a preview say what can be known."""
        row = _row(request.urn)
        state, _ = decode(request.olds)
        before, _ = decode(request.old_inputs)
        news, secrets = decode(request.news)
        before = before or state
        ignored = list(request.ignoreChanges)
        if request.preview:
            changes = planning.diff(row, before, state, news, ignored).changes
            planned = planning.planned_update(row, before, state, news, changes)
            return provider_pb2.UpdateResponse(properties=encode(planned, secrets))
        try:
            work = lifecycle.update(row, self._connected(), request.id, before, state, news, ignored, request.timeout)
        except PartialError as error:
            _abort_partial(context, error, news, secrets)
        return provider_pb2.UpdateResponse(properties=encode(work.state, secrets))

    @_answering
    def Delete(self, request: provider_pb2.DeleteRequest, _context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Delete; what is gone already is fine."""
        state, _ = decode(request.properties)
        before, _ = decode(request.old_inputs)
        lifecycle.delete(_row(request.urn), self._connected(), request.id, before, state, request.timeout)
        return empty_pb2.Empty()

    @_answering
    def Invoke(
        self, request: provider_pb2.InvokeRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        """Look something up."""
        function = FUNCTIONS.get(request.tok)
        if function is None:
            raise ProviderError(f"the lab's stand-in for AWS doesn't implement the function {request.tok}")
        arguments, secrets = decode(request.args)
        coerced, problems = functions.check(function, arguments)
        if problems:
            return provider_pb2.InvokeResponse(failures=_failures(problems))
        response = provider_pb2.InvokeResponse()
        result = functions.invoke(function, self._connected(), coerced)
        getattr(response, "return").CopyFrom(encode(result, secrets))
        return response

    def _connected(self) -> Connection:
        if self._connection is None:
            raise ProviderError("the provider isn't configured: its configuration isn't known yet, or was refused")
        return self._connection


def _row(urn: str) -> Resource:
    # A URN's third part is its type, after the types of its parents: urn:pulumi:STACK::PROJECT::A$B::NAME.
    token = urn.split("::", 3)[2].rsplit("$", 1)[-1]
    row = ROWS.get(token)
    if row is None:
        raise ProviderError(f"the lab's stand-in for AWS doesn't implement the resource type {token}")
    return row


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]


def _autonaming(request: provider_pb2.CheckRequest) -> Autonaming:
    if not request.HasField("autonaming"):
        return Autonaming()
    disabled = request.autonaming.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE
    return Autonaming(proposed=request.autonaming.proposed_name, disabled=disabled)


def _with_all_tags(secrets: frozenset[Path]) -> frozenset[Path]:
    """What is secret in the tags is so in the list of all tags."""
    return secrets | {("tagsAll", *path[1:]) for path in secrets if path[0] == "tags"}


def _failures(problems: Iterable[Problem]) -> list[provider_pb2.CheckFailure]:
    return [
        provider_pb2.CheckFailure(property=re.split(r"[.\[]", problem.path, maxsplit=1)[0], reason=_reason(problem))
        for problem in problems
    ]


def _reason(problem: Problem) -> str:
    return problem.reason if problem.path in problem.reason else f"{problem.path}: {problem.reason}"


def _config_change(name: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Change:
    if name not in olds:
        return Change(name, Kind.ADD)
    return Change(name, Kind.UPDATE if name in news else Kind.DELETE)


def _diff_response(differences: Differences) -> provider_pb2.DiffResponse:
    response = provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if differences.changes else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted({change.property for change in differences.changes}),
        replaces=sorted({change.property for change in differences.changes if change.path in differences.replacing}),
        deleteBeforeReplace=differences.delete_before_replace,
        hasDetailedDiff=True,
    )
    for change in differences.changes:
        in_place, replacing = _KINDS[change.kind]
        response.detailedDiff[change.path].kind = replacing if change.path in differences.replacing else in_place
    return response


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, error: Exception) -> NoReturn:
    # gRPC carries a status's message in a header: one line of ASCII.
    context.abort(code, _INVALID.sub(" ", str(error)))
    raise AssertionError("abort raises")


def _abort_partial(
    context: grpc.ServicerContext, error: PartialError, inputs: Mapping[str, Any], secrets: frozenset[Path]
) -> NoReturn:
    """Fail, and hand over what exists, so that it stays in the state (ErrorResourceInitFailed)."""
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id,
            properties=encode(error.outputs, secrets),
            reasons=[str(error)],
            inputs=encode(inputs, secrets),
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])
    context.set_trailing_metadata(((_STATUS_DETAILS, status.SerializeToString()),))
    _abort(context, grpc.StatusCode.UNKNOWN, error)
