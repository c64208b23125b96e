"""What is read of `session_message`: opencode 2.x, and sessions of 1.18 that are driven through its API.

Before 1.17 the table has no `seq`, and what it holds of messages was a trial that doubled the real ones: of such a file
only the switches of agent and model are read.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapter.contract import OutOfTime, Unread
from adapter.opencode.schema import SESSION_MESSAGE_COLUMNS, Schema
from adapter.sqlite.reader import Pieces, Row, Snapshot
from adapter.sqlite.rows import Lost, missing, rows_of

SWITCHES_ONLY = " AND type LIKE '%-switched'"


def _columns(schema: Schema) -> tuple[list[str], str]:
    names = [f'"{column}"' for column in SESSION_MESSAGE_COLUMNS[:-1]]
    if "seq" not in schema.tables["session_message"]:
        names[SESSION_MESSAGE_COLUMNS.index("seq")] = "0"
        return [*names, 'CAST("data" AS BLOB)'], SWITCHES_ONLY
    return [*names, 'CAST("data" AS BLOB)'], ""


def whole(snapshot: Snapshot, schema: Schema, session_id: str, lost: list[Lost]) -> Pieces[list[Row]]:
    """The rows of a session, in no order."""
    columns, only = _columns(schema)
    rows = yield from rows_of(snapshot, "session_message", columns, f"session_id = ?{only}", (session_id,), lost)
    return [row[1:] for row in rows if row[2] == session_id]


def some(
    snapshot: Snapshot, schema: Schema, session_id: str, message_ids: Iterable[str], lost: list[Lost]
) -> Pieces[list[Row]]:
    """Some rows of a session, each by its id."""
    columns, only = _columns(schema)
    found: list[Row] = []
    for message_id in message_ids:
        rows = yield from rows_of(snapshot, "session_message", columns, f"id = ?{only}", (message_id,), lost)
        found += [row[1:] for row in rows if row[1] == message_id and row[2] == session_id]
        if snapshot.overdue:
            yield
    return found


def lists(snapshot: Snapshot, schema: Schema, session_id: str) -> Pieces[dict[str, list[tuple[str, object]]]]:
    """Ids and times of a session's rows."""
    _, only = _columns(schema)
    columns = ('"id"', '"time_updated"', '"session_id"')
    rows = yield from rows_of(snapshot, "session_message", columns, f"session_id = ?{only}", (session_id,), [])
    return {str(row[1]): [(str(row[1]), row[2])] for row in rows if row[3] == session_id}


def newest(snapshot: Snapshot, schema: Schema, session_id: str) -> Pieces[list[Row]]:
    """(id, type, time_created, time_updated, data) of the last two rows that are about what goes on, newest first; none
    where the table has no order. `data` is Missing when it cannot be read."""
    if "seq" not in schema.tables["session_message"]:
        return []
    key = (
        "SELECT rowid FROM session_message WHERE session_id = ? AND type NOT IN ('system', 'context') "
        "AND type NOT LIKE '%-switched' ORDER BY seq DESC LIMIT 2"
    )
    while True:
        try:
            return [_one(snapshot, rowid) for (rowid,) in snapshot.rows(key, (session_id,))]
        except OutOfTime:
            snapshot.be_patient()
        yield


def _one(snapshot: Snapshot, rowid: int) -> Row:
    sql = 'SELECT "id", "type", "time_created", "time_updated", "data" FROM session_message WHERE rowid = ?'
    try:
        return snapshot.rows(sql, (rowid,))[0]
    except Unread as error:
        return ("", "", 0, 0, missing(error))
