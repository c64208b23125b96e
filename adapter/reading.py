"""Reads the rows of sessions, messages and parts; one oversized row never hides the others."""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from adapter.connection import ROW_LIMIT_BYTES, Row, Snapshot
from adapter.decoding import decode_message, decode_part
from adapter.errors import RowTooLarge
from adapter.mapping.ops import PartRow
from adapter.mapping.turn import order_parts
from adapter.rows import Malformed, Message, RawRow, SessionRow, milliseconds, session_row
from adapter.rows_v2 import SessionMessage, decode_session_message
from adapter.schema import MESSAGE_COLUMNS, PART_COLUMNS, SESSION_MESSAGE_COLUMNS, Schema

TOO_LARGE = Malformed("too large", f"a row over {ROW_LIMIT_BYTES >> 20} MB is not read")


class MessageRow(msgspec.Struct, frozen=True):
    """A message row with its JSON decoded and its parts in order. A row of session_message has a `seq` and no parts;
    `at` is its time where that is not before the rows of lower seq, else theirs (ms)."""

    row: RawRow
    message: Message | SessionMessage | Malformed
    parts: list[PartRow]
    seq: int = -1
    at: int = -1

    @property
    def place(self) -> tuple[int, int, str]:
        """Sorts messages: those of 1.x by (time_created, id), rows of session_message by seq, both together by time."""
        return (self.row.time_created if self.at < 0 else self.at, self.seq, self.row.id)


class RawSession(msgspec.Struct, frozen=True):
    """What one transaction read of a session: its own row (None when it is gone); rows of message, part and
    session_message undecoded, each with whether its data was too large to read."""

    session: SessionRow | None
    messages: list[tuple[Row, bool]]
    parts: list[tuple[Row, bool]]
    session_messages: list[tuple[Row, bool]]

    @property
    def size(self) -> int:
        """How many rows were read beside the session's own."""
        return len(self.messages) + len(self.parts) + len(self.session_messages)

    @property
    def message_ids(self) -> set[str]:
        """The ids of all messages, of both kinds."""
        return {_name(columns[0]) for columns, _ in (*self.messages, *self.session_messages)}

    def __add__(self, more: RawSession) -> RawSession:
        """This and what was read later, whose session row is the newer one."""
        return RawSession(
            more.session,
            self.messages + more.messages,
            self.parts + more.parts,
            self.session_messages + more.session_messages,
        )


async def read_sessions(
    snapshot: Snapshot, schema: Schema, where: str = "", values: Sequence[Any] = ()
) -> list[SessionRow]:
    """Session rows, all or those of a WHERE clause."""
    return [session_row(row) for row in await snapshot.rows(f"{schema.sessions} {where}".strip(), values)]


async def read_session(snapshot: Snapshot, schema: Schema, session_id: str) -> RawSession:
    """One session whole. No ORDER BY: sorting in SQLite copies the JSON (12 against 32-48 ms for 5,000 parts)."""
    raw = await _session_only(snapshot, schema, session_id)
    tables = shelf_tables(schema, raw.session)
    if "message" in tables:
        # Asked for at once: each answer that is waited for costs two changes of thread.
        messages, parts = await asyncio.gather(
            _data_rows(snapshot, "message", MESSAGE_COLUMNS, "session_id = ?", session_id),
            _data_rows(snapshot, "part", PART_COLUMNS, "session_id = ?", session_id),
        )
        raw.messages.extend(messages)
        raw.parts.extend(parts)
    if "session_message" in tables:
        raw.session_messages.extend(await _session_messages(snapshot, schema, "session_id = ?", session_id))
    return raw


async def read_messages(snapshot: Snapshot, schema: Schema, session_id: str, ids: Iterable[str]) -> RawSession:
    """The session's row and just these messages with their parts, each by an index."""
    raw = await _session_only(snapshot, schema, session_id)
    tables = shelf_tables(schema, raw.session)
    for message_id in ids:
        if "message" in tables:
            raw.messages.extend(await _data_rows(snapshot, "message", MESSAGE_COLUMNS, "id = ?", message_id))
            raw.parts.extend(await _data_rows(snapshot, "part", PART_COLUMNS, "message_id = ?", message_id))
        if "session_message" in tables:
            raw.session_messages.extend(await _session_messages(snapshot, schema, "id = ?", message_id))
    return raw


async def message_ids(snapshot: Snapshot, schema: Schema, session_id: str) -> list[str]:
    """The ids of a session's messages, wherever they are."""
    ids: dict[str, None] = {}
    for table in ("message", "session_message"):
        if table in schema.tables:
            rows = await snapshot.rows(f"SELECT id FROM {table} WHERE session_id = ?", (session_id,))
            ids.update((_name(row[0]), None) for row in rows)
    return list(ids)


def shelf_tables(schema: Schema, session: SessionRow | None) -> set[str]:
    """Which of `message` and `session_message` hold the messages of a session."""
    shelf = session.shelf if session else "both"
    shelves = {"v1": {"message"}, "v2": {"session_message"}}.get(shelf, {"message", "session_message"})
    return shelves & schema.tables.keys()


async def _session_only(snapshot: Snapshot, schema: Schema, session_id: str) -> RawSession:
    sessions = await read_sessions(snapshot, schema, "WHERE id = ?", (session_id,))
    return RawSession(sessions[0] if sessions else None, [], [], [])


async def _session_messages(snapshot: Snapshot, schema: Schema, where: str, value: str) -> list[tuple[Row, bool]]:
    """Rows of session_message. Before 1.17 the table has no seq, and what it holds of messages was a trial that doubled
    the real ones: then only the switches of agent and model are read."""
    if "seq" in schema.tables["session_message"]:
        return await _data_rows(snapshot, "session_message", SESSION_MESSAGE_COLUMNS, where, value)
    columns = [column for column in SESSION_MESSAGE_COLUMNS if column != "seq"]
    rows = await _data_rows(snapshot, "session_message", columns, f"{where} AND type LIKE '%-switched'", value)
    return [((*row[:3], 0, *row[3:]), too_large) for row, too_large in rows]


async def _data_rows(
    snapshot: Snapshot, table: str, columns: Sequence[str], where: str, value: str
) -> list[tuple[Row, bool]]:
    """Rows with their data, and whether the data was too large to read."""
    # As bytes: SQLite gives the JSON as it lies there, and the decoder reads UTF-8; a str would be made in between.
    names = ", ".join(f'"{column}"' for column in columns[:-1]) + ', CAST("data" AS BLOB)'
    try:
        return [(row, False) for row in await snapshot.rows(f'SELECT {names} FROM "{table}" WHERE {where}', (value,))]
    except RowTooLarge:
        pass
    heads = ", ".join(f'"{column}"' for column in columns[:-1])
    out: list[tuple[Row, bool]] = []
    for row in await snapshot.rows(f'SELECT {heads} FROM "{table}" WHERE {where}', (value,)):
        try:
            data = (await snapshot.rows(f'SELECT CAST("data" AS BLOB) FROM "{table}" WHERE id = ?', (row[0],)))[0]
            out.append(((*row, *data), False))
        except RowTooLarge:
            out.append(((*row, None), True))
    return out


def decode_rows(raw: RawSession) -> Iterator[MessageRow]:
    """Decodes what was read, message by message, in the order that `MessageRow.place` says. Parts whose message row is
    not there are left out, and so are rows of session_message with the id of a message."""
    messages = _decode_messages(raw)
    if not raw.session_messages:
        return messages
    known = {_name(columns[0]) for columns, _ in raw.messages}
    others = [item for item in _decode_session_messages(raw.session_messages) if item.row.id not in known]
    return heapq.merge(messages, others, key=lambda item: item.place)


def _decode_messages(raw: RawSession) -> Iterator[MessageRow]:
    parts: defaultdict[str, list[tuple[Row, bool]]] = defaultdict(list)
    for found in raw.parts:
        parts[_name(found[0][1])].append(found)
    rows = []
    for columns, too_large in raw.messages:
        identifier, session_id = _name(columns[0]), _name(columns[1])
        created, updated = milliseconds(columns[2]), milliseconds(columns[3])
        rows.append((RawRow(identifier, identifier, session_id, created, updated, columns[4]), too_large))
    rows.sort(key=lambda item: (item[0].time_created, item[0].id))
    for row, too_large in rows:
        message = TOO_LARGE if too_large else decode_message(_data(row.data))
        yield MessageRow(row, message, order_parts([_part_row(row, part, big) for part, big in parts.pop(row.id, ())]))


def _part_row(message: RawRow, columns: Row, too_large: bool) -> PartRow:
    part_id, _, _, created, updated, data = columns
    created, updated = milliseconds(created), milliseconds(updated)
    row = RawRow(_name(part_id), message.id, message.session_id, created, updated, data)
    return PartRow(row, TOO_LARGE if too_large else decode_part(_data(data)))


def _decode_session_messages(rows: list[tuple[Row, bool]]) -> list[MessageRow]:
    out: list[MessageRow] = []
    at = 0
    for columns, too_large in sorted(rows, key=lambda item: (_seq(item[0][3]), _name(item[0][0]))):
        identifier = _name(columns[0])
        created, updated = milliseconds(columns[4]), milliseconds(columns[5])
        data = _data(columns[6])
        row = RawRow(identifier, identifier, _name(columns[1]), created, updated, data)
        message = TOO_LARGE if too_large else decode_session_message(_name(columns[2]), data)
        at = max(at, created)
        out.append(MessageRow(row, message, [], _seq(columns[3]), at))
    return out


def _seq(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _name(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _data(value: Any) -> str | bytes | None:
    return value if isinstance(value, str | bytes) or value is None else str(value)
