"""Looks through all texts of sessions, without an index: the newest session first, each as it is when its turn comes.

What decides most of it is done by SQLite in C, with the interpreter free for others: a row that does not hold a run of
letters that the pattern has (`Pattern.needles`) never reaches Python. LIKE is three times as fast as instr where what
it looks for begins with a rare letter, and so it does. What is left is decoded as for the events, and compared exactly.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec

from adapter.contract import Damaged, Hit, OutOfTime, Unread
from adapter.opencode.rows import milliseconds
from adapter.opencode.schema import Schema
from adapter.opencode.searchable import Searchable
from adapter.opencode.storage import tables_of
from adapter.opencode.v1.rows import TextPart, UserMessage, decode_message, decode_part
from adapter.opencode.v1.texts import texts_of_message, texts_of_part
from adapter.opencode.v2.queries import waiting_rows
from adapter.opencode.v2.rows import decode_session_message
from adapter.opencode.v2.texts import texts_of_session_message
from adapter.pattern import Pattern, TooSlow, compared
from adapter.sqlite.reader import Pieces, Row, Snapshot
from adapter.sqlite.rows import Lost, missing

BEFORE, BEHIND = 60, 180
"""Characters around a hit that are given with it."""
HIT_LIMIT = 200
"""Characters of a hit itself that are given: a regular expression may find a whole text."""
FEW, MANY = 16, 4_096
"""Rows that one statement looks through: as many as take about AIM_S."""
SMALL = 200
"""Messages up to which a session is looked through by one statement: some MB, which take 10 ms."""
AIM_S = 0.01
PAGE_S = 0.05
"""Seconds of looking after which what was found is told."""
RARE = "zqxjkvbwyfpghmuldcnrtaosie"
"""Letters from rare to frequent in English and in JSON of opencode's; digits are rarer than most of them."""
START = 4
"""Least letters of a run that are asked for."""


class Looked(msgspec.Struct, frozen=True):
    """What was found in one session: hits by time; how many rows were compared or asked for one by one; what could not
    be read."""

    hits: list[Hit]
    rows: int
    lost: list[Lost]


def look_through(
    snapshot: Snapshot, schema: Schema, session: Row, pattern: Pattern, kinds: Collection[str]
) -> Pieces[Looked]:
    """One session, by its row as `all_sessions` gives it. Of a text there is one hit, the first place in it."""
    look = _Look(snapshot, schema, str(session[0]), pattern, frozenset(kinds))
    title = session[5]
    if isinstance(title, str):
        created = milliseconds(session[7])
        look.take([Searchable("title", "title", title)], "", "", created)
    tables = tables_of(schema, session[-1]) if look.reads_rows else set[str]()
    if "message" in tables:
        yield from look.in_1x()
    if "session_message" in tables and "seq" in schema.tables["session_message"]:
        yield from look.in_2x(known="message" in tables)
    look.hits.sort(key=lambda hit: hit.ts)
    return Looked(look.hits, look.rows, look.lost)


def look_through_some(
    snapshot: Snapshot, schema: Schema, sessions: Sequence[Row], pattern: Pattern, kinds: Collection[str]
) -> Pieces[list[Looked]]:
    """As many of the sessions, in their order, as there is time for in about one transaction; one at least."""
    looked: list[Looked] = []
    until = time.monotonic() + PAGE_S
    for session in sessions:
        looked.append((yield from look_through(snapshot, schema, session, pattern, kinds)))
        if time.monotonic() > until:
            break
    return looked


class _Look:
    """One session that is being looked through."""

    def __init__(
        self, snapshot: Snapshot, schema: Schema, session_id: str, pattern: Pattern, kinds: frozenset[str]
    ) -> None:
        self.hits: list[Hit] = []
        self.rows = 0
        self.lost: list[Lost] = []
        self._snapshot = snapshot
        self._schema = schema
        self._session_id = session_id
        self._pattern = pattern
        self._kinds = kinds
        self._likes = [f"%{_asked(needle)}%" for needle in pattern.needles]
        self._users: dict[str, bool] = {}
        self._is_small = False

    def _weigh(self, table: str) -> None:
        """Finds out whether the session has but a few messages."""
        sql = f'SELECT count(*) FROM (SELECT 1 FROM "{table}" WHERE session_id = ? LIMIT {SMALL + 1})'
        try:
            self._is_small = self._snapshot.rows(sql, (self._session_id,))[0][0] <= SMALL
        except (OutOfTime, Unread):
            self._is_small = False

    @property
    def reads_rows(self) -> bool:
        """Whether anything but the title is wanted."""
        return self._kinds != {"title"}

    def take(self, texts: Iterable[Searchable], message_id: str, part_id: str, at_ms: int) -> None:
        """Compares the texts of a row exactly."""
        for text in texts:
            if (self._kinds and text.kind not in self._kinds) or not text.text:
                continue
            try:
                place = self._pattern.find(text.text)
            except TooSlow as error:
                row_id = part_id or message_id or self._session_id
                self.lost.append(Lost("a row", 0, 0, str(error), text.field or text.kind, row_id))
                continue
            if place is None:
                continue
            shape = compared(text.text)
            start, stop = place.start, min(place.stop, place.start + HIT_LIMIT)
            self.hits.append(
                Hit(
                    session_id=self._session_id,
                    message_id=message_id,
                    part_id=f"{part_id}:{text.node}" if text.node else part_id,
                    kind=text.kind,
                    field=text.field,
                    at=place.start,
                    before=shape[max(0, start - BEFORE) : start],
                    match=shape[start:stop],
                    behind=shape[stop : stop + BEHIND],
                    count=place.count,
                    ts=at_ms * 1000,
                )
            )

    # -- the rows of 1.x

    def in_1x(self) -> Pieces[None]:
        """The messages of a session, and the parts of these messages."""
        self._weigh("message")
        own = "session_id = ?"
        # Of a message only its failure is a text, and nearly none has one.
        if not self._kinds or "error" in self._kinds:
            columns = '"id", "session_id", "time_created", CAST("data" AS BLOB)'
            yield from self._each("message", columns, own, self._message)
        columns = '"id", "message_id", "time_created", CAST("data" AS BLOB)'
        yield from self._each(
            "part", columns, "message_id IN (SELECT id FROM message WHERE session_id = ?)", self._part
        )

    def _message(self, row: Row) -> None:
        _, message_id, owner, created, data = row
        if owner == self._session_id:
            self.take(texts_of_message(decode_message(data)), str(message_id), "", milliseconds(created))

    def _part(self, row: Row) -> None:
        _, part_id, message_id, created, data = row
        part = decode_part(data)
        of_user = isinstance(part, TextPart) and self._is_users(message_id)
        self.take(
            texts_of_part(part, of_user=of_user, files="file" in self._kinds),
            str(message_id),
            str(part_id),
            milliseconds(created),
        )

    def _is_users(self, message_id: Any) -> bool:
        if message_id not in self._users:
            try:
                rows = self._snapshot.rows('SELECT CAST("data" AS BLOB) FROM message WHERE id = ?', (message_id,))
            except Unread:
                rows = []
            self._users[message_id] = bool(rows) and isinstance(decode_message(rows[0][0]), UserMessage)
        return self._users[message_id]

    # -- the rows of 2.x

    def in_2x(self, *, known: bool) -> Pieces[None]:
        """The rows of session_message, without those that are messages of 1.x too, and the prompts that wait."""
        self._weigh("session_message")
        only = " AND id NOT IN (SELECT id FROM message WHERE session_id = ?1)" if known else ""
        columns = '"id", "type", "time_created", CAST("data" AS BLOB)'
        yield from self._each("session_message", columns, f"session_id = ?1{only}", self._session_message)
        waiting = yield from waiting_rows(self._snapshot, self._schema, self._session_id, self.lost)
        self.rows += len(waiting)
        for identifier, _, kind, _, created, _, data in waiting:
            self._session_message((0, identifier, kind, created, data))

    def _session_message(self, row: Row) -> None:
        _, identifier, kind, created, data = row
        message, name = decode_session_message(str(kind), data), str(identifier)
        for text in texts_of_session_message(message, files="file" in self._kinds):
            self.take([text], name, name if text.node else "", milliseconds(created))

    # -- any table

    def _each(self, table: str, columns: str, where: str, use: Callable[[Row], None]) -> Pieces[None]:
        """Gives every row that may hold the pattern to a function: of a small session by one statement, where that ends
        in the time of a transaction, else by rowids, as many at a time as there is time for."""
        holds = "".join(' AND ("data" LIKE ? OR typeof("data") = \'blob\')' for _ in self._likes)
        sql = f'SELECT rowid, {columns} FROM "{table}" WHERE {where}{holds}'
        done: set[int] = set()
        if self._is_small:
            stream = self._snapshot.stream(sql, (self._session_id, *self._likes))
            try:
                for row in stream:
                    use(row)
                    done.add(row[0])
                    if self._snapshot.overdue:
                        break
                else:
                    self.rows += len(done)
                    return
            except (OutOfTime, Unread):
                pass
            finally:
                stream.close()
            yield
        rowids = [rowid for rowid in (yield from self._rowids(table, where)) if rowid not in done]
        self.rows += len(done) + len(rowids)
        at, count = 0, FEW * 8
        while at < len(rowids):
            some = rowids[at : at + count]
            began = time.monotonic()
            which, parameters = _which(some)
            sql = f'SELECT rowid, {columns} FROM "{table}" WHERE {which}{holds} ORDER BY rowid'
            stream = self._snapshot.stream(sql, (*parameters, *self._likes))
            used = rowids[at] - 1
            try:
                for row in stream:
                    use(row)
                    used = row[0]
                    if self._snapshot.overdue:
                        break
                else:
                    used = some[-1]
                    took = time.monotonic() - began
                    count = (
                        min(MANY, count * 2) if took < AIM_S / 2 else max(FEW, count // 2) if took > AIM_S else count
                    )
            except OutOfTime:
                if count == 1:
                    self._snapshot.be_patient()
                count = max(1, count // 4)
            except Unread as error:
                if count == 1:
                    self.lost.append(Lost(table, some[0], some[0], missing(error).why))
                    used, count = some[0], FEW
                else:
                    # Down to the row that cannot be read.
                    count = 1 if count <= FEW else count // 8
            finally:
                stream.close()
            at = bisect_right(rowids, used, at)
            if self._snapshot.overdue:
                yield

    def _rowids(self, table: str, where: str) -> Pieces[list[int]]:
        sql = f'SELECT rowid FROM "{table}" WHERE {where}'
        while True:
            try:
                # Sorted here, which is quicker.
                return sorted([row[0] for row in self._snapshot.rows(sql, (self._session_id,))])
            except OutOfTime:
                self._snapshot.be_patient()
            except Damaged as error:
                self.lost.append(Lost(table, 0, 0, f"{missing(error).why} (of session {self._session_id})"))
                return []
            yield


def _which(rowids: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    """SQL for these rows: a range where there is no other in it, else one by one, as many marks as a power of two, so
    that few statements have to be compiled."""
    first, last = rowids[0], rowids[-1]
    if last - first == len(rowids) - 1:
        return "rowid BETWEEN ? AND ?", (first, last)
    marks = 1 << (len(rowids) - 1).bit_length()
    return f"rowid IN ({','.join('?' * marks)})", (*rowids, *[last] * (marks - len(rowids)))


def _asked(needle: str) -> str:
    """What is asked for of a run: from its rarest letter on, because SQLite looks for the first one by one."""
    starts = range(max(1, len(needle) - START + 1))
    best = min(starts, key=lambda at: (RARE.find(needle[at].lower()), at))
    return needle[best:]
