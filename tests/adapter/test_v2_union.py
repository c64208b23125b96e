"""Sessions of both families as one catalogue: which rows are read, which win, and what each file is called."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.contract import NotOpencode, PayloadGone
from adapter.events import Event, OpStarted, SessionFinalized, SessionStarted, TurnStarted
from adapter.local import OpencodeSource
from adapter.opencode.queries import one_session
from tests.adapter import corpus
from tests.adapter.follow.helpers import noting_statements
from tests.adapter.follower import Follower, eventually
from tests.adapter.writer_2x import Writer2x, call, step


@pytest.fixture
def upgraded(tmp_path: Path) -> Iterator[Writer2x]:
    """What 2.x leaves of a file of 1.18.33 with one session, before it has imported anything."""
    with Writer2x(tmp_path / "opencode.db", beside="plain") as writer:
        yield writer


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Writer2x]:
    with Writer2x(tmp_path / "opencode.db") as writer:
        yield writer


def old_session(writer: Writer2x) -> tuple[str, int]:
    """The session of 1.x: its id and `time_updated`."""
    ((session_id, updated),) = writer.run("SELECT id, time_updated FROM session")
    return session_id, updated


def imported(writer: Writer2x, updated: int) -> str:
    """The session of 1.x as the importer copies it, under a title of its own, with one answer."""
    session_id, _ = old_session(writer)
    writer.session("Imported", id=session_id, time_updated=updated)
    writer.add(session_id, "user", {"text": "Imported."})
    writer.add(session_id, "assistant", step({"type": "text", "text": "Yes."}, completed=2000))
    return session_id


async def scanned(path: Path) -> list[Event]:
    async with OpencodeSource(path, watch=False) as source:
        return [event async for batch in source.stream() for event in batch.events]


def of(events: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in events if type(event) is kind]


async def family(path: Path) -> tuple[str, str]:
    async with OpencodeSource(path, watch=False) as source:
        health = await source.probe()
        return health.family, health.strategy


async def test_the_family_is_named_by_the_tables(tmp_path: Path, upgraded: Writer2x) -> None:
    assert await family(upgraded.path) == ("v1+v2", "event_sequence")
    assert await family(corpus.build("1.18.33/plain", tmp_path / "v1.db")) == ("v1", "event feed")
    assert await family(corpus.build("1.2.1/plain", tmp_path / "old.db")) == ("v1", "row scan")
    with Writer2x(tmp_path / "v2.db") as writer:
        assert await family(writer.path) == ("v2", "row scan")
        writer.session()
        assert await family(writer.path) == ("v2", "event_sequence")


async def test_a_file_with_only_the_tables_of_2x_opens(alone: Writer2x) -> None:
    session = alone.session()
    alone.prompt(session)
    alone.add(session, "assistant", step(call("running")))
    events = await scanned(alone.path)
    assert [e.session_id for e in of(events, SessionStarted)] == [session]
    assert len(of(events, TurnStarted)) == 1
    async with OpencodeSource(alone.path, watch=False) as source:
        with pytest.raises(PayloadGone):
            await source.payload("opencode-sqlite://?part_id=prt_1&field=text")


async def test_sessions_of_both_families_are_one_list(upgraded: Writer2x) -> None:
    new = upgraded.session()
    old, _ = old_session(upgraded)
    events = await scanned(upgraded.path)
    assert sorted(e.session_id for e in of(events, SessionStarted)) == sorted([old, new])
    async with OpencodeSource(upgraded.path, watch=False) as source:
        assert (await source.probe()).counts["sessions"] == 2
        assert {e.session_id for e in await source.catalogue()} == {old, new}


@pytest.mark.parametrize(("later", "title"), [(0, "Imported"), (1000, "Imported"), (-1000, "")])
async def test_an_imported_session_is_read_from_where_it_was_prompted_last(
    upgraded: Writer2x, later: int, title: str
) -> None:
    session_id, updated = old_session(upgraded)
    old_title = upgraded.run("SELECT title FROM session")[0][0]
    imported(upgraded, updated + later)
    events = await scanned(upgraded.path)
    (started,) = of(events, SessionStarted)
    assert (started.session_id, started.title) == (session_id, title or old_title)
    texts = [op.extras["label"] for op in of(events, OpStarted) if op.op_kind == "text"]
    assert (texts == ["Yes."]) is bool(title)
    async with OpencodeSource(upgraded.path, watch=False) as source:
        assert (await source.probe()).counts["sessions"] == 1


async def test_a_session_changes_its_family_while_it_is_watched(upgraded: Writer2x) -> None:
    session_id, updated = old_session(upgraded)
    async with Follower(upgraded.path) as follower:
        await follower.loaded(session_id)
        imported(upgraded, updated)
        await follower.until(lambda: (s := follower.session(session_id)) is not None and s.title == "Imported")
        await follower.equals_cold_load()
        # 1.18 goes on with its own rows, which 2.x never sees.
        upgraded.commit(("UPDATE session SET time_updated = time_updated + 5 WHERE id = ?", [session_id]))
        await follower.until(lambda: (s := follower.session(session_id)) is not None and s.title != "Imported")
        await follower.equals_cold_load()


async def test_an_import_keeps_the_ids_of_messages_and_still_changes_what_they_say(upgraded: Writer2x) -> None:
    """Long ago, so that no other guard than the look at the session's row sees it."""
    session_id, updated = old_session(upgraded)
    messages = upgraded.run("SELECT id FROM message ORDER BY time_created")
    upgraded.ms = updated
    upgraded.session("Imported", id=session_id, time_updated=updated)
    for (message_id,), kind in zip(messages, ("user", "assistant"), strict=True):
        upgraded.add(session_id, kind, step({"type": "text", "text": "2.x"}, completed=2000, text="2.x"), message_id)
    async with Follower(upgraded.path) as follower:
        await follower.loaded(session_id)
        for by in (5, -5):
            upgraded.commit((f"UPDATE session SET time_updated = time_updated + {by}", []))
            await follower.equals_cold_load()


async def test_rows_of_one_family_are_never_put_behind_those_of_the_other(upgraded: Writer2x) -> None:
    """An import is read message by message; the session's row, read with them, says that they are all there is. Only
    the last one of the old messages is recent enough to be looked at again."""
    session_id, updated = old_session(upgraded)
    for table, key in (("message", "id"), ("part", "message_id")):
        last = "(SELECT id FROM message ORDER BY time_created DESC LIMIT 1)"
        upgraded.commit((f"UPDATE {table} SET time_updated = time_updated - 60000 WHERE {key} != {last}", ()))
    async with Follower(upgraded.path) as follower:
        await follower.loaded(session_id)
        reconciler = follower.source._follower.reconciler
        await eventually(lambda: not reconciler.expected)
        # Nothing but the rows themselves is looked at.
        reconciler.due = reconciler.reconcile_at = float("inf")
        imported(upgraded, updated)
        await follower.equals_cold_load()


async def test_children_and_forks_find_their_place(alone: Writer2x) -> None:
    parent = alone.session("Parent")
    child = alone.session("Child", parent)
    fork = alone.session("Parent (fork #1)", fork_session_id=parent, agent="build")
    found = {e.session_id: e for e in of(await scanned(alone.path), SessionStarted)}
    assert (found[child].session_kind, found[child].root_id) == ("sub_agent", parent)
    assert (found[fork].session_kind, found[fork].extras["fork_session_id"]) == ("fork", parent)


async def test_how_sessions_ended_is_known_without_loading_them(alone: Writer2x) -> None:
    """Five sessions, of which only the newest are loaded: the look at the others finds what a load finds."""
    error = {"type": "api", "message": "no"}
    ends: dict[str, list[tuple[str, Any]]] = {
        "clean": [("assistant", step(completed=2000)), ("idle", {"outcome": "succeeded"})],
        "error": [("assistant", step(completed=2000, error=error)), ("idle", {"outcome": "failed"})],
        "mark": [("assistant", step(completed=2000)), ("idle", {"outcome": "failed"})],
        "no mark": [("assistant", step(completed=2000, error=error))],
        "empty": [],
    }
    titles = {}
    for title, rows in ends.items():
        session = alone.session(title, time_updated=1000)
        titles[session] = title
        for kind, data in rows:
            alone.add(session, kind, data)
    for _ in range(3):
        alone.session("new")
    async with Follower(alone.path) as follower:
        await follower.until(lambda: follower.source.health().checked == len(alone.sessions))
        found = {titles[e.session_id]: e.error_class for e in follower.of(SessionFinalized)}
        assert found == {"error": "api", "mark": "failed", "no mark": "api"}
        assert not any(follower.session(session).loaded for session in titles)  # type: ignore[union-attr]
        await follower.loaded(*titles)
        await follower.equals_cold_load()


async def test_a_session_with_an_open_end_is_loaded_by_itself(alone: Writer2x) -> None:
    open_end = alone.session("open", time_updated=1000)
    alone.add(open_end, "assistant", step(completed=2000, finish="tool-calls"))
    for _ in range(3):
        alone.session("new")
    async with Follower(alone.path) as follower:
        await follower.until(lambda: (s := follower.session(open_end)) is not None and s.loaded)


async def test_tables_of_2x_without_their_messages_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE session_v2 (id text, title text, time_created integer, time_updated integer)")
    connection.close()
    with pytest.raises(NotOpencode, match="session_message"):
        await family(path)


async def test_leftovers_of_1x_without_their_messages_are_not_read(alone: Writer2x) -> None:
    alone.run("CREATE TABLE session (id text, title text, time_created integer, time_updated integer)")
    alone.run("INSERT INTO session VALUES ('ses_early', 'of a beta', 1, 1)")
    session = alone.session()
    assert [e.session_id for e in of(await scanned(alone.path), SessionStarted)] == [session]
    assert (await family(alone.path))[0] == "v2"


async def test_a_session_is_found_by_its_key_in_both_families(
    upgraded: Writer2x, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with OpencodeSource(upgraded.path, watch=False) as source:
        await source.open()
        schema, statements = source._database.schema, noting_statements(monkeypatch)
        await source._database.read(lambda snapshot: one_session(snapshot, schema, "ses_1", []))
    plan = [
        str(row[-1])
        for asked in statements
        for row in upgraded.run(f"EXPLAIN QUERY PLAN {asked.sql}".replace("?", "'ses_1'"))
    ]
    assert {word for line in plan for word in line.split()} >= {"session", "session_v2"}
    assert not [line for line in plan if line.startswith("SCAN session")]
