"""The benchmark shows what was measured: medians, and each run beside the floor's of the same turn."""

import sys
from pathlib import Path

import pytest

from benchmarks.preview import Command, Row, as_text, in_turn


def command(*words: str) -> Command:
    return Command(name=words[0], arguments=(sys.executable, "-c", words[1]), folder=Path.cwd(), environment={})


def test_commands_are_run_in_turn_after_a_run_that_does_not_count() -> None:
    floor, preview = in_turn([command("floor", "pass"), command("preview", "sum(range(10**6))")], 3)
    assert (floor.name, preview.name) == ("floor", "preview")
    assert len(floor.seconds) == len(preview.cpu_seconds) == 3
    assert min(*floor.seconds, *preview.cpu_seconds) > 0


def test_what_fails_is_no_measurement_and_says_what_it_printed() -> None:
    with pytest.raises(RuntimeError, match="no such stack"):
        command("preview", "import sys; sys.exit('no such stack')").run()


def test_ratios_are_those_of_a_turn_and_not_of_medians() -> None:
    rows = [
        Row(name="up", seconds=(60.0,), cpu_seconds=(20.0,)),
        Row(name="floor", seconds=(1.0, 2.0, 4.0), cpu_seconds=(1.0, 1.0, 1.0)),
        Row(name="preview", seconds=(3.0, 4.0, 8.0), cpu_seconds=(2.0, 2.5, 3.0)),
    ]
    assert as_text(rows).splitlines()[1:] == [
        "up                     1    60.00                 20.00",
        "floor                  3     2.00     1.00         1.00",
        "preview                3     4.00     2.00         2.50",
    ]
