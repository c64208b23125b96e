"""What the program writes, and what it never writes to: run as a user runs it, and one rule at a time."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adapter import corpus
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
    assert cursor.read() == {}
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
