"""The timeline of a session: one line a step, call and sub-agent, on an axis that is common to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.strip import Strip
from textual.timer import Timer

from tui.model.records import Key, SessionKey
from tui.model.store.store import Store
from tui.model.timeline.lines import Line as TimeLine
from tui.model.timeline.sight import Sight
from tui.protocols import Requests
from tui.render.lines import Line, segments
from tui.render.timeline.bars import Scale, Window
from tui.render.timeline.rows import about, axis_row, foot, row, scale_of
from tui.render.timeline.text import timeline_lines
from tui.textual_patches.told import Told
from tui.widgets.line_view import LineView
from tui.widgets.own_view import OwnView
from tui.widgets.plain_filter import PlainFilter
from tui.widgets.row_looks import under_cursor
from tui.widgets.transcript import Transcript
from tui.widgets.virtual_lines import VirtualLines

HEAD = 1
"""Lines above those that scroll: the axis."""
FOOT = 2
"""Lines below them: what the cursor is on, and what the fills mean."""
LOAD_AFTER = 0.06
"""Seconds that a sub-agent has to be in sight before it is read."""
_MOVES = [each for each in LineView.BINDINGS if isinstance(each, Binding) and each.id != "text.fold"]
"""To another line, and sideways: with the keys of a text."""
TAKEN_WIDTH = 120
"""Columns of a timeline that is copied or saved."""


class TimelineView(VirtualLines, OwnView, can_focus=True, inherit_bindings=False):
    """Draws a timeline as `Sight` has it; `now` gives the time in µs. What it shows of sessions that have not been read
    yet is asked for.

    | keys | what they do |
    |---|---|
    | those of a text | another line; left and right scroll in time |
    | those of a transcript | the next prompt or failure, and the one before |
    | z / Z | less of the time, more of it |
    | o | open or close a prompt, a step, a sub-agent |
    | full stop | that line alone, and back |
    | enter | the row of the line in the tree |
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"tree--cursor"}

    OWN: ClassVar[list[Binding]] = [
        Binding("z", "zoom(True)", "zoom into the time", id="time.closer", show=False),
        Binding("Z", "zoom(False)", "zoom out of the time", id="time.wider", show=False),
        Binding("o", "fold", "open or close a prompt, step or agent", id="time.fold", show=False),
        Binding("full_stop", "narrow", "switch to this line alone, and back", id="time.narrow", show=False),
        Binding("enter", "go_to_row", "go to the row in the tree", id="time.row", show=False),
    ]
    """The keys that are neither those of a text nor those of a transcript."""
    BINDINGS: ClassVar[list[BindingType]] = [*_MOVES, *Transcript.BINDINGS, *OWN]

    @dataclass
    class RowWanted(Told):
        """The user wants to see a node in the tree."""

        key: Key

    def __init__(self, store: Store, now: Callable[[], int], requests: Requests, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.store = store
        self.now = now
        self.requests = requests
        self.sight = Sight(store)
        self._missed = True
        self._asked: set[SessionKey] = set()
        self._timer: Timer | None = None
        self._drawn: dict[int, tuple[Line, bool]] = {}
        self._letters = False
        self._scale: Scale | None = None
        self._rows: dict[Key, tuple[TimeLine, Line]] = {}

    def on_mount(self) -> None:
        plain = any(isinstance(each, PlainFilter) for each in self.app.get_line_filters())
        self._letters = plain or self.app.no_color

    # --- what is shown ---------------------------------------------------------------------------------------

    def turn_to(self, key: Key | None) -> None:
        missed, self._missed = self._missed, False
        if missed:
            self._asked.clear()
        self.sight.turn_to(key, self.now(), missed=missed)
        self._show(to_cursor=True)

    def put_away(self) -> None:
        self._missed = True

    def node_changed(self, dirty: set[Key]) -> bool:
        return self.sight.changed(dirty, self.now()) and self._show()

    def tick(self) -> None:
        if self.sight.tick(self.now()):
            self._show()

    def wrap_changed(self) -> None:
        """No line of it is ever broken."""

    @property
    def moved_to(self) -> Key | None:
        line = self.sight.line
        return line.key if self.sight.moved and line is not None else None

    def clean_lines(self) -> Iterator[str] | None:
        made = self.sight.timeline
        return timeline_lines(self.store, made, TAKEN_WIDTH, letters=self._letters) if made is not None else None

    # --- drawing ---------------------------------------------------------------------------------------------

    @property
    def _room(self) -> int:
        """The lines that scroll in sight."""
        return max(1, self.size.height - HEAD - FOOT)

    def _show(self, *, to_cursor: bool = False) -> bool:
        """Draws what is different; whether anything is."""
        made = self.sight.timeline
        count = len(made.lines) if made is not None else 0
        self.set_length(count + HEAD + FOOT)
        self._scroll_to_cursor(centre=to_cursor)
        changed = self._redraw()
        self._want()
        return changed

    def _redraw(self) -> bool:
        """Draws the lines in sight that are to look different; whether there are any."""
        self.fit()
        lines = {y: self._line(y) for y in range(self.size.height)}
        changed = {y: line for y, line in lines.items() if line != self._drawn.get(y)}
        self.refresh_each(round(self.scroll_offset.y) + y for y in changed)
        for y, line in changed.items():
            self.keep_line(y, self._strip(y, line))
        return bool(changed)

    def _scroll_to_cursor(self, *, centre: bool = False) -> None:
        at, top = self.sight.at, round(self.scroll_offset.y)
        if at < top:
            top = at
        elif at >= top + self._room:
            top = at - self._room // 2 if centre else at - self._room + 1
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False)

    def render_line(self, y: int) -> Strip:
        return self._strip(y, self._line(y))

    def _strip(self, y: int, shown: tuple[Line, bool]) -> Strip:
        self._drawn[y] = shown
        line, under = shown
        width = self.size.width
        roles = under_cursor(self.roles, self.get_component_rich_style("tree--cursor")) if under else self.roles
        return Strip(segments(line, width, roles), width)

    def _line(self, y: int) -> tuple[Line, bool]:
        """What stands in a line of the view, and whether it is the cursor's."""
        made, sight, letters = self.sight.timeline, self.sight, self._letters
        width = self.size.width - 1
        if made is None:
            return ([("  Nothing is selected.", "dim")] if y == 0 else []), False
        window = Window(*sight.window)
        if self._scale is None or self._scale.window != window or not self._scale.axis.same(made.axis):
            self._scale = scale_of(made, window, width)
            self._rows.clear()
        if y < HEAD:
            note = "only this" if sight.narrowed else "part" if sight.zoomed else ""
            return axis_row(self._scale, width, letters=letters, now=sight.at_now, note=note), False
        if y >= self.size.height - FOOT:
            line = sight.line
            if y < self.size.height - 1:
                return (about(line, letters=letters) if line is not None else []), False
            return foot(self.store, made, width, letters=letters), False
        place = round(self.scroll_offset.y) + y - HEAD
        if place >= len(made.lines):
            return self._empty(place), False
        line = made.lines[place]
        known = self._rows.get(line.key)
        if known is None or known[0] is not line:
            known = self._rows[line.key] = (line, row(line, self._scale, width, letters=letters))
        return known[1], place == sight.at

    def _empty(self, place: int) -> Line:
        made = self.sight.timeline
        session = self.store.session_of(made.subject) if made is not None else None
        if place or session is None:
            return []
        return [("  nothing has happened yet" if session.whole else "  loading…", "dim")]

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.refresh()
        self._want()

    def on_resize(self) -> None:
        self._show(to_cursor=True)

    # --- sessions that are not there yet -----------------------------------------------------------------------

    def _want(self) -> None:
        """Has read what is in sight and not there, when it has been in sight for a moment."""
        if self._timer is None and self._unread():
            self._timer = self.set_timer(LOAD_AFTER, self._load)

    def _unread(self) -> list[SessionKey]:
        made = self.sight.timeline
        if made is None:
            return []
        top = self.scroll_offset.y
        sessions = [line.session for line in made.lines[top : top + self._room] if line.kind == "agent"]
        subject = self.store.session_of(made.subject)
        if subject is not None:
            sessions.append(subject)
        return [one.key for one in sessions if not one.whole and not one.partial and one.key not in self._asked]

    def _load(self) -> None:
        self._timer = None
        if not self.display:
            return
        for source, session_id in self._unread():
            self._asked.add((source, session_id))
            self.requests.load(source, session_id)

    # --- keys and mouse --------------------------------------------------------------------------------------

    def _moved(self) -> None:
        self.says("")
        self.post_message(self.Moved())
        self._scroll_to_cursor()
        self._redraw()

    def action_step(self, count: int) -> None:
        self.sight.move(count)
        self._moved()

    def action_leaf(self, pages: int) -> None:
        self.sight.move(pages * max(1, self._room - 1))
        self._moved()

    def action_edge(self, end: bool) -> None:
        self.sight.go(len(self.sight.timeline.lines) - 1 if end and self.sight.timeline is not None else 0)
        self._moved()

    def action_side(self, steps: int) -> None:
        self.sight.scroll(steps)
        self._redraw()

    def action_zoom(self, closer: bool) -> None:
        self.sight.zoom(closer)
        self._redraw()

    def action_fold(self) -> None:
        self.sight.fold(self.now())
        self._show()

    def action_narrow(self) -> None:
        self.sight.narrow(self.now())
        self._show(to_cursor=True)

    def action_next_of(self, what: str, step: int) -> None:
        if self.sight.next_of(what, step > 0):
            self._moved()
        else:
            self.says(f"no {what} here")

    def action_go_to_row(self) -> None:
        line = self.sight.line
        if line is not None:
            self.post_message(self.RowWanted(line.key))

    def on_click(self, event: events.Click) -> None:
        place = self.scroll_offset.y + event.y - HEAD
        made = self.sight.timeline
        if made is None or event.y < HEAD or event.y >= self.size.height - FOOT or place >= len(made.lines):
            return
        self.sight.go(place)
        self._moved()
        if event.chain == 2:
            self.action_go_to_row()

    def forget(self) -> None:
        super().forget()
        self._drawn.clear()
        self._scale = None
