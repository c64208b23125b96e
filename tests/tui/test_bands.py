"""The bands on the screen: who needs somebody stands on top, and no row jumps under the cursor."""

from __future__ import annotations

import msgspec
import pytest

from adapter.events import Event, OpStarted
from tests.tui import states, story
from tests.tui.stage import feed, playing, screen_text, until
from tests.tui.story import NOW, SOURCE, Step, session
from tui.app import ViewerApp
from tui.config.settings import Memory
from tui.model.records import Key

ASKS = Key(SOURCE, "session", "ses_ask", "ses_ask")


def asking() -> list[Event]:
    step = Step("ses_ask", 1, "usr_a", 60).op("tool", "question", 50, None, label="Which way shall it go?")
    return [session("ses_ask", "Rename the keys", 70, cwd="/srv/web"), *step.events]


def silent() -> list[Event]:
    step = Step("ses_dead", 1, "usr_d", 400).op("tool", "grep", 390, None, label="retry")
    return [session("ses_dead", "Refactor the store", 410), *step.events]


def tree(app: ViewerApp) -> list[str]:
    """The rows of the tree, without what is right of their words."""
    return [line.split("▏")[0].rstrip() for line in screen_text(app)[2:-2]]


async def test_at_80x24_the_first_rows_say_who_needs_somebody() -> None:
    async with playing([*story.everything(), *asking(), *silent()], size=(80, 24), memory=Memory()) as (app, _pilot):
        rows = tree(app)
        assert rows[0].startswith(" ▾ for you ──────")
        assert " ".join(rows[1].split()).startswith("▸ ? Rename the keys Which way shall it go?")
        assert rows[2].startswith(" ▾ stuck and looping ─")
        assert " ".join(rows[3].split()).startswith("▸ ! Refactor the store silent, grep retry app")
        assert rows[4].startswith(" ▾ at work ─")
        assert " ".join(rows[5].split()).startswith("▸ ◐ Fix the flaky retry t")
        assert rows[6].startswith(" ▾ earlier ─")
        assert app.main.sessions.cursor == ASKS, "the cursor begins on a session"
        bar = screen_text(app)[0]
        for words in ("? 1 for you", "! 1 stuck", "● 1 at work") if "for you" in bar else ("?1", "!1", "●1", "✗1"):
            assert words in bar


@pytest.mark.parametrize("size", [(60, 16), (100, 30), (250, 60)])
async def test_the_bands_fit_every_width(size: tuple[int, int]) -> None:
    async with playing([*story.everything(), *asking()], size=size, memory=Memory()) as (app, _pilot):
        width = app.main.sessions.size.width
        assert all(len(line) <= size[0] for line in screen_text(app))
        assert tree(app)[0].startswith(" ▾ for you ─")
        assert len(tree(app)[0].rstrip()) >= width - 2


async def test_o_goes_round_and_is_remembered() -> None:
    memory = Memory()
    async with playing(story.everything(), memory=memory) as (app, pilot):
        for grouping, first in (("projects", "● app"), ("plain", "◐ Fix the flaky"), ("bands", "at work ─")):
            await pilot.press("o")
            await pilot.pause()
            assert memory.settings.grouping == grouping
            assert first in tree(app)[0]


async def test_the_exclamation_mark_goes_to_what_is_stuck() -> None:
    async with playing([*story.everything(), *asking(), *silent()], memory=Memory()) as (app, pilot):
        await pilot.press("exclamation_mark")
        assert app.main.sessions.cursor is not None
        assert app.main.sessions.cursor.session_id == "ses_dead"
        await pilot.press("w")
        assert app.main.sessions.cursor.session_id == "ses_ask"


async def test_a_question_that_comes_up_does_not_move_the_row_under_the_cursor() -> None:
    events = [session(f"ses_{n:02}", f"Session {n}", 5000 + n) for n in range(60)]
    async with playing(events, size=(100, 20), memory=Memory()) as (app, pilot):
        await pilot.press(*"jjjjjjjjjj")
        sessions = app.main.sessions
        cursor, line = sessions.cursor, app.view.place.at - app.view.place.top
        feed(app, asking())
        await pilot.pause()
        assert app.main.rows.row(1).key == ASKS
        assert sessions.cursor == cursor
        assert app.view.place.at - app.view.place.top == line


async def test_enter_folds_a_band_and_a_jump_into_it_opens_it() -> None:
    async with playing([*story.everything(), *asking()], memory=Memory()) as (app, pilot):
        await pilot.press("g", "h")
        await pilot.pause()
        assert app.main.rows.index_of(ASKS) is None
        assert tree(app)[0].startswith(" ▸ for you 1 ─")
        await pilot.press("j", "w")
        assert app.main.sessions.cursor is not None
        assert app.main.sessions.cursor.session_id == "ses_ask"


async def test_the_age_of_what_is_over_goes_on() -> None:
    moment = [float(NOW)]
    over = [session("ses_x", "Explain", 100), *Step("ses_x", 1, "usr_x", 90).end(30, story.Usage(), 0, 0.1).events]
    over.extend(asking())
    async with playing(over, clock=lambda: moment[0], memory=Memory()) as (app, pilot):
        row = next(line for line in tree(app) if "Explain" in line)
        moment[0] += 300
        app.main.tick()
        await pilot.pause()
        later = next(line for line in tree(app) if "Explain" in line)
        assert " 5m" in later
        assert " 5m" not in row


async def test_a_loop_says_what_loops_without_eating_the_title() -> None:
    long = "npm run lint -- --fix --max-warnings 0 packages/everything"
    events = [msgspec.structs.replace(event, extras={**event.extras, "label": long}) if isinstance(event, OpStarted)
              else event for event in states.looping()]  # fmt: skip
    asked = states.asked("ses_loop", "Fix the linter of the whole project", 300, "make it green")
    async with playing([*asked, *events], size=(80, 24), memory=Memory()) as (app, _):
        row = next(line for line in tree(app) if "↻5 bash" in line)
        assert "Fix the linter of" in row
        assert "npm" in row


async def test_what_has_finished_is_for_you_until_it_has_been_looked_at() -> None:
    events = [session("ses_old", "An old one", 5000)]
    begun = Step("ses_new", 1, "usr_n", 20)
    events += [session("ses_new", "Count the tests", 30), *begun.events]
    moment = [float(NOW)]
    async with playing(events, clock=lambda: moment[0], memory=Memory()) as (app, pilot):
        await pilot.press("G")
        await until(pilot, lambda: app.view._rested)
        moment[0] += 2
        feed(app, Step("ses_new", 1, "usr_n", 20).end(-1, story.Usage(), 0, 0.1, finish="stop").events)
        await pilot.pause()
        rows = tree(app)
        assert rows[0].startswith(" ▾ for you ─")
        assert "Count the tests" in rows[1]
        assert "for you" not in screen_text(app)[0], "nobody waits for an answer"
        await pilot.press("g", "j")
        await until(pilot, lambda: app.view._rested)
        assert "Count the tests" in tree(app)[1]
        await pilot.press("G")
        await until(pilot, lambda: tree(app)[0].startswith(" ▾ earlier ─"))
        assert "Count the tests" in tree(app)[1]
