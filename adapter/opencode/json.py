"""The JSON of message and part rows -> typed rows. Nothing here raises, whatever the bytes."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from adapter.opencode.v1.rows import NO_METADATA, Malformed, Message, Metadata, Part

METADATA_DECODER: msgspec.json.Decoder[Metadata] = msgspec.json.Decoder(Metadata)
MESSAGE_DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
PART_DECODER: msgspec.json.Decoder[Part] = msgspec.json.Decoder(Part)
HEAD_KEYS = {"message": "role", "part": "type"}
KNOWN = {
    "message": {"user", "assistant"},
    "part": {
        "text", "reasoning", "file", "agent", "subtask", "step-start", "step-finish", "patch", "snapshot",
        "compaction", "retry", "tool",
    },
}  # fmt: skip


def decode_message(data: str | bytes | None) -> Message | Malformed:
    """The JSON of a message row. Never raises."""
    try:
        return MESSAGE_DECODER.decode(data or b"")
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        mended: Message | Malformed = _mend(MESSAGE_DECODER, "message", data, error)
        return mended


def decode_part(data: str | bytes | None) -> Part | Malformed:
    """The JSON of a part row. Never raises."""
    try:
        return PART_DECODER.decode(data or b"")
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        mended: Part | Malformed = _mend(PART_DECODER, "part", data, error)
        return mended


def decode_metadata(raw: msgspec.Raw) -> Metadata:
    """The metadata of a tool call; an empty one when it is no JSON object. Never raises."""
    try:
        return METADATA_DECODER.decode(raw) if raw else NO_METADATA
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return NO_METADATA


def _mend(decoder: msgspec.json.Decoder[Any], table: str, data: str | bytes | None, error: Exception) -> Any:
    if not data:
        return Malformed("empty data", f"a {table} row without data")
    mended = mended_text(data)
    if mended is None:
        return _diagnose(table, data, str(error))
    try:
        return decoder.decode(mended)
    except (msgspec.MsgspecError, RecursionError) as again:
        return _diagnose(table, mended, str(again))


def mended_text(data: str | bytes) -> bytes | None:
    """The same JSON with each lone `\\udXXX` as `?` and bytes that are no UTF-8 as U+FFFD, None when that is not what
    is wrong with it.

    JavaScript writes lone surrogates when it cuts a string in the middle of an emoji, as opencode does with the tail
    of a live bash output; msgspec refuses them.
    """
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    if "\\ud" not in text.lower():
        return text.encode() if "\ufffd" in text else None
    try:
        return json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return None


def _diagnose(table: str, data: str | bytes, error: str) -> Malformed:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as broken:
        return Malformed("broken JSON", str(broken))
    if not isinstance(value, dict):
        return Malformed("unexpected shape", f"a {table} that is not a JSON object")
    head = value.get(HEAD_KEYS[table])
    if not isinstance(head, str) or head not in KNOWN[table]:
        noun = "role" if table == "message" else "part type"
        return Malformed(f"unknown {noun}", repr(head)[:80])
    return Malformed("unexpected shape", f"{head}: {error}")
