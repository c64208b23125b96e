"""What the filter says: chips in the heading, and the hint under the line in which it is typed."""

from __future__ import annotations

from collections.abc import Sequence

from tui.model.filter.active_filter import Finder
from tui.model.filter.language import FIELDS, FORMS
from tui.model.tree.sorting import ORDERS, Arrangement
from tui.render.lines import Line, Span

GRAMMAR = " ".join((*FIELDS, *FORMS))


def chips(finder: Finder) -> Line:
    """The terms of the filter that is on, a word that was looked for letter by letter with a `~`."""
    spans: list[Span] = []
    for term in finder.found.terms:
        loosely = "~" if term.word and term.word in finder.found.loosely else ""
        spans += [(" ", "dim"), (f"{loosely}{term.source}", "bad" if term.problem else "key")]
    return spans


def order(how: Arrangement) -> Line:
    """In which order the trees stand, where it is not the usual one."""
    words = ["project"] if how.grouping == "projects" else []
    words += [how.order] if how.order != ORDERS[0] else []
    return [(f" by {' and '.join(words)}", "accent")] if words else []


def count(finder: Finder, total: int) -> Line:
    """How many of the top-level sessions match or have something below them that does, of how many there are."""
    if not finder.on:
        return [(f" Sessions {total:,}", "dim")]
    found = len(finder.trees)
    return [(" Sessions ", "dim"), (f"{found:,}", "strong" if found else "warn"), (f" of {total:,}", "dim")]


def hint(finder: Finder, choices: Sequence[str]) -> Line:
    """What is wrong, else what tab would make of the word, else the whole grammar."""
    if not finder.text:
        return [(f" {GRAMMAR}", "dim")]
    if finder.found.blame:
        return [(f" {finder.found.blame}", "warn")]
    found = len(finder.matches)
    spans: list[Span] = [(f" {found:,} sessions match" if found != 1 else " 1 session matches", "accent")]
    if finder.found.loosely:
        spans.append((f" only letter by letter: no title holds {', '.join(finder.found.loosely)}", "warn"))
    if choices:
        spans += [("   tab: ", "dim"), ("  ".join(choices[:12]), "text")]
    return spans
