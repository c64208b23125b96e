"""The jumps of the tree as a user meets them: keys, what they open and load, and what is said when there is nothing."""

from __future__ import annotations

import pytest

from adapter.events import Event, SessionFinalized
from tests.tui import story
from tests.tui.stage import FakeSource, feed, playing, screen_text, until
from tests.tui.story import NOW, SOURCE, Step, at, prompt, session
from tui.app import ViewerApp
from tui.feed.queue import Arrival
from tui.model.records import Key

RETRY = Key(SOURCE, "session", "ses_retry", "ses_retry")
TASK = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_3_2:tool")
DONE_TASK = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_3_4:tool")
BASH = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool")
CARGO = Key(SOURCE, "op", "ses_arm", "prt_ses_arm_1_1:tool")
BAD = Key(SOURCE, "session", "ses_bad", "ses_bad")
GREP = Key(SOURCE, "op", "ses_find", "prt_ses_find_1_2:tool")


def where(app: ViewerApp) -> str:
    """The line under the tree."""
    return "\n".join(screen_text(app)).splitlines()[-2].split("▏")[0].strip()


def asking(ago: float = 30) -> list[Event]:
    """A session that waits for an answer."""
    step = Step("ses_ask", 1, "usr_ask", ago).op("tool", "question", ago - 1, None, label="Overwrite config?")
    return [session("ses_ask", "Rename", ago), prompt("ses_ask", "usr_ask", "rename it", ago), *step.events]


async def test_e_opens_what_hides_the_next_failure_and_capital_e_goes_back() -> None:
    async with playing(story.everything()) as (app, pilot):
        tree = app.main.sessions
        assert app.main.rows.index_of(CARGO) is None
        await pilot.press("e")
        assert tree.cursor == BASH, "its exit code is 1"
        await pilot.press("e")
        assert tree.cursor == CARGO
        assert "command not found: cargo-zigbuild" in "\n".join(screen_text(app))
        await pilot.press("e")
        assert tree.cursor == BAD
        await pilot.press("E")
        assert tree.cursor == CARGO
        await pilot.press("E", "E")
        await pilot.pause()
        assert tree.cursor == BAD
        assert where(app) == "from the end again"


async def test_e_on_a_session_that_is_not_read_asks_for_it_and_goes_on_to_the_step_that_failed() -> None:
    source = FakeSource()
    async with playing(story.others(), source=source) as (app, pilot):
        await pilot.press("e")
        assert app.main.sessions.cursor == BAD
        await until(pilot, lambda: source.requested == ["ses_bad"])
        step = Step("ses_bad", 1, "usr_b", 4999).end(
            4990, story.Usage(), 0, 0, status="failed", error=("APIError", "overloaded")
        )
        feed(app, [prompt("ses_bad", "usr_b", "report", 5000), *step.events], loaded=["ses_bad"])
        await pilot.pause()
        assert app.main.sessions.cursor == Key(SOURCE, "turn", "ses_bad", "msg_ses_bad_1")


async def test_e_waits_for_the_end_of_a_session_whose_beginning_has_failed_as_well() -> None:
    async with playing(story.others(), source=FakeSource()) as (app, pilot):
        await pilot.press("e")
        failed = [
            Step("ses_bad", number, "usr_b", ago).end(
                ago - 5, story.Usage(), 0, 0, status="failed", error=("APIError", "overloaded")
            )
            for number, ago in ((1, 4990), (2, 4900))
        ]
        app.feed.arrivals.offer(
            Arrival(SOURCE, [prompt("ses_bad", "usr_b", "report", 5000), *failed[0].events], begun=["ses_bad"])
        )
        app.feed.arrivals.apply()
        await pilot.pause()
        assert app.main.sessions.cursor == BAD
        feed(app, failed[1].events, loaded=["ses_bad"])
        await pilot.pause()
        assert app.main.sessions.cursor == Key(SOURCE, "turn", "ses_bad", "msg_ses_bad_2")


async def test_a_jump_that_waits_for_data_ends_when_the_user_moves_on() -> None:
    async with playing(story.others(), source=FakeSource()) as (app, pilot):
        await pilot.press("e", "g")
        place = app.main.sessions.cursor
        step = Step("ses_bad", 1, "usr_b", 4999).end(4990, story.Usage(), 0, 0, status="failed", error=("E", "x"))
        feed(app, step.events, loaded=["ses_bad"])
        assert app.main.sessions.cursor == place


async def test_w_goes_to_the_question_and_r_to_what_runs() -> None:
    async with playing([*story.everything(), *asking()]) as (app, pilot):
        app.main.rows.close(RETRY)
        await pilot.press("w")
        assert app.main.sessions.cursor == Key(SOURCE, "op", "ses_ask", "prt_ses_ask_1_1:tool")
        await pilot.press("r")
        assert app.main.sessions.cursor == GREP
        await pilot.press("r")
        await pilot.pause()
        assert app.main.sessions.cursor == GREP
        assert where(app) == "this is the only one"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
@pytest.mark.parametrize("tab", ["1", "i"])
async def test_in_the_detail_they_lead_as_far_as_in_the_tree(size: tuple[int, int], tab: str) -> None:
    async with playing([*story.everything(), *asking()], size=size) as (app, pilot):
        app.main.sessions.select(RETRY)
        await pilot.press(tab, *[tab] * (size[0] > 100 and tab == "i"), *["tab"] * (size[0] > 100 and tab == "1"))
        assert app.view.pane == "detail"
        await pilot.press("w")
        assert app.view.cursor == Key(SOURCE, "op", "ses_ask", "prt_ses_ask_1_1:tool")
        assert app.main.detail.key == app.view.cursor
        await pilot.press("r")
        await pilot.pause()
        assert app.view.cursor == GREP
        assert app.view.pane == "detail"
        await pilot.press("exclamation_mark")
        await pilot.pause()
        assert where(app) == "nothing is stuck or looping here"
        await pilot.press("p")
        assert app.view.cursor == TASK
        if tab == "1":
            await pilot.press("e")
            await pilot.pause()
            assert app.view.cursor == CARGO


async def test_a_key_that_only_changes_the_tree_says_so_where_that_is_out_of_sight() -> None:
    async with playing(story.everything(), size=(80, 24)) as (app, pilot):
        before = app.view.rows.arrangement
        await pilot.press("1")
        for key in ("s", "o", "z", "Z"):
            app.main.say("")
            await pilot.press(key)
            await pilot.pause()
            assert "a key of the tree" in screen_text(app)[-1]
        assert app.view.rows.arrangement == before
        await pilot.press("escape", "s")
        assert app.view.rows.arrangement != before


async def test_an_answer_goes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.main.SAID_FOR", 0.05)
    async with playing(story.everything()) as (app, pilot):
        way = where(app)
        app.main.action_look_at_all()
        assert where(app).endswith("marked as looked at")
        await until(pilot, lambda: where(app) == way)


async def test_nothing_to_find_is_said_and_moves_nothing() -> None:
    async with playing([session("ses_a", "Quiet", 100), session("ses_b", "Calm", 200)]) as (app, pilot):
        await pilot.press("j")
        place = app.main.sessions.cursor
        for key, words in (
            ("e", "none of these 2 sessions has been read yet"),
            ("E", "none of these 2 sessions has been read yet"),
            ("w", "nothing waits for a person here"),
            ("r", "nothing is running here"),
            ("p", "this is in no sub-agent"),
            ("right_square_bracket", "no session after this one"),
            ("backspace", "no jump to take back"),
        ):
            await pilot.press(key)
            await pilot.pause()
            assert where(app) == words
            assert app.main.sessions.cursor == place
        await pilot.press("k")
        await pilot.pause()
        assert where(app) == "Quiet"


async def test_brackets_go_over_sessions_and_over_the_sub_agents_of_one_parent() -> None:
    async with playing(story.everything()) as (app, pilot):
        tree, rows = app.main.sessions, app.main.rows
        await pilot.press("right_square_bracket")
        assert tree.cursor is not None
        assert rows.tops()[1] == (SOURCE, tree.cursor.id)
        await pilot.press("left_square_bracket")
        assert tree.cursor == RETRY
        tree.select(GREP)
        await pilot.press("right_square_bracket")
        assert tree.cursor == DONE_TASK
        await pilot.press("left_square_bracket")
        assert tree.cursor == TASK
        await pilot.press("left_square_bracket")
        await pilot.pause()
        assert where(app) == "no session before this one"


async def test_enter_on_a_task_goes_into_the_sub_agent_and_p_and_backspace_lead_out_again() -> None:
    async with playing(story.everything()) as (app, pilot):
        tree = app.main.sessions
        tree.select(DONE_TASK)
        await pilot.press("enter")
        assert tree.cursor == Key(SOURCE, "turn", "ses_repro", "msg_ses_repro_1")
        await pilot.press("p")
        assert tree.cursor == DONE_TASK
        await pilot.press("backspace")
        assert tree.cursor == Key(SOURCE, "turn", "ses_repro", "msg_ses_repro_1")
        await pilot.press("backspace")
        assert tree.cursor == DONE_TASK
        await pilot.press("p")
        assert tree.cursor == RETRY
        tree.select(TASK)
        await pilot.press("enter")
        assert tree.cursor == GREP


async def test_enter_on_a_task_whose_session_is_not_read_waits_for_it() -> None:
    source = FakeSource()
    events = [event for event in story.running_sub_agent() if event.session_id != "ses_repro"]
    row = next(event for event in story.running_sub_agent() if event.session_id == "ses_repro")
    rest = [event for event in story.running_sub_agent() if event.session_id == "ses_repro"][1:]
    async with playing([*events, row], source=source) as (app, pilot):
        app.main.sessions.select(DONE_TASK)
        await pilot.press("enter")
        assert app.main.sessions.cursor == DONE_TASK
        await until(pilot, lambda: source.requested == ["ses_repro"])
        feed(app, rest, loaded=["ses_repro"])
        await pilot.pause()
        assert app.main.sessions.cursor == Key(SOURCE, "turn", "ses_repro", "msg_ses_repro_1")


async def test_a_jump_into_a_sub_agent_of_a_session_that_is_not_read_ends_under_its_call() -> None:
    source = FakeSource()
    failed_child = [
        session("ses_top", "Not read", 500),
        session("ses_kid", "Sub-agent", 400, parent_id="ses_top"),
        SessionFinalized(source=SOURCE, ts=at(300), session_id="ses_kid", status="failed", end_ts=at(300)),
    ]
    async with playing(failed_child, source=source) as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: set(source.requested) == {"ses_top", "ses_kid"})
        assert app.main.sessions.cursor == Key(SOURCE, "session", "ses_kid", "ses_kid")
        call = Step("ses_top", 1, "usr_t", 499).op("tool", "task", 450, 100, child="ses_kid", label="try it")
        feed(app, [prompt("ses_top", "usr_t", "go", 499), *call.events, prompt("ses_top", "usr_u", "and", 200)])
        kid = Step("ses_kid", 1, "usr_k", 399).end(300, story.Usage(), 0, 0, status="failed", error=("E", "x"))
        feed(app, kid.events, loaded=["ses_kid"])
        await pilot.pause()
        assert app.main.sessions.cursor == Key(SOURCE, "turn", "ses_kid", "msg_ses_kid_1")


async def test_z_shows_more_of_the_session_and_capital_z_folds_all() -> None:
    async with playing(story.everything()) as (app, pilot):
        tree, rows = app.main.sessions, app.main.rows
        tree.select(GREP)
        await pilot.press("z")
        await pilot.pause()
        assert where(app) == "this session: everything"
        assert tree.cursor == GREP
        await pilot.press("z")
        await pilot.pause()
        assert where(app) == "this session: one line"
        assert tree.cursor == TASK
        tree.select(RETRY)
        opened, lengths = len(rows), []
        for _ in range(4):
            await pilot.press("z")
            lengths.append(len(rows))
            assert tree.cursor == RETRY
        assert opened < lengths[0] < lengths[1]
        assert lengths[2] < lengths[3] < lengths[0]
        tree.select(Key(SOURCE, "prompt", "ses_retry", "usr_1"))
        await pilot.press("Z")
        assert len(rows) == len(rows.tops())
        assert tree.cursor == RETRY


async def test_the_line_under_the_tree_says_where_the_cursor_is() -> None:
    async with playing(story.everything()) as (app, pilot):
        app.main.sessions.select(GREP)
        await pilot.pause()
        assert where(app) == "Fix the flaky retry… › … › task find every call… › step 1 › grep retry("
    async with playing(story.everything(), size=(200, 60)) as (app, pilot):
        app.main.sessions.select(GREP)
        await pilot.pause()
        assert where(app) == (
            "Fix the flaky retry test › make the retry test stable › step 3 › task find every caller › step 1 › "
            "grep retry("
        )


async def test_a_low_screen_keeps_the_line_for_the_tree_until_there_is_something_to_say() -> None:
    async with playing(story.everything(), size=(60, 16)) as (app, pilot):
        line = app.main.query_one("#where")
        assert not line.display
        await pilot.press("w")
        await pilot.pause()
        assert where(app) == "nothing waits for a person here"
        await pilot.press("j")
        await pilot.pause()
        assert not line.display


async def test_a_session_that_changed_is_marked_until_the_cursor_rests_on_it() -> None:
    moment = [float(NOW)]
    async with playing(story.everything(), clock=lambda: moment[0]) as (app, pilot):
        assert not any("∙" in line for line in screen_text(app))
        moment[0] += 20
        step = Step("ses_lexer", 1, "usr_l", -5).end(-9, story.Usage(), 0, 0, finish="stop")
        feed(app, [prompt("ses_lexer", "usr_l", "again", -5), *step.events])
        await pilot.pause()
        assert any("∙▸ ◦ Explain the lexer" in line for line in screen_text(app))
        app.main.sessions.select(Key(SOURCE, "session", "ses_lexer", "ses_lexer"))
        await until(pilot, lambda: not any("∙" in line for line in screen_text(app)))
