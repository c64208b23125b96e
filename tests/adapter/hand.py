"""Other programs that have the database open, as processes of their own that may be killed.

    python -m tests.adapter.hand write PATH MODE          the writer of `writer.py` in a journal mode of choice
    python -m tests.adapter.hand read PATH                another read-only reader, in the middle of a transaction
    python -m tests.adapter.hand steady PATH PAUSE SQL... commits one statement after the other, PAUSE seconds apart

All end when their input does.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.adapter import writer
from tests.adapter.writer import ROOT, Writer

LOG_MODES = frozenset({"WAL", "DELETE", "PERSIST", "TRUNCATE"})


class Hand(Writer):
    """A writer in a journal mode: WAL, DELETE, PERSIST or TRUNCATE."""

    def __init__(self, path: Path, mode: str = "WAL") -> None:
        assert mode in LOG_MODES
        self.path = path
        self._child = _start("write", path, mode)
        self._answer()

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._child.poll() is None

    def kill(self) -> None:
        """Ends the child as a crash does; nothing when it has ended."""
        if self.is_alive:
            super().kill()


class Bystander:
    """A process that does one thing until it is closed or killed. Use as a context manager."""

    def __init__(self, *arguments: str | Path) -> None:
        self._child = _start(*arguments)
        assert self._child.stdout is not None
        assert self._child.stdout.readline() == "ready\n", "the other process could not do its part"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def close(self) -> None:
        """Ends it the way a program ends that closes its files; it must have been able to do its part until now."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        assert self._child.wait(timeout=10) == 0
        self.kill()

    def kill(self) -> None:
        """Ends it as a crash does; nothing when it has ended."""
        self._child.kill()
        self._child.wait(timeout=10)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()


def reader(path: Path) -> Bystander:
    """Another program that reads the database, and does not let go."""
    return Bystander("read", path)


def steady(path: Path, pause_s: float, *statements: str) -> Bystander:
    """A writer that commits the statements in turn, for ever."""
    return Bystander("steady", path, str(pause_s), *statements)


def _start(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.adapter.hand", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _read(path: str) -> None:
    connection = sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM session").fetchall()
    _ready()
    sys.stdin.read()
    connection.close()


def _steady(path: str, pause_s: str, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in writer.PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    _ready()
    number = 0
    while not ended.wait(float(pause_s)):
        connection.execute(statements[number % len(statements)]).fetchall()
        number += 1
    connection.close()


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def main(what: str, *arguments: Any) -> None:
    """One of the three programs."""
    if what == "read":
        _read(*arguments)
    elif what == "steady":
        _steady(*arguments)
    else:
        path, mode = arguments
        writer.PRAGMAS = (f"journal_mode={mode}", *writer.PRAGMAS[1:])
        writer.serve(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
