"""The benchmark measures what it says: every stack is read, and half of them would go."""

import pytest

from benchmarks import fleet


def test_each_backend_is_measured_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    rows = [*fleet.rows((3,))]
    assert [(one.backend, one.stacks, one.reaped) for one in rows] == [("folder", 3, 2), ("S3", 3, 2)]
    assert all(one.bytes_each > 50_000 and one.seconds > 0 for one in rows)


def test_the_table_compares_each_size_with_the_one_before() -> None:
    sizes = ((250, 1.0), (500, 2.1))
    rows = [
        fleet.Row(backend=backend, stacks=stacks, reaped=stacks // 2, bytes_each=200_000, seconds=seconds)
        for backend in ("folder", "S3")
        for stacks, seconds in sizes
    ]
    assert fleet.as_text(rows).splitlines()[:5] == [
        "backend  stacks would go kB each  seconds  ratio",
        "folder      250      125     200     1.00",
        "folder      500      250     200     2.10   2.10",
        "S3          250      125     200     1.00",
        "S3          500      250     200     2.10   2.10",
    ]
