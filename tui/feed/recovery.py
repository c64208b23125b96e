"""What becomes of an error of our own: what it touched is loaded anew, and if that does not help the program ends.

A model that was left in the middle of a change is not to be trusted, and a screen that goes on showing it looks alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

PROBATION_S = 60.0
"""An error so soon after everything was loaded anew says that this did not help."""
PATIENCE_S = 30.0
"""Loading anew takes so long at most until it begins; a thread that hangs never begins."""
REPEATS = 50
"""Errors while that is awaited: the same cause shows in many places, and one that shows in all is not waited for."""


class Verdict(Enum):
    """What to do."""

    LOAD_ANEW = "load anew"
    WAIT = "wait"
    END = "end"


class Recovery:
    """Judges errors. `monotonic` gives seconds that never go back."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._awaited: set[str] = set()
        self._since = 0.0
        self._repeats = 0
        self._trusted_at = float("-inf")

    def failed(self, sources: Iterable[str]) -> Verdict:
        """An error in what these sources have brought."""
        now = self._monotonic()
        if self._awaited:
            self._repeats += 1
            return Verdict.END if self._repeats > REPEATS else Verdict.WAIT
        if now < self._trusted_at:
            return Verdict.END
        self._awaited, self._since, self._repeats = set(sources), now, 0
        if not self._awaited:
            self._trusted_at = now + PROBATION_S
        return Verdict.LOAD_ANEW

    def begun(self, source: str) -> None:
        """A source begins to be loaded anew: what was left of the error is gone."""
        self._awaited.discard(source)
        if not self._awaited:
            self._trusted_at = self._monotonic() + PROBATION_S

    @property
    def overdue(self) -> bool:
        """Whether a source that is to be loaded anew does not come."""
        return bool(self._awaited) and self._monotonic() - self._since > PATIENCE_S
