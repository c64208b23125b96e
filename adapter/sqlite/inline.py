"""Without an event loop: who looks once reads on its own thread (`pace.at_once`). The rules are those of the reader; no
asyncio and no aiosqlite is loaded, which take as long as three starts of Python."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TypeVar

from adapter.sqlite.connection import SafeConnection

T = TypeVar("T")


class Here:
    """A connection whose functions run on the thread of the caller."""

    def __init__(self, raw: SafeConnection) -> None:
        self.raw = raw

    async def run(self, function: Callable[[], T]) -> T:
        """Runs a function and gives its result."""
        with undisturbed():
            return function()


class Inline:
    """The connections of a reader that nobody else reads by meanwhile: it waits for nothing, so nothing can come in
    between."""

    is_ending = False

    def lock(self) -> nullcontext[None]:
        """Keeps nobody apart."""
        return nullcontext()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)  # noqa: ASYNC251 - there is no loop to hold up

    async def aside(self, function: Callable[[], T]) -> T:
        """Runs a function."""
        return function()

    async def start(self, connect: Callable[[], SafeConnection]) -> Here:
        """A connection that `connect` opens. Raises what that does."""
        with undisturbed():
            return Here(connect())

    async def end(self, here: Here) -> None:
        """Closes a connection."""
        try:
            here.raw.close()
        except sqlite3.Error:  # the file is gone
            pass

    async def ended(self) -> None:
        """Nothing is left to be waited for."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Meanwhile ctrl+c waits, a quarter of a second at most: SQLite asks Python for leave and for the time while it
    reads, and what is raised in there it takes for a no."""
    pressed: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        pressed.append(number)

    before = signal.getsignal(signal.SIGINT)
    try:
        is_taken = before is signal.default_int_handler
        if is_taken:
            signal.signal(signal.SIGINT, note)
    except ValueError:  # another thread than the first, which no signal disturbs
        is_taken = False
    try:
        yield
    finally:
        if is_taken:
            signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)
