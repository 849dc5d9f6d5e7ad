"""`python -m lab.emulator`: start the emulator on a loopback port and serve until SIGTERM or SIGINT.

Exit codes: 0 asked to end, 2 wrong use (a host that isn't loopback, a pace that is no number), 3 the port is taken.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from lab.loopback import is_loopback

WRONG_USE = 2
COULD_NOT = 3


def main(arguments: list[str] | None = None) -> NoReturn:
    """Serve as the command line says, until told to end."""
    parser = argparse.ArgumentParser(prog="python -m lab.emulator", description="AWS on this machine, for the lab.")
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one; --ready-file tells which")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument("--ready-file", type=Path, help="written as JSON once requests are answered")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)

    if not is_loopback(options.host):
        _fail(f"--host is {options.host}; allowed: a loopback address, such as 127.0.0.1", WRONG_USE)
    if not 0 <= options.port <= 65535:
        _fail(f"--port is {options.port}; allowed: 0 (any free one) to 65535", WRONG_USE)
    listener = _listen(options.host, options.port)
    # Only now: importing moto takes seconds, and a wrong command line deserves a quick answer.
    try:
        from lab.emulator import serving
        from lab.emulator.app import create_app
    except ValueError as error:
        _fail(str(error), WRONG_USE)
    # moto prints what it thinks of a request: to the log with it.
    sys.stdout = sys.stderr

    def on_ready(ready: serving.Ready) -> None:
        if options.ready_file is not None:
            _write_ready(options.ready_file, ready)

    serving.serve(create_app(), listener, on_ready)


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(code)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        _fail(
            f"port {port} of {host} can't be listened on: {os.strerror(error.errno or 0)}; "
            "choose another --port, or 0 for any",
            COULD_NOT,
        )


def _write_ready(path: Path, document: Mapping[str, object]) -> None:
    # Renamed into place: whoever waits for the file never reads half of it.
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_text(json.dumps(document))
    part.replace(path)


if __name__ == "__main__":
    main()
