"""At home in the terminal: what is remembered is there again, and what the terminal is told beside the screen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from adapter.events import NO_USAGE
from tests.tui import story
from tests.tui.conftest import Recording
from tests.tui.judge import judge
from tests.tui.stage import feed, screen_text, until
from tests.tui.story import NOW, Step, prompt, session
from tui.app import ViewerApp
from tui.config.settings import LOOKS, Memory
from tui.config.wishes import Wishes
from tui.model.tree.sorting import Arrangement

HOSTILE = "[/foo] [red]x[/] \x1b[2J\x1b]52;c;ZXZpbA==\x07 \x9b31m \u202etxet\u202c \x07\x7f end"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.json"


@pytest.fixture
def sent(terminal: type[Recording], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written to a terminal that is no dummy in Textual's eyes."""
    monkeypatch.delenv("TMUX", raising=False)
    return terminal.written


def app(memory: Memory | None = None, **wanted: Any) -> ViewerApp:
    return ViewerApp([], **{"clock": lambda: NOW, "memory": memory, **wanted})


# --- what is remembered ----------------------------------------------------------------------------------------


async def test_the_filter_and_the_order_are_there_again(path: Path) -> None:
    async with app(Memory(path)).run_test(size=(120, 40)) as pilot:
        viewer = pilot.app
        assert isinstance(viewer, ViewerApp)
        await pilot.pause()
        feed(viewer, story.everything())
        await pilot.press("s", "o", "slash", *"is:failed")
        await pilot.pause()
        assert Memory(path).settings.filter == "", "not while it is being typed"
        await pilot.press("enter")
        await pilot.pause()
    stored = Memory(path).settings
    assert (stored.filter, stored.arrangement) == ("is:failed", Arrangement("cost", "projects"))
    second = app(Memory(path))
    async with second.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        feed(second, story.everything())
        await pilot.pause()
        text = "\n".join(screen_text(second))
        assert second.main.rows.arrangement == Arrangement("cost", "projects")
        assert "is:failed" in text
        assert "Nightly report" in text
        assert "Explain the lexer" not in text
        assert "the filter of last time is on: escape takes it away" in text
        await pilot.press("slash")
        await pilot.pause()
        assert "enter keep   esc no filter" in screen_text(second)[-1]
        await pilot.press("escape")
        await pilot.pause()
        assert "Explain the lexer" in "\n".join(screen_text(second))
    assert Memory(path).settings.filter == ""


async def test_a_filter_from_a_file_reaches_the_screen_harmlessly(sent: list[str]) -> None:
    memory = Memory()
    memory.remember(filter=HOSTILE + "\n" + "x" * 10_000)
    viewer = app(memory)
    async with viewer.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        feed(viewer, story.everything())
        await pilot.press("slash")
        await pilot.pause()
        assert "[/foo] [red]x[/]" in judge("".join(sent))


async def test_the_demo_starts_without_the_users_filter(path: Path) -> None:
    Memory(path).remember(filter="is:failed", order="name")
    viewer = app(Memory(path, only=LOOKS))
    async with viewer.run_test() as pilot:
        await pilot.pause()
        assert not viewer.main.finder.on
        await pilot.press("s", "T")
        await pilot.pause()
    stored = Memory(path).settings
    assert (stored.filter, stored.order, stored.theme) == ("is:failed", "name", "light")


async def test_the_first_run_has_a_hint_and_the_second_has_none(path: Path) -> None:
    for shown in (True, False, False):
        viewer = app(Memory(path))
        async with viewer.run_test() as pilot:
            await pilot.pause()
            footer = screen_text(viewer)[-1]
            assert ("? shows every key, / filters the sessions, q quits" in footer) == shown


async def test_a_choice_that_cannot_be_kept_is_told_and_counts_for_this_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    viewer = app(Memory(tmp_path / "file" / "settings.json"))
    async with viewer.run_test(size=(160, 40)) as pilot:
        await pilot.pause()
        await pilot.press("T")
        await pilot.pause()
        assert viewer.theme == "light"
        assert viewer.is_running
        assert "your choices are not remembered" in viewer.memory.problem


@pytest.fixture
def damaged(path: Path) -> Memory:
    path.write_bytes(b"\0")
    return Memory(path)


async def test_a_damaged_file_is_told_at_the_start(damaged: Memory) -> None:
    viewer = app(damaged)
    async with viewer.run_test(size=(200, 40)) as pilot:
        await pilot.pause()
        assert "is damaged" in " ".join(screen_text(viewer)[-2:])


# --- ASCII -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("chosen", "encoding", "plain"), [
    ("", "", False), ("ascii", "", True), ("unicode", "", False),
    ("", "ascii", True), ("unicode", "ascii", False), ("ascii", "ascii", True),
])  # fmt: skip
async def test_ascii_by_choice_or_by_locale(chosen: Any, encoding: str, plain: bool) -> None:
    memory = Memory()
    memory.remember(glyphs=chosen)
    viewer = app(memory, encoding=encoding)
    async with viewer.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        feed(viewer, story.everything())
        await pilot.press("H")
        await pilot.pause()
        assert "".join(screen_text(viewer)).isascii() == plain
        await pilot.press("question_mark")
        await pilot.pause()
        assert "".join(screen_text(viewer)).isascii() == plain


async def test_ascii_by_choice_leaves_the_text_of_others() -> None:
    memory = Memory()
    memory.remember(glyphs="ascii")
    viewer = app(memory)
    async with viewer.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        feed(viewer, [session("ses_j", "漢字 naïve", 30)])
        await pilot.pause()
        assert any("- 漢字 naïve" in line for line in screen_text(viewer))


# --- the title -------------------------------------------------------------------------------------------------


def titles(sent: list[str]) -> list[str]:
    return re.findall(r"\x1b\]2;([^\x07]*)\x07", "".join(sent))


async def test_the_title_counts_and_is_sent_only_when_it_changes(sent: list[str]) -> None:
    viewer = app()
    async with viewer.run_test() as pilot:
        await pilot.pause()
        feed(viewer, story.everything())
        await pilot.pause()
        assert titles(sent) == ["opencode-viewer", "●1 opencode-viewer"]
        feed(viewer, [session("ses_new", "Another", 1)])
        await pilot.pause()
        assert len(titles(sent)) == 2
        step = Step("ses_new", 1, "usr_n", 20).op("tool", "question", 15, None, running=True)
        feed(viewer, [prompt("ses_new", "usr_n", "go", 20), *step.events])
        await pilot.pause()
        assert titles(sent)[-1] == "?1 ●1 opencode-viewer"


async def test_the_old_title_is_kept_and_comes_back(sent: list[str]) -> None:
    async with app().run_test() as pilot:
        await pilot.pause()
    text = "".join(sent)
    assert text.index("\x1b[22;0t") < text.index("\x1b]2;opencode-viewer\x07")
    assert "\x1b]2;\x07\x1b[23;0t" in text


async def test_the_title_has_no_glyph_that_the_terminal_has_not(sent: list[str]) -> None:
    viewer = app(encoding="ascii")
    async with viewer.run_test() as pilot:
        await pilot.pause()
        feed(viewer, story.everything())
        await pilot.pause()
        assert titles(sent)[-1] == "*1 opencode-viewer"


# --- notices ---------------------------------------------------------------------------------------------------


def finished(title: str) -> list[Any]:
    """A session that began after the start of the program, and has answered."""
    step = Step("ses_new", 1, "usr_n", -11).end(-13, NO_USAGE, 0, 0.0, finish="stop")
    return [session("ses_new", title, -10), prompt("ses_new", "usr_n", "go", -10), *step.events]


async def played(viewer: ViewerApp, moment: list[float], title: str) -> None:
    """Lets a session run and finish."""
    async with viewer.run_test() as pilot:
        await pilot.pause()
        feed(viewer, story.everything())
        events = finished(title)
        moment[0] = NOW + 12
        feed(viewer, events[:-1])
        moment[0] = NOW + 15
        feed(viewer, events[-1:])
        await pilot.pause()


@pytest.mark.parametrize("notify", [True, False])
async def test_a_session_that_finishes_rings_only_if_that_was_wanted(sent: list[str], notify: bool) -> None:
    moment = [NOW]
    await played(app(clock=lambda: moment[0], notify=notify), moment, "Count the tests")
    notices = re.findall(r"\x07\x1b\]9;([^\x07]*)\x07", "".join(sent))
    assert notices == (["opencode-viewer: finished: Count the tests"] if notify else [])
    assert "\x1b]9" not in re.sub(r"\x07\x1b\]9;[^\x07]*\x07", "", "".join(sent))


async def test_the_key_silences_notices_and_gives_them_again(sent: list[str]) -> None:
    moment = [NOW]
    viewer = app(clock=lambda: moment[0], notify=True)

    def rings() -> list[str]:
        return re.findall(r"\x07\x1b\]9;opencode-viewer: ([^\x07]*)\x07", "".join(sent))

    async with viewer.run_test(size=(140, 40)) as pilot:
        await pilot.pause()
        feed(viewer, story.everything())
        await pilot.press("B")
        await pilot.pause()
        screen = "\n".join(screen_text(viewer))
        assert "no notices" in screen_text(viewer)[0]
        assert "what happens is only on the screen" in screen
        moment[0] = NOW + 15
        feed(viewer, finished("Count the tests"))
        await pilot.press("B")
        await pilot.pause()
        assert "no notices" not in screen_text(viewer)[0]
        moment[0] = NOW + 30
        viewer.main.tick()
        await pilot.pause()
        assert rings() == [], "what was while it was silent is not told behind"
        step = Step("ses_late", 1, "usr_l", -31).end(-33, NO_USAGE, 0, 0.0, finish="stop")
        events = [session("ses_late", "Write it up", -30), prompt("ses_late", "usr_l", "go", -30), *step.events]
        feed(viewer, events[:-1])
        moment[0] = NOW + 35
        feed(viewer, events[-1:])
        await pilot.pause()
    assert rings() == ["finished: Write it up"]


async def test_the_users_own_command_is_run_for_a_notice_and_its_failure_is_said(
    sent: list[str], tmp_path: Path
) -> None:
    program = tmp_path / "tell"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/told\necho 'no such bus' >&2\nexit 4\n")
    program.chmod(0o755)
    moment = [NOW]
    viewer = app(clock=lambda: moment[0], wishes=Wishes((str(program),), bell=False, osc="none", on=True))
    async with viewer.run_test(size=(140, 40)) as pilot:
        await pilot.pause()
        events = finished("Count the tests")
        moment[0] = NOW + 12
        feed(viewer, events[:-1])
        moment[0] = NOW + 15
        feed(viewer, events[-1:])
        await until(pilot, lambda: "tell ended with status 4: no such bus" in screen_text(viewer)[-1])
    assert json.loads((tmp_path / "told").read_text())["words"] == "finished: Count the tests"
    assert "\x1b]9;" not in "".join(sent)


async def test_what_is_wrong_with_the_file_of_wishes_is_said_at_the_start() -> None:
    viewer = app(wishes=Wishes(problems=("there is no notify.volume",)))
    async with viewer.run_test(size=(140, 40)) as pilot:
        await pilot.pause()
        assert "config.toml: there is no notify.volume" in "\n".join(screen_text(viewer))


async def test_in_tmux_the_notice_is_wrapped_and_the_bell_is_not(
    sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux-1/default,1,0")
    moment = [NOW]
    await played(app(clock=lambda: moment[0], notify=True), moment, "Count the tests")
    wrapped = "\x07\x1bPtmux;\x1b\x1b]9;opencode-viewer: finished: Count the tests\x07\x1b\\"
    assert wrapped in "".join(sent)


async def test_a_hostile_title_reaches_a_notice_as_short_harmless_words(sent: list[str]) -> None:
    moment = [NOW]
    await played(app(clock=lambda: moment[0], notify=True), moment, HOSTILE * 20)
    (notice,) = re.findall(r"\x07\x1b\]9;([^\x07]*)\x07", "".join(sent))
    assert notice.isprintable()
    assert len(notice) <= 120
    assert "[/foo] [red]x[/]" in notice


async def test_a_question_that_is_asked_rings_when_time_alone_shows_it(sent: list[str]) -> None:
    moment = [NOW]
    viewer = app(clock=lambda: moment[0], notify=True)
    async with viewer.run_test() as pilot:
        await pilot.pause()
        step = Step("ses_new", 1, "usr_n", -1).op("tool", "bash", -1, None, label="rm -r build")
        feed(viewer, [session("ses_new", "Clean up", -1), prompt("ses_new", "usr_n", "go", -1), *step.events])
        assert "\x1b]9" not in "".join(sent)
        moment[0] = NOW + 10
        viewer.main.tick()
        await pilot.pause()
        assert "\x1b]9;opencode-viewer: waiting for you: Clean up\x07" in "".join(sent)
