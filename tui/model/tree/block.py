"""The rows of one tree as they stand in the list of all."""

from __future__ import annotations

import msgspec

from tui.model.records import Key, Row
from tui.model.tree.layout import Segment
from tui.model.tree.sorting import Place


class Block(msgspec.Struct):
    """The rows of one tree; `index` is made when a key is first looked for, and kept up to date from then on."""

    place: Place
    rows: list[Row] = []
    segments: dict[Key, Segment] = {}
    index: dict[Key, int] | None = None

    def replace(self, rows: list[Row]) -> bool:
        """Takes other rows in, at the cost of what comes after the first difference. False when there is none."""
        if rows == self.rows:
            return False
        if self.index is not None:
            pairs = enumerate(zip(self.rows, rows, strict=False))
            same = next((i for i, (old, new) in pairs if old is not new and old != new), min(len(self.rows), len(rows)))
            for row in self.rows[same:]:
                del self.index[row.key]
            for i in range(same, len(rows)):
                self.index[rows[i].key] = i
        self.rows = rows
        return True
