"""What the filter says: chips in the heading, and the hint under the line in which it is typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tui.model.filter.active_filter import Finder
from tui.model.filter.language import FIELDS, FORMS
from tui.model.filter.looking import Looking
from tui.model.filter.reading import Reading
from tui.model.tree.sorting import ORDERS, Arrangement
from tui.render.bars.help import key_name
from tui.render.lines import Line, Span, width_of
from tui.render.numbers import money, plural

GRAMMAR = " ".join((*FIELDS, *FORMS))


def chips(finder: Finder) -> Line:
    """The terms of the filter that is on, a word that was looked for letter by letter with a `~`; one that means
    nothing finds everything, and says that it was left out."""
    spans: list[Span] = []
    for term in finder.found.terms:
        loosely = "~" if term.word and term.word in finder.found.loosely else ""
        spans += [(" ", "dim"), (f"{loosely}{term.source}", "bad" if term.problem else "key")]
        if term.problem:
            spans.append((" ignored", "bad"))
    return spans


def order(how: Arrangement) -> Line:
    """In which order the trees stand, where it is not the usual one."""
    words = ["project"] if how.grouping == "projects" else []
    words += [how.order] if how.order != ORDERS[0] else []
    return [(f" by {' and '.join(words)}", "accent")] if words else []


def count(finder: Finder, total: int, listing: bool = False) -> Line:
    """How many of the top-level sessions match or have something below them that does, of how many there are; with a
    `+` while sessions are still being listed."""
    if not total:
        return [(" Sessions", "dim")]
    all_of_them = f"{total:,}{'+' if listing else ''}"
    if not finder.on:
        return [(f" Sessions {all_of_them}", "dim")]
    found = len(finder.trees)
    return [(" Sessions ", "dim"), (f"{found:,}", "strong" if found else "warn"), (f" of {all_of_them}", "dim")]


def sums(finder: Finder) -> Line:
    """What the trees in sight cost, with a question mark where some cost more or nobody knows yet; and how many
    sessions would have to be read before anybody can say whether they match."""
    if not finder.on:
        return []
    cost, doubts = finder.sum
    spans: list[Span] = [(f"  Σ {money(cost) or '$0'}{'?' if doubts else ''}", "strong")] if finder.trees else []
    how = "looked through" if finder.looks else "read"
    return spans + ([(f"  {len(finder.unread):,} not {how}", "warn")] if finder.unread else [])


def progress(finder: Finder, reading: Reading, looking: Looking, keymap: Mapping[str, str]) -> Line:
    """How far the sessions have been read, or looked through, of which the filter could not say whether they match."""
    words = [_matching(finder)]
    if reading.on:
        words.append(f"{reading.read:,} of {reading.total:,} read")
    if looking.on:
        words.append(f"{looking.looked:,} of {looking.total:,} looked through")
    found = [(f" {', '.join(words)}", "accent")]
    return [*found, ("   ", "dim"), (_key("pane.back", "esc", keymap), "key"), (" stops", "dim")]


def doubt(finder: Finder) -> str:
    """Why what stands there may not be what was meant: a term that is none, or a word that was looked for letter by
    letter; "" for nothing."""
    if finder.found.blame:
        return finder.found.blame
    loosely = finder.found.loosely
    return f"only letter by letter: no title holds {', '.join(loosely)}" if loosely and finder.matches else ""


def hint(finder: Finder, choices: Sequence[str], width: int, keymap: Mapping[str, str]) -> Line:
    """What is wrong, else what was found and what tab would make of the word, else the whole grammar."""
    if not finder.text:
        return [(f" {GRAMMAR}", "dim")]
    if finder.found.blame:
        return [(f" {finder.found.blame}", "warn")]
    found = len(finder.matches)
    spans: list[Span] = [(f" {_matching(finder)}", "accent")]
    if finder.unread:
        done, does = ("looked through", "looks through") if finder.looks else ("read", "reads")
        so_far = f"{found:,} of the {plural(finder.read, 'session')}" if finder.read else "none"
        spans = [(f" {so_far} {done} so far", "warn")]
        key = _key("filter.keep", "enter", keymap)
        spans += [("   ", "dim"), (key, "key"), (f" {does} {len(finder.unread):,} more", "text")]
    if finder.found.loosely:
        spans.append((f" {doubt(finder)}", "warn"))
    return [*spans, *_completions(choices, width - width_of(spans))]


def _matching(finder: Finder) -> str:
    """How many match: as many as the line above counts, and with the sub-agents that do where those are more."""
    trees, found = len(finder.trees), len(finder.matches)
    words = f"{trees:,} sessions match" if trees != 1 else "1 session matches"
    return words if found == trees else f"{words}, {found:,} with sub-agents"


def _completions(choices: Sequence[str], width: int) -> Line:
    """What tab would make of the word: as many as fit whole, and how many more there are."""
    if not choices:
        return []
    label = "   tab: "
    more = f"  +{len(choices)}"
    shown: list[str] = []
    for number, choice in enumerate(choices, 1):
        last = "" if number == len(choices) else more
        if width_of([(label + "  ".join([*shown, choice]) + last, "text")]) > width:
            break
        shown.append(choice)
    left = len(choices) - len(shown)
    if not shown:
        return []
    return [(label, "dim"), ("  ".join(shown), "text"), (f"  +{left}" if left else "", "dim")]


def _key(binding: str, usual: str, keymap: Mapping[str, str]) -> str:
    return key_name(keymap[binding].split(",")[0]) if binding in keymap else usual
