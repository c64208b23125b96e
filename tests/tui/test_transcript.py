"""The transcript as a reader meets it: where it opens, what moves, what is opened in place, what a search finds."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import msgspec
from textual.strip import Strip

from adapter.events import Event
from tests.tui import story
from tests.tui.stage import FakeSource, feed, playing, screen_text, until
from tests.tui.story import SOURCE, Step, prompt, session
from tui.app import ViewerApp
from tui.model.records import Key
from tui.render.glyphs import plain
from tui.widgets.line_view import LineView
from tui.widgets.transcript import Transcript

BASH = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool")
LONG = Key(SOURCE, "session", "ses_long", "ses_long")


def shown(app: ViewerApp) -> str:
    return "\n".join(screen_text(app))


def transcript(app: ViewerApp) -> Transcript:
    return app.main.detail.transcript


def right(app: ViewerApp) -> list[str]:
    """The lines of the transcript in sight, without the scroll bar."""
    return [line.partition("▏")[2][:43].rstrip() for line in screen_text(app)[3:20]]


def go_to(app: ViewerApp, key: Key) -> None:
    """Puts the cursor of the tree on a row, opening what hides it."""
    app.main.draw(app.main.view.jump(key))


def caret(app: ViewerApp) -> str:
    """What the line of the caret says."""
    view = transcript(app)
    return "".join(text for text, _ in view.lines[view.caret])


def long(count: int, first: int = 1) -> list[Event]:
    """A session of so many prompts, each answered by a thought, a text and a call that prints."""
    events: list[Event] = [session("ses_long", "Long", 5000, updated=1)]
    for number in range(first, count + 1):
        ago = 4000 - 3 * number
        step = Step("ses_long", number, f"usr_{number}", ago)
        step.op("reasoning", "", ago, 0.5, label=f"idea {number}", refs={"llm_reasoning": f"the whole idea {number}"})
        step.op("text", "", ago, 0.5, label=f"answer {number}", refs={"llm_response": f"the whole answer {number}"})
        refs = {"tool_request": '{"command":"make"}', "tool_response": "ok"}
        step.op("tool", "bash", ago, 0.5, label=f"make {number}", exit=int(number == 3), refs=refs)
        events += [prompt("ses_long", f"usr_{number}", f"question {number}", ago), *step.events]
    return events


def texts(events: list[Event]) -> dict[str, str]:
    """What stands in the database behind each reference."""
    found: dict[str, str] = {}
    for event in events:
        if event.__class__.__name__ == "PayloadRef":
            raw = msgspec.to_builtins(event)
            number = raw["turn_seq"]
            found[raw["uri"]] = {
                "user_prompt": raw.get("preview", ""),
                "llm_reasoning": f"the whole idea {number}",
                "llm_response": f"the whole answer {number}",
                "tool_request": '{"command":"make"}',
                "tool_response": f"first line\nneedle {number}\nlast line {number}",
            }[raw["payload_kind"]]
    return found


async def test_it_opens_at_the_row_of_the_cursor_and_the_tree_follows_it_back() -> None:
    events = story.everything()
    async with playing(events, source=FakeSource(story.texts(events))) as (app, pilot):
        go_to(app, BASH)
        await pilot.press("t")
        assert "$ npm test -- retry" in caret(app)
        await until(pilot, lambda: "Tests  1 failed, 1 passed" in shown(app))
        assert app.main.sessions.has_focus
        await pilot.press("t", "left_square_bracket")
        assert transcript(app).has_focus
        assert "you" in caret(app)
        assert app.main.sessions.cursor == BASH
        await pilot.press("tab")
        assert app.main.sessions.has_focus
        assert app.main.sessions.cursor == Key(SOURCE, "prompt", "ses_retry", "usr_1")


async def test_it_stays_at_the_end_while_one_is_there_and_stands_still_when_one_is_not() -> None:
    events = long(30)
    source = FakeSource(texts(long(40)))
    async with playing(events, source=source, size=(120, 30)) as (app, pilot):
        go_to(app, LONG)
        await pilot.press("t", "t")
        await until(pilot, lambda: "the whole answer 30" in shown(app))
        feed(app, long(31, 31))
        await until(pilot, lambda: "the whole answer 31" in shown(app))
        await pilot.press("k", "k", "k", "k", "k", "k")
        await pilot.pause()
        before, line = right(app), caret(app)
        feed(app, long(36, 32))
        await pilot.pause()
        assert right(app) == before
        assert caret(app) == line
        await pilot.press("G")
        await until(pilot, lambda: "the whole answer 36" in shown(app))
        feed(app, long(37, 37))
        await until(pilot, lambda: "the whole answer 37" in shown(app))


async def test_what_arrives_late_above_does_not_move_what_is_read() -> None:
    events = long(40)
    source = FakeSource(texts(events))
    async with playing(events, source=source, size=(120, 30)) as (app, pilot):
        go_to(app, Key(SOURCE, "prompt", "ses_long", "usr_20"))
        await pilot.press("t", "t")
        await until(pilot, lambda: "the whole answer 20" in shown(app))
        for _ in range(12):
            await pilot.press("k")
            await until(pilot, lambda: not transcript(app)._asked and transcript(app)._fetch_timer is None)
            top = transcript(app).scroll_offset.y
            place, _ = transcript(app).conversation.place_at(transcript(app).caret)
            name = transcript(app).conversation.passages[place].name
            await pilot.pause(0.05)
            assert transcript(app).scroll_offset.y == top
            now, _ = transcript(app).conversation.place_at(transcript(app).caret)
            assert transcript(app).conversation.passages[now].name == name


async def test_enter_opens_a_call_in_place_and_closes_it_again() -> None:
    events = long(5)
    async with playing(events, source=FakeSource(texts(events))) as (app, pilot):
        go_to(app, Key(SOURCE, "op", "ses_long", "prt_ses_long_2_3:tool"))
        await pilot.press("t", "t")
        assert "needle 2" not in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: "needle 2" in shown(app))
        assert "command  make" in shown(app)
        await pilot.press("enter")
        await pilot.pause()
        assert "needle 2" not in shown(app)


async def test_of_a_call_that_failed_the_last_lines_are_there_and_e_goes_from_one_to_the_next() -> None:
    events = long(5)
    async with playing(events, source=FakeSource(texts(events))) as (app, pilot):
        go_to(app, Key(SOURCE, "prompt", "ses_long", "usr_1"))
        await pilot.press("t", "t", "e")
        assert "exit 1" in caret(app)
        await until(pilot, lambda: "last line 3" in shown(app))
        await pilot.press("e")
        await pilot.pause()
        assert "no failure below" in shown(app)
        await pilot.press("k")
        await pilot.pause()
        assert "no failure below" not in shown(app)


async def test_a_search_finds_what_is_folded_opens_it_and_goes_round() -> None:
    events = long(30)
    async with playing(events, source=FakeSource(texts(events))) as (app, pilot):
        go_to(app, Key(SOURCE, "prompt", "ses_long", "usr_10"))
        await pilot.press("t", "t", "slash", *"needle", "enter")
        await until(pilot, lambda: transcript(app).share == 1)
        assert transcript(app).count == 30
        await until(pilot, lambda: "needle 10" in caret(app))
        await pilot.press("n")
        await until(pilot, lambda: "needle 11" in caret(app))
        await pilot.press("N", "N")
        await until(pilot, lambda: "needle 9" in caret(app))
        assert "9 of 30" in shown(app)
        await pilot.press("escape")
        assert transcript(app).words == ""


async def test_y_takes_the_passage_of_the_caret_and_nothing_of_its_frame() -> None:
    events = long(5)
    async with playing(events, source=FakeSource(texts(events))) as (app, pilot):
        go_to(app, Key(SOURCE, "op", "ses_long", "prt_ses_long_2_2:text"))
        await pilot.press("t", "t")
        await until(pilot, lambda: "the whole answer 2" in shown(app))
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard != "")
        assert app.clipboard == "the whole answer 2"


async def test_seven_hundred_parts_of_a_thought_read_as_one_line_and_open_as_one_text() -> None:
    step = Step("ses_t", 1, "usr_t", 100)
    for number in range(714):
        step.op("reasoning", "", 99, 0.001, label=f"w{number}", refs={"llm_reasoning": "x"})
    events = [session("ses_t", "Thinks", 200), prompt("ses_t", "usr_t", "think", 101), *step.events]
    found = {e.uri: f"w{n} " for n, e in enumerate(x for x in step.events if hasattr(x, "uri"))}
    async with playing(events, source=FakeSource(found), size=(120, 60)) as (app, pilot):
        go_to(app, Key(SOURCE, "op", "ses_t", "prt_ses_t_1_1:reasoning"))
        await pilot.press("t", "t")
        assert len(transcript(app).conversation.passages) == 2
        await pilot.press("enter")
        await until(pilot, lambda: "w0 w1 w2" in shown(app))
        await pilot.press("G")
        await until(pilot, lambda: "w713" in shown(app))


async def test_a_sub_agent_is_opened_with_its_own_transcript_and_read_when_it_has_not_been() -> None:
    events = story.everything()
    source = FakeSource(story.texts(events))
    async with playing(events, source=source) as (app, pilot):
        go_to(app, Key(SOURCE, "op", "ses_retry", "prt_ses_retry_3_2:tool"))
        await pilot.press("t", "t")
        assert "2 agents" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: "Find every caller of retry( in src" in shown(app))
        assert "its caller" in shown(app)


async def test_what_changed_while_another_tab_was_shown_is_there_afterwards() -> None:
    events = long(5)
    async with playing(events, source=FakeSource(texts(long(6)))) as (app, pilot):
        go_to(app, LONG)
        await pilot.press("t")
        await until(pilot, lambda: "the whole answer 5" in shown(app))
        await pilot.press("1")
        feed(app, long(6, 6))
        await pilot.press("t")
        await until(pilot, lambda: "the whole answer 6" in shown(app))


async def test_a_text_that_cannot_be_read_says_why_and_nothing_stays_at_loading() -> None:
    events = long(3)
    async with playing(events, source=FakeSource({})) as (app, pilot):
        go_to(app, LONG)
        await pilot.press("t")
        await until(pilot, lambda: shown(app).count("the row is gone") >= 3)
        assert "loading" not in shown(app)


async def test_a_session_that_goes_away_while_it_is_read_leaves_nothing_behind() -> None:
    from adapter.events import SessionRemoved

    events = long(3)
    async with playing(events, source=FakeSource(texts(events))) as (app, pilot):
        go_to(app, LONG)
        await pilot.press("t", "t")
        await until(pilot, lambda: "the whole answer 3" in shown(app))
        feed(app, [SessionRemoved(source=SOURCE, ts=0, session_id="ses_long")])
        await pilot.press("j", "k", "enter", "e", "y", "slash", *"x", "enter", "n")
        await pilot.pause()
        assert "the whole answer" not in shown(app)


async def test_without_unicode_nothing_of_ours_is_left_but_ascii() -> None:
    events = story.everything()
    async with playing(events, source=FakeSource(story.texts(events)), size=(200, 60)) as (app, pilot):
        go_to(app, Key(SOURCE, "op", "ses_retry", "prt_ses_retry_3_2:tool"))
        await pilot.press("t", "t")
        await until(pilot, lambda: not transcript(app)._asked)
        assert "agents" in shown(app)
        lines = ["".join(text for text, _ in line) for line in transcript(app).lines]
        # What a command printed stays as it is.
        printed = set("✓✗") & set(story.TEST_OUTPUT)
        assert [line for line in map(plain, lines) if not line.isascii() and not printed & set(line)] == []


async def test_a_narrow_pane_and_one_line_of_height_are_no_trouble() -> None:
    events = long(20)
    async with playing(events, source=FakeSource(texts(events)), size=(60, 12)) as (app, pilot):
        go_to(app, LONG)
        await pilot.press("t")
        await until(pilot, lambda: "the whole answer 20" in shown(app))
        for width, height in ((20, 5), (1, 1), (200, 60), (80, 24)):
            await pilot.resize_terminal(width, height)
            await pilot.press("j", "k", "pagedown", "pageup", "left_square_bracket")
        await until(pilot, lambda: "the whole answer" in shown(app))


async def test_who_reads_stays_in_the_session_when_another_one_comes_to_the_top() -> None:
    """Nobody has moved the cursor, which then follows what is newest, but somebody reads."""
    events = long(3)
    other = Step("ses_new", 1, "usr_new", 0.4).op("tool", "bash", 0.3, None, label="make", running=True)
    async with playing(events, source=FakeSource(texts(events))) as (app, pilot):
        await pilot.press("t")
        await until(pilot, lambda: "the whole answer 3" in shown(app))
        feed(
            app,
            [session("ses_new", "New", 0.6, updated=0.2), prompt("ses_new", "usr_new", "hello", 0.5), *other.events],
        )
        await pilot.pause()
        assert app.main.sessions.cursor == LONG
        assert "the whole answer 3" in shown(app)


async def test_lines_that_are_kept_look_as_they_would_if_they_were_made_anew() -> None:
    events = story.everything()
    async with playing(events, source=FakeSource(story.texts(events)), size=(120, 30)) as (app, pilot):
        go_to(app, BASH)
        await pilot.press("t", "t")
        view = transcript(app)
        moves = ["k", "k", "enter", "j", "pageup", "g", "enter", "tab", "tab", "G", "k", "enter", "e"]
        search = ["left_square_bracket", "slash", *"test", "enter", "n", "n", "N", "escape"]
        for key in [*moves, *search, "T", "w", "right", "left", "home"] * 2:
            await pilot.press(key)
            await pilot.pause()
            for y in range(view.size.height):
                assert view._kept[y].text == LineView.render_line(view, y).text, key
                assert list(view._kept[y]) == list(LineView.render_line(view, y)), key


async def test_a_step_of_the_caret_makes_only_the_lines_that_come_into_sight_or_change() -> None:
    async with playing(long(60), source=FakeSource(texts(long(60))), size=(120, 40)) as (app, pilot):
        go_to(app, LONG)
        await pilot.press("t", "t")
        await until(pilot, lambda: "the whole answer 60" in shown(app))
        await pilot.press(*"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkk")
        await until(pilot, lambda: not transcript(app)._asked and transcript(app)._fetch_timer is None)
        made: list[int] = []
        with mock.patch.object(LineView, "render_line", autospec=True, side_effect=counting(made)):
            await pilot.press("k")
            await pilot.pause()
            # The caret, what comes into sight, and a line whose text has just come; the pane has 37.
            assert 2 <= len(made) <= 12


async def test_a_change_at_the_end_leaves_the_passages_before_it_as_they_are() -> None:
    async with playing(long(60), source=FakeSource(texts(long(60))), size=(120, 40)) as (app, pilot):
        go_to(app, LONG)
        await pilot.press("t", "t")
        conversation = transcript(app).conversation
        count = len(conversation.passages)
        with mock.patch.object(conversation, "_likely", wraps=conversation._likely) as measured:
            feed(app, long(61, 61))
            await pilot.pause()
        assert len(conversation.passages) == count + 4
        assert 0 < measured.call_count <= 8


async def test_a_transcript_that_is_opened_is_laid_out_once() -> None:
    async with playing(long(60), source=FakeSource(texts(long(60))), size=(120, 40)) as (app, pilot):
        go_to(app, LONG)
        await pilot.pause()
        conversation = transcript(app).conversation
        with mock.patch.object(conversation, "_likely", wraps=conversation._likely) as measured:
            await pilot.press("t")
            await pilot.pause()
        assert measured.call_count == len(conversation.passages) > 60


def counting(made: list[int]) -> Callable[[LineView, int], Strip]:
    """Makes lines, and notes which."""
    real = LineView.render_line

    def render_line(view: LineView, y: int) -> Strip:
        made.append(y)
        return real(view, y)

    return render_line


async def test_whoever_reads_is_not_taken_to_what_is_newer_and_sees_which_session_it_is() -> None:
    events = [*long(30), session("ses_other", "Other", 900)]
    async with playing(events, source=FakeSource(texts(long(30))), size=(80, 24)) as (app, pilot):
        go_to(app, LONG)
        await pilot.press("f", "t", "t")
        assert app.main.view.following
        await pilot.press("k", "k")
        await pilot.pause()
        assert not app.main.view.following
        assert "follow paused" in screen_text(app)[0]
        before = right_alone(app)
        feed(app, [prompt("ses_other", "usr_o", "Something else", 1)])
        await pilot.pause()
        assert right_alone(app) == before
        assert "Long › question 30" in screen_text(app)[-2]
        await pilot.press("g", "left_square_bracket")
        await pilot.pause()
        assert screen_text(app)[-2].startswith(" no prompt above")
        await pilot.press("j")
        await pilot.pause()
        assert screen_text(app)[-2].startswith(" Long › question 1")


def right_alone(app: ViewerApp) -> list[str]:
    """The lines of a transcript that is the whole screen."""
    return screen_text(app)[2:-2]
