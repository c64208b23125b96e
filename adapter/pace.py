"""Long work on the event loop, in slices: a session of 5,000 parts or 7,000 sessions take 50 to 100 ms in one piece.
And what happens again and again, in beats."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")
SLICE_S = 0.002
"""After so much work the loop gets to do other things; another thread that wants the interpreter gets it then, too."""


PAUSE_S = 0.05
"""After so much work whoever waits for its end may do something else for a while."""
BEAT_S = 0.1
"""How often what goes on and on is read and drawn: half the work of 20 commits a second is not done by half the looks,
and nobody reads faster than that."""
AT_ONCE = 3
"""So many follow on each other without a pause after a quiet time: opencode writes a call that begins in two or three
commits within 20 ms, and the one that says what is called was late by a whole beat."""


class Beats:
    """When the next turn is: at once after a quiet time, and under load with the next beat. Beats come every BEAT_S, at
    the same moments for all of a process, so that what several databases tell is drawn together; `phase_s` is how long
    behind those moments. `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, phase_s: float = 0.0) -> None:
        self._clock = clock
        self._phase_s = phase_s
        self._earned_at = self._due_at = float("-inf")

    @property
    def wait_s(self) -> float:
        """In how many seconds the next turn is, 0 for now."""
        return max(0.0, self._due_at - self._clock())

    def taken(self) -> None:
        """A turn was taken."""
        now = self._clock()
        # Each turn costs a beat, and a quiet time earns AT_ONCE of them.
        self._earned_at = min(max(self._earned_at, now - (AT_ONCE - 1) * BEAT_S), now) + BEAT_S
        # A turn that was taken a rounding error before its beat was that beat's.
        beat = math.floor((now - self._phase_s) / BEAT_S + 0.001) + 1
        self._due_at = now if self._earned_at <= now else beat * BEAT_S + self._phase_s


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
