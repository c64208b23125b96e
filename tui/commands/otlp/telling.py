"""What leaves, and when: batches of one source in, spans into its outbox.

Of a session as little is kept as can be: while a scan goes on, nothing but which sessions and calls there are, and a
number for each run, by which it is known again when its session is told once more. What goes on is kept whole until it
is over; beyond RECORDS what was told longest ago is given up, and read again when it changes.

**What a position covers.** Behind a position everything that had ended has been acknowledged. What was still open ends
with a row that is written behind the position, and the source tells a session whole in which that happens: its spans
of before are then sent again, under the same ids, and none is missing. What waits for its place (places.Undecided)
ends with a row of another session: meanwhile no position is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from adapter.contract import Batch
from adapter.events import Event, SessionRemoved
from tui.commands.otlp.history import Fates, History, Run
from tui.commands.otlp.needed import events_of
from tui.commands.otlp.places import Places, Undecided
from tui.commands.otlp.sending import Outbox
from tui.commands.otlp.spans import Mapper, Place, Planned
from tui.commands.otlp.texts import Texts

RECORDS = 20_000
"""Most prompts, steps, calls and texts of sessions that are kept because something in them goes on."""


class Teller:
    """Tells one source. `since` (µs, 0 for all) leaves out the traces that began before; `is_ours` says whether a
    session is told of this source and not of another; `again` whether sessions can be told more than once."""

    def __init__(
        self,
        places: Places,
        mapper: Mapper,
        outbox: Outbox,
        *,
        texts: Texts | None = None,
        since: int = 0,
        is_ours: Callable[[str], bool] = lambda _session_id: True,
        again: bool = False,
    ) -> None:
        self._places = places
        self._mapper = mapper
        self._outbox = outbox
        self._texts = texts
        self._since = since
        self._is_ours = is_ours
        self._again = again
        self._live: OrderedDict[str, History] = OrderedDict()
        self._records: dict[str, int] = {}
        self._told: dict[str, dict[str, int | dict[int, int]]] = {}
        self._held: dict[str, set[str]] = {}
        self.sessions = 0
        """Sessions that were told, some perhaps more than once."""
        self.open: set[tuple[str, str]] = set()
        """Runs that go on, or of which nobody knows: (session, run)."""

    async def tell(self, batch: Batch) -> None:
        """Takes a batch. Raises SourceUnavailable, and NotTaken."""
        by_session: dict[str, list[Event]] = {}
        for event in (*events_of(batch.made), *batch.events):
            session_id = getattr(event, "session_id", "")
            if session_id:
                found = by_session.get(session_id)
                if found is None:
                    found = by_session[session_id] = []
                found.append(event)
        whole = {*batch.loaded, *batch.begun}
        changed: dict[str, History] = {}
        for session_id, events in by_session.items():
            if not self._is_ours(session_id):
                continue
            history = await self._taken(session_id, events, session_id in whole)
            if history is None:
                continue
            if session_id in batch.begun:
                history.is_partial = True
            changed[session_id] = history
        for session_id in batch.loaded:
            if (history := changed.get(session_id) or self._live.get(session_id)) is not None:
                history.is_partial = False
                changed[session_id] = history
        # A sub-agent may stand in front of the call that started it.
        for history in changed.values():
            self._places.note(history)
        for session_id, history in changed.items():
            # Of what goes on a change is about a message; of a session that was told whole it may be about any.
            names = {getattr(event, "message_id", "") for event in by_session.get(session_id, ())}
            await self._leave(session_id, history, None if session_id in whole else names)
        for session_id in changed:
            for child in sorted(self._held.pop(session_id, ())):
                if child not in changed:
                    await self._leave(child, self._live.get(child) or await self._load(child))
        position = getattr(batch.events[-1], "cursor", "") if batch.events else ""
        if position and not self._held:
            self._outbox.reached(position)

    async def _taken(self, session_id: str, events: list[Event], is_whole: bool) -> History | None:
        """A session with what is new of it; None when it is gone."""
        history = self._live.get(session_id)
        if history is None:
            if not is_whole and all(isinstance(event, SessionRemoved) for event in events):
                return None
            if is_whole:
                history = History(texts=self._texts is not None)
                is_whole = history.apply(events)
            if history is None or not is_whole:
                history = await self._load(session_id)
        elif not history.apply(events):
            history = await self._load(session_id)
        if history.session is None:
            self._drop(session_id)
            return None
        return history

    async def _load(self, session_id: str) -> History:
        history = History(texts=self._texts is not None)
        history.apply(await self._places.load(session_id))
        return history

    async def _leave(self, session_id: str, history: History, messages: set[str] | None = None) -> None:
        """Sends what may leave of a session, and keeps the session while something in it goes on. Of what is over only
        the runs of these messages are looked at, without any all."""
        if history.session is None:
            self._drop(session_id)
            return
        self.sessions += 1
        goes_on = history.is_partial
        if not history.is_partial:
            root = self._places.root_of(session_id)
            fates = Fates(history)
            told = self._told.get(session_id, {})
            for run in history.runs(fates):
                name = session_id, run.id
                is_done = run.over and isinstance(told.get(run.id), int)
                if messages is not None and is_done and not run.is_about(messages):
                    continue
                self.open.discard(name)
                is_open = not (run.over or run.steps[0].by_user)
                goes_on = goes_on or is_open
                try:
                    place = await self._places.of(session_id, run.id, run.start)
                except Undecided as undecided:
                    self._held.setdefault(undecided.parent_id, set()).add(session_id)
                    goes_on = True
                    continue
                if place.began >= self._since:
                    if is_open:
                        self.open.add(name)
                    await self._send(history, run, fates, place, root)
        if goes_on and self._again:
            self._keep(session_id, history)
        else:
            self._drop(session_id)

    async def _send(self, history: History, run: Run, fates: Fates, place: Place, root: str) -> None:
        planned = self._mapper.spans(history, run, fates, place, root)
        if self._again and history.session is not None:
            planned = iter(self._new(history.session.session_id, run, list(planned)))
        for each in planned:
            size = await self._texts.put(each) if self._texts is not None else 0
            await self._outbox.add(each.span, size)

    def _new(self, session_id: str, run: Run, planned: list[Planned]) -> list[Planned]:
        """Those of the spans of a run that were not sent as they are now."""
        told = self._told.setdefault(session_id, {})
        before = told.get(run.id, {})
        marks = {each.id: each.mark for each in planned}
        total = hash(frozenset(marks.items()))
        # Of what is over one number is enough; a span that is open again for a moment is not forgotten.
        told[run.id] = total if run.over else marks if isinstance(before, int) else before | marks
        if isinstance(before, int):
            return [] if before == total else planned
        return [each for each in planned if before.get(each.id) != each.mark]

    def _keep(self, session_id: str, history: History) -> None:
        self._live[session_id] = history
        self._live.move_to_end(session_id)
        self._records[session_id] = history.size
        held = sum(self._records.values())
        while held > RECORDS and len(self._live) > 1:
            oldest = next(iter(self._live))
            held -= self._records[oldest]
            self._drop(oldest)

    def _drop(self, session_id: str) -> None:
        self._live.pop(session_id, None)
        self._records.pop(session_id, None)
