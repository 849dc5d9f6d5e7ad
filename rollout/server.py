"""The gRPC edge: Pulumi's ResourceProvider protocol over `rollout.refresh`.

What isn't defined here isn't asked of a provider whose one resource is custom, without functions and without schema;
gRPC's base class answers UNIMPLEMENTED. Nothing of a request is ever logged.

Source: proto/pulumi/provider.proto, as documented in the installed pulumi.runtime.proto.provider_pb2.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf import empty_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc

from rollout.aws import Aws
from rollout.refresh import Rollout, RolloutFailedError, roll_out, template_version

GROUP = "autoScalingGroup"
TEMPLATE = ("launchTemplateId", "launchTemplateVersion")
MISSING = "imageMissing"
"""Why the release's image can't be launched; a reason not to roll out, and no change by itself."""

_GRACE_SECONDS = 1.0
_PARENT_POLL_SECONDS = 1.0


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one engine, and tells it what goes on: of what a provider prints, the engine shows nothing."""

    def __init__(self, engine_address: str) -> None:
        self.cancelled = threading.Event()
        self._aws: Aws | None = None
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine_address))

    def Handshake(  # noqa: N802 gRPC's name
        self, _request: provider_pb2.ProviderHandshakeRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Nothing special: the engine keeps secrets to itself."""
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(  # noqa: N802 gRPC's name
        self, _request: empty_pb2.Empty, _context: grpc.ServicerContext
    ) -> plugin_pb2.PluginInfo:
        """No version: it is the project's commit."""
        return plugin_pb2.PluginInfo()

    def CheckConfig(  # noqa: N802 gRPC's name
        self, request: provider_pb2.CheckRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """The program's component has typed what there is to check."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(  # noqa: N802 gRPC's name
        self, request: provider_pb2.DiffRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Report any change; none replaces a rollout."""
        return _changes(_plain(request.old_inputs), _plain(request.news))

    def Configure(  # noqa: N802 gRPC's name
        self, request: provider_pb2.ConfigureRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Note as whom to work; nobody is asked yet. Previews are answered."""
        configuration = _plain(request.args)
        if "region" in configuration:
            self._aws = Aws.of(configuration)
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(  # noqa: N802 gRPC's name
        self, request: provider_pb2.CheckRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """The program's component has typed what there is to check."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(  # noqa: N802 gRPC's name
        self, request: provider_pb2.DiffRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Report any change; another group is another rollout."""
        return _changes(_plain(request.olds), _plain(request.news))

    def Create(  # noqa: N802 gRPC's name
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        """Note what the group was made with; start a refresh only if it was made with something else."""
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        news = _plain(request.properties)
        self._check_image(news, context)
        self._roll_out(request.urn, news, context)
        return provider_pb2.CreateResponse(id=news[GROUP], properties=request.properties)

    def Update(  # noqa: N802 gRPC's name
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        """Bring the group to the new template version, if it is another; preferences alone start nothing."""
        olds, news = _plain(request.olds), _plain(request.news)
        # States from before there was this property lack the image's name.
        of_old = (olds["release"], olds.get("image", news.get("image")))
        if not request.preview and of_old != (news["release"], news.get("image")):
            self._check_image(news, context, replaced_release=olds["release"])
        if not request.preview and any(olds.get(key) != news[key] for key in TEMPLATE):
            self._roll_out(request.urn, news, context, replaced_release=olds["release"])
        kept = Struct()
        kept.update({key: value for key, value in news.items() if key != MISSING})
        return provider_pb2.UpdateResponse(properties=kept)

    def Read(  # noqa: N802 gRPC's name
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        """Report the template version that the group has, so that a refreshed state shows a change made by hand."""
        properties = Struct()
        properties.CopyFrom(request.properties)
        # In a state from before the provider had inputs: it stays as it is until the next `up`.
        if self._aws is not None:
            try:
                version = template_version(Rollout.of(request.urn, _plain(properties), self._aws))
            except RolloutFailedError as error:
                context.abort(grpc.StatusCode.UNKNOWN, str(error))
            if version is not None:
                properties["launchTemplateVersion"] = version
        return provider_pb2.ReadResponse(id=request.id, properties=properties, inputs=properties)

    def Delete(  # noqa: N802 gRPC's name
        self, _request: provider_pb2.DeleteRequest, _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """A rollout leaves nothing behind but the group, which is another resource."""
        return empty_pb2.Empty()

    def Cancel(  # noqa: N802 gRPC's name
        self, _request: empty_pb2.Empty, _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """The engine was interrupted: wait no longer for AWS, which goes on."""
        self.cancelled.set()
        return empty_pb2.Empty()

    def _check_image(
        self, news: dict[str, Any], context: grpc.ServicerContext, replaced_release: str | None = None
    ) -> None:
        """End the call with a sentence if the release has no image."""
        if MISSING in news:
            stays = f"; {replaced_release} stays" if replaced_release else ""
            sentence = f"rollout of {news['release']} to {news[GROUP]} was not started, since {news[MISSING]}{stays}"
            context.abort(grpc.StatusCode.UNKNOWN, sentence)

    def _roll_out(
        self, urn: str, news: dict[str, Any], context: grpc.ServicerContext, replaced_release: str | None = None
    ) -> None:
        def say(line: str) -> None:
            message = f"rollout of {news['release']}: {line}"
            # An engine that is gone has nobody to show it to.
            with suppress(grpc.RpcError):
                self._engine.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=urn))

        assert self._aws is not None  # noqa: S101 a rollout is of a program, which has configured it
        try:
            roll_out(Rollout.of(urn, news, self._aws), self.cancelled.wait, say, replaced_release)
        except RolloutFailedError as error:
            # Not raised: gRPC would put "Exception calling application: " before the sentence.
            context.abort(grpc.StatusCode.UNKNOWN, str(error))


def serve() -> None:
    """Serve the engine whose address is the argument, on the port that stdout names; end with it, or by a signal."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    parent = os.getppid()
    provider = Provider(engine_address=sys.argv[1])
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # An engine that was killed can't say goodbye.
    while not stopped.wait(_PARENT_POLL_SECONDS) and os.getppid() == parent:
        pass
    # Who waits for a rollout gets its sentence.
    provider.cancelled.set()
    server.stop(_GRACE_SECONDS).wait()
    sys.stdout.flush()
    # A call that AWS doesn't answer would keep the process until it does.
    os._exit(0)


def _changes(olds: dict[str, Any], news: dict[str, Any]) -> provider_pb2.DiffResponse:
    changed = [key for key in (olds.keys() | news.keys()) - {MISSING} if olds.get(key) != news.get(key)]
    some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(changes=some if changed else none, replaces=[GROUP] if GROUP in changed else [])


def _plain(properties: Struct) -> dict[str, Any]:
    plain: dict[str, Any] = MessageToDict(properties)
    return plain
