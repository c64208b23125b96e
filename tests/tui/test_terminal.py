"""The installed command in a real pseudo-terminal, read through a screen emulator."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pyte
import pytest

COMMAND = Path(sys.executable).parent / "opencode-viewer"
DEADLINE_S = 60


class Terminal:
    """A child process on a pseudo-terminal of a given size, and what stands on it."""

    def __init__(self, *arguments: str, columns: int = 120, rows: int = 40) -> None:
        assert COMMAND.exists(), "install the project first: pip install -e '.[test]'"
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.child = pexpect.spawn(
            str(COMMAND), list(arguments), env=environment, dimensions=(rows, columns), timeout=DEADLINE_S
        )

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def read(self) -> bool:
        """Takes in what has been written; False when the process has closed the terminal."""
        try:
            chunk = self.child.read_nonblocking(65536, timeout=0.2)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += chunk
        # pyte knows neither the kitty keyboard protocol nor private modes with `$`; a terminal ignores what it cannot.
        self.stream.feed(re.sub(rb"\x1b\[[<>=]\d*u|\x1b\[\?\d+\$p", b"", chunk))
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

    def quit(self) -> int:
        """Presses q and waits for the end; the exit status."""
        self.child.send("q")
        end = time.monotonic() + DEADLINE_S
        while self.read():
            assert time.monotonic() < end, "still running after q"
        self.child.close()
        assert self.child.exitstatus is not None
        return int(self.child.exitstatus)


@pytest.fixture
def demo() -> Iterator[Terminal]:
    terminal = Terminal("--demo", "--demo-speed", "10")
    yield terminal
    terminal.child.close(force=True)


def test_the_demo_shows_its_sessions_and_q_restores_the_terminal(demo: Terminal) -> None:
    demo.until("Make the retry test stable")
    demo.until(r"task\s+Find callers")
    demo.child.send("?")
    demo.until("In the tree")
    demo.until("esc back")
    demo.child.send("\x1b")
    # A key that follows escape at once would be read as alt with that key.
    demo.until_gone("In the tree")
    assert demo.quit() == 0
    for on, off in ((b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?25l", b"\x1b[?25h"), (b"\x1b[?1000h", b"\x1b[?1000l")):
        assert demo.raw.rindex(off) > demo.raw.rindex(on), f"{on!r} was not taken back"


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


def test_a_database_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    terminal = Terminal("--db", str(tmp_path / "opencode.db"), columns=100, rows=24)
    try:
        terminal.until("no database at")
        assert terminal.quit() == 0
    finally:
        terminal.child.close(force=True)
