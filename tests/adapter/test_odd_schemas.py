"""Tables that are not quite opencode's: what is missing or compares in another way costs what it is about."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.contract import NotOpencode
from adapter.events import LogEntry, SessionStarted, TurnStarted
from adapter.local import OpencodeSource
from adapter.sqlite.reader import Reader
from tests.adapter import corpus
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter
from tests.adapter.writer import Writer
from tui.cli import main


@pytest.fixture
def opencode(tmp_path: Path) -> Iterator[OpencodeWriter]:
    with OpencodeWriter(tmp_path / "opencode.db") as writer:
        yield writer


# -- a journal that says nothing

JOURNALS = {
    "no column of its own": ("CREATE TABLE migration (name TEXT)", "migration has none of the columns id"),
    "a column beside": ("CREATE TABLE migration (name TEXT, time_completed)", "migration has none of the columns id"),
    "the older one, too": (
        "CREATE TABLE __drizzle_migrations (hash TEXT)",
        "__drizzle_migrations has none of the columns created_at, name",
    ),
}


@pytest.fixture(params=JOURNALS)
def without_a_journal(request: pytest.FixtureRequest, opencode: OpencodeWriter) -> tuple[OpencodeWriter, str]:
    """A database with one session and a journal that cannot be understood; and what is said about it."""
    sql, words = JOURNALS[request.param]
    opencode.user(opencode.session("Here all the same"))
    opencode.run("DROP TABLE migration")
    opencode.run(sql)
    opencode.run(re.sub(r"CREATE TABLE (\w+) .*", r"INSERT INTO \1 DEFAULT VALUES", sql))
    return opencode, words


async def test_a_journal_without_its_columns_costs_a_remark(without_a_journal: tuple[OpencodeWriter, str]) -> None:
    opencode, words = without_a_journal
    events, health = await corpus.read(opencode.path)
    remarks = [e.message for e in events if isinstance(e, LogEntry) and e.severity == "WRN"]
    assert len(remarks) == 1
    assert words in remarks[0]
    assert (health.state, health.warnings) == ("ok", {"unknown journal": 1})
    assert (health.migration_table, health.migration_count, health.migration_hash) == ("", 0, "")
    assert [e.title for e in events if isinstance(e, SessionStarted)] == ["Here all the same"]


async def test_a_journal_without_its_columns_is_followed_without_opening_again(
    without_a_journal: tuple[OpencodeWriter, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opencode, words = without_a_journal
    learned: list[Reader] = []
    real = Reader.call

    async def counted(reader: Reader, function: Any, **rest: Any) -> Any:
        learned.append(reader)
        return await real(reader, function, **rest)

    monkeypatch.setattr(Reader, "call", counted)
    (session,) = opencode.sessions
    async with Follower(opencode.path) as follower:
        await follower.loaded(session)
        for number in range(5):
            opencode.change_session(session, title=f"Title {number}")
            await follower.equals_cold_load()
        assert learned.count(follower.source._reader) == 1
        health = follower.source.health()
        assert (health.state, health.interruptions, health.warnings) == ("ok", 0, {"unknown journal": 1})
        assert sum(words in remark.message for remark in follower.of(LogEntry)) == 1


def test_commands_work_without_a_journal(
    without_a_journal: tuple[OpencodeWriter, str], capsys: pytest.CaptureFixture[str]
) -> None:
    opencode, words = without_a_journal
    database = ["--db", str(opencode.path)]
    assert main(["ls", *database]) == 0
    assert "Here all the same" in capsys.readouterr().out
    assert main(["tree", *database]) == 0
    assert main(["events", *database]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [line["message"] for line in lines if line.get("severity") == "WRN"] == [f"unknown journal: {told(words)}"]
    # Something is worth a look, and nothing failed.
    assert main(["doctor", "--json", *database]) == 1
    (source,) = json.loads(capsys.readouterr().out)["sources"]
    assert (source["state"], source["warnings"]) == ("ok", {"unknown journal": 1})
    assert words in source["examples"]["unknown journal"]


def told(words: str) -> str:
    return f"{words}: the migrations are not known"


# -- columns that compare in another way


def recreate(writer: Writer, table: str, column: str, declared: str) -> None:
    """Makes a table anew with another declaration of a column; its rows are put back as text as far as that goes."""
    ((sql,),) = writer.run(f"SELECT sql FROM sqlite_master WHERE name = '{table}'")
    indexes = [
        found for (found,) in writer.run(f"SELECT sql FROM sqlite_master WHERE tbl_name = '{table}' AND type = 'index'")
    ]
    changed = re.sub(rf"([`\"]?{column}[`\"]?) text\b", rf"\1 {declared}", sql, count=1)
    assert changed != sql
    writer.run("PRAGMA foreign_keys=OFF")
    writer.run("PRAGMA legacy_alter_table=ON")
    writer.run(f"ALTER TABLE {table} RENAME TO old_{table}")
    writer.run(changed)
    writer.run(f"INSERT INTO {table} SELECT * FROM old_{table}")
    writer.run(f"DROP TABLE old_{table}")
    for index in indexes:
        if index:
            writer.run(index)


@pytest.mark.parametrize("declared", ["text COLLATE NOCASE", "text COLLATE RTRIM"])
@pytest.mark.parametrize("ids", [("ses_Alike", "ses_alike"), ("ses_alike", "ses_alike ")])
async def test_ids_that_a_column_takes_for_the_same_are_sessions_of_their_own(
    opencode: OpencodeWriter, declared: str, ids: tuple[str, str]
) -> None:
    for number, session in enumerate(ids):
        opencode.session(f"Session {number}", id=session)
        for _ in range(number + 1):
            opencode.part(opencode.assistant(session), {"type": "text", "text": session})
    for table in ("message", "part"):
        recreate(opencode, table, "session_id", declared)
    await sessions_have_turns(opencode, {ids[0]: 1, ids[1]: 2})


@pytest.mark.parametrize("declared", ["integer", "real", "numeric", ""])
async def test_ids_that_a_column_takes_for_numbers_cost_their_rows_at_most(
    opencode: OpencodeWriter, declared: str
) -> None:
    opencode.part(opencode.assistant(opencode.session("Words", id="ses_words")), {"type": "text", "text": "x"})
    opencode.part(opencode.assistant(opencode.session("A number", id="12")), {"type": "text", "text": "x"})
    for table in ("message", "part"):
        recreate(opencode, table, "session_id", declared)
    async with Follower(opencode.path) as follower:
        await follower.loaded("ses_words", "12")
        await follower.equals_cold_load()
        assert {turn.session_id for turn in follower.of(TurnStarted)} >= {"ses_words"}
        opencode.part(opencode.assistant("ses_words"), {"type": "text", "text": "later"})
        await follower.until(lambda: len([t for t in follower.of(TurnStarted) if t.session_id == "ses_words"]) > 1)
        await follower.equals_cold_load()
        assert follower.source.health().state == "ok"


async def sessions_have_turns(opencode: OpencodeWriter, turns: dict[str, int]) -> None:
    """A cold load and a follower have so many turns in each session."""
    async with OpencodeSource(opencode.path) as source:
        events = [event async for batch in source.stream() for event in batch.events]
        health = await source.probe()
    for session, count in turns.items():
        assert sum(isinstance(e, TurnStarted) and e.session_id == session for e in events) == count
    assert (health.state, health.counts["sessions"]) == ("ok", len(turns))
    async with Follower(opencode.path) as follower:
        await follower.loaded(*turns)
        await follower.equals_cold_load()
        for session in turns:
            opencode.part(opencode.assistant(session), {"type": "text", "text": "later"})
            await follower.equals_cold_load()
        assert follower.source.health().warnings == health.warnings


# -- names that are no UTF-8


def misname(path: Path, name: bytes) -> Path:
    """Writes a name, wherever it stands, with two bytes that are no UTF-8."""
    content = path.read_bytes()
    assert name in content
    path.write_bytes(content.replace(name, b"\xff\xfe" + name[2:]))
    return path


@pytest.mark.parametrize("name", [b"slug", b"agent", b"todo", b"session_parent_idx", b"migration"])
async def test_a_name_in_the_schema_that_is_no_utf8_costs_what_it_names(tmp_path: Path, name: bytes) -> None:
    events, health = await corpus.read(misname(corpus.build("1.18.33/plain", tmp_path / "opencode.db"), name))
    assert [type(event) for event in events].count(SessionStarted) == 1
    assert health.state == "ok"


async def test_a_column_that_everything_needs_is_named_though_its_name_is_no_utf8(tmp_path: Path) -> None:
    path = misname(corpus.build("1.18.33/plain", tmp_path / "opencode.db"), b"title")
    with pytest.raises(NotOpencode, match=r"has no column session\.title, which is required"):
        await corpus.read(path)


@pytest.mark.parametrize("command", ["ls", "tree", "events", "doctor"])
@pytest.mark.parametrize("name", [b"slug", b"title", b"migration"])
def test_commands_say_in_a_line_what_they_cannot_read(
    tmp_path: Path, name: bytes, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = misname(corpus.build("1.18.33/plain", tmp_path / "opencode.db"), name)
    status = main([command, "--db", str(path)])
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    assert status == (2 if name == b"title" else 0)
    if status:
        # The report of doctor is what it was asked for, also about a file that cannot be read.
        said = found.out if command == "doctor" else found.err
        assert sum("has no column session.title" in line for line in said.splitlines()) == 1


ROWIDS = {
    "a column of that name": ("ALTER TABLE {} ADD COLUMN rowid TEXT DEFAULT 'x'",),
    "none": ("ALTER TABLE {0} RENAME TO old", "CREATE TABLE {0} (id TEXT PRIMARY KEY, data TEXT) WITHOUT ROWID"),
}


@pytest.mark.parametrize("made", ROWIDS)
@pytest.mark.parametrize(("table", "status"), [("session", 2), ("part", 2), ("event", 0), ("event_sequence", 0)])
def test_a_table_whose_rows_have_no_numbers_is_refused_or_done_without(
    tmp_path: Path, table: str, status: int, made: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    connection = sqlite3.connect(path)
    for statement in ROWIDS[made]:
        connection.execute(statement.format(table))
    connection.commit()
    connection.close()
    assert main(["ls", "--db", str(path)]) == status
    found = capsys.readouterr()
    assert ("without the row numbers" in found.err) is (status == 2)
    assert ("Lab plain" in found.out) is (status == 0)


async def test_a_feed_without_ids_is_done_without(opencode: OpencodeWriter) -> None:
    session = opencode.session("Here all the same")
    opencode.run("DROP TABLE event")
    opencode.run("CREATE TABLE event (aggregate_id TEXT, seq INTEGER, type TEXT, data TEXT)")
    opencode.events = False
    async with Follower(opencode.path) as follower:
        await follower.loaded(session)
        opencode.user(session)
        await follower.equals_cold_load()
        assert follower.source.health().interruptions == 0
