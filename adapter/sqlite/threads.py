"""Beside an event loop: each connection in a thread of its own, so that the loop goes on while SQLite reads."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TypeVar

import aiosqlite

from adapter.sqlite.connection import SafeConnection

T = TypeVar("T")


class Thread(aiosqlite.Connection):
    """aiosqlite's connection with the one call that it lacks: a function run in its thread."""

    raw: SafeConnection

    async def run(self, function: Callable[[], T]) -> T:
        """Runs a function in the thread of the connection and gives its result."""
        try:
            result: T = await self._execute(function)  # type: ignore[no-untyped-call]
        except asyncio.CancelledError:
            # What still runs for nobody stops at once.
            self.raw.deadline = 0.0
            raise
        return result


class Threads:
    """The threads of one reader."""

    def __init__(self) -> None:
        self._endings: set[asyncio.Future[None]] = set()

    @property
    def is_ending(self) -> bool:
        """Whether a connection is still being closed."""
        return bool(self._endings)

    def lock(self) -> asyncio.Lock:
        """Keeps the tasks of the loop apart."""
        return asyncio.Lock()

    async def sleep(self, seconds: float) -> None:
        """Waits, while other tasks go on."""
        await asyncio.sleep(seconds)

    async def aside(self, function: Callable[[], T]) -> T:
        """Runs a function that takes its time and is not about a connection."""
        return await asyncio.to_thread(function)

    async def start(self, connect: Callable[[], SafeConnection]) -> Thread:
        """A thread with the connection that `connect` opens in it. Raises what that does."""
        made: list[SafeConnection] = []
        failed: list[sqlite3.Error | UnicodeError] = []

        def connector() -> sqlite3.Connection:
            try:
                made.append(connect())
                return made[0]
            except (sqlite3.Error, UnicodeDecodeError) as error:
                # aiosqlite does not wait for its thread when this raises, and the thread then breaks, with a
                # traceback, on the loop that has been closed meanwhile. What is open is closed properly.
                failed.append(error)
                return sqlite3.connect(":memory:")

        thread = Thread(connector, iter_chunk_size=64)
        is_open = False
        # What has begun to open is waited for, so that a task that is cancelled meanwhile leaves nothing open.
        opening = asyncio.ensure_future(_begin(thread))
        try:
            await asyncio.shield(opening)
            if failed:
                raise failed[0]
            thread.raw = made[0]
            is_open = True
            return thread
        finally:
            if not is_open:
                await opening
                await self.end(thread)

    async def end(self, thread: Thread) -> None:
        """Closes a connection. Who is cancelled meanwhile leaves it to `ended`: no thread must outlive the loop."""
        ending = asyncio.ensure_future(_close(thread))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        await asyncio.shield(ending)

    async def ended(self) -> None:
        """Waits for connections that others began to close."""
        if self._endings:
            await asyncio.wait(set(self._endings))


async def _begin(thread: Thread) -> None:
    await thread


async def _close(thread: Thread) -> None:
    try:
        await thread.close()
    except (sqlite3.Error, ValueError):  # already closed, or the file is gone
        pass
