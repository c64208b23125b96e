"""The tree and the detail side by side, with a line between them that can be dragged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.strip import Strip
from textual.widget import Widget

from tui.textual_patches.told import Told

USUAL = 62
"""Percent of the columns that the tree has as long as nobody chose otherwise."""

LEAST_LEFT, LEAST_RIGHT = 40, 30
"""Columns that either side keeps: with fewer, titles or values are only dots."""

STEP = 5
"""Percent that a key moves the line by."""


def left_width(share: float, width: int) -> int:
    """The columns of the left side when it is to have `share` percent of `width`; one column is the line's."""
    return max(LEAST_LEFT, min(round(width * share / 100), width - 1 - LEAST_RIGHT))


class Splitter(Widget):
    """The line: dragged it says where to, clicked twice it goes back to where it usually is."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"splitter--line"}

    @dataclass
    class Dragged(Told):
        """The line is to go to a column of the screen."""

        x: int

    class Dropped(Told):
        """The line was let go."""

    class Reset(Told):
        """The line is to go to its usual place."""

    def render_line(self, y: int) -> Strip:
        return Strip([Segment("▏", self.get_component_rich_style("splitter--line"))], 1)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        event.stop()
        self.capture_mouse()
        self.add_class("dragged")

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self.app.mouse_captured is self:
            self.post_message(self.Dragged(int(event.screen_x)))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        event.stop()
        if self.app.mouse_captured is self:
            self.release_mouse()
            self.remove_class("dragged")
            self.post_message(self.Dropped())

    def on_click(self, event: events.Click) -> None:
        event.stop()
        if event.chain == 2:
            self.post_message(self.Reset())


class Panes(Horizontal):
    """Gives the left widget its share of the columns, whatever the width of the terminal; the right one has the rest.

    `alone` says that there is room for one of them only: then the style sheet decides which, and how wide.
    """

    @dataclass
    class Divided(Told):
        """The user divides the columns anew; `share` of the left side in percent, 0 for the usual one. The last of a
        movement says that it is `done`."""

        share: int
        done: bool

    def __init__(self, left: Widget, right: Widget, *, share: float = 0, id: str | None = None) -> None:
        super().__init__(id=id)
        self.left, self.right = left, right
        self.share = share or USUAL
        self.alone = False

    def compose(self) -> ComposeResult:
        yield self.left
        yield Splitter()
        yield self.right

    def lay_out(self, width: int, *, alone: bool) -> None:
        """Divides that many columns."""
        self.alone = alone
        if alone:
            self.left.styles.clear_rule("width")
        else:
            self.left.styles.width = left_width(self.share, width)

    def widen(self, percent: int) -> None:
        """Gives the left side more, or less, in steps from what it really has: a limit is left with the first key. What
        has no room yet, or is not shown, is not divided."""
        if self.size.width:
            self._divide(self._real(self.share) + percent, done=True)

    def reset(self) -> None:
        """Gives both sides what they usually have."""
        self._divide(USUAL, done=True)

    def on_splitter_dragged(self, message: Splitter.Dragged) -> None:
        self._divide(100 * (message.x - self.region.x) / self.size.width, done=False)

    def on_splitter_dropped(self) -> None:
        self._divide(self.share, done=True)

    def on_splitter_reset(self) -> None:
        self.reset()

    def _real(self, share: float) -> float:
        return 100 * left_width(share, self.size.width) / self.size.width

    def _divide(self, share: float, *, done: bool) -> None:
        self.share = share if share == USUAL else self._real(share)
        self.lay_out(self.size.width, alone=self.alone)
        self.post_message(self.Divided(0 if share == USUAL else round(self.share), done))
