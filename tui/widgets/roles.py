"""The roles of styled text as component classes: where a line's "good" or "dim" becomes a colour of the theme."""

from __future__ import annotations

from collections.abc import Callable

from rich.style import Style
from textual.widget import Widget

from tui.render.lines import ROLES

ROLE_CLASSES = {f"line--{role}" for role in ROLES}
"""The component classes of the app; viewer.tcss colours them. Textual makes a node and matches every rule for each
component class of each widget whenever styles are updated: with these on each of ten widgets that was 530 nodes and a
quarter of a start."""


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

    As long as the styles are not updated. A frame redraws a dozen bars of two or three roles: to look all up for each
    of them took a third of the time of a key.
    """
    ground, app = widget.rich_style, widget.app
    return RoleStyles(lambda role: ground + app.get_component_styles(f"line--{role}").partial_rich_style)
