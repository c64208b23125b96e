"""What following costs: nothing while nothing is committed, one message when one part changes, never a full scan."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import adapter.follow.gate
from adapter.events import Event
from adapter.follow import tracked
from adapter.follow.scan import SCAN_PAGE
from adapter.local import OpencodeSource
from adapter.opencode import storage
from adapter.opencode.queries import EVENT_SAMPLES
from adapter.sqlite.reader import Reader, Snapshot
from adapter.sqlite.rows import FIRST_ROWID
from tests.adapter import corpus
from tests.adapter.follow.helpers import Asked, at_rest, noting_statements, noting_transactions, quiet
from tests.adapter.follower import Follower, eventually
from tests.adapter.opencode_writer import OpencodeWriter, tool
from tui.model.store.store import Store


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Every statement of the adapter from now on."""
    return noting_statements(monkeypatch)


@pytest.fixture(params=["1.18.33", "1.2.1"])
def opencode(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpencodeWriter]:
    with OpencodeWriter(tmp_path / "opencode.db", request.param) as writer:
        yield writer


def long_session(opencode: OpencodeWriter, messages: int) -> str:
    """A session of so many answers with ten parts each, all but the last one ended; returns the last part."""
    session = opencode.session()
    part = ""
    for number in range(messages):
        message = opencode.assistant(session, completed=0 if number == messages - 1 else 1, finish="tool-calls")
        commit = []
        for _ in range(10):
            part = opencode._id("prt")
            commit += opencode.part_statements(message, tool("running", input={"command": "make"}), part)
        opencode.commit(*commit)
    return part


@asynccontextmanager
async def following(opencode: OpencodeWriter, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Follower]:
    """A follower at rest that keeps its connection, and compares nothing by itself."""
    monkeypatch.setattr(adapter.follow.gate, "REST_S", 3600.0)
    async with quiet(Follower(opencode.path), *opencode.sessions) as follower:
        reconciler = follower.source._follower.reconciler
        reconciler.due = reconciler.reconcile_at = float("inf")
        yield follower


async def test_while_nothing_is_committed_no_statement_is_run(
    opencode: OpencodeWriter, statements: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter.follow.gate, "LAST_LOOK_S", 0.2)
    long_session(opencode, 3)
    looks = Counter[str]()
    monkeypatch.setattr(Reader, "look", noted(looks, Reader.look, "look"))
    async with quiet(Follower(opencode.path), *opencode.sessions) as follower:
        reader = follower.source._reader
        # The files may still look as if they were written just now, and what was written last may be visible late.
        gate = follower.source._follower._gate
        await eventually(lambda: gate._settled and gate._looked_last)
        await at_rest(follower)
        statements.clear()
        transactions = reader.transactions
        for _ in range(20):
            before = looks["look"]
            follower.nudge()
            await eventually(lambda before=before: looks["look"] > before)  # type: ignore[misc]
        assert statements == []
        assert reader.transactions == transactions
        # And what is not asked for long is closed.
        await eventually(lambda: not reader.is_open)
        hops = reader.hops
        before = looks["look"]
        await eventually(lambda: looks["look"] > before)
        assert (reader.hops, statements) == (hops, [])


@pytest.mark.parametrize("messages", [5, 60])
async def test_one_changed_part_reads_its_message_whatever_the_length_of_the_session(
    opencode: OpencodeWriter, statements: list[Asked], monkeypatch: pytest.MonkeyPatch, messages: int
) -> None:
    part = long_session(opencode, messages)
    async with following(opencode, monkeypatch) as follower:
        statements.clear()
        opencode.part(opencode.parts[part], tool("completed", output="done"), part)
        await follower.until(
            lambda: any(getattr(e, "part_id", "") == part and e.ts for e in follower.batches[-1].events),
            lambda: str(follower.batches[-1].events),
        )
        rows = sum(one.rows for one in statements if '"data"' in one.sql and '"part"' in one.sql)
        # An old file gives no hint which message it was, so the newest two and what is open are looked at.
        assert rows == (10 if opencode.version == "1.18.33" else 20)
        events = [e for e in follower.batches[-1].events if getattr(e, "part_id", "")]
        assert {e.part_id for e in events} == {part}  # type: ignore[attr-defined]


async def test_what_one_changed_part_costs(opencode: OpencodeWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    part = long_session(opencode, 30)
    async with following(opencode, monkeypatch) as follower:
        decoded = Counter[str]()
        for name in ("decode_message", "decode_part"):
            monkeypatch.setattr(storage, name, noted(decoded, getattr(storage, name), name))
        mapped = Counter[str]()
        monkeypatch.setattr(tracked, "map_message", noted(mapped, tracked.map_message, "map_message"))
        transactions = noting_transactions(monkeypatch)
        told = len(follower.batches)
        opencode.part(opencode.parts[part], tool("completed", output="done"), part)
        await follower.until(lambda: any(getattr(e, "part_id", "") == part for e in tail_of(follower, told)))
        # All of it in one transaction, by one hop to SQLite's thread.
        (statements,) = transactions
        kinds = Counter(re.findall(r'FROM "?(\w+)|PRAGMA (\w+)', one.sql)[0] for one in statements)
        asked = {table or pragma: count for (table, pragma), count in kinds.items()}
    if opencode.version == "1.18.33":
        assert asked == {
            "data_version": 1, "event": 1, "message": 2, "part": 2, "session_message": 2,
            "session": 2,
        }  # fmt: skip
        assert decoded == {"decode_message": 1, "decode_part": 10}
        assert mapped == {"map_message": 1}
    else:
        # Nothing tells which message it was: the newest two of each live session are read, and what is open.
        assert asked == {"data_version": 1, "message": 3, "part": 3, "session": 1}
        assert decoded == {"decode_message": 2, "decode_part": 20}
        assert mapped == {"map_message": 2}


async def test_commits_about_nothing_we_show_are_looked_at_less_and_less(
    opencode: OpencodeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = long_session(opencode, 3)
    async with following(opencode, monkeypatch) as follower:
        transactions = noting_transactions(monkeypatch)
        began = time.monotonic()
        sql = "UPDATE project SET time_updated = time_updated + 1"
        commits = len(await asyncio.to_thread(opencode.hammer, 3000, sql))
        took = time.monotonic() - began
        looks = len(transactions)
        # 2 at once, then after 16, 32, 64, 128, 256 and every 500 ms.
        assert 2 <= looks <= 8 + 2 * took < commits / 50
        opencode.part(opencode.parts[part], tool("completed", output="done"), part)
        await follower.equals_cold_load()


def noted(counter: Counter[str], function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function, counting its calls under a name."""

    def counting(*arguments: Any) -> Any:
        counter[name] += 1
        return function(*arguments)

    return counting


def tail_of(follower: Follower, told: int) -> list[Event]:
    """The events of all batches but the first so many."""
    return [event for batch in follower.batches[told:] for event in batch.events]


@pytest.mark.parametrize("sessions", [1, 20])
async def test_a_scan_reads_each_session_once_and_remembers_none(
    opencode: OpencodeWriter, statements: list[Asked], monkeypatch: pytest.MonkeyPatch, sessions: int
) -> None:
    for _ in range(sessions):
        message = opencode.assistant(opencode.session(), completed=1)
        opencode.part(message, tool("completed", output="done"))
    monkeypatch.setattr(tracked, "digest", None)
    async with OpencodeSource(opencode.path) as source:
        await source.open()
        before = source._reader.transactions
        statements.clear()
        batches = [batch async for batch in source.stream()]
        transactions = source._reader.transactions - before
    assert [len(batch.loaded) for batch in batches if batch.loaded] == [1] * sessions
    data = [one.parameters for one in statements if '"data"' in one.sql and '"part"' in one.sql]
    assert sorted(session for asked in data for session in asked) == sorted(opencode.sessions)
    # Marks, parents, the list of sessions; then a transaction for each page.
    assert transactions == 3 + -(-sessions // SCAN_PAGE)


async def test_statements_of_a_change_scan_no_large_table(opencode: OpencodeWriter, statements: list[Asked]) -> None:
    part = long_session(opencode, 3)
    async with quiet(Follower(opencode.path), *opencode.sessions) as follower:
        statements.clear()
        opencode.part(opencode.parts[part], tool("completed", output="done"), part)
        await follower.equals_cold_load()
        opencode.user(opencode.sessions[0])
        opencode.remove_part(part)
        opencode.change_session(opencode.sessions[0], title="renamed")
        await follower.equals_cold_load()
    # The cold loads are among them: reading a session whole must not scan either.
    assert len({one.sql for one in statements}) > 8
    assert [one.sql for one in statements if one.reads_a_large_table_whole(opencode)] == []


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_a_scan_would_be_seen_in_the_plan(version: str, tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db", version) as opencode:
        for table in ("message", "part"):
            for scan in (
                Asked(f"SELECT data FROM {table} WHERE time_updated > ?", (1,)),
                Asked(f"SELECT data FROM {table} WHERE rowid > ? ORDER BY rowid", (FIRST_ROWID,)),
            ):
                assert scan.reads_a_large_table_whole(opencode)
            for search in (
                Asked(f"SELECT data FROM {table} WHERE id = ?", ("x",)),
                Asked(f"SELECT data FROM {table} WHERE rowid > ? ORDER BY rowid", (5,)),
            ):
                assert not search.reads_a_large_table_whole(opencode)


@pytest.mark.parametrize("opencode", ["1.18.33"], indirect=True)
async def test_the_share_of_the_events_is_told_from_a_sample(opencode: OpencodeWriter, statements: list[Asked]) -> None:
    long_session(opencode, 300)
    async with OpencodeSource(opencode.path) as source:
        health = await source.probe()
    connection = sqlite3.connect(f"file:{opencode.path}?mode=ro", uri=True)
    (size,) = connection.execute("SELECT sum(length(CAST(data AS BLOB))) FROM event").fetchone()
    connection.close()
    assert health.counts["events"] > 2 * EVENT_SAMPLES
    assert health.event_bytes == pytest.approx(size, rel=0.1)
    assert health.event_share == health.event_bytes / health.page_bytes
    (asked,) = [one for one in statements if "avg(" in one.sql]
    assert len(asked.parameters) == EVENT_SAMPLES


@pytest.mark.parametrize("opencode", ["1.18.33"], indirect=True)
async def test_events_that_go_while_they_are_counted_take_no_share(
    opencode: OpencodeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    opencode.user(opencode.session())
    rows = Snapshot.rows

    def emptied(self: Snapshot, sql: str, parameters: Any = ()) -> list[Any]:
        found = rows(self, sql, parameters)
        if 'count(*) FROM "event"' in sql:
            # Seen by the next transaction.
            opencode.commit(("DELETE FROM event", ()))
            counted.extend(found)
        return found

    counted: list[Any] = []
    async with OpencodeSource(opencode.path, watch=False) as source:
        await source.open()
        monkeypatch.setattr(Snapshot, "rows", emptied)
        assert (await source.probe()).event_bytes == 0
    assert counted[0][0] > 0


async def test_who_looks_once_at_a_quiet_file_reads_the_row_of_each_session_once(
    opencode: OpencodeWriter, statements: list[Asked]
) -> None:
    for _ in range(3):
        opencode.user(opencode.session(), "hello")
    async with OpencodeSource(opencode.path) as source:
        await source.open()
        statements.clear()
        async for _ in source.glance():
            pass
    catalogues = [one for one in statements if 'FROM "session" WHERE rowid > ?' in one.sql and '"title"' in one.sql]
    assert [one.rows for one in catalogues] == [len(opencode.sessions)]


async def test_tables_that_change_before_somebody_looks_once_are_learned_again(opencode: OpencodeWriter) -> None:
    opencode.user(opencode.session(), "hello")
    seen, cold = Store(), Store()
    async with OpencodeSource(opencode.path) as source:
        await source.open()
        # SQLite takes a name in double quotes that no column has for a text.
        opencode.run("ALTER TABLE session RENAME COLUMN version TO made_by")
        async for batch in source.glance():
            seen.apply(batch.events)
    async with OpencodeSource(opencode.path) as source:
        async for batch in source.glance():
            cold.apply(batch.events)
    assert [session.version for session in cold.sessions.values()] == [""]
    assert [session.version for session in seen.sessions.values()] == [""]


async def test_what_is_committed_while_somebody_looks_once_is_told(opencode: OpencodeWriter) -> None:
    session = opencode.session()
    opencode.user(session, "hello")
    seen = Store()
    async with OpencodeSource(opencode.path) as source:
        late = ""
        async for batch in source.glance():
            if not late:
                late = opencode.user(session, "and this")
                new = opencode.session()
            seen.apply(batch.events)
    assert late in seen.sessions[source.source, session].prompts
    assert (source.source, new) in seen.sessions
