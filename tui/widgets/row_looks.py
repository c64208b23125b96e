"""What the rows of the tree look like, each made once: a row that others push on looks as it did before."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.strip import Strip

from tui.model.records import Key, Row
from tui.render.rows.columns import Cells, laid_out
from tui.widgets.roles import RoleStyles

MOST = 500
"""Rows that are remembered: several screens of them."""

Drawn = tuple[Row, Cells, bool]
"""All that a line shows: of a row, and whether the cursor is on it."""


def under_cursor(roles: Mapping[str, Style], cursor: Style) -> RoleStyles:
    """The styles of the roles on the bar of the cursor."""
    if cursor.reverse:
        # Swapping each role's own colours would make a patchwork; the bar has to be one bar without colour.
        bar = roles["strong"] + Style(reverse=True)
        return RoleStyles(lambda _role: bar)
    overlay = Style(bgcolor=cursor.bgcolor, bold=cursor.bold, underline=cursor.underline)
    return RoleStyles(lambda role: roles[role] + overlay)


class RowLooks:
    """Strips of rows at a width, in the styles of the roles and of the cursor's bar. `bar` says that the last cell is a
    scroll bar's."""

    def __init__(self, width: int, roles: Mapping[str, Style], cursor: Style, bar: bool) -> None:
        self.width = width
        self.bar = bar
        self.roles = roles
        self.under_cursor = under_cursor(roles, cursor)
        self._made: dict[Key, tuple[Drawn, Strip]] = {}

    def of(self, line: Drawn | None) -> Strip:
        """The strip of a row; None is a line behind the last one."""
        if line is None:
            return Strip.blank(self.width, self.roles["text"])
        row, cells, cursor = line
        made = self._made.get(row.key)
        if made is not None and made[0] == line:
            return made[1]
        if len(self._made) >= MOST:
            self._made.clear()
        drawn, width = laid_out(cells, row, self.width, self.under_cursor if cursor else self.roles), self.width
        if self.bar and drawn[-1].text == " ":
            # A strip that ends where the scroll bar begins need not be cut there.
            del drawn[-1]
            width -= 1
        strip = Strip(drawn, width)
        self._made[row.key] = (line, strip)
        return strip
