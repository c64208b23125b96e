"""How a database is read: strictly read-only, and harmless to the writer.

`Reader.read` runs one generator function of it as one synchronous transaction where the connection lives: in a thread
beside the event loop (`threads.py`), one hop there and back, or on the thread of the caller (`inline.py`). Nothing is
awaited while it is open. It may give the transaction back at each `yield`; what it does next is done in another one. So
whatever is read has a next smaller piece, down to one row, and what cannot be divided is given twice the time each time
that it was stopped: a slow machine makes everything later and nothing else.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from adapter.contract import (
    AdapterError,
    Damaged,
    OutOfTime,
    SourceBusy,
    SourceChanged,
    SourceUnavailable,
    SourceUnreadable,
)
from adapter.sqlite.connection import SafeConnection, connect, translated
from adapter.sqlite.files import Signature, rungs, side_file, signature

LIMIT_S = 0.25
"""Hard stop of one read transaction: a longer one keeps opencode's checkpoints from resetting the WAL."""
PIECE_SHARE = 0.2
"""After this share of the limit a read that can be divided gives its transaction back (50 ms)."""
HEAD_BYTES, TAIL_BYTES = 65_536, 4_096
"""How much is read of the two ends of a larger value."""
RETRIES = 5
RETRY_S = 0.02
REOPENINGS = 20
"""How often one read is begun again because the file was written, or its WAL made anew, under it."""

Row = tuple[Any, ...]
T = TypeVar("T")
Pieces = Generator[None, None, T]
"""A read in pieces: each `yield` gives the transaction back."""
Work = Callable[["Snapshot"], Pieces[T]]


def _tolerant(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


class _Stale(Exception):
    """The connection no longer shows what lies at the path: open it anew and read again."""


class Worker(Protocol):
    """Where a connection lives."""

    raw: SafeConnection

    async def run(self, function: Callable[[], T]) -> T:
        """Runs a function there and gives its result."""
        ...


class Workers(Protocol):
    """Where the connections of a reader live (`threads.py`, `inline.py`), and how who reads waits there."""

    @property
    def is_ending(self) -> bool: ...

    def lock(self) -> AbstractAsyncContextManager[object]: ...

    async def sleep(self, seconds: float) -> None: ...

    async def aside(self, function: Callable[[], T]) -> T: ...

    async def start(self, connect: Callable[[], SafeConnection]) -> Worker: ...

    async def end(self, worker: Any) -> None: ...

    async def ended(self) -> None: ...


class Snapshot:
    """What one `read` sees: a transaction, or one after the other where the work yields. It lives where the connection
    does."""

    def __init__(self, reader: Reader, lane: _Lane) -> None:
        self.path = reader.path
        self._reader = reader
        self._lane = lane
        self._raw = lane.raw
        self._began = 0.0
        self._patience = 1.0

    @property
    def overdue(self) -> bool:
        """Whether a work that can yield should: the transaction has lasted a fifth of what it may."""
        return time.monotonic() - self._began > self._reader.limit_s * PIECE_SHARE

    def be_patient(self) -> None:
        """Gives the next transaction twice the time: what was stopped cannot be divided any further."""
        self._patience *= 2

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a SELECT. Raises the adapter's errors."""
        return list(self.stream(sql, parameters))

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Generator[Row, None, None]:
        """The rows of a SELECT, one at a time; whoever stops early closes the iterator. Raises the adapter's errors."""
        self._reader.statements += 1
        given = 0
        while True:
            cursor = None
            try:
                cursor = self._raw.execute(sql, parameters)
                for row in itertools.islice(cursor, given, None) if given else cursor:
                    yield row
                    given += 1
                return
            except sqlite3.Error as error:
                if self._raw.text_factory is _tolerant or not str(error).startswith("Could not decode to UTF-8"):
                    raise translated(error, self.path) from error
                # Other tools and crashes leave invalid UTF-8, and one such value must not end a whole read. From here
                # on every text goes through Python, which takes a quarter longer, so a sound file is spared it.
                self._raw.text_factory = _tolerant
            except UnicodeEncodeError:
                # A lone surrogate among the parameters: no text of a database is like that.
                return
            except UnicodeDecodeError as error:
                # SQLite's message quotes what is no UTF-8, and Python cannot make an error of it.
                raise Damaged(f"{self.path} is damaged (a name in its schema is no UTF-8)") from error
            finally:
                if cursor is not None:
                    cursor.close()

    def ends_of(self, table: str, column: str, rowid: int, *, tail: bool = True) -> tuple[int, bytes, bytes]:
        """The size of a value in bytes, and what it begins and ends with; for one that is too large to be selected, or
        takes long. Its end costs a look at each of its pages. Gives (0, b"", b"") where there is none."""
        try:
            with self._raw.blobopen(table, column, rowid, readonly=True) as blob:
                head = blob.read(HEAD_BYTES)
                if not tail:
                    return len(blob), head, b""
                blob.seek(-min(TAIL_BYTES, len(blob)), os.SEEK_END)
                return len(blob), head, blob.read(TAIL_BYTES)
        except sqlite3.Error:
            return 0, b"", b""

    @property
    def file(self) -> tuple[int, int]:
        """Names the file that is read (`Signature.file`)."""
        return self._lane.opened.file

    @property
    def schema_version(self) -> int:
        """SQLite's schema cookie, which moves with every change of a table. Raises the adapter's errors."""
        try:
            return int(self._raw.execute("PRAGMA schema_version").fetchone()[0])
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    @property
    def state(self) -> object:
        """A token that differs from that of an earlier read when something may have been committed between them."""
        lane = self._lane
        if lane.mode == "immutable":
            return lane.opened
        return lane.number, self.rows("PRAGMA data_version")[0][0]

    # -- used by the reader alone

    def transaction(self, step: Callable[[], T]) -> T:
        """Runs a step in one transaction, which is closed however it ends. Raises SourceChanged, SourceUnavailable or
        _Stale when the files are not those that were opened."""
        lane, reader = self._lane, self._reader
        if self._raw.is_closed:
            # It was waiting for its turn behind the closing, which aiosqlite does not see.
            raise ValueError("connection closed")
        lane.check(signature(self.path))
        started = self._began = time.monotonic()
        self._raw.deadline = started + reader.limit_s * self._patience
        failure: AdapterError | None = None
        try:
            self._run("BEGIN")
            try:
                return step()
            except Damaged as error:
                failure = error
                raise
        finally:
            self._raw.deadline = float("inf")
            if self._raw.in_transaction:
                self._run("ROLLBACK")
            reader.transactions += 1
            reader.longest_s = max(reader.longest_s, time.monotonic() - started)
            if lane.mode == "immutable" or failure is not None:
                # An immutable file that was written meanwhile is torn, and a file restored in place looks damaged.
                lane.check(signature(self.path))

    def _run(self, statement: str) -> None:
        try:
            self._raw.execute(statement).close()
        except sqlite3.Error as error:
            raise translated(error, self.path) from error


class _Lane:
    """One open connection. `number` tells it from those before it; `readers` are in the middle of a read by it."""

    numbers = itertools.count(1)

    def __init__(self, worker: Worker, mode: str, opened: Signature) -> None:
        self.worker = worker
        self.raw = worker.raw
        self.mode = mode
        self.opened = opened
        self.number = next(self.numbers)
        self.readers = 0

    def check(self, now: Signature) -> None:
        """Raises _Stale when a new connection would see something else."""
        opened = self.opened
        if now.file != opened.file:
            raise _Stale
        if self.mode == "immutable" and now != opened:
            raise _Stale
        if self.mode != "immutable" and now.wal_inode != opened.wal_inode:
            raise _Stale


class Reader:
    """Reads the database at a path: opens it when it is first asked, and anew when the files have changed.

    `mode` is how it was opened last: `readonly_shm`, `ro`, `ro (made -shm)` or `immutable`. Figures: `statements`,
    `transactions`, `hops` to where the connection lives, `retries` (the file was busy and was asked again), `longest_s`
    of one transaction. `limit_s` is the hard stop of a transaction in seconds. `inline` reads on the thread of the
    caller and needs no event loop; one thing is then done after the other.
    """

    def __init__(self, path: Path, *, limit_s: float | None = None, inline: bool = False) -> None:
        self.path = path
        self.limit_s = LIMIT_S if limit_s is None else limit_s
        self.mode = ""
        self.statements = self.transactions = self.hops = self.retries = 0
        self.longest_s = 0.0
        self._lanes: dict[str, _Lane] = {}
        self._workers = _workers(inline)
        self._locks = {name: self.lock() for name in ("main", "side")}
        self._closed = False

    @property
    def is_open(self) -> bool:
        """Whether a connection is open now, or still being closed: it keeps others from removing the WAL."""
        return bool(self._lanes) or self._workers.is_ending

    def lock(self) -> AbstractAsyncContextManager[object]:
        """Keeps those apart who read by it."""
        return self._workers.lock()

    async def sleep(self, seconds: float) -> None:
        """Waits, beside an event loop so that it goes on meanwhile."""
        await self._workers.sleep(seconds)

    async def aside(self, function: Callable[[], T]) -> T:
        """Runs a function that takes its time and reads no database, so that an event loop goes on meanwhile."""
        return await self._workers.aside(function)

    def look(self) -> Signature:
        """What lies at the path now, without asking SQLite. Raises SourceUnavailable."""
        return signature(self.path)

    def count(self, statements: int, transactions: int, hops: int, retries: int, longest_s: float) -> None:
        """Adds what a reader of another process did for the same work."""
        self.statements += statements
        self.transactions += transactions
        self.hops += hops
        self.retries += retries
        self.longest_s = max(self.longest_s, longest_s)

    async def read(
        self, work: Work[T], *, file: tuple[int, int] | None = None, schema: int | None = None, side: bool = False
    ) -> T:
        """Runs a generator function of a snapshot where its connection lives and gives what it returns.

        It is done in as many transactions as it takes; it is begun again from its beginning when the
        file was written over or its WAL was made anew meanwhile, so it must not change anything but what it returns.
        `side` uses a connection of its own: what takes long there holds up nothing else. `file` is the one that the
        work is meant for (`Signature.file`), `schema` the cookie of its tables, which each transaction looks at: SQLite
        takes the quoted name of a column that is not there any more for a text.

        Raises SourceChanged when another file than `file` lies at the path or its tables are others, Unread for what
        the work does not catch itself, SourceUnavailable when the file cannot be read now.
        """
        name = "side" if side else "main"
        patience = 1.0
        damaged = busy = 0
        for _ in range(REOPENINGS):
            async with self._locks[name]:
                lane = await self._lane(name)
            if file is not None and lane.opened.file != file:
                raise SourceChanged(f"{self.path} was replaced")
            try:
                return await self._drive(name, lane, work, patience, schema)
            except _Stale:
                await self._close_lanes()
            except OutOfTime:
                patience *= 2
            except SourceBusy:
                self.retries += 1
                busy += 1
                # Opening asks for longer than a read.
                await self._close_lanes()
                if busy > 1:
                    raise
            except Damaged:
                # A file that is being restored in place looks damaged for a moment.
                damaged += 1
                if damaged > 1:
                    raise
                await self._close_lanes()
                await self._workers.sleep(RETRY_S)
            except ValueError as error:
                # aiosqlite's word for a connection that another task has closed meanwhile.
                if "closed" not in str(error).lower() and "no active connection" not in str(error).lower():
                    raise
                if self._closed:
                    raise SourceUnavailable(f"{self.path} has been closed") from None
        raise SourceBusy(f"{self.path} is written over and over; trying again")

    async def call(self, function: Callable[[Snapshot], T], *, side: bool = False) -> T:
        """As `read`, with a plain function, which is done in one transaction."""

        def work(snapshot: Snapshot) -> Pieces[T]:
            return function(snapshot)
            yield

        return await self.read(work, side=side)

    async def open(self) -> None:
        """Opens the file now. Raises SourceUnavailable with a line for the user when it cannot be read."""
        async with self._locks["main"]:
            await self._lane("main")

    async def rest(self) -> None:
        """Closes the connections that nobody reads by until the next read: an open one keeps others from removing the
        WAL or changing the journal mode."""
        for name, lane in list(self._lanes.items()):
            if not lane.readers and self._lanes.get(name) is lane:
                del self._lanes[name]
                await self._workers.end(lane.worker)

    async def close(self) -> None:
        """Closes for good, and waits for connections that others began to close; a read raises SourceUnavailable until
        the next `reopen`. Never fails."""
        self._closed = True
        await self._close_lanes()
        await self._workers.ended()

    def reopen(self) -> None:
        """Takes `close` back. Only who has closed it may do so: a read that is still going on somewhere would open a
        connection that nobody closes."""
        self._closed = False

    # -- one read

    async def _drive(self, name: str, lane: _Lane, work: Work[T], patience: float, schema: int | None) -> T:
        snapshot = Snapshot(self, lane)
        snapshot._patience = patience
        pieces = work(snapshot)
        outcome: list[T] = []

        def step() -> None:
            if schema is not None and snapshot.schema_version != schema:
                raise SourceChanged(f"opencode changed the tables of {self.path} (a migration)")
            try:
                next(pieces)
            except StopIteration as end:
                outcome.append(end.value)

        lane.readers += 1
        try:
            while not outcome:
                async with self._locks[name]:
                    self.hops += 1
                    await lane.worker.run(lambda: snapshot.transaction(step))
        finally:
            lane.readers -= 1
            if not outcome:
                _forget(pieces)
        return outcome[0]

    # -- the connections

    async def _lane(self, name: str) -> _Lane:
        """The open connection, or a new one. Raises SourceUnavailable."""
        lane = self._lanes.get(name)
        if lane is not None:
            return lane
        if self._closed:
            raise SourceUnavailable(f"{self.path} has been closed")
        lane = await self._climb()
        # A connection that is left open keeps a thread, and the thread the process.
        if self._closed:
            await self._workers.end(lane.worker)
            raise SourceUnavailable(f"{self.path} has been closed")
        self._lanes[name] = lane
        self.mode = lane.mode
        return lane

    async def _climb(self) -> _Lane:
        last: AdapterError = SourceBusy(f"{self.path} is locked; trying again")
        for attempt in range(RETRIES):
            if attempt:
                await self._workers.sleep(RETRY_S)
            now = signature(self.path)
            for mode, parameters in rungs(self.path, now):
                try:
                    return await self._open(mode, parameters, now)
                except SourceBusy as error:
                    last = error
                    self.retries += 1
                except SourceUnreadable as error:
                    last = error
                    if not side_file(self.path, "-wal").exists():
                        break
        raise last

    async def _open(self, mode: str, parameters: str, opened: Signature) -> _Lane:
        self.hops += 1
        try:
            worker = await self._workers.start(partial(connect, self.path, mode, parameters, opened))
            return _Lane(worker, mode, opened)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise translated(error, self.path, opening=True) from error

    async def _close_lanes(self) -> None:
        """Closes all connections, also those that others use: while one is left, SQLite shares its view of a WAL that
        was made anew with every new connection of the process."""
        for name in list(self._lanes):
            lane = self._lanes.pop(name)
            await self._workers.end(lane.worker)


def _workers(inline: bool) -> Workers:
    """Where connections live. Each loads no more than it needs."""
    if inline:
        from adapter.sqlite.inline import Inline

        return Inline()
    from adapter.sqlite.threads import Threads

    return Threads()


def _forget(pieces: Generator[None, None, Any]) -> None:
    """Ends a work that will not go on; one that a cancelled task has left running in its thread ends there."""
    try:
        pieces.close()
    except ValueError:  # generator already executing
        pass
