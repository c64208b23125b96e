"""A writer at full speed beside the tail: every commit succeeds, none waits for us, and the WAL stays as small."""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path

import pytest

from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter, tool

COMMITS = 600
NOW_MS = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
REWRITE = f"UPDATE part SET data = json_set(data, '$.text', hex(randomblob(2000))), time_updated = {NOW_MS}"
"""About 25 kB of WAL a commit, so that opencode's automatic checkpoints (every 1,000 pages) come by several times."""
BLOCKED_MS = 1500.0
"""A commit that waits for a lock does so for opencode's busy timeout of 5 s; noise stays far below."""


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
def size_alone(tmp_path: Path) -> int:
    """Bytes of the WAL after as many commits with nobody looking."""
    with streaming(tmp_path / "alone.db") as opencode:
        opencode.hammer(COMMITS, REWRITE)
        return wal_size(opencode.path)


async def test_a_writer_at_full_speed_is_not_held_up_and_its_wal_does_not_grow(tmp_path: Path, size_alone: int) -> None:
    with streaming(tmp_path / "opencode.db") as opencode:
        async with Follower(opencode.path) as follower:
            await follower.equals_cold_load()
            seen = follower.source.health().statements
            taken = await asyncio.to_thread(opencode.hammer, COMMITS, REWRITE)
            await follower.equals_cold_load()
            health = follower.source.health()
        assert len(taken) == COMMITS
        assert max(taken) < BLOCKED_MS
        assert statistics.median(taken) < 50
        assert wal_size(opencode.path) <= 1.5 * size_alone
        # The tail did look meanwhile, and never for longer than a transaction may last.
        assert health.statements > seen + 10
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
