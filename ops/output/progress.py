"""Tells the person at the terminal, on stderr, what is going on: stdout is for answers.

Whatever takes longer than two seconds says so, and goes on saying so.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.text import Text

from ops.output.visible import visible

Tell: TypeAlias = Callable[[str], None]
"""Takes what is being done now, for the line that shows progress."""

FIRST_WORD_SECONDS = 2.0
WORD_INTERVAL_SECONDS = 10.0


def say(text: str) -> None:
    """Print lines to stderr at once: nothing in them moves a cursor, whoever wrote what they quote."""
    sys.stderr.write("\n".join(map(visible, text.split("\n"))) + "\n")
    sys.stderr.flush()


@contextmanager
def progress(what: str) -> Iterator[Tell]:
    """Show that `what` is under way while the block runs; the function it gives takes the current detail.

    On a terminal that is one line that moves. Elsewhere nothing is printed in the first two seconds, then a line, and
    another one every ten seconds.
    """
    console = Console(stderr=True)
    started = time.monotonic()
    detail = ""

    def line() -> str:
        so_far = f": {detail}" if detail else ""
        return f"{what}{so_far} ({time.monotonic() - started:.0f} s)"

    def update(now: str) -> None:
        nonlocal detail
        detail = now

    over = threading.Event()

    def keep_telling() -> None:
        if console.is_terminal:
            # As Text: markup would take what stands in square brackets for a style.
            with console.status("") as status:
                while not over.wait(0.2):
                    status.update(Text(visible(line())))
            return
        wait = FIRST_WORD_SECONDS
        while not over.wait(wait):
            say(line())
            wait = WORD_INTERVAL_SECONDS

    teller = threading.Thread(target=keep_telling, daemon=True)
    teller.start()
    try:
        yield update
    finally:
        over.set()
        teller.join()
