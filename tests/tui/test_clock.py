"""The app has a clock of its own: what it shows is right whatever is in sight, and when nothing has changed it draws
nothing."""

from __future__ import annotations

from collections import Counter

from tests.tui import story
from tests.tui.stage import Batch, FakeSource, feed, health, playing, screen_text, until
from tests.tui.states import asked, begun
from tests.tui.story import NOW, session
from tui.model.status.sources import STALE


async def test_a_session_that_begins_to_wait_out_of_sight_is_counted_and_found() -> None:
    moment = [float(NOW)]
    old = [session(f"ses_old_{n:03}", f"Old session {n}", 9000 + n) for n in range(80)]
    run = [
        *asked("ses_perm", "Clean the build directory", 2, "there are 40 GB in it"),
        *begun("ses_perm", 0).op("tool", "bash", 0, None, label="rm -rf build/").events,
    ]
    async with playing(old, size=(120, 24), clock=lambda: moment[0]) as (app, pilot):
        await pilot.press("G")
        feed(app, run)
        await pilot.pause()
        assert "for you" not in screen_text(app)[0]
        moment[0] += 5
        await until(pilot, lambda: "1 for you" in screen_text(app)[0])
        await pilot.press("w")
        await pilot.pause()
        assert app.main.sessions.cursor is not None
        assert app.main.sessions.cursor.session_id == "ses_perm"


async def test_the_detail_alone_on_a_narrow_screen_goes_on() -> None:
    moment = [float(NOW)]
    async with playing(story.everything(), size=(80, 24), clock=lambda: moment[0]) as (app, pilot):
        await pilot.press("enter")
        await pilot.pause()
        before = screen_text(app)
        moment[0] += 61
        await until(pilot, lambda: screen_text(app) != before)
        assert [line for line in screen_text(app)[2:] if "1 min" in line or "1m" in line]


async def test_the_clock_is_wound_up_when_something_begins() -> None:
    moment = [float(NOW)]
    async with playing(story.others(), clock=lambda: moment[0]) as (app, pilot):
        assert not app.view.busy
        feed(app, story.running_sub_agent())
        moment[0] += 1
        await until(pilot, lambda: app.view.now == moment[0] * 1_000_000, seconds=5)


async def test_a_tick_of_an_idle_screen_draws_nothing(drawn: Counter[str]) -> None:
    moment = [float(NOW)]
    async with playing(story.others(), clock=lambda: moment[0]) as (app, pilot):
        await pilot.press("j")
        await pilot.pause(0.7)
        drawn.clear()
        for _ in range(3):
            moment[0] += 1
            app.main.tick()
            await pilot.pause()
        assert drawn == Counter()


async def test_a_source_that_has_not_looked_for_long_is_not_called_live() -> None:
    moment = [float(NOW)]
    source = FakeSource(state=health(looked=float(NOW)))
    source.first = [Batch(story.others())]
    async with playing(source=source, clock=lambda: moment[0]) as (app, pilot):
        await until(pilot, lambda: "● live" in screen_text(app)[0])
        moment[0] += STALE / 1_000_000 + 27
        app.main.tick()
        await pilot.pause()
        assert "● last look 42s ago" in screen_text(app)[0]
        source.send(Batch([], health(looked=moment[0])))
        await until(pilot, lambda: "● live" in screen_text(app)[0])


async def test_at_midnight_the_money_of_yesterday_is_not_of_today_any_more() -> None:
    moment = [float(NOW)]
    costly = [session("ses_a", "Costly", 100, extras={"cost": 5.0})]
    async with playing(costly, clock=lambda: moment[0]) as (app, pilot):
        assert "$5.00 today" in screen_text(app)[0]
        moment[0] = NOW - NOW % 86_400 + 86_399
        app.main.tick()
        await pilot.pause()
        assert "$5.00 today" in screen_text(app)[0]
        # The program's own clock looks again at that second, not a minute later.
        moment[0] += 1
        await until(pilot, lambda: "$0 today" in screen_text(app)[0] or "$0.00 today" in screen_text(app)[0], 5)


async def test_after_a_night_in_which_the_machine_slept_the_first_tick_makes_everything_right() -> None:
    moment = [float(NOW)]
    asks = [
        *asked("ses_perm", "Clean the build directory", 2, "there are 40 GB in it"),
        *begun("ses_perm", 0).op("tool", "bash", 0, None, label="rm -rf build/").events,
    ]
    idle = [session("ses_idle", "Explain the lexer", 7200, extras={"cost": 5.0})]
    async with playing([*asks, *idle], clock=lambda: moment[0]) as (app, pilot):
        assert "1 at work" in screen_text(app)[0]
        moment[0] += 6 * 3600
        app.main.tick()
        await pilot.pause()
        bar, *lines = screen_text(app)
        assert "1 for you" in bar
        assert "0 at work" in bar
        assert any("may bash rm -rf build/ ?" in line and " 6h00 " in line for line in lines)
        assert any("Explain the lexer" in line and " 8h " in line for line in lines)


async def test_a_clock_that_is_set_back_shows_again_what_was_there_before() -> None:
    moment = [float(NOW)]
    async with playing(story.everything(), clock=lambda: moment[0]) as (app, pilot):
        before = screen_text(app)
        moment[0] += 5 * 3600
        app.main.tick()
        await pilot.pause()
        assert "0 at work" in screen_text(app)[0]
        moment[0] = float(NOW)
        app.main.tick()
        await pilot.pause()
        # A detail that took long to draw waits for its turn.
        await until(pilot, lambda: screen_text(app) == before)
