"""The command that leads to the far end, as a child process of ours: started, spoken to, ended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress

from adapter.contract import AdapterError
from adapter.remote import words
from adapter.remote.messages import LINE_LIMIT

CHUNK = 64 << 10
"""Bytes that are taken from the pipe at once."""
SAID_MOST = 4 << 10
"""Bytes of stderr that are kept, the last ones."""
END_S = 1.0
"""Seconds in which a command that says nothing more may still say how it ended."""
STEP_S = 0.5
"""Seconds that it gets to end by itself when its input has ended, and then once more when it was asked to."""


class NotStarted(AdapterError):
    """A command that cannot even be started; the words say why."""


class Child:
    """A running command. It is ours: what it starts is in its process group, and nothing else is ever signalled."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said = b""
        self._come = bytearray()
        self._leaving = asyncio.create_task(self._leave())
        self._listening = asyncio.create_task(self._listen())

    def write(self, line: bytes) -> None:
        """Hands a line over, if anybody takes it."""
        pipe = self._process.stdin
        if pipe is not None and not pipe.is_closing():
            pipe.write(line)

    async def readline(self, most: int = LINE_LIMIT) -> bytes:
        """The next line, without its end where it was cut, b"" when there is none. Raises ValueError for one of more
        bytes than that; no more of it is kept."""
        pipe, looked = self._process.stdout, 0
        assert pipe is not None
        while (end := self._come.find(b"\n", looked) + 1) == 0:
            looked = len(self._come)
            if looked > most:
                raise ValueError("a line is longer than any may be")
            if not (piece := await pipe.read(CHUNK)):
                end = looked
                break
            self._come += piece
        line = bytes(self._come[:end])
        del self._come[:end]
        return line

    @property
    def said(self) -> str:
        """The end of what it said on stderr."""
        return self._said.decode(errors="replace")

    def kill(self, why: str) -> None:
        """Ends it at once, for a reason that stands as what it said last."""
        self._said = why.encode()
        self._signal(signal.SIGKILL)

    async def status(self) -> int | None:
        """The exit status, once all that it said has been heard, too; None when it does not end by itself."""
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self._process.wait()
                await asyncio.wait({self._listening})
        # What it left behind may hold its pipes open, as a shared connection of ssh does: it has ended all the same.
        return self._process.returncode

    async def end(self) -> None:
        """Ends it: by the end of its input, else by asking, else by force."""
        for step in (None, signal.SIGTERM, signal.SIGKILL):
            if self._process.returncode is not None:
                break
            if step is not None:
                self._signal(step)
            elif self._process.stdin is not None:
                self._process.stdin.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(STEP_S):
                    await self._process.wait()
        # What it has started and left behind in its group goes with it.
        self._signal(signal.SIGTERM)
        transport = getattr(self._process, "_transport", None)
        if transport is not None:
            # Children of it may hold its pipes open.
            transport.close()
        for task in (self._listening, self._leaving):
            task.cancel()
        await asyncio.wait({self._listening, self._leaving})

    async def _leave(self) -> None:
        """When it has ended nothing more comes, though something that it has left behind may hold its pipes."""
        await self._process.wait()
        await asyncio.sleep(END_S)
        if self._process.stdout is not None and not self._process.stdout.at_eof():
            self._process.stdout.feed_eof()

    async def _listen(self) -> None:
        pipe = self._process.stderr
        while pipe is not None and (piece := await pipe.read(SAID_MOST)):
            self._said = (self._said + piece)[-SAID_MOST:]

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


async def start(command: Sequence[str]) -> Child:
    """Starts a command. Raises NotStarted."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Without our terminal it can ask for no password behind the screen, and gets no ctrl+c.
            start_new_session=True,
            env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NotStarted(words.not_started(command[0], reason)) from None
    return Child(process)
