"""What the widgets have in common that draw their lines themselves, in the styles of the roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.style import Style
from textual.widget import Widget

from tui.textual_patches.kept_lines import KeptLines
from tui.widgets.roles import role_styles


class DrawnLines(KeptLines):
    """A widget of which every line is what `render_line` makes of it, in the styles that the style sheet has for the
    roles."""

    def __init__(self, *children: Widget, **options: Any) -> None:
        super().__init__(*children, **options)
        self._roles: Mapping[str, Style] | None = None

    @property
    def roles(self) -> Mapping[str, Style]:
        """The style of each role, as long as the style sheet says so."""
        if self._roles is None:
            self._roles = self.look_up_roles()
        return self._roles

    def look_up_roles(self) -> Mapping[str, Style]:
        """The styles of the roles as the style sheet has them now."""
        return role_styles(self)

    def forget(self) -> None:
        super().forget()
        self._roles = None
