"""The count of Pulumi's operations: each is written down with its test, wherever it stands among the options."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.operations import by_file, write_counter


def test_operations_are_counted_by_file_and_handed_over(tmp_path: Path) -> None:
    cli = write_counter(tmp_path, Path("/bin/echo"), tmp_path / "log")
    asked = [
        ["--non-interactive", "up", "--yes"],
        ["preview"],
        ["stack", "import"],
        ["cancel", "--stack", "up"],
        ["--version"],
    ]
    for number, arguments in enumerate(asked):
        environment = {**os.environ, "PYTEST_CURRENT_TEST": f"tests/test_{number}.py::test_it (call)"}
        done = subprocess.run([cli, *arguments], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split() == arguments or arguments == ["--version"]
    assert by_file(tmp_path / "log") == {"tests/test_0.py": 1, "tests/test_1.py": 1}
    assert by_file(tmp_path / "none").total() == 0
