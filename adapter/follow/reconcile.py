"""Compares all that the file holds with what was told, while no commits come in: what no feed tells is found here, and
that the feed was cut or a migration ran."""

from __future__ import annotations

import time

from adapter.events import Event, LogEntry, Severity
from adapter.follow.detect.feed import BY_SCAN, Touched, compare_lists, feed_was_cut, newest_session
from adapter.follow.memory import Ledger
from adapter.follow.tracked import TrackedSession
from adapter.opencode.database import NO_SCHEMA, Database
from adapter.opencode.journal import Journal, read_journal
from adapter.opencode.queries import all_sessions
from adapter.opencode.reading import read_messages

LIVE_S = 600.0
"""A session touched within this time is loaded at once, and compared row by row where no feed tells of changes."""
RECONCILE_S = 60.0
SOONEST_S, LATEST_S = 0.2, 10.0
"""Bounds of the pause between two comparisons: one that was held up by a busy machine must not put off the next."""
COMPARE_SHARE = 20
"""All session rows are compared again after this many times the last comparison's duration: at most 5 % of a core."""


class Comparison:
    """When the next one is due, in unix seconds, and what it does. `expected` says that something was committed since
    the last one, `reconcile_expected` that it was since all lists were read."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self.expected = False
        self.due = 0.0
        self.reconcile_expected = False
        self.reconcile_at = 0.0
        self._database = database
        self._ledger = ledger
        self._clock = database.clock
        self._known_schema = NO_SCHEMA
        self._known_journal: Journal | None = None
        self._migrated: set[str] = set()
        """Sessions that were told before a migration and have not been read since."""

    def opened(self) -> None:
        """The file was opened: all that was told is reconciled after a while, as it is every minute of activity."""
        self.reconcile_at = self._clock() + RECONCILE_S

    def expect(self) -> None:
        """Something was committed. The last commit of all may be the one that no feed tells of, so a reconcile follows
        without another one."""
        self.expected = self.reconcile_expected = True

    def hurry(self) -> None:
        """Everything has to be looked at now."""
        self.due = self.reconcile_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time."""
        now = self._clock()
        return (self.expected and now >= self.due) or (self.reconcile_expected and now >= self.reconcile_at)

    @property
    def patience(self) -> list[float]:
        """In how many seconds it will be, for each reason."""
        reasons = ((self.expected, self.due), (self.reconcile_expected, self.reconcile_at))
        return [at - self._clock() for expected, at in reasons if expected]

    async def run(self, touched: Touched, whole: bool = False) -> int:
        """Compares all session rows, and with them the lists of what is live, against what was emitted: finds imports,
        titles, deletions, and whatever else no feed told. `whole` reads the lists of every session remembered. What is
        new is in the ledger's news; `touched` is stale when the feed was cut. Returns the number of sessions."""
        started, began = time.monotonic(), self._clock()
        database, marks = self._database, self._database.marks
        async with database.reader.snapshot() as snapshot:
            rows = await all_sessions(snapshot, database.schema)
            # A migration that only moves data leaves the tables as they are, but never the journal.
            database.note_journal(await read_journal(snapshot, database.schema))
            newest, cut = 0, False
            if database.schema.has_whole_feed:
                newest = await newest_session(snapshot)
                cut = await feed_was_cut(snapshot, database.schema, marks, database.sequences)
        if cut:
            # The mark is a row that is there, and proves nothing all the same.
            touched.stale, database.gate = True, None
        self._ledger.news += self.news_of_schema()
        await self._ledger.rows(rows)
        marks.session_rowid = newest
        reconcile = whole or began >= self.reconcile_at
        oldest = (self._clock() - LIVE_S) * 1000
        shelves = {str(row[0]): row[-1] for row in rows} if database.schema.family == "v1+v2" else {}
        for session in list(self._ledger.tracked.values()):
            if session.id in self._migrated or session.shelf != shelves.get(session.id, session.shelf):
                # A migration rewrites rows without moving their times. Or the session was prompted in the other family:
                # its messages are those now, also where ids are the same.
                await self._ledger.whole(session.id, await database.read_whole(session.id))
                self._migrated.discard(session.id)
            elif reconcile or (database.health.strategy == BY_SCAN and session.changed_ms >= oldest):
                async with database.reader.snapshot() as snapshot:
                    changed = await compare_lists(snapshot, database.schema, session)
                if changed:
                    await read_again(database, self._ledger, session, changed)
        if reconcile:
            # From its beginning: what is written while it lasts may lie behind it.
            self.reconcile_at = began + RECONCILE_S
            self.reconcile_expected = False
            database.health.reconciled = self._clock()
        self.expected = False
        pause = COMPARE_SHARE * (time.monotonic() - started)
        self.due = self._clock() + min(max(SOONEST_S, pause), LATEST_S)
        return len(rows)

    def news_of_schema(self) -> list[Event]:
        """What has not been told yet: a remark per missing column, and one when a migration ran under us."""
        schema, journal = self._database.schema, self._database.journal
        known = set(self._known_schema.missing)
        events: list[Event] = [
            self._log("INF", f"{column} is not in this database: shown empty", column)
            for column in schema.missing
            if column not in known
        ]
        if self._known_journal is not None and journal.hash != self._known_journal.hash:
            events.append(self._log("WRN", f"migrated: the newest migration is now {journal.latest}", journal.hash))
            self._ledger.warn("migrated while watched")
            self._migrated |= self._ledger.tracked.keys()
        self._known_schema, self._known_journal = schema, journal
        return events

    def _log(self, severity: Severity, words: str, ref: str) -> LogEntry:
        now = int(self._clock() * 1e6)
        return LogEntry(source=self._database.source, ts=now, severity=severity, message=words, ref=ref)


async def read_again(database: Database, ledger: Ledger, session: TrackedSession, message_ids: set[str]) -> None:
    """Reads some messages of a session, or all when their order or their numbers depend on it."""
    async with database.reader.snapshot() as snapshot:
        raw = await read_messages(snapshot, database.schema, session.id, message_ids)
    if not ledger.some(session, raw, message_ids):
        await ledger.whole(session.id, await database.read_whole(session.id))
