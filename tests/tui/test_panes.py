"""The line between tree and detail: by mouse, by key, within limits, and after the terminal was resized."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui import story
from tests.tui.stage import playing, screen_text, until
from tests.tui.test_jumps import where
from tui.app import ViewerApp
from tui.config.settings import Memory
from tui.widgets.panes import LEAST_LEFT, LEAST_RIGHT, STEP, USUAL, left_width


def line_at(app: ViewerApp) -> int:
    """The column of the line in a row of the tree."""
    return screen_text(app)[2].index("▏")


@pytest.mark.parametrize("width", [100, 120, 160, 200, 250])
def test_a_share_leaves_both_sides_what_they_need(width: int) -> None:
    assert left_width(USUAL, width) == round(width * USUAL / 100)
    assert left_width(-50, width) == left_width(0, width) == LEAST_LEFT
    assert left_width(150, width) == width - 1 - LEAST_RIGHT


@pytest.mark.mouse("line")
async def test_the_line_is_dragged_with_the_mouse_and_headings_follow() -> None:
    async with playing(story.everything()) as (app, pilot):
        assert line_at(app) == 74
        await pilot.mouse_down("#status", offset=(74, 5))
        await pilot.hover("#status", offset=(85, 9))
        await pilot.pause()
        assert line_at(app) == 85
        await pilot.mouse_up("#status", offset=(85, 9))
        await pilot.hover("#status", offset=(50, 9))
        await pilot.pause()
        assert line_at(app) == 85
        assert app.focused is app.main.sessions
        heading, row = screen_text(app)[1], screen_text(app)[2]
        assert heading[:85].endswith("cost ")
        assert row[:85].endswith("$0.77 ")


async def test_the_line_stops_where_one_side_would_be_too_small() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.mouse_down("#status", offset=(74, 5))
        for x, stands in ((3, LEAST_LEFT), (118, 119 - LEAST_RIGHT), (60, 60)):
            await pilot.hover("#status", offset=(x, 9))
            await pilot.pause()
            assert line_at(app) == stands
        await pilot.mouse_up("#status", offset=(60, 9))


@pytest.mark.mouse("line")
async def test_two_clicks_on_the_line_bring_it_back() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("plus")
        await pilot.pause()
        assert line_at(app) == 74 + 120 * STEP // 100
        await pilot.double_click("#status", offset=(80, 5))
        await pilot.pause()
        assert line_at(app) == 74


async def test_keys_move_the_line_from_where_it_stands_and_back_to_the_usual_place() -> None:
    async with playing(story.everything()) as (app, pilot):
        for _ in range(20):
            await pilot.press("minus")
        await pilot.pause()
        assert line_at(app) == LEAST_LEFT
        await pilot.press("plus")
        await pilot.pause()
        assert line_at(app) == LEAST_LEFT + 120 * STEP // 100
        await pilot.press("equals_sign")
        await pilot.pause()
        assert line_at(app) == 74


async def test_the_proportion_stays_when_the_terminal_is_resized_also_through_one_pane() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.mouse_down("#status", offset=(74, 5))
        await pilot.hover("#status", offset=(60, 5))
        await pilot.mouse_up("#status", offset=(60, 5))
        for width in (200, 60, 160, 120):
            await pilot.resize_terminal(width, 30)
            await pilot.pause()
            if width >= 100:
                assert line_at(app) == width // 2
            else:
                assert "▏" not in "".join(screen_text(app))
                assert app.main.sessions.size.width == width


@pytest.mark.parametrize("key", ["6", "<", ">"])
async def test_with_one_pane_the_key_of_a_tab_goes_to_it(key: str) -> None:
    async with playing(story.everything(), size=(80, 24)) as (app, pilot):
        assert app.focused is app.main.sessions
        await pilot.press(key)
        await pilot.pause()
        assert (app.focused, app.main.view.pane) == (app.main.detail.body, "detail")
        await pilot.press("escape")
        await pilot.pause()
        assert app.focused is app.main.sessions


async def test_with_one_pane_the_keys_say_why_nothing_moves() -> None:
    async with playing(story.everything(), size=(60, 16)) as (app, pilot):
        await pilot.press("plus")
        await pilot.pause()
        assert where(app) == "one pane below 100 columns; tab goes to the other"
        await pilot.resize_terminal(120, 30)
        await pilot.pause()
        assert line_at(app) == 74


async def test_the_chosen_place_is_remembered_and_the_usual_one_needs_no_memory(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "settings.json")
    app = ViewerApp([], memory=memory)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        await pilot.mouse_down("#status", offset=(74, 5))
        await pilot.hover("#status", offset=(60, 5))
        await pilot.pause()
        assert memory.settings.tree_width == 0
        await pilot.mouse_up("#status", offset=(60, 5))
        await until(pilot, lambda: memory.settings.tree_width == 50)
    again = ViewerApp([], memory=Memory(tmp_path / "settings.json"))
    async with again.run_test(size=(200, 30)) as pilot:
        await pilot.pause()
        assert again.main.sessions.size.width == 100
        await pilot.press("equals_sign")
        await until(pilot, lambda: again.memory.settings.tree_width == 0)


async def test_a_share_that_makes_no_sense_does_no_harm() -> None:
    for share, stands in ((100_000, 119 - LEAST_RIGHT), (-3, LEAST_LEFT)):
        memory = Memory()
        memory.remember(tree_width=share)
        app = ViewerApp([], memory=memory)
        async with app.run_test(size=(120, 30)) as pilot:
            await pilot.pause()
            assert app.main.sessions.size.width == stands
