"""What stands in place of the panes while there is no session."""

from __future__ import annotations

from tui.no_sessions import NoSessions
from tui.render.bars.empty import empty_lines
from tui.widgets.fixed_lines import FixedLines


class EmptyPane(FixedLines):
    """Shows its sentences in the middle, at whatever size it has."""

    def __init__(self, words: NoSessions, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.words = words

    def on_resize(self) -> None:
        self.show(empty_lines(self.words, self.size.width, self.size.height))
