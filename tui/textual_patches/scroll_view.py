"""A scrolling view whose length changes often, and which draws single lines."""

from __future__ import annotations

from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.widget import Widget

from tui.textual_patches import stock


class SteadyScrollView(ScrollView, inherit_bindings=False):
    """A view of so many lines, which is laid out no more often than a scroll bar comes or goes."""

    def set_length(self, lines: int) -> None:
        """The view has so many lines from now on; its place is kept within them.

        Setting `virtual_size` lays the whole screen out and draws this view anew. Neither is needed, unless the scroll
        bar comes or goes, and of that Textual takes note by itself.
        """
        size = Size(0, lines)
        if size == self.virtual_size:
            return
        if not stock.on("length"):
            self.virtual_size = size
            return
        self.set_reactive(Widget.virtual_size, size)
        self._scroll_update(size)
        if self.show_vertical_scrollbar:
            # A bar that was hidden while the view moved does not know of it.
            self.vertical_scrollbar.position = self.scroll_y

    def refresh_line(self, y: int) -> None:
        """Draws a line of all that there are, without the column of the scroll bar, which Textual's own takes along."""
        if not stock.on("column"):
            super().refresh_line(y)
            return
        width = self.size.width - self.scrollbar_size_vertical
        self.refresh(Region(0, y - self.scroll_offset.y, width, 1))
