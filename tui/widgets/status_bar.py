"""The bar on top of the screen, and under it one line for each problem while there is one."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events

from tui.render.bars.status import Status, Walk, count_at, problem_lines, status_line
from tui.textual_patches.told import Told
from tui.widgets.fixed_lines import FixedLines


class StatusBar(FixedLines):
    """Shows a Status at whatever width the screen has."""

    @dataclass
    class WalkWanted(Told):
        """A count was clicked: the next of what it counts is wanted."""

        walk: Walk

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__([[]], id=id)
        self.status = Status()
        self.problem = ""

    def update(self, status: Status, problem: str) -> None:
        """Takes the new status in; draws only what differs."""
        self.status, self.problem = status, problem
        self._lay_out()

    def on_click(self, event: events.Click) -> None:
        walk = count_at(self.status, self.size.width, event.x) if event.y == 0 else None
        if walk is not None:
            self.post_message(self.WalkWanted(walk))

    def on_resize(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        width = self.size.width or self.app.size.width
        self.show([status_line(self.status, width), *problem_lines(self.status.healths, self.problem, width)])
