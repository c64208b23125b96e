"""Every session of a database whole, one batch each, behind which a cursor resumes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from adapter.contract import Batch, Make, SourceChanged, SourceUnavailable
from adapter.events import Event, SourceProgress
from adapter.follow.follower import Follower
from adapter.follow.position import EmittedSession, Watermarks
from adapter.health import HealthWriter
from adapter.opencode.database import Database
from adapter.opencode.queries import all_sessions, ownerless
from adapter.opencode.rows import RawRow, milliseconds, session_row
from adapter.opencode.sessions import root_of
from adapter.opencode.storage import RawSession, read_page
from adapter.sqlite.reader import Pieces, Row, Snapshot
from adapter.sqlite.rows import Lost, table_rows

if TYPE_CHECKING:
    from adapter.follow.crew.crew import Crew, Page
    from adapter.follow.crew.messages import Ask, Done

SCAN_PAGE = 8
"""Sessions that a scan reads by one hop to SQLite's thread. Reading the next page meanwhile gains nothing: that thread
needs the interpreter for every row and gets it every 5 ms (measured: 32,000 parts/s with and without)."""
MANY_ROWS = 30_000
"""Rows from which on a scan has help: a second of work, and to start a process takes a fifth of one."""


class Told(NamedTuple):
    """A session: its events, or what was made of them, and how many rows were read for that."""

    events: list[Event]
    rows: int
    made: bytes | memoryview = b""


class Scan:
    """One scan of a database. `follower` has what is known of it and remembers what was told; `parents` has the parent
    of each session, `servers` gives the names of the MCP servers of a directory, `clock` unix seconds."""

    def __init__(
        self,
        source: str,
        database: Database,
        follower: Follower,
        health: HealthWriter,
        parents: dict[str, str | None],
        servers: Callable[[str], frozenset[str]],
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._database = database
        self._follower = follower
        self._health = health
        self._parents = parents
        self._servers = servers
        self._clock = clock

    async def batches(self, marks: Watermarks, make: Make | None = None) -> AsyncIterator[Batch]:
        """Tells the sessions behind `marks.session_rowid`, and moves it. With `make` other processes may help.
        Raises SourceUnavailable."""
        follower, memory = self._follower, self._follower.memory
        sessions, lost, nobodys = await self._database.read(
            lambda snapshot: self._to_scan(snapshot, marks.session_rowid)
        )
        memory.remark(lost)
        memory.ownerless(nobodys)
        pending, _ = memory.take()
        if pending:
            yield Batch(pending, follower.health())
        pages = [sessions[start : start + SCAN_PAGE] for start in range(0, len(sessions), SCAN_PAGE)]
        names = [[session_id for _, session_id in page] for page in pages]
        async with AsyncExitStack() as stack:
            crew: Crew | None = None
            if make is not None and self._is_long(marks, len(sessions)):
                crew = await stack.enter_async_context(await self._crew(names, make))
            for number, page in enumerate(pages):
                done = await crew.page(number) if crew is not None else None
                places = iter(page)
                async for events, rows, made in self._page(names[number], done):
                    rowid, session_id = next(places)
                    marks = msgspec.structs.replace(marks, session_rowid=rowid)
                    follower.marks = marks
                    self._health.note(checked=self._health.now.checked + 1)
                    yield self._batch(events, rows, made, follower.position("scan", marks), [session_id])
        yield self._batch([], 0, b"", follower.position("tail", marks), [])

    def _to_scan(
        self, snapshot: Snapshot, after: int
    ) -> Pieces[tuple[list[tuple[int, str]], list[Lost], list[tuple[str, RawRow]]]]:
        """(rowid, id) of the sessions to scan, in order; what could not be read of them; and rows without an owner."""
        schema, lost = self._database.schema, list[Lost]()
        nobodys = yield from ownerless(snapshot, schema)
        if "session_v2" not in schema.tables:
            rows = yield from table_rows(snapshot, "session", ('"id"',), lost)
            return [(rowid, name) for rowid, name in rows if rowid > after and isinstance(name, str)], lost, nobodys
        # Two tables, and no feed that a scan could be resumed with: nothing has been done before.
        both = yield from all_sessions(snapshot, schema, lost)
        ordered = sorted(both, key=lambda row: milliseconds(session_row(row).time_created))
        return [(0, str(row[0])) for row in ordered], lost, nobodys

    async def _page(self, session_ids: list[str], page: Page | None) -> AsyncIterator[Told]:
        """The sessions of a page, those that others did not do read here."""
        if page is None:
            for session_id, raw in zip(session_ids, await self._read(session_ids), strict=True):
                yield Told(await self._once(session_id, raw), raw.size)
            return
        answer, made = page
        reader, figures = self._database.reader, answer.figures
        reader.count(figures.statements, figures.transactions, figures.hops, figures.retries, figures.longest_s)
        for session_id, done in zip(session_ids, answer.sessions, strict=True):
            if done is None:
                (raw,) = await self._read([session_id])
                yield Told(await self._once(session_id, raw), raw.size)
                continue
            self._note(session_id, done)
            yield Told([], done.rows, made[: done.made])
            made = made[done.made :]

    async def _once(self, session_id: str, raw: RawSession) -> list[Event]:
        memory, row = self._follower.memory, raw.session
        if row is not None:
            self._parents.setdefault(session_id, row.parent_id)
        try:
            events = await memory.once(session_id, raw, self._parents)
        except Exception as error:
            # Costs the session that it is about, and is told.
            events = memory.own_fault(session_id, error)
        if raw.columns is not None:
            self._assume(session_id, raw.columns)
        return events

    def _note(self, session_id: str, done: Done) -> None:
        """Notes a session that was told elsewhere as if it had been told here."""
        self._follower.memory.count_warnings([*done.warnings])
        if done.columns is not None:
            self._health.compared(session_id, done.surplus)
            self._assume(session_id, done.columns)

    def _assume(self, session_id: str, columns: Row) -> None:
        root = root_of(session_id, self._parents)
        self._follower.memory.assume([EmittedSession(session_id, root, session_row(columns).project_id)], columns)

    async def _read(self, session_ids: list[str]) -> list[RawSession]:
        """Reads sessions; once more when opencode migrated the file meanwhile. Raises SourceUnavailable when it is
        another file now."""
        database = self._database
        before = database.known.file
        try:
            return await database.read(lambda snapshot: read_page(snapshot, database.schema, session_ids))
        except SourceChanged as error:
            self._health.interrupted(str(error))
            await database.learn()
            if database.known.file != before:
                raise SourceUnavailable(f"{database.path} was replaced while it was read; start again") from None
            return await database.read(lambda snapshot: read_page(snapshot, database.schema, session_ids))

    def _batch(self, events: list[Event], rows: int, made: bytes | memoryview, cursor: str, loaded: list[str]) -> Batch:
        progress = SourceProgress(source=self._source, ts=int(self._clock() * 1e6), cursor=cursor, rows=rows)
        health = self._follower.health(fresh=False)
        return Batch([*events, progress], health, rows=rows, loaded=loaded, made=made)

    # -- help

    def _is_long(self, marks: Watermarks, sessions: int) -> bool:
        """Whether it is worth to start processes: by the highest rowids, which are about how many rows there are."""
        rows = marks.message_rowid + marks.part_rowid + marks.session_message_rowid
        return rows * sessions >= MANY_ROWS * max(1, len(self._parents))

    async def _crew(self, pages: list[list[str]], make: Make) -> Crew:
        # Loaded for what is large.
        from adapter.follow.crew.crew import Crew
        from adapter.follow.crew.messages import Begin

        reader = self._database.reader
        begin = Begin(os.fsencode(reader.path), self._source, reader.limit_s, f"{make.__module__}:{make.__name__}")
        directories = await self._database.read(self._directories)
        return Crew(begin, lambda number: self._ask(pages[number], directories), len(pages))

    def _directories(self, snapshot: Snapshot) -> Pieces[dict[str, str]]:
        """The directory of each session."""
        schema = self._database.schema
        if len(schema.session_tables) > 1:
            both = yield from all_sessions(snapshot, schema, [])
            return {str(row[0]): session_row(row).directory or "" for row in both}
        table = schema.session_tables[0]
        rows = yield from table_rows(snapshot, table, schema.select(table, ("id", "directory")), [])
        return {str(name): directory for _, name, directory in rows if isinstance(directory, str)}

    def _ask(self, session_ids: list[str], directories: dict[str, str]) -> Ask:
        from adapter.follow.crew.messages import Ask

        known = self._database.known
        parents: dict[str, str | None] = {}
        for session_id in session_ids:
            above: str | None = session_id
            # As far as root_of looks.
            while above is not None and above in self._parents and above not in parents:
                parents[above] = self._parents[above]
                above = parents[above]
        found = {directories.get(session_id, "") for session_id in session_ids}
        servers = {directory: self._servers(directory) for directory in found}
        return Ask(known.file, known.schema, session_ids, parents, servers)
