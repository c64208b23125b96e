"""Following 2.x: `event` stays empty, one number per session moves, rows are rewritten in place. After everything that
it does the followed model is what a cold load gives."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapter.events import LogEntry, OpRemoved, SessionRemoved, TurnRemoved
from tests.adapter.follow.helpers import at_rest, noting_statements
from tests.adapter.follower import Follower, eventually
from tests.adapter.opencode_writer import OpencodeWriter, insert
from tests.adapter.writer import now_ms
from tests.adapter.writer_2x import Writer2x, call, step

TEXT = {"type": "text", "text": "Hello."}
EMPTY = {"type": "text", "text": ""}
THOUGHT = {"type": "reasoning", "text": "Hm.", "time": {"created": 1010, "completed": 1090}}


@pytest.fixture(params=["alone", "plain"])
def opencode(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Writer2x]:
    """A new file of 2.x, and one of 1.18 that it has upgraded."""
    beside = "" if request.param == "alone" else request.param
    with Writer2x(tmp_path / "opencode.db", beside=beside) as writer:
        yield writer


@pytest.fixture
async def follower(opencode: Writer2x) -> AsyncIterator[Follower]:
    """Follows a database with one session: a prompt, a finished step, a running one."""
    session = opencode.session("Fix the tests")
    opencode.prompt(session)
    opencode.add(session, "assistant", step(TEXT, completed=2000, tokens=100, finish="tool-calls"))
    opencode.add(session, "assistant", step(THOUGHT))
    async with Follower(opencode.path) as following:
        await following.loaded(session)
        yield following


def newest(opencode: Writer2x) -> str:
    return list(opencode.messages)[-1]


async def test_a_step_grows_in_place_from_nothing_to_its_end(opencode: Writer2x, follower: Follower) -> None:
    message = opencode.add(opencode.sessions[0], "assistant", step())
    done = call("completed", ran=1200, completed=1500, input={"command": "make"}, content=[TEXT])
    states = [
        step(EMPTY),
        step(TEXT, call("streaming")),
        step(TEXT, call("streaming", input='{"command"')),
        step(TEXT, call("running", ran=1200, input={"command": "make"}, metadata={})),
        step(TEXT, done),
        step(TEXT, done, completed=2000, tokens=150),
    ]
    for state in states:
        opencode.rewrite(message, state)
        await follower.equals_cold_load()
    assert follower.source.health().strategy == "event_sequence"
    assert follower.of(TurnRemoved) == []


async def test_each_change_tells_only_what_it_changed(opencode: Writer2x, follower: Follower) -> None:
    message = newest(opencode)
    opencode.rewrite(message, step(THOUGHT, TEXT))
    await follower.equals_cold_load()
    before = len(follower.events)
    opencode.rewrite(message, step(THOUGHT, TEXT, EMPTY))
    await follower.equals_cold_load()
    news = [getattr(e, "part_id", "") for e in follower.events[before:]]
    assert f"{message}:text2" in news
    assert f"{message}:reasoning0" not in news


async def test_a_row_rewritten_twice_in_the_same_millisecond(opencode: Writer2x, follower: Follower) -> None:
    message, opencode.ms = newest(opencode), now_ms()
    for words in ("one", "two", "three"):
        opencode.rewrite(message, step(THOUGHT, {"type": "text", "text": words}))
        await follower.equals_cold_load()


async def test_an_old_row_rewritten_long_after(opencode: Writer2x, follower: Follower) -> None:
    first = [key for key, session in opencode.messages.items() if session == opencode.sessions[0]][1]
    for number in range(5):
        opencode.add(opencode.sessions[0], "assistant", step(completed=3000, tokens=number))
    await follower.equals_cold_load()
    opencode.ms = now_ms() + 60_000
    opencode.rewrite(first, step({"type": "text", "text": "other"}, completed=2000, tokens=120))
    await follower.equals_cold_load()


async def test_a_revert_takes_rows_away(opencode: Writer2x, follower: Follower) -> None:
    session = opencode.sessions[0]
    second = opencode.prompt(session, "More.")
    opencode.add(session, "assistant", step(TEXT, completed=3000))
    await follower.equals_cold_load()
    opencode.go_back_to(second)
    await follower.equals_cold_load()
    assert second in {e.message_id for e in follower.of(TurnRemoved)}


async def test_content_that_becomes_shorter_takes_its_ops_back(opencode: Writer2x, follower: Follower) -> None:
    message = newest(opencode)
    opencode.rewrite(message, step(THOUGHT, TEXT))
    await follower.equals_cold_load()
    opencode.rewrite(message, step(THOUGHT))
    await follower.equals_cold_load()
    assert f"{message}:text1" in {e.part_id for e in follower.of(OpRemoved)}


async def test_a_failed_attempt_begins_anew_in_the_same_row(opencode: Writer2x, follower: Follower) -> None:
    message = newest(opencode)
    error = {"type": "api", "message": "overloaded"}
    opencode.rewrite(message, step(THOUGHT, retry={"attempt": 1, "at": 5000, "error": error}))
    await follower.equals_cold_load()
    opencode.rewrite(message, step(created=6000))
    await follower.equals_cold_load()
    opencode.rewrite(message, step(completed=7000, created=6000, error=error))
    await follower.equals_cold_load()
    assert [e.message for e in follower.of(LogEntry) if e.severity == "WRN"] == []


async def test_sessions_come_change_and_go(opencode: Writer2x, follower: Follower) -> None:
    child = opencode.session("Child", opencode.sessions[0])
    opencode.prompt(child)
    await follower.equals_cold_load()
    opencode.change_session(child, title="Renamed", time_idle=now_ms(), idle_outcome="failed")
    opencode.add(child, "idle", {"outcome": "failed", "error": {"type": "api", "message": "no"}})
    await follower.equals_cold_load()
    assert follower.session(child).error_class == "api"  # type: ignore[union-attr]
    opencode.remove_session(child)
    await follower.equals_cold_load()
    assert [e.session_id for e in follower.of(SessionRemoved)] == [child]


async def test_numbers_that_belong_to_no_session_change_nothing(opencode: Writer2x, follower: Follower) -> None:
    opencode.commit(("INSERT INTO event_sequence (aggregate_id, seq) VALUES ('wrk_1', 7)", []))
    opencode.prompt(opencode.sessions[0])
    await follower.equals_cold_load()
    opencode.commit(("DELETE FROM event_sequence WHERE aggregate_id = 'wrk_1'", []))
    opencode.prompt(opencode.sessions[0])
    await follower.equals_cold_load()
    assert "wrk_1" not in {session for batch in follower.batches for session in batch.loaded}
    assert "wrk_1" not in {getattr(event, "session_id", "") for event in follower.events}


async def test_numbers_that_start_anew_are_a_change(opencode: Writer2x, follower: Follower) -> None:
    session = opencode.sessions[0]
    first = [key for key, owner in opencode.messages.items() if owner == session][1]
    for number in range(4):
        opencode.add(session, "assistant", step(completed=3000, tokens=number))
    await follower.equals_cold_load()
    data = json.dumps(step({"type": "text", "text": "other"}, completed=2000, tokens=100))
    opencode.commit(
        ("UPDATE session_message SET data = ?, time_updated = 1 WHERE id = ?", [data, first]),
        ("UPDATE event_sequence SET seq = 0 WHERE aggregate_id = ?", [session]),
    )
    await follower.equals_cold_load()


async def test_a_number_that_is_gone_is_a_change(opencode: Writer2x, follower: Follower) -> None:
    """A migration wipes the numbers (1.17.0, 1.17.11), perhaps behind a change that nobody has looked at yet."""
    doomed = opencode.session("Doomed")
    await follower.loaded(doomed)
    await follower.equals_cold_load()
    # Only the numbers are looked at.
    follower.source._follower.reconciler.due = float("inf")
    opencode.commit(
        ("DELETE FROM session_v2 WHERE id = ?", [doomed]),
        ("DELETE FROM event_sequence WHERE aggregate_id = ?", [doomed]),
    )
    await follower.until(lambda: follower.session(doomed) is None)


async def test_a_clock_that_was_set_back_does_not_change_the_order(opencode: Writer2x, follower: Follower) -> None:
    session = opencode.session()
    await follower.loaded(session)
    rows = []
    for now in (now_ms(), now_ms() - 60_000, now_ms() - 30_000):
        opencode.ms = now
        rows.append(opencode.add(session, "assistant", step(TEXT, created=now, completed=now + 1)))
        await follower.equals_cold_load()
        found = follower.session(session)
        assert found is not None
        assert [(turn.message_id, turn.seq) for turn in found.turns.values()] == list(
            zip(rows, (1, 2, 3), strict=False)
        )


async def test_both_programs_write_one_file(tmp_path: Path) -> None:
    with Writer2x(tmp_path / "opencode.db", beside="plain") as opencode:
        first = opencode.session()
        ((second, message),) = opencode.run("SELECT session_id, id FROM message ORDER BY time_created DESC LIMIT 1")
        async with Follower(opencode.path) as follower:
            await follower.loaded(first, second)
            for number in range(4):
                answer = opencode.add(first, "assistant", step())
                # As 1.18 writes: the row, the number and the feed in one transaction.
                part = {"id": f"prt_{number}", "message_id": message, "session_id": second, "time_created": number}
                data = {"time_updated": now_ms(), "data": json.dumps({"type": "text", "text": str(number)})}
                told = json.dumps({"sessionID": second, "part": {"messageID": message}}, separators=(",", ":"))
                event = {"aggregate_id": second, "seq": 1000 + number, "type": "message.part.updated.1", "data": told}
                opencode.commit(
                    insert("part", {**part, **data}),
                    ("UPDATE event_sequence SET seq = seq + 1 WHERE aggregate_id = ?", [second]),
                    insert("event", {"id": f"evt_{number}", **event}),
                )
                opencode.rewrite(answer, step(TEXT, completed=2000))
                await follower.equals_cold_load()
            assert follower.source.health().family == "v1+v2"


async def test_the_rows_of_1_18_are_followed_by_its_feed(tmp_path: Path) -> None:
    """A session driven through /api/session: the feed names answers; for the rest lists are compared."""
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        async with Follower(opencode.path) as follower:
            await follower.loaded(session)
            row = {"id": "msg_a", "session_id": session, "type": "assistant", "seq": 1, "time_created": 1}
            for number, state in enumerate([step(), step(EMPTY), step(TEXT, completed=2000, tokens=9)]):
                data = {**row, "time_updated": number, "data": json.dumps(state)}
                sql, values = insert("session_message", data)
                again = " ON CONFLICT (id) DO UPDATE SET data = excluded.data, time_updated = excluded.time_updated"
                told = opencode._event(session, "session.next.step.ended.2", {"assistantMessageID": "msg_a"})
                opencode.commit((sql + again, values), *told)
                await follower.equals_cold_load()
            shell = {"command": "ls", "status": "running", "time": {"created": 5}}
            for number, status in enumerate(["running", "exited"]):
                data = {**row, "id": "msg_s", "type": "shell", "seq": 2, "time_updated": number}
                sql, values = insert("session_message", {**data, "data": json.dumps({**shell, "status": status})})
                told = opencode._event(session, "session.next.shell.ended.1", {"callID": "x"})
                opencode.commit((sql + again, values), *told)
                await follower.equals_cold_load()
            opencode.commit(
                ("DELETE FROM session_message WHERE id = 'msg_s'", []),
                *opencode._event(session, "session.next.revert.committed.1", {"to": "msg_s"}),
            )
            await follower.equals_cold_load()
            assert follower.source.health().strategy == "event feed"


async def test_a_feed_that_was_emptied_is_replaced_by_the_numbers(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        message = opencode.assistant(session)
        part = opencode.part(message, {"type": "text", "text": "a"})
        async with Follower(opencode.path) as follower:
            await follower.loaded(session)
            # As when a writer keeps counting and no longer tells: the row and the number move, the feed does not.
            opencode.commit(
                ("UPDATE part SET data = ?, time_updated = ? WHERE id = ?", ['{"type":"text","text":"b"}', 1, part]),
                ("UPDATE event_sequence SET seq = seq + 1 WHERE aggregate_id = ?", [session]),
                ("DELETE FROM event", []),
            )
            await follower.equals_cold_load()
            assert follower.source.health().strategy == "event_sequence"


async def test_a_change_reads_the_data_of_the_rows_that_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Writer2x(tmp_path / "opencode.db", ms=now_ms() - 3_600_000) as opencode:
        session = opencode.session()
        for number in range(200):
            opencode.add(session, "assistant", step(TEXT, completed=2000, tokens=number))
        opencode.ms = None
        message = opencode.add(session, "assistant", step())
        async with Follower(opencode.path) as follower:
            await follower.loaded(session)
            await follower.equals_cold_load()
            await at_rest(follower)
            statements = noting_statements(monkeypatch)
            opencode.rewrite(message, step(TEXT))
            await follower.until(lambda: any(getattr(e, "part_id", "") == f"{message}:text0" for e in follower.events))
            data = [asked.rows for asked in statements if '"data"' in asked.sql and "session_message" in asked.sql]
            assert sum(data) == 1
        assert not [asked.sql for asked in statements if asked.reads_a_large_table_whole(opencode)]
        assert [asked for asked in statements if 'FROM "event_sequence"' in asked.sql]


async def test_the_numbers_are_read_after_a_commit_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Writer2x(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        async with Follower(opencode.path) as follower:
            await follower.loaded(session)
            await follower.equals_cold_load()
            await at_rest(follower)
            statements = noting_statements(monkeypatch)
            # As when the net is looked into: the gate is asked though the files are untouched.
            inner = follower.source._follower
            for _ in range(3):
                before = len(statements)
                inner._gate._signature, inner._gate._barren = None, 0
                follower.nudge()
                await eventually(lambda before=before: len(statements) > before)  # type: ignore[misc]
            assert {asked.sql for asked in statements} == {"PRAGMA data_version"}
            opencode.prompt(session)
            await follower.equals_cold_load()
            assert any("event_sequence" in asked.sql for asked in statements)
