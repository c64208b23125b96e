"""What the program writes, and what it never writes to: run as a user runs it, and one rule at a time."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adapter import corpus
from tui import files as ours
from tui.commands import sources
from tui.config import keymap
from tui.config.settings import Memory, Settings
from tui.files import CursorFile, Protected, Refused

ROOT = "ses_dfdd2ceb7ffelgEiz1jVy8D3Ga"
"""The root of 1.18.33/nested."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """opencode's data directory, with a database, its side files, and one of the other things that opencode keeps."""
    directory = tmp_path / "home" / ".local" / "share" / "opencode"
    (directory / "storage").mkdir(parents=True)
    corpus.build("1.18.33/nested", directory / "opencode.db")
    for suffix in ("-wal", "-shm", "-journal"):
        # Of a database that nobody reads in these tests, so that SQLite leaves them alone.
        (directory / f"opencode-beta.db{suffix}").write_bytes(b"whatever is in it")
    (directory / "opencode-beta.db").touch()
    (directory / "auth.json").write_text('{"anthropic": {"key": "secret"}}')
    (directory / "storage" / "part.json").write_text("{}")
    return directory


def run(tmp_path: Path, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """A command of a user whose home is in the test's directory."""
    environment = {**os.environ, "PYTHONWARNINGS": "error", "HOME": str(tmp_path / "home"), "XDG_DATA_HOME": ""}
    environment.pop("OPENCODE_DB", None)
    return subprocess.run(
        [sys.executable, "-m", "tui", *map(str, arguments)],
        capture_output=True,
        timeout=60,
        check=False,
        env=environment,
    )


def files(directory: Path) -> dict[str, bytes]:
    """Every file below a directory with its content."""
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def refused(done: subprocess.CompletedProcess[bytes]) -> None:
    """One line on stderr that says so, nothing on stdout, exit 2."""
    assert (done.returncode, done.stdout) == (2, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("opencode-viewer: ")
    assert "not written" in line


IN_DATA = [
    "opencode.db",
    "opencode-beta.db",
    "opencode-beta.db-wal",
    "opencode-beta.db-shm",
    "opencode-beta.db-journal",
    "auth.json",
    "storage/part.json",
]


@pytest.mark.parametrize("name", [*IN_DATA, "opencode.db-wal", "new"])
def test_a_cursor_never_replaces_a_file_of_opencode(name: str, data: Path, tmp_path: Path) -> None:
    before = files(data)
    refused(run(tmp_path, "events", "--cursor", data / name))
    assert files(data) == before


@pytest.mark.parametrize("name", [*IN_DATA, "opencode.db-wal", "new"])
def test_an_export_never_replaces_a_file_of_opencode(name: str, data: Path, tmp_path: Path) -> None:
    # Read is another database: what lies in the data directory is opencode's all the same.
    other = corpus.build("1.18.33/nested", tmp_path / "copy.db")
    before = files(data)
    refused(run(tmp_path, "export", "--db", other, ROOT, "-o", data / name))
    assert files(data) == before


def by_dots(file: Path, tmp_path: Path) -> Path:
    (tmp_path / "beside").mkdir()
    return tmp_path / "beside" / ".." / file.relative_to(tmp_path)


def by_link(file: Path, tmp_path: Path) -> Path:
    (tmp_path / "link").symlink_to(file)
    return tmp_path / "link"


def by_linked_directory(file: Path, tmp_path: Path) -> Path:
    (tmp_path / "link").symlink_to(file.parent)
    return tmp_path / "link" / file.name


def by_hard_link(file: Path, tmp_path: Path) -> Path:
    (tmp_path / "link").hardlink_to(file)
    return tmp_path / "link"


@pytest.mark.parametrize("name", ["opencode.db", "opencode-beta.db", "auth.json", "storage/part.json"])
@pytest.mark.parametrize("way", [by_dots, by_link, by_linked_directory, by_hard_link])
@pytest.mark.parametrize("command", ["events", "export"])
def test_another_name_for_a_file_of_opencode_is_no_way_around(
    command: str, way: Callable[[Path, Path], Path], name: str, data: Path, tmp_path: Path
) -> None:
    target = way(data / name, tmp_path)
    before = files(tmp_path)
    if command == "events":
        refused(run(tmp_path, "events", "--cursor", target))
    else:
        refused(run(tmp_path, "export", "--db", data / "opencode.db", ROOT, "-o", target))
    assert files(tmp_path) == before
    assert target.is_symlink() == (way is by_link)


def a_database(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE bookmarks (id INTEGER)")
    db.close()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("places.sqlite", None),
        ("opencode.db", b""),
        ("opencode-old.db", b"damaged"),
        ("places.sqlite-wal", b""),
        ("places.sqlite-shm", b"\0" * 100),
        ("places.sqlite-journal", b"\0" * 100),
        ("copied", b"\x37\x7f\x06\x82" + b"\0" * 100),
        ("hot", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\0" * 100),
    ],
)
@pytest.mark.parametrize("command", ["events", "export"])
def test_no_database_and_no_file_beside_one_is_ever_replaced(
    command: str, name: str, content: bytes | None, data: Path, tmp_path: Path
) -> None:
    target = tmp_path / name
    if content is None:
        a_database(target)
    else:
        target.write_bytes(content)
    before = target.read_bytes()
    if command == "events":
        refused(run(tmp_path, "events", "--cursor", target))
    else:
        refused(run(tmp_path, "export", "--db", data / "opencode.db", ROOT, "-o", target))
    assert target.read_bytes() == before


def test_a_database_named_as_cursor_does_not_lose_its_wal(data: Path, tmp_path: Path) -> None:
    """The slip that cost a user every session: `--cursor` where `--db` was meant, while opencode runs."""
    path = data / "opencode.db"
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("UPDATE session SET title = 'written by opencode'")
    writer.commit()
    for suffix in ("", "-wal", "-shm"):
        before = (data / f"opencode.db{suffix}").stat()
        refused(run(tmp_path, "events", "--cursor", f"{path}{suffix}"))
        after = (data / f"opencode.db{suffix}").stat()
        assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    writer.close()
    with sqlite3.connect(path) as db:
        assert {row[0] for row in db.execute("SELECT title FROM session")} == {"written by opencode"}
    db.close()


@pytest.mark.parametrize(
    "content",
    [b"", b"notes", b"{}", b"[]", b'{"name": "app"}', b'{"opencode:/a": 1}', b'{"opencode:/a": "x", "theme": "dark"}',
     b'{"opencode:/a": "x"', b"[" * 100_000, b"\xff\xfe"],
)  # fmt: skip
def test_a_cursor_file_is_told_by_its_content_alone(content: bytes, data: Path, tmp_path: Path) -> None:
    target = tmp_path / "cursor"
    target.write_bytes(content)
    refused(run(tmp_path, "events", "--cursor", target))
    assert target.read_bytes() == content


def test_a_cursor_file_goes_on_from_its_own_and_may_lie_beside_a_database(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    database = corpus.build("1.18.33/nested", tmp_path / "mine" / "opencode.db")
    cursor = tmp_path / "mine" / "cursor"
    first = run(tmp_path, "events", "--db", database, "--cursor", cursor)
    assert (first.returncode, first.stderr) == (0, b"")
    kept = json.loads(cursor.read_bytes())
    assert list(kept) == [f"opencode:{database}"]
    again = run(tmp_path, "events", "--db", database, "--cursor", cursor)
    assert (again.returncode, again.stderr) == (0, b"")
    assert len(again.stdout.splitlines()) < len(first.stdout.splitlines())


def test_a_file_that_took_the_place_of_the_cursor_meanwhile_is_left_alone(data: Path, tmp_path: Path) -> None:
    cursor = CursorFile(tmp_path / "cursor", Protected([data / "opencode.db"], data))
    assert cursor.begin() == {}
    cursor.keep({"opencode:/a": "1"})
    shutil.copy(data / "opencode.db", tmp_path / "cursor")
    with pytest.raises(Refused):
        cursor.keep({"opencode:/a": "2"})
    assert (tmp_path / "cursor").read_bytes() == (data / "opencode.db").read_bytes()


def test_an_export_may_lie_beside_a_database_and_replace_another_document(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    database = corpus.build("1.18.33/nested", tmp_path / "mine" / "opencode.db")
    target = tmp_path / "mine" / "out.md"
    for _ in range(2):
        done = run(tmp_path, "export", "--db", database, ROOT, "-o", target)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert target.read_text().startswith("# Lab nested\n")


def test_a_part_of_the_data_directory_that_lies_elsewhere_is_opencodes_too(data: Path, tmp_path: Path) -> None:
    big = tmp_path / "big"
    (data / "storage").rename(big)
    (data / "storage").symlink_to(big)
    kept = Protected([], data)
    for path in (big / "part.json", big / "new", big / "deep" / "new"):
        with pytest.raises(Refused):
            kept.check(path)
    kept.check(tmp_path / "bigger")


def test_a_database_that_is_not_there_yet_is_opencodes_as_well(tmp_path: Path) -> None:
    kept = Protected([tmp_path / "later.db"], tmp_path / "data")
    for name in ("later.db", "later.db-wal", "later.db-shm", "later.db-journal"):
        with pytest.raises(Refused):
            kept.check(tmp_path / name)
    with pytest.raises(Refused):
        kept.check(tmp_path / "data" / "new")
    kept.check(tmp_path / "lab-journal")


def plain(tmp_path: Path) -> tuple[Path, bytes]:
    """A database, and its session as a document."""
    database = corpus.build("1.18.33/nested", tmp_path / "opencode.db")
    done = run(tmp_path, "export", "--db", database, ROOT)
    assert done.returncode == 0
    return database, done.stdout


def device(tmp_path: Path, name: str, minor: int) -> Path:
    """A device like /dev/null in the test's directory: nothing that goes wrong here may cost the machine its own."""
    path = tmp_path / name
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        os.close(os.open(path, os.O_WRONLY))
    except OSError:
        if os.geteuid() == 0:
            pytest.skip("no devices can be made here, and root could replace the real one")
        return Path("/dev") / name
    return path


def test_an_export_is_written_into_a_fifo(tmp_path: Path) -> None:
    database, document = plain(tmp_path)
    target = tmp_path / "fifo"
    os.mkfifo(target)
    reader = subprocess.Popen(["cat", str(target)], stdout=subprocess.PIPE)
    try:
        done = run(tmp_path, "export", "--db", database, ROOT, "-o", target)
        assert stat.S_ISFIFO(target.lstat().st_mode)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert reader.communicate(timeout=60)[0] == document
    finally:
        reader.kill()
        reader.communicate()


def test_an_export_is_written_into_a_device(tmp_path: Path) -> None:
    database, _ = plain(tmp_path)
    target = device(tmp_path, "null", 3)
    done = run(tmp_path, "export", "--db", database, ROOT, "-o", target)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert stat.S_ISCHR(target.lstat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_an_export_to_the_name_of_stdout_is_written_to_it(name: str, tmp_path: Path) -> None:
    database, document = plain(tmp_path)
    target = tmp_path / "stdout"
    target.symlink_to(name)  # what goes wrong here may not cost the machine its /dev/stdout
    assert run(tmp_path, "export", "--db", database, ROOT, "-o", target).stdout == document
    assert target.is_symlink()
    # Also where the shell appends to a file: what stands there is not ours to replace.
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    with log.open("ab") as output:
        words = [sys.executable, "-m", "tui", "export", "--db", str(database), ROOT, "-o", str(target)]
        assert subprocess.run(words, stdout=output, timeout=60, check=False).returncode == 0
    assert log.read_bytes() == b"before\n" + document


@pytest.mark.parametrize("kind", ["directory", "socket"])
def test_an_export_to_what_takes_no_document_is_one_line(kind: str, tmp_path: Path) -> None:
    database, _ = plain(tmp_path)
    target = tmp_path / kind
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "socket":
            listener.bind(os.path.relpath(target))
        else:
            target.mkdir()
        refused(run(tmp_path, "export", "--db", database, ROOT, "-o", target))
    assert target.is_socket() or target.is_dir()


@pytest.mark.parametrize("kind", ["fifo", "device", "directory", "link to a device"])
def test_a_cursor_is_kept_in_a_regular_file_only(kind: str, tmp_path: Path) -> None:
    database, _ = plain(tmp_path)
    target = tmp_path / "cursor"
    if kind == "fifo":
        os.mkfifo(target)
    elif kind == "directory":
        target.mkdir()
    else:
        there = device(tmp_path, "null", 3)
        target.symlink_to(there) if kind != "device" else (target := there)
    before = target.lstat().st_mode
    done = run(tmp_path, "events", "--db", database, "--cursor", target)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == f"opencode-viewer: {target} is not a regular file\n"
    assert target.lstat().st_mode == before


def test_a_document_goes_through_a_link_and_has_the_mode_that_the_umask_says(tmp_path: Path) -> None:
    database, document = plain(tmp_path)
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "link.md", tmp_path / "there" / "real.md"
    link.symlink_to(target)
    umask = os.umask(0o027)
    try:
        assert run(tmp_path, "export", "--db", database, ROOT, "-o", link).returncode == 0
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        # One that is there keeps the mode that somebody gave it.
        target.write_bytes(b"older")
        target.chmod(0o600)
        assert run(tmp_path, "export", "--db", database, ROOT, "-o", link).returncode == 0
    finally:
        os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert link.is_symlink()
    assert target.read_bytes() == document
    assert [path.name for path in target.parent.iterdir()] == ["real.md"]


def test_a_cursor_goes_through_a_link_and_is_for_the_user_alone(tmp_path: Path) -> None:
    database, _ = plain(tmp_path)
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "cursor", tmp_path / "there" / "real"
    link.symlink_to(target)
    for _ in range(2):
        done = run(tmp_path, "events", "--db", database, "--cursor", link)
        assert (done.returncode, done.stderr) == (0, b"")
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["real"]


@pytest.mark.parametrize("there", [True, False])
def test_settings_are_written_through_a_link(there: bool, tmp_path: Path) -> None:
    """As people have it who keep such files in a repository of their own."""
    link, target = tmp_path / "state" / "settings.json", tmp_path / "dotfiles" / "viewer.json"
    link.parent.mkdir()
    link.symlink_to(target)
    if there:
        target.parent.mkdir()
        target.write_text('{"theme": "dark"}')
    memory = Memory(link)
    memory.remember(theme="light")
    assert memory.problem == ""
    assert link.is_symlink()
    assert json.loads(target.read_bytes()) == {"theme": "light"}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["fifo", "zero"])
def test_settings_and_keymap_that_never_end_are_a_remark_and_defaults(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    before = path.lstat().st_mode
    memory = Memory(path)
    assert memory.settings == Settings()
    assert memory.problem == f"settings not read: {path} is not a regular file"
    memory.remember(theme="light")
    assert memory.problem == f"your choices are not remembered: {path} is not a regular file: not written"
    assert path.lstat().st_mode == before
    assert keymap.read(path, []).problems == (f"{path} is not a regular file",)


def test_a_keymap_that_is_too_large_is_told_and_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text('"tree.up" = "f6"\n' + "# much\n" * keymap.SIZE_LIMIT)
    (problem,) = keymap.read(path, []).problems
    assert "is larger than 64,000 bytes" in problem


def test_settings_never_replace_a_database(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    a_database(path)
    before = path.read_bytes()
    memory = Memory(path)
    memory.remember(theme="light")
    assert "SQLite" in memory.problem
    assert path.read_bytes() == before


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"old")
    for path, writer in ((old, ours.replacing), (new, ours.replacing), (new, ours.creating)):
        with pytest.raises(TypeError), writer(path) as file:
            file.writelines([b"half", None])  # type: ignore[list-item]
    assert files(tmp_path) == {str(old): b"old"}


def test_the_longest_name_that_a_file_can_have_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    with ours.replacing(path) as file:
        file.write(b"all")
    assert path.read_bytes() == b"all"


@pytest.mark.parametrize(
    "where",
    ["missing/cursor", "file/cursor", "/proc/cursor", "readonly/cursor", pytest.param("x" * 5000, id="endless")],
)
@pytest.mark.parametrize("follow", [[], ["--follow"], ["--session", ROOT]], ids=["once", "follow", "session"])
def test_a_cursor_that_cannot_be_kept_is_told_before_any_event(where: str, follow: list[str], tmp_path: Path) -> None:
    if where.startswith("readonly") and os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    database = corpus.build("1.18.33/nested", tmp_path / "opencode.db")
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "readonly").mkdir(mode=0o500)
    done = run(tmp_path, "events", "--db", database, "--cursor", tmp_path / where, *follow)
    assert (done.returncode, done.stdout) == (2, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"opencode-viewer: {tmp_path / where}"[:200])
    assert re.search(r"No such file|Not a directory|Permission denied|File name too long", line)


def test_a_user_without_a_home_can_still_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container that runs with a number nobody has a name for."""

    def nobody(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    sources.protected([]).check(tmp_path / "out.md")
