"""Where the cursor is, from the session down to the node, in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from rich.cells import cell_len

from adapter.health import Health
from tui.model.records import Key
from tui.model.store.store import Store
from tui.model.tree import headings
from tui.model.tree.layout import parent_key, shown_session
from tui.model.tree.names import prompt_words, step_name
from tui.render.lines import Line, Span, fit
from tui.render.rows.summaries import op_summary, subject_of
from tui.text import sanitize

_SEPARATOR = " › "
_LEAST = 12
"""Cells that a part keeps before parts in the middle are left out."""


def databases(healths: Sequence[Health]) -> dict[str, str]:
    """What to call each database by its source where there are several: its file's name, with as much of the path as
    tells two of one name apart, and the only one of another machine by that; nothing where there is only one."""
    if len(healths) < 2:
        return {}
    hosts = Counter(health.host for health in healths)
    far = {health.source: sanitize.label(health.host) for health in healths if hosts[health.host] == 1 and health.host}
    paths = {health.source: PurePath(health.path).parts for health in healths if health.source not in far}
    names: dict[str, str] = {}
    for count in range(1, max(map(len, paths.values()), default=0) + 1):
        names = {source: sanitize.label(str(PurePath(*parts[-count:]))) for source, parts in paths.items()}
        if max(Counter(names.values()).values()) == 1:
            break
    return far | names


def breadcrumb(store: Store, key: Key | None, width: int, database: str = "") -> Line:
    """The way to a node, in at most `width` cells: the session and the node itself stay, and in front of them the
    `database` where that is not the only one; what is between gives way."""
    parts: list[str] = []
    current = key
    while current is not None:
        words = _words(store, current)
        if words:
            parts.append(words)
        current = parent_key(store, current)
    parts += [database] if parts and database else []
    parts.reverse()
    first = 2 if database else 1
    dropped = False
    while len(parts) > first + 1 and width < 1 + len(parts) * (_LEAST + len(_SEPARATOR)):
        del parts[first]
        dropped = True
    if dropped:
        parts.insert(first, "…")
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
    if key.kind == "heading":
        home = headings.directory(key)
        return f"{headings.name(key)} in {home}" if home else headings.name(key)
    session = store.session_of(key)
    if session is None:
        return ""
    if key.kind == "session":
        return session.name
    if (prompt := store.prompt(key)) is not None:
        return prompt_words(prompt)
    if (turn := store.turn(key)) is not None:
        return step_name(turn)
    op = store.op(key)
    if op is None:
        return ""
    child = shown_session(store, key)
    if child is not None:
        return f"{op.name or 'task'} {subject_of(op) or child.title}"
    return " ".join("".join(text for text, _ in op_summary(op)).split())
