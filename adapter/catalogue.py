"""Looks at all sessions at once: their rows, how each one ended, how many rows there are."""

from __future__ import annotations

import msgspec

from adapter.connection import Reader, Row, Snapshot
from adapter.errors import DeadlineExceeded, RowTooLarge
from adapter.rows import AssistantMessage, Malformed, Message, decode_message
from adapter.schema import SESSION_COLUMNS, Schema

OPEN_ENDS = (None, "", "tool-calls", "unknown")
"""`finish` values after which opencode normally goes on by itself."""


class Counts(msgspec.Struct, frozen=True):
    """Rows by plural table name; those in `approximate` are upper bounds."""

    counts: dict[str, int]
    approximate: list[str]


async def all_sessions(snapshot: Snapshot, schema: Schema) -> list[Row]:
    """Every session row, undecoded, newest activity first."""
    return await snapshot.rows(f"{schema.select('session', SESSION_COLUMNS)} ORDER BY time_updated DESC")


async def last_message(snapshot: Snapshot, session_id: str) -> Message | Malformed | None:
    """The newest message of a session; None when it has none. About 15 µs by the index of 1.2.27 and later."""
    try:
        rows = await snapshot.rows(
            "SELECT data FROM message WHERE session_id = ? ORDER BY time_created DESC, id DESC LIMIT 1", (session_id,)
        )
    except RowTooLarge:
        return Malformed("too large", "the newest message")
    return decode_message(rows[0][0]) if rows else None


def ended_cleanly(message: Message | Malformed) -> bool:
    """Whether nothing can be going on behind this newest message."""
    if not isinstance(message, AssistantMessage) or message.time is None or message.time.completed is None:
        return False
    return message.finish not in OPEN_ENDS


async def count_rows(reader: Reader, schema: Schema) -> Counts:
    """Counts each table in its own transaction; one that takes too long gives its highest rowid, an upper bound."""
    counts: dict[str, int] = {}
    approximate = []
    for table in ("session", "message", "part", "event"):
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
    return Counts(counts, approximate)
