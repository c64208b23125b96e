"""A scrolling view of any number of lines: only those in sight are asked for, coloured and drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.strip import Strip

from tui.render.glyphs import GLYPHS
from tui.render.lines import Line, segments, width_of
from tui.render.text.document import Painted, Text, same_place
from tui.render.text.terminal import Styles
from tui.textual_patches.told import Told
from tui.widgets.virtual_lines import VirtualLines

MARGIN = 2
"""Cells to the left of a text with folds: the sign of a fold, or the caret."""
SIDE_STEP = 8
"""Cells that one key press moves a text sideways."""
LATER_LIMIT = 1_000
"""Keys that are kept until the rest of a text is there: half a minute of a key that is held down."""


class LineView(VirtualLines, can_focus=True, inherit_bindings=False):
    """Shows a sequence of lines; long lines are reached sideways.

    | keys | what they do |
    |---|---|
    | up, k / down, j | one line |
    | pageup, ctrl+b / pagedown, space | one page |
    | g, home / G, end | start, end |
    | left, h / right, l | sideways |
    | enter, a click | fold or unfold: in a text with folds a caret stands at a line, and the view moves with it |
    """

    class Folded(Told):
        """A line was folded or unfolded: the text has other lines now and is to be shown again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step(-1)", "line up", id="text.up", show=False),
        Binding("down,j", "step(1)", "line down", id="text.down", show=False),
        Binding("pageup,ctrl+b", "leaf(-1)", "page up", id="text.page_up", show=False),
        Binding("pagedown,space", "leaf(1)", "page down", id="text.page_down", show=False),
        Binding("g,home", "edge(False)", "start", id="text.start", show=False),
        Binding("G,end", "edge(True)", "end", id="text.end", show=False),
        Binding("left,h", "side(-1)", "move the text to the left", id="text.left", show=False),
        Binding("right,l", "side(1)", "move the text to the right", id="text.right", show=False),
        Binding("enter", "fold", "fold or unfold a part of JSON", id="text.fold", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: Text = Painted([])
        self.offset_x = 0
        self.caret = 0
        self._styles = Styles({})
        self._partial = False
        self._later: list[Callable[[], None]] = []

    def show(self, lines: Text, keep: bool = False, tail: bool = False) -> None:
        """Replaces the lines. With `keep` the place is kept, also where lines are broken otherwise now, and a view that
        stood at the end stays at the end. With `tail` the end is where it starts, and a text that did not fill the view
        counts as standing there."""
        at_end = len(self.lines) > 0 and self.scroll_offset.y >= self.max_scroll_y and (tail or self.max_scroll_y > 0)
        # Where another text was left says nothing of this one.
        at_end = at_end if keep else tail
        old, self.lines = self.lines, lines
        top = self.scroll_offset.y
        self.set_length(len(lines))
        aside = self.offset_x > 0
        if not keep:
            self.offset_x = self.caret = 0
        if keep:
            self.caret = same_place(old, lines, self.caret)
        if at_end:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        elif not keep:
            self.scroll_to(y=0, animate=False)
        elif (place := same_place(old, lines, top)) != top:
            self.scroll_to(y=place, animate=False)
        if (old.foldable or lines.foldable) and not (keep and len(old) == len(lines)):
            self.refresh()  # A fold that was toggled shows in the old lines too.
        elif aside and not keep:
            self.refresh()
        else:
            # The overview of something that runs is shown anew each second, and one line of it differs.
            self.refresh_where(lambda _, y: list(old[y : y + 1]) != list(lines[y : y + 1]))

    def expect(self, more: bool) -> None:
        """Says whether more of the text is on its way. Until it is there, keys that lead further than the lines do are
        kept; then they are done, one after the other."""
        self._partial = more
        if not more:
            later, self._later = self._later, []
            for action in later:
                action()

    def expect_nothing(self) -> None:
        """Forgets the keys that are kept: they were meant for another text."""
        self._partial = False
        self._later.clear()

    def _waits(self, action: Callable[[], None], beyond: bool) -> bool:
        """Keeps a key that leads `beyond` the lines while more of them are to come, and those that follow it; returns
        whether it did."""
        waits = self._partial and (beyond or bool(self._later))
        if waits and len(self._later) < LATER_LIMIT:
            self._later.append(action)
        return waits

    @property
    def _at_end(self) -> bool:
        if self.lines.foldable:
            return self.caret >= len(self.lines) - 1
        return self.scroll_offset.y >= self.max_scroll_y

    def render_lines(self, crop: Region) -> list[Strip]:
        # Anew each time: a text may have any number of colours of its own.
        self._styles = Styles(self.roles)
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        index = self.scroll_offset.y + y
        if index >= len(self.lines):
            return Strip.blank(width, self._styles["text"])
        margin = min(MARGIN, width) if self.lines.foldable else 0
        room = max(0, width - margin - 1)
        drawn = segments(self._margin(index), margin, self._styles) if margin else []
        drawn += segments(self.line_at(index), room, self._styles, self.offset_x)
        # A strip that ends where the scroll bar begins need not be cut there, which takes as long as making it.
        rest = 0 if self.show_vertical_scrollbar else width - margin - room
        if rest:
            drawn.append(Segment(" " * rest, self._styles["text"]))
        return Strip(drawn, margin + room + rest)

    @property
    def text_width(self) -> int:
        """The cells of a line that are in sight: folds have a margin of their own, and the last column is the scroll
        bar's, which would hide that a line is cut."""
        return max(0, self.size.width - 1 - (MARGIN if self.lines.foldable else 0))

    def _margin(self, index: int) -> Line:
        fold = {"open": GLYPHS.fold_open, "closed": GLYPHS.fold_closed}.get(self.lines.fold_at(index), "")
        if self.has_focus and index == self.caret:
            return [(f"{fold or '›'} ", "key")]
        return [(f"{fold} ", "dim")]

    def line_at(self, index: int) -> Line:
        """The line as it is to be drawn."""
        return self.lines[index]

    def action_step(self, count: int) -> None:
        self.post_message(self.Moved())
        if self._waits(partial(self.action_step, count), count > 0 and self._at_end):
            return
        if self.lines.foldable:
            top = self.scroll_offset.y
            # The wheel may have left the caret behind.
            self._put_caret(min(max(self.caret, top), top + self.size.height - 1) + count)
        else:
            self.scroll_to(y=self.scroll_offset.y + count, animate=False)

    def action_leaf(self, pages: int) -> None:
        self.post_message(self.Moved())
        if self._waits(partial(self.action_leaf, pages), pages > 0 and self._at_end):
            return
        page = pages * max(1, self.size.height - 1)
        self.scroll_to(y=self.scroll_offset.y + page, animate=False)
        if self.lines.foldable:
            self._put_caret(self.caret + page)

    def action_edge(self, end: bool) -> None:
        self.post_message(self.Moved())
        # Wherever the other keys would have led, this one leads to the same place; now as far as there are lines.
        self._later.clear()
        self._waits(partial(self.action_edge, end), end)
        self.scroll_to(y=self.max_scroll_y if end else 0, animate=False)
        if self.lines.foldable:
            self._put_caret(len(self.lines) - 1 if end else 0)

    def action_fold(self) -> None:
        self._put_caret(self.caret)
        if self.lines.fold_at(self.caret):
            self.lines.toggle(self.caret)
            self.post_message(self.Folded())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "fold" or self.lines.foldable

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y
        if self.lines.foldable and index < len(self.lines):
            self._put_caret(index)
            self.action_fold()

    def on_focus(self) -> None:
        self._draw_caret(self.caret)

    def on_blur(self) -> None:
        self._draw_caret(self.caret)

    def _put_caret(self, index: int) -> None:
        """Moves the caret to a line, which comes into sight."""
        before, self.caret = self.caret, max(0, min(len(self.lines) - 1, index))
        top, height = self.scroll_offset.y, self.size.height
        if self.caret < top:
            self.scroll_to(y=self.caret, animate=False)
        elif self.caret >= top + height:
            self.scroll_to(y=self.caret - height + 1, animate=False)
        for line in {before, self.caret}:
            self._draw_caret(line)

    def _draw_caret(self, index: int) -> None:
        if self.lines.foldable:
            self.refresh_each((index,))

    def to_the_left(self) -> None:
        """Shows the beginning of the lines."""
        if self.offset_x:
            self.offset_x = 0
            self.refresh()

    def action_side(self, steps: int) -> None:
        self.post_message(self.Moved())
        top = self.scroll_offset.y
        seen = self.lines[top : top + self.size.height]
        widest = max((width_of(line) for line in seen), default=0)
        limit = max(0, widest - self.text_width)
        moved = max(0, min(limit, self.offset_x + steps * SIDE_STEP))
        if moved != self.offset_x:
            self.offset_x = moved
            self.refresh()
