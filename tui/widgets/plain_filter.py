"""The last stop of what is drawn, whoever drew it: for terminals that have ASCII, or only their own encoding."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tui.render.glyphs import plain


class PlainFilter(LineFilter):
    """Replaces our glyphs and Textual's borders; with an `encoding` also what that does not have."""

    def __init__(self, encoding: str = "") -> None:
        super().__init__()
        self.encoding = encoding

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.text.isascii() else segment._replace(text=plain(segment.text, self.encoding))
            for segment in segments
        ]
