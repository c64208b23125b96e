"""The pane of a process: which one real tmux selects, what other terminals are told, and what is said where none is."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pexpect
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.pilot import Pilot

from adapter.processes.facts import Pane, Process, Processes
from adapter.processes.surroundings import KEPT, surroundings
from tests.adapter.opencode_writer import OpencodeWriter
from tests.tui import story
from tests.tui.stage import FakeSource, health, playing, screen_text, until
from tests.tui.story import NOW, SOURCE
from tests.tui.test_terminal import COMMAND
from tui.app import ViewerApp
from tui.model.records import Key
from tui.terminal import panes
from tui.terminal.panes import Done, go, other, where

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux on this machine: panes are not tested")
PATIENCE_S = 20.0


def process(**fields: Any) -> Process:
    return Process(**{"pid": 1234, "started": 1.0, "terminal": "/dev/pts/3", **fields})


def nothing_around(_pid: int, _started: float) -> Mapping[str, str]:
    return {}


# --- tmux ------------------------------------------------------------------------------------------------------


class Tmux:
    """A server of our own, with clients in pseudo-terminals."""

    def __init__(self, directory: Path) -> None:
        self.socket = str(directory / "tmux.sock")
        self.clients: list[pexpect.spawn[bytes]] = []
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TMUX")}
        self.environ = environ | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}

    def __call__(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-S", self.socket, "-f", "/dev/null", *arguments]
        done = subprocess.run(command, capture_output=True, timeout=20, check=True, env=self.environ)
        return done.stdout.decode().rstrip("\n")

    def session(self, name: str) -> Process:
        """A session with one window; the process in it."""
        return self._pane(
            self("new-session", "-d", "-x", "80", "-y", "24", "-s", name, "-P", "-F", "#{pane_id}", "cat")
        )

    def window(self, session: str) -> Process:
        """A window more of a session, in which nobody is."""
        return self._pane(self("new-window", "-d", "-t", f"={session}:", "-P", "-F", "#{pane_id}", "cat"))

    def split(self, session: str) -> Process:
        """A pane more of the last window of a session."""
        return self._pane(self("split-window", "-d", "-t", f"={session}:$", "-P", "-F", "#{pane_id}", "cat"))

    def _pane(self, pane_id: str) -> Process:
        fields = "#{pane_pid}\t#{pane_tty}\t#{window_index}\t#{pane_index}\t#{window_name}\t#{session_name}"
        pid, tty, window, index, name, session = self("display-message", "-p", "-t", pane_id, fields).split("\t")
        pane = Pane(self.socket, pane_id, session, int(window), name, int(index))
        return Process(int(pid), psutil.Process(int(pid)).create_time(), terminal=tty, pane=pane)

    def attach(self, session: str) -> None:
        """A terminal that shows a session."""
        before = len(self("list-clients").splitlines())
        client = pexpect.spawn(
            "tmux", ["-u", "-S", self.socket, "attach-session", "-t", f"={session}"], env=self.environ, timeout=20
        )
        self.clients.append(client)
        until = time.monotonic() + PATIENCE_S
        while len(self("list-clients").splitlines()) == before and time.monotonic() < until:
            time.sleep(0.01)

    def inside(self, pane: Process) -> dict[str, str]:
        """The variables of a program in a pane."""
        assert pane.pane is not None
        return {"TMUX": f"{self.socket},1,0", "TMUX_PANE": pane.pane.id}

    def shown(self) -> list[str]:
        """The pane that each terminal shows, in the order in which they came."""
        clients = self("list-clients", "-F", "#{client_created} #{client_name} #{pane_id}").splitlines()
        return [line.split()[-1] for line in sorted(clients)]

    def selected(self, session: str) -> str:
        """The pane that a session would show."""
        return self("display-message", "-p", "-t", f"={session}:", "#{pane_id}")

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, timeout=20, check=False)
        for client in self.clients:
            client.close(force=True)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path)
    try:
        yield server
    finally:
        server.close()


def pane_of(one: Process) -> str:
    assert one.pane is not None
    return one.pane.id


@needs_tmux
def test_the_pane_is_selected_in_another_window_and_beside_another_one(tmux: Tmux) -> None:
    viewer = tmux.session("main")
    second = tmux.window("main")
    third = tmux.split("main")
    tmux.attach("main")
    assert tmux.shown() == [pane_of(viewer)]
    said = go(third, tmux.inside(viewer))
    assert tmux.shown() == [pane_of(third)]
    assert said == f"tmux main:1.1 is in front: pid {third.pid} on {third.terminal[5:]}"
    go(second, tmux.inside(viewer))
    assert tmux.shown() == [pane_of(second)]
    go(viewer, tmux.inside(viewer))
    assert tmux.shown() == [pane_of(viewer)]


@needs_tmux
def test_from_another_session_of_the_same_server_our_terminal_goes_there(tmux: Tmux) -> None:
    viewer = tmux.session("viewer")
    elsewhere = tmux.session("work, it's %1")
    wanted = tmux.window("work, it's %1")
    tmux.attach("viewer")
    other_viewer = tmux.session("third")
    tmux.attach("third")
    go(wanted, tmux.inside(viewer))
    shown = sorted([pane_of(wanted), pane_of(other_viewer)])
    assert sorted(tmux.shown()) == shown, "only the terminal that shows us goes"
    assert pane_of(elsewhere) != pane_of(wanted)


@needs_tmux
def test_of_a_window_in_two_sessions_ours_is_taken(tmux: Tmux) -> None:
    viewer = tmux.session("aaa")
    tmux.session("main")
    wanted = tmux.window("main")
    tmux("link-window", "-d", "-s", f"{tmux.selected('main')}", "-t", "=aaa:7")
    tmux("link-window", "-d", "-s", pane_of(wanted), "-t", "=aaa:8")
    tmux.attach("aaa")
    assert "tmux aaa:8.0 is in front" in go(wanted, tmux.inside(viewer))
    assert tmux.shown() == [pane_of(wanted)]
    assert tmux("list-clients", "-F", "#{session_name}") == "aaa"


@needs_tmux
def test_from_outside_it_is_selected_and_said_whether_a_terminal_shows_it(tmux: Tmux) -> None:
    tmux.session("main")
    wanted = tmux.window("main")
    said = go(wanted, {})
    assert tmux.selected("main") == pane_of(wanted)
    assert said.startswith("tmux main:1.0 is selected, and no terminal shows it (tmux attach): pid ")
    tmux.attach("main")
    assert go(wanted, {"TMUX": "/elsewhere/sock,1,0", "TMUX_PANE": "%0"}).startswith(
        "tmux main:1.0 is in front of its own terminal"
    )


@needs_tmux
def test_a_pane_that_only_the_variables_know_is_checked_by_its_terminal(tmux: Tmux) -> None:
    viewer = tmux.session("main")
    wanted = tmux.window("main")
    tmux.attach("main")
    unlisted = Process(wanted.pid, wanted.started, terminal=wanted.terminal)
    inherited = Process(wanted.pid, wanted.started, terminal="/dev/pts/987")
    variables = tmux.inside(wanted)
    said = go(inherited, tmux.inside(viewer), around=lambda _pid, _started: variables)
    assert said == f"pid {wanted.pid} on pts/987: this terminal cannot be told to show it"
    assert tmux.shown() == [pane_of(viewer)]
    go(unlisted, tmux.inside(viewer), around=lambda _pid, _started: variables)
    assert tmux.shown() == [pane_of(wanted)]


@needs_tmux
def test_a_pane_or_a_server_that_is_gone_is_said(tmux: Tmux) -> None:
    viewer = tmux.session("main")
    wanted = tmux.window("main")
    tmux.attach("main")
    tmux("kill-pane", "-t", pane_of(wanted))
    said = go(wanted, tmux.inside(viewer), around=nothing_around)
    assert said.startswith(f"not shown, its pane is gone: pid {wanted.pid} on ")
    assert tmux.shown() == [pane_of(viewer)]
    tmux.close()
    assert "not shown, tmux: " in go(wanted, tmux.inside(viewer), around=nothing_around)


@needs_tmux
def test_nothing_is_written_into_the_pane(tmux: Tmux) -> None:
    viewer = tmux.session("main")
    wanted = tmux.window("main")
    tmux.attach("main")
    before = tmux("capture-pane", "-p", "-t", pane_of(wanted))
    go(wanted, tmux.inside(viewer))
    assert tmux("capture-pane", "-p", "-t", pane_of(wanted)) == before
    assert psutil.pid_exists(wanted.pid)


async def pressed(pilot: Pilot[Any], viewer: ViewerApp, words: str) -> None:
    """Presses the key, and waits for what it says."""
    await pilot.press("x")
    await until(pilot, lambda: words in screen_text(viewer)[-1])


@needs_tmux
async def test_the_key_goes_to_the_pane_of_the_session_under_the_cursor(
    tmux: Tmux, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer_pane = tmux.session("viewer")
    one, two = tmux.session("work"), tmux.window("work")
    tmux.attach("viewer")
    for name, value in tmux.inside(viewer_pane).items():
        monkeypatch.setenv(name, value)
    running = [
        msgspec.structs.replace(pane, role="tui", session_id=session_id, databases=[SOURCE.partition(":")[2]])
        for pane, session_id in ((one, "ses_retry"), (two, "ses_lexer"))
    ]
    source = FakeSource(state=health(processes=Processes(looked=NOW, complete=True, running=running, asked=NOW)))
    async with playing(story.everything(), size=(140, 40), source=source) as (viewer, pilot):
        viewer.main.draw(viewer.view.select(Key(SOURCE, "session", "ses_lexer", "ses_lexer")))
        await pressed(pilot, viewer, "tmux work:1.0 is in front: pid")
        assert tmux.shown() == [pane_of(two)]
        # A row far inside of a session is that session's, too.
        viewer.main.draw(viewer.view.select(Key(SOURCE, "session", "ses_retry", "ses_retry")))
        await pilot.press("l", "j")
        await pressed(pilot, viewer, "tmux work:0.0 is in front: pid")
        assert tmux.shown() == [pane_of(one)]


OPENCODE = """exec 3<>{database}
exec {program} -s {session}
"""
"""What a shell does to be an opencode in the eyes of the system: a program of that name, for that session, that has the
database open for writing. It is a shell, too, which waits for what is typed."""


@needs_tmux
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="who has a file open is read from /proc")
def test_the_whole_program_goes_to_the_pane_of_a_process_of_this_machine(tmux: Tmux, tmp_path: Path) -> None:
    database, program = tmp_path / "opencode.db", tmp_path / "opencode"
    shutil.copy(os.path.realpath("/bin/sh"), program)
    with OpencodeWriter(database) as opencode:
        first, second = opencode.session("The first"), opencode.session("The second")
    for name, session_id in (("work", first), ("play", second)):
        script = OPENCODE.format(database=database, program=program, session=session_id)
        tmux("new-session", "-d", "-x", "80", "-y", "24", "-s", name, "sh", "-c", script)
    viewer = ["env", f"XDG_STATE_HOME={tmp_path}", f"XDG_CONFIG_HOME={tmp_path}", str(COMMAND), "--db", str(database)]
    tmux("new-session", "-d", "-x", "120", "-y", "30", "-s", "viewer", *viewer)
    tmux.attach("viewer")
    own = tmux.selected("viewer")

    def stands(*words: str) -> bool:
        return all(word in tmux("capture-pane", "-p", "-t", own) for word in words)

    _wait(lambda: stands("The first", "The second"))
    # The cursor is on the newest of them, in the first row.
    tmux("send-keys", "-t", own, "x")
    _wait(lambda: stands("tmux play:0.0 is in front: pid "))
    assert tmux.shown() == [tmux.selected("play")]
    tmux("send-keys", "-t", own, "j")
    tmux("send-keys", "-t", own, "x")
    _wait(lambda: stands("tmux work:0.0 is in front: pid "))
    assert tmux.shown() == [tmux.selected("work")]


def _wait(true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.05)


async def test_where_there_is_no_terminal_the_key_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    source = FakeSource(state=health(processes=Processes(looked=NOW, complete=True, asked=NOW)))
    async with playing(story.everything(), size=(140, 40), source=source) as (viewer, pilot):
        viewer.main.draw(viewer.view.select(Key(SOURCE, "session", "ses_lexer", "ses_lexer")))
        await pressed(pilot, viewer, "nobody works on it: no opencode has the database open")
    async with playing(story.everything(), size=(140, 40), source=FakeSource()) as (viewer, pilot):
        await pressed(pilot, viewer, "nothing is known of the processes of this database")


# --- other terminals -------------------------------------------------------------------------------------------


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes programs that write down how they were called, and sets them before all others."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")

    def make(name: str, ending: str = "exit 0") -> Path:
        log = tmp_path / f"{name}.log"
        path = directory / name
        path.write_text(
            f'#!/bin/sh\nprintf "%s\\0" "$@" > {log}\nprintf "%s" "$WEZTERM_UNIX_SOCKET" > {log}.socket\n{ending}\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return log

    return make


def called(log: Path) -> list[str]:
    return log.read_text().split("\0")[:-1]


OTHERS = [
    (
        "kitten",
        {"KITTY_WINDOW_ID": "7", "KITTY_LISTEN_ON": "unix:/tmp/my kitty".replace(" ", "-")},
        ["@", "--to=unix:/tmp/my-kitty", "focus-window", "--match=id:7"],
        "kitty window 7",
    ),
    (
        "wezterm",
        {"WEZTERM_PANE": "12", "WEZTERM_UNIX_SOCKET": "/run/user/1/wezterm/gui-sock-5"},
        ["cli", "activate-pane", "--pane-id", "12"],
        "WezTerm pane 12",
    ),
    (
        "zellij",
        {"ZELLIJ_PANE_ID": "3", "ZELLIJ_SESSION_NAME": "my work", "KITTY_WINDOW_ID": "7", "KITTY_LISTEN_ON": "unix:/x"},
        ["--session=my work", "action", "focus-pane-id", "terminal_3"],
        "Zellij pane 3 of my work",
    ),
    (
        "screen",
        {"STY": "4711.pts-0.box", "WINDOW": "2"},
        ["-S", "4711.pts-0.box", "-X", "select", "2"],
        "screen window 2",
    ),
]


@pytest.mark.parametrize(("name", "variables", "arguments", "place"), OTHERS, ids=[name for name, *_ in OTHERS])
def test_a_terminal_is_told_by_its_own_command_line(
    programs: Callable[..., Path], name: str, variables: dict[str, str], arguments: list[str], place: str
) -> None:
    log = programs(name)
    said = go(process(), {}, around=lambda _pid, _started: variables)
    assert called(log) == arguments
    assert said == f"{place} is in front: pid 1234 on pts/3"
    if name == "wezterm":
        assert Path(f"{log}.socket").read_text() == "/run/user/1/wezterm/gui-sock-5"


@pytest.mark.parametrize(("name", "variables", "arguments", "place"), OTHERS, ids=[name for name, *_ in OTHERS])
def test_what_a_terminal_answers_is_said(
    programs: Callable[..., Path], name: str, variables: dict[str, str], arguments: list[str], place: str
) -> None:
    programs(name, "printf 'no such \\033[31mpane\\n' >&2; exit 1")
    said = go(process(), {}, around=lambda _pid, _started: variables)
    assert said == f"{place} is not shown: {name}: no such pane; pid 1234 on pts/3"


def test_one_that_does_not_answer_is_not_waited_for(
    programs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs("wezterm", "exec sleep 60")
    monkeypatch.setattr(panes, "PATIENCE_S", 0.2)
    said = go(process(), {}, around=lambda _pid, _started: {"WEZTERM_PANE": "1"})
    assert said == "WezTerm pane 1 is not shown: wezterm did not answer within 0.2 s; pid 1234 on pts/3"


def test_iterm2_is_asked_by_the_id_of_the_session_and_only_on_a_mac() -> None:
    variables = {"ITERM_SESSION_ID": "w0t2p0:9E223F41-B4B0-4A5C-ABCD-000000000000"}
    way = other(variables, lambda name: f"/usr/bin/{name}", "darwin")
    assert way is not None
    assert way.command[:2] == ("osascript", "-e")
    assert way.command[3:] == ("9E223F41-B4B0-4A5C-ABCD-000000000000",)
    assert other(variables, lambda name: f"/usr/bin/{name}", "linux") is None


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"KITTY_WINDOW_ID": "7"},
        {"KITTY_WINDOW_ID": "7", "KITTY_LISTEN_ON": "fd:4"},
        {"KITTY_WINDOW_ID": "7 or all", "KITTY_LISTEN_ON": "unix:/x"},
        {"WEZTERM_PANE": "--help"},
        {"ZELLIJ_PANE_ID": "-1"},
        {"ITERM_SESSION_ID": 'x" & do shell script "id'},
        {"STY": "-ls", "WINDOW": "1"},
        {"STY": "1.x", "WINDOW": "1; kill"},
    ],
)
def test_what_is_no_pane_runs_nothing_and_where_it_is_is_said(variables: dict[str, str]) -> None:
    ran: list[Sequence[str]] = []

    def run(command: Sequence[str], _variables: Mapping[str, str]) -> Done:
        ran.append(command)
        return Done("")

    said = go(
        *(process(), {}), run=run, around=lambda _pid, _started: variables, which=lambda name: name, platform="darwin"
    )
    assert said == "pid 1234 on pts/3: this terminal cannot be told to show it"
    assert ran == []


ODD = (
    "7",
    "-7",
    "7\n",
    "7\0",
    "٧",
    "--help",
    "unix:/x",
    "unix:/x y",
    "tcp:\x1b",
    "-x",
    "a b",
    "w0t0p0:" + "A" * 36,
    "1.x",
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(ODD) for name in sorted(KEPT)}))
def test_whatever_a_process_was_given_no_argument_is_an_option_of_its_making(variables: dict[str, str]) -> None:
    way = other(variables, lambda name: name, "darwin")
    if way is not None:
        options = [word for word in way.command if word.startswith("-")]
        assert all(re.fullmatch(r"-[eSX]|--pane-id|--(to|match|session)=.*", word, re.DOTALL) for word in options)
        assert not any(control in word for word in way.command if word != panes._REVEAL for control in "\x00\n\x1b")


def test_a_terminal_is_not_believed_of_a_process_that_has_none() -> None:
    variables = {"KITTY_WINDOW_ID": "7", "KITTY_LISTEN_ON": "unix:/x"}
    said = go(process(terminal=""), {}, around=lambda _pid, _started: variables, which=lambda name: name)
    assert said == "pid 1234: no terminal to go to"


def test_hostile_names_are_harmless_where_they_are_said() -> None:
    pane = Pane("/tmp/x", "%1", "\x1b]52;c;ZXZpbA==\x07evil\u202e", 2, "w", 1)
    assert where(process(pane=pane, terminal="/dev/pts/3\x1b[2J")) == "pid 1234 on pts/3, tmux pane evil:2.1"


# --- what a process was given ----------------------------------------------------------------------------------


def test_of_an_environment_only_the_variables_of_terminals_are_kept() -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "SECRET": "x",
        "KITTY_WINDOW_ID": "7",
        "TMUX_PANE": "%3",
        "WINDOW": "x" * 9999,
    }
    program = "print(flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], env=environ, **pipes) as child:
        # Before it runs its environment may be empty.
        assert child.stdout is not None
        child.stdout.readline()
        started = psutil.Process(child.pid).create_time()
        assert surroundings(child.pid, started) == {"KITTY_WINDOW_ID": "7", "TMUX_PANE": "%3"}
        assert surroundings(child.pid, started - 100) is None, "the pid of another process"
        child.communicate(b"\n")
    assert surroundings(child.pid, started) is None
    assert go(process(pid=child.pid, started=started), {}) == f"pid {child.pid} has ended"


def test_another_users_process_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    mine = psutil.Process()
    assert surroundings(mine.pid, mine.create_time()) == {}
