"""opencode is updated and migrates its database while we watch: it is told once, and nothing is lost or told twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter.events import LogEntry, OpStarted, SessionStarted, SourceError, TurnStarted
from adapter.opencode.journal import hash_names
from tests.adapter import corpus
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter, tool
from tests.adapter.writer import Statement

PART = "id, message_id, session_id, time_created, time_updated, data"
REBUILD: list[Statement] = [
    (
        "CREATE TABLE __new_part (id text PRIMARY KEY, message_id text NOT NULL REFERENCES message(id), "
        "session_id text NOT NULL, time_created integer NOT NULL, time_updated integer NOT NULL, data text NOT NULL, "
        "note text)",
        (),
    ),
    (f"INSERT INTO __new_part ({PART}) SELECT {PART} FROM part ORDER BY time_created DESC", ()),
    ("DROP TABLE part", ()),
    ("ALTER TABLE __new_part RENAME TO part", ()),
    ("CREATE INDEX part_session_idx ON part (session_id)", ()),
]
"""A table made anew with other rowids, as drizzle does where ALTER TABLE cannot."""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "opencode.db"
    path.parent.mkdir()
    return path


def conversation(opencode: OpencodeWriter) -> str:
    """A session with a prompt and an answer of two parts."""
    session = opencode.session()
    prompt = opencode.user(session)
    message = opencode.assistant(session, prompt)
    opencode.part(message, {"type": "step-start"})
    opencode.part(message, tool("running"))
    return session


def warnings(follower: Follower) -> list[str]:
    return [entry.message for entry in follower.of(LogEntry) if entry.severity == "WRN"]


def missing(follower: Follower) -> list[str]:
    return [entry.message for entry in follower.of(LogEntry) if "not in this database" in entry.message]


def nodes(follower: Follower) -> list[tuple[Any, ...]]:
    """Every turn and op that was told to start, each time it was, in order."""
    out: list[tuple[Any, ...]] = []
    for event in follower.events:
        if isinstance(event, TurnStarted):
            out.append((event.message_id,))
        elif isinstance(event, OpStarted):
            out.append((event.message_id, event.part_id, event.op_kind))
    return out


def migrated(name: str) -> Statement:
    """The journal's row of a migration, as 1.17 and later write it."""
    return "INSERT INTO migration VALUES (?, 1)", (name,)


async def migration_told(follower: Follower, name: str) -> None:
    await follower.until(lambda: any(name in words for words in warnings(follower)), lambda: str(warnings(follower)))


async def goes_on(opencode: OpencodeWriter, follower: Follower, session: str) -> None:
    """What is written after the migration is seen, and nothing that was told before is told again."""
    before = nodes(follower)
    assert len(before) == len(set(before))
    message = opencode.assistant(session)
    opencode.part(message, tool("running"))
    await follower.equals_cold_load()
    new = nodes(follower)[len(before) :]
    assert {node[0] for node in new} == {message}
    assert len(new) == len(set(new)) == 2


async def test_a_new_column_is_read_from_the_moment_it_exists(database: Path) -> None:
    with OpencodeWriter(database, "1.2.1") as opencode:
        session = opencode.session()
        async with Follower(database) as follower:
            await follower.loaded(session)
            missing = [e.message for e in follower.of(LogEntry) if "not in this database" in e.message]
            assert len(missing) == 8
            before = follower.source.health().migration_hash
            opencode.run("ALTER TABLE session ADD COLUMN agent TEXT")
            opencode.commit(
                ("UPDATE session SET agent = 'plan'", ()),
                ("INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('x', 1777641798000)", ()),
            )
            await follower.until(lambda: follower.session(session).agent == "plan")  # type: ignore[union-attr]
            await follower.until(
                lambda: any(e.severity == "WRN" and "migrated" in e.message for e in follower.of(LogEntry))
            )
            health = follower.source.health()
            assert health.migration_hash != before
            assert "session.agent" not in health.missing_columns
            assert health.warnings == {"migrated while watched": 1}
            opencode.user(session)
            await follower.equals_cold_load()
            again = [e.message for e in follower.of(LogEntry) if "not in this database" in e.message]
            assert len(again) == len(set(again)) == 8


async def test_a_migration_that_only_moves_data_is_told(database: Path) -> None:
    with OpencodeWriter(database, "1.18.33") as opencode:
        session = conversation(opencode)
        async with Follower(database) as follower:
            await follower.loaded(session)
            opencode.commit(
                ("UPDATE part SET data = json_set(data, '$.text', 'moved') WHERE data LIKE '%Please.%'", ()),
                migrated("20990101000000_moves_data"),
            )
            await migration_told(follower, "20990101000000_moves_data")
            health = follower.source.health()
            assert health.migration_latest == "20990101000000_moves_data"
            assert health.warnings == {"migrated while watched": 1}
            await follower.equals_cold_load()


async def test_a_table_rebuilt_by_a_migration_is_followed(database: Path) -> None:
    with OpencodeWriter(database) as opencode:
        session = opencode.session()
        message = opencode.user(session)
        async with Follower(database) as follower:
            await follower.loaded(session)
            opencode.run("PRAGMA foreign_keys=OFF")
            columns = "id, message_id, session_id, time_created, time_updated, data"
            opencode.commit(
                (f"CREATE TABLE new_part AS SELECT {columns} FROM part ORDER BY id DESC", ()),
                ("DROP TABLE part", ()),
                ("ALTER TABLE new_part RENAME TO part", ()),
                ("CREATE UNIQUE INDEX part_id ON part (id)", ()),
                ("DELETE FROM event", ()),
            )
            opencode.part(message, {"type": "text", "text": "in the new table"})
            await follower.equals_cold_load()


async def test_a_column_that_goes_is_told_once_and_shown_empty(database: Path) -> None:
    with OpencodeWriter(database) as opencode:
        session = conversation(opencode)
        opencode.change_session(session, agent="plan")
        async with Follower(database) as follower:
            await follower.loaded(session)
            before = follower.source.health().migration_hash
            assert missing(follower) == []
            opencode.commit(("ALTER TABLE session DROP COLUMN agent", ()), migrated("20990101000000_no_agent"))
            await migration_told(follower, "20990101000000_no_agent")
            await follower.until(lambda: follower.session(session).agent == "")  # type: ignore[union-attr]
            await goes_on(opencode, follower, session)
            health = follower.source.health()
            assert health.missing_columns == ["session.agent"]
            assert health.migration_hash != before
            assert missing(follower) == ["session.agent is not in this database: shown empty"]
            assert len(warnings(follower)) == health.warnings["migrated while watched"] == 1


@pytest.mark.parametrize("events", [True, False])
async def test_a_table_made_anew_loses_nothing_and_doubles_nothing(database: Path, events: bool) -> None:
    with OpencodeWriter(database, events=events) as opencode:
        session = conversation(opencode)
        async with Follower(database) as follower:
            await follower.loaded(session)
            before = nodes(follower)
            opencode.run("PRAGMA foreign_keys=OFF")
            opencode.commit(*REBUILD, migrated("20990101000000_new_part"))
            await migration_told(follower, "20990101000000_new_part")
            await follower.equals_cold_load()
            assert nodes(follower) == before
            await goes_on(opencode, follower, session)
            assert len(warnings(follower)) == 1
            assert follower.source.health().interruptions == 1


async def test_what_is_written_in_the_migration_itself_is_seen(database: Path) -> None:
    with OpencodeWriter(database) as opencode:
        session = conversation(opencode)
        message = next(reversed(opencode.messages))
        async with Follower(database) as follower:
            await follower.loaded(session)
            opencode.run("PRAGMA foreign_keys=OFF")
            inside = opencode.part_statements(message, tool("completed", output="inside"), "prt_inside")
            changed = ("UPDATE part SET data = json_set(data, '$.text', 'moved') WHERE data LIKE '%Please.%'", ())
            opencode.commit(*REBUILD, *inside, changed, migrated("20990101000000_new_part"))
            await migration_told(follower, "20990101000000_new_part")
            await follower.equals_cold_load()
            assert any(event.part_id == "prt_inside" for event in follower.of(OpStarted))


async def test_the_journal_moves_from_drizzle_to_its_own_table(database: Path) -> None:
    with OpencodeWriter(database, "1.15.13") as opencode:
        session = conversation(opencode)
        names = [str(row[0]) for row in corpus.table("1.17.11/plain", "SELECT id FROM migration ORDER BY id")]
        async with Follower(database) as follower:
            await follower.loaded(session)
            health = follower.source.health()
            assert health.migration_table == "__drizzle_migrations"
            old = health.migration_hash
            opencode.commit(
                ("CREATE TABLE migration (id TEXT PRIMARY KEY, time_completed INTEGER NOT NULL)", ()),
                *[migrated(name) for name in names],
            )
            await migration_told(follower, names[-1])
            health = follower.source.health()
            assert (health.migration_table, health.migration_count) == ("migration", len(names))
            assert health.migration_hash == hash_names(tuple(names)) != old
            await goes_on(opencode, follower, session)
            assert len(warnings(follower)) == 1


@pytest.mark.parametrize(
    ("table", "column"), [("part", "data"), ("message", "time_created"), ("session", "title"), ("part", "message_id")]
)
async def test_a_needed_column_that_goes_is_named_and_what_came_meanwhile_is_seen_when_it_is_back(
    database: Path, table: str, column: str
) -> None:
    with OpencodeWriter(database) as opencode:
        session = conversation(opencode)
        message = next(reversed(opencode.messages))
        async with Follower(database) as follower:
            await follower.loaded(session)
            before = nodes(follower)
            opencode.run(f"ALTER TABLE {table} RENAME COLUMN {column} TO gone")
            words = f"has no column {table}.{column}, which is required"
            await follower.until(lambda: any(words in error.message for error in follower.of(SourceError)))
            assert follower.source.health().state == "error"
            written = opencode.part_statements(message, tool("completed", output="meanwhile"), "prt_meanwhile")
            opencode.commit((f"ALTER TABLE {table} RENAME COLUMN gone TO {column}", ()), *written)
            await follower.until(lambda: follower.source.health().state == "ok")
            await follower.equals_cold_load()
            assert len(follower.of(SourceError)) == 1
            assert {node[1] for node in nodes(follower)[len(before) :] if len(node) == 3} == {"prt_meanwhile"}
            assert [one.words for one in follower.source.health().history][-1].endswith("is required to show anything")
            await goes_on(opencode, follower, session)
            assert [event.title for event in follower.of(SessionStarted)][-1] == "A session"


async def test_every_migration_of_several_is_told_once(database: Path) -> None:
    with OpencodeWriter(database) as opencode:
        session = conversation(opencode)
        async with Follower(database) as follower:
            await follower.loaded(session)
            for number in range(3):
                name = f"2099010100000{number}_step"
                opencode.commit((f"ALTER TABLE part ADD COLUMN extra_{number} TEXT", ()), migrated(name))
                await migration_told(follower, name)
            await goes_on(opencode, follower, session)
            assert len(warnings(follower)) == len(set(warnings(follower))) == 3
            assert follower.source.health().warnings == {"migrated while watched": 3}
