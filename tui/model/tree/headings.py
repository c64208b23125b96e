"""The headings above groups of trees, bands or projects: their rows, and what their trees add up to.

The sums of a heading are made when its heading is first looked at, and from then on kept by difference: a change costs
nothing for the trees that it does not touch.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from tui.model.records import Key, SessionKey
from tui.model.status.bands import BANDS, Band, Need
from tui.model.sums.rollup import subtree
from tui.model.tree.sorting import BAND_MARK, Place, project

if TYPE_CHECKING:
    from tui.model.store.store import Store

_BEFORE, _BEHIND = -1, 2
"""Where a heading stands among the places of its project, and what is greater than all of them."""

_COUNTED: dict[Need, int] = {"work": 0, "person": 1, "stuck": 2, "looping": 2}
"""Which count of a heading a tree goes into."""


class Sum(NamedTuple):
    """The trees under a heading, what they cost in US dollars, and how many of them are at work, wait for a person, or
    are stuck or looping; each tree once, by what is most urgent."""

    trees: int = 0
    cost: float = 0.0
    running: int = 0
    waiting: int = 0
    stuck: int = 0


def heading_key(group: str) -> Key:
    """The key of a heading; `group` is the first part of the places of its trees."""
    return Key("", "heading", "", group)


def band(key: Key) -> Band | None:
    """The band that a heading names, None for a project."""
    return BANDS[int(key.id[1:])] if key.id.startswith(BAND_MARK) else None


def directory(key: Key) -> str:
    """The directory of the project that a heading names, "" for a band."""
    return key.id.partition("\0")[2]


def name(key: Key) -> str:
    """What a heading says: the band, or the name of the project."""
    return band(key) or project(directory(key)) or "(no directory)"


def heading(group: str) -> Place:
    """The place of a heading: before all trees of its group."""
    return (group, _BEFORE, 0, "", ("", ""))


def is_heading(place: Place) -> bool:
    """Whether a place is that of a heading."""
    return place[1] == _BEFORE


def span(places: Sequence[Place], group: str) -> range:
    """Where the trees of a project stand in a list of places without headings."""
    return range(bisect_left(places, (group, _BEFORE)), bisect_left(places, (group, _BEHIND)))


def with_headings(places: Sequence[Place], folded: Collection[str]) -> list[Place]:
    """The places with a heading before each project; of a folded one only the heading."""
    shown: list[Place] = []
    at = 0
    while at < len(places):
        group = places[at][0]
        end = bisect_right(places, (group, _BEHIND), lo=at)
        shown.append(heading(group))
        if group not in folded:
            shown += places[at:end]
        at = end
    return shown


class Headings:
    """What each heading says. `changed` are the headings that say something else since it was last emptied."""

    def __init__(self, store: Store) -> None:
        self.changed: set[Key] = set()
        self._store = store
        self._listed: Sequence[Place] = ()
        self._known: dict[str, tuple[int, float]] = {}
        self._shares: dict[SessionKey, tuple[str, float]] = {}
        self._unshared: list[tuple[str, list[SessionKey], list[float]]] = []
        """Groups that have been added up, of which nobody has asked yet what each tree has in the sum."""
        self._busy: dict[str, tuple[int, int, int]] = {}

    def list(self, places: Sequence[Place]) -> None:
        """Takes the places of the listed trees, without headings, as they stand now."""
        self._listed = places

    def forget(self) -> None:
        """Drops all sums: other trees are listed, or in other projects."""
        self._known.clear()
        self._shares.clear()
        self._unshared.clear()

    def sum_of(self, key: Key) -> Sum:
        """What a heading says about the trees below it."""
        group = key.id
        if group not in self._known:
            members = span(self._listed, group)
            trees = [place[-1] for place in self._listed[members.start : members.stop]]
            # With every letter of a filter thousands are added up, nearly all of which are known.
            known, store = self._store.subtrees, self._store
            costs = [(known.get(tree) or subtree(store, store.sessions[tree])).cost for tree in trees]
            self._unshared.append((group, trees, costs))
            self._known[group] = (len(trees), sum(costs))
        return Sum(*self._known[group], *self._busy.get(group, (0, 0, 0)))

    def first_of(self, key: Key) -> int:
        """The place of a project's first tree among all that are listed."""
        return span(self._listed, key.id).start

    def beside(self, key: Key, step: int) -> Key | None:
        """The next heading, or with a step of -1 the one before; None at the end."""
        members = span(self._listed, key.id)
        at = members.stop if step > 0 else members.start - 1
        return heading_key(self._listed[at][0]) if 0 <= at < len(self._listed) else None

    def put(self, tree: SessionKey, group: str) -> None:
        """Takes a listed tree in that is new, or whose cost or project may be another one."""
        cost = self._cost(tree)
        self._share()
        if self._shares.get(tree) == (group, cost):
            return
        self.drop(tree)
        if group in self._known:
            self._add(group, 1, cost)
            self._shares[tree] = (group, cost)

    def drop(self, tree: SessionKey) -> None:
        """Takes a tree out that is no longer there."""
        self._share()
        share = self._shares.pop(tree, None)
        if share is not None:
            self._add(share[0], -1, -share[1])

    def count(self, busy: Iterable[tuple[Place, Need]]) -> None:
        """Takes all trees that need something: their places and what they need."""
        counts: dict[str, list[int]] = {}
        for place, need in busy:
            counts.setdefault(place[0], [0, 0, 0])[_COUNTED[need]] += 1
        now = {group: (running, waiting, stuck) for group, (running, waiting, stuck) in counts.items()}
        groups = now.keys() | self._busy.keys()
        self.changed |= {heading_key(group) for group in groups if now.get(group) != self._busy.get(group)}
        self._busy = now

    def _share(self) -> None:
        for group, trees, costs in self._unshared:
            self._shares.update(zip(trees, zip(repeat(group), costs, strict=False), strict=True))
        self._unshared.clear()

    def _cost(self, tree: SessionKey) -> float:
        return subtree(self._store, self._store.sessions[tree]).cost

    def _add(self, group: str, trees: int, cost: float) -> None:
        count, total = self._known[group]
        self._known[group] = (count + trees, total + cost)
        self.changed.add(heading_key(group))
