"""The only place that opens SQLite. Strictly read-only, and harmless to the writer.

A connection is opened from a bare path (the URI is rebuilt here, no parameter of a caller survives), hardened, and used
only inside `Reader.snapshot()`: one short read transaction that is closed before anything is emitted or awaited upon.

The opening ladder, measured for 3.40 and 3.54 (what each rung does to the files of the user):

1. `-wal` with frames and `-shm` exist: `mode=ro&readonly_shm=1`; nothing changes, not even a read-mark in the `-shm`.
2. that is refused (recovery, lock): retry, then `mode=ro`; both files exist, so nothing is created.
3. no frames in a WAL and nothing in a rollback journal: `immutable=1`; nothing changes. Every read is verified against
   the file's identity, size and time before and after, because an immutable connection sees no writer. So it is with
   an empty `-wal` beside a `-shm` that no writer has open, too: `readonly_shm` builds its index anew for each read
   there, and `PRAGMA data_version` moves with it for ever.
4. a WAL with frames but no `-shm` (a copied database, a crash): `mode=ro`, which makes a `-shm`; health says so.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiosqlite

from adapter.contract import (
    AdapterError,
    DeadlineExceeded,
    NotADatabase,
    RowTooLarge,
    SourceBusy,
    SourceChanged,
    SourceEmpty,
    SourceMissing,
    SourceUnreadable,
)
from adapter.sqlite.permissions import obstacle

BUSY_TIMEOUT_S = 0.25
SNAPSHOT_LIMIT_S = 0.25
"""Hard stop of one read transaction: a longer one keeps opencode's checkpoints from resetting the WAL."""
PROGRESS_OPCODES = 10_000
ROW_LIMIT_BYTES = 64 * 1024 * 1024
"""Largest single value we read; real message rows of 460 MB exist (opencode issue 46833)."""
SMALLEST_DATABASE = 512
"""Bytes of one page of the smallest size that SQLite has. Opening a file of 0 or 1 bytes makes SQLite delete the `-wal`
beside it, also under a connection that writes (measured with 3.40)."""
JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
"""What a rollback journal that holds pages begins with."""
RETRIES = 5
RETRY_S = 0.02

READ_PRAGMAS = frozenset(
    {"data_version", "schema_version", "journal_mode", "page_count", "page_size", "freelist_count"}
)
INTROSPECTION_PRAGMAS = frozenset({"table_info", "table_xinfo", "index_list"})
ALLOWED_ACTIONS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "writefile", "readfile", "edit", "fts3_tokenizer"})

RETRY_ERRORS = frozenset(
    {
        "SQLITE_BUSY",
        "SQLITE_BUSY_RECOVERY",
        "SQLITE_BUSY_SNAPSHOT",
        "SQLITE_LOCKED",
        "SQLITE_PROTOCOL",
        "SQLITE_READONLY_RECOVERY",
        "SQLITE_READONLY_CANTLOCK",
        "SQLITE_READONLY_CANTINIT",
    }
)

Row = tuple[Any, ...]


class SafeConnection(sqlite3.Connection):
    """A connection that refuses everything but reading; `deadline` (monotonic seconds) stops a running statement."""

    deadline: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deadline = float("inf")
        for pragma in ("query_only=1", "trusted_schema=0", "cell_size_check=1", "temp_store=2"):
            self.execute(f"PRAGMA {pragma}").close()
        for category, limit in (
            (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
            (sqlite3.SQLITE_LIMIT_LENGTH, ROW_LIMIT_BYTES),
            (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 100_000),
            (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
            (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1),
            (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 500),
        ):
            self.setlimit(category, limit)
        self.set_progress_handler(self._overdue, PROGRESS_OPCODES)
        # Last, because it also refuses the pragmas above.
        self.set_authorizer(_authorize)

    def _overdue(self) -> int:
        return int(time.monotonic() > self.deadline)


def _tolerant(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    if action in ALLOWED_ACTIONS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_TRANSACTION:
        return sqlite3.SQLITE_OK if first in ("BEGIN", "ROLLBACK", "COMMIT") else sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_DENY if second in FORBIDDEN_FUNCTIONS else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA:
        readable = first in READ_PRAGMAS and second is None
        return sqlite3.SQLITE_OK if readable or first in INTROSPECTION_PRAGMAS else sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_DENY


class Signature(NamedTuple):
    """What lies at a path: device, inode, bytes, mtime (ns), the WAL's inode and bytes (-1: none), and whether a
    rollback journal is there."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    wal_inode: int
    wal_size: int
    journal: bool


def real_file(path: Path) -> Path:
    """Where SQLite keeps the files beside a database: it follows a symbolic link before it names them."""
    return Path(os.path.realpath(path)) if os.path.islink(path) else path


def side_file(path: Path, suffix: str) -> Path:
    """`opencode.db` and `-wal` -> `opencode.db-wal`."""
    file = real_file(path)
    return file.with_name(file.name + suffix)


def _inode_and_size(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return -1, -1
    return stat.st_ino, stat.st_size


def signature(path: Path) -> Signature:
    """What lies at `path` now.

    Raises SourceMissing, SourceUnreadable or SourceEmpty with a message for the user.
    """
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise SourceMissing(f"no database at {path}") from None
    except OSError as error:
        raise SourceUnreadable(obstacle(path) or f"cannot read {path}: {error.strerror}") from None
    if path.is_dir():
        raise SourceUnreadable(f"{path} is a directory; name the database file in it, usually opencode.db")
    wal_inode, wal_size = _inode_and_size(side_file(path, "-wal"))
    if stat.st_size < SMALLEST_DATABASE and wal_size >= 0:
        raise SourceEmpty(f"{path} has {stat.st_size} bytes and a -wal beside it: it is left alone until it is whole")
    if stat.st_size == 0:
        raise SourceEmpty(f"{path} is empty (0 bytes)")
    journal = side_file(path, "-journal").exists()
    return Signature(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, wal_inode, wal_size, journal)


def what_lies_at(path: Path) -> tuple[int, ...]:
    """What of a database file itself, not of its WAL, could make a next attempt to open it end otherwise; empty when
    nothing is there."""
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_mode, stat.st_uid


def _uri(path: Path, parameters: str) -> str:
    return f"{path.absolute().as_uri()}?{parameters}"


def _connect(uri: str) -> SafeConnection:
    return sqlite3.connect(
        uri, uri=True, factory=SafeConnection, isolation_level=None, timeout=BUSY_TIMEOUT_S, cached_statements=64
    )


async def _has_a_steady_gate(connection: aiosqlite.Connection) -> bool:
    """Whether `PRAGMA data_version` stays while nothing is committed. Beside an empty WAL it moves with each own read
    when no writer has the `-shm` open."""
    versions: list[Any] = []
    for _ in range(2):
        versions += await connection.execute_fetchall("PRAGMA data_version")
        await connection.execute_fetchall("SELECT count(*) FROM sqlite_master")
    return bool(versions[0] == versions[1])


async def _begin(connection: aiosqlite.Connection) -> None:
    await connection


def _translate(error: sqlite3.Error, path: Path) -> AdapterError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name in RETRY_ERRORS:
        return SourceBusy(f"{path} is locked ({name}); trying again")
    if name == "SQLITE_TOOBIG":
        return RowTooLarge(f"a row of {path} is larger than {ROW_LIMIT_BYTES >> 20} MB")
    if name == "SQLITE_INTERRUPT":
        return DeadlineExceeded(f"a read of {path} took longer than {SNAPSHOT_LIMIT_S * 1000:.0f} ms and was stopped")
    if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT") or name.startswith("SQLITE_CORRUPT"):
        return NotADatabase(f"{path} is not a SQLite database, or is damaged ({error})")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM", "SQLITE_READONLY", "SQLITE_AUTH")):
        return SourceUnreadable(obstacle(path) or f"cannot read {path}: {error}")
    if name in ("SQLITE_SCHEMA", "SQLITE_ERROR") and ("no such" in str(error) or "changed" in str(error)):
        return SourceChanged(f"the tables of {path} changed while reading: {error}")
    return SourceUnreadable(f"cannot read {path}: {error}")


class Snapshot:
    """Reads inside one transaction. Every statement is fetched whole, so no cursor outlives it."""

    def __init__(self, connection: aiosqlite.Connection, reader: Reader) -> None:
        self._connection = connection
        self._reader = reader
        self.path = reader.path

    async def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a SELECT. Raises the adapter's errors."""
        self._reader.statements += 1
        try:
            found: Iterable[Any] = await self._connection.execute_fetchall(sql, parameters)
            return list(found)
        except sqlite3.Error as error:
            if not str(error).startswith("Could not decode to UTF-8"):
                raise _translate(error, self._reader.path) from error
        # Other tools and crashes leave invalid UTF-8, and one such value must not end a whole read. From here on every
        # text goes through Python, which takes a quarter longer, so a sound file is spared it.
        self._connection.text_factory = _tolerant
        return await self.rows(sql, parameters)


class Reader:
    """One open database file."""

    def __init__(
        self, path: Path, connection: aiosqlite.Connection, raw: SafeConnection, mode: str, opened: Signature
    ) -> None:
        self.path = path
        self.mode = mode
        """`readonly_shm`, `ro`, `ro (made -shm)` or `immutable`."""
        self.statements = 0
        self.longest_s = 0.0
        self._connection = connection
        self._raw = raw
        self._opened = opened
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path, busy: Callable[[], None] = lambda: None) -> Reader:
        """Climbs the ladder of the module docstring; calls `busy` each time that a rung is refused for the moment.
        Raises SourceUnavailable with the reason."""
        last: AdapterError = SourceBusy(f"{path} is locked; trying again")
        for attempt in range(RETRIES):
            if attempt:
                await asyncio.sleep(RETRY_S)
            now = signature(path)
            for mode, parameters in _rungs(path, now):
                try:
                    return await cls._try(path, mode, parameters, now)
                except SourceBusy as error:
                    last = error
                    busy()
                except SourceUnreadable as error:
                    last = error
                    if not side_file(path, "-wal").exists():
                        break
        raise last

    @classmethod
    async def _try(cls, path: Path, mode: str, parameters: str, opened: Signature) -> Reader:
        made: list[SafeConnection] = []
        failed: list[sqlite3.Error] = []

        def connect() -> sqlite3.Connection:
            try:
                made.append(_connect(_uri(path, parameters)))
                return made[0]
            except sqlite3.Error as error:
                # aiosqlite does not wait for its thread when this raises, and the thread then breaks, with a
                # traceback, on the loop that has been closed meanwhile. What is open is closed properly.
                failed.append(error)
                return sqlite3.connect(":memory:")

        connection = aiosqlite.Connection(connect, iter_chunk_size=64)
        reader: Reader | None = None
        # What has begun to open is waited for, so that a task that is cancelled meanwhile leaves nothing open.
        opening = asyncio.ensure_future(_begin(connection))
        try:
            await asyncio.shield(opening)
            if failed:
                raise failed[0]
            await connection.execute_fetchall("SELECT count(*) FROM sqlite_master")
            if mode == "readonly_shm" and not opened.wal_size and not await _has_a_steady_gate(connection):
                raise _translate(sqlite3.OperationalError("nobody has the -shm open"), path)
            reader = cls(path, connection, made[0], mode, opened)
            return reader
        except sqlite3.Error as error:
            raise _translate(error, path) from error
        finally:
            if reader is None:
                await opening
                await connection.close()

    async def close(self) -> None:
        """Closes the connection; never fails."""
        try:
            await self._connection.close()
        except (sqlite3.Error, ValueError):  # already closed, or the file is gone
            pass

    async def gate(self) -> object:
        """A token that differs from the last one when something may have been committed.

        `PRAGMA data_version` for a live file (3 µs in SQLite), the file's signature for an immutable one.
        Raises SourceChanged when the path now leads to another file, SourceUnavailable when to none.
        """
        now, opened = self._same_file(), self._opened
        if self.mode == "immutable":
            return now
        if now.wal_inode != opened.wal_inode:
            raise SourceChanged(f"the WAL of {self.path} was replaced")
        self.statements += 1
        try:
            async with self._lock:
                found = list(await self._connection.execute_fetchall("PRAGMA data_version"))
        except sqlite3.Error as error:
            raise _translate(error, self.path) from error
        return found[0][0]

    @asynccontextmanager
    async def snapshot(self, limit_s: float = SNAPSHOT_LIMIT_S) -> AsyncIterator[Snapshot]:
        """One read transaction, closed at the end of the block whatever happens.

        Never await anything but `rows` inside, and never yield to a consumer. Raises DeadlineExceeded after
        `limit_s` seconds, SourceChanged when an immutable file was written meanwhile.
        """
        async with self._lock:
            started = time.monotonic()
            self._raw.deadline = started + limit_s
            try:
                try:
                    # Inside, because a task that is cancelled here has begun a transaction all the same.
                    await self._run("BEGIN")
                    yield Snapshot(self._connection, self)
                finally:
                    # A statement that still runs is one whose task was cancelled: it must stop for the ROLLBACK.
                    self._raw.deadline = 0.0
                    await asyncio.shield(self._rollback())
            finally:
                self._raw.deadline = float("inf")
                self.longest_s = max(self.longest_s, time.monotonic() - started)
            if self.mode == "immutable":
                self._same_file()

    def _same_file(self) -> Signature:
        """What lies at the path. Raises SourceChanged when that is another file, or an immutable one was written."""
        now, opened = signature(self.path), self._opened
        if (now.device, now.inode) != (opened.device, opened.inode):
            raise SourceChanged(f"{self.path} was replaced")
        if self.mode == "immutable" and now != opened:
            raise SourceChanged(f"{self.path} is being written")
        return now

    async def _rollback(self) -> None:
        try:
            await self._run("ROLLBACK")
        except AdapterError:
            # SQLite counts the steps of a statement over all its uses, so once in 2,500 transactions the handler asks
            # during the ROLLBACK itself, usually when that has been done; and a BEGIN that failed left nothing to undo.
            self._raw.deadline = float("inf")
            if self._raw.in_transaction:
                await self._run("ROLLBACK")

    async def _run(self, statement: str) -> None:
        try:
            await self._connection.execute_fetchall(statement)
        except sqlite3.Error as error:
            raise _translate(error, self.path) from error


def _rungs(path: Path, now: Signature) -> list[tuple[str, str]]:
    """The ways to open that suit what lies there, in order."""
    shm = side_file(path, "-shm").exists()
    if now.wal_size > 0:
        if shm:
            return [("readonly_shm", "mode=ro&readonly_shm=1"), ("ro", "mode=ro")]
        return [("ro (made -shm)", "mode=ro")]
    if now.wal_size == 0 and shm:
        return [("readonly_shm", "mode=ro&readonly_shm=1"), ("immutable", "mode=ro&immutable=1")]
    if now.journal and not (_is_in_wal_mode(path) and _is_cold(side_file(path, "-journal"))):
        return [("ro", "mode=ro")]
    return [("immutable", "mode=ro&immutable=1")]


def _is_in_wal_mode(path: Path) -> bool:
    """Whether the header says WAL (file format, offset 18): a plain `mode=ro` of such a file makes `-wal`, `-shm`."""
    return _head(path, 20)[18:] == b"\x02\x02"


def _is_cold(journal: Path) -> bool:
    """Whether a rollback journal holds nothing to roll back: empty, or its header zeroed (journal_mode PERSIST)."""
    return not _head(journal, len(JOURNAL_MAGIC)).strip(b"\0")


def _head(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""
