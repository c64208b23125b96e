"""The detail as a user meets it: tabs, texts that grow, searching, and the doors out."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from textual.events import Key as Pressed
from textual.pilot import Pilot

from adapter.events import Event, PayloadRef
from tests.tui import story
from tests.tui.stage import FakeSource, Text, feed, playing, screen_text, until
from tests.tui.story import SOURCE, Step, prompt, session
from tui.app import ViewerApp
from tui.model.records import Key
from tui.render.cards import tabs
from tui.render.lines import plain
from tui.widgets import detail

BASH = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool")
LOOP = Key(SOURCE, "op", "ses_loop", "prt_ses_loop_1_1:tool")
FIELD = "opencode-sqlite://?part_id=prt_ses_loop_1_1&field=state"


def shown(app: object) -> str:
    return "\n".join(screen_text(app))  # type: ignore[arg-type]


def looping(done: bool = False, size: int = 1) -> list[Event]:
    """A shell command that prints, still running or done: its output moves to another field when it ends."""
    step = Step("ses_loop", 1, "usr_l", 20)
    step.op("tool", "bash", 19, 1 if done else None, label="make", running=not done, refs={"tool_response": "x" * size})
    field = "output" if done else "metadata.output"
    events = [replace(e, uri=f"{FIELD}.{field}") if isinstance(e, PayloadRef) else e for e in step.events]
    return [session("ses_loop", "Loop", 30, updated=1), prompt("ses_loop", "usr_l", "loop", 21), *events]


async def test_digits_pick_the_tab_that_a_node_has_and_remember_the_wish() -> None:
    events = story.everything()
    async with playing(events, source=FakeSource(story.texts(events))) as (app, pilot):
        detail = app.main.detail
        app.main.sessions.select(BASH)
        await pilot.press("3")
        assert detail.tab == "Output"
        await pilot.press("4")
        await pilot.pause()
        assert detail.tab == "Overview"
        assert "no diff" in shown(app)
        await pilot.press("3")
        app.main.sessions.select(Key(SOURCE, "session", "ses_old", "ses_old"))
        await pilot.pause()
        assert detail.tab == "Overview"
        app.main.sessions.select(BASH)
        await until(pilot, lambda: "gives up after 5 tries" in shown(app))


async def test_angle_brackets_go_round_the_tabs() -> None:
    async with playing(story.everything()) as (app, pilot):
        app.main.sessions.select(BASH)
        await pilot.pause()
        seen = []
        for _ in range(6):
            await pilot.press("greater_than_sign")
            seen.append(app.main.detail.tab)
        assert seen == ["Transcript", "Timeline", "Input", "Output", "Raw", "Overview"]
        await pilot.press("less_than_sign")
        assert app.main.detail.tab == "Raw"


async def test_a_click_picks_a_tab() -> None:
    async with playing(story.everything()) as (app, pilot):
        app.main.sessions.select(BASH)
        await pilot.pause()
        line = app.main.detail.query_one("#tabs").lines[0]  # type: ignore[attr-defined]
        at = "".join(text for text, _ in line).index("Raw")
        await pilot.click("#tabs", offset=(at, 0))
        await pilot.pause()
        assert app.main.detail.tab == "Raw"


async def test_the_output_of_a_running_command_grows_and_keeps_its_end_until_the_user_scrolls() -> None:
    source = FakeSource({f"{FIELD}.metadata.output": "line 0"})
    async with playing(looping(), source=source) as (app, pilot):
        app.main.sessions.select(LOOP)
        await pilot.press("3", "tab")
        await until(pilot, lambda: "line 0" in shown(app))
        for count in (10, 100, 200):
            source.texts[f"{FIELD}.metadata.output"] = "\n".join(f"line {n}" for n in range(count))
            feed(app, looping(size=count))
            await until(pilot, lambda count=count: f"line {count - 1}" in shown(app))  # type: ignore[misc]
        await pilot.press("k", "k")
        top = app.main.detail.view.scroll_offset.y
        source.texts[f"{FIELD}.metadata.output"] = "\n".join(f"line {n}" for n in range(300))
        feed(app, looping(size=300))
        await until(pilot, lambda: len(app.main.detail.view.lines) == 300)
        assert app.main.detail.view.scroll_offset.y == top


async def test_a_command_that_ends_keeps_its_text_and_its_place() -> None:
    text = "\n".join(f"line {n}" for n in range(300))
    source = FakeSource({f"{FIELD}.metadata.output": text})
    async with playing(looping(), source=source) as (app, pilot):
        app.main.sessions.select(LOOP)
        await pilot.press("3", "tab")
        await until(pilot, lambda: "line 299" in shown(app))
        await pilot.press("g", "j", "j")
        feed(app, looping(done=True, size=2))
        await until(pilot, lambda: source.asked[-1].endswith("state.output"))
        await until(pilot, lambda: not app.main.detail._asked)
        assert "line 2" in screen_text(app)[2]
        source.texts = {f"{FIELD}.output": text + "\nthe end"}
        feed(app, looping(done=True, size=3))
        await until(pilot, lambda: len(app.main.detail.view.lines) == 301)
        assert "line 2" in screen_text(app)[2]


async def test_a_tab_that_is_picked_and_a_node_after_a_rest_need_no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [*story.everything(), *looping(done=True)]
    source = FakeSource(story.texts(events))
    async with playing(events, source=source) as (app, pilot):
        app.main.sessions.select(BASH)
        await pilot.pause(detail.FETCH_AFTER)
        monkeypatch.setattr(detail, "FETCH_AFTER", 3600.0)
        await pilot.press("3")
        await until(pilot, lambda: len(source.asked) == 1)
        app.main.detail.show(LOOP)
        await pilot.pause()
        assert app.main.detail._timer is not None, "a node that the cursor may only pass was fetched"
        monkeypatch.setattr(detail, "FETCH_AFTER", 0.001)
        await pilot.pause(0.01)
        app.main.detail.show(BASH)
        assert app.main.detail._timer is None
        await until(pilot, lambda: len(source.asked) == 2)


class SlowSource(FakeSource):
    """Gives no text before it is told to."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__(texts)
        self.go = threading.Event()

    async def payload(self, uri: str, limit: int = 0) -> Text:
        await asyncio.to_thread(self.go.wait, 10)
        return await super().payload(uri, limit)


PLAIN = "\n".join(f"line {number}" for number in range(300))
FOLDING = json.dumps({"rows": [{"n": n} for n in range(300)]})
PART = f"opencode-sqlite://?part_id={BASH.id[:-5]}&field="


@pytest.mark.parametrize(("tab", "texts"), [("3", {f"{PART}state.output": PLAIN}), ("6", {PART: FOLDING})])
@pytest.mark.parametrize("keys", [["G"], ["G", "k"], ["j", "j"], ["space", "j"], ["G", "g", "j"], ["pagedown", "up"]])
async def test_keys_that_scroll_count_also_while_the_text_is_on_its_way(
    tab: str, texts: dict[str, str], keys: list[str]
) -> None:
    places = []
    source = SlowSource(texts)
    async with playing(story.everything(), source=source) as (app, pilot):
        view = app.main.detail.view
        app.main.sessions.select(BASH)
        await pilot.press(tab, "tab", *keys)
        source.go.set()
        await until(pilot, lambda: len(view.lines) >= 300)
        await pilot.pause()
        places.append((view.scroll_offset.y, view.caret))
        await pilot.press("g", *keys)
        await pilot.pause()
        places.append((view.scroll_offset.y, view.caret))
    assert places[0] == places[1] != (0, 0)


class BegunSource(SlowSource):
    """Gives the beginning of a text at once."""

    async def beginning(self, uri: str) -> str:
        self.asked.append(f"the beginning of {uri}")
        return self.texts[uri][:1000]


LOUD = Key(SOURCE, "op", "ses_loud", "prt_ses_loud_1_1:tool")


def loud(lines: int) -> tuple[list[Event], str, dict[str, str]]:
    """A session with a call of so many lines of output, the reference to it, and the texts."""
    text = "".join(f"line {number} of what a build has printed\n" for number in range(lines))
    step = Step("ses_loud", 1, "usr_l", 90)
    step.op("tool", "bash", 80, 5.0, label="make", refs={"tool_response": text})
    events = [session("ses_loud", "Loud", 95), prompt("ses_loud", "usr_l", "make it", 91), *step.events]
    (uri,) = [event.uri for event in events if isinstance(event, PayloadRef) and event.payload_kind == "tool_response"]
    return events, uri, {uri: text}


async def test_a_large_text_is_begun_before_all_of_it_is_read() -> None:
    events, uri, texts = loud(50_000)
    source = BegunSource(texts)
    async with playing(events, source=source) as (app, pilot):
        view = app.main.detail.view
        app.main.sessions.select(LOUD)
        await pilot.press("3", "tab")
        await until(pilot, lambda: "line 3 of" in shown(app))
        assert len(view.lines) < 50
        assert "reading all of it… 1.8 MB" in plain(view.lines[len(view.lines) - 1])
        # It is no text to take along, and its end is not the end.
        assert app.main.detail.words() is None
        await pilot.press("G")
        source.go.set()
        await until(pilot, lambda: len(view.lines) == 50_000)
        await until(pilot, lambda: "line 49999 of" in shown(app))
        words = app.main.detail.words()
        assert words is not None
        assert len(list(words)) == 50_000
        assert source.asked == [f"the beginning of {uri}", uri]


async def test_the_beginning_does_not_stand_for_a_text_that_cannot_be_read() -> None:
    events, uri, texts = loud(50_000)
    source = BegunSource(texts)
    async with playing(events, source=source) as (app, pilot):
        app.main.sessions.select(LOUD)
        await pilot.press("3")
        await until(pilot, lambda: "line 3 of" in shown(app))
        del texts[uri]
        source.go.set()
        await until(pilot, lambda: "the row is gone" in shown(app))
        assert "line 3 of" not in shown(app)
        assert app.main.detail.words() is None


async def test_a_text_that_is_not_large_is_read_at_once() -> None:
    events, uri, texts = loud(50)
    source = BegunSource(texts)
    source.go.set()
    async with playing(events, source=source) as (app, pilot):
        app.main.sessions.select(LOUD)
        await pilot.press("3")
        await until(pilot, lambda: "line 3 of" in shown(app))
        assert source.asked == [uri]


async def test_keys_meant_for_a_text_that_never_came_do_not_scroll_another() -> None:
    source = SlowSource({f"{FIELD}.output": PLAIN, f"{FIELD}.input": FOLDING})
    async with playing(looping(done=True), source=source) as (app, pilot):
        view = app.main.detail.view
        app.main.sessions.select(LOOP)
        await pilot.press("3", "tab", "G", "6", "3")
        source.go.set()
        await until(pilot, lambda: len(view.lines) == 300)
        await pilot.pause()
        assert view.scroll_offset.y == 0


async def test_the_place_in_the_overview_stays_when_the_end_of_the_output_comes_in() -> None:
    source = SlowSource({f"{FIELD}.output": PLAIN})
    async with playing(looping(done=True), source=source, size=(120, 9)) as (app, pilot):
        view = app.main.detail.view
        app.main.sessions.select(LOOP)
        await pilot.press("tab", "j", "j")
        await until(pilot, lambda: bool(app.main.detail._asked))
        assert 0 < (top := view.scroll_offset.y) < view.max_scroll_y
        source.go.set()
        await until(pilot, lambda: "line 299" in "\n".join(view.lines.words()))
        await pilot.pause()
        assert view.scroll_offset.y == top


async def test_the_next_row_starts_at_its_beginning_although_the_one_before_was_read_to_its_end() -> None:
    async with playing(story.everything(), size=(120, 9)) as (app, pilot):
        view = app.main.detail.view
        app.main.sessions.select(BASH)
        await pilot.press("tab", "G")
        await pilot.pause()
        assert view.scroll_offset.y == view.max_scroll_y > 0
        app.main.sessions.select(Key(SOURCE, "session", "ses_retry", "ses_retry"))
        await pilot.pause()
        assert view.max_scroll_y > 0
        assert view.scroll_offset.y == 0


async def test_changes_in_quick_succession_do_not_hold_the_text_back() -> None:
    source = FakeSource({f"{FIELD}.metadata.output": "here it is"})
    async with playing(looping(), source=source) as (app, pilot):
        app.main.sessions.select(LOOP)
        await pilot.press("3")
        size = 1

        def arrived() -> bool:
            nonlocal size
            size += 1
            feed(app, looping(size=size))
            return "here it is" in shown(app)

        await until(pilot, arrived, 5)


LONG = "\n".join(f"line {n}" + (" needle" if n % 100 == 50 else "") for n in range(1000))


@asynccontextmanager
async def reading(text: str, size: tuple[int, int] = (120, 40)) -> AsyncIterator[tuple[ViewerApp, Pilot[Any]]]:
    """The app with the focus in a text on the Output tab."""
    events = story.everything()
    source = FakeSource({**story.texts(events), f"opencode-sqlite://?part_id={BASH.id[:-5]}&field=state.output": text})
    async with playing(events, size=size, source=source) as (app, pilot):
        app.main.sessions.select(BASH)
        await pilot.press("3")
        app.main.show_detail()
        await until(
            pilot, lambda: BASH.id[:-5] in app.main.detail.tabs["Output"][0].slot and "loading" not in shown(app)
        )
        yield app, pilot


async def test_a_search_goes_to_the_hits_one_after_the_other_and_round() -> None:
    async with reading(LONG) as (app, pilot):
        view = app.main.detail.view
        await pilot.press("slash", *"needle")
        assert view.at == (50, 0)
        assert "line 50 needle" in shown(app)
        assert "/needle  1 of 10" in shown(app)
        await pilot.press("enter")
        assert app.focused is view
        await pilot.press("n", "n")
        await pilot.pause()
        assert (view.at, view.place) == ((250, 0), 3)
        await pilot.press("N", "N", "N")
        await pilot.pause()
        assert (view.at, view.place) == ((950, 0), 10)
        assert "10 of 10  over the end" in shown(app)
        await pilot.press("n")
        assert view.at == (50, 0)


async def test_what_is_typed_at_once_behind_the_slash_is_looked_for() -> None:
    async with reading(LONG + "\na/needle/b") as (app, pilot):
        for letter in "/needle/":
            app.post_message(Pressed("slash" if letter == "/" else letter, letter))
        await until(pilot, lambda: "/needle/  1 of 1" in shown(app))
        assert app.main.detail.tab == "Output"


async def test_the_line_of_a_search_has_its_keys_and_a_narrow_screen_stays_at_the_text() -> None:
    async with reading(LONG, size=(80, 24)) as (app, pilot):
        await pilot.press("slash", *"line 5")
        await pilot.pause()
        assert "line 5" in shown(app)
        assert "Sessions" not in shown(app)
        assert "enter to the text   esc end the search" in shown(app)
        await pilot.press("escape")
        await pilot.pause()
        assert "/ search" in shown(app)


async def test_escape_ends_the_search_and_only_then_goes_back_to_the_tree() -> None:
    async with reading(LONG) as (app, pilot):
        await pilot.press("slash", *"needle", "enter", "escape")
        await pilot.pause()
        assert app.focused is app.main.detail.view
        assert "/needle" not in shown(app)
        assert app.main.detail.view.words == ""
        await pilot.press("slash", "x", "escape")
        assert app.focused is app.main.detail.view
        await pilot.press("escape")
        assert app.focused is app.main.sessions


async def test_a_search_starts_where_the_reader_is_and_takes_case_when_it_is_given() -> None:
    async with reading(LONG + "\nNeedle") as (app, pilot):
        view = app.main.detail.view
        view.scroll_to(y=320, animate=False)
        await pilot.press("slash", *"needle")
        assert (view.at, view.place) == ((350, 0), 4)
        await pilot.press("enter", "slash", *(["backspace"] * 6), *"Needle")
        await pilot.pause()
        assert list(view.hits) == [1000]


async def test_every_hit_of_a_line_is_counted_and_gone_to() -> None:
    async with reading("a needle, a needle\nnone\nneedle") as (app, pilot):
        view = app.main.detail.view
        await pilot.press("slash", *"needle", "enter")
        await pilot.pause()
        assert "1 of 3" in shown(app)
        here = [["match-here", "match"], ["match", "match-here"]]
        for place, roles in enumerate(here):
            assert (view.at, view.place) == ((0, place), place + 1)
            assert [role for _, role in view.line_at(0) if role.startswith("match")] == roles
            await pilot.press("n")
        assert (view.at, view.place) == ((2, 0), 3)
        assert [role for _, role in view.line_at(0) if role.startswith("match")] == ["match", "match"]
        await pilot.press("N")
        assert view.at == (0, 1)


@pytest.mark.mouse("JSON")
async def test_json_is_folded_by_enter_and_by_a_click_and_a_search_unfolds_it() -> None:
    async with playing(looping()) as (app, pilot):
        app.main.sessions.select(Key(SOURCE, "session", LOOP.session_id, LOOP.session_id))
        await pilot.press("6", "tab")
        view = app.main.detail.view
        await until(pilot, lambda: view.lines.foldable)
        whole, shown_lines = shown(app), len(view.lines)
        assert '"usage"' in whole
        await pilot.press("enter")
        await pilot.pause()
        assert "▸ { … }" in shown(app)
        assert '"usage"' not in shown(app)
        await pilot.press("enter")
        await pilot.pause()
        assert shown(app) == whole
        await pilot.press("down", "enter")
        await pilot.pause()
        assert (view.caret, len(view.lines)) == (1, shown_lines)
        await pilot.click(view, offset=(4, 0))
        await pilot.pause()
        assert (view.caret, len(view.lines)) == (0, 1)
        await pilot.press("slash", *"usage")
        await pilot.pause()
        assert "1 of 1" in shown(app)
        assert len(view.lines) > 10


async def test_a_caret_stays_in_sight_and_keys_move_it_where_a_text_folds() -> None:
    row = json.dumps({"rows": [{"n": n} for n in range(500)]})
    source = FakeSource({f"opencode-sqlite://?part_id={BASH.id[:-5]}&field=": row})
    async with playing(story.everything(), source=source) as (app, pilot):
        app.main.sessions.select(BASH)
        await pilot.press("6", "tab")
        view = app.main.detail.view
        await until(pilot, lambda: view.lines.foldable)
        await pilot.press("end")
        await pilot.pause()
        assert view.caret == len(view.lines) - 1
        assert view.scroll_offset.y == view.max_scroll_y
        await pilot.press("home", *["down"] * 2, "enter")
        await pilot.pause()
        assert "▸     { … },  1 line" in shown(app)
        view.scroll_to(y=300, animate=False)
        await pilot.press("down")
        await pilot.pause()
        assert view.scroll_offset.y <= view.caret < view.scroll_offset.y + view.size.height


async def test_what_is_not_there_is_said() -> None:
    async with reading(LONG) as (app, pilot):
        await pilot.press("slash", *"no such words", "enter", "n")
        await pilot.pause()
        assert "not in this text" in shown(app)


async def test_a_thought_of_many_parts_is_one_section() -> None:
    step = Step("ses_think", 1, "usr_t", 90)
    for number in range(200):
        step.op("reasoning", "", 80 - number / 10, 0.05, label=f"w{number}", refs={"llm_reasoning": f" w{number}"})
    events = [session("ses_think", "Think", 95), prompt("ses_think", "usr_t", "think", 91), *step.events]
    uris = [event.uri for event in events if isinstance(event, PayloadRef) and event.payload_kind == "llm_reasoning"]
    source = FakeSource({uri: f" w{number}" for number, uri in enumerate(uris)})
    async with playing(events, source=source) as (app, pilot):
        app.main.sessions.select(Key(SOURCE, "turn", "ses_think", "msg_ses_think_1"))
        await pilot.press("3")
        await until(pilot, lambda: "w0 w1 w2" in shown(app))
        assert len(source.asked) == 200
        assert "── llm reasoning" not in shown(app)
        assert "loading" not in shown(app)


async def test_what_is_cut_off_a_long_line_is_searched_too() -> None:
    text = "a" * 45_000 + " needle " + "b" * 500_000 + " needle"
    async with reading(f"{text}\nshort\n") as (app, pilot):
        await pilot.press("slash", *"needle", "enter")
        await until(pilot, lambda: "2 beyond column 20,000, not shown" in shown(app))
        assert "not in this text" not in shown(app)
        await pilot.press("slash", *(["backspace"] * 6), *"short", "enter")
        await until(pilot, lambda: "1 of 1" in shown(app))
        assert "beyond" not in shown(app)


async def test_hits_are_marked_and_only_lines_in_sight_are_drawn(drawn: Counter[str]) -> None:
    async with reading("\n".join(f"{n:07} of a needle" for n in range(20_000)), size=(120, 30)) as (app, pilot):
        view = app.main.detail.view
        drawn.clear()
        await pilot.press("slash", *"needle")
        await until(pilot, lambda: view.share == 1)
        assert len(view.hits) == 20_000
        assert drawn["LineView"] <= 12 * view.size.height
        assert [role for _, role in view.line_at(0)] == ["text", "match-here"]
        assert [role for _, role in view.line_at(7)] == ["text", "match"]


async def test_a_hit_far_to_the_right_is_brought_into_sight() -> None:
    async with reading("x" * 400_000 + "\n" + "a" * 3000 + " needle " + "b" * 9000) as (app, pilot):
        await pilot.press("slash", *"needle", "enter")
        await pilot.pause()
        assert "a needle b" in shown(app)


async def test_a_search_follows_a_text_that_grows() -> None:
    source = FakeSource({f"{FIELD}.metadata.output": "needle 1"})
    async with playing(looping(), source=source) as (app, pilot):
        app.main.sessions.select(LOOP)
        await pilot.press("3", "tab")
        await until(pilot, lambda: "needle 1" in shown(app))
        await pilot.press("slash", *"needle", "enter")
        source.texts[f"{FIELD}.metadata.output"] = "needle 1\nneedle 2\nneedle 3"
        feed(app, looping(size=5))
        await until(pilot, lambda: "1 of 3" in shown(app))


async def test_a_session_that_takes_long_to_add_up_is_added_up_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    async with playing(looping()) as (app, pilot):
        made: list[int] = []
        real = tabs.tabs_of
        monkeypatch.setattr(tabs, "tabs_of", lambda store, key: made.append(1) or real(store, key))
        app.main.detail._cost, app.main.detail._drawn_at = 0.03, time.perf_counter()
        for size in range(12, 32):
            feed(app, looping(size=size))
        assert made == []
        await until(pilot, lambda: len(made) == 1)


async def test_a_row_that_changes_on_and_on_is_drawn_at_once_and_then_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = [100.0]
    async with playing(looping()) as (app, pilot):
        monkeypatch.setattr(detail.time, "perf_counter", lambda: moment[0])
        made: list[float] = []
        real = tabs.tabs_of
        monkeypatch.setattr(tabs, "tabs_of", lambda store, key: made.append(moment[0]) or real(store, key))
        app.main.detail._drawn_at = 0.0
        for size in range(2, 12):
            feed(app, looping(size=size))
            moment[0] += 0.1
        assert made == pytest.approx([100.0 + n * detail.SPACED_S for n in range(5)])
        # The last state is drawn though nothing else changes.
        await until(pilot, lambda: len(made) == 6)
