"""Reading on the thread of the caller, without an event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapter.contract import SourceChanged, SourceUnavailable
from adapter.pace import at_once, paced
from adapter.sqlite.reader import Pieces, Reader, Snapshot
from tests.adapter.writer import Writer


def titles(snapshot: Snapshot) -> list[Any]:
    return [title for (title,) in snapshot.rows("SELECT title FROM session ORDER BY rowid")]


def test_an_inline_reader_reads_what_one_beside_a_loop_does(database: Path) -> None:
    live = Writer(database)
    live.commit(("UPDATE session SET title = 'in the WAL'", ()))
    reader, beside = Reader(database, inline=True), Reader(database)

    async def ask() -> list[Any]:
        try:
            return await beside.call(titles)
        finally:
            await beside.close()

    assert at_once(reader.call(titles)) == asyncio.run(ask()) == ["in the WAL"]
    assert reader.mode == beside.mode == "readonly_shm"
    at_once(reader.close())
    assert not reader.is_open
    with pytest.raises(SourceUnavailable, match="closed"):
        at_once(reader.call(titles))
    live.close()


def test_an_inline_read_gives_its_transaction_back_and_is_stopped_as_any(database: Path) -> None:
    reader = Reader(database, inline=True, limit_s=0.001)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000) SELECT count(*) FROM n"

    def work(snapshot: Snapshot) -> Pieces[int]:
        yield
        return int(snapshot.rows(endless)[0][0])

    assert at_once(reader.read(work)) == 200_000
    assert reader.transactions > 2
    at_once(reader.close())


def test_an_inline_reader_sees_that_the_file_is_another_one(database: Path) -> None:
    reader = Reader(database, inline=True)
    file = at_once(reader.call(lambda snapshot: snapshot.file))
    database.rename(database.with_name("old.db"))
    database.write_bytes(database.with_name("old.db").read_bytes())

    def work(_snapshot: Snapshot) -> Pieces[None]:
        yield

    with pytest.raises(SourceChanged, match="replaced"):
        at_once(reader.read(work, file=file))
    at_once(reader.close())


PRESSED = """
import signal, sys
from pathlib import Path
from adapter.pace import at_once
from adapter.sqlite.reader import LIMIT_S, Reader
from tests.adapter.sqlite.test_inline import titles

signal.signal(signal.SIGINT, signal.default_int_handler)
reader, done = Reader(Path(sys.argv[1]), inline=True), []

def work(snapshot):
    signal.raise_signal(signal.SIGINT)
    done.append(titles(snapshot))

try:
    at_once(reader.call(work))
except KeyboardInterrupt:
    print("interrupted", len(done), signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print(reader.longest_s < LIMIT_S)
at_once(reader.close())
"""


def test_ctrl_c_waits_until_sqlite_is_not_asked(database: Path) -> None:
    """What is raised where SQLite calls Python is a refusal to it, and would be told as a fault of the file. In a
    process of its own: a signal is the main thread's, which a test need not be on."""
    done = subprocess.run(
        [sys.executable, "-c", PRESSED, str(database)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["interrupted 1 True", "True"]


def test_what_gives_way_runs_without_a_loop_and_what_waits_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.pace.SLICE_S", -1.0)
    assert at_once(paced([number] for number in range(3))) == [0, 1, 2]

    class Forever:
        def __await__(self) -> Any:
            yield self

    async def wait() -> None:
        await Forever()

    with pytest.raises(RuntimeError, match="event loop"):
        at_once(wait())
