"""What has been emitted of a source: turns rows into the events that are new. No I/O.

What is noted here as emitted lies in `news` until `take` hands it out, so a step that fails half way, or is cancelled,
loses nothing: the next one begins with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Set

from adapter.events import Event, LogEntry, SessionRemoved, Usage
from adapter.follow.position import SUMS, ToldSession
from adapter.follow.tracked import TrackedSession, digest, last_answer, map_rows
from adapter.health import Health
from adapter.opencode.database import Database
from adapter.opencode.reading import RawSession, decode_rows
from adapter.opencode.sessions import LastAnswer, map_session, root_of, surplus
from adapter.opencode.v1.rows import SessionRow, milliseconds, session_row
from adapter.pace import paced
from adapter.sqlite.reader import Row

LONG = 1_000
"""Rows from which the beginning of a session is told before the rest is mapped."""
BEGINNING = 500
"""Events, at least, that are a beginning."""

NOT_REMEMBERED = 0
"""In the place of a digest: the row is told again when it is seen."""


class Ledger:
    """Remembers every session row as a digest, and the sessions in `tracked` down to each part."""

    def __init__(self, database: Database) -> None:
        self.news: list[Event] = []
        self.loaded: list[str] = []
        """Sessions of which all turns are in `news`, or were before."""
        self.told = 0
        """The sum of what has been told of sessions (ToldSession.digest), modulo cursor.SUMS."""
        self.tracked: dict[str, TrackedSession] = {}
        self.seen: dict[str, int] = {}
        """Every known session, newest activity first, with a hash of its row."""
        self.updated_ms: dict[str, int] = {}
        self._database = database
        self._source: str = database.source
        self._clock: Callable[[], float] = database.clock
        self._health: Health = database.health
        self._emitted: dict[str, int] = {}
        self._digests: dict[str, int] = {}
        self._resumed = False
        """Whether an earlier run may have told more than its cursor says: it may have ended between the two."""
        self._assumed: set[str] = set()
        """Sessions whose turns were told without being remembered."""
        self._parents: dict[str, str | None] = {}
        self._roots: dict[str, str] = {}
        """The root that was told of every session with a parent, or assumed."""
        self._ended: dict[str, LastAnswer] = {}
        self._warned: set[int] = set()

    def take(self) -> tuple[list[Event], list[str]]:
        """What is new, in order, and the sessions that are whole with it; both are then nobody's but the caller's."""
        events, loaded = self.news, self.loaded
        self.news, self.loaded = [], []
        return events, loaded

    def assume(self, sessions: Iterable[ToldSession]) -> None:
        """Notes sessions that were told without being remembered: by a scan, or by the run that left the cursor."""
        for session in sessions:
            self._emitted.setdefault(session.id, NOT_REMEMBERED)
            self._assumed.add(session.id)
            self._roots[session.id] = session.root_id
            self._count(session)

    async def recall(self, rows: list[Row]) -> None:
        """Takes the rows of assumed sessions as they are now without telling them: what changed since is in the feed,
        and makes the session be told whole."""
        self._resumed = True
        known = [columns for columns in rows if columns[0] in self._assumed]
        self._database.note_versions(await paced(self._fresh(known, {})))

    def _count(self, session: ToldSession) -> None:
        self.told = (self.told + session.digest - self._digests.get(session.id, 0)) % SUMS
        self._digests[session.id] = session.digest

    async def rows(self, rows: list[Row]) -> None:
        """Takes all session rows (newest first): news of those that differ, removals of those that are gone."""
        before, self.seen = self.seen, {}
        try:
            fresh = await paced(self._fresh(rows, before))
            self._database.note_versions(fresh)
            for session_id in [key for key in self._emitted if key not in self.seen]:
                self.forget(session_id)
            # A parent that came or went moves sessions whose own rows are as they were.
            moved = {key for key, root in self._roots.items() if root != root_of(key, self._parents)}
            told = {row.id for row in fresh}
            fresh += [session_row(columns) for columns in rows if columns[0] in moved and columns[0] not in told]
            await paced(self._sessions(fresh))
        except BaseException:
            # Not all of them were told: the next look has to find them different again.
            self.seen = before
            raise

    def _sessions(self, rows: list[SessionRow]) -> Iterator[list[None]]:
        for row in rows:
            self.session(row)
            yield []

    def _fresh(self, rows: list[Row], before: dict[str, int]) -> Iterator[list[SessionRow]]:
        """Notes all rows, one at a time, and gives those that differ."""
        for columns in rows:
            session_id = str(columns[0])
            self.seen[session_id] = now = hash(columns)
            if before.get(session_id) == now:
                yield []
                continue
            row = session_row(columns)
            self._parents[session_id] = row.parent_id
            self.updated_ms[session_id] = milliseconds(row.time_updated)
            yield [row]

    def session(self, row: SessionRow) -> None:
        """Takes the session's own row; news when its events differ from what was emitted."""
        self._parents[row.id] = row.parent_id
        tracked = self.tracked.get(row.id)
        last = tracked.last_answer() if tracked else self._ended.get(row.id)
        root = root_of(row.id, self._parents)
        if row.parent_id:
            self._roots[row.id] = root
        events = map_session(self._source, row, root, last)
        now = digest(events)
        if self._emitted.get(row.id) == now:
            return
        self._emitted[row.id] = now
        self._count(ToldSession(row.id, root, row.project_id))
        self.news += events

    def ended(self, row: SessionRow, answer: LastAnswer) -> None:
        """Notes how a session that is not tracked ended."""
        self._ended[row.id] = answer
        self.session(row)

    async def whole(self, session_id: str, raw: RawSession, touched: Set[str] | None = None) -> None:
        """Takes a whole session, and tracks it from now on. `touched` are the messages that may be other than they
        were, None if it can be any; it matters only where more was told than is remembered (`assume`)."""
        async for _ in self.begin_whole(session_id, raw, touched):
            pass

    async def begin_whole(
        self, session_id: str, raw: RawSession, touched: Set[str] | None = None
    ) -> AsyncIterator[None]:
        """As `whole`, but stops once, when the beginning of a long session that was not tracked is in `news`: what
        fills a screen need not wait for 90 ms of mapping 5,000 parts. Until it has gone on to its end nothing of the
        session is remembered, so after an error all of it is told again."""
        if raw.session is None:
            self.forget(session_id)
            self.loaded.append(session_id)
            return
        session = self.tracked.get(session_id) or TrackedSession(self._source, session_id)
        is_assumed = session_id in self._assumed or (self._resumed and session_id not in self.tracked)
        pieces = self._counted(session.replace(decode_rows(raw), raw.message_ids))
        if raw.size >= LONG and not is_assumed and session_id not in self.tracked:
            beginning = await paced(_first(pieces, BEGINNING))
            self.session(raw.session)
            self.news += beginning
            yield
        events = await paced(pieces)
        session.shelf = raw.session.shelf
        if is_assumed:
            self._assumed.discard(session_id)
            # What was told of it is not known here, so what may no longer hold goes before all is told again.
            if touched is None:
                self.forget(session_id)
            else:
                events = [*map(session.turn_removed, sorted(touched)), *events]
        self.tracked[session_id] = session
        self._ended.pop(session_id, None)
        self.session(raw.session)
        self.news += events
        self.loaded.append(session_id)

    def some(self, session: TrackedSession, raw: RawSession, message_ids: set[str]) -> bool:
        """Takes some messages of a tracked session; False when the whole session must be read instead."""
        if raw.session is None:
            self.forget(session.id)
            return True
        if raw.session.shelf != session.shelf:
            return False
        events = session.update(list(decode_rows(raw)), message_ids)
        if events is None:
            return False
        self.count_warnings(events)
        self.session(raw.session)
        self.news += events
        return True

    def release(self, session_id: str) -> bool:
        """Keeps of a tracked session its row and how it ended: what changes in it next is told whole. False when it is
        not tracked."""
        session = self.tracked.pop(session_id, None)
        if session is None:
            return False
        last = session.last_answer()
        if last is not None:
            self._ended[session_id] = last
        return True

    def forget(self, session_id: str) -> None:
        """The session is gone."""
        self.tracked.pop(session_id, None)
        self.seen.pop(session_id, None)
        self.updated_ms.pop(session_id, None)
        self._parents.pop(session_id, None)
        self._roots.pop(session_id, None)
        self._ended.pop(session_id, None)
        self._assumed.discard(session_id)
        self._health.compared(session_id, 0)
        if self._emitted.pop(session_id, None) is not None:
            self.told = (self.told - self._digests.pop(session_id)) % SUMS
            self.news.append(SessionRemoved(source=self._source, ts=self._now_us(), session_id=session_id))

    async def once(self, session_id: str, raw: RawSession, parents: Mapping[str, str | None]) -> list[Event]:
        """The events of a whole session, without remembering it; nothing when it is gone."""
        if raw.session is None:
            return []
        answers: list[tuple[str, LastAnswer | None]] = []
        usages: list[Usage | None] = []

        def pieces() -> Iterator[list[Event]]:
            for _, _, mapped in map_rows(self._source, decode_rows(raw)):
                answers.append((mapped.role, mapped.last))
                usages.append(mapped.usage)
                yield [event for group in mapped.groups.values() for event in group]

        turns = await paced(self._counted(pieces()))
        self._health.compared(session_id, surplus(raw.session, usages))
        if session_id not in parents:
            parents = {session_id: raw.session.parent_id, **parents}
        root = root_of(session_id, parents)
        return [*map_session(self._source, raw.session, root, last_answer(reversed(answers))), *turns]

    def compare_sums(self, rows: Iterable[SessionRow]) -> None:
        """Tells health of the tracked sessions whose columns and messages disagree."""
        for row in rows:
            session = self.tracked.get(row.id)
            if session is not None:
                usages = (message.usage for message in session.messages.values())
                self._health.compared(row.id, surplus(row, usages))

    def warn(self, kind: str) -> None:
        """Counts one warning in health."""
        self._health.warnings[kind] = self._health.warnings.get(kind, 0) + 1

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
                    self.warn(event.message.split(":", 1)[0])

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)


def _first(pieces: Iterator[list[Event]], least: int) -> Iterator[list[Event]]:
    """The first pieces, up to so many events; the rest stays to be taken."""
    count = 0
    while count < least and (piece := next(pieces, None)) is not None:
        count += len(piece)
        yield piece
