"""Real databases of six versions of opencode as SQL dumps (`tests/corpus/VERSION/NAME.sql`), and how to make files of
them again.

The dumps were made by driving each version through scenarios like those of `tests/lab`; no row is made by hand.
Left out to keep the repository small: outputs of megabytes, and states that another dump of the same version shows too.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from functools import cache
from pathlib import Path

import msgspec

from adapter.events import Event
from adapter.health import Health
from adapter.local import OpencodeSource

CORPUS = Path(__file__).parent.parent / "corpus"
VERSIONS = ("1.2.1", "1.3.2", "1.15.13", "1.17.11", "1.18.33")
PREVIEW = "2.0-next-16350"
"""The preview of 2.x, package version 0.0.0-next-16350."""
NAMES = sorted(f"{version}/{dump.stem}" for version in VERSIONS for dump in (CORPUS / version).glob("*.sql"))
"""`VERSION/SCENARIO` of every dump of 1.x."""
NAMES_2X = sorted(f"{PREVIEW}/{dump.stem}" for dump in (CORPUS / PREVIEW).glob("*.sql"))
"""The same of the preview; `given-*` and `upgrade*` are files of 1.18.33 that it took over."""

NOW = 1_796_000_000.0
"""The clock of every load (unix seconds, a week after the dumps were made), so that remarks have the same time."""


class Loaded(msgspec.Struct, frozen=True):
    """A dump read by the adapter: its events, the health afterwards, and the files of the directory before and
    after."""

    events: list[Event]
    health: Health
    before: dict[str, tuple[bytes, int]]
    after: dict[str, tuple[bytes, int]]

    def of(self, kind: type[Event]) -> list[Event]:
        """The events of one kind."""
        return [event for event in self.events if type(event) is kind]


def statements(name: str) -> str:
    """The dump of `VERSION/SCENARIO`."""
    return (CORPUS / f"{name}.sql").read_text("utf-8")


def build(name: str, path: Path) -> Path:
    """Makes the database file of `VERSION/SCENARIO`, closed cleanly; returns its path."""
    connection = sqlite3.connect(path)
    try:
        connection.executescript(statements(name))
    finally:
        connection.close()
    return path


def files(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a directory: its bytes and its time of modification (ns)."""
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in sorted(directory.iterdir())}


async def read(path: Path) -> tuple[list[Event], Health]:
    """All events of a file, and its health with fresh counts."""
    async with OpencodeSource(path, clock=lambda: NOW) as source:
        events = [event async for batch in source.stream() for event in batch.events]
        return events, await source.probe()


@cache
def load(name: str) -> Loaded:
    """Reads `VERSION/SCENARIO` whole. Not to be called while an event loop runs."""
    with tempfile.TemporaryDirectory() as directory:
        path = build(name, Path(directory) / "opencode.db")
        before = files(path.parent)
        events, health = asyncio.run(read(path))
        return Loaded(events, health, before, files(path.parent))


@cache
def table(name: str, sql: str) -> list[tuple[object, ...]]:
    """What plain SQL says about `VERSION/SCENARIO`."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(statements(name))
        return connection.execute(sql).fetchall()
    finally:
        connection.close()
