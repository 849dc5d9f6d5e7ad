"""`python -m lab.provider`: serve the provider on a loopback port, say which on stdout, end with the engine.

Found on PATH as `pulumi-resource-aws`, the engine starts it with its own address as the argument.
"""

from __future__ import annotations

import importlib.metadata
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from lab.provider.server import Provider

# The engine asks for 4 resources per processor at a time by default; most of them wait for AWS.
_THREADS = 64
# The vendor's own limit; gRPC's default of 4 MB is less than a large resource's state.
_MESSAGE_LIMIT_BYTES = 400 * 1024 * 1024
_GRACE_SECONDS = 1.0
_PARENT_POLL_SECONDS = 1.0


def main() -> int:
    """Serve until a signal comes or the engine is gone; exits 0."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    provider = Provider(importlib.metadata.version("pulumi-aws"))
    threads = ThreadPoolExecutor(max_workers=_THREADS)
    options = [
        ("grpc.max_receive_message_length", _MESSAGE_LIMIT_BYTES),
        ("grpc.max_send_message_length", _MESSAGE_LIMIT_BYTES),
    ]
    server = grpc.server(threads, options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    parent = os.getppid()
    while not stopped.wait(_PARENT_POLL_SECONDS):
        # An engine that was killed can't say goodbye.
        if os.getppid() != parent:
            break
    provider.cancel()
    server.stop(_GRACE_SECONDS).wait()
    threads.shutdown(wait=False, cancel_futures=True)
    sys.stdout.flush()
    # A call that AWS doesn't answer would keep the process until it does.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
