"""Widgets that draw their lines themselves: each line is kept until it has to look different.

Textual's own way prepares every line for borders, padding, hatching, tint and opacity, of which none of these widgets
has any, and makes a strip of its own of it. And a strip remembers how it is cut, filtered and written, so one that is
shown again, elsewhere too, costs nothing.
"""

from __future__ import annotations

from typing import Any, Self

from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from tui.textual_patches import stock
from tui.textual_patches.contained import Contained


class KeptLines(Contained):
    """A widget of which every line is what `render_line` makes of it: `refresh` says which have to be made again."""

    def __init__(self, *children: Widget, **options: Any) -> None:
        super().__init__(*children, **options)
        self._kept: dict[int, Strip] = {}
        self._kept_size = Size()

    def forget(self) -> None:
        """Nothing that was made holds any longer: the colours or the size are different."""
        self._kept.clear()

    def fit(self) -> None:
        """Forgets what was made for another size, which is to be called before lines are compared: those out of sight
        are not, and come back when there is more room."""
        if self.size != self._kept_size:
            self._kept_size = self.size
            self.forget()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.forget()

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        if repaint and not regions:
            self.forget()
        for region in regions:
            for y in region.line_range:
                self._kept.pop(y, None)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_lines(self, crop: Region) -> list[Strip]:
        self.fit()
        if not stock.on("lines"):
            return super().render_lines(crop)
        strips = [self._kept[y] if y in self._kept else self.keep_line(y, self.render_line(y)) for y in crop.line_range]
        for line_filter in self.get_line_filters():
            background = self.background_colors[1]
            strips = [strip.apply_filter(line_filter, background) for strip in strips]
        if crop.column_span != (0, self.outer_size.width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def keep_line(self, y: int, strip: Strip) -> Strip:
        """A line looks like this from now on; it is painted if `refresh` has been told of it."""
        self._kept[y] = strip
        return strip
