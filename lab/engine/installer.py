"""Installs the Pulumi CLI with the vendor's own installer, as a process of its own: `python -m lab.engine.installer`.

The Automation API downloads and runs the installer without any time limit; a process can be ended, a thread can't.
"""

from __future__ import annotations

import socket
import subprocess
import sys

from pulumi.automation import PulumiCommand
from semver import VersionInfo

_CONNECT_SECONDS = 15.0


def main() -> int:
    """Install version ARGV[2] into folder ARGV[1]. Exits 0, or 1 with one line on stderr that says what failed."""
    root, version = sys.argv[1:]
    # A network that swallows packets would otherwise hold the download for minutes.
    socket.setdefaulttimeout(_CONNECT_SECONDS)
    try:
        PulumiCommand.install(root=root, version=VersionInfo.parse(version))
    except subprocess.CalledProcessError as error:
        last_words = (error.output or b"").decode(errors="replace").strip().splitlines()[-1:]
        sys.stderr.write(f"exit code {error.returncode}: {' '.join(last_words) or 'no output'}\n")
        return 1
    except Exception as error:  # noqa: BLE001 whatever the vendor's code raises: the caller has another way
        sys.stderr.write(f"{str(error) or type(error).__name__}\n".replace("\n", " ").rstrip() + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
