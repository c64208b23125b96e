"""Completion in real shells, on what the program itself answers them."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.adapter import corpus
from tests.adapter.opencode_writer import OpencodeWriter
from tests.test_imports import PROBE
from tests.tui.test_terminal import COMMAND, Terminal
from tui.cli import build_parser
from tui.commands import completion

PROTOCOL = {
    "_ARGCOMPLETE": "1",
    "_ARGCOMPLETE_IFS": "\n",
    "_ARGCOMPLETE_DFS": "\t",
    "_ARGCOMPLETE_SHELL": "fish",
    "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
}
"""How argcomplete is asked: what parts words, and words from their descriptions."""

SHELLS = {
    "bash": ["--norc", "--noprofile", "-i"],
    "zsh": ["-f", "-i"],
    "fish": ["--no-config", "-i"],
}
LOAD = {
    "bash": 'bind "set bell-style none"; eval "$(opencode-viewer --print-completion bash)"',
    "zsh": 'autoload -U compinit; compinit -D; eval "$(opencode-viewer --print-completion zsh)"',
    "fish": "opencode-viewer --print-completion fish | source",
}
ROOT = "ses_dfdd2ceb7ffelgEiz1jVy8D3Ga"
"""The session of the dump that has sub-agents, and no other begins as it does."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with one database of opencode's."""
    home = tmp_path_factory.mktemp("data")
    (home / "opencode").mkdir()
    corpus.build("1.18.33/nested", home / "opencode" / "opencode.db")
    return home


Asked = Callable[..., list[str]]


@pytest.fixture
def asked(data: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the program answers a shell at the end of a line, with the description behind a tab."""
    # It takes a descriptor that a shell has opened, and in a test somebody else.
    monkeypatch.setattr(completion.Finder, "_init_debug_stream", lambda _: None)

    def ask(line: str, data: Path = data) -> list[str]:
        for name, value in {**PROTOCOL, "XDG_DATA_HOME": str(data)}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        output, ends = io.StringIO(), list[int]()
        completion.answer(build_parser(), output, ends.append)
        assert ends == [0]
        return [words.rstrip("\t") for words in output.getvalue().split("\n")]

    return ask


def listing(directory: Path) -> dict[str, tuple[int, int]]:
    return {one.name: (one.stat().st_size, one.stat().st_mtime_ns) for one in directory.iterdir()}


def test_fields_values_sessions_and_databases_are_known_and_nothing_is_written(asked: Asked, data: Path) -> None:
    before = listing(data / "opencode")
    assert "is:\tin this state, with this flag, of this kind" in asked("opencode-viewer ls ")
    assert asked("opencode-viewer ls is:r") == ["is:running", "is:root"]
    assert asked("opencode-viewer spend -- -agent:NE") == ["-agent:NEster"]
    assert asked("opencode-viewer grep x dir:") == ["dir:project"]
    assert asked("opencode-viewer grep --in prompt,ti") == ["prompt,title"]
    assert asked("opencode-viewer export ses_dfdd2ce") == [f"{ROOT}\tLab nested"]
    assert asked("opencode-viewer tree --session ses_dfdd2ce") == [f"{ROOT}\tLab nested"]
    assert asked("opencode-viewer --db ")[0] == f"{data}/opencode/opencode.db\ta database of opencode's"
    assert asked(f"opencode-viewer tree --db {data}/op") == [f"{data}/opencode/"]
    assert listing(data / "opencode") == before


def test_sessions_are_those_of_the_database_that_is_named(asked: Asked, data: Path, tmp_path: Path) -> None:
    other = f"opencode-viewer --db {data}/opencode/opencode.db export ses_dfdd2ce"
    assert asked(other, tmp_path) == [f"{ROOT}\tLab nested"]
    assert asked("opencode-viewer export ", tmp_path) == [""]
    assert asked("opencode-viewer --db /nowhere export ") == [""]


def test_a_database_that_could_be_read_only_by_making_a_file_is_left_alone(asked: Asked, tmp_path: Path) -> None:
    writer = OpencodeWriter(tmp_path / "opencode.db", "1.18.33")
    writer.session("Only in the WAL")
    copied = tmp_path / "copy" / "opencode"
    copied.mkdir(parents=True)
    for name in ("opencode.db", "opencode.db-wal"):
        shutil.copy(tmp_path / name, copied / name)
    writer.close()
    before = listing(copied)
    assert asked("opencode-viewer export ", copied.parent) == [""]
    assert listing(copied) == before


def test_what_a_stranger_called_a_session_is_harmless(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "opencode").mkdir()
    path = corpus.build("1.18.33/nested", tmp_path / "opencode" / "opencode.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE session SET title = ? WHERE id = ?", ("a\x1b]0;x\x07\n\tb\x0bc", ROOT))
        connection.execute("UPDATE session SET id = '$(touch x)' || rowid WHERE id != ?", (ROOT,))
        connection.commit()
    (answer,) = asked("opencode-viewer export ", tmp_path)
    assert answer.startswith(f"{ROOT}\ta")
    assert answer.isprintable() or answer.replace("\t", "", 1).isprintable()


@pytest.mark.parametrize(
    ("words", "not_needed"),
    [("is:", {"sqlite3", "aiosqlite", "asyncio", "textual", "rich"}), ("agent:", {"textual", "rich"})],
)
def test_it_loads_no_database_for_names_and_never_what_draws(words: str, not_needed: set[str], data: Path) -> None:
    line = f"opencode-viewer ls {words}"
    environ = {**PROTOCOL, "XDG_DATA_HOME": str(data), "COMP_LINE": line, "COMP_POINT": str(len(line))}
    action = f"""
import os
os.environ.update({environ!r})
from tui.cli import build_parser
from tui.commands import completion
with open(os.devnull, "w") as nowhere:
    completion.answer(build_parser(), nowhere, lambda _: None)
"""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(action=action)], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    assert {"argcomplete", "tui"} <= loaded
    assert not loaded & not_needed


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, data: Path, tmp_path: Path) -> Iterator[Terminal]:
    name = request.param
    where = shutil.which(name)
    if where is None:
        pytest.skip(f"{name} IS NOT INSTALLED: its completion has not been tried")
    path = f"{COMMAND.parent}:{os.environ['PATH']}"
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(data), "PATH": path, "ZDOTDIR": str(tmp_path)}
    terminal = Terminal(
        *SHELLS[name], columns=150, command=Path(where), PS1="ready> ", TERM="xterm", fish_greeting="", **home
    )
    terminal.child.delaybeforesend = None
    if name == "fish":
        terminal.child.send("function fish_prompt; echo 'ready> '; end; clear\n")
    terminal.until("ready> ")
    terminal.child.send(f"{LOAD[name]}; echo lo''aded\n")
    terminal.until("loaded\n|loaded +")
    terminal.child.send("clear\n")
    yield terminal
    terminal.child.close(force=True)


def test_a_shell_completes(shell: Terminal) -> None:
    """Each step goes on with the line of the one before."""
    shell.child.send("opencode-viewer exp\t")
    shell.until("opencode-viewer export ")
    shell.child.send("ses_\t")
    shell.until("export ses_dfdd2c")
    # Beyond what they have in common it is a choice of three.
    shell.child.send("\t\t")
    shell.until("Delegate further")
    shell.until("Lab nested")
    shell.child.send("\x15opencode-viewer export ses_dfdd2ce\t")
    shell.until(f"export {ROOT}")
    shell.child.send("\x15opencode-viewer ls agent:nes\t")
    shell.until("ls agent:nester")
