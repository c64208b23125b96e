"""The tree with its jumps: to failures, questions, what runs, siblings, callers and back, wherever they are folded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.timer import Timer

from tui.model.bands import Need
from tui.model.finder import Finder
from tui.model.layout import parent_key, row_key, shown_session
from tui.model.nodes import ChangeSet, Key, Row, Session, session_key, turn_key
from tui.model.rows import VisibleRows
from tui.model.seek import Found, caller, enclosing, failures, focus, questions, seek, sibling
from tui.model.seen import Seen
from tui.model.state import newest_turn
from tui.model.store import Store
from tui.model.unfold import cycle, fold_all, reveal
from tui.render.tree_row import Cells, under_filter
from tui.widgets.session_tree import SessionTree
from tui.widgets.told import Told

REST_S = 0.6
"""Seconds on one node after which the user has looked at it."""

BACK_LIMIT = 50
"""Jumps that can be taken back."""

_NOTHING = {
    "failed": "nothing has failed here",
    "waiting": "nothing waits for a person here",
    "stuck": "nothing is stuck or looping here",
    "running": "nothing is running here",
}
_NEEDS: dict[str, frozenset[Need]] = {
    "waiting": frozenset({"person"}),
    "stuck": frozenset({"stuck", "looping"}),
    "running": frozenset({"work", "looping"}),
}


class JumpingTree(SessionTree):
    """A SessionTree that goes to any node of the model: what hides it is opened, what is not loaded is asked for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "sibling(-1)", "session before this one", id="jump.before", show=False),
        Binding("right_square_bracket", "sibling(1)", "session after this one", id="jump.after", show=False),
        Binding("p", "caller", "to the call that started this sub-agent", id="jump.caller", show=False),
        Binding("backspace", "back", "back to where the last jump began", id="jump.back", show=False),
        Binding("e", "find('failed', True)", "next failure", id="jump.failure", show=False),
        Binding("E", "find('failed', False)", "failure before", id="jump.failure_before", show=False),
        Binding("w", "find('waiting', True)", "next that waits for you", id="jump.waiting", show=False),
        Binding("exclamation_mark", "find('stuck', True)", "next that is stuck or loops", id="jump.stuck", show=False),
        Binding("r", "find('running', True)", "next that runs", id="jump.running", show=False),
        Binding("n", "match(True)", "next match of the filter", id="jump.match", show=False),
        Binding("N", "match(False)", "match before", id="jump.match_before", show=False),
        Binding("s", "sort", "by activity, cost, tokens, duration, name", id="jump.sort", show=False),
        Binding("o", "group", "by what they need, project by project, or plain", id="jump.group", show=False),
        Binding("z", "cycle", "more of this session, then one line", id="jump.cycle", show=False),
        Binding("Z", "fold_all", "every session to one line", id="jump.fold_all", show=False),
    ]

    @dataclass
    class Remark(Told):
        """What a jump has to say: that there was nothing, or that it began anew."""

        text: str

    def __init__(
        self,
        store: Store,
        rows: VisibleRows,
        now: Callable[[], int],
        ask_for: Callable[[str, str], None],
        finder: Finder,
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(store, rows, now, ask_for, id=id)
        self.finder = finder
        self._seen = Seen(store, now())
        self._rest: Timer | None = None
        self._rested = False
        self._came_from: list[Key] = []
        self._awaited: Callable[[], Key | None] | None = None

    def apply(self, changes: ChangeSet) -> bool:
        """Takes a change of the model in, and ends a jump that had to wait for it."""
        drawn = super().apply(changes)
        if self._rested:
            self._look()
        awaited = self._awaited
        key = awaited() if awaited is not None else None
        if key is not None:
            self._awaited = None
            self.jump(key, remember=False)
        return drawn

    def _moved_by_hand(self) -> None:
        self._awaited = None
        super()._moved_by_hand()

    def watch_cursor(self) -> None:
        if self._rest is not None:
            self._rest.stop()
        self._rested = False
        self._rest = self.set_timer(REST_S, self._look)

    def _look(self) -> None:
        """Takes the mark from the session in which the cursor rests, and from its tree."""
        self._rested = True
        session = enclosing(self.store, self.cursor) if self.cursor is not None else None
        if session is not None and self._seen.look(session):
            self._redraw({row_key(self.store, one) for one in (session, self.store.top_of(session))})

    def jump(self, key: Key, *, remember: bool = True) -> None:
        """Puts the cursor on a node, opening what hides it. While its row is not there the nearest one above stands in
        for it, and the jump ends when what is missing has been loaded."""
        self._moved_by_hand()
        if remember and self.cursor is not None:
            self._came_from = [*self._came_from, self.cursor][-BACK_LIMIT:]
        top = self.scroll_offset.y
        anchor, anchor_at = self._anchor(top)
        missing = reveal(self.rows, key)
        self._place(anchor, anchor_at, top)
        self._redraw()
        shown: Key | None = key
        while shown is not None and self.rows.index_of(shown) is None:
            shown = parent_key(self.store, shown)
        if shown is not None:
            self.select(shown)
        self._load(missing)
        if missing:
            self._awaited = lambda: key if all(_ready(self.store, session, key) for session in missing) else None

    def action_find(self, kind: str, forward: bool) -> None:
        tops, cursor, store, first = self.rows.tops(), self.cursor, self.store, self._first()
        if kind == "failed":
            read = [key for key, session in store.sessions.items() if session.turns or session.final_status == "failed"]
            found = seek(store, tops, cursor, failures, forward=forward, among=read, first=first)
        else:
            among = [key for key, need in self.rows.needs.items() if need in _NEEDS[kind]]
            spots = self._questions if kind == "waiting" else self._at_work
            found = seek(store, tops, cursor, spots, forward=forward, among=among, first=first)
        self._arrive(found, forward, _NOTHING[kind])
        session = self.store.session_of(found.key) if found is not None else None
        if session is not None and kind == "failed" and not session.whole:
            self._load([session])
            self._awaited = lambda: _failed_step(session)

    def _first(self) -> int | None:
        """The tree that comes next when the cursor is on a heading."""
        key = self.cursor
        return self.rows.headings.first_of(key) if key is not None and key.kind == "heading" else None

    def _questions(self, session: Session) -> list[Key]:
        return questions(self.store, session, self.now())

    def _at_work(self, session: Session) -> list[Key]:
        return [focus(session)]

    def _arrive(self, found: Found | None, forward: bool, nothing: str) -> None:
        if found is None:
            self.post_message(self.Remark(nothing))
            return
        alone = self.rows.index_of(found.key) == self._cursor_at
        self.jump(found.key)
        if alone:
            self.post_message(self.Remark("this is the only one"))
        elif found.wrapped:
            self.post_message(self.Remark("from the top again" if forward else "from the end again"))

    def _cells(self, row: Row) -> Cells:
        cells = super()._cells(row)
        session = shown_session(self.store, row.key)
        if session is None:
            return cells
        if self._seen.changed(session) and not cells.running:
            cells = cells._replace(fresh=True)
        if not self.finder.on:
            return cells
        key = (session.source, session.id)
        matched = key in self.finder.matches
        return under_filter(cells, row, matched, self.finder.trees[key] - matched)

    def action_sort(self) -> None:
        self._moved_by_hand()
        self.arrange(self.rows.arrangement.next_order())

    def action_group(self) -> None:
        self._moved_by_hand()
        self.arrange(self.rows.arrangement.next_grouping())

    def action_match(self, forward: bool) -> None:
        if not self.finder.on:
            self.post_message(self.Remark("no filter yet: / sets one"))
            return
        tops, among = self.rows.tops(), self.finder.matches
        found = seek(self.store, tops, self.cursor, _itself, forward=forward, among=among, first=self._first())
        self._arrive(found, forward, "nothing matches the filter")

    def go_to_match(self) -> None:
        """Goes to the first match, unless the cursor is in a session that matches."""
        session = enclosing(self.store, self.cursor) if self.cursor is not None else None
        if self.finder.on and (session is None or (session.source, session.id) not in self.finder.matches):
            self.action_match(True)

    def action_sibling(self, step: int) -> None:
        if self.cursor is not None and self.cursor.kind == "heading":
            self._go_beside(self.rows.headings.beside(self.cursor, step), step)
            return
        session = enclosing(self.store, self.cursor) if self.cursor is not None else None
        if session is None:
            return
        beside = sibling(self.store, self.rows.tops(), session, step)
        if beside is not None:
            self.jump(row_key(self.store, beside), remember=False)
        else:
            self.post_message(self.Remark("no session after this one" if step > 0 else "no session before this one"))

    def _go_beside(self, heading: Key | None, step: int) -> None:
        if heading is None:
            self.post_message(self.Remark(f"no heading {'after' if step > 0 else 'before'} this one"))
            return
        self._moved_by_hand()
        self.select(heading)

    def action_caller(self) -> None:
        key = caller(self.store, self.cursor) if self.cursor is not None else None
        if key is not None:
            self.jump(key)

    def action_back(self) -> None:
        while self._came_from:
            key = self._came_from.pop()
            if self.store.session_of(key) is not None:
                self.jump(key, remember=False)
                return
        self.post_message(self.Remark("no jump to take back"))

    def action_enter(self) -> None:
        child = shown_session(self.store, self.cursor) if self.cursor is not None and self.cursor.kind == "op" else None
        if child is None or self.cursor is None:
            super().action_enter()
            return
        call = self.cursor
        self.rows.open(call)
        if child.whole:
            self.jump(self._inside(child, call) or call)
        else:
            self.jump(call)
            self._load([child])
            self._awaited = lambda: self._inside(child, call)

    def _inside(self, session: Session, row: Key) -> Key | None:
        """Where somebody wants to be who enters a session: what goes on in it, else its first row."""
        if (session.source, session.id) in self.rows.live:
            return focus(session)
        at = self.rows.index_of(row)
        if at is None or at + 1 >= len(self.rows) or self.rows.row(at + 1).depth <= self.rows.row(at).depth:
            return None
        return self.rows.row(at + 1).key

    def action_cycle(self) -> None:
        key = self.cursor
        session = enclosing(self.store, key) if key is not None else None
        if key is not None and key.kind == "heading":
            self.action_fold()
        if key is None or session is None:
            return
        self._moved_by_hand()
        top = self.scroll_offset.y
        at = self._cursor_at
        words, missing = cycle(self.rows, key)
        if self.rows.index_of(key) is None:
            key = row_key(self.store, session)
        self._place(key, self.rows.index_of(key) or 0, top)
        if self.rows.index_of(key) != at:
            self.select(key)
        self.refresh()
        self._load(missing)
        self.post_message(self.Remark(f"this session: {words}"))

    def action_fold_all(self) -> None:
        self._moved_by_hand()
        top, key = self.scroll_offset.y, self.cursor
        session = self.store.session_of(key) if key is not None else None
        fold_all(self.rows)
        self._place(None, 0, top)
        if session is not None:
            self.select(session_key(self.store.top_of(session)))
        self.refresh()

    def _load(self, sessions: list[Session]) -> None:
        for session in sessions:
            self.ask_for(session.source, session.id)


def _itself(session: Session) -> list[Key]:
    return [session_key(session)]


def _ready(store: Store, above: Session, key: Key) -> bool:
    """Whether a session above a node is there as far as the node needs it: with the call that leads down to it."""
    if not above.whole:
        return False
    session = store.session_of(key)
    while session is not None and session is not above:
        parent = store.parent_of(session)
        if parent is above:
            return store.call_key(session) is not None
        session = parent
    return True


def _failed_step(session: Session) -> Key | None:
    """The step that a session which had to be loaded ended with; None until it is there."""
    turn = newest_turn(session) if session.whole else None
    return turn_key(session, turn) if turn is not None and turn.status == "failed" else None
