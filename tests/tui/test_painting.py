"""What is drawn, and how little: counters instead of clocks, and the very bytes that reach the terminal."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from textual.screen import Screen

from adapter.events import Event, OpStarted
from tests.tui import story
from tests.tui.conftest import Recording
from tests.tui.stage import FakeSource, feed, playing, screen_text, until
from tests.tui.story import NOW, SOURCE, session
from tui.feed.queue import Arrival
from tui.model.records import Key
from tui.render.cards import tabs


async def test_nothing_is_drawn_while_nothing_changes(drawn: Counter[str]) -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.pause()
        drawn.clear()
        for _ in range(20):
            app.feed.arrivals.apply()
            feed(app, story.everything())
            await pilot.pause()
        assert drawn == Counter()


async def test_one_changed_row_draws_that_row_and_those_above_it(drawn: Counter[str]) -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("G")
        await pilot.pause()
        drawn.clear()
        seen = next(
            event
            for event in story.running_sub_agent()
            if isinstance(event, OpStarted) and event.session_id == "ses_find" and event.name == "grep"
        )
        feed(app, [_changed(seen)])
        await pilot.pause()
        assert any("backoff.ts" in line for line in screen_text(app))
        # The call, its step, the task that called, that one's step, its prompt and its session.
        assert 1 <= drawn["SessionTree"] <= 6
        assert drawn["LineView"] == 0


def _changed(event: OpStarted) -> Event:
    return OpStarted(
        **{name: getattr(event, name) for name in event.__struct_fields__ if name != "extras"},
        extras={"label": "backoff.ts"},
    )


async def test_moving_the_cursor_draws_two_rows(drawn: Counter[str]) -> None:
    async with playing(story.everything()) as (_, pilot):
        drawn.clear()
        await pilot.press("j")
        await pilot.pause()
        assert drawn["SessionTree"] == 2


async def test_a_key_that_moves_the_cursor_is_one_frame_with_the_detail_in_it(
    terminal: type[Recording], drawn: Counter[str]
) -> None:
    async with playing(story.everything()) as (app, pilot):
        for key in "jjjkjj":
            await pilot.pause(0.05)
            before = app.main.detail.key
            terminal.written.clear()
            drawn.clear()
            await pilot.press(key)
            await pilot.pause()
            assert app.main.detail.key == app.main.sessions.cursor != before
            assert drawn["SessionTree"]
            assert drawn["LineView"]
            cursor = app.main.sessions.cursor
            output = cursor is not None and tabs.tail_of(app.store, cursor, app.main.detail.tabs) is not None
            # The end of an output, or why there is none, may come a frame later.
            assert len(terminal.written) in (1, 1 + output)


async def test_a_tick_draws_only_what_runs_and_stops_when_nothing_does(drawn: Counter[str]) -> None:
    moment = [float(NOW)]
    async with playing(story.everything(), clock=lambda: moment[0]) as (app, pilot):
        await pilot.press("G")
        await pilot.pause()
        drawn.clear()
        moment[0] += 1
        app.main.tick()
        await pilot.pause()
        rows = [line.split("▏")[0] for line in screen_text(app)[2:-1]]
        running = sum(not {"●", "◐"}.isdisjoint(line) for line in rows) + 1  # the prompt runs too, with its own glyph
        assert drawn["SessionTree"] == running
    async with playing(story.others()) as (app, pilot):
        drawn.clear()
        app.main.tick()
        await pilot.pause()
        assert drawn["SessionTree"] == 0


async def test_five_megabytes_of_output_draw_one_screen(drawn: Counter[str]) -> None:
    events = story.everything()
    big = "".join(f"{n:07} a line of output that a build has printed\n" for n in range(100_000))
    source = FakeSource({uri: big for uri in story.texts(events)})
    async with playing(events, source=source) as (app, pilot):
        app.main.sessions.select(Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool"))
        await pilot.pause()
        drawn.clear()
        await pilot.press("3")
        await until(pilot, lambda: len(app.main.detail.view.lines) == 100_000)
        await pilot.pause()
        height = app.main.detail.view.size.height
        assert drawn["LineView"] <= 3 * height
        drawn.clear()
        await pilot.press("tab", "G")
        await pilot.pause()
        assert any("0099999" in line for line in screen_text(app))
        assert drawn["LineView"] <= 2 * height


async def test_a_hundred_thousand_sessions_draw_one_screen(drawn: Counter[str]) -> None:
    many = [session(f"ses_{n}", f"Session {n}", 1000 + n) for n in range(20_000)]
    async with playing(size=(120, 40)) as (app, pilot):
        feed(app, many)
        await pilot.pause()
        drawn.clear()
        await pilot.press("G")
        await pilot.pause()
        assert any("Session 19999" in line for line in screen_text(app))
        assert drawn["SessionTree"] <= 2 * app.main.sessions.size.height


@pytest.fixture
def layouts(monkeypatch: pytest.MonkeyPatch) -> list[Screen[object]]:
    """Every layout of the screen from now on: it visits all widgets, and draws anew what it moves."""
    seen: list[Screen[object]] = []
    lay_out = Screen._refresh_layout

    def noted(self: Screen[object], *arguments: Any, **options: Any) -> None:
        seen.append(self)
        lay_out(self, *arguments, **options)

    monkeypatch.setattr(Screen, "_refresh_layout", noted)
    return seen


async def test_a_letter_of_the_filter_is_one_frame_and_no_layout(
    terminal: type[Recording], layouts: list[Screen[object]]
) -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("slash")
        await pilot.pause(0.05)
        for key, text in (("l", "l"), ("e", "le"), ("x", "lex"), ("q", "lexq"), ("backspace", "lex")):
            terminal.written.clear()
            layouts.clear()
            await pilot.press(key)
            await pilot.pause(0.05)
            assert app.main.finder.text == text
            assert len(app.main.rows.tops()) == {"l": 3, "le": 2, "lex": 1, "lexq": 0}[text]
            assert (len(terminal.written), len(layouts)) == (1, 0)


async def test_one_changed_row_is_a_few_hundred_bytes_and_no_layout(
    terminal: type[Recording], layouts: list[Screen[object]]
) -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("G")
        await pilot.pause()
        layouts.clear()
        terminal.written.clear()
        seen = next(
            event
            for event in story.running_sub_agent()
            if isinstance(event, OpStarted) and event.session_id == "ses_find" and event.name == "grep"
        )
        feed(app, [_changed(seen)])
        await pilot.pause()
        sent = "".join(terminal.written)
        assert "backoff.ts" in sent
        # The call and what stands above it; 1,300 when each piece of text ends all colours and says its own again.
        assert len(sent.encode()) < 700
        assert layouts == []


async def test_a_batch_that_adds_rows_in_many_places_is_one_frame_and_no_layout(
    terminal: type[Recording], layouts: list[Screen[object]], drawn: Counter[str]
) -> None:
    # So many that the tree has its scroll bar already: that one comes takes a layout.
    before = [session(f"ses_old_{n}", f"Old session {n}", 9000 + n) for n in range(60)]
    async with playing([*story.others(), *before]) as (app, pilot):
        # And with the cursor put somewhere, because until then it follows the newest, and the detail with it.
        await pilot.press("j")
        await pilot.pause()
        layouts.clear()
        terminal.written.clear()
        drawn.clear()
        for n in range(10):
            app.feed.arrivals.offer(Arrival(SOURCE, [session(f"ses_{n}", f"Another session {n}", 50 + n)]))
        app.feed.arrivals.apply()
        await pilot.pause()
        assert layouts == []
        assert len(terminal.written) == 1
        # They came above the cursor, all in sight.
        assert drawn["SessionTree"] <= app.main.sessions.size.height
        assert "".join(terminal.written).count("Old session 7 ") <= 1


async def test_rows_that_come_above_what_is_in_sight_draw_none_of_it(
    terminal: type[Recording], layouts: list[Screen[object]], drawn: Counter[str]
) -> None:
    before = [session(f"ses_old_{n}", f"Old session {n}", 9000 + n) for n in range(60)]
    moment = [NOW - 100.0]
    async with playing([*story.others(), *before], clock=lambda: moment[0]) as (app, pilot):
        await pilot.press("G")
        await pilot.pause()
        moment[0] = float(NOW)
        layouts.clear()
        terminal.written.clear()
        drawn.clear()
        feed(app, [session(f"ses_{n}", f"Another session {n}", 50 + n) for n in range(10)])
        await pilot.pause()
        assert any("Old session 59 " in line for line in screen_text(app))
        assert "10 new" in screen_text(app)[0]
        assert layouts == []
        assert drawn["SessionTree"] == 0
