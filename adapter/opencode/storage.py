"""A session's rows, wherever they are: `message` and `part` (v1), `session_message` (v2), or both. Read in pieces,
then decoded without a database.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from adapter.contract import Damaged
from adapter.opencode.json import Malformed
from adapter.opencode.queries import one_session
from adapter.opencode.rows import RawRow, SessionRow, raw_message, raw_part, session_row
from adapter.opencode.schema import Schema
from adapter.opencode.sessions import MAX_DEPTH
from adapter.opencode.v1 import queries as v1
from adapter.opencode.v1.mapping import order_parts
from adapter.opencode.v1.ops import PartRow
from adapter.opencode.v1.rows import Message, decode_cut_call, decode_message, decode_part
from adapter.opencode.v2 import queries as v2
from adapter.opencode.v2.rows import SessionMessage, decode_session_message
from adapter.sqlite.reader import Pieces, Row, Snapshot
from adapter.sqlite.rows import DAMAGED, Lost, Missing

LONG = 60
"""Messages from which on a session has a beginning."""
BEGINNING = 20
"""Messages of a beginning: 100 rows of the tree."""


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
    """What was read of a session: its own row (None when it is gone); rows of message, part and session_message
    undecoded, with Missing for what could not be read; and what was lost of it. `unreadable` says why nothing but the
    row could be read."""

    columns: Row | None
    messages: list[Row] = []
    parts: list[Row] = []
    session_messages: list[Row] = []
    lost: list[Lost] = []
    unreadable: str = ""

    @property
    def session(self) -> SessionRow | None:
        """The session's own row."""
        return session_row(self.columns) if self.columns else None

    @property
    def size(self) -> int:
        """How many rows were read beside the session's own."""
        return len(self.messages) + len(self.parts) + len(self.session_messages)

    @property
    def message_ids(self) -> set[str]:
        """The ids of all messages, of both kinds."""
        return {_name(columns[0]) for columns in (*self.messages, *self.session_messages)}


def tables_of(schema: Schema, storage: str) -> set[str]:
    """Which of `message` and `session_message` hold the messages of a session with this storage."""
    tables = {"v1": {"message"}, "v2": {"session_message"}}.get(storage, {"message", "session_message"})
    return tables & schema.tables.keys()


def read_whole(snapshot: Snapshot, schema: Schema, session_id: str) -> Pieces[RawSession]:
    """A session whole."""
    lost: list[Lost] = []
    columns = yield from one_session(snapshot, schema, session_id, lost)
    if columns is None:
        return RawSession(None, lost=lost)
    tables = tables_of(schema, columns[-1])
    try:
        messages, parts = (yield from v1.whole(snapshot, session_id, lost)) if "message" in tables else ([], [])
        in_order = (yield from v2.whole(snapshot, schema, session_id, lost)) if "session_message" in tables else []
    except Damaged:
        return RawSession(columns, lost=lost, unreadable=DAMAGED.why)
    return RawSession(columns, messages, parts, in_order, lost)


def read_beginning(snapshot: Snapshot, schema: Schema, session_id: str) -> Pieces[RawSession | None]:
    """The first messages of a long session, None of any other, and where they are not easily had: what fills a screen
    need not wait for the 60 ms that 5,000 parts take."""
    columns = yield from one_session(snapshot, schema, session_id, [])
    tables = tables_of(schema, columns[-1]) if columns is not None else set()
    ids = v1.first(snapshot, session_id, LONG) if "message" in tables else []
    in_order = v2.first(snapshot, schema, session_id, LONG) if "session_message" in tables else []
    if (ids and in_order) or len(ids or in_order) < LONG:
        # Those of two tables are in order when all of them are there.
        return None
    yield
    raw = yield from read_some(snapshot, schema, session_id, (ids or in_order)[:BEGINNING])
    return None if raw.lost or raw.unreadable else raw


def parents_above(snapshot: Snapshot, schema: Schema, row: SessionRow | None) -> Pieces[dict[str, str | None]]:
    """The parents of a session, of its parent and so on, as far as `root_of` looks: to read those of all sessions for
    each of 2,000 would be most of the work."""
    found: dict[str, str | None] = {}
    while row is not None and row.id not in found:
        found[row.id] = row.parent_id
        if not row.parent_id or len(found) > MAX_DEPTH:
            break
        columns = yield from one_session(snapshot, schema, row.parent_id, [])
        row = session_row(columns) if columns else None
    return found


def read_page(snapshot: Snapshot, schema: Schema, session_ids: Sequence[str]) -> Pieces[list[RawSession]]:
    """Several sessions whole, in the order of their ids."""
    pages: list[RawSession] = []
    for session_id in session_ids:
        pages.append((yield from read_whole(snapshot, schema, session_id)))
        if snapshot.overdue:
            yield
    return pages


def read_some(snapshot: Snapshot, schema: Schema, session_id: str, message_ids: Iterable[str]) -> Pieces[RawSession]:
    """The session's row and just these messages with their parts."""
    lost: list[Lost] = []
    columns = yield from one_session(snapshot, schema, session_id, lost)
    if columns is None:
        return RawSession(None, lost=lost)
    tables = tables_of(schema, columns[-1])
    ids = list(message_ids)
    try:
        messages, parts = (yield from v1.some(snapshot, session_id, ids, lost)) if "message" in tables else ([], [])
        in_order = (yield from v2.some(snapshot, schema, session_id, ids, lost)) if "session_message" in tables else []
    except Damaged:
        return RawSession(columns, lost=lost, unreadable=DAMAGED.why)
    return RawSession(columns, messages, parts, in_order, lost)


def read_lists(
    snapshot: Snapshot, schema: Schema, session_id: str, storage: str
) -> Pieces[dict[str, list[tuple[str, object]]]]:
    """Ids and times of a session's messages and their parts, by message. Raises Damaged."""
    tables = tables_of(schema, storage)
    found = (yield from v2.lists(snapshot, schema, session_id)) if "session_message" in tables else {}
    if "message" in tables:
        found |= yield from v1.lists(snapshot, session_id)
    return found


def content_of(raw: RawSession) -> dict[str, int]:
    """A number for each message that differs when any byte of its rows does (64 bit, per process)."""
    sums: defaultdict[str, int] = defaultdict(int)
    for row in raw.session_messages:
        sums[_name(row[0])] += hash(row)
    for row in raw.messages:
        sums[_name(row[0])] += hash(row)
    for row in raw.parts:
        if (message_id := _name(row[1])) in sums:
            sums[message_id] += hash(row)
    return {message_id: value & 0xFFFF_FFFF_FFFF_FFFF for message_id, value in sums.items()}


def decoded(kind: str, data: Any, decode: Any) -> Any:
    """The JSON of a row, or what is wrong with it."""
    # Not isinstance: one that fails takes 0.2 µs of a struct, and nearly all would.
    return Malformed(kind_of_gap(data), f"a {kind} {data.why}") if type(data) is Missing else decode(data)


def kind_of_gap(gap: Missing) -> str:
    """The kind of warning for a value that could not be read."""
    return "damaged" if gap.why == DAMAGED.why else "too large"


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
        # One whose ids cannot be read belongs to nothing; it is among what was lost.
        if type(columns[0]) is not Missing and type(columns[1]) is not Missing:
            parts[_name(columns[1])].append(columns)
    rows = []
    for identifier, session_id, created, updated, data in raw.messages:
        row = raw_message(identifier, session_id, created, updated)
        rows.append((row.time_created, row.id, row, data))
    rows.sort(key=itemgetter(0, 1))
    for _, name, row, data in rows:
        own = order_parts([_part_row(row, columns) for columns in parts.pop(name, ())])
        yield MessageRow(row, decoded("message", data, decode_message), own)


def _part_row(message: RawRow, columns: Row) -> PartRow:
    part_id, _, session_id, created, updated, data = columns
    row = raw_part(message, part_id, session_id, created, updated)
    if type(data) is not Missing:
        return PartRow(row, decode_part(data))
    if data.head:
        return PartRow(row, decoded("part", data, decode_part), decode_cut_call(data.head, data.tail), data.size)
    return PartRow(row, decoded("part", data, decode_part))


def _decode_session_messages(rows: list[Row]) -> list[MessageRow]:
    out: list[MessageRow] = []
    at = 0
    for columns in sorted(rows, key=lambda columns: (_seq(columns[3]), _name(columns[0]))):
        identifier, session_id, kind, seq, created, updated, data = columns
        row = raw_message(identifier, session_id, created, updated)
        message = decoded("session_message", data, lambda raw, kind=kind: decode_session_message(_name(kind), raw))
        at = max(at, row.time_created)
        out.append(MessageRow(row, message, [], _seq(seq), at))
    return out


def _seq(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _name(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
