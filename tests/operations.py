"""Counts the operations of Pulumi's that tests run: each takes seconds, so that one more is to be noticed.

A `pulumi` that writes down what it is asked and hands over to the real one stands first on PATH, where whatever a test
starts looks for it. Left out: what takes no program and no provider (stack, config, cancel, version).
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from pathlib import Path

from lab.engine.setup import Engine, ensure

OPERATIONS = ("up", "update", "preview", "pre", "refresh", "destroy", "import")


def counted(engine: Engine, folder: Path, log: Path) -> Engine:
    """Put a CLI in `folder` that writes down in `log` which test runs which operation; return it, first on PATH."""
    bin_dir = folder / "bin"
    bin_dir.mkdir(parents=True)
    for part in engine.bin_dirs:
        for path in part.iterdir():
            if path.name != "pulumi" and not (bin_dir / path.name).exists():
                (bin_dir / path.name).symlink_to(path)
    cli = write_counter(bin_dir, engine.cli, log)
    os.environ["PATH"] = os.pathsep.join([str(bin_dir), os.environ.get("PATH", os.defpath)])
    on_path = ensure(lambda _line: None)
    assert on_path.cli == cli
    return on_path


def write_counter(bin_dir: Path, cli: Path, log: Path) -> Path:
    """Write a `pulumi` into `bin_dir` that writes operations down in `log` and hands over to `cli`; return its path."""
    path = bin_dir / "pulumi"
    path.write_text(
        "#!/bin/sh\n"
        "for word; do\n"
        '    case "$word" in\n'
        "        -*) continue ;;\n"
        f'        {"|".join(OPERATIONS)}) echo "$word ${{PYTEST_CURRENT_TEST:-}}" >> {shlex.quote(str(log))} ;;\n'
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
    return Counter(line.partition(" ")[2].partition("::")[0] for line in lines)
