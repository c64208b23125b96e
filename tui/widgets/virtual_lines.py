"""What the views have in common that draw their lines themselves and scroll."""

from __future__ import annotations

from collections.abc import Callable

from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.widget import Widget

from tui.widgets.drawn_lines import DrawnLines


class VirtualLines(ScrollView, DrawnLines, inherit_bindings=False):
    """A scrolling view of so many lines."""

    def set_length(self, lines: int) -> None:
        """The view has so many lines from now on; its place is kept within them.

        Setting `virtual_size` lays the whole screen out and draws this view anew. Neither is needed, unless the scroll
        bar comes or goes, and of that Textual takes note by itself.
        """
        size = Size(0, lines)
        if size != self.virtual_size:
            self.set_reactive(Widget.virtual_size, size)
            self._scroll_update(size)
            if self.show_vertical_scrollbar:
                # A bar that was hidden while the view moved does not know of it.
                self.vertical_scrollbar.position = self.scroll_y

    def refresh_line(self, y: int) -> None:
        # Without the column of the scroll bar, which Textual's own takes along.
        width = self.size.width - self.scrollbar_size_vertical
        self.refresh(Region(0, y - self.scroll_offset.y, width, 1))

    def refresh_where(self, differs: Callable[[int, int], bool]) -> bool:
        """Draws each line in sight of which `differs` says so, given its place in the view and among all lines; returns
        whether there are any."""
        self.fit()
        top = self.scroll_offset.y
        changed = [top + y for y in range(self.size.height) if differs(y, top + y)]
        for index in changed:
            self.refresh_line(index)
        return bool(changed)
