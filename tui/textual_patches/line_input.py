"""A line of text in which typing lays nothing out."""

from __future__ import annotations

from textual.geometry import Size
from textual.reactive import reactive
from textual.widgets import Input

from tui.textual_patches.stock import OFF


class SteadyInput(Input):
    """An input whose size does not depend on its text."""

    if "input" not in OFF:
        # Input's own lays out the whole screen for every letter, though neither size nor scroll bar depends on it.
        virtual_size = reactive(Size(0, 0))
