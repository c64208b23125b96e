"""Whether a cursor still leads to everything that happened since: if not, the reader has to start over."""

from __future__ import annotations

from adapter.changes import writes_counted
from adapter.connection import Reader
from adapter.cursor import SUMS, Cursor, ToldSession
from adapter.mapping.session import root_of
from adapter.schema import Schema

COUNT_PAGE = 20_000
"""Rows of the feed counted in one transaction (0.5 µs each when cached, 5 µs from the disk)."""


async def told_before(reader: Reader, schema: Schema, cursor: Cursor) -> tuple[list[ToldSession], str]:
    """The sessions that were told up to a cursor of this file, and "" when all that happened to them since can be
    found; else nothing and the reason why not, in words.

    A deleted session leaves no trace (opencode deletes what the feed says of it, too), so those that are there must
    be all that were told; and the feed must hold as many rows since as the sessions counted writes.
    """
    marks = cursor.marks
    unfit = "the file has no change feed that reaches back to the cursor"
    if not marks.event_rowid or not schema.has_whole_feed:
        return [], unfit
    async with reader.snapshot() as snapshot:
        guard = await snapshot.rows("SELECT id FROM event WHERE rowid = ?", (marks.event_rowid,))
        rows = await snapshot.rows("SELECT rowid, id, parent_id, project_id FROM session")
        newest = int((await snapshot.rows("SELECT max(rowid) FROM event"))[0][0] or 0)
        counted = await writes_counted(snapshot, schema)
    if [row[0] for row in guard] != [marks.event_id]:
        return [], unfit
    parents = {str(name): parent for _, name, parent, _ in rows}
    told = [
        ToldSession(str(name), root_of(str(name), parents), project)
        for rowid, name, _, project in rows
        if rowid <= marks.session_rowid
    ]
    if sum(session.digest for session in told) % SUMS != cursor.told:
        return [], "sessions were deleted or moved since the cursor was left"
    if schema.has_sequences and marks.events + await _rows_between(reader, marks.event_rowid, newest) != counted:
        return [], "the change feed was cut behind the cursor"
    return told, ""


async def _rows_between(reader: Reader, after: int, newest: int) -> int:
    found = 0
    for start in range(after, newest, COUNT_PAGE):
        async with reader.snapshot() as snapshot:
            sql = "SELECT count(*) FROM event WHERE rowid > ? AND rowid <= ?"
            found += int((await snapshot.rows(sql, (start, min(start + COUNT_PAGE, newest))))[0][0])
    return found
