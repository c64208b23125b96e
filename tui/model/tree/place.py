"""Where the user is in the list: the cursor, which stays on its node whatever arrives, and the rows in sight."""

from __future__ import annotations

from typing import NamedTuple

from tui.model.records import Key
from tui.model.tree.rows import VisibleRows


class Hold(NamedTuple):
    """What must not move on the screen while the rows change: a row, its place among all rows, and the first one in
    sight."""

    key: Key | None
    at: int
    top: int


class Place:
    """`cursor` is a node, `at` its row; of the rows `height` are in sight, from `top` on."""

    def __init__(self, rows: VisibleRows) -> None:
        self.rows = rows
        self.cursor: Key | None = None
        self.at = 0
        self.top = 0
        self.height = 1

    @property
    def at_the_end(self) -> bool:
        """Whether the last row is in sight."""
        return self.top + self.height >= len(self.rows)

    def in_sight(self, index: int) -> bool:
        """Whether the row at a place among all rows is in sight."""
        return self.top <= index < self.top + max(1, self.height)

    def keys_in_sight(self) -> list[Key]:
        """The nodes whose rows are in sight, and that of the cursor."""
        rows = self.rows
        keys = [rows.row(index).key for index in range(self.top, min(len(rows), self.top + self.height))]
        return keys + ([self.cursor] if self.cursor is not None else [])

    def put(self, index: int) -> None:
        """Puts the cursor on a row, wherever the window is."""
        self.at = index
        self.cursor = self.rows.row(index).key

    def go(self, index: int) -> None:
        """Puts the cursor on a row, or the nearest there is, and moves the window no more than it takes to see it."""
        if not len(self.rows):
            return
        self.put(max(0, min(index, len(self.rows) - 1)))
        self.show_cursor()

    def hold(self) -> Hold:
        """Takes hold of the row that must not move: the cursor's where it is in sight, else the topmost one."""
        if self.cursor is not None and self.in_sight(self.at):
            return Hold(self.cursor, self.at, self.top)
        if self.top < len(self.rows):
            return Hold(self.rows.row(self.top).key, self.top, self.top)
        return Hold(None, 0, self.top)

    def settle(self, hold: Hold, *, stay: bool = False) -> None:
        """After the rows have changed: cursor and window go where their nodes are now. With `stay` the window moves
        only when the cursor would leave it."""
        found = self.rows.index_of(self.cursor) if self.cursor is not None else None
        if found is not None:
            self.at = found
        elif len(self.rows):
            self.put(min(self.at, len(self.rows) - 1))
        else:
            self.cursor, self.at = None, 0
        at = self.rows.index_of(hold.key) if hold.key is not None else None
        if stay:
            if hold.key == self.cursor:
                self.show_cursor()
        elif at is not None and at != hold.at and (hold.top > 0 or hold.key == self.cursor):
            # An unscrolled list whose cursor is out of sight stays unscrolled.
            self.top = hold.top + at - hold.at
        self.top = max(0, min(self.top, len(self.rows) - self.height))

    def show_cursor(self) -> None:
        """Moves the window as little as it takes to have the cursor in it."""
        height = max(1, self.height)
        if self.at < self.top:
            self.top = self.at
        elif self.at >= self.top + height:
            self.top = self.at - height + 1
