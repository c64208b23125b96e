"""The line in which the filter is typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from tui.model.filter.language import Completion
from tui.text import sanitize
from tui.textual_patches.line_input import SteadyInput
from tui.textual_patches.told import Told
from tui.widgets.fixed_lines import FixedLines

Complete = Callable[[str, int], Completion]


class FilterInput(SteadyInput):
    """An input that completes words; what is pasted into it passes the door for text first.

    Who wants its text is called within the key that changes it: as a message it came two queues later, and each key
    was painted twice.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete(1)", "complete the word, then the next choice", id="filter.complete", show=False),
        Binding("shift+tab", "complete(-1)", "the choice before", id="filter.complete_back", show=False),
        Binding("enter", "keep(True)", "keep the filter, and read what it has to know", id="filter.keep", show=False),
        Binding("down", "keep(False)", "keep the filter, to the tree", id="filter.tree", show=False),
        Binding("escape", "drop", "no filter", id="filter.drop", show=False),
    ]

    @dataclass
    class Kept(Told):
        """The filter is to stay, and the keys go to the tree again; with `read` the sessions that it cannot tell of are
        to be read."""

        read: bool

    class Dropped(Told):
        """The filter is to go."""

    def __init__(self, complete: Complete, changed: Callable[[str], None]) -> None:
        super().__init__(compact=True, select_on_focus=False)
        self.cursor_blink = False
        self.choices: list[str] = []
        self._find = complete
        self._changed = changed
        self._completing: tuple[str, int] | None = None

    def validate_value(self, value: str) -> str:
        """Keeps what could drive a terminal out, however it came in."""
        return sanitize.line(value)

    def watch_value(self) -> None:
        """Tells the text, and looks again for what the word may become, unless it is one of the choices just taken."""
        if self._completing is None or self._completing[0] != self.value:
            self._completing = None
            self.choices = self._find(self.value, len(self.value)).choices
        self._changed(self.value)

    def action_complete(self, step: int) -> None:
        """Puts the next choice in the place of the last word."""
        if not self.choices:
            return
        at = 0 if step > 0 else -1
        if self._completing is not None:
            at = (self._completing[1] + step) % len(self.choices)
        start = self._find(self.value, len(self.value)).start
        text = self.value[:start] + self.choices[at]
        # A field without a value is no choice to walk on from: its values come next.
        self._completing = (text, at % len(self.choices)) if text[-1:] not in ":>" else None
        self.value = text
        self.cursor_position = len(text)

    def action_keep(self, read: bool) -> None:
        self.post_message(self.Kept(read))

    def action_drop(self) -> None:
        self.post_message(self.Dropped())


class FilterBar(Horizontal):
    """A slash and the filter behind it; `changed` is called with every other text of it."""

    def __init__(self, complete: Complete, changed: Callable[[str], None], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.input = FilterInput(complete, changed)

    def compose(self) -> ComposeResult:
        yield FixedLines([[(" /", "key")]])
        yield self.input

    @property
    def editing(self) -> bool:
        """Whether the filter is being typed."""
        return bool(self.display)

    def edit(self, text: str) -> None:
        """Shows the bar with a text to go on from."""
        self.display = True
        self.input.value = text
        self.input.cursor_position = len(text)
        self.screen.set_focus(self.input)

    def on_descendant_blur(self, _event: events.DescendantBlur) -> None:
        self.display = False
