"""Numbers as they stand in a column: short, comparable at a glance, never wider than six or seven cells."""

from __future__ import annotations


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
