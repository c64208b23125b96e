"""Resuming: whatever was read before, and whatever happened meanwhile, the model ends where a cold load ends."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import adapter.follow.backlog
from adapter.contract import Batch, SourceBusy
from adapter.events import Event, LogEntry, SessionStarted, SourceProgress
from adapter.follow import position as cursors
from adapter.follow.position import Cursor, Watermarks
from adapter.follow.scan import SCAN_PAGE
from adapter.local import OpencodeSource
from adapter.opencode.storage import RawSession
from adapter.sqlite.reader import Pieces
from tests.adapter import corpus
from tests.adapter.follower import apply, cold_store, differences, eventually
from tests.adapter.opencode_writer import OpencodeWriter, answer, tool
from tests.adapter.writer import Writer
from tui.model.records import Op
from tui.model.store.store import Store

MANY_SESSIONS = "1.18.33/lifecycle"


async def batches(path: Path, cursor: str | None = None, stop_after: int = 10**9) -> list[Batch]:
    """The batches of one run of `stream`, which is killed after `stop_after` of them."""
    out: list[Batch] = []
    async with OpencodeSource(path, watch=False) as source, aclosing(source.stream(cursor)) as stream:
        async for batch in stream:
            out.append(batch)
            if len(out) == stop_after:
                break
    return out


def last_cursor(found: list[Batch]) -> str:
    event = found[-1].events[-1]
    assert isinstance(event, SourceProgress)
    return event.cursor


def content(found: list[Batch]) -> list[Event]:
    return [event for batch in found for event in batch.events if not isinstance(event, SourceProgress)]


def remarks(found: list[Batch]) -> list[str]:
    return [event.message for event in content(found) if isinstance(event, LogEntry) and event.ref == "cursor"]


def consumer(path: Path, first: list[Batch], second: list[Batch]) -> Store:
    """A model that took in both runs; when the second says that it starts over, it forgets the first."""
    store = Store()
    for batch in second if remarks(second) else [*first, *second]:
        apply(store, f"opencode:{path}", batch)
    return store


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return corpus.build(MANY_SESSIONS, tmp_path / "opencode.db")


async def test_a_scan_killed_after_any_batch_goes_on_where_it_was(database: Path) -> None:
    whole = await batches(database)
    assert len(whole) > 5
    for stop in range(1, len(whole)):
        head = await batches(database, stop_after=stop)
        tail = await batches(database, last_cursor(head))
        again = content(head) + content(tail)
        told = [event for event in again if isinstance(event, SessionStarted)]
        assert len({event.session_id for event in told}) == len(corpus.table(MANY_SESSIONS, "SELECT id FROM session"))
        assert [event for event in again if event in content(whole)][: len(content(whole))] == content(whole)


async def test_every_batch_ends_with_a_cursor_that_covers_it(database: Path) -> None:
    for batch in await batches(database):
        assert [type(event) for event in batch.events].count(SourceProgress) == 1
        assert isinstance(batch.events[-1], SourceProgress)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda cursor: "", ""),
        (lambda cursor: "garbage", "the cursor is not one of this program"),
        (lambda cursor: "{}", "the cursor is of version unknown, this program"),
        (lambda cursor: cursor.replace(f',"version":{cursors.VERSION}', ""), "the cursor is of version unknown, this"),
        (lambda cursor: "\ud800", "the cursor is not one of this program"),
        (
            lambda cursor: cursor.replace(f'"version":{cursors.VERSION}', '"version":7'),
            "the cursor is of version 7, this program",
        ),
        (lambda cursor: cursor.replace('"target":"', '"target":"x'), "the cursor belongs to another database file"),
    ],
    ids=["none", "garbage", "empty object", "no version", "surrogate", "version", "target"],
)
async def test_a_cursor_that_does_not_fit_means_everything_and_a_warning(
    database: Path, change: Callable[[str], str], reason: str
) -> None:
    whole = await batches(database)
    found = await batches(database, change(last_cursor(whole)))
    assert [event for event in content(found) if getattr(event, "ref", "") != "cursor"] == content(whole)
    assert [words.removeprefix("starting over: ")[: len(reason)] for words in remarks(found)] == [reason][
        : bool(reason)
    ]


async def test_a_cursor_of_a_replaced_file_means_everything(database: Path, tmp_path: Path) -> None:
    cursor = last_cursor(await batches(database))
    corpus.build(MANY_SESSIONS, tmp_path / "new.db").replace(database)
    found = await batches(database, cursor)
    assert remarks(found) == ["starting over: the cursor belongs to another database file"]
    assert len([e for e in content(found) if isinstance(e, SessionStarted)]) > 1


def test_a_cursor_survives_the_way_through_text(database: Path) -> None:
    marks = Watermarks(5, "evt_1", 6, 7, 8, 9, 10)
    cursor = Cursor(cursors.target_of(database, (1, 2)), "hash", "scan", marks, 2**64 - 1, cursors.VERSION)
    assert cursors.decode(cursors.encode(cursor), cursor.target) == (cursor, "")
    assert "\n" not in cursors.encode(cursor)


# -- what happened between two runs


Kinds = {"1.18": ("1.18.33", True), "1.15": ("1.15.13", False), "1.2": ("1.2.1", False)}


def ops(store: Store) -> list[Op]:
    return [op for session in store.sessions.values() for turn in session.turns.values() for op in turn.ops.values()]


def rewrite_in_place(opencode: OpencodeWriter, part: str) -> None:
    opencode.part(opencode.parts[part], tool("completed", output="done"), part)


def end_an_answer(opencode: OpencodeWriter, part: str) -> None:
    message = opencode.parts[part]
    opencode.message(opencode.messages[message], answer(1, completed=5, tokens=9, finish="stop"), message)


def remove_a_part(opencode: OpencodeWriter, part: str) -> None:
    opencode.remove_part(part)


def remove_a_message(opencode: OpencodeWriter, part: str) -> None:
    opencode.remove_message(opencode.parts[part])


def add_a_session(opencode: OpencodeWriter, part: str) -> None:
    opencode.user(opencode.session("New"))


def rename(opencode: OpencodeWriter, part: str) -> None:
    opencode.change_session(opencode.sessions[0], title="Renamed")


def prune_and_rewrite(opencode: OpencodeWriter, part: str) -> None:
    rewrite_in_place(opencode, part)
    if opencode.events:
        opencode.commit(("DELETE FROM event", ()))


def prune_and_go_on(opencode: OpencodeWriter, part: str) -> None:
    """The feed is emptied and grows past the old mark: its rowids are used again."""
    prune_and_rewrite(opencode, part)
    for number in range(40):
        opencode.user(opencode.sessions[-1], f"Prompt {number}")


def remove_the_session(opencode: OpencodeWriter, part: str) -> None:
    opencode.remove_session(opencode.messages[opencode.parts[part]])


def remove_the_newest_session_and_make_another(opencode: OpencodeWriter, part: str) -> None:
    """The new one takes the rowid of the old one."""
    opencode.remove_session(opencode.sessions[-1])
    opencode.user(opencode.session("New"))


def another_type(opencode: OpencodeWriter, part: str) -> None:
    opencode.part(opencode.parts[part], {"type": "text", "text": "no call after all"}, part)


def prune_just_behind_the_mark(opencode: OpencodeWriter, part: str) -> None:
    """The row that the cursor names stays; the one that tells of the change goes."""
    newest = opencode.run("SELECT max(rowid) FROM event")[0][0] if opencode.events else 0
    rewrite_in_place(opencode, part)
    if opencode.events:
        opencode.commit(("DELETE FROM event WHERE rowid > ?", (newest,)))
        opencode.user(opencode.sessions[-1], "And on.")


def move_to_another_project(opencode: OpencodeWriter, part: str) -> None:
    """As opencode does when a repository gets its first commit: no event tells."""
    opencode.run("PRAGMA foreign_keys=OFF")
    opencode.commit(("UPDATE session SET project_id = 'another'", ()))


CHANGES = [
    rewrite_in_place, end_an_answer, remove_a_part, remove_a_message, add_a_session, rename, prune_and_rewrite,
    prune_and_go_on, remove_the_session, remove_the_newest_session_and_make_another, another_type,
    prune_just_behind_the_mark, move_to_another_project,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", Kinds)
async def test_what_happened_between_two_runs_is_told_by_the_second(
    tmp_path: Path, kind: str, change: Callable[[OpencodeWriter, str], None]
) -> None:
    version, events = Kinds[kind]
    with OpencodeWriter(tmp_path / "opencode.db", version, events=events) as opencode:
        old = opencode.session("Old", time_updated=1)
        part = opencode.part(opencode.assistant(old), tool("running"))
        for _ in range(5):
            opencode.user(opencode.session("Others"))
        first = await batches(opencode.path)
        change(opencode, part)
        second = await batches(opencode.path, last_cursor(first))
        assert differences(consumer(opencode.path, first, second), await cold_store(opencode.path)) == []


UNREACHABLE = "the file has no change feed that reaches back to the cursor"
GONE = "sessions were deleted or moved since the cursor was left"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (prune_and_rewrite, UNREACHABLE),
        (prune_and_go_on, UNREACHABLE),
        (prune_just_behind_the_mark, "the change feed does not tell of every write since the cursor was left"),
        (remove_the_session, GONE),
        (move_to_another_project, GONE),
    ],
)
async def test_a_run_that_starts_over_says_why(
    tmp_path: Path, change: Callable[[OpencodeWriter, str], None], reason: str
) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        part = opencode.part(opencode.assistant(opencode.session()), tool("running"))
        opencode.user(opencode.session())
        cursor = last_cursor(await batches(opencode.path))
        change(opencode, part)
        assert remarks(await batches(opencode.path, cursor)) == [f"starting over: {reason}"]


async def test_a_run_behind_a_migration_starts_over_and_tells_what_changed(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/task", tmp_path / "opencode.db")
    cursor = last_cursor(await batches(path))
    with Writer(path) as writer:
        writer.run("ALTER TABLE session ADD COLUMN n")
        writer.commit(
            ("INSERT INTO migration VALUES ('29990101000000_x', 1)", ()), ("UPDATE session SET title = 'NEW'", ())
        )
        found = await batches(path, cursor)
    assert remarks(found) == ["starting over: opencode migrated the database since the cursor was left"]
    (severity,) = {e.severity for e in content(found) if isinstance(e, LogEntry) and e.ref == "cursor"}
    assert severity == "WRN"
    assert {event.title for event in content(found) if isinstance(event, SessionStarted)} == {"NEW"}


@pytest.mark.parametrize("kind", Kinds)
@pytest.mark.parametrize("removed", [None, 0, 3], ids=["no session gone", "one told gone", "one not told gone"])
async def test_what_happened_during_a_scan_that_was_killed_is_told_by_its_end(
    tmp_path: Path, kind: str, removed: int | None
) -> None:
    version, events = Kinds[kind]
    with OpencodeWriter(tmp_path / "opencode.db", version, events=events) as opencode:
        parts = [opencode.part(opencode.assistant(opencode.session(f"{n}")), tool("running")) for n in range(4)]
        first = await batches(opencode.path, stop_after=2)
        rewrite_in_place(opencode, parts[0])
        opencode.remove_part(parts[1])
        if removed is not None:
            opencode.remove_session(opencode.sessions[removed])
        second = await batches(opencode.path, last_cursor(first))
        assert differences(consumer(opencode.path, first, second), await cold_store(opencode.path)) == []


async def test_a_session_that_goes_after_a_scan_told_it_is_taken_back(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        doomed = opencode.session("Doomed")
        opencode.user(opencode.session("Stays"))
        store = Store()
        async with (
            OpencodeSource(opencode.path, watch=False) as source,
            aclosing(source.stream(follow=True)) as stream,
            asyncio.timeout(10),
        ):
            async for batch in stream:
                apply(store, source.source, batch)
                if batch.loaded == [doomed] and doomed in opencode.sessions:
                    opencode.remove_session(doomed)
                if (source.source, doomed) not in store.sessions:
                    break
        assert differences(store, await cold_store(opencode.path)) == []


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "to its end"])
async def test_a_session_whose_parent_goes_before_a_scan_tells_it_is_a_root(tmp_path: Path, killed: bool) -> None:
    """The child was told under its parent, and neither its own row nor the feed says that it has none now."""
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        opencode.session("First")
        child = opencode.session("Child", parent := "ses_later")
        for _ in range(SCAN_PAGE):
            opencode.session()
        told = await batches(opencode.path, stop_after=1)
        assert told[-1].loaded == opencode.sessions[:1]
        # This comes behind the marks that the scan will follow from, and goes with all its traces.
        opencode.session("Parent", id=parent)
        async with (
            OpencodeSource(opencode.path, watch=False) as source,
            aclosing(source.stream(last_cursor(told))) as stream,
        ):
            async for batch in stream:
                told.append(batch)
                if batch.loaded == [child] and parent in opencode.sessions:
                    opencode.remove_session(parent)
                    if killed:
                        break
        last = await batches(opencode.path, last_cursor(told))
        assert differences(consumer(opencode.path, told, last), await cold_store(opencode.path)) == []


async def test_what_was_told_behind_the_cursor_that_is_left_is_taken_back_when_it_no_longer_holds(
    tmp_path: Path,
) -> None:
    """A run is killed between printing a batch and keeping its cursor."""
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        opencode.user(opencode.session())
        first = await batches(opencode.path)
        message = opencode.assistant(opencode.session("New"))
        lost = await batches(opencode.path, last_cursor(first))
        opencode.message(opencode.messages[message], {"role": "user"}, message)
        again = await batches(opencode.path, last_cursor(first))
        assert remarks(again) == []
        store = consumer(opencode.path, [*first, *lost], again)
        assert differences(store, await cold_store(opencode.path)) == []


async def test_a_session_that_goes_during_a_run_is_taken_back_before_its_end(tmp_path: Path) -> None:
    """Nothing tells of it: neither the feed nor the numbers of writes."""
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        doomed, other = opencode.session("Doomed"), opencode.session("Stays")
        first = await batches(opencode.path)
        store = consumer(opencode.path, first, [])
        opencode.user(other)
        async with OpencodeSource(opencode.path, watch=False) as source:
            async for batch in source.stream(last_cursor(first)):
                apply(store, source.source, batch)
                opencode.commit(("DELETE FROM session WHERE id = ?", (doomed,)))
        assert (source.source, doomed) not in store.sessions
        assert differences(store, await cold_store(opencode.path)) == []


async def test_what_waits_behind_a_read_that_failed_is_told_and_no_cursor_covers_it_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two old sessions that a scan told are rewritten in one commit; reading the second of them fails once."""
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        text = {"type": "text", "text": "old", "time": {"start": 1, "end": 2}}
        answers = [opencode.assistant(opencode.session(), completed=1, finish="stop") for _ in range(2)]
        parts = [opencode.part(message, text) for message in answers]
        for _ in range(4):
            opencode.session("Newer")
        read, calls, store, newest = adapter.follow.backlog.read_whole, itertools.count(), Store(), 0

        def failing_once(*arguments: Any) -> Pieces[RawSession]:
            # The reader asks a second time by itself.
            if next(calls) in (1, 2):
                raise SourceBusy("locked")
            return (yield from read(*arguments))

        def told() -> bool:
            return [op.label for op in ops(store)] == ["new", "new"]

        async with (
            # A day later nothing is read because it might be live.
            OpencodeSource(opencode.path, watch=False, clock=lambda: time.time() + 86_400) as source,
            aclosing(source.stream(follow=True)) as stream,
            asyncio.timeout(10),
        ):
            async for batch in stream:
                apply(store, source.source, batch)
                last = batch.events[-1] if batch.events else None
                if isinstance(last, SourceProgress) and '"phase":"tail"' in last.cursor and not newest:
                    monkeypatch.setattr(adapter.follow.backlog, "read_whole", failing_once)
                    text["text"] = "new"
                    pieces = zip(answers, parts, strict=True)
                    opencode.commit(*[one for m, p in pieces for one in opencode.part_statements(m, text, p)])
                    newest = opencode.run("SELECT max(rowid) FROM event")[0][0]
                elif isinstance(last, SourceProgress) and f'"event_rowid":{newest},' in last.cursor:
                    assert told()
                    break
        assert next(calls) > 3


async def test_a_cursor_stays_small_however_many_sessions_there_are(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        opencode.user(opencode.session())
        one = last_cursor(await batches(opencode.path))
        for _ in range(200):
            opencode.session()
        many = last_cursor(await batches(opencode.path))
    assert len(many) < len(one) + 10


async def test_only_what_changed_is_told_by_a_run_that_resumes(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        first = opencode.part(opencode.assistant(opencode.session()), tool("running"))
        opencode.user(opencode.session())
        cursor = last_cursor(await batches(opencode.path))
        rewrite_in_place(opencode, first)
        found = await batches(opencode.path, cursor)
        assert {e.session_id for e in content(found) if hasattr(e, "message_id")} == {opencode.sessions[0]}
        assert remarks(found) == []


@pytest.mark.parametrize("kind", Kinds)
async def test_a_run_with_a_feed_resumes_and_one_without_starts_over(tmp_path: Path, kind: str) -> None:
    version, events = Kinds[kind]
    with OpencodeWriter(tmp_path / "opencode.db", version, events=events) as opencode:
        opencode.user(opencode.session())
        first = await batches(opencode.path)
        second = await batches(opencode.path, last_cursor(first))
        if events:
            assert not [event for event in content(second) if hasattr(event, "message_id")]
        else:
            assert remarks(second) == ["starting over: the file has no change feed that reaches back to the cursor"]


async def test_following_from_a_cursor_goes_on_live(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        part = opencode.part(opencode.assistant(session), tool("running"))
        store = Store()
        first = await batches(opencode.path)
        rewrite_in_place(opencode, part)
        async with (
            OpencodeSource(opencode.path, watch=False) as source,
            aclosing(source.stream(last_cursor(first), follow=True)) as stream,
            asyncio.timeout(10),
        ):
            for batch in first:
                apply(store, source.source, batch)
            async for batch in stream:
                apply(store, source.source, batch)
                if len(store.sessions[source.source, session].turns) == 2:
                    break
                if [op.status for op in ops(store)] == ["completed"] and len(opencode.messages) == 1:
                    opencode.assistant(session)
        assert differences(store, await cold_store(opencode.path)) == []


@pytest.mark.parametrize("kind", Kinds)
async def test_a_scan_that_goes_on_to_follow_misses_no_rewrite(tmp_path: Path, kind: str) -> None:
    version, events = Kinds[kind]
    with OpencodeWriter(tmp_path / "opencode.db", version, events=events) as opencode:
        part = opencode.part(opencode.assistant(opencode.session()), tool("running"))
        store, rewritten = Store(), False
        async with (
            OpencodeSource(opencode.path, watch=False) as source,
            aclosing(source.stream(follow=True)) as stream,
            asyncio.timeout(10),
        ):
            async for batch in stream:
                apply(store, source.source, batch)
                if not rewritten and batch.loaded:
                    rewrite_in_place(opencode, part)
                    rewritten = True
                if [op.status for op in ops(store)] == ["completed"]:
                    break
        assert differences(store, await cold_store(opencode.path)) == []


async def test_a_feed_that_tells_all_is_not_suspected_by_a_run_that_begins_or_resumes(tmp_path: Path) -> None:
    """What was written before the run is in the feed behind the cursor, or behind the mark that a scan begins with."""
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        opencode.user(opencode.session())
        cursor = None
        for _ in range(3):
            async with OpencodeSource(opencode.path, watch=False) as source:
                await source.open()
                opencode.user(opencode.sessions[0])
                opencode.user(opencode.session())
                found = [batch async for batch in source.stream(cursor)]
                opencode.user(opencode.sessions[0])
                found += [batch async for batch in source.stream(last_cursor(found))]
                assert source.health().warnings == {}
            cursor = last_cursor(found)
            opencode.user(opencode.sessions[0])


async def test_a_feed_that_tells_all_is_not_suspected_behind_a_scan(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        async with OpencodeSource(opencode.path, watch=False) as source:
            await source.open()
            opencode.user(session)

            async def rename_when_compared() -> None:
                await eventually(lambda: source._follower.reconciler.due > 0)
                opencode.change_session(session, title="Behind the comparison")

            async with (
                aclosing(source.stream(follow=True)) as stream,
                asyncio.timeout(10),
                asyncio.TaskGroup() as group,
            ):
                async for batch in stream:
                    title = next((event.title for event in batch.events if isinstance(event, SessionStarted)), "")
                    if title == "A session":
                        opencode.change_session(session, title="During the scan")
                        group.create_task(rename_when_compared())
                    elif title == "Behind the comparison":
                        break
            assert source.health().warnings == {}


async def test_a_rewrite_cut_out_of_the_feed_while_a_run_resumes_is_told_by_it(tmp_path: Path) -> None:
    """In the same millisecond, so that only the number of its session differs."""
    with OpencodeWriter(tmp_path / "opencode.db", ms=1_790_000_000_000) as opencode:
        session = opencode.session()
        part = opencode.part(opencode.assistant(session, completed=1, finish="stop"), {"type": "text", "text": "old"})
        for _ in range(4):
            opencode.assistant(session, completed=1, finish="stop")
        first = await batches(opencode.path)
        opencode.change_session(session, title="Told")
        rewrite = opencode.part_statements(opencode.parts[part], {"type": "text", "text": "Lost."}, part)
        store = consumer(opencode.path, first, [])
        async with OpencodeSource(opencode.path, watch=False) as source:
            async for batch in source.stream(last_cursor(first)):
                apply(store, source.source, batch)
                if rewrite:
                    mark = opencode.run("SELECT max(rowid) FROM event")[0][0]
                    opencode.commit(*rewrite, ("DELETE FROM event WHERE rowid > ?", (mark,)))
                    rewrite = []
        assert differences(store, await cold_store(opencode.path)) == []
