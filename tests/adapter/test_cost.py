"""What following costs: nothing while nothing is committed, one message when one part changes, never a full scan."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapter.events import Event
from adapter.follow import tracked
from adapter.local import SCAN_PAGE, OpencodeSource
from adapter.opencode import reading
from adapter.opencode.queries import EVENT_SAMPLES
from adapter.sqlite.reader import Reader, Snapshot
from tests.adapter import corpus
from tests.adapter.follower import Follower, eventually
from tests.adapter.opencode_writer import OpencodeWriter, tool

Statements = list[tuple[str, tuple[Any, ...], int]]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """Every SELECT of the adapter from now on: text, parameters, rows. `PRAGMA data_version` is not among them."""
    seen: Statements = []
    rows = Snapshot.rows

    async def noted(self: Snapshot, sql: str, parameters: Any = ()) -> list[Any]:
        found = await rows(self, sql, parameters)
        seen.append((sql, tuple(parameters), len(found)))
        return found

    monkeypatch.setattr(Snapshot, "rows", noted)
    return seen


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
async def quiet(opencode: OpencodeWriter) -> AsyncIterator[Follower]:
    """A follower that has seen everything and has nothing left to do by itself."""
    async with Follower(opencode.path) as follower:
        await follower.loaded(*opencode.sessions)
        await follower.equals_cold_load()
        tailer = follower.source._tailer
        await eventually(lambda: not tailer.comparison.expected and tailer._count_due == float("inf"))
        yield follower


async def test_while_nothing_is_committed_only_the_gate_is_asked(
    opencode: OpencodeWriter, statements: Statements
) -> None:
    long_session(opencode, 3)
    async with quiet(opencode) as follower:
        statements.clear()
        trace: list[str] = []
        reader = follower.source._database.reader
        await reader._connection.set_trace_callback(trace.append)
        await eventually(lambda: len(trace) >= 3)
        assert statements == []
        assert set(trace) == {"PRAGMA data_version"}
        assert reader._raw.in_transaction is False


@pytest.mark.parametrize("messages", [5, 60])
async def test_one_changed_part_reads_its_message_whatever_the_length_of_the_session(
    opencode: OpencodeWriter, statements: Statements, messages: int
) -> None:
    part = long_session(opencode, messages)
    async with quiet(opencode) as follower:
        statements.clear()
        opencode.part(opencode.parts[part], tool("completed", output="done"), part)
        await follower.until(
            lambda: any(getattr(e, "part_id", "") == part and e.ts for e in follower.batches[-1].events),
            lambda: str(follower.batches[-1].events),
        )
        data = [(sql, rows) for sql, _, rows in statements if '"data"' in sql]
        # An old file gives no hint which message it was, so the newest two and what is open are looked at.
        assert sum(rows for sql, rows in data if '"part"' in sql) == (10 if opencode.version == "1.18.33" else 20)
        events = [e for e in follower.batches[-1].events if getattr(e, "part_id", "")]
        assert {e.part_id for e in events} == {part}  # type: ignore[attr-defined]


async def test_what_one_changed_part_costs(
    opencode: OpencodeWriter, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = long_session(opencode, 30)
    async with quiet(opencode) as follower:
        decoded = Counter[str]()
        for name in ("decode_message", "decode_part"):
            monkeypatch.setattr(reading, name, noted(decoded, getattr(reading, name)))
        mapped = Counter[str]()
        monkeypatch.setattr(tracked, "map_message", noted(mapped, tracked.map_message))
        # The comparison of all session rows that follows is another matter.
        follower.source._tailer.comparison.due = float("inf")
        statements.clear()
        told = len(follower.batches)
        opencode.part(opencode.parts[part], tool("completed", output="done"), part)
        await follower.until(lambda: any(getattr(e, "part_id", "") == part for e in tail_of(follower, told)))
        kinds = Counter(re.findall(r'FROM "?(\w+)|PRAGMA (\w+)', sql)[0] for sql, _, _ in statements)
        asked = {table or pragma: count for (table, pragma), count in kinds.items()}
    if opencode.version == "1.18.33":
        assert asked == {
            "schema_version": 1, "event": 1, "message": 2, "part": 1, "session_message": 1, "session": 1,
        }  # fmt: skip
        assert decoded == {"decode_message": 1, "decode_part": 10}
        assert mapped == {"map_message": 1}
    else:
        # Nothing tells which message it was: the newest two of each live session are read, and what is open.
        assert asked == {"schema_version": 1, "message": 3, "part": 2, "session": 1}
        assert decoded == {"decode_message": 2, "decode_part": 20}
        assert mapped == {"map_message": 2}


def noted(counter: Counter[str], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, counting its calls."""

    def counting(*arguments: Any) -> Any:
        counter[function.__name__] += 1
        return function(*arguments)

    return counting


def tail_of(follower: Follower, told: int) -> list[Event]:
    """The events of all batches but the first so many."""
    return [event for batch in follower.batches[told:] for event in batch.events]


@pytest.mark.parametrize("sessions", [1, 20])
async def test_a_scan_reads_each_session_once_and_remembers_none(
    opencode: OpencodeWriter, statements: Statements, monkeypatch: pytest.MonkeyPatch, sessions: int
) -> None:
    for _ in range(sessions):
        message = opencode.assistant(opencode.session(), completed=1)
        opencode.part(message, tool("completed", output="done"))
    begun = Counter[str]()
    monkeypatch.setattr(Reader, "snapshot", noted(begun, Reader.snapshot))
    monkeypatch.setattr(tracked, "digest", None)
    async with OpencodeSource(opencode.path) as source:
        await source.open()
        before = begun["snapshot"]
        statements.clear()
        batches = [batch async for batch in source.stream()]
    assert [len(batch.loaded) for batch in batches if batch.loaded] == [1] * sessions
    data = [asked for sql, asked, _ in statements if '"data"' in sql and '"part"' in sql]
    assert sorted(session for asked in data for session in asked) == sorted(opencode.sessions)
    assert len(data) == -(-sessions // SCAN_PAGE)
    # Marks, parents, the list of sessions; then a transaction for each page.
    assert begun["snapshot"] - before == 3 + -(-sessions // SCAN_PAGE)


async def test_statements_of_a_change_scan_no_large_table(opencode: OpencodeWriter, statements: Statements) -> None:
    part = long_session(opencode, 3)
    async with quiet(opencode) as follower:
        statements.clear()
        opencode.part(opencode.parts[part], tool("completed", output="done"), part)
        await follower.equals_cold_load()
        opencode.user(opencode.sessions[0])
        opencode.remove_part(part)
        opencode.change_session(opencode.sessions[0], title="renamed")
        await follower.equals_cold_load()
    # The cold loads are among them: reading a session whole must not scan either.
    assert len({sql for sql, _, _ in statements}) > 8
    plans = {sql: plan(opencode, sql, parameters) for sql, parameters, _ in statements}
    # The one scan there is begins at the end and stops at the first row.
    allowed = {sql for sql in plans if sql.endswith("ORDER BY rowid DESC LIMIT 1")}
    assert {sql: lines for sql, lines in plans.items() if any(map(is_large_scan, lines)) and sql not in allowed} == {}


def plan(opencode: OpencodeWriter, sql: str, parameters: tuple[Any, ...]) -> list[str]:
    """SQLite's own plan for a statement on this file."""
    if sql.startswith("PRAGMA"):
        return []
    for value in parameters:
        sql = sql.replace("?", repr(value) if isinstance(value, str) else str(value), 1)
    return [str(row[-1]) for row in opencode.run(f"EXPLAIN QUERY PLAN {sql}")]


def is_large_scan(line: str) -> bool:
    """Whether a line of a plan reads the whole of a table that grows without bound."""
    return re.match(r"SCAN (message|part|event)\b", line) is not None


@pytest.mark.parametrize("version", corpus.VERSIONS)
def test_a_scan_would_be_seen_in_the_plan(version: str, tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db", version) as opencode:
        for table in ("message", "part"):
            lines = plan(opencode, f"SELECT data FROM {table} WHERE time_updated > ?", (1,))
            assert [line for line in lines if is_large_scan(line)]
            assert not any(map(is_large_scan, plan(opencode, f"SELECT data FROM {table} WHERE id = ?", ("x",))))


@pytest.mark.parametrize("opencode", ["1.18.33"], indirect=True)
async def test_the_share_of_the_events_is_told_from_a_sample(opencode: OpencodeWriter, statements: Statements) -> None:
    long_session(opencode, 300)
    async with OpencodeSource(opencode.path) as source:
        health = await source.probe()
    connection = sqlite3.connect(f"file:{opencode.path}?mode=ro", uri=True)
    (size,) = connection.execute("SELECT sum(length(CAST(data AS BLOB))) FROM event").fetchone()
    connection.close()
    assert health.counts["events"] > 2 * EVENT_SAMPLES
    assert health.event_bytes == pytest.approx(size, rel=0.1)
    assert health.event_share == health.event_bytes / (health.size + health.wal_size)
    (asked,) = [asked for sql, asked, _ in statements if "avg(" in sql]
    assert len(asked) == EVENT_SAMPLES


@pytest.mark.parametrize("opencode", ["1.18.33"], indirect=True)
async def test_events_that_go_while_they_are_counted_take_no_share(
    opencode: OpencodeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    opencode.user(opencode.session())
    rows = Snapshot.rows

    async def emptied(self: Snapshot, sql: str, parameters: Any = ()) -> list[Any]:
        if "max(rowid) FROM event" in sql and counted:
            opencode.commit(("DELETE FROM event", ()))
        found = await rows(self, sql, parameters)
        counted.extend(found if "count(*) FROM event" in sql else [])
        return found

    counted: list[Any] = []
    async with OpencodeSource(opencode.path, watch=False) as source:
        await source.open()
        monkeypatch.setattr(Snapshot, "rows", emptied)
        assert (await source.probe()).event_bytes == 0
    assert counted[0][0] > 0
