"""Looks at all sessions at once: their rows, how each one ended, how many rows there are."""

from __future__ import annotations

import msgspec

from adapter.contract import DeadlineExceeded, RowTooLarge
from adapter.opencode.reading import shelf_tables
from adapter.opencode.schema import Schema
from adapter.opencode.sessions import LastAnswer
from adapter.opencode.v1.rows import AssistantMessage, RawRow, SessionRow, decode_message, milliseconds
from adapter.opencode.v2.mapping import answer_of
from adapter.opencode.v2.rows import Assistant, Idle, decode_session_message
from adapter.sqlite.reader import Reader, Row, Snapshot

EVENT_SAMPLES = 200
OPEN_ENDS = (None, "", "tool-calls", "unknown")
"""`finish` values after which opencode normally goes on by itself."""


class Counts(msgspec.Struct, frozen=True):
    """Rows by plural table name (`sessions` of both families); those in `approximate` are upper bounds. `event_bytes`
    is about what the JSON of the events takes, 0 when not known."""

    counts: dict[str, int]
    approximate: list[str]
    event_bytes: int = 0


async def all_sessions(snapshot: Snapshot, schema: Schema) -> list[Row]:
    """Every session row, undecoded, newest activity first."""
    return await snapshot.rows(f"{schema.sessions} ORDER BY time_updated DESC")


async def newest_roots(snapshot: Snapshot, schema: Schema, count: int) -> list[Row]:
    """The rows of so many sessions without a parent, undecoded, newest activity first."""
    sql = f"SELECT * FROM ({schema.sessions}) WHERE parent_id IS NULL ORDER BY time_updated DESC LIMIT ?"
    return await snapshot.rows(sql, (count,))


async def how_it_ended(snapshot: Snapshot, schema: Schema, session: SessionRow) -> LastAnswer | None:
    """How a session stands, from its newest messages alone; None when something may be going on behind them, or only
    the whole session tells. About 15 µs by the index of 1.2.27 and later."""
    tables = shelf_tables(schema, session)
    newest = await _newest(snapshot, session.id) if "message" in tables else None
    marks = []
    if "session_message" in tables and "seq" in schema.tables["session_message"]:
        marks = await _newest_by_seq(snapshot, session.id)
    if marks and (newest is None or milliseconds(marks[0][0].time_created) >= newest[0]):
        return _end_by_seq(marks)
    if newest is None:
        return LastAnswer()
    message = newest[1]
    if not isinstance(message, AssistantMessage):
        return None
    end = milliseconds(message.time.completed if message.time else None)
    if message.error is not None:
        return LastAnswer(message.error.name or "UnknownError", message.error.message, end)
    return LastAnswer("", "", end) if end and message.finish not in OPEN_ENDS else None


async def _newest(snapshot: Snapshot, session_id: str) -> tuple[int, object] | None:
    sql = "SELECT time_created, data FROM message WHERE session_id = ? ORDER BY time_created DESC, id DESC LIMIT 1"
    try:
        rows = await snapshot.rows(sql, (session_id,))
    except RowTooLarge:
        return 0, None
    return (milliseconds(rows[0][0]), decode_message(rows[0][1])) if rows else None


async def _newest_by_seq(snapshot: Snapshot, session_id: str) -> list[tuple[RawRow, object]]:
    """The last two rows of session_message that are about what goes on, newest first."""
    sql = (
        "SELECT id, type, time_created, time_updated, data FROM session_message WHERE session_id = ? "
        "AND type NOT IN ('system', 'context') AND type NOT LIKE '%-switched' ORDER BY seq DESC LIMIT 2"
    )
    try:
        rows = await snapshot.rows(sql, (session_id,))
    except RowTooLarge:
        return [(RawRow("", "", session_id, 0, 0), None)]
    return [
        (
            RawRow(str(key), str(key), session_id, milliseconds(created), milliseconds(updated)),
            decode_session_message(str(kind), data if isinstance(data, str | bytes) else None),
        )
        for key, kind, created, updated, data in rows
    ]


def _end_by_seq(marks: list[tuple[RawRow, object]]) -> LastAnswer | None:
    """As `TrackedSession.last_answer` finds it: an `idle` row is the end, and the step before it says how."""
    row, message = marks[0]
    mark: LastAnswer | None = None
    if isinstance(message, Idle):
        mark = answer_of(row, message)
        if len(marks) == 1:
            return mark or LastAnswer()
        row, message = marks[1]
    elif isinstance(message, Assistant) and message.error is None and message.finish in OPEN_ENDS:
        return None
    if not isinstance(message, Assistant):
        return None
    answer = answer_of(row, message)
    if answer is None or not answer.end_ms:
        return None
    return answer if answer.error_class or mark is None else mark


async def count_rows(reader: Reader, schema: Schema) -> Counts:
    """Counts each table in its own transaction; one that takes too long gives its highest rowid, an upper bound."""
    counts: dict[str, int] = {}
    approximate = []
    async with reader.snapshot() as snapshot:
        counts["sessions"] = int((await snapshot.rows(f"SELECT count(*) FROM ({schema.sessions})"))[0][0])
    for table in (*schema.data_tables, "event"):
        if table not in schema.tables:
            continue
        name = f"{table}s"
        try:
            async with reader.snapshot() as snapshot:
                counts[name] = int((await snapshot.rows(f"SELECT count(*) FROM {table}"))[0][0])
        except DeadlineExceeded:
            approximate.append(name)
            async with reader.snapshot() as snapshot:
                counts[name] = int((await snapshot.rows(f"SELECT max(rowid) FROM {table}"))[0][0] or 0)
    return Counts(counts, approximate, await _event_bytes(reader, counts.get("events", 0)))


async def _event_bytes(reader: Reader, count: int) -> int:
    """About what the JSON of all events takes, from some of them: adding up all would read the greater part of the
    file."""
    if not count:
        return 0
    marks = ", ".join("?" * EVENT_SAMPLES)
    try:
        async with reader.snapshot() as snapshot:
            # Another tool may have emptied it since it was counted.
            newest = int((await snapshot.rows("SELECT max(rowid) FROM event"))[0][0] or 0)
            places = [1 + newest * number // EVENT_SAMPLES for number in range(EVENT_SAMPLES)]
            sql = f"SELECT avg(length(CAST(data AS BLOB))) FROM event WHERE rowid IN ({marks})"
            average = (await snapshot.rows(sql, places))[0][0]
    except (DeadlineExceeded, RowTooLarge):
        return 0
    return round((average or 0) * count)
