"""The clipboard: a program where one reaches it, the terminal's own way elsewhere, else words that say what to do."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adapter.opencode_writer import OpencodeWriter
from tests.tui.stage import screen_text, until
from tests.tui.test_doors import looking, said
from tests.tui.test_terminal import COMMAND, Terminal
from tui.terminal import clipboard
from tui.terminal.clipboard import OSC_52_LIMIT, Tool, copy, deaf, multiplexer, tools, wrapped

EVERY = ("pbcopy", "clip.exe", "wl-copy", "xclip", "xsel", "tmux", "termux-clipboard-set")


@pytest.mark.parametrize(
    ("environ", "platform", "there", "names"),
    [
        ({}, "darwin", EVERY, ["pbcopy"]),
        ({"SSH_TTY": "/dev/pts/1"}, "darwin", EVERY, []),
        ({}, "linux", EVERY, []),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, "linux", EVERY, ["wl-copy", "xclip", "xsel"]),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, "linux", ("xclip",), ["xclip"]),
        ({"DISPLAY": ":0"}, "linux", ("xsel",), ["xsel"]),
        ({"DISPLAY": ":0"}, "linux", (), []),
        ({"SSH_CONNECTION": "1 2", "WAYLAND_DISPLAY": "wayland-0"}, "linux", EVERY, []),
        ({"SSH_CONNECTION": "1 2", "DISPLAY": "localhost:10.0"}, "linux", EVERY, ["xclip", "xsel"]),
        ({"WSL_DISTRO_NAME": "Debian", "DISPLAY": ":0"}, "linux", EVERY, ["clip.exe", "xclip", "xsel"]),
        ({"TERMUX_VERSION": "0.118"}, "linux", EVERY, ["termux-clipboard-set"]),
        ({"TMUX": "/tmp/t,1,0", "SSH_TTY": "/dev/pts/1"}, "linux", EVERY, ["tmux"]),
    ],
)
def test_the_programs_are_those_that_reach_the_clipboard_in_front_of_the_user(
    environ: dict[str, str], platform: str, there: tuple[str, ...], names: list[str]
) -> None:
    found = tools(environ, platform, lambda program: f"/bin/{program}" if program in there else None)
    assert [one.name for one in found] == names


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"TERM_PROGRAM": "Apple_Terminal", "TERM": "xterm-256color"}, "macOS Terminal"),
        ({"VTE_VERSION": "7600", "TERM": "xterm-256color"}, "a terminal like GNOME's"),
        ({"STY": "1.pts-0", "TERM": "screen", "VTE_VERSION": "7600"}, ""),
        ({"TERM": "linux"}, "a console"),
        ({"VTE_VERSION": "7600", "TERM": "tmux-256color", "TMUX": "/tmp/t,1,0"}, ""),
        ({"TERM": "xterm-kitty"}, ""),
    ],
)
def test_who_takes_nothing_from_programs_is_known(environ: dict[str, str], name: str) -> None:
    assert deaf(environ) == name


@pytest.mark.parametrize(
    ("environ", "around"),
    [
        ({"TERM": "xterm-256color"}, ""),
        ({"TERM": "screen-256color", "TMUX": "/tmp/t,1,0"}, "tmux"),
        ({"TERM": "screen.xterm-256color", "STY": "1.pts-0"}, "GNU screen"),
        ({"TERM": "tmux-256color", "SSH_TTY": "/dev/pts/1"}, "tmux"),
        ({"TERM": "screen", "SSH_TTY": "/dev/pts/1"}, "GNU screen"),
        ({"TERM": "screen", "STY": "1.pts-0", "TMUX": "/tmp/t,1,0"}, ""),
    ],
)
def test_what_is_between_us_and_the_terminal_is_known(environ: dict[str, str], around: str) -> None:
    assert multiplexer(environ) == around
    assert bool(wrapped("x", environ)) is bool(around)


def test_through_a_multiplexer_the_text_goes_as_it_hands_it_on() -> None:
    sequence = b"\x1b]52;c;" + base64.b64encode("größe".encode()) + b"\x07"
    in_tmux = wrapped("größe", {"TERM": "tmux-256color"}).encode()
    assert in_tmux == b"\x1bPtmux;\x1b" + sequence + b"\x1b\\"
    pieces = wrapped("x" * 1000, {"TERM": "screen"}).removesuffix("\x1b\\").split("\x1b\\")
    assert all(piece.startswith("\x1bP") and len(piece) < 256 for piece in pieces)
    handed_on = "".join(piece.removeprefix("\x1bP") for piece in pieces)
    assert base64.b64decode(handed_on.removeprefix("\x1b]52;c;").removesuffix("\x07")) == b"x" * 1000


def test_gnu_screen_hands_it_on_to_the_terminal_around_it(tmp_path: Path) -> None:
    where = shutil.which("screen")
    if where is None:
        pytest.skip("GNU screen IS NOT INSTALLED: the way through it has not been tried")
    writer = OpencodeWriter(tmp_path / "opencode.db", "1.18.33")
    writer.session("The first one")
    sockets = tmp_path / "sockets"
    sockets.mkdir(mode=0o700)
    there = {name: "" for name in ("DISPLAY", "WAYLAND_DISPLAY", "TMUX", "WSL_DISTRO_NAME")}
    terminal = Terminal(
        *("-U", "-c", "/dev/null", str(COMMAND), "--db", str(writer.path)),
        command=Path(where),
        SCREENDIR=str(sockets),
        **there,
    )
    try:
        terminal.until("The first one")
        terminal.until("q quit")
        terminal.child.send("Y")
        terminal.until("sent to the terminal's clipboard through GNU screen")
        (copied,) = re.findall(rb"\x1b\]52;c;([^\x07]*)\x07", terminal.raw)
        assert b"opencode -s ses_" in base64.b64decode(copied)
        terminal.child.send("q")
        terminal.ended()
    finally:
        terminal.child.close(force=True)
        writer.close()


def test_what_is_sent_to_a_terminal_is_short_enough_for_all() -> None:
    assert len(base64.b64encode(b"x" * OSC_52_LIMIT)) < 74_994


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Tool]:
    """A program with this body, in which $OUT is a file."""

    def make(body: str) -> Tool:
        path = tmp_path / "copier"
        path.write_text(f"#!/bin/sh\nOUT={tmp_path}/out\n{body}\n")
        path.chmod(0o700)
        return Tool((str(path), "an argument"))

    return make


def test_a_program_gets_the_text_and_only_its_word_counts(program: Callable[[str], Tool], tmp_path: Path) -> None:
    assert copy(program('cat > "$OUT"'), "größe\n")
    assert (tmp_path / "out").read_text() == "größe\n"
    assert copy(program('cat > "$OUT"')._replace(encoding="utf-16"), "größe")
    assert (tmp_path / "out").read_bytes().decode("utf-16") == "größe"
    assert not copy(program("exit 1"), "x")
    assert not copy(program("exit 1"), "x" * 1_000_000)
    assert not copy(Tool((str(tmp_path / "nothing"),)), "x")


def test_a_program_that_hangs_is_not_waited_for(
    program: Callable[[str], Tool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clipboard, "PATIENCE_S", 0.05)
    assert not copy(program("exec sleep 60"), "x")


@pytest.mark.parametrize("key", ["y", "Y"])
async def test_a_program_has_copied_it(
    key: str, program: Callable[[str], Tool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clipboard, "tools", lambda _environ: [program('cat > "$OUT"')])
    monkeypatch.setattr(clipboard, "deaf", lambda _environ: "a console")
    async with looking() as (app, pilot):
        await pilot.press(key)
        # A long command takes more than the last line.
        await until(pilot, lambda: any("copied with copier" in line for line in screen_text(app)))
        assert (tmp_path / "out").read_text() == app.clipboard


async def test_where_a_program_fails_the_next_one_is_tried(
    program: Callable[[str], Tool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    working = program('cat > "$OUT"')
    monkeypatch.setattr(clipboard, "tools", lambda _environ: [Tool((str(tmp_path / "gone"),)), working])
    async with looking() as (app, pilot):
        await pilot.press("y")
        await until(pilot, lambda: "copied with copier" in said(app))
        assert (tmp_path / "out").read_text() == app.clipboard


async def test_where_all_fail_the_terminal_has_it_and_the_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipboard, "tools", lambda _environ: [Tool(("/nowhere/copier",))])
    monkeypatch.setattr(clipboard, "deaf", lambda _environ: "")
    monkeypatch.setattr(clipboard, "multiplexer", lambda _environ: "tmux")
    async with looking() as (app, pilot):
        await pilot.press("y")
        await until(pilot, lambda: "copier failed, and sent to the terminal's clipboard through tmux" in said(app))
        assert app.clipboard == "one\ntwo\tthree"


async def test_a_long_text_goes_to_a_program_alone(
    program: Callable[[str], Tool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clipboard, "tools", lambda _environ: [program('cat > "$OUT"')])
    async with looking("x" * 60_000) as (app, pilot):
        await pilot.press("y")
        await until(pilot, lambda: "copied with copier: 60,000 bytes" in said(app))
        assert (tmp_path / "out").stat().st_size == 60_000
        assert app.clipboard == ""


@pytest.mark.parametrize(("key", "way_out"), [("y", "S saves it to a file"), ("Y", "opencode -s ses_retry")])
async def test_where_neither_works_the_way_out_is_named(
    key: str, way_out: str, program: Callable[[str], Tool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clipboard, "tools", lambda _environ: [program("exit 1")])
    monkeypatch.setattr(clipboard, "deaf", lambda _environ: "macOS Terminal")
    async with looking() as (app, pilot):
        await pilot.press(key)
        await until(pilot, lambda: "not copied" in "".join(screen_text(app)[-3:]))
        words = " ".join("".join(screen_text(app)[-3:]).split())
        assert "copier failed, and macOS Terminal takes no such text from programs" in words
        assert way_out in words
