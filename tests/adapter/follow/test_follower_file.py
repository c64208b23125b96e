"""The file itself appears, vanishes, is replaced, restored or migrated while it is followed."""

# ruff: noqa: ASYNC240 - the files are small, and what happens to them must be over before the test goes on
from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

import adapter.opencode.database
import adapter.sqlite.connection
from adapter.contract import AdapterError
from adapter.events import SessionRemoved, SessionStarted, SourceError
from adapter.local import OpencodeSource
from adapter.opencode.schema import Schema
from adapter.sqlite.connection import SafeConnection
from adapter.sqlite.files import side_file
from adapter.sqlite.reader import Reader, Snapshot
from tests.adapter import corpus
from tests.adapter.follow.helpers import Clocks
from tests.adapter.follower import Follower, eventually
from tests.adapter.opencode_writer import OpencodeWriter
from tests.adapter.writer import Writer


def sessions(follower: Follower) -> set[str]:
    return {key[1] for key in follower.store.sessions}


def sessions_of(name: str) -> set[str]:
    return {str(row[0]) for row in corpus.table(name, "SELECT id FROM session")}


async def told(follower: Follower, words: str, times: int = 1) -> None:
    """Waits for a source_error with these words."""
    await follower.until(
        lambda: sum(words in e.message for e in follower.of(SourceError)) == times,
        lambda: f"no {words!r} in {[e.message for e in follower.of(SourceError)]}",
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "opencode.db"


@pytest.mark.parametrize("directory_exists", [True, False])
async def test_a_missing_file_is_told_once_and_waited_for(database: Path, directory_exists: bool) -> None:
    if directory_exists:
        database.parent.mkdir()
    async with Follower(database) as follower:
        await told(follower, f"no database at {database}")
        assert follower.source.health().state == "waiting"
        database.parent.mkdir(exist_ok=True)
        corpus.build("1.18.33/task", database.with_name("elsewhere.db")).rename(database)
        await follower.until(lambda: sessions(follower) == sessions_of("1.18.33/task"))
        await follower.equals_cold_load()
        assert follower.source.health().state == "ok"
        assert len(follower.of(SourceError)) == 1


BROKEN = {
    "empty": (lambda path: path.write_bytes(b""), "is empty (0 bytes)", "waiting"),
    "garbage": (lambda path: path.write_bytes(b"\x00garbage" * 1000), "is not a SQLite database", "error"),
    "short": (lambda path: path.write_bytes(b"SQLite format 3\0"), "is not a SQLite database", "error"),
    "directory": (lambda path: path.mkdir(), "is a directory", "error"),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_file_that_cannot_be_read_is_told_and_gets_another_chance(database: Path, what: str) -> None:
    spoil, words, state = BROKEN[what]
    database.parent.mkdir()
    spoil(database)
    async with Follower(database) as follower:
        await told(follower, words)
        assert follower.source.health().state == state
        if database.is_dir():
            database.rmdir()
        corpus.build("1.18.33/plain", database.with_name("elsewhere.db")).replace(database)
        await follower.equals_cold_load()
        assert sessions(follower) == sessions_of("1.18.33/plain")


async def test_a_database_of_another_program_is_named_as_such(database: Path) -> None:
    database.parent.mkdir()
    with Writer(database) as foreign:
        foreign.run("CREATE TABLE song (id INTEGER, title TEXT)")
        async with Follower(database) as follower:
            await told(follower, "has no table session")
        async with OpencodeSource(database) as source:
            with pytest.raises(AdapterError, match="no table session: not a database of opencode"):
                await source.open()


async def test_a_database_without_a_column_that_is_needed_says_which(database: Path) -> None:
    database.parent.mkdir()
    corpus.build("1.18.33/plain", database)
    with Writer(database) as writer:
        writer.run("ALTER TABLE part RENAME COLUMN data TO payload")
        async with Follower(database) as follower:
            await told(follower, "has no column part.data")


async def test_tables_that_appear_later_are_picked_up(database: Path) -> None:
    database.parent.mkdir()
    with Writer(database) as writer:
        writer.run("CREATE TABLE early (id INTEGER)")
        async with Follower(database) as follower:
            await told(follower, "has no table session")
            writer.run("PRAGMA foreign_keys=OFF")
            script = corpus.statements("1.18.33/plain").replace("BEGIN TRANSACTION;", "").replace("COMMIT;", "")
            pieces = [piece for piece in script.split(";\n") if piece.strip()]
            writer.commit(*[(piece, ()) for piece in pieces])
            await follower.equals_cold_load()
            assert sessions(follower) == sessions_of("1.18.33/plain")


async def test_a_file_replaced_by_rename_is_read_anew(database: Path) -> None:
    database.parent.mkdir()
    corpus.build("1.18.33/task", database)
    async with Follower(database) as follower:
        await follower.until(lambda: sessions(follower) == sessions_of("1.18.33/task"))
        corpus.build("1.18.33/fail", database.with_name("new.db")).replace(database)
        await follower.until(lambda: sessions(follower) == sessions_of("1.18.33/fail"))
        await follower.equals_cold_load()
        assert {e.session_id for e in follower.of(SessionRemoved)} == sessions_of("1.18.33/task")


async def test_behind_a_symbolic_link_the_real_file_is_followed_and_its_successor(
    database: Path, tmp_path: Path
) -> None:
    database.parent.mkdir()
    link = tmp_path / "elsewhere" / "opencode.db"
    link.parent.mkdir()
    link.symlink_to(database)
    with OpencodeWriter(database) as opencode:
        session = opencode.session("One")
        async with Follower(link) as follower:
            await follower.loaded(session)
            opencode.user(session, "through the link")
            await follower.equals_cold_load()
            other = corpus.build("1.18.33/fail", tmp_path / "other.db")
            fresh = link.with_name("fresh")
            fresh.symlink_to(other)
            fresh.replace(link)
            await follower.until(lambda: sessions(follower) == sessions_of("1.18.33/fail"))
            assert follower.source.health().wal_size == 0


async def test_a_file_deleted_and_made_again_is_followed(database: Path) -> None:
    database.parent.mkdir()
    first = OpencodeWriter(database)
    session = first.session("Before")
    async with Follower(database) as follower:
        await follower.loaded(session)
        first.kill()
        for file in database.parent.iterdir():
            file.unlink()
        await told(follower, "no database at")
        with OpencodeWriter(database) as second:
            again = second.session("After")
            second.user(again)
            await follower.until(lambda: sessions(follower) == {again})
            await follower.equals_cold_load()


async def test_a_copy_restored_over_the_file_is_read_anew(database: Path, tmp_path: Path) -> None:
    database.parent.mkdir()
    backup = corpus.build("1.18.33/task", tmp_path / "backup.db")
    corpus.build("1.18.33/fail", database)
    inode = database.stat().st_ino
    async with Follower(database) as follower:
        await follower.until(lambda: sessions(follower) == sessions_of("1.18.33/fail"))
        shutil.copyfile(backup, database)
        assert database.stat().st_ino == inode
        await follower.until(lambda: sessions(follower) == sessions_of("1.18.33/task"))
        await follower.equals_cold_load()


async def test_a_truncated_file_is_told_and_recovers(database: Path, tmp_path: Path) -> None:
    database.parent.mkdir()
    corpus.build("1.18.33/task", database)
    whole = database.read_bytes()
    async with Follower(database) as follower:
        await follower.until(lambda: sessions(follower) == sessions_of("1.18.33/task"))
        os.truncate(database, 0)
        await told(follower, "is empty (0 bytes)")
        os.truncate(database, 0)
        database.write_bytes(whole[:5000])
        await told(follower, "is not a SQLite database")
        database.write_bytes(whole)
        await follower.equals_cold_load()
        assert sessions(follower) == sessions_of("1.18.33/task")


def left_by_a_reader(database: Path) -> None:
    """Leaves what every other read-only reader of a closed database leaves: an empty -wal and a -shm."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.close()
    reader = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    reader.execute("SELECT count(*) FROM session").fetchall()
    reader.close()
    assert database.with_name("opencode.db-wal").stat().st_size == 0
    assert database.with_name("opencode.db-shm").exists()


async def test_following_what_another_reader_left_comes_to_rest(database: Path) -> None:
    database.parent.mkdir()
    corpus.build("1.18.33/task", database)
    left_by_a_reader(database)
    async with asyncio.timeout(10), OpencodeSource(database) as source:
        found = [event async for batch in source.glance() for event in batch.events]
    assert {event.session_id for event in found if isinstance(event, SessionStarted)} == sessions_of("1.18.33/task")


@pytest.mark.parametrize("content", [b"\x00garbage" * 1000, b"\x00"], ids=["damaged", "one byte"])
async def test_waiting_for_a_database_is_not_hurried_by_what_is_written_to_its_wal(
    database: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.parent.mkdir()
    database.write_bytes(content)
    attempts = []
    reader_open = Reader.open

    async def counted(self: Reader) -> None:
        attempts.append(self.path)
        await reader_open(self)

    monkeypatch.setattr(Reader, "open", counted)
    async with Follower(database) as follower:
        await follower.until(lambda: bool(follower.of(SourceError)))
        began, before = time.monotonic(), len(attempts)
        with database.with_name("opencode.db-wal").open("ab", buffering=0) as wal:
            while time.monotonic() - began < 2:
                wal.write(b"a frame")
                # The pause between two commits of the other process.
                await asyncio.sleep(0.01)
        assert len(attempts) - before <= 3


async def test_a_schema_that_seems_to_change_for_ever_is_told_and_waited_for(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.parent.mkdir()
    corpus.build("1.18.33/plain", database)
    learned = 0
    real = adapter.opencode.database.introspect

    def strange(snapshot: Snapshot) -> Schema:
        nonlocal learned
        learned += 1
        snapshot.rows("SELECT nothing_of_that_name FROM session")
        return real(snapshot)

    monkeypatch.setattr(adapter.opencode.database, "introspect", strange)
    async with Follower(database) as follower:
        await told(follower, "no such column: nothing_of_that_name")
        assert follower.source.health().state == "error"
        monkeypatch.setattr(adapter.opencode.database, "introspect", real)
        corpus.build("1.18.33/task", database.with_name("elsewhere.db")).replace(database)
        await follower.equals_cold_load()
        assert sessions(follower) == sessions_of("1.18.33/task")
        assert (follower.source.health().state, len(follower.of(SourceError))) == ("ok", 1)
    assert learned < 10


async def test_who_has_nothing_to_read_leaves_the_file_soon_so_that_opencode_can_fold_its_wal_when_it_ends(
    database: Path,
) -> None:
    database.parent.mkdir()
    time_s = 1_000.0
    with OpencodeWriter(database) as opencode:
        opencode.user(opencode.session())
        async with Follower(database, monotonic=lambda: time_s) as follower:
            await follower.equals_cold_load()
            assert follower.source._follower.database.reader.is_open
            quiet_since = time_s

            def is_closed_while_time_passes() -> bool:
                nonlocal time_s
                time_s += 0.004
                return not follower.source._follower.database.reader.is_open

            await eventually(is_closed_while_time_passes)
            assert time_s - quiet_since < 2.0
            opencode.close()
            assert not side_file(database, "-wal").exists()


async def test_the_file_is_opened_once_however_long_it_takes_to_read(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    connect = adapter.sqlite.connection._open

    def noted(path: Path, parameters: str, **options: bool) -> SafeConnection:
        opened.append(path)
        return connect(path, parameters, **options)

    monkeypatch.setattr(adapter.sqlite.connection, "_open", noted)
    database.parent.mkdir()
    clocks = Clocks()

    def slow() -> float:
        """Each look at the clock finds it a second later."""
        clocks.monotonic_ahead += 1.0
        return clocks.monotonic()

    with OpencodeWriter(database) as opencode:
        for number in range(50):
            opencode.user(opencode.session(f"Session {number}"))
        # A closed file is left alone for longer than one that was just written.
        opencode.close()
        os.utime(database, (1, 1))
        async with Follower(database, monotonic=slow) as follower:
            await follower.loaded(*opencode.sessions)
    assert len(opened) == 1


async def test_a_clean_start_of_opencode_on_a_closed_file_is_noticed(database: Path) -> None:
    database.parent.mkdir()
    corpus.build("1.18.33/plain", database)
    async with Follower(database) as follower:
        await follower.until(lambda: bool(sessions(follower)))
        assert follower.source.health().open_mode == "immutable"
        (session,) = sessions_of("1.18.33/plain")
        for title in ("First", "Second"):
            with Writer(database) as writer:
                writer.commit(("UPDATE session SET title = ? WHERE id = ?", (title, session)))
                await follower.until(lambda wanted=title: follower.session(session).title == wanted)  # type: ignore[union-attr, misc]
                assert follower.source.health().open_mode == "readonly_shm"
            await follower.equals_cold_load()


async def test_a_killed_writer_leaves_a_file_that_is_still_followed(database: Path) -> None:
    database.parent.mkdir()
    first = OpencodeWriter(database)
    session = first.session()
    async with Follower(database) as follower:
        await follower.loaded(session)
        first.user(session, "the last words")
        first.kill()
        await follower.equals_cold_load()
        with Writer(database) as second:
            second.commit(("UPDATE session SET title = 'revived'", ()))
            await follower.until(lambda: follower.session(session).title == "revived")  # type: ignore[union-attr]
