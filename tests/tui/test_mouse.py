"""What the mouse can do: rows, fold signs, the wheel, tabs, counts, the palette; help and README say the same."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from textual import events
from textual.command import CommandList
from textual.pilot import Pilot

from adapter.events import Event
from tests.tui import story, test_detail, test_panes
from tests.tui.stage import FakeSource, playing, screen_text, until
from tests.tui.story import SOURCE, Step, session
from tests.tui.test_keys import README
from tests.tui.test_palette import ask
from tui.app import ViewerApp
from tui.model.records import Key
from tui.render.bars.help import MOUSE
from tui.render.rows.columns import fold_span


async def wheel(pilot: Pilot[Any], selector: str, down: bool, times: int = 1) -> None:
    """Turns the wheel over the middle of a widget."""
    widget = pilot.app.screen.query_one(selector)
    x, y = widget.region.x + 5, widget.region.y + 2
    kind = events.MouseScrollDown if down else events.MouseScrollUp
    for _ in range(times):
        await pilot._post_mouse_events([kind], selector, offset=(5, 2), button=0)
    assert pilot.app.screen.get_widget_at(x, y)[0] is widget
    await pilot.pause()


def at(app: ViewerApp, kind: str, nth: int = 0) -> tuple[int, Key]:
    """Line and key of the nth row of a kind."""
    rows = app.main.rows
    found = [(i, rows.row(i).key) for i in range(len(rows)) if rows.row(i).key.kind == kind]
    return found[nth]


@pytest.mark.mouse("click")
@pytest.mark.parametrize("kind", ["session", "prompt", "turn", "op"])
async def test_a_click_on_the_words_of_a_row_selects_it_and_folds_nothing(kind: str) -> None:
    async with playing(story.everything()) as (app, pilot):
        line, key = at(app, kind, -1)
        shown = len(app.main.rows)
        await pilot.click("#tree", offset=(30, line))
        assert app.main.sessions.cursor == key
        assert len(app.main.rows) == shown
        assert app.main.detail.key == key


@pytest.mark.mouse("click")
@pytest.mark.parametrize("kind", ["session", "prompt", "turn"])
async def test_a_click_on_the_fold_sign_folds_and_another_unfolds(kind: str) -> None:
    async with playing(story.everything()) as (app, pilot):
        line, key = at(app, kind)
        cells = fold_span(app.main.rows.row(line), app.main.sessions.size.width)
        shown = len(app.main.rows)
        await pilot.click("#tree", offset=(cells[1], line))
        assert len(app.main.rows) < shown
        assert app.main.sessions.cursor == key
        await pilot.click("#tree", offset=(cells[1], line))
        assert len(app.main.rows) == shown


@pytest.mark.mouse("two clicks")
async def test_two_clicks_on_a_leaf_go_to_its_detail_and_one_into_the_tree_comes_back() -> None:
    async with playing(story.everything()) as (app, pilot):
        line, _ = at(app, "op")
        await pilot.double_click("#tree", offset=(30, line))
        await until(pilot, lambda: app.main.detail.view.has_focus)
        await pilot.click("#tree", offset=(30, 0))
        await until(pilot, lambda: app.main.sessions.has_focus)


async def test_a_click_below_the_last_row_does_nothing() -> None:
    async with playing(story.everything()) as (app, pilot):
        before = app.main.sessions.cursor
        await pilot.click("#tree", offset=(10, len(app.main.rows) + 3))
        assert app.main.sessions.cursor == before


@pytest.mark.mouse("wheel")
async def test_the_wheel_scrolls_the_tree_pauses_follow_and_leaves_the_cursor_on_its_node() -> None:
    many = [session(f"ses_{n:03}", f"Session {n}", 100 + n) for n in range(200)]
    async with playing([*many, *story.everything()], size=(120, 30)) as (app, pilot):
        await pilot.press("f")
        cursor = app.main.sessions.cursor
        await wheel(pilot, "#tree", down=True, times=5)
        assert app.main.sessions.scroll_offset.y > 0
        assert not app.main.sessions.following
        assert "follow paused" in screen_text(app)[0]
        assert app.main.sessions.cursor == cursor
        await wheel(pilot, "#tree", down=False, times=9)
        assert app.main.sessions.scroll_offset.y == 0


@pytest.mark.mouse("wheel")
async def test_the_wheel_scrolls_the_text_of_the_detail_under_the_pointer_without_the_focus() -> None:
    output = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool")
    texts = {uri: "\n".join(f"line {n}" for n in range(300)) for uri in story.texts(story.everything())}
    async with playing(story.everything(), source=FakeSource(texts)) as (app, pilot):
        app.main.sessions.select(output)
        await pilot.press("3")
        await until(pilot, lambda: any("line 3" in line for line in screen_text(app)))
        await wheel(pilot, "#text", down=True, times=3)
        assert app.main.detail.view.scroll_offset.y > 0
        assert app.main.sessions.has_focus


@pytest.mark.mouse("tab")
async def test_a_click_on_a_tab_shows_it() -> None:
    async with playing(story.everything(), source=FakeSource()) as (app, pilot):
        tabs = app.main.detail.query_one("#tabs")
        line = screen_text(app)[tabs.region.y]
        await pilot.click("#status", offset=(line.index("Raw") + 1, tabs.region.y))
        await until(pilot, lambda: app.main.detail.tab == "Raw")
        await pilot.click("#status", offset=(line.index("Overview") + 1, tabs.region.y))
        await until(pilot, lambda: app.main.detail.tab == "Overview")


@pytest.mark.mouse("count")
async def test_a_click_on_the_count_of_failures_filters_and_another_takes_it_away() -> None:
    async with playing(story.everything()) as (app, pilot):
        x = screen_text(app)[0].index("✗ 1 today")
        await pilot.click("#status", offset=(x, 0))
        await pilot.pause()
        assert app.main.finder.text == "is:failed since:today"
        assert "is:failed since:today" in screen_text(app)[1]
        await pilot.click("#status", offset=(x, 0))
        await pilot.pause()
        assert not app.main.finder.on


@pytest.mark.mouse("count")
@pytest.mark.parametrize(("words", "goal"), [("? 1 for you", "ses_ask"), ("↻ 1 loop", "ses_loop")])
async def test_a_click_on_a_count_goes_to_the_next_of_what_it_counts(words: str, goal: str) -> None:
    asks = Step("ses_ask", 1, "usr_a", 60).op("tool", "question", 50, None, label="Which way?")
    events: list[Event] = [*story.everything(), session("ses_ask", "Asks", 70), *asks.events]
    events.append(session("ses_loop", "Loops", 70))
    for seq in range(1, 6):
        step = Step("ses_loop", seq, "usr_l", 70 - seq)
        events += step.op("tool", "grep", 69 - seq, None if seq == 5 else 1, label="x").events
    async with playing(events) as (app, pilot):
        await pilot.click("#status", offset=(screen_text(app)[0].index(words), 0))
        await pilot.pause()
        cursor = app.main.sessions.cursor
        assert cursor is not None
        assert cursor.session_id == goal
        assert not app.main.finder.on


@pytest.mark.mouse("palette")
async def test_a_click_in_the_palette_chooses() -> None:
    async with playing(story.everything()) as (app, pilot):
        await ask(pilot, "nightly report")
        options = app.screen.query_one(CommandList)
        await until(pilot, lambda: options.region.height > 2)
        await pilot.click(CommandList, offset=(5, 1))
        await until(pilot, lambda: app.main.sessions.cursor == Key(SOURCE, "session", "ses_bad", "ses_bad"))


@pytest.mark.mouse("two clicks")
async def test_on_one_pane_a_click_selects_and_two_open_the_detail() -> None:
    async with playing(story.everything(), size=(60, 16)) as (app, pilot):
        await pilot.click("#tree", offset=(20, 2))
        assert app.main.sessions.cursor == app.main.rows.row(2).key
        await pilot.double_click("#tree", offset=(20, 1))
        await until(pilot, lambda: app.main.has_class("detail-alone"))


def tried(module: ModuleType) -> set[str]:
    """What the tests of a module say that they use the mouse on."""
    marks = [mark for test in vars(module).values() for mark in getattr(test, "pytestmark", ())]
    return {str(mark.args[0]) for mark in marks if mark.name == "mouse"}


def test_the_help_and_the_readme_say_of_the_mouse_what_is_tested() -> None:
    table = README.read_text().split("| mouse | what it does |\n|---|---|\n")[1].split("\n\n")[0]
    assert [tuple(line.strip("| ").split(" | ")) for line in table.splitlines()] == list(MOUSE)
    here = {mark for module in (test_detail, test_panes) for mark in tried(module)} | tried(sys.modules[__name__])
    assert here == {name for name, _ in MOUSE}
