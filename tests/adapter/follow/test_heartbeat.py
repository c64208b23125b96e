"""A source with nothing to tell says when it has looked last."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.contract import Batch
from tests.adapter.follower import Follower, eventually
from tests.adapter.opencode_writer import OpencodeWriter


async def test_while_nothing_changes_a_batch_without_events_says_when_the_files_were_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.follow.follower.HEARTBEAT_S", 0.05)
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        opencode.session("Quiet")
    async with Follower(opencode.path) as follower:
        await follower.equals_cold_load()
        before = len(follower.batches)

        def newest() -> list[Batch]:
            return follower.batches[before:][-3:]

        # What was put off while the file was written has its batches, too.
        await eventually(lambda: [batch.events for batch in newest()] == [[], [], []])
        looks = [batch.health.looked for batch in newest()]
        assert looks == sorted(looks)
        assert 0 < looks[0] < looks[-1]
