"""A line without a command: the far end runs in the same loop, and what goes over can be cut, held up and made up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import cast

from adapter.contract import Source
from adapter.local import OpencodeSource
from adapter.remote.child import Child
from adapter.remote.pipes import Pipes
from adapter.remote.serve import Server
from adapter.remote.source import Host, RemoteSource

NEVER = 1 << 62
AHEAD = 4
"""Lines that a cable holds, as a pipe does."""

Find = Callable[[], Sequence[Source]]


class Cable:
    """What leads to a far end, in any number of lives. Bytes that come from there are counted over all of them; the
    life in which more than `cut_at` would have come ends there. Nothing comes while `flowing` is not set."""

    def __init__(self, find: Find, clock: Callable[[], float] = time.time) -> None:
        self.find = find
        self.clock = clock
        self.cut_at = NEVER
        self.came = 0
        self.ends: list[int] = []
        """Where each line that came has its end."""
        self.lives = 0
        self.asked: list[bytes] = []
        """Lines that went to the far end."""
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.child: CableEnd | None = None

    async def start(self, _command: Sequence[str]) -> Child:
        """As `adapter.remote.child.start`."""
        self.lives += 1
        self.child = CableEnd(self)
        return cast(Child, self.child)

    def cut(self) -> None:
        """Cuts the line now."""
        if self.child is not None:
            self.child.over.set()


class FarPipes:
    """The pipes of the far end."""

    def __init__(self) -> None:
        self.come: asyncio.Queue[bytes] = asyncio.Queue()
        self.go: asyncio.Queue[bytes] = asyncio.Queue(AHEAD)

    async def lines(self) -> AsyncIterator[bytes]:
        while line := await self.come.get():
            yield line

    async def write(self, line: bytes) -> None:
        await self.go.put(line)

    fault = ""

    def close(self) -> None:
        """Nothing more is written."""


class CableEnd:
    """The near end of a cable, as a `Child`."""

    def __init__(self, cable: Cable) -> None:
        self.said = ""
        self.over = asyncio.Event()
        self._cable = cable
        self._pipes = FarPipes()
        self._far = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        await Server(cast(Pipes, self._pipes), self._cable.find, clock=self._cable.clock, program="far").run()
        await self._pipes.write(b"")

    def write(self, line: bytes) -> None:
        self._cable.asked.append(line)
        self._pipes.come.put_nowait(line)

    async def readline(self, _most: int = 0) -> bytes:
        waiting = [asyncio.ensure_future(self._next()), asyncio.ensure_future(self.over.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            line = waiting[0].result() if waiting[0].done() and not self.over.is_set() else b""
        finally:
            for one in waiting:
                one.cancel()
        assert isinstance(line, bytes)
        room = self._cable.cut_at - self._cable.came
        if len(line) > room:
            self._cable.cut_at = NEVER
            self.over.set()
            line = line[: max(0, room)]
        self._cable.came += len(line)
        self._cable.ends.append(self._cable.came)
        return line

    async def _next(self) -> bytes:
        await self._cable.flowing.wait()
        return await self._pipes.go.get()

    def kill(self, why: str) -> None:
        self.said = why
        self.over.set()

    async def status(self) -> int | None:
        return 255

    async def end(self) -> None:
        self.over.set()
        self._far.cancel()
        await asyncio.gather(self._far, return_exceptions=True)


def found_at(*paths: Path) -> Find:
    """Finds these databases, those that are there."""
    return lambda: [OpencodeSource(path, watch=False) for path in paths if path.exists()]


def host(cable: Cable, *, clock: Callable[[], float] = time.time) -> Host:
    """A host behind a cable, called `box`."""
    return Host(["box"], "box", start=cable.start, clock=clock)


def remote(cable: Cable) -> RemoteSource:
    """The first database behind a cable."""
    return host(cable).sources()[0]
