"""Sessions that a filter of the command line finds: what it asks for that is not known is read."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

from adapter.contract import Source
from tui.commands.remarks import remark
from tui.commands.sources import alone
from tui.model.filter.cards import Card, Index
from tui.model.filter.language import NOTHING_ASKED, Found, Term, parse, search, undecided
from tui.model.filter.texts import Answers
from tui.model.records import SessionKey
from tui.model.store.store import Store

SAID_S = 2.0
"""How often it is said how many sessions have been read."""


class Filter:
    """A filter from the command line. `problem` says what is wrong with it, "" for nothing."""

    def __init__(self, words: Sequence[str], now_us: int) -> None:
        self.answers = Answers()
        self.now_us = now_us
        self.terms = parse(" ".join(_quoted(word) for word in words), now_us, self.answers)

    @property
    def problem(self) -> str:
        """What is wrong with it, "" for nothing."""
        return next((term.problem for term in self.terms if term.problem), "")

    async def find(self, store: Store, sources: list[Source]) -> tuple[Found, list[bool]]:
        """The sessions that it finds, as the screen knows them when it starts; what they did is read where the filter
        asks for it. And which of the sources could be read. Without terms nothing is asked of any: a card of each would
        be a tenth of `ls`."""
        read = [await alone(_glance(store, source)) for source in sources]
        return await self.among(store, sources) if self.terms else NOTHING_ASKED, read

    async def among(self, store: Store, sources: Sequence[Source]) -> Found:
        """Those of the sessions of a store that it finds."""
        index = self._index(store)
        asked = [term for term in self.terms if term.query is None]
        unread = [
            key for key, card in search(self.terms, index.cards.values()).unread.items() if undecided(asked, card)
        ]
        if unread:
            await _read(store, sources, unread)
            # Once for all: a card depends on the sessions below it.
            index = self._index(store)
        for term in self.terms:
            if term.query is not None:
                await self._look(term, sources, search(self.terms, index.cards.values()).unread)
        return search(self.terms, index.cards.values())

    def _index(self, store: Store) -> Index:
        index = Index(store)
        index.fill(self.now_us)
        return index

    async def _look(self, term: Term, sources: Sequence[Source], unknown: dict[SessionKey, Card]) -> None:
        """Looks through the sessions of which nothing else says that they are not wanted."""
        if term.query is None:
            return
        answer = self.answers.of(term.query)
        wanted: defaultdict[str, set[str]] = defaultdict(set)
        for name, session_id in unknown:
            wanted[name].add(session_id)
        for source in sources:
            if only := wanted.get(source.source):
                async for page in source.search(term.query.pattern, only, term.query.kinds):
                    answer.add(
                        {(source.source, name): 0 for name in page.sessions},
                        [(source.source, hit.session_id) for hit in page.hits],
                    )


async def _read(store: Store, sources: Sequence[Source], wanted: Iterable[SessionKey]) -> None:
    """Reads sessions whole, and says every now and then how far it is."""
    sessions = list(wanted)
    by_name = {source.source: source for source in sources}
    due = time.monotonic() + SAID_S
    for count, (name, session_id) in enumerate(sessions):
        if time.monotonic() > due:
            due += SAID_S
            remark(f"{count:,} of {len(sessions):,} sessions read")
        store.apply(await by_name[name].load(session_id))
        store.mark_loaded(name, session_id)


async def _glance(store: Store, source: Source) -> None:
    async for batch in source.glance():
        store.apply(batch.events)


def _quoted(word: str) -> str:
    """A word of the command line as the filter's language has it: what the shell kept together stays together."""
    if " " not in word or '"' in word:
        return word
    field, colon, value = word.partition(":")
    return f'{field}:"{value}"' if colon and " " not in field else f'"{word}"'
