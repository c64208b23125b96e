"""Where words are in a transcript, also in what is folded: every passage is read once, counted, and given back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from tui.model.records import Key, SessionKey
from tui.model.tree.passages import Name, Passage
from tui.render.cards import tabs
from tui.render.reading.conversation import Conversation
from tui.render.reading.passage_text import Read, wanted

AHEAD = 8
"""Texts that are asked for before they are needed: the thread that reads them is never without work."""


class Hunt:
    """Counts the hits of a pattern in all passages of a conversation, beginning at one of them. `ask` is called with
    each text that has to be read, `load` with each session."""

    def __init__(
        self,
        conversation: Conversation,
        pattern: re.Pattern[str],
        begin: Name | None,
        ask: Callable[[str, tabs.Text], None],
        load: Callable[[SessionKey], None],
    ) -> None:
        self.conversation = conversation
        self.pattern = pattern
        self.begin = begin
        self.counts: dict[Name, int] = {}
        self._ask = ask
        self._load = load
        self._texts: dict[str, Read] = {}
        self._asked: set[str] = set()
        self._loading: set[SessionKey] = set()
        self.renew(set())

    def renew(self, dirty: set[Key]) -> None:
        """Takes in that passages have come, gone or changed."""
        self.order = self.conversation.everything()
        names = {passage.name for passage in self.order}
        self.counts = {name: count for name, count in self.counts.items() if name in names and name[1] not in dirty}
        first = next((place for place, one in enumerate(self.order) if one.name == self.begin), 0)
        left = [*self.order[first:], *self.order[:first]]
        # The last one is taken first.
        self._left = [passage for passage in reversed(left) if passage.name not in self.counts]

    @property
    def share(self) -> float:
        """How much has been looked through, 0 to 1."""
        return 1 - len(self._left) / len(self.order) if self.order else 1.0

    @property
    def total(self) -> int:
        """The hits that have been found."""
        return sum(self.counts.values())

    def go_on(self, seconds: float) -> bool:
        """Works for so long; whether more could be done at once."""
        deadline = time.perf_counter() + seconds
        while self._left:
            passage = self._left[-1]
            self._read_ahead()
            if any(self._lacks(text) for text in wanted(self.conversation.store, passage, True)):
                return False
            if passage.kind in ("agent", "rest"):
                self._load_session(passage)
            self._left.pop()
            text = self.conversation.whole(passage, self._texts)
            count = len(text.find(self.pattern, 0, len(text)))
            self.counts[passage.name] = count
            for one in wanted(self.conversation.store, passage, True):
                self._texts.pop(one.slot, None)
            if time.perf_counter() > deadline:
                return True
        return False

    def _lacks(self, text: tabs.Text) -> bool:
        return text.slot not in self._texts and text.slot not in self.conversation.texts

    def _read_ahead(self) -> None:
        for passage in reversed(self._left[-AHEAD:]):
            for text in wanted(self.conversation.store, passage, True):
                if len(self._asked) >= AHEAD:
                    return
                if self._lacks(text) and text.slot not in self._asked:
                    self._asked.add(text.slot)
                    self._ask(passage.key.source, text)

    def _load_session(self, passage: Passage) -> None:
        session = self.conversation.child(passage) if passage.kind == "agent" else None
        if session is not None and not session.loaded and session.key not in self._loading:
            self._loading.add(session.key)
            self._load(session.key)

    def deliver(self, slot: str, read: Read) -> None:
        """Takes in a text that was asked for."""
        self._asked.discard(slot)
        self._texts[slot] = read

    # --- from hit to hit -------------------------------------------------------------------------------------

    def number(self, name: Name, nth: int) -> int:
        """The number of a hit among all, from 1; `nth` counts within its passage from 0."""
        before = 0
        for passage in self.order:
            if passage.name == name:
                return before + nth + 1
            before += self.counts.get(passage.name, 0)
        return 0

    def beside(self, name: Name | None, step: int) -> tuple[Passage, bool] | None:
        """The next passage that has hits behind one (`step` 1) or before it, and whether that was over an end; the
        passage itself comes last. None where nothing has been found."""
        places = {passage.name: place for place, passage in enumerate(self.order)}
        here = places.get(name, -1 if step > 0 else len(self.order)) if name is not None else -1
        count = len(self.order)
        for away in range(1, count + 1):
            place = here + step * away
            passage = self.order[place % count]
            if self.counts.get(passage.name):
                return passage, not 0 <= place < count
        return None
