"""`opencode-sqlite://` references: how a text in the database is named. Pure: nothing is read here.

A reference is `opencode-sqlite://?part_id=prt_...&field=state.output`, or with `message_id=`, or for a message of 2.x
with `session_message_id=`; both values are percent-encoded. `field` is a path into the row's JSON: keys and list
positions separated by dots; an empty field is the whole row.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from adapter.contract import BadReference, Hit

SCHEME = "opencode-sqlite"
WAITING = ("session_pending", "session_inbox")
TABLES = {"part_id": "part", "message_id": "message", "session_message_id": "session_message"}


class Reference(msgspec.Struct, frozen=True):
    """A parsed reference: the table, the row's id, the path of the field."""

    table: str
    row_id: str
    field: str


def build(key: str, row_id: str, field: str) -> str:
    """The reference to a field; `key` is one of TABLES."""
    # opencode's own ids need no quoting, and quoting takes longer than all the rest.
    if not (row_id.isascii() and row_id.isidentifier()):
        row_id = quote(row_id, safe="")
    return f"{SCHEME}://?{key}={row_id}&field={_quoted_field(field)}"


def of_hit(hit: Hit) -> str:
    """The reference to the text that holds a hit, "" for the title of a session, which has none."""
    if not hit.message_id:
        return ""
    if hit.part_id and ":" not in hit.part_id:
        return build("part_id", hit.part_id, hit.field)
    return build("session_message_id" if hit.part_id else "message_id", hit.message_id, hit.field)


@lru_cache(maxsize=256)
def _quoted_field(field: str) -> str:
    return quote(field, safe="")


def parse(uri: str) -> Reference:
    """Takes a reference apart. Raises BadReference when it is not one of ours."""
    try:
        parts = urlsplit(uri)
        query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise BadReference(f"not a payload reference ({error}): {uri[:120]!r}") from None
    keys = [key for key in TABLES if key in query]
    if parts.scheme != SCHEME or len(keys) != 1 or any(len(v) != 1 for v in query.values()):
        raise BadReference(f"not a payload reference: {uri[:120]!r}; expected {SCHEME}://?part_id=...&field=...")
    return Reference(TABLES[keys[0]], query[keys[0]][0], query.get("field", [""])[0])


NODE_OF_2X = re.compile(r"([^:]+):([a-z]+)(\d*)")


def places(reference: Reference) -> list[Reference]:
    """Where the row of a reference can be, the likeliest first: events name a message of 2.x as any message, and a
    piece of it (`msg_...:tool2`, `msg_...:step`; mapping/v2_content.py) as if it were a part."""
    if reference.table == "session_message":
        # A prompt waits in another table, under the same id.
        return [reference, *(Reference(table, reference.row_id, reference.field) for table in WAITING)]
    if reference.table == "message":
        return [reference, Reference("session_message", reference.row_id, reference.field)]
    node = NODE_OF_2X.fullmatch(reference.row_id) if reference.table == "part" else None
    if node is None:
        return [reference]
    path = f"{'files' if node[2] == 'file' else 'content'}.{node[3]}" if node[3] else ""
    field = f"{path}.{reference.field}" if path and reference.field else path or reference.field
    return [reference, Reference("session_message", node[1], field)]
