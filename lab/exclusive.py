"""One process at a time: a lock that its holder can't leave behind.

The kernel holds it (flock), so it ends with its holder, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

POLL_SECONDS = 0.1
FIRST_WORD_SECONDS = 2.0
WORD_INTERVAL_SECONDS = 5.0


@contextlib.contextmanager
def hold(lock_file: Path, on_wait: Callable[[float], None]) -> Iterator[None]:
    """Hold the lock of `lock_file`, made if it is missing, while the block runs.

    Waits for another holder, telling `on_wait` for how long (seconds) so far, from time to time. Children don't
    inherit the lock. Raises OSError if the file can't be made.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        started = time.monotonic()
        next_word = FIRST_WORD_SECONDS
        while not _try(lock):
            waited = time.monotonic() - started
            if waited >= next_word:
                on_wait(waited)
                next_word = waited + WORD_INTERVAL_SECONDS
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(lock)


def _try(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
