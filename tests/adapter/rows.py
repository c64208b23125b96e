"""Rows as the adapter reads them, made by hand for the pure parts."""

from __future__ import annotations

import json
from typing import Any

from adapter.events import Event
from adapter.follow.tracked import Place, map_row
from adapter.opencode.emit import MappedMessage
from adapter.opencode.rows import RawRow
from adapter.opencode.storage import MessageRow
from adapter.opencode.v1.ops import PartRow
from adapter.opencode.v1.rows import decode_message, decode_part

SOURCE = "opencode:/x.db"


def as_text(data: Any) -> str:
    """JSON of anything but text, which is taken as it is (it may be broken)."""
    return data if isinstance(data, str) else json.dumps(data)


def part_row(part_id: str, data: Any, message_id: str = "msg_1", created: int = 1, updated: int = 1) -> PartRow:
    """A part row, decoded."""
    text = as_text(data)
    return PartRow(RawRow(part_id, message_id, "ses_1", created, updated), decode_part(text))


def message_row(message_id: str, data: Any, parts: list[Any], created: int = 1, updated: int = 0) -> MessageRow:
    """A message row, decoded, with parts named `<message>_<number>`."""
    text = as_text(data)
    rows = [part_row(f"{message_id}_{number}", part, message_id) for number, part in enumerate(parts)]
    row = RawRow(message_id, message_id, "ses_1", created, updated or created)
    return MessageRow(row, decode_message(text), rows)


def mapped(item: MessageRow, turn_seq: int = 1, previous: Any = None) -> MappedMessage:
    """The message through the mapping."""
    return map_row(SOURCE, item, Place(turn_seq, previous, ""))


def events_of(data: Any, parts: list[Any], previous: Any = None) -> list[Event]:
    """All events of one message, in order."""
    groups = mapped(message_row("msg_1", data, parts), previous=previous).groups
    return [event for group in groups.values() for event in group]
