"""What the user looks at: the one state of the screen, in plain Python and with a clock of its own.

Events, times and keys go in, frames come out: `apply` takes a change of the model, `tick` the passing of time, each
other method a key or the mouse. A frame says what is different and has to be drawn; widgets draw it, and change
nothing. Times are µs UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from adapter.health import Health
from tui.model.filter.active_filter import Finder, Sum
from tui.model.filter.language import Completion
from tui.model.filter.looking import Looking
from tui.model.filter.reading import Reading
from tui.model.records import ChangeSet, Key, Session, SessionKey, session_key, turn_key
from tui.model.status.bands import Need
from tui.model.status.counts import Tally
from tui.model.status.notices import Notice, Notices
from tui.model.status.sources import Sources
from tui.model.status.state import newest_turn
from tui.model.status.summary import Summary
from tui.model.status.thresholds import MINUTE, SECOND
from tui.model.status.unread import Seen
from tui.model.store.memory_budget import Budget
from tui.model.store.store import Store
from tui.model.sums.rollup import subtree
from tui.model.tree.layout import parent_key, row_key, shown_session
from tui.model.tree.new_rows import NewRows
from tui.model.tree.place import Hold, Place
from tui.model.tree.rows import VisibleRows
from tui.model.tree.seek import Found, caller, enclosing, failures, focus, questions, seek, sibling
from tui.model.tree.sorting import Arrangement
from tui.model.tree.under_cursor import UnderCursor, under_cursor
from tui.model.tree.unfold import cycle, fold_all, reveal
from tui.text import sanitize

BACK_LIMIT = 50
"""Jumps that can be taken back."""
_SOON_S = 0.05
"""A timer may be a little early: to set it for less would tick the same second twice."""

RESULTS = Key("", "results", "", "")
"""Stands among the places where jumps began for the results of a search."""

_NOTHING = {
    "failed": "nothing has failed",
    "waiting": "nothing waits for a person",
    "stuck": "nothing is stuck or looping",
    "running": "nothing is running",
}
_NEEDS: dict[str, frozenset[Need]] = {
    "waiting": frozenset({"person"}),
    "stuck": frozenset({"stuck", "looping"}),
    "running": frozenset({"work", "looping"}),
}


@dataclass
class Frame:
    """What is different and has to be drawn.

    `rows`: another list of rows, or others of it in sight; each line in sight may look different. `dirty`: nodes whose
    lines and details may; `aged`: nodes whose lines may because time has passed. `moved`: the cursor is on another
    node. `detail`: time changes what is said of the cursor's node. `status`: the bar. `heading`: filter, order or
    number of sessions. `title`: sessions that run and that wait, for the terminal's title. `notices`: what a person is
    to be called back for, the heaviest first. `remark`: what the key has to say. `load`, `release`: sessions to be
    read, and given back. `detail_wanted`: the user wants to be in the detail. `panes`: the panes stand otherwise, or
    the keys go to another one. `results`: the results of the search are wanted again. `look`: what is to be looked for
    in the texts of sessions is another thing now (`View.looking`), or nothing. `watch`: the sources of which the
    processes are to be looked at from now on, None for no change.
    """

    rows: bool = False
    dirty: set[Key] = field(default_factory=set)
    aged: set[Key] = field(default_factory=set)
    moved: bool = False
    detail: bool = False
    status: bool = False
    heading: bool = False
    title: tuple[int, int] | None = None
    notices: list[Notice] = field(default_factory=list)
    remark: str = ""
    load: list[SessionKey] = field(default_factory=list)
    release: list[SessionKey] = field(default_factory=list)
    detail_wanted: bool = False
    panes: bool = False
    results: bool = False
    look: bool = False
    watch: frozenset[str] | None = None


Pane = Literal["tree", "filter", "detail", "search"]
"""Where the user is: among the rows, in the line of the filter, in the detail, in the line of its search."""


class View:
    """The state of the screen. `notify` gives notices; they are `silenced` when they were wanted and are not. `problem`
    is what to say about what is wrong outside, `fault` about an error of our
    own, "" for nothing; `pane` is where the keys go, `tab` what the user wants of a detail, "" for the first. With
    `one_pane` there is room for one pane only, and enter leads to the detail; `zoomed` is whether the detail is the
    whole screen although there is room for both, `wrap` whether long lines of texts are broken.
    """

    def __init__(self, store: Store, now_us: int, *, notify: bool = False) -> None:
        self.store = store
        self.started = now_us
        self.now = self._ticked = now_us
        self._newest = 0
        self.notify = notify
        self._wants_notices = notify
        self.silenced = False
        self.notices = Notices(store, now_us)
        self.seen = Seen(store, now_us)
        self.rows = VisibleRows(store)
        self.following = False
        self.paused = False
        self.one_pane = False
        self.pane: Pane = "tree"
        self.zoomed = False
        self._zoomed_from: Pane = "tree"
        self.wrap = True
        self.tab = ""
        self.problem = ""
        self.fault = ""
        self.sources = Sources()
        self._cut: dict[str, int] = {}
        self._untouched = True
        self._rested = False
        self._read_news: SessionKey | None = None
        self._came_from: list[Key] = []
        self._awaited: Callable[[], Key | None] | None = None
        self._lost: Key | None = None
        self._wanted: set[SessionKey] = set()
        self._frame = Frame()
        self._drawn = Summary()
        self._summed = Sum()
        self._titled = (0, 0)
        self._said_of_sources: object = None
        self._listing = False
        self._watched: frozenset[str] = frozenset()
        self._cursor: Key | None = None
        self._begin()

    def _begin(self) -> None:
        """Makes what follows from the store and the user's choices."""
        self.finder = Finder(self.store)
        self.reading = Reading(self.store, self.finder)
        self.looking = Looking(self.finder)
        self.tally = Tally(self.store)
        self.budget = Budget(self.store, self.rows)
        self.place = Place(self.rows)
        self.new = NewRows(self.place)

    # --- reading -----------------------------------------------------------------------------------------------

    @property
    def cursor(self) -> Key | None:
        """The node that the cursor is on."""
        return self.place.cursor

    @property
    def under_cursor(self) -> UnderCursor | None:
        """What the row of the cursor is; None where there is none."""
        at = self.place.at
        return under_cursor(self.store, self.rows.row(at), self.now) if 0 <= at < len(self.rows) else None

    @property
    def summary(self) -> Summary:
        """What the bar is to say, as of the last change or tick."""
        counts = self.tally.counts
        return Summary(
            counts.running,
            counts.waiting,
            counts.stuck,
            counts.looping,
            counts.failed_today,
            counts.cost_today,
            self.following,
            self.paused,
            self.new.above,
            self.new.below,
            *self.sources.stale(self.now),
            self.silenced,
            (bool(self.store.sessions) or self.sources.is_any_read) and self.sources.has_counts,
        )

    @property
    def busy(self) -> bool:
        """Whether the next second may change something: a session is not at its end, a notice is to be given, or the
        age of what is shown is."""
        pending = self.notify and self.notices.pending
        is_stale = self.sources.stale(self.now)[0] > 0
        return self.rows.anything_open or pending or self.reading.on or self._is_young or is_stale

    @property
    def _is_young(self) -> bool:
        """Whether something is so young that its age is said in seconds."""
        return self._is_recent(self._newest)

    def _is_recent(self, ts: int) -> bool:
        return 0 <= self.now - ts < MINUTE + SECOND

    def patience_s(self, now_us: int) -> float:
        """Seconds until the next tick is due: the next full second or minute, or when a source is no longer fresh. It
        is due now when the clock of the wall says so whatever the timer waits for: the machine was asleep, or somebody
        set the clock."""
        period = SECOND if self.busy else MINUTE
        if now_us // period != self._ticked // period:
            return _SOON_S
        due = [period - now_us % period, *self.sources.fresh_for(now_us)]
        return max(_SOON_S, min(due) / SECOND)

    def trees_in_sight(self) -> set[SessionKey]:
        """The trees of which a row is in sight, and that of the cursor."""
        return {self.store.links.top(key.owner) for key in self.place.keys_in_sight()}

    def _to_watch(self) -> frozenset[str]:
        """The sources of which the processes can change what is said: something goes on there, or may."""
        never = {source for source in self.rows.open_sources if source not in self.store.processes}
        return frozenset({source for source, _ in self.rows.needs} | never)

    # --- what arrives, and time --------------------------------------------------------------------------------

    def apply(self, changes: ChangeSet, now_us: int) -> Frame:
        """Takes in a change of the store."""
        self._pass(now_us)
        sessions = self.store.sessions
        told = (sessions[key.owner].last_ts for key in changes.dirty if key.kind == "session" and key.owner in sessions)
        self._newest = max(self._newest, *(ts for ts in told if ts <= now_us), 0)
        self.notices.update(changes, now_us)
        if self._rested:
            self._look()
        self.tally.update(changes, now_us)
        self._frame.dirty |= changes.dirty
        self._frame.heading = self._frame.heading or changes.order
        self._update(changes, self.finder.update(changes, now_us))
        if self._lost is not None and (at := self.rows.index_of(self._lost)) is not None:
            self._lost = None
            self.place.go(at)
        if self._wanted:
            self._want_again()
        key = self._awaited() if self._awaited is not None else None
        if key is not None:
            self._awaited = None
            self._jump(key, remember=False)
        self._keep_to_budget()
        self._read_on()
        return self._done()

    def tick(self, now_us: int) -> Frame:
        """Lets time pass, whatever is in sight."""
        before, self._ticked = self._ticked, now_us
        is_set_back, is_new_minute = now_us < self.now, now_us // MINUTE != before // MINUTE
        self._pass(now_us)
        self.notices.tick(now_us)
        self.tally.tick(now_us)
        filtered = self.finder.tick(now_us)
        self._update(ChangeSet(roots=set(), dirty=set()), filtered)
        # A profile of a tick: two thirds were asking thirty rows that say a day what they say now.
        self._frame.aged = self.rows.aged(self.place.keys_in_sight(), before, now_us)
        self._frame.rows = self._frame.rows or filtered or is_set_back or is_new_minute
        self._frame.detail = is_new_minute or self._is_told_in_seconds()
        self._read_on()
        if self.looking.go_on(now_us):
            self._frame.look = True
        return self._done()

    def _is_told_in_seconds(self) -> bool:
        """Whether a second changes what the detail says: the row of the cursor is another one, or something has gone on
        in its tree just now; of a heading, anywhere at all."""
        session = self.store.session_of(self.cursor) if self.cursor is not None else None
        if session is None:
            return self._is_young or self.rows.anything_open
        last_ts = subtree(self.store, self.store.top_of(session)).last_ts
        return self.cursor in self._frame.aged or self._is_recent(last_ts)

    def heard(self, healths: Mapping[str, Health], now_us: int) -> Frame:
        """Takes in the newest health of each source, which says when that was looked at last."""
        self.sources.hear(healths, now_us)
        self._pass(now_us)
        said = self.sources.in_bar(), bool(self.store.sessions)
        if said != self._said_of_sources:
            self._said_of_sources, self._frame.status = said, True
        if self._cut != self.store.cut:
            # Where nobody sees anything no age goes on.
            self._cut, self._frame.rows = dict(self.store.cut), True
        if self._listing != self.sources.is_listing:
            self._listing, self._frame.heading = self.sources.is_listing, True
        return self._done()

    def rebuild(self, now_us: int) -> Frame:
        """Makes everything anew that follows from the store and the user's choices: what an error has left behind is
        not to be trusted. The cursor goes back to its node, and what was unfolded is read again, when it is there."""
        before, text, height = self.rows, self.finder.text, self.place.height
        self._lost = self.cursor or self._lost
        self._wanted |= {key.owner for key, is_open in before.folds.chosen.items() if is_open}
        self._awaited = None
        self._frame = Frame(rows=True, heading=True, status=True)
        self.rows = VisibleRows(self.store, before.folds)
        self._begin()
        self.place.height = height
        self.rows.arrange(before.arrangement)
        ended, self.notices = self.notices.ended, Notices(self.store, now_us)
        self.notices.ended |= ended
        self.finder.ask(text, now_us)
        self.rows.keep(self.finder.trees if self.finder.on else None)
        return self.apply(ChangeSet(roots=set(), dirty=set()), now_us)

    def _want_again(self) -> None:
        """Asks for what was unfolded before everything was loaded anew."""
        for key in [key for key in self._wanted if key in self.store.sessions]:
            self._wanted.discard(key)
            if not self.store.sessions[key].loaded:
                self._frame.load.append(key)

    def _pass(self, now_us: int) -> None:
        """Notes the time. A clock that was set back makes what was over go on again, and an age is counted from the
        step."""
        if now_us < self.now:
            self.tally.recount(now_us)
            self.sources.set_back(now_us)
        self.now = now_us

    def _update(self, changes: ChangeSet, filtered: bool) -> None:
        """Brings rows, cursor and window up to date."""
        hold = self.place.hold()
        self.rows.folds.held = self._prompts_around()
        self.rows.news = self._news()
        different = filtered and self._keep()
        different = self.rows.update(changes, self.now) or different
        self._frame.dirty |= self.rows.headings.changed
        if different:
            self._frame.rows = self._frame.heading = True
            if self._untouched:
                # Nobody has looked for anything yet: the first row is where the newest is, also while a catalogue of
                # thousands is still coming in.
                if len(self.rows):
                    self.place.put(self.rows.first_session())
                hold = Hold(None, 0, 0)
            new = self._began(changes)
            self.place.settle(hold, stay=hold.top <= 0 and self._is_above(new, hold))
            if not self._untouched:
                self.new.arrived(new)
            self.new.look()
        if self.following:
            self._go_to_newest()

    def _news(self) -> frozenset[SessionKey]:
        """The trees that have ended and that nobody has looked at since; one that somebody looks at is among them until
        the cursor rests elsewhere, so that its row stays where it is."""
        store = self.store
        ended = {store.links.top(key) for key in self.notices.ended if key in store.sessions}
        return frozenset(ended if self._read_news is None else {*ended, self._read_news})

    def _prompts_around(self) -> set[Key]:
        """The prompts that the cursor is in."""
        found: set[Key] = set()
        key = self.cursor if not self._untouched else None
        while key is not None:
            key = parent_key(self.store, key)
            if key is not None and key.kind == "prompt":
                found.add(key)
        return found

    def _began(self, changes: ChangeSet) -> list[Key]:
        """What is new of a change. A session that began before us was there, and is only known now."""
        sessions = self.store.sessions
        return [
            key
            for key in changes.new
            if key.kind != "session"
            or ((session := sessions.get(key.owner)) is not None and session.start_ts >= self.started)
        ]

    def _is_above(self, new: Iterable[Key], hold: Hold) -> bool:
        """Whether one of the new nodes is a session at the top of its tree that stands above what is held."""
        limit = self.rows.index_of(hold.key) if hold.key is not None else None
        tops = [key for key in new if key.kind == "session" and self.store.is_top(key.owner)]
        return limit is not None and any((at := self.rows.index_of(key)) is not None and at < limit for key in tops)

    def _keep_to_budget(self) -> None:
        """Gives back what was looked at longest ago, when more is loaded than is to be."""
        self._frame.load += self.budget.regretted()
        self._frame.release += self.budget.surplus(self.trees_in_sight, self.now, hard=self.reading.on)

    def _done(self) -> Frame:
        """The frame of all that was noted since the last one."""
        frame, self._frame = self._frame, Frame()
        if self.cursor != self._cursor:
            frame.dirty |= {key for key in (self._cursor, self.cursor) if key is not None}
            frame.moved, self._cursor = True, self.cursor
            self._rested = False
            if self.cursor is not None:
                self.budget.looked_at(self.cursor, self.now)
        summary = self.summary
        if summary != self._drawn:
            frame.status, self._drawn = True, summary
        if self.finder.sum != self._summed:
            frame.heading, self._summed = True, self.finder.sum
        if (summary.running, summary.waiting) != self._titled:
            frame.title = self._titled = (summary.running, summary.waiting)
        watched = self._to_watch()
        if watched != self._watched:
            frame.watch = self._watched = watched
        if self.notify:
            frame.notices = self.notices.due(self.now)
        return frame

    # --- filter and order --------------------------------------------------------------------------------------

    def filter(self, text: str, now_us: int, home: Key | None = None) -> Frame:
        """Shows the sessions that a query finds; an empty one shows all. The cursor goes `home` when that is in sight,
        else it stays where it is, else it goes to the top."""
        self._pass(now_us)
        hold, in_sight = self.place.hold(), self.place.in_sight(self.place.at)
        if text != self.finder.text:
            self.reading.stop()
            self._stop_looking()
        self.finder.ask(text, now_us)
        if self._keep():
            self.place.settle(hold)
            if in_sight:
                # Where it is now the list may have been scrolled elsewhere.
                self.place.show_cursor()
        if home is not None:
            self._select(home)
        self._frame.rows = self._frame.heading = True
        self.new.look()
        return self._done()

    def _keep(self) -> bool:
        different = self.rows.keep(self.finder.trees if self.finder.on else None)
        if different and (self.cursor is None or self.rows.index_of(self.cursor) is None):
            self.place.at = 0
        return different

    def read_all(self) -> Frame:
        """Has all sessions read, or looked through, of which the filter cannot say whether they match."""
        self.reading.begin()
        self._read_on()
        self.looking.begin()
        self._frame.look = self._frame.heading = True
        return self._done()

    def looked(self, source: str, sessions: Collection[str], found: Collection[str]) -> Frame:
        """Takes in what was found in some sessions of what the filter looks for."""
        self._update(ChangeSet(roots=set(), dirty=set()), self.looking.answer(source, sessions, found))
        self._frame.heading = True
        return self._done()

    def looked_through(self, reason: str) -> Frame:
        """Goes on with what else the filter looks for; `reason` says why not everything was looked through."""
        asked = not self.looking.by_itself
        if not reason:
            self.looking.complete()
        self.looking.next()
        if asked and not self.looking.on:
            # What leaves nothing can be blamed now.
            self.finder.ask(self.finder.text, self.now)
            self._go_to_match()
        if reason and asked:
            self._frame.remark = f"not everything was looked through: {sanitize.label(reason)}"
        self._frame.look = self._frame.heading = True
        return self._done()

    def _stop_looking(self) -> None:
        self._frame.look = self._frame.look or self.looking.query is not None
        self.looking.stop()

    def stop_reading(self) -> Frame:
        """Reads no more of them, and looks for nothing."""
        self.reading.stop()
        self._stop_looking()
        self._frame.heading = True
        return self._done()

    def _read_on(self) -> None:
        """Asks for the next sessions that the filter has to know, as long as there is room in memory for them."""
        if not self.reading.on:
            return
        room = self.budget.held <= self.budget.ops
        self._frame.load += self.reading.more(self.now, room=room)
        self._frame.heading = True
        if not room and not self.reading.asked and not self.budget.asked:
            self.reading.stop()
            self._frame.remark = "memory is full of sessions that are open: no more are read"

    def complete(self, text: str, cursor: int, now_us: int) -> Completion:
        """What the word before the cursor of the filter's line may become."""
        return self.finder.complete(text, cursor, now_us)

    def arrange(self, arrangement: Arrangement) -> Frame:
        """Puts the trees into another order; the cursor stays on its node, in its line where that can be."""
        self._arrange(arrangement)
        return self._done()

    def _arrange(self, arrangement: Arrangement) -> None:
        hold = self.place.hold()
        self.rows.arrange(arrangement)
        shown = self.cursor
        while shown is not None and self.rows.index_of(shown) is None:
            shown = self.rows.parent(shown)
        if shown is not None and shown != self.cursor:
            # In bands a tree that opened by itself is one row.
            self.place.put(self.rows.index_of(shown) or 0)
        self.place.settle(hold)
        self.new.look()
        self._frame.rows = self._frame.heading = True

    def sort(self) -> Frame:
        """By the next measure."""
        return self._rearrange(self.rows.arrangement.next_order())

    def group(self) -> Frame:
        """In the next kind of groups."""
        return self._rearrange(self.rows.arrangement.next_grouping())

    def _rearrange(self, arrangement: Arrangement) -> Frame:
        """Another order by a key. Who has not looked for anything yet wants to see what is first in it; who has
        scrolled away from the cursor, where that is now."""
        untouched, in_sight = self._untouched, self.place.in_sight(self.place.at)
        self._by_hand()
        self._arrange(arrangement)
        if untouched:
            self._untouched = True
            self._go(0)
            self._go(self.rows.first_session())
        elif not in_sight:
            self._go(self.place.at)
        return self._done()

    # --- the cursor and the window -----------------------------------------------------------------------------

    def resized(self, height: int) -> Frame:
        """So many rows are in sight from now on."""
        self.place.height = height
        self.new.look()
        self._frame.rows = self._frame.heading = True
        return self._done()

    def scrolled(self, top: int, *, by_hand: bool = False) -> Frame:
        """The window begins at this row."""
        if by_hand:
            self._by_hand()
        self.place.top = top
        self.new.look()
        return self._done()

    def rest(self) -> Frame:
        """The cursor has been on its node for a while."""
        self._rested = True
        session = self.store.session_of(self.cursor) if self.cursor is not None else None
        if session is None or self.store.links.top((session.source, session.id)) != self._read_news:
            self._read_news = None
        self._look()
        if self._news() != self.rows.news:
            self._update(ChangeSet(roots=set(), dirty=set()), False)
        return self._done()

    def look_at_all(self) -> Frame:
        """Takes the mark from every session, and what has ended out of what is for you; who waits stays there."""
        changed = [session for session in self.store.sessions.values() if self.seen.changed(session)]
        tops = {self.store.links.top(session.key) for session in changed} | self._news()
        for session in changed:
            self.seen.look(session)
        self._frame.dirty |= {row_key(self.store, session) for session in changed}
        self.notices.ended.clear()
        self._read_news = None
        self._update(ChangeSet(roots=set(), dirty=set()), False)
        words = f"{len(tops):,} session{'s' * (len(tops) != 1)}" if tops else "nothing new: all"
        self._frame.remark = f"{words} marked as looked at"
        return self._done()

    def select(self, key: Key) -> Frame:
        """Puts the cursor on a node that has a row, and brings it into sight."""
        self._select(key)
        return self._done()

    def move(self, count: int) -> Frame:
        """So many rows down, or up."""
        return self.go(self.place.at + count)

    def leaf(self, pages: int) -> Frame:
        """So many pages down, or up."""
        return self.go(self.place.at + pages * max(1, self.place.height - 1))

    def edge(self, end: bool) -> Frame:
        """To the first row, or the last."""
        return self.go(len(self.rows) - 1 if end else 0)

    def go(self, index: int) -> Frame:
        """To a row."""
        self._by_hand()
        self._go(index)
        return self._done()

    def switch_notices(self) -> Frame:
        """Gives notices, or no more; what has not been told yet is told in neither case."""
        self.notify = not self.notify
        self.silenced = self._wants_notices and not self.notify
        self.notices.drop()
        return self._done()

    def follow(self, on: bool) -> Frame:
        """Stays on the newest activity, or not."""
        self._follow(on)
        return self._done()

    def _follow(self, on: bool) -> None:
        if self.following != on:
            self.following, self.paused = on, False
            if on:
                self._go_to_newest()

    def _go_to_newest(self) -> None:
        key = self.rows.newest_running()
        if key is not None:
            self._select(key)

    def _select(self, key: Key) -> None:
        self._untouched = False
        at = self.rows.index_of(key)
        if at is not None:
            self._go(at)

    def _go(self, index: int) -> None:
        top = self.place.top
        self.place.go(index)
        if self.place.top != top:
            self._frame.rows = True
        self.new.look()

    def _by_hand(self) -> None:
        """The user took over: follow mode pauses, a jump that had to wait does not take place."""
        self._untouched = False
        self._awaited = self._lost = None
        if self.following:
            self._follow(False)
            self.paused = True

    def _look(self) -> None:
        """Takes the mark from the session in which the cursor rests, and from its tree. Where nobody has pressed a key
        nobody is known to look: what ends meanwhile is still for the one who comes back."""
        session = enclosing(self.store, self.cursor) if self.cursor is not None else None
        if session is None or self._untouched:
            return
        if self.seen.look(session):
            self._frame.dirty |= {row_key(self.store, one) for one in (session, self.store.top_of(session))}
        top, ended = self.store.links.top((session.source, session.id)), self.notices.ended
        ended -= {key for key in ended if key in self.store.sessions and self.store.links.top(key) == top}
        if self.rows.is_live_tree(self.store.sessions[top]):
            self._read_news = None
        elif top in self.rows.news:
            self._read_news = top

    # --- panes -------------------------------------------------------------------------------------------------

    @property
    def detail_alone(self) -> bool:
        """Whether the detail is all of the screen, the bars apart."""
        return self.zoomed or (self.one_pane and self.pane in ("detail", "search"))

    def go_to_pane(self, pane: Pane) -> Frame:
        """The keys go to that pane from now on; the tree and its filter are never behind the detail."""
        self._go_to_pane(pane)
        return self._done()

    def zoom(self) -> Frame:
        """The detail as the whole screen and its keys with it, or back to where the user was before. Where there is
        room for one pane only it is the way to the detail and back."""
        if self.detail_alone:
            return self.unzoom()
        self._zoomed_from, self.zoomed = self.pane, True
        self._go_to_pane("detail")
        return self._done()

    def unzoom(self) -> Frame:
        """Back from the detail as the whole screen; else to the tree."""
        back: Pane = "detail" if self.zoomed and not self.one_pane and self._zoomed_from == "detail" else "tree"
        self.zoomed = False
        self._go_to_pane(back)
        return self._done()

    def take_over(self) -> Frame:
        """The user reads, or moves in the detail: nothing takes the place of the node of the cursor."""
        self._by_hand()
        return self._done()

    def stay(self) -> None:
        """The user looks at the node of the cursor: what is newer does not take its place. Before there are rows nobody
        looks at any, and the first one that comes is the newest."""
        if len(self.rows):
            self._untouched = False
        if self._rested:
            self._look()

    @property
    def jumps(self) -> int:
        """How many jumps can be taken back."""
        return len(self._came_from)

    def _go_to_pane(self, pane: Pane) -> None:
        if pane in ("detail", "search"):
            self.stay()
        if pane in ("tree", "filter"):
            self.zoomed = False
        self.pane = pane
        self._frame.panes = True

    # --- folding -----------------------------------------------------------------------------------------------

    def fold(self) -> Frame:
        """Opens or closes the row of the cursor; asks for a session that has not been read yet."""
        self._by_hand()
        if self.cursor is not None:
            self._fold(self.cursor)
        return self._done()

    def enter(self) -> Frame:
        """Goes into a sub-agent from its call, into the detail of what has nothing to fold; else folds."""
        key = self.cursor
        child = shown_session(self.store, key) if key is not None and key.kind == "op" else None
        if key is None:
            return self._done()
        if child is not None:
            self.rows.open(key)
            if child.whole:
                self._jump(self._inside(child, key) or key)
            else:
                self._jump(key)
                self._load([child])
                self._awaited = lambda: self._inside(child, key)
            return self._done()
        if self.one_pane or not self.rows.row(self.place.at).fold:
            self._frame.detail_wanted = True
            return self._done()
        return self.fold()

    def deeper(self) -> Frame:
        """Opens, opens further, then goes into it."""
        self._by_hand()
        key = self.cursor
        fold = self.rows.row(self.place.at).fold if key is not None else ""
        if key is None or not fold:
            return self._done()
        if fold == "closed":
            self._fold(key)
        elif self.rows.open(key):
            self._laid_out_again(key)
        else:
            self._go(self.place.at + 1)
        return self._done()

    def shallower(self) -> Frame:
        """Closes, then goes to the parent."""
        self._by_hand()
        if self.cursor is None:
            return self._done()
        if self.rows.row(self.place.at).fold == "open":
            self._fold(self.cursor)
        elif (parent := self.rows.parent(self.cursor)) is not None:
            self._select(parent)
        return self._done()

    def click(self, index: int, *, on_marker: bool, double: bool) -> Frame:
        """The mouse clicked on a row; the marker in front of it folds."""
        if index >= len(self.rows):
            return self._done()
        self._by_hand()
        self._go(index)
        if on_marker:
            self._fold(self.rows.row(index).key)
        elif double:
            return self.enter()
        return self._done()

    def cycle(self) -> Frame:
        """Takes the session around the cursor to its next fold level."""
        key = self.cursor
        session = enclosing(self.store, key) if key is not None else None
        if key is not None and key.kind == "heading":
            return self.fold()
        if key is None or session is None:
            return self._done()
        self._by_hand()
        at, top = self.place.at, self.place.top
        words, missing = cycle(self.rows, key)
        if self.rows.index_of(key) is None:
            key = row_key(self.store, session)
        found = self.rows.index_of(key) or 0
        self.place.settle(Hold(key, found, top))
        if found != at:
            self._select(key)
        self.new.look()
        self._frame.rows = True
        self._load(missing)
        self._frame.remark = f"this session: {words}"
        return self._done()

    def fold_all(self) -> Frame:
        """Folds every session to one line; where each is, or on a heading, every heading, and opens them again."""
        self._by_hand()
        cursor = self.cursor
        session = self.store.session_of(cursor) if cursor is not None else None
        words = fold_all(self.rows, headings=cursor is not None and cursor.kind == "heading")
        self.place.settle(Hold(None, 0, self.place.top))
        shown = session_key(self.store.top_of(session)) if session is not None else cursor
        if shown is not None and self.rows.index_of(shown) is None:
            shown = self.rows.parent(shown)
        if shown is not None:
            self._select(shown)
        self.new.look()
        self._frame.rows = True
        self._frame.remark = words
        return self._done()

    def _fold(self, key: Key) -> None:
        self.rows.toggle(key)
        session = shown_session(self.store, key)
        if session is not None and self.rows.wants_load(key):
            self._load([session])
        self._laid_out_again(key)

    def _laid_out_again(self, key: Key) -> None:
        """After a fold the row that was folded stays where it is."""
        self.place.settle(Hold(key, self.rows.index_of(key) or 0, self.place.top))
        self.new.look()
        self._frame.rows = True

    # --- jumps -------------------------------------------------------------------------------------------------

    def jump(self, key: Key) -> Frame:
        """Puts the cursor on a node, opening what hides it. While its row is not there the nearest one above stands in
        for it, and the jump ends when what is missing has been loaded."""
        self._jump(key)
        return self._done()

    def go_into(self, session: Session, find: Callable[[], Key | None]) -> Frame:
        """Goes from the results of a search into a session, to the node that `find` names as soon as all of it is
        there."""
        self._came_from = [*self._came_from, RESULTS][-BACK_LIMIT:]
        if session.whole:
            self._jump(find() or session_key(session), remember=False)
        else:
            self._jump(session_key(session), remember=False)
            self._load([session])
            self._awaited = lambda: find() if session.whole else None
        return self._done()

    @property
    def awaits(self) -> bool:
        """Whether a jump waits for what has to be loaded."""
        return self._awaited is not None

    def find(self, kind: str, forward: bool, now_us: int) -> Frame:
        """Goes to the next failure, the next that is for a person (it waits, or it has ended and nobody has looked at
        it), that is stuck or loops, or that runs."""
        tops, cursor, store, first = self.rows.tops(), self.cursor, self.store, self._first()
        where = "in what the filter shows" if self.finder.on else "here"
        if kind == "failed":
            read = (key for key, one in store.sessions.items() if one.turns or one.final_status == "failed")
            among = {*read, *store.given_back}
            found = seek(store, tops, cursor, partial(failures, store), forward=forward, among=among, first=first)
            nothing = self._nothing_failed(tops, where) if found is None else ""
        else:
            needy = {key for key, need in self.rows.needs.items() if need in _NEEDS[kind]}
            news = self.rows.news - needy if kind == "waiting" else frozenset()

            def spots(session: Session) -> list[Key]:
                if session.key in news:
                    return [session_key(session)]
                return questions(store, session, now_us) if kind == "waiting" else [focus(session)]

            found = seek(store, tops, cursor, spots, forward=forward, among=needy | news, first=first)
            nothing = f"{_NOTHING[kind]} {where}"
        self._arrive(found, forward, nothing)
        session = store.session_of(found.key) if found is not None else None
        if session is not None and kind == "failed" and not session.whole:
            self._load([session])
            self._awaited = lambda: _failure(store, session)
        return self._done()

    def _nothing_failed(self, tops: Collection[SessionKey], where: str) -> str:
        """That nothing has failed in these trees, as far as that is known: in sessions that have not been read it is of
        none but the last answer."""
        store, trees = self.store, set(tops)
        there = [key for key in store.sessions if store.links.top(key) in trees]
        read = sum(store.sessions[key].whole or key in store.given_back for key in there)
        if read == len(there):
            return f"{_NOTHING['failed']} {where}"
        if not read:
            many = f"none of these {len(there):,} sessions has been read yet"
            return many if len(there) > 1 else "this session has not been read yet"
        of = "of the filter " if self.finder.on else ""
        return f"{_NOTHING['failed']} in the {read:,} of {len(there):,} sessions {of}that were read"

    def match(self, forward: bool) -> Frame:
        """Goes to the next match of the filter, or the one before."""
        self._match(forward)
        return self._done()

    def go_to_match(self) -> Frame:
        """Goes to the first match, unless the cursor is in a session that matches."""
        self._go_to_match()
        return self._done()

    def _go_to_match(self) -> None:
        session = enclosing(self.store, self.cursor) if self.cursor is not None else None
        if self.finder.on and (session is None or session.key not in self.finder.matches):
            self._match(True)

    def sibling(self, step: int) -> Frame:
        """Goes to the session, or on a heading to the heading, after or before."""
        word = "after" if step > 0 else "before"
        self.stay()
        if self.cursor is not None and self.cursor.kind == "heading":
            heading = self.rows.headings.beside(self.cursor, step)
            if heading is None:
                self._frame.remark = f"no heading {word} this one"
            else:
                self._by_hand()
                self._select(heading)
            return self._done()
        session = enclosing(self.store, self.cursor) if self.cursor is not None else None
        if session is not None:
            beside = sibling(self.store, self.rows.tops(), session, step)
            if beside is not None:
                self._jump(row_key(self.store, beside), remember=False)
            else:
                self._frame.remark = f"no session {word} this one"
        return self._done()

    def caller(self) -> Frame:
        """Goes to the call that started the sub-agent around the cursor."""
        key = caller(self.store, self.cursor) if self.cursor is not None else None
        if key is not None:
            self._jump(key)
        else:
            self._frame.remark = "this is in no sub-agent"
        return self._done()

    def back(self) -> Frame:
        """Goes back to where the last jump began."""
        while self._came_from:
            key = self._came_from.pop()
            if key == RESULTS:
                self._frame.results = True
                return self._done()
            if self.store.session_of(key) is not None:
                self._jump(key, remember=False)
                return self._done()
        self._frame.remark = "no jump to take back"
        return self._done()

    def _jump(self, key: Key, *, remember: bool = True) -> None:
        self._by_hand()
        if remember and self.cursor is not None:
            self._came_from = [*self._came_from, self.cursor][-BACK_LIMIT:]
        hold = self.place.hold()
        missing = reveal(self.rows, key)
        self.place.settle(hold)
        self._frame.rows = True
        shown: Key | None = key
        while shown is not None and self.rows.index_of(shown) is None:
            shown = parent_key(self.store, shown)
        if shown is not None:
            self._select(shown)
        self._load(missing)
        if missing:
            self._awaited = lambda: key if all(_ready(self.store, session, key) for session in missing) else None

    def _match(self, forward: bool) -> None:
        if not self.finder.on:
            self._frame.remark = "no filter yet: / sets one"
            return
        tops, among = self.rows.tops(), self.finder.matches
        found = seek(self.store, tops, self.cursor, _itself, forward=forward, among=among, first=self._first())
        self._arrive(found, forward, "nothing matches the filter")

    def _arrive(self, found: Found | None, forward: bool, nothing: str) -> None:
        if found is None:
            self._frame.remark = nothing
            return
        alone = self.rows.index_of(found.key) == self.place.at
        self._jump(found.key)
        if alone:
            self._frame.remark = "this is the only one"
        elif found.wrapped:
            self._frame.remark = "from the top again" if forward else "from the end again"

    def _first(self) -> int | None:
        """The tree that comes next when the cursor is on a heading."""
        key = self.cursor
        return self.rows.headings.first_of(key) if key is not None and key.kind == "heading" else None

    def _inside(self, session: Session, row: Key) -> Key | None:
        """Where somebody wants to be who enters a session: what goes on in it, else its first row."""
        if session.key in self.rows.live:
            return focus(session)
        at = self.rows.index_of(row)
        if at is None or at + 1 >= len(self.rows) or self.rows.row(at + 1).depth <= self.rows.row(at).depth:
            return None
        return self.rows.row(at + 1).key

    def _load(self, sessions: list[Session]) -> None:
        self._frame.load += [session.key for session in sessions]


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


def _failure(store: Store, session: Session) -> Key | None:
    """What failed in a session that had to be loaded: the step that it ended with, else the first; None until it is
    there."""
    turn = newest_turn(session) if session.whole else None
    if turn is not None and turn.status == "failed":
        return turn_key(session, turn)
    return next(iter(failures(store, session)), None) if session.whole else None
