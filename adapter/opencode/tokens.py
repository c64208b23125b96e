"""Token counters and money as recorded, made safe to add up."""

from __future__ import annotations

import math
from typing import Any

from adapter.events import NO_USAGE, Usage
from adapter.opencode.rows import Tokens

CLAMPED = "numbers out of range: shown as the nearest possible"
MAX_COUNT = 2**53
"""Above this a JSON number is no exact integer any more; nothing real comes near."""


def count(value: Any) -> tuple[int, bool]:
    """A counter as a non-negative integer and whether it had to be clamped to become one."""
    if type(value) is int and 0 <= value <= MAX_COUNT:
        return value, False
    if value is None:
        return 0, False
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0, True
    if isinstance(value, float):
        if not math.isfinite(value):
            return (MAX_COUNT if value == math.inf else 0), True
        whole = int(value)
        clamped = whole != value
    else:
        whole, clamped = value, False
    if whole < 0:
        # 1.14.34 subtracts cached and reasoning tokens without clamping, so small negatives are real.
        return 0, True
    if whole > MAX_COUNT:
        return MAX_COUNT, True
    return whole, clamped


def usage_of(tokens: Tokens | None) -> tuple[Usage, bool]:
    """The five counters of a message or step-finish, and whether any had to be clamped."""
    if tokens is None:
        return NO_USAGE, False
    cache = tokens.cache
    fresh, clamped_fresh = count(tokens.input)
    output, clamped_output = count(tokens.output)
    reasoning, clamped_reasoning = count(tokens.reasoning)
    read, clamped_read = count(cache.read) if cache else (0, False)
    write, clamped_write = count(cache.write) if cache else (0, False)
    clamped = clamped_fresh or clamped_output or clamped_reasoning or clamped_read or clamped_write
    return Usage(fresh, output, reasoning, read, write), clamped


def money(value: Any) -> tuple[float, bool]:
    """A cost in US dollars, finite and not negative, and whether it had to be clamped."""
    if value is None:
        return 0.0, False
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return 0.0, True
    return float(value), False
