"""What changed since the marks: which sessions, and which messages of them.

From 1.17 on every write of a session, message or part is also a row of `event` in the same transaction (event.ts), so
new event rows name exactly what to read again; in 2.x, and where the feed was pruned, `sequences.py` still tells the
session. New rows of message, part and session_message are found by rowid in every version. What nothing of this
explains (an import, a title, an old version's rewrite in place) is found by comparing lists, at a rate that keeps
the cost small. No query here scans message, part or event.
"""

from __future__ import annotations

import re

import msgspec

from adapter.contract import RowTooLarge
from adapter.follow.detect.counters import Sequences
from adapter.follow.position import Marks
from adapter.follow.tracked import TrackedSession, fingerprint
from adapter.opencode.schema import Schema
from adapter.opencode.v1.rows import milliseconds
from adapter.sqlite.reader import Snapshot

BY_FEED, BY_SEQUENCE, BY_SCAN = "event feed", "event_sequence", "row scan"
"""How changes are found, in the words of health."""
FEED_PAGE = 2000
HEAD_CHARS = 512
"""How much of an event's JSON is looked at; its ids come first (core/src/event.ts, 1.17.0 to 1.18.33)."""

MESSAGE_ID = re.compile(r'"messageID":"([^"\\]+)"')
INFO_ID = re.compile(r'"info":\{"id":"([^"\\]+)"')
ANSWER_ID = re.compile(r'"assistantMessageID":"([^"\\]+)"')
ROW_EVENTS = ("session.created.", "session.updated.", "session.deleted.")
"""Kinds of 1.x that are about the session's own row; every other `session.*` is about its session_message rows."""
OVERLAP_MS = 2000
"""Rows written this shortly before the newest one that was seen may have been rewritten in the same millisecond."""


class Touched(msgspec.Struct):
    """Sessions to read again: the message ids, or None for all of them; an empty set means the session's row only.

    `lists` are sessions of which it is not known which messages; comparing lists tells, but not of those that are also
    `lost`: the feed counted writes of them and no longer tells which, and a rewrite may leave no trace in a list.
    `feed` and `inserts` count the rows that explained the commit, `writes` those of a whole feed by session; `stale`
    says the marks no longer fit the file, `more` that another page of the feed is waiting.
    """

    sessions: dict[str, set[str] | None] = {}
    lists: set[str] = set()
    lost: set[str] = set()
    feed: int = 0
    inserts: int = 0
    writes: dict[str, int] = {}
    stale: bool = False
    more: bool = False

    @property
    def waiting(self) -> bool:
        """Whether anything is to be read: the marks are then ahead of what was told."""
        return bool(self.sessions or self.lists)

    def add(self, session_id: str, message_id: str | None) -> None:
        """Notes one message, or with None the whole session."""
        if message_id is None:
            self.sessions[session_id] = None
            return
        known = self.sessions.setdefault(session_id, set())
        if known is not None:
            known.add(message_id)


async def current_marks(snapshot: Snapshot, schema: Schema) -> Marks:
    """Marks of this moment: everything from now on counts as new."""
    marks = Marks()
    for table in schema.data_tables:
        newest = (await snapshot.rows(f"SELECT max(rowid) FROM {table}"))[0][0] or 0
        setattr(marks, f"{table}_rowid", int(newest))
    if schema.has_events:
        rows = await snapshot.rows("SELECT rowid, id FROM event ORDER BY rowid DESC LIMIT 1")
        if rows:
            marks.event_rowid, marks.event_id = int(rows[0][0]), str(rows[0][1])
    if schema.has_whole_feed:
        marks.events = await writes_counted(snapshot, schema)
        marks.session_rowid = await newest_session(snapshot)
    return marks


async def writes_counted(snapshot: Snapshot, schema: Schema) -> int:
    """How many writes the sessions that are there have counted: each is one row of `event` (event.ts). What a deleted
    session leaves behind until opencode's second transaction is not counted."""
    if not schema.has_sequences:
        return 0
    sql = "SELECT coalesce(sum(seq + 1), 0) FROM event_sequence WHERE aggregate_id IN (SELECT id FROM session)"
    return int((await snapshot.rows(sql))[0][0])


async def newest_session(snapshot: Snapshot) -> int:
    """The highest rowid of a session, 0 when there is none."""
    return int((await snapshot.rows("SELECT max(rowid) FROM session"))[0][0] or 0)


async def detect(snapshot: Snapshot, schema: Schema, marks: Marks, touched: Touched, page: int = FEED_PAGE) -> None:
    """Notes in `touched` what the feed (at most `page` rows of it) and the rowids tell; moves the marks forward. What
    was noted when it raises is not told a second time."""
    touched.more = False
    if schema.has_events:
        await _feed(snapshot, schema, marks, touched, page)
    await _inserts(snapshot, schema, marks, touched)


async def feed_was_cut(snapshot: Snapshot, schema: Schema, marks: Marks, sequences: Sequences) -> bool:
    """Whether rows of the feed are gone that were never read, when nothing of it is left to read: a session counted
    more writes than it told. Otherwise the count of all starts from here."""
    newest = (await snapshot.rows("SELECT max(rowid) FROM event"))[0][0] or 0
    if newest != marks.event_rowid:
        return False
    if not await sequences.are_explained(snapshot, schema):
        return True
    marks.events = await writes_counted(snapshot, schema)
    return False


async def _feed(snapshot: Snapshot, schema: Schema, marks: Marks, touched: Touched, page: int) -> None:
    columns = "rowid, id, aggregate_id, type"
    where = "FROM event WHERE rowid >= ? ORDER BY rowid LIMIT ?"
    # Begins with the row that was the newest: is it another one, rowids are used again.
    known = 1 if marks.event_rowid else 0
    limits = (max(1, marks.event_rowid), known + page)
    try:
        rows = await snapshot.rows(f"SELECT {columns}, substr(data, 1, {HEAD_CHARS}) {where}", limits)
    except RowTooLarge:
        rows = await snapshot.rows(f"SELECT {columns}, '' {where}", limits)
    if known and (not rows or rows[0][:2] != (marks.event_rowid, marks.event_id)):
        touched.stale = True
        newest = await snapshot.rows("SELECT rowid, id FROM event ORDER BY rowid DESC LIMIT 1")
        marks.event_rowid, marks.event_id = (int(newest[0][0]), str(newest[0][1])) if newest else (0, "")
        if schema.has_whole_feed:
            marks.events = await writes_counted(snapshot, schema)
        return
    rows = rows[known:]
    for rowid, event_id, session_id, kind, head in rows:
        marks.event_rowid, marks.event_id = int(rowid), str(event_id)
        marks.events += 1
        touched.feed += 1
        if schema.has_whole_feed:
            touched.writes[str(session_id)] = touched.writes.get(str(session_id), 0) + 1
        _note_event(touched, str(session_id), str(kind), head if isinstance(head, str) else "")
    touched.more = len(rows) == page


def _note_event(touched: Touched, session_id: str, kind: str, head: str) -> None:
    if kind.startswith("message."):
        found = MESSAGE_ID.search(head) or INFO_ID.search(head)
        touched.add(session_id, found[1] if found else None)
    else:
        touched.sessions.setdefault(session_id, set())
        found = ANSWER_ID.search(head)
        if found:
            touched.add(session_id, found[1])
        elif not kind.startswith(ROW_EVENTS):
            touched.lists.add(session_id)


async def _inserts(snapshot: Snapshot, schema: Schema, marks: Marks, touched: Touched) -> None:
    """Notes the rows behind the marks. One statement for all tables, with the highest rowid of each: an answer costs
    two changes of thread, 45 µs of CPU and more, and SQLite needs a few."""
    counted = [*schema.data_tables, *(["session"] if schema.has_whole_feed else [])]
    parts = [f"SELECT '{table}', max(rowid), NULL, NULL, 1 FROM {table}" for table in counted]
    for table in schema.data_tables:
        column = "message_id" if table == "part" else "id"
        parts.append(f"SELECT '{table}', rowid, session_id, {column}, 0 FROM {table} WHERE rowid > ?")
    values = [getattr(marks, f"{table}_rowid") for table in schema.data_tables]
    for table, rowid, session_id, message_id, is_highest in await snapshot.rows(" UNION ALL ".join(parts), values):
        if not is_highest:
            touched.inserts += 1
            touched.add(str(session_id), str(message_id))
            continue
        # Deleting the newest rows lets their rowids be used again, so a mark above the maximum must come down.
        highest, mark = int(rowid or 0), f"{table}_rowid"
        touched.stale = touched.stale or (table != "session" and highest < getattr(marks, mark))
        setattr(marks, mark, highest)


async def compare_lists(
    snapshot: Snapshot, schema: Schema, session: TrackedSession, overlap_ms: int | None = None
) -> set[str]:
    """Ids of a session's messages that were added, deleted or touched since they were emitted, from ids and times alone
    (3.8 ms for 5,000 parts). With an overlap also those written so shortly before the newest one that was seen, as a
    second write in the same millisecond leaves no trace in the list."""
    rows: dict[str, list[tuple[str, int]]] = {}
    tables = {"v1": ("message",), "v2": ("session_message",)}.get(session.shelf, ("session_message", "message"))
    for table in tables:
        if table in schema.tables:
            for message_id, updated in await snapshot.rows(
                f"SELECT id, time_updated FROM {table} WHERE session_id = ?", (session.id,)
            ):
                rows[str(message_id)] = [(str(message_id), updated)]
    if "message" in tables and "part" in schema.tables:
        for part_id, message_id, updated in await snapshot.rows(
            "SELECT id, message_id, time_updated FROM part WHERE session_id = ?", (session.id,)
        ):
            if message_id in rows:
                rows[message_id].append((str(part_id), updated))
    now = {message_id: fingerprint(found) for message_id, found in rows.items()}
    known = {message_id: message.fingerprint for message_id, message in session.messages.items()}
    changed = {key for key in now.keys() | known.keys() if now.get(key) != known.get(key)}
    if overlap_ms is not None:
        since = session.changed_ms - overlap_ms
        changed |= {key for key, found in rows.items() if max(milliseconds(at) for _, at in found) >= since}
    return changed
