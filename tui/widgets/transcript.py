"""The transcript of a session: a conversation that is read line by line, and stays at its end while one is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import dropwhile
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.strip import Strip
from textual.timer import Timer

from tui.model.records import Key, SessionKey
from tui.model.tree.passages import Name, Passage
from tui.protocols import Requests
from tui.render.cards import payload, tabs
from tui.render.reading.conversation import BEFORE_FIRST, Conversation, Goal, Spot
from tui.render.reading.hunt import Hunt
from tui.render.reading.passage_text import Drawing, Read, wanted
from tui.render.text.search import pattern_of
from tui.text import sanitize
from tui.view import View
from tui.widgets.line_view import MARGIN
from tui.widgets.own_view import OwnView
from tui.widgets.search_view import PAUSE, SLICE, SearchView

FETCH_AFTER = 0.03
"""Seconds after which the texts in sight are fetched: a key that is held down passes many."""
STRIPS = 1_000
"""Lines that are kept as they were made."""
_SETTLE_MOST = 8
"""Rounds in which the lines in sight find their places: each draws what the one before has brought into sight."""


Anchor = Callable[[], tuple[int, int]]
"""Where the first line in sight and the caret are, as many lines as the passages have now."""


class Kept(NamedTuple):
    """A line as it was made, and of what."""

    look: tuple[object, ...]
    strip: Strip


class Transcript(SearchView, OwnView):
    """Shows the session of a node, at that node, with a caret that stands at a line. `coming_width` says how many cells
    it has as soon as it is laid out, 0 where that is not known.

    | keys | what they do |
    |---|---|
    | enter, a click on its sign | open a passage, or close it |
    | [ / ] | the prompt before, the next one |
    | e / E | the next failure, the one before |
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "prompt(-1)", "go to the prompt before", id="read.before", show=False),
        Binding("right_square_bracket", "prompt(1)", "go to the next prompt", id="read.after", show=False),
        Binding("e", "failure(1)", "go to the next failure", id="read.failure", show=False),
        Binding("E", "failure(-1)", "go to the failure before", id="read.failure_before", show=False),
    ]

    def __init__(
        self,
        state: View,
        now: Callable[[], int],
        requests: Requests,
        coming_width: Callable[[], int],
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.state = state
        self.now = now
        self.requests = requests
        self.coming_width = coming_width
        self.conversation = Conversation(state.store, Drawing(80, now()))
        self.lines = self.conversation
        self._moved = False
        self._at_the_end = False
        self._awaited: Key | None = None
        self._placing = False
        self._asked: set[str] = set()
        self._fetch_timer: Timer | None = None
        self._hunt: Hunt | None = None
        self._hunt_timer: Timer | None = None
        self._hit: tuple[Name, int] | None = None
        self._goal: tuple[Passage, int] | None = None
        self._strips: dict[Spot, Kept] = {}
        self._seeks = False
        self._opened: Name | None = None

    # --- what is shown ---------------------------------------------------------------------------------------

    def turn_to(self, key: Key | None) -> None:
        session = self.state.store.session_of(key) if key is not None else None
        self._moved = False
        self._awaited = None
        if key is None or session is None:
            self.conversation.read(None)
            self._place(0, 0)
            return
        conversation = self.conversation
        conversation.resize(self._drawing())
        at_session = key.kind == "session"
        inside = False
        if conversation.root is not None and not at_session:
            conversation.lay_out()
            inside = conversation.reveal(key) >= 0
        if not inside:
            if conversation.root != session.key:
                self.search("")
            conversation.read(session.key)
        if not session.loaded:
            self.requests.load(*session.key)
        self._at_the_end = at_session
        if at_session:
            self._stand(self._end)
        elif not self._go_to(key):
            self._awaited = key
            self._stand(self._end)

    def _go_to(self, key: Key) -> bool:
        """Puts the caret on the passage of a row; whether there is one."""
        place = self.conversation.reveal(key)
        if place < 0:
            return False
        self._put(self.conversation.first_line(place), self.size.height // 4)
        return True

    def put_away(self) -> None:
        self.conversation.forget()
        self._awaited = None

    def node_changed(self, dirty: set[Key]) -> bool:
        if not self._change(partial(self.conversation.changed, dirty)):
            return False
        if self._hunt is not None:
            self._hunt.renew(dirty)
            self._hunt_on()
        if self._awaited is not None and self._go_to(self._awaited):
            self._awaited = None
        return True

    def tick(self) -> None:
        self._change(partial(self.conversation.tick, self.now()))

    def wrap_changed(self) -> None:
        self._change(partial(self.conversation.resize, self._drawing()))
        if self.state.wrap:
            self.to_the_left()

    def on_resize(self, event: events.Resize) -> None:
        self._change(partial(self.conversation.resize, self._drawing()))

    def _drawing(self) -> Drawing:
        # To lay thousands of passages out for no width, and again for the one that comes, was most of an opening.
        width = (self.size.width or self.coming_width()) - 1 - MARGIN
        return Drawing(max(20, width), self.now(), self.state.wrap)

    def _change(self, change: Callable[[], bool | None]) -> bool:
        """Lets the conversation change, and keeps what is in sight where it is, or the end in sight; whether anything
        was to be changed."""
        conversation = self.conversation
        top, caret = conversation.spot(self.scroll_offset.y), conversation.spot(self.caret)
        if change() is False:
            return False
        self._stand(self._end if self._at_the_end else partial(self._keep, top, caret))
        return True

    def _stand(self, anchor: Anchor) -> None:
        """Draws the passages in sight, which may have other numbers of lines than they were taken to have, until the
        anchor holds with those that they have."""
        top, caret = anchor()
        for _ in range(_SETTLE_MOST):
            if not self.conversation.settle(max(0, top), self.size.height):
                break
            top, caret = anchor()
        self._place(top, caret)

    def _keep(self, top: Spot | None, caret: Spot | None) -> tuple[int, int]:
        """What is in sight stays where it is; a passage that was opened is in sight as far as there is room."""
        conversation = self.conversation
        first = conversation.index_of(top) if top is not None else None
        here = conversation.index_of(caret) if caret is not None else None
        if self._opened is not None and first is not None:
            first = max(first, self._top_for(self._opened))
        return self.scroll_offset.y if first is None else first, self.caret if here is None else here

    def _top_for(self, name: Name) -> int:
        """The first line that may be in sight with all of a passage, or as much as there is room for."""
        start = self.conversation.index_of(Spot(name, 0))
        if start is None:
            return 0
        end = self.conversation.index_of(Spot(name, len(self.conversation))) or start
        return min(start, end + 1 - self.size.height)

    def _end(self) -> tuple[int, int]:
        length = len(self.conversation)
        return max(0, length - self.size.height), max(0, length - 1)

    def _put(self, caret: int, above: int) -> None:
        """Puts the caret on a line, so many lines below the top."""
        self._opened = None
        self._stand(partial(self._below_top, self.conversation.spot(caret), above))

    def _below_top(self, spot: Spot | None, above: int) -> tuple[int, int]:
        here = (self.conversation.index_of(spot) if spot is not None else 0) or 0
        return here - above, here

    def _place(self, top: int, caret: int) -> None:
        """The text stands like this from now on; lines that look as before are not drawn again."""
        self._placing = True
        self.set_length(len(self.conversation))
        self.caret = max(0, min(caret, len(self.conversation) - 1))
        moved = self.scroll_offset.y
        self.scroll_to(y=max(0, min(top, self.max_scroll_y)), animate=False, force=True)
        self._placing = False
        self.at = self._where()
        if moved != self.scroll_offset.y:
            self.refresh()
        else:
            self.refresh_where(lambda y, _: y not in self._kept or self._kept[y] is not self.render_line(y))
        self._fetch_soon()

    def render_line(self, y: int) -> Strip:
        # A step of the caret moves all lines, and makes one of them anew.
        conversation, index = self.conversation, self.scroll_offset.y + y
        if index >= len(conversation):
            return super().render_line(y)
        place, line = conversation.place_at(index)
        passage = conversation.passages[place]
        at = self.at[1] if self.at is not None and self.at[0] == index else None
        drawing = conversation.drawing(passage)
        look = (drawing, self._margin(index), self.offset_x, self.size.width, self._pattern, at)
        spot = Spot(passage.name, line)
        kept = self._strips.get(spot)
        if kept is None or kept.look != look:
            strip = super().render_line(y)
            # What was drawn anew and looks the same is not painted again.
            kept = self._strips[spot] = Kept(look, kept.strip if kept is not None and kept.strip == strip else strip)
            while len(self._strips) > STRIPS:
                del self._strips[next(iter(self._strips))]
        return kept.strip

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if not self._placing and round(old_value) != round(new_value):
            self._at_the_end, self._opened = False, None
            top = self.conversation.spot(self.scroll_offset.y)
            self._stand(partial(self._keep, top, self.conversation.spot(self.caret)))
            self._at_the_end = self._ends()

    def _ends(self) -> bool:
        return self.caret >= len(self.conversation) - 1 and self.scroll_offset.y >= self.max_scroll_y

    # --- keys ------------------------------------------------------------------------------------------------

    def _take_over(self) -> None:
        """From now on the caret is where the user has put it."""
        self._moved = True
        self.post_message(self.Moved())

    def _put_caret(self, index: int) -> None:
        self._opened = None
        self._take_over()
        super()._put_caret(index)
        self._at_the_end = self._ends()

    def action_step(self, count: int) -> None:
        self.says("")
        self._opened = None
        # The text moves under the caret rather than the caret to the edge: what comes next is seen before.
        top, height = self.scroll_offset.y, self.size.height
        here = min(max(self.caret, top), top + height - 1) + count
        here = max(0, min(len(self.conversation) - 1, here))
        margin = height // 4
        goal = max(top, here - height + 1 + margin) if count > 0 else min(top, max(0, here - margin))
        self._take_over()
        self._at_the_end = False
        caret = self.conversation.spot(here)
        self.caret = here
        self._stand(partial(self._keep, self.conversation.spot(min(goal, self.max_scroll_y)), caret))
        self._at_the_end = self._ends()

    def action_edge(self, end: bool) -> None:
        self.says("")
        self._opened = None
        self._take_over()
        self._at_the_end = end
        if end:
            self._stand(self._end)
        else:
            self._put(0, 0)

    def action_leaf(self, pages: int) -> None:
        self.says("")
        self._opened = None
        page = pages * max(1, self.size.height - 1)
        top = max(0, min(self.scroll_offset.y + page, self.max_scroll_y))
        here = max(0, min(self.caret + page, len(self.conversation) - 1))
        self._take_over()
        self._at_the_end = False
        self._stand(partial(self._keep, self.conversation.spot(top), self.conversation.spot(here)))
        self._at_the_end = self._ends()

    def action_fold(self) -> None:
        self.says("")
        here = self._here()
        if here is None:
            return
        conversation, passage = self.conversation, here[0]
        if not conversation.fold_at(conversation.first_line(here[1])):
            return
        self._take_over()
        self._at_the_end = False
        is_open = not conversation.is_open(passage)
        child = conversation.child(passage) if passage.kind == "agent" and is_open else None
        top = conversation.spot(self.scroll_offset.y)
        conversation.open(passage, is_open)
        if child is not None and not child.loaded:
            self.requests.load(*child.key)
        self._opened = passage.name if is_open else None
        self._stand(partial(self._keep, top, Spot(passage.name, int(passage.kind in BEFORE_FIRST))))
        self._fetch_now()

    def _here(self) -> tuple[Passage, int] | None:
        """The passage at the caret, and its place."""
        if not len(self.conversation):
            return None
        place, _ = self.conversation.place_at(min(self.caret, len(self.conversation) - 1))
        return self.conversation.passages[place], place

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y
        if index >= len(self.conversation):
            return
        self._put_caret(index)
        if event.x < MARGIN or self.conversation.fold_at(index):
            self.action_fold()

    def action_prompt(self, step: int) -> None:
        self._go_to_next("prompt", step)

    def action_failure(self, step: int) -> None:
        self._go_to_next("failure", step)

    def _go_to_next(self, kind: Goal, step: int) -> None:
        index = self.conversation.next_of(kind, self.caret, step)
        if index is None:
            self.says(f"no {kind} {'below' if step > 0 else 'above'}")
            return
        self.says("")
        self._take_over()
        self._at_the_end = False
        self._put(index, self.size.height // 4)

    @property
    def moved_to(self) -> Key | None:
        here = self._here() if self._moved else None
        return here[0].key if here is not None else None

    def clean_lines(self) -> Iterator[str] | None:
        here = self._here()
        if here is None:
            return iter(())
        passage, conversation = here[0], self.conversation
        is_open = conversation.is_open(passage) or passage.kind == "prompt"
        for text in wanted(self.state.store, passage, is_open):
            if text.slot not in conversation.texts:
                self._ask(passage.key.source, text)
                return None
        lines = conversation.whole(passage, {}) if is_open else conversation.shown(passage)
        return dropwhile(lambda line: not line, lines.words())

    # --- texts -----------------------------------------------------------------------------------------------

    def _fetch_soon(self) -> None:
        if self._fetch_timer is None and self.is_mounted:
            self._fetch_timer = self.set_timer(FETCH_AFTER, self._fetch_now)

    def _fetch_now(self) -> None:
        if self._fetch_timer is not None:
            self._fetch_timer.stop()
            self._fetch_timer = None
        if self.display:
            for source, text in self.conversation.missing(self.scroll_offset.y, self.size.height):
                self._ask(source, text)

    def _ask(self, source: str, text: tabs.Text) -> None:
        if text.slot in self._asked:
            return
        self._asked.add(text.slot)
        self.conversation.asked(text.slot)
        answer = partial(self._deliver, self.conversation.root, text)
        self.requests.payload(source, text.payload.uri, text.look, answer, text.more)

    def _deliver(self, root: SessionKey | None, text: tabs.Text, document: payload.Shown | None, note: str) -> None:
        self._asked.discard(text.slot)
        if root != self.conversation.root:
            return
        self._change(partial(self.conversation.deliver, text.slot, Read(document, sanitize.label(note))))
        if self._goal is not None:
            self._go_to_hit(*self._goal)

    # --- searching -------------------------------------------------------------------------------------------

    @property
    def place(self) -> int:
        return self._hunt.number(*self._hit) if self._hunt is not None and self._hit is not None else 0

    @property
    def count(self) -> int:
        return self._hunt.total if self._hunt is not None else 0

    @property
    def share(self) -> float:
        return self._hunt.share if self._hunt is not None else 1.0

    def search(self, words: str, pattern: re.Pattern[str] | None = None) -> None:
        self.words, self._pattern = words, pattern or pattern_of(words)
        self.wrapped, self._hit, self._goal, self.at = False, None, None, None
        if self._hunt_timer is not None:
            self._hunt_timer.stop()
            self._hunt_timer = None
        here = self._here()
        self._hunt = None
        if self._pattern is not None:
            begin = here[0].name if here is not None else None
            self._hunt = Hunt(self.conversation, self._pattern, begin, self._ask_for_hunt, self._load)
            self._seeks = True
            self._hunt_on()
        self.post_message(self.Searched())
        self.refresh()

    def _load(self, session: SessionKey) -> None:
        self.requests.load(*session)

    def _ask_for_hunt(self, source: str, text: tabs.Text) -> None:
        hunt = self._hunt

        def done(document: payload.Shown | None, note: str) -> None:
            if hunt is not None and hunt is self._hunt:
                hunt.deliver(text.slot, Read(document, note))
                self._hunt_on()

        self.requests.payload(source, text.payload.uri, text.look, done, text.more)

    def _hunt_on(self) -> None:
        """Looks through what is there, for a moment at a time."""
        hunt = self._hunt
        if hunt is None or self._hunt_timer is not None:
            return
        more = hunt.go_on(SLICE)
        if more:
            self._hunt_timer = self.set_timer(PAUSE, self._hunt_later)
        if self._seeks and hunt.total:
            self._seeks = False
            self._step_from(hunt.begin, -1, 1)
        self.post_message(self.Searched())

    def _hunt_later(self) -> None:
        self._hunt_timer = None
        self._hunt_on()

    def step(self, count: int) -> None:
        """Goes to the next hit (1) or the one before (-1), over the ends, also where it is folded."""
        here = self._here()
        if self._hunt is None or here is None:
            return
        if self._hit is not None and self._hit[0] == here[0].name:
            name, nth = self._hit
            self._step_from(name, nth, count)
        else:
            self._step_from(here[0].name, -1 if count > 0 else self._hunt.counts.get(here[0].name, 0), count)

    def _step_from(self, name: Name | None, nth: int, step: int) -> None:
        hunt = self._hunt
        if hunt is None:
            return
        at = nth + step
        if name is not None and 0 <= at < hunt.counts.get(name, 0):
            passage = next(one for one in hunt.order if one.name == name)
            self.wrapped = False
            self._go_to_hit(passage, at)
            return
        found = hunt.beside(name, step)
        if found is not None:
            passage, self.wrapped = found
            self._go_to_hit(passage, 0 if step > 0 else hunt.counts[passage.name] - 1)

    def _go_to_hit(self, passage: Passage, nth: int) -> None:
        """Opens what a hit is folded in, and puts the caret on it as soon as its text is there."""
        conversation = self.conversation
        assert self._pattern is not None
        self._goal = (passage, nth)
        self._at_the_end = False
        self._take_over()
        if conversation.place_of(passage) is None:
            conversation.way_to(passage)
        if conversation.place_of(passage) is None:
            self._goal = None
            return
        text = conversation.shown(passage)
        lines = text.find(self._pattern, 0, len(text))
        if nth >= len(lines) and not conversation.is_open(passage):
            conversation.open(passage)
            text = conversation.shown(passage)
            lines = text.find(self._pattern, 0, len(text))
        self._hit = (passage.name, nth)
        waits = [one for one in wanted(self.state.store, passage, True) if one.slot not in conversation.texts]
        if nth >= len(lines) and waits:
            self._put_spot(Spot(passage.name, 0))
            for one in waits:
                self._ask(passage.key.source, one)
            return
        self._goal = None
        line = lines[min(nth, len(lines) - 1)] if lines else 0
        self._put_spot(Spot(passage.name, line))
        self.post_message(self.Searched())

    def _put_spot(self, spot: Spot) -> None:
        index = self.conversation.index_of(spot)
        if index is not None:
            self._put(index, self.size.height // 3)

    def _where(self) -> tuple[int, int] | None:
        """The line of the hit that is shown, and its place among those of the line."""
        if self._hit is None or self._pattern is None:
            return None
        name, nth = self._hit
        first = self.conversation.index_of(Spot(name, 0))
        if first is None:
            return None
        text = self.conversation.shown(self.conversation.passages[self.conversation.place_at(first)[0]])
        lines = text.find(self._pattern, 0, len(text))
        return (first + lines[nth], nth - lines.index(lines[nth])) if nth < len(lines) else None
