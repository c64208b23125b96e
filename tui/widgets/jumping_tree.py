"""The tree with the keys that jump: to failures, questions, what runs, siblings, callers and back."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.timer import Timer

from tui.view import Frame
from tui.widgets.session_tree import SessionTree

REST_S = 0.6
"""Seconds on one node after which the user has looked at it."""


class JumpingTree(SessionTree):
    """A SessionTree with the keys that lead to any node of the model, and to other orders and folds."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left_square_bracket", "sibling(-1)", "go to the session before this one", id="jump.before", show=False
        ),
        Binding("right_square_bracket", "sibling(1)", "go to the session after this one", id="jump.after", show=False),
        Binding("p", "caller", "go to the call that started this sub-agent", id="jump.caller", show=False),
        Binding("e", "find('failed', True)", "go to the next failure", id="jump.failure", show=False),
        Binding("E", "find('failed', False)", "go to the failure before", id="jump.failure_before", show=False),
        Binding("w", "find('waiting', True)", "go to the next that waits for you", id="jump.waiting", show=False),
        Binding(
            "exclamation_mark",
            "find('stuck', True)",
            "go to the next that is stuck or loops",
            id="jump.stuck",
            show=False,
        ),
        Binding("r", "find('running', True)", "go to the next that runs", id="jump.running", show=False),
        Binding("n", "match(True)", "go to the next match of the filter", id="jump.match", show=False),
        Binding("N", "match(False)", "go to the match before", id="jump.match_before", show=False),
        Binding("s", "sort", "sort by activity, cost, tokens, duration, name", id="jump.sort", show=False),
        Binding("o", "group", "group by need, by project, or not at all", id="jump.group", show=False),
        Binding("a", "look_at_all", "mark everything as looked at", id="jump.look_at_all", show=False),
        Binding("z", "cycle", "unfold more of this session, then fold it", id="jump.cycle", show=False),
        Binding("Z", "fold_all", "fold all sessions to a line, then headings", id="jump.fold_all", show=False),
    ]

    _rest: Timer | None = None

    def draw(self, frame: Frame) -> bool:
        """Draws a frame; where the cursor then rests, its node has been looked at."""
        if frame.moved:
            if self._rest is not None:
                self._rest.stop()
            self._rest = self.set_timer(REST_S, self._look)
        return super().draw(frame)

    def _look(self) -> None:
        self.show(self.view.rest())

    def action_find(self, kind: str, forward: bool) -> None:
        self.show(self.view.find(kind, forward, self.now()))

    def action_match(self, forward: bool) -> None:
        self.show(self.view.match(forward))

    def action_sibling(self, step: int) -> None:
        self.show(self.view.sibling(step))

    def action_caller(self) -> None:
        self.show(self.view.caller())

    def action_sort(self) -> None:
        self.show(self.view.sort())

    def action_group(self) -> None:
        self.show(self.view.group())

    def action_look_at_all(self) -> None:
        self.show(self.view.look_at_all())

    def action_cycle(self) -> None:
        self.show(self.view.cycle())

    def action_fold_all(self) -> None:
        self.show(self.view.fold_all())
