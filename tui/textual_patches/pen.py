"""Styled text as what a terminal is sent: between two pieces of text only what is different about the second one.

Rich ends every piece with a reset and then says all of the next one's style: of what a change of the tree sent four
fifths were colours, among them the same background for each of ten pieces of a line.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

PLAIN = Style.null()


class Pen:
    """Writes segments one after the other, for a terminal that has these colours; `lift` ends it. Of styles it writes
    attributes and colours, no links."""

    def __init__(self, colors: ColorSystem) -> None:
        self._colors = colors
        self._style = PLAIN

    def write(self, segments: Iterable[Segment]) -> str:
        """The text of the segments, and what makes the terminal draw each of them in its style."""
        pieces: list[str] = []
        for text, style, _ in segments:
            style = style or PLAIN
            if style is not self._style and not (text.isspace() and _blanks_look_alike(self._style, style)):
                pieces.append(_change(self._style, style, self._colors))
                self._style = style
            pieces.append(text)
        return "".join(pieces)

    def lift(self) -> str:
        """What leaves the terminal without any style."""
        before, self._style = self._style, PLAIN
        return _change(before, PLAIN, self._colors)


@lru_cache(4096)
def _blanks_look_alike(one: Style, other: Style) -> bool:
    """Whether a space looks the same in both: it shows its ground only, unless something is drawn on it."""
    drawn = any(s.reverse or s.underline or s.underline2 or s.strike or s.overline for s in (one, other))
    return not drawn and one.bgcolor == other.bgcolor


@lru_cache(4096)
def _change(before: Style, after: Style, colors: ColorSystem) -> str:
    """The shortest sequence from one style to another, "" where they look the same."""
    codes: list[str] = []
    old, new = (Strip.render_ansi(style.without_color, colors) for style in (before, after))
    if old and old != new:
        # What ends one attribute may end another, too.
        codes, before = ["0"], PLAIN
    if new and old != new:
        codes.append(new)
    if before.color != after.color:
        codes += _codes(after.color, colors, True)
    if before.bgcolor != after.bgcolor:
        codes += _codes(after.bgcolor, colors, False)
    return f"\x1b[{';'.join(codes)}m" if codes else ""


def _codes(color: Color | None, colors: ColorSystem, foreground: bool) -> Iterable[str]:
    return (color or Color.default()).downgrade(colors).get_ansi_codes(foreground)
