"""Long work on the event loop, in slices: a session of 5,000 parts or 7,000 sessions take 50 to 100 ms in one piece."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Coroutine, Generator, Iterable
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")
SLICE_S = 0.002
"""After so much work the loop gets to do other things; another thread that wants the interpreter gets it then, too."""


PAUSE_S = 0.05
"""After so much work whoever waits for its end may do something else for a while."""


async def paced(pieces: Iterable[list[T]]) -> list[T]:
    """What is in all the pieces, each of which is made only when its turn comes."""
    out: list[T] = []
    due = time.perf_counter() + SLICE_S
    for piece in pieces:
        out += piece
        if time.perf_counter() > due:
            await _give_way()
            due = time.perf_counter() + SLICE_S
    return out


async def paced_with_pauses(pieces: Iterable[list[T]], out: list[T]) -> AsyncIterator[None]:
    """As `paced`, adding to `out`; stops whenever PAUSE_S have passed, and goes on when it is asked to."""
    due = time.perf_counter() + SLICE_S
    pause = time.perf_counter() + PAUSE_S
    for piece in pieces:
        out += piece
        now = time.perf_counter()
        if now > due:
            await _give_way()
            if now > pause:
                yield
                pause = time.perf_counter() + PAUSE_S
            due = time.perf_counter() + SLICE_S


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Runs to its end, without an event loop, what gives way and waits for nothing else: reading with a reader that is
    `inline`. Whatever is in the way of that is an error of ours."""
    try:
        while True:
            if work.send(None) is not None:
                raise RuntimeError("this waits for an event loop")
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        work.close()


@coroutine
def _give_way() -> Generator[None, None, None]:
    """What `asyncio.sleep(0)` does. Who has no loop has not loaded asyncio."""
    yield
