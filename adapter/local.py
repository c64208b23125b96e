"""The public face of the adapter: one opencode database as a source of canonical events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from adapter.contract import SourceBusy, SourceChanged, SourceUnavailable, encodable
from adapter.events import Event, LogEntry, SourceProgress
from adapter.follow import position as cursors
from adapter.follow.detect.feed import current_marks
from adapter.follow.follower import Batch, Tailer
from adapter.follow.position import Cursor, Marks, ToldSession
from adapter.follow.resume import told_before
from adapter.health import Health
from adapter.opencode.database import Database
from adapter.opencode.payloads import PayloadText, resolve
from adapter.opencode.reading import RawSession
from adapter.opencode.sessions import map_session, root_of
from adapter.opencode.v1.rows import milliseconds
from adapter.pace import paced
from adapter.sqlite.reader import Reader

SCAN_PAGE = 8
"""Sessions that a scan reads in one transaction. Reading the next page meanwhile gains nothing: SQLite's thread needs
the interpreter for every row and gets it every 5 ms (measured: 32,000 parts/s with and without)."""
PAYLOAD_LIMIT = 32_000_000
"""Bytes of one payload that are handed out unless the caller wants more."""


class OpencodeSource:
    """Reads one database file, strictly read-only. Use as an async context manager, on one event loop.

    The clock gives unix seconds; `watch=False` polls instead of asking the system for notifications.
    """

    def __init__(self, path: str | Path, *, clock: Callable[[], float] = time.time, watch: bool = True) -> None:
        self.path = Path(path).absolute()
        self.source = f"opencode:{encodable(self.path)}"
        self._database = Database(self.path, self.source, clock)
        self._tailer = Tailer(self._database, notify=watch)
        self._side: Reader | None = None
        self._side_lock = asyncio.Lock()
        self._closed = False

    async def __aenter__(self) -> Self:
        self._closed = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes every connection. What another task asks for from now on raises SourceUnavailable."""
        self._closed = True
        await self._database.close()
        async with self._side_lock:
            await self._drop_side(self._side)

    async def open(self) -> None:
        """Opens the database now. Raises SourceUnavailable with a line for the user when it cannot be read."""
        if not self._closed:
            await self._database.open()
        # A connection that is left open keeps a thread, and the thread the process.
        if self._closed:
            await self._database.close()
            raise SourceUnavailable(f"{self.path} has been closed")

    def request(self, session_id: str) -> None:
        """Asks `tail` for a whole session; its events come in order with all others, in a batch that names it in
        `loaded`. From then on `tail` keeps it current row by row."""
        self._tailer.request(session_id)

    def release(self, session_id: str) -> None:
        """Takes a `request` back: `tail` names the session in the `released` of a batch, and from then on tells of it
        its row, and when something in it changes, all."""
        self._tailer.release(session_id)

    def tail(self) -> AsyncIterator[Batch]:
        """Follows the database for ever: first the catalogue and the sessions that may be live, then every change.

        A file that is missing, foreign or locked is told as a `source_error` once, and waited for.
        """
        return self._tailer.follow()

    async def glance(self) -> AsyncIterator[Batch]:
        """What `tail` begins with, once: the catalogue, the sessions that may be live, whole, and how every other one
        ended. Raises SourceUnavailable."""
        await self.open()
        async for batch in self._tailer.follow(once=True):
            yield batch

    async def stream(self, cursor: str | None = None, *, follow: bool = False) -> AsyncIterator[Batch]:
        """Every session whole, oldest row first, one batch each, and with `follow` every change from then on.

        Each batch ends with a `source_progress` whose cursor resumes behind it. A cursor that does not fit this file,
        or behind which not everything can be found (resume.py), is told as a WRN log entry, and everything starts
        over; what was deleted meanwhile is then told by nothing, so forget what came before. A session that was told
        and not remembered, as by a scan, is told whole when it changes, behind the removal of what may no longer hold.
        Raises SourceUnavailable unless `follow` waits for it.
        """
        await self.open()
        if news := self._tailer.comparison.news_of_schema():
            yield Batch(news)
        position: Cursor | None = None
        if cursor:
            position, reason = cursors.decode(cursor, cursors.target_of(self.path))
            if position is not None:
                told = await told_before(self._database.reader, self._database.schema, position)
                if told.unfit:
                    position, reason = None, told.unfit
                else:
                    self._tailer.ledger.assume(told.sessions)
                    self._database.sequences.resume(told.numbers)
            if position is None:
                yield Batch([self._starting_over(reason)])
        if position is None or position.phase == "scan":
            marks = position.marks if position else msgspec.structs.replace(await self._marks_now(), session_rowid=0)
            async for batch in self._scan(marks):
                yield batch
        else:
            marks = position.marks
        if follow or position is not None:
            # Without a feed the marks tell of new rows only: what was rewritten since is found by the usual beginning.
            fed = marks.event_rowid and self._database.schema.has_whole_feed
            async for batch in self._tailer.follow(marks if fed else None, once=not follow):
                yield batch

    async def catalogue(self) -> list[Event]:
        """`session_started` of every session, from the session rows alone. Raises SourceUnavailable."""
        await self.open()
        rows = await self._database.session_rows()
        self._database.note_versions(rows)
        parents = {row.id: row.parent_id for row in rows}
        return await paced(map_session(self.source, row, root_of(row.id, parents), None) for row in rows)

    async def load(self, session_id: str) -> list[Event]:
        """One session's whole tree as it is now, without following it; empty when it is not there.
        Raises SourceUnavailable."""
        await self.open()
        raw = await self._database.read_whole(session_id)
        return await self._tailer.ledger.once(session_id, raw, await self._parents())

    async def probe(self) -> Health:
        """Health with fresh counts. Raises SourceUnavailable."""
        await self.open()
        await self._database.count()
        rows = await self._database.session_rows()
        self._database.note_versions(rows)
        self._tailer.ledger.compare_sums(rows)
        newest = max((milliseconds(row.time_updated) for row in rows), default=0) / 1000
        self._database.health.last_change = max(self._database.health.last_change, newest)
        return self.health()

    def health(self) -> Health:
        """What is known without asking the database."""
        return self._database.current_health()

    async def payload(self, uri: str, limit: int = PAYLOAD_LIMIT) -> PayloadText:
        """The text behind a reference, at most `limit` bytes of it. Raises PayloadError or SourceUnavailable.

        Reads by a connection of its own, so that a large text never delays what is live.
        """
        tries_left = 3
        while True:
            tries_left -= 1
            side = await self._side_reader()
            try:
                return await resolve(side, uri, limit)
            except (SourceChanged, SourceBusy):
                self._database.health.retried()
                await self._drop_side(side)
                if not tries_left:
                    raise

    async def _marks_now(self) -> Marks:
        async with self._database.reader.snapshot() as snapshot:
            # Both from one moment, else the numbers know of writes of which the feed is not asked.
            await self._database.sequences.begin(snapshot, self._database.schema, anew=True)
            return await current_marks(snapshot, self._database.schema)

    async def _parents(self) -> dict[str, str | None]:
        async with self._database.reader.snapshot() as snapshot:
            rows = await snapshot.rows(f"SELECT id, parent_id FROM ({self._database.schema.sessions})")
        return {str(identifier): parent for identifier, parent in rows}

    async def _scan(self, marks: Marks) -> AsyncIterator[Batch]:
        """Tells the sessions behind `marks.session_rowid`, and moves it."""
        database, ledger = self._database, self._tailer.ledger
        parents = await self._parents()
        sql = "SELECT rowid, id FROM session WHERE rowid > ? ORDER BY rowid"
        if database.schema.family != "v1":
            # Two tables, and no feed that a scan could be resumed with: nothing has been done before.
            sql = f"SELECT 0, id FROM ({database.schema.sessions}) WHERE 0 = ? ORDER BY time_created"
        async with database.reader.snapshot() as snapshot:
            found = await snapshot.rows(sql, (marks.session_rowid,))
        sessions = [(int(rowid), str(session_id)) for rowid, session_id in found]
        pages = [sessions[start : start + SCAN_PAGE] for start in range(0, len(sessions), SCAN_PAGE)]
        for page in pages:
            raws = await self._page([session_id for _, session_id in page])
            for (rowid, session_id), raw in zip(page, raws, strict=True):
                if raw.session is not None:
                    parents.setdefault(session_id, raw.session.parent_id)
                events = await ledger.once(session_id, raw, parents)
                if raw.session is not None:
                    root = root_of(session_id, parents)
                    ledger.assume([ToldSession(session_id, root, raw.session.project_id)])
                marks.session_rowid = rowid
                yield self._batch(events, raw.size, database.position("scan", ledger.told, marks), [session_id])
        yield self._batch([], 0, database.position("tail", ledger.told, marks), [])

    async def _page(self, session_ids: list[str]) -> list[RawSession]:
        """Reads sessions; once more when opencode began to write the file, ended, or migrated it meanwhile.
        Raises SourceUnavailable when it is another file now."""
        try:
            return await self._database.read_page(session_ids)
        except (SourceChanged, SourceBusy) as error:
            before = self._database.target
            if isinstance(error, SourceBusy):
                self._database.health.retried()
            else:
                self._database.health.interrupted(self._database.clock(), str(error))
            await self._database.close()
            await self._database.open()
            if self._database.target != before:
                raise SourceUnavailable(f"{self.path} was replaced while it was read; start again") from None
            return await self._database.read_page(session_ids)

    def _batch(self, events: list[Event], rows: int, cursor: str, loaded: list[str]) -> Batch:
        now = self._database.clock()
        progress = SourceProgress(source=self.source, ts=int(now * 1e6), cursor=cursor, rows=rows)
        return Batch([*events, progress], rows, loaded, 0.0, now)

    def _starting_over(self, reason: str) -> LogEntry:
        now = int(self._database.clock() * 1e6)
        return LogEntry(source=self.source, ts=now, severity="WRN", message=f"starting over: {reason}", ref="cursor")

    async def _side_reader(self) -> Reader:
        """The connection for payloads: one, however many are asked for at once."""
        async with self._side_lock:
            if self._closed:
                raise SourceUnavailable(f"{self.path} has been closed")
            if self._side is None:
                self._side = await Reader.open(self.path, self._database.health.retried)
            return self._side

    async def _drop_side(self, side: Reader | None) -> None:
        if side is not None and side is self._side:
            self._side = None
            await side.close()
