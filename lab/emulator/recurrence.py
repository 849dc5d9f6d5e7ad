"""Recurring schedules in cron's words: when the next time is.

Rules: EC2 Auto Scaling User Guide, "Scheduled scaling" (five fields, cron's; a time zone of the IANA database, with its
summer time) and crontab(5) (a day of the month and a day of the week that are both restricted: either will do).
Left out: what cron may hold beyond that (@daily, L, W, #).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
MONTHS = {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1
    )
}
DAYS_AHEAD = 366 * 8
"""29 February is this far off at most, around a century that isn't a leap year."""

_PART = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?", re.ASCII)


@dataclass(frozen=True)
class Recurrence:
    """When an action recurs, in the hours of `zone`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # Sunday is 0
    either_day: bool
    zone: ZoneInfo

    def after(self, moment: datetime) -> datetime | None:
        """Return the first time after `moment`, in UTC; None: there is none (30 February)."""
        first = moment.astimezone(self.zone).date()
        days = (first + timedelta(days=ahead) for ahead in range(DAYS_AHEAD))
        return next((at for day in days if self._is_on(day) for at in self._times(day) if at > moment), None)

    def _is_on(self, day: date) -> bool:
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        fits = (by_date or by_weekday) if self.either_day else (by_date and by_weekday)
        return day.month in self.months and fits

    def _times(self, day: date) -> Iterator[datetime]:
        # Sorted in UTC, since an hour that summer time repeats or skips is out of order on the clock.
        local = (datetime.combine(day, time(hour, minute), self.zone) for hour in self.hours for minute in self.minutes)
        yield from sorted(at.astimezone(UTC) for at in local)


def parse(text: str, time_zone: str | None) -> Recurrence:
    """Return the recurrence that five cron fields give in a time zone (None: UTC). Raises ValueError."""
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(f"{text!r} has {len(fields)} fields; allowed: five")
    minutes, hours, days, months, weekdays = fields
    try:
        zone = ZoneInfo(time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{time_zone!r} is no time zone") from None
    return Recurrence(
        minutes=_field(minutes, 0, 59, {}),
        hours=_field(hours, 0, 23, {}),
        days=_field(days, 1, 31, {}),
        months=_field(months, 1, 12, MONTHS),
        weekdays=frozenset(number % 7 for number in _field(weekdays, 0, 7, DAYS)),
        either_day=not days.startswith("*") and not weekdays.startswith("*"),
        zone=zone,
    )


def _field(text: str, lowest: int, highest: int, names: dict[str, int]) -> frozenset[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        matched = _PART.fullmatch(part)
        if not matched:
            raise ValueError(f"{part!r} is no part of a cron field")

        def number(written: str) -> int:
            value = names.get(written.upper(), int(written) if written.isdigit() else -1)
            if not lowest <= value <= highest:
                raise ValueError(f"{written!r} is not between {lowest} and {highest}")
            return value

        first, last, step = matched["first"], matched["last"], int(matched["step"] or 1)
        if step == 0:
            raise ValueError(f"{part!r} has a step of 0")
        start = lowest if first == "*" else number(first)
        # `5/10` is from 5 on, as `*/10` is from the beginning.
        end = number(last) if last else (highest if first == "*" or matched["step"] else start)
        numbers.update(range(start, end + 1, step))
    if not numbers:
        raise ValueError(f"{text!r} fits nothing")
    return frozenset(numbers)
