"""The keys that lead to any node of the model, and to other orders and folds of the tree."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui.view import Frame, View

OF_THE_TREE = "this is a key of the tree, which is behind the detail"


class JumpScreen(Screen[None]):
    """A screen with a tree and a detail: the keys mean the same in both, where the detail has no other use for them."""

    view: View
    now: Callable[[], int]

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left_square_bracket", "sibling(-1)", "go to the session before this one", id="jump.before", show=False
        ),
        Binding("right_square_bracket", "sibling(1)", "go to the session after this one", id="jump.after", show=False),
        Binding("p", "caller", "go to the call that started this sub-agent", id="jump.caller", show=False),
        Binding("e", "find('failed', True)", "go to the next failure", id="jump.failure", show=False),
        Binding("E", "find('failed', False)", "go to the failure before", id="jump.failure_before", show=False),
        Binding("w", "find('waiting', True)", "go to the next that is for you", id="jump.waiting", show=False),
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

    @abstractmethod
    def draw(self, frame: Frame) -> bool:
        """Draws what is different."""

    @abstractmethod
    def say(self, words: str) -> None:
        """Answers a key."""

    @abstractmethod
    def go_along(self) -> None:
        """Takes the cursor of the tree to where the user has gone in the detail: a jump begins there."""

    def action_find(self, kind: str, forward: bool) -> None:
        self._begin()
        self.draw(self.view.find(kind, forward, self.now()))

    def action_match(self, forward: bool) -> None:
        self.draw(self.view.match(forward))

    def action_sibling(self, step: int) -> None:
        self.draw(self.view.sibling(step))

    def action_caller(self) -> None:
        self._begin()
        self.draw(self.view.caller())

    def action_look_at_all(self) -> None:
        self.draw(self.view.look_at_all())

    def action_sort(self) -> None:
        self._change_tree(self.view.sort)

    def action_group(self) -> None:
        self._change_tree(self.view.group)

    def action_cycle(self) -> None:
        self._change_tree(self.view.cycle)

    def action_fold_all(self) -> None:
        self._change_tree(self.view.fold_all)

    def _begin(self) -> None:
        if self.view.pane != "tree":
            self.go_along()

    def _change_tree(self, change: Callable[[], Frame]) -> None:
        """Does what is seen in the tree alone, where that is in sight."""
        if self.view.detail_alone:
            self.say(OF_THE_TREE)
        else:
            self.draw(change())
