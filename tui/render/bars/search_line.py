"""The line that says how far a search is, and what it has found."""

from __future__ import annotations

from tui.model.search.results import MOST, Results
from tui.render.lines import Line, Span
from tui.render.numbers import plural
from tui.text import sanitize

CELLS = 12
"""Cells of the bar."""


def progress(results: Results, keys: str) -> Line:
    """A bar with what has been looked through, and what was found; what is wrong with the words comes first. `keys` is
    the key that stops it."""
    if results.problem:
        return [(f" {sanitize.label(results.problem)}", "warn")]
    if results.pattern is None:
        return [(' words, "some words", re:expression; in every text of every session, newest first', "dim")]
    found: list[Span] = [(" ", "dim"), *_bar(results)]
    found.append((f" {results.looked:,} of {plural(results.total, 'session')}", "text"))
    hits = f"{results.found:,} found in {results.sessions:,}" if results.found else "nothing found"
    if results.running:
        hits = hits if results.found else "nothing yet"
        found += [(f", {hits}   ", "accent"), (keys, "key"), (" stops", "dim")]
    else:
        found.append((f", {hits}", "accent" if results.found else "warn"))
    if results.full:
        found.append((f"  more than {MOST:,}: only these are shown", "warn"))
    elif results.reason:
        found.append((f"  {sanitize.label(results.reason)}", "warn"))
    if results.lost:
        found.append((f"  {len(results.lost):,} could not be read: {sanitize.label(results.lost[0])}", "warn"))
    return found


def _bar(results: Results) -> Line:
    share = results.looked / results.total if results.total else 1.0
    cells = CELLS if not results.running and not results.reason else min(CELLS, int(share * CELLS))
    return [("━" * cells, "active"), ("─" * (CELLS - cells), "dim")]
