"""What is read of all sessions at once: their rows, how each one ended, how many rows there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from adapter.contract import Damaged, OutOfTime, Unread
from adapter.opencode.rows import RawRow, milliseconds
from adapter.opencode.schema import SESSION_COLUMNS, Schema
from adapter.opencode.v1 import queries as v1
from adapter.opencode.v2 import queries as v2
from adapter.sqlite.reader import Pieces, Row, Snapshot
from adapter.sqlite.rows import Lost, Missing, rows_of, table_rows

EVENT_SAMPLES = 200
NEWEST_ROWS = 64
"""Rows at the end of a table of which the newest change is looked for: what is changed is what was added lately."""
OWNERLESS = 100
"""Rows without an owner that are named of one table."""
COLUMNS = SESSION_COLUMNS[:-1]
UPDATED = COLUMNS.index("time_updated")


class Counts(msgspec.Struct, frozen=True):
    """Rows by plural table name (`sessions` of both families); those in `approximate` are upper bounds. `event_bytes`
    is about what the JSON of the events takes, `page_bytes` what the pages of the database take, the WAL's newer ones
    among them; `newest_ms` is when something was changed last, unix ms. 0 where not known."""

    counts: dict[str, int]
    approximate: list[str]
    event_bytes: int = 0
    page_bytes: int = 0
    newest_ms: int = 0


class Ends(msgspec.Struct, frozen=True):
    """The newest rows of a session, which say how it ended: (time_created, time_updated, data)
    of `message`, and of `session_message` (id, type, time_created, time_updated, data), newest first. `session` is its
    own row; `waits` says whether a prompt waits to be taken up."""

    session: Row
    message: Row | None
    in_order: list[Row]
    waits: bool = False


def all_sessions(snapshot: Snapshot, schema: Schema, lost: list[Lost]) -> Pieces[list[Row]]:
    """Every session row, undecoded, each id once, newest activity first. The last column says its storage."""
    tables: dict[str, dict[str, Row]] = {}
    for table in schema.session_tables:
        try:
            rows = yield from table_rows(snapshot, table, schema.select(table, COLUMNS), lost)
        except Damaged as error:
            lost.append(Lost(table, 0, 0, str(error)))
            continue
        tables[table] = {}
        nameless: list[int] = []
        for rowid, key, *rest in rows:
            if isinstance(key, str | int | float | bytes):
                name = _name(key)
                tables[table][name] = (name, *rest)
            elif key is None:
                nameless.append(rowid)
        if nameless:
            lost.append(Lost(table, min(nameless), max(nameless), f"{len(nameless)} without an id"))
    # Sorted here: SQLite would have to read all rows in one piece. Ascending rowids keep the order of equal times.
    return sorted(_joined(schema, tables), key=updated_ms, reverse=True)


def one_session(snapshot: Snapshot, schema: Schema, session_id: str, lost: list[Lost]) -> Pieces[Row | None]:
    """One session's row, None when it is gone."""
    tables: dict[str, dict[str, Row]] = {}
    for table in schema.session_tables:
        columns, own = schema.select(table, COLUMNS), list[Lost]()
        try:
            rows = yield from rows_of(snapshot, table, columns, "id = ?", (session_id,), own)
            # The column may compare without case or as numbers; an id is exact.
            rows = [row for row in rows if row[1] == session_id]
        except Damaged:
            rows = []
        if not rows:
            # Gone; or the index of the ids is damaged, and says so or not.
            ids = yield from table_rows(snapshot, table, ('"id"',), [])
            if any(isinstance(key, str | int | float | bytes) and _name(key) == session_id for _, key in ids):
                every = yield from table_rows(snapshot, table, columns, own)
                rows = [row for row in every if not isinstance(row[1], Missing) and _name(row[1] or "") == session_id]
        lost += own if rows else []
        tables[table] = {session_id: (session_id, *rows[0][2:])} if rows else {}
    return next(iter(_joined(schema, tables)), None)


def newest_roots(snapshot: Snapshot, schema: Schema, count: int) -> Pieces[list[Row]]:
    """The rows of so many sessions without a parent, undecoded, those with the newest activity first. Where there is no
    time to sort all, those that were made last."""
    found: dict[str, dict[str, Row]] = {}
    for table in schema.session_tables:
        own = "WHERE parent_id IS NULL" if "parent_id" in schema.tables[table] else ""
        sql = f'SELECT rowid FROM "{table}" {own} ORDER BY {{}} DESC LIMIT ?'
        try:
            rowids = snapshot.rows(sql.format("time_updated"), (count,))
        except OutOfTime:
            yield
            rowids = snapshot.rows(sql.format("rowid"), (count,))
        except Unread:
            # All rows come at once then.
            return []
        columns = schema.select(table, COLUMNS)
        found[table] = {}
        for (rowid,) in rowids:
            for row in (yield from rows_of(snapshot, table, columns, "rowid = ?", (rowid,), [])):
                if isinstance(row[1], str):
                    found[table][row[1]] = row[1:]
            if snapshot.overdue:
                yield
    if len(schema.session_tables) > 1:
        # What the other table says of them decides which row counts.
        ids = dict.fromkeys(session_id for rows in found.values() for session_id in rows)
        joined = []
        for session_id in ids:
            one = yield from one_session(snapshot, schema, session_id, [])
            joined += [one] if one else []
    else:
        joined = _joined(schema, found)
    return sorted(joined, key=updated_ms, reverse=True)[:count]


def _name(key: str | float | bytes) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def updated_ms(row: Row) -> float:
    """When a session row was written last (ms), 0 when it does not say."""
    value = row[UPDATED]
    return value if isinstance(value, int | float) else 0


def _joined(schema: Schema, tables: dict[str, dict[str, Row]]) -> list[Row]:
    """Sessions of both families as one list, each id once, with the storage of its messages.

    An id is in both after 2.x has imported it: the row of 2.x wins, unless that of 1.x has the greater `time_updated`,
    that is, unless the session was prompted in 1.x since (the importer copies the time; both families move it with
    every prompt, and with little else). What the other family holds of that session is then left out.
    """
    old, new = tables.get("session", {}), tables.get("session_v2", {})
    alone = "preview" if schema.is_preview else "both" if "session_message" in schema.tables else "v1"
    rows: list[Row] = []
    for session_id, row in old.items():
        other = new.get(session_id)
        if other is None:
            rows.append(_with(row, alone))
        elif updated_ms(row) > updated_ms(other):
            rows.append(_with(row, "v1"))
    for session_id, row in new.items():
        other = old.get(session_id)
        if other is None or not updated_ms(other) > updated_ms(row):
            rows.append(_with(row, "v2"))
    return rows


def _with(row: Row, storage: str) -> Row:
    if Missing in map(type, row):
        row = tuple(None if type(value) is Missing else value for value in row)
    return (*row, storage)


def ends(snapshot: Snapshot, schema: Schema, sessions: Sequence[Row]) -> Pieces[list[Ends]]:
    """How the sessions with these rows stand, by their newest messages alone."""
    found: list[Ends] = []
    for row in sessions:
        session_id, storage = row[0], row[-1]
        try:
            message = in_order = None
            waits = False
            if storage != "v2" and "message" in schema.tables:
                message = yield from v1.newest(snapshot, session_id)
            if storage != "v1" and "session_message" in schema.tables:
                in_order = yield from v2.newest(snapshot, schema, session_id)
                waits = yield from v2.any_waits(snapshot, schema, session_id)
            found.append(Ends(row, message, in_order or [], waits))
        except Damaged:
            # Found out again, and named, when it is opened.
            continue
        if snapshot.overdue:
            yield
    return found


OWNERS = {"message": "session_id", "part": "message_id", "session_message": "session_id"}


def ownerless(snapshot: Snapshot, schema: Schema) -> Pieces[list[tuple[str, RawRow]]]:
    """Rows whose owner is empty, which no session ever reads, found by the index of the owners; at most OWNERLESS of
    each table."""
    found: list[tuple[str, RawRow]] = []
    for table, owner in OWNERS.items():
        if table not in schema.tables:
            continue
        columns = schema.select(table, ("id", "session_id", "time_created", "time_updated"))
        try:
            sql = f"SELECT {', '.join(columns)} FROM \"{table}\" WHERE {owner} = '' LIMIT {OWNERLESS}"
            rows = snapshot.rows(sql)
        except (OutOfTime, Unread):
            continue
        for identifier, session_id, created, updated in rows:
            row = RawRow(str(identifier), "", str(session_id or ""), milliseconds(created), milliseconds(updated))
            found.append((table, row))
        if snapshot.overdue:
            yield
    return found


def count_rows(snapshot: Snapshot, schema: Schema) -> Pieces[Counts]:
    """Counts each table in a transaction of its own; one that takes too long gives its highest rowid, an upper
    bound."""
    counts: dict[str, int] = {}
    approximate: list[str] = []
    ids: set[str] = set()
    for table in schema.session_tables:
        ids |= yield from _ids(snapshot, table)
    counts["sessions"] = len(ids)
    for table in (*schema.data_tables, "event"):
        if table not in schema.tables:
            continue
        yield
        name = f"{table}s"
        try:
            counts[name] = int(snapshot.rows(f'SELECT count(*) FROM "{table}"')[0][0])
        except OutOfTime:
            yield
            approximate.append(name)
            counts[name] = _highest(snapshot, table)
        except Unread:
            approximate.append(name)
            counts[name] = 0
    yield
    events = _event_bytes(snapshot, counts.get("events", 0))
    yield
    tables = (*schema.session_tables, *schema.data_tables)
    newest = max((_newest(snapshot, schema, table) for table in tables), default=0)
    return Counts(counts, approximate, events, _page_bytes(snapshot), newest)


def _ids(snapshot: Snapshot, table: str) -> Pieces[set[str]]:
    rows = yield from table_rows(snapshot, table, ['"id"'], [])
    return {str(row[1]) for row in rows}


def _highest(snapshot: Snapshot, table: str) -> int:
    return int(snapshot.rows(f'SELECT max(rowid) FROM "{table}"')[0][0] or 0)


def _page_bytes(snapshot: Snapshot) -> int:
    try:
        return int(snapshot.rows("PRAGMA page_count")[0][0]) * int(snapshot.rows("PRAGMA page_size")[0][0])
    except (OutOfTime, Unread):
        return 0


def _newest(snapshot: Snapshot, schema: Schema, table: str) -> int:
    if "time_updated" not in schema.tables.get(table, ()):
        return 0
    try:
        rows = snapshot.rows(f'SELECT time_updated FROM "{table}" ORDER BY rowid DESC LIMIT {NEWEST_ROWS}')
    except (OutOfTime, Unread):
        return 0
    return max((milliseconds(time) for (time,) in rows), default=0)


def _event_bytes(snapshot: Snapshot, count: int) -> int:
    """About what the JSON of all events takes, from some of them: adding up all would read the greater part of the
    file."""
    if not count:
        return 0
    marks = ", ".join("?" * EVENT_SAMPLES)
    try:
        # Another tool may have emptied it since it was counted.
        newest = _highest(snapshot, "event")
        places: list[Any] = [1 + newest * number // EVENT_SAMPLES for number in range(EVENT_SAMPLES)]
        sql = f"SELECT avg(length(CAST(data AS BLOB))) FROM event WHERE rowid IN ({marks})"
        average = snapshot.rows(sql, places)[0][0]
    except (OutOfTime, Unread):
        return 0
    return round((average or 0) * count)
