"""Taking a text along: the clipboard, a file, a pager, an editor."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from adapter.events import OpStarted
from tests.tui import story
from tests.tui.stage import FakeSource, playing, screen_text, until
from tests.tui.story import SOURCE, session
from tui.app import ViewerApp
from tui.model.records import Key
from tui.terminal import doors

BASH = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool")
URI = "opencode-sqlite://?part_id=prt_ses_retry_1_3&field=state.output"


@asynccontextmanager
async def looking(text: str = "one\n\x1b[31mtwo\x1b[2J\tthree\n") -> AsyncIterator[tuple[ViewerApp, Pilot[Any]]]:
    """The app with the Output tab of a shell command beside the tree."""
    source = FakeSource({URI: text})
    async with playing(story.everything(), source=source) as (app, pilot):
        app.main.sessions.select(BASH)
        await pilot.press("3")
        await until(pilot, lambda: app.main.detail.words() is not None)
        yield app, pilot


SAVED = "tool_2022eea25001l60tgvE3TO9Wbp"
CUT = "head\n\n...output truncated...\n\nFull output saved to: /elsewhere\n"
WHOLE = "head\n" + "".join(f"line {number}\n" for number in range(3000)) + "the \x1b[31mend\n"


@asynccontextmanager
async def looking_at_what_was_cut() -> AsyncIterator[tuple[ViewerApp, Pilot[Any]]]:
    """The Output tab of a command whose output opencode has cut, and saved whole."""
    events = [
        msgspec.structs.replace(event, extras={**event.extras, "truncated": True, "saved_output": SAVED})
        if isinstance(event, OpStarted) and event.part_id == "prt_ses_retry_1_3"
        else event
        for event in story.everything()
    ]
    async with playing(events, source=FakeSource({URI: CUT})) as (app, pilot):
        app.main.sessions.select(BASH)
        await pilot.press("3")
        await until(pilot, lambda: app.main.detail.words() is not None)
        yield app, pilot


def said(app: ViewerApp) -> str:
    return screen_text(app)[-1]


async def test_y_sends_the_clean_text_to_the_clipboard() -> None:
    async with looking() as (app, pilot):
        await pilot.press("y")
        await pilot.pause()
        assert app.clipboard == "one\ntwo\tthree"
        assert "sent to the terminal's clipboard: 13 bytes" in said(app)


async def test_y_in_a_text_sends_the_facts_of_the_overview_too() -> None:
    async with looking() as (app, pilot):
        await pilot.press("1", "tab", "y")
        await pilot.pause()
        assert app.clipboard.startswith("bash  npm test -- retry")


async def test_a_text_that_is_too_long_for_a_clipboard_is_not_sent() -> None:
    async with looking("x" * 60_000) as (app, pilot):
        await pilot.press("y")
        await pilot.pause()
        assert app.clipboard == ""
        assert "too much for a terminal's clipboard" in said(app)


async def test_a_text_that_is_not_here_yet_is_not_taken() -> None:
    async with playing(story.everything()) as (app, pilot):
        app.main.sessions.select(BASH)
        await pilot.press("3", "y")
        await pilot.pause()
        assert app.clipboard == ""
        assert "not here yet" in said(app)


async def test_capital_y_sends_the_command_that_resumes_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "it's here"
    directory.mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("OPENCODE_DB", raising=False)
    events = [session("ses_here", "Here", 20, cwd=str(directory)), session("ses_gone", "Gone", 30, cwd="/gone/away")]
    async with playing(events) as (app, pilot):
        database = SOURCE.partition(":")[2]
        app.main.sessions.select(Key(SOURCE, "session", "ses_here", "ses_here"))
        await pilot.press("Y")
        await pilot.pause()
        quoted = "'" + str(directory).replace("'", "'\"'\"'") + "'"
        assert app.clipboard == f"cd {quoted} && OPENCODE_DB={database} opencode -s ses_here"
        assert "sent to the terminal's clipboard: cd " in "\n".join(screen_text(app))
        app.main.sessions.select(Key(SOURCE, "session", "ses_gone", "ses_gone"))
        await pilot.press("Y")
        await pilot.pause()
        assert app.clipboard == f"OPENCODE_DB={database} opencode -s ses_gone"
        assert "its directory /gone/away is not here any more" in "\n".join(screen_text(app))


async def test_the_keys_come_back_when_the_answer_has_been_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.widgets.key_bar.SAID_FOR", 0.05)
    async with looking() as (app, pilot):
        await pilot.press("Y")
        await pilot.pause()
        await until(pilot, lambda: "quit" in said(app))


async def test_capital_s_saves_the_text_for_the_user_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doors, "save_directory", lambda: tmp_path / "new")
    async with looking() as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: "saved to" in "".join(screen_text(app)[-3:]))
        (path,) = (tmp_path / "new").iterdir()
        assert path.read_text() == "one\ntwo\tthree\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert re.fullmatch(r"opencode-prt_ses_retry_1_3-tool-output-\d{8}-\d{6}\.txt", path.name)
        assert path.name in "".join(screen_text(app)[-3:]).replace(" ", "")


async def test_a_path_is_shown_whole_on_a_small_screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(doors, "save_directory", lambda: tmp_path / "a-directory-with-a-long-name" / "and-another-one")
    async with looking() as (app, pilot):
        await pilot.resize_terminal(80, 24)
        await pilot.press("S")
        await until(pilot, lambda: "saved to ~/a-directory" in "".join(screen_text(app)[-3:]))
        assert "output-" in said(app)
        assert ".txt" in said(app)


async def test_a_directory_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(doors, "save_directory", lambda: tmp_path / "file")
    async with looking() as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: "not saved" in said(app))


@pytest.mark.parametrize(("key", "variable"), [("v", "PAGER"), ("V", "EDITOR")])
async def test_a_program_gets_the_text_in_a_private_file_that_only_an_editor_may_still_need_afterwards(
    key: str, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\n"
        f"open({str(report)!r}, 'w').write(sys.argv[-1] + '\\n' + oct(os.stat(sys.argv[-1]).st_mode) + '\\n'"
        " + open(sys.argv[-1]).read())\n"
    )
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr(doors, "AT_ONCE_S", 0.0)
    monkeypatch.setenv(variable, f"{sys.executable} '{program}'")
    suspended: list[str] = []

    @contextlib.contextmanager
    def suspend(self: ViewerApp) -> Iterator[None]:
        suspended.append("out")
        yield
        suspended.append("back")

    monkeypatch.setattr(ViewerApp, "suspend", suspend)
    async with looking() as (_, pilot):
        await pilot.press(key)
        await pilot.pause()
    path, mode, *text = report.read_text().splitlines()
    assert suspended == ["out", "back"]
    assert text == ["one", "two\tthree"]
    assert mode.endswith("600")
    assert Path(path).name == "opencode-prt_ses_retry_1_3-tool-output.txt"
    assert Path(path).parent.exists() is (key == "V")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """opencode's directory of whole outputs, with one in it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    directory = tmp_path / "opencode" / "tool-output"
    directory.mkdir(parents=True)
    (directory / SAVED).write_text(WHOLE)
    return directory


async def test_an_output_that_opencode_cut_and_saved_is_taken_along_whole(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(ViewerApp, "suspend", lambda _app: contextlib.nullcontext())
    monkeypatch.setattr(doors, "page", lambda _command, words, _name, _line: given.append(list(words)) or "")
    monkeypatch.setattr(doors, "edit", lambda _command, words, _name, _line: given.append(list(words)) or "")
    monkeypatch.setattr(doors, "save_directory", lambda: tmp_path / "saved")
    async with looking_at_what_was_cut() as (app, pilot):
        await pilot.press("v", "V", "S")
        await until(pilot, lambda: "saved to" in "".join(screen_text(app)[-3:]))
        (path,) = (tmp_path / "saved").iterdir()
        whole = WHOLE.replace("\x1b[31m", "")
        assert path.read_text() == whole
        assert given == [whole.splitlines()] * 2
        await pilot.press("1")
        await until(pilot, lambda: any("v on Output opens it" in line for line in screen_text(app)))
        await pilot.press("v")
        await pilot.pause()
        assert given[-1][0].startswith("bash  npm test")
    assert (data / SAVED).read_text() == WHOLE


async def test_the_whole_of_an_output_opens_at_the_line_of_the_hit(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / SAVED).write_text("before\n" * 10 + CUT)
    begun: list[int] = []
    monkeypatch.setattr(ViewerApp, "suspend", lambda _app: contextlib.nullcontext())
    monkeypatch.setattr(doors, "page", lambda _command, _words, _name, line: begun.append(line) or "")
    async with looking_at_what_was_cut() as (app, pilot):
        await pilot.press("tab", "slash", "F", "u", "l", "l", "enter")
        await until(pilot, lambda: app.main.detail.view.place == 1)
        await pilot.press("v")
        await pilot.pause()
    assert begun == [15]


async def test_an_output_that_opencode_saved_and_deleted_is_what_is_left_of_it(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / SAVED).unlink()
    given: list[list[str]] = []
    monkeypatch.setattr(ViewerApp, "suspend", lambda _app: contextlib.nullcontext())
    monkeypatch.setattr(doors, "page", lambda _command, words, _name, _line: given.append(list(words)) or "")
    async with looking_at_what_was_cut() as (app, pilot):
        await pilot.press("v")
        await until(pilot, lambda: "the file that opencode kept of the whole is gone" in said(app))
    assert given == [CUT.splitlines()]


async def test_a_terminal_that_cannot_be_handed_over_says_what_to_do() -> None:
    async with looking() as (app, pilot):
        await pilot.press("v")
        await pilot.pause()
        assert "S saves the text to a file" in said(app)


def test_what_goes_wrong_with_a_program_is_words(tmp_path: Path) -> None:
    assert doors.page(["no-such-program-here"], ["x"], "x.txt") == "no-such-program-here: No such file or directory"
    failing = [sys.executable, "-c", "raise SystemExit(3)"]
    assert doors.edit(failing, ["x"], "x.txt") == f"{sys.executable} ended with status 3"


def script(path: Path, body: str) -> list[str]:
    """A program of the shell that has its arguments behind it."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return [str(path)]


def test_what_an_editor_with_a_window_has_been_given_stays_until_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atexit: list[Any] = []
    monkeypatch.setattr(doors, "AT_ONCE_S", 60.0)
    monkeypatch.setattr("atexit.register", lambda *call, **options: atexit.append((call, options)))
    said = doors.edit(script(tmp_path / "code", f'echo "$1" > {tmp_path}/given'), ["x"], "x.txt")
    path = Path((tmp_path / "given").read_text().strip())
    assert str(path) in said
    assert path.read_text() == "x\n"
    (((remove, directory), options),) = atexit
    remove(directory, **options)
    assert not path.parent.exists()


def test_an_editor_that_takes_its_time_may_have_a_window_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atexit: list[Any] = []
    monkeypatch.setattr(doors, "AT_ONCE_S", 0.0)
    monkeypatch.setattr("atexit.register", lambda *call, **_: atexit.append(call))
    assert doors.edit(script(tmp_path / "slow", f'echo "$1" > {tmp_path}/given'), ["x"], "x.txt") == ""
    path = Path((tmp_path / "given").read_text().strip())
    assert path.read_text() == "x\n"
    ((remove, directory),) = atexit
    remove(directory)
    assert not path.exists()


@pytest.mark.parametrize(("name", "status"), [("vim", 0), ("vim", 1), ("slow", 1)])
def test_of_an_editor_in_the_terminal_and_of_one_that_failed_nothing_stays(
    name: str, status: int, tmp_path: Path
) -> None:
    said = doors.edit(script(tmp_path / name, f'echo "$1" > {tmp_path}/given; exit {status}'), ["x"], "x.txt")
    assert said.endswith("status 1" if status else "")
    assert not Path((tmp_path / "given").read_text().strip()).parent.exists()


def test_of_a_pager_that_ends_at_once_the_text_stays_until_a_key_and_of_another_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(doors, "_wait_for_key", asked.append)
    monkeypatch.setattr(doors, "AT_ONCE_S", 60.0)
    assert doors.page(script(tmp_path / "cat", "exit 0"), ["x"], "x.txt") == ""
    assert len(asked) == 1
    monkeypatch.setattr(doors, "AT_ONCE_S", 0.0)
    assert doors.page(script(tmp_path / "cat", "exit 0"), ["x"], "x.txt") == ""
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("program", "line", "arguments"),
    [
        ("less", 7, "+7 x.txt"),
        ("nano", 7, "+7 x.txt"),
        ("less", 1, "x.txt"),
        ("vim", 0, "x.txt"),
        ("code", 7, "-g x.txt:7"),
        ("hx", 7, "x.txt:7"),
        ("cat", 7, "x.txt"),
    ],
)
def test_a_program_begins_at_the_line_of_the_hit_where_it_can(
    program: str, line: int, arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "_wait_for_key", lambda _words: None)
    command = [*script(tmp_path / program, f'shift; echo "$@" > {tmp_path}/given'), "-w"]
    assert doors.page(command, ["x"], "x.txt", line) == ""
    given = (tmp_path / "given").read_text().strip()
    assert re.sub(r"/\S*/", "", given) == arguments


@pytest.mark.parametrize(("keys", "line"), [((), 0), (("enter",), 2), (("enter", "n"), 2), (("enter", "n", "n"), 5)])
async def test_the_hit_that_is_shown_is_where_it_begins(
    keys: tuple[str, ...], line: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    monkeypatch.setattr(ViewerApp, "suspend", lambda _app: contextlib.nullcontext())
    monkeypatch.setattr(doors, "page", lambda _command, _words, _name, line: begun.append(line) or "")
    async with looking("one\nx x" + " long" * 60 + "\n\n\nx\n") as (app, pilot):
        if keys:
            await pilot.press("tab", "slash", "x", *keys)
            await pilot.pause()
            await until(pilot, lambda: app.main.detail.view.place == len(keys))
        await pilot.press("v")
        await pilot.pause()
    assert begun == [line]


def test_the_programs_of_the_environment_come_first() -> None:
    assert doors.pager({"PAGER": "most -s"}) == ["most", "-s"]
    assert doors.editor({"VISUAL": "code -w", "EDITOR": "vi"}) == ["code", "-w"]
    assert doors.editor({"EDITOR": "vi"}) == ["vi"]
    assert doors.pager({})
    assert doors.editor({})


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    paths = {doors.save(["x"], "a.txt", tmp_path) for _ in range(3)}
    assert len(paths) == 3


def test_a_name_or_an_id_of_a_stranger_stays_a_name() -> None:
    assert doors.file_name("../../etc/passwd\x1b[2J", "Raw") == "opencode-etc-passwd-2J-raw.json"
    assert doors.file_name("", "Diff") == "opencode-text-diff.diff"


def test_the_limit_of_the_clipboard_is_in_bytes_and_ends_the_reading() -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "é" * 1000

    assert doors.within_limit(endless(), 55_000) is None
    assert doors.within_limit(["a", "b"], 3 + 1) == "a\nb"
    assert doors.within_limit(["a", "b"], 3) is None


def test_texts_are_saved_where_downloads_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platformdirs.user_downloads_dir", lambda: str(tmp_path))
    assert doors.save_directory() == tmp_path
    monkeypatch.setattr("platformdirs.user_downloads_dir", lambda: os.fspath(tmp_path / "none"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert doors.save_directory() == tmp_path / "opencode-viewer" / "saved"
