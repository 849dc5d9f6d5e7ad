"""Times as they are written everywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def in_words(span: timedelta) -> str:
    """Return how long `span` is, in its two largest units: `2 d 5 h`, `40 s`."""
    seconds = max(int(span.total_seconds()), 0)
    parts = ((seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s"))
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def stamp(at: datetime) -> str:
    """Return a time as it is written everywhere: UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
