"""The ways to open: one for every state of the files, and none leaves a trace."""

# ruff: noqa: ASYNC240 - the files are small and local
from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter.contract import NotADatabase, SourceBusy, SourceEmpty, SourceMissing, SourceUnreadable
from adapter.sqlite.files import rungs, signature, what_lies_at
from adapter.sqlite.reader import Reader
from tests.adapter import corpus
from tests.adapter.sqlite.conftest import OpenReader
from tests.adapter.writer import Writer


async def titles(reader: Reader) -> list[Any]:
    return await reader.call(lambda snapshot: [row[0] for row in snapshot.rows("SELECT title FROM session")])


async def open_and_read(path: Path) -> list[Any]:
    reader = Reader(path)
    try:
        return await titles(reader)
    finally:
        await reader.close()


# -- the ladder


async def test_a_closed_database_is_read_without_any_new_file(database: Path, open_reader: OpenReader) -> None:
    before = corpus.files(database.parent)
    reader = open_reader(database)
    assert (await titles(reader), reader.mode) == (["Lab plain"], "immutable")
    await reader.close()
    assert corpus.files(database.parent) == before


async def test_a_live_database_is_read_without_a_mark_in_its_files(database: Path, open_reader: OpenReader) -> None:
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'live'", ()))
        before = corpus.files(database.parent)
        reader = open_reader(database)
        assert (await titles(reader), reader.mode) == (["live"], "readonly_shm")
        assert corpus.files(database.parent) == before
        await reader.close()
        assert corpus.files(database.parent) == before


async def test_what_a_crash_left_is_read_and_left(crashed: Path, open_reader: OpenReader) -> None:
    before = corpus.files(crashed.parent)
    assert set(before) == {"opencode.db", "opencode.db-wal", "opencode.db-shm"}
    reader = open_reader(crashed)
    assert (await titles(reader), reader.mode) == (["from the WAL"], "readonly_shm")
    await reader.close()
    assert corpus.files(crashed.parent) == before


async def test_a_copy_without_its_shm_is_read_at_the_price_of_one(crashed: Path, open_reader: OpenReader) -> None:
    crashed.with_name("opencode.db-shm").unlink()
    before = corpus.files(crashed.parent)
    reader = open_reader(crashed)
    assert (await titles(reader), reader.mode) == (["from the WAL"], "ro (made -shm)")
    await reader.close()
    after = corpus.files(crashed.parent)
    assert {name: after[name] for name in before} == before


async def test_a_database_in_rollback_mode_with_a_journal_is_opened_plainly(
    database: Path, open_reader: OpenReader
) -> None:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=PERSIST").fetchall()
    connection.execute("UPDATE session SET title = 'rolled'").close()
    connection.commit()
    connection.close()
    reader = open_reader(database)
    assert (await titles(reader), reader.mode) == (["rolled"], "ro")


def left_by_a_reader(database: Path) -> None:
    """Leaves what every other read-only reader of a closed database leaves: an empty -wal and a -shm."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.close()
    reader = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    reader.execute("SELECT count(*) FROM session").fetchall()
    reader.close()
    assert {name: len(found[0]) for name, found in corpus.files(database.parent).items() if name != database.name} == {
        "opencode.db-wal": 0,
        "opencode.db-shm": 32768,
    }


def with_sums(head: bytes) -> bytes:
    """The first 24 bytes of a WAL's header, with their checksums."""
    one = two = 0
    words = struct.unpack(">6I" if head[3] & 1 else "<6I", head[:24])
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return head[:24] + struct.pack(">2I", one, two)


WAL_FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "noise": lambda wal: b"x" * len(wal),
    "cut": lambda wal: wal[:31],
    "a checksum that is wrong": lambda wal: wal[:30] + bytes([wal[30] ^ 1]) + wal[31:],
    "big endian": lambda wal: wal[:3] + bytes([wal[3] ^ 1]) + wal[4:],
    "nothing behind its header": lambda wal: wal[:32],
    "half a frame": lambda wal: wal[: 32 + 24 + 2048],
    "a page size that is none": lambda wal: with_sums(wal[:8] + (777).to_bytes(4) + wal[12:24]) + wal[32:],
    "another version": lambda wal: with_sums(wal[:4] + (3007001).to_bytes(4) + wal[8:24]) + wal[32:],
}


@pytest.mark.parametrize("fault", WAL_FAULTS)
async def test_a_wal_that_sqlite_would_not_take_is_as_good_as_none(
    crashed: Path, open_reader: OpenReader, fault: str
) -> None:
    """Beside a -shm, SQLite would ask for ten seconds whether somebody mends it, and write the -shm anew."""
    wal = crashed.with_name("opencode.db-wal")
    wal.write_bytes(WAL_FAULTS[fault](wal.read_bytes()))
    before = corpus.files(crashed.parent)
    reader = open_reader(crashed)
    assert (await titles(reader), reader.mode) == (["Lab plain"], "immutable")
    await reader.close()
    assert corpus.files(crashed.parent) == before


@pytest.mark.parametrize("magic", [0x377F0682, 0x377F0683])
async def test_a_wal_of_either_byte_order_is_read(crashed: Path, open_reader: OpenReader, magic: int) -> None:
    """As machines of the other byte order write it: the checksums add up words of the writer's order."""
    order = ">" if magic & 1 else "<"
    wal = crashed.with_name("opencode.db-wal")
    content = bytearray(wal.read_bytes())
    sums = (0, 0)

    def add(piece: bytes) -> None:
        nonlocal sums
        one, two = sums
        words = struct.unpack(f"{order}{len(piece) // 4}I", piece)
        for first, second in zip(words[::2], words[1::2], strict=True):
            one = (one + first + two) & 0xFFFFFFFF
            two = (two + second + one) & 0xFFFFFFFF
        sums = (one, two)

    content[:4] = magic.to_bytes(4)
    add(bytes(content[:24]))
    content[24:32] = struct.pack(">2I", *sums)
    size = 24 + int.from_bytes(content[8:12])
    for at in range(32, len(content), size):
        if content[at + 8 : at + 16] == content[16:24]:
            add(bytes(content[at : at + 8]))
            add(bytes(content[at + 24 : at + size]))
            content[at + 16 : at + 24] = struct.pack(">2I", *sums)
    wal.write_bytes(content)
    crashed.with_name("opencode.db-shm").unlink()
    assert await titles(open_reader(crashed)) == ["from the WAL"]


@pytest.mark.parametrize("suffix", ["-journal", "-wal"])
async def test_a_fifo_beside_a_database_is_not_waited_for(database: Path, open_reader: OpenReader, suffix: str) -> None:
    os.mkfifo(f"{database}{suffix}")
    assert await titles(open_reader(database)) == ["Lab plain"]


async def test_a_fifo_in_the_place_of_the_shm_is_not_waited_for(crashed: Path, open_reader: OpenReader) -> None:
    shm, wal = crashed.with_name("opencode.db-shm"), crashed.with_name("opencode.db-wal")
    shm.unlink()
    os.mkfifo(shm)
    with pytest.raises(SourceUnreadable, match="its -shm is a FIFO"):
        await titles(open_reader(crashed))
    wal.write_bytes(b"")
    assert await titles(open_reader(crashed)) == ["Lab plain"]


async def test_a_schema_that_is_no_utf_8_is_damage_and_said_so(database: Path, open_reader: OpenReader) -> None:
    content = database.read_bytes()
    assert b"CREATE TABLE `todo`" in content
    database.write_bytes(content.replace(b"CREATE TABLE `todo`", b"CRE\xdfTE TABLE `todo`", 1))
    with pytest.raises(NotADatabase, match="UTF-8"):
        await titles(open_reader(database))


async def test_a_schema_that_names_a_function_is_read(database: Path, open_reader: OpenReader) -> None:
    """People add an index to ask their own questions; SQLite before 3.42 takes json_extract for unsafe."""
    with Writer(database) as writer:
        writer.run("CREATE INDEX mine ON part (json_extract(data, '$.type'))")
        writer.run("ALTER TABLE session ADD COLUMN mine GENERATED ALWAYS AS (json_extract(title, '$.x')) VIRTUAL")
        writer.run("UPDATE session SET title = '{}'")
        assert await titles(open_reader(database)) == ["{}"]
    assert await titles(open_reader(database)) == ["{}"]


async def test_an_empty_wal_beside_a_shm_is_as_good_as_a_closed_file(database: Path, open_reader: OpenReader) -> None:
    left_by_a_reader(database)
    reader = open_reader(database)
    states = []
    for _ in range(3):
        states.append(await reader.call(lambda snapshot: snapshot.state))
        assert await titles(reader) == ["Lab plain"]
    assert (reader.mode, states[0]) == ("immutable", states[1])
    assert states[1] == states[2]
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'live'", ()))
        assert await titles(reader) == ["live"]
        assert reader.mode == "readonly_shm"
        await reader.close()


@pytest.mark.parametrize("journal", [b"", b"\0" * 512], ids=["empty", "zeroed"])
async def test_a_journal_with_nothing_in_it_beside_a_file_in_wal_mode_makes_no_new_file(
    database: Path, journal: bytes, open_reader: OpenReader
) -> None:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.close()
    database.with_name("opencode.db-journal").write_bytes(journal)
    before = corpus.files(database.parent)
    reader = open_reader(database)
    assert await titles(reader) == ["Lab plain"]
    await reader.close()
    assert corpus.files(database.parent) == before


async def test_an_empty_wal_without_shm_means_that_nobody_writes(database: Path, open_reader: OpenReader) -> None:
    database.with_name("opencode.db-wal").touch()
    before = corpus.files(database.parent)
    reader = open_reader(database)
    assert (await titles(reader), reader.mode) == (["Lab plain"], "immutable")
    await reader.close()
    assert corpus.files(database.parent) == before


@pytest.mark.parametrize("size", [0, 1, 100])
async def test_what_cannot_be_a_database_is_never_opened_beside_a_wal(crashed: Path, size: int) -> None:
    os.truncate(crashed, size)
    before = corpus.files(crashed.parent)
    with pytest.raises(SourceEmpty, match=f"has {size} bytes and a -wal beside it"):
        await open_and_read(crashed)
    assert corpus.files(crashed.parent) == before


async def test_a_database_truncated_beside_a_live_writer_keeps_its_wal(database: Path, open_reader: OpenReader) -> None:
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'live'", ()))
        reader = open_reader(database)
        assert await titles(reader) == ["live"]
        os.truncate(database, 1)
        before = corpus.files(database.parent)
        for attempt in (titles(reader), open_and_read(database)):
            with pytest.raises(SourceEmpty):
                await attempt
        with pytest.raises(SourceEmpty):
            reader.look()
        assert corpus.files(database.parent) == before
        await reader.close()
        assert corpus.files(database.parent) == before


async def test_a_locked_database_is_busy_after_the_retries(database: Path, open_reader: OpenReader) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    for statement in ("PRAGMA journal_mode=PERSIST", "UPDATE session SET title = 'x'", "BEGIN EXCLUSIVE"):
        connection.execute(statement).fetchall()
    try:
        with pytest.raises(SourceBusy, match="is locked"):
            await open_reader(database).open()
    finally:
        connection.close()


# -- what cannot be read


UNREADABLE: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "missing": (lambda path: path.unlink(), SourceMissing, "no database at"),
    "empty": (lambda path: path.write_bytes(b""), SourceEmpty, r"is empty \(0 bytes\)"),
    "garbage": (lambda path: path.write_bytes(os.urandom(9000)), NotADatabase, "is not a SQLite database"),
    "header only": (lambda path: os.truncate(path, 100), NotADatabase, "is not a SQLite database, or is damaged"),
    "half": (lambda path: os.truncate(path, 8192), NotADatabase, "or is damaged"),
    "directory": (lambda path: (path.unlink(), path.mkdir()), SourceUnreadable, "is a directory; name the database"),
    "loop": (lambda path: (path.unlink(), path.symlink_to(path)), SourceUnreadable, "cannot read"),
    "pipe": (lambda path: (path.unlink(), os.mkfifo(path)), SourceUnreadable, "is no regular file; name a database"),
}


@pytest.mark.parametrize("what", UNREADABLE)
async def test_what_cannot_be_read_has_one_clear_line(database: Path, what: str) -> None:
    spoil, error, words = UNREADABLE[what]
    spoil(database)
    with pytest.raises(error, match=words) as raised:
        await open_and_read(database)
    assert str(database) in str(raised.value)
    assert "\n" not in str(raised.value)


# -- names


STRANGE = [
    "with space.db",
    "a?mode=rwc",
    "b#fragment.db",
    "c%20d.db",
    "e%00f.db",
    "file:g.db",
    "?vfs=memdb&x=.db",
    "ü日本.db",
    "new\nline.db",
    ":memory:",
    "-dash.db",
    "back\\slash.db",
    os.fsdecode(b"no\xff\xfeutf8.db"),
]


@pytest.mark.parametrize("name", STRANGE, ids=ascii)
async def test_a_strange_name_opens_that_file_and_nothing_else(
    database: Path, name: str, open_reader: OpenReader
) -> None:
    strange = database.with_name(name)
    database.rename(strange)
    before = corpus.files(strange.parent)
    reader = open_reader(strange)
    assert (await titles(reader), reader.mode) == (["Lab plain"], "immutable")
    await reader.close()
    assert corpus.files(strange.parent) == before


@pytest.mark.parametrize("state", ["closed", "live"])
async def test_behind_a_symbolic_link_the_files_beside_the_real_one_count(
    database: Path, tmp_path: Path, open_reader: OpenReader, state: str
) -> None:
    link = tmp_path / "linked.db"
    link.symlink_to(database)
    if state == "closed":
        before = corpus.files(database.parent)
        reader = open_reader(link)
        assert (await titles(reader), reader.mode) == (["Lab plain"], "immutable")
        assert corpus.files(database.parent) == before
        return
    with Writer(database) as writer:
        writer.commit(("UPDATE session SET title = 'only in the WAL'", ()))
        before = corpus.files(database.parent)
        reader = open_reader(link)
        assert (await titles(reader), reader.mode) == (["only in the WAL"], "readonly_shm")
        await reader.close()
        assert corpus.files(database.parent) == before
        assert {file.name for file in tmp_path.iterdir()} == {"data", "linked.db"}


# -- the signature


CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda path: os.utime(path, ns=(1, 1)),
    "grown": lambda path: os.truncate(path, path.stat().st_size + 4096),
    "replaced": lambda path: (
        path.with_name("new").write_bytes(path.read_bytes()) and path.with_name("new").replace(path)
    ),
    "WAL written": lambda path: os.utime(f"{path}-wal", ns=(1, 1)),
    "WAL gone": lambda path: os.unlink(f"{path}-wal"),
    "journal there": lambda path: path.with_name(f"{path.name}-journal").touch(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_signature_differs_by_everything_that_a_writer_leaves(crashed: Path, change: str) -> None:
    before = signature(crashed)
    assert signature(crashed) == before
    CHANGES[change](crashed)
    after = signature(crashed)
    assert after != before
    assert (after.file == before.file) == (change != "replaced")


def test_the_wal_of_another_process_is_nothing_new_for_a_file_that_cannot_be_read(crashed: Path) -> None:
    before = what_lies_at(crashed)
    os.utime(f"{crashed}-wal", ns=(1, 1))
    assert what_lies_at(crashed) == before
    crashed.chmod(0o600)
    assert what_lies_at(crashed) != before
    crashed.unlink()
    assert what_lies_at(crashed) == ()


def test_only_a_wal_with_frames_may_be_opened_in_a_way_that_makes_files(database: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        if suffix:
            database.with_name(database.name + suffix).touch()
        ways = rungs(database, signature(database))
        assert [parameters for _, parameters in ways if parameters == "mode=ro"] == []
