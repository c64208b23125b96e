"""A line of the results of a search: the heading of a session, or a hit in its context."""

from __future__ import annotations

import re

from adapter.contract import Hit
from adapter.pattern import Pattern
from tui.model.records import Session
from tui.model.tree.sorting import project
from tui.render.lines import Line, Span, fit, marked, pad, width_of
from tui.text import sanitize

KIND = 10
"""Cells of what a text is."""
BEFORE = 0.3
"""Share of the room that what stands before a hit may take."""
_SPACE = re.compile(r"\s+")


def heading(session: Session | None, session_id: str, count: int, age: str, width: int) -> Line:
    """The session above its hits: title, then how many, of which agent, where, how long ago."""
    name = session.name if session is not None else sanitize.label(session_id)
    words = [f"{count:,}"]
    if session is not None:
        words += [session.host, session.agent, project(session.cwd), age]
    if width < 60:
        words = [words[0], words[-1]]
    right = "  ".join(filter(None, words))
    title = fit(name, max(10, width - width_of([(right, "dim")]) - 4))
    gap = max(2, width - 1 - width_of([(title + right, "dim")]) - 1)
    return [(f" {title}", "strong"), (" " * gap, "dim"), (right, "dim")]


def hit_line(hit: Hit, pattern: Pattern, width: int) -> Line:
    """A hit: what the text is, and the hit in the middle of its context, marked."""
    more = f" +{hit.count - 1:,}" if hit.count > 1 else ""
    room = max(10, width - KIND - 3 - len(more) - 1)
    match = _plain(hit.match)
    before = _plain(hit.before).lstrip()
    most = max(int(room * BEFORE), room - width_of([(match + _plain(hit.behind), "text")]))
    cut = len(hit.before) < hit.at
    while before and width_of([(before, "text")]) > most - 1:
        before, cut = before[max(1, len(before) - most + 1) :], True
    behind = _plain(hit.behind)
    spans: list[Span] = [("…" if cut else "", "dim"), *_marked(before, pattern), (match, "match")]
    spans += _marked(behind, pattern)
    kind = "bad" if hit.kind == "error" else "dim"
    return [("  ", "dim"), (pad(hit.kind, KIND), kind), *_cut(spans, room), (more, "dim")]


def _plain(text: str) -> str:
    return sanitize.line(_SPACE.sub(" ", text))


def _marked(text: str, pattern: Pattern) -> Line:
    ranges = pattern.ranges(text)
    return marked([(text, "text")], ranges, "match") if ranges else [(text, "text")]


def _cut(spans: Line, room: int) -> Line:
    """The spans in exactly so many cells; a … where there is more."""
    is_cut = width_of(spans) > room
    left = room - is_cut
    found: list[Span] = []
    for text, role in spans:
        shown = text if width_of([(text, role)]) <= left else fit(text, left + 1).removesuffix("…") if left > 0 else ""
        found.append((shown, role))
        left -= width_of([(shown, role)])
        if shown != text:
            break
    if is_cut:
        found.append(("…", "dim"))
    return [*found, (" " * max(0, left), "text")]
