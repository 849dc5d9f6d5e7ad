"""Stands in front of a policy pack until the engine has said which stack it is for.

A pack written in Python reads stack and configuration from its environment when it starts. The engine sends them
only to a pack that is running. So the engine is given this front: it takes the configuration, the pack is started
with it, and all further calls go on to the pack, unread.

Sources: proto/pulumi/analyzer.proto as documented in the installed pulumi.runtime.proto.analyzer_pb2; the
environment variables that the installed pulumi.policy reads.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import analyzer_pb2

_NO_CONTENT = b""  # an empty message, in protobuf's encoding


class Front(grpc.GenericRpcHandler):  # type: ignore[misc] # gRPC ships no types
    """Serves Analyzer on `port` of the loopback interface, for one pack."""

    def __init__(self, message_limit_bytes: int) -> None:
        self._options = [
            ("grpc.max_receive_message_length", message_limit_bytes),
            ("grpc.max_send_message_length", message_limit_bytes),
        ]
        self._configured = threading.Event()
        self._configuration: analyzer_pb2.AnalyzerStackConfigureRequest | None = None
        self._answerable = threading.Event()
        self._pack: grpc.Channel | None = None
        self._failure = "the policy pack has ended"
        self._server = grpc.server(ThreadPoolExecutor(max_workers=32), handlers=(self,), options=self._options)
        self.port: int = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def wait_for_stack(self) -> dict[str, str]:
        """Wait until the engine has said for which stack the pack runs; return the environment that tells the pack.

        An engine that asks something else first runs the pack without a stack, as `pulumi policy publish` does.
        """
        self._configured.wait()
        if self._configuration is None:
            return {}
        stack = self._configuration
        variables = {
            "PULUMI_ORGANIZATION": stack.organization,
            "PULUMI_PROJECT": stack.project,
            "PULUMI_STACK": stack.stack,
            "PULUMI_DRY_RUN": "true" if stack.dry_run else "false",
            "PULUMI_CONFIG": json.dumps(dict(stack.config)),
        }
        return {name: value for name, value in variables.items() if value}

    def attach(self, first_line: bytes) -> None:
        """Pass calls on to the pack that listens on the port which `first_line`, the first of its output, names."""
        try:
            port = int(first_line)
        except ValueError:
            self._failure = "the policy pack did not start: it said no port to reach it on"
            self._answerable.set()
            return
        pack = grpc.insecure_channel(f"127.0.0.1:{port}", options=self._options)
        if self._configuration is not None:
            try:
                pack.unary_unary("/pulumirpc.Analyzer/ConfigureStack")(self._configuration.SerializeToString())
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                    self._failure = f"the policy pack refused its configuration: {error.details()}"
                    self._answerable.set()
                    return
        self._pack = pack
        self._answerable.set()

    def close(self) -> None:
        """Stop serving; who waits for an answer is told that the pack has ended."""
        self._configured.set()
        self._answerable.set()
        self._server.stop(None)
        if self._pack is not None:
            self._pack.close()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Every method of the service: all take one message and return one."""
        method: str = handler_call_details.method

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            return self._answer(method, request, context)

        return grpc.unary_unary_rpc_method_handler(answer)

    def _answer(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        if method.endswith("/Handshake"):
            return _NO_CONTENT
        if method.endswith("/ConfigureStack"):
            self._configuration = analyzer_pb2.AnalyzerStackConfigureRequest.FromString(request)
            self._configured.set()
            return _NO_CONTENT
        self._configured.set()
        self._answerable.wait()
        pack = self._pack
        if pack is None:
            context.abort(grpc.StatusCode.UNAVAILABLE, self._failure)
            raise AssertionError("abort returned")
        try:
            answer: bytes = pack.unary_unary(method)(request)
        except grpc.RpcError as error:
            # Pulumi's own details of an error travel in the metadata.
            context.set_trailing_metadata(error.trailing_metadata() or ())
            context.abort(error.code(), error.details())
        return answer
