"""The health of every source, below the panes."""

from __future__ import annotations

from collections.abc import Sequence

from adapter.health import Health
from tui.model.status.counts import Counts
from tui.render.bars.health import Lags, fitting
from tui.widgets.fixed_lines import FixedLines

SHARE = 3
"""The pane takes at most one line in so many: the tree must stay usable above a store full of warnings."""


class HealthPane(FixedLines):
    """Shows the healths it was last given, folded to its width."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.healths: Sequence[Health] = ()
        self.lags: Lags | None = None
        self.counts = Counts()

    def update(self, healths: Sequence[Health], lags: Lags | None, counts: Counts) -> None:
        """Takes the newest numbers in; costs nothing while the pane is hidden."""
        self.healths, self.lags, self.counts = healths, lags, counts
        if self.display:
            self._lay_out()

    def on_show(self) -> None:
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        width = (self.size.width or self.app.size.width) - 2
        tallest = max(4, self.app.size.height // SHARE)
        lines = fitting(self.healths, self.lags, self.counts, width, tallest)
        self.show([[(" ", "text"), *line] for line in lines])
