"""The loop that joins the pieces: wake, gate, detect, read, map, compare, emit, remember.

No event leaves while a read transaction is open, and a cursor leaves only behind the events of the rows that it covers:
what was detected waits in `_todo` until it is read, what was read waits in the ledger's news until it leaves, over any
error in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec

from adapter.contract import DeadlineExceeded, SourceBusy, SourceChanged, SourceEmpty, SourceMissing, SourceUnavailable
from adapter.events import Event, SourceError, SourceProgress
from adapter.follow.detect.feed import (
    BY_FEED,
    BY_SEQUENCE,
    FEED_PAGE,
    OVERLAP_MS,
    Touched,
    compare_lists,
    detect,
)
from adapter.follow.memory import Ledger
from adapter.follow.position import Marks
from adapter.follow.reconcile import LIVE_S, Comparison, read_again
from adapter.health import Lags
from adapter.opencode.database import Database
from adapter.opencode.queries import all_sessions, how_it_ended, newest_roots
from adapter.opencode.reading import read_sessions
from adapter.opencode.v1.rows import session_row
from adapter.sqlite.reader import what_lies_at
from adapter.sqlite.watch import Watch

NEWEST_LOADED = 3
"""So many of the newest sessions are loaded in any case, so that a start shows something to read."""
FIRST_PAGE = 60
"""Sessions without a parent that are told before all others, where there are more: the first screen full. 7,000 rows
take 130 ms of CPU to be read, mapped and remembered."""
CHECK_PAGE = 100
"""Sessions whose last message is looked at in one transaction (about 15 µs each)."""
COUNT_SHARE = 100
RETRY_S = 1.0
NEVER = float("inf")


class Batch(msgspec.Struct):
    """Events in order, the last one a `source_progress` when they are all there is to tell. `loaded` names sessions of
    which all turns are in it, `begun` those of which the beginning is in it and the rest in the next, `released` those
    of which nothing comes any more until one changes and is told whole.

    `committed_at` is the newest row's own time (0 when the batch is not about a fresh change) and `read_at` when it
    was read, both in unix seconds.
    """

    events: list[Event]
    rows: int = 0
    loaded: list[str] = []
    committed_at: float = 0.0
    read_at: float = 0.0
    released: list[str] = []
    begun: list[str] = []


class Tailer:
    """Follows one database file."""

    def __init__(self, database: Database, *, notify: bool = True) -> None:
        self.database = database
        self.ledger = Ledger(database)
        self.comparison = Comparison(database, self.ledger)
        self._clock = database.clock
        self._notify = notify
        self._watch: Watch | None = None
        self._todo = Touched()
        self._unchecked: list[str] = []
        self._wanted: list[str] = []
        self._unwanted: list[str] = []
        self._lags = Lags()
        self._feed_page = FEED_PAGE
        self._count_due = 0.0

    def request(self, session_id: str) -> None:
        """Asks for a whole session; it comes as a batch of `follow`."""
        if session_id not in self._wanted:
            self._wanted.append(session_id)
        if self._watch is not None:
            self._watch.nudge()

    def release(self, session_id: str) -> None:
        """Takes a `request` back; a batch of `follow` says when, unless the session is asked for again before, or has
        just changed."""
        self._unwanted.append(session_id)
        if self._watch is not None:
            self._watch.nudge()

    async def follow(self, resume: Marks | None = None, once: bool = False) -> AsyncIterator[Batch]:
        """Follows for ever, over replacements and absences of the file; with `once`, until nothing more is waiting.

        Without `resume` it begins with the catalogue, the sessions that may be live, and a look at how each other one
        ended; with it, with what changed since those marks, in sessions that the ledger assumes and in new ones.
        """
        trouble, hindered = "", False
        database = self.database
        async with Watch(database.path, notify=self._notify and not once) as watch:
            self._watch = watch
            while True:
                try:
                    await database.open()
                    trouble = ""
                    self._count_due = 0.0
                    self.comparison.opened()
                    if resume is not None:
                        database.marks, resume = resume, None
                        database.gate = None
                        async with database.reader.snapshot() as snapshot:
                            rows = await all_sessions(snapshot, database.schema)
                        await self.ledger.recall(rows)
                    else:
                        if not self.ledger.seen and (batch := await self._first_page()):
                            yield batch
                        yield await self._catalogue()
                        # What the feed and the counters tell of the time since the file was open last is read, too: a
                        # row rewritten in the same millisecond leaves no trace in what the catalogue compares.
                        database.gate = None
                    async for batch in self._steps(watch, once):
                        hindered = False
                        yield batch
                    return
                except SourceChanged as error:
                    database.health.interrupted(self._clock(), str(error))
                    database.health.message = str(error)
                    await database.close()
                    # Give a replacement the time to be complete; an empty or half copied file is an error of its own.
                    await asyncio.sleep(0.05)
                except (SourceUnavailable, DeadlineExceeded, OSError) as error:
                    was_open = database.is_open
                    await database.close()
                    if once:
                        raise
                    if isinstance(error, SourceBusy) and was_open and not hindered:
                        # Another process recovers the WAL, or locks for a moment: opening asks for longer than a read.
                        hindered = True
                        database.health.retried()
                        continue
                    words = str(error)
                    database.health.state = "waiting" if isinstance(error, SourceMissing | SourceEmpty) else "error"
                    database.health.message = words
                    if words != trouble:
                        trouble = words
                        database.health.interrupted(self._clock(), words)
                        now = int(self._clock() * 1e6)
                        self.ledger.news.append(SourceError(source=database.source, ts=now, message=words))
                        yield self._batch()
                    await self._wait_for_another_file(watch)

    async def _wait_for_another_file(self, watch: Watch) -> None:
        """Waits before the next attempt to open: less than RETRY_S only when the database file itself changed. Its WAL
        tells nothing new: as long as another process writes that, it would wake us all the time."""
        before, until = what_lies_at(self.database.path), time.monotonic() + RETRY_S
        while (left := until - time.monotonic()) > 0 and what_lies_at(self.database.path) == before:
            await watch.wait(left)

    async def _steps(self, watch: Watch, once: bool) -> AsyncIterator[Batch]:
        while True:
            if self._unwanted:
                yield self._let_go()
            while self._wanted:
                async for part in self._load(self._wanted[0]):
                    yield part
                del self._wanted[0]
            batch = None
            if await self._changed() or self._todo.waiting:
                watch.active()
                batch = await self._poll()
            elif self._unchecked:
                batch = await self._check()
            elif once and not self.comparison.expected:
                return
            elif once:
                batch = await self._compare()
            else:
                batch = await self._quiet_work()
                if batch is None:
                    await watch.wait(self._patience(watch))
            if batch is not None:
                yield batch

    async def _changed(self) -> bool:
        """Whether something was committed since the last look."""
        now, before = await self.database.reader.gate(), self.database.gate
        self.database.gate = now
        return now != before

    def _patience(self, watch: Watch) -> float:
        """How long nothing needs to be done by itself, seconds."""
        due = [watch.tick, *self.comparison.patience]
        if self._count_due < NEVER:
            due.append(self._count_due - self._clock())
        return max(0.01, min(due))

    async def _quiet_work(self) -> Batch | None:
        """What was put off while commits came in: comparing lists, counting rows."""
        if self.comparison.is_due:
            return await self._compare()
        if self._clock() >= self._count_due:
            await self.database.count()
            # Only a change can move the counts again.
            self._count_due = NEVER
            return self._batch()
        return None

    # -- the beginning

    async def _first_page(self) -> Batch | None:
        """The newest sessions, as the catalogue will have them; None when it fits on a page itself. Only those without
        a parent can be told before all rows are known, and no cursor goes with them."""
        async with self.database.reader.snapshot() as snapshot:
            rows = await newest_roots(snapshot, self.database.schema, FIRST_PAGE)
        if len(rows) < FIRST_PAGE:
            return None
        for row in rows:
            self.ledger.session(session_row(row))
        events, loaded = self.ledger.take()
        return Batch(events, len(rows), loaded, 0.0, self._clock())

    async def _catalogue(self) -> Batch:
        batch = await self._compare(whole=True)
        newest = list(self.ledger.seen)
        oldest = (self._clock() - LIVE_S) * 1000
        live = [s for n, s in enumerate(newest) if n < NEWEST_LOADED or self.ledger.updated_ms.get(s, 0) > oldest]
        tracked = self.ledger.tracked
        self._wanted = [s for s in live if s not in tracked] + [s for s in self._wanted if s not in live]
        self._unchecked = [s for s in newest if s not in tracked and s not in live]
        self.database.health.checked = len(newest) - len(self._unchecked)
        self.database.health.unread = len(self._unchecked)
        return batch or self._batch()

    async def _check(self) -> Batch | None:
        """Looks at how the next sessions ended: a failure is told, an open end makes the session be loaded."""
        page = self._unchecked[:CHECK_PAGE]
        marks = ", ".join("?" * len(page))
        async with self.database.reader.snapshot() as snapshot:
            rows = await read_sessions(snapshot, self.database.schema, f"WHERE id IN ({marks})", page)
            ends = [await how_it_ended(snapshot, self.database.schema, row) for row in rows]
        del self._unchecked[: len(page)]
        for row, end in zip(rows, ends, strict=True):
            if row.id in self.ledger.tracked:
                continue
            if end is None:
                if row.id not in self._wanted:
                    self._wanted.append(row.id)
            elif end.error_class:
                self.ledger.ended(row, end)
        self.database.health.checked += len(page)
        self.database.health.unread = len(self._unchecked)
        return self._batch(rows=len(page)) if self.ledger.news or not self._unchecked else None

    async def _load(self, session_id: str) -> AsyncIterator[Batch]:
        raw = await self.database.read_whole(session_id)
        async for _ in self.ledger.begin_whole(session_id, raw):
            # No cursor goes with a beginning.
            events, loaded = self.ledger.take()
            yield Batch(events, loaded=loaded, read_at=self._clock(), begun=[session_id])
        yield self._batch(rows=raw.size)

    def _let_go(self) -> Batch:
        oldest = (self._clock() - LIVE_S) * 1000
        tracked = self.ledger.tracked
        quiet = [s for s in self._unwanted if s in tracked and tracked[s].changed_ms < oldest]
        released = [s for s in quiet if s not in self._wanted and self.ledger.release(s)]
        self._unwanted.clear()
        batch = self._batch()
        batch.released = released
        return batch

    # -- changes

    async def _poll(self) -> Batch | None:
        """Reads what one or more commits changed."""
        database, touched = self.database, self._todo
        schema, sequences, moved = database.schema, database.sequences, set[str]()
        try:
            async with database.reader.snapshot() as snapshot:
                version = (await snapshot.rows("PRAGMA schema_version"))[0][0]
                if version == schema.version:
                    try:
                        await detect(snapshot, schema, database.marks, touched, self._feed_page)
                    finally:
                        sequences.explain(touched.writes)
                        touched.writes = {}
                    if not (touched.feed and schema.has_whole_feed):
                        moved = await sequences.moved(snapshot, schema)
                        touched.lists |= moved
                        touched.lost |= moved if schema.has_whole_feed else set()
        except DeadlineExceeded:
            # Events of many MB each: smaller pages end in time.
            if self._feed_page == 1:
                raise
            self._feed_page = max(1, self._feed_page // 8)
            database.gate = None
            return None
        if version != schema.version:
            raise SourceChanged(f"opencode changed the tables of {database.path} (a migration)")
        if touched.more:
            database.gate = None
        await self._read_lists(touched)
        if touched.feed:
            database.health.strategy = BY_FEED
        elif moved:
            database.health.strategy = BY_SEQUENCE
        else:
            self._add_live(touched)
        if touched.stale:
            touched.stale = False
            self.comparison.hurry()
            self.ledger.warn("positions used again")
        self.comparison.expect()
        return await self._read(touched)

    async def _read_lists(self, touched: Touched) -> None:
        """Finds out which messages it is about where no event said so."""
        schema = self.database.schema
        for session_id in list(touched.lists):
            session = self.ledger.tracked.get(session_id)
            async with self.database.reader.snapshot() as snapshot:
                if session is not None and session_id not in touched.lost:
                    touched.sessions.setdefault(session_id, set())
                    for message_id in await compare_lists(snapshot, schema, session, OVERLAP_MS):
                        touched.add(session_id, message_id)
                elif session_id in self.ledger.seen or await read_sessions(
                    snapshot, schema, "WHERE id = ?", (session_id,)
                ):
                    # Not everything that is counted is a session: 2.x counts worktrees, too.
                    touched.add(session_id, None)
            touched.lists.discard(session_id)
            touched.lost.discard(session_id)

    def _add_live(self, touched: Touched) -> None:
        """Nothing explained the commit: read the newest messages of every live session and compare their content."""
        oldest = (self._clock() - LIVE_S) * 1000
        for session in self.ledger.tracked.values():
            if session.changed_ms >= oldest:
                for message_id in session.recent(2):
                    touched.add(session.id, message_id)

    async def _read(self, touched: Touched) -> Batch | None:
        newest_ms = 0
        for session_id, message_ids in list(touched.sessions.items()):
            session = self.ledger.tracked.get(session_id)
            if session is None or message_ids is None:
                raw = await self.database.read_whole(session_id)
                await self.ledger.whole(session_id, raw, message_ids)
            else:
                await read_again(self.database, self.ledger, session, message_ids)
            del touched.sessions[session_id]
            if session_id in self.ledger.tracked:
                newest_ms = max(newest_ms, self.ledger.tracked[session_id].changed_ms)
        rows = touched.feed + touched.inserts
        touched.feed = touched.inserts = 0
        return self._batch(rows, newest_ms) if self.ledger.news or self.ledger.loaded else None

    async def _compare(self, whole: bool = False) -> Batch | None:
        rows = await self.comparison.run(self._todo, whole)
        return self._batch(rows) if self.ledger.news else None

    # -- what leaves

    def _batch(self, rows: int = 0, newest_ms: int = 0) -> Batch:
        """All the news there is. No cursor goes with it while something is known to have changed and was not told."""
        now = self._clock()
        health = self.database.health
        if newest_ms:
            health.last_change = newest_ms / 1000
            self._lags.add(now * 1000 - newest_ms)
            health.lag_ms = self._lags.last
            health.lag_p50_ms, health.lag_p99_ms = self._lags.percentile(0.5), self._lags.percentile(0.99)
            if self._count_due == NEVER:
                self._count_due = now + max(1.0, COUNT_SHARE * self.database.counting_s)
        events, loaded = self.ledger.take()
        if self.database.is_open and not self._todo.waiting:
            cursor = self.database.position("tail", self.ledger.told, self.database.marks)
            events.append(SourceProgress(source=self.database.source, ts=int(now * 1e6), cursor=cursor, rows=rows))
        return Batch(events, rows, loaded, newest_ms / 1000, now)
