"""What is known of the terms that only a look through all texts of a session can answer: `text:` and `file:`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from adapter.pattern import BadPattern, parse
from tui.model.records import SessionKey

LOOKED_FOR = {"text": frozenset[str](), "file": frozenset({"file"})}
"""The fields of such terms, with the kinds of texts that are looked through for each; none for all."""
KEPT = 8
"""Answers that are kept: whoever changes the rest of a filter does not wait again."""


class Query(NamedTuple):
    """What is looked for, as `adapter.pattern` has it, in texts of which kinds (all where there are none)."""

    pattern: str
    kinds: frozenset[str]


class Answer:
    """The sessions that have been looked through, each with its newest activity (µs) that was known before, and those
    of them that hold it."""

    def __init__(self) -> None:
        self.looked: dict[SessionKey, int] = {}
        self.found: set[SessionKey] = set()

    def add(self, looked: Mapping[SessionKey, int], found: Collection[SessionKey]) -> None:
        """Takes in what a look through some sessions has found."""
        self.looked.update(looked)
        self.found.difference_update(looked)
        self.found.update(found)


class Answers:
    """The answers to the last few queries."""

    def __init__(self) -> None:
        self._known: dict[Query, Answer] = {}

    def of(self, query: Query) -> Answer:
        """The answer to a query, one that knows nothing yet where it is new."""
        answer = self._known.pop(query, None) or Answer()
        self._known[query] = answer
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        return answer


NO_ANSWERS = Answers()
"""For who only wants to know whether a filter is well formed."""


def query_of(field: str, value: str) -> tuple[Query | None, str]:
    """What a value behind one of these fields asks for, or what is wrong with it."""
    try:
        parse(value)
    except BadPattern as error:
        return None, f"{field}:{value} {error}"
    return Query(value, LOOKED_FOR[field]), ""
