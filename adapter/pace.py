"""Long work on the event loop, in slices: a session of 5,000 parts or 7,000 sessions take 50 to 100 ms in one piece."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")
SLICE_S = 0.002
"""After so much work the loop gets to do other things; another thread that wants the interpreter gets it then, too."""


async def paced(pieces: Iterable[list[T]]) -> list[T]:
    """What is in all the pieces, each of which is made only when its turn comes."""
    out: list[T] = []
    due = time.perf_counter() + SLICE_S
    for piece in pieces:
        out += piece
        if time.perf_counter() > due:
            await asyncio.sleep(0)
            due = time.perf_counter() + SLICE_S
    return out
