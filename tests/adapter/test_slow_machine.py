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

import pytest

from adapter.events import Event, OpStarted, SessionStarted, SourceError, SourceProgress
from adapter.health import Health
from adapter.local import OpencodeSource
from adapter.sqlite.reader import SafeConnection
from tests.adapter import corpus
from tests.adapter.follow.helpers import Clocks, at_rest
from tests.adapter.follower import Follower, apply, cold_store, differences
from tests.adapter.opencode_writer import OpencodeWriter, answer
from tests.adapter.writer import now_ms
from tui.model.store import Store

LIMIT_S = 0.003
PAUSE_S = 0.0003
DEADLINE_S = 60.0
ABOUT = ("session_id", "message_id", "part_id", "payload_kind")
DAY_MS = 86_400_000


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
        wanted = {"session", "message", "part", "session_message", "event", "event_sequence"}
        return sum(plain.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in wanted & set(tables))


def is_sound(events: list[Event], health: Health, *, rows: int, before: int = 0) -> None:
    """Nothing was said to be wrong, and no more was asked than a few times what there is."""
    assert [event for event in events if isinstance(event, SourceError)] == []
    assert (health.state, health.interruptions) == ("ok", 0)
    assert health.statements - before < 200 + 6 * rows


def many_sessions(path: Path, count: int, messages: int = 0) -> Path:
    """A store of so many old sessions with one answer in each of the first ones, closed."""
    corpus.build("1.18.33/plain", path)
    with closing(sqlite3.connect(path)) as plain:
        (project,) = plain.execute("SELECT id FROM project").fetchone()
        old = now_ms() - 30 * DAY_MS
        plain.executemany(
            "INSERT INTO session (id, project_id, slug, directory, title, version, time_created, time_updated) "
            "VALUES (?, ?, 's', '/x', ?, '1.18.33', ?, ?)",
            [(f"ses_{n:08}", project, f"Number {n}", old + n, old + n) for n in range(count)],
        )
        data = json.dumps(answer(old, completed=old + 1, finish="stop"))
        plain.executemany(
            "INSERT INTO message (id, session_id, time_created, time_updated, data) VALUES (?, ?, ?, ?, ?)",
            [(f"msg_{n:08}", f"ses_{n:08}", old + n, old + n, data) for n in range(messages)],
        )
        plain.commit()
    return path


def long_session(path: Path, messages: int, parts: int, *, updated: int) -> str:
    """One session of so many answers, each with so many texts; the file is closed."""
    with closing(sqlite3.connect(path)) as plain:
        (project,) = plain.execute("SELECT id FROM project").fetchone()
        plain.execute(
            "INSERT INTO session (id, project_id, slug, directory, title, version, time_created, time_updated) "
            "VALUES ('ses_long', ?, 's', '/x', 'Long', '1.18.33', ?, ?)",
            (project, updated, updated),
        )
        data = json.dumps(answer(updated, completed=updated + 1, finish="stop"))
        plain.executemany(
            "INSERT INTO message (id, session_id, time_created, time_updated, data) VALUES (?, 'ses_long', ?, ?, ?)",
            [(f"msg_{n:08}", updated + n, updated + n, data) for n in range(messages)],
        )
        text = json.dumps({"type": "text", "text": "x", "time": {"start": 1, "end": 2}})
        plain.executemany(
            "INSERT INTO part (id, message_id, session_id, time_created, time_updated, data) "
            "VALUES (?, ?, 'ses_long', ?, ?, ?)",
            [
                (f"prt_{n:08}_{k:04}", f"msg_{n:08}", updated, updated, text)
                for n in range(messages)
                for k in range(parts)
            ],
        )
        plain.commit()
    return "ses_long"


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


@pytest.mark.parametrize("count", [7_000, 40_000])
async def test_a_store_of_many_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    path = many_sessions(tmp_path / "opencode.db", count, messages=1_000)
    cold, _ = await glanced(path)
    with slow(monkeypatch):
        found, health = await glanced(path, LIMIT_S)
    assert len({event.session_id for event in found if isinstance(event, SessionStarted)}) == count + 1
    assert newest(found) == newest(cold)
    is_sound(found, health, rows=count + 1_000)
    # It was slow.
    assert health.hops > count / 200


async def test_a_session_of_a_hundred_thousand_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    session = long_session(path, 1_000, 100, updated=now_ms())
    async with OpencodeSource(path, watch=False) as source:
        cold = await source.load(session)
    with slow(monkeypatch):
        # It is one of the newest, so a start loads it.
        found, health = await glanced(path, LIMIT_S)
    mine = [event for event in found if getattr(event, "session_id", "") == session]
    assert len([event for event in mine if isinstance(event, OpStarted)]) == 100_000
    assert newest(mine) == newest(cold)
    is_sound(found, health, rows=101_000)
    assert health.hops > 500


@pytest.mark.parametrize("fed", [True, False], ids=["with a feed", "without a feed"])
async def test_thousands_of_messages_that_are_touched_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fed: bool
) -> None:
    clocks, path, count = Clocks(), tmp_path / "opencode.db", 5_000
    with OpencodeWriter(path, events=fed) as opencode:
        if fed:
            opencode.session("Told")
        session = long_session(path, count, 1, updated=now_ms() - 10_000)
        with slow(monkeypatch):
            async with Follower(
                path, clock=clocks.wall, monotonic=clocks.monotonic, limit_s=LIMIT_S, deadline_s=DEADLINE_S
            ) as follower:
                await follower.loaded(session)
                await at_rest(follower)
                before = follower.source.health().statements
                opencode.commit(
                    (
                        "UPDATE message SET time_updated = time_updated + 1, "
                        "data = json_set(data, '$.finish', 'length')",
                        (),
                    )
                )
                clocks.pass_by(61.0)
                follower.nudge()
                await follower.until(lambda: _finishes(follower, session) == {"length"})
                is_sound(follower.events, follower.source.health(), rows=2 * count, before=before)
                store = follower.store
    assert differences(store, await cold_store(path)) == []


def _finishes(follower: Follower, session: str) -> set[str]:
    found = follower.session(session)
    return {turn.finish for turn in found.turns.values()} if found else set()
