"""What a tab of the detail has to be that is drawn by a widget of its own and not as one text."""

from __future__ import annotations

from collections.abc import Iterator

from textual.widget import Widget

from tui.model.records import Key
from tui.textual_patches.told import Told


class OwnView(Widget):
    """Draws what a node is in, from the model, and has a cursor. Only the one in sight is told of changes: `turn_to`
    makes up for what it has missed."""

    class Remark(Told):
        """A key has something to say; no words take back what the one before said."""

        def __init__(self, words: str) -> None:
            super().__init__()
            self.words = words

    _said = False

    def says(self, words: str) -> None:
        """Answers a key, or takes the answer to an earlier one away."""
        if words or self._said:
            self.post_message(self.Remark(words))
        self._said = bool(words)

    def turn_to(self, key: Key | None) -> None:
        """Shows what the node is in, at the node."""
        raise NotImplementedError

    def put_away(self) -> None:
        """Another tab is shown: what is kept of the model will not be told of changes."""
        raise NotImplementedError

    def node_changed(self, dirty: set[Key]) -> bool:
        """Draws again what is shown of these nodes; whether anything was."""
        raise NotImplementedError

    def tick(self) -> None:
        """Draws again what time changes."""
        raise NotImplementedError

    def wrap_changed(self) -> None:
        """Breaks long lines, or cuts them."""
        raise NotImplementedError

    @property
    def moved_to(self) -> Key | None:
        """The node to which the user has moved the cursor; None while it is where `turn_to` has put it."""
        raise NotImplementedError

    def clean_lines(self) -> Iterator[str] | None:
        """What is to be taken along as clean lines; None while it is not there."""
        raise NotImplementedError
