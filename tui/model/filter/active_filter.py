"""The filter that is on: which sessions match, which trees stay in sight for it, kept up as sessions change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, KeysView, Mapping
from typing import NamedTuple

from tui.model.filter.cards import Card, Index
from tui.model.filter.language import (
    NOTHING_ASKED,
    Completion,
    accepts,
    asked_of,
    complete,
    hold_loosely,
    parse,
    search,
    undecided,
)
from tui.model.filter.texts import Answers, Query
from tui.model.records import ChangeSet, SessionKey
from tui.model.status.thresholds import MINUTE
from tui.model.store.store import Store


class Sum(NamedTuple):
    """What some trees cost (US dollars), and how many of them cost more than that, or nobody knows yet."""

    cost: float = 0.0
    doubts: int = 0


class Finder:
    """Holds one query and its answer. `sum` is that of the trees that stay in sight, as their rows say it. `searched`
    counts the cards that were looked at, so that a test can hold a change to its cost."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.index = Index(store)
        self.answers = Answers()
        self.text = ""
        self.searched = 0
        self.found = NOTHING_ASKED
        self.sum = Sum()
        self._summed: dict[SessionKey, Card] = {}
        self._cost = 0.0
        self._trees: Counter[SessionKey] = Counter()
        self._minute = 0

    @property
    def on(self) -> bool:
        """Whether a filter is set."""
        return bool(self.found.terms)

    @property
    def matches(self) -> KeysView[SessionKey]:
        """The sessions that match, sub-agents included."""
        return self.found.cards.keys()

    @property
    def trees(self) -> Counter[SessionKey]:
        """How many sessions match in each tree that stays in sight, by its top-level session."""
        return self._trees

    @property
    def unread(self) -> KeysView[SessionKey]:
        """The sessions that have to be read before anybody can say whether they match."""
        return self.found.unread.keys()

    @property
    def to_read(self) -> Mapping[SessionKey, Card]:
        """Those of them of which reading tells more; the others have to be looked through."""
        terms = [term for term in self.found.terms if term.query is None]
        if len(terms) == len(self.found.terms):
            return self.found.unread
        return {key: card for key, card in self.found.unread.items() if undecided(terms, card)}

    @property
    def looks(self) -> bool:
        """Whether the query asks for what only a look through the texts of a session can tell."""
        return any(term.query is not None for term in self.found.terms)

    def answered(self, query: Query, looked: Mapping[SessionKey, int], found: Collection[SessionKey]) -> bool:
        """Takes in what a look through some sessions has found; True when other trees stay in sight. `looked` has the
        newest activity (µs) of each that was known before."""
        self.answers.of(query).add(looked, found)
        return self._again(set(looked), moved=False)

    @property
    def read(self) -> int:
        """Of how many sessions the query could be asked, as far as what needs no reading leaves them to be asked."""
        return asked_of(self.found.terms, self.index.cards.values()) - len(self.found.unread)

    def ask(self, text: str, now_us: int) -> None:
        """Takes another query; an empty one shows everything."""
        self.text = text
        terms = parse(text, now_us, self.answers)
        if terms:
            self.index.fill(now_us)
            # While no filter was on nobody asked what time has changed.
            self.index.tick(now_us)
        self._minute = now_us // MINUTE
        self.found = search(terms, self.index.cards.values(), self.found) if terms else NOTHING_ASKED
        self.searched += self.found.asked
        self._count()

    def update(self, changes: ChangeSet, now_us: int) -> bool:
        """Asks the changed sessions again. True when another set of sessions matches, or hangs in other trees."""
        changed = self.index.update(changes, now_us)
        if self.on and hold_loosely(self.found.terms, [card for key in changed if (card := self.index.cards.get(key))]):
            # A word that no title held, as while the first sessions were still to come, is in one now.
            before = self._trees
            self.ask(self.text, now_us)
            return self._trees != before
        return self._again(changed, moved=bool(changes.roots))

    def tick(self, now_us: int) -> bool:
        """The same for the passing of time; once a minute everything, for `since:`."""
        if not self.on:
            return False
        before = self._trees
        self._again(self.index.tick(now_us), moved=False)
        if now_us // MINUTE != self._minute and any(term.field == "since" for term in self.found.terms):
            self.ask(self.text, now_us)
        return self._trees != before

    def complete(self, text: str, cursor: int, now_us: int) -> Completion:
        """What the word before the cursor may become."""
        self.index.fill(now_us)
        return complete(text, cursor, self.index)

    def _again(self, changed: set[SessionKey], moved: bool) -> bool:
        if not self.on:
            return False
        cards, found = self.index.cards, self.found
        self.searched += len(changed)
        self._add_up(changed & self._summed.keys())
        before = changed & found.cards.keys()
        fresh = {key for key in changed if (card := cards.get(key)) and accepts(found.terms, card)}
        for key in before - fresh:
            del found.cards[key]
        found.cards.update((key, cards[key]) for key in fresh)
        for key in changed:
            found.unread.pop(key, None)
            if (card := cards.get(key)) is not None and undecided(found.terms, card):
                found.unread[key] = card
        if not moved and before == fresh:
            return False
        old = self._trees
        self._count()
        return self._trees != old

    def _count(self) -> None:
        cards = self.index.cards
        self._trees = Counter(self.store.links.tops(self.found.cards))
        self._summed = {key: card for key in self._trees if (card := cards.get(key)) is not None}
        self._cost = sum([card.cost for card in self._summed.values()])
        self._total(sum([card.doubt or not card.summed for card in self._summed.values()]))

    def _add_up(self, trees: Iterable[SessionKey]) -> None:
        """Takes the sums that some trees have now for those that they had."""
        doubts = self.sum.doubts
        for key in trees:
            before, now = self._summed.pop(key), self.index.cards.get(key)
            self._cost -= before.cost
            doubts -= _is_doubtful(before)
            if now is not None:
                self._summed[key] = now
                self._cost += now.cost
                doubts += _is_doubtful(now)
        self._total(doubts)

    def _total(self, doubts: int) -> None:
        # Not to be another one for what floats lose.
        self.sum = Sum(round(self._cost, 6), doubts)


def _is_doubtful(card: Card) -> bool:
    """Whether a tree costs more than its card says, or nobody knows yet."""
    return card.doubt or not card.summed
