"""One table of spending: rows with a bar, a cursor, and only the lines in sight drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.strip import Strip

from tui.model.spend.ledger import Measure
from tui.render.lines import segments
from tui.render.spend.lines import Look, row
from tui.textual_patches.told import Told
from tui.widgets.row_looks import under_cursor
from tui.widgets.virtual_lines import VirtualLines


class SpendTable(VirtualLines, can_focus=True, inherit_bindings=False):
    """Rows of one measure. The keys that move are those of the tree, and so are their ids."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"spend--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "row up", id="tree.up", show=False),
        Binding("down,j", "move(1)", "row down", id="tree.down", show=False),
        Binding("pageup,ctrl+b", "leaf(-1)", "page up", id="tree.page_up", show=False),
        Binding("pagedown,ctrl+f", "leaf(1)", "page down", id="tree.page_down", show=False),
        Binding("g,home", "edge(False)", "first row", id="tree.first", show=False),
        Binding("G,end", "edge(True)", "last row", id="tree.last", show=False),
    ]

    @dataclass
    class Moved(Told):
        """The cursor is to go to a row of this table."""

        measure: Measure
        to: int

    @dataclass
    class Chosen(Told):
        """The row under the cursor was clicked once more."""

        measure: Measure

    def __init__(self, measure: Measure) -> None:
        super().__init__(id=f"spend-{measure}")
        self.measure: Measure = measure
        self.rows: Sequence[Look] = ()
        self.cursor = 0
        self.empty = ""

    def show(self, rows: Sequence[Look], cursor: int, empty: str) -> None:
        """Takes the rows as they are now, and what is said where there are none; only lines that differ are drawn."""
        old, before = self.rows, self.cursor
        self.rows, self.cursor = rows, cursor
        if empty != self.empty:
            self.empty = empty
            self.refresh_each((0,))
        self.set_length(len(rows))
        self._keep_in_sight()

        def differs(_: int, index: int) -> bool:
            was = old[index] if index < len(old) else None
            now = rows[index] if index < len(rows) else None
            return was != now or (before == index) != (cursor == index)

        self.refresh_where(differs)

    def _keep_in_sight(self) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if not height:
            return
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False)

    def on_resize(self) -> None:
        self._keep_in_sight()

    def render_line(self, y: int) -> Strip:
        width, index = self.size.width, self.scroll_offset.y + y
        if index >= len(self.rows):
            words = [(f" {self.empty}", "dim")] if index == 0 else []
            return Strip(segments(words, width, self.roles), width)
        roles = self.roles
        if index == self.cursor:
            roles = under_cursor(self.roles, self.get_component_rich_style("spend--cursor"))
        line = row(self.rows[index], self.measure, width - 1)
        return Strip(segments(line, width, roles), width)

    def action_move(self, count: int) -> None:
        self.post_message(self.Moved(self.measure, self.cursor + count))

    def action_leaf(self, pages: int) -> None:
        self.action_move(pages * max(1, self.size.height - 1))

    def action_edge(self, end: bool) -> None:
        self.post_message(self.Moved(self.measure, len(self.rows) - 1 if end else 0))

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y
        if index >= len(self.rows):
            return
        if index == self.cursor and event.chain > 1:
            self.post_message(self.Chosen(self.measure))
        else:
            self.post_message(self.Moved(self.measure, index))

    def on_focus(self) -> None:
        self.refresh_each((self.cursor,))

    def on_blur(self) -> None:
        self.refresh_each((self.cursor,))
