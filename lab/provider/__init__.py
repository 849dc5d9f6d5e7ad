"""The AWS provider's stand-in: Pulumi's provider protocol over boto3, for loopback endpoints only.

Put on PATH as `pulumi-resource-aws`, it is what the engine starts for every resource of pulumi_aws.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

EXECUTABLE = "pulumi-resource-aws"


def write_executable(bin_dir: Path) -> Path:
    """Write the executable that the engine looks for into `bin_dir` (made if missing) and return its path.

    It runs the provider with this interpreter, wherever it is called from. Raises OSError.
    """
    bin_dir.mkdir(parents=True, exist_ok=True)
    path = bin_dir / EXECUTABLE
    root = Path(__file__).resolve().parents[2]
    script = (
        "#!/bin/sh\n"
        "# Written by the lab: the AWS provider's stand-in. Another folder on PATH may hide the real one.\n"
        f'PYTHONPATH={shlex.quote(str(root))}"${{PYTHONPATH:+:$PYTHONPATH}}" '
        f'exec {shlex.quote(sys.executable)} -m lab.provider "$@"\n'
    )
    unfinished = path.with_name(f".{EXECUTABLE}.unfinished")
    unfinished.write_text(script, encoding="utf-8")
    unfinished.chmod(0o755)
    unfinished.replace(path)
    return path
