"""The installed command in a real pseudo-terminal, read through a screen emulator."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.tui.emulator import Emulator
from tui.exit_codes import INTERNAL

COMMAND = Path(sys.executable).parent / "opencode-viewer"
DEADLINE_S = 60
TAKEN = {
    b"\x1b[?1049h": b"\x1b[?1049l",
    b"\x1b[?25l": b"\x1b[?25h",
    b"\x1b[?7l": b"\x1b[?7h",
    **{b"\x1b[?%dh" % mode: b"\x1b[?%dl" % mode for mode in (1000, 1003, 1004, 1006, 1015, 2004)},
    b"\x1b[>": b"\x1b[<u",
}
"""What changes the terminal, and what undoes it: the alternate screen, the cursor, wrapping, the mouse and focus
reports, bracketed paste and the kitty keyboard."""
BREAKS = """\
import sys
from pathlib import Path
from threading import Event
from tui import cli
from tui.feed.worker import Feed

def broken(feed):
    while not Path(sys.argv[1]).exists():
        Event().wait(0.02)
    raise RuntimeError("the feed is broken")

Feed.run = broken
sys.exit(cli.main(["--demo"]))
"""
"""The command with a feed that raises as soon as a file is there."""


class Terminal:
    """A child process on a pseudo-terminal of a given size, and what stands on it."""

    def __init__(
        self, *arguments: str, columns: int = 120, rows: int = 40, command: Path = COMMAND, **environ: str
    ) -> None:
        assert command.exists(), "install the project first: pip install -e '.[test]'"
        standard = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        # A worker of xdist names a size, which would hold whatever this terminal is.
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment = {**inherited, **standard, **environ}
        self.screen = Emulator(columns, rows)
        self.raw = b""
        self.child = pexpect.spawn(
            str(command), list(arguments), env=environment, dimensions=(rows, columns), timeout=DEADLINE_S
        )

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def read(self, wait_s: float = 0.2) -> bool:
        """Takes in what has been written, or is within that time; False when the process has closed the terminal."""
        try:
            chunk = self.child.read_nonblocking(65536, timeout=wait_s)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += chunk
        self.screen.feed(chunk)
        return True

    def until(self, pattern: str) -> None:
        """Reads until the screen shows a pattern."""
        end = time.monotonic() + DEADLINE_S
        while not re.search(pattern, self.text):
            assert time.monotonic() < end, f"never shown: {pattern}\n{self.text}"
            assert self.read(), f"ended before it showed {pattern}\n{self.text}"

    def until_gone(self, pattern: str) -> None:
        """Reads until the screen shows a pattern no more."""
        end = time.monotonic() + DEADLINE_S
        while re.search(pattern, self.text):
            assert time.monotonic() < end, f"still shown: {pattern}\n{self.text}"
            assert self.read(), f"ended while it showed {pattern}\n{self.text}"

    def resize(self, columns: int, rows: int) -> None:
        """Another size, as a window manager gives it: the child is told by SIGWINCH."""
        self.screen.resize(columns, rows)
        self.child.setwinsize(rows, columns)

    def quit(self) -> int:
        """Presses q and waits for the end; the exit status."""
        self.child.send("q")
        return self.ended()

    def ended(self) -> int:
        """Waits for the end; the exit status."""
        end = time.monotonic() + DEADLINE_S
        while self.read():
            assert time.monotonic() < end, "still running"
        self.child.close()
        last = self.raw[-4000:].decode(errors="replace")
        assert self.child.exitstatus is not None, f"died of signal {self.child.signalstatus}\n{last}"
        return int(self.child.exitstatus)

    def assert_restored(self) -> None:
        """Every mode that was taken has been given back, and the cursor and the old title are there again."""
        for on, off in TAKEN.items():
            assert on in self.raw, f"{on!r} was never taken"
            assert self.raw.rindex(off) > self.raw.rindex(on), f"{on!r} was not taken back"
        assert self.raw.rindex(b"\x1b[23;0t") > self.raw.rindex(b"\x1b]2;") > self.raw.index(b"\x1b[22;0t")


@pytest.fixture
def demo() -> Iterator[Terminal]:
    terminal = Terminal("--demo", "--demo-speed", "10")
    yield terminal
    terminal.child.close(force=True)


def test_the_demo_shows_its_sessions_and_q_restores_the_terminal(demo: Terminal) -> None:
    demo.until("Make the retry test")
    demo.until("at work")
    demo.child.send("?")
    demo.until("In the tree")
    demo.until("esc back")
    demo.child.send("\x1b")
    # A key that follows escape at once would be read as alt with that key.
    demo.until_gone("In the tree")
    assert demo.quit() == 0
    demo.assert_restored()


def test_what_is_typed_before_the_screen_stands_is_done_when_it_does(demo: Terminal) -> None:
    demo.child.send("/retry\r")
    demo.until(r"Sessions \d of \d ~?retry")
    demo.until("n next match")
    demo.child.send("\x1b")
    demo.until_gone("n next match")
    assert demo.quit() == 0


@pytest.mark.parametrize("before", ["", "/", "?"], ids=["tree", "filter", "help"])
def test_ctrl_c_quits_from_anywhere_and_restores_the_terminal(demo: Terminal, before: str) -> None:
    demo.until("Make the retry test")
    demo.child.send(before)
    demo.until({"": "q quit", "/": "esc no filter", "?": "In the tree"}[before])
    demo.child.send("\x03")
    assert demo.ended() == 0
    demo.assert_restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_it_with_the_terminal_restored_and_nothing_left(number: signal.Signals, tmp_path: Path) -> None:
    terminal = Terminal("--demo", TMPDIR=str(tmp_path))
    try:
        terminal.until("Make the retry test")
        assert list(tmp_path.glob("opencode-viewer-demo-*"))
        os.kill(terminal.child.pid, number)
        assert terminal.ended() == 128 + number
    finally:
        terminal.child.close(force=True)
    terminal.assert_restored()
    assert not list(tmp_path.glob("opencode-viewer-demo-*"))


def test_a_terminal_that_is_closed_ends_it_and_nothing_is_left(tmp_path: Path) -> None:
    terminal = Terminal("--demo", TMPDIR=str(tmp_path))
    try:
        terminal.until("Make the retry test")
        terminal.child.ptyproc.fileobj.close()
        end = time.monotonic() + DEADLINE_S
        while terminal.child.isalive():
            assert time.monotonic() < end, "still running without a terminal"
            time.sleep(0.02)
        assert terminal.child.exitstatus == 128 + signal.SIGHUP
    finally:
        terminal.child.close(force=True)
    assert not list(tmp_path.glob("opencode-viewer-demo-*"))


def test_a_crash_restores_the_terminal_and_says_what_it_was(tmp_path: Path) -> None:
    terminal = Terminal("-c", BREAKS, str(tmp_path / "now"), command=Path(sys.executable))
    try:
        terminal.until("q quit")
        (tmp_path / "now").touch()
        assert terminal.ended() == INTERNAL
    finally:
        terminal.child.close(force=True)
    terminal.assert_restored()
    left = terminal.raw.rindex(b"\x1b[?1049l")
    assert b"the feed is broken" in terminal.raw[left:]


def test_the_demo_leaves_no_temporary_directory(demo: Terminal, tmp_path: Path) -> None:
    demo.until("opencode-viewer-demo-|Make the retry")
    open_files = Path(f"/proc/{demo.child.pid}/fd")
    if not open_files.exists():
        pytest.skip("needs /proc to see which files the demo holds open")
    held = {os.readlink(link) for link in open_files.iterdir() if link.exists()}
    directories = {Path(name).parent for name in held if "opencode-viewer-demo-" in name}
    assert len(directories) == 1
    assert demo.quit() == 0
    assert not any(directory.exists() for directory in directories)


def test_the_title_counts_and_the_old_one_comes_back(demo: Terminal) -> None:
    demo.until("Make the retry test")
    demo.until(r"1 for you|[?]1 ")
    assert demo.quit() == 0
    titles = re.findall(rb"\x1b\]2;([^\x07]*)\x07", demo.raw)
    assert titles[0] == b"opencode-viewer"
    assert re.fullmatch(r"\?1 (●\d )?opencode-viewer", titles[-2].decode())
    assert titles[-1] == b""
    assert demo.raw.index(b"\x1b[22;0t") < demo.raw.index(b"\x1b]2;")
    assert demo.raw.rindex(b"\x1b[23;0t") > demo.raw.rindex(b"\x1b]2;")


def played(*arguments: str, **environ: str) -> bytes:
    """What the demo writes until a question waits, and q ends it."""
    terminal = Terminal("--demo", "--demo-speed", "20", *arguments, **environ)
    try:
        terminal.until("Make the retry test")
        terminal.until(r"1 for you|[?]1 ")
        assert terminal.quit() == 0
    finally:
        terminal.child.close(force=True)
    return terminal.raw


def test_no_color_leaves_attributes_and_no_colour() -> None:
    sgr = re.findall(rb"\x1b\[([0-9;:]*)m", played(NO_COLOR="1"))
    codes = {int(code or 0) for sequence in sgr for code in re.split(rb"[;:]", sequence)}
    assert {1, 2, 7} <= codes, "bold, dim and the reversed row of the cursor"
    assert codes - {39, 49} <= set(range(30)), "39 and 49 are the terminal's own"


def test_without_utf_8_every_byte_is_ascii() -> None:
    raw = played(LC_ALL="C")
    assert raw.isascii()
    assert b"? 1 for you" in raw


def test_a_choice_of_one_start_is_there_in_the_next() -> None:
    first = played("--ascii", "--theme", "contrast")
    assert first.isascii()
    second = played()
    assert second.isascii()
    assert b"48;2;0;0;0" in second
    assert not played("--unicode").isascii()


def test_a_keymap_in_the_users_directory_counts_and_keys_says_where_it_belongs() -> None:
    listed = subprocess.run([COMMAND, "--keys"], capture_output=True, text=True, check=True).stdout
    path = Path(listed.splitlines()[0].removeprefix("# "))
    assert path.is_relative_to(os.environ["XDG_CONFIG_HOME"])
    path.parent.mkdir(parents=True)
    path.write_text('"health" = "f9"\n"tree.upp" = "w"\n')
    terminal = Terminal("--demo", "--demo-speed", "20")
    try:
        terminal.until("keymap: there is no tree.upp")
        terminal.child.send("\x1b[20~")
        terminal.until("changes by")
        assert terminal.quit() == 0
    finally:
        terminal.child.close(force=True)


def test_a_database_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    terminal = Terminal("--db", str(tmp_path / "opencode.db"), columns=100, rows=24)
    try:
        terminal.until("No opencode session yet")
        assert terminal.quit() == 0
    finally:
        terminal.child.close(force=True)


def test_filter_tabs_and_another_size_and_back_as_they_stand_on_the_screen(demo: Terminal) -> None:
    demo.until("Make the retry test")
    demo.until(r"1 for you|[?]1 ")
    demo.child.send("/is:waiting\r")
    demo.until(r"Sessions \d+ of \d+ is:waiting")
    demo.child.send("\x1b")
    demo.until_gone("is:waiting")
    demo.resize(60, 16)
    demo.until_gone("▏")
    demo.until(r"↑↓ move .*\? help")
    demo.child.send("\t")
    demo.until("esc back")
    demo.until("Overview Read")
    demo.child.send("\x1b")
    demo.until_gone("esc back")
    demo.resize(120, 40)
    demo.until("▏.*Overview.*Raw")
    demo.until(r"w the question .*\? help")
    assert demo.quit() == 0
