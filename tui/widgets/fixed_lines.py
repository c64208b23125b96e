"""A few lines that do not scroll: the bars, the headings and the health pane are made of it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Region, Size
from textual.strip import Strip

from tui.render.lines import Line, segments
from tui.widgets.drawn_lines import DrawnLines


class FixedLines(DrawnLines):
    """Draws the lines it was last given, and only when they differ from those before."""

    def __init__(self, lines: Sequence[Line] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: list[Line] = list(lines)

    def show(self, lines: Sequence[Line]) -> None:
        """Replaces the lines; equal ones cost nothing, and changed ones redraw only themselves."""
        new = list(lines)
        if new == self.lines:
            return
        old, self.lines = self.lines, new
        if len(old) != len(new):
            self.refresh(layout=True)
            return
        for y, (before, after) in enumerate(zip(old, new, strict=True)):
            if before != after:
                self.refresh(Region(0, y, self.size.width, 1))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as there are."""
        return len(self.lines)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self.lines):
            return Strip.blank(width, self.roles["text"])
        return Strip(segments(self.lines[y], width, self.roles), width)
