"""A file of 1.18 that 2.x takes over while it is watched, and that both use by turns: one list, one row an id, nothing
lost, and the switch told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.events import LogEntry, PayloadRef
from adapter.local import OpencodeSource
from tests.adapter import corpus
from tests.adapter.follower import Follower, apply, cold_store, differences
from tests.adapter.opencode_writer import OpencodeWriter
from tests.adapter.writer import Statement, Writer
from tests.adapter.writer_2x import Writer2x, step
from tui.model.store.store import Store

PREVIEW = corpus.PREVIEW
CHAINS = {
    name: (f"1.18.33/{name}", f"{PREVIEW}/given-{name}.opened", f"{PREVIEW}/given-{name}")
    for name in ("task", "compact-api", "killed-then-on", "v2-api")
} | {"upgrade": tuple(f"{PREVIEW}/{name}" for name in ("upgrade.before", "upgrade.new", "upgrade"))}
"""What 1.18.33 left, what the preview made of it when it opened the file, and when it had gone on with it."""


def single(dump: str) -> Iterator[str]:
    """The statements of a dump one by one, without those that begin and end it."""
    statement = ""
    for line in dump.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            if not statement.lstrip().upper().startswith(("PRAGMA", "BEGIN", "COMMIT")):
                yield statement
            statement = ""


def becomes(writer: Writer, name: str) -> None:
    """The file becomes that of a dump, in one transaction, as a migration of opencode's is one."""
    writer.run("PRAGMA foreign_keys=OFF")
    tables = [row[0] for row in writer.run("SELECT name FROM sqlite_master WHERE type = 'table'")]
    gone: list[Statement] = [(f'DROP TABLE "{table}"', ()) for table in tables if not table.startswith("sqlite_")]
    writer.commit(*gone, *[(sql, ()) for sql in single(corpus.statements(name))])
    writer.run("PRAGMA foreign_keys=ON")


def ids(writer: Writer) -> list[str]:
    """The sessions that are in the file, each once."""
    return sorted(row[0] for row in writer.run("SELECT id FROM session"))


def written(writer: Writer) -> dict[str, set[str]]:
    """The prompts and answers that the tables of both families have, by session."""
    found: dict[str, set[str]] = {session_id: set() for session_id in ids(writer)}
    kinds = "WHERE type IN ('user', 'assistant')"
    for table, where in (("message", ""), ("session_message", kinds)):
        for message_id, session_id in writer.run(f"SELECT id, session_id FROM {table} {where}"):
            found[session_id].add(message_id)
    return found


def nothing_lost_and_one_row_an_id(store: Store, writer: Writer) -> None:
    """Each session of the file is there once, with every message of both families."""
    assert store.copies.aside == {}
    shown = {session.id: {*session.turns, *session.prompts} for session in store.sessions.values() if session.loaded}
    assert sorted(session_id for _, session_id in store.sessions) == ids(writer)
    for session_id, messages in written(writer).items():
        if session_id in shown:
            assert messages <= shown[session_id]


@pytest.mark.parametrize("chain", CHAINS)
async def test_a_file_that_is_taken_over_while_watched_loses_nothing_and_says_so(chain: str, tmp_path: Path) -> None:
    before, *later = CHAINS[chain]
    path = corpus.build(before, tmp_path / "opencode.db")
    with Writer(path) as writer:
        async with Follower(path) as follower:
            old = ids(writer)
            await follower.loaded(*old)
            assert follower.source.health().family == "v1"
            for name in later:
                becomes(writer, name)
                await follower.equals_cold_load()
                nothing_lost_and_one_row_an_id(follower.store, writer)
            await follower.loaded(*ids(writer))
            nothing_lost_and_one_row_an_id(follower.store, writer)
            assert set(old) < set(ids(writer))
            health = follower.source.health()
            assert (health.state, health.family) == ("ok", "preview")
            assert health.warnings["migrated while watched"] == 1
            assert "changed the tables" in health.history[0].words
            told = {event.message for event in follower.of(LogEntry) if "migrat" in event.message}
            assert len(told) == 1


@pytest.mark.parametrize("chain", CHAINS)
async def test_a_file_that_goes_back_and_forth_is_that_of_a_cold_load(chain: str, tmp_path: Path) -> None:
    """A backup is put back in place, and 2.x opens that again: numbers, positions and tables begin anew each time."""
    before, opened, after = CHAINS[chain]
    path = corpus.build(before, tmp_path / "opencode.db")
    with Writer(path) as writer:
        async with Follower(path) as follower:
            await follower.loaded(*ids(writer))
            for name in (opened, before, after, opened, after, before):
                becomes(writer, name)
                await follower.equals_cold_load()
                nothing_lost_and_one_row_an_id(follower.store, writer)
            assert follower.source.health().family == "v1"


@pytest.mark.parametrize("chain", CHAINS)
async def test_who_resumes_behind_a_take_over_ends_with_all_of_it(chain: str, tmp_path: Path) -> None:
    before, _, after = CHAINS[chain]
    path = corpus.build(before, tmp_path / "opencode.db")
    store = Store()
    cursor = ""
    with Writer(path) as writer:
        for name in (before, after):
            if name != before:
                becomes(writer, name)
            async with OpencodeSource(path, watch=False) as source:
                async for batch in source.stream(cursor or None):
                    if any(isinstance(event, LogEntry) and event.ref == "cursor" for event in batch.events):
                        store = Store()
                    apply(store, source.source, batch)
                    cursor = getattr(batch.events[-1], "cursor", cursor) if batch.events else cursor
        assert differences(store, await cold_store(path)) == []
        nothing_lost_and_one_row_an_id(store, writer)


@pytest.mark.parametrize("again", [1, 3, 4, 9])
async def test_a_number_that_starts_anew_hides_nothing(again: int, tmp_path: Path) -> None:
    """2.x empties `event` and `event_sequence` when it takes a file over, and counts a session that goes on from 0: its
    number may come to where it was, or stay below."""
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        message = opencode.user(session)
        async with Follower(opencode.path) as follower:
            await follower.loaded(session)
            opencode.commit(("DELETE FROM event", ()), ("DELETE FROM event_sequence", ()))
            opencode._seq.clear()
            for number in range(again):
                opencode.part(message, {"type": "text", "text": f"Part {number}"}, f"prt_{number}")
            await follower.equals_cold_load()
            assert any(each.part_id == f"prt_{again - 1}" for each in follower.of(PayloadRef))


@pytest.mark.parametrize("number", ["lower", "the same", "higher"])
async def test_a_row_rewritten_as_the_numbers_start_anew_is_seen(number: str, tmp_path: Path) -> None:
    """A release writes no `event` rows: only the number tells of a step that is rewritten in the same millisecond."""
    with Writer2x(tmp_path / "opencode.db", beside="plain") as writer:
        session = writer.session()
        writer.prompt(session)
        text = {"type": "text", "text": "Hello."}
        message = writer.add(session, "assistant", step(text))
        ((known,),) = writer.run(f"SELECT seq FROM event_sequence WHERE aggregate_id = '{session}'")
        async with Follower(writer.path) as follower:
            await follower.loaded(session)
            data = writer.run(f"SELECT data FROM session_message WHERE id = '{message}'")[0][0].replace(
                "Hello.", "Anew."
            )
            writer.commit(
                ("DELETE FROM event_sequence", ()),
                ("UPDATE session_message SET data = ? WHERE id = ?", (data, message)),
                (
                    "INSERT INTO event_sequence (aggregate_id, seq) VALUES (?, ?)",
                    (session, known + {"lower": -1, "the same": 0, "higher": 1}[number]),
                ),
            )
            await follower.equals_cold_load()
            found = follower.session(session)
            assert found is not None
            assert "Anew." in [op.label for op in found.turns[message].ops.values()]


async def test_both_families_by_turns_are_one_row_with_what_was_prompted_last(tmp_path: Path) -> None:
    """A release beside 1.18, which goes on in its own tables."""
    with Writer2x(tmp_path / "opencode.db", beside="plain") as writer:
        ((old, updated),) = writer.run("SELECT id, time_updated FROM session")
        async with Follower(writer.path) as follower:
            await follower.loaded(old)
            writer.ms = updated
            for turn in range(1, 5):
                writer.ms += 1000
                if turn == 1:
                    writer.session("By 2.x", id=old)
                    writer.add(old, "user", {"text": "By 2.x."})
                elif turn % 2:
                    writer.change_session(old, time_updated=writer.ms)
                else:
                    writer.commit(("UPDATE session SET time_updated = ? WHERE id = ?", (writer.ms, old)))
                await follower.equals_cold_load()
                ((_, session_id),) = follower.store.sessions
                found = follower.session(old)
                assert found is not None
                assert (session_id, found.title == "By 2.x") == (old, bool(turn % 2))
            assert follower.source.health().family == "v1+v2"
