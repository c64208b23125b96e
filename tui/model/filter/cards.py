"""One card for each session with all that a filter can ask, kept up per changed session once somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from tui.model.filter.folding import fold
from tui.model.records import ChangeSet, Session, SessionKey
from tui.model.status.flags import flags
from tui.model.status.state import newest_turn, session_state, turn_state
from tui.model.status.table import ACTIVE, FLAGS, ORDER, WAITING, WORKING
from tui.model.store.remnant import called
from tui.model.store.store import Store
from tui.model.sums import rollup

KINDS = {"root": "root", "sub_agent": "subagent", "fork": "fork"}
WORDS = ("running", *(name for name in ORDER if name != "completed"), *FLAGS, *KINDS.values())
"""What can stand behind `is:`: `running` for whatever is at work, the names of the states and of the flags, the kinds
of sessions."""
READ_WORDS = frozenset({"looping", "full"})
"""Those of them that only the calls and steps of a session tell, also of one that is over."""

PIECE = 100
"""Cards that are made in one piece: half a millisecond."""


class Card(msgspec.Struct, frozen=True):
    """A session as a filter sees it: texts folded (folded.py), `words` for `is:`, `tools` with a space around each
    name.

    Money and tokens are those of its row, sub-agents included, and known when it is `summed`; with `doubt` the steps
    prove that it cost more. `last_ts` is the newest activity below it (µs). What it did is known only when it is
    `read`: it is loaded, or was and has been given back.
    """

    key: SessionKey
    title: str
    agent: str
    model: str
    provider: str
    dir: str
    host: str
    version: str
    words: frozenset[str]
    tools: str
    cost: float
    tokens: int
    last_ts: int
    summed: bool
    doubt: bool
    read: bool


class Index:
    """The cards of a store. Empty until `fill`: a viewer whose user never filters pays nothing for it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cards: dict[SessionKey, Card] = {}
        self._left: list[SessionKey] | None = None
        self._active: dict[SessionKey, None] = {}
        self._values: dict[str, list[str]] = {}

    def fill(self, now_us: int) -> None:
        """Makes the cards of all sessions, the first time it is called, or those that are left to make."""
        for _ in self.filling(now_us):
            pass

    def filling(self, now_us: int) -> Iterator[list[SessionKey]]:
        """Does the same piece by piece, and tells what it made in each: 7,000 sessions take 40 ms."""
        if self._left is None:
            self._left = list(self.store.sessions)
        while self._left:
            piece = self._left[-PIECE:]
            del self._left[-PIECE:]
            self._make(piece, now_us)
            yield piece

    def update(self, changes: ChangeSet, now_us: int) -> set[SessionKey]:
        """Makes the cards of changed sessions anew; returns those whose card is another one."""
        if self._left is None:
            return set()
        return self._make({key.owner for key in changes.dirty} | changes.roots, now_us)

    def tick(self, now_us: int) -> set[SessionKey]:
        """The same for what time alone can change: whatever goes on."""
        return self._make(list(self._active), now_us)

    def values(self, field: str) -> list[str]:
        """The known values of a field of texts, the most frequent first; kept until a card changes, because every
        letter of a value asks for them and to count them takes 1 to 2 ms."""
        if field not in self._values:
            self._values[field] = self._counted(field)
        return self._values[field]

    def _counted(self, field: str) -> list[str]:
        if field == "tool":
            found = Counter(name for card in self.cards.values() for name in card.tools.split())
        elif field == "dir":
            found = Counter(card.dir.rstrip("/").rpartition("/")[2] for card in self.cards.values())
        else:
            found = Counter(getattr(card, field) for card in self.cards.values())
        del found[""]
        return [value for value, _ in sorted(found.items(), key=lambda item: (-item[1], item[0]))]

    def _make(self, keys: Iterable[SessionKey], now_us: int) -> set[SessionKey]:
        changed = set()
        for key in keys:
            session = self.store.sessions.get(key)
            new = card_of(self.store, session, now_us) if session is not None else None
            if new == self.cards.get(key):
                continue
            changed.add(key)
            self._active.pop(key, None)
            if new is None:
                del self.cards[key]
                continue
            self.cards[key] = new
            if not ACTIVE.isdisjoint(new.words):
                self._active[key] = None
        if changed:
            self._values.clear()
        return changed


def card_of(store: Store, session: Session, now_us: int) -> Card:
    """The card of one session at a time."""
    state = session_state(store, session, now_us).name
    words = {state, KINDS.get(session.kind, session.kind)}
    if (turn := newest_turn(session)) is not None and turn_state(store, session, turn, now_us).name == "truncated":
        words.add("truncated")
    if state in WORKING:
        words.add("running")
    elif state in WAITING:
        words.add("waiting")
    words |= {flag.name for flag in flags(store, session, now_us, state in ACTIVE)}
    tree = rollup.subtree(store, session)
    key = (session.source, session.id)
    tools = called(session)
    kept = store.given_back.get(key) if not session.loaded else None
    if kept is not None:
        tools = kept.tools
        words |= kept.flags
    return Card(
        key=key,
        title=fold(session.name),
        agent=fold(session.agent),
        model=fold(session.model),
        provider=fold(session.provider_alias),
        dir=fold(session.cwd),
        host=fold(session.host),
        version=fold(session.version),
        words=frozenset(words),
        tools=f" {' '.join(sorted({fold(name) for name in tools}))} " if tools else "",
        cost=tree.cost,
        tokens=tree.usage.total,
        last_ts=tree.last_ts,
        summed=rollup.own(store, session).origin != "unknown",
        doubt=tree.doubt.cost,
        read=session.whole or kept is not None,
    )
