"""The rows that are new and that nobody has seen: how many stand above those in sight, and how many below."""

from __future__ import annotations

from collections.abc import Iterable

from tui.model.records import Key
from tui.model.tree.place import Place

MOST = 200
"""New rows that are known one by one. To look for so many costs half a millisecond; of more only the number is known,
which is forgotten when the end of the list is seen on their side."""


class NewRows:
    """`above` and `below` as of the last call."""

    def __init__(self, place: Place) -> None:
        self.above = 0
        self.below = 0
        self._place = place
        self._keys: dict[Key, None] = {}
        self._more_above = 0
        self._more_below = 0

    def arrived(self, nodes: Iterable[Key]) -> None:
        """Takes note of nodes that began; those whose rows are in sight, or that have none, are not counted."""
        place = self._place
        for node in nodes:
            at = place.rows.index_of(node)
            if at is None or place.in_sight(at):
                continue
            # One row may stand for several nodes: a call, and the session that it started.
            key = place.rows.row(at).key
            if key in self._keys or len(self._keys) < MOST:
                self._keys[key] = None
            elif at < place.top:
                self._more_above += 1
            else:
                self._more_below += 1

    def look(self) -> bool:
        """Counts again where rows or window moved: what is in sight has been seen. True when a count is another one."""
        place, before = self._place, (self.above, self.below)
        above = below = 0
        for key in list(self._keys):
            at = place.rows.index_of(key)
            if at is None or place.in_sight(at):
                del self._keys[key]
            elif at < place.top:
                above += 1
            else:
                below += 1
        if place.top <= 0:
            self._more_above = 0
        if place.at_the_end:
            self._more_below = 0
        self.above, self.below = above + self._more_above, below + self._more_below
        return (self.above, self.below) != before
