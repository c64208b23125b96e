"""What has been emitted of a source: turns rows into the events that are new. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from adapter.connection import Row
from adapter.database import Database
from adapter.events import Event, LogEntry, OpRemoved, SessionRemoved, TurnRemoved
from adapter.health import Health
from adapter.mapping.session import LastAnswer, map_session, root_of
from adapter.pace import paced
from adapter.reading import RawSession, decode_rows
from adapter.rows import SessionRow, milliseconds, session_row
from adapter.tracked import TrackedSession, digest, last_answer, map_rows


class Ledger:
    """Remembers every session row as a digest, and the sessions in `tracked` down to each part."""

    def __init__(self, database: Database) -> None:
        self.tracked: dict[str, TrackedSession] = {}
        self.seen: dict[str, int] = {}
        """Every known session, newest activity first, with a hash of its row."""
        self.updated_ms: dict[str, int] = {}
        self._database = database
        self._source: str = database.source
        self._clock: Callable[[], float] = database.clock
        self._health: Health = database.health
        self._emitted: dict[str, int] = {}
        self._parents: dict[str, str | None] = {}
        self._roots: dict[str, str] = {}
        """The root that was emitted of every session with a parent."""
        self._ended: dict[str, LastAnswer] = {}
        self._warned: set[int] = set()

    async def rows(self, rows: list[Row]) -> list[Event]:
        """Takes all session rows (newest first): events for those that differ, removals for those that are gone."""
        before, self.seen = self.seen, {}
        fresh = await paced(self._fresh(rows, before))
        self._database.note_versions(fresh)
        gone = [key for key in self._emitted if key not in self.seen]
        events = [event for session_id in gone for event in self.forget(session_id)]
        # A parent that came or went moves sessions whose own rows are as they were.
        moved = {key for key, root in self._roots.items() if root != root_of(key, self._parents)}
        told = {row.id for row in fresh}
        fresh += [session_row(columns) for columns in rows if columns[0] in moved and columns[0] not in told]
        return events + await paced(self.session(row) for row in fresh)

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

    def session(self, row: SessionRow) -> list[Event]:
        """The session's own events when they differ from what was emitted."""
        self._parents[row.id] = row.parent_id
        tracked = self.tracked.get(row.id)
        last = tracked.last_answer() if tracked else self._ended.get(row.id)
        root = root_of(row.id, self._parents)
        if row.parent_id:
            self._roots[row.id] = root
        events = map_session(self._source, row, root, last)
        now = digest(events)
        if self._emitted.get(row.id) == now:
            return []
        self._emitted[row.id] = now
        return events

    def ended(self, row: SessionRow, answer: LastAnswer) -> list[Event]:
        """Notes how a session that is not tracked ended."""
        self._ended[row.id] = answer
        return self.session(row)

    async def whole(self, session_id: str, raw: RawSession) -> list[Event]:
        """Takes a whole session, and tracks it from now on."""
        if raw.session is None:
            return self.forget(session_id)
        session = self.tracked.setdefault(session_id, TrackedSession(self._source, session_id))
        session.shelf = raw.session.shelf
        events = await paced(self._counted(session.replace(decode_rows(raw), raw.message_ids)))
        self._ended.pop(session_id, None)
        return [*self.session(raw.session), *events]

    def some(self, session: TrackedSession, raw: RawSession, message_ids: set[str]) -> list[Event] | None:
        """Takes some messages of a tracked session; None when the whole session must be read instead."""
        if raw.session is None:
            return self.forget(session.id)
        if raw.session.shelf != session.shelf:
            return None
        events = session.update(list(decode_rows(raw)), message_ids)
        if events is None:
            return None
        self.count_warnings(events)
        return [*self.session(raw.session), *events]

    def forget(self, session_id: str) -> list[Event]:
        """The session is gone."""
        self.tracked.pop(session_id, None)
        self.seen.pop(session_id, None)
        self.updated_ms.pop(session_id, None)
        self._parents.pop(session_id, None)
        self._roots.pop(session_id, None)
        self._ended.pop(session_id, None)
        if self._emitted.pop(session_id, None) is None:
            return []
        return [SessionRemoved(source=self._source, ts=self._now_us(), session_id=session_id)]

    def announced(self, removed: list[tuple[str, str, str]], session_id: str) -> list[Event]:
        """Deletions that the feed names as (session, message, part), for a session that is not tracked."""
        events: list[Event] = []
        for session, message, part in removed:
            if session != session_id:
                continue
            if part:
                events.append(
                    OpRemoved(
                        source=self._source, ts=self._now_us(), session_id=session, message_id=message, part_id=part
                    )
                )
            else:
                events.append(
                    TurnRemoved(source=self._source, ts=self._now_us(), session_id=session, message_id=message)
                )
        return events

    async def once(self, session_id: str, raw: RawSession, parents: Mapping[str, str | None]) -> list[Event]:
        """The events of a whole session, without remembering it; nothing when it is gone."""
        if raw.session is None:
            return []
        answers: list[tuple[str, LastAnswer | None]] = []

        def pieces() -> Iterator[list[Event]]:
            for _, _, mapped in map_rows(self._source, decode_rows(raw)):
                answers.append((mapped.role, mapped.last))
                yield [event for group in mapped.groups.values() for event in group]

        turns = await paced(self._counted(pieces()))
        if session_id not in parents:
            parents = {session_id: raw.session.parent_id, **parents}
        root = root_of(session_id, parents)
        return [*map_session(self._source, raw.session, root, last_answer(reversed(answers))), *turns]

    def warn(self, kind: str) -> None:
        """Counts one warning in health."""
        self._health.warnings[kind] = self._health.warnings.get(kind, 0) + 1

    def _counted(self, pieces: Iterable[list[Event]]) -> Iterator[list[Event]]:
        for piece in pieces:
            self.count_warnings(piece)
            yield piece

    def count_warnings(self, events: list[Event]) -> None:
        """Counts each WRN about a row once, however often the row is read again."""
        for event in events:
            if isinstance(event, LogEntry) and event.severity == "WRN":
                key = hash((event.ref, event.message))
                if key not in self._warned:
                    self._warned.add(key)
                    self.warn(event.message.split(":", 1)[0])

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)
