"""What has been emitted of a source: turns rows into the events that are new. No I/O.

What is noted here as emitted lies in `pending` until `take` hands it out, so a step that fails half way, or is
cancelled, loses nothing: the next one begins with it.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Set

import msgspec

from adapter.events import Event, LogEntry, SessionRemoved, SourceError
from adapter.follow.position import SUMS, EmittedSession
from adapter.follow.tracked import TrackedSession, digest
from adapter.follow.whole import WholeSession
from adapter.health import HealthWriter
from adapter.opencode.emit import ownerless
from adapter.opencode.rows import RawRow, SessionRow, milliseconds, session_row
from adapter.opencode.sessions import LastAnswer, map_session, root_of, surplus
from adapter.opencode.storage import RawSession, content_of, decode_rows
from adapter.pace import paced, paced_with_pauses
from adapter.sqlite.reader import Row
from adapter.sqlite.rows import Lost

UNKNOWN = 0
"""In the place of a digest or hash: the row is emitted again when it is seen."""


class Record(msgspec.Struct):
    """All that is remembered of one session. `row` is a hash of its row as it was taken last, `emitted` the digest of
    the events of the row (None: none were), `sum` its part of the cursor's sum, `root` the root that was emitted.

    `end` is how a session that is not tracked ended, where that is known. `assumed` ones were emitted
    without being remembered. `tracked` has its messages while it is followed row by row. `unreadable` says why it
    cannot be; `seen_at` (monotonic seconds) is when a change of it was seen last.
    """

    id: str
    row: int = UNKNOWN
    parent: str | None = None
    root: str = ""
    updated_ms: int = 0
    storage: str = ""
    emitted: int | None = None
    sum: int = 0
    end: LastAnswer | None = None
    assumed: bool = False
    tracked: TrackedSession | None = None
    unreadable: str = ""
    seen_at: float = float("-inf")


class Memory:
    """Remembers every session in one record, and some down to each part. `clock` gives unix seconds."""

    def __init__(
        self,
        source: str,
        clock: Callable[[], float],
        health: HealthWriter,
        servers: Callable[[str], frozenset[str]] = lambda _directory: frozenset(),
    ) -> None:
        self.pending: list[Event] = []
        self.loaded: list[str] = []
        """Sessions of which all turns are in `pending`, or were before."""
        self.emitted = 0
        """The sum of what has been emitted of sessions (EmittedSession.digest), modulo SUMS."""
        self.records: dict[str, Record] = {}
        self.order: list[str] = []
        """The sessions that were there at the last look at all rows, newest activity first."""
        self.keep_contents = False
        """Whether what rows held is remembered: where no feed tells of every write."""
        self._source = source
        self._clock = clock
        self._health = health
        self._servers = servers
        self._resumed = False
        """Whether an earlier run may have emitted more than its cursor says: it may have ended between the two."""
        self._warned: set[int] = set()
        self._begun: dict[str, TrackedSession] = {}
        """The beginnings that were told and not gone on with."""

    # -- what is known

    def tracked(self, session_id: str) -> TrackedSession | None:
        """The messages of a session that is followed row by row."""
        record = self.records.get(session_id)
        return record.tracked if record else None

    def all_tracked(self) -> list[Record]:
        """The sessions that are followed row by row."""
        return [record for record in self.records.values() if record.tracked is not None]

    def take(self) -> tuple[list[Event], list[str]]:
        """What is new, in order, and the sessions that are whole with it; both are then nobody's but the caller's."""
        events, loaded = self.pending, self.loaded
        self.pending, self.loaded = [], []
        return events, loaded

    # -- what an earlier run emitted

    def assume(self, sessions: Iterable[EmittedSession], columns: Row | None = None) -> None:
        """Notes sessions that were emitted without being remembered: by the run that left the cursor, or by a scan,
        with the row that it took."""
        for session in sessions:
            record = self._record(session.id)
            record.assumed = True
            record.root = session.root_id if session.root_id != session.id else ""
            if columns is not None:
                self._note_row(record, columns)
            if record.emitted is None:
                record.emitted = UNKNOWN
            self._add(record, session)

    async def recall(self, rows: list[Row]) -> None:
        """Takes the rows of assumed sessions as they are now without emitting them: what changed since is in the feed,
        and makes the session be emitted whole."""
        self._resumed = True

        def noted() -> Iterator[list[str | None]]:
            for columns in rows:
                record = self.records.get(str(columns[0]))
                if record is not None and record.assumed:
                    yield [self._note_row(record, columns).version]

        self._health.versions(await paced(noted()))

    def _note_row(self, record: Record, columns: Row) -> SessionRow:
        row = session_row(columns)
        record.row = hash(columns)
        record.parent, record.storage = row.parent_id, row.storage
        record.updated_ms = milliseconds(row.time_updated)
        return row

    # -- session rows

    async def rows(self, rows: list[Row], *, complete: bool = True) -> frozenset[str]:
        """Takes all session rows (newest first): pending events of those that differ, removals of those that are gone
        unless the list is not `complete`. Gives the sessions of which all has to be emitted, because what was is not
        remembered."""
        order = [str(columns[0]) for columns in rows]
        here = set(order)
        fresh = await paced(self._fresh(rows))
        self._health.versions(row.version for row, _ in fresh)
        if complete:
            for session_id in [key for key in self.records if key not in here]:
                self.forget(session_id)
            self.order = order
        else:
            self.order = order + [key for key in self.order if key not in here]
        # A parent that came or went moves sessions whose own rows are as they were.
        told = {row.id for row, _ in fresh}
        parents = self._parents()
        by_id = {str(columns[0]): columns for columns in rows}
        fresh += [
            (session_row(by_id[record.id]), hash(by_id[record.id]))
            for record in list(self.records.values())
            if record.root
            and record.id not in told
            and record.id in by_id
            and record.root != root_of(record.id, parents)
        ]
        whole = {row.id for row, _ in fresh if self.records[row.id].assumed}
        await paced(self._sessions([pair for pair in fresh if pair[0].id not in whole], parents))
        return frozenset(whole)

    def _fresh(self, rows: list[Row]) -> Iterator[list[tuple[SessionRow, int]]]:
        """Looks at all rows, one at a time, and gives those that differ with their hashes."""
        for columns in rows:
            record = self._record(str(columns[0]))
            now = hash(columns)
            if record.row == now:
                yield []
                continue
            row = session_row(columns)
            record.parent = row.parent_id
            record.updated_ms = milliseconds(row.time_updated)
            record.storage = row.storage
            yield [(row, now)]

    def _sessions(self, rows: list[tuple[SessionRow, int]], parents: Mapping[str, str | None]) -> Iterator[list[None]]:
        for row, now in rows:
            try:
                self._session(row, now, parents)
            except Exception as error:
                self._record(row.id).row = now
                self.pending += self.own_fault(row.id, error)
            yield []

    def session(self, columns: Row) -> None:
        """Takes a session's own row; pending events when its events differ from what was emitted."""
        row = session_row(columns)
        record = self._record(row.id)
        record.parent = row.parent_id
        record.storage = row.storage
        record.updated_ms = milliseconds(row.time_updated)
        self._session(row, hash(columns), self._parents())

    def _session(self, row: SessionRow, now: int, parents: Mapping[str, str | None]) -> None:
        record = self._record(row.id)
        last = record.tracked.last_answer() if record.tracked else record.end
        root = root_of(row.id, parents)
        record.root = root if row.parent_id else ""
        events = map_session(self._source, row, root, last)
        self.count_warnings(events)
        told = digest(events)
        # What was taken last is what the next look is compared with, however it came here.
        record.row = now
        if record.emitted == told:
            return
        record.emitted = told
        self._add(record, EmittedSession(row.id, root, row.project_id))
        self.pending += events

    def note_end(self, session_id: str, answer: LastAnswer) -> None:
        """Notes how a session that is not tracked ended; its row tells it when that is taken next."""
        record = self._record(session_id)
        record.end = answer

    def ended(self, columns: Row, answer: LastAnswer) -> None:
        """Notes how a session that is not tracked ended, and tells it with its row."""
        self.note_end(str(columns[0]), answer)
        self.session(columns)

    # -- whole sessions and messages

    async def whole(self, session_id: str, raw: RawSession, touched: Set[str] | None = None) -> None:
        """Takes a whole session, and tracks it from now on. `touched` are the messages that may be other than they
        were, None if it can be any; it matters only where more was emitted than is remembered (`assume`)."""
        async for _ in self.whole_with_pauses(session_id, raw, touched):
            pass

    def has_emitted(self, session_id: str) -> bool:
        """Whether anything may have been emitted of a session but its row."""
        record = self._record(session_id)
        return self._resumed or record.assumed or record.tracked is not None or session_id in self._begun

    def begin(self, session_id: str, raw: RawSession) -> None:
        """Takes the first messages of a session of which nothing but the row was emitted. `whole` then tells the others
        and what is different of these; until then the session is not tracked."""
        if raw.columns is None:
            return
        session = TrackedSession(self._source, session_id)
        session.servers = self._servers_of(raw)
        events = [
            event for piece in self._counted(session.replace(decode_rows(raw), raw.message_ids)) for event in piece
        ]
        self.session(raw.columns)
        self.pending += events
        self._begun[session_id] = session

    def _servers_of(self, raw: RawSession) -> frozenset[str]:
        """The MCP servers that are configured where a session runs."""
        return self._servers(raw.session.directory or "" if raw.session else "")

    async def whole_with_pauses(
        self, session_id: str, raw: RawSession, touched: Set[str] | None = None
    ) -> AsyncIterator[None]:
        """As `whole`, but stops from time to time, so that others need not wait for a long session."""
        self._tell_lost(session_id, raw)
        if raw.columns is None:
            self.forget(session_id)
            self.loaded.append(session_id)
            return
        record = self._record(session_id)
        record.unreadable = raw.unreadable
        is_assumed = record.assumed or (self._resumed and record.tracked is None)
        known = record.tracked
        session = known or self._begun.get(session_id) or TrackedSession(self._source, session_id)
        session.servers = self._servers_of(raw)
        messages = dict(session.messages)
        if raw.unreadable and session.messages:
            # What was emitted of it still stands there.
            self.session(raw.columns)
            self.loaded.append(session_id)
            return
        pieces = self._counted(session.replace(decode_rows(raw), raw.message_ids))
        events: list[Event] = []
        async for _ in paced_with_pauses(pieces, events):
            yield
        session.storage = str(raw.columns[-1])
        if self.keep_contents:
            session.contents = content_of(raw)
        if is_assumed:
            # What was emitted of it is not known here, so what may no longer hold goes before all is emitted again.
            if touched is None:
                self.forget(session_id)
                record = self._record(session_id)
            else:
                events = [*map(session.turn_removed, sorted(touched)), *events]
            record.assumed = False
        record.tracked, record.end = session, None
        try:
            self.session(raw.columns)
        except Exception:
            # What is new of it does not leave, so it is not remembered.
            session.messages, record.tracked = messages, known
            raise
        self._begun.pop(session_id, None)
        self.pending += events
        self.loaded.append(session_id)

    def some(self, session: TrackedSession, raw: RawSession, message_ids: Set[str]) -> bool:
        """Takes some messages of a tracked session; False when the whole session must be read instead."""
        self._tell_lost(session.id, raw)
        if raw.columns is None:
            self.forget(session.id)
            return True
        if raw.unreadable:
            self.session(raw.columns)
            return True
        if raw.columns[-1] != session.storage:
            return False
        events = session.update(list(decode_rows(raw)), set(message_ids))
        if events is None:
            return False
        if self.keep_contents:
            for message_id in message_ids:
                session.contents.pop(message_id, None)
            session.contents |= content_of(raw)
        self.count_warnings(events)
        try:
            self.session(raw.columns)
        finally:
            self.pending += events
        return True

    def release(self, session_id: str) -> bool:
        """Keeps of a tracked session its row and how it ended: what changes in it next is emitted whole. False when it
        is not tracked."""
        record = self.records.get(session_id)
        if record is None or record.tracked is None:
            return False
        record.end = record.tracked.last_answer()
        record.tracked = None
        return True

    def forget(self, session_id: str) -> None:
        """The session is gone."""
        record = self.records.pop(session_id, None)
        self._begun.pop(session_id, None)
        self._health.compared(session_id, 0)
        if record is None or record.emitted is None:
            return
        self.emitted = (self.emitted - record.sum) % SUMS
        self.pending.append(SessionRemoved(source=self._source, ts=self._now_us(), session_id=session_id))

    async def once(
        self, session_id: str, raw: RawSession, parents: Mapping[str, str | None], *, texts: bool = True
    ) -> list[Event]:
        """The events of a whole session, without remembering it; nothing when it is gone. `texts` is as for
        TurnFacts."""
        remarks = [event for lost in _of_own_row(raw) for event in self._lost("", lost)]
        remarks += self._remarks_of_lost(session_id, raw)
        self.count_warnings(remarks)
        row = raw.session
        if row is None:
            return remarks
        whole = WholeSession(self._source, row, raw, self._servers(row.directory or ""), texts)
        turns = await paced(self._counted(whole.turns()))
        if not raw.lost and not raw.unreadable:
            self._health.compared(session_id, whole.surplus)
        if session_id not in parents:
            parents = {session_id: row.parent_id, **parents}
        own = whole.own(root_of(session_id, parents))
        self.count_warnings(own)
        return [*own, *remarks, *turns]

    def compare_sums(self, rows: Iterable[SessionRow]) -> None:
        """Tells health of the tracked sessions whose columns and messages disagree."""
        for row in rows:
            session = self.tracked(row.id)
            if session is not None:
                usages = (message.usage for message in session.messages.values())
                self._health.compared(row.id, surplus(row, usages))

    # -- remarks

    def ownerless(self, rows: Iterable[tuple[str, RawRow]]) -> None:
        """Notes rows of a table that belong to nothing: pending remarks, each once."""
        for table, row in rows:
            key = hash((table, row.id))
            if key not in self._warned:
                self._warned.add(key)
                events = ownerless(self._source, table, row)
                self.count_warnings([*events])
                self.pending += events

    def warn(self, kind: str, example: str) -> None:
        """Counts one warning in health."""
        self._health.warn(kind, example)

    def remark(self, lost: Iterable[Lost]) -> None:
        """Notes what could not be read of session rows: pending remarks, each once."""
        for each in lost:
            events = self._lost("", each)
            if hash((each.table, each.first, each.column)) not in self._warned:
                self._warned.add(hash((each.table, each.first, each.column)))
                self.count_warnings(events)
                self.pending += events

    def _tell_lost(self, session_id: str, raw: RawSession) -> None:
        self.remark(_of_own_row(raw))
        events = self._remarks_of_lost(session_id, raw)
        key = hash(tuple(event.message for event in events if isinstance(event, LogEntry)))
        if events and key not in self._warned:
            self._warned.add(key)
            self.count_warnings(events)
            self.pending += events

    def _remarks_of_lost(self, session_id: str, raw: RawSession) -> list[Event]:
        events: list[Event] = []
        # One remark a table. A value of data is told with its row, by what stands there in its place.
        own = _of_own_row(raw)
        others = [lost for lost in raw.lost if lost.column != "data" and lost not in own]
        counts = Counter((lost.kind, lost.table, lost.why) for lost in others)
        for (kind, table, why), count in counts.items():
            events += self._remark(session_id, table, f"{kind}: {count} of {table} in {session_id}: {why}", session_id)
        if raw.unreadable:
            words = f"damaged: the messages of {session_id} cannot be read: {raw.unreadable}"
            events += self._remark(session_id, "session", words, session_id)
        return events

    def own_fault(self, session_id: str, error: Exception) -> list[Event]:
        """What is told of an error of our own that costs a session; nothing when that has been told."""
        where = traceback.extract_tb(error.__traceback__)[-1]
        words = f"internal error: {error!r} in {where.name}, line {where.lineno}: this session is not complete"
        if hash((session_id, words)) in self._warned:
            return []
        events = self._remark(session_id, "session", words, session_id)
        self.count_warnings(events)
        return events

    def broken(self, session_id: str, error: Exception) -> None:
        """An error of our own cost a session: it is told, and the session is as whole as it gets."""
        self.pending += self.own_fault(session_id, error)
        self.loaded.append(session_id)

    def _lost(self, session_id: str, lost: Lost) -> list[Event]:
        row_id = lost.row_id or f"rowid {lost.first}"
        return self._remark(session_id, lost.table, f"{lost.kind}: {lost.words}", row_id)

    def _remark(self, session_id: str, table: str, words: str, row_id: str) -> list[Event]:
        now = self._now_us()
        return [
            SourceError(source=self._source, ts=now, message=words, table=table, row_id=row_id),
            LogEntry(source=self._source, ts=now, session_id=session_id, severity="WRN", message=words, ref=row_id),
        ]

    def _counted(self, pieces: Iterable[list[Event]]) -> Iterator[list[Event]]:
        for piece in pieces:
            self.count_warnings(piece)
            yield piece

    def count_warnings(self, events: list[Event]) -> None:
        """Counts each WRN about a row once, however often the row is read again."""
        if LogEntry not in map(type, events):
            return
        for event in events:
            if isinstance(event, LogEntry) and event.severity == "WRN":
                key = hash((event.ref, event.message))
                if key not in self._warned:
                    self._warned.add(key)
                    about = " ".join(filter(None, (event.session_id, event.ref)))
                    self.warn(event.message.split(":", 1)[0], f"{about}: {event.message}" if about else event.message)

    # -- records

    def _record(self, session_id: str) -> Record:
        record = self.records.get(session_id)
        if record is None:
            record = self.records[session_id] = Record(session_id)
        return record

    def _parents(self) -> Mapping[str, str | None]:
        return _Parents(self.records)

    def _add(self, record: Record, session: EmittedSession) -> None:
        self.emitted = (self.emitted + session.digest - record.sum) % SUMS
        record.sum = session.digest

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)


class _Parents(Mapping[str, "str | None"]):
    """The parents in the records, as `root_of` asks for them."""

    def __init__(self, records: Mapping[str, Record]) -> None:
        self._records = records

    def __getitem__(self, session_id: str) -> str | None:
        return self._records[session_id].parent

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


def _of_own_row(raw: RawSession) -> list[Lost]:
    """What was lost of the session's own row: it is told in the same words as by the catalogue, and so once."""
    return [lost for lost in raw.lost if lost.column and lost.table in ("session", "session_v2")]
