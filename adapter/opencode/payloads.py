"""Reads the text behind an `opencode-sqlite://` reference (see `references.py`)."""

from __future__ import annotations

from typing import Any

import msgspec

from adapter.contract import BadReference, PayloadGone, PayloadText, PayloadUnreadable, Unread
from adapter.opencode.json import begun_text, byte_size, mended_text
from adapter.references import Reference, parse, places
from adapter.sqlite.reader import Reader, Snapshot
from adapter.sqlite.rows import missing


def pick(value: Any, field: str, uri: str) -> Any:
    """The value at a path. Raises BadReference when the row has no such field."""
    for key in field.split(".") if field else ():
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise BadReference(f"the row has no field {field!r} (now): {uri}")
    return value


def cut(text: str, limit: int) -> tuple[str, int, bool]:
    """The text within `limit` UTF-8 bytes, its whole size in bytes, and whether it was cut."""
    size = byte_size(text)
    if size <= limit:
        return text, size, False
    # A character has one byte at least.
    return text[:limit].encode("utf-8", "replace")[:limit].decode("utf-8", "ignore"), size, True


def find(snapshot: Snapshot, reference: Reference) -> tuple[Reference, bytes]:
    """The reference that leads to a row, and the row's JSON: as bytes, because a str of 20 MB would be made only to be
    decoded. Raises PayloadGone or PayloadUnreadable."""
    place, data = _find(snapshot, reference, "CAST({} AS BLOB)")
    return place, data or b""


def _find(snapshot: Snapshot, reference: Reference, what: str) -> tuple[Reference, Any]:
    """The reference that leads to a row, and something of the row; `{}` in `what` is the column of its JSON."""
    tables = {row[0] for row in snapshot.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for place in places(reference):
        if place.table not in tables:
            continue
        try:
            column = what.format(_column(place.table))
            rows = snapshot.rows(f'SELECT {column} FROM "{place.table}" WHERE id = ?', (place.row_id,))
        except Unread as error:
            raise PayloadUnreadable(f"{place.table} {place.row_id}: {missing(error).why}") from None
        if rows:
            return place, rows[0][0]
    raise PayloadGone(f"{reference.table} {reference.row_id} is no longer in the database")


def _column(table: str) -> str:
    return "payload" if table == "session_inbox" else "data"


async def begin(reader: Reader, uri: str) -> str:
    """What the text behind a reference begins with, "" where it does not begin near the beginning of its row: the rest
    of a large one is not even read. Raises as `resolve`."""
    asked = parse(uri)

    def head(snapshot: Snapshot) -> tuple[Reference, bytes]:
        place, rowid = _find(snapshot, asked, "rowid")
        return place, snapshot.ends_of(place.table, _column(place.table), rowid, tail=False)[1]

    reference, data = await reader.call(head, side=True)
    return begun_text(data, reference.field) if reference.field else ""


async def resolve(reader: Reader, uri: str, limit: int) -> PayloadText:
    """Reads one field, at most `limit` bytes of it, by a connection of its own, so that a large text never delays what
    is live. Raises BadReference, PayloadGone, PayloadUnreadable or SourceUnavailable."""
    asked = parse(uri)
    reference, data = await reader.call(lambda snapshot: find(snapshot, asked), side=True)
    if not reference.field:
        text, size, truncated = cut(data.decode("utf-8", "replace"), limit)
        return PayloadText(text, size, truncated, "json")
    try:
        whole = _decoded(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadReference(f"{reference.table} {reference.row_id} holds broken JSON ({error})") from None
    value = pick(whole, reference.field, uri)
    if isinstance(value, str):
        text, size, truncated = cut(value, limit)
        return PayloadText(text, size, truncated, "text")
    text, size, truncated = cut(msgspec.json.encode(value).decode(), limit)
    return PayloadText(text, size, truncated, "json")


def _decoded(data: bytes) -> Any:
    """What the JSON of a row holds, mended as it is for the events (decoding.py). Raises as
    msgspec does."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError):
        mended = mended_text(data)
        if mended is None:
            raise
        return msgspec.json.decode(mended)
