"""Writes a database as opencode does, from a process of its own.

A process of its own, because SQLite shares the memory of the WAL index between all connections of one process to one
file: a reader beside a writer in the same process sees things that no user will ever see.

    python -m tests.adapter.writer PATH      reads one JSON list of [sql, parameters] a line and commits each line
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Statement = tuple[str, Sequence[Any]]
ROOT = Path(__file__).parent.parent.parent
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000", "cache_size=-64000", "foreign_keys=ON")
"""What opencode sets when it opens its database, the same in every version (core/src/database/database.ts)."""


class Writer:
    """The child process. `commit` returns when the transaction is committed. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        command = [sys.executable, "-m", "tests.adapter.writer", str(path)]
        self._child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def commit(self, *statements: Statement) -> None:
        """Runs the statements in one transaction. Raises sqlite3.Error with the child's words."""
        self._send({"commit": statements})

    def run(self, sql: str) -> list[list[Any]]:
        """Runs one statement outside of a transaction (a checkpoint, VACUUM, DDL) and returns its rows."""
        rows: list[list[Any]] = self._send({"run": sql})
        return rows

    def hammer(self, commits: int, sql: str) -> list[float]:
        """Commits a statement so many times as fast as it goes; returns how long each commit took, in ms."""
        taken: list[float] = self._send({"hammer": commits, "sql": sql})
        return taken

    def close(self) -> None:
        """Closes the connection as opencode does when it exits, and ends the child."""
        if self._child.poll() is None:
            assert self._child.stdin is not None
            self._child.stdin.close()
        self._wait()

    def kill(self) -> None:
        """Ends the child as a crash does: -wal and -shm stay."""
        self._child.kill()
        self._wait()

    def _wait(self) -> None:
        self._child.wait(timeout=10)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()

    def _send(self, order: dict[str, Any]) -> Any:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._child.stdout is not None
        answer = json.loads(self._child.stdout.readline())
        if "error" in answer:
            raise sqlite3.OperationalError(answer["error"])
        return answer["rows"]


def serve(path: str) -> None:
    """The child's loop: one order a line, one answer a line, until the input ends."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()
    _say({"rows": []})
    for line in sys.stdin:
        order = json.loads(line)
        try:
            _say({"rows": _obey(connection, order)})
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            _say({"error": str(error)})
    connection.close()


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _obey(connection: sqlite3.Connection, order: dict[str, Any]) -> list[Any]:
    if "run" in order:
        return connection.execute(order["run"]).fetchall()
    if "hammer" in order:
        return [_timed(connection, order["sql"]) for _ in range(order["hammer"])]
    connection.execute("BEGIN IMMEDIATE")
    for sql, parameters in order["commit"]:
        connection.execute(sql, parameters).fetchall()
    connection.execute("COMMIT")
    return []


def _timed(connection: sqlite3.Connection, sql: str) -> float:
    started = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(sql)
    connection.execute("COMMIT")
    return (time.perf_counter() - started) * 1000


def now_ms() -> int:
    """The wall clock, ms UTC."""
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    serve(sys.argv[1])
