"""What the pen writes is what Rich would, in fewer bytes."""

from __future__ import annotations

import random

import pytest
from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tests.tui.glass import Glass
from tui.textual_patches.pen import Pen

NAMED = [Color.parse(name) for name in ("red", "#102030", "#e0e0e0")]
COLORS = [None, Color.default(), Color.from_ansi(200), *NAMED]
ATTRIBUTES = ["bold", "dim", "italic", "underline", "reverse", "strike", "underline2", "overline"]


def any_style(dice: random.Random) -> Style | None:
    """Any style, often one that differs from others in its colours only."""
    attributes = {name: dice.random() < 0.5 for name in ATTRIBUTES if dice.random() < 0.15}
    color, ground = dice.choice(COLORS), dice.choice(COLORS)
    return None if dice.random() < 0.05 else Style(color=color, bgcolor=ground, **attributes)


@pytest.mark.parametrize("colors", [ColorSystem.TRUECOLOR, ColorSystem.EIGHT_BIT, ColorSystem.STANDARD])
def test_every_line_looks_as_rich_would_have_it(colors: ColorSystem) -> None:
    dice = random.Random(5)
    pen = Pen(colors)
    for _ in range(300):
        line = [Segment(dice.choice(["word", " ", "   ", "两 x"]), any_style(dice)) for _ in range(8)]
        stock, short = Glass(), Glass()
        stock.write(Strip.render_style(style or Style(), text, colors) for text, style, _ in line)
        short.write([pen.write(line), pen.lift()])
        assert short.differences(stock) == [], line
        assert len(short.cells) == len(stock.cells) > 0


def test_what_stays_is_not_said_again() -> None:
    ground = Color.parse("#101010")
    one, other = (Style(color=Color.parse(color), bgcolor=ground) for color in ("#aaaaaa", "#bbbbbb"))
    pen = Pen(ColorSystem.TRUECOLOR)
    line = [Segment("a", one), Segment("  ", other), Segment("b", one), Segment("c", other)]
    assert pen.write(line) == "\x1b[38;2;170;170;170;48;2;16;16;16ma  b\x1b[38;2;187;187;187mc"
    assert pen.write([Segment("d", other)]) == "d"
    assert pen.lift() == "\x1b[39;49m"


def test_attributes_end_with_everything_else() -> None:
    pen = Pen(ColorSystem.TRUECOLOR)
    bold = Style(bold=True, color="red")
    line = [Segment("a", bold), Segment("b", Style(color="red")), Segment(" c", bold)]
    assert pen.write(line) == "\x1b[1;31ma\x1b[0;31mb\x1b[1m c"
