"""Everything that is not reading is refused, with the exact outcome, and leaves no trace in the directory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.sqlite.connection import SafeConnection
from tests.adapter import corpus
from tests.adapter.writer import Writer

DENIED = "not authorized"

REFUSED = {
    "INSERT INTO todo (session_id) VALUES ('x')": DENIED,
    "UPDATE session SET title = 'x'": DENIED,
    "DELETE FROM part": DENIED,
    "REPLACE INTO part SELECT * FROM part": DENIED,
    "WITH x AS (SELECT 1) DELETE FROM part": DENIED,
    "UPDATE part SET data = '' RETURNING id": DENIED,
    "INSERT INTO session (id) VALUES ('x') ON CONFLICT DO UPDATE SET title = 'x'": DENIED,
    "UPDATE sqlite_master SET sql = 'x'": "table sqlite_master may not be modified",
    "SELECT 1; DELETE FROM part": "You can only execute one statement at a time.",
    "EXPLAIN DELETE FROM part": DENIED,
    "CREATE TABLE x (y)": DENIED,
    "CREATE TABLE x AS SELECT 1": DENIED,
    "CREATE TEMP TRIGGER x AFTER INSERT ON part BEGIN DELETE FROM session; END": DENIED,
    "CREATE TEMP TABLE x (y)": DENIED,
    "CREATE TEMP VIEW x AS SELECT 1": DENIED,
    "CREATE VIEW x AS SELECT 1": DENIED,
    "CREATE INDEX x ON part (data)": DENIED,
    "CREATE TRIGGER x AFTER INSERT ON part BEGIN SELECT 1; END": DENIED,
    "CREATE VIRTUAL TABLE x USING fts5(y)": DENIED,
    "ALTER TABLE part ADD COLUMN x": DENIED,
    "ALTER TABLE part RENAME TO x": DENIED,
    "ALTER TABLE part DROP COLUMN data": DENIED,
    "DROP TABLE part": DENIED,
    "DROP INDEX part_session_idx": DENIED,
    "REINDEX": DENIED,
    "ANALYZE": DENIED,
    "VACUUM": "authorization denied",
    "VACUUM INTO '{directory}/copy.db'": "authorization denied",
    "ATTACH '{directory}/new.db' AS x": DENIED,
    "ATTACH 'file:{directory}/opencode.db?mode=rw' AS x": DENIED,
    "ATTACH ':memory:' AS x": DENIED,
    "DETACH main": DENIED,
    "SAVEPOINT x": DENIED,
    "RELEASE x": DENIED,
    "PRAGMA wal_checkpoint": DENIED,
    "PRAGMA wal_checkpoint(TRUNCATE)": DENIED,
    "PRAGMA main.wal_checkpoint(FULL)": DENIED,
    "SELECT * FROM pragma_wal_checkpoint": "no such table: pragma_wal_checkpoint",
    "SELECT * FROM pragma_optimize": DENIED,
    "SELECT * FROM pragma_journal_mode('DELETE')": DENIED,
    "PRAGMA main.journal_mode=DELETE": DENIED,
    "PRAGMA journal_mode=DELETE": DENIED,
    "PRAGMA journal_mode(MEMORY)": DENIED,
    "PRAGMA query_only=0": DENIED,
    "PRAGMA query_only(0)": DENIED,
    "PRAGMA trusted_schema=1": DENIED,
    "PRAGMA writable_schema=1": DENIED,
    "PRAGMA locking_mode=EXCLUSIVE": DENIED,
    "PRAGMA synchronous=OFF": DENIED,
    "PRAGMA foreign_keys=OFF": DENIED,
    "PRAGMA data_version=5": DENIED,
    "PRAGMA page_count(5)": DENIED,
    "PRAGMA wal_autocheckpoint=1": DENIED,
    "PRAGMA user_version=7": DENIED,
    "PRAGMA application_id=7": DENIED,
    "PRAGMA schema_version=7": DENIED,
    "PRAGMA auto_vacuum=1": DENIED,
    "PRAGMA incremental_vacuum": DENIED,
    "PRAGMA optimize": DENIED,
    "PRAGMA shrink_memory": DENIED,
    "PRAGMA temp_store_directory='/'": DENIED,
    "PRAGMA busy_timeout=100000": DENIED,
    "PRAGMA mmap_size=1000000": DENIED,
    "PRAGMA integrity_check": DENIED,
    "SELECT load_extension('x')": "not authorized to use function: load_extension",
    "SELECT writefile('{directory}/x', 'y')": "no such function: writefile",
    "SELECT zeroblob(100000000)": "string or blob too big",
}


@pytest.fixture(params=["closed", "live"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A database that nobody has open, and one that is being written."""
    path = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    if request.param == "closed":
        yield path
        return
    with Writer(path) as writer:
        writer.commit(("UPDATE session SET title = 'live'", ()))
        yield path


@pytest.fixture
def connection(database: Path) -> Iterator[SafeConnection]:
    parameters = "mode=ro&readonly_shm=1" if database.with_name("opencode.db-wal").exists() else "mode=ro&immutable=1"
    uri = f"{database.as_uri()}?{parameters}"
    opened = sqlite3.connect(uri, uri=True, factory=SafeConnection, isolation_level=None)
    yield opened
    opened.close()


@pytest.mark.parametrize("statement", REFUSED)
def test_is_refused_and_leaves_no_trace(connection: SafeConnection, database: Path, statement: str) -> None:
    connection.execute("SELECT count(*) FROM part").fetchall()
    before = corpus.files(database.parent)
    with pytest.raises((sqlite3.DatabaseError, sqlite3.DataError)) as raised:
        connection.execute(statement.format(directory=database.parent)).fetchall()
    assert str(raised.value) == REFUSED[statement]
    assert corpus.files(database.parent) == before
    assert not connection.in_transaction


@pytest.mark.parametrize("kind", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_transaction_to_write_is_refused_and_the_writer_goes_on(
    connection: SafeConnection, database: Path, kind: str
) -> None:
    before = corpus.files(database.parent)
    with pytest.raises(sqlite3.OperationalError, match="attempt to write a readonly database"):
        connection.execute(f"BEGIN {kind}")
    assert not connection.in_transaction
    assert corpus.files(database.parent) == before


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA data_version",
        "PRAGMA schema_version",
        "PRAGMA journal_mode",
        "PRAGMA page_count",
        "PRAGMA table_info(part)",
        "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 9) SELECT max(x) FROM n",
        "SELECT json_extract(data, '$.type'), length(data), substr(data, 1, 9) FROM part",
        "BEGIN",
    ],
)
def test_reading_is_allowed(connection: SafeConnection, database: Path, statement: str) -> None:
    before = corpus.files(database.parent)
    connection.execute(statement).fetchall()
    connection.rollback()
    assert corpus.files(database.parent) == before


def test_an_endless_statement_is_interrupted_at_the_deadline(connection: SafeConnection) -> None:
    connection.deadline = 0.0
    endless = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        connection.execute(endless).fetchall()
