"""Workers of a scan in this process, so that what they do comes when it is expected."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapter.follow import scan
from adapter.follow.crew import crew, worker
from adapter.follow.crew.messages import HEAD, Answer, Ask, Begin, Figures
from adapter.sqlite.reader import Reader


def decoded(text: bytes, kind: Any) -> Any:
    """A message without its length."""
    return msgspec.msgpack.decode(text[HEAD.size :], type=kind)


class Inside:
    """A worker in this process: what it does comes in the same messages."""

    asked: int
    left: int

    def __init__(self, its: crew.Crew, begin: bytes) -> None:
        self.pages: deque[int] = deque()
        self.is_ready = True
        self._crew = its
        self._begin: Begin = decoded(begin, Begin)
        module, _, name = self._begin.make.partition(":")
        self._make = getattr(import_module(module), name)
        self._tasks: list[asyncio.Task[None]] = []
        self._turn = asyncio.Lock()

    def send(self, ask: Ask) -> None:
        text = crew.message(ask)
        self._tasks.append(asyncio.create_task(self._page(decoded(text, Ask))))

    async def _page(self, ask: Ask) -> None:
        # Closed at once: who is cancelled leaves nothing open.
        async with self._turn:
            reader = Reader(Path(os.fsdecode(self._begin.path)), limit_s=self._begin.limit_s)
            sessions, pieces = await worker._page(reader, self._begin.source, self._make, ask)
            await reader.close()
        Inside.asked += len(sessions)
        Inside.left += sessions.count(None)
        answer = decoded(crew.message(Answer(sessions, Figures(longest_s=0.1))), Answer)
        self._crew.answered(self, answer, b"".join(pieces))  # type: ignore[arg-type]

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()

    def wait(self) -> None:
        """There is nothing to wait for."""


def have_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scan has two workers, and pages of two sessions."""
    monkeypatch.setattr(scan, "MANY_ROWS", 0)
    monkeypatch.setattr(scan, "SCAN_PAGE", 2)
    monkeypatch.setattr(crew, "cores", lambda: 2)


def help_inside(monkeypatch: pytest.MonkeyPatch) -> type[Inside]:
    """They are in this process; what they count begins at 0."""
    have_help(monkeypatch)
    Inside.asked = Inside.left = 0
    monkeypatch.setattr(crew, "Worker", Inside)
    return Inside
