"""A payload as lines to look at: sanitised and coloured line by line, and only those lines that are drawn.

`read` does what needs the whole text (splitting, unfolding JSON) and is meant for the worker thread; what it returns
costs nothing until a line is asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, overload

from tui import sanitize
from tui.render.lines import Line, wrap

JSON_LIMIT = 2_000_000
"""Characters of JSON that are unfolded; parsing and printing more would take longer than a person waits."""

WRAP_LIMIT = 300_000
"""Characters that are wrapped to the pane; a longer text scrolls sideways, so that its size costs nothing."""

_JSON_KEY = re.compile(r'^(\s*)("(?:[^"\\]|\\.)*")(\s*:)(.*)$')
_FIELD = re.compile(r"^([A-Za-z_][\w.-]*)(  .*|)$")


class Document(Sequence[Line]):
    """Clean lines and how to colour them (`plain`, `diff`, `json`, `fields`)."""

    def __init__(self, lines: Sequence[str], style: str, size: int) -> None:
        self.lines = lines
        self.style = style
        self.size = size

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, slice):
            return Document(self.lines[index], self.style, self.size)
        return paint(self.lines[index], self.style)

    def wrapped(self, width: int) -> Sequence[Line]:
        """The lines broken at `width` cells when the text is short enough, else this document as it is."""
        if self.size > WRAP_LIMIT:
            return self
        broken: list[Line] = []
        for text in self.lines:
            first, *rest = wrap(text, width)
            line = paint(first, self.style)
            broken.append(line)
            role = line[-1][1] if line else "text"
            broken.extend([(piece, role)] for piece in rest)
        return broken


def read(text: str, payload_format: str, kind: str = "") -> Document:
    """A payload text as a document; `payload_format` and `kind` are the reference's own."""
    if kind == "diff" or payload_format == "diff" or text.startswith(("diff --git", "--- ", "Index: ")):
        return Document(sanitize.lines(text), "diff", len(text))
    if payload_format == "json" or text[:1] in "{[":
        unfolded = fields(text) if len(text) <= JSON_LIMIT else None
        if unfolded is not None:
            return Document(sanitize.lines(unfolded), "fields", len(unfolded))
        return Document(sanitize.lines(text), "json", len(text))
    return Document(sanitize.lines(text), "plain", len(text))


def fields(text: str) -> str | None:
    """The arguments of a call for reading: one field a paragraph, strings as they are and not in JSON's escapes.

    None when the text is no JSON object.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return json.dumps(value, indent=2, ensure_ascii=False)
    paragraphs = [_field(str(name), inner) for name, inner in value.items()]
    return "\n".join(paragraphs)


def _field(name: str, value: Any) -> str:
    if name in ("oldString", "newString") and isinstance(value, str):
        sign = "- " if name == "oldString" else "+ "
        return f"{name}\n" + "\n".join(sign + part for part in value.splitlines())
    if isinstance(value, str):
        if "\n" not in value:
            return f"{name}  {value}"
        return f"{name}\n" + "\n".join("  " + part for part in value.splitlines())
    shown = json.dumps(value, indent=2, ensure_ascii=False)
    return f"{name}  {shown}" if "\n" not in shown else f"{name}\n{shown}"


def paint(text: str, style: str) -> Line:
    """One clean line with roles, by what the line itself shows; no state is carried from line to line."""
    if style == "diff":
        return [(text, _diff_role(text))]
    if style == "fields":
        if text.startswith(("+ ", "- ")):
            return [(text, "added" if text[0] == "+" else "removed")]
        if match := _FIELD.match(text):
            return [(match[1], "key"), (match[2], "text")]
        return _json(text)
    if style == "json":
        return _json(text)
    return [(text, "text")]


def _diff_role(text: str) -> str:
    if text.startswith(("+++", "---", "diff ", "Index: ", "====")):
        return "strong"
    if text.startswith("@@"):
        return "accent"
    return {"+": "added", "-": "removed"}.get(text[:1], "text")


def _json(text: str) -> Line:
    # A pattern over a line of 20 000 characters is only worth it where the key can be near its start.
    match = _JSON_KEY.match(text) if len(text) < 4000 else None
    if match is None:
        return [(text, "text")]
    return [(match[1], "text"), (match[2], "key"), (match[3], "dim"), (match[4], "text")]
