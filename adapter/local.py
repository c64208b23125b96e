"""One opencode database of this machine as a source of canonical events: the wiring, nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec

from adapter.contract import Batch, Make, PayloadText, SearchPage, SourceChanged, SourceUnavailable, Spending, encodable
from adapter.events import Event, LogEntry
from adapter.follow import position as cursors
from adapter.follow.detect.counters import Counters
from adapter.follow.follower import Follower
from adapter.follow.position import Cursor, Watermarks
from adapter.follow.resume import current_marks, emitted_before
from adapter.health import Health, HealthWriter
from adapter.opencode.database import Database
from adapter.opencode.payloads import begin, resolve
from adapter.opencode.queries import all_sessions, count_rows
from adapter.opencode.rows import SessionRow, milliseconds, session_row
from adapter.opencode.sessions import map_session, root_of
from adapter.opencode.storage import RawSession, parents_above, read_whole
from adapter.pace import paced
from adapter.sqlite.reader import Pieces, Reader, Snapshot, Work
from adapter.sqlite.rows import Lost, table_rows

if TYPE_CHECKING:
    from adapter.processes.table import Table

SEARCH_PAGE = 200
"""Most sessions of one piece of a search: empty ones take next to no time."""
PAYLOAD_LIMIT = 32_000_000
"""Bytes of one payload that are handed out unless the caller wants more."""
T = TypeVar("T")


class OpencodeSource:
    """Reads one database file, strictly read-only. Use as an async context manager, on one event loop.

    `clock` gives unix seconds, `monotonic` seconds that never go back; `watch=False` polls instead of asking the system
    for notifications; `limit_s` is the hard stop of one read transaction (reader.LIMIT_S unless given); `servers` gives
    the names of the MCP servers that are configured for a directory; `backup` says that it is a copy which nobody
    writes; `table` gives the one table of the processes of this machine, without it nothing is known of them. What is
    `inline` reads on the thread of the caller: only following needs an event loop then.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        watch: bool = True,
        limit_s: float | None = None,
        servers: Callable[[str], frozenset[str]] = lambda _directory: frozenset(),
        backup: bool = False,
        table: Callable[[], Table] | None = None,
        inline: bool = False,
    ) -> None:
        self.path = Path(path).absolute()
        self.backup = backup
        self.source = f"opencode:{encodable(self.path)}"
        self._clock = clock
        self._table = table
        self._servers = servers
        self._new_health = partial(HealthWriter, self.source, encodable(self.path), clock, monotonic, backup=backup)
        self._health = self._new_health()
        self._reader = Reader(self.path, limit_s=limit_s, inline=inline)
        self._database = Database(self.path, self._reader)
        self._new_follower = partial(
            Follower,
            self._database,
            source=self.source,
            clock=clock,
            monotonic=monotonic,
            notify=watch,
            servers=servers,
        )
        self._follower = self._new_follower(self._health)
        self._resumes = False
        self._closed = False

    async def __aenter__(self) -> Self:
        self._closed = False
        self._reader.reopen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes every connection. What another task asks for from now on raises SourceUnavailable."""
        self._closed = True
        await self._database.close()

    async def open(self) -> None:
        """Opens the database now. Raises SourceUnavailable with a line for the user when it cannot be read."""
        if self._closed:
            raise SourceUnavailable(f"{self.path} has been closed")
        try:
            await self._follower.learn()
        except SourceChanged:
            self._database.forget()
            await self._follower.learn()

    def request(self, session_id: str) -> None:
        """Asks `tail` for a whole session; its events come in order with all others, in a batch that names it in
        `loaded`. From then on `tail` keeps it current row by row."""
        self._follower.request(session_id)

    def release(self, session_id: str) -> None:
        """Takes a `request` back: `tail` names the session in the `released` of a batch, and from then on tells of it
        its row, and when something in it changes, all."""
        self._follower.release(session_id)

    def tail(self) -> AsyncIterator[Batch]:
        """Follows the database for ever: first the catalogue and the sessions that may be live, then every change.

        A file that is missing, foreign or locked is told as a `source_error` once, and waited for.
        """
        resumes, self._resumes = self._resumes, False
        return self._follower.follow(resume=resumes)

    def forget(self) -> None:
        """Forgets what was told: the next `tail` begins as the first did. Not while one runs."""
        self._database.forget()
        processes = self._health.now.processes
        self._health = self._new_health()
        self._health.note(processes=processes)
        self._follower = self._new_follower(self._health)

    async def glance(self) -> AsyncIterator[Batch]:
        """What `tail` begins with, once: the catalogue, the sessions that may be live, whole, and how every other one
        ended. Raises SourceUnavailable."""
        await self.open()
        async for batch in self._follower.follow(once=True):
            yield batch

    async def stream(
        self, cursor: str | None = None, *, follow: bool = False, make: Make | None = None
    ) -> AsyncIterator[Batch]:
        """Every session whole, oldest row first, one batch each, and with `follow` every change from then on.

        Each batch ends with a `source_progress` whose cursor resumes behind it. A cursor that does not fit this file,
        or behind which not everything can be found (resume.py), is told as a WRN log entry, and everything starts
        over; what was deleted meanwhile is then told by nothing, so forget what came before. A session that was told
        and not remembered, as by a scan, is told whole when it changes, behind the removal of what may no longer hold.
        With `make` a large file is scanned by several processes, and most batches have what was made of a session
        in the place of its events. Raises SourceUnavailable; with `follow` only when that was so from the start.
        """
        await self.open()
        follower = self._follower
        if news := follower.reconciler.news_of_schema():
            yield Batch(news, follower.health())
        position: Cursor | None = None
        if cursor:
            position, reason = await self._behind(cursor)
            if position is None:
                yield Batch([self._starting_over(reason)], follower.health())
        if position is None or position.phase == "scan":
            marks = position.marks if position else await self._marks_now()
            # Who does not scan does not load it.
            from adapter.follow.scan import Scan

            parents = await self._parents()
            scan = Scan(self.source, self._database, follower, self._health, parents, self._servers, self._clock)
            async for batch in scan.batches(marks, make):
                yield batch
            marks = msgspec.structs.replace(marks, session_rowid=follower.marks.session_rowid)
        else:
            marks = position.marks
        if follow or position is not None:
            follower.marks = marks
            # Without a feed the marks tell of new rows only: what was rewritten since is found by the usual beginning.
            fed = bool(marks.event_rowid) and self._database.schema.has_whole_feed
            async for batch in follower.follow(resume=fed, once=not follow):
                yield batch

    async def resume(self, cursor: str) -> bool:
        """Has the `tail` that begins next go on behind a cursor of an earlier one, in another process perhaps: it tells
        what has changed since, each session whole. Whether it can: if not, it will begin as the first did. Raises
        SourceUnavailable."""
        await self.open()
        position, _ = await self._behind(cursor)
        self._resumes = position is not None and position.phase == "tail"
        if position is not None and self._resumes:
            self._follower.marks = position.marks
        return self._resumes

    async def _behind(self, cursor: str) -> tuple[Cursor | None, str]:
        """The position that a cursor names, of which the memory then assumes that everything before it was told; or why
        there is none."""
        follower, told = self._follower, self._database.known
        position, reason = cursors.decode(cursor, cursors.target_of(self.path, told.file))
        if position is None:
            return None, reason
        asked = position
        before = await self._database.read(
            lambda snapshot: emitted_before(snapshot, told.schema, told.journal.hash, asked)
        )
        if before.unfit:
            return None, before.unfit
        follower.memory.assume(before.sessions)
        follower.counters = Counters(before.numbers)
        return position, ""

    async def catalogue(self) -> list[Event]:
        """`session_started` of every session, from the session rows alone. Raises SourceUnavailable."""
        rows = await self._session_rows()
        parents = {row.id: row.parent_id for row in rows}
        return await paced(map_session(self.source, row, root_of(row.id, parents), None) for row in rows)

    async def load(self, session_id: str, *, texts: bool = True) -> list[Event]:
        """One session's whole tree as it is now, without following it; empty when it is not there. Without `texts`
        steps that have ended have no references. Raises SourceUnavailable."""
        await self.open()

        def work(snapshot: Snapshot) -> Pieces[tuple[RawSession, dict[str, str | None]]]:
            schema = self._database.schema
            raw = yield from read_whole(snapshot, schema, session_id)
            return raw, (yield from parents_above(snapshot, schema, raw.session))

        raw, parents = await self._database.read_fresh(work)
        return await self._follower.memory.once(session_id, raw, parents, texts=texts)

    async def probe(self) -> Health:
        """Health with fresh counts. Raises SourceUnavailable."""
        rows = await self._session_rows()
        found = await self._database.read_fresh(lambda snapshot: count_rows(snapshot, self._database.schema))
        self._follower.memory.compare_sums(rows)
        newest = max((milliseconds(row.time_updated) for row in rows), default=0)
        self._health.counted(**{**msgspec.structs.asdict(found), "newest_ms": max(found.newest_ms, newest)})
        return self.health()

    async def processes(self) -> Health:
        """Health with a fresh look at the processes that run opencode here."""
        if self._table is not None:
            found = await self._reader.aside(partial(self._table().look, str(self.path)))
            self._health.note(processes=found)
        return self.health()

    def health(self) -> Health:
        """What is known without asking the database."""
        return self._follower.health()

    async def payload(self, uri: str, limit: int = PAYLOAD_LIMIT) -> PayloadText:
        """The text behind a reference, at most `limit` bytes of it. Raises PayloadError or SourceUnavailable."""
        if self._closed:
            raise SourceUnavailable(f"{self.path} has been closed")
        return await resolve(self._reader, uri, limit)

    async def beginning(self, uri: str) -> str:
        """What a large text begins with, "" where it is not near the beginning of its row. Raises PayloadError or
        SourceUnavailable."""
        if self._closed:
            raise SourceUnavailable(f"{self.path} has been closed")
        return await begin(self._reader, uri)

    async def search(
        self, pattern: str, only: Collection[str] | None = None, kinds: Collection[str] = ()
    ) -> AsyncIterator[SearchPage]:
        """Looks through all texts of sessions (of those in `only`), the newest first, by a connection of its own.
        Raises BadPattern or SourceUnavailable."""
        # Who does not search does not load it.
        from adapter.opencode.search import look_through_some
        from adapter.pattern import parse

        wanted = parse(pattern)
        if self._closed:
            raise SourceUnavailable(f"{self.path} has been closed")
        await self.open()
        lost: list[Lost] = []
        rows = await self._search_read(lambda snapshot: all_sessions(snapshot, self._database.schema, lost))
        left = [row for row in rows if only is None or row[0] in only]
        total, at = len(left), 0
        if lost or not left:
            yield SearchPage([], [], 0, total, [each.words for each in lost])
        while at < total:
            page, schema = left[at : at + SEARCH_PAGE], self._database.schema
            looked = await self._search_read(
                partial(look_through_some, schema=schema, sessions=page, pattern=wanted, kinds=kinds)
            )
            names = [str(row[0]) for row in page[: len(looked)]]
            at += len(looked)
            yield SearchPage(
                names,
                [hit for one in looked for hit in one.hits],
                sum(one.rows for one in looked),
                total,
                [each.words for one in looked for each in one.lost],
            )

    async def _search_read(self, work: Work[T]) -> T:
        """One piece of a search; once more when opencode migrated the file meanwhile."""
        try:
            return await self._database.read(work, side=True)
        except SourceChanged:
            await self._database.learn()
            return await self._database.read(work, side=True)

    async def spans(self) -> dict[str, tuple[int, int]]:
        """When the first and the newest message of each session began, µs UTC. Raises SourceUnavailable."""
        from adapter.opencode.spending import read_spans  # nothing else needs it

        await self._ready()
        return await self._database.read_fresh(lambda snapshot: read_spans(snapshot, self._database.schema), side=True)

    async def spending(self, session_ids: Sequence[str], *, calls: bool = True) -> list[Spending]:
        """What these sessions cost step by step, those that are there; without `calls` not which tools they called.
        Who is cancelled leaves nothing running. Raises SourceUnavailable."""
        from adapter.opencode.spending import read_spending  # nothing else needs it

        await self._ready()
        return await self._database.read_fresh(
            lambda snapshot: read_spending(snapshot, self._database.schema, session_ids, calls), side=True
        )

    # -- one read

    async def _ready(self) -> None:
        if self._closed:
            raise SourceUnavailable(f"{self.path} has been closed")
        await self._database.open()

    async def _session_rows(self) -> list[SessionRow]:
        await self.open()
        lost: list[Lost] = []
        columns = await self._database.read_fresh(lambda snapshot: all_sessions(snapshot, self._database.schema, lost))
        for each in lost:
            self._follower.memory.count_warnings(
                [
                    LogEntry(
                        source=self.source, ts=0, severity="WRN", message=f"{each.kind}: {each.words}", ref=each.row_id
                    )
                ]
            )
        rows = await paced([session_row(row)] for row in columns)
        self._health.versions(row.version for row in rows)
        return rows

    async def _parents(self) -> dict[str, str | None]:
        def work(snapshot: Snapshot) -> Pieces[dict[str, str | None]]:
            schema = self._database.schema
            if len(schema.session_tables) > 1:
                # Which row of an id counts is known when all of both are.
                both = yield from all_sessions(snapshot, schema, [])
                return {str(row[0]): session_row(row).parent_id for row in both}
            table = schema.session_tables[0]
            rows = yield from table_rows(snapshot, table, schema.select(table, ("id", "parent_id")), [])
            return {str(name): parent if isinstance(parent, str) else None for _, name, parent in rows}

        return await self._database.read_fresh(work)

    async def _marks_now(self) -> Watermarks:
        schema = self._database.schema
        # Both from one moment, else the numbers know of writes of which the feed is not asked.
        marks, numbers = await self._database.read(lambda snapshot: current_marks(snapshot, schema))
        self._follower.counters = Counters(numbers)
        return msgspec.structs.replace(marks, session_rowid=0)

    def _starting_over(self, reason: str) -> LogEntry:
        now = int(self._clock() * 1e6)
        return LogEntry(source=self.source, ts=now, severity="WRN", message=f"starting over: {reason}", ref="cursor")
