"""A machine on which next to nothing is done in the time of one transaction: everything comes later, and nothing else.

A transaction may last 3 ms, and SQLite pauses for a tenth of that every 10,000 steps. What then arrives is compared
with a cold load by the usual limit.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from adapter.events import Event, OpStarted, SessionStarted, SourceError, SourceProgress
from adapter.health import Health
from adapter.local import OpencodeSource
from adapter.sqlite.connection import SafeConnection
from tests.adapter import corpus
from tests.adapter.follow.helpers import Clocks, at_rest
from tests.adapter.follower import Follower, apply, cold_store, differences
from tests.adapter.opencode_writer import OpencodeWriter, answer
from tests.adapter.writer import now_ms
from tests.adapter.writer_2x import Writer2x, step
from tests.adapter.writer_preview import WriterPreview
from tui.model.store.store import Store

LIMIT_S = 0.003
PAUSE_S = 0.0003
DEADLINE_S = 60.0
ABOUT = ("session_id", "message_id", "part_id", "payload_kind")
DAY_MS = 86_400_000
LENGTH = "json_set(data, '$.finish', 'length')"


@contextmanager
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SQLite takes its time."""
    overdue = SafeConnection._overdue

    def late(self: SafeConnection) -> int:
        until = time.perf_counter() + PAUSE_S
        while time.perf_counter() < until:
            pass
        return overdue(self)

    with monkeypatch.context() as patch:
        patch.setattr(SafeConnection, "_overdue", late)
        yield


def sessions_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as plain:
        return [str(row[0]) for row in plain.execute("SELECT id FROM session")]


def rows_of(path: Path) -> int:
    """How many rows there are to be read."""
    with closing(sqlite3.connect(path)) as plain:
        tables = [row[0] for row in plain.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        wanted = {"session", "message", "part", "session_message", "session_pending", "event", "event_sequence"}
        return sum(plain.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in wanted & set(tables))


def is_sound(events: list[Event], health: Health, *, rows: int, before: int = 0) -> None:
    """Nothing was said to be wrong, and no more was asked than a few times what there is."""
    assert [event for event in events if isinstance(event, SourceError)] == []
    assert (health.state, health.interruptions) == ("ok", 0)
    assert health.statements - before < 200 + 6 * rows


def many_sessions(path: Path, storage: str, count: int, messages: int) -> Path:
    """A store of so many old sessions with one answer in each of the first ones, closed."""
    old = now_ms() - 30 * DAY_MS
    with new_store(path, storage) as store:
        store.sessions([(f"ses_{n:08}", f"Number {n}", old + n) for n in range(count)])
        store.answers([(f"msg_{n:08}", f"ses_{n:08}", old + n) for n in range(messages)], 0)
    return path


def long_session(path: Path, storage: str, messages: int, parts: int, *, updated: int) -> str:
    """One session of so many answers, each with so many texts; the file is there or is made, and closed."""
    with new_store(path, storage) as store:
        store.sessions([("ses_long", "Long", updated)])
        store.answers([(f"msg_{n:08}", "ses_long", updated + n) for n in range(messages)], parts)
    return "ses_long"


class Store1x:
    """Fills a file of 1.18 with many rows at once."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            corpus.build("1.18.33/plain", path)
        self.plain = sqlite3.connect(path)
        (self.project,) = self.plain.execute("SELECT id FROM project").fetchone()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.plain.commit()
        self.plain.close()

    def put(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Inserts rows that all have the same columns."""
        if rows:
            marks = ", ".join("?" for _ in rows[0])
            statement = f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES ({marks})"
            self.plain.executemany(statement, [list(row.values()) for row in rows])

    def sessions(self, wanted: list[tuple[str, str, int]]) -> None:
        """Sessions from (id, title, time)."""
        self.put("session", [self.session(key, title, at) for key, title, at in wanted])

    def session(self, key: str, title: str, at: int) -> dict[str, Any]:
        """One row."""
        row = {"id": key, "project_id": self.project, "slug": "s", "directory": "/x", "title": title}
        return {**row, "version": "1.18.33", "time_created": at, "time_updated": at}

    def answers(self, wanted: list[tuple[str, str, int]], texts: int) -> None:
        """Answers that have ended, from (id, session, time), each with so many texts."""
        rows, parts = [], []
        text = json.dumps({"type": "text", "text": "x", "time": {"start": 1, "end": 2}})
        for key, session, at in wanted:
            owner = {"session_id": session, "time_created": at, "time_updated": at}
            rows.append({"id": key, **owner, "data": json.dumps(answer(at, completed=at + 1, finish="stop"))})
            for n in range(texts):
                part = {"id": f"{key.replace('msg', 'prt')}_{n:04}", "message_id": key, **owner, "data": text}
                parts.append(part)
        self.put("message", rows)
        self.put("part", parts)


class Store2x(Store1x):
    """Fills a file of 2.x: a session has its number, and what an answer wrote is in its row."""

    def __init__(self, path: Path, writer: type[Writer2x]) -> None:
        if not path.exists():
            writer(path).close()
        self.plain = sqlite3.connect(path)
        self.table = writer.session_table
        found = self.plain.execute("SELECT id FROM project").fetchone()
        self.project = found[0] if found else "global"

    def sessions(self, wanted: list[tuple[str, str, int]]) -> None:
        self.put(self.table, [self.session(key, title, at) for key, title, at in wanted])
        self.put("event_sequence", [{"aggregate_id": key, "seq": 9} for key, _, _ in wanted])

    def answers(self, wanted: list[tuple[str, str, int]], texts: int) -> None:
        rows = []
        for seq, (key, session, at) in enumerate(wanted):
            said = step(*[{"type": "text", "text": "x"}] * texts, created=at, completed=at + 1, tokens=5)
            row = {"id": key, "session_id": session, "type": "assistant", "seq": seq, "time_created": at}
            rows.append({**row, "time_updated": at, "data": json.dumps(said)})
        self.put("session_message", rows)


RELEASED, PREVIEW = "release of 2.x", "preview of 2.x"
STORAGES = ("1.18", RELEASED, PREVIEW)
every_storage = pytest.mark.parametrize("storage", STORAGES)


def new_store(path: Path, storage: str) -> Store1x:
    """What fills a file in one of STORAGES."""
    return Store1x(path) if storage == "1.18" else Store2x(path, WriterPreview if storage == PREVIEW else Writer2x)


async def glanced(path: Path, limit_s: float | None = None) -> tuple[list[Event], Health]:
    """What following begins with, and the health behind it."""
    async with OpencodeSource(path, watch=False, limit_s=limit_s) as source:
        found = [event async for batch in source.glance() for event in batch.events]
        return found, source.health()


def newest(events: list[Event]) -> dict[tuple[object, ...], Event]:
    """What holds in the end: the last event of each kind about each thing. A model of so much would take longer to be
    made than all that is tested here."""
    told = [event for event in events if not isinstance(event, SourceProgress)]
    return {(type(event), *(getattr(event, name, "") for name in ABOUT)): event for event in told}


@pytest.mark.parametrize("name", [*corpus.NAMES, *corpus.NAMES_2X])
async def test_every_database_of_the_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = corpus.build(name, tmp_path / "opencode.db")
    cold = await cold_store(path)
    with slow(monkeypatch):
        async with Follower(path, limit_s=LIMIT_S) as follower:
            await follower.loaded(*sessions_of(path))
            assert differences(follower.store, cold) == []
            is_sound(follower.events, follower.source.health(), rows=rows_of(path))
        async with OpencodeSource(path, watch=False, limit_s=LIMIT_S) as source:
            scanned = Store()
            async for batch in source.stream():
                apply(scanned, source.source, batch)
    assert differences(scanned, cold) == []


@every_storage
@pytest.mark.parametrize("count", [7_000, 40_000])
async def test_a_store_of_many_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, storage: str
) -> None:
    path = many_sessions(tmp_path / "opencode.db", storage, count, messages=1_000)
    cold, _ = await glanced(path)
    with slow(monkeypatch):
        found, health = await glanced(path, LIMIT_S)
    # The dump that a file of 1.18 begins with has a session of its own.
    before = 1 if storage == "1.18" else 0
    assert len({event.session_id for event in found if isinstance(event, SessionStarted)}) == count + before
    assert newest(found) == newest(cold)
    is_sound(found, health, rows=count + 1_000)
    # It was slow.
    assert health.hops > count / 200


@every_storage
async def test_a_session_of_a_hundred_thousand_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> None:
    path = tmp_path / "opencode.db"
    session = long_session(path, storage, 1_000, 100, updated=now_ms())
    async with OpencodeSource(path, watch=False) as source:
        cold = await source.load(session)
    with slow(monkeypatch):
        # It is one of the newest, so a start loads it.
        found, health = await glanced(path, LIMIT_S)
    mine = [event for event in found if getattr(event, "session_id", "") == session]
    texts = [event for event in mine if isinstance(event, OpStarted) and event.op_kind == "text"]
    assert len(texts) == 100_000
    assert newest(mine) == newest(cold)
    is_sound(found, health, rows=101_000)
    # In 2.x these are a thousand rows.
    assert health.hops > (500 if storage == "1.18" else 10)


@pytest.mark.parametrize("kind", ["with a feed", "without a feed", RELEASED, PREVIEW])
async def test_thousands_of_messages_that_are_touched_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    clocks, path, count = Clocks(), tmp_path / "opencode.db", 5_000
    with writer_of(kind, path) as opencode:
        if kind != "without a feed":
            opencode.session("Told")
        storage = kind if kind in STORAGES else "1.18"
        session = long_session(path, storage, count, 1, updated=now_ms() - 10_000)
        with slow(monkeypatch):
            async with Follower(
                path, clock=clocks.wall, monotonic=clocks.monotonic, limit_s=LIMIT_S, deadline_s=DEADLINE_S
            ) as follower:
                await follower.loaded(session)
                await at_rest(follower)
                before = follower.source.health().statements
                table = "message" if storage == "1.18" else "session_message"
                touch = f"UPDATE {table} SET time_updated = time_updated + 1, data = {LENGTH} WHERE session_id = ?"
                moved = [] if isinstance(opencode, OpencodeWriter) else opencode._move(session, "session.step.ended.1")
                opencode.commit((touch, [session]), *moved)
                clocks.pass_by(61.0)
                follower.nudge()
                await follower.until(lambda: _finishes(follower, session) == {"length"})
                is_sound(follower.events, follower.source.health(), rows=2 * count, before=before)
                store = follower.store
    assert differences(store, await cold_store(path)) == []


def writer_of(kind: str, path: Path) -> OpencodeWriter | Writer2x:
    """Who writes a kind of file."""
    if kind in (RELEASED, PREVIEW):
        return WriterPreview(path) if kind == PREVIEW else Writer2x(path)
    return OpencodeWriter(path, events=kind == "with a feed")


def _finishes(follower: Follower, session: str) -> set[str]:
    found = follower.session(session)
    return {turn.finish for turn in found.turns.values()} if found else set()
