"""The line in which a range of days is typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.text import sanitize
from tui.textual_patches.line_input import SteadyInput


class RangeInput(SteadyInput):
    """An input whose words are handed over by enter, and None by escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "keep", "show these days", id="filter.keep", show=False),
        Binding("escape", "drop", "leave the days as they are", id="filter.drop", show=False),
    ]

    def __init__(self, done: Callable[[str | None], None], *, id: str | None = None) -> None:
        super().__init__(
            compact=True, select_on_focus=False, placeholder="2026-01-31, 2026-01, 7d, or two of them", id=id
        )
        self.cursor_blink = False
        self._done = done

    def validate_value(self, value: str) -> str:
        """Keeps what could drive a terminal out, however it came in."""
        return sanitize.line(value)

    def action_keep(self) -> None:
        self._done(self.value)

    def action_drop(self) -> None:
        self._done(None)
