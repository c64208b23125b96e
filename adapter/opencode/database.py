"""One database file, understood: its schema, its migration journal, and reads that know them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from adapter.contract import Damaged, SourceChanged
from adapter.opencode.journal import Journal, read_journal
from adapter.opencode.schema import Schema, introspect
from adapter.sqlite.reader import Reader, Snapshot, Work

T = TypeVar("T")
NO_SCHEMA = Schema({}, [], -1)


class Known(msgspec.Struct, frozen=True):
    """What is known of the file that was opened last. `number` counts the times that it was learned,
    `damaged` names a table that is left out because it cannot be read."""

    schema: Schema = NO_SCHEMA
    journal: Journal = Journal()
    file: tuple[int, int] = (0, 0)
    number: int = 0
    damaged: str = ""


class Database:
    """Reads the file at a path by what is known of its tables."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self.path = path
        self.reader = reader
        self.known = Known()
        self._learning = reader.lock()
        self._learned = False

    @property
    def schema(self) -> Schema:
        """The tables that are there."""
        return self.known.schema

    @property
    def journal(self) -> Journal:
        """The migrations that the file has seen."""
        return self.known.journal

    async def open(self) -> None:
        """Opens the file and learns its schema; nothing when that is known. Raises SourceUnavailable."""
        async with self._learning:
            if not self._learned:
                await self.reader.open()
                await self._learn()

    async def learn(self) -> None:
        """Learns the file's schema anew. Raises SourceUnavailable."""
        async with self._learning:
            await self._learn()

    async def _learn(self) -> None:
        def work(snapshot: Snapshot) -> Known:
            schema, damaged = introspect(snapshot), ""
            if schema.has_events:
                try:
                    snapshot.rows("SELECT rowid, id FROM event ORDER BY rowid DESC LIMIT 1")
                except Damaged:
                    schema, damaged = schema.without("event"), "event"
            return Known(schema, read_journal(snapshot, schema), snapshot.file, self.known.number + 1, damaged)

        self._learned = False
        self.known = await self.reader.call(work)
        self._learned = True

    def forget(self) -> None:
        """What is known of the file may not be so any more: the next `open` learns it anew."""
        self._learned = False

    def leave_out(self, table: str) -> None:
        """Goes on as if a table that cannot be read were not there, until the file is learned anew."""
        self.known = msgspec.structs.replace(self.known, schema=self.known.schema.without(table))

    def note_journal(self, journal: Journal) -> None:
        """Takes the migration journal as it is now."""
        self.known = msgspec.structs.replace(self.known, journal=journal)

    async def read(self, work: Work[T], *, side: bool = False) -> T:
        """As `Reader.read`, of the file whose schema is known.

        Raises SourceChanged when it is another one now or its tables are others, Unread, SourceUnavailable.
        """
        await self.open()
        return await self.reader.read(work, file=self.known.file, schema=self.schema.version, side=side)

    async def read_fresh(self, work: Work[T], *, side: bool = False) -> T:
        """As `read`, for who follows nothing: what has changed is learned, and read anew. Raises SourceUnavailable."""
        try:
            return await self.read(work, side=side)
        except SourceChanged:
            await self.learn()
            return await self.read(work, side=side)

    async def close(self) -> None:
        """Closes the connections for good."""
        self._learned = False
        await self.reader.close()
