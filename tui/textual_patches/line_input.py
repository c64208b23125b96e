"""A line of text in which typing lays nothing out."""

from __future__ import annotations

from textual.geometry import Size
from textual.reactive import reactive
from textual.widgets import Input

from tui.textual_patches import stock


class SteadyInput(Input):
    """An input of which neither the size nor a scroll bar depends on its text. Textual's own lays the whole screen out
    for every letter."""

    virtual_size = reactive(Size(0, 0))

    def watch_virtual_size(self) -> None:
        if not stock.on("input"):
            self.refresh(layout=True)
