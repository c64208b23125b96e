"""The results of a search as a virtual list: only the lines in sight are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.strip import Strip

from tui.model.records import SessionKey
from tui.model.search.results import Results
from tui.model.store.store import Store
from tui.model.sums.rollup import subtree
from tui.render.lines import Line, segments
from tui.render.rows import hit_row
from tui.text.moments import short_age
from tui.textual_patches.told import Told
from tui.widgets.roles import RoleStyles
from tui.widgets.virtual_lines import VirtualLines


class HitsView(VirtualLines, inherit_bindings=False):
    """Draws the results as they are; keys go through the screen, which has the line that is typed in."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"tree--cursor"}

    @dataclass
    class Clicked(Told):
        """A hit was clicked; `twice`: it is to be gone to."""

        twice: bool

    def __init__(self, results: Results, store: Store, now: Callable[[], int], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.results = results
        self.store = store
        self.now = now
        self._ages: dict[SessionKey, str] = {}
        """How long ago the sessions in sight are said to be."""

    def tick(self) -> None:
        """Draws the headings in sight that say another age than they did."""
        lines = self.results.lines

        def is_older(_y: int, index: int) -> bool:
            if index >= len(lines) or lines[index].hit is not None:
                return False
            key = lines[index].session
            return self._ages.get(key) != self._age(key)

        self.refresh_where(is_older)

    def show(self) -> None:
        """Draws what there is now, at the place where the user was."""
        self.set_length(len(self.results.lines))
        if self.scroll_offset.y != self.results.top:
            self.scroll_to(y=self.results.top, animate=False, force=True)
        self.refresh()

    def grew(self) -> None:
        """More lines have come in below those that there were."""
        top, height = self.scroll_offset.y, self.size.height
        before = int(self.virtual_size.height)
        self.set_length(len(self.results.lines))
        if before < top + height:
            self.refresh()

    def moved(self) -> None:
        """Brings the cursor into sight, with its heading where that is right above."""
        results, height = self.results, max(1, self.size.height)
        top = self.scroll_offset.y
        at = results.cursor
        first = at - 1 if at > 0 and results.lines[at - 1].hit is None else at
        if first < top:
            top = first
        elif at >= top + height:
            top = at - height + 1
        results.top = top
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True)
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.results.top = self.scroll_offset.y

    def on_resize(self) -> None:
        self.show()

    def on_click(self, event: events.Click) -> None:
        at = self.scroll_offset.y + event.y
        if at < len(self.results.lines):
            if self.results.lines[at].hit is None:
                at += 1
            self.results.cursor = at
            self.refresh()
            self.post_message(self.Clicked(event.chain == 2))

    def render_line(self, y: int) -> Strip:
        index, width = self.scroll_offset.y + y, self.size.width
        if index >= len(self.results.lines):
            return Strip.blank(width, self.roles["text"])
        here = index == self.results.cursor
        return Strip(segments(self._line(index, width - 1), width, self._under_cursor() if here else self.roles), width)

    def _line(self, index: int, width: int) -> Line:
        line, pattern = self.results.lines[index], self.results.pattern
        if line.hit is not None and pattern is not None:
            return hit_row.hit_line(line.hit, pattern, width)
        age = self._ages[line.session] = self._age(line.session)
        return hit_row.heading(self.store.sessions.get(line.session), line.session[1], line.count, age, width)

    def _age(self, key: SessionKey) -> str:
        session = self.store.sessions.get(key)
        return short_age(max(0, self.now() - subtree(self.store, session).last_ts)) if session is not None else ""

    def _under_cursor(self) -> RoleStyles:
        """The styles of the cursor's bar; the hit itself stays marked."""
        cursor, roles = self.get_component_rich_style("tree--cursor"), self.roles
        if cursor.reverse:
            bar = roles["strong"] + Style(reverse=True)
            return RoleStyles(lambda role: bar + Style(underline=role == "match"))
        overlay = Style(bgcolor=cursor.bgcolor, bold=cursor.bold, underline=cursor.underline)
        return RoleStyles(lambda role: roles[role] + overlay if role != "match" else roles[role])
