"""Over a real ssh everything is as it is here: the commands, the screen, and a line that is cut; and what fails is a
sentence that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.adapter import corpus
from tests.adapter.opencode_writer import OpencodeWriter
from tests.lines import sshd
from tests.lines.commands import serve, viewer
from tests.lines.spread import spread
from tests.lines.sshd import Sshd
from tests.tui.test_terminal import Terminal

SESSION = "ses_dfdd2ceb7ffelgEiz1jVy8D3Ga"
"""The session of the dump that has sub-agents."""
PAYLOAD = "opencode-sqlite://?part_id=prt_2022d3d0f001kV5QWI54WNfgV5&field=state.output"
OF_THIS_RUN = re.compile(
    r'"(exported_ts|longest_read_ms|statements\w*|hops|looked|lag\w*_ms|size|wal_size)":[-\d.]+'
    r"|longest read +.*"
    r'|(?<="kind":"source_progress","source":"via:box","ts":)\d+'
)
"""What is of the moment, or of who reads, and not of what is read."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd.running(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def box(server: Sshd) -> Iterator[Sshd]:
    """The server as it was, whatever a test does with it."""
    yield server
    server.knows("host_key")
    if not server.runs:
        server.start()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus.build("1.18.33/nested", tmp_path_factory.mktemp("data") / "opencode.db")


def comparable(output: str, database: Path) -> str:
    """Without the name of the source, and without what is of the moment."""
    for here in (f"opencode:{database}", f"box:{database}", str(database)):
        output = output.replace(here, "via:box")
    for names_host in ("  box:", "  box  "):
        # In text the host stands before the project, or in a column of its own; before a session that cost something.
        output = output.replace(names_host, "  ")
    output = re.sub(r"^box (Lab \w+)", r"\1    ", output, flags=re.MULTILINE)
    return OF_THIS_RUN.sub("", output)


@pytest.mark.parametrize(
    "words",
    [
        ["ls"],
        ["ls", "--json"],
        ["grep", "further"],
        ["grep", "--json", "further"],
        ["show", PAYLOAD],
        ["spend", "--by", "session"],
        ["spend", "--json"],
        ["export", SESSION],
        ["export", SESSION, "--format", "json"],
        ["export", SESSION, "--format", "html"],
        ["doctor"],
        ["tree"],
        ["tree", "--json"],
        ["events"],
    ],
    ids=" ".join,
)
def test_a_command_gives_over_ssh_what_it_gives_here(words: list[str], box: Sshd, database: Path) -> None:
    here = viewer(*words, "--db", str(database))
    there = viewer(*words, "--via", box.via(*serve(database)))
    assert (there.returncode, there.stderr) == (here.returncode, here.stderr) == (0, "")
    assert comparable(there.stdout, database) == comparable(here.stdout, database) != ""


def test_nothing_is_written_over_there(box: Sshd, database: Path) -> None:
    before = {path.name: path.read_bytes() for path in database.parent.iterdir()}
    assert viewer("tree", "--via", box.via(*serve(database))).returncode == 0
    assert {path.name: path.read_bytes() for path in database.parent.iterdir()} == before
    assert not list((box.root / "home").rglob("*"))


def refused_key(box: Sshd, database: Path) -> str:
    return box.via(*serve(database), key="stranger")


def refused_key_in_batch(box: Sshd, database: Path) -> str:
    return box.via(*serve(database), key="stranger", options=("-oBatchMode=yes",))


def unknown_host_key(box: Sshd, database: Path) -> str:
    box.knows("")
    return box.via(*serve(database))


def changed_host_key(box: Sshd, database: Path) -> str:
    box.knows("other_host_key")
    return box.via(*serve(database))


def stopped_server(box: Sshd, database: Path) -> str:
    box.stop()
    return box.via(*serve(database))


def missing_program(box: Sshd, database: Path) -> str:
    return box.via("opencode-viewer-that-is-not-there", "serve", "--db", str(database))


def not_to_be_run(box: Sshd, database: Path) -> str:
    return box.via(str(box.root / "banner"), "serve", "--db", str(database))


def no_such_name(box: Sshd, database: Path) -> str:
    return "ssh -F /dev/null box.invalid opencode-viewer serve"


def another_program(box: Sshd, database: Path) -> str:
    return box.via("echo", "Welcome")


FAULTS = [
    (refused_key, "the login asks for what nobody can type here: set up a key"),
    (refused_key_in_batch, "the login asks for what nobody can type here: set up a key"),
    (unknown_host_key, "does not know the key of that host: log in once by hand"),
    (changed_host_key, "shows another key than the one that is known"),
    (stopped_server, "the machine cannot be reached"),
    (missing_program, "opencode-viewer is not found over there: install it there"),
    (not_to_be_run, "opencode-viewer may not be started over there"),
    (no_such_name, "there is no host of this name"),
    (another_program, "said 'Welcome': is it `... opencode-viewer serve`?"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_what_fails_is_a_sentence_of_the_command_whatever_the_host_says_to_everybody(
    fault: object, words: str, box: Sshd, database: Path
) -> None:
    assert callable(fault)
    done = viewer("ls", "--via", fault(box, database))
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("fault", "words"), FAULTS[1:4:2], ids=[fault.__name__ for fault, _ in FAULTS[1:4:2]])
@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
def test_what_fails_stands_on_the_screen_though_there_is_no_session(
    fault: object, words: str, columns: int, rows: int, box: Sshd, database: Path
) -> None:
    assert callable(fault)
    terminal = Terminal("--via", fault(box, database), columns=columns, rows=rows)
    try:
        terminal.until(spread(words))
        terminal.until("No opencode session yet")
        assert terminal.quit() == 0
    finally:
        terminal.child.close(force=True)


def client_of(terminal: Terminal) -> psutil.Process:
    """The ssh that a program on a terminal has started."""
    (client,) = [child for child in psutil.Process(terminal.child.pid).children() if child.name() == "ssh"]
    return client


def test_the_screen_is_live_over_ssh_says_since_when_it_is_not_and_comes_back_by_itself(
    box: Sshd, tmp_path: Path
) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        opencode.user(opencode.session("There from the beginning"))
        terminal = Terminal("--via", box.via(*serve(opencode.path)))
        try:
            terminal.until("box There from the beginning")
            opencode.user(opencode.session("New while it is watched"))
            terminal.until("box New while it is watched")
            box.stop()
            client_of(terminal).kill()
            terminal.until(r"! box: (?s:.*)not\s+live\s+since\s+\d\d:\d\d:\d\d")
            assert "box There from the beginning" in terminal.text
            opencode.user(opencode.session("New while it was cut"))
            opencode.change_session(opencode.sessions[0], title="Another title")
            box.start()
            terminal.until("box New while it was cut")
            terminal.until("box Another title")
            terminal.until_gone("not live since")
            assert terminal.text.count("New while it is watched") >= 1
            assert "Sessions 3" in terminal.text
            client = client_of(terminal)
            assert terminal.quit() == 0
            assert not client.is_running(), "ssh goes on without us"
        finally:
            terminal.child.close(force=True)


def test_a_host_of_the_file_of_wishes_is_watched_by_its_name(box: Sshd, database: Path, tmp_path: Path) -> None:
    wishes = tmp_path / "home" / "config" / "opencode-viewer" / "config.toml"
    wishes.parent.mkdir(parents=True)
    command = box.via(*serve(database)).replace("\\", "\\\\").replace('"', '\\"')
    wishes.write_text(f'[hosts]\nlab = "{command}"\n')
    done = viewer("ls", "--json", "--host", "lab")
    assert done.returncode == 0, done.stderr
    assert '"sources":["via:lab"]' in done.stdout
