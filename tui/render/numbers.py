"""Numbers as they stand in a column: short, comparable at a glance, never wider than six or seven cells."""

from __future__ import annotations

import datetime

LAST_S = 253_402_214_400.0
"""Unix seconds from which on, on the last day of the year 9999, some zones have no date any more."""


def tokens(count: int) -> str:
    """1234 -> `1.2k`; three significant digits at most."""
    return _scaled(count, 1000, ("", "k", "M", "G"))


def size(count: int) -> str:
    """Bytes as `412 B`, `4.1 MB`; unknown (negative) as an empty string. Powers of 1024."""
    if count < 0:
        return ""
    text = _scaled(count, 1024, (" B", " kB", " MB", " GB", " TB"))
    return text


def _scaled(count: int, base: int, units: tuple[str, ...]) -> str:
    """`count` in the largest unit that leaves at least 1, with one decimal below 10."""
    sign, value, unit = "-" if count < 0 else "", float(abs(count)), 0
    while round(value) >= 1000 and unit < len(units) - 1:
        value /= base
        unit += 1
    digits = f"{value:.1f}" if unit and round(value, 1) < 10 else f"{value:.0f}"
    return f"{sign}{digits}{units[unit]}"


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


def age(micros: int) -> str:
    """How long ago something was, in one unit: `8s`, `12m`, `3h`, `5d`; "" for what lies ahead."""
    seconds = micros // 1_000_000
    if seconds < 0:
        return ""
    for limit, unit, size in ((60, "s", 1), (3600, "m", 60), (86_400, "h", 3600)):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86_400}d"


def money(dollars: float) -> str:
    """US dollars as `$1.84`, `$0.004`, `$12.3k`; nothing is an empty string, because most rows cost nothing."""
    if dollars <= 0:
        return ""
    if dollars < 0.0005:
        return "<$.001"
    if dollars < 0.01:
        return f"${dollars:.3f}"
    if dollars < 1000:
        return f"${dollars:.2f}"
    return f"${dollars / 1000:.1f}k"


def doubted(text: str, width: int) -> str:
    """A number with a question mark behind it; where that does not fit, the decimals make room."""
    if len(text) >= width:
        whole, _, decimals = text.partition(".")
        text = whole + decimals.lstrip("0123456789")
    return f"{text}?"


def delta(count: int) -> str:
    """Growth in tokens as `+1.9k`; none is an empty string."""
    return f"+{tokens(count)}" if count > 0 else ""


def percent(part: float, whole: float) -> str:
    """`84 %`, or an empty string when there is no whole."""
    return f"{100 * part / whole:.0f} %" if whole > 0 else ""


def plural(count: int, noun: str) -> str:
    """`1 file`, `6,785 files`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def clock(seconds: float) -> str:
    """A moment (unix seconds) as local time of day."""
    return _local(seconds).strftime("%H:%M:%S")


def date_and_time(seconds: float) -> str:
    """A moment (unix seconds) as local date and time."""
    return _local(seconds).isoformat(" ", "seconds")


def _local(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(min(seconds, LAST_S))
