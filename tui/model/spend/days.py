"""Days as the user has them, by the local time zone, and ranges of them.

A day is its proleptic ordinal (`datetime.date.toordinal`): no day is longer or shorter than another in it, however the
clocks were changed.
"""

from __future__ import annotations

import datetime
import re
from typing import NamedTuple

from tui.text.moments import LAST

SLOT_US = 900_000_000
"""Midnight is at a quarter of an hour UTC in every zone, so all moments of one are on the same day."""
FIRST_DAY, LAST_DAY = 1, datetime.date.max.toordinal()
RANGES = ("today", "yesterday", "7 days", "30 days", "this month", "all time")


class Days:
    """Says on which day a moment is: in the zone given, or in this machine's."""

    def __init__(self, zone: datetime.tzinfo | None = None) -> None:
        self.zone = zone
        self._known: dict[int, int] = {}

    def of(self, ts: int) -> int:
        """The day of a moment in µs UTC; one that is not known counts as the first of 1970."""
        day = self._known.get(ts // SLOT_US)
        if day is None:
            slot = min(max(ts, 0), LAST) // SLOT_US
            day = datetime.datetime.fromtimestamp(slot * (SLOT_US // 1_000_000), self.zone).toordinal()
            self._known[slot] = day
        return day


class Range(NamedTuple):
    """Days from the first to the last, both in it."""

    name: str
    first: int
    last: int

    def __contains__(self, day: object) -> bool:
        return isinstance(day, int) and self.first <= day <= self.last

    @property
    def length(self) -> int:
        """How many days it has."""
        return self.last - self.first + 1

    @property
    def is_open(self) -> bool:
        """Whether it has no beginning or no end."""
        return self.first <= FIRST_DAY or self.last >= LAST_DAY

    def moved(self, steps: int) -> Range:
        """The range of the same length before or behind it; one without an end stays where it is."""
        if self.is_open:
            return self
        first = self.first + steps * self.length
        first = max(FIRST_DAY + 1, min(first, LAST_DAY - self.length))
        last = first + self.length - 1
        return Range(f"{date(first)} to {date(last)}" if last > first else date(first), first, last)


def named(name: str, today: int) -> Range:
    """One of RANGES. Raises KeyError for another name."""
    this_month = datetime.date.fromordinal(today).replace(day=1).toordinal()
    first, last = {
        "today": (today, today),
        "yesterday": (today - 1, today - 1),
        "7 days": (today - 6, today),
        "30 days": (today - 29, today),
        "this month": (this_month, today),
        "all time": (FIRST_DAY, LAST_DAY),
    }[name]
    return Range(name, first, last)


_SPAN = re.compile(r"(\d{1,4})([dw])")
_MONTH = re.compile(r"(\d{4})-(\d{2})")


def day_named(words: str, today: int, *, end: bool = False) -> int | None:
    """The day that `today`, `yesterday`, `7d` (today and the six before it), `2w`, `2026-01-31` or `2026-01` names, of
    a month its first one, or its last where the `end` of a range is meant; None for what is no day."""
    words = words.strip().lower()
    if words in ("today", "yesterday"):
        return today - (words == "yesterday")
    span = _SPAN.fullmatch(words)
    if span is not None:
        return max(FIRST_DAY, today - max(1, int(span[1]) * (7 if span[2] == "w" else 1)) + 1)
    month = _MONTH.fullmatch(words)
    try:
        if month is None:
            return datetime.date.fromisoformat(words).toordinal()
        year, number = int(month[1]), int(month[2])
        if not end:
            return datetime.date(year, number, 1).toordinal()
        behind = datetime.date(year + number // 12, number % 12 + 1, 1)
        return behind.toordinal() - 1
    except (ValueError, OverflowError):
        return None


def between(since: str, until: str, today: int) -> Range | str:
    """The range between two days in words, an empty one being no bound; or what is wrong with them."""
    first, last = FIRST_DAY, LAST_DAY
    for words, is_end in ((since, False), (until, True)):
        if not words:
            continue
        day = day_named(words, today, end=is_end)
        if day is None:
            return f"{words} is no day: write today, yesterday, 7d, 2w, 2026-01-31 or 2026-01"
        first, last = (first, day) if is_end else (day, last)
    if first > last:
        return f"{since} is after {until}"
    if not since and not until:
        return Range("all time", first, last)
    if not until:
        return Range(f"since {date(first)}", first, last)
    if not since:
        return Range(f"until {date(last)}", first, last)
    return Range(f"{date(first)} to {date(last)}" if last > first else date(first), first, last)


def typed(words: str, today: int) -> Range | str:
    """The range that one or two days in words name; one date or month is that alone, one `7d` goes up to today. What is
    wrong with them otherwise."""
    found = words.replace(" to ", " ").replace("..", " ").split()
    if len(found) == 1:
        alone = not _SPAN.fullmatch(found[0].lower())
        return between(found[0], found[0] if alone else "today", today)
    if len(found) == 2:
        return between(found[0], found[1], today)
    return "write one day or two: 2026-01-31, 2026-01, 7d, 2026-01-01 2026-01-31"


def date(day: int) -> str:
    """`2026-01-31`."""
    return datetime.date.fromordinal(day).isoformat()


def weekday(day: int) -> str:
    """`Sat 31 Jan`, in English wherever it is."""
    at = datetime.date.fromordinal(day)
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{names[at.weekday()]} {at.day:2} {months[at.month - 1]}"
