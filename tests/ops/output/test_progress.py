"""Signs of life: nothing while it is quick, a line from time to time when it isn't, and never on stdout."""

from __future__ import annotations

import time

import pytest

from ops.output import progress


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress("looking"):
        pass
    assert capsys.readouterr() == ("", "")


def test_what_takes_long_says_so_again_and_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "FIRST_WORD_SECONDS", 0.05)
    monkeypatch.setattr(progress, "WORD_INTERVAL_SECONDS", 0.1)
    with progress.progress("looking") as tell:
        time.sleep(0.1)
        tell("[3] of 7")
        time.sleep(0.25)
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert lines[0] == "looking (0 s)"
    assert lines[1:3] == ["looking: [3] of 7 (0 s)"] * 2


def test_the_sign_ends_with_the_work(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_WORD_SECONDS", 0.05)
    with pytest.raises(ZeroDivisionError), progress.progress("looking"):
        _ = 1 / 0
    time.sleep(0.1)
    assert capsys.readouterr().err == ""
