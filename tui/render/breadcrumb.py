"""Where the cursor is, from the session down to the node, in one line."""

from __future__ import annotations

from rich.cells import cell_len

from tui.model import projects
from tui.model.layout import parent_key, shown_session
from tui.model.nodes import Key
from tui.model.store import Store
from tui.render.lines import Line, Span, fit
from tui.render.summaries import op_summary, prompt_words, subject_of

_SEPARATOR = " › "
_LEAST = 12
"""Cells that a part keeps before parts in the middle are left out."""


def breadcrumb(store: Store, key: Key | None, width: int) -> Line:
    """The way to a node, in at most `width` cells: the session and the node itself stay, what is between gives way."""
    parts: list[str] = []
    current = key
    while current is not None:
        words = _words(store, current)
        if words:
            parts.append(words)
        current = parent_key(store, current)
    parts.reverse()
    dropped = False
    while len(parts) > 2 and width < 1 + len(parts) * (_LEAST + len(_SEPARATOR)):
        del parts[1]
        dropped = True
    if dropped:
        parts.insert(1, "…")
    shown = _shrunk(parts, width - 1 - len(_SEPARATOR) * max(0, len(parts) - 1))
    spans: list[Span] = [(" ", "text")]
    for number, part in enumerate(shown):
        spans += [(_SEPARATOR, "dim")] if number else []
        spans.append((part, "text" if number == len(shown) - 1 else "dim"))
    return spans


def _shrunk(parts: list[str], room: int) -> list[str]:
    """The parts cut so that they fit together: the longest are cut first, and to one length."""
    limit = max((cell_len(part) for part in parts), default=0)
    while limit > 4 and sum(min(limit, cell_len(part)) for part in parts) > room:
        limit -= 1
    return [fit(part, limit) for part in parts]


def _words(store: Store, key: Key) -> str:
    if key.kind == "project":
        return f"{projects.name(key)} in {projects.directory(key)}"
    session = store.session_of(key)
    if session is None:
        return ""
    if key.kind == "session":
        return session.name
    if (prompt := store.prompt(key)) is not None:
        return prompt_words(prompt)
    if (turn := store.turn(key)) is not None:
        return f"step {turn.seq}"
    op = store.op(key)
    if op is None:
        return ""
    child = shown_session(store, key)
    if child is not None:
        return f"{op.name or 'task'} {subject_of(op) or child.title}"
    return " ".join("".join(text for text, _ in op_summary(op)).split())
