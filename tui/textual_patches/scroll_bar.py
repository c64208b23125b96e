"""A scroll bar of which only those lines are drawn that look different.

Textual's own is rendered whole, and each of its lines prepared for borders and opacity, whenever the view moves or has
another line: a quarter of what a frame of a long list took, for a bar that nearly always looks as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Self

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.strip import Strip

from tui.textual_patches import stock
from tui.textual_patches.kept_lines import KeptLines

_DEFAULT = Color.default()


class SteadyBar(KeptLines, ScrollBar):
    """A vertical scroll bar."""

    _drawn: Sequence[Strip] = ()
    """The lines as of the last time that it was to look different."""

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        if regions or not repaint or layout or recompose or not self.is_attached or not stock.on("bar"):
            return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        lines, before = self._lines(), self._drawn
        if len(before) != len(lines):
            super().refresh()
            self._drawn = lines
            return self
        # A line above the thumb does something else when it is clicked than one below, and looks the same.
        changed = [y for y, strip in enumerate(lines) if strip is not before[y]]
        seen = [y for y in changed if _look(lines[y]) != _look(before[y])]
        if seen:
            super().refresh(*(Region(0, y, self.size.width, 1) for y in seen))
        for y in changed:
            self.keep_line(y, lines[y])
        self._drawn = lines
        return self

    def forget(self) -> None:
        super().forget()
        self._drawn = ()

    def render_line(self, y: int) -> Strip:
        return self._lines()[y] if stock.on("bar") else super().render_line(y)

    def _lines(self) -> list[Strip]:
        """All lines as they are to look now; those that look alike are the same strip."""
        bar = self.render()
        assert isinstance(bar, ScrollBarRender)
        assert isinstance(bar.style, Style)
        shown = bar.render_bar(
            size=self.size.height,
            virtual_size=bar.virtual_size,
            window_size=bar.window_size,
            position=bar.position,
            thickness=self.size.width,
            back_color=bar.style.bgcolor or _DEFAULT,
            bar_color=bar.style.color or _DEFAULT,
        )
        ground = self.visual_style.rich_style
        return [_line(text, ground, style or Style.null()) for text, style, _ in shown.segments]


@lru_cache(256)
def _line(text: str, ground: Style, style: Style) -> Strip:
    return Strip([Segment(text, ground + style)])


def _look(strip: Strip) -> list[tuple[str, str]]:
    """What is seen of a line: all but what a click on it does."""
    return [(text, str(style)) for text, style, _ in strip]
