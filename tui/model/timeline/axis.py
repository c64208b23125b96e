"""The axis of a timeline: as long as somebody was at work, with the gaps in which nobody was cut short.

A night between two prompts would leave nothing to see of either. A gap is cut short when it is long and when it would
take a tenth of all the work; what is shorter is drawn as it was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

SECOND = 1_000_000
LEAST = 10 * SECOND
"""A gap shorter than this (µs) is never cut."""
SHARE = 10
"""One that is shorter than the work divided by this is not cut either."""
CUT = 25
"""What is left of a gap: the work divided by this."""
ALL_CUTS = 4
"""All that is left of gaps is no more than the work divided by this."""


class Gap(NamedTuple):
    """From and to (µs UTC) of a time in which nobody worked, and of which the axis has only a bit."""

    start: int
    stop: int


class Axis:
    """Places on it are µs from its beginning, as it is drawn; moments are µs UTC. `gaps` are those that it cuts."""

    def __init__(self, work: Iterable[tuple[int, int]]) -> None:
        stretches = merged(work)
        total = sum(stop - start for start, stop in stretches)
        least = max(LEAST, total // SHARE)
        pairs = list(pairwise(stretches))
        self.gaps = [Gap(before[1], after[0]) for before, after in pairs if after[0] - before[1] > least]
        left = max(1, min(total // CUT, total // ALL_CUTS // max(1, len(self.gaps))))
        first, last = (stretches[0][0], stretches[-1][1]) if stretches else (0, 0)
        self._moments, self._places = [first], [0]
        for gap in self.gaps:
            self._add(gap.start, gap.start - self._moments[-1])
            self._add(gap.stop, left)
        self._add(last, last - self._moments[-1])

    def _add(self, moment: int, length: int) -> None:
        self._moments.append(moment)
        self._places.append(self._places[-1] + length)

    @property
    def first(self) -> int:
        """The first moment."""
        return self._moments[0]

    @property
    def last(self) -> int:
        """The last moment."""
        return self._moments[-1]

    @property
    def length(self) -> int:
        """How long it is, as it is drawn, in µs; never 0."""
        return max(1, self._places[-1])

    def place(self, moment: int) -> int:
        """Where a moment lies; what is before the beginning or after the end lies there."""
        return _between(moment, self._moments, self._places)

    def piece(self, moment: int) -> tuple[int, int, int]:
        """From and to of the stretch around a moment, and what to take from a moment in it to have its place: between
        two gaps nothing is cut. An empty one where the moment is in a gap, or beyond the ends."""
        at = bisect_right(self._moments, moment)
        if 0 < at < len(self._moments):
            low, high, place = self._moments[at - 1], self._moments[at], self._places[at - 1]
            if high - low == self._places[at] - place:
                return low, high, low - place
        return 1, 0, 0

    def same(self, other: Axis) -> bool:
        """Whether every moment is at the same place on another one."""
        return self._moments == other._moments and self._places == other._places

    def moment(self, place: int) -> int:
        """The moment at a place."""
        return _between(place, self._places, self._moments)

    def stretches(self) -> list[tuple[int, int]]:
        """From and to (µs UTC) of what lies between the gaps."""
        starts = [self.first, *(gap.stop for gap in self.gaps)]
        stops = [*(gap.start for gap in self.gaps), self.last]
        return list(zip(starts, stops, strict=True))


def _between(value: int, given: list[int], wanted: list[int]) -> int:
    at = bisect_right(given, value)
    if at == 0:
        return wanted[0]
    if at == len(given):
        return wanted[-1]
    low, high = given[at - 1], given[at]
    return wanted[at - 1] + (value - low) * (wanted[at] - wanted[at - 1]) // (high - low)


def merged(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The time that is in at least one interval, as intervals that neither touch nor overlap, in order."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return found
