"""The one place that opens SQLite: it opens in every state of the files, refuses everything but reading, and leaves no
trace."""

# ruff: noqa: ASYNC240 - the files are small and local
from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from adapter.contract import (
    DeadlineExceeded,
    NotADatabase,
    RowTooLarge,
    SourceBusy,
    SourceChanged,
    SourceEmpty,
    SourceMissing,
    SourceUnreadable,
)
from adapter.sqlite import reader as connection
from adapter.sqlite.reader import Reader, SafeConnection, Snapshot
from tests.adapter import corpus
from tests.adapter.writer import Writer

DATABASE = "1.18.33/plain"
ENDLESS = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A cleanly closed database, alone in its directory."""
    directory = tmp_path / "data"
    directory.mkdir()
    return corpus.build(DATABASE, directory / "opencode.db")


@pytest.fixture
def crashed(database: Path) -> Path:
    """The same with -wal and -shm left by a writer that was killed."""
    writer = Writer(database)
    writer.commit(("UPDATE session SET title = 'from the WAL'", ()))
    writer.kill()
    return database


OpenReader = Callable[[Path], Awaitable[Reader]]


@pytest.fixture
async def open_reader() -> AsyncIterator[OpenReader]:
    """Opens readers and closes them however the test ends: the thread of an open one keeps the process alive."""
    opened: list[Reader] = []

    async def open_one(path: Path) -> Reader:
        opened.append(await Reader.open(path))
        return opened[-1]

    yield open_one
    for reader in opened:
        await reader.close()


async def titles(reader: Reader) -> list[Any]:
    async with reader.snapshot() as snapshot:
        return [row[0] for row in await snapshot.rows("SELECT title FROM session")]


async def open_and_read(path: Path) -> list[Any]:
    reader = await Reader.open(path)
    try:
        return await titles(reader)
    finally:
        await reader.close()


# -- the ladder


async def test_a_closed_database_is_read_without_any_new_file(database: Path, open_reader: OpenReader) -> None:
    before = corpus.files(database.parent)
    reader = await open_reader(database)
    assert (reader.mode, await titles(reader)) == ("immutable", ["Lab plain"])
    await reader.close()
    assert corpus.files(database.parent) == before


async def test_a_live_database_is_read_without_a_mark_in_its_files(database: Path, open_reader: OpenReader) -> None:
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'live'", ()))
        before = corpus.files(database.parent)
        reader = await open_reader(database)
        assert (reader.mode, await titles(reader)) == ("readonly_shm", ["live"])
        assert corpus.files(database.parent) == before
        await reader.close()
        assert corpus.files(database.parent) == before


async def test_what_a_crash_left_is_read_and_left(crashed: Path, open_reader: OpenReader) -> None:
    before = corpus.files(crashed.parent)
    assert set(before) == {"opencode.db", "opencode.db-wal", "opencode.db-shm"}
    reader = await open_reader(crashed)
    assert (reader.mode, await titles(reader)) == ("readonly_shm", ["from the WAL"])
    await reader.close()
    assert corpus.files(crashed.parent) == before


async def test_a_copy_without_its_shm_is_read_at_the_price_of_one(crashed: Path, open_reader: OpenReader) -> None:
    crashed.with_name("opencode.db-shm").unlink()
    before = corpus.files(crashed.parent)
    reader = await open_reader(crashed)
    assert (reader.mode, await titles(reader)) == ("ro (made -shm)", ["from the WAL"])
    await reader.close()
    after = corpus.files(crashed.parent)
    assert {name: after[name] for name in before} == before


async def test_a_database_in_rollback_mode_with_a_journal_is_opened_plainly(
    database: Path, open_reader: OpenReader
) -> None:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=PERSIST").fetchall()
    connection.execute("UPDATE session SET title = 'rolled'").close()
    connection.commit()
    connection.close()
    reader = await open_reader(database)
    assert (reader.mode, await titles(reader)) == ("ro", ["rolled"])
    await reader.close()


def left_by_a_reader(database: Path) -> None:
    """Leaves what every other read-only reader of a closed database leaves: an empty -wal and a -shm."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.close()
    reader = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    reader.execute("SELECT count(*) FROM session").fetchall()
    reader.close()
    assert {name: len(found[0]) for name, found in corpus.files(database.parent).items() if name != database.name} == {
        "opencode.db-wal": 0,
        "opencode.db-shm": 32768,
    }


async def test_an_empty_wal_beside_a_shm_is_as_good_as_a_closed_file(database: Path, open_reader: OpenReader) -> None:
    left_by_a_reader(database)
    reader = await open_reader(database)
    gates = []
    for _ in range(3):
        gates.append(await reader.gate())
        assert await titles(reader) == ["Lab plain"]
    assert gates[0] == gates[1] == gates[2]
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'live'", ()))
        with pytest.raises(SourceChanged):
            await reader.gate()
        assert await open_and_read(database) == ["live"]
    await reader.close()


@pytest.mark.parametrize("journal", [b"", b"\0" * 512], ids=["empty", "zeroed"])
async def test_a_journal_with_nothing_in_it_beside_a_file_in_wal_mode_makes_no_new_file(
    database: Path, journal: bytes, open_reader: OpenReader
) -> None:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.close()
    database.with_name("opencode.db-journal").write_bytes(journal)
    before = corpus.files(database.parent)
    reader = await open_reader(database)
    assert await titles(reader) == ["Lab plain"]
    await reader.close()
    assert corpus.files(database.parent) == before


async def test_an_empty_wal_without_shm_means_that_nobody_writes(database: Path, open_reader: OpenReader) -> None:
    database.with_name("opencode.db-wal").touch()
    before = corpus.files(database.parent)
    reader = await open_reader(database)
    assert (reader.mode, await titles(reader)) == ("immutable", ["Lab plain"])
    await reader.close()
    assert corpus.files(database.parent) == before


@pytest.mark.parametrize("size", [0, 1, 100])
async def test_what_cannot_be_a_database_is_never_opened_beside_a_wal(crashed: Path, size: int) -> None:
    os.truncate(crashed, size)
    before = corpus.files(crashed.parent)
    with pytest.raises(SourceEmpty, match=f"has {size} bytes and a -wal beside it"):
        await open_and_read(crashed)
    assert corpus.files(crashed.parent) == before


async def test_a_database_truncated_beside_a_live_writer_keeps_its_wal(database: Path, open_reader: OpenReader) -> None:
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'live'", ()))
        reader = await open_reader(database)
        os.truncate(database, 1)
        with pytest.raises(SourceEmpty):
            await reader.gate()
        before = corpus.files(database.parent)
        with pytest.raises(SourceEmpty):
            await open_and_read(database)
        assert corpus.files(database.parent) == before


async def test_a_locked_database_is_busy_after_the_retries(database: Path, open_reader: OpenReader) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    for statement in ("PRAGMA journal_mode=PERSIST", "UPDATE session SET title = 'x'", "BEGIN EXCLUSIVE"):
        connection.execute(statement).fetchall()
    try:
        with pytest.raises(SourceBusy, match="is locked"):
            await open_reader(database)
    finally:
        connection.close()


UNREADABLE: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "missing": (lambda path: path.unlink(), SourceMissing, "no database at"),
    "empty": (lambda path: path.write_bytes(b""), SourceEmpty, r"is empty \(0 bytes\)"),
    "garbage": (lambda path: path.write_bytes(os.urandom(9000)), NotADatabase, "is not a SQLite database"),
    "header only": (lambda path: os.truncate(path, 100), NotADatabase, "is not a SQLite database, or is damaged"),
    "half": (lambda path: os.truncate(path, 8192), NotADatabase, "or is damaged"),
    "directory": (lambda path: (path.unlink(), path.mkdir()), SourceUnreadable, "is a directory; name the database"),
    "loop": (lambda path: (path.unlink(), path.symlink_to(path)), SourceUnreadable, "cannot read"),
}


@pytest.mark.parametrize("what", UNREADABLE)
async def test_what_cannot_be_read_has_one_clear_line(database: Path, what: str) -> None:
    spoil, error, words = UNREADABLE[what]
    spoil(database)
    with pytest.raises(error, match=words) as raised:
        await open_and_read(database)
    assert str(database) in str(raised.value)
    assert "\n" not in str(raised.value)


STRANGE = [
    "with space.db",
    "a?mode=rwc",
    "b#fragment.db",
    "c%20d.db",
    "e%00f.db",
    "file:g.db",
    "?vfs=memdb&x=.db",
    "ü日本.db",
    "new\nline.db",
    ":memory:",
    "-dash.db",
    "back\\slash.db",
    os.fsdecode(b"no\xff\xfeutf8.db"),
]


@pytest.mark.parametrize("name", STRANGE, ids=ascii)
async def test_a_strange_name_opens_that_file_and_nothing_else(
    database: Path, name: str, open_reader: OpenReader
) -> None:
    strange = database.with_name(name)
    database.rename(strange)
    before = corpus.files(strange.parent)
    reader = await open_reader(strange)
    assert (reader.mode, await titles(reader)) == ("immutable", ["Lab plain"])
    await reader.close()
    assert corpus.files(strange.parent) == before


@pytest.mark.parametrize("state", ["closed", "live"])
async def test_behind_a_symbolic_link_the_files_beside_the_real_one_count(
    database: Path, tmp_path: Path, open_reader: OpenReader, state: str
) -> None:
    link = tmp_path / "linked.db"
    link.symlink_to(database)
    if state == "closed":
        before = corpus.files(database.parent)
        reader = await open_reader(link)
        assert (reader.mode, await titles(reader)) == ("immutable", ["Lab plain"])
        assert corpus.files(database.parent) == before
        return
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'only in the WAL'", ()))
        before = corpus.files(database.parent)
        reader = await open_reader(link)
        assert (reader.mode, await titles(reader)) == ("readonly_shm", ["only in the WAL"])
        await reader.close()
        assert corpus.files(database.parent) == before
        assert {file.name for file in tmp_path.iterdir()} == {"data", "linked.db"}


# -- changes under an open connection


async def test_an_immutable_file_that_is_written_meanwhile_gives_no_result(
    database: Path, open_reader: OpenReader
) -> None:
    reader = await open_reader(database)

    async def read() -> None:
        async with reader.snapshot() as snapshot:
            await snapshot.rows("SELECT count(*) FROM part")
            Writer(database).kill()

    with pytest.raises(SourceChanged, match="is being written"):
        await read()
    with pytest.raises(SourceChanged, match="is being written"):
        await reader.gate()
    await reader.close()


async def test_the_gate_moves_with_commits_and_with_nothing_else(database: Path, open_reader: OpenReader) -> None:
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'first'", ()))
        reader = await open_reader(database)
        first = await reader.gate()
        assert await reader.gate() == first
        writer.commit(("UPDATE session SET title = title WHERE id = 'nobody'", ()))
        assert await reader.gate() == first
        writer.commit(("UPDATE session SET title = 'other'", ()))
        assert await reader.gate() != first
        await reader.close()


@pytest.mark.parametrize("change", ["replaced", "gone", "truncated", "new WAL"])
async def test_the_gate_sees_that_the_path_leads_elsewhere(
    crashed: Path, tmp_path: Path, change: str, open_reader: OpenReader
) -> None:
    reader = await open_reader(crashed)
    if change == "replaced":
        corpus.build(DATABASE, tmp_path / "new.db").replace(crashed)
    elif change == "gone":
        crashed.unlink()
    elif change == "truncated":
        os.truncate(crashed, 0)
    else:
        shutil.copy(crashed.with_name("opencode.db-wal"), tmp_path / "wal")
        (tmp_path / "wal").replace(crashed.with_name("opencode.db-wal"))
    with pytest.raises({"gone": SourceMissing, "truncated": SourceEmpty}.get(change, SourceChanged)):
        await reader.gate()
    await reader.close()


# -- transactions


async def open_transactions(reader: Reader) -> bool:
    """Whether the connection holds a read transaction, an unfinished cursor included: then it cannot begin one."""
    return reader._raw.in_transaction


async def test_no_transaction_is_open_after_a_snapshot_however_it_ends(database: Path, open_reader: OpenReader) -> None:
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'first'", ()))
        reader = await open_reader(database)
        async with reader.snapshot() as snapshot:
            await snapshot.rows("SELECT * FROM part")
            assert await open_transactions(reader)
        assert not await open_transactions(reader)
        with pytest.raises(ZeroDivisionError):
            async with reader.snapshot() as snapshot:
                1 / len(await snapshot.rows("SELECT id FROM part WHERE id = 'none'"))
        assert not await open_transactions(reader)
        with pytest.raises(SourceChanged, match="no such column"):
            async with reader.snapshot() as snapshot:
                await snapshot.rows("SELECT missing_column FROM part")
        assert not await open_transactions(reader)
        # Only without any reader can the WAL be reset to nothing.
        assert writer.run("PRAGMA wal_checkpoint(TRUNCATE)") == [[0, 0, 0]]
        await reader.close()


async def test_a_cancelled_read_leaves_no_transaction_and_no_lock(database: Path, open_reader: OpenReader) -> None:
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'Lab plain'", ()))
        reader = await open_reader(database)
        inside = asyncio.Event()

        async def read() -> None:
            async with reader.snapshot() as snapshot:
                await snapshot.rows("SELECT * FROM part")
                inside.set()
                await snapshot.rows(ENDLESS)

        task = asyncio.create_task(read())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await titles(reader) == ["Lab plain"]
        assert not await open_transactions(reader)
        assert writer.run("PRAGMA wal_checkpoint(TRUNCATE)") == [[0, 0, 0]]
        await reader.close()


async def test_a_read_that_takes_too_long_is_stopped(database: Path, open_reader: OpenReader) -> None:
    reader = await open_reader(database)
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="was stopped"):
        async with reader.snapshot(limit_s=0.1) as snapshot:
            await snapshot.rows(ENDLESS)
    assert time.monotonic() - started < 5
    assert await titles(reader) == ["Lab plain"]
    await reader.close()


async def test_the_deadline_never_hits_the_end_of_a_transaction(
    database: Path, open_reader: OpenReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PROGRESS_OPCODES", 5)
    reader = await open_reader(database)
    for _ in range(20):
        async with reader.snapshot() as snapshot:
            assert await snapshot.rows("SELECT 1") == [(1,)]
        assert reader._raw.in_transaction is False
    await reader.close()


async def test_an_oversized_value_is_an_error_of_its_own(
    database: Path, monkeypatch: pytest.MonkeyPatch, open_reader: OpenReader
) -> None:
    with Writer(database) as writer:
        writer.commit(("UPDATE part SET data = printf('%.*c', 200000, 'x')", ()))
        monkeypatch.setattr("adapter.sqlite.reader.ROW_LIMIT_BYTES", 100_000)
        reader = await open_reader(database)
        with pytest.raises(RowTooLarge):
            async with reader.snapshot() as snapshot:
                await snapshot.rows("SELECT data FROM part")
        await reader.close()


async def test_invalid_utf8_is_text_with_replacement_characters(database: Path, open_reader: OpenReader) -> None:
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = CAST(x'41ff42' AS TEXT)", ()))
        reader = await open_reader(database)
        assert await titles(reader) == ["A\ufffdB"]
        await reader.close()


async def test_a_snapshot_is_one_moment(database: Path, open_reader: OpenReader) -> None:
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'first'", ()))
        reader = await open_reader(database)

        async def title(snapshot: Snapshot) -> Any:
            return (await snapshot.rows("SELECT title FROM session"))[0][0]

        async with reader.snapshot() as snapshot:
            first = await title(snapshot)
            await asyncio.to_thread(writer.commit, ("UPDATE session SET title = 'later'", ()))
            assert await title(snapshot) == first
        assert await titles(reader) == ["later"]
        await reader.close()


def test_safe_connections_are_read_only_whatever_the_caller_says(database: Path) -> None:
    connection = sqlite3.connect(database, factory=SafeConnection)
    try:
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            connection.execute("DELETE FROM part")
    finally:
        connection.close()


@pytest.mark.parametrize("turns", range(6))
async def test_an_opening_that_is_cancelled_leaves_nothing_open(
    database: Path, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[SafeConnection] = []
    closed: list[SafeConnection] = []

    class Watched(SafeConnection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            opened.append(self)

        def close(self) -> None:
            closed.append(self)
            super().close()

    monkeypatch.setattr(connection, "SafeConnection", Watched)
    task = asyncio.create_task(Reader.open(database))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert opened == closed
    assert bool(opened) == (turns > 0)
