"""The filter as a user meets it: typing, completing, keeping, matches, what stays in sight, and the counts to click."""

from __future__ import annotations

import re
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from adapter.events import TurnFinalized, Usage
from tests.tui import story
from tests.tui.stage import feed, playing, screen_text, until
from tests.tui.story import NOW, SOURCE, Step, prompt, session
from tests.tui.test_jumps import where
from tui.app import ViewerApp
from tui.model.filter.cards import WORDS
from tui.model.records import Key
from tui.model.sums.rollup import subtree
from tui.render.numbers import money

RETRY = Key(SOURCE, "session", "ses_retry", "ses_retry")
BAD = Key(SOURCE, "session", "ses_bad", "ses_bad")


async def type_filter(pilot: Pilot[Any], text: str) -> None:
    await pilot.press("slash")
    assert isinstance(pilot.app, ViewerApp)
    pilot.app.main.bar.input.insert_text_at_cursor(text)
    await pilot.pause()


def heading(app: ViewerApp) -> str:
    return screen_text(app)[1].split("▏")[0].strip()


def tops(app: ViewerApp) -> list[str]:
    return [session_id for _, session_id in app.main.rows.tops()]


async def test_every_letter_narrows_the_list_and_escape_brings_all_back() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("slash", "i", "s", "colon", "f", "a", "i", "l")
        await pilot.pause()
        assert tops(app) == ["ses_bad"]
        assert where(app) == "1 session matches   tab: is:failed  is:failing"
        assert heading(app).startswith("Sessions 1 of 5 is:fail ")
        assert "esc no filter" in screen_text(app)[-1]
        await pilot.press("escape")
        await pilot.pause()
        assert len(tops(app)) == 5
        assert app.focused is app.main.sessions
        assert heading(app).startswith("Sessions 5 ")


async def test_the_slash_alone_gets_ready_what_the_first_letter_asks_and_hears_of_changes_meanwhile() -> None:
    async with playing(story.everything()) as (app, pilot):
        feed(app, [session(f"ses_{n}", f"Session {n}", 1000 + n) for n in range(2000)])
        index = app.main.finder.index
        assert not index.cards
        await pilot.press("slash")
        feed(app, [session("ses_new", "Another title", 1), session("ses_1999", "Another title", 2)])
        await until(pilot, lambda: len(index.cards) == len(app.store.sessions))
        assert index.cards[SOURCE, "ses_1999"].title == "another title"
        await pilot.press("n", "o", "t", "h", "e", "r")
        await pilot.pause()
        assert tops(app) == ["ses_new", "ses_1999"]


async def test_enter_keeps_the_filter_and_goes_to_the_first_match_and_escape_in_the_tree_drops_it() -> None:
    async with playing(story.everything()) as (app, pilot):
        await type_filter(pilot, "lexer")
        await pilot.press("enter")
        assert app.focused is app.main.sessions
        assert app.main.sessions.cursor == Key(SOURCE, "session", "ses_lexer", "ses_lexer")
        assert tops(app) == ["ses_lexer"]
        await pilot.press("slash")
        assert app.main.bar.input.value == "lexer"
        await pilot.press("enter", "escape")
        assert len(tops(app)) == 5
        assert app.main.sessions.cursor == Key(SOURCE, "session", "ses_lexer", "ses_lexer")


async def test_tab_completes_the_word_and_goes_on_through_the_choices() -> None:
    async with playing(story.everything()) as (app, pilot):
        await type_filter(pilot, "ag")
        bar = app.main.bar.input
        seen = []
        for key in ("tab", "tab", "tab", "shift+tab"):
            await pilot.press(key)
            seen.append(bar.value)
        assert seen == ["agent:", "agent:build", "agent:explore", "agent:build"]
        await pilot.press("space", "x")
        assert bar.value == "agent:build x"


async def test_a_sub_agent_that_matches_keeps_its_root_and_n_goes_to_it() -> None:
    async with playing(story.everything()) as (app, pilot):
        app.main.rows.close(RETRY)
        await type_filter(pilot, "agent:explore")
        assert tops(app) == ["ses_retry"]
        assert "✗1  1 below  1 agent" in screen_text(app)[2]
        await pilot.press("down")
        await pilot.pause()
        task = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_3_2:tool")
        assert app.main.sessions.cursor == task
        await pilot.press("N")
        await pilot.pause()
        assert app.main.sessions.cursor == task
        assert where(app) == "this is the only one"


async def test_n_goes_through_the_matches_and_over_the_end() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("n")
        await pilot.pause()
        assert where(app) == "no filter yet: / sets one"
        await type_filter(pilot, "since:1d -is:subagent")
        await pilot.press("enter")
        ids = []
        for key in "nnnN":
            await pilot.press(key)
            assert app.main.sessions.cursor is not None
            ids.append(app.main.sessions.cursor.id)
        assert ids == ["ses_arm", "ses_bad", "ses_lexer", "ses_bad"]
        await pilot.press("n", "n")
        await pilot.pause()
        assert app.main.sessions.cursor == RETRY
        assert where(app) == "from the top again"


async def test_when_nothing_matches_the_term_to_blame_is_named_and_the_tree_is_empty() -> None:
    async with playing(story.everything()) as (app, pilot):
        await type_filter(pilot, "is:running agent:nobody")
        assert tops(app) == []
        assert where(app) == "agent:nobody matches nothing"
        assert "Fix the flaky" not in "\n".join(screen_text(app)), "the detail of a row that is not there"
        await pilot.press("enter", "j", "n", "e", "enter", "z", "space")
        await pilot.pause()
        assert where(app) == "nothing has failed in what the filter shows"
        await pilot.press("escape")
        await pilot.pause()
        assert app.main.sessions.cursor == RETRY


async def test_what_is_found_letter_by_letter_is_said_to_be() -> None:
    async with playing(story.everything()) as (app, pilot):
        await type_filter(pilot, "flkyrtry")
        assert RETRY.id in {key[-1] for key in app.main.finder.matches}
        assert "only letter by letter: no title holds flkyrtry" in where(app)
        await pilot.press("enter")
        await pilot.pause()
        assert where(app) == "only letter by letter: no title holds flkyrtry"
        assert heading(app).startswith("Sessions 1 of 5 ~flkyrtry")


async def test_a_field_that_does_not_exist_is_said_to_be_none_also_when_the_filter_is_kept() -> None:
    async with playing(story.everything()) as (app, pilot):
        await type_filter(pilot, "is:failed agnt:build")
        assert where(app) == "agnt: no such field; did you mean agent:"
        await pilot.press("enter")
        await pilot.pause()
        assert where(app) == "agnt: no such field; did you mean agent:"
        assert tops(app) == ["ses_bad"]


async def test_sessions_come_and_go_as_they_begin_and_cease_to_match() -> None:
    async with playing(story.everything()) as (app, pilot):
        await type_filter(pilot, "is:running")
        await pilot.press("enter")
        assert tops(app) == ["ses_retry"]
        step = Step("ses_new", 1, "usr_n", 5).op("tool", "bash", 4, None, label="make", running=True)
        feed(app, [session("ses_new", "A new one", 6), prompt("ses_new", "usr_n", "go", 6), *step.events])
        await pilot.pause()
        assert tops(app) == ["ses_new", "ses_retry"]
        assert heading(app).startswith("Sessions 2 of 6 is:running")
        feed(app, [TurnFinalized(source=SOURCE, ts=NOW * 10**6, end_ts=NOW * 10**6, session_id="ses_new", turn_seq=1,
                                 message_id="msg_ses_new_1", status="aborted")])  # fmt: skip
        await pilot.pause()
        assert tops(app) == ["ses_retry"]


async def test_time_alone_ends_a_match() -> None:
    moment = [float(NOW)]
    async with playing(story.everything(), clock=lambda: moment[0]) as (app, pilot):
        await type_filter(pilot, "is:running")
        moment[0] += 86_400
        app.main.tick()
        await pilot.pause()
        assert tops(app) == []


async def test_clicking_a_count_shows_what_it_counts_and_clicking_again_shows_all() -> None:
    async with playing(story.everything()) as (app, pilot):
        x = screen_text(app)[0].index("✗ 1 today")
        await pilot.click("#status", offset=(x, 0))
        await pilot.pause()
        assert app.main.finder.text == "is:failed since:today"
        assert tops(app) == ["ses_bad"]
        assert app.main.sessions.cursor == BAD
        await pilot.click("#status", offset=(x, 0))
        await pilot.pause()
        assert len(tops(app)) == 5
        assert where(app) == "Nightly report"
        await pilot.click("#status", offset=(2, 0))
        assert len(tops(app)) == 5


async def test_clicking_into_the_tree_keeps_the_filter_and_closes_the_line() -> None:
    async with playing(story.everything()) as (app, pilot):
        await type_filter(pilot, "is:failed")
        await pilot.click("#tree", offset=(10, 0))
        await pilot.pause()
        assert not app.main.bar.editing
        assert tops(app) == ["ses_bad"]


async def test_pasted_text_is_made_harmless() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("slash")
        app.main.bar.input.post_message(events.Paste("a\x1b[2Jb\u202ec\x07\nsecond line"))
        await pilot.pause()
        assert app.main.bar.input.value.startswith("ab")
        assert not set(app.main.bar.input.value) & set("\x1b\u202e\x07\n")


async def test_letters_that_are_keys_elsewhere_are_typed() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("slash", *"qfHe1?")
        assert app.main.bar.input.value == "qfHe1?"
        assert app.screen is app.main


async def test_what_is_typed_at_once_behind_the_slash_is_part_of_the_filter() -> None:
    async with playing(story.everything()) as (app, pilot):
        for name, letter in (("slash", "/"), ("z", "z"), ("e", "e"), ("slash", "/")):
            app.post_message(events.Key(name, letter))
        await pilot.pause()
        assert app.main.bar.input.value == "ze/"


async def test_the_slash_is_left_to_the_detail_when_that_has_the_focus() -> None:
    async with playing(story.everything()) as (app, pilot):
        await pilot.press("tab", "slash")
        await pilot.pause()
        assert not app.main.bar.editing


async def test_a_filter_works_on_a_small_screen() -> None:
    async with playing(story.everything(), size=(60, 16)) as (app, pilot):
        await type_filter(pilot, "agent:plan")
        lines = screen_text(app)
        assert lines[-3].startswith(" /agent:plan")
        assert "1 session matches" in lines[-2]
        await pilot.press("enter")
        await pilot.pause()
        assert "Explain the lexer" in screen_text(app)[2]


@pytest.mark.parametrize("query", ["is:subagent", "-is:waiting"])
async def test_the_lines_above_and_below_count_the_same(query: str) -> None:
    async with playing(story.everything()) as (app, pilot):
        await type_filter(pilot, query)
        above = re.match(r"Sessions (\d+) of", heading(app))
        below = re.match(r"(\d+) sessions? match(es)?(, (\d+) with sub-agents)?", where(app))
        assert above
        assert below
        assert int(above[1]) == int(below[1]) == len(app.main.finder.trees)
        assert int(below[4] or below[1]) == len(app.main.finder.matches)


async def test_s_and_o_order_the_trees_and_the_heading_says_how() -> None:
    async with playing(story.everything()) as (app, pilot):
        app.main.sessions.select(BAD)
        await pilot.press("s")
        await pilot.pause()
        assert heading(app).startswith("Sessions 5 by cost ")
        assert tops(app) == ["ses_retry", "ses_old", "ses_lexer", "ses_bad", "ses_arm"]
        assert app.main.sessions.cursor == BAD
        await pilot.press("o", "o")
        await pilot.pause()
        assert heading(app).startswith("Sessions 5 by project and cost ")
        assert screen_text(app)[2].startswith(" ▾ ● app  /home/ada/app  ● 1 at work  5 sessions")
        assert tops(app)[0] == "ses_retry"
        await pilot.press("o", "s", "s", "s", "s")
        await pilot.pause()
        assert heading(app).startswith("Sessions 5   ")


async def test_the_line_says_what_the_sessions_in_sight_cost_as_their_rows_do_and_goes_on_with_them() -> None:
    async with playing(story.everything(), size=(160, 40)) as (app, pilot):
        await type_filter(pilot, "since:1d")
        costs = [subtree(app.store, app.store.sessions[key]).cost for key in app.main.rows.tops()]
        old = subtree(app.store, app.store.sessions[SOURCE, "ses_arm"]).cost
        assert heading(app).startswith(f"Sessions 4 of 5 since:1d  Σ {money(sum(costs))} ")
        feed(app, [session("ses_arm", "Port to ARM", 700, extras={"cost": 40.0, "usage": Usage(input=5)})])
        await pilot.pause()
        assert f"Σ {money(sum(costs) - old + 40)} " in heading(app)
        feed(app, [session("ses_row", "Nobody knows", 700)])
        await until(pilot, lambda: len(app.store.sessions) == 8)
        await pilot.press("escape")
        assert "Σ" not in heading(app)


async def test_a_sum_of_which_something_is_not_known_has_a_question_mark() -> None:
    known, unknown = {"extras": {"cost": 1.5, "usage": Usage(input=5)}}, {"extras": {}}
    events = [session("ses_a", "One", 9000, **known), session("ses_b", "Two", 9100, **unknown)]
    async with playing(events) as (app, pilot):
        await type_filter(pilot, "since:1d")
        assert heading(app).startswith("Sessions 2 of 2 since:1d  Σ $1.50? ")
        app.main.filter("one")
        await pilot.pause()
        assert heading(app).startswith("Sessions 1 of 2 one  Σ $1.50 ")
        app.main.filter("two")
        await pilot.pause()
        assert heading(app).startswith("Sessions 1 of 2 two  Σ $0? ")


async def test_a_long_filter_is_cut_and_what_it_sums_is_not() -> None:
    events = [session("ses_a", "One", 9000, extras={"cost": 1.5, "usage": Usage(input=5)})]
    async with playing(events, size=(80, 24)) as (app, pilot):
        await type_filter(pilot, "one -two -three -four -five -six -seven -eight -nine -ten")
        assert re.match(r"Sessions 1 of 1 one -two .*…  Σ \$1.50 ", heading(app))


async def test_what_tab_would_make_of_a_word_is_never_cut_within_a_word() -> None:
    for width in (60, 80, 120, 200):
        async with playing(story.everything(), size=(width, 24)) as (app, pilot):
            await type_filter(pilot, "is:")
            said = where(app).partition("tab: ")[2]
            words, more = re.fullmatch(r"(.*?)(?:  \+(\d+))?", said).groups()  # type: ignore[union-attr]
            shown = words.split()
            assert shown == [f"is:{word}" for word in WORDS[: len(shown)]]
            assert len(shown) + int(more or 0) == len(WORDS)


async def test_a_sub_agent_that_has_not_been_read_says_nothing_of_what_is_below_it() -> None:
    many = [session(f"ses_{n}", f"wide {n}", 50 - n, parent_id="ses_top", root_id="ses_top") for n in range(3)]
    async with playing([session("ses_top", "wide top", 60), *many]) as (app, pilot):
        await type_filter(pilot, "wide")
        await pilot.press("enter", "g", "l")
        await pilot.pause()
        rows = [line for line in screen_text(app) if "wide" in line]
        assert len(rows) > 3
        assert not any("below" in line for line in rows if "wide top" not in line)


async def test_a_term_that_means_nothing_says_that_it_is_left_out_as_long_as_the_filter_is_on() -> None:
    async with playing(story.everything()) as (app, pilot):
        await type_filter(pilot, "is:bogus ")
        await pilot.press("enter", "j")
        await pilot.pause()
        assert "is:bogus ignored" in heading(app)
