"""Where recorded moments lie on the wall clock while the speed changes."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import NamedTuple


class Anchor(NamedTuple):
    """From `offset` (recorded ms) on, time runs from `wall` (Unix ms) at `speed`."""

    offset: float
    wall: float
    speed: float


class Timeline:
    """A piecewise linear map that never moves what is already past: a row that is written again later keeps the
    times it had. The first anchor also reaches back to moments before it.
    """

    def __init__(self, offset: float, wall: float, speed: float) -> None:
        self._anchors = [Anchor(offset, wall, speed)]

    def anchor(self, offset: float, wall: float, speed: float) -> None:
        """From this offset on go another way; an infinite speed squeezes what follows into one moment."""
        self._anchors.append(Anchor(offset, wall, speed))

    def wall(self, offset: float) -> int:
        """Unix milliseconds of a recorded moment."""
        index = bisect_right(self._anchors, offset, key=lambda anchor: anchor.offset) - 1
        at = self._anchors[max(index, 0)]
        return round(at.wall if math.isinf(at.speed) else at.wall + (offset - at.offset) / at.speed)

    def offset(self, wall: float) -> float:
        """The recorded moment that is due now, on the newest stretch."""
        at = self._anchors[-1]
        return at.offset + (wall - at.wall) * at.speed
