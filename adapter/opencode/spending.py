"""What sessions cost, step by step, without their texts: of a message who gave it, its tokens and its money, of a call
the name of its tool.

The same figures as the events have (`v1/mapping.py`, `v2/mapping.py`), read for a tenth of what those take: of a part
only its head is looked at, because opencode writes the type of a part and the name of a tool before what it said.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from adapter.contract import Damaged, OutOfTime, Spending, SpentStep
from adapter.opencode import tools
from adapter.opencode.json import FAULTS, Malformed
from adapter.opencode.queries import all_sessions, one_session
from adapter.opencode.rows import Tokens, milliseconds, raw_message, session_row
from adapter.opencode.schema import Schema
from adapter.opencode.sessions import recorded_usage
from adapter.opencode.storage import tables_of
from adapter.opencode.tokens import money, usage_of
from adapter.opencode.v1.queries import IN_SESSION
from adapter.opencode.v1.rows import AssistantMessage, ToolPart, decode_message, decode_part
from adapter.opencode.v2.rows import Assistant, Compaction, Model, ToolItem, decode_item, decode_session_message
from adapter.sqlite.reader import Pieces, Row, Snapshot
from adapter.sqlite.rows import Lost, Missing, rows_of

HEAD = 256
"""Bytes of a part that say what it is: names of tools are short, ids of calls 30 bytes."""
MESSAGE = ('"id"', '"session_id"', '"time_created"', '"time_updated"', 'CAST("data" AS BLOB)')
PART = ('"message_id"', f'substr(CAST("data" AS BLOB), 1, {HEAD})')
WHOLE_PART = 'SELECT CAST("data" AS BLOB) FROM part WHERE rowid = ?'
STEP = ('"id"', '"session_id"', '"type"', '"time_created"', '"time_updated"', 'CAST("data" AS BLOB)')
STEPS_2X = "session_id = ? AND type IN ('assistant', 'compaction')"

CALL = re.compile(rb'\{"type":"tool",(?:"callID":"[^"\\]*",)?"tool":"([^"\\]*)"')
NO_CALL = re.compile(rb'\{"type":"(?!tool")[a-z-]+"')
COMPACTION = "compaction"
"""The agent of a summary, as the events name it."""


class Kind(msgspec.Struct, frozen=True, gc=False):
    """What a piece of an answer of 2.x is, and what a call in it is named."""

    type: str | None = None
    name: str | None = None


KIND: msgspec.json.Decoder[Kind] = msgspec.json.Decoder(Kind)


def read_spending(
    snapshot: Snapshot, schema: Schema, session_ids: Iterable[str], calls: bool
) -> Pieces[list[Spending]]:
    """What these sessions cost, those that are there; without `calls` no part is read."""
    found: list[Spending] = []
    for session_id in session_ids:
        columns = yield from one_session(snapshot, schema, session_id, [])
        if columns is not None:
            found.append((yield from _one(snapshot, schema, session_id, columns, calls)))
        if snapshot.overdue:
            yield
    return found


def _one(snapshot: Snapshot, schema: Schema, session_id: str, columns: Row, calls: bool) -> Pieces[Spending]:
    row = session_row(columns)
    recorded = recorded_usage(row)
    tables, lost = tables_of(schema, row.storage), list[Lost]()
    steps: dict[str, SpentStep] = {}
    unread = 0
    try:
        if "message" in tables:
            unread += yield from _of_1x(snapshot, session_id, calls, steps, lost)
        # Before 1.17 what the table holds of messages was a trial that doubled the real ones.
        if "session_message" in tables and "seq" in schema.tables["session_message"]:
            unread += yield from _of_2x(snapshot, session_id, calls, steps, lost)
    except Damaged:
        unread += 1
    return Spending(
        session_id,
        list(steps.values()),
        recorded[0] if recorded else None,
        recorded[1] if recorded else None,
        unread + len(lost),
    )


def _of_1x(
    snapshot: Snapshot, session_id: str, calls: bool, steps: dict[str, SpentStep], lost: list[Lost]
) -> Pieces[int]:
    """The steps of `message`; how many rows cannot be understood."""
    unread = 0
    rows = yield from rows_of(snapshot, "message", MESSAGE, "session_id = ?", (session_id,), lost)
    named = (yield from _calls(snapshot, session_id, lost)) if calls else {}
    for _, identifier, owner, created, updated, data in rows:
        # The column may compare without case or as numbers; an id is exact.
        if owner != session_id or isinstance(data, Missing):
            continue
        message = decode_message(data)
        if isinstance(message, Malformed):
            unread += 1
        elif isinstance(message, AssistantMessage):
            row = raw_message(identifier, owner, created, updated)
            at = milliseconds(message.time.created if message.time else None, row.time_created)
            who = (message.modelID or "", message.providerID or "", message.agent or message.mode or "")
            steps[row.id] = _step(row.id, at, who, message.tokens, message.cost, named.get(row.id, ()))
    return unread


def _calls(snapshot: Snapshot, session_id: str, lost: list[Lost]) -> Pieces[dict[str, list[str]]]:
    """The tools that each message of a session called, by the names that they have here."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    odd: list[tuple[int, str]] = []
    for rowid, message_id, head in (yield from rows_of(snapshot, "part", PART, IN_SESSION, (session_id,), lost)):
        if isinstance(message_id, Missing):
            continue
        if isinstance(head, Missing):
            head = head.head
        call = CALL.match(head or b"")
        if call is not None:
            found[str(message_id)].append(tools.tool_of(call[1].decode("utf-8", "replace") or "?").name)
        elif head and NO_CALL.match(head) is None:
            odd.append((rowid, str(message_id)))
    for rowid, message_id in odd:
        name = yield from _called(snapshot, rowid)
        if name:
            found[message_id].append(name)
    return found


def _called(snapshot: Snapshot, rowid: int) -> Pieces[str]:
    """The tool of a part that does not say in its head what it is, "" where it is no call."""
    while True:
        try:
            rows = snapshot.rows(WHOLE_PART, (rowid,))
            break
        except OutOfTime:
            snapshot.be_patient()
        except Damaged:
            return ""
        yield
    part = decode_part(rows[0][0]) if rows else None
    return tools.tool_of(part.tool or "?").name if isinstance(part, ToolPart) else ""


def _of_2x(
    snapshot: Snapshot, session_id: str, calls: bool, steps: dict[str, SpentStep], lost: list[Lost]
) -> Pieces[int]:
    """The steps of `session_message`, but for those with the id of a message; how many cannot be understood."""
    unread = 0
    rows = yield from rows_of(snapshot, "session_message", STEP, STEPS_2X, (session_id,), lost)
    known = frozenset(steps)
    for _, identifier, owner, kind, created, updated, data in rows:
        if owner != session_id or isinstance(data, Missing) or isinstance(kind, Missing):
            continue
        row = raw_message(identifier, owner, created, updated)
        message = decode_session_message(str(kind), data)
        if row.id in known:
            continue
        if not isinstance(message, Assistant | Compaction):
            unread += isinstance(message, Malformed)
            continue
        at = milliseconds(message.time.created if message.time else None, row.time_created)
        model = message.model or Model()
        agent, named = COMPACTION, list[str]()
        if isinstance(message, Assistant):
            agent = message.agent or ""
            named = [name for raw in message.content or () if (name := _tool(raw))] if calls else []
        who = (model.id or "", model.providerID or "", agent)
        steps[row.id] = _step(row.id, at, who, message.tokens, message.cost, named)
    return unread


def _tool(raw: msgspec.Raw) -> str:
    """The tool that a piece of an answer calls, "" where it is no call."""
    try:
        kind = KIND.decode(raw)
    except FAULTS:
        item = decode_item(raw)
        return tools.tool_of(item.name or "?").name if isinstance(item, ToolItem) else ""
    return tools.tool_of(kind.name or "?").name if kind.type == "tool" else ""


def _step(
    message_id: str, at_ms: int, who: tuple[str, str, str], tokens: Tokens | None, cost: Any, calls: Sequence[str]
) -> SpentStep:
    model, provider, agent = who
    return SpentStep(
        message_id, at_ms * 1000, model, provider, agent, usage_of(tokens)[0], money(cost)[0], tuple(calls)
    )


def read_spans(snapshot: Snapshot, schema: Schema) -> Pieces[dict[str, tuple[int, int]]]:
    """When the first and the newest message of each session began, µs UTC; of a session without one nothing.

    By the index of 1.2.27 and later alone (15 ms for 25,000 messages); of 2.x by two rows a session.
    """
    found: dict[str, tuple[int, int]] = {}
    if "message" in schema.tables:
        yield from _spans_1x(snapshot, found)
    if "session_message" in schema.tables and "seq" in schema.tables["session_message"]:
        yield from _spans_2x(snapshot, schema, found)
    return found


def _spans_1x(snapshot: Snapshot, found: dict[str, tuple[int, int]]) -> Pieces[None]:
    sql = (
        "SELECT session_id, min(time_created), max(time_created) FROM message "
        "WHERE session_id > ? GROUP BY session_id ORDER BY session_id"
    )
    after = ""
    while True:
        before = after
        try:
            for session_id, first, last in snapshot.stream(sql, (after,)):
                after = session_id
                _widen(found, session_id, first, last)
                if snapshot.overdue:
                    break
            else:
                return
        except OutOfTime:
            if after == before:
                snapshot.be_patient()
        except Damaged:
            # The sessions of which nothing is known are read.
            return
        yield


def _spans_2x(snapshot: Snapshot, schema: Schema, found: dict[str, tuple[int, int]]) -> Pieces[None]:
    try:
        # 1.18 has the table, and nothing in it unless its API was used.
        if not snapshot.rows("SELECT 1 FROM session_message LIMIT 1"):
            return
    except (Damaged, OutOfTime):
        pass
    one = "SELECT time_created FROM session_message WHERE session_id = ? ORDER BY seq {} LIMIT 1"
    for row in (yield from all_sessions(snapshot, schema, [])):
        while True:
            try:
                first = snapshot.rows(one.format("ASC"), (row[0],))
                last = snapshot.rows(one.format("DESC"), (row[0],)) if first else []
                if first and last:
                    _widen(found, row[0], first[0][0], last[0][0])
                break
            except OutOfTime:
                snapshot.be_patient()
            except Damaged:
                break
            yield
        if snapshot.overdue:
            yield


def _widen(found: dict[str, tuple[int, int]], session_id: Any, first: Any, last: Any) -> None:
    """Takes the times (ms) of one table in; a session may have messages in both."""
    if not isinstance(session_id, str):
        return
    begin, end = milliseconds(first) * 1000, milliseconds(last) * 1000
    known = found.get(session_id)
    found[session_id] = (min(begin, known[0]), max(end, known[1])) if known else (begin, end)
