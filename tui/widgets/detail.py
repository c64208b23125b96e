"""The detail of one node: Overview from the model at once, texts fetched when their tab is looked at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import overload

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer

from tui.model.nodes import Key, Payload
from tui.model.store import Store
from tui.render import detail, numbers
from tui.render.lines import Line, Span, folded, width_of
from tui.render.payload import Document, paint
from tui.widgets.fixed_lines import FixedLines
from tui.widgets.line_view import LineView

TABS = ("Overview", "Input", "Output", "Raw")

ROOMY = 46
"""Cells from which the tabs have space around their names."""

SNUG = 38
"""Cells below which one space has to do between them."""

FETCH_AFTER = 0.06
"""Seconds the cursor has to rest on a node before its text is fetched: a held-down arrow key passes many."""


class Joined(Sequence[Line]):
    """Several sequences of lines one after the other, none of them copied."""

    def __init__(self, parts: Sequence[Sequence[Line]]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._starts = [0]
        for part in self._parts:
            self._starts.append(self._starts[-1] + len(part))

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        at = bisect_right(self._starts, index) - 1
        return self._parts[at][index - self._starts[at]]


class TabLine(FixedLines):
    """The names of the tabs; a click on one opens it."""

    @dataclass
    class Picked(Message):
        """A tab was clicked."""

        index: int

    def on_click(self, event: events.Click) -> None:
        at = 0
        for place, (text, _role) in enumerate(self.lines[0]):
            if place % 2 and at <= event.x < at + len(text):
                self.post_message(self.Picked(place // 2))
            at += len(text)


class Detail(Vertical):
    """Shows the node it was last given; asks for texts with `TextWanted`, gets them through `deliver`."""

    @dataclass
    class TextWanted(Message):
        """A payload is to be fetched; the answer goes to `deliver`."""

        source: str
        payload: Payload

    def __init__(self, store: Store, now: Callable[[], int], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.store = store
        self.now = now
        self.key: Key | None = None
        self.tab = 0
        self._texts: dict[str, tuple[Document | None, str]] = {}
        self._wanted: tuple[Payload, ...] = ()
        self._asked: set[str] = set()
        self._stale: set[str] = set()
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield TabLine(id="tabs")
        yield LineView(id="text")

    def on_mount(self) -> None:
        self._draw_tabs()

    @property
    def view(self) -> LineView:
        """The scrolling part."""
        return self.query_one("#text", LineView)

    # --- what is shown ---------------------------------------------------------------------------------------

    def show(self, key: Key | None) -> None:
        """Turns to a node; the tab stays the one the user picked."""
        if key == self.key:
            return
        self.key = key
        self._forget_texts()
        self._draw(keep=False)

    def pick(self, index: int) -> None:
        """Turns to a tab."""
        if index == self.tab:
            return
        self.tab = index
        self._draw_tabs()
        self._draw(keep=False)

    def on_tab_line_picked(self, message: TabLine.Picked) -> None:
        self.pick(message.index)

    def node_changed(self, dirty: set[Key]) -> bool:
        """Draws again when the node is among those that changed; its texts are fetched anew when looked at."""
        if self.key is None or self.key not in dirty:
            return False
        self._stale = set(self._texts) | self._asked
        self._draw(keep=True)
        return True

    def tick(self) -> None:
        """Draws the running times of the Overview again."""
        if self.key is not None and self.tab == 0:
            self._draw(keep=True)

    def on_resize(self) -> None:
        self._draw_tabs()
        self._draw(keep=True)

    def _draw_tabs(self) -> None:
        width = self.size.width
        roomy = width >= ROOMY
        gap = " " if roomy or width < SNUG else "  "
        spans: list[Span] = [(" ", "dim")]
        for index, name in enumerate(TABS):
            text = f" {index + 1} {name} " if roomy else f"{index + 1} {name}"
            spans += [(text, "tab" if index == self.tab else "dim"), (gap, "dim")]
        self.query_one("#tabs", TabLine).show([spans])

    def _draw(self, keep: bool) -> None:
        if not self.is_mounted or self.key is None:
            self.view.show([[("  Nothing is selected.", "dim")]])
            return
        self._wanted = ()
        name = TABS[self.tab]
        if name == "Overview":
            lines: Sequence[Line] = self._folded(detail.overview(self.store, self.key, self.now()))
        elif name == "Raw":
            row = detail.row_payload(self.store, self.key)
            lines = (
                self._texts_of([row], "row")
                if row
                else [paint(text, "json") for text in detail.raw_lines(self.store, self.key)]
            )
        else:
            kinds = detail.INPUT_KINDS if name == "Input" else detail.OUTPUT_KINDS
            lines = self._texts_of(detail.payloads(self.store, self.key, kinds), name.lower())
        self.view.show(lines, keep)

    def _folded(self, lines: list[Line]) -> list[Line]:
        """The lines of the Overview broken to the pane, continued under their value."""
        return [piece for line in lines for piece in folded(line, self._width(), detail.LABEL_WIDTH)]

    def _width(self) -> int:
        return max(20, self.view.size.width - 1)

    # --- texts -----------------------------------------------------------------------------------------------

    def _forget_texts(self) -> None:
        self._texts.clear()
        self._asked.clear()
        self._stale.clear()

    def _texts_of(self, payloads: list[Payload], name: str) -> Sequence[Line]:
        if not payloads:
            return [[(f"  No {name}.", "dim")]]
        self._wanted = tuple(payloads)
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(FETCH_AFTER, self._fetch)
        parts: list[Sequence[Line]] = []
        for payload in payloads:
            if len(payloads) > 1:
                parts.append([_rule(payload, self._width())])
            parts.append(self._text(payload))
        return Joined(parts)

    def _text(self, payload: Payload) -> Sequence[Line]:
        document, note = self._texts.get(payload.uri, (None, ""))
        if document is None:
            size = numbers.size(payload.size)
            return [[(note or f"loading… {size}", "warn" if note else "dim")]]
        lines = document.wrapped(self._width()) if len(document) else [[("(empty)", "dim")]]
        return Joined([lines, [[(note, "warn")]]]) if note else lines

    def _fetch(self) -> None:
        for payload in self._wanted:
            fresh = payload.uri in self._texts and payload.uri not in self._stale
            if not fresh and payload.uri not in self._asked and self.key is not None:
                self._asked.add(payload.uri)
                self._stale.discard(payload.uri)
                self.post_message(self.TextWanted(self.key.source, payload))

    def deliver(self, uri: str, document: Document | None, note: str) -> None:
        """Takes a text in, or why there is none; one that nobody looks at any more is dropped."""
        if uri not in self._asked:
            return
        self._asked.discard(uri)
        seen = uri in self._texts
        self._texts[uri] = (document, note)
        self._draw(keep=seen)


def _rule(payload: Payload, width: int) -> Line:
    words = f"── {payload.kind.replace('_', ' ')}  {numbers.size(payload.size)} "
    return [(words, "dim"), ("─" * max(0, width - width_of([(words, "dim")])), "dim")]
