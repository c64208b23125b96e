"""What sessions cost: a range of days as tables by day, model, project, agent, tool and session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Vertical
from textual.timer import Timer

from adapter.contract import Spending
from tui.config.keymap import Keymap
from tui.model.records import ChangeSet, Session
from tui.model.spend.days import Days, typed
from tui.model.spend.ledger import MEASURES, Measure
from tui.model.spend.looking import Looking
from tui.model.store.store import Store
from tui.protocols import GiveUp, Requests
from tui.render.bars import keys
from tui.render.spend.lines import head, looks, names_of, title
from tui.text import sanitize
from tui.textual_patches.compositor import SparseScreen
from tui.textual_patches.contained import Contained
from tui.widgets.fixed_lines import FixedLines
from tui.widgets.key_bar import KeyBar
from tui.widgets.range_input import RangeInput
from tui.widgets.spend_table import SpendTable

SIDE_BY_SIDE = 120
"""Columns from which all tables are in sight."""
EVERY_S = 1.0
"""Seconds between two pictures of figures that change."""
MIDNIGHT_S = 30.0
"""Seconds between two looks at the clock."""
RANGE_KEYS: list[Binding] = [
    Binding("r", "range(1)", "next range of days", id="spend.range", show=False),
    Binding("R", "range(-1)", "range of days before", id="spend.range_before", show=False),
]
"""What no other part of the program has a key for; all others have the ids of what they are like in the tree."""


class SpendScreen(Contained, SparseScreen):
    """Six tables; a row of one narrows the others."""

    AUTO_FOCUS = ""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "turn(1)", "the next table", id="pane.other", show=False),
        Binding("shift+tab", "turn(-1)", "the table before", id="pane.other", show=False),
        Binding("backspace", "back", "take a narrowing away, then close", id="jump.back", show=False),
        Binding("right,l", "turn(1)", "the next table", id="tree.open", show=False),
        Binding("left,h", "turn(-1)", "the table before", id="tree.close", show=False),
        Binding("enter", "enter", "narrow the other tables; go to a session", id="tree.enter", show=False),
        Binding("space", "narrow", "narrow the other tables by the row", id="tree.fold", show=False),
        Binding("left_square_bracket", "period(-1)", "the days before these", id="jump.before", show=False),
        Binding("right_square_bracket", "period(1)", "the days behind these", id="jump.after", show=False),
        Binding("escape", "back", "take a narrowing away, then close", id="pane.back", show=False),
        Binding("dollar_sign", "close", "close", id="spend.open", show=False),
        Binding("slash", "type_range", "type a range of days", id="filter.open", show=False),
        *RANGE_KEYS,
    ]

    def __init__(
        self,
        store: Store,
        now: Callable[[], int],
        requests: Requests,
        keymap: Keymap,
        go_to: Callable[[Session], None],
        closed: Callable[[SpendScreen], None],
        days: Days | None = None,
    ) -> None:
        super().__init__()
        self.looking = Looking(store, now(), days)
        self.looking.awaits |= set(requests.names)
        self._store = store
        self._asked: set[str] = set()
        self._now = now
        self._requests = requests
        self._go_to = go_to
        self._tell_closed = closed
        self._due: Timer | None = None
        self._clock: Timer | None = None
        self._given_up: GiveUp | None = None
        self._ended = False
        self.head = FixedLines([[]], id="spend-head")
        self.titles = {measure: FixedLines([[]]) for measure in MEASURES}
        self.tables = {measure: SpendTable(measure) for measure in MEASURES}
        self.typed = RangeInput(self._typed, id="spend-range")
        # Before it is there: the first thing that can be typed into would have the keys until then.
        self.typed.display = False
        self.key_bar = KeyBar(keys.SPEND, keymap.keys, id="keys")

    def compose(self) -> ComposeResult:
        yield self.head
        yield self.typed
        cells = [Vertical(self.titles[name], self.tables[name], classes="spend-cell") for name in MEASURES]
        yield Grid(*cells, id="spend-tables")
        yield self.key_bar

    def on_mount(self) -> None:
        self.tables[self.looking.measure].focus()
        self._clock = self.set_interval(MIDNIGHT_S, self._look_at_the_clock)
        self._ask(self.looking.awaits)
        if not self.looking.awaits:
            self._read_on()

    def on_unmount(self) -> None:
        self._ended = True
        self._stop_reading()
        self._tell_closed(self)

    def on_resize(self, event: events.Resize) -> None:
        self._arrange(event.size.width)
        self.draw()

    @property
    def alone(self) -> bool:
        """Whether one table at a time is in sight."""
        return self.size.width < SIDE_BY_SIDE

    def _arrange(self, width: int) -> None:
        self.set_class(width < SIDE_BY_SIDE, "one-table")
        for measure, table in self.tables.items():
            if table.parent is not None:
                shown = width >= SIDE_BY_SIDE or measure == self.looking.measure
                self.query_one(f"#spend-{measure}").parent.display = shown  # type: ignore[union-attr]

    # --- what arrives ----------------------------------------------------------------------------------------

    def _ask(self, sources: Iterable[str]) -> None:
        """Asks when the sessions of these sources began, of each once."""
        for source in set(sources) - self._asked:
            self._asked.add(source)
            self._requests.spans(source, partial(self._span, source))

    def changed(self, changes: ChangeSet) -> None:
        """Takes a change of the store in; it is shown within a second, with all others until then."""
        # A database that was found only now.
        self._ask(source for source, _ in changes.roots)
        if self.looking.changed(changes) and not self._ended:
            self._draw_soon()

    def _draw_soon(self) -> None:
        if self._due is None:
            self._due = self.set_timer(EVERY_S, self._draw_now)

    def _draw_now(self) -> None:
        self._due = None
        self.looking.add_up()
        if self._given_up is None:
            self.looking.plan()
            self._read_on()
        self.draw()

    def _look_at_the_clock(self) -> None:
        if self.looking.tick(self._now()):
            self._stop_reading()
            self._read_on()
            self.draw()

    def _span(self, source: str, spans: Mapping[str, tuple[int, int]], why: str) -> None:
        if self._ended:
            return
        self.looking.ledger.span(source, spans)
        if why:
            self.looking.problem = why
        self.looking.awaits.discard(source)
        if not self.looking.awaits:
            self.looking.add_up()
            self.looking.plan()
            self._read_on()
            self.draw()

    # --- what is read ----------------------------------------------------------------------------------------

    def _read_on(self) -> None:
        """Asks for the next sessions, one request at a time."""
        if self.looking.awaits or self._given_up is not None:
            return
        page = self.looking.next_page()
        if page is not None:
            source, ids = page
            self._given_up = self._requests.spending(source, ids, partial(self._taken, source, ids))

    def _taken(self, source: str, ids: list[str], found: Sequence[Spending] | None, why: str) -> None:
        self._given_up = None
        if self._ended:
            return
        self.looking.take(source, ids, found, why)
        self._read_on()
        if self._given_up is None:
            if self._due is not None:
                self._due.stop()
                self._due = None
            self.looking.add_up()
            self.draw()
            # What has changed meanwhile.
            self.looking.plan()
            self._read_on()
        else:
            self._draw_head()
            self._draw_soon()

    def _stop_reading(self) -> None:
        if self._given_up is not None:
            self._given_up()
            self._given_up = None

    # --- drawing ---------------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Draws what is different."""
        looking = self.looking
        names = names_of(looking)
        self._draw_head()
        width = self.size.width // (1 if self.alone else 3)
        for measure in MEASURES:
            if self.alone and measure != looking.measure:
                continue
            found = looks(looking, measure, names)
            self.titles[measure].show([title(measure, len(found), width - 1, focused=measure == looking.measure)])
            empty = "" if looking.is_early else "nothing was spent"
            self.tables[measure].show(found, looking.at(measure), empty)

    def _draw_head(self) -> None:
        self.head.show(head(self.looking, names_of(self.looking), self.size.width, alone=self.alone))

    # --- keys ------------------------------------------------------------------------------------------------

    def on_spend_table_moved(self, message: SpendTable.Moved) -> None:
        self.looking.move(message.measure, message.to)
        if message.measure != self.looking.measure:
            self._turn_to(message.measure)
        self.draw()

    def on_spend_table_chosen(self, message: SpendTable.Chosen) -> None:
        self._turn_to(message.measure)
        self.action_enter()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, SpendTable) and event.widget.measure != self.looking.measure:
            self._turn_to(event.widget.measure)
            self.draw()

    def _turn_to(self, measure: Measure) -> None:
        self.looking.measure = measure
        self._arrange(self.size.width)
        self.tables[measure].focus()

    def action_turn(self, step: int) -> None:
        self.looking.turn(step)
        self._turn_to(self.looking.measure)
        self.draw()

    def action_narrow(self) -> None:
        if self.looking.narrow(self.looking.measure):
            self.draw()

    def action_enter(self) -> None:
        looking = self.looking
        row = looking.under_cursor(looking.measure)
        if row is None:
            return
        if looking.measure != "session":
            self.action_narrow()
            return
        session = self._store.sessions.get(row[0]) if isinstance(row[0], tuple) else None
        if session is not None:
            self.dismiss()
            self._go_to(session)

    def action_range(self, step: int) -> None:
        self._stop_reading()
        self.looking.next_range(step)
        self._read_on()
        self.draw()

    def action_type_range(self) -> None:
        self.typed.value = ""
        self.typed.display = True
        self.typed.focus()

    def _typed(self, words: str | None) -> None:
        """Shows the days that were typed; what is no day is said, and may be typed on."""
        span = typed(words, self.looking.today) if words else None
        if isinstance(span, str):
            self.key_bar.say(sanitize.label(span))
            return
        self.typed.display = False
        self.tables[self.looking.measure].focus()
        if span is not None:
            self._stop_reading()
            self.looking.show(span)
            self._read_on()
        self.draw()

    def action_period(self, step: int) -> None:
        if self.looking.span.is_open:
            self.key_bar.say("all time has no days before or behind it: r chooses another range")
            return
        self._stop_reading()
        self.looking.show(self.looking.span.moved(step))
        self._read_on()
        self.draw()

    def action_back(self) -> None:
        if self.looking.widen():
            self.draw()
        else:
            self.dismiss()

    def action_close(self) -> None:
        self.dismiss()
