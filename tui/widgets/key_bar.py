"""The footer: keys that matter where the focus is."""

from __future__ import annotations

from collections.abc import Mapping

from textual.timer import Timer

from tui.render.bars.keys import Bar, key_line
from tui.render.lines import Line, folded
from tui.widgets.fixed_lines import FixedLines

SAID_FOR = 8.0
"""Seconds that an answer stands before the keys come back."""


class KeyBar(FixedLines):
    """Shows as many of the given keys as fit; `keymap` has the user's own by the id of their binding."""

    def __init__(self, keys: Bar, keymap: Mapping[str, str], *, id: str | None = None) -> None:
        super().__init__([[]], id=id)
        self.keys = keys
        self.keymap = keymap
        self._said = ""
        self._timer: Timer | None = None

    def say(self, words: str) -> None:
        """Shows words in place of the keys for SAID_FOR seconds."""
        self._said = words
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(SAID_FOR, self._be_quiet)
        self._lay_out()

    def _be_quiet(self) -> None:
        self._said, self._timer = "", None
        self._lay_out()

    def update(self, keys: Bar) -> None:
        """Replaces the keys; the same ones cost nothing. Those of a line that is typed into take the place of what is
        said: it speaks of other keys, which are letters now."""
        if keys == self.keys:
            return
        self.keys = keys
        if not keys.always and self._timer is not None:
            self._timer.stop()
            self._be_quiet()
        else:
            self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        width = self.size.width or self.app.size.width
        said: Line = [(f" {self._said}", "accent")]
        # A path may take two lines; cut, it would be of no use.
        self.show(folded(said, width, indent=1) if self._said else [key_line(self.keys, width, self.keymap)])
