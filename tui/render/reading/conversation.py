"""The transcript of a session as a text of any length: passages in order, drawn when they are in sight.

Where a passage is open, which texts have been read and how many lines each passage has is kept here. A passage that
nobody has looked at has as many lines as it is likely to have; `settle` draws those in sight and puts that right.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import OrderedDict
from itertools import chain, count
from typing import Literal, NamedTuple

from tui.model.records import Key, Session, SessionKey
from tui.model.store.store import Store
from tui.model.tree.passages import Name, Passage, Passages, failed, place_of
from tui.render.cards import tabs
from tui.render.lines import Line
from tui.render.reading.passage_text import (
    ESTIMATED,
    Drawing,
    Read,
    drawn,
    estimate,
    foldable,
    goes_on,
    opens_by_itself,
    wanted,
)
from tui.render.text.document import Document, Range, Text
from tui.text import moments

HELD = 8_000_000
"""Characters of texts that are kept when they are out of sight; more are given back, and read again when needed."""
HELD_TEXTS = 400
"""The same in texts: most are short."""
DRAWN = 400
"""Passages whose lines are kept, unless more are in sight and around."""
BEFORE_FIRST = frozenset({"prompt", "answer", "compaction"})
"""Kinds of passages that begin with an empty line."""


Goal = Literal["prompt", "failure"]
"""What a reader goes to."""


class Spot(NamedTuple):
    """A line of a passage: what a place in the text is called, whatever comes and goes above it."""

    name: Name
    line: int


class _Drawn(NamedTuple):
    """The lines of a passage, and the texts that they are made of as far as they have been read. Each has a number of
    its own."""

    number: int
    lines: Text
    wanted: list[tabs.Text]


class Conversation(Text):
    """`root` is the session that is read, None for none. `how` says what the lines are made for."""

    def __init__(self, store: Store, how: Drawing) -> None:
        self.store = store
        self.how = how
        self.root: SessionKey | None = None
        self.passages: list[Passage] = []
        self.texts: OrderedDict[str, Read] = OrderedDict()
        self._all = Passages(store)
        self._blocks: list[list[Passage]] = []
        self._places: dict[Name, int] = {}
        self._owners: set[SessionKey] = set()
        self._starts: list[int] = [0]
        self._chosen: dict[Name, bool] = {}
        self._heights: dict[Name, int] = {}
        self._drawn: OrderedDict[Name, _Drawn] = OrderedDict()
        self._numbers = count()
        self._room = DRAWN
        self._users: dict[str, set[Name]] = {}
        self._stale: set[str] = set()

    # --- what is shown ---------------------------------------------------------------------------------------

    def read(self, root: SessionKey | None) -> None:
        """Turns to a session; what was opened stays open."""
        if root != self.root:
            self.root = root
            self.forget()
        self.lay_out()

    def forget(self) -> None:
        """Drops all that is kept of the model and the texts; what was opened stays open."""
        self._heights.clear()
        self._drawn.clear()
        self.texts.clear()
        self._users.clear()
        self._all = Passages(self.store)
        self._owners.clear()
        self._put([])

    @property
    def session(self) -> Session | None:
        """The session that is read, None when it is gone."""
        return self.store.sessions.get(self.root) if self.root is not None else None

    def lay_out(self) -> None:
        """Finds out which passages there are. Those above the first that is another one stay as they are: what changes
        in a long session is nearly always its end."""
        session = self.session
        self._put(list(self._all.of(session, self.is_open)) if session is not None else [])

    def _put(self, blocks: list[list[Passage]]) -> None:
        same = 0
        for old, new in zip(self._blocks, blocks, strict=False):
            if old is not new and old != new:
                break
            same += 1
        self._blocks = blocks
        first = sum(map(len, blocks[:same]))
        for passage in self.passages[first:]:
            self._places.pop(passage.name, None)
        self.passages[first:] = chain.from_iterable(blocks[same:])
        for place in range(first, len(self.passages)):
            passage = self.passages[place]
            self._places[passage.name] = place
        # What is in a block is of one session.
        self._owners.update(block[0].key.owner for block in blocks[same:])
        self._measure(first)

    def everything(self) -> list[Passage]:
        """All passages, also those inside of sub-agents that are closed."""
        session = self.session
        return list(chain.from_iterable(self._all.of(session, lambda _: True))) if session is not None else []

    def child(self, passage: Passage) -> Session | None:
        """The session of a passage that is a sub-agent."""
        return self._all.child(passage)

    def is_open(self, passage: Passage) -> bool:
        """Whether all of a passage is shown."""
        chosen = self._chosen.get(passage.name)
        return opens_by_itself(self.store, passage) if chosen is None else chosen

    def open(self, passage: Passage, is_open: bool = True) -> None:
        """Opens a passage or closes it."""
        self._chosen[passage.name] = is_open
        self._drop(passage.name)
        self.lay_out()

    def resize(self, how: Drawing) -> None:
        """Another width, or long lines broken or not."""
        if (how.width, how.wrap) != (self.how.width, self.how.wrap):
            self._heights.clear()
            self._drawn.clear()
            self._measure(0)
        self.how = how

    def changed(self, dirty: set[Key]) -> bool:
        """Takes in that nodes have changed; whether that may be seen here."""
        owners = {key.owner for key in dirty}
        # Also one that has just gone, or hangs elsewhere now.
        if self.root is None or not (owners & self._owners or any(self._shows(owner) for owner in owners)):
            return False
        self._all.forget(dirty)
        ids = {key.id for key in dirty if key.kind in ("op", "prompt", "turn")}
        dropped = {name for name in self._drawn if self._is_about(name, dirty, ids)}
        # What a prompt, or a call that goes on, is in follows from the whole session.
        follows = {name for name in self._drawn if name[1].owner in owners and self._follows(name)}
        for name in dropped | follows:
            self._drop(name)
        self._stale |= {slot for slot, users in self._users.items() if not users.isdisjoint(dropped)}
        self.lay_out()
        return True

    def _shows(self, owner: SessionKey) -> bool:
        root = self.root
        while owner is not None and owner in self.store.sessions:
            if owner == root:
                return True
            above = self.store.links.parent(owner)
            if above is None or above == owner or self.store.links.top(owner) == owner:
                return False
            owner = above
        return owner == root

    def _is_about(self, name: Name, dirty: set[Key], ids: set[str]) -> bool:
        kind, key, _ = name
        if kind in ("agents", "agent") or key in dirty:
            return True
        # A thought is drawn from all of its parts, an answer may be that of a step.
        turn = self.store.turn_of_op(key) if kind == "thought" else None
        return turn is not None and turn.message_id in ids

    def _follows(self, name: Name) -> bool:
        return name[0] in ("prompt", "error") or goes_on(self.store, name, self.how.now_us)

    def tick(self, now_us: int) -> None:
        """Draws what time changes anew when it is asked for: what goes on."""
        before, self.how = self.how.now_us, self.how._replace(now_us=now_us)
        # What went on until now says so for the last time, and the moments of another day are written otherwise.
        another_day = moments.date_and_time(before)[:10] != moments.date_and_time(now_us)[:10]
        for name in list(self._drawn):
            if another_day or goes_on(self.store, name, before) or goes_on(self.store, name, now_us):
                del self._drawn[name]

    # --- lines -----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._starts[-1]

    def line(self, index: int) -> Line:
        place, line = self.place_at(index)
        text = self.shown(self.passages[place])
        return text[line] if line < len(text) else []

    def place_at(self, index: int) -> tuple[int, int]:
        """The passage at a line that exists, by its place, and which of its lines it is."""
        place = bisect_right(self._starts, index) - 1
        return place, index - self._starts[place]

    def ranges(self, index: int, pattern: re.Pattern[str]) -> list[Range]:
        place, line = self.place_at(index)
        text = self.shown(self.passages[place])
        return text.ranges(line, pattern) if line < len(text) else []

    def begins(self, index: int, pattern: re.Pattern[str]) -> list[Range]:
        place, line = self.place_at(index)
        text = self.shown(self.passages[place])
        return text.begins(line, pattern) if line < len(text) else []

    def place_of(self, passage: Passage) -> int | None:
        """The place of a passage; None while it is folded away, or gone."""
        return self._places.get(passage.name)

    def spot(self, index: int) -> Spot | None:
        """What a line is called; None where there is none."""
        if not 0 <= index < len(self):
            return None
        place, line = self.place_at(index)
        return Spot(self.passages[place].name, line)

    def index_of(self, spot: Spot) -> int | None:
        """Where a line is now, or the last of its passage when that has fewer; None when the passage is gone."""
        place = self._places.get(spot.name)
        if place is None:
            return None
        first, after = self._starts[place], self._starts[place + 1]
        return min(first + spot.line, max(first, after - 1))

    def first_line(self, place: int) -> int:
        """The line at which a passage is entered: the first that is not empty."""
        return self._starts[place] + (self.passages[place].kind in BEFORE_FIRST)

    def settle(self, top: int, height: int) -> bool:
        """Draws the passages around the lines in sight; whether one of them has another number of lines than was
        taken for it."""
        if not self.passages:
            return False
        # As many as may stand in three screens, or each would take another one's place.
        self._room = max(DRAWN, 4 * height)
        different: int | None = None
        first = bisect_right(self._starts, max(0, top - height)) - 1
        for place in range(max(0, first), len(self.passages)):
            if self._starts[place] > top + 2 * height:
                break
            length = len(self.shown(self.passages[place]))
            if self._starts[place + 1] - self._starts[place] != length:
                self._heights[self.passages[place].name] = length
                different = place if different is None else different
        if different is not None:
            self._measure(different)
        return different is not None

    def _measure(self, first: int) -> None:
        """Counts the lines of the passages from a place on."""
        starts, heights = self._starts, self._heights
        del starts[first + 1 :]
        line = starts[first]
        for passage in self.passages[first:]:
            line += heights.get(passage.name) or self._likely(passage)
            starts.append(line)

    def _likely(self, passage: Passage) -> int:
        # Of most passages it is one line, open or not: only of what may be more it is asked whether it is open.
        is_open = passage.kind in ESTIMATED and self.is_open(passage)
        height = self._heights[passage.name] = max(1, estimate(self.store, passage, is_open))
        return height

    def _draw(self, passage: Passage) -> _Drawn:
        name = passage.name
        made = self._drawn.get(name)
        if made is None:
            is_open = self.is_open(passage)
            lines = drawn(self._all, passage, self.texts, is_open, self.how)
            made = self._drawn[name] = _Drawn(next(self._numbers), lines, wanted(self.store, passage, is_open))
            for one in made.wanted:
                self._users.setdefault(one.slot, set()).add(name)
            while len(self._drawn) > self._room:
                self._drawn.popitem(last=False)
        else:
            self._drawn.move_to_end(name)
        return made

    def whole(self, passage: Passage, texts: dict[str, Read]) -> Text:
        """A passage with all there is in it, from texts that may not be held here."""
        return drawn(self._all, passage, {**self.texts, **texts}, True, self.how)

    def shown(self, passage: Passage) -> Text:
        """A passage as it stands here."""
        return self._draw(passage).lines

    def drawing(self, passage: Passage) -> int:
        """A number that is another one as soon as the passage is drawn anew: nobody who keeps lines of it has to keep
        the texts that they were made of."""
        return self._draw(passage).number

    def _drop(self, name: Name) -> None:
        self._drawn.pop(name, None)

    # --- texts -----------------------------------------------------------------------------------------------

    def missing(self, top: int, height: int) -> list[tuple[str, tabs.Text]]:
        """The texts that the lines in sight and those around them need and that have not been read, or have changed
        since, each with its source; those in sight come first."""
        found: list[tuple[str, tabs.Text]] = []
        around: list[tuple[str, tabs.Text]] = []
        first = max(0, bisect_right(self._starts, max(0, top - height)) - 1)
        for place in range(first, len(self.passages)):
            start, after = self._starts[place], self._starts[place + 1]
            if start > top + 2 * height:
                break
            passage = self.passages[place]
            for text in self._draw(passage).wanted:
                if text.slot in self.texts:
                    self.texts.move_to_end(text.slot)
                    if text.slot not in self._stale:
                        continue
                (found if after > top and start < top + height else around).append((passage.key.source, text))
        return found + around

    def asked(self, slot: str) -> None:
        """A text is being read: what changes from here on makes it stale again."""
        self._stale.discard(slot)

    def deliver(self, slot: str, read: Read) -> None:
        """Takes a text in; who shows it is drawn anew. What was read before stays when it cannot be read any more."""
        before = self.texts.get(slot)
        if read.shown is None and before is not None and before.shown is not None:
            read = before
        self.texts[slot] = read
        for name in self._users.get(slot, ()):
            self._drop(name)
        self._give_back()

    def _give_back(self) -> None:
        size = sum(_size(read) for read in self.texts.values())
        while len(self.texts) > 1 and (size > HELD or len(self.texts) > HELD_TEXTS):
            slot, read = self.texts.popitem(last=False)
            size -= _size(read)
            # Lines that were made of it would go on holding it.
            for name in self._users.pop(slot, ()):
                self._drop(name)

    # --- folds, jumps ----------------------------------------------------------------------------------------

    @property
    def foldable(self) -> bool:
        return True

    def fold_at(self, index: int) -> str:
        place, line = self.place_at(index)
        passage = self.passages[place]
        if line != (passage.kind in BEFORE_FIRST) or not foldable(self.store, passage, self.texts):
            return ""
        return "open" if self.is_open(passage) else "closed"

    def reveal(self, key: Key) -> int:
        """The place of the passage that a row of the tree is, opening the group of agents it is in; -1 for none."""
        place = place_of(self.passages, self.store, key)
        if key.kind != "op" or (place >= 0 and self.passages[place].kind != "agents"):
            return place
        for passage in self.passages:
            if passage.kind == "agents" and any(one.key == key for one in self._all.members(passage)):
                self.open(passage)
                return self._places[Passage("agent", key).name]
        return -1

    def way_to(self, passage: Passage) -> None:
        """Opens every sub-agent that a passage is inside of."""
        above: list[Passage] = []
        for one in self.everything():
            above = above[: self._rank(one, above)]
            if one.name == passage.name:
                break
            if one.kind in ("agents", "agent"):
                above.append(one)
        for one in above:
            if not self.is_open(one):
                self._chosen[one.name] = True
                self._drop(one.name)
        self.lay_out()

    @staticmethod
    def _rank(one: Passage, above: list[Passage]) -> int:
        """How many of the sub-agents above are still around a passage."""
        count = len(above)
        while count:
            last = above[count - 1]
            inside = one.depth > last.depth or (
                last.kind == "agents" and one.kind == "agent" and one.depth == last.depth
            )
            if inside:
                break
            count -= 1
        return count

    def next_of(self, kind: Goal, index: int, step: int) -> int | None:
        """The line at which the next prompt, or the next failure, begins behind a line (`step` 1) or before it."""
        if not self.passages:
            return None
        here = self.place_at(index)[0] if index < len(self) else len(self.passages)
        places = range(here + 1, len(self.passages)) if step > 0 else range(here - 1, -1, -1)
        for place in places:
            passage = self.passages[place]
            if passage.kind == "prompt" if kind == "prompt" else failed(self.store, passage):
                return self.first_line(place)
        return None


def _size(read: Read) -> int:
    return read.shown.size if isinstance(read.shown, Document) else 100
