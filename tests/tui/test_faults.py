"""An error of our own at every stage of the way, and what the user sees: nothing ends in silence, and nothing goes on
over a model that was left in the middle of a change."""

from __future__ import annotations

import re
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.worker import WorkerFailed

from tests.tui import story
from tests.tui.stage import Batch, FakeSource, plainly, screen_text, until
from tests.tui.story import NOW, SOURCE, session
from tui import error_log
from tui.app import ViewerApp
from tui.error_log import ErrorLog
from tui.exit_codes import INTERNAL
from tui.feed import worker
from tui.feed.recovery import PATIENCE_S, PROBATION_S, REPEATS, Recovery, Verdict
from tui.model.store.store import Store
from tui.terminal import doors
from tui.view import View
from tui.widgets.detail import Detail
from tui.widgets.session_tree import SessionTree

pytestmark = pytest.mark.faulty


class Planted(RuntimeError):
    """The error."""


class Bomb:
    """Raises when armed, as often as it is told to, in place of a function."""

    def __init__(self) -> None:
        self.left = 0
        self.raised = 0

    def within(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def armed(*arguments: Any, **options: Any) -> Any:
            if self.left:
                self.left -= 1
                self.raised += 1
                raise Planted("planted")
            return function(*arguments, **options)

        return armed


STAGES = {
    "store.apply": (Store, "apply", "applying events"),
    "view.apply": (View, "apply", "showing what has changed"),
    "view.tick": (View, "tick", "running a timer"),
    "paint": (SessionTree, "render_line", "painting"),
    "answer": (Detail, "deliver", "taking in an answer"),
    "key": (View, "move", "doing what a key asks for"),
    "queue": (ViewerApp, "health_changed", "emptying the queue"),
    "timer": (View, "rest", "running a timer"),
    "message": (Detail, "on_tab_line_picked", "passing a message on"),
    "mouse": (View, "click", "passing a message on"),
    "size": (View, "resized", "passing a message on"),
}


class Reloading(FakeSource):
    """A source that tells everything from the beginning each time it is followed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.begun = 0

    async def tail(self, cursor: str | None = None) -> AsyncIterator[Batch]:
        self.begun += 1
        async for batch in super().tail(cursor):
            yield batch


@asynccontextmanager
async def watching(
    path: Path, clock: Callable[[], float] = lambda: NOW
) -> AsyncIterator[tuple[ViewerApp, Pilot[Any], Reloading]]:
    events = story.everything()
    source = Reloading(texts=story.texts(events))
    source.first = [Batch(events, loaded=["ses_retry"])]
    app = ViewerApp([source], clock=clock, errors=ErrorLog(path, clock=lambda: NOW), memory=plainly())
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: any("Nightly report" in line for line in screen_text(app)))
        yield app, pilot, source


async def provoke(stage: str, app: ViewerApp, pilot: Pilot[Any], source: Reloading, moment: list[float]) -> None:
    """Does what leads through a stage."""
    if stage in ("store.apply", "view.apply"):
        source.send(Batch([session("ses_more", "Another one", -1)]))
    elif stage == "view.tick":
        moment[0] += 1
    elif stage == "paint":
        app.main.sessions.refresh()
    elif stage == "queue":
        source.send(Batch([]))
    elif stage == "mouse":
        await pilot.click("#tree", offset=(20, 2))
    elif stage == "message":
        # The first of the tabs.
        await pilot.click("#tabs", offset=(3, 0))
    elif stage == "size":
        await pilot.resize_terminal(118 if app.size.width == 120 else 120, 30)
    elif stage == "timer":
        await pilot.press("k")
        await pilot.press("j")
    elif stage == "answer":
        await pilot.press("3" if app.main.detail.tab == "Input" else "2")
    else:
        await pilot.press("j")


def shown(app: ViewerApp) -> str:
    return " ".join(" ".join(screen_text(app)).split())


@pytest.mark.parametrize("stage", STAGES)
async def test_one_error_is_shown_and_written_down_and_everything_is_loaded_anew(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: list[tuple[str, BaseException]]
) -> None:
    bomb, moment, log = Bomb(), [float(NOW)], tmp_path / "state" / "errors.log"
    owner, name, words = STAGES[stage]
    monkeypatch.setattr(owner, name, bomb.within(getattr(owner, name)))
    async with watching(log, clock=lambda: moment[0]) as (app, pilot, source):
        await pilot.press("j", "j", "j", "j")
        cursor = app.view.cursor
        bomb.left = 1
        await provoke(stage, app, pilot, source, moment)
        # To look at the screen draws it, too.
        await until(None, lambda: not bomb.left)
        await until(pilot, lambda: "everything was loaded anew" in shown(app))
        assert (bomb.raised, source.forgotten, source.begun) == (1, 1, 2)
        assert f"opencode-viewer has a bug: Planted: planted, while {words}; please report it" in shown(app)
        await until(pilot, lambda: any("Nightly report" in line for line in screen_text(app)))
        assert app.view.cursor == cursor
        assert [where for where, _ in faults] == [words]
        text = log.read_text()
        assert f"while {words}\n" in text
        assert "Traceback" in text
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        # It goes on: what is committed now is seen, and keys work.
        source.send(Batch([session("ses_after", "After the error", -2)]))
        await until(pilot, lambda: any("After the error" in line for line in screen_text(app)))
        await pilot.press("g")
        assert app.view.place.at == 0
        await pilot.press("escape")
        await pilot.pause()
        assert "has a bug" not in shown(app)
        assert not app._exit


@pytest.mark.parametrize("stage", STAGES)
async def test_an_error_that_comes_again_ends_the_program_with_a_report(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bomb, moment = Bomb(), [float(NOW)]
    owner, name, words = STAGES[stage]
    monkeypatch.setattr(owner, name, bomb.within(getattr(owner, name)))
    async with watching(tmp_path / "errors.log", clock=lambda: moment[0]) as (app, pilot, source):
        await pilot.press("j", "j", "j", "j")
        bomb.left = 1_000_000
        for _ in range(3):
            if app._exit:
                break
            raised = bomb.raised
            await provoke(stage, app, pilot, source, moment)
            await until(None, lambda raised=raised: app._exit or bomb.raised > raised)  # type: ignore[misc]
            await until(None, lambda: app._exit or "loaded anew" in app.view.fault)
        await until(None, lambda: app._exit)
    assert app.return_code == INTERNAL
    report = " ".join(capsys.readouterr().err.split())
    assert re.match(
        f"opencode-viewer has a bug: Planted: planted, while ({words}|making the screen anew); please", report
    )
    assert report.endswith("has ended. Nothing of opencode's was changed.")


async def test_an_error_of_a_request_is_shown_until_escape_and_costs_only_that_request(
    tmp_path: Path, faults: list[tuple[str, BaseException]]
) -> None:
    async with watching(tmp_path / "errors.log") as (app, pilot, source):
        source.request = Bomb().within(source.request)  # type: ignore[method-assign]

        def fails(_session_id: str) -> None:
            raise Planted("planted in a request")

        source.request = fails  # type: ignore[method-assign]
        app.feed.load(SOURCE, "ses_lexer")
        await until(pilot, lambda: "planted in a request" in shown(app))
        source.send(Batch([]))
        await pilot.pause()
        assert "planted in a request" in shown(app)
        assert source.begun == 1
        assert "planted in a request" in (tmp_path / "errors.log").read_text()
        await pilot.press("escape")
        await pilot.pause()
        assert "planted in a request" not in shown(app)
        assert len(faults) == 1


async def test_an_error_while_a_source_is_followed_is_shown_and_the_source_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: list[tuple[str, BaseException]]
) -> None:
    bomb = Bomb()
    monkeypatch.setattr(worker, "RETRY_AFTER", 0.05)
    monkeypatch.setattr(FakeSource, "_with_health", bomb.within(FakeSource._with_health))
    async with watching(tmp_path / "errors.log") as (app, pilot, source):
        bomb.left = 1
        source.send(Batch([session("ses_lost", "Lost in the error", -1)]))
        await until(pilot, lambda: "is opened again" in shown(app))
        assert "Planted: planted" in shown(app)
        await until(pilot, lambda: source.begun == 2)
        source.send(Batch([session("ses_after", "After the error", -2)]))
        await until(pilot, lambda: any("After the error" in line for line in screen_text(app)))
        assert "planted" in (tmp_path / "errors.log").read_text()
        await pilot.press("escape")
        await pilot.pause()
        assert "planted" not in shown(app)
        assert len(faults) == 1
        assert not app._exit


async def test_an_error_while_the_screen_is_made_anew_is_no_error_that_nobody_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = Bomb(), Bomb()
    monkeypatch.setattr(View, "apply", first.within(View.apply))
    monkeypatch.setattr(View, "rebuild", second.within(View.rebuild))
    async with watching(tmp_path / "errors.log") as (app, _pilot, source):
        first.left = second.left = 1
        source.send(Batch([session("ses_more", "Another one", -1)]))
        await until(None, lambda: app._exit or "loaded anew" in shown(app))
        assert (first.raised, second.raised) == (1, 1)
    assert app.return_code == INTERNAL
    assert "while making the screen anew" in " ".join(capsys.readouterr().err.split())
    text = (tmp_path / "errors.log").read_text()
    assert "while showing what has changed\n" in text
    assert "while making the screen anew\n" in text


async def test_a_part_that_cannot_go_on_ends_the_program_with_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bomb = Bomb()
    bomb.left = 1
    monkeypatch.setattr(doors, "save", bomb.within(doors.save))

    async def saves() -> ViewerApp:
        async with watching(tmp_path / "errors.log") as (app, pilot, _source):
            await pilot.press("S")
            await until(None, lambda: app._exit)
        return app

    with pytest.raises(WorkerFailed):
        await saves()
    report = " ".join(capsys.readouterr().err.split())
    assert "has a bug: Planted: planted, while running a part that cannot go on" in report
    assert report.endswith("Nothing of opencode's was changed.")
    assert "Traceback" in (tmp_path / "errors.log").read_text()


async def test_what_was_unfolded_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = Bomb()
    monkeypatch.setattr(View, "apply", bomb.within(View.apply))
    async with watching(tmp_path / "errors.log") as (app, pilot, source):
        key = app.view.rows.row(0).key
        lexer = key._replace(session_id="ses_lexer", id="ses_lexer")
        app.main.sessions.select(lexer)
        await pilot.press("l")
        await until(pilot, lambda: source.requested == ["ses_lexer"])
        bomb.left = 1
        source.send(Batch([session("ses_more", "Another one", -1)]))
        await until(pilot, lambda: source.requested == ["ses_lexer", "ses_lexer"])
        assert app.view.cursor == lexer


class TestRecovery:
    def test_one_error_is_repaired_and_the_next_one_after_a_while_again(self) -> None:
        now = [0.0]
        recovery = Recovery(lambda: now[0])
        assert recovery.failed(["a"]) is Verdict.LOAD_ANEW
        recovery.begun("a")
        now[0] = PROBATION_S
        assert recovery.failed(["a"]) is Verdict.LOAD_ANEW
        recovery.begun("a")
        now[0] += PROBATION_S - 1
        assert recovery.failed(["a"]) is Verdict.END

    def test_the_same_cause_in_many_places_is_one_and_in_all_of_them_the_end(self) -> None:
        recovery = Recovery(lambda: 0.0)
        assert recovery.failed(["a", "b"]) is Verdict.LOAD_ANEW
        recovery.begun("a")
        assert {recovery.failed(["b"]) for _ in range(REPEATS)} == {Verdict.WAIT}
        assert recovery.failed(["b"]) is Verdict.END

    def test_who_never_begins_anew_is_not_waited_for(self) -> None:
        now = [0.0]
        recovery = Recovery(lambda: now[0])
        recovery.failed(["a"])
        assert not recovery.overdue
        now[0] = PATIENCE_S + 1
        assert recovery.overdue


class TestErrorLog:
    def error(self, words: str) -> Planted:
        try:
            raise Planted(words)
        except Planted as error:
            return error

    def test_it_never_grows_beyond_its_bound_and_keeps_the_newest(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(error_log, "SIZE_LIMIT", 5000)
        log = ErrorLog(tmp_path / "errors.log", clock=lambda: NOW)
        for n in range(50):
            log.write("a test", self.error(f"number {n:02}"))
            assert (tmp_path / "errors.log").stat().st_size <= 5000
        text = (tmp_path / "errors.log").read_text()
        assert "number 49" in text
        assert "number 48" in text
        assert "number 00" not in text
        assert text.startswith("\n---- ")

    def test_an_entry_is_bounded_and_one_that_repeats_is_written_once(self, tmp_path: Path) -> None:
        path = tmp_path / "errors.log"
        log = ErrorLog(path, clock=lambda: NOW)
        error = self.error("x" * 1_000_000)
        log.write("a test", error)
        size = path.stat().st_size
        assert size < error_log.ENTRY_LIMIT + 200
        log.write("a test", error)
        assert path.stat().st_size == size

    def test_a_place_that_cannot_be_written_is_said_and_raises_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        log = ErrorLog(tmp_path / "file" / "errors.log")
        log.write("a test", self.error("planted"))
        assert "file" in log.problem


async def test_what_could_not_be_painted_is_not_painted_again_before_it_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: list[tuple[str, BaseException]]
) -> None:
    bomb = Bomb()
    monkeypatch.setattr(SessionTree, "render_line", bomb.within(SessionTree.render_line))
    loading_anew = ViewerApp.loading_anew

    def repaired(app: ViewerApp, source: str) -> None:
        bomb.left = 0
        loading_anew(app, source)

    monkeypatch.setattr(ViewerApp, "loading_anew", repaired)
    async with watching(tmp_path / "errors.log") as (app, pilot, _):
        bomb.left = 1000
        app.main.sessions.refresh()
        # To look at the screen draws it, too.
        await until(None, lambda: not bomb.left)
        await until(pilot, lambda: "everything was loaded anew" in shown(app))
        assert bomb.raised == 1
        assert [where for where, _ in faults] == ["painting"]
        assert not app._exit
