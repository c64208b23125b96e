"""A scrolling view whose length changes often, and which draws single lines."""

from __future__ import annotations

from collections.abc import Iterable

from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.widget import Widget

from tui.textual_patches import stock
from tui.textual_patches.scroll_bar import SteadyBar


class SteadyScrollView(ScrollView, inherit_bindings=False):
    """A view of so many lines, which is laid out no more often than a scroll bar comes or goes."""

    @property
    def vertical_scrollbar(self) -> SteadyBar:
        """The scroll bar, made when it is first asked for."""
        bar = self._vertical_scrollbar
        if not isinstance(bar, SteadyBar):
            bar = self._vertical_scrollbar = SteadyBar(
                vertical=True, name="vertical", thickness=self.scrollbar_size_vertical
            )
            bar.display = False
            self.app._start_widget(self, bar)
        return bar

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

    def refresh_each(self, lines: Iterable[int]) -> None:
        """Draws some lines of all that there are, ascending, without the column of the scroll bar. Those without a gap
        are one region: a page of forty was forty of them, each gone through by every widget below."""
        top, width = self.scroll_offset.y, self.size.width - self.scrollbar_size_vertical
        regions: list[Region] = []
        for y in lines:
            if regions and regions[-1].bottom == y - top:
                regions[-1] = regions[-1].grow((0, 0, 1, 0))
            else:
                regions.append(Region(0, y - top, width, 1))
        if regions:
            self.refresh(*regions)
