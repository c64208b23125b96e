"""Looks a text up among thousands in three ways, the surest first: its words begin words, stand anywhere, or its
letters come in this order.

Built for a list that is asked anew with every letter: 7,000 titles take 0.1 to 11 ms, because every way stops at the
limit and only what the ways before have left is looked at by the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from tui.model.filter.folding import fold, folded
from tui.model.records import Session
from tui.model.store.store import Store
from tui.model.sums.rollup import subtree

BEGINS, HOLDS, LETTERS = 0.9, 0.6, 0.3
"""How good a find is, by the way in which it was found."""

_NO_WORD = re.compile(r"\W+")
T = TypeVar("T")


class Title(NamedTuple):
    """A text to be found: `text` folded (folded.py), `words` with nothing but a space in front of each of its words."""

    text: str
    words: str


def title(text: str) -> Title:
    """Prepares a text for being looked for."""
    lower = fold(text)
    return Title(lower, " " + _NO_WORD.sub(" ", lower))


def ways(query: str) -> tuple[tuple[float, Callable[[Title], bool]], ...]:
    """The three ways to look for a query, the surest first, each with how good its finds are."""
    words = fold(query).split()
    starts = [" " + word for word in words]
    letters = _letters(query)
    return (
        (BEGINS, lambda one: all(start in one.words for start in starts)),
        (HOLDS, lambda one: all(word in one.text for word in words)),
        (LETTERS, lambda one: letters.match(one.text) is not None),
    )


def search(query: str, known: Iterable[tuple[Title, T]], limit: int) -> Iterator[tuple[float, T]]:
    """At most `limit` of the known, the best first, those that are equally good in the order in which they came."""
    left = list(known)
    for score, holds in ways(query):
        rest = []
        for pair in left:
            if holds(pair[0]):
                yield score, pair[1]
                limit -= 1
                if not limit:
                    return
            else:
                rest.append(pair)
        left = rest


def places(query: str, text: str) -> list[tuple[int, int]]:
    """Where a found text holds the query: its words, else its letters one by one. Begin and end of each."""
    lower, spans = folded(text)
    words = fold(query).split()
    title_of = title(text)
    found: list[tuple[int, int]] = []
    for score, holds in ways(query):
        if not holds(title_of):
            continue
        if score == LETTERS:
            match = _letters(query).match(lower)
            found = [match.span(number + 1) for number in range(match.re.groups)] if match is not None else []
            break
        for word in words:
            begun = re.search(rf"(?<!\w){re.escape(word)}", lower)
            at = begun.start() if begun is not None else lower.find(word)
            if at >= 0:
                found.append((at, at + len(word)))
        break
    return sorted((spans[begin][0], spans[end - 1][1]) for begin, end in found)


def newest_first(store: Store) -> list[Session]:
    """Every session, the one with the newest activity in its tree first."""
    return sorted(store.sessions.values(), key=lambda session: -subtree(store, session).last_ts)


def _letters(query: str) -> re.Pattern[str]:
    letters = [re.escape(letter) for letter in fold(query) if not letter.isspace()]
    return re.compile("".join(f"[^{letter}]*({letter})" for letter in letters))
