"""On native Windows the screen ends with a sentence and the commands without one work.

Simulated: a Python of POSIX from which everything is taken that a Python of Windows has not, before ours is imported.
What the standard library and our libraries load for themselves by platform is loaded before.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.adapter import corpus

SESSION = "ses_dfdd2ceb7ffelgEiz1jVy8D3Ga"
WINDOWS = """
import asyncio, contextlib, email.message, importlib.metadata, io, json, os, pathlib, platformdirs, psutil, selectors
import shutil
import signal, sqlite3, subprocess, sys, tempfile, time, watchfiles

MODULES = {"curses", "fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}

class NotThere:
    def find_spec(self, name, path=None, target=None):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotThere())
for name in MODULES:
    sys.modules.pop(name, None)
SIGNALS = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIG_DFL", "SIG_IGN"}
for name in [name for name in dir(signal) if name.startswith("SIG") and name not in SIGNALS]:
    delattr(signal, name)
POSIX = '''O_CLOEXEC O_DIRECTORY O_NOCTTY O_NOFOLLOW O_NONBLOCK WNOHANG chown fchmod fchown fork forkpty getegid geteuid
    getgid getloadavg getpgid getpgrp getuid killpg lchown mkfifo openpty posix_spawn pread pwrite register_at_fork
    setsid statvfs sysconf tcgetpgrp tcsetpgrp ttyname uname'''
for name in POSIX.split():
    delattr(os, name)
for name in ("tzset", "clock_gettime"):
    delattr(time, name)
sys.platform = "win32"

from tui.cli import main

said = []
for arguments in json.loads(sys.argv[1]):
    output, remarks = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(remarks):
        try:
            status = main(arguments)
        except SystemExit as end:
            status = end.code
        output.flush()
    said.append([status, output.buffer.getvalue().decode(), remarks.getvalue()])
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus.build("1.18.33/nested", tmp_path_factory.mktemp("windows") / "opencode.db")


def on_windows(*commands: list[str]) -> list[list[Any]]:
    """Exit status, stdout and stderr of each command, in one process."""
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS, json.dumps(commands)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[list[Any]] = json.loads(done.stdout)
    return found


def test_every_command_without_a_screen_works(database: Path, tmp_path: Path) -> None:
    positions, document = tmp_path / "positions", tmp_path / "session.html"
    document.write_text("an older one")
    commands = [
        ["--version"],
        ["--help"],
        ["--print-completion", "bash"],
        ["doctor"],
        ["doctor", "--self"],
        ["tree"],
        ["tree", "--json"],
        ["tree", "--timeline"],
        ["ls", "agent:build"],
        ["grep", "hello"],
        ["spend"],
        ["export", SESSION],
        ["export", SESSION, "--format", "html", "-o", str(document)],
        ["events", "--cursor", str(positions)],
        ["events", "--cursor", str(positions)],
    ]
    told = on_windows(*(each if each[0].startswith("-") else [*each, "--db", str(database)] for each in commands))
    for command, (status, stdout, stderr) in zip(commands, told, strict=True):
        assert status == 0, (command, stderr)
        assert stdout or command[-1] in (str(document), str(positions)), command
        assert stderr == ""
    assert positions.read_text().startswith("{")
    assert "Lab nested" in document.read_text()


def test_a_database_that_may_not_be_read_is_a_sentence(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Which user may read everything is nothing that a test chooses.
    denied = f"""
import os
os.access = lambda path, mode: mode != os.R_OK or str(path) != {str(database)!r}
from adapter.sqlite.permissions import obstacle
from pathlib import Path
print(json.dumps([[0, obstacle(Path({str(database)!r})), ""]]))
"""
    script = WINDOWS.split("from tui.cli")[0] + denied
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0][1] == f"no permission to read {database}"


def test_the_screen_is_a_sentence_that_says_where_it_runs() -> None:
    for status, stdout, stderr in on_windows([], ["--demo"], ["--keys"]):
        assert (status, stdout) == (2, "")
        assert "Linux, macOS or WSL" in stderr
        assert len(stderr.splitlines()) == 1
