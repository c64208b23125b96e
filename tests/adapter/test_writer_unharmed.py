"""A writer at full speed beside the tail: every commit succeeds, none waits for us, and the WAL stays as small."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from adapter.contract import Batch
from adapter.events import PayloadRef
from adapter.local import OpencodeSource
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter, tool

COMMITS = 3000
"""About a second at full speed."""
NOW_MS = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
REWRITE = f"UPDATE part SET data = json_set(data, '$.text', hex(randomblob(2000))), time_updated = {NOW_MS}"
"""About 25 kB of WAL a commit, so that opencode's automatic checkpoints (every 1,000 pages) come by several times."""
BLOCKED_MS = 1500.0
"""A commit that waits for a lock does so for opencode's busy timeout of 5 s; noise stays far below."""
WAL_GROWTH = 3
"""The WAL has 4.1 MB with and without us, once in 20 runs on a busy machine up to 7 MB: at 70 MB/s a read of 40 ms
holds back so much. It would have 75 MB if our reads kept checkpoints from resetting it."""
NOISE_MS = 20.0
"""What a second busy process adds to the median commit on a small machine: 0.1 ms measured, one time slice allowed."""


def wal_size(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size


def streaming(path: Path) -> OpencodeWriter:
    """A database with one answer of five texts, and its writer."""
    opencode = OpencodeWriter(path, "1.15.13", events=False)
    message = opencode.assistant(opencode.session())
    for _ in range(5):
        opencode.part(message, {"type": "text", "text": "so far", "time": {"start": 1}})
    return opencode


@pytest.fixture
def alone(tmp_path: Path) -> tuple[list[float], int]:
    """The ms that each of as many commits takes with nobody looking, and the bytes of the WAL afterwards."""
    with streaming(tmp_path / "alone.db") as opencode:
        return opencode.hammer(COMMITS, REWRITE), wal_size(opencode.path)


async def test_a_writer_at_full_speed_is_not_held_up_and_its_wal_does_not_grow(
    tmp_path: Path, alone: tuple[list[float], int]
) -> None:
    taken_alone, size_alone = alone
    with streaming(tmp_path / "opencode.db") as opencode:
        async with Follower(opencode.path) as follower:
            await follower.equals_cold_load()
            seen = follower.source.health().statements
            taken = await asyncio.to_thread(opencode.hammer, COMMITS, REWRITE)
            await follower.equals_cold_load()
            health = follower.source.health()
        assert len(taken) == COMMITS
        assert max(taken) < BLOCKED_MS
        assert statistics.median(taken) < statistics.median(taken_alone) + NOISE_MS
        assert wal_size(opencode.path) <= WAL_GROWTH * size_alone
        # The tail did look meanwhile, and never for longer than a transaction may last.
        assert health.statements > seen + 100
        assert health.longest_read_ms < 250
        assert opencode.run("PRAGMA wal_checkpoint(TRUNCATE)") == [[0, 0, 0]]


async def test_the_writer_can_empty_its_wal_while_we_only_wait(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        message = opencode.assistant(opencode.session())
        async with Follower(opencode.path) as follower:
            for number in range(5):
                opencode.part(message, tool("completed", output="x" * number))
                await follower.equals_cold_load()
                assert await asyncio.to_thread(opencode.run, "PRAGMA wal_checkpoint(TRUNCATE)") == [[0, 0, 0]]
                assert wal_size(opencode.path) == 0


READINGS: dict[str, Callable[[OpencodeSource], AsyncIterator[Batch]]] = {
    "tail": lambda source: source.tail(),
    "glance": lambda source: source.glance(),
    "scan": lambda source: source.stream(),
    "scan, then follow": lambda source: source.stream(follow=True),
}


@pytest.mark.parametrize("reading", READINGS)
async def test_nothing_is_held_while_the_consumer_takes_its_time(tmp_path: Path, reading: str) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        for number in range(12):
            opencode.user(opencode.session(f"Session {number}"))
        async with OpencodeSource(opencode.path) as source:
            held = 0
            async for _ in READINGS[reading](source):
                held += 1
                opencode.user(opencode.sessions[held % 12], "written while a batch is in the consumer's hands")
                # Emptied only when no other connection reads, however long this takes.
                assert await asyncio.to_thread(opencode.run, "PRAGMA wal_checkpoint(TRUNCATE)") == [[0, 0, 0]]
                assert wal_size(opencode.path) == 0
                if held == 20:
                    break
        assert held >= 2


async def test_nothing_is_held_after_an_answer(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        opencode.part(opencode.assistant(session), tool("completed", output="done"))
        async with OpencodeSource(opencode.path) as source:

            async def held() -> bool:
                opencode.user(session)
                return bool(await asyncio.to_thread(opencode.run, "PRAGMA wal_checkpoint(TRUNCATE)") != [[0, 0, 0]])

            await source.catalogue()
            assert not await held()
            events = await source.load(session)
            assert not await held()
            await source.probe()
            assert not await held()
            (uri,) = (e.uri for e in events if isinstance(e, PayloadRef) and e.payload_kind == "tool_response")
            assert (await source.payload(uri)).text == "done"
            assert not await held()
