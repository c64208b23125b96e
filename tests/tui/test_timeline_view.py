"""The timeline on the screen: where it opens, how its keys lead to the tree and back, what it reads, what it draws."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.tui import story
from tests.tui.judge import judge
from tests.tui.stage import FakeSource, feed, playing, screen_text, until
from tests.tui.story import NOW, Step, prompt, session
from tests.tui.test_hostile_text import WORST, world
from tui.app import ViewerApp
from tui.model.records import Key
from tui.widgets.timeline_view import TimelineView


def timeline_of(app: ViewerApp) -> TimelineView:
    return app.main.detail.timeline


def cursor(app: ViewerApp) -> str:
    line = timeline_of(app).sight.line
    assert line is not None
    return line.key.id


def running(seconds: float = 20) -> list[object]:
    """A session with a step that is over and one in which a command runs."""
    first = Step("ses_run", 1, "usr_1", 60).op("tool", "read", 58, 1).end(50, story.Usage(input=9), 9, 0.01)
    second = Step("ses_run", 2, "usr_1", 49).op("tool", "bash", seconds, None, label="make", running=True)
    return [
        session("ses_run", "Build it", 61),
        prompt("ses_run", "usr_1", "build it", 61),
        *first.events,
        *second.events,
    ]


async def test_i_shows_the_timeline_and_i_again_goes_into_it() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("i")
        assert app.main.sessions.has_focus
        assert timeline_of(app).display
        await pilot.press("i")
        assert timeline_of(app).has_focus
        assert "now" in screen_text(app)[2]
        await pilot.press("escape")
        assert app.main.sessions.has_focus


async def test_on_one_pane_it_is_all_of_the_screen() -> None:
    async with playing(story.everything(), size=(80, 24)) as (app, pilot):
        await pilot.press("i")
        lines = screen_text(app)
        assert timeline_of(app).has_focus
        assert "step 1" in "\n".join(lines)
        assert lines[-3].startswith(" ▓ model  █ tool")


async def test_the_cursor_of_the_tree_leads_to_the_line_and_enter_back_to_the_row() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("i", "j", "j")
        assert app.view.cursor is not None
        assert cursor(app) == app.view.cursor.id
        await pilot.press("i", "j", "j")
        there = cursor(app)
        before = app.view.cursor
        assert there != before.id
        await pilot.press("enter")
        assert app.main.sessions.has_focus
        assert app.view.cursor.id == there
        await pilot.press("backspace")
        assert app.view.cursor == before
        assert timeline_of(app).has_focus


async def test_a_click_selects_a_line_and_two_go_to_its_row() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("i")
        await pilot.click(timeline_of(app), offset=(20, 3))
        there = cursor(app)
        assert timeline_of(app).sight.at == 2
        await pilot.click(timeline_of(app), offset=(20, 3), times=2)
        assert app.view.cursor is not None
        assert app.view.cursor.id == there


async def test_time_and_changes_move_the_right_edge() -> None:
    clock = [float(NOW)]
    async with playing(running(), clock=lambda: clock[0]) as (app, pilot):  # type: ignore[arg-type]
        await pilot.press("i", "m")
        assert any("bash 20s" in line for line in screen_text(app))
        clock[0] += 5
        app.main.tick()
        await pilot.pause()
        assert any("bash 25s" in line for line in screen_text(app))
        ended = Step("ses_run", 2, "usr_1", 49).op("tool", "bash", 20, 22, label="make").events
        feed(app, ended)
        await pilot.pause()
        assert any("bash 22s" in line and "…" not in line for line in screen_text(app))


async def test_what_changed_while_another_tab_was_shown_is_there() -> None:
    async with playing(running()) as (app, pilot):  # type: ignore[arg-type]
        await pilot.press("i", "1")
        feed(app, Step("ses_run", 2, "usr_1", 49).op("tool", "bash", 20, 15, label="make").events)
        await pilot.press("i", "m")
        assert any("bash 15s" in line for line in screen_text(app))


async def test_sub_agents_that_have_not_been_read_are_asked_for() -> None:
    source = FakeSource()
    step = Step("ses_up", 1, "usr_u", 60).op("tool", "task", 50, 20, child="ses_kid", label="look")
    events = [
        *(session("ses_up", "Above", 61), prompt("ses_up", "usr_u", "go", 61), *step.events),
        session("ses_kid", "look", 50, parent_id="ses_up"),
    ]
    async with playing(events, source=source) as (_, pilot):
        await pilot.press("i")
        await until(pilot, lambda: "ses_kid" in source.requested)
        assert source.requested.count("ses_kid") == 1


async def test_a_key_draws_only_the_lines_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: Counter[str] = Counter()
    original = TimelineView._strip

    def counting(self: TimelineView, y: int, shown: object) -> object:
        drawn["lines"] += 1
        return original(self, y, shown)  # type: ignore[arg-type]

    async with playing(story.everything()) as (_, pilot):
        await pilot.press("i", "i")
        await pilot.pause()
        monkeypatch.setattr(TimelineView, "_strip", counting)
        await pilot.press("j")
        await pilot.pause()
        # The line before, the line now, and what is said of it.
        assert drawn["lines"] == 3


async def test_what_is_taken_along_is_the_timeline() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("i")
        words = app.main.detail.words()
        assert words is not None
        lines = list(words)
        assert lines[0].startswith("Fix the flaky retry test")
        assert any("█" in line for line in lines)


@pytest.mark.parametrize("size", [(20, 6), (101, 4)])
async def test_it_stands_on_the_smallest_terminal(size: tuple[int, int]) -> None:
    async with playing(story.everything(), size=size) as (app, pilot):
        await pilot.press("i", "i", "z", "j", "G", "right", "o", "full_stop", "Z", "g")
        assert screen_text(app)


async def test_hostile_text_is_text(terminal: type) -> None:
    events, texts = world(lambda: WORST)
    async with playing(events, source=FakeSource(texts), size=(120, 30)) as (app, pilot):
        for key in ("i", "i", "j", "j", "j", "o", "full_stop", "full_stop", "m", "G", "z", "y"):
            await pilot.press(key)
        await pilot.pause()
        assert isinstance(timeline_of(app).sight.subject, Key)
    assert terminal.written  # type: ignore[attr-defined]
    judge("".join(terminal.written))  # type: ignore[attr-defined]
