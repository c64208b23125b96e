"""Much at once, and much that waits: everything arrives, nothing fails, and what a person asks for comes first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from adapter.events import SourceError
from adapter.pace import AT_ONCE, BEAT_S
from tests.adapter.follow.helpers import Clocks, quiet
from tests.adapter.follower import Follower, eventually
from tests.adapter.opencode_writer import OpencodeWriter, answer, insert, tool
from tests.adapter.writer import Statement

MANY = 3000
BURST = 5000


def answers(session: str, count: int, ms: int) -> Iterator[Statement]:
    """So many answers with one text each."""
    data, text = json.dumps(answer(ms, completed=ms, finish="stop")), json.dumps({"type": "text", "text": "x"})
    for number in range(count):
        message = f"msg_{number:012x}aaaaaaaaaaaaaa"
        times = {"time_created": ms + number, "time_updated": ms + number}
        yield insert("message", {"id": message, "session_id": session, **times, "data": data})
        part = {"id": f"prt_{number:012x}aaaaaaaaaaaaaa", "message_id": message, "session_id": session}
        yield insert("part", {**part, **times, "data": text})


async def test_an_update_of_all_messages_of_a_long_session_arrives_where_no_feed_tells(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db", "1.18.33", events=False) as opencode:
        session = opencode.session("Long")
        opencode.commit(*answers(session, MANY, opencode._now() - 10_000))
        clocks = Clocks()
        follower = Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic, deadline_s=30)
        async with quiet(follower, session):
            opencode.commit(
                (
                    "UPDATE message SET time_updated = time_updated + 1, data = json_set(data, '$.finish', 'length') "
                    "WHERE session_id = ?",
                    (session,),
                )
            )
            clocks.pass_by(61.0)
            follower.nudge()
            await follower.equals_cold_load()
            found = follower.session(session)
            assert found is not None
            assert {turn.finish for turn in found.turns.values()} == {"length"}
            assert follower.of(SourceError) == []
            assert follower.source.health().interruptions == 0


async def test_a_burst_of_events_arrives_whole_and_so_does_the_next(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        message = opencode.assistant(session)
        async with quiet(Follower(opencode.path, deadline_s=30), session) as follower:
            for burst in range(2):
                parts: list[Statement] = []
                for number in range(BURST):
                    # Rather few rows that are written over and over: the feed is what is long.
                    part = f"prt_{burst}_{number % 500:03}"
                    parts += opencode.part_statements(message, tool("running", metadata={"output": number}), part)
                opencode.commit(*parts)
                await follower.equals_cold_load()
            assert follower.of(SourceError) == []
            assert follower.source.health().warnings == {}
            assert follower.source.health().interruptions == 0


async def test_what_is_committed_on_and_on_is_read_with_the_beat(tmp_path: Path) -> None:
    moment = [1000.0]
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        message = opencode.assistant(session)
        async with Follower(opencode.path, monotonic=lambda: moment[0]) as follower:
            await follower.loaded(session)
            moment[0] += 10.04

            def texts() -> int:
                found = follower.session(session)
                return len(found.turns[message].ops) if found is not None else 0

            for number in range(AT_ONCE):
                opencode.part(message, {"type": "text", "text": "at once"})
                follower.nudge()
                await follower.until(lambda number=number: texts() == number + 1)  # type: ignore[misc]
            opencode.part(message, {"type": "text", "text": "with the beat"})
            asked = follower.source.health().hops
            follower.nudge()
            watch = follower.source._follower._watch
            await eventually(lambda: not watch._woken.is_set())
            assert (texts(), follower.source.health().hops) == (AT_ONCE, asked)
            moment[0] += BEAT_S
            follower.nudge()
            await follower.until(lambda: texts() == AT_ONCE + 1)
            await follower.equals_cold_load()


async def test_what_is_asked_for_comes_before_what_is_loaded_by_itself(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        sessions = [opencode.session(f"Number {number}") for number in range(60)]
        for session in sessions:
            opencode.part(opencode.assistant(session), {"type": "step-start"})
        oldest = sessions[0]
        opencode.change_session(oldest, time_updated=1)
        async with Follower(opencode.path) as follower:
            await follower.until(lambda: bool(follower.batches))
            follower.source.request(oldest)
            await follower.until(lambda: any(oldest in batch.loaded for batch in follower.batches))
            order = [session for batch in follower.batches for session in batch.loaded]
            assert order.index(oldest) < 4
            await follower.until(lambda: {key for b in follower.batches for key in b.loaded} == set(sessions))
