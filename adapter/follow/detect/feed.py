"""The change feed: from 1.17 on every write of a session, message or part is also a row of `event` in the same
transaction (core/src/event.ts), so new rows name exactly what to read again.
"""

from __future__ import annotations

import re
from collections import Counter

import msgspec

from adapter.contract import OutOfTime, RowTooLarge
from adapter.follow.detect.changes import WHOLE, Changes, grouped
from adapter.opencode.schema import Schema
from adapter.sqlite.reader import Pieces, Row, Snapshot

PAGE = 2000
"""Rows of the feed that are read in one look; the next look goes on behind them."""
HEAD_CHARS = 512
"""How much of an event's JSON is looked at; its ids come first (core/src/event.ts, 1.17.0 to 1.18.33)."""

MESSAGE_ID = re.compile(r'"messageID":"([^"\\]+)"')
INFO_ID = re.compile(r'"info":\{"id":"([^"\\]+)"')
ANSWER_ID = re.compile(r'"assistantMessageID":"([^"\\]+)"')
ROW_EVENTS = ("session.created.", "session.updated.", "session.deleted.")
"""Kinds of 1.x that are about the session's own row; every other `session.*` is about its session_message rows."""


class FeedPage(msgspec.Struct, frozen=True):
    """What the next rows of the feed tell, and the row to go on behind. `writes` counts them by session; `more` says
    that another page is waiting."""

    changes: Changes
    event_rowid: int
    event_id: str
    writes: Counter[str]
    more: bool


def read_feed(snapshot: Snapshot, schema: Schema, after: int, after_id: str, page: int = PAGE) -> Pieces[FeedPage]:
    """At most `page` rows behind the one with this rowid and id. Where that row is another one now, the rowids were
    used again: then the page is from the beginning of what is left, and its changes are stale."""
    columns = "rowid, id, aggregate_id, type"
    where = "FROM event WHERE rowid >= ? ORDER BY rowid LIMIT ?"
    # What stands at the mark must be what stood there.
    rows = yield from _rows(snapshot, columns, where, after, page + 1)
    stale = bool(after) and not (rows and rows[0][0] == after and rows[0][1] == after_id)
    if after and not stale:
        rows = rows[1:]
    elif stale:
        newest = snapshot.rows("SELECT rowid, id FROM event ORDER BY rowid DESC LIMIT 1")
        rowid, event_id = (int(newest[0][0]), str(newest[0][1])) if newest else (0, "")
        return FeedPage(Changes(stale=True), rowid, event_id, Counter(), False)
    more = len(rows) >= page or (bool(rows) and snapshot.overdue)
    pairs: list[tuple[str, str | None]] = []
    lists: set[str] = set()
    writes: Counter[str] = Counter()
    for _, _, aggregate, kind, head in rows:
        session_id = str(aggregate)
        writes[session_id] += 1
        message_id, unknown = told_by(str(kind), head if isinstance(head, str) else "")
        pairs.append((session_id, message_id))
        if unknown:
            lists.add(session_id)
    last, last_id = (int(rows[-1][0]), str(rows[-1][1])) if rows else (after, after_id)
    return FeedPage(
        Changes(grouped(pairs), frozenset(lists), rows=len(rows)),
        last,
        last_id,
        writes if schema.has_whole_feed else Counter(),
        more,
    )


def _rows(snapshot: Snapshot, columns: str, where: str, after: int, page: int) -> Pieces[list[Row]]:
    """Rows with the beginning of their JSON, as many as there is time for; without it where one is too large."""
    found: list[Row] = []
    heads = f", substr(data, 1, {HEAD_CHARS})"
    while True:
        try:
            for row in snapshot.stream(f"SELECT {columns}{heads} {where}", (after, page)):
                found.append(row)
                if snapshot.overdue and len(found) > 1:
                    return found
            return found
        except OutOfTime:
            if len(found) > 1:
                return found
            found.clear()
            snapshot.be_patient()
        except RowTooLarge:
            # An event of more than 64 MB: what it is about is looked for by comparing lists.
            heads = ", NULL"
            found.clear()
            continue
        yield


def told_by(kind: str, head: str) -> tuple[str | None, bool]:
    """The message that an event of this kind is about ("" for the session's row alone, WHOLE for all of it), and
    whether it leaves open which one."""
    if kind.startswith("message."):
        found = MESSAGE_ID.search(head) or INFO_ID.search(head)
        return (found[1] if found else WHOLE), False
    found = ANSWER_ID.search(head)
    if found:
        return found[1], False
    return "", not kind.startswith(ROW_EVENTS)
