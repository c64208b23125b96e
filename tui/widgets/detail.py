"""The detail of one node: Overview from the model at once, texts fetched when their tab is looked at."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from tui.model.records import Key
from tui.protocols import Requests
from tui.render import numbers
from tui.render.cards import detail, payload, tabs
from tui.render.cards.labelled import LABEL_WIDTH
from tui.render.lines import Line, folded, width_of
from tui.render.text.document import WRAP_LIMIT, Document, Joined, Painted, Tail, Text
from tui.render.text.search import found_line
from tui.text import sanitize
from tui.textual_patches.contained import Contained
from tui.textual_patches.told import Told
from tui.view import View
from tui.widgets.fixed_lines import FixedLines
from tui.widgets.line_view import MARGIN
from tui.widgets.own_view import OwnView
from tui.widgets.search_view import SearchView
from tui.widgets.timeline_view import TimelineView
from tui.widgets.transcript import Transcript

SPACED_S = 0.2
"""A node that changes on and on is drawn again after so long: every second time that the tree is."""
EARLY_S = 0.03
"""So much sooner where the tree is drawn anyway: both together are one frame."""
TAIL = 12
"""Last lines of an output that the Overview of a call shows."""
SHARE = 10
"""A dear one waits so many times as long as it takes: no more than a tenth of the time goes into it."""

LARGE = 1_000_000
"""Bytes from which on the beginning of a text is shown while the rest is read: 20 MB take a tenth of a second."""
BEGUN = frozenset({"terminal", "plain", "diff"})
"""Looks in which the beginning of a text looks as it will."""

FETCH_AFTER = 0.06
"""Seconds the cursor has to rest on a node before its text is fetched: a held-down arrow key passes many. The node
that it goes to after such a rest, and a tab that is picked, are not passed: their text is fetched at once."""


class TabLine(FixedLines):
    """The names of the tabs; a click on one opens it."""

    @dataclass
    class Picked(Told):
        """A tab was clicked."""

        name: str

    def on_click(self, event: events.Click) -> None:
        name = tabs.tab_at(self.lines[0], event.x)
        if name:
            self.post_message(self.Picked(name))


class Detail(Contained, Vertical):
    """Shows the node it was last given; asks `requests` for texts, and gets each of them, or the reason why there is
    none, through `deliver`.

    The tab that the user picked last is the one of `state`: nodes that have it show it, the others their Overview.
    A tab whose name is in `own` is drawn by a widget of its own, all others by `view`; `body` is the one that is shown.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search in the text", id="text.search", show=False),
        Binding("n", "hit(1)", "go to the next hit", id="text.next_hit", show=False),
        Binding("N", "hit(-1)", "go to the hit before", id="text.previous_hit", show=False),
        Binding("escape", "end_search", "end the search", id="text.end_search", show=False),
    ]

    class OtherKind(Told):
        """The text that is shown has folds now, or none any more."""

    def __init__(self, state: View, now: Callable[[], int], requests: Requests, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = state
        self.store = state.store
        self.now = now
        self.requests = requests
        self.key: Key | None = None
        self.tabs: tabs.Tabs = {}
        self._texts: dict[str, tuple[payload.Shown | None, str]] = {}
        self._in_sight: list[tabs.Text] = []
        self._asked: set[str] = set()
        self._stale: set[str] = set()
        self._begun: set[str] = set()
        self._record: tuple[str, payload.Shown] | None = None
        self._timer: Timer | None = None
        self._cost, self._drawn_at = 0.0, float("-inf")
        self._redraw: Timer | None = None
        self._turned = float("-inf")
        self._marked = False
        self.tab_line = TabLine([[]], id="tabs")
        self.view = SearchView(id="text")
        self.transcript = Transcript(state, now, requests, self._body_width, id="transcript")
        self.timeline = TimelineView(self.store, now, requests, id="timeline")
        self.own: dict[str, OwnView] = {tabs.TRANSCRIPT: self.transcript, tabs.TIMELINE: self.timeline}
        self.words_input = Input(placeholder="search in this text", select_on_focus=False, compact=True, id="words")
        self.search = Horizontal(FixedLines([[(" /", "key")]], id="slash"), self.words_input, id="search")
        self.found = FixedLines([[]], id="found")

    def compose(self) -> ComposeResult:
        yield from (self.tab_line, self.view, *self.own.values(), self.search, self.found)

    def on_mount(self) -> None:
        self.search.display = self.found.display = False
        for view in self.own.values():
            view.display = False
        self.words_input.cursor_blink = False
        self._draw_tabs()

    @property
    def wanted(self) -> str:
        """The tab that the user picked last."""
        return self.state.tab or tabs.OVERVIEW

    @property
    def tab(self) -> str:
        """The tab that is shown: the wanted one where the node has it."""
        return self.wanted if self.wanted in self.tabs else tabs.OVERVIEW

    @property
    def body(self) -> Widget:
        """The widget that the tab is drawn by."""
        return self.own.get(self.tab, self.view)

    @property
    def text(self) -> SearchView:
        """The widget that a search looks through."""
        return self.transcript if self.tab == tabs.TRANSCRIPT else self.view

    @property
    def moved_to(self) -> Key | None:
        """The node to which the user has moved in the view that is shown, None where that is the tree's."""
        view = self.own.get(self.tab)
        return view.moved_to if view is not None and view.has_focus else None

    # --- what is shown ---------------------------------------------------------------------------------------

    def show(self, key: Key | None) -> None:
        """Turns to a node; the tab stays the one the user picked."""
        if key == self.key:
            return
        self.key = key
        if self._marked:
            # It was looked for in the text that it was found in, and not here.
            self._marked = False
            self.view.search("")
        before, self._turned = self._turned, time.perf_counter()
        self._cost, self._drawn_at = 0.0, float("-inf")
        if self._redraw is not None:
            self._redraw.stop()
            self._redraw = None
        self._forget_texts()
        self._look_again()
        self._draw(keep=False)
        if self._turned - before > FETCH_AFTER:
            self._fetch_now()

    def show_again(self) -> None:
        """Makes everything anew that is said of the node; its texts are fetched again."""
        key, self.key = self.key, None
        for view in self.own.values():
            view.put_away()
        self.show(key)

    def pick(self, name: str) -> None:
        """Turns to a tab."""
        if name == self.wanted:
            return
        before, self.state.tab = self.tab, name
        self._draw_tabs()
        if self.tab != before:
            self._draw(keep=False)
            self._fetch_now()

    def turn(self, step: int) -> None:
        """Turns to the next or the previous of the tabs that the node has, and from the last to the first."""
        names = list(self.tabs)
        if names:
            self.pick(names[(names.index(self.tab) + step) % len(names)])

    def wrap_changed(self) -> None:
        """Breaks the long lines of texts, or no longer; the place in them stays."""
        if (view := self.own.get(self.tab)) is not None:
            view.wrap_changed()
            return
        self._draw(keep=True)
        if self.state.wrap:
            self.view.to_the_left()

    @property
    def never_broken(self) -> str:
        """Why what is shown is not broken all the same, in words; "" where it is."""
        shown = [self._texts.get(text.slot, (None, ""))[0] for text in self._in_sight]
        if any(isinstance(document, Document) and document.size > WRAP_LIMIT for document in shown):
            return f", but not those of a text of more than {WRAP_LIMIT:,} characters: left and right move it"
        return ""

    def on_tab_line_picked(self, message: TabLine.Picked) -> None:
        self.pick(message.name)

    def node_changed(self, dirty: set[Key]) -> bool:
        """Draws again when the node is among those that changed; its texts are fetched anew when looked at."""
        view = self.own.get(self.tab)
        drawn = view.node_changed(dirty) if view is not None else False
        if self.key is None or self.key not in dirty:
            return drawn
        self._stale = set(self._texts) | self._asked
        self._draw_again()
        return True

    def tick(self) -> None:
        """Draws the running times again."""
        if (view := self.own.get(self.tab)) is not None:
            view.tick()
        elif self.key is not None and self.tab == tabs.OVERVIEW:
            self._draw_again()

    def _draw_again(self) -> None:
        """At once after a quiet time; the sums of a session of thousands of steps take a share of the time only."""
        wait_s = self._drawn_at + max(SPACED_S, self._cost * SHARE) - time.perf_counter()
        if wait_s <= EARLY_S:
            self._draw_now()
        elif self._redraw is None:
            self._redraw = self.set_timer(wait_s + EARLY_S, self._draw_now)

    def _draw_now(self) -> None:
        began = time.perf_counter()
        if self._redraw is not None:
            self._redraw.stop()
            self._redraw = None
        before = self.tab
        self._look_again()
        self._draw(keep=self.tab == before)
        self._drawn_at = time.perf_counter()
        self._cost = self._drawn_at - began

    def on_resize(self) -> None:
        self._draw_tabs()
        self._draw(keep=True)

    def _look_again(self) -> None:
        self.tabs = tabs.tabs_of(self.store, self.key) if self.key is not None else {}
        self._draw_tabs()

    def _draw_tabs(self) -> None:
        note = "" if self.tab == self.wanted or not self.tabs else f" no {self.wanted.lower()}"
        line = tabs.tab_line(list(self.tabs), self.tab, note, self.size.width)
        self.tab_line.show([line])

    def _draw(self, keep: bool, arrived: bool = False) -> None:
        """Shows what there is. `arrived`: more of what is shown already. Without that, and unless `keep`, it is another
        text."""
        own = self.own.get(self.tab)
        self._show_body(own)
        if own is not None:
            if not (keep or arrived):
                own.turn_to(self.key)
            return
        if not (keep or arrived):
            self.view.expect_nothing()
        if not self.is_mounted or self.key is None:
            self.view.show(Painted([[("  Nothing is selected.", "dim")]]))
            return
        self._in_sight = []
        tab = self.tab
        if tab == tabs.OVERVIEW:
            lines: Text = self._folded(detail.overview(self.store, self.key, self.now(), self._width()))
            if (output := tabs.tail_of(self.store, self.key, self.tabs)) is not None:
                lines = Joined([lines, self._tail(output)])
        elif tab == tabs.RAW and not self.tabs[tab]:
            lines = self._recorded(tabs.record(self.store, self.key))
        else:
            lines = self._fetched(self.tabs[tab])
        tail = self._follows_end
        foldable = self.view.lines.foldable
        self.view.show(lines, keep, tail)
        self.view.expect(any(not self._is_whole(text) for text in self._in_sight))
        if self.view.lines.foldable != foldable:
            self.post_message(self.OtherKind())

    def _show_body(self, own: OwnView | None) -> None:
        """Puts the widget of the tab in the place of the one before, and the keys with it."""
        body = own or self.view
        if body.display or not self.is_mounted:
            return
        hidden = [view for view in (self.view, *self.own.values()) if view is not body]
        had_focus = any(view.has_focus for view in hidden)
        body.display = True
        if had_focus:
            self.screen.set_focus(body)
        for view in hidden:
            if view.display and isinstance(view, OwnView):
                view.put_away()
            view.display = False
        self.on_search_view_searched()

    def _tail(self, output: tabs.Text) -> Text:
        """The last lines of a call's output, under what is known of the call."""
        self._fetched([output])
        body = Tail(self._body(output, self._width()), TAIL)
        more = f"  {body.above:,} lines above" if body.above else ""
        return Joined([Painted([[], _rule(output, self._width()), *([[(more, "dim")]] if more else [])]), body])

    def _folded(self, lines: list[Line]) -> Text:
        """The lines of the Overview broken to the pane, continued under their value."""
        width = self._width()
        return Painted([piece for line in lines for piece in folded(line, width, LABEL_WIDTH)])

    def _recorded(self, text: str) -> Text:
        """The model's own record of a node; read anew only when it is another, so that folds stay."""
        if self._record is None or self._record[0] != text:
            document = payload.read(text, "json")
            if self._record is not None:
                document.fold_like(self._record[1])
            self._record = (text, document)
        document = self._record[1]
        return self._broken(document, self._width() - (MARGIN if document.foldable else 0))

    def _broken(self, document: payload.Shown, width: int) -> Text:
        """A text with its long lines broken, unless the user wants them whole."""
        return document.wrapped(width) if self.state.wrap else document

    def _documents(self) -> list[payload.Shown]:
        found = [document for document, _ in self._texts.values() if document is not None]
        return found if self._record is None else [*found, self._record[1]]

    def on_line_view_folded(self) -> None:
        self._draw(keep=True)

    def _body_width(self) -> int:
        """The cells of the widget in sight, which are those of the next one, too."""
        return max(view.size.width for view in (self.view, *self.own.values()))

    def _width(self) -> int:
        return max(20, self.view.size.width - 1)

    # --- searching -------------------------------------------------------------------------------------------

    def action_search(self) -> None:
        self.search.display = True
        self.words_input.value = self.text.words
        self.screen.set_focus(self.words_input)

    def action_hit(self, step: int) -> None:
        self.text.step(step)

    def action_end_search(self) -> None:
        self.words_input.value = ""
        self.text.search("")
        self._end_typing()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if self.tab == tabs.TIMELINE:
            # There is nothing to look through; escape is the screen's.
            return action not in ("search", "hit", "end_search")
        # Without a search escape is the screen's: it goes back to the tree.
        return action != "end_search" or bool(self.text.words) or self.search.display

    def on_input_changed(self, message: Input.Changed) -> None:
        if message.value != self.text.words:
            # What is folded away would not be found.
            if message.value and any([document.unfold() for document in self._documents()]):
                self._draw(keep=True)
            self._marked = False
            self.text.search(message.value)

    def on_input_submitted(self) -> None:
        self._end_typing()

    def mark(self, tab: str, words: str, pattern: re.Pattern[str]) -> None:
        """Turns to a tab and marks what a search of all sessions has found there."""
        if tab in self.tabs:
            self.pick(tab)
        self.view.search(words, pattern)
        self._marked = True

    def _end_typing(self) -> None:
        # The focus moves first: a widget that is hidden while it has the focus hands it to any other.
        self.screen.set_focus(self.body)
        self.search.display = False

    def on_search_view_searched(self) -> None:
        view, found = self.text, self.found
        found.display = bool(view.words)
        found.show([found_line(view.words, view.place, view.count, view.share, view.wrapped, view.beyond)])

    # --- taking it along -------------------------------------------------------------------------------------

    def words(self) -> Iterator[str] | None:
        """What the tab shows as clean lines, nothing cut or broken; None while a text is being fetched or cannot be."""
        if self.key is None:
            return None
        if (view := self.own.get(self.tab)) is not None:
            return view.clean_lines()
        if self.tab == tabs.OVERVIEW:
            return Painted(detail.overview(self.store, self.key, self.now())).words()
        shown = self.tabs[self.tab]
        if any(not self._is_whole(text) or self._texts[text.slot][0] is None for text in shown):
            return None
        return self.view.lines.words()

    # --- texts -----------------------------------------------------------------------------------------------

    def _forget_texts(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._texts.clear()
        self._record = None
        self._asked.clear()
        self._stale.clear()
        self._begun.clear()

    def _is_whole(self, text: tabs.Text) -> bool:
        """Whether a text, or the reason why there is none, is there, and not its beginning alone."""
        return text.slot in self._texts and text.slot not in self._begun

    def _fetched(self, texts: list[tabs.Text]) -> Text:
        """What is there of the texts; the rest is asked for when the cursor rests."""
        self._in_sight = texts
        if self._timer is None:
            self._timer = self.set_timer(FETCH_AFTER, self._fetch)
        parts: list[Text] = []
        shown = [self._texts.get(text.slot, (None, ""))[0] for text in texts]
        margin = MARGIN if any(document is not None and document.foldable for document in shown) else 0
        for text in texts:
            if len(texts) > 1:
                parts.append(Painted([*([[]] if parts else []), _rule(text, self._width())]))
            parts.append(self._body(text, self._width() - margin))
        return Joined(parts)

    def _body(self, text: tabs.Text, width: int) -> Text:
        document, note = self._texts.get(text.slot, (None, ""))
        if document is None:
            size = numbers.size(text.payload.size)
            return Painted([[(note or f"loading… {size}", "warn" if note else "dim")]])
        lines = self._broken(document, width) if len(document) else Painted([[("(empty)", "dim")]])
        return Joined([lines, Painted([[(note, "warn")]])]) if note else lines

    def _fetch_now(self) -> None:
        """Does not wait for what `_fetched` has put off."""
        if self._timer is not None:
            self._timer.stop()
            self._fetch()

    def _fetch(self) -> None:
        self._timer = None
        for text in self._in_sight:
            fresh = text.slot in self._texts and text.slot not in self._stale
            if not fresh and text.slot not in self._asked and self.key is not None:
                self._asked.add(text.slot)
                self._stale.discard(text.slot)
                if self._may_begin(text):
                    begun = partial(self._deliver_beginning, text)
                    self.requests.beginning(self.key.source, text.payload.uri, text.look, begun)
                else:
                    self._ask_for(text)

    def _ask_for(self, text: tabs.Text) -> None:
        if self.key is not None and text.slot in self._asked:
            answer = partial(self.deliver, text)
            self.requests.payload(self.key.source, text.payload.uri, text.look, answer, text.more)

    def _may_begin(self, text: tabs.Text) -> bool:
        """Whether the beginning of a text is worth showing: not of one that is looked at from its end."""
        fits = text.look in BEGUN and (text.payload.size or 0) >= LARGE and not text.more
        return fits and text.slot not in self._texts and self.tab != tabs.OVERVIEW and not self._follows_end

    @property
    def _follows_end(self) -> bool:
        return self.key is not None and self.tab == tabs.OUTPUT and tabs.grows(self.store, self.key)

    def _deliver_beginning(self, text: tabs.Text, document: payload.Shown | None, _: str) -> None:
        """Takes the beginning of a text in, and asks for all of it. What is wrong with it is said of that."""
        if text.slot not in self._asked or text.slot in self._texts:
            return
        if isinstance(document, Document):
            # It is broken to the pane, or is not, as the whole will be.
            document.size = text.payload.size or 0
            self._begun.add(text.slot)
            self._texts[text.slot] = (document, f"reading all of it… {numbers.size(text.payload.size)}")
            self._draw_text(text, keep=False)
        # To make something of 20 MB keeps the interpreter: what is drawn goes out before.
        self.call_after_refresh(self._ask_for, text)

    def deliver(self, text: tabs.Text, document: payload.Shown | None, note: str) -> None:
        """Takes a text in, or why there is none; one that nobody looks at any more is dropped."""
        if text.slot not in self._asked:
            return
        note = sanitize.label(note)
        self._asked.discard(text.slot)
        # The beginning does not stand for a text that cannot be read.
        seen = text.slot in self._texts and text.slot not in self._begun
        self._begun.discard(text.slot)
        before = self._texts[text.slot][0] if seen else None
        if document is not None and before is not None:
            document.fold_like(before)
        elif document is not None and self.view.words:
            # What is folded away would not be found.
            document.unfold()
        if document is None and seen:
            # A call that ends moves its output to another field: what was read before stays until that one is read.
            document, note = before, "" if text.slot in self._stale else note
        self._texts[text.slot] = (document, note)
        self._draw_text(text, keep=seen)

    def _draw_text(self, text: tabs.Text, keep: bool) -> None:
        if text.slot in {shown.slot for shown in self._in_sight}:
            more = len(self._in_sight) > 1 or self.tab == tabs.OVERVIEW
            self._draw(keep=keep or more, arrived=True)


def _rule(text: tabs.Text, width: int) -> Line:
    words = f"── {text.title}  {numbers.size(text.payload.size)}".rstrip() + " "
    return [(words, "dim"), ("─" * max(0, width - width_of([(words, "dim")])), "dim")]
