"""The health of every source, below the panes."""

from __future__ import annotations

from collections.abc import Sequence

from adapter.health import Health
from tui.model.status.counts import Counts
from tui.render.bars.health import Lags, health_lines, sessions_line
from tui.render.lines import Line, folded
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
        lines: list[Line] = [
            piece
            for health in self.healths
            for line in health_lines(health, self.lags)
            for piece in folded(line, width, indent=9)
        ]
        if lines:
            lines.append(sessions_line(self.counts))
        else:
            lines = [[("  No database is watched.", "dim")]]
        tallest = max(4, self.app.size.height // SHARE)
        if len(lines) > tallest:
            more = len(lines) - tallest + 1
            lines = [*lines[: tallest - 1], [(f"  and {more} lines more: opencode-viewer doctor", "dim")]]
        self.show([[(" ", "text"), *line] for line in lines])
