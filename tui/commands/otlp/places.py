"""Where the runs of a session hang: in which trace, and under which call. What is needed of a session above that has
not been told is read once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import msgspec

from adapter.events import Event, SessionStarted
from adapter.opencode.tools import TASK
from tui.commands.otlp.history import Fates, History
from tui.commands.otlp.spans import Place, span_id, trace_id

MAX_DEPTH = 64
"""Sessions above a session that are looked at, as in the adapter."""


class Caller(msgspec.Struct, gc=False):
    """A call that names the session it started: where it is, of which run, and when (µs; `ended` 0 while it goes on, or
    where what it started goes on without it)."""

    session_id: str
    part_id: str
    run_id: str
    run_began: int
    began: int
    ended: int


class Known(msgspec.Struct, gc=False):
    """What is remembered of each session. `asks` is whether a call that goes on may have started a session that it does
    not name yet; `read` whether its calls are known."""

    parent_id: str
    root_id: str
    kind: str
    began: int
    fork_of: str = ""
    asks: bool = False
    read: bool = False


class Undecided(Exception):
    """The call that started a session is still open and does not name it yet: where its spans belong is known later.
    `parent_id` is the session of the call."""

    def __init__(self, parent_id: str) -> None:
        super().__init__(parent_id)
        self.parent_id = parent_id


class Places:
    """Knows every session that was told by a few facts, and every call that started one. `load` gives all events of a
    session, nothing where it is gone."""

    def __init__(self, load: Callable[[str], Awaitable[list[Event]]]) -> None:
        self.load = load
        self._known: dict[str, Known] = {}
        self._callers: dict[str, list[Caller]] = {}
        self._forks: dict[str, tuple[int, int] | None] = {}
        self._checked: set[str] = set()
        """Sub-agents that no call names though their parent was read for it."""
        self.is_live = False
        """Whether sessions may have been written since they were told."""

    def catalogue(self, events: Iterable[Event]) -> None:
        """Takes the rows of sessions."""
        for event in events:
            if isinstance(event, SessionStarted):
                self._row(event)

    def _row(self, row: SessionStarted) -> Known:
        fork_of = row.extras.get("fork_session_id")
        facts = row.parent_id or "", row.root_id, row.session_kind, row.ts, fork_of if isinstance(fork_of, str) else ""
        known = self._known.get(row.session_id)
        if known is None:
            known = self._known[row.session_id] = Known(*facts)
        else:
            known.parent_id, known.root_id, known.kind, known.began, known.fork_of = facts
        return known

    def note(self, history: History) -> None:
        """Takes a session as it is now."""
        row = history.session
        if row is None:
            return
        known = self._row(row)
        known.read, known.asks = True, False
        fates: Fates | None = None
        for step, call in history.calls():
            began = call.began
            if not began.child_session_id:
                if call.end is None and began.tool == TASK and not known.asks:
                    fates = fates or Fates(history)
                    known.asks = fates.call(step, call) == "open"
                continue
            prompt = history.prompts.get(step.run_id)
            ended = 0 if call.end is None or began.extras.get("background") else call.end.end_ts
            caller = Caller(
                row.session_id,
                began.part_id,
                step.run_id,
                min(prompt.ts, step.began.ts) if prompt is not None else step.began.ts,
                began.ts,
                ended,
            )
            others = self._callers.get(began.child_session_id, [])
            self._callers[began.child_session_id] = [
                *(each for each in others if (each.session_id, each.part_id) != (row.session_id, began.part_id)),
                caller,
            ]

    def root_of(self, session_id: str) -> str:
        """The session on top of this one."""
        known = self._known.get(session_id)
        return known.root_id if known is not None else session_id

    async def of(self, session_id: str, run_id: str, began: int, depth: int = 0) -> Place:
        """Where a run of a session hangs. Raises Undecided."""
        own = Place(trace_id(session_id, run_id), 0, began)
        known = self._known.get(session_id)
        if known is None or depth > MAX_DEPTH:
            return own
        if known.kind == "fork" and known.fork_of:
            return msgspec.structs.replace(own, link=await self._fork(session_id, known, depth))
        chain: list[Caller] = []
        seen = {session_id}
        at, when = session_id, began
        while (caller := await self._caller(at, when)) is not None:
            if caller.session_id in seen or len(chain) == MAX_DEPTH:
                # `parent_id` is a stranger's data: of a cycle each run is a root.
                return own
            if 0 < caller.ended < when:
                break
            chain.append(caller)
            seen.add(caller.session_id)
            at, when = caller.session_id, caller.run_began
        if chain:
            top = chain[-1]
            return Place(
                trace_id(top.session_id, top.run_id),
                span_id("call", chain[0].session_id, chain[0].part_id),
                top.run_began,
            )
        if caller is not None:
            # A person went on with a sub-agent whose call was over.
            above = await self.of(caller.session_id, caller.run_id, caller.run_began, depth + 1)
            link = above.trace, span_id("call", caller.session_id, caller.part_id)
            return msgspec.structs.replace(own, link=link)
        return own

    async def _caller(self, session_id: str, when: int) -> Caller | None:
        """The call under which what a session began at a time hangs: the newest before that of those that name it."""
        known = self._known.get(session_id)
        if known is None or not known.parent_id:
            return None
        parent_id = known.parent_id
        found, parent = self._naming(session_id, parent_id), self._known.get(parent_id)
        if not found and session_id not in self._checked and (self.is_live or parent is None or not parent.read):
            # The call was written before what it started, but may not have been told.
            await self._read(parent_id)
            self._checked.add(session_id)
            found, parent = self._naming(session_id, parent_id), self._known.get(parent_id)
        if not found:
            if parent is not None and parent.asks:
                raise Undecided(parent_id)
            return None
        before = [caller for caller in found if caller.began <= when]
        return max(before, key=lambda each: each.began) if before else min(found, key=lambda each: each.began)

    def _naming(self, session_id: str, parent_id: str) -> list[Caller]:
        # A fork copies the calls of its original, and these still name the original's sub-agents.
        return [caller for caller in self._callers.get(session_id, ()) if caller.session_id == parent_id]

    async def _read(self, session_id: str) -> History:
        history = History()
        history.apply(await self.load(session_id))
        self.note(history)
        return history

    async def _fork(self, session_id: str, known: Known, depth: int) -> tuple[int, int] | None:
        """The newest run of its original when a fork was made. Raises Undecided."""
        if session_id not in self._forks:
            self._forks[session_id] = None  # of a cycle of forks one has no link
            runs = [run for run in (await self._read(known.fork_of)).runs() if run.steps[0].began.ts < known.began]
            runs = [run for run in runs if not run.steps[0].by_user]
            if runs:
                try:
                    place = await self.of(known.fork_of, runs[-1].id, runs[-1].start, depth + 1)
                except Undecided:
                    # It has one, which is known later.
                    del self._forks[session_id]
                    raise
                self._forks[session_id] = place.trace, span_id("run", known.fork_of, runs[-1].id)
        return self._forks[session_id]
