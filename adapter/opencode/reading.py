"""Reads the rows of sessions, messages and parts; one oversized row never hides the others."""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from adapter.contract import RowTooLarge
from adapter.opencode.schema import MESSAGE_COLUMNS, PART_COLUMNS, SESSION_MESSAGE_COLUMNS, Schema
from adapter.opencode.v1.mapping import order_parts
from adapter.opencode.v1.ops import PartRow
from adapter.opencode.v1.rows import (
    Malformed,
    Message,
    RawRow,
    SessionRow,
    decode_message,
    decode_part,
    milliseconds,
    session_row,
)
from adapter.opencode.v2.rows import SessionMessage, decode_session_message
from adapter.sqlite.reader import ROW_LIMIT_BYTES, Row, Snapshot

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
    session_message undecoded, TOO_LARGE standing for data that was not read."""

    session: SessionRow | None
    messages: list[Row]
    parts: list[Row]
    session_messages: list[Row]

    @property
    def size(self) -> int:
        """How many rows were read beside the session's own."""
        return len(self.messages) + len(self.parts) + len(self.session_messages)

    @property
    def message_ids(self) -> set[str]:
        """The ids of all messages, of both kinds."""
        return {_name(columns[0]) for columns in (*self.messages, *self.session_messages)}

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


async def read_whole(snapshot: Snapshot, schema: Schema, ids: Sequence[str]) -> list[RawSession]:
    """Sessions whole, in the order of their ids.

    All rows of a table by one statement, because each answer costs two changes of thread. No ORDER BY: sorting in
    SQLite copies the JSON (12 against 32-48 ms for 5,000 parts).
    """
    marks = ", ".join("?" * len(ids))
    found = {row.id: row for row in await read_sessions(snapshot, schema, f"WHERE id IN ({marks})", ids)}
    whole = {session_id: RawSession(found.get(session_id), [], [], []) for session_id in ids}
    shelves = {session_id: shelf_tables(schema, raw.session) for session_id, raw in whole.items()}
    where = f"session_id IN ({marks})"
    if any("message" in tables for tables in shelves.values()):
        messages, parts = await asyncio.gather(
            _data_rows(snapshot, "message", MESSAGE_COLUMNS, where, ids),
            _data_rows(snapshot, "part", PART_COLUMNS, where, ids),
        )
        for row in messages:
            if "message" in shelves[row[1]]:
                whole[row[1]].messages.append(row)
        for row in parts:
            if "message" in shelves[row[2]]:
                whole[row[2]].parts.append(row)
    if any("session_message" in tables for tables in shelves.values()):
        for row in await _session_messages(snapshot, schema, where, ids):
            if "session_message" in shelves[row[1]]:
                whole[row[1]].session_messages.append(row)
    return list(whole.values())


async def read_messages(snapshot: Snapshot, schema: Schema, session_id: str, ids: Iterable[str]) -> RawSession:
    """The session's row and just these messages with their parts, each by an index."""
    raw = await _session_only(snapshot, schema, session_id)
    tables = shelf_tables(schema, raw.session)
    for message_id in ids:
        if "message" in tables:
            raw.messages.extend(await _data_rows(snapshot, "message", MESSAGE_COLUMNS, "id = ?", (message_id,)))
            raw.parts.extend(await _data_rows(snapshot, "part", PART_COLUMNS, "message_id = ?", (message_id,)))
        if "session_message" in tables:
            raw.session_messages.extend(await _session_messages(snapshot, schema, "id = ?", (message_id,)))
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


async def _session_messages(snapshot: Snapshot, schema: Schema, where: str, values: Sequence[str]) -> list[Row]:
    """Rows of session_message. Before 1.17 the table has no seq, and what it holds of messages was a trial that doubled
    the real ones: then only the switches of agent and model are read."""
    if "seq" in schema.tables["session_message"]:
        return await _data_rows(snapshot, "session_message", SESSION_MESSAGE_COLUMNS, where, values)
    columns = [column for column in SESSION_MESSAGE_COLUMNS if column != "seq"]
    rows = await _data_rows(snapshot, "session_message", columns, f"{where} AND type LIKE '%-switched'", values)
    return [(*row[:3], 0, *row[3:]) for row in rows]


async def _data_rows(
    snapshot: Snapshot, table: str, columns: Sequence[str], where: str, values: Sequence[str]
) -> list[Row]:
    """Rows with their data, the last column; TOO_LARGE stands for data that SQLite refuses to hand out."""
    # As bytes: SQLite gives the JSON as it lies there, and the decoder reads UTF-8; a str would be made in between.
    names = ", ".join(f'"{column}"' for column in columns[:-1]) + ', CAST("data" AS BLOB)'
    try:
        return await snapshot.rows(f'SELECT {names} FROM "{table}" WHERE {where}', values)
    except RowTooLarge:
        pass
    heads = ", ".join(f'"{column}"' for column in columns[:-1])
    out: list[Row] = []
    for row in await snapshot.rows(f'SELECT {heads} FROM "{table}" WHERE {where}', values):
        try:
            data = (await snapshot.rows(f'SELECT CAST("data" AS BLOB) FROM "{table}" WHERE id = ?', (row[0],)))[0]
            out.append((*row, *data))
        except RowTooLarge:
            out.append((*row, TOO_LARGE))
    return out


def decode_rows(raw: RawSession) -> Iterator[MessageRow]:
    """Decodes what was read, message by message, in the order that `MessageRow.place` says. Parts whose message row is
    not there are left out, and so are rows of session_message with the id of a message."""
    messages = _decode_messages(raw)
    if not raw.session_messages:
        return messages
    known = {_name(columns[0]) for columns in raw.messages}
    others = [item for item in _decode_session_messages(raw.session_messages) if item.row.id not in known]
    return heapq.merge(messages, others, key=lambda item: item.place)


def _decode_messages(raw: RawSession) -> Iterator[MessageRow]:
    parts: defaultdict[str, list[Row]] = defaultdict(list)
    for columns in raw.parts:
        parts[_name(columns[1])].append(columns)
    rows = []
    for identifier, session_id, created, updated, data in raw.messages:
        name = _name(identifier)
        rows.append((milliseconds(created), name, _name(session_id), milliseconds(updated), data))
    rows.sort(key=itemgetter(0, 1))
    for at, name, session_id, updated, data in rows:
        row = RawRow(name, name, session_id, at, updated)
        own = order_parts([_part_row(row, columns) for columns in parts.pop(name, ())])
        yield MessageRow(row, data if data is TOO_LARGE else decode_message(data), own)


def _part_row(message: RawRow, columns: Row) -> PartRow:
    part_id, _, _, created, updated, data = columns
    row = RawRow(_name(part_id), message.id, message.session_id, milliseconds(created), milliseconds(updated))
    return PartRow(row, data if data is TOO_LARGE else decode_part(data))


def _decode_session_messages(rows: list[Row]) -> list[MessageRow]:
    out: list[MessageRow] = []
    at = 0
    for columns in sorted(rows, key=lambda columns: (_seq(columns[3]), _name(columns[0]))):
        identifier, session_id, kind, seq, created, updated, data = columns
        name, created = _name(identifier), milliseconds(created)
        row = RawRow(name, name, _name(session_id), created, milliseconds(updated))
        message = data if data is TOO_LARGE else decode_session_message(_name(kind), data)
        at = max(at, created)
        out.append(MessageRow(row, message, [], _seq(seq), at))
    return out


def _seq(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _name(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
