"""Compares all that the file holds with what was emitted, while no commits come in: what no feed tells is found here,
and that the feed was cut or a migration ran.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from adapter.contract import Damaged
from adapter.events import Event, LogEntry, Severity
from adapter.follow.detect.changes import WHOLE, Changes
from adapter.follow.detect.counters import Counters, read_numbers
from adapter.follow.detect.lists import differing
from adapter.follow.detect.rowids import highest_rowid
from adapter.follow.memory import Memory, Record
from adapter.follow.position import Watermarks
from adapter.opencode.database import NO_SCHEMA, Database
from adapter.opencode.journal import Journal, read_journal
from adapter.opencode.queries import all_sessions, ownerless
from adapter.opencode.rows import RawRow
from adapter.opencode.storage import content_of, read_lists, read_whole
from adapter.sqlite.reader import Pieces, Row, Snapshot
from adapter.sqlite.rows import Lost

LIVE_S = 600.0
"""A session touched within this time is loaded at once, and compared row by row where no feed tells of changes."""
QUIET_S = 300.0
"""One that was touched within this time is not given back: it may go on at any moment."""
RECONCILE_S = 60.0
SOONEST_S, LATEST_S = 0.2, 10.0
"""Bounds of the pause between two comparisons: one that was held up by a busy machine must not put off the next."""
COMPARE_SHARE = 20
"""All session rows are compared again after this many times the last comparison's duration: at most 5 % of a core."""
FED = 5
"""Where a feed tells of every write, commits that go on put a comparison off, until it is so many times as late."""


class Looked(msgspec.Struct, frozen=True):
    """All session rows of one moment, what could not be read of them, and how far the feed has come; `state` is that of
    its beginning (`Snapshot.state`)."""

    rows: list[Row]
    lost: list[Lost]
    journal: Journal
    newest_session: int
    newest_event: int
    numbers: dict[str, int]
    ownerless: list[tuple[str, RawRow]] = []
    state: object = None


def look_at_all(snapshot: Snapshot, database: Database) -> Pieces[Looked]:
    """Reads all session rows, and with them what tells whether the feed is whole."""
    schema, lost = database.schema, list[Lost]()
    state = snapshot.state
    newest_session = newest_event = 0
    numbers: dict[str, int] = {}
    journal = read_journal(snapshot, schema)
    if schema.has_whole_feed:
        newest_session = highest_rowid(snapshot, "session")
        numbers = yield from read_numbers(snapshot, schema)
        # Behind the numbers, which take more than one transaction where there are many: what is written meanwhile
        # must not look like a feed that was cut.
        newest_event = highest_rowid(snapshot, "event")
    rows = yield from all_sessions(snapshot, schema, lost)
    nobodys = yield from ownerless(snapshot, schema)
    return Looked(rows, lost, journal, newest_session, newest_event, numbers, nobodys, state)


class Reconciler:
    """When the next comparison is due, in monotonic seconds, and what it does. `expected` says that something was
    committed since the last one, `reconcile_expected` that it was since all lists were read."""

    def __init__(self, database: Database, memory: Memory, source: str, clock: Callable[[], float]) -> None:
        self.expected = False
        self.due = 0.0
        self._at_latest = 0.0
        self.reconcile_expected = False
        self.reconcile_at = 0.0
        self._database = database
        self._memory = memory
        self._source = source
        self._clock = clock
        self._known_schema = NO_SCHEMA
        self._known_journal: Journal | None = None
        self._migrated: set[str] = set()
        """Sessions that were emitted before a migration and have not been read since."""

    def opened(self, now: float) -> None:
        """The file was opened: all that was emitted is reconciled after a while, as it is every minute of activity."""
        self.reconcile_at = now + RECONCILE_S

    def distrust(self) -> None:
        """Another file lies there: what was emitted has to be read anew, whatever ids and times say."""
        self._migrated |= {record.id for record in self._memory.all_tracked()}

    def expect(self, now: float) -> None:
        """Something was committed. The last commit of all may be the one that no feed tells of, so a reconcile follows
        without another one."""
        self.expected = self.reconcile_expected = True
        if self._database.schema.has_whole_feed:
            # The comparison is only the net under it, and follows when a moment long nothing was committed.
            self.due = max(self.due, min(now + SOONEST_S, self._at_latest))

    def hurry(self) -> None:
        """Everything has to be looked at now."""
        self.due = self._at_latest = self.reconcile_at = float("-inf")

    def is_due(self, now: float) -> bool:
        """Whether it is time."""
        return (self.expected and now >= self.due) or (self.reconcile_expected and now >= self.reconcile_at)

    def patience(self, now: float) -> Iterator[float]:
        """In how many seconds it will be, for each reason."""
        for expected, at in ((self.expected, self.due), (self.reconcile_expected, self.reconcile_at)):
            if expected:
                yield at - now

    async def rows(self, looked: Looked, marks: Watermarks, counters: Counters) -> tuple[Changes, Watermarks]:
        """Takes all session rows: what differs is pending in the memory. Gives what has to be read whole, stale when
        the feed was cut, and the marks behind it."""
        database, memory = self._database, self._memory
        # A migration that only moves data leaves the tables as they are, but never the journal.
        database.note_journal(looked.journal)
        memory.pending += self.news_of_schema()
        memory.remark(looked.lost)
        memory.ownerless(looked.ownerless)
        # Rows that could not be read are there all the same.
        whole = await memory.rows(looked.rows, complete=not looked.lost)
        stale = False
        if database.schema.has_whole_feed:
            facts = {"session_rowid": looked.newest_session}
            if looked.newest_event == marks.event_rowid and database.schema.has_counters:
                # Nothing of the feed is left to read. A session that counted more writes than were told shows that it
                # was cut; the mark is a row that is there, and proves nothing.
                stale = bool(counters.unexplained(looked.numbers))
                if not stale:
                    here = {str(row[0]) for row in looked.rows}
                    facts["events"] = sum(n + 1 for key, n in looked.numbers.items() if key in here)
            marks = msgspec.structs.replace(marks, **facts)
        return Changes(dict.fromkeys(whole, WHOLE), stale=stale), marks

    def began(self, now: float) -> bool:
        """A comparison begins; whether it is one of all lists."""
        reconcile = now >= self.reconcile_at
        if reconcile:
            # From its beginning: what is written while it lasts may lie behind it.
            self.reconcile_at = now + RECONCILE_S
            self.reconcile_expected = False
        self.expected = False
        return reconcile

    def ended(self, took_s: float, now: float) -> None:
        """A comparison that took so long has ended (monotonic seconds): sets when the next may begin."""
        pause_s = max(SOONEST_S, COMPARE_SHARE * took_s)
        self.due = now + min(pause_s, LATEST_S)
        self._at_latest = now + min(FED * pause_s, LATEST_S)

    def must(self, record: Record) -> bool:
        """Whether a session has to be read again whatever the lists say."""
        moved = record.tracked is not None and record.tracked.storage != record.storage
        return moved or record.id in self._migrated

    async def session(self, record: Record, *, by_content: bool) -> Changes:
        """Compares what a session holds with what was emitted of it: by ids and times, or `by_content`, where nothing
        tells of a row that is rewritten within its millisecond."""
        database, memory = self._database, self._memory
        session = record.tracked
        if session is None or record.unreadable:
            return Changes()
        if self.must(record):
            # A migration rewrites rows without moving their times. Or the session was prompted in the other family:
            # its messages are those now, also where ids are the same.
            self._migrated.discard(record.id)
            return Changes({record.id: WHOLE})
        schema = database.schema
        if by_content:
            raw = await database.read(lambda snapshot: read_whole(snapshot, schema, record.id))
            if content_of(raw) != session.contents:
                await memory.whole(record.id, raw)
            return Changes()
        try:
            lists = await database.read(lambda snapshot: read_lists(snapshot, schema, record.id, session.storage))
        except Damaged:
            return Changes({record.id: WHOLE})
        changed = differing(session, lists)
        return Changes({record.id: changed}) if changed else Changes()

    def news_of_schema(self) -> list[Event]:
        """What has not been told yet: a remark per missing column, one for a journal that cannot be read, and one when
        a migration ran under us."""
        schema, journal = self._database.schema, self._database.journal
        known = set(self._known_schema.missing)
        events: list[Event] = [
            self._log("INF", f"{column} is not in this database: shown empty", column)
            for column in schema.missing
            if column not in known
        ]
        if journal.problem and (self._known_journal is None or journal.problem != self._known_journal.problem):
            events.append(self._log("WRN", f"unknown journal: {journal.problem}", journal.problem))
            self._memory.warn("unknown journal", journal.problem)
        if self._known_journal is not None and journal.hash != self._known_journal.hash:
            events.append(self._log("WRN", f"migrated: the newest migration is now {journal.latest}", journal.hash))
            self._memory.warn("migrated while watched", journal.latest)
            self._migrated |= {record.id for record in self._memory.all_tracked()}
        self._known_schema, self._known_journal = schema, journal
        return events

    def _log(self, severity: Severity, words: str, ref: str) -> LogEntry:
        now = int(self._clock() * 1e6)
        return LogEntry(source=self._source, ts=now, severity=severity, message=words, ref=ref)
