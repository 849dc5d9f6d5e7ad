"""The benchmark measures what it says: a review of so many steps, rendered."""

import pytest

from benchmarks import review


def test_each_size_is_rendered_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "STEPS", (3, 30))
    heading, small, large = (line.split() for line in review.as_text().splitlines())
    assert heading == ["steps", "to", "show", "CPU", "seconds", "characters"]
    assert (small[0], large[0]) == ("3", "30")
    assert int(large[2].replace(",", "")) > int(small[2].replace(",", "")) > 100
