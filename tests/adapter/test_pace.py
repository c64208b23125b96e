"""Long work in slices: the loop goes on between the pieces, and nothing of them is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from adapter import pace
from adapter.events import Event, SourceError


def remark(number: int) -> Event:
    return SourceError(source="opencode:x", ts=number, message="x")


async def test_other_work_goes_on_between_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    seen: list[int] = []
    made: list[int] = []

    def pieces() -> Iterator[list[Event]]:
        for number in range(5):
            made.append(number)
            yield [remark(number)]

    async def watch() -> None:
        while len(made) < 5:
            seen.append(len(made))
            await asyncio.sleep(0)

    events, _ = await asyncio.gather(pace.paced(pieces()), watch())
    assert [event.ts for event in events] == [0, 1, 2, 3, 4]
    assert seen == [1, 2, 3, 4]


async def test_short_work_is_not_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(asyncio, "sleep", pytest.fail)
    assert len(await pace.paced([[remark(1)], [], [remark(2), remark(3)]])) == 3
