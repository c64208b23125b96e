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

SAID_MOST = 4 << 10
"""Bytes of stderr that are kept, the last ones."""
END_S = 1.0
"""Seconds that a command gets to end by itself when its input has ended, and then once more when it was asked to."""


class NotStarted(AdapterError):
    """A command that cannot even be started; the words say why."""


class Child:
    """A running command. It is ours: what it starts is in its process group, and nothing else is ever signalled."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said = b""
        self._listening = asyncio.create_task(self._listen())

    def write(self, line: bytes) -> None:
        """Hands a line over, if anybody takes it."""
        pipe = self._process.stdin
        if pipe is not None and not pipe.is_closing():
            pipe.write(line)

    async def readline(self) -> bytes:
        """The next line, without its end where it was cut, b"" when there is none. Raises ValueError for one of more
        than LINE_LIMIT bytes."""
        pipe = self._process.stdout
        return await pipe.readline() if pipe is not None else b""

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
            await self.status()
        transport = getattr(self._process, "_transport", None)
        if transport is not None:
            # Children of it may hold its pipes open.
            transport.close()
        self._listening.cancel()
        await asyncio.wait({self._listening})

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
            limit=LINE_LIMIT,
            # Without our terminal it can ask for no password behind the screen, and gets no ctrl+c.
            start_new_session=True,
            env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NotStarted(words.not_started(command[0], reason)) from None
    return Child(process)
