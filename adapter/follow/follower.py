"""The loop that joins the pieces: wake, gate, detect, read, map, compare, emit, remember.

No event leaves while a read transaction is open, and a cursor leaves only behind the events of the rows that it covers:
what was detected waits in the queue until it is read, what was read is pending in the memory until it leaves, over any
error in between. Pauses are counted on the monotonic clock; the clock of the wall only says how old a row is.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import TYPE_CHECKING, Any

import msgspec

from adapter.contract import (
    AdapterError,
    Batch,
    SourceBusy,
    SourceChanged,
    SourceEmpty,
    SourceMissing,
    SourceUnavailable,
    Unread,
)
from adapter.events import SourceError, SourceProgress
from adapter.follow.backlog import Backlog
from adapter.follow.detect.counters import Counters
from adapter.follow.detect.look import BY_COUNTERS, BY_FEED, BY_SCAN, Look, Looker
from adapter.follow.gate import REST_S, Gate
from adapter.follow.memory import Memory, Record
from adapter.follow.position import VERSION as CURSOR_VERSION
from adapter.follow.position import Cursor, Watermarks, encode, target_of
from adapter.follow.reconcile import LIVE_S, QUIET_S, Reconciler, look_at_all
from adapter.follow.resume import current_marks
from adapter.health import Health, HealthWriter
from adapter.opencode.database import Database
from adapter.opencode.ending import outcome
from adapter.opencode.queries import all_sessions, count_rows, ends, newest_roots, one_session, updated_ms
from adapter.opencode.sessions import LastAnswer
from adapter.opencode.storage import RawSession, read_beginning, read_whole
from adapter.pace import PAUSE_S, Beats
from adapter.sqlite.files import size_of, what_lies_at
from adapter.sqlite.reader import Row
from adapter.sqlite.rows import Lost

if TYPE_CHECKING:
    import asyncio

    from adapter.sqlite.watch import Watch

NEWEST_LOADED = 3
"""So many of the newest sessions are loaded in any case, so that a start shows something to read."""
LIVE_MOST = 300
"""Of so many newest sessions at most those that were just written are loaded by themselves; of all others the end is
looked at. A clock that is wrong can make all sessions of a file look as if they were live."""
FIRST_PAGE = 60
"""Sessions without a parent that are emitted before all others, where there are more: the first screen full. 7,000 rows
take 130 ms of CPU to be read, mapped and remembered."""
CHECK_PAGE = 100
"""Sessions whose last message is looked at by one read (about 15 µs each)."""
COUNT_SHARE = 100
RETRY_S = 1.0
CHANGES_ONCE = 20
"""Who looks once gives up after so many replacements or migrations in a row."""
CHANGED_OFTEN = 3
CHANGED_S = 0.05
"""A replacement gets so long to be complete before it is opened."""
SIZES_S = 0.25
"""How old the sizes of the files in a batch's health may be: asking for them takes longer than the rest of it."""
HEARTBEAT_S = 5.0
"""After so long with nothing to tell a batch without events says when the files were looked at last: whoever shows what
was told can then know that it is still so."""
NEVER = float("inf")


class Follower:
    """Follows one database file. `clock` gives unix seconds, `monotonic` seconds that never go back."""

    def __init__(
        self,
        database: Database,
        health: HealthWriter,
        source: str,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
        notify: bool = True,
        servers: Callable[[str], frozenset[str]] = lambda _directory: frozenset(),
    ) -> None:
        self.database = database
        self.memory = Memory(source, clock, health, servers)
        self.reconciler = Reconciler(database, self.memory, source, clock)
        self.marks = Watermarks()
        self.counters = Counters()
        self._health = health
        self._source = source
        self._clock = clock
        self._monotonic = monotonic
        self._notify = notify
        self._watch: Watch | None = None
        self._beats = Beats(monotonic)
        self._gate = Gate(database.reader, monotonic, self._beats)
        self._looker = Looker(self.memory, self._is_live)
        self._backlog = Backlog(database, self.memory, monotonic)
        # What has to be loaded, compared and looked at beside that.
        self._asked: list[str] = []
        self._loading: list[str] = []
        """Sessions that are being read whole: one, or two when a person asks for another."""
        self._begun: set[str] = set()
        """Those of them whose beginning was told."""
        self._unwanted: list[str] = []
        self._live: dict[str, None] = {}
        self._to_compare: dict[str, None] = {}
        self._by_content = False
        self._compared_at: object = None
        """What the file was at (`Snapshot.state`) when all session rows were compared last."""
        self._compare_took = 0.0
        self._unchecked: deque[Row] = deque()
        self._count_due = 0.0
        self._counting_s = 0.0
        self._trouble = ""
        self._number = 0
        self._target = ""
        self._sizes = (0, 0)
        self._sized_at = float("-inf")
        self._told_at = float("-inf")

    def request(self, session_id: str) -> None:
        """Asks for a whole session; it comes as a batch of `follow`, before everything that is loaded by itself."""
        # Asked for behind a release that has not been looked at: it stays.
        self._unwanted = [other for other in self._unwanted if other != session_id]
        if session_id not in self._asked:
            self._asked.append(session_id)
        if self._watch is not None:
            self._watch.nudge()

    def release(self, session_id: str) -> None:
        """Takes a `request` back; a batch of `follow` says when, unless the session is asked for again before, or has
        just changed."""
        self._unwanted.append(session_id)
        if self._watch is not None:
            self._watch.nudge()

    def health(self, *, fresh: bool = True) -> Health:
        """What is known without asking the database. What is not `fresh` may have sizes of a moment ago."""
        reader = self.database.reader
        self._health.note(open_mode=reader.mode)
        now = self._monotonic()
        if fresh or now - self._sized_at > SIZES_S:
            self._sizes, self._sized_at = (size_of(self.database.path, ""), size_of(self.database.path, "-wal")), now
        return self._health.snapshot(
            size=self._sizes[0],
            wal_size=self._sizes[1],
            statements=reader.statements,
            hops=reader.hops,
            retries=reader.retries,
            longest_s=reader.longest_s,
        )

    async def learn(self) -> None:
        """Opens the database and takes what is known of it. The same file keeps its marks: what happened while it was
        closed is read as changes. Raises SourceUnavailable."""
        database = self.database
        await database.open()
        if database.known.number == self._number:
            return
        schema = database.schema
        target = target_of(database.path, database.known.file)
        if target != self._target:
            self.reconciler.distrust()
            self.marks, numbers = await database.read(lambda snapshot: current_marks(snapshot, schema))
            self.counters = Counters(numbers)
            self._target = target
        self._number = database.known.number
        self._sized_at = float("-inf")
        if database.known.damaged:
            self._left_out(database.known.damaged)
        self._gate.more = False
        self._gate.open()
        self.memory.keep_contents = not schema.has_whole_feed
        if self.marks.event_rowid and schema.has_whole_feed:
            strategy = BY_FEED
        else:
            strategy = BY_COUNTERS if self.counters.known else BY_SCAN
        self._health.note(
            state="ok",
            message="",
            family=schema.family,
            missing_columns=schema.missing,
            strategy=strategy,
        )
        self._note_journal()

    def _note_journal(self) -> None:
        journal = self.database.journal
        self._health.note(
            migration_table=journal.table,
            migration_count=len(journal.names),
            migration_latest=journal.latest,
            migration_hash=journal.hash,
        )

    async def follow(self, resume: bool = False, once: bool = False) -> AsyncIterator[Batch]:
        """Follows for ever, over replacements and absences of the file; with `once`, until nothing more is waiting.

        Without `resume` it begins with the catalogue, the sessions that may be live, and a look at how each other one
        ended; with it, with what changed since `marks` and `counters`, in sessions that the memory assumes and in new
        ones.
        """
        hindered, changed = False, 0
        self._trouble = ""
        database = self.database
        async with self._watching(once) as watch:
            self._watch = watch
            while True:
                try:
                    await self.learn()
                    self._count_due = self._monotonic()
                    self.reconciler.opened(self._monotonic())
                    if resume:
                        resume = False
                        await self._recall()
                    else:
                        # Who looks once has no first screen to fill, and gets each row together with how it ended.
                        if not once and not self.memory.order and (batch := await self._first_page()):
                            yield batch
                        yield await self._catalogue(once)
                    # What the feed and the counters tell of the time since the file was open last is read, too: a
                    # row rewritten in the same millisecond leaves no trace in what the catalogue compares. Who looks
                    # once had it open for nothing before, and reads it if something was committed since.
                    is_fresh = once and not self.reconciler.expected
                    self._gate.open(self._compared_at if is_fresh else None)
                    async for batch in self._steps(watch):
                        hindered, changed, self._trouble = False, 0, ""
                        yield batch
                    return
                except SourceChanged as error:
                    database.forget()
                    if self._health.now.message != str(error):
                        self._health.interrupted(str(error))
                    self._health.note(message=str(error))
                    changed += 1
                    if once and changed > CHANGES_ONCE:
                        raise SourceBusy(f"{database.path} changes faster than it can be read: {error}") from None
                    if changed < CHANGED_OFTEN:
                        await database.reader.sleep(CHANGED_S)
                        continue
                    # The same again and again is no replacement but something that we do not understand.
                    if (batch := self._in_trouble("error", str(error))) is not None:
                        yield batch
                    await self._wait_for_another_file(watch)
                except (SourceUnavailable, Unread, OSError) as error:
                    was_open = database.reader.is_open
                    database.forget()
                    await database.reader.rest()
                    if once:
                        raise
                    if isinstance(error, SourceBusy) and was_open and not hindered:
                        # Another process recovers the WAL, or locks for a moment: opening asks for longer than a read.
                        hindered = True
                        continue
                    state = "waiting" if isinstance(error, SourceMissing | SourceEmpty) else "error"
                    if (batch := self._in_trouble(state, str(error))) is not None:
                        yield batch
                    await self._wait_for_another_file(watch)

    def _watching(self, once: bool) -> AbstractAsyncContextManager[Watch | None]:
        """What waits for changes; nothing for who looks once."""
        if once:
            return nullcontext()
        from adapter.sqlite.watch import Watch  # it needs asyncio, which who looks once does not load

        return Watch(self.database.path, notify=self._notify, beats=self._beats)

    def _in_trouble(self, state: str, words: str) -> Batch | None:
        """The file cannot be read, for this reason; None when that has been told."""
        self._health.note(state=state, message=words)
        if words == self._trouble:
            return None
        self._trouble = words
        self._health.interrupted(words)
        now = int(self._clock() * 1e6)
        self.memory.pending.append(SourceError(source=self._source, ts=now, message=words))
        return self._batch(cursor=False)

    async def _wait_for_another_file(self, watch: Watch | None) -> None:
        """Waits before the next attempt to open: less than RETRY_S only when the database file itself changed. Its WAL
        tells nothing new: as long as another process writes that, it would wake us all the time."""
        before, until = what_lies_at(self.database.path), self._monotonic() + RETRY_S
        while (left := until - self._monotonic()) > 0 and what_lies_at(self.database.path) == before:
            if watch is not None:
                await watch.wait(left)
            else:
                await self.database.reader.sleep(min(left, CHANGED_S))

    # -- the loop

    async def _steps(self, watch: Watch | None) -> AsyncIterator[Batch]:
        final = False
        while True:
            worked = False
            if self._unwanted:
                yield self._let_go()
            if (batch := await self._look(watch)) is not None:
                yield batch
            if self._asked:
                # A person waits for it.
                async for part in self._load(self._asked[0], watch):
                    yield part
                continue
            if self._backlog:
                worked = True
                if (batch := await self._work()) is not None:
                    yield batch
            if self._live:
                worked = True
                session_id = next(iter(self._live))
                async for part in self._load(session_id, watch):
                    yield part
            elif self._to_compare:
                worked = True
                await self._compare_one()
                if self.memory.pending or self.memory.loaded:
                    yield self._batch()
            elif self._unchecked:
                worked = True
                if (batch := await self._check()) is not None:
                    yield batch
            if worked or self._gate.more:
                continue
            if watch is None:
                if self.reconciler.expected:
                    if (batch := await self._compare()) is not None:
                        yield batch
                    continue
                if final:
                    return
                # What was committed meanwhile; a writer that never pauses must not keep us here.
                final = True
                self._gate.open(self._gate.state)
                continue
            if (batch := await self._quiet_work()) is not None:
                yield batch
                continue
            if watch.problem != self._health.now.watching:
                # It may be long until there is anything else to tell.
                yield self._batch()
                continue
            if self._monotonic() - self._told_at >= HEARTBEAT_S:
                yield self._batch(cursor=False)
                continue
            if self.database.reader.is_open and self._gate.rests:
                await self.database.reader.rest()
            await watch.wait(self._patience(watch))

    # -- a look

    async def _look(self, watch: Watch | None) -> Batch | None:
        """Asks the gate, and reads what one or more commits changed."""
        database, gate = self.database, self._gate
        is_due = gate.is_due()
        self._health.looked()
        if not is_due:
            return None
        schema, state = database.schema, None if gate.more else gate.state
        look = await database.read(
            lambda snapshot: self._looker.look(snapshot, schema, state, self.marks, self.counters)
        )
        if look is None:
            return None
        if look.damaged:
            self._left_out(look.damaged)
            database.leave_out(look.damaged)
            gate.open()
            return self._batch()
        gate.state, gate.more = look.state, look.more
        self.marks, self.counters = look.marks, look.counters
        if gate.is_written or look.changes:
            # What nothing tells of is found by comparing.
            self.reconciler.expect(self._monotonic())
        if not look.changes:
            gate.found_nothing()
            return None
        if look.strategy != BY_SCAN:
            # A commit about nothing that is told of says nothing of how the others are.
            self._health.note(strategy=look.strategy)
        if look.changes.stale:
            self.reconciler.hurry()
            self.memory.warn("positions used again", "")
        self._backlog.add(look.changes)
        batch = await self._work(look)
        if batch is None and look.by_chance:
            gate.found_nothing()
            return None
        gate.found()
        if watch is not None:
            watch.active()
        return batch

    async def _work(self, look: Look | None = None) -> Batch | None:
        """Reads what has changed, and gives what is new with it."""
        newest_ms = await (self._backlog.work(look.read, look.changes.sessions) if look else self._backlog.work({}, {}))
        if self.memory.pending or self.memory.loaded:
            return self._batch(look.changes.rows if look else 0, newest_ms)
        return None

    def _left_out(self, table: str) -> None:
        self.memory.remark([Lost(table, 0, 0, "it is damaged and left out", column="the table")])

    def _is_live(self, record: Record, within_s: float = LIVE_S) -> bool:
        """Whether a session changed within so many seconds, by its rows or before our eyes."""
        newest = max(record.tracked.changed_ms if record.tracked else 0, record.updated_ms)
        return newest >= (self._clock() - within_s) * 1000 or self._monotonic() - record.seen_at < within_s

    # -- the beginning

    async def _recall(self) -> None:
        """Goes on behind a cursor: takes the rows of what was emitted as they are."""
        schema = self.database.schema
        rows = await self.database.read(lambda snapshot: all_sessions(snapshot, schema, []))
        await self.memory.recall(rows)
        self._compared_at = None

    async def _first_page(self) -> Batch | None:
        """The newest sessions, as the catalogue will have them; None when it fits on a page itself. Only those without
        a parent can be emitted before all rows are known, and no cursor goes with them."""
        schema = self.database.schema
        rows = await self.database.read(lambda snapshot: newest_roots(snapshot, schema, FIRST_PAGE))
        if len(rows) < FIRST_PAGE:
            return None
        for columns in rows:
            try:
                self.memory.session(columns)
            except Exception as error:
                self.memory.pending += self.memory.own_fault(str(columns[0]), error)
        self._health.note(listing=True)
        return self._batch(len(rows), cursor=False)

    async def _catalogue(self, once: bool) -> Batch:
        """Emits all session rows. How each one ended follows; who looks `once` gets both together."""
        self._live.clear()
        return await self._compare(every=True, ends_first=once) or self._batch()

    def _sort_out(self, rows: list[Row]) -> None:
        """Which sessions are loaded by themselves, and of which only the end is looked at."""
        asked, oldest = set(self._asked), (self._clock() - LIVE_S) * 1000
        self._unchecked.clear()
        for number, columns in enumerate(rows):
            session_id = str(columns[0])
            if self.memory.tracked(session_id) is not None or session_id in asked:
                continue
            if number < NEWEST_LOADED or (number < LIVE_MOST and updated_ms(columns) >= oldest):
                self._live[session_id] = None
            else:
                self._unchecked.append(columns)

    async def _read_ends(self) -> list[tuple[Row, LastAnswer]]:
        """How the next sessions ended; an open end makes the session be loaded."""
        schema, memory = self.database.schema, self.memory
        page = [self._unchecked[number] for number in range(min(CHECK_PAGE, len(self._unchecked)))]
        found = await self.database.read(lambda snapshot: ends(snapshot, schema, page))
        for _ in page:
            self._unchecked.popleft()
        known: list[tuple[Row, LastAnswer]] = []
        for each in found:
            session_id = str(each.session[0])
            record = memory.records.get(session_id)
            if record is not None and (record.tracked is not None or record.assumed):
                continue
            try:
                end = outcome(each)
            except Exception as error:
                memory.pending += memory.own_fault(session_id, error)
                continue
            if end is not None:
                known.append((each.session, end))
            else:
                self._live[session_id] = None
        return known

    async def _check(self) -> Batch | None:
        """Looks at how the next sessions ended, and tells it."""
        schema, memory = self.database.schema, self.memory
        page = min(CHECK_PAGE, len(self._unchecked))
        for columns, end in await self._read_ends():
            session_id = str(columns[0])
            record = memory.records.get(session_id)
            if record is None:
                continue
            if record.row != hash(columns):
                # It has changed since all were read.
                fresh = await self.database.read(
                    lambda snapshot, key=session_id: one_session(snapshot, schema, key, [])  # type: ignore[misc]
                )
                if fresh is None:
                    continue
                columns = fresh
            try:
                memory.ended(columns, end)
            except Exception as error:
                memory.pending += memory.own_fault(session_id, error)
        self._health.note(checked=self._health.now.checked + page, unread=len(self._unchecked))
        return self._batch(page) if memory.pending or not self._unchecked else None

    async def _load(self, session_id: str, watch: Watch | None) -> AsyncIterator[Batch]:
        """Reads a session whole. One of 200,000 parts takes half a minute, so what is committed to others is told
        meanwhile, and what a person asks for comes first."""
        schema = self.database.schema
        self._loading.append(session_id)
        try:
            with self._backlog.holding(session_id):
                if watch is not None and await self._begin(session_id):
                    self._begun.add(session_id)
                    yield self._batch(begun=[session_id])
                reading = self.database.read(lambda snapshot: read_whole(snapshot, schema, session_id))
                if watch is None:
                    raw = await reading
                else:
                    import asyncio  # who looks once does not load it

                    task = asyncio.create_task(reading)
                    try:
                        while not (await asyncio.wait({task}, timeout=PAUSE_S))[0]:
                            async for batch in self._meanwhile(watch):
                                yield batch
                    finally:
                        await _ended(task)
                    raw = task.result()
                async with aclosing(self._map(session_id, raw)) as pauses:
                    async for _ in pauses:
                        if watch is not None:
                            async for batch in self._meanwhile(watch):
                                yield batch
        finally:
            self._loading.remove(session_id)
            self._begun.discard(session_id)
        self._asked = [other for other in self._asked if other != session_id]
        self._live.pop(session_id, None)
        yield self._batch(raw.size)

    async def _begin(self, session_id: str) -> bool:
        """Takes the beginning of a long session of which nothing was told; whether there is one now."""
        schema, memory = self.database.schema, self.memory
        if memory.has_emitted(session_id):
            return False
        raw = await self.database.read(lambda snapshot: read_beginning(snapshot, schema, session_id))
        if raw is None:
            return False
        try:
            memory.begin(session_id, raw)
        except (AdapterError, OSError):
            raise
        except Exception as error:
            memory.pending += memory.own_fault(session_id, error)
            return False
        return True

    async def _map(self, session_id: str, raw: RawSession) -> AsyncGenerator[None, None]:
        """As `Memory.whole_with_pauses`; an error of our own costs this session."""
        try:
            async for _ in self.memory.whole_with_pauses(session_id, raw):
                yield
        except (AdapterError, OSError):
            raise
        except Exception as error:
            self.memory.broken(session_id, error)

    async def _meanwhile(self, watch: Watch) -> AsyncIterator[Batch]:
        """What must not wait for the end of a long session."""
        if (batch := await self._look(watch)) is not None:
            yield batch
        if self._asked and not any(session_id in self._asked for session_id in self._loading):
            async for batch in self._load(self._asked[0], watch):
                yield batch

    def _let_go(self) -> Batch:
        records = self.memory.records
        quiet = [key for key in self._unwanted if (record := records.get(key)) and not self._is_live(record, QUIET_S)]
        released = [key for key in quiet if key not in self._asked and self.memory.release(key)]
        self._unwanted.clear()
        return self._batch(released=released)

    # -- what is compared while nothing is committed

    async def _quiet_work(self) -> Batch | None:
        """What was put off while commits came in: comparing lists, counting rows."""
        if self.reconciler.is_due(self._monotonic()):
            return await self._compare()
        if self._monotonic() >= self._count_due:
            began = time.perf_counter()
            schema = self.database.schema
            found = await self.database.read(lambda snapshot: count_rows(snapshot, schema))
            self._health.counted(**msgspec.structs.asdict(found))
            self._counting_s = time.perf_counter() - began
            # Only a change can move the counts again.
            self._count_due = NEVER
            return self._batch()
        return None

    async def _compare(self, every: bool = False, *, ends_first: bool = False) -> Batch | None:
        """Compares all session rows with what was emitted; the lists of sessions follow one by one. With `every` they
        follow of all sessions, and what is not tracked is sorted out anew."""
        database, began = self.database, self._monotonic()
        # From its beginning: what is written while it lasts may lie behind it.
        reconcile = self.reconciler.began(began) or every
        started = time.perf_counter()
        try:
            looked = await database.read(lambda snapshot: look_at_all(snapshot, database))
        except BaseException:
            self.reconciler.expect(self._monotonic())
            raise
        self._compared_at = looked.state
        if every:
            self._sort_out(looked.rows)
        while ends_first and self._unchecked:
            for columns, end in await self._read_ends():
                self.memory.note_end(str(columns[0]), end)
        changes, self.marks = await self.reconciler.rows(looked, self.marks, self.counters)
        self._note_journal()
        if changes.stale:
            self.memory.warn("positions used again", "")
            self._gate.open()
            self.reconciler.hurry()
            self.reconciler.expect(self._monotonic())
            # The numbers tell which sessions, at the next look.
        self._backlog.add(msgspec.structs.replace(changes, stale=False))
        self._by_content = reconcile and not database.schema.has_whole_feed
        by_scan = self._health.now.strategy == BY_SCAN
        self._to_compare |= {
            record.id: None
            for record in self.memory.all_tracked()
            if reconcile or self.reconciler.must(record) or (by_scan and self._is_live(record))
        }
        if reconcile:
            self._health.note(reconciled=self._clock())
        if every:
            unread = len(self._unchecked)
            self._health.note(listing=False, checked=len(self.memory.order) - unread, unread=unread)
        self._compare_took = time.perf_counter() - started
        if not self._to_compare:
            self.reconciler.ended(self._compare_took, self._monotonic())
        return self._batch(len(looked.rows)) if self.memory.pending else None

    async def _compare_one(self) -> None:
        started = time.perf_counter()
        session_id = next(iter(self._to_compare))
        record = self.memory.records.get(session_id)
        if record is not None:
            try:
                self._backlog.add(await self.reconciler.session(record, by_content=self._by_content))
            except (AdapterError, OSError):
                raise
            except Exception as error:
                self.memory.broken(record.id, error)
        self._to_compare.pop(session_id, None)
        self._compare_took += time.perf_counter() - started
        if not self._to_compare:
            self.reconciler.ended(self._compare_took, self._monotonic())

    def _patience(self, watch: Watch) -> float:
        """How long nothing needs to be done by itself, seconds."""
        now = self._monotonic()
        due = [watch.tick, self._told_at + HEARTBEAT_S - now, *self.reconciler.patience(now)]
        if self._count_due < NEVER:
            due.append(self._count_due - now)
        if self._gate.waits_s:
            due.append(self._gate.waits_s)
        if self.database.reader.is_open:
            due.append(REST_S)
        return max(0.01, min(due))

    # -- what leaves

    def position(self, phase: str = "tail", marks: Watermarks | None = None) -> str:
        """A cursor behind everything up to the marks, and behind the sessions that the memory has the sum of."""
        journal = self.database.journal.hash
        assert phase in ("scan", "tail")
        return encode(
            Cursor(
                self._target,
                journal,
                "scan" if phase == "scan" else "tail",
                marks or self.marks,
                self.memory.emitted,
                CURSOR_VERSION,
            )
        )

    def _batch(
        self,
        rows: int = 0,
        newest_ms: int = 0,
        *,
        cursor: bool = True,
        begun: Iterable[str] = (),
        released: Iterable[str] = (),
    ) -> Batch:
        """All that is pending. No cursor goes with it while something is known to have changed and was not told, nor
        while no more than the beginning of a session was, nor before it is known of each session how it ended."""
        now = self._clock()
        self._told_at = self._monotonic()
        if newest_ms:
            self._health.changed(newest_ms)
            if self._count_due == NEVER:
                self._count_due = self._monotonic() + max(1.0, COUNT_SHARE * self._counting_s)
        events, loaded = self.memory.take()
        behind = self._begun or self._backlog or self._gate.more or self._live or self._unchecked
        if cursor and self._number and not behind:
            progress = SourceProgress(source=self._source, ts=int(now * 1e6), cursor=self.position(), rows=rows)
            events.append(progress)
        if self._watch is not None:
            self._health.note(watching=self._watch.problem)
        return Batch(
            events,
            self.health(fresh=False),
            rows=rows,
            loaded=loaded,
            committed_at=newest_ms / 1000,
            released=list(released),
            begun=list(begun),
        )


async def _ended(task: asyncio.Task[Any]) -> None:
    """Stops a task, if it has not come to its end, and waits until it has."""
    import asyncio  # it is loaded: there is a task

    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        # Who wants the result asks for it.
        task.exception()
