"""The edges of a real pseudo-terminal: what it sends that no person types, being stopped and going on, signals at any
moment, and terminals that are none."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pexpect
import pytest

from tests.adapter.opencode_writer import OpencodeWriter
from tests.tui.test_terminal import COMMAND, DEADLINE_S, Terminal

SOON_S = 20
"""Within which a key works that follows a flood, on a busy machine; it took more than half a minute."""
BASH = Path("/bin/bash")
ENDING = [
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGABRT,
    signal.SIGXCPU,
    signal.SIGVTALRM,
]


@pytest.fixture
def demo() -> Iterator[Terminal]:
    terminal = Terminal("--demo", "--demo-speed", "20")
    try:
        terminal.until("1 for you")
        yield terminal
    finally:
        terminal.child.close(force=True)


@pytest.fixture
def opencode(tmp_path: Path) -> Iterator[OpencodeWriter]:
    writer = OpencodeWriter(tmp_path / "opencode.db", "1.18.33")
    writer.session("The first one")
    yield writer
    writer.close()


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
def test_a_signal_that_would_end_it_ends_it_with_the_terminal_restored(number: signal.Signals, demo: Terminal) -> None:
    os.kill(demo.child.pid, number)
    assert demo.ended() == 128 + number
    demo.assert_restored()


def test_a_signal_during_the_start_leaves_no_terminal_behind(opencode: OpencodeWriter) -> None:
    terminal = Terminal("--db", str(opencode.path))
    try:
        while b"\x1b[?1049h" not in terminal.raw:
            assert terminal.read()
        os.kill(terminal.child.pid, signal.SIGTERM)
        assert terminal.ended() == 128 + signal.SIGTERM
        assert terminal.raw.rindex(b"\x1b[?1049l") > terminal.raw.rindex(b"\x1b[?1049h")
        assert terminal.raw.rindex(b"\x1b[?25h") > terminal.raw.rindex(b"\x1b[?25l")
    finally:
        terminal.child.close(force=True)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"j" * 60_000, id="keys"),
        pytest.param(b"\x1b[B" * 20_000, id="arrows"),
        pytest.param(b"\x1b[<35;10;10M" * 8_000, id="mouse"),
        pytest.param(b"\x1b]52;c;" + b"QUJD" * 20_000, id="control string"),
        pytest.param(b"\x1b[" + b"1" * 60_000, id="sequence"),
        pytest.param(b"\x1b[99999999999u", id="no character"),
        pytest.param(b"\xfc\xe9\xff", id="no UTF-8"),
    ],
)
def test_a_key_works_soon_after_whatever_came_before(sent: bytes, demo: Terminal) -> None:
    began = time.monotonic()
    demo.child.delaybeforesend = None
    for at in range(0, len(sent), 1000):
        demo.child.send(sent[at : at + 1000])
        demo.read(0)
    while "In the tree" not in demo.text:
        assert time.monotonic() - began < SOON_S, f"no reaction\n{demo.text}"
        # Once more: a key that comes together with a flood may be taken for a part of it.
        demo.child.send("\x1b?" if "esc no filter" in demo.text else "?")
        end = time.monotonic() + 1
        while "In the tree" not in demo.text and time.monotonic() < end:
            assert demo.read(0.1), f"ended\n{demo.text}"
    demo.child.send("\x03")
    assert demo.ended() == 0
    demo.assert_restored()


def test_ctrl_c_quits_in_the_middle_of_a_flood(demo: Terminal) -> None:
    demo.child.delaybeforesend = None
    for _ in range(40):
        demo.child.send("j" * 1000)
        demo.read(0)
    demo.child.send("\x03")
    assert demo.ended() == 0


def test_a_letter_of_a_terminal_in_latin_1_is_typed(demo: Terminal) -> None:
    demo.child.send("/")
    demo.until("esc no filter")
    demo.child.send(b"gr\xf6\xdfe")
    demo.until("/größe")
    assert demo.child.isalive()


def test_a_paste_whose_end_is_lost_is_pasted_and_then_keys_are_keys(demo: Terminal) -> None:
    demo.child.send("/")
    demo.until("esc no filter")
    demo.child.send("\x1b[200~retry")
    demo.until("/retry")
    demo.child.send("x")
    demo.until("/retryx")


# --- stopped, and going on


class Shell(Terminal):
    """An interactive shell that starts the command, with job control."""

    def __init__(self, *arguments: str, **environ: str) -> None:
        if not BASH.exists():
            pytest.skip("needs bash")
        super().__init__("--norc", "--noediting", "-i", command=BASH, PS1="shell> ", **environ)
        self.until("shell> ")
        self.child.sendline(" ".join([str(COMMAND), *arguments]))

    @property
    def viewer(self) -> int:
        """The process that the shell has started."""
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        if not children.exists():
            pytest.skip("needs /proc")
        return int(children.read_text().split()[0])

    def says(self, pattern: bytes, since: int) -> None:
        """Reads until a pattern has been written since then. Not asked of the screen: the emulator has no second one,
        so that the shell writes over what the viewer left."""
        end = time.monotonic() + DEADLINE_S
        while not re.search(pattern, self.raw[since:], re.DOTALL):
            assert time.monotonic() < end, f"never written: {pattern!r}\n{self.raw[since:]!r}"
            assert self.read(), f"ended before it wrote {pattern!r}"

    def stops(self, how: Callable[[], object]) -> None:
        """Does what stops the viewer, and waits for the shell. What stood on the screen is then gone."""
        since = len(self.raw)
        how()
        self.says(rb"Stopped.*shell> ", since)
        self.screen.reset()

    def quits(self) -> None:
        """Ends the viewer, and takes the shell's word for how. What is typed is seen, and a line is a line: the
        terminal is as the shell had it."""
        since = len(self.raw)
        self.child.send("q")
        self.says(rb"\x1b\[\?1049l.*shell> ", since)
        self.assert_restored()
        since = len(self.raw)
        self.child.sendline("echo ended with $?")
        self.says(rb"echo ended with \$\?\r\n.*ended with 0\r\n", since)


def held_open(pid: int, path: Path) -> list[str]:
    """The files of a database that a process has open."""
    links = [link for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return [name for link in links if (name := os.readlink(link)).startswith(str(path))]


def test_ctrl_z_goes_to_the_shell_with_nothing_open_and_fg_comes_back_with_the_news(opencode: OpencodeWriter) -> None:
    shell = Shell("--db", str(opencode.path))
    try:
        shell.until("The first one")
        viewer = shell.viewer
        opencode.session("Written a moment before")
        shell.until("Written a moment before")
        # While it still has the database open: it closes it by itself after a quarter of a second.
        shell.stops(lambda: shell.child.send("\x1a"))
        shell.assert_restored()
        assert held_open(viewer, opencode.path) == []
        opencode.session("Written while it was stopped")
        # With nobody else there, the last one to close folds the WAL into the database and removes it.
        opencode.close()
        assert not opencode.path.with_name("opencode.db-wal").exists()
        taken = len(shell.raw)
        shell.child.sendline("fg")
        shell.until("Written while it was stopped")
        shell.until("q quit")
        assert b"\x1b[?1049h" in shell.raw[taken:]
        with closing(sqlite3.connect(opencode.path)) as connection:
            connection.execute("UPDATE session SET title = 'Written after it' WHERE title = 'The first one'")
            connection.execute("UPDATE session SET time_updated = time_updated + 1000 WHERE title = 'Written after it'")
            connection.commit()
        shell.until("Written after it")
        shell.quits()
    finally:
        shell.child.close(force=True)


@pytest.mark.parametrize("before", ["/", "?"], ids=["filter", "help"])
def test_ctrl_z_works_wherever_the_keys_go(before: str, opencode: OpencodeWriter) -> None:
    shell = Shell("--db", str(opencode.path))
    try:
        shell.until("The first one")
        shell.child.send(before)
        place = {"/": "esc no filter", "?": "In the tree"}[before]
        shell.until(place)
        shell.stops(lambda: shell.child.send("\x1a"))
        shell.child.sendline("fg")
        shell.until(place)
    finally:
        shell.child.close(force=True)


def test_stopped_by_others_in_any_way_it_is_drawn_anew_when_it_goes_on(opencode: OpencodeWriter) -> None:
    shell = Shell("--db", str(opencode.path))
    try:
        shell.until("The first one")
        viewer = shell.viewer
        for number, title in (
            (signal.SIGSTOP, "by SIGSTOP"),
            (signal.SIGTSTP, "by SIGTSTP"),
            (signal.SIGSTOP, "again"),
        ):
            shell.stops(lambda number=number: os.kill(viewer, number))
            opencode.session(f"Stopped {title}")
            shell.child.sendline("fg")
            shell.until(f"Stopped {title}")
            shell.until("q quit")
        shell.quits()
    finally:
        shell.child.close(force=True)


def test_ended_while_it_is_stopped_it_does_not_want_the_terminal_back(opencode: OpencodeWriter) -> None:
    shell = Shell("--db", str(opencode.path))
    try:
        shell.until("The first one")
        shell.stops(lambda: shell.child.send("\x1a"))
        since = len(shell.raw)
        # The shell continues what it sends a signal to, in the background.
        shell.child.sendline("kill %1")
        end = time.monotonic() + DEADLINE_S
        while b"Exit 143" not in shell.raw[since:]:
            assert time.monotonic() < end, shell.raw[since:]
            shell.child.sendline("jobs")
            shell.read()
        assert b"\x1b[" not in shell.raw[since:]
    finally:
        shell.child.close(force=True)


def test_continued_in_the_background_it_waits_for_the_terminal(opencode: OpencodeWriter) -> None:
    shell = Shell("--db", str(opencode.path))
    try:
        shell.until("The first one")
        shell.stops(lambda: shell.child.send("\x1a"))
        since = len(shell.raw)
        shell.child.sendline("bg; wait %1; echo again stopped")
        shell.says(rb"again stopped\r\n", since)
        assert b"\x1b[" not in shell.raw[since:]
        shell.child.sendline("fg")
        shell.until("q quit")
        shell.quits()
    finally:
        shell.child.close(force=True)


def test_without_a_shell_ctrl_z_says_that_there_is_none(demo: Terminal) -> None:
    demo.child.send("\x1a")
    demo.until("no shell to go back to")
    demo.child.send("?")
    demo.until("In the tree")
    demo.child.send("\x03")
    assert demo.ended() == 0
    demo.assert_restored()


def test_stopped_out_of_a_pager_nothing_is_open_either(opencode: OpencodeWriter, tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho the pager is there\nread line\nsleep 1\n")
    pager.chmod(0o700)
    shell = Shell("--db", str(opencode.path), PAGER=str(pager))
    try:
        shell.until("The first one")
        viewer = shell.viewer
        shell.child.send("v")
        shell.until("the pager is there")
        opencode.session("Written while the pager is there")
        shell.stops(lambda: shell.child.send("\x1a"))
        assert held_open(viewer, opencode.path) == []
        shell.child.sendline("fg")
        shell.child.sendline("")
        shell.until("Written while the pager is there")
    finally:
        shell.child.close(force=True)


@pytest.mark.parametrize("pager", ["cat", "less -FX"])
def test_a_pager_that_does_not_stay_leaves_its_text_until_a_key(pager: str, opencode: OpencodeWriter) -> None:
    if shutil.which(pager.split()[0]) is None:
        pytest.skip(f"needs {pager}")
    terminal = Terminal("--db", str(opencode.path), PAGER=pager, LESS="")
    try:
        terminal.until("q quit")
        left = len(terminal.raw)
        terminal.child.send("v")
        terminal.until("press any key to go back")
        assert b"The first one" in terminal.raw[left:]
        left = len(terminal.raw)
        terminal.child.send("x")
        while b"\x1b[?1049h" not in terminal.raw[left:]:
            assert terminal.read()
        assert terminal.quit() == 0
        terminal.assert_restored()
    finally:
        terminal.child.close(force=True)


# --- terminals


@pytest.mark.parametrize("name", ["dumb", "", "unknown"])
def test_where_no_screen_can_be_it_says_so_and_touches_nothing(name: str) -> None:
    child = pexpect.spawn(str(COMMAND), ["--demo"], env={**os.environ, "TERM": name}, timeout=DEADLINE_S)
    said = child.read()
    child.close()
    assert child.exitstatus == 2
    assert b"TERM" in said
    assert b"\x1b" not in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("name", ["vt100", "vt220", "linux"])
def test_a_console_gets_ascii_and_no_questions(name: str) -> None:
    terminal = Terminal("--demo", "--demo-speed", "20", TERM=name, COLORTERM="")
    try:
        terminal.until("1 for you")
        assert terminal.quit() == 0
    finally:
        terminal.child.close(force=True)
    assert terminal.raw.isascii()
    assert b"$p" not in terminal.raw
    assert b"\x1b[>" not in terminal.raw


def test_a_console_gets_what_was_chosen_for_it() -> None:
    terminal = Terminal("--demo", "--demo-speed", "20", "--unicode", TERM="linux")
    try:
        terminal.until("1 for you")
        assert not terminal.raw.isascii()
    finally:
        terminal.child.close(force=True)


def test_a_terminal_without_a_size_and_one_of_one_cell_end_nothing(opencode: OpencodeWriter) -> None:
    terminal = Terminal("--db", str(opencode.path), columns=1, rows=1)
    try:
        terminal.child.setwinsize(0, 0)  # as over a serial line
        while b"\x1b[?1049h" not in terminal.raw:
            assert terminal.read()
        for columns, rows in ((1, 1), (0, 0), (3, 2)):
            terminal.child.setwinsize(rows, columns)
            for key in "j3tim1":
                terminal.child.send(key)
                assert terminal.read()
        terminal.resize(120, 40)
        terminal.until("The first one")
        terminal.child.send("\x03")
        assert terminal.ended() == 0
        terminal.assert_restored()
    finally:
        terminal.child.close(force=True)


def test_a_locale_that_this_machine_does_not_have_is_believed(opencode: OpencodeWriter) -> None:
    opencode.session("Größe ändern")
    terminal = Terminal("--db", str(opencode.path), LC_ALL="xx_YY.UTF-8")
    try:
        terminal.until("Größe ändern")
    finally:
        terminal.child.close(force=True)


def test_without_the_mouse_no_sequence_of_it_is_sent_now_and_next_time(opencode: OpencodeWriter) -> None:
    mouse = re.compile(rb"\x1b\[\?(?:9|100[0-35-6]|101[56])[hl]")

    def sent(*arguments: str) -> list[bytes]:
        terminal = Terminal("--db", str(opencode.path), *arguments)
        try:
            terminal.until("The first one")
            assert terminal.quit() == 0
        finally:
            terminal.child.close(force=True)
        return mouse.findall(terminal.raw)

    assert sent("--no-mouse") == []
    assert sent() == []
    assert sent("--mouse")
    assert sent()


def test_no_mouse_and_mouse_at_once_is_refused() -> None:
    refused = subprocess.run([COMMAND, "--mouse", "--no-mouse"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "not allowed with" in refused.stderr
