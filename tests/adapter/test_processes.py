"""Which processes are opencode's, and who has a database open: command lines of real ones, and tables made by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from adapter.processes import roles, this_machine, tmux
from adapter.processes.facts import Pane, Process, Processes
from adapter.processes.registration import service_pids
from adapter.processes.system import Facts, Named, Node, Use
from adapter.processes.table import CPU_S, EVERY_S, FORGET_S, GAP_S, SETTLED_S, Table
from adapter.processes.this_machine import ThisMachine

# -- by name and arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "major"),
    [
        ("opencode", 1),
        ("opencode.exe", 1),
        (".opencode", 1),
        ("opencode-cli", 1),
        ("opencode2", 2),
        ("lildax", 2),
    ],
)
def test_opencode_is_known_by_its_executable(program: str, major: int) -> None:
    assert roles.is_opencode(program)
    assert roles.major_of(program) == major


@pytest.mark.parametrize(
    "program", ["opencode-viewer", "sh", "bun", "node", "python3.11", "opencoder", "", "my-opencode"]
)
def test_nothing_else_is(program: str) -> None:
    assert not roles.is_opencode(program)


@pytest.mark.parametrize(
    ("arguments", "major", "role", "session_id", "kept"),
    [
        ([], 1, "tui", "", []),
        (["/home/ada/app"], 1, "tui", "", []),
        (["-s", "ses_1"], 1, "tui", "ses_1", ["-s", "ses_1"]),
        (["--session=ses_1", "--continue"], 1, "tui", "ses_1", ["-s", "ses_1", "-c"]),
        (["run", "fix", "the", "secret", "thing"], 1, "run", "", ["run"]),
        (["run", "-m", "a/b", "-s", "ses_2", "words"], 1, "run", "ses_2", ["run", "-m", "a/b", "-s", "ses_2"]),
        (["run", "--attach", "http://me:pw@host", "words"], 1, "client", "", ["run", "--attach"]),
        (["attach", "http://me:pw@host"], 1, "client", "", ["attach"]),
        (
            ["serve", "--hostname", "127.0.0.1", "--port", "0"],
            1,
            "serve",
            "",
            ["serve", "--hostname", "127.0.0.1", "--port", "0"],
        ),
        (["web"], 1, "serve", "", ["web"]),
        (["acp"], 1, "acp", "", ["acp"]),
        (["models"], 1, "", "", ["models"]),
        (["run", "--", "-s", "ses_3"], 1, "run", "", ["run"]),
        (["serve", "--service"], 2, "service", "", ["serve", "--service"]),
        (["serve", "--stdio", "--port", "0"], 2, "private", "", ["serve", "--stdio", "--port", "0"]),
        (["run", "--standalone", "--auto", "words"], 2, "client", "", ["run", "--standalone", "--auto"]),
        ([], 2, "client", "", []),
        (["--password", "hunter2", "-s", "ses_4"], 1, "tui", "ses_4", ["-s", "ses_4"]),
    ],
)
def test_arguments_say_what_a_process_does_and_texts_of_people_are_not_kept(
    arguments: list[str], major: int, role: str, session_id: str, kept: list[str]
) -> None:
    command = roles.command_of(["opencode", *arguments], major)
    assert (command.role, command.session_id) == (role, session_id)
    assert [word for word in command.arguments if word != "--password"] == kept


def test_the_launcher_of_npm_is_known_by_its_script() -> None:
    assert roles.script_of(["node", "/usr/lib/node_modules/opencode-ai/bin/opencode", "run", "x"]) == "opencode"
    assert roles.script_of(["node", "server.js", "opencode"]) == ""
    assert roles.script_of(["node"]) == ""


def test_a_listing_of_panes_is_read_and_a_line_that_is_none_is_left_out() -> None:
    listing = "/dev/pts/1\t77\t%3\t1\t0\tmain\tone\ttab\nerror: lost server\n\t\t%4\tx\t0\tmain\tz\n"
    assert tmux.read("/tmp/s", listing) == [
        tmux.Listed("/dev/pts/1", 77, Pane("/tmp/s", "%3", "main", 1, "one\ttab", 0))
    ]
    assert tmux.read("/tmp/s", listing)[0].pane.place == "main:1.0"


# -- a table made by hand --------------------------------------------------------------------------------------


class FakeProcess:
    """A process of a fake system."""

    def __init__(self, program: str, *arguments: str, started: float = 100.0, **fields: object) -> None:
        self.named = Named(started, program, 0, True)
        self.facts = Facts([program, *arguments], "/app", "ada", 1, "")
        self.use = Use(started, 0.0, 1000)
        self.writes: list[str] | None = []
        self.asked = 0
        for name, value in fields.items():
            setattr(self, name, value)


class FakeSystem:
    """A process table that a test changes."""

    def __init__(self) -> None:
        self.table: dict[int, FakeProcess] = {}
        self.why = ""
        self.set = False
        self.listed: list[tmux.Listed] = []
        self.listings = 0

    def was_set(self) -> bool:
        was, self.set = self.set, False
        return was

    def pids(self) -> Sequence[int]:
        return list(self.table)

    def named(self, pid: int) -> Named | None:
        return self.table[pid].named if pid in self.table else None

    def facts(self, pid: int) -> Facts | None:
        return self.table[pid].facts if pid in self.table else None

    def use(self, pid: int) -> Use | None:
        return self.table[pid].use if pid in self.table else None

    def writes(self, pid: int, files: Mapping[str, Node]) -> list[str] | None:
        if pid not in self.table:
            return []
        self.table[pid].asked += 1
        found = self.table[pid].writes
        return None if found is None else [path for path in found if path in files]

    def secrecy(self, path: str) -> str:
        return self.why

    def panes(self) -> list[tmux.Listed]:
        self.listings += 1
        return self.listed


class Stage:
    """A table on a fake system, a database, and a clock."""

    def __init__(self, directory: Path) -> None:
        self.now = 1000.0
        self.system = FakeSystem()
        self.path = str(directory / "opencode.db")
        Path(self.path).touch()
        self.write()
        clock = lambda: self.now  # noqa: E731
        self.table = Table(self.system, clock=clock, monotonic=clock, cost=lambda: 0.0)

    def put(self, pid: int, program: str, *arguments: str, has: bool = True, **fields: object) -> FakeProcess:
        """Starts a process."""
        process = self.system.table[pid] = FakeProcess(program, *arguments, **fields)
        if has:
            process.writes = [self.path]
        return process

    def write(self) -> None:
        """Somebody writes to the database now."""
        os.utime(self.path, (self.now, self.now))

    def look(self, seconds: float = EVERY_S) -> Processes:
        """The look after so many seconds."""
        self.now += seconds
        return self.table.look(self.path)

    def holders(self) -> list[int]:
        """Who has the database open, by a look."""
        return [one.pid for one in self.look().holders(self.path)]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_who_has_the_database_open_is_told_and_who_has_not_too(stage: Stage) -> None:
    stage.put(7, "opencode", "run", "words")
    stage.put(8, "opencode", has=False)
    stage.put(9, "vim")
    known = stage.look()
    assert known.complete
    assert [one.pid for one in known.running] == [7, 8, 9]
    assert [one.pid for one in known.holders(stage.path)] == [7, 9]
    assert [one.role for one in known.running] == ["run", "tui", "other"]


def test_the_desktop_works_on_sessions_of_any_directory(stage: Stage) -> None:
    stage.put(7, "OpenCode", "--enable-something")
    stage.put(8, "opencode-desktop.exe")
    assert [one.role for one in stage.look().holders(stage.path)] == ["desktop", "desktop"]


def test_a_tmux_server_that_does_not_answer_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def stopped(arguments: list[str], **_: object) -> None:
        asked.append(arguments[3])
        raise subprocess.TimeoutExpired(arguments, 1)

    monkeypatch.setattr(tmux, "sockets", lambda env: ["/a", "/b"])
    monkeypatch.setattr(tmux.shutil, "which", lambda name: "/usr/bin/tmux")
    monkeypatch.setattr(tmux.subprocess, "run", stopped)
    assert tmux.panes({}) == []
    assert asked == ["/a"]


def test_one_that_has_gone_is_remembered_with_when_it_was_missed(stage: Stage) -> None:
    stage.put(7, "opencode")
    stage.put(8, "opencode", has=False)
    stage.look()
    stage.system.table.clear()
    known = stage.look()
    assert known.running == []
    assert [(one.process.pid, one.missed) for one in known.ended] == [(7, stage.now)]


def test_a_number_that_is_used_again_is_another_process(stage: Stage) -> None:
    stage.put(7, "opencode")
    stage.look()
    stage.put(7, "opencode", has=False, started=1001.0)
    known = stage.look()
    assert [one.process.pid for one in known.ended] == [7]
    assert stage.holders() == []


def test_what_looks_into_databases_runs_nothing(stage: Stage) -> None:
    stage.put(7, "sqlite3")
    stage.put(os.getpid(), "python3")
    assert stage.look().running == []


def test_a_child_that_becomes_another_program_is_opencode_no_more(stage: Stage) -> None:
    stage.put(7, "opencode")
    stage.look()
    stage.put(7, "sh", has=False)
    known = stage.look(1.9)
    assert known.running == []
    assert known.ended == []


def test_a_child_that_has_not_become_another_program_yet_is_none_of_its_own(stage: Stage) -> None:
    stage.put(7, "opencode", "run", "words")
    facts = Facts(["opencode", "run", "words"], "/app", "ada", 7, "")
    stage.put(8, "opencode", started=stage.now, facts=facts)
    assert [one.pid for one in stage.look().running] == [7]
    del stage.system.table[8]
    assert stage.look().ended == []


def test_one_that_opened_it_late_is_found_when_the_only_one_who_had_it_goes(stage: Stage) -> None:
    stage.put(7, "opencode")
    late = stage.put(8, "opencode", has=False)
    stage.look()
    stage.look()
    late.writes = [stage.path]
    del stage.system.table[7]
    assert stage.holders() == [8]


def test_a_machine_without_proc_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/proc/stat")

    (tmp_path / "opencode.db").touch()
    for name in ("boot_time", "pids"):
        monkeypatch.setattr(psutil, name, missing)
    monkeypatch.setattr(ThisMachine, "secrecy", lambda self, path: "/proc does not tell: No such file or directory")
    known = Table(ThisMachine()).look(str(tmp_path / "opencode.db"))
    assert not known.complete
    assert known.unknown.startswith("/proc does not tell")


def test_what_a_wrapper_started_with_its_own_words_is_found(stage: Stage) -> None:
    # A shim that is called opencode, runs the real one and waits; or one that forks and goes on under its name.
    stage.put(7, "opencode", "run", "words", has=False)
    stage.put(8, "oc", started=stage.now, facts=Facts(["opencode", "run", "words"], "/app", "ada", 7, ""))
    assert stage.holders() == [8]
    stage.put(9, "opencode", "x", has=False)
    stage.put(10, "opencode", has=False, started=stage.now, facts=Facts(["opencode", "x"], "/app", "ada", 9, ""))
    assert sorted(one.pid for one in stage.look().running) == [7, 8, 9]
    assert sorted(one.pid for one in stage.look(SETTLED_S).running) == [7, 8, 9, 10]


@pytest.mark.parametrize(
    ("program", "words", "role"),
    [("opencode2", ["run", "words"], "client"), ("node", ["/usr/bin/opencode"], "launcher")],
)
def test_who_has_the_database_open_can_work_on_it_whatever_he_is_called(
    stage: Stage, program: str, words: list[str], role: str
) -> None:
    stage.put(7, program, *words)
    known = stage.look()
    assert [(one.pid, one.role) for one in known.holders(stage.path)] == [(7, role)]


def test_a_database_that_is_written_by_nobody_who_is_seen_may_have_somebody(stage: Stage) -> None:
    stage.put(7, "opencode")
    assert stage.look().complete
    del stage.system.table[7]
    stage.write()
    assert stage.look().complete, "he was it who wrote before he went"
    stage.now += 1.5
    stage.write()
    known = stage.look()
    assert not known.complete
    assert known.unknown == "something that is not seen has written to the database"
    assert not stage.look(60.0).complete, "it may wait for a person"
    stage.put(8, "oc", started=stage.now - 70)
    assert stage.look(FORGET_S).complete, "it was this one, and it is found late"


def test_another_program_that_opens_it_later_is_found_at_the_latest_when_something_has_gone(stage: Stage) -> None:
    stage.put(7, "opencode")
    bun = stage.put(8, "bun", has=False)
    stage.look()
    bun.writes = [stage.path]
    del stage.system.table[7]
    known = stage.look()
    assert [one.pid for one in known.holders(stage.path)] == [8]


def test_who_writes_to_a_database_that_nobody_has_is_found_under_any_name_at_the_next_look(stage: Stage) -> None:
    strangers = [stage.put(100 + number, "sh", has=False) for number in range(200)]
    late = stage.put(8, "oc", has=False)
    stage.look()
    asked = sum(one.asked for one in strangers)
    stage.look()
    assert sum(one.asked for one in strangers) - asked < 60, "nothing was written"
    assert late.asked == 2, "it has just been asked, and its turn is far"
    late.writes = [stage.path]
    stage.write()
    assert stage.holders() == [8]


def test_since_when_everybody_has_been_asked_is_told(stage: Stage) -> None:
    for number in range(60):
        stage.put(100 + number, "sh", has=False)
    stage.put(7, "opencode")
    first = stage.look()
    assert first.asked == stage.now
    for _ in range(2):
        assert stage.look().asked == first.asked
    stage.look()
    assert first.asked < stage.look().asked < stage.now


def test_a_stranger_of_another_user_who_may_write_and_shows_nothing_makes_nobody_uncertain(stage: Stage) -> None:
    os.chmod(stage.path, 0o666)
    other = os.stat(stage.path).st_uid + 1
    stage.put(8, "bun", has=False, writes=None, named=Named(100.0, "bun", 0, True))
    assert stage.look().complete
    hidden = stage.put(9, "bun", has=False, writes=None, named=Named(100.0, "bun", other, True))
    known = stage.look()
    assert (known.complete, "pid 9" in known.unknown) == (False, True)
    hidden.writes = []
    assert stage.look(FORGET_S).complete


def test_opencode_that_closes_its_database_may_open_it_again(stage: Stage) -> None:
    process = stage.put(7, "opencode2", "serve", "--service")
    stage.look()
    process.writes = []
    assert stage.look(60.0).holders(stage.path)


def test_one_that_starts_between_two_looks_is_known_at_the_next(stage: Stage) -> None:
    assert stage.holders() == []
    process = stage.put(7, "opencode", has=False, started=stage.now + 1)
    assert stage.holders() == []
    process.writes = [stage.path]
    assert stage.holders() == [7]


def test_files_that_are_hidden_mean_that_it_is_not_known(stage: Stage) -> None:
    stage.put(7, "opencode", has=False, named=Named(100.0, "opencode", 0, False))
    known = stage.look()
    assert not known.complete
    assert "pid 7" in known.unknown


def test_a_user_who_cannot_write_to_the_database_does_not_count(stage: Stage) -> None:
    os.chmod(stage.path, 0o644)
    other = os.stat(stage.path).st_uid + 1
    stage.put(7, "opencode", has=False, named=Named(100.0, "opencode", other, False))
    assert stage.look().complete
    os.chmod(stage.path, 0o666)
    assert not stage.look().complete


def test_what_the_system_does_not_tell_is_not_known(stage: Stage) -> None:
    stage.system.why = "we are in a container"
    stage.put(7, "opencode")
    stranger = stage.put(8, "vim")
    known = stage.look()
    assert (known.complete, known.unknown) == (False, "we are in a container")
    assert [one.pid for one in known.holders(stage.path)] == [7]
    assert stranger.asked == 0


def test_a_database_that_is_not_there_is_not_known(stage: Stage) -> None:
    os.unlink(stage.path)
    assert not stage.look().complete


def test_a_database_that_was_replaced_is_another_one(stage: Stage) -> None:
    stage.put(7, "opencode")
    assert stage.holders() == [7]
    # It keeps its inode, which a new file could get otherwise.
    os.rename(stage.path, f"{stage.path}.old")
    Path(stage.path).touch()
    stage.system.table[7].writes = []
    assert stage.holders() == []


def test_since_when_nothing_was_missed_begins_anew_after_a_pause(stage: Stage) -> None:
    since = stage.look().since
    assert stage.look().since == since == 1000.0 + EVERY_S
    assert stage.look(GAP_S).since == stage.now


def test_starts_are_compared_with_other_times_from_the_oldest_on_that_proves_the_clock(stage: Stage) -> None:
    stage.put(1, "init", has=False, started=10.0, named=Named(10.0, "init", 0, True, False))
    assert stage.look().dated == stage.now
    stage.put(50, "sh", has=False, started=200.0)
    stage.put(51, "sh", has=False, started=300.0)
    assert stage.look().dated == 200.0


def test_a_clock_that_is_set_makes_everything_new_and_nothing_end(stage: Stage) -> None:
    stage.put(7, "opencode")
    stage.look()
    stage.system.set = True
    stage.put(7, "opencode", started=5000.0)
    known = stage.look()
    assert ([one.pid for one in known.running], known.ended, known.since) == ([7], [], stage.now)


def test_the_use_of_the_processor_is_that_of_the_last_seconds(stage: Stage) -> None:
    process = stage.put(7, "opencode")
    assert stage.look().running[0].cpu == -1
    for second in range(1, 20):
        process.use = Use(100.0, 0.5 * second * EVERY_S, 5000 + second)
        known = stage.look().running[0]
    assert known.cpu == pytest.approx(50)
    assert (known.memory, known.cpu_s) == (5019, 0.5 * 19 * EVERY_S)
    for _ in range(int(CPU_S / EVERY_S) + 1):
        known = stage.look().running[0]
    assert known.cpu == 0


def test_a_look_asks_little_again(stage: Stage) -> None:
    strangers = [stage.put(100 + number, "sh", has=False) for number in range(50)]
    stage.put(7, "opencode")
    stage.look()
    asked = sum(one.asked for one in strangers)
    assert asked == 50
    spent = iter(range(10_000))
    stage.table._cost = lambda: next(spent) * 0.0001
    stage.look()
    assert sum(one.asked for one in strangers) - asked < 10
    assert stage.system.listings == 1


def test_who_asks_too_soon_gets_the_last_look(stage: Stage) -> None:
    known = stage.look()
    stage.put(7, "opencode")
    assert stage.look(1.0) == known
    assert stage.look(1.0).running


def test_looks_that_take_long_come_more_seldom(stage: Stage) -> None:
    stage.look()
    spent = iter(range(10_000))
    stage.table._cost = lambda: next(spent) * 0.05
    stage.look()
    assert stage.table.pause_s > EVERY_S


def test_numbers_are_asked_anew_from_time_to_time(stage: Stage) -> None:
    stage.put(7, "sh", has=False)
    stage.look()
    stage.put(7, "opencode", has=False)
    assert stage.look().running == []
    for _ in range(int(FORGET_S / EVERY_S)):
        found = stage.look().running
    assert [one.pid for one in found] == [7]


def test_the_pane_is_found_by_the_terminal_and_by_what_was_started_in_it(stage: Stage) -> None:
    here, there = Pane("/s", "%1", "main", 0, "w", 0), Pane("/s", "%2", "main", 1, "w", 0)
    stage.system.listed = [tmux.Listed("/dev/pts/1", 50, here), tmux.Listed("/dev/pts/2", 60, there)]
    stage.put(60, "sh", has=False)
    stage.put(7, "opencode", facts=Facts(["opencode"], "/app", "ada", 1, "/dev/pts/1"))
    stage.put(8, "opencode", facts=Facts(["opencode"], "/app", "ada", 60, ""))
    stage.put(9, "opencode", facts=Facts(["opencode"], "/app", "ada", 1, "/dev/pts/9"))
    assert [one.pane for one in stage.look().running] == [here, there, None]


def test_a_service_is_known_by_its_registration_of_which_nothing_but_the_pid_is_taken(
    stage: Stage, tmp_path: Path
) -> None:
    state = tmp_path / "state" / "opencode"
    state.mkdir(parents=True)
    (state / "service.json").write_text('{"id":"x","url":"http://127.0.0.1:1","pid":7,"password":"hunter2"}')
    (state / "service-next.json").write_text('{"pid": "no')
    (state / "service-odd.json").write_text('{"pid": -3}')
    (state / "other.json").write_text('{"pid": 8}')
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert service_pids(env, tmp_path) == {7}
    assert service_pids({}, tmp_path) == frozenset()
    stage.table._registered = lambda: service_pids(env, tmp_path)
    stage.put(7, "opencode", "some", "arguments")
    stage.put(8, "opencode")
    assert [one.role for one in stage.look().running] == ["service", "tui"]


def test_two_databases_are_told_apart(stage: Stage) -> None:
    other = stage.path + ".other"
    Path(other).touch()
    stage.put(7, "opencode")
    stage.look()
    found = stage.table.look(other)
    assert found.holders(other) == []
    assert [one.pid for one in found.holders(stage.path)] == [7]


# -- this machine ----------------------------------------------------------------------------------------------

HOLDS = "import sys; f = open(sys.argv[1], sys.argv[2]); print(1, flush=True); sys.stdin.read()"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open")
def test_this_machine_tells_who_has_a_file_open_for_writing(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    path.touch()
    other_name = tmp_path / "hard.db"
    os.link(path, other_name)
    table = Table(ThisMachine())
    holders = []
    for mode in ("r", "r+"):
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(path), mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert holder.stdout is not None
        holder.stdout.readline()
        holders.append(holder)
    try:
        known = table.look(str(path))
        reader, writer = holders
        assert [one.pid for one in Table(ThisMachine()).look(str(other_name)).holders(str(other_name))] == [writer.pid]
        (found,) = [one for one in known.running if one.databases]
        assert found.pid == writer.pid != reader.pid
        assert found.directory == os.getcwd()
        assert found.memory > 1_000_000
        assert abs(found.started - time.time()) < 30
        assert found.role == "other"
    finally:
        for holder in holders:
            assert holder.stdin is not None
            assert holder.stdout is not None
            holder.stdin.close()
            holder.wait()
            holder.stdout.close()
    # Dead and buried: nobody is there any more.
    assert ThisMachine().named(holders[1].pid) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open")
def test_one_that_is_dead_and_not_buried_is_gone(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    machine = ThisMachine()
    assert machine.named(child.pid) is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert machine.named(child.pid) is None
        assert machine.use(child.pid) is None
    finally:
        child.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="the numbers of Linux")
def test_our_own_numbers_are_those_of_psutil() -> None:
    import psutil

    ours, theirs = ThisMachine().use(os.getpid()), psutil.Process()
    assert ours is not None
    assert abs(ours.started - theirs.create_time()) < 0.5
    assert ours.memory == pytest.approx(theirs.memory_info().rss, rel=0.2)
    named = ThisMachine().named(os.getpid())
    assert named is not None
    assert named[:4] == (ours.started, os.path.basename(theirs.exe()), theirs.uids().real, True)
    assert not ThisMachine().was_set()


@pytest.mark.skipif(sys.platform != "linux", reason="the namespaces of Linux")
@pytest.mark.parametrize(
    ("began", "mount", "alone"),
    [
        (1.0, ("/", "ext4"), True),
        (90_000.0, ("/", "ext4"), False),
        (90_000.0, ("/tmp", "tmpfs"), False),
        (90_000.0, ("/", "overlay"), True),
        (90_000.0, ("/data", "overlay"), False),
    ],
    ids=["a machine of its own", "a namespace on it", "the same, in memory", "a container", "what it was lent"],
)
def test_from_a_namespace_of_processes_nobody_is_said_where_nobody_outside_can_write(
    began: float, mount: tuple[str, str], alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = ThisMachine()
    monkeypatch.setattr(this_machine, "_FIRST_PIDS", 0)
    monkeypatch.setattr(this_machine, "_mount", lambda _: mount)
    monkeypatch.setattr(machine, "use", lambda _: Use(machine._booted + began, 0.0, 0))
    assert (machine.secrecy("/data/opencode.db") == "") == alone


def test_processes_travel_as_json() -> None:
    import msgspec

    known = Processes(1.0, True, "", 1.0, [Process(7, 1.5, pane=Pane("/s", "%1", "main", 0, "w", 0))])
    assert msgspec.json.decode(msgspec.json.encode(known), type=Processes) == known
