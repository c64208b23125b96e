"""Has the sessions looked through of which a filter cannot say whether they hold what `text:` and `file:` ask for."""

from __future__ import annotations

from collections import defaultdict

from tui.model.filter.active_filter import Finder
from tui.model.filter.texts import Query


class Looking:
    """`query` is what is being looked for, None for nothing, in the sessions `only`, by source; of `total` sessions
    `looked` have been looked through."""

    def __init__(self, finder: Finder) -> None:
        self.query: Query | None = None
        self.only: dict[str, set[str]] = {}
        self.total = self.looked = 0
        self._finder = finder
        self._left: list[Query] = []

    @property
    def on(self) -> bool:
        """Whether something is being looked for."""
        return self.query is not None

    def begin(self) -> None:
        """Takes all that the filter asks for, one after the other."""
        self._left = list(dict.fromkeys(term.query for term in self._finder.found.terms if term.query is not None))
        self.next()

    def next(self) -> None:
        """Takes the next query of which not all is known, and those sessions that nothing else has ruled out."""
        self.query = None
        while self._left and self.query is None:
            query = self._left.pop(0)
            looked = self._finder.answers.of(query).looked
            only: defaultdict[str, set[str]] = defaultdict(set)
            for source, session_id in self._finder.found.unread:
                if (source, session_id) not in looked:
                    only[source].add(session_id)
            if only:
                self.query, self.only = query, dict(only)
                self.total, self.looked = sum(map(len, only.values())), 0

    def stop(self) -> None:
        """Looks for no more."""
        self.query = None
        self._left.clear()
