"""Moments and durations in words: the one place that writes a time of the data (µs UTC) as a date, and a number of µs
as a time that passed, so that all are written alike.

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


def duration(micros: int) -> str:
    """µs as `45ms`, `9.1s`, `32s`, `4m10`, `2h05`, `3d04`; nothing for a time that is not known (negative)."""
    if micros < 0:
        return ""
    if micros < 100_000:
        return f"{micros // 1000}ms"
    if micros < 9_950_000:
        return f"{micros / 1e6:.1f}s"
    seconds = round(micros / 1e6)
    if seconds < 60:
        return f"{seconds}s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}m{seconds:02}"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02}"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}"


def elapsed(micros: int) -> str:
    """µs since a beginning as on an axis, whole and with nothing behind a round one: `0s`, `2.5s`, `50s`, `1m`, `1m30`,
    `2h`, `2h05`, `2h05m10`, `3d04h`; "" for what lies before it."""
    if micros < 0:
        return ""
    if micros < 60_000_000 and micros % 1_000_000:
        return f"{micros / 1e6:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, seconds = divmod(micros // 1_000_000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h{minutes:02}" if minutes else f"{days}d{hours:02}h" if hours else f"{days}d"
    if hours:
        return f"{hours}h{minutes:02}m{seconds:02}" if seconds else f"{hours}h{minutes:02}" if minutes else f"{hours}h"
    if minutes:
        return f"{minutes}m{seconds:02}" if seconds else f"{minutes}m"
    return f"{seconds}s"


def short_age(micros: int) -> str:
    """µs as how long ago something was, in one unit: `8s`, `12m`, `3h`, `5d`; "" for what lies ahead."""
    seconds = micros // 1_000_000
    if seconds < 0:
        return ""
    for limit, unit, size in ((60, "s", 1), (3600, "m", 60), (86_400, "h", 3600)):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86_400}d"


def age(micros: int) -> str:
    """µs as in a sentence, in whole seconds, and nothing behind a whole minute, hour or a day: `9s`, `4m`, `4m10`,
    `2h`, `2h05`, `3d`."""
    seconds = max(0, micros) // 1_000_000
    minutes, hours = seconds // 60, seconds // 3600
    if seconds < 60:
        return f"{seconds}s"
    if minutes < 60:
        return f"{minutes}m{seconds % 60:02}" if seconds % 60 else f"{minutes}m"
    if hours < 48:
        return f"{hours}h{minutes % 60:02}" if minutes % 60 else f"{hours}h"
    return f"{hours // 24}d"


def ago(micros: int) -> str:
    """µs since something that is over: as `age` while that is told anew each second, after a minute in one unit."""
    return age(micros) if micros < 60_000_000 else short_age(micros)
