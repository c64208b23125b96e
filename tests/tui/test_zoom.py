"""The detail as the whole screen: what the view knows, what is drawn, where the keys go and the way back."""

from __future__ import annotations

import pytest

from tests.tui import story
from tests.tui.stage import FakeSource, playing, screen_text, until
from tests.tui.test_keys import BASH, RETRY, URI
from tests.tui.test_view import Scene
from tui.app import ViewerApp

LONG = "\n".join(f"line {n}" for n in range(200))


def alone(app: ViewerApp) -> bool:
    """Whether the detail takes all columns and the tree none."""
    return app.main.detail.size.width == app.size.width and not app.main.sessions.size.width


class TestView:
    def test_the_keys_go_with_the_detail_and_come_back_to_where_they_were(self) -> None:
        view = Scene(*story.everything()).view
        for before in ("tree", "detail"):
            view.go_to_pane(before)  # type: ignore[arg-type]
            assert view.zoom().panes
            assert (view.zoomed, view.detail_alone, view.pane) == (True, True, "detail")
            assert view.zoom().panes
            assert (view.zoomed, view.detail_alone, view.pane) == (False, False, before)

    def test_a_search_keeps_it_and_the_tree_is_never_behind_it(self) -> None:
        view = Scene(*story.everything()).view
        view.zoom()
        view.go_to_pane("search")
        assert view.detail_alone
        view.go_to_pane("tree")
        assert not view.detail_alone

    def test_with_room_for_one_pane_it_is_the_way_there_and_back(self) -> None:
        view = Scene(*story.everything()).view
        view.one_pane = True
        view.zoom()
        assert view.detail_alone
        view.zoom()
        assert (view.detail_alone, view.pane) == (False, "tree")
        view.go_to_pane("detail")
        view.zoom()
        assert (view.detail_alone, view.pane) == (False, "tree"), "nothing to make larger: it goes back"

    def test_from_the_detail_in_a_terminal_that_became_narrow_the_way_back_is_the_tree(self) -> None:
        view = Scene(*story.everything()).view
        view.go_to_pane("detail")
        view.zoom()
        view.one_pane = True
        view.unzoom()
        assert view.pane == "tree"


@pytest.mark.parametrize("size", [(120, 40), (200, 60)])
@pytest.mark.parametrize("back", ["m", "escape"])
async def test_the_detail_becomes_the_whole_screen_and_back(size: tuple[int, int], back: str) -> None:
    async with playing(story.everything(), size=size) as (app, pilot):
        app.main.sessions.select(RETRY)
        await pilot.pause()
        before = screen_text(app)
        await pilot.press("m")
        await pilot.pause()
        assert alone(app)
        assert "▏" not in "".join(screen_text(app))
        assert app.focused is app.main.detail.view
        await pilot.press("3", back)
        await pilot.pause()
        assert app.focused is app.main.sessions
        await pilot.press("1")
        await pilot.pause()
        assert screen_text(app) == before


async def test_cursor_keys_scroll_what_is_seen_and_the_cursor_of_the_tree_stays() -> None:
    async with playing(story.everything(), source=FakeSource({URI: LONG})) as (app, pilot):
        app.main.sessions.select(BASH)
        await pilot.press("3", "m")
        view = app.main.detail.view
        await until(pilot, lambda: len(view.lines) >= 200)
        await pilot.press("g", "down", "j")
        await pilot.pause()
        assert view.scroll_offset.y == 2
        await pilot.press("m", "up", "down")
        assert app.main.sessions.cursor == BASH


async def test_tabs_search_and_its_escape_work_in_it() -> None:
    async with playing(story.everything(), source=FakeSource({URI: LONG})) as (app, pilot):
        app.main.sessions.select(BASH)
        await pilot.press("m", "3")
        await until(pilot, lambda: len(app.main.detail.view.lines) >= 200)
        await pilot.press("slash", *"77", "enter")
        assert app.main.detail.view.words == "77"
        await pilot.press("escape")
        assert (app.main.detail.view.words, app.main.view.zoomed) == ("", True)
        await pilot.press("escape")
        await pilot.pause()
        assert not app.main.view.zoomed
        assert not alone(app)


async def test_tab_goes_to_the_tree_and_from_the_detail_it_came_back_to_the_detail() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("m", "tab")
        await pilot.pause()
        assert app.focused is app.main.sessions
        assert not alone(app)
        await pilot.press("tab", "m", "m")
        await pilot.pause()
        assert app.focused is app.main.detail.view
        assert not alone(app)


async def test_below_a_hundred_columns_it_is_the_way_to_the_detail_and_back() -> None:
    async with playing(story.everything(), size=(80, 24)) as (app, pilot):
        await pilot.press("m")
        await pilot.pause()
        assert alone(app)
        await pilot.press("m")
        await pilot.pause()
        assert app.focused is app.main.sessions
        await pilot.press("tab", "m")
        await pilot.pause()
        assert app.focused is app.main.sessions


async def test_it_outlives_a_resize_through_one_pane() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("m")
        for width in (80, 200, 120):
            await pilot.resize_terminal(width, 30)
            await pilot.pause()
            assert alone(app)
        await pilot.press("escape")
        await pilot.pause()
        assert app.main.sessions.size.width == 74


async def test_the_line_between_the_panes_has_no_keys_while_it_is_not_there() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("m", "plus", "escape")
        await pilot.pause()
        assert app.main.sessions.size.width == 74
