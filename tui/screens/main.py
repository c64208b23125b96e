"""The main screen: the tree, the detail beside it (or behind it where the terminal is narrow), health below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.timer import Timer

from adapter.health import Health
from adapter.pace import paced
from tui import sanitize
from tui.keymap import NONE, Keymap
from tui.model.arrange import Arrangement
from tui.model.finder import Finder
from tui.model.nodes import ChangeSet, Key, Session, session_key
from tui.model.query import Completion
from tui.model.rows import VisibleRows
from tui.model.store import Store
from tui.model.tally import Tally
from tui.protocols import Requests
from tui.render import filter_line, keys
from tui.render.breadcrumb import breadcrumb, databases
from tui.render.health import Lags
from tui.render.status import Status
from tui.render.tabs import NAMES
from tui.render.tree_row import heading
from tui.screens.doors import DoorScreen
from tui.settings import DEFAULTS, Settings
from tui.widgets.compositor import SparseCompositor
from tui.widgets.detail import Detail
from tui.widgets.filter_bar import FilterBar
from tui.widgets.fixed_lines import FixedLines
from tui.widgets.health_pane import HealthPane
from tui.widgets.jumping_tree import JumpingTree
from tui.widgets.key_bar import KeyBar
from tui.widgets.panes import STEP, Panes
from tui.widgets.session_tree import SessionTree
from tui.widgets.status_bar import StatusBar
from tui.widgets.told import Told

TWO_PANES = 100
"""Columns from which tree and detail stand side by side."""
FILTER_LIMIT = 1000
"""Characters of a remembered filter; nobody types more, and the file may have been written by anybody."""
FAILED_TODAY = "is:failed since:today"
"""What the count of failures shows: `e` goes on to the calls that failed."""
ROOMY = 20
"""Lines from which one of them says where the cursor is."""


class MainScreen(DoorScreen):
    """Holds the panes, moves the focus between them, and hands every change to the parts that show it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab,shift+tab", "other_pane", "tree or detail", id="pane.other", show=False),
        Binding("escape", "back", "back to the tree; there, no filter", id="pane.back", show=False),
        *(
            Binding(str(place), f"tab('{name}')", f"{name} tab", id=f"detail.{name.lower()}", show=False)
            for place, name in enumerate(NAMES, 1)
        ),
        Binding("less_than_sign", "turn(-1)", "previous tab", id="detail.previous", show=False),
        Binding("greater_than_sign", "turn(1)", "next tab", id="detail.next", show=False),
        Binding("slash", "filter", "filter the sessions", id="filter.open", show=False),
        Binding("plus", f"widen({STEP})", "more room for the tree", id="pane.wider", show=False),
        Binding("minus", f"widen({-STEP})", "more room for the detail", id="pane.narrower", show=False),
        Binding("equals_sign", "widen(0)", "the usual room for both", id="pane.usual", show=False),
        Binding("f", "follow", "follow the newest activity", id="follow", show=False),
        Binding("H", "health", "health of the database", id="health", show=False),
    ]

    class Ready(Told):
        """The screen stands."""

    @dataclass
    class Arranged(Told):
        """The user has chosen another filter or another order."""

        filter: str
        arrangement: Arrangement

    @dataclass
    class Counted(Told):
        """As many top-level sessions are at work, and wait for a person."""

        running: int
        waiting: int

    def __init__(
        self,
        store: Store,
        paths: tuple[str, ...],
        now: Callable[[], int],
        requests: Requests,
        settings: Settings = DEFAULTS,
        keymap: Keymap = NONE,
    ) -> None:
        super().__init__()
        self._compositor = SparseCompositor()
        self.settings = settings
        self.keymap = keymap
        self.store = store
        self.rows = VisibleRows(store)
        self.tally = Tally(store)
        self.finder = Finder(store)
        self.now = now
        self.requests = requests
        self.paths = paths
        self.problem = ""
        self.healths: tuple[Health, ...] = ()
        self._databases: dict[str, str] = {}
        self.lags: Lags | None = None
        self.behind = 0
        self._ticking: Timer | None = None
        self._remark = ""
        self._home: Key | None = None
        self._kept = self.Arranged(settings.filter, settings.arrangement)
        self._counted = self.Counted(0, 0)
        # Held, not looked up: when the app ends they leave the screen before the last change has come in.
        self.status_bar = StatusBar(id="status")
        self.heading = FixedLines([[]], id="heading")
        self.sessions = JumpingTree(store, self.rows, now, requests.load, self.finder, id="tree")
        self.bar = FilterBar(self._complete, self.filter, id="filter")
        self.where = FixedLines([[]], id="where")
        self.detail = Detail(store, now, requests, id="detail")
        left = Vertical(self.heading, self.sessions, self.bar, self.where, id="left")
        self.panes = Panes(left, self.detail, share=settings.tree_width, id="panes")
        self.health = HealthPane(id="health")
        self.key_bar = KeyBar(keys.TREE, keymap.keys, id="keys")

    def compose(self) -> ComposeResult:
        yield from (self.status_bar, self.panes, self.health, self.key_bar)

    def on_mount(self) -> None:
        self.health.display = self.bar.display = False
        self._ticking = self.set_interval(1, self.tick, pause=True)
        self._arrange(self.app.size.width)
        self.watch(self.sessions, "cursor", self._turn_to, init=False)
        self.sessions.focus()
        self.sessions.arrange(self.settings.arrangement)
        self.filter(sanitize.line(self.settings.filter, FILTER_LIMIT))
        self.post_message(self.Ready())

    # --- what arrives ----------------------------------------------------------------------------------------

    def changed(self, changes: ChangeSet) -> bool:
        """Takes a change of the model in; returns whether something has to be drawn."""
        now = self.now()
        self.tally.update(changes, now)
        if self.finder.update(changes, now):
            self.sessions.keep(self.finder.trees)
        before = self.detail.key
        drawn = self.sessions.apply(changes)
        if self.detail.key == before:
            drawn = self.detail.node_changed(changes.dirty | self.rows.headings.changed) or drawn
        self._show_status()
        return drawn

    def health_changed(self, healths: tuple[Health, ...], lags: Lags | None, behind: int) -> None:
        """Takes the newest health of all sources in, and how many events the screen is behind them."""
        self.healths, self.lags, self.behind = healths, lags, behind
        self._databases = databases(healths)
        self.health.update(healths, lags, self.tally.counts)
        self._show_status()

    def show_problem(self, text: str) -> None:
        """Shows one calm line, or takes it away."""
        self.problem = text
        self._show_status()

    def tick(self) -> None:
        """Once a second while something that runs is in sight: elapsed times, and states that time changes."""
        now = self.now()
        self.tally.tick(now)
        if self.finder.tick(now):
            self.sessions.keep(self.finder.trees)
        if self.sessions.tick():
            self.detail.tick()
        elif self._ticking is not None:
            self._ticking.pause()
        self._show_status()

    def on_session_tree_running_in_sight(self) -> None:
        if self._ticking is not None:
            self._ticking.resume()

    def _show_status(self) -> None:
        counts, tree = self.tally.counts, self.sessions
        status = Status(
            paths=self.paths,
            healths=self.healths,
            lags=self.lags,
            behind=self.behind,
            running=counts.running,
            waiting=counts.waiting,
            stuck=counts.stuck,
            looping=counts.looping,
            failed=counts.failed_today,
            cost_today=counts.cost_today,
            following=tree.following,
            paused=tree.paused,
            new_above=tree.new_above,
            new_below=tree.new_below,
        )
        self.status_bar.update(status, self.problem)
        counted = self.Counted(counts.running, counts.waiting)
        if (counted.running, counted.waiting) != (self._counted.running, self._counted.waiting):
            self._counted = counted
            self.post_message(counted)
        self._show_heading()

    def _show_heading(self) -> None:
        shown = filter_line.order(self.rows.arrangement)
        left = [*filter_line.count(self.finder, self.rows.total), *shown, *filter_line.chips(self.finder)]
        self.heading.show([heading(self.sessions.size.width, left)])
        self._show_where()

    def _show_where(self) -> None:
        """The way to the cursor, or what the last key has to say; on a low screen only that."""
        where = self.where
        editing = self.bar.editing
        if not editing and (self.finder.text, self.rows.arrangement) != (self._kept.filter, self._kept.arrangement):
            self._kept = self.Arranged(self.finder.text, self.rows.arrangement)
            self.post_message(self._kept)
        where.display = editing or bool(self._remark) or self.size.height >= ROOMY
        if editing:
            where.show([filter_line.hint(self.finder, self.bar.input.choices)])
        elif self._remark:
            where.show([[(f" {self._remark}", "accent")]])
        else:
            cursor = self.sessions.cursor
            database = self._databases.get(cursor.source, "") if cursor is not None else ""
            where.show([breadcrumb(self.store, cursor, self.sessions.size.width, database)])

    # --- the filter ------------------------------------------------------------------------------------------

    def filter(self, text: str) -> None:
        """Shows the sessions that a query finds; an empty one shows all."""
        self.finder.ask(text, self.now())
        self.sessions.keep(self.finder.trees if self.finder.on else None, self._home if self.bar.editing else None)
        self._show_status()

    def _complete(self, text: str, cursor: int) -> Completion:
        return self.finder.complete(text, cursor, self.now())

    def action_filter(self) -> None:
        self._remark = ""
        self._home = self.sessions.cursor
        self.bar.edit(self.finder.text)
        self._show_where()
        # Before the first letter comes, which would have to wait for all of it.
        self.run_worker(paced(self.finder.index.filling(self.now())))

    def on_filter_input_kept(self) -> None:
        self.show_tree()
        self.sessions.go_to_match()

    def on_filter_input_dropped(self) -> None:
        self.filter("")
        self.show_tree()

    def on_status_bar_walk_wanted(self, message: StatusBar.WalkWanted) -> None:
        if message.walk != "failed":
            self.sessions.action_find(message.walk, True)
            return
        self.filter("" if self.finder.text == FAILED_TODAY else FAILED_TODAY)
        self.sessions.go_to_match()

    # --- panes -----------------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        self._arrange(event.size.width)

    def _arrange(self, width: int) -> None:
        """Two panes, or the one that has the focus."""
        narrow = width < TWO_PANES
        self.set_class(narrow, "narrow")
        self.sessions.enter_opens = narrow
        self.panes.lay_out(width, alone=narrow)
        self._show_keys()

    def on_descendant_focus(self) -> None:
        self._show_keys()
        self._show_where()

    def _show_keys(self) -> None:
        in_detail = self.detail.has_focus_within
        self.set_class(in_detail, "in-detail")
        narrow = self.has_class("narrow")
        shown = (keys.DETAIL_ALONE if narrow else keys.DETAIL) if in_detail else keys.TREE
        if self.bar.input.has_focus:
            shown = keys.FILTER
        elif in_detail and not self.detail.view.has_focus:
            shown = keys.SEARCH
        self.key_bar.update(shown)

    def _turn_to(self, key: Key | None) -> None:
        if key is not None:
            self._remark = ""
            self.detail.show(key)
            self._show_where()

    def on_jumping_tree_remark(self, message: JumpingTree.Remark) -> None:
        self._remark = message.text
        self._show_where()

    def on_session_tree_detail_wanted(self, message: SessionTree.DetailWanted) -> None:
        self.detail.show(message.key)
        self.show_detail()

    def on_session_tree_status_changed(self) -> None:
        self._show_status()

    def show_detail(self) -> None:
        """Puts the focus, and where there is room for one pane only that pane, on the detail."""
        # A hidden widget cannot take the focus, so the class that shows it comes first.
        self.add_class("in-detail")
        self.set_focus(self.detail.view)

    def go_to_session(self, session: Session) -> None:
        """Puts the cursor on a session, wherever it is: a filter that hides it goes, what is folded is opened."""
        key = session_key(session)
        if self.store.session_of(key) is None:
            self.sessions.post_message(JumpingTree.Remark("this session is gone"))
            return
        if self.finder.on and self.store.links.top((session.source, session.id)) not in self.finder.trees:
            self.filter("")
        self.show_tree()
        self.sessions.jump(key)

    def show_tree(self) -> None:
        """Puts the focus, and where there is room for one pane only that pane, on the tree."""
        self.remove_class("in-detail")
        self.set_focus(self.sessions)

    def action_other_pane(self) -> None:
        if self.detail.view.has_focus:
            self.show_tree()
        else:
            self.show_detail()

    def action_back(self) -> None:
        if self.sessions.has_focus and self.finder.on:
            self.filter("")
        self.show_tree()

    def action_widen(self, percent: int) -> None:
        if self.panes.alone:
            self._remark = f"one pane below {TWO_PANES} columns; tab goes to the other"
            self._show_where()
        elif percent:
            self.panes.widen(percent)
        else:
            self.panes.reset()

    def action_tab(self, name: str) -> None:
        self.detail.pick(name)

    def action_turn(self, step: int) -> None:
        self.detail.turn(step)

    def action_follow(self) -> None:
        self.sessions.follow(not self.sessions.following)

    def action_health(self) -> None:
        pane = self.health
        pane.display = not pane.display
        if pane.display:
            pane.update(self.healths, self.lags, self.tally.counts)
            self.requests.probe()
