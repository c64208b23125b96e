"""A text of the database as a person reads it: taken apart where it is JSON, made harmless, nothing cut."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_to_bytes

import msgspec

from tui.commands.export.blocks import Look
from tui.render import numbers
from tui.render.cards.fields import fields, todos
from tui.text import sanitize

_BOXES = {"completed": "[x]", "in_progress": "[>]", "cancelled": "[-]"}


def readable(text: str, look: Look) -> str:
    """A text without what could drive a terminal or turn it around. Lines end with a feed; in a diff, which must still
    apply, with whatever they ended with."""
    if look == "input":
        text = fields(text) or _indented(text)
    elif look == "output" and text[:1] in ("{", "["):
        text = _indented(text)
    elif look == "files":
        text = _names(text)
    elif look == "todo":
        text = _todo(text)
    elif look == "attachment" and text.startswith("data:"):
        text = _attached(text)
    if look != "diff":
        text = text.replace("\r\n", "\n")
    if look == "output":
        text = text.replace("\r", "\n")  # where a terminal would overwrite the line
    return sanitize.outside(text.removesuffix("\n"))


def _indented(text: str) -> str:
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text


def _names(text: str) -> str:
    """The files of a patch part: a JSON array of names (session/processor.ts)."""
    try:
        return "\n".join(msgspec.json.decode(text, type=list[str]))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _indented(text)


def _todo(text: str) -> str:
    items = todos(text)
    if items is None:
        return _indented(text)
    lines = []
    for item in items:
        status, priority = str(item.get("status") or "pending"), str(item.get("priority") or "")
        more = f"  ({priority})" if priority and priority != "medium" else ""
        lines.append(f"{_BOXES.get(status, '[ ]')} {' '.join(str(item.get('content') or '').split())}{more}")
    return "\n".join(lines)


def _attached(text: str) -> str:
    """A `data:` URL: the text in it, or what it is."""
    head, _, body = text[5:].partition(",")
    mime = head.split(";")[0] or "text/plain"
    try:
        data = base64.b64decode(body, validate=False) if head.endswith(";base64") else unquote_to_bytes(body)
    except (binascii.Error, ValueError):
        return f"({mime}, not decodable)"
    if mime.startswith("text/") or mime in ("application/json", "application/xml"):
        return data.decode("utf-8", "replace")
    return f"({mime}, {numbers.size(len(data))}: not text; an export as JSON holds it)"
