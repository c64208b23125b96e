"""The main screen: the tree, the detail beside it (or behind it where the terminal is narrow), health below."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.timer import Timer

from adapter.contract import Hit, SearchPage
from adapter.health import Health
from adapter.pace import paced
from adapter.processes.facts import Process
from tui.config.keymap import NONE, Keymap
from tui.config.settings import DEFAULTS, Settings
from tui.model.filter.active_filter import Finder
from tui.model.filter.language import Completion
from tui.model.records import ChangeSet, Key, Session, SessionKey, session_key
from tui.model.status.notices import Notice
from tui.model.status.whereabouts import find
from tui.model.tree.rows import VisibleRows
from tui.model.tree.sorting import Arrangement
from tui.no_sessions import NONE_YET, NoSessions
from tui.protocols import Requests
from tui.render.bars import filter_line, keys
from tui.render.bars.breadcrumb import breadcrumb, databases
from tui.render.bars.health import Lags
from tui.render.bars.status import Status
from tui.render.cards.tabs import INPUT, KEYS, NAMES, OUTPUT, OVERVIEW, TIMELINE, TRANSCRIPT
from tui.render.rows.columns import heading
from tui.screens.doors import DoorScreen
from tui.screens.jumps import JumpScreen
from tui.text import sanitize
from tui.textual_patches.compositor import SparseScreen
from tui.textual_patches.contained import Contained
from tui.textual_patches.told import Told
from tui.view import Frame, Pane, View
from tui.widgets.detail import Detail
from tui.widgets.empty_pane import EmptyPane
from tui.widgets.filter_bar import FilterBar, FilterInput
from tui.widgets.fixed_lines import FixedLines
from tui.widgets.health_pane import HealthPane
from tui.widgets.key_bar import SAID_FOR, KeyBar
from tui.widgets.own_view import OwnView
from tui.widgets.panes import STEP, Panes
from tui.widgets.session_tree import SessionTree
from tui.widgets.status_bar import StatusBar
from tui.widgets.timeline_view import TimelineView

if TYPE_CHECKING:
    from tui.screens.search import Search
    from tui.screens.spend import SpendScreen

TWO_PANES = 100
"""Columns from which tree and detail stand side by side."""
FILTER_LIMIT = 1000
"""Characters of a remembered filter; nobody types more, and the file may have been written by anybody."""
FAILED_TODAY = "is:failed since:today"
"""What the count of failures shows: `e` goes on to the calls that failed."""
TAB_OF = {"output": OUTPUT, "input": INPUT, "prompt": INPUT, "answer": OUTPUT, "reasoning": OUTPUT, "file": INPUT}
"""The tab that shows a hit of a kind; the overview has the others."""
LAID_OUT_S = 0.03
"""Seconds after which a pane that was hidden has been laid out."""
SAME_S = 0.005
"""Seconds by which two times may differ that are the same to a person: a timer costs 0.2 ms."""
ROOMY = 20
"""Lines from which one of them says where the cursor is."""


class MainScreen(Contained, SparseScreen, DoorScreen, JumpScreen):
    """Holds the panes, moves the focus between them, and hands every change to the parts that show it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab,shift+tab", "other_pane", "switch between tree and detail", id="pane.other", show=False),
        Binding("m", "zoom", "zoom the detail to the whole screen, and back", id="pane.zoom", show=False),
        Binding("escape", "back", "go to the tree; there, take the filter away", id="pane.back", show=False),
        *(
            Binding(KEYS[name], f"tab('{name}')", f"open the {name} tab", id=f"detail.{name.lower()}", show=False)
            for name in NAMES
        ),
        Binding("less_than_sign", "turn(-1)", "switch to the previous tab", id="detail.previous", show=False),
        Binding("greater_than_sign", "turn(1)", "switch to the next tab", id="detail.next", show=False),
        Binding("W", "wrap", "break or cut long lines of texts", id="detail.wrap", show=False),
        Binding("slash", "filter", "filter the sessions", id="filter.open", show=False),
        Binding("ctrl+f", "search", "search in all texts of all sessions", id="search.open", show=False),
        Binding("backspace", "leap_back", "go back to where the last jump began", id="jump.back", show=False),
        Binding("plus", f"widen({STEP})", "give the tree more room", id="pane.wider", show=False),
        Binding("minus", f"widen({-STEP})", "give the detail more room", id="pane.narrower", show=False),
        Binding("equals_sign", "widen(0)", "give both the usual room", id="pane.usual", show=False),
        Binding("x", "terminal", "go to the terminal pane of this session", id="terminal", show=False),
        Binding("f", "follow", "follow the newest activity", id="follow", show=False),
        Binding("B", "notices", "give notices, or none", id="notices", show=False),
        Binding("H", "health", "open the health of the database", id="health", show=False),
        Binding("dollar_sign", "spend", "open what sessions cost", id="spend.open", show=False),
    ]

    class Composed(Told):
        """All that is on the screen is there, and knows no size yet."""

    class Ready(Told):
        """The screen stands."""

    @dataclass
    class Arranged(Told):
        """The user has chosen another filter or another order."""

        filter: str
        arrangement: Arrangement

    @dataclass
    class Wrapped(Told):
        """The user wants long lines of texts broken, or not."""

        wrap: bool

    @dataclass
    class Counted(Told):
        """As many top-level sessions are at work, and wait for a person."""

        running: int
        waiting: int

    @dataclass
    class Noticed(Told):
        """Something has happened that a person is to be called back for; the heaviest comes first."""

        notices: list[Notice]

    def __init__(
        self,
        view: View,
        paths: tuple[str, ...],
        now: Callable[[], int],
        requests: Requests,
        settings: Settings = DEFAULTS,
        keymap: Keymap = NONE,
        no_sessions: NoSessions = NONE_YET,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.keymap = keymap
        self.view = view
        view.wrap = settings.wrap != "off"
        self.store = view.store
        self.now = now
        self.requests = requests
        self.paths = paths
        self._databases: dict[str, str] = {}
        self._lags: Callable[[], Lags | None] = lambda: None
        self.behind = 0
        self._clock: Timer | None = None
        self._due_s = 0.0
        self._remark = ""
        self._unsaid: Timer | None = None
        """Takes the remark away."""
        self._is_going = False
        """A terminal is being looked for, or told to show a pane."""
        self._home: Key | None = None
        self._from_time = 0
        """How many jumps there were after the one that led out of the timeline, 0 for none."""
        self._stop_looking: Callable[[], None] = lambda: None
        self._sought: tuple[Session, Hit] | None = None
        self._kept = self.Arranged(settings.filter, settings.arrangement)
        # Held, not looked up: when the app ends they leave the screen before the last change has come in.
        self.status_bar = StatusBar(id="status")
        self.heading = FixedLines([[]], id="heading")
        self.sessions = SessionTree(view, now, self.draw, id="tree")
        self.bar = FilterBar(self._complete, self.filter, id="filter")
        self.where, self.foot = FixedLines([[]], id="where"), FixedLines([[]], id="foot")
        self.detail = Detail(view, now, requests, id="detail")
        left = Vertical(self.heading, self.sessions, self.bar, self.where, id="left")
        self.panes = Panes(left, self.detail, share=settings.tree_width, id="panes")
        self.empty = EmptyPane(no_sessions, id="empty")
        self.health = HealthPane(id="health")
        self._keys_for = keys.Context()
        self.key_bar = KeyBar(keys.bar(self._keys_for), keymap.keys, id="keys")
        self.spend: SpendScreen | None = None

    @property
    def rows(self) -> VisibleRows:
        """The rows that the tree draws."""
        return self.view.rows

    @property
    def finder(self) -> Finder:
        """The filter that is on."""
        return self.view.finder

    def compose(self) -> ComposeResult:
        yield from (self.status_bar, self.panes, self.foot, self.empty, self.health, self.key_bar)

    def on_mount(self) -> None:
        self.health.display = self.bar.display = self.empty.display = self.foot.display = False
        self._arrange(self.app.size.width)
        self.sessions.focus()
        self.draw(self.view.arrange(self.settings.arrangement))
        self.filter(sanitize.line(self.settings.filter, FILTER_LIMIT))
        self._show_status()
        self._wind_up()
        # Past the queue of this screen, in which the first layout stands: what has been read is to be in that.
        self.app.post_message(self.Composed())
        self.post_message(self.Ready())

    # --- what arrives, and time ------------------------------------------------------------------------------

    def changed(self, changes: ChangeSet) -> bool:
        """Takes a change of the model in; returns whether something has to be drawn."""
        if self.spend is not None:
            self.spend.changed(changes)
        return self.draw(self.view.apply(changes, self.now()))

    def health_changed(self, healths: dict[str, Health], lags: Callable[[], Lags | None], behind: int) -> None:
        """Takes the newest health of all sources in, and how many events the screen is behind them. Of `lags` is asked
        when they are drawn, which is not for each batch."""
        before, self._lags, self.behind = self.behind, lags, behind
        frame = self.view.heard(healths, self.now())
        if frame.status:
            self._databases = databases(self.view.sources.healths)
        frame.status = frame.status or behind != before
        if self.health.display:
            self._show_health()
        self.draw(frame)

    def _show_health(self) -> None:
        self.health.update(self.view.sources.healths, self._lags(), self.view.tally.counts)

    def show_problem(self, text: str) -> None:
        """Shows one calm line, or takes it away."""
        self.view.problem = text
        self._show_status()

    def show_fault(self, text: str) -> None:
        """Shows what became of an error of our own, until escape takes it away."""
        self.view.fault = text
        self._show_status()

    def rebuild(self) -> None:
        """Makes the view and all that is drawn anew, after an error."""
        self.draw(self.view.rebuild(self.now()))
        self.detail.show_again()
        self.refresh(layout=True)
        for widget in self.query("*"):
            widget.refresh()

    def tick(self) -> None:
        """Lets time pass for everything, in sight or not."""
        frame = self.view.tick(self.now())
        # How late changes come is said as of now and then.
        frame.status = True
        self.draw(frame)

    def _on_time(self) -> None:
        self._clock = None
        try:
            self.tick()
        finally:
            self._wind_up()

    def _wind_up(self) -> None:
        """Sets the clock to when the view has to be ticked next, if that is sooner than what it is set to."""
        due_s = self.view.patience_s(self.now())
        if self._clock is not None:
            # What is due at the same second differs by microseconds from one look at the clocks to the next.
            if self._due_s <= time.monotonic() + due_s + SAME_S:
                return
            self._clock.stop()
        self._due_s = time.monotonic() + due_s
        self._clock = self.set_timer(due_s, self._on_time)

    def draw(self, frame: Frame) -> bool:
        """Draws what is different, and asks for what the view wants; returns whether a line of tree or detail is."""
        view = self.view
        before = self.detail.key
        drawn = self.sessions.draw(frame)
        if frame.moved:
            self._turn_to(view.cursor)
        if self.detail.key == before:
            if frame.detail:
                self.detail.tick()
            drawn = self.detail.node_changed(frame.dirty) or drawn
        for source, session_id in frame.load:
            self.requests.load(source, session_id)
        for source, session_id in frame.release:
            self.requests.release(source, session_id)
        if frame.watch is not None:
            self.requests.processes(frame.watch)
        if frame.title is not None:
            self.post_message(self.Counted(*frame.title))
        if frame.notices:
            self.post_message(self.Noticed(frame.notices))
        if frame.remark:
            self.remark(frame.remark)
        if frame.status:
            self._show_status()
        if frame.heading:
            self._show_heading()
            self._keep_choice()
        elif frame.dirty:
            self._show_where()
        if frame.detail_wanted:
            self.detail.show(view.cursor)
            self.show_detail()
        if frame.panes:
            self._show_panes()
        if self._sought is not None:
            self._mark_hit(*self._sought)
        if frame.look:
            self._look()
        if frame.results:
            self.action_search()
        if frame.moved or frame.rows or frame.status or frame.heading or view.cursor in frame.dirty:
            self._show_keys()
        if self._clock is not None:
            self._wind_up()
        return drawn

    def _show_empty(self) -> bool:
        """Sentences instead of the panes where no source has a session, and none is in trouble; whether it is so."""
        healths = self.view.sources.healths
        empty = not self.store.sessions and bool(healths) and all(one.state in ("ok", "waiting") for one in healths)
        if empty != self.empty.display:
            self.empty.display, self.panes.display = empty, not empty
            if not empty:
                self.show_tree()
        return empty

    def _show_status(self) -> None:
        view, empty = self.view, self._show_empty()
        status = Status(
            paths=() if empty else self.paths,
            # That a file of this machine is waited for say the sentences.
            healths=tuple(one if one.host else msgspec.structs.replace(one, message="") for one in view.sources.healths)
            if empty
            else view.sources.healths,
            lags=self._lags(),
            behind=self.behind,
            summary=view.summary,
        )
        self.status_bar.update(status, view.fault or view.problem)

    def _keep_choice(self) -> None:
        """Tells of another filter, unless it is still being typed, and of another order."""
        chosen = self.Arranged(self.finder.text, self.rows.arrangement)
        if not self.bar.editing and (chosen.filter, chosen.arrangement) != (self._kept.filter, self._kept.arrangement):
            self._kept = chosen
            self.post_message(chosen)

    def _show_heading(self) -> None:
        shown = filter_line.order(self.rows.arrangement)
        count = filter_line.count(self.finder, self.rows.total, self.view.sources.is_listing)
        chips = filter_line.chips(self.finder)
        self.heading.show([heading(self.sessions.size.width, [*count, *chips, *shown], filter_line.sums(self.finder))])
        self._show_where()

    def _show_where(self) -> None:
        """The way to the cursor, or what the last key has to say; on a low screen only that."""
        alone, editing = self.view.detail_alone, self.bar.editing
        where = self.foot if alone else self.where
        self.foot.display = alone
        reading, looking = self.view.reading, self.view.looking
        where.display = editing or bool(self._remark) or reading.on or looking.on or self.size.height >= ROOMY
        if editing:
            where.show(
                [filter_line.hint(self.finder, self.bar.input.choices, self.sessions.size.width, self.keymap.keys)]
            )
        elif self._remark:
            where.show([[(f" {self._remark}", "accent")]])
        elif reading.on or looking.on:
            where.show([filter_line.progress(self.finder, reading, looking, self.keymap.keys)])
        else:
            cursor = (self.detail.moved_to if alone else None) or self.sessions.cursor
            database = self._databases.get(cursor.source, "") if cursor is not None else ""
            width = self.size.width if alone else self.sessions.size.width
            where.show([breadcrumb(self.store, cursor, width, database)])

    # --- the filter ------------------------------------------------------------------------------------------

    def filter(self, text: str) -> None:
        """Shows the sessions that a query finds; an empty one shows all."""
        self.draw(self.view.filter(text, self.now(), self._home if self.bar.editing else None))

    def _complete(self, text: str, cursor: int) -> Completion:
        return self.view.complete(text, cursor, self.now())

    def action_filter(self) -> None:
        self._remark = ""
        self._home = self.sessions.cursor
        self.bar.edit(self.finder.text)
        self._show_where()
        # Before the first letter comes, which would have to wait for all of it.
        self.run_worker(paced(self.finder.index.filling(self.now())))

    def on_filter_input_kept(self, message: FilterInput.Kept) -> None:
        self.show_tree()
        if message.read:
            self.draw(self.view.read_all())
        if self.view.looking.on:
            return
        self.draw(self.view.go_to_match())
        if doubt := filter_line.doubt(self.finder):
            self.remark(doubt)

    def on_filter_input_dropped(self) -> None:
        self.filter("")
        self.show_tree()

    def on_status_bar_walk_wanted(self, message: StatusBar.WalkWanted) -> None:
        if message.walk != "failed":
            self.action_find(message.walk, True)
            return
        self.filter("" if self.finder.text == FAILED_TODAY else FAILED_TODAY)
        self.draw(self.view.go_to_match())

    def _look(self) -> None:
        """Has looked through what the filter asks for, and nothing else any more."""
        self._stop_looking()
        looking = self.view.looking
        if looking.query is not None:
            pattern, kinds = looking.query
            self._stop_looking = self.requests.search(pattern, looking.only, kinds, self._looked, self._looked_through)

    def _looked(self, source: str, page: SearchPage) -> None:
        self.draw(self.view.looked(source, page.sessions, {hit.session_id for hit in page.hits}))

    def _looked_through(self, reason: str) -> None:
        self.draw(self.view.looked_through(reason))

    # --- search ----------------------------------------------------------------------------------------------

    @cached_property
    def search(self) -> Search:
        """The search of the program, from the first key that wants it on."""
        from tui.screens.search import Search

        return Search(self.requests, lambda: self.view.finder.index, self.now)

    def action_search(self) -> None:
        from tui.screens.search import SearchScreen
        from tui.widgets.hits_view import HitsView

        hits = HitsView(self.search.results, self.store, self.now, id="hits")
        self.app.push_screen(SearchScreen(self.search, hits, self.go_to_hit, self.keymap))

    def go_to_hit(self, key: SessionKey, hit: Hit) -> None:
        """Puts the cursor on the row that holds a hit, and marks it in the detail as soon as that is there."""
        session = self.store.sessions.get(key)
        if session is None:
            self.remark("this session is gone")
            return
        if self.finder.on and self.store.links.top(session.key) not in self.finder.trees:
            self.filter("")
        self.show_tree()
        self._sought = (session, hit)
        from tui.model.search.place import place_of

        self.draw(self.view.go_into(session, lambda: place_of(session, hit)))

    def _mark_hit(self, session: Session, hit: Hit) -> None:
        """Turns the detail to a hit when the cursor has come to its row; forgets it when the user went elsewhere."""
        if not self.view.awaits:
            from tui.model.search.place import place_of

            self._sought = None
            pattern = self.search.results.pattern
            place = place_of(session, hit)
            # The prompt of a sub-agent has no row: that of the call that started it stands for it.
            is_shown = place == self.view.cursor or (place is not None and self.rows.index_of(place) is None)
            if pattern is not None and is_shown:
                if self.view.one_pane:
                    self.show_detail()
                tab, words, regular = TAB_OF.get(hit.kind, OVERVIEW), self.search.results.words, pattern.regular()
                # A pane that was hidden has no width yet to bring a hit into sight in.
                self.set_timer(LAID_OUT_S, lambda: self.detail.mark(tab, words, regular))

    def action_leap_back(self) -> None:
        from_time = bool(self._from_time) and self.view.jumps == self._from_time
        self.draw(self.view.back())
        if from_time:
            self._from_time = 0
            self.read(TIMELINE)

    # --- panes -----------------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        self._arrange(event.size.width)

    def _arrange(self, width: int) -> None:
        """Two panes, or the one that has the focus."""
        narrow = width < TWO_PANES
        self.view.one_pane = narrow
        self.panes.lay_out(width, alone=narrow)
        self._show_alone()

    def on_descendant_focus(self) -> None:
        # A click moves the focus, too.
        self.draw(self.view.go_to_pane(self._focused()))
        self._show_where()
        # The filter is no longer being typed.
        self._keep_choice()

    def _show_panes(self) -> None:
        """The panes as the view has them, and the focus where it wants it."""
        pane = self.view.pane
        # A hidden widget cannot take the focus, so the classes that show it come first.
        self._show_alone()
        if pane != self._focused() or self.focused is None:
            widgets = {"tree": self.sessions, "filter": self.bar.input, "search": self.detail.words_input}
            self.set_focus(widgets.get(pane, self.detail.body))

    def _show_alone(self) -> None:
        """One pane or both."""
        alone = self.view.detail_alone
        self.set_class(alone, "detail-alone")
        self.set_class(self.view.one_pane and not alone, "tree-alone")
        self._show_keys()
        self._show_where()

    def _show_keys(self) -> None:
        view, text, summary = self.view, self.detail.text, self.view.summary
        here = keys.Context(
            pane=view.pane,
            row=view.under_cursor,
            alone=view.detail_alone,
            one_pane=view.one_pane,
            following=view.following,
            filtered=self.finder.on,
            waiting=summary.waiting > 0,
            stuck=summary.stuck + summary.looping > 0,
            completes=bool(self.bar.input.choices),
            searched=bool(text.words),
            folds=text.lines.foldable,
            cut=not view.wrap,
            reads=self.detail.tab == TRANSCRIPT,
            timeline=self.detail.tab == TIMELINE,
        )
        if here != self._keys_for:
            self._keys_for = here
            self.key_bar.update(keys.bar(here))

    def _focused(self) -> Pane:
        if self.bar.input.has_focus:
            return "filter"
        if self.detail.has_focus_within:
            return "detail" if self.detail.body.has_focus else "search"
        return "tree"

    def _turn_to(self, key: Key | None) -> None:
        self._remark = ""
        self.detail.show(key)
        self._show_where()

    def remark(self, words: str) -> None:
        """Says in the line under the tree, or under the detail that is alone, what the last key has to say, until the
        cursor moves or SAID_FOR seconds have passed."""
        self._remark = words
        if self._unsaid is not None:
            self._unsaid.stop()
        self._unsaid = self.set_timer(SAID_FOR, self._unsay)
        self._show_where()

    def _unsay(self) -> None:
        self._remark, self._unsaid = "", None
        self._show_where()

    def show_detail(self) -> None:
        """Puts the focus, and where there is room for one pane only that pane, on the detail."""
        self.draw(self.view.go_to_pane("detail"))

    def go_to_session(self, session: Session) -> None:
        """Puts the cursor on a session, wherever it is: a filter that hides it goes, what is folded is opened."""
        key = session_key(session)
        if self.store.session_of(key) is None:
            self.remark("this session is gone")
            return
        if self.finder.on and self.store.links.top(session.key) not in self.finder.trees:
            self.filter("")
        self.show_tree()
        self.draw(self.view.jump(key))

    def show_tree(self) -> None:
        """Puts the focus, and where there is room for one pane only that pane, on the tree."""
        self.draw(self.view.go_to_pane("tree"))

    def action_zoom(self) -> None:
        self.draw(self.view.zoom())

    def action_other_pane(self) -> None:
        if self.detail.body.has_focus:
            self.go_along()
            self.show_tree()
        else:
            self.show_detail()

    def action_back(self) -> None:
        if self.view.fault:
            self.show_fault("")
        if self.view.reading.on or self.view.looking.on:
            self.draw(self.view.stop_reading())
        elif self.sessions.has_focus and self.finder.on:
            self.filter("")
        self.go_along()
        self.draw(self.view.unzoom())

    def go_along(self) -> None:
        """Takes the cursor of the tree to where the user has gone in a view of its own."""
        place = self.detail.moved_to
        if place is not None and place != self.view.cursor and self.store.session_of(place) is not None:
            self.draw(self.view.jump(place))

    def action_widen(self, percent: int) -> None:
        if self.view.zoomed:
            self.say("the detail is the whole screen")
        elif self.empty.display:
            self.say("there are no sessions yet, and no panes")
        elif self.panes.alone:
            self.remark(f"one pane below {TWO_PANES} columns; tab goes to the other")
        elif percent:
            self.panes.widen(percent)
        else:
            self.panes.reset()

    def on_virtual_lines_moved(self) -> None:
        self.draw(self.view.take_over())
        if self.view.detail_alone and not self._remark:
            self._show_where()

    def on_search_view_searched(self) -> None:
        self._show_keys()

    def on_own_view_remark(self, message: OwnView.Remark) -> None:
        self.remark(message.words)

    def on_timeline_view_row_wanted(self, message: TimelineView.RowWanted) -> None:
        self.show_tree()
        before = self.view.jumps
        self.draw(self.view.jump(message.key))
        self._from_time = self.view.jumps if self.view.jumps > before else 0

    def on_detail_other_kind(self) -> None:
        self._show_keys()

    def action_tab(self, name: str) -> None:
        # The key of a view that is there already leads into it.
        again = name == self.detail.tab and name in self.detail.own
        self.view.stay()
        self.detail.pick(name)
        if again:
            self.show_detail()
        self._show_tab()

    def read(self, name: str) -> None:
        """Goes into a tab that has a cursor of its own."""
        self.detail.pick(name)
        self.show_detail()

    def action_turn(self, step: int) -> None:
        self.view.stay()
        self.detail.turn(step)
        self._show_tab()

    def _show_tab(self) -> None:
        """Behind a tree that is alone nobody sees that a key did anything."""
        if self.view.one_pane:
            self.show_detail()

    def action_wrap(self) -> None:
        view = self.view
        view.wrap = not view.wrap
        self.detail.wrap_changed()
        self._show_keys()
        self.post_message(self.Wrapped(view.wrap))
        exception = self.detail.never_broken
        if exception or view.pane != "detail":
            # In the detail the keys that are named say it, and the text that is there.
            words = f"broken{exception}" if view.wrap else "cut; in the detail left and right move the text"
            self.say(f"long lines are {words}")

    def action_follow(self) -> None:
        self.draw(self.view.follow(not self.view.following))

    def action_terminal(self) -> None:
        session = self.store.session_of(self.view.cursor) if self.view.cursor is not None else None
        if session is None:
            self.say("no session here to go to")
        elif not self._is_going:
            self._is_going = True
            self.requests.look(session.source, partial(self._go_to_terminal, session))

    def _go_to_terminal(self, session: Session) -> None:
        """Goes to the pane of a session, now that the processes have been looked at."""
        from tui.terminal import panes

        self._is_going = False
        found = find(self.store, session)
        if found.process is None:
            self.say(f"{session.host}: {found.words}" if session.host else found.words)
        elif session.host:
            # Nothing that another machine says makes us run a command.
            self.say(f"{session.host}: {panes.where(found.process)}")
        else:
            self.run_worker(self._gone_to_terminal(found.process, found.certain), group="terminal")

    async def _gone_to_terminal(self, process: Process, certain: bool) -> None:
        from tui.terminal import panes

        self._is_going = True
        try:
            said = await asyncio.to_thread(panes.go, process, os.environ)
        finally:
            self._is_going = False
        self.say(said if certain else f"{said}; that it is this session's is likely, and not certain")

    def action_notices(self) -> None:
        self.draw(self.view.switch_notices())
        self.say("notices are given" if self.view.notify else "no notices: what happens is only on the screen")

    def action_health(self) -> None:
        pane = self.health
        pane.display = not pane.display
        if pane.display:
            self._show_health()
            self.requests.probe()

    def action_spend(self) -> None:
        if self.spend is not None and self.spend in self.app.screen_stack:
            return
        from tui.screens.spend import SpendScreen

        self.spend = SpendScreen(
            self.store, self.now, self.requests, self.keymap, self.go_to_session, self._spend_closed
        )
        self.app.push_screen(self.spend)

    def _spend_closed(self, screen: SpendScreen) -> None:
        # The palette may have taken it away and opened another.
        if self.spend is screen:
            self.spend = None
