"""The next time of a recurring schedule."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lab.emulator.recurrence import parse

# Fields, time zone, after, next: 2026-11-27 is a Friday; London leaves summer time on 2026-10-25, and enters it on
# 2027-03-28.
NEXT = [
    ("0 7 * * 1-5", "UTC", "2026-11-27T06:59:59", "2026-11-27T07:00:00"),
    ("0 7 * * 1-5", "UTC", "2026-11-27T07:00:00", "2026-11-30T07:00:00"),
    ("0 7 * * MON-FRI", "UTC", "2026-11-27T07:00:00", "2026-11-30T07:00:00"),
    ("*/20 8 * * *", "UTC", "2026-11-27T08:20:00", "2026-11-27T08:40:00"),
    ("5/30 * * * *", "UTC", "2026-11-27T08:05:00", "2026-11-27T08:35:00"),
    ("0 8,20 * * 7", "UTC", "2026-11-27T00:00:00", "2026-11-29T08:00:00"),
    ("0 0 1 JAN *", "UTC", "2026-11-27T00:00:00", "2027-01-01T00:00:00"),
    ("0 0 29 2 *", "UTC", "2026-11-27T00:00:00", "2028-02-29T00:00:00"),
    # Both days restricted: the 1st, and every Monday.
    ("0 0 1 * 1", "UTC", "2026-11-27T00:00:00", "2026-11-30T00:00:00"),
    ("0 0 1 * 1", "UTC", "2026-11-30T00:00:00", "2026-12-01T00:00:00"),
    ("0 7 * * *", "Europe/London", "2026-10-24T07:00:00", "2026-10-25T07:00:00"),
    ("0 7 * * *", "Europe/London", "2027-03-27T07:00:00", "2027-03-28T06:00:00"),
    ("0 7 * * *", None, "2027-03-27T07:00:00", "2027-03-28T07:00:00"),
]


@pytest.mark.parametrize(("fields", "time_zone", "after", "following"), NEXT)
def test_the_next_time_is_the_first_one_after(fields: str, time_zone: str | None, after: str, following: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert parse(fields, time_zone).after(moment) == datetime.fromisoformat(following).replace(tzinfo=UTC)


def test_a_day_that_no_year_has_never_comes() -> None:
    assert parse("0 0 30 2 *", "UTC").after(datetime(2026, 11, 27, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("fields", "time_zone", "said"),
    [
        ("0 7 * *", "UTC", "has 4 fields; allowed: five"),
        ("60 7 * * *", "UTC", "'60' is not between 0 and 59"),
        ("0 7 * * FOO", "UTC", "'FOO' is not between 0 and 7"),
        ("0 7 * * 5-1", "UTC", "'5-1' fits nothing"),
        ("*/0 7 * * *", "UTC", "has a step of 0"),
        ("0 7 ? * *", "UTC", "is no part of a cron field"),
        ("0 7 * * *", "Europe/Londn", "'Europe/Londn' is no time zone"),
        ("0 7 * * *", "../etc/passwd", "is no time zone"),
    ],
)
def test_what_is_no_recurrence_is_refused(fields: str, time_zone: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(fields, time_zone)
