"""The screen as a user meets it: keys, folds, panes, follow mode, and what stays where it is."""

from __future__ import annotations

import re

import pytest

from adapter.events import SessionRemoved
from tests.tui import story
from tests.tui.stage import Batch, FakeSource, feed, health, playing, screen_text, until
from tests.tui.story import NOW, SOURCE, Step, prompt, session
from tui.model.records import Key
from tui.model.tree.sorting import Arrangement
from tui.screens.help import HelpScreen
from tui.widgets.health_pane import HealthPane


def titles(lines: list[str]) -> str:
    return "\n".join(lines)


async def test_the_tree_shows_running_sessions_first_and_opens_them() -> None:
    async with playing(story.everything()) as (app, _):
        lines = screen_text(app)
        assert "◐ Fix the flaky retry" in lines[2]
        assert any("● task  find every caller" in line for line in lines)
        assert any("▸ ✗ Nightly report" in line for line in lines)
        assert "1 at work" in lines[0]
        assert "✗ 1 today" in lines[0]
        assert "$0.95 today" in lines[0]


async def test_arrows_and_vi_keys_move_the_cursor() -> None:
    async with playing(story.everything()) as (app, pilot):
        tree = app.main.sessions
        await pilot.press("down", "j")
        assert tree.cursor == app.main.rows.row(2).key
        await pilot.press("k")
        assert tree.cursor == app.main.rows.row(1).key
        await pilot.press("G")
        assert tree.cursor == app.main.rows.row(len(app.main.rows) - 1).key
        await pilot.press("g")
        assert tree.cursor == app.main.rows.row(0).key
        await pilot.press("up")
        assert tree.cursor == app.main.rows.row(0).key
        await pilot.press("pagedown")
        assert tree.cursor == app.main.rows.row(len(app.main.rows) - 1).key


async def test_space_folds_and_left_goes_to_the_parent() -> None:
    async with playing(story.everything()) as (app, pilot):
        before = len(app.main.rows)
        await pilot.press("space")
        assert len(app.main.rows) < before
        await pilot.press("enter")
        assert len(app.main.rows) == before
        await pilot.press("j", "j", "j")
        step = app.main.rows.row(2).key
        await pilot.press("h")
        assert app.main.sessions.cursor == step
        await pilot.press("h")
        assert app.main.rows.row(2).fold == "closed"
        await pilot.press("l", "l")
        assert app.main.sessions.cursor in (step, app.main.rows.row(3).key)


async def test_opening_a_session_that_is_not_read_asks_for_it() -> None:
    source = FakeSource()
    async with playing(story.everything(), source=source) as (app, pilot):
        tree = app.main.sessions
        tree.select(Key(SOURCE, "session", "ses_lexer", "ses_lexer"))
        await pilot.press("l")
        await until(pilot, lambda: source.requested == ["ses_lexer"])


async def test_clicking_selects_and_clicking_the_marker_folds() -> None:
    async with playing(story.everything()) as (app, pilot):
        before = len(app.main.rows)
        await pilot.click("#tree", offset=(20, 1))
        assert app.main.sessions.cursor == app.main.rows.row(1).key
        assert len(app.main.rows) == before
        await pilot.click("#tree", offset=(1, 0))
        assert len(app.main.rows) < before
        assert app.main.sessions.cursor == app.main.rows.row(0).key


async def test_the_detail_follows_the_cursor_and_tabs_fetch_their_text() -> None:
    events = story.everything()
    row = {"opencode-sqlite://?part_id=prt_ses_retry_1_3&field=": '{"type":"tool","callID":"call_of_the_row"}'}
    source = FakeSource({**story.texts(events), **row})
    async with playing(events, source=source) as (app, pilot):
        app.main.sessions.select(Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool"))
        await pilot.pause()
        assert any("exit" in line and "1" in line for line in screen_text(app))
        await until(pilot, lambda: [uri.rpartition("=")[2] for uri in source.asked] == ["state.output"])
        await pilot.press("3")
        await until(pilot, lambda: any("gives up after 5 tries" in line for line in screen_text(app)))
        assert len(source.asked) == 1
        await pilot.press("2")
        await until(pilot, lambda: any("command  npm test -- retry" in line for line in screen_text(app)))
        await pilot.press("6")
        await until(pilot, lambda: any("call_of_the_row" in line for line in screen_text(app)))


async def test_a_text_that_is_gone_says_so() -> None:
    async with playing(story.everything(), source=FakeSource()) as (app, pilot):
        app.main.sessions.select(Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool"))
        await pilot.press("3")
        await until(pilot, lambda: any("the row is gone" in line for line in screen_text(app)))


async def test_a_held_down_arrow_fetches_only_where_it_rests() -> None:
    events = story.everything()
    source = FakeSource(story.texts(events))
    async with playing(events, source=source) as (app, pilot):
        await pilot.press("3")
        for index in range(len(app.main.rows)):
            app.main.sessions.select(app.main.rows.row(index).key)
        app.main.sessions.select(Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool"))
        await until(pilot, lambda: any("gives up after 5 tries" in line for line in screen_text(app)))
        assert len(source.asked) <= 2


async def test_tab_goes_to_the_detail_and_back_and_the_footer_follows() -> None:
    async with playing(story.everything()) as (app, pilot):
        assert app.focused is app.main.sessions
        assert "fold" in screen_text(app)[-1]
        await pilot.press("tab")
        await pilot.pause()
        assert app.focused is app.main.detail.view
        assert "scroll" in screen_text(app)[-1]
        await pilot.press("shift+tab")
        assert app.focused is app.main.sessions


async def test_a_narrow_terminal_shows_one_pane_at_a_time() -> None:
    async with playing(story.everything(), size=(80, 24)) as (app, pilot):
        assert "Overview" not in titles(screen_text(app))
        await pilot.press("enter")
        await pilot.pause()
        assert "Overview" in titles(screen_text(app))
        assert "Sessions 5" not in titles(screen_text(app))
        feed(app, [session("ses_more", "One more", 1)])
        await pilot.press("escape")
        await until(pilot, lambda: screen_text(app)[1].endswith("project      time    cost"))
        assert "Sessions 6" in screen_text(app)[1]
        assert app.focused is app.main.sessions


async def test_resizing_keeps_the_place_down_to_60_by_16() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press(*"jjjjjj")
        place = app.main.sessions.cursor
        for width, height in ((60, 16), (200, 60), (80, 24)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            assert app.main.sessions.cursor == place
            assert app.focused is app.main.sessions
            lines = screen_text(app)
            assert "opencode-viewer" in lines[0]
            assert "quit" in lines[-1]


async def test_follow_mode_stays_on_the_newest_activity_until_the_user_moves() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("f")
        await pilot.pause()
        assert "follow" in screen_text(app)[0]
        assert app.main.sessions.cursor is not None
        assert app.main.sessions.cursor.session_id == "ses_find"
        newer = Step("ses_new", 1, "usr_n", 1).op("tool", "bash", 0.5, None, label="sleep 1", running=True)
        feed(app, [session("ses_new", "A newer run", 2), prompt("ses_new", "usr_n", "go", 2), *newer.events])
        await pilot.pause()
        assert app.main.sessions.cursor.session_id == "ses_new"
        await pilot.press("j")
        await pilot.pause()
        assert not app.main.sessions.following
        assert "follow paused" in screen_text(app)[0]
        place = app.main.sessions.cursor
        feed(app, [session("ses_third", "Yet another", 1), prompt("ses_third", "usr_t", "go", 0.5)])
        await pilot.pause()
        assert app.main.sessions.cursor == place
        await pilot.press("f")
        await pilot.pause()
        assert app.main.sessions.cursor.session_id == "ses_third"
        assert "paused" not in screen_text(app)[0]
        await pilot.press("f")
        await pilot.pause()
        assert "follow" not in screen_text(app)[0]


async def test_the_cursor_stays_on_its_node_and_line_when_rows_arrive_above() -> None:
    old = [session(f"ses_{n:03}", f"Old session {n}", 10_000 + n) for n in range(100)]
    moment = [NOW - 200.0]
    async with playing(old, size=(80, 24), clock=lambda: moment[0]) as (app, pilot):
        tree = app.main.sessions
        tree.select(Key(SOURCE, "session", "ses_060", "ses_060"))
        await pilot.pause()
        before = screen_text(app)
        place = next(y for y, line in enumerate(before) if "Old session 60" in line)
        moment[0] = float(NOW)
        feed(app, [session(f"ses_new{n}", f"New session {n}", 100 - n) for n in range(7)])
        await pilot.pause()
        after = screen_text(app)
        assert tree.cursor == Key(SOURCE, "session", "ses_060", "ses_060")
        assert "Old session 60" in after[place]
        assert "7 new above" in after[0]
        await pilot.press("g")
        await pilot.pause()
        assert "new above" not in screen_text(app)[0]


async def test_before_the_user_moves_the_cursor_stays_on_top_where_the_newest_is() -> None:
    async with playing([session("ses_a", "First known", 5000)], size=(80, 24)) as (app, pilot):
        feed(app, [session(f"ses_{n}", f"Session {n}", 100 + n) for n in range(300)])
        await pilot.pause()
        assert app.main.sessions.cursor == Key(SOURCE, "session", "ses_0", "ses_0")
        assert "Session 0" in screen_text(app)[2]


@pytest.mark.parametrize("key", ["1", "greater_than_sign", "left_square_bracket"])
async def test_who_looks_at_a_tab_keeps_the_row(key: str) -> None:
    async with playing([session("ses_a", "First known", 5000)]) as (app, pilot):
        await pilot.press(key)
        feed(app, [session("ses_new", "A newer one", 100)])
        await pilot.pause()
        assert app.main.detail.key == Key(SOURCE, "session", "ses_a", "ses_a")


async def test_rows_that_are_new_below_are_counted_until_they_are_seen_and_those_only_known_now_are_not() -> None:
    old = [session(f"ses_{n:03}", f"Session {n:03}", 1000 + n) for n in range(30)]
    moment = [NOW - 200.0]
    async with playing(old, size=(80, 24), clock=lambda: moment[0]) as (app, pilot):
        app.main.draw(app.view.arrange(Arrangement("name")))
        await pilot.press("j")
        moment[0] = float(NOW)
        feed(app, [session(f"ses_late{n}", f"Session that is older {n}", 90_000 + n) for n in range(5)])
        await pilot.pause()
        assert "new below" not in screen_text(app)[0]
        feed(app, [session(f"ses_new{n}", f"Session that is new {n}", 90 + n) for n in range(5)])
        await pilot.pause()
        assert "5 new below" in screen_text(app)[0]
        await pilot.press("G")
        await pilot.pause()
        assert "new below" not in screen_text(app)[0]


async def test_a_removed_node_leaves_the_cursor_near_its_place() -> None:
    async with playing(story.others()) as (app, pilot):
        await pilot.press("j")
        gone = app.main.sessions.cursor
        assert gone is not None
        feed(app, [SessionRemoved(source=SOURCE, ts=0, session_id=gone.session_id)])
        await pilot.pause()
        assert app.main.sessions.cursor == app.main.rows.row(1).key


async def test_help_lists_every_key_and_closes_again() -> None:
    async with playing(story.everything(), size=(120, 100)) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        text = titles(screen_text(app))
        for words in (
            "follow the newest activity",
            "open or close",
            "help",
            "quit",
            "a question waits for its answer",
            "since:",
        ):
            assert words in text
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is app.main


async def test_q_quits() -> None:
    source = FakeSource()
    async with playing(story.everything(), source=source) as (app, pilot):
        await until(pilot, lambda: source.following)
        await pilot.press("q")
    assert app.return_code == 0
    await until(None, lambda: source.closed)


async def test_the_health_pane_shows_fresh_counts() -> None:
    source = FakeSource(state=health(warnings={"unknown_part": 3}))
    async with playing(story.everything(), source=source) as (app, pilot):
        await pilot.press("H")
        await until(pilot, lambda: "7 sessions and sub-agents" in titles(screen_text(app)))
        text = titles(screen_text(app))
        assert "20260622202450_simplify · 9f3a21c0 (38 applied)" in text
        assert "3 × unknown_part" in text
        await pilot.press("H")
        await pilot.pause()
        assert not app.main.query_one(HealthPane).display


@pytest.mark.parametrize("width", [80, 120])
async def test_before_a_source_has_told_what_it_holds_nothing_is_counted(width: int) -> None:
    source = FakeSource()
    async with playing(source=source, size=(width, 24)) as (app, pilot):
        assert not re.search(r"[0-9$]|waiting", screen_text(app)[0] + screen_text(app)[1].partition("▏")[0])
        source.send(Batch([]))
        await until(pilot, lambda: "● 0 at work   $0" in screen_text(app)[0] or "●0  $0" in screen_text(app)[0])


async def test_no_database_yet_is_one_sentence_that_goes_away() -> None:
    source = FakeSource(state=health(state="waiting", message="no database at /data/opencode.db; waiting"))
    source.first = [Batch([])]
    async with playing(source=source) as (app, pilot):
        await until(pilot, lambda: "No opencode session yet" in titles(screen_text(app)))
        assert "no database at" not in titles(screen_text(app))
        source.state = health()
        source.send(Batch(story.others()))
        await until(pilot, lambda: "No opencode session yet" not in titles(screen_text(app)))


async def test_elapsed_time_ticks_for_what_runs() -> None:
    moment = [float(NOW)]
    async with playing(story.everything(), clock=lambda: moment[0]) as (app, pilot):
        assert "36s" in titles(screen_text(app))
        moment[0] += 5
        app.main.tick()
        await pilot.pause()
        assert "41s" in titles(screen_text(app))
