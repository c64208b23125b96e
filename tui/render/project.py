"""A project: its heading in the tree, and its card in the detail."""

from __future__ import annotations

from tui.model.nodes import Key
from tui.model.projects import Sum, directory, name
from tui.model.rollup import subtree, total
from tui.model.state import session_state
from tui.model.store import Store
from tui.model.urgency import WAITING, WORKING
from tui.moments import date_and_time
from tui.render import numbers
from tui.render.glyphs import GLYPHS
from tui.render.labelled import row, usage_lines
from tui.render.lines import Line, Span
from tui.render.tree_row import Cells


def project_cells(key: Key, sums: Sum) -> Cells:
    """What a heading says: the project, where it is, how many sessions it has, what they do and cost together."""
    words: list[Span] = [(name(key), "heading"), (f"  {directory(key)}", "dim")]
    glyph, role = " ", "dim"
    note: list[Span] = [(f"  {numbers.plural(sums.trees, 'session')}", "dim")]
    # What is urgent comes first: a narrow tree cuts the end.
    for count, word in ((sums.running, "running"), (sums.waiting, "waiting")):
        if count:
            glyph, _, role = GLYPHS.states[word]
            note.insert(0, (f"  {glyph} {count} {word}", role))
    return Cells(glyph, role, words, {"cost": numbers.money(sums.cost)}, False, note)


def project_card(store: Store, key: Key, now_us: int) -> list[Line]:
    """The facts of a project: of all its sessions, whatever the filter in the tree."""
    home = directory(key)
    sessions = [session for session in store.sessions.values() if session.cwd == home]
    trees = [one for one in sessions if store.is_top((one.source, one.id))]
    names = [session_state(store, one, now_us).name for one in sessions]
    sums = [subtree(store, tree) for tree in trees]
    lines: list[Line] = [
        [(name(key), "strong")],
        [(home, "dim")],
        [],
        row("sessions", f"{len(trees):,}", (f"   {sum(one.sessions for one in sums):,} with sub-agents", "dim")),
    ]
    for word, states in (("running", WORKING), ("waiting", WAITING), ("failed", frozenset({"failed"}))):
        count = sum(one in states for one in names)
        if count:
            look = GLYPHS.states[word]
            lines.append(row(word, (f"{look.glyph} {count:,}", look.role)))
    cost = numbers.money(sum(one.cost for one in sums))
    lines += [row("money", cost)] if cost else []
    lines += usage_lines(total([one.usage for one in sums]))
    newest = max((one.last_ts for one in sums), default=0)
    return [*lines, row("last", date_and_time(newest))] if newest else lines
