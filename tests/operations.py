"""Counts the operations of Pulumi's that tests run: each takes seconds, so that one more is to be noticed.

A `pulumi` that writes down what it is asked and hands over to the real one stands first on PATH, where whatever a test
starts looks for it. Left out: what takes no program and no provider (stack, config, cancel, version).
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path

from lab.engine.setup import Engine, ensure

OPERATIONS = ("up", "update", "preview", "pre", "refresh", "destroy", "import")


def counted(engine: Engine, folder: Path, log: Path) -> Engine:
    """Put a CLI in `folder` that writes down in `log` which file's test runs an operation; return it, first on PATH."""
    cli = write_counter(folder, engine.cli, log)
    made = replace(engine, cli=cli, bin_dirs=(folder, *engine.bin_dirs))
    os.environ["PATH"] = made.environment()["PATH"]
    assert ensure(lambda _line: None).cli == cli
    return made


def write_counter(bin_dir: Path, cli: Path, log: Path) -> Path:
    """Write a `pulumi` into `bin_dir` that writes operations down in `log` and hands over to `cli`; return its path."""
    path = bin_dir / "pulumi"
    path.write_text(
        "#!/bin/sh\n"
        "for word; do\n"
        '    case "$word" in\n'
        "        -*) continue ;;\n"
        f'        {"|".join(OPERATIONS)}) echo "${{PYTEST_CURRENT_TEST%%::*}}" >> {shlex.quote(str(log))} ;;\n'
        "    esac\n"
        "    break\n"
        "done\n"
        f'exec {shlex.quote(str(cli))} "$@"\n'
    )
    path.chmod(0o755)
    return path


def by_file(log: Path) -> Counter[str]:
    """Return how many operations the tests of each file ran."""
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter(lines)
