"""The two pipes of the far end of a line, read and written by threads: a pipe that somebody else holds, too, must not
be made non-blocking."""

from __future__ import annotations

import asyncio
import contextvars
import os
import queue
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from adapter.remote.messages import LINE_LIMIT

LINES_AHEAD = 4
"""Lines that wait for the pipe: what comes from another answer is not far behind them."""


class LineBroken(Exception):
    """Nothing can be written any more."""


class Pipes:
    """The two ends that a line has here, as file descriptors: `lines` are those that come, `write` is where ours go."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._room = asyncio.Semaphore(LINES_AHEAD)
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._in: asyncio.Queue[bytes] = asyncio.Queue()
        self._may_read = threading.Semaphore(LINES_AHEAD)
        self._broken: OSError | None = None
        """Why nothing can be written any more."""
        self._loop = asyncio.get_running_loop()
        for body in (self._read, self._write):
            threading.Thread(target=body, daemon=True, name=body.__name__).start()

    async def lines(self) -> AsyncIterator[bytes]:
        """Lines as they come, until the pipe ends or one is longer than LINE_LIMIT."""
        while line := await self._in.get():
            self._may_read.release()
            yield line

    async def write(self, line: bytes) -> None:
        """Takes a line, as soon as the pipe has nearly taken those before it."""
        await self._room.acquire()
        if self._broken is not None:
            self._room.release()
            raise LineBroken
        self._out.put(line)

    @property
    def fault(self) -> str:
        """Why nothing can be written any more, "" where it can, or nobody is there, which is an end like any other."""
        error = self._broken
        return "" if error is None or isinstance(error, BrokenPipeError) else f"{error.strerror or error}"

    def close(self) -> None:
        """Nothing more is written."""
        self._out.put(None)

    def _read(self) -> None:
        with open(self._reading, "rb", closefd=False) as pipe:
            line = b"-"
            while line:
                self._may_read.acquire()
                try:
                    line = pipe.readline(LINE_LIMIT)
                except OSError:
                    line = b""
                if line and not line.endswith(b"\n"):
                    line = b""
                self._tell(self._in.put_nowait, line)

    def _write(self) -> None:
        while (line := self._out.get()) is not None:
            left = memoryview(line)
            try:
                while left:
                    left = left[os.write(self._writing, left) :]
            except OSError as error:
                self._tell(self._break, error)
                return
            self._tell(self._room.release)

    def _break(self, error: OSError) -> None:
        """Nobody is there any more, or nothing can be written: who waits for room need not."""
        self._broken = error
        self._room.release()
        self._in.put_nowait(b"")

    def _tell(self, call: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(call, *arguments, context=contextvars.Context())
