"""Token counters and money as recorded, made safe to add up."""

from __future__ import annotations

import math
from typing import Any

from adapter.events import NO_USAGE, Usage
from adapter.opencode.rows import Tokens

MAX_COUNT = 2**53
"""Above this a JSON number is no exact integer any more; nothing real comes near."""


def count(value: Any) -> tuple[int, bool]:
    """A counter as a non-negative integer and whether it had to be bent to become one."""
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
        bent = whole != value
    else:
        whole, bent = value, False
    if whole < 0:
        # 1.14.34 subtracts cached and reasoning tokens without clamping, so small negatives are real.
        return 0, True
    if whole > MAX_COUNT:
        return MAX_COUNT, True
    return whole, bent


def usage_of(tokens: Tokens | None) -> tuple[Usage, bool]:
    """The five counters of a message or step-finish, and whether any had to be bent."""
    if tokens is None:
        return NO_USAGE, False
    cache = tokens.cache
    fresh, bent_fresh = count(tokens.input)
    output, bent_output = count(tokens.output)
    reasoning, bent_reasoning = count(tokens.reasoning)
    read, bent_read = count(cache.read) if cache else (0, False)
    write, bent_write = count(cache.write) if cache else (0, False)
    bent = bent_fresh or bent_output or bent_reasoning or bent_read or bent_write
    return Usage(fresh, output, reasoning, read, write), bent


def money(value: Any) -> tuple[float, bool]:
    """A cost in US dollars, finite and not negative, and whether it had to be bent."""
    if value is None:
        return 0.0, False
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return 0.0, True
    return float(value), False
