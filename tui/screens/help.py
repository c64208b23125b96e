"""What works here: every key with its meaning, and what the glyphs and columns say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from tui.config.keymap import Keymap
from tui.render.bars import keys
from tui.render.bars.help import Group, help_lines
from tui.render.text.document import Painted
from tui.widgets.key_bar import KeyBar
from tui.widgets.line_view import LineView


class HelpScreen(ModalScreen[None]):
    """A page of lines over everything else; escape, ? and q close it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "close the help", id="help.close", show=False)
    ]

    def __init__(self, groups: Sequence[Group], keymap: Keymap) -> None:
        super().__init__()
        self.groups = groups
        self.keymap = keymap

    def compose(self) -> ComposeResult:
        yield LineView(id="help")
        yield KeyBar(keys.HELP, self.keymap.keys, id="keys")

    def on_mount(self) -> None:
        self.query_one("#help", LineView).focus()

    def on_resize(self, event: events.Resize) -> None:
        # A column is left free on either side, of which one is the scroll bar's.
        self.query_one("#help", LineView).show(Painted(help_lines(self.groups, event.size.width - 2)), keep=True)
