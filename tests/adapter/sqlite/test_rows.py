"""Rows of a table that is partly unreadable: what cannot be read is named, and all else is there."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from adapter.contract import Damaged
from adapter.sqlite import connection
from adapter.sqlite.reader import Pieces, Reader, Row, Snapshot
from adapter.sqlite.rows import DAMAGED, LAST_ROWID, TOO_LARGE, Lost, Missing, rows_of, table_rows
from tests.adapter.sqlite.conftest import OpenReader

PAGE = 4096
COUNT = 120
"""Rows of about 1 kB: three on a page."""
COLUMNS = ('"id"', '"owner"', 'CAST("data" AS BLOB)')
OWNERS = 5
NO_TIME_S = 1e-9
"""Every look at the clock says that the transaction has lasted for long enough."""
FEW = 200
"""Statements that a hole in a table may cost: to and fro over all numbers that a rowid can be is 63 each way."""


def marker(number: int) -> str:
    return f"row-{number:04}-"


def data(number: int, size: int = 1000) -> str:
    return (marker(number) + "x" * size)[:size]


def make(path: Path, sizes: dict[int, int] | None = None) -> Path:
    """A table of COUNT rows with an index on `owner`; some rows of other sizes."""
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA page_size = {PAGE}")
    connection.execute("CREATE TABLE thing (id TEXT PRIMARY KEY, owner TEXT, data TEXT)")
    connection.execute("CREATE INDEX by_owner ON thing (owner)")
    for number in range(1, COUNT + 1):
        row = (f"thing_{number}", f"owner_{number % OWNERS}", data(number, (sizes or {}).get(number, 1000)))
        connection.execute("INSERT INTO thing VALUES (?, ?, ?)", row)
    connection.commit()
    connection.close()
    return path


def zero_the_page_of(path: Path, number: int) -> list[int]:
    """Zeroes the leaf page that a row lies on; gives the numbers of all rows on it."""
    content = bytearray(path.read_bytes())
    start = content.index(marker(number).encode()) // PAGE * PAGE
    assert content[start] == 0x0D, "not a leaf of a table"
    gone = [int(found) for found in re.findall(rb"row-(\d{4})-", content[start : start + PAGE])]
    content[start : start + PAGE] = bytes(PAGE)
    path.write_bytes(content)
    return sorted(gone)


def zero_an_overflow_page_of(path: Path, letter: bytes) -> None:
    """Zeroes the first page that is full of a letter."""
    content = bytearray(path.read_bytes())
    start = content.index(letter * 2000) // PAGE * PAGE + PAGE
    content[start : start + PAGE] = bytes(PAGE)
    path.write_bytes(content)


def zero_the_root_of(path: Path, name: str) -> None:
    connection = sqlite3.connect(path)
    ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchall()
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * PAGE : page * PAGE] = bytes(PAGE)
    path.write_bytes(content)


async def whole_table(reader: Reader) -> tuple[list[Row], list[Lost]]:
    def work(snapshot: Snapshot) -> Pieces[tuple[list[Row], list[Lost]]]:
        lost: list[Lost] = []
        rows = yield from table_rows(snapshot, "thing", COLUMNS, lost)
        return rows, lost

    return await reader.read(work)


async def of_owner(reader: Reader, owner: int) -> tuple[list[Row], list[Lost]]:
    def work(snapshot: Snapshot) -> Pieces[tuple[list[Row], list[Lost]]]:
        lost: list[Lost] = []
        rows = yield from rows_of(snapshot, "thing", COLUMNS, "owner = ?", (f"owner_{owner}",), lost)
        return rows, lost

    return await reader.read(work)


def expected(numbers: Iterable[int]) -> list[Row]:
    return [(n, f"thing_{n}", f"owner_{n % OWNERS}", data(n).encode()) for n in numbers]


def named(lost: list[Lost]) -> set[int]:
    """The rows that are named, each by its number, where all of it is lost."""
    assert all(each.table == "thing" and not each.column for each in lost)
    found = [n for each in lost for n in range(max(1, each.first), min(COUNT, each.last) + 1)]
    assert len(found) == len(set(found)), "named twice"
    return set(found)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path / "things.db")


@pytest.fixture(params=[None, NO_TIME_S], ids=["in time", "no time"])
def limit_s(request: pytest.FixtureRequest) -> float | None:
    limit: float | None = request.param
    return limit


# -- sound tables


async def test_a_table_is_read_in_as_many_pieces_as_there_is_time_for(path: Path, open_reader: OpenReader) -> None:
    all_rows = expected(range(1, COUNT + 1))
    for limit_s, pieces in ((None, 1), (NO_TIME_S, COUNT)):
        reader = open_reader(path, limit_s)
        await reader.open()
        assert await whole_table(reader) == (all_rows, [])
        assert pieces <= reader.transactions <= pieces + 1


async def test_the_rows_of_one_owner_are_read_whatever_time_there_is(
    path: Path, open_reader: OpenReader, limit_s: float | None
) -> None:
    rows, lost = await of_owner(open_reader(path, limit_s), 3)
    assert (sorted(rows), lost) == (expected(range(3, COUNT + 1, OWNERS)), [])


async def test_what_is_inserted_and_deleted_between_the_pieces_costs_nothing_else(
    path: Path, open_reader: OpenReader
) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("UPDATE thing SET owner = owner WHERE id = 'nobody'")
    connection.execute("DELETE FROM thing WHERE rowid = 119")
    connection.commit()
    reader = open_reader(path, NO_TIME_S)

    def work(snapshot: Snapshot) -> Pieces[list[int]]:
        pieces = table_rows(snapshot, "thing", COLUMNS, [])
        turn = 0
        while True:
            try:
                next(pieces)
            except StopIteration as end:
                return [row[0] for row in end.value]
            turn += 1
            if turn == 50:
                writer = sqlite3.connect(path)
                writer.execute("DELETE FROM thing WHERE rowid IN (7, 50, 51, 90)")
                writer.execute("INSERT INTO thing VALUES ('late', 'owner_1', 'x')")
                writer.commit()
                writer.close()
            yield

    found = await reader.read(work)
    await reader.close()
    connection.close()
    assert found == [*range(1, 51), *range(52, 90), *range(91, 119), 120, 121]


# -- damaged leaves


@pytest.mark.parametrize("number", [1, 2, 60, 100, COUNT - 1, COUNT])
async def test_a_damaged_leaf_costs_exactly_its_rows(
    path: Path, open_reader: OpenReader, limit_s: float | None, number: int
) -> None:
    gone = zero_the_page_of(path, number)
    reader = open_reader(path, limit_s)
    rows, lost = await whole_table(reader)
    assert rows == expected(n for n in range(1, COUNT + 1) if n not in gone)
    assert named(lost) == set(gone)
    assert {(each.kind, each.why) for each in lost} == {("damaged", DAMAGED.why)}
    assert len(lost) <= len(gone)
    assert reader.statements < FEW + COUNT * (limit_s is not None)


@pytest.mark.parametrize("numbers", [(1,), (2,), (60,), (COUNT - 1,), (20, 90), (1, COUNT)])
async def test_where_no_index_tells_of_the_rows_the_table_itself_is_searched(
    path: Path, open_reader: OpenReader, limit_s: float | None, numbers: tuple[int, ...]
) -> None:
    for name in ("by_owner", "sqlite_autoindex_thing_1"):
        zero_the_root_of(path, name)
    gone = {found for number in numbers for found in zero_the_page_of(path, number)}
    reader = open_reader(path, limit_s)
    rows, lost = await whole_table(reader)
    assert rows == expected(n for n in range(1, COUNT + 1) if n not in gone)
    assert named(lost) == gone
    assert len(lost) == len(numbers)
    assert reader.statements < FEW * len(numbers) + COUNT * (limit_s is not None)


@pytest.mark.parametrize("numbers", [(10, 14), (30, 45), (1, 60, COUNT), (20, 24, 28, 32), (40, 41, 42, 43, 44, 45)])
async def test_what_lies_between_damaged_leaves_is_there(
    path: Path, open_reader: OpenReader, limit_s: float | None, numbers: tuple[int, ...]
) -> None:
    gone: set[int] = set()
    for number in numbers:
        if number not in gone:
            gone |= set(zero_the_page_of(path, number))
    reader = open_reader(path, limit_s)
    rows, lost = await whole_table(reader)
    assert rows == expected(n for n in range(1, COUNT + 1) if n not in gone)
    assert named(lost) == gone
    assert reader.statements < FEW * len(numbers) + COUNT * (limit_s is not None)


async def test_the_rows_of_one_owner_are_there_but_for_those_on_a_damaged_leaf(
    path: Path, open_reader: OpenReader, limit_s: float | None
) -> None:
    gone = zero_the_page_of(path, 60)
    for owner in range(OWNERS):
        reader = open_reader(path, limit_s)
        rows, lost = await of_owner(reader, owner)
        mine = range(owner or OWNERS, COUNT + 1, OWNERS)
        assert sorted(row for row in rows if row[1] is not DAMAGED) == expected(n for n in mine if n not in gone)
        assert named(lost) == set(gone) & set(mine)
        # What is there and cannot be read stands for itself, so that nobody takes it for deleted.
        assert {row[0] for row in rows} == set(mine)
        assert reader.statements < 2 * COUNT


async def test_a_table_of_which_nothing_can_be_read_is_named_and_that_is_all(
    path: Path, open_reader: OpenReader, limit_s: float | None
) -> None:
    zero_the_root_of(path, "thing")
    reader = open_reader(path, limit_s)
    rows, lost = await whole_table(reader)
    assert (rows, named(lost)) == ([], set(range(1, COUNT + 1)))
    assert reader.statements < FEW + COUNT


async def test_who_cannot_know_which_rows_there_are_says_so(path: Path, open_reader: OpenReader) -> None:
    zero_the_page_of(path, 60)
    zero_the_root_of(path, "by_owner")
    with pytest.raises(Damaged):
        await of_owner(open_reader(path), 3)


# -- rows that cannot be read whole


@pytest.mark.parametrize("number", [1, 60, COUNT])
async def test_a_damaged_overflow_page_costs_the_value_that_it_is_of(
    tmp_path: Path, open_reader: OpenReader, limit_s: float | None, number: int
) -> None:
    path = make(tmp_path / "things.db", {number: 30_000})
    zero_an_overflow_page_of(path, b"x")
    await one_value_is_missing(path, open_reader, limit_s, number, DAMAGED)


@pytest.mark.parametrize("number", [1, 60, COUNT])
async def test_a_value_over_the_limit_costs_itself(
    tmp_path: Path,
    open_reader: OpenReader,
    limit_s: float | None,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = make(tmp_path / "things.db", {number: 30_000})
    monkeypatch.setattr(connection, "ROW_LIMIT_BYTES", 20_000)
    await one_value_is_missing(path, open_reader, limit_s, number, TOO_LARGE)


async def one_value_is_missing(
    path: Path, open_reader: OpenReader, limit_s: float | None, number: int, gap: Missing
) -> None:
    reader = open_reader(path, limit_s)
    named = [Lost("thing", number, number, gap.why, "data", f"thing_{number}")]
    rows, lost = await whole_table(reader)
    assert lost == named
    assert [row for row in rows if row[0] != number] == expected(n for n in range(1, COUNT + 1) if n != number)
    assert rows[number - 1][:3] == (number, f"thing_{number}", f"owner_{number % OWNERS}")
    assert rows[number - 1][3].why == gap.why
    assert reader.statements < 20 + COUNT * (limit_s is not None)
    rows, lost = await of_owner(reader, number % OWNERS)
    mine = range(number % OWNERS or OWNERS, COUNT + 1, OWNERS)
    assert lost == named
    assert sorted(row for row in rows if row[0] != number) == expected(n for n in mine if n != number)
    assert [row[3].why for row in rows if row[0] == number] == [gap.why]


async def test_only_what_is_asked_for_can_be_too_large(
    tmp_path: Path, open_reader: OpenReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "things.db", {60: 30_000})
    monkeypatch.setattr(connection, "ROW_LIMIT_BYTES", 20_000)

    def work(snapshot: Snapshot) -> Pieces[tuple[list[Row], list[Lost]]]:
        lost: list[Lost] = []
        rows = yield from table_rows(snapshot, "thing", ('"id"',), lost)
        return rows, lost

    rows, lost = await open_reader(path).read(work)
    assert (len(rows), lost) == (COUNT, [])


# -- words


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (Lost("part", 5, 5, "gone"), "row 5 of part: gone"),
        (Lost("part", 5, 9, "gone"), "rows 5 to 9 of part: gone"),
        (Lost("part", 5, LAST_ROWID, "gone"), "rows from 5 on of part: gone"),
        (Lost("part", -(2**63) + 1, 9, "gone"), "rows up to 9 of part: gone"),
        (Lost("part", -(2**63) + 1, LAST_ROWID, "gone"), "all rows of part: gone"),
        (Lost("part", 5, 5, "gone", "data"), "data of part row 5: gone"),
        (Lost("part", 5, 5, "gone", "data", "prt_1"), "data of part prt_1: gone"),
    ],
)
def test_what_is_lost_is_said_in_words_that_a_person_reads(lost: Lost, words: str) -> None:
    assert lost.words == words
