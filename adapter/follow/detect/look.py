"""One look at the file, in SQLite's thread: what was committed since the last one, read in the same transaction."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from adapter.contract import Damaged
from adapter.follow.detect.changes import WHOLE, Changes, Messages
from adapter.follow.detect.counters import Counters, read_numbers
from adapter.follow.detect.feed import PAGE, read_feed
from adapter.follow.detect.rowids import read_inserts
from adapter.follow.memory import Memory, Record
from adapter.follow.position import Watermarks
from adapter.opencode.schema import Schema
from adapter.opencode.storage import RawSession, content_of, read_some
from adapter.sqlite.reader import Pieces, Snapshot

BY_FEED, BY_COUNTERS, BY_SCAN = "event feed", "event_sequence", "row scan"
"""How changes are found, in the words of health."""
INLINE = 64
"""Messages that are read in the same transaction that found them changed."""


class Look(msgspec.Struct, frozen=True):
    """What one look found: the state it was taken at, the changes, the marks and counters behind them, and messages
    that were read in the same transaction, by session. `damaged` names a table that could not be asked."""

    state: object
    changes: Changes = Changes()
    marks: Watermarks = Watermarks()
    counters: Counters = Counters()
    read: dict[str, RawSession] = {}
    strategy: str = ""
    more: bool = False
    damaged: str = ""

    @property
    def by_chance(self) -> bool:
        """Whether nothing told of a change: what was read is what is live, on the chance that it was about that."""
        return self.strategy == BY_SCAN and not self.changes.rows


class Looker:
    """Takes looks. The memory stands still meanwhile, since only the loop that waits for a look changes it."""

    def __init__(self, memory: Memory, is_live: Callable[[Record], bool]) -> None:
        self._memory = memory
        self._is_live = is_live

    def look(
        self, snapshot: Snapshot, schema: Schema, state: object, marks: Watermarks, counters: Counters
    ) -> Pieces[Look | None]:
        """What changed since the marks; None when nothing was committed since `state`."""
        now = snapshot.state
        if now == state:
            return None
        changes, more, fed = Changes(), False, False
        if schema.has_events:
            try:
                page = yield from read_feed(snapshot, schema, marks.event_rowid, marks.event_id, PAGE)
            except Damaged:
                return Look(now, damaged="event")
            changes, more, fed = page.changes, page.more, bool(page.changes.rows)
            counters = counters.explain(page.writes)
            marks = msgspec.structs.replace(
                marks,
                event_rowid=page.event_rowid,
                event_id=page.event_id,
                events=marks.events + page.writes.total(),
            )
        inserted, marks = yield from read_inserts(snapshot, schema, marks)
        changes |= inserted
        strategy = BY_FEED
        if not (fed and schema.has_whole_feed):
            numbers = yield from read_numbers(snapshot, schema)
            moved, counters = counters.moved(numbers), Counters(numbers)
            lost = moved if schema.has_whole_feed else frozenset()
            changes |= Changes(lists=moved, lost=lost)
            strategy = BY_FEED if fed else BY_COUNTERS if moved else BY_SCAN
            if strategy == BY_SCAN:
                changes |= self._live_ones()
        read: dict[str, RawSession] = {}
        count = 0
        for session_id, messages in changes.sessions.items():
            if messages is WHOLE or self._memory.tracked(session_id) is None:
                continue
            count += len(messages) + 1
            if count > INLINE or snapshot.overdue:
                break
            read[session_id] = yield from read_some(snapshot, schema, session_id, messages)
        if strategy == BY_SCAN and not inserted.rows and not changes.stale:
            # The newest messages of what is live are looked at in any case: that alone is no change.
            read, changes = self._only_differing(read, changes)
        return Look(now, changes, marks, counters, read, strategy, more)

    def _live_ones(self) -> Changes:
        """Nothing explained the commit: the newest messages of every live session, whose content is compared."""
        found: dict[str, Messages] = {}
        for record in self._memory.all_tracked():
            if record.tracked is not None and self._is_live(record):
                found[record.id] = frozenset(record.tracked.recent(2))
        return Changes(found)

    def _only_differing(self, read: dict[str, RawSession], changes: Changes) -> tuple[dict[str, RawSession], Changes]:
        """Without the sessions that were read and are as they were emitted."""
        same = set[str]()
        for session_id, raw in read.items():
            session, messages = self._memory.tracked(session_id), changes.sessions[session_id]
            if session is None or messages is WHOLE or raw.columns is None or raw.lost:
                continue
            now = content_of(raw)
            record = self._memory.records[session_id]
            if record.row == hash(raw.columns) and all(now.get(m) == session.contents.get(m) for m in messages):
                same.add(session_id)
        left = {key: messages for key, messages in changes.sessions.items() if key not in same}
        return (
            {key: raw for key, raw in read.items() if key not in same},
            msgspec.structs.replace(changes, sessions=left),
        )
