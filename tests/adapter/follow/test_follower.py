"""What opencode does to its database, seen by the tail: after each the followed model is what a cold load gives."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import adapter.follow.detect.look
import adapter.follow.follower
from adapter.contract import Damaged, OutOfTime, SourceBusy, SourceChanged
from adapter.events import OpRemoved, SessionRemoved, SourceError, SourceProgress, TurnRemoved
from adapter.follow.detect.lists import differing
from adapter.sqlite.reader import Pieces, Snapshot
from tests.adapter.follow.helpers import Clocks, at_rest, quiet
from tests.adapter.follower import Follower, eventually
from tests.adapter.opencode_writer import OpencodeWriter, answer, tool

KINDS = {"1.18": ("1.18.33", True), "1.15": ("1.15.13", False), "1.2": ("1.2.1", False)}


@pytest.fixture(params=KINDS)
def opencode(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpencodeWriter]:
    """opencode as three versions write: with the change feed, with an empty one, with none."""
    version, events = KINDS[request.param]
    with OpencodeWriter(tmp_path / "opencode.db", version, events=events) as writer:
        yield writer


@pytest.fixture
async def follower(opencode: OpencodeWriter) -> AsyncIterator[Follower]:
    """Follows a database with one session: a prompt, a finished step, a running one."""
    session = opencode.session("Fix the tests")
    prompt = opencode.user(session, "Fix them.")
    for number in (1, 2):
        message = opencode.assistant(session, prompt)
        opencode.part(message, {"type": "step-start"})
        opencode.part(message, {"type": "text", "text": f"Step {number}.", "time": {"start": 1, "end": 2}})
        if number == 1:
            tokens = {"input": 100, "output": 5}
            opencode.part(message, {"type": "step-finish", "reason": "tool-calls", "tokens": tokens})
            data = answer(1, prompt, completed=2, tokens=100, finish="tool-calls")
            opencode.message(session, data, message, created=opencode.ms)
    async with Follower(opencode.path) as following:
        await following.loaded(session)
        yield following


def newest(opencode: OpencodeWriter) -> str:
    return list(opencode.messages)[-1]


async def test_a_new_part_appears(opencode: OpencodeWriter, follower: Follower) -> None:
    opencode.part(newest(opencode), tool("running", input={"command": "make"}))
    await follower.equals_cold_load()


async def test_a_part_rewritten_in_place_is_seen(opencode: OpencodeWriter, follower: Follower) -> None:
    part = opencode.part(newest(opencode), tool("pending"))
    for status in ("running", "completed"):
        opencode.part(newest(opencode), tool(status, output="done"), part)
        await follower.equals_cold_load()


async def test_a_part_rewritten_in_the_same_millisecond_is_seen(opencode: OpencodeWriter, follower: Follower) -> None:
    opencode.ms = opencode._now()
    part = opencode.part(newest(opencode), tool("running", metadata={"output": ""}))
    await follower.equals_cold_load()
    for count in range(5):
        opencode.part(newest(opencode), tool("running", metadata={"output": "x" * count}), part)
        await follower.equals_cold_load()


async def test_an_old_part_of_a_live_session_rewritten_is_seen(opencode: OpencodeWriter, follower: Follower) -> None:
    old = next(iter(opencode.parts))
    for _ in range(3):
        opencode.assistant(opencode.sessions[0])
    await follower.equals_cold_load()
    opencode.part(opencode.parts[old], {"type": "text", "text": "Patched long after."}, old)
    await follower.equals_cold_load()


async def test_a_message_that_ends_is_final(opencode: OpencodeWriter, follower: Follower) -> None:
    message, session = newest(opencode), opencode.sessions[0]
    opencode.message(session, answer(5, completed=9, tokens=7, finish="stop"), message)
    await follower.until(lambda: follower.session(session).turns[message].status == "completed")  # type: ignore[union-attr]
    await follower.equals_cold_load()


async def test_deleted_parts_go(opencode: OpencodeWriter, follower: Follower) -> None:
    part = list(opencode.parts)[-1]
    opencode.remove_part(part)
    await follower.until(lambda: any(e.part_id == part for e in follower.of(OpRemoved)))
    await follower.equals_cold_load()


async def test_deleted_messages_go_and_later_turns_are_numbered_anew(
    opencode: OpencodeWriter, follower: Follower
) -> None:
    first = list(opencode.messages)[1]
    opencode.remove_message(first)
    await follower.until(lambda: any(e.message_id == first for e in follower.of(TurnRemoved)))
    await follower.equals_cold_load()
    session = follower.session(opencode.sessions[0])
    assert session is not None
    assert [turn.seq for turn in session.turns.values()] == [1]


async def test_a_deleted_session_goes_with_its_children(opencode: OpencodeWriter, follower: Follower) -> None:
    parent = opencode.sessions[0]
    child = opencode.session("Look around (@general subagent)", parent)
    opencode.user(child)
    await follower.equals_cold_load()
    opencode.remove_session(child)
    opencode.remove_session(parent)
    await follower.until(lambda: {e.session_id for e in follower.of(SessionRemoved)} == {parent, child})
    await follower.equals_cold_load()
    assert follower.store.sessions == {}


async def test_a_revert_and_the_next_prompt_drop_what_was_reverted(
    opencode: OpencodeWriter, follower: Follower
) -> None:
    session = opencode.sessions[0]
    doomed = list(opencode.messages)[1:]
    opencode.change_session(session, revert=json.dumps({"messageID": doomed[0]}))
    await follower.equals_cold_load()
    for message in doomed:
        opencode.remove_message(message)
    opencode.change_session(session, revert=None)
    opencode.user(session, "Another way.")
    await follower.equals_cold_load()


async def test_a_fork_arrives_whole(opencode: OpencodeWriter, follower: Follower) -> None:
    opencode.fork(opencode.sessions[0], "Fix the tests (fork #1)")
    await follower.equals_cold_load()


async def test_a_sub_agent_appears_under_its_call(opencode: OpencodeWriter, follower: Follower) -> None:
    parent = opencode.sessions[0]
    call = opencode.part(newest(opencode), tool("running", "task", input={"description": "Look"}))
    child = opencode.session("Look (@general subagent)", parent)
    opencode.part(newest(opencode), tool("running", "task", metadata={"sessionId": child}), call)
    prompt = opencode.user(child, "Look around.")
    opencode.assistant(child, prompt)
    await follower.equals_cold_load()
    found = follower.session(child)
    assert found is not None
    op = follower.store.task_op_of(found)
    assert op is not None
    assert (op.part_id, op.kind) == (call, "session")
    assert len(found.turns) == 1


async def test_an_import_without_events_is_found(opencode: OpencodeWriter, follower: Follower) -> None:
    events, opencode.events = opencode.events, False
    session = opencode.session("Imported")
    opencode.user(session, "From elsewhere.")
    opencode.events = events
    await follower.equals_cold_load()


@pytest.mark.parametrize(
    "columns",
    [{"title": "A better title"}, {"time_archived": 1_900_000_000_000}, {"revert": '{"messageID":"msg_1"}'}],
    ids=["title", "archive", "revert"],
)
async def test_a_change_of_the_session_row_alone_is_seen(
    opencode: OpencodeWriter, follower: Follower, columns: dict[str, Any]
) -> None:
    opencode.change_session(opencode.sessions[0], **columns)
    await follower.equals_cold_load()


async def test_a_commit_about_nothing_we_show_brings_no_event(opencode: OpencodeWriter, follower: Follower) -> None:
    await follower.equals_cold_load()
    before = len(follower.batches)
    statement = "INSERT INTO todo (session_id, content, status, priority, position, time_created, time_updated)"
    row = (opencode.sessions[0], "think", "pending", "low", 1, 1, 1)
    opencode.commit((f"{statement} VALUES (?, ?, ?, ?, ?, ?, ?)", row))
    opencode.part(newest(opencode), {"type": "text", "text": "afterwards"})
    await follower.equals_cold_load()
    assert not any(isinstance(e, SourceError) for e in follower.events)
    about = {getattr(e, "message_id", None) for b in follower.batches[before:] for e in b.events}
    assert about <= {newest(opencode), None}


async def test_a_failed_answer_is_told_and_a_later_clean_one_takes_it_back(
    opencode: OpencodeWriter, follower: Follower
) -> None:
    session, message = opencode.sessions[0], newest(opencode)
    error = {"name": "APIError", "data": {"message": "no"}}
    opencode.message(session, answer(5, completed=9, error=error), message)
    await follower.until(lambda: follower.session(session).final_status == "failed")  # type: ignore[union-attr]
    opencode.assistant(session, completed=12, finish="stop")
    await follower.until(lambda: follower.session(session).final_status == "")  # type: ignore[union-attr]
    await follower.equals_cold_load()


async def test_a_session_across_the_wrap_of_ids_keeps_its_order(opencode: OpencodeWriter, follower: Follower) -> None:
    session = opencode.sessions[0]
    now = opencode._now()
    opencode.ms = now
    opencode.id_shift_ms = 2**36 - 5 - now % 2**36
    before = opencode.assistant(session)
    opencode.part(before, {"type": "step-start"})
    opencode.id_shift_ms += 10
    opencode.part(before, {"type": "text", "text": "behind the wrap"})
    opencode.ms = now + 10
    after = opencode.assistant(session)
    opencode.part(after, {"type": "step-start"})
    assert after < before
    await follower.equals_cold_load()
    turns = list(follower.session(session).turns.values())  # type: ignore[union-attr]
    assert [turn.message_id for turn in turns[-2:]] == [before, after]
    assert [op.kind for op in turns[-2].ops.values()] == ["llm", "text"]


@pytest.mark.parametrize("statement", ["PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA wal_checkpoint(TRUNCATE)"])
async def test_a_checkpoint_changes_nothing(opencode: OpencodeWriter, follower: Follower, statement: str) -> None:
    await follower.equals_cold_load()
    for number in range(3):
        opencode.run(statement)
        opencode.part(newest(opencode), {"type": "text", "text": f"after checkpoint {number}"})
        await follower.equals_cold_load()


async def test_without_notifications_the_tick_finds_changes(opencode: OpencodeWriter) -> None:
    session = opencode.session()
    async with Follower(opencode.path, watch=False) as follower:
        await follower.loaded(session)
        opencode.user(session)
        await follower.equals_cold_load()


async def test_a_commit_that_becomes_visible_after_its_notification_is_not_left_for_the_tick(
    opencode: OpencodeWriter, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    await follower.equals_cold_load()
    await at_rest(follower)
    monkeypatch.setattr("adapter.sqlite.watch.TICK_S", 3600.0)
    monkeypatch.setattr("adapter.follow.gate.REST_S", 3600.0)
    state, before, looks = Snapshot.state, follower.source._follower._gate.state, 0
    assert isinstance(state, property)

    def late(self: Snapshot) -> object:
        """The writer's own order: the WAL is written, and with it we are woken; what it holds is visible later."""
        nonlocal looks
        looks += 1
        return before if looks <= 2 else state.__get__(self)

    monkeypatch.setattr(Snapshot, "state", property(late))
    opencode.part(newest(opencode), tool("running", input={"command": "make"}))
    await follower.equals_cold_load()
    assert looks > 2


async def test_a_commit_that_becomes_visible_long_after_it_was_written_is_found(
    opencode: OpencodeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where its writer is held up between the WAL and its index."""
    clocks = Clocks()
    session = opencode.session()
    message = opencode.assistant(session)
    async with quiet(Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic), session) as follower:
        state, before, is_visible = Snapshot.state, follower.source._follower._gate.state, False
        assert isinstance(state, property)
        seen: list[object] = []

        def held_up(self: Snapshot) -> object:
            seen.append(None)
            return state.__get__(self) if is_visible else before

        monkeypatch.setattr(Snapshot, "state", property(held_up))
        opencode.part(message, tool("running", input={"command": "make"}))
        await eventually(lambda: bool(seen) and not follower.source._follower.database.reader.is_open)
        is_visible = True
        clocks.pass_by(6.0)
        follower.nudge()
        await follower.equals_cold_load()


@pytest.mark.parametrize("opencode", ["1.18"], indirect=True)
async def test_a_feed_that_was_emptied_and_filled_again_proves_nothing(
    opencode: OpencodeWriter, follower: Follower
) -> None:
    """Its rowids are used again: behind the mark there is nothing new, although something is."""
    session, old = opencode.sessions[0], next(iter(opencode.parts))
    for _ in range(4):
        opencode.assistant(session, completed=1, finish="stop")
    await follower.equals_cold_load()
    text = {"type": "text", "text": "Patched while the feed was cut."}
    opencode.commit(("DELETE FROM event", ()), *opencode.part_statements(opencode.parts[old], text, old))
    await follower.equals_cold_load()
    assert follower.source.health().warnings == {"positions used again": 1}


@pytest.mark.parametrize(("failing", "call"), [("read_some", 1), ("read_inserts", 0)])
@pytest.mark.parametrize(
    ("error", "times"),
    [
        (OutOfTime("too long"), 1),
        (SourceBusy("locked"), 1),
        (SourceBusy("locked"), 2),
        (SourceChanged("replaced"), 1),
        (Damaged("restored in place"), 2),
    ],
    ids=["out of time", "busy", "busy for longer", "changed", "damaged"],
)
async def test_a_read_that_fails_half_way_loses_nothing_and_no_cursor_runs_ahead(
    opencode: OpencodeWriter,
    follower: Follower,
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
    call: int,
    error: Exception,
    times: int,
) -> None:
    """Two sessions change in one commit; the look at them fails after the first."""
    sessions = [opencode.sessions[0], opencode.session("Another")]
    messages = [newest(opencode), opencode.assistant(sessions[1])]
    await follower.loaded(*sessions)
    await follower.equals_cold_load()
    real, calls, told = getattr(adapter.follow.detect.look, failing), itertools.count(), len(follower.batches)
    failures = itertools.count()

    def failing_at_first(*arguments: Any) -> Pieces[Any]:
        if next(calls) >= call and next(failures) < times:
            raise error
        return (yield from real(*arguments))

    monkeypatch.setattr(adapter.follow.detect.look, failing, failing_at_first)
    parts = [opencode._id("prt") for _ in messages]
    data = tool("running", input={"command": "make"})
    pieces = zip(messages, parts, strict=True)
    opencode.commit(*[one for message, part in pieces for one in opencode.part_statements(message, data, part)])
    newest_part = opencode.run("SELECT max(rowid) FROM part")[0][0]
    await follower.equals_cold_load()
    assert next(failures) >= times
    seen: set[str] = set()
    for event in [event for batch in follower.batches[told:] for event in batch.events]:
        seen.add(getattr(event, "part_id", ""))
        if isinstance(event, SourceProgress) and json.loads(event.cursor)["marks"]["part_rowid"] >= newest_part:
            assert seen >= set(parts)


@pytest.mark.parametrize("opencode", ["1.18"], indirect=True)
async def test_a_feed_that_grew_past_its_mark_again_proves_nothing(
    opencode: OpencodeWriter, follower: Follower
) -> None:
    """The row at the mark is there, and is another one."""
    session, old = opencode.sessions[0], next(iter(opencode.parts))
    for _ in range(4):
        opencode.assistant(session, completed=1, finish="stop")
    await follower.equals_cold_load()
    mark = opencode.run("SELECT max(rowid) FROM event")[0][0]
    text = {"type": "text", "text": "Patched while the feed was cut."}
    last, noise = newest(opencode), {"type": "text", "text": "noise"}
    many = [one for _ in range(mark + 5) for one in opencode.part_statements(last, noise, "prt_noise")]
    opencode.commit(("DELETE FROM event", ()), *opencode.part_statements(opencode.parts[old], text, old), *many)
    await follower.equals_cold_load()
    assert follower.source.health().warnings == {"positions used again": 1}


@pytest.mark.parametrize("opencode", ["1.18"], indirect=True)
async def test_a_rewrite_in_the_same_millisecond_is_seen_though_the_feed_was_cut(
    opencode: OpencodeWriter, follower: Follower
) -> None:
    """The list of rows is as it was, and the session has just been explained by the feed."""
    opencode.ms = opencode._now()
    old = next(iter(opencode.parts))
    message = opencode.parts[old]
    for _ in range(4):
        opencode.assistant(opencode.sessions[0], completed=1, finish="stop")
    opencode.part(message, {"type": "text", "text": "first"}, old)
    await follower.equals_cold_load()
    mark = opencode.run("SELECT max(rowid) FROM event")[0][0]
    second = opencode.part_statements(message, {"type": "text", "text": "second"}, old)
    opencode.commit(*second, ("DELETE FROM event WHERE rowid >= ?", (mark,)))
    await follower.equals_cold_load()


@pytest.mark.parametrize("opencode", ["1.18"], indirect=True)
async def test_rows_cut_out_of_the_feed_before_they_were_read_are_noticed(
    opencode: OpencodeWriter, follower: Follower
) -> None:
    """The mark stays as it is; that the sessions counted more writes than the feed told is all there is to see."""
    session, old = opencode.sessions[0], next(iter(opencode.parts))
    for _ in range(4):
        opencode.assistant(session, completed=1, finish="stop")
    await follower.equals_cold_load()
    mark = opencode.run("SELECT max(rowid) FROM event")[0][0]
    text = {"type": "text", "text": "Patched, and cut out."}
    opencode.commit(
        *opencode.part_statements(opencode.parts[old], text, old),
        ("DELETE FROM event WHERE rowid > ?", (mark,)),
        *opencode.part_statements(newest(opencode), {"type": "text", "text": "told"}, opencode._id("prt")),
    )
    await follower.equals_cold_load()
    assert follower.source.health().warnings == {"positions used again": 1}


FEED_TELLS = pytest.mark.parametrize("opencode", ["1.18"], indirect=True)


@FEED_TELLS
@pytest.mark.parametrize("then", ["another session goes", "the numbers are looked at", "more is told, much later"])
async def test_a_rewrite_cut_out_of_the_feed_is_seen_by_the_number_of_its_session(
    opencode: OpencodeWriter, follower: Follower, then: str
) -> None:
    """In the same millisecond, and with its mark the feed stays in place. A session that goes lowers the sum of all
    numbers; an event before the lost one must not pass for it; what is newer does not make the row old news."""
    opencode.ms = opencode._now()
    session, old = opencode.sessions[0], next(iter(opencode.parts))
    for _ in range(4):
        opencode.assistant(session, completed=1, finish="stop")
    opencode.part(opencode.parts[old], {"type": "text", "text": "Told."}, old)
    doomed = opencode.session("Doomed")
    await follower.loaded(doomed)
    await follower.equals_cold_load()
    reconciler = follower.source._follower.reconciler
    await eventually(lambda: not reconciler.expected)
    reconciler.due = float("inf")
    opencode.change_session(session, title="Told")
    await follower.until(lambda: follower.session(session).title == "Told")  # type: ignore[union-attr]
    reconciler.expected = False
    mark = opencode.run("SELECT max(rowid) FROM event")[0][0]
    cut = opencode.part_statements(opencode.parts[old], {"type": "text", "text": "Lost."}, old)
    cut.append(("DELETE FROM event WHERE rowid > ?", (mark,)))
    if then == "more is told, much later":
        opencode.ms += 10_000
        cut += opencode.part_statements(newest(opencode), {"type": "text", "text": "New."}, opencode._id("prt"))
    opencode.commit(*cut)
    if then == "another session goes":
        opencode.remove_session(doomed)
    else:
        await eventually(lambda: reconciler.expected)
    reconciler.due = 0.0
    await follower.equals_cold_load()


@FEED_TELLS
async def test_a_feed_that_tells_all_is_not_suspected(opencode: OpencodeWriter, follower: Follower) -> None:
    """Nothing is read twice because of the numbers while opencode alone writes, a session that goes included."""
    doomed = opencode.session("Doomed")
    await follower.loaded(doomed)
    for _ in range(3):
        opencode.user(doomed)
        opencode.user(opencode.sessions[0])
        await follower.equals_cold_load()
    opencode.remove_session(doomed)
    await follower.equals_cold_load()
    opencode.commit(("UPDATE project SET worktree = '/elsewhere'", ()))
    reconciler = follower.source._follower.reconciler
    await eventually(lambda: not reconciler.expected)
    assert follower.source.health().warnings == {}
    assert follower.source.health().strategy == "event feed"


@FEED_TELLS
async def test_what_is_written_while_everything_is_compared_is_compared_a_minute_later(
    opencode: OpencodeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By rewrites that no feed tells of: one just behind the look at its list, one shortly after."""
    session = opencode.session()
    old = opencode.part(opencode.assistant(session, completed=1, finish="stop"), {"type": "text", "text": "old"})
    for _ in range(4):
        opencode.assistant(session, completed=1, finish="stop")
    clocks, compared = Clocks(), asyncio.Event()

    def slow(*arguments: Any) -> frozenset[str]:
        found = differing(*arguments)
        if not compared.is_set():
            opencode.events = False
            opencode.part(opencode.parts[old], {"type": "text", "text": "edited by another tool"}, old)
            clocks.pass_by(61.0)
            compared.set()
        return found

    async with Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic) as follower:
        await follower.loaded(session)
        reconciler = follower.source._follower.reconciler
        await eventually(lambda: not reconciler.expected)
        monkeypatch.setattr("adapter.follow.reconcile.differing", slow)
        clocks.pass_by(61.0)
        opencode.change_session(session, title="Activity")
        await compared.wait()
        follower.nudge()
        await follower.equals_cold_load()


@pytest.mark.parametrize("opencode", ["1.15", "1.2"], indirect=True)
async def test_rows_that_take_the_place_of_deleted_ones_are_new(opencode: OpencodeWriter) -> None:
    """The session they belong to is old and not loaded, so nothing else points to them."""
    old = opencode.session("Old", time_created=1, time_updated=1)
    for _ in range(3):
        latest = opencode.session("New")
    messages = [opencode.assistant(latest, completed=1, finish="stop") for _ in range(3)]
    for message in messages:
        opencode.part(message, {"type": "step-start"})
    async with Follower(opencode.path) as follower:
        await follower.loaded(latest)
        for message in messages:
            opencode.remove_message(message)
        await follower.equals_cold_load()
        opencode.user(old, "Revived.")
        await follower.until(lambda: follower.session(old).loaded)  # type: ignore[union-attr]
        await follower.equals_cold_load()


@pytest.mark.parametrize("opencode", ["1.18"], indirect=True)
async def test_a_rewrite_that_no_feed_tells_is_found_after_a_minute_of_activity(opencode: OpencodeWriter) -> None:
    session = opencode.session()
    old = opencode.part(opencode.assistant(session, completed=1, finish="stop"), {"type": "text", "text": "old"})
    for _ in range(4):
        opencode.assistant(session, completed=1, finish="stop")
    clocks = Clocks()
    async with Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic) as follower:
        await follower.loaded(session)
        opencode.events = False
        opencode.part(opencode.parts[old], {"type": "text", "text": "edited by another tool"}, old)
        clocks.pass_by(61.0)
        opencode.change_session(session, title="Activity")
        await follower.equals_cold_load()


@pytest.mark.parametrize("opencode", ["1.18"], indirect=True)
async def test_a_rewrite_that_no_feed_tells_is_found_though_nothing_follows_it(opencode: OpencodeWriter) -> None:
    session = opencode.session()
    old = opencode.part(opencode.assistant(session, completed=1, finish="stop"), {"type": "text", "text": "old"})
    for _ in range(4):
        opencode.assistant(session, completed=1, finish="stop")
    clocks = Clocks()
    async with Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic) as follower:
        await follower.loaded(session)
        reconciler = follower.source._follower.reconciler
        await eventually(lambda: not reconciler.expected)
        compared = reconciler.due
        opencode.events = False
        opencode.part(opencode.parts[old], {"type": "text", "text": "edited by another tool"}, old)
        # The commit has been looked at, and there is nothing more to wake up for.
        await eventually(lambda: reconciler.due > compared and not reconciler.expected)
        clocks.pass_by(61.0)
        follower.nudge()
        await follower.equals_cold_load()


@pytest.mark.parametrize("opencode", ["1.18"], indirect=True)
async def test_health_counts_down_the_sessions_still_to_be_looked_at(opencode: OpencodeWriter) -> None:
    for _ in range(8):
        opencode.session()
    clocks = Clocks()
    clocks.pass_by(86_400.0)
    async with Follower(opencode.path, clock=clocks.wall) as follower:
        await follower.until(lambda: bool(follower.batches))
        # A day later only the three newest are read at once.
        assert follower.source.health().unread == 5
        await eventually(lambda: follower.source.health().unread == 0)
        assert follower.source.health().checked == 8
