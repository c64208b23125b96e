"""The roles of styled text as component classes: where a line's "good" or "dim" becomes a colour of the theme."""

from __future__ import annotations

from collections.abc import Callable

from rich.style import Style
from textual.widget import Widget

from tui.render.lines import ROLES

ROLE_CLASSES = {f"line--{role}" for role in ROLES}
"""What a widget that draws lines adds to its COMPONENT_CLASSES; viewer.tcss colours them."""


class RoleStyles(dict[str, Style]):
    """Styles by role, each made when it is first asked for."""

    def __init__(self, make: Callable[[str], Style]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, role: str) -> Style:
        style = self[role] = self._make(role)
        return style


def role_styles(widget: Widget) -> RoleStyles:
    """The theme's style for each role on this widget's background.

    To be called once a frame: `refresh` empties Textual's own cache, and looking styles up for every line made a
    frame a third slower (5.4 against 3.7-5.0 ms for 40 lines). A frame redraws a dozen bars of two or three roles: to
    look all up for each of them took a third of the time of a key.
    """
    return RoleStyles(lambda role: widget.get_component_rich_style(f"line--{role}"))
