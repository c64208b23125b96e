"""The one place that opens SQLite: one hop a read, in as many transactions as it takes, and nothing is left behind."""

# ruff: noqa: ASYNC240 - the files are small and local
from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.contract import (
    AdapterError,
    OutOfTime,
    RowTooLarge,
    SourceChanged,
    SourceEmpty,
    SourceMissing,
    SourceUnavailable,
)
from adapter.local import OpencodeSource
from adapter.references import build
from adapter.sqlite import connection
from adapter.sqlite import reader as module
from adapter.sqlite.connection import SafeConnection
from adapter.sqlite.files import Signature
from adapter.sqlite.reader import Pieces, Reader, Snapshot
from tests.adapter import corpus
from tests.adapter.opencode_writer import OpencodeWriter
from tests.adapter.sqlite.conftest import OpenReader
from tests.adapter.writer import Writer

DATABASE = "1.18.33/plain"
ENDLESS = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
LONG = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 40000) SELECT max(x) FROM n"
"""Takes some dozens of looks at the clock."""
FOREVER_S = 600.0


def titles_of(snapshot: Snapshot) -> list[Any]:
    return [row[0] for row in snapshot.rows("SELECT title FROM session")]


async def titles(reader: Reader) -> list[Any]:
    return await reader.call(titles_of)


async def state(reader: Reader) -> object:
    return await reader.call(lambda snapshot: snapshot.state)


def holds_a_transaction(reader: Reader) -> list[bool]:
    return [lane.raw.in_transaction for lane in reader._lanes.values()]


def in_three_pieces(snapshot: Snapshot) -> Pieces[list[Any]]:
    found = []
    for number in range(3):
        found += titles_of(snapshot)
        if number < 2:
            yield
    return found


@pytest.fixture
def live(database: Path) -> Iterator[Writer]:
    """A process that has the database open and has written to it."""
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'first'", ()))
        yield writer


# -- hops and pieces


async def test_a_read_is_one_hop_and_one_transaction_whatever_it_asks(database: Path, open_reader: OpenReader) -> None:
    reader = open_reader(database)
    await reader.open()
    before = reader.hops, reader.transactions, reader.statements

    def work(snapshot: Snapshot) -> Pieces[int]:
        count = sum(len(titles_of(snapshot)) for _ in range(20))
        assert snapshot.state == snapshot.state
        return count
        yield

    assert await reader.read(work) == 20
    assert (reader.hops, reader.transactions, reader.statements) == (before[0] + 1, before[1] + 1, before[2] + 20)


async def test_a_read_that_yields_is_done_in_as_many_transactions_and_goes_on_where_it_was(
    database: Path, open_reader: OpenReader, live: Writer
) -> None:
    reader = open_reader(database)
    await reader.open()
    before = reader.hops, reader.transactions

    def work(snapshot: Snapshot) -> Pieces[list[Any]]:
        found = titles_of(snapshot)
        live.commit(("UPDATE session SET title = 'second'", ()))
        found += titles_of(snapshot)
        yield
        return found + titles_of(snapshot)

    assert await reader.read(work) == ["first", "first", "second"]
    assert (reader.hops, reader.transactions) == (before[0] + 2, before[1] + 2)


async def test_other_reads_come_in_between_the_pieces_of_a_long_one(database: Path, open_reader: OpenReader) -> None:
    reader = open_reader(database)
    await reader.open()
    order: list[str] = []

    def long(snapshot: Snapshot) -> Pieces[None]:
        for _ in range(50):
            titles_of(snapshot)
            order.append("long")
            yield

    def short(_snapshot: Snapshot) -> None:
        order.append("short")

    reading = asyncio.create_task(reader.read(long))
    while not order:  # noqa: ASYNC110 - until it is at work
        await asyncio.sleep(0)
    await reader.call(short)
    assert 1 <= order.index("short") <= 5
    await reading
    assert len(order) == 51


async def test_what_is_long_on_the_side_holds_up_nothing_else(database: Path, open_reader: OpenReader) -> None:
    reader = open_reader(database, FOREVER_S)
    begun, go_on = threading.Event(), threading.Event()

    def long(_snapshot: Snapshot) -> str:
        begun.set()
        assert go_on.wait(10)
        return "long"

    reading = asyncio.create_task(reader.call(long, side=True))
    assert await asyncio.to_thread(begun.wait, 10)
    assert await titles(reader) == ["Lab plain"]
    go_on.set()
    assert await reading == "long"


async def test_a_work_is_told_when_its_transaction_has_lasted_a_fifth_of_what_it_may(
    database: Path, open_reader: OpenReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock(monkeypatch)
    reader = open_reader(database, 1.0)

    def work(snapshot: Snapshot) -> Pieces[list[bool]]:
        told = [snapshot.overdue]
        now[0] += 0.25
        told.append(snapshot.overdue)
        yield
        return [*told, snapshot.overdue]

    assert await reader.read(work) == [False, True, False]
    assert reader.longest_s == 0.25


# -- time


def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of the reader, to be set by hand."""
    now = [1000.0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now[0]

    monkeypatch.setattr(module, "time", Clock)
    monkeypatch.setattr(connection, "time", Clock)
    return now


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A machine on which 10,000 steps of SQLite take a millisecond of a clock that stands still otherwise."""
    now = clock(monkeypatch)
    real = SafeConnection._overdue

    def overdue(raw: SafeConnection) -> int:
        now[0] += 0.001
        return real(raw)

    monkeypatch.setattr(SafeConnection, "_overdue", overdue)
    return now


async def test_a_statement_that_is_stopped_for_time_gets_twice_the_time_until_it_ends(
    database: Path, open_reader: OpenReader, slow: list[float]
) -> None:
    reader = open_reader(database, 0.003)
    given: list[float] = []

    def work(snapshot: Snapshot) -> list[Any]:
        given.append(round(snapshot._raw.deadline - slow[0], 6))
        return snapshot.rows(LONG)

    assert await reader.call(work) == [(40000,)]
    assert given == [0.003 * 2**number for number in range(len(given))]
    assert len(given) >= 4
    assert not any(holds_a_transaction(reader))
    # The next one begins as usual.
    await reader.call(lambda snapshot: given.append(round(snapshot._raw.deadline - slow[0], 6)))
    assert given[-1] == 0.003


async def test_a_work_that_goes_on_after_being_stopped_does_not_begin_again(
    database: Path, open_reader: OpenReader, slow: list[float]
) -> None:
    reader = open_reader(database, 0.003)
    begun, stopped = [], []

    def work(snapshot: Snapshot) -> Pieces[list[Any]]:
        begun.append(titles_of(snapshot))
        while True:
            try:
                return snapshot.rows(LONG)
            except OutOfTime:
                stopped.append(round(slow[0], 6))
                snapshot.be_patient()
            yield

    assert await reader.read(work) == [(40000,)]
    assert (len(begun), len(stopped) >= 3) == (1, True)


async def test_a_statement_that_never_ends_is_told_as_busy_and_leaves_nothing_open(
    database: Path, open_reader: OpenReader, slow: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REOPENINGS", 3)
    reader = open_reader(database, 0.003)
    with pytest.raises(SourceUnavailable):
        await reader.call(lambda snapshot: snapshot.rows(ENDLESS))
    assert await titles(reader) == ["Lab plain"]
    assert not any(holds_a_transaction(reader))


async def test_the_deadline_never_hits_the_end_of_a_transaction(
    database: Path, open_reader: OpenReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PROGRESS_OPCODES", 5)
    now = clock(monkeypatch)
    reader = open_reader(database)

    def late(snapshot: Snapshot) -> list[Any]:
        rows = snapshot.rows("SELECT 1")
        now[0] += FOREVER_S
        return rows

    for _ in range(20):
        assert await reader.call(late) == [(1,)]
        assert holds_a_transaction(reader) == [False]


# -- what is left behind


async def test_no_transaction_is_open_after_a_read_however_it_ends(
    database: Path, open_reader: OpenReader, live: Writer
) -> None:
    reader = open_reader(database)

    def sound(snapshot: Snapshot) -> bool:
        snapshot.rows("SELECT * FROM part")
        return snapshot._raw.in_transaction

    def broken(snapshot: Snapshot) -> float:
        return 1 / len(snapshot.rows("SELECT id FROM part WHERE id = 'none'"))

    def half(snapshot: Snapshot) -> Any:
        rows = snapshot.stream("SELECT * FROM part")
        return next(rows)

    assert await reader.call(sound)
    assert holds_a_transaction(reader) == [False]
    with pytest.raises(ZeroDivisionError):
        await reader.call(broken)
    assert holds_a_transaction(reader) == [False]
    with pytest.raises(SourceChanged, match="no such column"):
        await reader.call(lambda snapshot: snapshot.rows("SELECT missing_column FROM part"))
    assert holds_a_transaction(reader) == [False]
    assert await reader.call(half)
    assert holds_a_transaction(reader) == [False]
    # Only without any reader can the WAL be reset to nothing.
    assert live.run("PRAGMA wal_checkpoint(TRUNCATE)") == [[0, 0, 0]]


async def test_a_read_that_is_cancelled_stops_at_once_and_leaves_no_transaction(
    database: Path, open_reader: OpenReader, live: Writer
) -> None:
    reader = open_reader(database, FOREVER_S)
    inside, loop = asyncio.Event(), asyncio.get_running_loop()

    def work(snapshot: Snapshot) -> list[Any]:
        snapshot.rows("SELECT * FROM part")
        loop.call_soon_threadsafe(inside.set)
        return snapshot.rows(ENDLESS)

    task = asyncio.create_task(reader.call(work))
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        assert await titles(reader) == ["first"]
    assert holds_a_transaction(reader) == [False]
    assert live.run("PRAGMA wal_checkpoint(TRUNCATE)") == [[0, 0, 0]]


async def test_a_read_that_is_cancelled_between_two_pieces_ends_there(
    database: Path, open_reader: OpenReader, live: Writer
) -> None:
    reader = open_reader(database)
    ended: list[str] = []

    def work(snapshot: Snapshot) -> Pieces[None]:
        try:
            while True:
                titles_of(snapshot)
                yield
        finally:
            ended.append("here")

    pause = 0
    # How many turns of the loop it takes SQLite's thread to begin depends on how busy the machine is.
    while pause < 12 or not ended:
        assert pause < 5_000
        task = asyncio.create_task(reader.read(work))
        for _ in range(pause):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await titles(reader) == ["first"]
        assert holds_a_transaction(reader) == [False]
        pause += 1
    assert live.run("PRAGMA wal_checkpoint(TRUNCATE)") == [[0, 0, 0]]


@pytest.mark.parametrize("turns", range(8))
async def test_an_opening_that_is_cancelled_leaves_nothing_open(
    database: Path, turns: int, monkeypatch: pytest.MonkeyPatch, open_reader: OpenReader
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
    reader = open_reader(database)
    task = asyncio.create_task(reader.open())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    (ended,) = await asyncio.gather(task, return_exceptions=True)
    assert reader.is_open == (ended is None)
    assert opened == closed or reader.is_open
    assert bool(opened) == (turns > 0)
    # It can be opened all the same.
    assert await titles(reader) == ["Lab plain"]


async def test_while_it_rests_another_process_may_change_the_journal_mode(
    database: Path, open_reader: OpenReader, live: Writer
) -> None:
    reader = open_reader(database)
    assert await titles(reader) == ["first"]
    await reader.call(titles_of, side=True)
    live.run("PRAGMA busy_timeout=0")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        live.run("PRAGMA journal_mode=DELETE")
    await reader.rest()
    assert not reader.is_open
    assert live.run("PRAGMA journal_mode=DELETE") == [["delete"]]
    assert not database.with_name("opencode.db-wal").exists()
    # And it wakes up by itself.
    assert (await titles(reader), reader.is_open) == (["first"], True)


async def test_a_rest_does_not_end_what_is_being_read(database: Path, open_reader: OpenReader) -> None:
    reader = open_reader(database)
    begun: list[str] = []

    def work(snapshot: Snapshot) -> Pieces[list[Any]]:
        begun.append("here")
        return (yield from in_three_pieces(snapshot))

    async def rest_all_the_time() -> None:
        while True:
            await reader.rest()
            await asyncio.sleep(0)

    resting = asyncio.create_task(rest_all_the_time())
    reads = 20
    for _ in range(reads):
        assert await reader.read(work) == ["Lab plain"] * 3
    resting.cancel()
    # Once more at most where it came between opening and reading.
    assert len(begun) <= reads + 3
    await reader.rest()
    assert not reader.is_open


async def test_what_is_closed_says_so_until_it_is_opened_again(database: Path, open_reader: OpenReader) -> None:
    reader = open_reader(database)
    assert await titles(reader) == ["Lab plain"]
    await reader.close()
    await reader.close()
    with pytest.raises(SourceUnavailable, match="has been closed"):
        await titles(reader)
    with pytest.raises(SourceUnavailable, match="has been closed"):
        await reader.open()
    reader.reopen()
    assert await titles(reader) == ["Lab plain"]


# -- changes under an open connection


async def test_an_immutable_file_that_is_written_meanwhile_is_read_again_from_the_beginning(
    database: Path, open_reader: OpenReader
) -> None:
    reader = open_reader(database)
    found: list[Any] = []
    writers: list[Writer] = []

    def work(snapshot: Snapshot) -> int:
        found.append(titles_of(snapshot))
        if not writers:
            writers.append(Writer(database))
            writers[0].commit(("UPDATE session SET title = 'opencode is here'", ()))
        return len(found)

    try:
        assert await reader.call(work) == 2
        assert found == [["Lab plain"], ["opencode is here"]]
        assert reader.mode == "readonly_shm"
    finally:
        await reader.close()
        writers[0].close()


async def test_close_waits_for_a_connection_whose_closing_was_cancelled(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left to the end of the loop has a thread that outlives it."""
    reader = Reader(database)
    assert await titles(reader)
    (lane,) = reader._lanes.values()
    close, begun, may_close = lane.worker.close, asyncio.Event(), asyncio.Event()

    async def close_late() -> None:
        begun.set()
        await may_close.wait()
        await close()

    monkeypatch.setattr(lane.worker, "close", close_late)
    resting = asyncio.create_task(reader.rest())
    try:
        await begun.wait()
        resting.cancel()
        await asyncio.wait({resting})
        assert reader.is_open, "others cannot remove the WAL yet"
        closing = asyncio.create_task(reader.close())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not closing.done()
    finally:  # its thread keeps the process
        may_close.set()
        await reader.close()
    await closing
    assert not reader.is_open
    with pytest.raises(ValueError, match="Connection closed"):
        await lane.worker.run(lambda: None)


CLOSES = """
import fcntl, os, sqlite3, sys, time
path = sys.argv[1]
writer = sqlite3.connect(path, isolation_level=None)
writer.execute("PRAGMA journal_mode=wal")
writer.execute("UPDATE session SET title = 'late'")
print("written", flush=True)
held = None
for line in sys.stdin:
    if line == "hold\\n":
        # As SQLite does when it closes: all of the bytes that readers share (file format, os.h).
        held = open(path, "r+b")
        fcntl.lockf(held, fcntl.LOCK_EX, 510, 0x40000002)
        print("held", flush=True)
    else:
        time.sleep(0.1)
        writer.close()
        for end in ("-wal", "-shm"):
            if os.path.exists(path + end):
                os.unlink(path + end)
        held and held.close()
        break
"""
"""A writer that is the last to close, and that may hold the lock for it for a while before."""


@pytest.fixture
def last_writer(database: Path) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-c", CLOSES, str(database)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        yield writer
        writer.kill()


def tells(writer: subprocess.Popen[str], line: str, answer: str) -> None:
    assert writer.stdin is not None
    assert writer.stdout is not None
    if line:
        writer.stdin.write(line)
        writer.stdin.flush()
    if answer:
        assert writer.stdout.readline() == answer


@pytest.mark.parametrize("holds", [False, True])
async def test_nothing_is_made_where_the_last_writer_closes_while_the_file_is_opened(
    database: Path, last_writer: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch, holds: bool
) -> None:
    """SQLite makes a WAL and a -shm for a file whose header says WAL and that has none."""
    real, closed = module.signature, False
    tells(last_writer, "", "written\n")
    if holds:
        tells(last_writer, "hold\n", "held\n")

    def closes_behind(path: Path) -> Signature:
        nonlocal closed
        found = real(path)
        if not closed:
            assert found.wal_size > 0
            closed = True
            tells(last_writer, "close\n", "")
            if not holds:
                last_writer.wait()
        return found

    monkeypatch.setattr(module, "signature", closes_behind)
    reader = Reader(database)
    assert "late" in await titles(reader)
    await reader.close()
    last_writer.wait()
    assert sorted(path.name for path in database.parent.iterdir()) == [database.name]


async def test_the_state_moves_with_commits_and_with_nothing_else(
    database: Path, open_reader: OpenReader, live: Writer
) -> None:
    reader = open_reader(database)
    first = await state(reader)
    assert await state(reader) == first
    live.commit(("UPDATE session SET title = title WHERE id = 'nobody'", ()))
    assert await state(reader) == first
    live.commit(("UPDATE session SET title = 'other'", ()))
    assert await state(reader) != first


async def test_the_state_is_never_that_of_a_connection_before(
    database: Path, open_reader: OpenReader, live: Writer
) -> None:
    reader = open_reader(database)
    first = await state(reader)
    await reader.rest()
    live.commit(("UPDATE session SET title = 'while nobody looked'", ()))
    # `PRAGMA data_version` counts anew with each connection.
    assert await state(reader) != first


@pytest.mark.parametrize("change", ["replaced", "gone", "truncated", "new WAL"])
async def test_a_read_sees_that_the_path_leads_elsewhere(
    crashed: Path, tmp_path: Path, change: str, open_reader: OpenReader
) -> None:
    reader = open_reader(crashed)
    first, file = await state(reader), reader.look().file
    if change == "replaced":
        corpus.build(DATABASE, tmp_path / "new.db").replace(crashed)
        with pytest.raises(SourceChanged, match="was replaced"):
            await reader.read(in_three_pieces, file=file)
        assert await reader.read(in_three_pieces, file=reader.look().file)
    elif change == "new WAL":
        shutil.copy(crashed.with_name("opencode.db-wal"), tmp_path / "wal")
        (tmp_path / "wal").replace(crashed.with_name("opencode.db-wal"))
        assert await reader.read(in_three_pieces, file=file) == ["from the WAL"] * 3
        assert await state(reader) != first
    else:
        os.truncate(crashed, 0) if change == "truncated" else crashed.unlink()
        with pytest.raises({"gone": SourceMissing, "truncated": SourceEmpty}[change]):
            await reader.read(in_three_pieces, file=file)


async def test_who_does_not_say_which_file_reads_the_one_that_is_there(
    database: Path, tmp_path: Path, open_reader: OpenReader
) -> None:
    reader = open_reader(database)
    assert await titles(reader) == ["Lab plain"]
    other = corpus.build(DATABASE, tmp_path / "new.db")
    with sqlite3.connect(other) as connection:
        connection.execute("UPDATE session SET title = 'another file'")
    connection.close()
    other.replace(database)
    assert await titles(reader) == ["another file"]


async def test_a_file_that_is_replaced_between_two_pieces_is_read_from_the_beginning(
    database: Path, tmp_path: Path, open_reader: OpenReader
) -> None:
    reader = open_reader(database)
    other = corpus.build(DATABASE, tmp_path / "new.db")
    with sqlite3.connect(other) as connection:
        connection.execute("UPDATE session SET title = 'another file'")
    connection.close()

    def work(snapshot: Snapshot) -> Pieces[list[Any]]:
        found = titles_of(snapshot)
        if other.exists():
            other.replace(database)
        yield
        return found + titles_of(snapshot)

    assert await reader.read(work) == ["another file"] * 2


# -- what is read


async def test_an_oversized_value_is_an_error_of_its_own(
    database: Path, monkeypatch: pytest.MonkeyPatch, open_reader: OpenReader, live: Writer
) -> None:
    live.commit(("UPDATE part SET data = printf('%.*c', 200000, 'x')", ()))
    monkeypatch.setattr(connection, "ROW_LIMIT_BYTES", 100_000)
    with pytest.raises(RowTooLarge):
        await open_reader(database).call(lambda snapshot: snapshot.rows("SELECT data FROM part"))


async def test_invalid_utf8_is_text_with_replacement_characters_and_ends_no_stream(
    database: Path, open_reader: OpenReader, live: Writer
) -> None:
    live.run("CREATE TABLE words (word TEXT)")
    live.commit(*[("INSERT INTO words VALUES (CAST(? AS TEXT))", (f"word {n}",)) for n in range(6)])
    live.commit(("UPDATE words SET word = CAST(x'41ff42' AS TEXT) WHERE rowid = 4", ()))
    reader = open_reader(database)
    found = await reader.call(lambda snapshot: [row[0] for row in snapshot.rows("SELECT word FROM words")])
    assert found == ["word 0", "word 1", "word 2", "A\ufffdB", "word 4", "word 5"]


async def test_a_transaction_is_one_moment(database: Path, open_reader: OpenReader, live: Writer) -> None:
    reader = open_reader(database)

    def work(snapshot: Snapshot) -> list[Any]:
        first = titles_of(snapshot)
        live.commit(("UPDATE session SET title = 'later'", ()))
        return first + titles_of(snapshot)

    assert await reader.call(work) == ["first", "first"]
    assert await titles(reader) == ["later"]


def test_safe_connections_are_read_only_whatever_the_caller_says(database: Path) -> None:
    connection = sqlite3.connect(database, factory=SafeConnection)
    try:
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            connection.execute("DELETE FROM part")
    finally:
        connection.close()


# -- a source over it


async def test_payloads_come_from_the_file_that_is_there_now(tmp_path: Path) -> None:
    def made(path: Path, text: str) -> OpencodeWriter:
        opencode = OpencodeWriter(path)
        message = opencode.assistant(opencode.session())
        for part_id in ("prt_1", f"prt_{text}"):
            opencode.part(message, {"type": "text", "text": text}, part_id)
        return opencode

    path = tmp_path / "opencode.db"
    with made(path, "old") as old, made(tmp_path / "new.db", "new") as new:
        async with OpencodeSource(path, watch=False) as source:

            async def text(part_id: str) -> str:
                return (await source.payload(build("part_id", part_id, "text"))).text

            assert [await text("prt_1"), await text("prt_old")] == ["old", "old"]
            for each in (old, new):
                each.close()
            # As who restores a backup does: what lies beside the old file belongs to it.
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            (tmp_path / "new.db").replace(path)
            with Writer(path) as again:
                again.commit(("UPDATE part SET data = json_set(data, '$.text', 'newer') WHERE id = 'prt_1'", ()))
                assert [await text("prt_1"), await text("prt_new")] == ["newer", "new"]


@pytest.mark.parametrize("how", ["rest", "close"])
async def test_who_asks_while_the_file_closes_and_opens_gets_an_answer_or_an_error_of_ours(
    tmp_path: Path, how: str
) -> None:
    path = corpus.build("1.18.33/files", tmp_path / "opencode.db")
    odd: list[BaseException] = []
    answers = 0
    async with OpencodeSource(path, watch=False) as source:
        uri = next(e.uri for b in [b async for b in source.stream()] for e in b.events if hasattr(e, "uri"))
        stop = False

        async def close_and_open() -> None:
            turn = 0
            while not stop:
                await (source._reader.rest() if how == "rest" else source._database.close())
                turn += 1
                for _ in range(turn % 40):
                    await asyncio.sleep(0)
                source._reader.reopen()
                try:
                    await source.open()
                except AdapterError:
                    pass
                for _ in range(turn % 23):
                    await asyncio.sleep(0)

        async def ask(number: int) -> None:
            nonlocal answers
            for _ in range(60):
                call = (source.probe, source.catalogue, lambda: source.payload(uri))[number % 3]
                try:
                    await call()
                    answers += 1
                except AdapterError as error:
                    if how == "rest":
                        odd.append(error)
                except Exception as error:
                    odd.append(error)

        closing = asyncio.create_task(close_and_open())
        began = time.monotonic()
        await asyncio.gather(*(ask(number) for number in range(6)))
        stop = True
        await closing
    assert [repr(error) for error in odd][:5] == []
    assert answers or how == "close"
    assert time.monotonic() - began < 60


async def test_a_text_that_no_database_can_hold_finds_nothing(database: Path, open_reader: OpenReader) -> None:
    """A lone surrogate, as an id that somebody pasted can have."""
    reader = open_reader(database)
    assert await reader.call(lambda s: s.rows("SELECT title FROM session WHERE id = ?", ("ses_\udc80",))) == []
    assert await titles(reader) == ["Lab plain"]
