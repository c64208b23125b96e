"""Moments in words: the one place that turns a time of the data (µs UTC) into a date, so that all are written alike.

A row may hold any time up to the end of the year 9999. On the last day of it some zones are in the next year already,
which `datetime` does not have, so what is later than LAST stands as LAST. Of a time that is not known (0 or less) there
are no words.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

Writer = Callable[[int], str]

LAST = 253_402_214_400_000_000
"""The first moment (µs UTC) of the last day of the year 9999: in every zone it still has a date."""


def local(ts: int) -> datetime.datetime:
    """A moment as this machine's local time."""
    return datetime.datetime.fromtimestamp(min(ts, LAST) / 1e6)


def date_and_time(ts: int) -> str:
    """`2026-01-31 23:59:07`, local."""
    return local(ts).strftime("%Y-%m-%d %H:%M:%S") if ts > 0 else ""


def date_and_minute(ts: int) -> str:
    """`2026-01-31 23:59`, local: where the second says nothing."""
    return local(ts).strftime("%Y-%m-%d %H:%M") if ts > 0 else ""


def clock(ts: int) -> str:
    """`23:59:07`, local: of a moment of today."""
    return local(ts).strftime("%H:%M:%S") if ts > 0 else ""


def utc(ts: int) -> str:
    """`2026-01-31 22:59:07 UTC`: for what is read elsewhere than it was made."""
    if ts <= 0:
        return ""
    moment = datetime.datetime.fromtimestamp(min(ts, LAST) // 1_000_000, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
