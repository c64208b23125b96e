"""Sessions project by project, as a user meets them: headings to walk over, fold, click and look at."""

from __future__ import annotations

import pytest

from adapter.events import Event
from tests.tui import story
from tests.tui.stage import feed, playing, screen_text, until
from tests.tui.story import NOW, SOURCE, Step, prompt, session
from tests.tui.test_filter import type_filter
from tests.tui.test_jumps import asking, where
from tui.app import ViewerApp
from tui.model.records import Key
from tui.model.tree.headings import heading_key

APP, WEB = heading_key("app\0/home/ada/app"), heading_key("web\0/srv/web")
BAD = Key(SOURCE, "session", "ses_bad", "ses_bad")
FRONT = Key(SOURCE, "session", "ses_front", "ses_front")


def two_projects() -> list[Event]:
    front = session("ses_front", "Move to the new router", 700, cwd="/srv/web", extras={"cost": 2.5})
    return [*story.everything(), front]


def tree(app: ViewerApp) -> list[str]:
    """The rows of the tree."""
    return [line.split("▏")[0].rstrip() for line in screen_text(app)[2:-2]]


async def test_o_puts_a_heading_before_each_project_and_again_takes_them_away() -> None:
    async with playing(two_projects()) as (app, pilot):
        before = tree(app)
        app.main.sessions.select(BAD)
        await pilot.press("o", "o")
        await pilot.pause()
        headings = [line for line in tree(app) if "session" in line and "  /" in line]
        assert headings[0].startswith(" ▾ ● app  /home/ada/app  ● 1 at work  5 sessions")
        assert headings[0].endswith("$1.25")
        assert headings[1].startswith(" ▾   web  /srv/web  1 session ")
        assert headings[1].endswith("$2.50")
        assert "   ▸ ✗ Nightly report" in "\n".join(tree(app))
        assert app.main.sessions.cursor == BAD
        await pilot.press("o")
        await pilot.pause()
        assert tree(app) == before
        assert app.main.sessions.cursor == BAD


async def test_a_heading_folds_by_key_and_by_click_and_the_cursor_walks_over_it() -> None:
    async with playing(two_projects()) as (app, pilot):
        await pilot.press("o", "o", "g")
        assert app.main.sessions.cursor == APP
        await pilot.press("h", "j")
        assert app.main.sessions.cursor == WEB
        await pilot.press("k", "l", "j")
        assert app.main.sessions.cursor == Key(SOURCE, "session", "ses_retry", "ses_retry")
        await pilot.press("h", "h")
        assert app.main.sessions.cursor == APP
        for key in ("space", "enter", "z"):
            shown = len(app.main.rows)
            await pilot.press(key)
            assert len(app.main.rows) != shown
        rows = len(app.main.rows)
        await pilot.click("#tree", offset=(1, 0))
        assert len(app.main.rows) != rows


async def test_brackets_go_from_heading_to_heading() -> None:
    async with playing(two_projects()) as (app, pilot):
        await pilot.press("o", "o", "g", "right_square_bracket")
        assert app.main.sessions.cursor == WEB
        await pilot.press("right_square_bracket")
        await pilot.pause()
        assert where(app) == "no heading after this one"
        await pilot.press("left_square_bracket")
        assert app.main.sessions.cursor == APP


async def test_a_jump_opens_the_project_that_hides_its_goal_and_begins_below_the_heading() -> None:
    async with playing([*two_projects(), *asking()]) as (app, pilot):
        await pilot.press("o", "o", "g", "h")
        assert app.main.rows.index_of(BAD) is None
        await pilot.press("w")
        assert app.main.sessions.cursor == Key(SOURCE, "op", "ses_ask", "prt_ses_ask_1_1:tool")
        app.main.sessions.select(WEB)
        await pilot.press("E")
        assert app.main.sessions.cursor == BAD
        app.main.sessions.select(WEB)
        await pilot.press("e")
        assert app.main.sessions.cursor == Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool")


async def test_the_detail_and_the_line_below_say_what_the_project_is() -> None:
    async with playing(two_projects()) as (app, pilot):
        await pilot.press("o", "o", "g")
        await pilot.pause()
        assert where(app) == "app in /home/ada/app"
        detail = "\n".join(line.partition("▏")[2] for line in screen_text(app))
        assert "sessions  5   7 with sub-agents" in detail
        assert "money     $1.25" in detail
        assert "failed    ✗ 1" in detail
        await pilot.press("6", "1")
        await pilot.press("Y")
        await pilot.pause()
        assert "no session here to resume" in screen_text(app)[-1]


async def test_a_heading_is_drawn_anew_when_its_numbers_change() -> None:
    async with playing(two_projects()) as (app, pilot):
        await pilot.press("o", "o", "g")
        feed(app, [session("ses_front", "Move", 700, cwd="/srv/web", extras={"cost": 3.75})])
        await pilot.pause()
        assert any("web" in line and line.endswith("$3.75") for line in tree(app))
        step = Step("ses_front", 1, "usr_f", 5).op("tool", "bash", 4, None, label="make", running=True)
        feed(app, [prompt("ses_front", "usr_f", "go", 6), *step.events])
        await pilot.pause()
        assert any("web" in line and "● 1 at work" in line for line in tree(app))


async def test_under_a_filter_only_projects_with_a_match_have_a_heading() -> None:
    async with playing(two_projects()) as (app, pilot):
        await pilot.press("o", "o")
        await type_filter(pilot, "router")
        await pilot.pause()
        assert tree(app)[0].startswith(" ▾   web  /srv/web  1 session")
        assert "Move to the new router" in tree(app)[1]
        await pilot.press("enter", "escape")
        await pilot.pause()
        assert app.main.sessions.cursor == FRONT
        assert app.main.rows.index_of(APP) == 0


async def test_follow_stands_on_the_heading_of_a_folded_project() -> None:
    async with playing(two_projects()) as (app, pilot):
        await pilot.press("o", "o", "g", "h", "f")
        await until(pilot, lambda: app.main.sessions.following)
        assert app.main.sessions.cursor == APP


@pytest.mark.parametrize("size", [(60, 16), (100, 24), (200, 60)])
async def test_headings_fit_every_width(size: tuple[int, int]) -> None:
    events = [*two_projects(), session("ses_w", "x", 10, cwd="/日本語/プロジェクト/" + "長" * 90)]
    async with playing(events, size=size, clock=lambda: NOW) as (app, pilot):
        await pilot.press("o", "o", "g")
        await pilot.pause()
        assert "● 1 at work" in tree(app)[0]
        await pilot.press("G")
        await pilot.pause()
        assert any("1 session" in line for line in tree(app))
