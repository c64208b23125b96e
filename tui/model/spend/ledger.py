"""What all sessions of a store cost: a book each, of its row where that suffices, else of its steps once they are read.

The row of a session suffices for the money where all of it was spent on one day, and where the session copied nothing;
for models, agents and tools the steps are read, because a session may change its model or agent, and no row names a
tool.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeVar, get_args

from adapter.contract import Spending
from adapter.events import NO_USAGE
from tui.model.records import ChangeSet, Session, SessionKey
from tui.model.spend.book import Book, Sum, of_row, of_steps, spending_of, sum_of
from tui.model.spend.days import Days, Range
from tui.model.store.store import Store

Measure = Literal["day", "model", "project", "agent", "tool", "session"]
MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)
Place = int | str | SessionKey
"""What a row of a table stands for: a day, a name, a directory, or a top-level session."""
Narrowing = Mapping[Measure, Place]
P = TypeVar("P")


class Left(NamedTuple):
    """Sessions that are still to be read in a range: `needed` before it is known what was spent when, `others` for
    models, agents and tools. `money` is what the rows of those that are needed say."""

    needed: list[SessionKey]
    others: list[SessionKey]
    money: Sum


class Tables(NamedTuple):
    """What was spent in a range, narrowed. `rows` has a sum for each place of each measure; a table is narrowed by all
    that the other tables were narrowed by, and the `total` by all.

    Of the sessions in the range: `sessions` how many spent anything, `copied` what forks took over and `elsewhere` what
    copies in other files cost, both left out; `beside` and `short` as in `Book`, of `short_sessions` sessions; `unread`
    rows that could not be read; `read` whether all steps are known.
    """

    total: Sum
    rows: dict[Measure, dict[Place, Sum]]
    unpriced: dict[str, int]
    sessions: int
    copied: Sum
    elsewhere: Sum
    beside: Sum
    short: Sum
    short_sessions: int
    unread: int
    read: bool


class Ledger:
    """The books of a store. `days` says on which day a moment is."""

    def __init__(self, store: Store, days: Days) -> None:
        self.store = store
        self.days = days
        self.spans: dict[SessionKey, tuple[int, int]] = {}
        self._books: dict[SessionKey, Book] = {}
        self._facts: dict[SessionKey, tuple[object, ...]] = {}
        self._stale: set[SessionKey] = set()
        self._asked: dict[SessionKey, bool] = {}
        """Sessions that are being read, and whether they have changed since."""

    def span(self, source: str, spans: Mapping[str, tuple[int, int]]) -> None:
        """Takes in when the first and the newest message of the sessions of a source began (µs UTC)."""
        for session_id, found in spans.items():
            key = (source, session_id)
            self.spans[key] = found
            book = self._books.get(key)
            if book is not None and not book.whole:
                del self._books[key]

    def changed(self, changes: ChangeSet) -> bool:
        """Notes what may have changed; whether any of it has."""
        touched = {key.owner for key in changes.dirty} | changes.roots
        changed = {key for key in touched if self._facts.get(key) != self._now(key)}
        self._stale |= changed
        self._asked |= dict.fromkeys(changed & self._asked.keys(), True)
        return bool(changed)

    def asking(self, keys: Iterable[SessionKey]) -> None:
        """Notes that sessions begin to be read: what changes in them from now on may not be in the answer."""
        self._asked |= dict.fromkeys(keys, False)

    def take(self, source: str, asked: Sequence[str], found: Iterable[Spending]) -> None:
        """Takes in what was read of the sessions that were asked for; of one that is gone there is nothing."""
        by_id = {one.session_id: one for one in found}
        for session_id in asked:
            key = (source, session_id)
            session, has_changed = self.store.sessions.get(key), self._asked.pop(key, False)
            if session is not None:
                spent = by_id.get(session_id) or Spending(session_id, [], session.usage, session.cost)
                self._keep(session, of_steps(session, spent, self.days))
                if has_changed:
                    self._stale.add(key)

    def left(self, span: Range, within: Collection[SessionKey] | None = None) -> Left:
        """What is still to be read in a range, the newest sessions first; `within` are those that count."""
        needed: list[tuple[int, SessionKey]] = []
        others: list[tuple[int, SessionKey]] = []
        money = Sum()
        for key in self.store.sessions if within is None else within:
            session = self.store.sessions[key]
            begin, end = self._between(session)
            if self.days.of(end) < span.first or self.days.of(begin) > span.last:
                continue
            book = self.book(session)
            if book is None:
                needed.append((-end, key))
                money.add(sum_of(session.usage or NO_USAGE, session.cost or 0.0))
            elif not book.whole or key in self._stale:
                others.append((-end, key))
        return Left([key for _, key in sorted(needed)], [key for _, key in sorted(others)], money)

    def book(self, session: Session) -> Book | None:
        """The book of a session; None where its row does not suffice and its steps have not been read."""
        key = session.key
        if key in self._stale:
            # Of one that has not been read whole the old book stands until it is read again.
            if session.whole:
                self._keep(session, of_steps(session, spending_of(session), self.days))
            elif (known := self._books.get(key)) is not None and not known.whole:
                self._stale.discard(key)
                del self._books[key]
        book = self._books.get(key)
        if book is None:
            book = self._made(session)
            if book is not None:
                self._keep(session, book)
        return book

    def tables(self, span: Range, narrowing: Narrowing, within: Collection[SessionKey] | None = None) -> Tables:
        """What was spent in a range."""
        store, links = self.store, self.store.links
        rows: dict[Measure, dict[Place, Sum]] = {measure: {} for measure in MEASURES}
        total, copied, beside, short = Sum(), Sum(), Sum(), Sum()
        unpriced: dict[str, int] = {}
        # Without a narrowing most cells of most sessions are alike, and each needs to be looked at once.
        together: dict[tuple[int, str, str, str], Sum] = {}
        counted = short_sessions = unread = 0
        read = True
        by_day, by_model, by_agent, by_tool = rows["day"], rows["model"], rows["agent"], rows["tool"]
        day, model, agent, tool = (narrowing.get(name) for name in ("day", "model", "agent", "tool"))
        project, top = narrowing.get("project"), narrowing.get("session")
        first, last = span.first, span.last
        for key in store.sessions if within is None else within:
            session = store.sessions[key]
            book = self._books.get(key)
            if book is None or key in self._stale:
                begin, end = self._between(session)
                if self.days.of(end) < first or self.days.of(begin) > last:
                    continue
                book = self.book(session)
            if book is None:
                read = False
                continue
            if book.last < first or book.first > last:
                continue
            read = read and book.whole and key not in self._stale
            own_top: SessionKey = links.top(key)
            in_project, in_top = project in (None, session.place), top in (None, own_top)
            of_session, of_project, of_top = Sum(), Sum(), Sum()
            for cell in book.cells:
                if not first <= cell.day <= last:
                    continue
                if not narrowing:
                    of_session.add(cell.sum)
                    _to(together, (cell.day, cell.model, cell.agent, cell.tool), cell.sum)
                    continue
                misses = (
                    (day is not None and day != cell.day)
                    + (model is not None and model != cell.model)
                    + (agent is not None and agent != cell.agent)
                    + (tool is not None and tool != cell.tool)
                )
                if in_project and in_top:
                    if misses == 0:
                        of_session.add(cell.sum)
                        _to(by_day, cell.day, cell.sum)
                        _to(by_model, cell.model, cell.sum)
                        _to(by_agent, cell.agent, cell.sum)
                        _to(by_tool, cell.tool, cell.sum)
                        if cell.sum.unpriced:
                            unpriced[cell.model] = unpriced.get(cell.model, 0) + cell.sum.unpriced
                    elif misses == 1:
                        # The table that was narrowed by goes on to show all of its rows.
                        if day is not None and day != cell.day:
                            _to(by_day, cell.day, cell.sum)
                        elif model is not None and model != cell.model:
                            _to(by_model, cell.model, cell.sum)
                        elif agent is not None and agent != cell.agent:
                            _to(by_agent, cell.agent, cell.sum)
                        else:
                            _to(by_tool, cell.tool, cell.sum)
                elif misses == 0:
                    (of_top if in_project else of_project if in_top else Sum()).add(cell.sum)
            if of_session:
                counted += 1
                total.add(of_session)
                _to(rows["project"], session.place, of_session)
                _to(rows["session"], own_top, of_session)
            if of_project:
                _to(rows["project"], session.place, of_project)
            if of_top:
                _to(rows["session"], own_top, of_top)
            # A row alone says nothing of these.
            if book.whole and in_project and in_top:
                copied.add(book.copied)
                beside.add(book.beside)
                unread += book.unread
                if book.differs:
                    short.add(book.short)
                    short_sessions += 1
        for (on, by, whose, called), amount in together.items():
            _to(by_day, on, amount)
            _to(by_model, by, amount)
            _to(by_agent, whose, amount)
            _to(by_tool, called, amount)
            if amount.unpriced:
                unpriced[by] = unpriced.get(by, 0) + amount.unpriced
        elsewhere = Sum()
        for copy in store.copies.aside.values():
            if within is None and first <= self.days.of(copy.updated_ts or copy.start_ts) <= last:
                elsewhere.add(sum_of(copy.usage or NO_USAGE, copy.cost or 0.0))
        return Tables(total, rows, unpriced, counted, copied, elsewhere, beside, short, short_sessions, unread, read)

    # -- one session

    def _keep(self, session: Session, book: Book) -> None:
        self._books[session.key] = book
        self._facts[session.key] = self._now(session.key)
        self._stale.discard(session.key)

    def _made(self, session: Session) -> Book | None:
        if session.whole:
            return of_steps(session, spending_of(session), self.days)
        if session.kind == "fork" and not session.extras.get("sums_apart"):
            return None
        if session.usage is None and session.cost is None:
            return None
        begin, end = self._between(session)
        day = self.days.of(begin)
        return of_row(session, day) if self.days.of(end) == day else None

    def _between(self, session: Session) -> tuple[int, int]:
        """The first and the last moment at which a session may have spent anything."""
        known = self.spans.get(session.key)
        begin = session.start_ts or session.updated_ts
        if known is None:
            return begin, max(begin, session.updated_ts, session.answered_ts, session.last_ts)
        # What a fork copied is older than itself, and is another's.
        first = begin if session.kind == "fork" else min(begin, known[0])
        return first, max(begin, known[1], session.answered_ts)

    def _now(self, key: SessionKey) -> tuple[object, ...]:
        """What of a session may change its book; of one that is read whole that is known by its steps."""
        session = self.store.sessions.get(key)
        if session is None:
            return ()
        steps = [(turn.usage, turn.cost, len(turn.ops)) for turn in session.turns.values()] if session.turns else []
        return (
            session.whole, session.usage, session.cost, session.kind, session.start_ts, session.answered_ts, *steps
        )  # fmt: skip


def _to(rows: dict[P, Sum], place: P, amount: Sum) -> None:
    known = rows.get(place)
    if known is None:
        rows[place] = known = Sum()
    known.add(amount)
