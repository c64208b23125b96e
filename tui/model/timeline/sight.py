"""What somebody looks at of a timeline: which one, the line of the cursor, what is folded, and which part of the time.

Plain Python: keys, changes and the clock go in; what is drawn is `timeline`, `at` and `window`.
"""

from __future__ import annotations

from tui.model.records import Key, SessionKey, session_key
from tui.model.store.store import Store
from tui.model.timeline.lines import Line, Timeline, Timelines, line_of
from tui.model.tree.layout import parent_key, row_key, shown_session

Stretch = tuple[int, int]
"""From and to, as places on an axis."""

ZOOM = 2
"""A key shows so many times less, or more, of the time."""
STEP = 4
"""A key moves the window by its length divided by this."""
SHORTEST = 1_000
"""The shortest window (µs): nothing is recorded in less than a millisecond."""


class Sight:
    """The state. `subject` is what the timeline is of: the session at the top of the tree, or what the user has
    narrowed it to. `at` is the line of the cursor.

    A window that is chosen stays where it is, unless its end was the end of the axis: then it goes along with it.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.subject: Key | None = None
        self.timeline: Timeline | None = None
        self.at = 0
        self.moved = False
        self._kept = Timelines(store)
        self._top: SessionKey | None = None
        self._folds: dict[Key, bool] = {}
        self._node: Key | None = None
        self._chosen: tuple[int, int] | None = None
        self._goes_along = True

    # -- what is shown ------------------------------------------------------------------------------------------

    @property
    def line(self) -> Line | None:
        """The line of the cursor."""
        lines = self.timeline.lines if self.timeline is not None else []
        return lines[self.at] if 0 <= self.at < len(lines) else None

    @property
    def window(self) -> Stretch:
        """The part of the axis that is in sight."""
        if self.timeline is None:
            return 0, 1
        axis = self.timeline.axis
        if self._chosen is None:
            return 0, axis.length
        start, stop = (axis.place(moment) for moment in self._chosen)
        return (start, stop) if stop > start else (0, axis.length)

    @property
    def zoomed(self) -> bool:
        """Whether it is a part only."""
        return self._chosen is not None

    @property
    def narrowed(self) -> bool:
        """Whether it is the timeline of a part of a session only."""
        return self.subject is not None and self.subject != self._whole()

    @property
    def at_now(self) -> bool:
        """Whether the right edge is the present."""
        return self.timeline is not None and self.timeline.live and self._goes_along

    def turn_to(self, key: Key | None, now_us: int, *, missed: bool = False) -> None:
        """Shows what a node is in, with the cursor at the node. `missed` says that there were changes of which nobody
        has told us; that there were is taken for granted where it is the same node again."""
        session = self.store.session_of(key) if key is not None else None
        missed = missed or key == self._node
        self._node, self.moved = key, False
        if key is None or session is None:
            self.subject = self.timeline = self._top = None
            return
        top = self.store.links.top(session.key)
        other = top != self._top
        if other:
            self._top, self._folds = top, {}
        if other or missed:
            self._kept = Timelines(self.store)
        outside = self.narrowed and not self._is_inside(key)
        if other or outside:
            self.subject, self._chosen, self._goes_along = self._whole(), None, True
        if other or missed or outside or self.timeline is None or key not in self.timeline.places:
            self._make(now_us)
        self._go_to(key)
        self._bring_into_time()

    def changed(self, dirty: set[Key], now_us: int) -> bool:
        """Takes in a change of the model; whether it is one of what is shown."""
        if self._top is None or self.subject is None:
            return False
        links = self.store.links
        sessions = self.store.sessions
        if self._top not in sessions or links.top(self._top) != self._top:
            # It is gone, or hangs under another one now.
            self.turn_to(self._node, now_us)
            return True
        mine = {key for key in dirty if key.owner in sessions and links.top(key.owner) == self._top}
        if not mine:
            return False
        self._kept.changed(mine)
        self._make_again(now_us)
        return True

    def tick(self, now_us: int) -> bool:
        """Lets time pass; whether it changes anything."""
        if self.timeline is None or not self.timeline.live:
            return False
        self._make_again(now_us)
        return True

    def _whole(self) -> Key | None:
        top = self.store.sessions.get(self._top) if self._top is not None else None
        return session_key(top) if top is not None else None

    def _is_inside(self, key: Key) -> bool:
        current: Key | None = key
        subject = self.subject
        shown = shown_session(self.store, subject) if subject is not None else None
        while current is not None:
            if current == subject or (shown is not None and current == row_key(self.store, shown)):
                return True
            current = parent_key(self.store, current)
        return False

    def _make(self, now_us: int) -> None:
        made = self._kept.of(self.subject, now_us, self._folds, self._node) if self.subject is not None else None
        if made is None and self.narrowed:
            self.subject = self._whole()
            made = self._kept.of(self.subject, now_us, self._folds, self._node) if self.subject is not None else None
        self.timeline = made

    def _make_again(self, now_us: int) -> None:
        """As it is now: the cursor stays on its node, at the end it goes along."""
        before, line = self.timeline, self.line
        last = before is not None and self.at == len(before.lines) - 1 and len(before.lines) > 1
        end = before.axis.last if before is not None else 0
        self._make(now_us)
        if self.timeline is None:
            return
        if last and self.at_now:
            self.at = len(self.timeline.lines) - 1
        elif line is not None:
            self._go_to(line.key)
        axis = self.timeline.axis
        if self._chosen is not None and self._goes_along and axis.last != end:
            length = self.window[1] - self.window[0]
            self._chosen = axis.moment(max(0, axis.length - length)), axis.last

    def _go_to(self, key: Key) -> None:
        if self.timeline is not None:
            place = line_of(self.store, self.timeline, key)
            self.at = min(self.at, max(0, len(self.timeline.lines) - 1)) if place is None else place

    # -- the cursor ---------------------------------------------------------------------------------------------

    def move(self, count: int) -> None:
        """So many lines down, or up."""
        self.go(self.at + count)

    def go(self, place: int) -> None:
        """To a line."""
        if self.timeline is None:
            return
        self.at = max(0, min(len(self.timeline.lines) - 1, place))
        self.moved = True
        self._bring_into_time()

    def next_of(self, what: str, forward: bool) -> bool:
        """To the next `prompt`, or the next line on which something went wrong (`failure`), over the end; False where
        there is none. A line that only sums up what is on lines of their own is no failure."""
        lines = self.timeline.lines if self.timeline is not None else []
        if what == "prompt":
            found = [place for place, line in enumerate(lines) if line.kind == "prompt"]
        else:
            found = [
                place
                for place, line in enumerate(lines)
                if line.failed and (line.fold != "open" or line.state == "failed")
            ]
        if not found:
            return False
        beyond = [place for place in found if (place > self.at if forward else place < self.at)]
        self.go((beyond or found)[0 if forward else -1])
        return True

    def fold(self, now_us: int) -> None:
        """Opens or closes the line of the cursor."""
        line = self.line
        if line is None or not line.fold:
            return
        self._folds[line.key] = line.fold == "closed"
        self._make(now_us)
        self._go_to(line.key)

    def narrow(self, now_us: int) -> None:
        """The timeline of the line of the cursor alone: of a prompt, a step, a sub-agent; or back to the session."""
        line = self.line
        if self.narrowed:
            self.subject = self._whole()
        elif line is not None:
            self.subject = parent_key(self.store, line.key) if line.kind in ("call", "part") else line.key
            self.at = 0
        else:
            return
        self._chosen, self._goes_along = None, True
        self._make(now_us)
        if line is not None:
            self._go_to(line.key)

    # -- the time -----------------------------------------------------------------------------------------------

    def zoom(self, closer: bool) -> None:
        """Shows less of the time, around the bar of the cursor's line, or more of it."""
        if self.timeline is None:
            return
        axis = self.timeline.axis
        start, stop = self.window
        length = (stop - start) // ZOOM if closer else (stop - start) * ZOOM
        length = max(min(SHORTEST, axis.length), length)
        if length >= axis.length:
            self.all()
            return
        self._look_at(self._centre() - length // 2, length)

    def scroll(self, steps: int) -> None:
        """Moves the window in time."""
        if self.timeline is None or self._chosen is None:
            return
        start, stop = self.window
        self._look_at(start + steps * max(1, (stop - start) // STEP), stop - start)

    def all(self) -> None:
        """Shows all of the time."""
        self._chosen, self._goes_along = None, True

    def _centre(self) -> int:
        """What zooming keeps in the middle: the bar of the line where it is in sight, else the middle of it."""
        assert self.timeline is not None
        start, stop = self.window
        line = self.line
        if line is not None:
            low, high = self.timeline.axis.place(line.start), self.timeline.axis.place(line.stop)
            if high >= start and low <= stop:
                return (max(low, start) + min(high, stop)) // 2
        return (start + stop) // 2

    def _look_at(self, start: int, length: int) -> None:
        assert self.timeline is not None
        axis = self.timeline.axis
        start = max(0, min(axis.length - length, start))
        self._goes_along = start + length >= axis.length
        self._chosen = axis.moment(start), axis.moment(start + length)

    def _bring_into_time(self) -> None:
        """Scrolls in time to the bar of the cursor's line where nothing of it is in sight."""
        line = self.line
        if line is None or self._chosen is None or self.timeline is None:
            return
        start, stop = self.window
        low, high = self.timeline.axis.place(line.start), self.timeline.axis.place(line.stop)
        if high < start or low > stop:
            self._look_at(low - (stop - start) // STEP, stop - start)
