"""Rows of a table in pieces: as many as there is time for, then the next ones in another transaction.

A row that cannot be read whole is read column by column, and one whose page is damaged is stepped over: both are named
in `lost`, and cost nothing else.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec

from adapter.contract import Damaged, OutOfTime, RowTooLarge, Unread
from adapter.sqlite.connection import ROW_LIMIT_BYTES
from adapter.sqlite.reader import Pieces, Row, Snapshot

AT_ONCE = 64
"""Rows between two looks at the clock (0.3 ms)."""
FIRST_ROWID, LAST_ROWID = -(2**63), 2**63 - 1


class Missing(msgspec.Struct, frozen=True):
    """Stands in a row for a value that could not be read, with the reason in words. Of one that is too large `size` is
    its bytes, and `head` and `tail` are what it begins and ends with."""

    why: str
    size: int = 0
    head: bytes = b""
    tail: bytes = b""


class Lost(msgspec.Struct, frozen=True):
    """What could not be read of a table: rows by rowid (`first` to `last`), or one column of one row. `row_id` is the
    id of that row where it could be read, `why` the reason in words."""

    table: str
    first: int
    last: int
    why: str
    column: str = ""
    row_id: str = ""

    @property
    def kind(self) -> str:
        """The kind of warning."""
        return "too large" if self.why == TOO_LARGE.why else "damaged"

    @property
    def words(self) -> str:
        """What is missing, for the user."""
        if self.column:
            return f"{self.column} of {self.table} {self.row_id or f'row {self.first}'}: {self.why}"
        # Of a range that nothing but the table itself could tell the ends of, one or both are not known.
        begins, ends = self.first > FIRST_ROWID + 1, self.last < LAST_ROWID
        if begins and ends:
            rows = f"row {self.first}" if self.first == self.last else f"rows {self.first} to {self.last}"
        else:
            rows = f"rows from {self.first} on" if begins else f"rows up to {self.last}" if ends else "all rows"
        return f"{rows} of {self.table}: {self.why}"


TOO_LARGE = Missing(f"over {ROW_LIMIT_BYTES >> 20} MB, not read")
DAMAGED = Missing("a page of the file is damaged")


def missing(error: Unread) -> Missing:
    """What stands for the value that could not be read for this reason."""
    return TOO_LARGE if isinstance(error, RowTooLarge) else DAMAGED


def table_rows(snapshot: Snapshot, table: str, columns: Sequence[str], lost: list[Lost]) -> Pieces[list[Row]]:
    """All rows of a table in the order of their rowids, each as (rowid, *columns). A column is SQL."""
    sql = f'SELECT rowid, {", ".join(columns)} FROM "{table}" WHERE rowid > ? ORDER BY rowid'
    found: list[Row] = []
    known: list[int] = []
    after = FIRST_ROWID
    while True:
        count = len(found)
        try:
            for row in snapshot.stream(sql, (after,)):
                found.append(row)
                after = row[0]
                if snapshot.overdue:
                    break
            else:
                return found
        except OutOfTime:
            if len(found) == count:
                snapshot.be_patient()
        except Unread as error:
            following = yield from _step_over(snapshot, table, after, missing(error), known, lost)
            if following is None:
                return found
            found.append((yield from _by_columns(snapshot, table, columns, following, lost)))
            after = following
        yield


def rows_of(
    snapshot: Snapshot,
    table: str,
    columns: Sequence[str],
    where: str,
    parameters: Sequence[Any],
    lost: list[Lost],
) -> Pieces[list[Row]]:
    """The rows of a table that a WHERE clause finds by an index, in no order, each as (rowid, *columns). Raises Damaged
    when it cannot be known which rows they are."""
    names = ", ".join(columns)
    rows: list[Row] = []
    is_damaged = False
    stream = snapshot.stream(f'SELECT rowid, {names} FROM "{table}" WHERE {where}', parameters)
    try:
        while not snapshot.overdue or not rows:
            # So many at once, because the loop costs as much as SQLite does for a row.
            some = list(islice(stream, AT_ONCE))
            rows += some
            if len(some) < AT_ONCE:
                return rows
    except (OutOfTime, RowTooLarge):
        pass
    except Damaged:
        is_damaged = True
    stream.close()
    yield
    found = {row[0]: row for row in rows}
    # The rest one by one: an index alone tells which there are.
    sql = f'SELECT rowid, {names} FROM "{table}" WHERE rowid = ?'
    for rowid in (yield from _rowids(snapshot, table, where, parameters)):
        while rowid not in found:
            try:
                found[rowid] = next(iter(snapshot.rows(sql, (rowid,))), ())
                if is_damaged and not found[rowid]:
                    # An index names a row that its table does not have.
                    lost.append(Lost(table, rowid, rowid, DAMAGED.why))
            except OutOfTime:
                snapshot.be_patient()
                yield
            except Unread:
                found[rowid] = yield from _by_columns(snapshot, table, columns, rowid, lost)
        if snapshot.overdue:
            yield
    return [row for row in found.values() if row]


def _rowids(snapshot: Snapshot, table: str, where: str, parameters: Sequence[Any]) -> Pieces[list[int]]:
    while True:
        try:
            return [row[0] for row in snapshot.rows(f'SELECT rowid FROM "{table}" WHERE {where}', parameters)]
        except OutOfTime:
            snapshot.be_patient()
        yield


def _by_columns(snapshot: Snapshot, table: str, columns: Sequence[str], rowid: int, lost: list[Lost]) -> Pieces[Row]:
    """One row, with Missing in the place of each column that cannot be read."""
    values: list[Any] = [rowid]
    losses: list[Lost] = []
    for column in columns:
        while True:
            try:
                row = snapshot.rows(f'SELECT {column} FROM "{table}" WHERE rowid = ?', (rowid,))
                values.append(row[0][0] if row else None)
            except OutOfTime:
                snapshot.be_patient()
                yield
                continue
            except Unread as error:
                gap = missing(error)
                if isinstance(error, RowTooLarge):
                    size, head, tail = snapshot.ends_of(table, _plain(column), rowid)
                    gap = msgspec.structs.replace(gap, size=size, head=head, tail=tail)
                values.append(gap)
                losses.append(Lost(table, rowid, rowid, gap.why, _plain(column)))
            break
    if len(losses) == len(columns):
        lost.append(Lost(table, rowid, rowid, losses[0].why))
        return tuple(values)
    row_id = values[1] if isinstance(values[1], str) else ""
    lost.extend(msgspec.structs.replace(loss, row_id=row_id) for loss in losses)
    return tuple(values)


def _plain(column: str) -> str:
    """The name in a column's SQL: `CAST("data" AS BLOB)` -> `data`."""
    return column.split('"')[1] if '"' in column else column


def _step_over(
    snapshot: Snapshot, table: str, after: int, gap: Missing, known: list[int], lost: list[Lost]
) -> Pieces[int | None]:
    """The next rowid behind `after` that can be read; None when there is none. What it steps over is lost: the rows
    that an index names, which are gathered in `known` once, or all between two places of the table where none does."""
    fine, following = yield from _first(snapshot, table, "rowid > ? ORDER BY rowid LIMIT 1", after)
    if fine:
        return following
    if not known:
        try:
            # No range of rowids, which the table itself would be asked for.
            known += sorted((yield from _rowids(snapshot, table, "+rowid > ?", (after,))))
        except Damaged:
            return (yield from _leap(snapshot, table, after, gap, lost))
    place = end = bisect(known, after)
    while end < len(known):
        fine, following = yield from _first(snapshot, table, "rowid = ?", known[end])
        if following is not None:
            break
        end += 1
        if snapshot.overdue:
            yield
    if end > place:
        lost.append(Lost(table, known[place], known[end - 1], gap.why))
    elif following is None:
        lost.append(Lost(table, after + 1, LAST_ROWID, gap.why))
    return following


def _first(snapshot: Snapshot, table: str, where: str, rowid: int) -> Pieces[tuple[bool, int | None]]:
    """Whether the place of a rowid can be read, and the rowid found there."""
    while True:
        try:
            rows = snapshot.rows(f'SELECT rowid FROM "{table}" WHERE {where}', (rowid,))
            return True, rows[0][0] if rows else None
        except OutOfTime:
            snapshot.be_patient()
        except Damaged:
            return False, None
        yield


def _leap(snapshot: Snapshot, table: str, after: int, gap: Missing, lost: list[Lost]) -> Pieces[int | None]:
    """As `_step_over`, by the table alone: twice as far each time until something can be read, then back to the first
    place where it can. A sound page between two damaged ones may be leapt over, and is then named with them."""
    # From here on, not behind: the search for what is behind a page's last row begins on that page.
    where = "rowid >= ? ORDER BY rowid LIMIT 1"
    # SQLite gives none below 1 by itself.
    start = bad = max(after, 0)
    step = 1
    while True:
        good = min(start + step, LAST_ROWID)
        fine, following = yield from _first(snapshot, table, where, good)
        if fine or good == LAST_ROWID:
            break
        bad, step = good, step * 2
    if not fine:
        lost.append(Lost(table, after + 1, LAST_ROWID, gap.why))
        return None
    while good - bad > 1:
        middle = (good + bad) // 2
        fine, found = yield from _first(snapshot, table, where, middle)
        if fine:
            good, following = middle, found
        else:
            bad = middle
    lost.append(Lost(table, after + 1, LAST_ROWID if following is None else following - 1, gap.why))
    return following
