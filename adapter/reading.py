"""Reads the rows of sessions, messages and parts; one oversized row never hides the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from adapter.connection import ROW_LIMIT_BYTES, Row, Snapshot
from adapter.errors import RowTooLarge
from adapter.mapping.ops import PartRow
from adapter.mapping.turn import order_parts
from adapter.rows import Malformed, Message, RawRow, SessionRow, decode_message, decode_part, milliseconds, session_row
from adapter.schema import MESSAGE_COLUMNS, PART_COLUMNS, SESSION_COLUMNS, Schema

TOO_LARGE = Malformed("too large", f"a row over {ROW_LIMIT_BYTES >> 20} MB is not read")


class MessageRow(msgspec.Struct, frozen=True):
    """A message row with its JSON decoded and its parts in order."""

    row: RawRow
    message: Message | Malformed
    parts: list[PartRow]


class RawSession(msgspec.Struct, frozen=True):
    """What one transaction read of a session: its own row (None when it is gone), message and part rows undecoded."""

    session: SessionRow | None
    messages: list[tuple[Row, bool]]
    parts: list[tuple[Row, bool]]


async def read_sessions(
    snapshot: Snapshot, schema: Schema, where: str = "", values: Sequence[Any] = ()
) -> list[SessionRow]:
    """Session rows, all or those of a WHERE clause."""
    select = schema.select("session", SESSION_COLUMNS)
    return [session_row(row) for row in await snapshot.rows(f"{select} {where}".strip(), values)]


async def read_session(snapshot: Snapshot, schema: Schema, session_id: str) -> RawSession:
    """One session whole. No ORDER BY: sorting in SQLite copies the JSON (12 against 32-48 ms for 5,000 parts)."""
    sessions = await read_sessions(snapshot, schema, "WHERE id = ?", (session_id,))
    messages = await _data_rows(snapshot, "message", MESSAGE_COLUMNS, "session_id = ?", session_id)
    parts = await _data_rows(snapshot, "part", PART_COLUMNS, "session_id = ?", session_id)
    return RawSession(sessions[0] if sessions else None, messages, parts)


async def read_messages(snapshot: Snapshot, schema: Schema, session_id: str, ids: Iterable[str]) -> RawSession:
    """The session's row and just these messages with their parts, each by an index."""
    sessions = await read_sessions(snapshot, schema, "WHERE id = ?", (session_id,))
    messages: list[tuple[Row, bool]] = []
    parts: list[tuple[Row, bool]] = []
    for message_id in ids:
        messages += await _data_rows(snapshot, "message", MESSAGE_COLUMNS, "id = ?", message_id)
        parts += await _data_rows(snapshot, "part", PART_COLUMNS, "message_id = ?", message_id)
    return RawSession(sessions[0] if sessions else None, messages, parts)


async def _data_rows(
    snapshot: Snapshot, table: str, columns: Sequence[str], where: str, value: str
) -> list[tuple[Row, bool]]:
    """Rows with their data, and whether the data was too large to read."""
    names = ", ".join(f'"{column}"' for column in columns)
    try:
        return [(row, False) for row in await snapshot.rows(f'SELECT {names} FROM "{table}" WHERE {where}', (value,))]
    except RowTooLarge:
        pass
    heads = ", ".join(f'"{column}"' for column in columns[:-1])
    out: list[tuple[Row, bool]] = []
    for row in await snapshot.rows(f'SELECT {heads} FROM "{table}" WHERE {where}', (value,)):
        try:
            data = (await snapshot.rows(f'SELECT data FROM "{table}" WHERE id = ?', (row[0],)))[0]
            out.append(((*row, *data), False))
        except RowTooLarge:
            out.append(((*row, None), True))
    return out


def decode_rows(raw: RawSession) -> list[MessageRow]:
    """Decodes what was read, messages by (time_created, id) as opencode orders them. Parts whose message row is not
    there are left out; `orphans` counts them."""
    by_message: dict[str, list[PartRow]] = {}
    for columns, too_large in raw.parts:
        row = RawRow(
            _name(columns[0]),
            _name(columns[1]),
            _name(columns[2]),
            milliseconds(columns[3]),
            milliseconds(columns[4]),
            columns[5],
        )
        part = TOO_LARGE if too_large else decode_part(_data(columns[5]))
        by_message.setdefault(row.message_id, []).append(PartRow(row, part))
    out = []
    for columns, too_large in raw.messages:
        identifier = _name(columns[0])
        row = RawRow(
            identifier, identifier, _name(columns[1]), milliseconds(columns[2]), milliseconds(columns[3]), columns[4]
        )
        message = TOO_LARGE if too_large else decode_message(_data(columns[4]))
        out.append(MessageRow(row, message, order_parts(by_message.pop(identifier, []))))
    out.sort(key=lambda item: (item.row.time_created, item.row.id))
    return out


def _name(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _data(value: Any) -> str | bytes | None:
    return value if isinstance(value, str | bytes) or value is None else str(value)
