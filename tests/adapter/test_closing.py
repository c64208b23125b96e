"""A closed source leaves nothing behind, whatever was asked of it meanwhile: a connection that stays open keeps a
thread, and the thread the process."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.contract import SourceUnavailable
from adapter.local import OpencodeSource
from adapter.sqlite import connection
from adapter.sqlite.reader import Reader, Snapshot
from tests.adapter import corpus

URI = "opencode-sqlite://?part_id={}&field="


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return corpus.build("1.18.33/tools", tmp_path / "opencode.db")


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), thread


async def parts(source: OpencodeSource) -> list[str]:
    """References to the rows of all parts."""
    events = [event async for batch in source.stream() for event in batch.events]
    return [URI.format(event.part_id) for event in events if getattr(event, "part_id", "")]


async def test_many_payloads_at_once_take_one_connection(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with OpencodeSource(database) as source:
        wanted = await parts(source)
        opened: list[Path] = []
        real = connection._open

        def counted(path: Path, parameters: str) -> connection.SafeConnection:
            opened.append(path)
            return real(path, parameters)

        monkeypatch.setattr(connection, "_open", counted)
        found = await asyncio.gather(*(source.payload(uri) for uri in wanted))
        assert len(found) > 10
        assert opened == [database]


@pytest.mark.parametrize("seed", range(40))
async def test_closing_while_others_read_leaves_no_thread(database: Path, seed: int) -> None:
    dice = random.Random(seed)
    source = OpencodeSource(database)
    wanted = await parts(source)
    await source.close()
    async with source:
        asked = [asyncio.create_task(source.payload(dice.choice(wanted))) for _ in range(5)]
        asked += [asyncio.create_task(source.probe()) for _ in range(2)]
        for _ in range(dice.randrange(60)):
            await asyncio.sleep(0)
        if dice.random() < 0.5:
            for task in asked:
                task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    with pytest.raises(SourceUnavailable, match="closed"):
        await source.probe()
    with pytest.raises(SourceUnavailable, match="closed"):
        await source.payload(wanted[0])


async def test_opening_that_is_cancelled_leaves_no_thread(database: Path) -> None:
    for pause in range(40):
        source = OpencodeSource(database)
        opening = asyncio.create_task(source.open())
        for _ in range(pause):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await source.close()


async def test_a_read_that_is_cancelled_anywhere_leaves_no_transaction(database: Path) -> None:
    asked = Reader(database)

    def count(snapshot: Snapshot) -> int:
        return len(snapshot.rows("SELECT count(*) FROM part"))

    for pause in range(30):
        reading = asyncio.create_task(asked.call(count))
        for _ in range(pause):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert await asked.call(count) == 1
        assert [lane.raw.in_transaction for lane in asked._lanes.values()] == [False]
    await asked.close()
