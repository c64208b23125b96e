"""The headings in the tree, bands and projects, and their cards in the detail."""

from __future__ import annotations

from collections import Counter

from tui.model.records import Key, SessionKey
from tui.model.status.bands import Band, Need, by_tree, need_of
from tui.model.status.state import own_state
from tui.model.status.table import StateName
from tui.model.store.store import Store
from tui.model.sums.rollup import subtree, total
from tui.model.tree.headings import Sum, band, directory, name
from tui.render import numbers
from tui.render.cards.labelled import row, usage_lines
from tui.render.glyphs import mark
from tui.render.lines import Line, Span
from tui.render.rows.columns import Cells
from tui.text.moments import date_and_time

_COUNTED: tuple[tuple[Need, StateName, str], ...] = (
    ("person", "waiting", "for you"),
    ("stuck", "stalled", "stuck"),
    ("looping", "stalled", "looping"),
    ("work", "tool", "at work"),
)


def heading_cells(key: Key, sums: Sum) -> Cells:
    """What a heading says. A band says its name, and a line sets it off; folded, how many sessions it hides. A project
    says where it is, how many sessions it has, what they do and cost together."""
    if band(key) is not None:
        return Cells("", "dim", [(name(key), "heading")], {}, False, [(f" {sums.trees:,}", "dim")], rule=True)
    words: list[Span] = [(name(key), "heading"), (f"  {directory(key)}", "dim")]
    glyph, role = " ", "dim"
    flags: list[Span] = [(f"  {numbers.plural(sums.trees, 'session')}", "dim")]
    # What is urgent comes first: a narrow tree cuts the end.
    for count, state, word in (
        (sums.running, "tool", "at work"),
        (sums.stuck, "stalled", "stuck"),
        (sums.waiting, "waiting", "for you"),
    ):
        if count:
            look = mark(state)
            glyph, role = look.glyph, look.role
            flags.insert(0, (f"  {glyph} {count} {word}", role))
    return Cells(glyph, role, words, {"cost": numbers.money(sums.cost)}, False, flags)


_BAND_WORDS: dict[Band, str] = {
    "for you": "a question, or probably one for permission; and what has ended and nobody has looked at since",
    "stuck and looping": "marked running and silent for minutes, or the same call over and over",
    "at work": "opencode is at work, or its sub-agents are",
    "earlier": "nothing goes on: idle, done, failed, stopped or left behind",
}


def heading_card(store: Store, key: Key, now_us: int) -> list[Line]:
    """What a heading is about: the meaning of a band, or the facts of a project."""
    shown = band(key)
    if shown is None:
        return _project_card(store, key, now_us)
    return [[(shown, "strong")], [], [(_BAND_WORDS[shown], "text")]]


def _project_card(store: Store, key: Key, now_us: int) -> list[Line]:
    """The facts of a project: of all its sessions, whatever the filter in the tree."""
    home = directory(key)
    sessions = [session for session in store.sessions.values() if session.cwd == home]
    trees = [one for one in sessions if store.is_top(one.key)]
    sums = [subtree(store, tree) for tree in trees]
    lines: list[Line] = [
        [(name(key), "strong")],
        [(home, "dim")],
        [],
        row("sessions", f"{len(trees):,}", (f"   {sum(one.sessions for one in sums):,} with sub-agents", "dim")),
    ]
    needs: dict[SessionKey, Need] = {}
    failed: list[SessionKey] = []
    for one in sessions:
        now = own_state(store, one, now_us)
        if (need := need_of(one, now)) is not None:
            needs[one.source, one.id] = need
        elif now is not None and now.name == "failed":
            failed.append(one.key)
    counts = Counter(by_tree(store, needs).values())
    for need, state, word in _COUNTED:
        if counts[need]:
            look = mark(state)
            lines.append(row(word, (f"{look.glyph} {counts[need]:,}", look.role)))
    if failed:
        look = mark("failed")
        lines.append(row("failed", (f"{look.glyph} {len(set(store.links.tops(failed))):,}", look.role)))
    cost = numbers.money(sum(one.cost for one in sums))
    lines += [row("money", cost)] if cost else []
    lines += usage_lines(total([one.usage for one in sums]))
    newest = max((one.last_ts for one in sums), default=0)
    return [*lines, row("last", date_and_time(newest))] if newest else lines
