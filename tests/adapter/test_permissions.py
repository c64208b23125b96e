"""Files and directories that we may not write, or not read: what can be read is read without a trace, and what cannot
is one line that says whose it is and what to do."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.adapter import corpus
from tests.adapter.stranger import NOBODY, Stranger
from tests.adapter.writer import Writer

SOMEBODY_ELSE = 64321
"""A user id that is neither root's nor the stranger's, and has no name."""


class Rights(NamedTuple):
    """Who owns a directory and its files (the one who looks, or somebody else), and their modes."""

    ours: bool
    directory: int
    files: int


READABLE = {
    "a read-only directory": Rights(True, 0o555, 0o644),
    "a read-only file": Rights(True, 0o755, 0o444),
    "a read-only file in a read-only directory": Rights(True, 0o555, 0o444),
    "another user's file": Rights(False, 0o755, 0o644),
    "another user's file in a directory that we cannot list": Rights(False, 0o711, 0o644),
}
UNREADABLE = {
    "our own file without any right": (
        Rights(True, 0o755, 0o000),
        "no permission to read {file}, although it is yours (mode 000): chmod u+r",
    ),
    "our own directory without any right": (
        Rights(True, 0o000, 0o644),
        "no permission to enter {directory}, although it is yours (mode 000): chmod u+x",
    ),
    "another user's private file": (
        Rights(False, 0o755, 0o600),
        "no permission to read {file}: it belongs to user 64321 (mode 600); run this as user 64321, or have them "
        "chmod it",
    ),
    "another user's private directory": (
        Rights(False, 0o700, 0o644),
        "no permission to enter {directory}: it belongs to user 64321 (mode 700); run this as user 64321, or have them "
        "chmod it",
    ),
}
STATES = {
    "closed": ("immutable", "Lab plain"),
    "live": ("readonly_shm", "from the WAL"),
    "crashed": ("readonly_shm", "from the WAL"),
}
"""The state of the files: how they are opened then, and the title that the database holds."""


@pytest.fixture(scope="module")
def stranger() -> Iterator[Stranger]:
    with Stranger() as child:
        yield child


@pytest.fixture
def database() -> Iterator[Path]:
    """A database where another user can go: pytest's own directories are private."""
    top = Path(tempfile.mkdtemp(prefix="opencode-viewer-"))
    top.chmod(0o755)
    closed = [str(directory) for directory in top.parents if not directory.stat().st_mode & 0o001]
    if closed and os.geteuid() == 0:
        pytest.skip(f"another user cannot enter {closed[-1]}; set TMPDIR to a directory that everybody can")
    directory = top / "opencode"
    directory.mkdir()
    try:
        yield corpus.build("1.18.33/plain", directory / "opencode.db")
    finally:
        directory.chmod(0o755)
        shutil.rmtree(top)


@pytest.fixture(params=STATES)
def state(request: pytest.FixtureRequest, database: Path) -> Iterator[str]:
    """Brings the files of the database into one of STATES."""
    name: str = request.param
    if name == "closed":
        yield name
        return
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'from the WAL'", ()))
        if name == "crashed":
            writer.kill()
        yield name


def give(directory: Path, rights: Rights) -> None:
    """Hands a directory and its files over."""
    if os.geteuid() == 0:
        owner = NOBODY if rights.ours else SOMEBODY_ELSE
        for path in (directory, *directory.iterdir()):
            os.chown(path, owner, owner)
    elif not rights.ours:
        pytest.skip("only root can make a file somebody else's")
    for path in directory.iterdir():
        path.chmod(rights.files)
    directory.chmod(rights.directory)


def take_back(directory: Path) -> None:
    """Makes everything readable again."""
    directory.chmod(0o755)
    for path in directory.iterdir():
        path.chmod(0o644)


@pytest.mark.parametrize("rights", READABLE.values(), ids=list(READABLE))
def test_what_may_be_read_is_read_without_a_trace(
    stranger: Stranger, database: Path, state: str, rights: Rights
) -> None:
    before = corpus.files(database.parent)
    give(database.parent, rights)
    mode, title = STATES[state]
    assert stranger.ask("open", database) == {"open_mode": mode, "titles": [title]}
    done = stranger.ask("cli", "doctor", "--json", "--db", database)
    assert (done["status"], done["err"]) == (0, "")
    report = json.loads(done["out"])["sources"][0]
    assert (report["state"], report["open_mode"], report["counts"]["sessions"]) == ("ok", mode, 1)
    take_back(database.parent)
    assert corpus.files(database.parent) == before


@pytest.mark.parametrize(("rights", "words"), UNREADABLE.values(), ids=list(UNREADABLE))
def test_what_may_not_be_read_says_whose_it_is_and_what_to_do(
    stranger: Stranger, database: Path, state: str, rights: Rights, words: str
) -> None:
    before = corpus.files(database.parent)
    give(database.parent, rights)
    words = words.format(file=database, directory=database.parent)
    assert stranger.ask("open", database) == {"error": "SourceUnreadable", "words": words}
    done = stranger.ask("cli", "doctor", "--json", "--db", database)
    assert (done["status"], done["err"]) == (2, f"opencode-viewer: {words}\n")
    report = json.loads(done["out"])["sources"][0]
    assert (report["state"], report["message"], report["open_mode"]) == ("error", words, "")
    take_back(database.parent)
    assert corpus.files(database.parent) == before


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_file_beside_the_database_that_may_not_be_read_is_the_one_named(
    stranger: Stranger, database: Path, suffix: str
) -> None:
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'from the WAL'", ()))
        give(database.parent, Rights(True, 0o755, 0o644))
        hidden = database.with_name(database.name + suffix)
        hidden.chmod(0o000)
        words = f"no permission to read {hidden}, although it is yours (mode 000): chmod u+r"
        assert stranger.ask("open", database) == {"error": "SourceUnreadable", "words": words}
        take_back(database.parent)
        assert stranger.ask("open", database) == {"open_mode": "readonly_shm", "titles": ["from the WAL"]}


def test_a_copy_that_would_need_a_shm_says_so_where_none_can_be_made(stranger: Stranger, database: Path) -> None:
    writer = Writer(database)
    writer.commit(("UPDATE session SET title = 'from the WAL'", ()))
    writer.kill()
    database.with_name("opencode.db-shm").unlink()
    before = corpus.files(database.parent)
    give(database.parent, Rights(True, 0o555, 0o644))
    answer = stranger.ask("open", database)
    assert answer["error"] == "SourceUnreadable"
    assert answer["words"].startswith(f"{database} has a -wal without its -shm, and {database.parent} does not let us")
    take_back(database.parent)
    assert corpus.files(database.parent) == before


def test_a_tail_waits_until_it_may_read_and_goes_on(database: Path) -> None:
    with Writer(database) as writer, Stranger() as stranger:
        writer.commit(("UPDATE session SET title = 'first'", ()))
        give(database.parent, Rights(True, 0o755, 0o000))
        words = f"no permission to read {database}, although it is yours (mode 000): chmod u+r"
        assert stranger.ask("tail", database) == {"state": "error", "title": "", "words": [words]}
        take_back(database.parent)
        assert stranger.answer() == {"state": "ok", "title": "first", "words": []}
        writer.commit(("UPDATE session SET title = 'second'", ()))
        assert stranger.answer() == {"state": "ok", "title": "second", "words": []}


def test_a_data_directory_that_may_not_be_entered_is_one_line(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(database.parent.parent))
    monkeypatch.delenv("OPENCODE_DB", raising=False)
    give(database.parent, Rights(True, 0o000, 0o644))
    words = f"no permission to enter {database.parent}, although it is yours (mode 000): chmod u+x"
    with Stranger() as stranger:
        done = stranger.ask("cli", "doctor")
        assert (done["status"], done["err"]) == (2, "")
        assert words in done["out"]
        for name in ("ls", "tree", "events"):
            assert stranger.ask("cli", name) == {"status": 2, "out": "", "err": f"opencode-viewer: {words}\n"}
