"""Databases to open, and readers that are closed however a test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from adapter.sqlite.reader import Reader
from tests.adapter import corpus
from tests.adapter.writer import Writer

OpenReader = Callable[..., Reader]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A cleanly closed database, alone in its directory."""
    directory = tmp_path / "data"
    directory.mkdir()
    return corpus.build("1.18.33/plain", directory / "opencode.db")


@pytest.fixture
def crashed(database: Path) -> Path:
    """The same with -wal and -shm left by a writer that was killed."""
    writer = Writer(database)
    writer.commit(("UPDATE session SET title = 'from the WAL'", ()))
    writer.kill()
    return database


@pytest.fixture
async def open_reader() -> AsyncIterator[OpenReader]:
    """Makes readers and closes them: the thread of an open one keeps the process alive."""
    opened: list[Reader] = []

    def make(path: Path, limit_s: float | None = None) -> Reader:
        opened.append(Reader(path, limit_s=limit_s))
        return opened[-1]

    yield make
    for reader in opened:
        await reader.close()
