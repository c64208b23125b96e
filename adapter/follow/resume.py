"""Whether a cursor still leads to everything that happened since: if not, the reader has to start over."""

from __future__ import annotations

from collections import Counter

import msgspec

from adapter.follow.detect.counters import read_numbers
from adapter.follow.detect.rowids import highest_rowid
from adapter.follow.position import SUMS, Cursor, EmittedSession, Watermarks
from adapter.opencode.schema import Schema
from adapter.opencode.sessions import root_of
from adapter.sqlite.reader import Pieces, Snapshot
from adapter.sqlite.rows import table_rows


class EmittedBefore(msgspec.Struct, frozen=True):
    """What was emitted up to a cursor: the sessions, and the number of the last write of each (event_sequence). When
    not all that happened since can be found, only the reason why not, in words."""

    sessions: list[EmittedSession] = []
    numbers: dict[str, int] = {}
    unfit: str = ""


def emitted_before(snapshot: Snapshot, schema: Schema, journal_hash: str, cursor: Cursor) -> Pieces[EmittedBefore]:
    """What was emitted up to a cursor of this file.

    A deleted session leaves no trace (opencode deletes what the feed says of it, too), so those that are there must
    be all that were emitted; and the feed must hold as many rows since as the sessions counted writes.
    """
    marks = cursor.marks
    if cursor.schema != journal_hash:
        return EmittedBefore(unfit="opencode migrated the database since the cursor was left")
    unfit = EmittedBefore(unfit="the file has no change feed that reaches back to the cursor")
    if not marks.event_rowid or not schema.has_whole_feed:
        return unfit
    guard = snapshot.rows("SELECT id FROM event WHERE rowid = ?", (marks.event_rowid,))
    if [row[0] for row in guard] != [marks.event_id]:
        return unfit
    newest = highest_rowid(snapshot, "event")
    now = yield from read_numbers(snapshot, schema)
    rows = yield from table_rows(snapshot, "session", schema.select("session", ("id", "parent_id", "project_id")), [])
    parents = {str(name): parent for _, name, parent, _ in rows}
    counted = sum(number + 1 for session_id, number in now.items() if session_id in parents)
    emitted = [
        EmittedSession(str(name), root_of(str(name), parents), project)
        for rowid, name, _, project in rows
        if rowid <= marks.session_rowid
    ]
    if sum(session.digest for session in emitted) % SUMS != cursor.emitted:
        return EmittedBefore(unfit="sessions were deleted or moved since the cursor was left")
    since = yield from _writes_between(snapshot, marks.event_rowid, newest)
    if schema.has_counters and marks.events + since.total() != counted:
        return EmittedBefore(unfit="the change feed does not tell of every write since the cursor was left")
    return EmittedBefore(emitted, {session_id: number - since[session_id] for session_id, number in now.items()})


def current_marks(snapshot: Snapshot, schema: Schema) -> Pieces[tuple[Watermarks, dict[str, int]]]:
    """Marks of this moment, and the numbers of each session's last write: everything from now on counts as new."""
    facts: dict[str, int | str] = {f"{table}_rowid": highest_rowid(snapshot, table) for table in schema.data_tables}
    if schema.has_events:
        rows = snapshot.rows("SELECT rowid, id FROM event ORDER BY rowid DESC LIMIT 1")
        if rows:
            facts["event_rowid"], facts["event_id"] = int(rows[0][0]), str(rows[0][1])
    numbers = yield from read_numbers(snapshot, schema)
    if schema.has_whole_feed:
        facts["session_rowid"] = highest_rowid(snapshot, "session")
        facts["events"] = yield from writes_counted(snapshot, numbers)
    return msgspec.convert(facts, Watermarks), numbers


def writes_counted(snapshot: Snapshot, numbers: dict[str, int]) -> Pieces[int]:
    """How many writes the sessions that are there have counted: each is one row of `event` (event.ts). What a deleted
    session leaves behind until opencode's second transaction is not counted."""
    rows = yield from table_rows(snapshot, "session", ('"id"',), [])
    ids = {str(row[1]) for row in rows}
    return sum(number + 1 for session_id, number in numbers.items() if session_id in ids)


def _writes_between(snapshot: Snapshot, after: int, newest: int) -> Pieces[Counter[str]]:
    """How many rows of the feed there are of each session."""
    found: Counter[str] = Counter()
    sql = "SELECT rowid, aggregate_id FROM event WHERE rowid > ? AND rowid <= ? ORDER BY rowid"
    while after < newest:
        for rowid, session_id in snapshot.stream(sql, (after, newest)):
            found[str(session_id)] += 1
            after = rowid
            if snapshot.overdue:
                break
        else:
            return found
        yield
    return found
