"""Widgets that draw their lines themselves: each line is kept until it has to look different.

Textual's own way prepares every line for borders, padding, hatching, tint and opacity, of which none of these widgets
has any, and makes a strip of its own of it. And a strip remembers how it is cut, filtered and written, so one that is
shown again, elsewhere too, costs nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Self

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import ANSIToTruecolor, LineFilter
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from tui.textual_patches import stock
from tui.textual_patches.contained import Contained

MOST_STYLES = 4_000
"""Styles of which it is known how they pass a filter: a command may print in any number of colours."""


class Passing(dict[Style | None, bool]):
    """Whether Textual's filter of colours leaves a style on a background as it is. Of most lines it does, and to make a
    strip anew of each only to find that took a tenth of a page."""

    def __init__(self, line_filter: ANSIToTruecolor, background: Color) -> None:
        super().__init__()
        self._filter = line_filter
        self._background = background

    def __missing__(self, style: Style | None) -> bool:
        if len(self) >= MOST_STYLES:
            self.clear()
        [(_, filtered, _)] = self._filter.apply([Segment(" ", style)], self._background)
        passes = self[style] = filtered == style
        return passes


_passing = lru_cache(64)(Passing)


def _filtered(strips: list[Strip], line_filter: LineFilter, background: Color) -> list[Strip]:
    """Strips as they are behind a filter."""
    if not isinstance(line_filter, ANSIToTruecolor):
        # It may look at the text, too.
        return [strip.apply_filter(line_filter, background) for strip in strips]
    passes = _passing(line_filter, background)
    return [
        strip if all([passes[style] for _, style, _ in strip]) else strip.apply_filter(line_filter, background)
        for strip in strips
    ]


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
            strips = _filtered(strips, line_filter, self.background_colors[1])
        if crop.column_span != (0, self.outer_size.width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def keep_line(self, y: int, strip: Strip) -> Strip:
        """A line looks like this from now on; it is painted if `refresh` has been told of it."""
        self._kept[y] = strip
        return strip
