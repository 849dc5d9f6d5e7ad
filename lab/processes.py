"""Which process is meant by a number, where the folder of a lab is seen from several containers or after a restart."""

from __future__ import annotations

import subprocess
from pathlib import Path


def number_space() -> str:
    """Return what a process's number belongs to: a boot of a machine and a pid namespace; empty without /proc.

    Source: proc(5), sys/kernel/random/boot_id; namespaces(7).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def may_run_unseen(space: str) -> bool:
    """Whether a process whose number belongs to `space` can be alive and not be seen here: in another namespace."""
    here = number_space()
    return bool(space and here) and space != here and space.split()[0] == here.split()[0]


def is_emulator(pid: int) -> bool:
    """Tell whether the process `pid` is an emulator: after a restart of the machine, the number may be anybody's."""
    if Path("/proc/self/cmdline").exists():
        try:
            # Empty for one that has ended and whose parent hasn't asked yet.
            return b"lab.emulator" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
    asked = subprocess.run(  # noqa: S603 - ps, with a number
        ["ps", "-o", "command=", "-p", str(pid)],  # noqa: S607 - POSIX has it, wherever PATH says
        capture_output=True,
        text=True,
        check=False,
    )
    return "lab.emulator" in asked.stdout
