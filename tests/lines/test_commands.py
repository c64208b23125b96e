"""Other commands than ssh: as for a container with another user and no environment, and all that can stand at the far
end instead of us. Each is a sentence that says what to do, in a command and on the screen, and never a traceback."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

import tui
from adapter.remote import line as lines
from tests.adapter import corpus
from tests.adapter.opencode_writer import OpencodeWriter
from tests.lines.commands import script, serve, viewer
from tests.lines.spread import spread
from tests.tui.test_terminal import Terminal

NOBODY = 65534
ALSO = ("python3.11", "python3.12", "python3.13", "/usr/bin/python3.11", "/usr/bin/python3")
"""Pythons of the system: that of the tests may lie in the home of who runs them."""
OLD = """\
import argparse
parser = argparse.ArgumentParser(prog="opencode-viewer")
parser.add_subparsers(dest="command").add_parser("ls")
parser.parse_args()
"""
"""A version without `serve`."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus.build("1.18.33/nested", tmp_path_factory.mktemp("data") / "opencode.db")


def as_nobody(*command: str) -> list[str]:
    """A command that is run by another user. Skips the test, loudly, where that cannot be done."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("NOT TESTED: a far end of another user. That takes root and setpriv (util-linux)")
    ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [setpriv, *ids, *command]


def for_everybody(path: Path) -> bool:
    """Whether every user may come to a path."""
    return all(place.stat().st_mode & 0o001 for place in path.resolve().parents)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory to which every user may come, which one of pytest's is not."""
    with tempfile.TemporaryDirectory(prefix="opencode-viewer-line-") as directory:
        place = Path(directory)
        place.chmod(0o755)
        yield place


def serve_for_everybody(database: Path) -> list[str]:
    """The far end of a database, run by a Python that every user may start. Skips the test, loudly, without one."""
    packages = [str(Path(module.__file__ or "").parents[1]) for module in (tui, msgspec)]
    pythons = [Path(sys.executable).resolve(), *map(Path, filter(None, map(shutil.which, ALSO)))]
    for python in pythons:
        if not all(map(for_everybody, (python, Path(packages[0]), Path(packages[1])))):
            continue
        path = f"PYTHONPATH={os.pathsep.join(packages)}"
        tried = [*as_nobody("env", "-i", path, str(python)), "-c", "import tui.cli, adapter.local, msgspec, psutil"]
        if subprocess.run(tried, capture_output=True, check=False).returncode == 0:
            return ["env", path, str(python), "-m", "tui", "serve", "--db", str(database)]
    pytest.skip(f"NOT TESTED: a far end of another user. No other user may run any of {', '.join(map(str, pythons))}")


def without_host(tree: str) -> str:
    """A tree as text without the names of its machine, which stand behind titles."""
    return re.sub(r"  (?:env|setpriv|su|sudo|box)(?=  )", "", tree)


@pytest.mark.parametrize("env", [["-i"], ["-i", "HOME=/nonexistent"], ["-i", "HOME=/", "LC_ALL=C", "PATH=/bin"]])
def test_without_an_environment_the_far_end_tells_the_same(env: list[str], database: Path) -> None:
    here = viewer("tree", "--db", str(database))
    there = viewer("tree", "--via", shlex.join(["env", *env, *serve(database)]))
    assert (there.returncode, there.stderr, without_host(there.stdout)) == (0, "", here.stdout)


def test_another_user_with_another_home_tells_the_same_and_leaves_nothing(open_place: Path) -> None:
    home = open_place / "home"
    home.mkdir()
    path = corpus.build("1.18.33/nested", open_place / "opencode.db")
    path.chmod(0o644)
    far = as_nobody("env", "-i", f"HOME={home}", *serve_for_everybody(path))
    os.chown(home, NOBODY, NOBODY)
    here = viewer("tree", "--db", str(path))
    there = viewer("tree", "--via", shlex.join(far))
    assert (there.returncode, there.stderr, without_host(there.stdout)) == (0, "", here.stdout)
    assert not list(home.iterdir())


def test_what_another_user_may_not_read_is_told(open_place: Path) -> None:
    path = corpus.build("1.18.33/nested", open_place / "opencode.db")
    path.chmod(0o600)
    done = viewer("ls", "--via", shlex.join(as_nobody("env", "-i", *serve_for_everybody(path))))
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.search("permission|not permitted|may not", done.stderr), done.stderr


def not_there(path: Path) -> str:
    return str(path / "docker-that-is-not-there") + " exec -i box opencode-viewer serve"


def missing(path: Path) -> str:
    said = 'OCI runtime exec failed: exec: "opencode-viewer": executable file not found in $PATH: unknown'
    return script(path / "docker", f"echo '{said}' >&2", 'echo "What\'s next: docker debug box" >&2', "exit 127")


def missing_without_a_word(path: Path) -> str:
    return script(path / "docker", "exit 127")


def old(path: Path) -> str:
    (path / "old.py").write_text(OLD)
    return script(path / "docker", f"exec {sys.executable} {path / 'old.py'} serve")


def stopped(path: Path) -> str:
    return script(path / "docker", "echo 'Error response from daemon: container 1f2e is not running' >&2", "exit 1")


def no_docker(path: Path) -> str:
    said = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
    return script(path / "docker", f"echo '{said}' >&2", "exit 1")


def wants_a_password(path: Path) -> str:
    return script(path / "docker", "echo 'sudo: a terminal is required to read the password' >&2", "exit 1")


def traceback(path: Path) -> str:
    return script(path / "docker", f"exec {sys.executable} -c 'import module_that_is_not_there'")


def a_shell(path: Path) -> str:
    return script(path / "docker", "echo 'Welcome to box'", "exec cat")


def another_server(path: Path) -> str:
    return script(path / "docker", 'echo \'{"jsonrpc": "2.0", "id": 1}\'', "exit 0")


def newer(path: Path) -> str:
    hello = '{"is":"hello","protocol":2,"program":"opencode-viewer 9.0","clock":1.5,"databases":[]}'
    return script(path / "docker", f"echo '{hello}'", "exec cat >/dev/null")


def silent(path: Path) -> str:
    return script(path / "docker", "exec sleep 600")


def binary(path: Path) -> str:
    return script(path / "docker", "head -c 300000 /dev/urandom")


Fault = Callable[[Path], str]
FAULTS: list[tuple[Fault, str]] = [
    (not_there, "cannot be started on this machine: No such file or directory"),
    (missing, "opencode-viewer is not found over there: install it there"),
    (missing_without_a_word, "opencode-viewer is not found over there: install it there"),
    (old, "the opencode-viewer over there is too old to serve: upgrade it there"),
    (stopped, "the container does not run, or is called otherwise"),
    (no_docker, "docker of this machine does not take this user's commands"),
    (wants_a_password, "the login asks for what nobody can type here"),
    (traceback, "ended with status 1 before anything was said (ModuleNotFoundError"),
    (a_shell, "nothing over there speaks as opencode-viewer serve does; it said"),
    (another_server, "is it `... opencode-viewer serve`?"),
    (newer, "is newer and speaks protocol 2, this one 1: upgrade the one here"),
    (silent, "nothing over there speaks as opencode-viewer serve does"),
    (binary, "is it `... opencode-viewer serve`?"),
]
SLOW = (a_shell, silent)
"""Those that are waited for as long as a login may take."""
NAMES = [fault.__name__ for fault, _ in FAULTS]


@pytest.fixture
def short(tmp_path: Path) -> dict[str, str]:
    """An environment in which a greeting is waited for two seconds, as nobody waits for half a minute here."""
    (tmp_path / "sitecustomize.py").write_text("from adapter.remote import line\nline.GREETING_S = 2.0\n")
    assert lines.GREETING_S > 2
    return {"PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=NAMES)
def test_what_stands_there_instead_is_a_sentence_of_the_command(
    fault: Fault, words: str, tmp_path: Path, short: dict[str, str]
) -> None:
    done = viewer("ls", "--via", fault(tmp_path), **(short if fault in SLOW else {}))
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.rstrip("\n").isprintable()


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=NAMES)
def test_what_stands_there_instead_is_a_sentence_on_the_screen(
    fault: Fault, words: str, tmp_path: Path, short: dict[str, str]
) -> None:
    terminal = Terminal("--via", fault(tmp_path), columns=80, rows=24, **(short if fault in SLOW else {}))
    try:
        terminal.until(spread(words))
        assert "Traceback" not in terminal.text
        assert terminal.quit() == 0
    finally:
        terminal.child.close(force=True)


def test_one_that_cannot_be_reached_hides_no_other(tmp_path: Path, database: Path) -> None:
    done = viewer("ls", "--db", str(database), "--via", missing(tmp_path))
    assert done.returncode == 1
    assert "Lab nested" in done.stdout
    assert "is not found over there" in done.stderr


def test_what_a_shell_says_before_the_far_end_does_is_passed_over(tmp_path: Path, database: Path) -> None:
    far = shlex.join(serve(database))
    via = script(tmp_path / "docker", "echo 'Welcome to box'; echo; echo '{\"is\":\"hello\"}'; printf '\\377\\n'", far)
    here = viewer("tree", "--db", str(database))
    there = viewer("tree", "--via", via)
    assert (there.returncode, there.stderr, without_host(there.stdout)) == (0, "", here.stdout)


def test_one_that_dies_after_the_hello_is_told_and_asked_again(tmp_path: Path, database: Path) -> None:
    hello = f'{{"is":"hello","protocol":1,"clock":1.5,"databases":[{{"path":"{database}"}}]}}'
    via = script(tmp_path / "docker", f"echo '{hello}'", "echo 'the disk is full' >&2", "exit 3")
    done = viewer("ls", "--via", via)
    assert (done.returncode, done.stdout) == (2, "")
    assert "box: the line is cut: the command ended with status 3 (the disk is full)" in done.stderr
    terminal = Terminal("--via", via, columns=80, rows=24)
    try:
        terminal.until(spread("the line is cut: the command ended with status 3"))
        assert terminal.quit() == 0
    finally:
        terminal.child.close(force=True)


def test_one_that_is_killed_is_told_and_comes_back_by_itself(tmp_path: Path) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        opencode.user(opencode.session("Before"))
        via = script(tmp_path / "docker", "exec " + shlex.join(serve(opencode.path)))
        terminal = Terminal("--via", via, columns=80, rows=24)
        try:
            terminal.until("box Before")
            (far,) = psutil.Process(terminal.child.pid).children()
            far.kill()
            terminal.until(spread("the line is cut: the command was ended by signal 9"))
            opencode.user(opencode.session("Behind"))
            terminal.until("box Behind")
            terminal.until_gone("the line is cut")
            (far,) = psutil.Process(terminal.child.pid).children()
            assert terminal.quit() == 0
            assert not far.is_running()
        finally:
            terminal.child.close(force=True)
