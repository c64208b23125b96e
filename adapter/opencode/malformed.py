"""Rows that are not what their table should hold: told, counted, and skipped."""

from __future__ import annotations

from adapter.events import Event, LogEntry, SourceError
from adapter.opencode.json import Malformed
from adapter.opencode.rows import RawRow

UNREADABLE = ("broken JSON", "empty data", "too large")
"""Kinds of malformed rows of which nothing is known but that they are there."""


def remarks(source: str, row: RawRow, table: str, malformed: Malformed, turn_seq: int = 0) -> list[Event]:
    """What there is to say of a row that is not what its table should hold: a WRN, behind a `source_error` when nothing
    of the row could be read."""
    ts = row.time_created * 1000
    words = f"{malformed.kind}: {malformed.detail}"
    warning = LogEntry(
        source=source,
        ts=ts,
        session_id=row.session_id,
        turn_seq=turn_seq,
        severity="WRN",
        message=words,
        ref=row.id,
    )
    if malformed.kind not in UNREADABLE:
        return [warning]
    return [SourceError(source=source, ts=ts, message=words, table=table, row_id=row.id), warning]
