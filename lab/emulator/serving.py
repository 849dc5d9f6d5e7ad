"""A process that serves an account of the emulator's, and copies itself: the same account again, at a port of its own.

A copy is a fork, so it costs milliseconds where building an account costs minutes, and has the same ids and addresses.
From then on the two are strangers: what is made, changed or deleted in either is seen in that one alone.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from moto.moto_api._internal import mock_random
from moto.s3.models import FakeKey
from werkzeug.serving import make_server

from lab.emulator.app import Emulator, RequestHandler
from lab.processes import number_space

LOG = logging.getLogger("lab.emulator")

Ready = Mapping[str, object]
"""Where a process serves which account: {"port": N, "pid": N, "numberSpace": S, "run": ID, "startedAt": T}."""


def serve(app: Emulator, listener: socket.socket, on_ready: Callable[[Ready], None]) -> NoReturn:
    """Answer what arrives at `listener` until SIGTERM or SIGINT; call `on_ready` once it will be answered.

    Must run in the process's main thread. Raises SystemExit(0) when told to end.
    """
    host, port = listener.getsockname()[:2]
    server = make_server(host, port, app, threaded=True, request_handler=RequestHandler, fd=listener.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    # A copy that has ended leaves no zombie: nobody here waits for it.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    app.account.copy = lambda: _copy(app, listener)
    on_ready(
        {
            "port": port,
            "pid": os.getpid(),
            "numberSpace": number_space(),
            "run": app.account.run_id,
            "startedAt": app.account.started_at.isoformat(),
        }
    )
    server.serve_forever()
    sys.exit(0)


def _copy(app: Emulator, source: socket.socket) -> Ready:
    """Fork this process into a copy that serves `app`'s account at a free port of `source`'s address; return where.

    The caller holds the emulator's lock, so that the copy's account is that of a moment between two requests. Raises
    OSError if the machine can't have another process, RuntimeError if the copy fails as it starts (its log says why).
    """
    listener = socket.create_server((source.getsockname()[0], 0), family=source.family)
    reading, writing = os.pipe()
    # Other threads don't live on in the copy. All they do beside waiting, they do with the emulator's lock.
    if os.fork() == 0:
        _be_copy(app, listener, writing)
    listener.close()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    if not said:
        raise RuntimeError("the copy of the emulator ended as it started")
    ready: Ready = json.loads(said)
    return ready


def _be_copy(app: Emulator, listener: socket.socket, writing: int) -> NoReturn:
    def on_ready(ready: Ready) -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(json.dumps(ready).encode())

    code = 1
    try:
        # As what is copied, it outlives the command that asked for it, and that command's Ctrl-C.
        os.setsid()
        _leave_connections(listener)
        _have_files_of_its_own()
        # The next ids are others than the source's, so that a mix-up of the two shows.
        mock_random.seed()
        app.account.begin_life()
        serve(app, listener, on_ready)
    except SystemExit:
        code = 0
    except BaseException:
        LOG.exception("the copy of the emulator failed")
    finally:
        # Not by returning: above this frame stands a request of the source's.
        os._exit(code)


def _leave_connections(listener: socket.socket) -> None:
    """Let go of all sockets but `listener`: whoever waits for the source to close one would wait for this process."""
    with Path(os.devnull).open("rb") as nothing:
        for path in list(Path("/dev/fd").iterdir()):
            number = int(path.name)
            try:
                is_socket = stat.S_ISSOCK(os.fstat(number).st_mode)
            except OSError:
                # The list's own.
                continue
            if is_socket and number != listener.fileno():
                # Not closed: objects of the source's threads would later close whatever got the number next.
                os.dup2(nothing.fileno(), number, inheritable=False)


def _have_files_of_its_own() -> None:
    """Give each object in S3 a file of its own: large ones lie in temporary files, which a fork shares."""
    for thing in gc.get_objects():
        if isinstance(thing, FakeKey):
            # moto's own way of having one elsewhere, made for pickle.
            thing.__setstate__(thing.__getstate__())
