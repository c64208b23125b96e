"""A payload as a document to look at, by how it is to be read: its *look*.

| look | what it is |
|---|---|
| terminal | what a command or a tool printed |
| diff | a unified diff |
| markdown | what a model wrote |
| plain | what a person wrote |
| fields | the arguments of a call: one field a paragraph, texts as they are |
| json | JSON as it is, indented |
| todo | a todo list |
| question | what opencode asks, with the choices |
| task | the answer of a sub-agent |
| attachment | a file that came with a prompt or a result |
| "" | fields when it is a JSON object, else terminal |

`read` does what needs the whole text and is meant for the worker thread; what it returns costs nothing until a line is
asked for.
"""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_right
from urllib.parse import unquote_to_bytes

import msgspec

from tui.render import numbers
from tui.render.cards.fields import fields
from tui.render.cards.questions import question_lines
from tui.render.cards.todo import todo_lines
from tui.render.lines import Line
from tui.render.text.diff import Diff
from tui.render.text.document import Document, Painted, spans_of
from tui.render.text.folding import Foldable
from tui.render.text.markdown import Markdown
from tui.render.text.terminal import Terminal
from tui.text import sanitize
from tui.text.raw_lines import FEED

FIELDS_LIMIT = 2_000_000
"""Characters of JSON that are taken apart into fields; building more Python objects would hold everything up."""

Shown = Document | Painted
"""What `read` gives: lines that can be broken to a width."""

_DIFF_STARTS = ("diff --git", "--- ", "Index: ")
_JSON_TOKEN = re.compile(
    r'("(?:[^"\\]|\\.){0,2000}")(?=\s*:)|("(?:[^"\\]|\\.){0,2000}")'
    r"|(?<![\w\"])(-?\d[\d.eE+-]*|true|false|null)\b|([{}\[\],:])"
)
_JSON_ROLES = ("key", "text", "accent", "dim")
_FIELD = re.compile(r"^([A-Za-z_][\w.-]*)(  .*|)$")
_TASK = re.compile(r"<task_result>\n?(.*?)\n?</task_result>", re.DOTALL)


class Json(Foldable):
    """Indented JSON: keys, numbers and punctuation stand out."""

    ends = FEED

    def paint(self, row: int) -> Line:
        return paint_json(self.lines[row])


class Fields(Foldable):
    """The text that `fields` makes; what is JSON in it can be folded."""

    ends = FEED

    def __init__(self, lines: sanitize.Lines, size: int) -> None:
        super().__init__(lines, size)
        # Strings of more than one line are indented and whole fields of JSON are not.
        self._begins = [row for row, text in enumerate(lines.raw) if text in ("{", "[")]
        self._ends = [row for row, text in enumerate(lines.raw) if text in ("}", "]")]

    @property
    def foldable(self) -> bool:
        return bool(self._begins)

    def opens(self, row: int) -> bool:
        begun = bisect_right(self._begins, row)
        return begun > 0 and bisect_right(self._ends, row) < begun and super().opens(row)

    def paint(self, row: int) -> Line:
        text = self.lines[row]
        if text.startswith(("+ ", "- ")):
            return [(text, "added" if text[0] == "+" else "removed")]
        if match := _FIELD.match(text):
            return [(match[1], "key"), (match[2], "text")]
        return paint_json(text) if text.startswith(("  ", "{", "}", "[", "]")) else [(text, "text")]

    def hanging(self, index: int) -> int:
        return 2


def read(text: str, look: str = "") -> Shown:
    """A payload text as a document."""
    if look == "diff" or (look in ("", "terminal") and text.startswith(_DIFF_STARTS)):
        return Diff.read(text)
    if look == "markdown":
        return Markdown.read(text)
    if look == "task":
        return Markdown.read(_answer_of_task(text))
    if look == "attachment":
        return _attachment(text)
    if look == "plain":
        return Document.read(text)
    if look == "todo" and (lines := todo_lines(text)) is not None:
        return Painted(lines)
    if look == "question" and (lines := question_lines(text)) is not None:
        return Painted(lines)
    if look in ("json", "fields", "todo", "question") or (look == "" and text[:1] in ("{", "[")):
        return _json(text, look != "json")
    return Terminal.read(text)


def _json(text: str, as_fields: bool) -> Document:
    if as_fields and len(text) <= FIELDS_LIMIT and (unfolded := fields(text)) is not None:
        return Fields.read(unfolded)
    try:
        indented = msgspec.json.format(text, indent=2)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Document.read(text)
    return Json.read(indented)


def paint_json(text: str) -> Line:
    """One line of indented JSON with roles, by what the line itself shows."""
    if len(text) > 4000:
        return [(text, "text")]
    return spans_of(text, _JSON_TOKEN, _JSON_ROLES, "text")


def _answer_of_task(text: str) -> str:
    """What a sub-agent answered, without opencode's wrapping (tool/task.ts); all of the text where there is none."""
    found = _TASK.findall(text)
    return "\n\n".join(found) if found else text


def _attachment(text: str) -> Shown:
    """A `data:` URL as what is in it: text is shown, of anything else its type and size; other text as it is."""
    if not text.startswith("data:"):
        return Terminal.read(text)
    head, _, body = text[5:].partition(",")
    mime = sanitize.label(head.split(";")[0], 80) or "text/plain"
    try:
        data = base64.b64decode(body, validate=False) if head.endswith(";base64") else unquote_to_bytes(body)
    except (binascii.Error, ValueError):
        return Painted([[(f"{mime}, not decodable, {numbers.size(len(body))} of text", "warn")]])
    if mime.startswith("text/") or mime in ("application/json", "application/xml"):
        return Terminal.read(data.decode("utf-8", "replace"))
    return Painted([[(f"{mime}, {numbers.size(len(data))}: not text, not shown", "dim")]])
