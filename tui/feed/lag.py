"""How late the screen is: from a commit to the model, and from the model to the terminal."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from tui.render.bars.health import LAGS_SHOWN, Lags

WINDOW = 500
"""Delays that are remembered, the newest ones."""


class Delays:
    """The newest delays, in ms."""

    def __init__(self) -> None:
        self._to_model: deque[float] = deque(maxlen=WINDOW)
        self._to_paint: deque[float] = deque(maxlen=WINDOW)

    def to_model(self, milliseconds: Iterable[float]) -> None:
        """Notes how old commits were when the model had them."""
        self._to_model.extend(milliseconds)

    def to_paint(self, milliseconds: float) -> None:
        """Notes how long after that they were on their way to the terminal."""
        self._to_paint.append(milliseconds)

    def summary(self) -> Lags | None:
        """The percentiles; None before the first delay."""
        if not self._to_model:
            return None
        model, paint = sorted(self._to_model), sorted(self._to_paint) or [0.0]
        newest = [round(each) for each in list(self._to_model)[-LAGS_SHOWN:]]
        return Lags(_at(model, 0.5), _at(model, 0.99), _at(paint, 0.5), _at(paint, 0.99), newest)


def _at(ordered: list[float], share: float) -> float:
    """The smallest value that so large a share of them (0 to 1) does not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
