"""A machine to set an engine up on: its PATH, its `go` and `pulumi`, its cache, and no way to the network.

The commands are shell scripts that answer as the real ones do; set-up itself runs as it would for a user.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.engine import go_build

WANTED = go_build.module_version()

# Answers to what set-up asks Go. A test replaces the answer that it is about.
GO_ANSWERS = {
    "version": f'echo "go version go{go_build.required_go()} linux/amd64"',
    "env": 'echo "$HOME/go-build"; echo "$HOME/go-mod"',
    "list": "echo fmt; echo github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    "mod": 'echo "{\\"Dir\\": \\"$HOME/sdk\\"}"',
    # The last but one argument is the output file.
    "build": 'while [ $# -gt 2 ]; do shift; done; printf "#!/bin/sh\\necho v%s\\n" "$WANTED" > "$1"; chmod +x "$1"',
}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Folders of one test: `bin_dir` is first on PATH, `home` is the user's."""

    home: Path
    bin_dir: Path

    @property
    def engines(self) -> Path:
        """Where set-up keeps its engines."""
        return self.home / ".cache" / "eps-dos-api" / "engine"

    @property
    def builds(self) -> int:
        """How often `go build` was called."""
        log = self.home / "go-calls"
        return log.read_text().split().count("build") if log.exists() else 0

    @property
    def environment(self) -> dict[str, str]:
        """What a process on this machine sees. A proxy on a port that nobody serves stands for a missing network."""
        return {
            "HOME": str(self.home),
            # Not the system's folders: those may hold a Go or a Pulumi.
            "PATH": str(self.bin_dir),
            "WANTED": WANTED,
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
        }

    def install(self, name: str, script: str) -> Path:
        """Put an executable of that name on PATH."""
        return write_script(self.bin_dir / name, script)

    def install_go(self, **answers: str) -> Path:
        """Put a `go` on PATH that logs its calls, and gives `answers` (shell, by subcommand) where they are given."""
        cases = "\n".join(f"{name}) {answer} ;;" for name, answer in {**GO_ANSWERS, **answers}.items())
        return self.install("go", f'echo "$1" >> "$HOME/go-calls"\ncase $1 in\n{cases}\nesac\n')

    def start(self, extra: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start `python -m lab.engine` on this machine."""
        return subprocess.Popen(
            [sys.executable, "-m", "lab.engine"],
            env={**self.environment, **(extra or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def write_script(path: Path, script: str) -> Path:
    """Write an executable shell script."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def make(folder: Path) -> Machine:
    """A machine with neither Go nor Pulumi, whose home holds the SDK's module as Go would have unpacked it."""
    machine = Machine(home=folder / "home", bin_dir=folder / "bin")
    machine.bin_dir.mkdir()
    for tool in ("chmod", "sleep", "touch"):
        (machine.bin_dir / tool).symlink_to(str(shutil.which(tool)))
    executor = machine.home / "sdk" / "python/cmd/pulumi-language-python-exec"
    executor.parent.mkdir(parents=True)
    executor.write_text("#!/bin/sh\n")
    executor.chmod(0o444)
    return machine
