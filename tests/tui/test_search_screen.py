"""ctrl+f: what is typed is looked for, results stand while it runs, enter goes to the row and back comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from textual.pilot import Pilot

from adapter.contract import Hit, SearchPage
from tests.tui import story
from tests.tui.conftest import Recording
from tests.tui.judge import judge
from tests.tui.stage import FakeSource, feed, health, plainly, playing, screen_text, until
from tests.tui.story import NOW, SOURCE, session
from tests.tui.test_hostile_text import WORST
from tests.tui.test_snapshots import HUGE, SMALL, WIDE, Compare
from tui.app import ViewerApp
from tui.feed.queue import Arrival
from tui.model.records import Key
from tui.screens.search import SearchScreen

BASH = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool")
URI = "opencode-sqlite://?part_id=prt_ses_retry_1_3&field=state.output"


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Nobody waits for a pause in what is typed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tui.screens.search.PAUSE_S", 0.001)
        patch.setattr("tui.widgets.detail.FETCH_AFTER", 0.001)
        yield


def hit(session_id: str = "ses_retry", kind: str = "output", **fields: Any) -> Hit:
    known: dict[str, Any] = {
        "session_id": session_id,
        "message_id": "msg_ses_retry_1",
        "part_id": "prt_ses_retry_1_3",
        "kind": kind,
        "field": "state.output",
        "at": 30,
        "before": "before it stands the ",
        "match": "needle",
        "behind": " and behind it more, and the needle once more",
        "count": 3,
        "ts": int((NOW - 60) * 1e6),
    }
    return Hit(**{**known, **fields})


def pages() -> list[SearchPage]:
    """Two sessions with hits, and some without."""
    first = [
        hit(kind="title", message_id="", part_id="", field="title", before="", at=0, count=1),
        hit(),
        hit(kind="error"),
    ]
    second = [hit("ses_lexer", kind="answer", message_id="msg_ses_lexer_1", part_id="prt_gone")]
    return [SearchPage(["ses_retry"], first, 120, 7), SearchPage(["ses_lexer", "ses_arm"], second, 40, 7)]


def searched(texts: dict[str, str] | None = None, *, endless: bool = False) -> FakeSource:
    source = FakeSource(texts)
    source.pages, source.endless = pages(), endless
    return source


async def look_for(app: ViewerApp, pilot: Pilot[Any], words: str) -> SearchScreen:
    await pilot.press("ctrl+f")
    screen = app.screen
    assert isinstance(screen, SearchScreen)
    screen.words.insert_text_at_cursor(words)
    await until(pilot, lambda: app.main.search.results.found >= 4)
    await pilot.pause()
    return screen


async def test_results_stand_by_session_with_their_hits_in_context() -> None:
    source = searched()
    async with playing(story.everything(), source=source) as (app, pilot):
        screen = await look_for(app, pilot, "needle")
        lines = screen_text(app)
        assert source.searched == [("needle", {key[1] for key in app.store.sessions}, set())]
        assert "4 found in 2" in lines[2]
        assert "the needle and behind it more" in lines[5]
        assert lines[5].endswith("+2")
        assert screen.search.results.cursor == 1
        await pilot.press("down", "down", "down")
        chosen = screen.search.results.chosen
        assert chosen is not None
        assert chosen.session[1] == "ses_lexer"


async def test_the_ages_of_the_sessions_found_go_on_while_they_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.search.TICK_S", 0.005)
    moment = [float(NOW)]
    async with playing(story.everything(), source=searched(), clock=lambda: moment[0]) as (app, pilot):
        await look_for(app, pilot, "needle")

        def ages() -> list[str]:
            return [line.split()[-1] for line in screen_text(app)[3:12] if "  app  " in line]

        assert ages() == ["3s", "2h"]
        moment[0] += 7200
        await until(pilot, lambda: ages() == ["2h", "4h"])


async def test_enter_goes_to_the_row_and_marks_the_hit_and_back_comes_back() -> None:
    source = searched({URI: "line\n" * 50 + "a needle in it\n" + "line\n" * 50})
    async with playing(story.everything(), source=source) as (app, pilot):
        app.store.mark_loaded(SOURCE, "ses_retry")
        await look_for(app, pilot, "needle")
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.screen is app.main and bool(app.main.detail.view.hits))
        assert app.main.sessions.cursor == BASH
        assert app.main.detail.tab == "Output"
        view = app.main.detail.view
        assert view.at == (50, 0)
        assert view.scroll_offset.y > 0
        await pilot.press("backspace")
        await until(pilot, lambda: isinstance(app.screen, SearchScreen))
        assert app.main.search.results.cursor == 2
        assert len(source.searched) == 1
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        assert app.main.sessions.cursor == BASH


async def test_a_session_that_has_not_been_read_is_read_before_the_cursor_goes_to_the_row() -> None:
    source = searched()
    async with playing(story.everything(), source=source) as (app, pilot):
        for session in app.store.sessions.values():
            session.loaded = False
        await look_for(app, pilot, "needle")
        await pilot.press("down", "enter")
        await until(pilot, lambda: "ses_retry" in source.requested)
        assert app.main.sessions.cursor == Key(SOURCE, "session", "ses_retry", "ses_retry")
        app.feed.arrivals.offer(Arrival(SOURCE, story.everything(), ["ses_retry"]))
        await until(pilot, lambda: app.main.sessions.cursor == BASH)


async def test_escape_stops_a_search_at_once_and_a_second_one_leaves() -> None:
    source = searched(endless=True)
    async with playing(story.everything(), source=source) as (app, pilot):
        screen = await look_for(app, pilot, "needle")
        assert "esc stops" in screen_text(app)[2]
        await pilot.press("escape")
        assert app.screen is screen
        assert not screen.search.results.running
        await until(pilot, lambda: source.stopped == 1)
        assert "stopped" in screen_text(app)[2]
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        await pilot.press("ctrl+f")
        assert "4 found in 2" in screen_text(app)[2]


async def test_another_word_stops_the_search_before_and_begins_anew() -> None:
    source = searched(endless=True)
    async with playing(story.everything(), source=source) as (app, pilot):
        screen = await look_for(app, pilot, "needle")
        screen.words.insert_text_at_cursor(" in it")
        await until(pilot, lambda: len(source.searched) == 2 and source.stopped == 1)
        await until(pilot, lambda: app.main.search.results.found == 4)
        assert source.searched[1][0] == "needle in it"


async def test_a_filter_says_in_which_sessions() -> None:
    source = searched()
    async with playing(story.everything(), source=source) as (app, pilot):
        screen = await look_for(app, pilot, "needle")
        await pilot.press("tab")
        screen.scope.insert_text_at_cursor("lexer")
        await until(pilot, lambda: len(source.searched) == 2)
        assert source.searched[1][1] == {"ses_lexer"}


@pytest.mark.parametrize(
    ("words", "filter_text", "said"),
    [("re:(", "", "no regular expression"), ("word", "is:nonsense", "no state"), ("word", "text:x", "main screen")],
)
async def test_what_cannot_be_meant_is_said(words: str, filter_text: str, said: str) -> None:
    source = searched()
    async with playing(story.everything(), source=source) as (app, pilot):
        await pilot.press("ctrl+f")
        screen = app.screen
        assert isinstance(screen, SearchScreen)
        screen.scope.insert_text_at_cursor(filter_text)
        screen.words.insert_text_at_cursor(words)
        await until(pilot, lambda: said in screen_text(app)[2])
        assert not source.searched


async def test_the_filter_of_the_tree_looks_through_the_sessions_on_enter() -> None:
    source = searched()
    async with playing(story.everything(), source=source) as (app, pilot):
        app.main.finder.index.fill(app.now_us())
        source.pages = [SearchPage([key[1] for key in app.store.sessions], [hit("ses_lexer")], 9, 7)]
        await pilot.press("slash")
        app.main.bar.input.insert_text_at_cursor("file:needle")
        await pilot.pause()
        assert not source.searched
        assert "looks through" in " ".join(screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: [key[1] for key in app.main.finder.matches] == ["ses_lexer"])
        assert source.searched == [("needle", {key[1] for key in app.store.sessions}, {"file"})]
        await until(pilot, lambda: not app.main.view.looking.on)
        assert not app.main.finder.unread


async def test_a_session_that_goes_on_or_comes_is_looked_through_again_by_itself() -> None:
    source = searched()
    async with playing(story.everything(), source=source) as (app, pilot):
        app.main.finder.index.fill(app.now_us())
        source.pages = [SearchPage([key[1] for key in app.store.sessions], [hit("ses_lexer")], 9, 7)]
        await pilot.press("slash")
        app.main.bar.input.insert_text_at_cursor("text:needle")
        await pilot.press("enter")
        await until(pilot, lambda: [key[1] for key in app.main.finder.matches] == ["ses_lexer"])
        await until(pilot, lambda: app.main.view.looking.query is None)
        cursor = app.main.sessions.cursor

        def later(seconds: float, *sessions: str) -> None:
            source.pages = [SearchPage(list(sessions), [hit("ses_retry")] if "ses_retry" in sessions else [], 1, 2)]
            app.main.draw(app.main.view.tick(app.now_us() + int(seconds * 1e6)))

        later(4)
        assert len(source.searched) == 1, "nothing has gone on"
        feed(app, [session("ses_retry", "Make the retry test stable", 500, updated=-1), session("ses_new", "New", 1)])
        later(8, "ses_retry", "ses_new")
        await until(pilot, lambda: len(source.searched) == 2)
        assert source.searched[1] == ("needle", {"ses_retry", "ses_new"}, set())
        await until(pilot, lambda: {key[1] for key in app.main.finder.matches} == {"ses_lexer", "ses_retry"})
        await until(pilot, lambda: app.main.view.looking.query is None)
        assert app.main.sessions.cursor == cursor
        assert not app.main.finder.unread
        feed(app, [session("ses_lexer", "Lexer", 500, updated=-2)])
        later(9, "ses_lexer")
        assert len(source.searched) == 2, "too soon"
        later(12, "ses_lexer")
        await until(pilot, lambda: {key[1] for key in app.main.finder.matches} == {"ses_retry"})


async def test_escape_stops_looking_through_the_sessions_for_a_filter() -> None:
    source = searched(endless=True)
    source.pages = []
    async with playing(story.everything(), source=source) as (app, pilot):
        await pilot.press("slash")
        app.main.bar.input.insert_text_at_cursor("text:needle")
        await pilot.press("enter")
        await until(pilot, lambda: bool(source.searched))
        assert "looked through" in " ".join(screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: source.stopped == 1)
        assert not app.main.view.looking.on


async def test_hostile_text_in_results_is_only_text() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textual.drivers.headless_driver.HeadlessDriver", Recording)
        Recording.written.clear()
        source = searched()
        evil = WORST.replace("\ud800", "")
        hits = [
            hit(kind=kind, before=evil, match=evil[:60], behind=evil, field=evil, part_id=evil)
            for kind in ("title", "output", "error")
        ]
        source.pages = [SearchPage(["ses_retry"], [*hits, hit("ses_gone" + evil)], 1, 7, [evil])]
        async with playing(story.everything(), source=source, size=(160, 45)) as (app, pilot):
            await look_for(app, pilot, "word")
            await pilot.press("down", "down", "down", "enter")
            await pilot.pause()
        assert "[/foo]" in judge("".join(Recording.written))


# -- pictures


def looking() -> ViewerApp:
    return ViewerApp([searched(endless=True)], clock=lambda: NOW, memory=plainly())


def search_for(words: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def run(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ViewerApp)
        await pilot.pause()
        feed(app, story.everything())
        app.feed.arrivals.offer(Arrival(SOURCE, (), health=health()))
        app.feed.arrivals.apply()
        await look_for(app, pilot, words)
        await pilot.press("down")
        await pilot.pause()

    return run


def test_search_80x24(snap_compare: Compare) -> None:
    """Results by session while the search goes on."""
    assert snap_compare(looking(), terminal_size=SMALL, run_before=search_for("needle"))


def test_search_120x40(snap_compare: Compare) -> None:
    """The same with more columns."""
    assert snap_compare(looking(), terminal_size=WIDE, run_before=search_for("needle"))


def test_search_200x60(snap_compare: Compare) -> None:
    """The same with still more columns."""
    assert snap_compare(looking(), terminal_size=HUGE, run_before=search_for("needle"))
