"""The footer: keys that matter where the focus is."""

from __future__ import annotations

from collections.abc import Sequence

from tui.render.keys import key_line
from tui.widgets.fixed_lines import FixedLines


class KeyBar(FixedLines):
    """Shows as many of the given keys as fit."""

    def __init__(self, keys: Sequence[tuple[str, str]] = (), *, id: str | None = None) -> None:
        super().__init__([[]], id=id)
        self.keys: Sequence[tuple[str, str]] = keys

    def update(self, keys: Sequence[tuple[str, str]]) -> None:
        """Replaces the keys."""
        self.keys = keys
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        self.show([key_line(self.keys, self.size.width or self.app.size.width)])
