"""What widgets draw past Textual is what that would draw, and is made no more often than it looks different."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from rich.segment import Segment
from textual.geometry import Region
from textual.widget import Widget

from tests.tui import story
from tests.tui.conftest import Recording
from tests.tui.glass import Glass
from tests.tui.stage import feed, playing, screen_text
from tests.tui.story import session
from tests.tui.test_no_stale_line import painted_anew
from tui.config.settings import Memory
from tui.textual_patches import stock
from tui.widgets import row_looks
from tui.widgets.drawn_lines import DrawnLines

BEFORE = [session(f"ses_old_{n}", f"Old session {n}", 9000 + n) for n in range(60)]


def stock_lines(widget: Widget, crop: Region) -> list[list[Segment]]:
    """The lines as Textual makes them, with nothing taken from what was made before."""
    widget.refresh()
    return [list(strip) for strip in Widget.render_lines(widget, crop)]


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}])
@pytest.mark.parametrize("glyphs", ["unicode", "ascii"])
async def test_every_widget_looks_as_textual_would_have_it(
    environment: dict[str, str], glyphs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    memory = Memory()
    memory.remember(glyphs=glyphs)
    async with playing(story.everything(), memory=memory) as (app, pilot):
        for keys in (["H"], ["tab"], ["2"], ["T"], ["tab", "z", "G"], ["question_mark"]):
            await pilot.press(*keys)
            await pilot.pause()
            widgets = [widget for widget in app.screen.query(DrawnLines) if widget.size]
            assert widgets
            for widget in widgets:
                whole = widget.outer_size.region
                parts = [whole, Region(2, 0, 5, 1)]
                drawn = [[list(strip) for strip in widget.render_lines(part)] for part in parts]
                assert drawn == [stock_lines(widget, part) for part in parts], (widget, keys)
                assert (widget.styles.gutter, widget.opacity) == ((0, 0, 0, 0), 1.0)


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}])
async def test_a_scroll_bar_looks_as_textual_would_have_it_wherever_it_stands(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with playing(BEFORE) as (app, pilot):
        tree = app.main.sessions
        bar = tree.vertical_scrollbar
        crop = bar.outer_size.region
        assert crop.height > 20
        for number, keys in enumerate((["j"], ["pagedown"], ["G"], ["k", "pageup"], ["g"], ["H"], ["H"], ["+"])):
            await pilot.press(*keys)
            feed(app, [session(f"ses_bar_{number}_{n}", "Another session", 9005) for n in range(7)])
            await pilot.pause()
            bar.mouse_over = number % 3 == 1
            crop = bar.outer_size.region
            drawn = [list(strip) for strip in bar.render_lines(crop)]
            monkeypatch.setattr(stock, "OFF", {"bar", "lines"})
            assert drawn == stock_lines(bar, crop), keys
            monkeypatch.setattr(stock, "OFF", set())
            where = bar.region.offset
            assert app.screen.get_style_at(where.x, where.y).meta.keys() == {"@mouse.down"}


async def test_rows_that_another_one_pushes_on_are_not_made_again(
    terminal: type[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    lay_out = row_looks.laid_out

    def noted(cells: Any, *arguments: Any) -> list[Segment]:
        made.append("".join(text for text, _ in cells.words))
        return lay_out(cells, *arguments)

    monkeypatch.setattr(row_looks, "laid_out", noted)
    async with playing(BEFORE) as (app, pilot):
        await pilot.press("j")
        await pilot.pause()
        made.clear()
        feed(app, [session("ses_new", "Another session", 9005)])
        await pilot.pause()
        assert made == ["Another session"]
        glass = Glass()
        glass.write(terminal.written)
        assert glass.differences(painted_anew(app)) == []


async def test_lines_come_back_as_they_are_now_when_there_is_more_room(terminal: type[Recording]) -> None:
    async with playing(BEFORE) as (app, pilot):
        await pilot.press("H")
        await pilot.pause()
        last = app.main.sessions.size.height
        feed(app, [session(f"ses_old_{last}", "Renamed out of sight", 9000 + last)])
        await pilot.press("H")
        await pilot.pause()
        assert any("Renamed out of sight" in line for line in screen_text(app))
        glass = Glass()
        glass.write(terminal.written)
        assert glass.differences(painted_anew(app)) == []


async def test_what_is_covered_and_what_has_not_changed_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str] = Counter()
    async with playing(BEFORE) as (app, pilot):
        await pilot.press("j")
        await pilot.pause()
        for widget in app.screen._compositor.visible_widgets:

            def counting(crop: Region, original: Any = widget.render_lines, name: str = str(widget.id)) -> Any:
                asked[name] += crop.height
                return original(crop)

            monkeypatch.setattr(widget, "render_lines", counting)
        for n in (3, 20):
            feed(app, [session(f"ses_old_{n}", "Renamed", 9000 + n)])
        await pilot.pause()
        assert asked == {"tree": 2}
