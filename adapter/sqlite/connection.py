"""The only place that opens SQLite: a connection that refuses everything but reading, and what its errors mean.

It is opened from a bare path: the URI is rebuilt here, no parameter of a caller survives.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from adapter.contract import (
    AdapterError,
    Damaged,
    NotADatabase,
    OutOfTime,
    RowTooLarge,
    SourceBusy,
    SourceChanged,
    SourceUnreadable,
)
from adapter.sqlite.files import Signature, side_file
from adapter.sqlite.permissions import obstacle

BUSY_TIMEOUT_S = 0.25
OPENING_S = 0.005
"""Pause between two tries to open a file that another process has locked."""
PROGRESS_OPCODES = 10_000
ROW_LIMIT_BYTES = 64 * 1024 * 1024
"""Largest single value we read; real message rows of 460 MB exist (opencode issue 46833)."""
UNTRUSTED = "unsafe use of"

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
DAMAGE = frozenset({"SQLITE_IOERR_READ", "SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_CORRUPTFS", "SQLITE_IOERR_DATA"})


class Gone(sqlite3.OperationalError):
    """The WAL that was there has gone: to open the file as planned would make another."""


class SafeConnection(sqlite3.Connection):
    """A connection that refuses everything but reading; `deadline` (monotonic seconds) stops a running statement."""

    deadline: float
    trusted_schema = 0
    is_closed = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deadline = float("inf")
        for pragma in ("query_only=1", f"trusted_schema={self.trusted_schema}", "cell_size_check=1", "temp_store=2"):
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

    def be_patient(self) -> None:
        """From now on a statement waits for locks, up to BUSY_TIMEOUT_S."""
        self.set_authorizer(None)
        self.execute(f"PRAGMA busy_timeout={round(BUSY_TIMEOUT_S * 1000)}").close()
        self.set_authorizer(_authorize)

    def close(self) -> None:
        """Closes it."""
        self.is_closed = True
        super().close()

    def _overdue(self) -> int:
        return int(time.monotonic() > self.deadline)


class TrustingConnection(SafeConnection):
    """The same for a file whose schema names functions."""

    trusted_schema = 1


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


def connect(path: Path, mode: str, parameters: str, opened: Signature) -> SafeConnection:
    """Opens a file that looks as `opened` says, on one of the rungs of `files.rungs`, and reads from it once. Raises
    sqlite3.Error and UnicodeDecodeError."""
    raw = _open(path, parameters)
    try:
        try:
            _meet(raw, path, opened)
        except sqlite3.DatabaseError as error:
            if UNTRUSTED not in str(error):
                raise
            raw.close()
            raw = _open(path, parameters, trusted=True)
            _meet(raw, path, opened)
        raw.be_patient()
        if mode == "readonly_shm" and not opened.wal_size and not _has_a_steady_gate(raw):
            raise sqlite3.OperationalError("nobody has the -shm open")
        return raw
    except (sqlite3.Error, UnicodeDecodeError):
        raw.close()
        raise


def _open(path: Path, parameters: str, *, trusted: bool = False) -> SafeConnection:
    """Opens a file. `trusted` lets its schema name functions, as an index on json_extract does, which SQLite up to 3.41
    takes for unsafe: none of ours can be among them, and the authorizer still refuses those that do anything."""
    uri = f"{path.absolute().as_uri()}?{parameters}"
    return sqlite3.connect(
        uri,
        uri=True,
        factory=TrustingConnection if trusted else SafeConnection,
        isolation_level=None,
        timeout=0,
        cached_statements=64,
    )


def _meet(raw: SafeConnection, path: Path, opened: Signature) -> None:
    """Lets a connection read for the first time, which is when SQLite locks the file and opens the WAL that `opened`
    has seen. Where the last writer has taken that away meanwhile SQLite would make another, with a `-shm`, that nobody
    removes. So it is looked for just before each try, and no try waits inside of SQLite for the writer that is closing.
    Raises sqlite3.Error."""
    wal, until = side_file(path, "-wal"), time.monotonic() + BUSY_TIMEOUT_S
    while True:
        if opened.wal_size >= 0 and not os.path.lexists(wal):
            raise Gone(f"the WAL of {path} has gone")
        try:
            raw.execute("SELECT count(*) FROM sqlite_master").close()
            return
        except sqlite3.OperationalError as error:
            # For these SQLite itself would wait; anything else is for another way to open the file.
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
                raise
            time.sleep(OPENING_S)


def _has_a_steady_gate(raw: SafeConnection) -> bool:
    """Whether `PRAGMA data_version` stays while nothing is committed. Beside an empty WAL it moves with each own read
    when no writer has the `-shm` open."""
    versions: list[Any] = []
    for _ in range(2):
        versions += raw.execute("PRAGMA data_version").fetchall()
        raw.execute("SELECT count(*) FROM sqlite_master").fetchall()
    return bool(versions[0] == versions[1])


def translated(error: sqlite3.Error | UnicodeError, path: Path, *, opening: bool = False) -> AdapterError:
    """The error of the contract for one that came while a file was read, or opened."""
    if isinstance(error, UnicodeError):
        return NotADatabase(f"{path} is damaged (a name in its schema is no UTF-8)")
    name = getattr(error, "sqlite_errorname", "") or ""
    if isinstance(error, Gone):
        return SourceBusy(f"{path} has just been closed by its last writer; trying again")
    if name in RETRY_ERRORS:
        return SourceBusy(f"{path} is locked ({name}); trying again")
    if name == "SQLITE_TOOBIG":
        return RowTooLarge(f"a row of {path} is larger than {ROW_LIMIT_BYTES >> 20} MB")
    if name == "SQLITE_INTERRUPT":
        return OutOfTime(f"a read of {path} took longer than its transaction may last")
    if name == "SQLITE_NOTADB" or (opening and name.startswith("SQLITE_CORRUPT")):
        return NotADatabase(f"{path} is not a SQLite database, or is damaged ({error})")
    if name.startswith("SQLITE_CORRUPT") or name in DAMAGE:
        return Damaged(f"{path} is damaged ({error})")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM", "SQLITE_READONLY", "SQLITE_AUTH")):
        return SourceUnreadable(obstacle(path) or f"cannot read {path}: {error}")
    if name in ("SQLITE_SCHEMA", "SQLITE_ERROR") and ("no such" in str(error) or "changed" in str(error)):
        return SourceChanged(f"the tables of {path} changed while reading: {error}")
    return SourceUnreadable(f"cannot read {path}: {error}")
