"""One database with everything that must not be in one: it is read to its end, and health counts each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.events import LogEntry, OpStarted, SessionStarted, SourceError, TurnStarted
from adapter.local import OpencodeSource
from adapter.sqlite.connection import ROW_LIMIT_BYTES
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter

ODD_PARTS: dict[str, Any] = {
    "prt_broken": "{broken",
    "prt_empty": "",
    "prt_unknown": {"type": "hologram"},
    "prt_list": [1, 2],
    "prt_nul": {"type": "text", "text": "a\0b"},
    "prt_good": {"type": "text", "text": "good"},
}
RAW_PARTS = {
    "prt_bytes": "CAST(x'7b2274797065223a2274657874222c2274657874223a22ff227d' AS TEXT)",
    "prt_blob": "x'00ff00ff'",
    "prt_huge": f"printf('%.*c', {ROW_LIMIT_BYTES + 1000}, 'x')",
}
SOUND = {"prt_nul", "prt_good", "prt_bytes"}
"""Those that can be shown all the same."""


@pytest.fixture
def opencode(tmp_path: Path) -> Iterator[OpencodeWriter]:
    with OpencodeWriter(tmp_path / "opencode.db") as writer:
        writer.run("PRAGMA foreign_keys=OFF")
        session = writer.session("odd")
        message = writer.assistant(session)
        for part_id, data in ODD_PARTS.items():
            writer.part(message, data, part_id)
        for part_id, data in RAW_PARTS.items():
            writer.commit(
                (f"INSERT INTO part SELECT '{part_id}', message_id, session_id, 5, 5, {data} FROM part LIMIT 1", ())
            )
        writer.message(session, {"role": "oracle", "time": {"created": 1}}, "msg_role")
        writer.message(session, "{", "msg_broken")
        # Rows that belong to nothing.
        writer.commit(
            ("INSERT INTO part VALUES ('prt_orphan', 'msg_none', ?, 5, 5, '{\"type\":\"text\"}')", (session,)),
            ("INSERT INTO message VALUES ('msg_orphan', 'ses_none', 5, 5, '{\"role\":\"user\"}')", ()),
        )
        # Parents in a circle, a session that is its own parent, and one whose parent is not there.
        one = writer.session("one")
        two = writer.session("two", parent=one)
        writer.change_session(one, parent_id=two)
        own = writer.session("own")
        writer.change_session(own, parent_id=own)
        writer.session("orphan", parent="ses_nobody")
        yield writer


COUNTED = {
    "broken JSON": 3,
    "empty data": 1,
    "too large": 1,
    "unexpected shape": 1,
    "unknown part type": 1,
    "unknown role": 1,
}


async def test_a_scan_reads_it_to_the_end_and_counts_each_kind(opencode: OpencodeWriter) -> None:
    async with OpencodeSource(opencode.path) as source:
        events = [event async for batch in source.stream() for event in batch.events]
        health = await source.probe()
    assert health.warnings == COUNTED
    assert health.degraded
    titles = {event.title for event in events if isinstance(event, SessionStarted)}
    assert titles == {"odd", "one", "two", "own", "orphan"}
    assert [type(event) for event in events].count(TurnStarted) == 1
    assert {event.part_id for event in events if isinstance(event, OpStarted)} == SOUND
    told = {event.ref for event in events if isinstance(event, LogEntry) and event.severity == "WRN"}
    assert told == ODD_PARTS.keys() - SOUND | RAW_PARTS.keys() - SOUND | {"msg_role", "msg_broken"}
    # Of rows of which nothing at all can be read the stream has an error, too, with where they are.
    errors = [event for event in events if isinstance(event, SourceError)]
    assert len(errors) == COUNTED["broken JSON"] + COUNTED["empty data"] + COUNTED["too large"]
    assert ("message", "msg_broken") in {(event.table, event.row_id) for event in errors}
    assert {event.table for event in errors} == {"message", "part"}


async def test_a_tail_shows_the_same_and_goes_on(opencode: OpencodeWriter) -> None:
    async with Follower(opencode.path) as follower:
        await follower.loaded(*opencode.sessions)
        await follower.equals_cold_load()
        assert follower.source.health().warnings == COUNTED
        opencode.part(next(iter(opencode.messages)), {"type": "text", "text": "later"}, "prt_later")
        await follower.until(lambda: any(e.part_id == "prt_later" for e in follower.of(OpStarted)))
        await follower.equals_cold_load()
        health = follower.source.health()
        assert health.warnings == COUNTED
        assert health.state == "ok"
