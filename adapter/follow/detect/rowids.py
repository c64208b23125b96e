"""New rows behind the highest rowids that were seen: inserts, in every version of opencode."""

from __future__ import annotations

import msgspec

from adapter.contract import Damaged, OutOfTime
from adapter.follow.detect.changes import Changes, grouped
from adapter.follow.position import Watermarks
from adapter.opencode.schema import Schema
from adapter.sqlite.reader import Pieces, Snapshot


def read_inserts(snapshot: Snapshot, schema: Schema, marks: Watermarks) -> Pieces[tuple[Changes, Watermarks]]:
    """What was inserted behind the marks, and the marks behind it. Changes are stale when the highest row is below a
    mark: deleting the newest rows lets their rowids be used again, so the mark must come down."""
    pairs: list[tuple[str, str | None]] = []
    stale = False
    moved: dict[str, int] = {}
    for table in schema.data_tables:
        name = f"{table}_rowid"
        mark: int = getattr(marks, name)
        highest = highest_rowid(snapshot, table)
        if highest < mark:
            stale, moved[name] = True, highest
            continue
        if highest == mark:
            continue
        column = "message_id" if table == "part" else "id"
        sql = f'SELECT rowid, session_id, {column} FROM "{table}" WHERE rowid > ? ORDER BY rowid'
        while mark < highest:
            try:
                for rowid, session_id, message_id in snapshot.stream(sql, (mark,)):
                    pairs.append((str(session_id), str(message_id)))
                    mark = rowid
                    if snapshot.overdue:
                        break
                else:
                    break
            except OutOfTime:
                snapshot.be_patient()
            except Damaged:
                # Which sessions they belong to is found by comparing.
                stale, mark = True, highest
            yield
        moved[name] = max(mark, highest)
    if schema.has_whole_feed:
        moved["session_rowid"] = highest_rowid(snapshot, "session")
    marks = msgspec.structs.replace(marks, **moved)
    return Changes(grouped(pairs), rows=len(pairs), stale=stale), marks


def highest_rowid(snapshot: Snapshot, table: str) -> int:
    """The highest rowid of a table, 0 when it is empty or its end is damaged."""
    try:
        return int(snapshot.rows(f'SELECT max(rowid) FROM "{table}"')[0][0] or 0)
    except Damaged:
        return 0
