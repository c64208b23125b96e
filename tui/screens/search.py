"""Search: a line for the words, one for the filter, and what was found in every text of every session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.timer import Timer

from adapter.contract import Hit, SearchPage
from adapter.pattern import BadPattern, parse
from tui.config.keymap import Keymap
from tui.model.filter import language
from tui.model.filter.cards import Index
from tui.model.records import SessionKey
from tui.model.search.results import Results
from tui.protocols import Requests
from tui.render.bars import keys
from tui.render.bars.help import key_name
from tui.render.bars.search_line import progress
from tui.text import sanitize
from tui.textual_patches.contained import Contained
from tui.textual_patches.line_input import SteadyInput
from tui.widgets.fixed_lines import FixedLines
from tui.widgets.hits_view import HitsView
from tui.widgets.key_bar import KeyBar

PAUSE_S = 0.3
"""Seconds without a letter after which what was typed is looked for."""
AMONG_HITS = Binding("up,down,pageup,pagedown", "", "move among what was found")
"""What the keys do that the line in which words are typed leaves alone."""
TICK_S = 1.0
"""Seconds between two looks at how long ago the sessions of the results are."""
LEAST = 2
"""Letters of words that are looked for before enter is pressed."""

GoTo = Callable[[SessionKey, Hit], None]
"""Takes the user to a hit."""


class Search:
    """The search of the program: its results outlive the screen that shows them, and it goes on behind it."""

    def __init__(self, requests: Requests, index: Callable[[], Index], now: Callable[[], int]) -> None:
        self.results = Results()
        self.words = ""
        """What stands in the line, which may not have been looked for yet."""
        self.filter = ""
        self.told: Callable[[], None] = lambda: None
        """Called when the results have changed."""
        self._requests = requests
        self._index = index
        self._now = now
        self._stop: Callable[[], None] = lambda: None

    @property
    def is_asked(self) -> bool:
        """Whether what stands in the lines has been looked for."""
        return (self.words, self.filter) == (self.results.words, self.results.filter)

    def begin(self) -> None:
        """Looks for what stands in the lines; what is wrong with it is said instead."""
        self._stop()
        results = self.results
        results.problem = ""
        pattern = None
        if self.words.strip():
            try:
                pattern = parse(self.words)
            except BadPattern as error:
                results.problem = str(error)
        only, problem = self._scope()
        results.problem = results.problem or problem
        if results.problem:
            pattern = None
        results.begin(self.words, self.filter, pattern, sum(map(len, only.values())))
        if pattern is not None:
            self._stop = self._requests.search(self.words, only, (), self._found, self._ended)
        self.told()

    def stop(self) -> None:
        """Ends it at once; what was found stays."""
        if self.results.running:
            self._stop()
            self.results.end("stopped")
            self.told()

    def _scope(self) -> tuple[dict[str, set[str]], str]:
        """The sessions to look through by their sources; of which a filter cannot say whether they match are among
        them."""
        now, index = self._now(), self._index()
        index.fill(now)
        terms = language.parse(self.filter, now)
        cards = index.cards.values()
        found = language.search(terms, cards)
        problem = next((term.problem for term in found.terms if term.problem), "")
        if any(term.query is not None for term in terms):
            problem = "text: and file: are for the filter of the main screen: write the words above"
        only: defaultdict[str, set[str]] = defaultdict(set)
        for source, session_id in {**found.cards, **found.unread} if terms else index.cards:
            only[source].add(session_id)
        return dict(only), problem

    def _found(self, source: str, page: SearchPage) -> None:
        self.results.add(source, page)
        if self.results.full:
            self._stop()
            self.results.end("")
        self.told()

    def _ended(self, reason: str) -> None:
        self.results.end(reason)
        self.told()


class SearchLine(SteadyInput):
    """A line that is typed in; what is pasted into it passes the door for text first."""

    def __init__(self, value: str, placeholder: str, *, id: str) -> None:
        super().__init__(value, placeholder, compact=True, select_on_focus=False, id=id)
        self.cursor_blink = False

    def validate_value(self, value: str) -> str:
        """Keeps what could drive a terminal out, however it came in."""
        return sanitize.line(value)


class SearchScreen(Contained, Screen[None]):
    """Shows the search; the keys are typed into its lines, and the arrows move among what was found."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "look for it at once; go to what was found", id="search.choose", show=False),
        Binding("escape", "leave", "stop; then back", id="search.close", show=False),
        Binding("tab,shift+tab", "other_line", "the words, the filter", id="search.line", show=False),
    ]

    def __init__(self, search: Search, hits: HitsView, go_to: GoTo, keymap: Keymap) -> None:
        super().__init__()
        self.search = search
        self.go_to = go_to
        self.keymap = keymap
        self.words = SearchLine(search.words, "what to look for in all texts", id="find-words")
        self.scope = SearchLine(search.filter, "which sessions: agent: dir: since: is: …", id="find-scope")
        self.names = FixedLines([[]]), FixedLines([[]])
        self.line = FixedLines([[]], id="find-line")
        self.hits = hits
        self.key_bar = KeyBar(keys.FINDING, keymap.keys, id="keys")
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Horizontal(self.names[0], self.words, classes="find")
        yield Horizontal(self.names[1], self.scope, classes="find")
        yield from (self.line, self.hits, self.key_bar)

    def on_mount(self) -> None:
        if self.focused is None:
            # Unless a key that followed at once has moved on already.
            self.set_focus(self.words)
        self.words.cursor_position = len(self.words.value)
        self.search.told = self._told
        self.hits.show()
        self._show_line()
        self.set_interval(TICK_S, self.hits.tick)

    def on_unmount(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        if self.search.told == self._told:
            self.search.told = lambda: None

    def on_descendant_focus(self) -> None:
        # Which line is typed in, also where no cursor can be seen.
        for line, name, words in zip((self.words, self.scope), self.names, ("Search", "in"), strict=True):
            name.show([[(f"{'›' if line.has_focus else ' '}{words:>6} ", "key" if line.has_focus else "dim")]])

    def _told(self) -> None:
        results = self.search.results
        if not results.looked:
            self.hits.show()
        else:
            self.hits.grew()
        self._show_line()

    def _show_line(self) -> None:
        own = self.keymap.keys.get("search.close", "escape").split(",")[0]
        self.line.show([progress(self.search.results, "esc" if own == "escape" else key_name(own))])

    # --- what is typed ---------------------------------------------------------------------------------------

    def on_input_changed(self) -> None:
        search = self.search
        if (self.words.value, self.scope.value) == (search.words, search.filter):
            return
        search.words, search.filter = self.words.value, self.scope.value
        if self._timer is not None:
            self._timer.stop()
        # A search of every letter would be one of everything.
        is_short = len(search.words.strip()) < LEAST and search.words.isascii() and search.words.strip()
        self._timer = None if is_short else self.set_timer(PAUSE_S, self._begin)

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if not self.search.is_asked:
            self.search.begin()

    def on_input_submitted(self, event: events.Event) -> None:
        event.stop()
        self.action_choose()

    def action_choose(self) -> None:
        if not self.search.is_asked or (not self.search.results.lines and not self.search.results.running):
            if self._timer is not None:
                self._timer.stop()
                self._timer = None
            self.search.begin()
            return
        chosen = self.search.results.chosen
        if chosen is not None and chosen.hit is not None:
            self.dismiss()
            self.go_to(chosen.session, chosen.hit)

    def action_other_line(self) -> None:
        line = self.words if self.scope.has_focus else self.scope
        self.set_focus(line)

    def action_leave(self) -> None:
        if self.search.results.running:
            self.search.stop()
        else:
            self.dismiss()

    # --- the results -----------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        # `AMONG_HITS`, which a line of text has no use for.
        page = max(1, self.hits.size.height - 1)
        step = {"up": -1, "down": 1, "pageup": -page, "pagedown": page}.get(event.key)
        if step is not None:
            event.stop()
            self.search.results.move(step)
            self.hits.moved()

    def on_hits_view_clicked(self, message: HitsView.Clicked) -> None:
        if message.twice:
            self.action_choose()
