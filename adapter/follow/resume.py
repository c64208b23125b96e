"""Whether a cursor still leads to everything that happened since: if not, the reader has to start over."""

from __future__ import annotations

from collections import Counter

import msgspec

from adapter.follow.detect.counters import numbers
from adapter.follow.detect.feed import writes_counted
from adapter.follow.position import SUMS, Cursor, ToldSession
from adapter.opencode.schema import Schema
from adapter.opencode.sessions import root_of
from adapter.sqlite.reader import Reader

COUNT_PAGE = 20_000
"""Rows of the feed counted in one transaction (0.5 µs each when cached, 5 µs from the disk)."""


class Told(msgspec.Struct, frozen=True):
    """What was told up to a cursor: the sessions, and the number of the last write of each (event_sequence). When not
    all that happened since can be found, only the reason why not, in words."""

    sessions: list[ToldSession] = []
    numbers: dict[str, int] = {}
    unfit: str = ""


async def told_before(reader: Reader, schema: Schema, cursor: Cursor) -> Told:
    """What was told up to a cursor of this file.

    A deleted session leaves no trace (opencode deletes what the feed says of it, too), so those that are there must
    be all that were told; and the feed must hold as many rows since as the sessions counted writes.
    """
    marks = cursor.marks
    unfit = Told(unfit="the file has no change feed that reaches back to the cursor")
    if not marks.event_rowid or not schema.has_whole_feed:
        return unfit
    async with reader.snapshot() as snapshot:
        guard = await snapshot.rows("SELECT id FROM event WHERE rowid = ?", (marks.event_rowid,))
        rows = await snapshot.rows("SELECT rowid, id, parent_id, project_id FROM session")
        newest = int((await snapshot.rows("SELECT max(rowid) FROM event"))[0][0] or 0)
        counted = await writes_counted(snapshot, schema)
        now = await numbers(snapshot, schema)
    if [row[0] for row in guard] != [marks.event_id]:
        return unfit
    parents = {str(name): parent for _, name, parent, _ in rows}
    told = [
        ToldSession(str(name), root_of(str(name), parents), project)
        for rowid, name, _, project in rows
        if rowid <= marks.session_rowid
    ]
    if sum(session.digest for session in told) % SUMS != cursor.told:
        return Told(unfit="sessions were deleted or moved since the cursor was left")
    since = await _writes_between(reader, marks.event_rowid, newest)
    if schema.has_sequences and marks.events + since.total() != counted:
        return Told(unfit="the change feed was cut behind the cursor")
    return Told(told, {session_id: number - since[session_id] for session_id, number in now.items()})


async def _writes_between(reader: Reader, after: int, newest: int) -> Counter[str]:
    """How many rows of the feed there are of each session."""
    found: Counter[str] = Counter()
    sql = "SELECT aggregate_id, count(*) FROM event WHERE rowid > ? AND rowid <= ? GROUP BY aggregate_id"
    for start in range(after, newest, COUNT_PAGE):
        async with reader.snapshot() as snapshot:
            for session_id, count in await snapshot.rows(sql, (start, min(start + COUNT_PAGE, newest))):
                found[str(session_id)] += int(count)
    return found
