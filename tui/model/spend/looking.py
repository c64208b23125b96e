"""What the user looks at on the screen of spending, plain Python: a range of days, what the tables are narrowed by,
where the cursors stand, and what is still being read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from adapter.contract import Spending
from tui.model.records import ChangeSet, SessionKey
from tui.model.spend.book import Sum
from tui.model.spend.days import RANGES, Days, Range, named
from tui.model.spend.ledger import MEASURES, Ledger, Measure, Place, Tables
from tui.model.store.store import Store

USUAL = "7 days"
PAGE = 100
"""Sessions that are read by one request."""
EVERY_DAY = 62
"""Days up to which a range shows those too on which nothing was spent."""
Row = tuple[Place, Sum]


class Reading(NamedTuple):
    """How far the reading is: `done` of `total` sessions; `needed` while it is about when the money was spent (then
    `money` is what is not in the figures yet), else about models, agents and tools."""

    done: int
    total: int
    needed: bool
    money: Sum


class Looking:
    """The state of the screen. After every call that changes what is shown `tables` and `rows` are to be drawn."""

    def __init__(self, store: Store, now_us: int, days: Days | None = None) -> None:
        self.store = store
        self.ledger = Ledger(store, days or Days())
        self.today = self.ledger.days.of(now_us)
        self.span: Range = named(USUAL, self.today)
        self.chips: dict[Measure, Place] = {}
        self.measure: Measure = "day"
        self.problem = ""
        self.awaits: set[str] = set()
        """The sources that have not told yet when their sessions began."""
        self._is_early = True
        self.rows: dict[Measure, list[Row]] = {measure: [] for measure in MEASURES}
        self._at: dict[Measure, int] = dict.fromkeys(MEASURES, 0)
        self._on: dict[Measure, Place] = {}
        self._queue: deque[SessionKey] = deque()
        self._needed = self._others = self._asked = 0
        self._money = Sum()
        self._left_out: set[SessionKey] = set()
        self.tables: Tables
        self.add_up()
        self.plan()

    # -- what is shown

    def add_up(self) -> None:
        """Makes the tables anew; each cursor stays on its row, or where that was."""
        self.tables = self.ledger.tables(self.span, self.chips)
        for measure in MEASURES:
            rows = self.rows[measure] = self._in_order(measure)
            place = self._on.get(measure)
            found = next((at for at, row in enumerate(rows) if row[0] == place), None) if place is not None else None
            self._put(measure, self._at[measure] if found is None else found)

    @property
    def is_early(self) -> bool:
        """Whether sessions are still to come that the sources have: what is added up now is not all."""
        if self._is_early and not self.awaits:
            # Later ones that are missing have gone.
            self._is_early = not self.ledger.spans.keys() <= self.store.sessions.keys() | self.store.copies.aside.keys()
        return self._is_early

    def at(self, measure: Measure) -> int:
        """The row of the cursor in a table."""
        return self._at[measure]

    def under_cursor(self, measure: Measure) -> Row | None:
        """That row itself; None in an empty table."""
        rows = self.rows[measure]
        return rows[self._at[measure]] if rows else None

    def move(self, measure: Measure, to: int) -> None:
        """Puts the cursor of a table on a row, or as near as there is one."""
        self._put(measure, to)
        if (row := self.under_cursor(measure)) is not None:
            self._on[measure] = row[0]

    def _put(self, measure: Measure, to: int) -> None:
        self._at[measure] = max(0, min(len(self.rows[measure]) - 1, to))

    def _in_order(self, measure: Measure) -> list[Row]:
        found = dict(self.tables.rows[measure])
        if measure == "day":
            last = min(self.span.last, self.today)
            if not self.span.is_open and last - self.span.first < EVERY_DAY:
                found = {day: found.get(day) or Sum() for day in range(self.span.first, last + 1)} | found
            return sorted(found.items(), key=lambda row: -int(str(row[0])))
        chosen = self.chips.get(measure)
        if chosen is not None:
            # What was narrowed by stays in sight, so that it can be taken back.
            found.setdefault(chosen, Sum())
        return sorted(found.items(), key=lambda row: (-row[1].cost, -row[1].tokens, str(row[0])))

    # -- what is chosen

    def turn(self, step: int) -> None:
        """Goes on to another table."""
        self.measure = MEASURES[(MEASURES.index(self.measure) + step) % len(MEASURES)]

    def narrow(self, measure: Measure) -> bool:
        """Narrows the other tables by the row under the cursor, or no more where they are; whether there is one."""
        row = self.under_cursor(measure)
        if row is None:
            return False
        if self.chips.get(measure) == row[0]:
            del self.chips[measure]
        else:
            self.chips.pop(measure, None)
            self.chips[measure] = row[0]
        self.add_up()
        return True

    def widen(self) -> bool:
        """Takes the newest narrowing away; whether there was one."""
        if not self.chips:
            return False
        self.chips.popitem()
        self.add_up()
        return True

    def next_range(self, step: int) -> None:
        """Goes on to another of RANGES; from any other range to the usual one."""
        names = [*RANGES]
        at = (names.index(self.span.name) + step) % len(names) if self.span.name in names else names.index(USUAL)
        self.show(named(names[at], self.today))

    def show(self, span: Range) -> None:
        """Shows another range of days; a day that the tables were narrowed by goes with the old one."""
        self.span = span
        self.chips.pop("day", None)
        self._on.pop("day", None)
        self._at["day"] = 0
        self.add_up()
        self.plan()

    # -- what changes

    def changed(self, changes: ChangeSet) -> bool:
        """Notes what has changed in the store; whether figures may have."""
        return self.ledger.changed(changes)

    def tick(self, now_us: int) -> bool:
        """Lets time pass: at midnight ranges that are named by today move; whether that is so."""
        today = self.ledger.days.of(now_us)
        if today == self.today:
            return False
        self.today = today
        if self.span.name in RANGES:
            self.show(named(self.span.name, today))
        return True

    # -- what is read

    def plan(self) -> None:
        """Finds what is to be read for the range."""
        left = self.ledger.left(self.span)
        needed = [key for key in left.needed if key not in self._left_out]
        others = [key for key in left.others if key not in self._left_out]
        self._queue = deque([*needed, *others])
        self._needed, self._others, self._money = len(needed), len(others), left.money
        self._asked = 0

    def next_page(self) -> tuple[str, list[str]] | None:
        """Sessions of one source that are to be read next, those first that are needed; None when all have been."""
        if not self._queue:
            return None
        source = self._queue[0][0]
        needed = len(self._queue) - self._others
        most = min(PAGE, needed) if needed > 0 else PAGE
        page: list[str] = []
        while self._queue and self._queue[0][0] == source and len(page) < most:
            page.append(self._queue.popleft()[1])
        self._asked = len(page)
        self.ledger.asking((source, session_id) for session_id in page)
        return source, page

    def take(self, source: str, page: Sequence[str], found: Iterable[Spending] | None, why: str = "") -> None:
        """Takes in what was read; nothing where it could not be, and why."""
        self._asked = 0
        if found is None:
            self.problem = why
            self._left_out |= {(source, session_id) for session_id in page}
        else:
            self.ledger.take(source, page, found)

    @property
    def reading(self) -> Reading | None:
        """How far the reading is; None when there is nothing to read."""
        left = len(self._queue) + self._asked
        if not left:
            return None
        if left > self._others:
            return Reading(self._needed - (left - self._others), self._needed, True, self._money)
        return Reading(self._others - left, self._others, False, Sum())
