"""A todo list with the state of each item, from the arguments of `todowrite`."""

from __future__ import annotations

from typing import Any

from tui.render.cards.fields import todos
from tui.render.glyphs import mark
from tui.render.lines import Line
from tui.text import sanitize

_STATES = {"completed": "completed", "in_progress": "tool", "pending": "idle", "cancelled": "cancelled"}
"""opencode's word for an item (tool/todo.ts) -> the state whose glyph it gets."""
_ROLES = {"completed": "dim", "in_progress": "strong", "cancelled": "dim"}


def todo_lines(text: str) -> list[Line] | None:
    """`{"todos": [...]}` as a count and one line an item; None when the text is something else."""
    items = todos(text)
    if items is None:
        return None
    states = [item.get("status") for item in items]
    count = f"{states.count('completed')} of {len(items)} done"
    if "cancelled" in states:
        count += f", {states.count('cancelled')} cancelled"
    lines: list[Line] = [[(count, "dim")], []]
    return lines + [_item(item) for item in items]


def _item(item: dict[str, Any]) -> Line:
    status, priority = str(item.get("status") or "pending"), str(item.get("priority") or "")
    look = mark(_STATES.get(status, "idle"))
    content = sanitize.label(str(item.get("content") or ""), sanitize.LINE_LIMIT)
    line = [(f"{look.glyph} ", look.role), (content, _ROLES.get(status, "text"))]
    if status not in _STATES or status == "cancelled":
        line.append((f"  {sanitize.label(status)}", "dim"))
    if priority and priority != "medium":
        line.append((f"  {sanitize.label(priority)}", "warn" if priority == "high" else "dim"))
    return line
