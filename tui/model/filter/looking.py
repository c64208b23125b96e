"""Has the sessions looked through of which a filter cannot say whether they hold what `text:` and `file:` ask for, and
those again that have gone on since, or have come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from tui.model.filter.active_filter import Finder
from tui.model.filter.texts import Query
from tui.model.records import SessionKey
from tui.model.status.thresholds import SECOND

AGAIN_AFTER = 3 * SECOND
"""µs between two looks (of 10 to 100 ms) through sessions that go on: each of their steps takes longer."""


class Looking:
    """`query` is what is being looked for, None for nothing, in the sessions `only`, by source; of `total` sessions
    `looked` have been looked through. `by_itself`: only through those that have gone on, which nobody has to know."""

    def __init__(self, finder: Finder) -> None:
        self.query: Query | None = None
        self.only: dict[str, set[str]] = {}
        self.total = self.looked = 0
        self.by_itself = False
        self._finder = finder
        self._left: list[Query] = []
        self._follows = False
        self._begun: dict[SessionKey, int] = {}
        self._ended = 0

    @property
    def on(self) -> bool:
        """Whether something is being looked for because a user has asked for it."""
        return self.query is not None and not self.by_itself

    def begin(self) -> None:
        """Takes all that the filter asks for, one after the other."""
        self.by_itself, self._follows = False, True
        self._left = self._queries()
        self.next()

    def go_on(self, now_us: int) -> bool:
        """Looks through those that have gone on or come since; whether there are any, and nothing is looked for
        already."""
        if self.query is not None or not self._finder.looks or now_us - self._ended < AGAIN_AFTER:
            return False
        self.by_itself, self._ended = True, now_us
        self._left = self._queries()
        self.next()
        return self.query is not None

    def _queries(self) -> list[Query]:
        return list(dict.fromkeys(term.query for term in self._finder.found.terms if term.query is not None))

    def next(self) -> None:
        """Takes the next query of which not all is known: those sessions that nothing else has ruled out, and those
        that have gone on."""
        self.query = None
        while self._left and self.query is None:
            query = self._left.pop(0)
            looked, sessions = self._finder.answers.of(query).looked, self._finder.store.sessions
            wanted = {key for key, ts in looked.items() if key in sessions and sessions[key].last_ts != ts}
            if self._follows:
                wanted |= self._finder.unread - looked.keys()
            if wanted:
                only: defaultdict[str, set[str]] = defaultdict(set)
                for source, session_id in wanted:
                    only[source].add(session_id)
                self.query, self.only = query, dict(only)
                self.total, self.looked = len(wanted), 0
                # What is written while they are looked through may have been missed.
                self._begun = {key: sessions[key].last_ts for key in wanted if key in sessions}

    def answer(self, source: str, names: Collection[str], found: Collection[str]) -> bool:
        """Takes in what was found in some sessions; True when other trees stay in sight."""
        if self.query is None:
            return False
        self.looked += len(names)
        looked = {key: self._begun.get(key, 0) for key in ((source, name) for name in names)}
        return self._finder.answered(self.query, looked, {(source, name) for name in found})

    def complete(self) -> None:
        """All have been looked through: those of which nothing was told are not in the file."""
        if self.query is not None:
            answer = self._finder.answers.of(self.query)
            answer.looked |= {key: ts for key, ts in self._begun.items() if answer.looked.get(key) != ts}

    def stop(self) -> None:
        """Looks for no more, also not through sessions that are to come."""
        self.query, self._follows = None, False
        self._left.clear()
