"""How far a command is: a bar on stderr."""

from __future__ import annotations

import sys
import time

from tui.commands.remarks import remark

BAR = 24
"""Cells of the bar."""
DRAWN_S = 0.1
"""How often it is drawn."""


class Progress:
    """A bar on stderr, where that is a terminal: how many of the sessions have been told. A command that `prints` has
    none where its lines go to a terminal, too."""

    def __init__(self, total: int = 0, *, prints: bool = False) -> None:
        self.total = total
        self._told = 0
        self._began = time.monotonic()
        self._drawn = float("-inf")
        self._is_shown = sys.stderr is not None and sys.stderr.isatty() and not (prints and sys.stdout.isatty())

    def told(self, sessions: int) -> None:
        """Takes how many sessions were told, and draws ten times a second until all have been."""
        self._told += sessions
        now = time.monotonic()
        if self._is_shown and self._told <= self.total and now - self._drawn >= DRAWN_S:
            self._drawn = now
            filled = BAR * self._told // max(1, self.total)
            rate = self._told / max(0.1, now - self._began)
            words = f"{self._told:,} of {self.total:,} sessions, {rate:,.0f} a second"
            self._write(f"\r[{'#' * filled}{'-' * (BAR - filled)}] {words}\x1b[K")

    def say(self, words: str) -> None:
        """A remark that does not stand behind the bar."""
        self.done()
        remark(words)

    def done(self) -> None:
        """Takes the bar away."""
        if self._is_shown and self._drawn > 0:
            self._write("\r\x1b[K")

    def _write(self, words: str) -> None:
        try:
            sys.stderr.write(words)
            sys.stderr.flush()
        except OSError:
            pass  # a terminal that has gone must not end what goes elsewhere
