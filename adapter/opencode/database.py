"""One database file, opened and understood: the connection, the schema, the migration journal, and their health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from adapter.contract import DeadlineExceeded, encodable
from adapter.follow import position as cursors
from adapter.follow.detect.counters import Sequences
from adapter.follow.detect.feed import BY_FEED, BY_SCAN, BY_SEQUENCE, current_marks
from adapter.follow.position import Cursor, Marks
from adapter.health import Health, Rate
from adapter.opencode.journal import Journal, read_journal
from adapter.opencode.queries import all_sessions, count_rows
from adapter.opencode.reading import RawSession, message_ids, read_messages, read_whole
from adapter.opencode.schema import Schema, introspect
from adapter.opencode.v1.rows import SessionRow, session_row
from adapter.pace import paced
from adapter.sqlite.reader import Reader, side_file

NO_SCHEMA = Schema({}, [], -1)


class Database:
    """Opens and closes, any number of times, and reads what needs no memory. The clock gives unix seconds."""

    def __init__(self, path: Path, source: str, clock: Callable[[], float]) -> None:
        self.path = path
        self.source = source
        self.clock = clock
        self.health = Health(source=source, path=encodable(path))
        self.schema = NO_SCHEMA
        self.journal = Journal()
        self.marks = Marks()
        self.sequences = Sequences()
        self.gate: object = None
        """The token of the last look; a different one means that something was committed."""
        self._reader: Reader | None = None
        self._opening = asyncio.Lock()
        self.target = ""
        """Names the file that was last open (cursor.target_of)."""
        self._rate = Rate(clock())
        self.counting_s = 0.0
        """How long the last `count` took."""

    @property
    def reader(self) -> Reader:
        """The open connection. Raises RuntimeError before `open`."""
        if self._reader is None:
            raise RuntimeError("the database is not open")
        return self._reader

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._reader is not None

    async def open(self) -> None:
        """Opens the file and learns its schema; nothing when it is open. Raises SourceUnavailable."""
        async with self._opening:
            if self._reader is None:
                await self._open()

    async def _open(self) -> None:
        reader = await Reader.open(self.path, self.health.retried)
        try:
            # Read before anything else: a commit from here on makes the next look differ.
            self.gate = await reader.gate()
            async with reader.snapshot() as snapshot:
                schema = await introspect(snapshot)
                journal = await read_journal(snapshot, schema)
                marks = await current_marks(snapshot, schema)
                target = cursors.target_of(self.path)
                # The same file keeps its numbers and marks: what happened while it was closed is read as changes.
                await self.sequences.begin(snapshot, schema, anew=target != self.target)
        except BaseException:
            await reader.close()
            raise
        if target != self.target:
            self.marks, self.target = marks, target
        self._reader, self.schema = reader, schema
        self.note_journal(journal)
        health = self.health
        health.state, health.message = "ok", ""
        health.family, health.missing_columns, health.open_mode = schema.family, schema.missing, reader.mode
        if marks.event_rowid and schema.has_whole_feed:
            health.strategy = BY_FEED
        else:
            health.strategy = BY_SEQUENCE if self.sequences.counted else BY_SCAN

    def note_journal(self, journal: Journal) -> None:
        """Takes the migration journal as it is now."""
        self.journal = journal
        health = self.health
        health.migration_table, health.migration_count = journal.table, len(journal.names)
        health.migration_latest, health.migration_hash = journal.latest, journal.hash

    async def close(self) -> None:
        """Closes the connection; `open` starts anew."""
        async with self._opening:
            reader, self._reader = self._reader, None
            if reader is not None:
                self._take_figures(reader)
                await reader.close()

    def position(self, phase: Literal["scan", "tail"], told: int, marks: Marks) -> str:
        """A cursor behind everything up to `marks`, and behind the sessions that sum up to `told`."""
        return cursors.encode(Cursor(self.target, self.journal.hash, phase, marks, told))

    async def read_whole(self, session_id: str) -> RawSession:
        """A whole session in one transaction; one too big for that, message by message."""
        try:
            async with self.reader.snapshot() as snapshot:
                return (await read_whole(snapshot, self.schema, [session_id]))[0]
        except DeadlineExceeded:
            pass
        async with self.reader.snapshot() as snapshot:
            ids = await message_ids(snapshot, self.schema, session_id)
            whole = await read_messages(snapshot, self.schema, session_id, ())
        for message_id in ids:
            async with self.reader.snapshot() as snapshot:
                whole += await read_messages(snapshot, self.schema, session_id, [message_id])
        return whole

    async def read_page(self, session_ids: list[str]) -> list[RawSession]:
        """Several whole sessions in one transaction; when there is no time for all, one by one."""
        try:
            async with self.reader.snapshot() as snapshot:
                return await read_whole(snapshot, self.schema, session_ids)
        except DeadlineExceeded:
            return [await self.read_whole(session_id) for session_id in session_ids]

    async def session_rows(self) -> list[SessionRow]:
        """Every session row, newest activity first."""
        async with self.reader.snapshot() as snapshot:
            rows = await all_sessions(snapshot, self.schema)
        return await paced([session_row(columns)] for columns in rows)

    async def count(self) -> None:
        """Counts rows for health."""
        started = time.monotonic()
        found = await count_rows(self.reader, self.schema)
        health = self.health
        health.counts, health.approximate, health.event_bytes = found.counts, found.approximate, found.event_bytes
        self.counting_s = time.monotonic() - started

    def note_versions(self, rows: list[SessionRow]) -> None:
        """Adds the opencode versions that made these sessions to health."""
        versions = {row.version for row in rows if row.version} | set(self.health.versions)
        self.health.versions = sorted(versions, key=_version_key)

    def current_health(self) -> Health:
        """Health with the figures that only the files tell."""
        for name, file in (("size", self.path), ("wal_size", side_file(self.path, "-wal"))):
            try:
                setattr(self.health, name, file.stat().st_size)
            except OSError:
                setattr(self.health, name, 0)
        if self._reader is not None:
            self._take_figures(self._reader)
        self.health.statements_per_minute = self._rate.per_minute(self.clock(), self.health.statements)
        return self.health

    def _take_figures(self, reader: Reader) -> None:
        self.health.longest_read_ms = max(self.health.longest_read_ms, reader.longest_s * 1000)
        self.health.statements += reader.statements
        reader.statements = 0


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(piece) if piece.isdigit() else 0 for piece in version.split("."))
