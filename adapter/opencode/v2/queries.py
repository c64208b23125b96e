"""What is read of `session_message`: opencode 2.x, and sessions of 1.18 that are driven through its API.

Before 1.17 the table has no `seq`, and what it holds of messages was a trial that doubled the real ones: of such a file
only the switches of agent and model are read.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapter.contract import Damaged, OutOfTime, Unread
from adapter.opencode.schema import SESSION_MESSAGE_COLUMNS, WAITING, Schema
from adapter.opencode.v2.rows import WAITS
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
    """The rows of a session, with prompts that wait among them, in no order."""
    columns, only = _columns(schema)
    # Those first: what is taken up meanwhile is read twice, and never missed.
    waiting = yield from _waiting(snapshot, schema, "session_id = ?", session_id, lost)
    rows = yield from rows_of(snapshot, "session_message", columns, f"session_id = ?{only}", (session_id,), lost)
    found = [row[1:] for row in rows if row[2] == session_id]
    return _without_taken_up(waiting, found, session_id)


def _waiting(snapshot: Snapshot, schema: Schema, where: str, key: str, lost: list[Lost]) -> Pieces[list[Row]]:
    """Prompts that wait, in the shape of rows of session_message: their type is WAITS with the words of their own row
    behind it, and their seq the number at which they were admitted."""
    found: list[Row] = []
    for table in schema.waiting_tables:
        _, _, kind, data, delivery, seq, created = (f'"{column}"' for column in WAITING[table])
        kind = f"'{WAITS}' || {kind} || ' ' || coalesce({delivery}, '')"
        columns = ('"id"', '"session_id"', kind, seq, created, created, f"CAST({data} AS BLOB)")
        try:
            rows = yield from rows_of(snapshot, table, columns, where, (key,), lost)
        except Damaged as error:
            lost.append(Lost(table, 0, 0, str(error)))
            continue
        found += [row[1:] for row in rows]
    return found


def waiting_rows(snapshot: Snapshot, schema: Schema, session_id: str, lost: list[Lost]) -> Pieces[list[Row]]:
    """The prompts of a session that wait and have not been taken up, in the shape of rows of session_message."""
    waiting = yield from _waiting(snapshot, schema, "session_id = ?", session_id, lost)
    found: list[Row] = []
    if waiting:
        rows = yield from rows_of(
            snapshot, "session_message", ('"id"', '"session_id"'), "session_id = ?", (session_id,), []
        )
        found = [row[1:] for row in rows]
    known = {row[0] for row in found}
    return [row for row in waiting if row[0] not in known and row[1] == session_id]


def _without_taken_up(waiting: list[Row], found: list[Row], session_id: str) -> list[Row]:
    known = {row[0] for row in found}
    return [*found, *(row for row in waiting if row[0] not in known and row[1] == session_id)]


def some(
    snapshot: Snapshot, schema: Schema, session_id: str, message_ids: Iterable[str], lost: list[Lost]
) -> Pieces[list[Row]]:
    """Some rows of a session, prompts that wait among them, each by its id."""
    columns, only = _columns(schema)
    found: list[Row] = []
    for message_id in message_ids:
        waiting = yield from _waiting(snapshot, schema, "id = ?", message_id, lost)
        rows = yield from rows_of(snapshot, "session_message", columns, f"id = ?{only}", (message_id,), lost)
        here = [row[1:] for row in rows if row[1] == message_id and row[2] == session_id]
        found += _without_taken_up(waiting, here, session_id)
        if snapshot.overdue:
            yield
    return found


def first(snapshot: Snapshot, schema: Schema, session_id: str, count: int) -> list[str]:
    """The ids of the first rows of a session, at most so many, in order; none where they are not had soon."""
    if "seq" not in schema.tables["session_message"]:
        return []
    try:
        sql = "SELECT id FROM session_message WHERE session_id = ? ORDER BY seq LIMIT ?"
        return [str(row[0]) for row in snapshot.rows(sql, (session_id, count))]
    except (OutOfTime, Unread):
        return []


def lists(snapshot: Snapshot, schema: Schema, session_id: str) -> Pieces[dict[str, list[tuple[str, object]]]]:
    """Ids and times of a session's rows, those of prompts that wait among them."""
    found: dict[str, list[tuple[str, object]]] = {}
    for table in schema.waiting_tables:
        own = ('"id"', '"time_created"', '"session_id"')
        waiting = yield from rows_of(snapshot, table, own, "session_id = ?", (session_id,), [])
        found |= {str(row[1]): [(str(row[1]), row[2])] for row in waiting if row[3] == session_id}
    _, only = _columns(schema)
    columns = ('"id"', '"time_updated"', '"session_id"')
    rows = yield from rows_of(snapshot, "session_message", columns, f"session_id = ?{only}", (session_id,), [])
    return found | {str(row[1]): [(str(row[1]), row[2])] for row in rows if row[3] == session_id}


def any_waits(snapshot: Snapshot, schema: Schema, session_id: str) -> Pieces[bool]:
    """Whether a prompt of the session waits."""
    for table in schema.waiting_tables:
        while True:
            try:
                if snapshot.rows(f'SELECT 1 FROM "{table}" WHERE session_id = ? LIMIT 1', (session_id,)):
                    return True
                break
            except OutOfTime:
                snapshot.be_patient()
            yield
    return False


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
