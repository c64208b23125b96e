"""What the views have in common that draw their lines themselves and scroll."""

from __future__ import annotations

from collections.abc import Callable

from tui.textual_patches.scroll_view import SteadyScrollView
from tui.textual_patches.told import Told
from tui.widgets.drawn_lines import DrawnLines


class VirtualLines(SteadyScrollView, DrawnLines, inherit_bindings=False):
    """A scrolling view of so many lines."""

    class Moved(Told):
        """A key or the wheel has moved what is in sight, or the caret: somebody reads."""

    def on_mouse_scroll_down(self) -> None:
        self.post_message(self.Moved())

    def on_mouse_scroll_up(self) -> None:
        self.post_message(self.Moved())

    def refresh_where(self, differs: Callable[[int, int], bool]) -> bool:
        """Draws each line in sight of which `differs` says so, given its place in the view and among all lines; returns
        whether there are any."""
        self.fit()
        top = self.scroll_offset.y
        changed = [top + y for y in range(self.size.height) if differs(y, top + y)]
        self.refresh_each(changed)
        return bool(changed)
