"""Real databases with a fault of a kind, each made from a number: the same number makes the same bytes."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from tests.adapter import corpus
from tests.adapter.hand import Hand
from tests.adapter.states import NAME, side

PAGE = 4096
SOURCES = (
    "1.2.1/nested",
    "1.2.1/fork",
    "1.3.2/lifecycle",
    "1.15.13/task2",
    "1.15.13/lifecycle",
    "1.17.11/fork",
    "1.17.11/nested",
    "1.18.33/task",
    "1.18.33/agents",
    "1.18.33/projects",
    "1.18.33/v2-api",
    f"{corpus.PREVIEW}/task",
    f"{corpus.PREVIEW}/given-task",
)
CONTENT = frozenset({"message", "part", "session_message"})
READ_S = 5.0
MOST_ROWS = 20_000
TOUCH = "UPDATE {} SET time_updated = time_updated + 1"
"""Puts every row into the WAL, and changes nothing that is shown but a time."""


# -- faults


def flipped_bits(content: bytearray, chance: random.Random) -> None:
    """Single bits, anywhere."""
    for _ in range(chance.randint(1, 20)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def flipped_bytes_of_a_page(content: bytearray, chance: random.Random) -> None:
    """Bytes of one page, near its header, where each of them counts."""
    page = chance.randrange(len(content) // PAGE) * PAGE
    for _ in range(chance.randint(1, 8)):
        content[page + chance.randrange(64)] = chance.randrange(256)


def zeroed_pages(content: bytearray, chance: random.Random) -> None:
    """Whole pages that were never written."""
    for _ in range(chance.randint(1, 3)):
        page = chance.randrange(1, len(content) // PAGE) * PAGE
        content[page : page + PAGE] = bytes(PAGE)


def swapped_pages(content: bytearray, chance: random.Random) -> None:
    """Two pages in each other's place."""
    one, other = (page * PAGE for page in chance.sample(range(1, len(content) // PAGE), 2))
    content[one : one + PAGE], content[other : other + PAGE] = content[other : other + PAGE], content[one : one + PAGE]


def cut_short(content: bytearray, chance: random.Random) -> None:
    """The end is not there."""
    del content[chance.randrange(1, len(content)) :]


def overwritten_schema(content: bytearray, chance: random.Random) -> None:
    """Something else in the first page, or in a part of it, behind the header of the file."""
    start = chance.choice((100, chance.randrange(100, PAGE)))
    end = min(PAGE, start + chance.choice((4, 40, PAGE)))
    content[start:end] = chance.randbytes(end - start)


def overwritten_page(content: bytearray, chance: random.Random) -> None:
    """Noise in place of a page."""
    page = chance.randrange(1, len(content) // PAGE) * PAGE
    content[page : page + PAGE] = chance.randbytes(PAGE)


def garbage(content: bytearray, chance: random.Random) -> None:
    """Noise at a place, as long as a few pages at most."""
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.randrange(1, 4 * PAGE))
    content[start:end] = chance.randbytes(end - start)


Fault = Callable[[bytearray, random.Random], None]
FAULTS: dict[str, tuple[str, Fault]] = {
    "flipped bits": ("", flipped_bits),
    "flipped bytes of a page": ("", flipped_bytes_of_a_page),
    "zeroed pages": ("", zeroed_pages),
    "swapped pages": ("", swapped_pages),
    "cut short": ("", cut_short),
    "overwritten schema": ("", overwritten_schema),
    "overwritten page": ("", overwritten_page),
    "wal cut short": ("-wal", cut_short),
    "garbage in the wal": ("-wal", garbage),
    "flipped bits in the wal": ("-wal", flipped_bits),
}
"""Name -> which file it is in, and the fault."""


def chosen(number: int) -> tuple[str, str]:
    """The fault and the source of a number: every fault with every source comes by."""
    faults = list(FAULTS)
    return faults[number % len(faults)], SOURCES[number // len(faults) % len(SOURCES)]


def damage(number: int, whole: Path, directory: Path) -> Path:
    """A copy of a directory, with the fault of this number."""
    shutil.copytree(whole, directory)
    chance = random.Random(number)
    suffix, fault = FAULTS[chosen(number)[0]]
    file = side(directory / NAME, suffix)
    content = bytearray(file.read_bytes())
    fault(content, chance)
    file.write_bytes(content)
    if suffix and chance.random() < 0.5:
        side(directory / NAME, "-shm").unlink()
    # Not just written: `doctor` would follow for a while to see how late we are.
    for file in directory.iterdir():
        os.utime(file, (time.time() - 3600,) * 2)
    return directory / NAME


def build_whole(source: str, with_wal: bool, directory: Path) -> Path:
    """The database of a source without a fault, with a WAL where that is to be damaged."""
    directory.mkdir(parents=True)
    path = corpus.build(source, directory / NAME)
    if with_wal:
        hand = Hand(path)
        for table in ("session", "message", "part", "session_message"):
            if hand.run(f"SELECT 1 FROM sqlite_master WHERE name = '{table}'"):
                hand.run(TOUCH.format(table))
        hand.kill()
    return path


# -- what can be read of it


class Readable(msgspec.Struct):
    """What a plain connection reads of a database, and where it fails."""

    tables: set[str] = set()
    sessions: dict[str, tuple[Any, ...]] = {}
    """Id -> id, title and parent."""
    parts: dict[str, list[tuple[Any, ...]]] = {}
    """Session -> its messages and parts, where every way to them gives the same."""
    failed: dict[str, str] = {}
    """Session -> why not all of its messages and parts can be read, where the table itself is to blame."""


def readable(path: Path, copy: Path) -> Readable:
    """Reads a copy of the files row by row, by every way there is."""
    shutil.copytree(path.parent, copy)
    found = Readable()
    with suppress(sqlite3.Error), closing(sqlite3.connect(copy / path.name, timeout=1)) as connection:
        end = time.monotonic() + READ_S
        connection.set_progress_handler(lambda: time.monotonic() > end, 100_000)
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        # We refuse pages whose cells cannot be right, so what a connection without that check makes up does not count.
        connection.execute("PRAGMA cell_size_check = 1").close()
        _read(connection, found)
    return found


def _read(connection: sqlite3.Connection, found: Readable) -> None:
    for table in ("session", "session_v2", "message", "part", "session_message"):
        with suppress(sqlite3.Error):
            connection.execute(f"SELECT id, time_created FROM {table} LIMIT 0").close()
            found.tables.add(table)
    for table in ("session", "session_v2"):
        for order in ("ASC", "DESC"):
            sql = f"SELECT id, title, parent_id FROM {table} NOT INDEXED ORDER BY rowid {order}"
            for row in _rows(connection, sql, [], []):
                if isinstance(row[0], str) and row[0]:
                    found.sessions.setdefault(row[0], row)
    broken: dict[str, str] = {}
    for table in sorted(CONTENT & found.tables):
        failures: list[str] = []
        for _ in _rows(connection, f"SELECT * FROM {table} NOT INDEXED", [], failures):
            pass
        if failures:
            broken[table] = failures[0]
    for session in found.sessions:
        failures = []
        rows = {}
        for table in sorted(CONTENT & found.tables):
            sql = f"SELECT * FROM {table} WHERE session_id = ? ORDER BY id"
            rows[table] = list(_rows(connection, sql, [session], failures))
            for row in rows[table]:
                if list(_rows(connection, f"SELECT * FROM {table} WHERE id = ?", [row[0]], failures)) != [row]:
                    failures.append(f"{table} {row[0]} is not found by its id")
        again: list[Any] = []
        for message in rows.get("message", ()):
            again += _rows(connection, "SELECT * FROM part WHERE message_id = ? ORDER BY id", [message[0]], failures)
        if sorted(map(repr, again)) != sorted(map(repr, rows.get("part", ()))):
            failures.append("its parts are not found by their messages")
        if not failures:
            found.parts[session] = [row for table in rows.values() for row in table]
        elif broken and any("malformed" in words for words in failures):
            found.failed[session] = f"{failures[0]}, {broken}"


def _rows(
    connection: sqlite3.Connection, sql: str, parameters: list[Any], failures: list[str]
) -> Iterable[tuple[Any, ...]]:
    def each() -> Iterator[tuple[Any, ...]]:
        try:
            with closing(connection.execute(sql, parameters)) as rows:
                for _ in range(MOST_ROWS):
                    row = rows.fetchone()
                    if row is None:
                        return
                    yield row
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter for names of columns
            failures.append(str(error))

    return each()
