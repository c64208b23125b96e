"""How a session that has not been read ended, as its newest rows say. Pure."""

from __future__ import annotations

from adapter.opencode.queries import Ends
from adapter.opencode.rows import RawRow, milliseconds, session_row
from adapter.opencode.sessions import LastAnswer, standing
from adapter.opencode.v1.rows import AssistantMessage, decode_message
from adapter.opencode.v2.mapping import answer_of
from adapter.opencode.v2.rows import Assistant, Idle, decode_session_message
from adapter.sqlite.rows import Missing

OPEN_ENDS = (None, "", "tool-calls", "unknown")
"""`finish` values after which opencode normally goes on by itself."""


def outcome(ends: Ends) -> LastAnswer | None:
    """How the session stands; None when something may be going on behind it, or only the whole session tells."""
    if ends.waits or standing(session_row(ends.session)).claimed:
        return None
    newest, marks = ends.message, ends.in_order
    if marks and (newest is None or milliseconds(marks[0][2]) >= milliseconds(newest[0])):
        return _by_order([_decoded(str(ends.session[0]), row) for row in marks])
    if newest is None:
        return LastAnswer()
    _, updated, data = newest
    if isinstance(data, Missing):
        return None
    message = decode_message(data)
    if not isinstance(message, AssistantMessage):
        return None
    end = milliseconds(message.time.completed if message.time else None)
    if message.error is not None:
        # As the mapping of the whole message has it.
        return LastAnswer(message.error.name or "UnknownError", message.error.message, end or milliseconds(updated))
    return LastAnswer("", "", end) if end and message.finish not in OPEN_ENDS else None


def _decoded(session_id: str, row: tuple[object, ...]) -> tuple[RawRow, object]:
    key, kind, created, updated, data = row
    raw = RawRow(str(key), str(key), session_id, milliseconds(created), milliseconds(updated))
    return raw, decode_session_message(str(kind), data if isinstance(data, str | bytes) else None)


def _by_order(marks: list[tuple[RawRow, object]]) -> LastAnswer | None:
    """As the whole session tells it: an `idle` row is the end, and the step before it says how."""
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
    return answer if answer.error_class or mark is None else mark.given_by(answer)
