"""The lines of a timeline: one a prompt, step, call and sub-agent, nested as the rows of the tree are.

Sub-agents stand under the call that started them, parallel ones each on its own line, to any depth. A step with one
call shows it in its own line; with several each has one, so that one sees what ran beside what.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import is_
from typing import TYPE_CHECKING, Literal, NamedTuple

from tui.model.records import Key, Op, Prompt, Session, SessionKey, Turn, op_key, prompt_key, session_key
from tui.model.status.state import op_state, own_state
from tui.model.status.table import StateName
from tui.model.timeline.axis import Axis
from tui.model.timeline.bars import Bar, Going, Run, StepBars, bars_of
from tui.model.tree.children import called, outline, uncalled
from tui.model.tree.layout import parent_key, row_key, shown_session, single_prompt
from tui.model.tree.thoughts import thoughts, without_followers

if TYPE_CHECKING:
    from tui.model.store.store import Store

LineKind = Literal["prompt", "step", "call", "part", "agent"]
FEW_STEPS = 60
"""Up to so many steps all prompts of a session are open; of a longer one the newest, and the one that is looked for."""


class Line(NamedTuple):
    """One line. `start` and `stop` are its own time, `runs` what there is to see of it; `around` says that its time is
    more than its runs: an agent between two steps. `failed` counts calls that went wrong in it, `retried` requests that
    were sent again, `slowest` is the tool call that took longest. `calls` are those that it shows in its own bar."""

    key: Key
    kind: LineKind
    depth: int
    fold: str
    session: Session
    node: Session | Prompt | Turn | Op
    start: int
    stop: int
    runs: tuple[Run, ...] = ()
    around: bool = False
    goes_on: bool = False
    failed: int = 0
    retried: int = 0
    slowest: Bar | None = None
    calls: tuple[Bar, ...] = ()
    state: StateName = "completed"

    @property
    def took(self) -> int:
        """How long it took (µs)."""
        return self.stop - self.start


class Whole(NamedTuple):
    """What the steps of a session, or of the answer to a prompt, come to together."""

    start: int
    stop: int
    steps: list[StepBars]
    goes_on: bool
    failed: int
    retried: int
    slowest: Bar | None

    @property
    def runs(self) -> tuple[Run, ...]:
        """What there is to see of all steps."""
        return tuple(sorted(run for step in self.steps for run in step.runs))


class Timelines:
    """Makes timelines, and keeps what a change leaves as it was. `changed` has to hear of every change."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._steps: dict[SessionKey, dict[str, StepBars]] = {}
        self._wholes: dict[SessionKey, Whole] = {}
        self._work: dict[SessionKey, list[tuple[int, int]]] = {}
        self._retries: dict[SessionKey, list[int]] = {}
        self._sums: dict[Key, Whole] = {}
        self._lines: dict[Key, _Kept] = {}
        self._prompts: dict[Key, tuple[Whole, Line]] = {}
        self._now = 0
        self.going = Going(store, 0)

    def changed(self, dirty: Iterable[Key]) -> None:
        """These nodes are different from now on."""
        for key in dirty:
            self._wholes.pop(key.owner, None)
            self._work.pop(key.owner, None)
            self._retries.pop(key.owner, None)
            if key.kind == "turn":
                self._steps.get(key.owner, {}).pop(key.id, None)
            elif key.kind == "prompt":
                self._prompts.pop(key, None)
            elif key.kind == "op":
                turn = self.store.turn_of_op(key)
                if turn is not None:
                    self._steps.get(key.owner, {}).pop(turn.message_id, None)

    def bars(self, session: Session, turn: Turn, now_us: int) -> StepBars:
        """The bars of a step; kept as long as time does not change them."""
        return self._bars(session, [turn], now_us)[0]

    def _bars(self, session: Session, turns: Iterable[Turn], now_us: int) -> list[StepBars]:
        kept = self._steps.setdefault(session.key, {})
        found: list[StepBars] = []
        for turn in turns:
            known = kept.get(turn.message_id)
            if known is None:
                known = bars_of(self.store, session, turn, now_us, self.going)
                if not known.live:
                    kept[turn.message_id] = known
            found.append(known)
        return found

    def whole(self, session: Session, now_us: int) -> Whole:
        """All steps of a session together."""
        known = self._wholes.get(session.key)
        if known is None:
            known = self.together(session_key(session), session, session.turns.values(), now_us)
            if not known.goes_on:
                self._wholes[session.key] = known
        return known

    def together(self, key: Key, session: Session, turns: Iterable[Turn], now_us: int) -> Whole:
        """The steps that a node has, together: those that answer a prompt, or all of a session."""
        steps = self._bars(session, turns, now_us)
        summed = self._sums.get(key)
        if summed is not None and len(summed.steps) == len(steps) and all(map(is_, summed.steps, steps)):
            retried = self.retried(session, summed.start, summed.stop)
            return summed if summed.retried == retried else summed._replace(retried=retried)
        start = min((step.step.start for step in steps), default=session.start_ts)
        stop = max((step.last for step in steps), default=start)
        slow = [step.slowest for step in steps if step.slowest is not None]
        made = Whole(
            start,
            stop,
            steps,
            any(step.live for step in steps),
            sum(step.failed for step in steps),
            self.retried(session, start, stop),
            max(slow, key=lambda bar: bar.took, default=None),
        )
        if steps:
            self._sums[key] = made
        return made

    def retried(self, session: Session, start: int, stop: int) -> int:
        """How many requests were sent again in that time (µs), as far as it is told: 2.x does, 1.x does not."""
        known = self._retries.get(session.key)
        if known is None:
            told = (log.ts for log in session.logs.values() if log.message.startswith("retry "))
            known = self._retries[session.key] = sorted(told)
        return bisect_right(known, stop) - bisect_left(known, start) if known else 0

    def work(self, session: Session, now_us: int) -> list[tuple[int, int]]:
        """When somebody was at work in a session, or something was said: waiting for a person, for a sub-agent of which
        it is known what it did, or for a provider is no work."""
        known = self._work.get(session.key)
        if known is not None:
            return known
        found = [(prompt.ts, prompt.ts) for prompt in session.prompts.values() if prompt.ts > 0]
        live = False
        unknown = any(not child.whole for child in self.store.children_of(session))
        for bars in self._bars(session, session.turns.values(), now_us):
            live = live or bars.live
            found += bars.work
            if unknown:
                found += [run[:2] for run in bars.runs if run.kind == "agent"]
        if not live:
            self._work[session.key] = found
        return found

    def prompt_line(self, key: Key, whole: Whole, session: Session, prompt: Prompt, depth: int, fold: str) -> Line:
        """The line of a prompt and of the steps that answer it, which it shows when it is folded."""
        known = self._prompts.get(key)
        if known is not None and known[0] is whole and known[1][2:4] == (depth, fold) and known[1].node is prompt:
            return known[1]
        start = prompt.ts or whole.start
        stop = max(start, whole.stop) if fold else start
        runs = whole.runs if fold == "closed" else ()
        counts = whole.goes_on, whole.failed, whole.retried, whole.slowest
        made = Line(key, "prompt", depth, fold, session, prompt, start, stop, runs, fold == "closed", *counts)
        self._prompts[key] = whole, made
        return made

    def lines_of(self, bars: StepBars, depth: int, chosen: bool | None, retried: int) -> list[Line | _Agent] | None:
        """The lines of a step as they were made, None where they are different now."""
        known = self._lines.get(bars.step.key)
        if known is None or known.bars is not bars or known[1:4] != (depth, chosen, retried):
            return None
        return known.lines

    def keep_lines(
        self, bars: StepBars, depth: int, chosen: bool | None, retried: int, lines: list[Line | _Agent]
    ) -> None:
        """Keeps the lines of a step that time does not change."""
        if not bars.live and not any(isinstance(line, _Agent) for line in lines):
            self._lines[bars.step.key] = _Kept(bars, depth, chosen, retried, lines)

    def of(self, subject: Key, now_us: int, folds: dict[Key, bool], held: Key | None = None) -> Timeline | None:
        """The timeline of a session, a prompt, a step or a call that started a sub-agent (of any other call: of its
        step), as of `now_us`; None where there is no such node. `folds` are the user's, `held` is a node that is to be
        seen."""
        if now_us < self._now:
            # The clock was set back: what is over may not be.
            self._steps.clear()
            self._wholes.clear()
            self._work.clear()
        self._now = now_us
        self.going = Going(self.store, now_us)
        return _make(self, subject, now_us, folds, held)


class Timeline:
    """The lines of a subject and the axis that is common to them. `slowest` is the tool call that took longest, in
    whatever session of it; `live` says that the passing of time changes it."""

    def __init__(self, subject: Key, lines: list[Line], axis: Axis, wholes: list[Whole], now_us: int) -> None:
        self.subject = subject
        self.lines = lines
        self.axis = axis
        self.now_us = now_us
        self.live = any(whole.goes_on for whole in wholes)
        self.slowest = max(
            (whole.slowest for whole in wholes if whole.slowest is not None), key=lambda bar: bar.took, default=None
        )
        self.failed = sum(whole.failed for whole in wholes)
        self.places = {line.key: place for place, line in enumerate(lines)}


def _make(
    kept: Timelines, subject: Key, now_us: int, folds: dict[Key, bool], held: Key | None = None
) -> Timeline | None:
    store = kept.store
    session = store.session_of(subject)
    if session is None:
        return None
    shown = shown_session(store, subject)
    if shown is not None:
        sessions = list(_with_descendants(store, [shown]))
        writer = _Writer(kept, now_us, folds, _around(store, held))
        lines = list(writer.session(shown, 0, sum(len(one.turns) for one in sessions[:1]) <= FEW_STEPS))
        work = [stretch for one in sessions for stretch in kept.work(one, now_us)]
        wholes = [kept.whole(one, now_us) for one in sessions]
        return Timeline(subject, lines, Axis(work), wholes, now_us)
    if subject.kind == "op":
        turn = store.turn_of_op(subject)
    else:
        turn = store.turn(subject)
    prompt = store.prompt(subject)
    if turn is None and prompt is None:
        return None
    turns = [turn] if turn is not None else outline(store, session).answers[subject.id]
    below = list(_with_descendants(store, [child for one in turns for child in _called(store, session, one)]))
    writer = _Writer(kept, now_us, {**folds, subject: True}, _around(store, held))
    lines = [line for one in turns for line in writer.step(session, one, 0)]
    if prompt is not None:
        lines.insert(0, writer.prompt(session, prompt, turns, 0, True))
    work = [stretch for one in below for stretch in kept.work(one, now_us)]
    for one in turns:
        work += kept.bars(session, one, now_us).work
    if prompt is not None and prompt.ts > 0:
        work.append((prompt.ts, prompt.ts))
    wholes = [kept.together(subject, session, turns, now_us), *(kept.whole(one, now_us) for one in below)]
    return Timeline(subject, lines, Axis(work), wholes, now_us)


class _Writer:
    """Writes the lines of one timeline. No recursion over sessions: how deep they are nested is a stranger's data."""

    def __init__(self, kept: Timelines, now_us: int, folds: dict[Key, bool], held: set[Key]) -> None:
        self.kept = kept
        self.store = kept.store
        self.now_us = now_us
        self.folds = folds
        self.held = held

    def session(self, top: Session, depth: int, few: bool) -> Iterator[Line]:
        """The lines of a session, without one for itself."""
        yield from self._all(self._inside(top, depth, few))

    def step(self, session: Session, turn: Turn, depth: int) -> Iterator[Line]:
        """The lines of one step."""
        yield from self._all(self._step(session, turn, depth))

    def _all(self, lines: Iterator[Line | _Agent]) -> Iterator[Line]:
        stack = [lines]
        while stack:
            line = next(stack[-1], None)
            if line is None:
                stack.pop()
            elif isinstance(line, _Agent):
                stack.append(self._agent(line))
            else:
                yield line

    def _inside(self, session: Session, depth: int, few: bool) -> Iterator[Line | _Agent]:
        alone = single_prompt(self.store, session)
        shape = outline(self.store, session)
        for node in shape.answers[alone.message_id] if alone else shape.top:
            if isinstance(node, Turn):
                yield from self._step(session, node, depth)
                continue
            turns = shape.answers[node.message_id]
            key = prompt_key(session, node)
            newest = node is session.newest_prompt
            is_open = self.folds.get(key, few or newest or key in self.held)
            yield self.prompt(session, node, turns, depth, is_open)
            for turn in turns:
                yield from self._step(session, turn, depth + 1) if is_open else self._agents(session, turn, depth + 1)
        for child in uncalled(self.store, session):
            yield _Agent(child, session_key(child), depth)

    def prompt(self, session: Session, prompt: Prompt, turns: list[Turn], depth: int, is_open: bool) -> Line:
        """The line of a prompt; folded it shows all steps that answer it."""
        key = prompt_key(session, prompt)
        whole = self.kept.together(key, session, turns, self.now_us)
        fold = ("open" if is_open else "closed") if turns else ""
        return self.kept.prompt_line(key, whole, session, prompt, depth, fold)

    def _step(self, session: Session, turn: Turn, depth: int) -> Iterator[Line | _Agent]:
        bars = self.kept.bars(session, turn, self.now_us)
        chosen = self.folds.get(bars.step.key)
        retried = self.kept.retried(session, bars.step.start, bars.step.stop)
        made = self.kept.lines_of(bars, depth, chosen, retried)
        if made is None:
            made = list(self._step_anew(session, turn, bars, depth, chosen, retried))
            self.kept.keep_lines(bars, depth, chosen, retried, made)
        yield from made

    def _step_anew(
        self, session: Session, turn: Turn, bars: StepBars, depth: int, chosen: bool | None, retried: int
    ) -> Iterator[Line | _Agent]:
        own = [bar for bar in bars.calls if bar.kind != "agent"]
        more = bool(own) or bool(bars.parts)
        is_open = more and (len(own) > 1 if chosen is None else chosen)
        everything = is_open and chosen is True
        yield Line(
            bars.step.key,
            "step",
            depth,
            ("open" if is_open else "closed") if more else "",
            session,
            turn,
            bars.step.start,
            bars.step.stop,
            bars.runs,
            False,
            bars.step.goes_on,
            sum(bar.failed for bar in bars.calls) + bars.step.failed,
            retried,
            max((bar for bar in own if bar.kind == "tool"), key=lambda bar: bar.took, default=None),
            bars.calls,
            "failed" if turn.status == "failed" else "completed",
        )
        if not is_open:
            yield from self._agents(session, turn, depth + 1)
            return
        calls = {bar.key: bar for bar in bars.calls}
        parts = {bar.key: bar for bar in bars.parts} if everything else {}
        thought = {op_key(session, each[0]): each for each in thoughts(turn)} if everything else {}
        for op in without_followers(turn.ops.values()):
            key = op_key(session, op)
            if (bar := calls.get(key)) is not None:
                child = called(self.store, session, op)
                if child is not None:
                    yield _Agent(child, key, depth + 1, bar)
                else:
                    yield self._call(session, op, bar, depth + 1)
            elif op.kind != "llm" and (bar := parts.get(key)) is not None:
                stop = max(parts[op_key(session, each)].stop for each in thought.get(key, [op]))
                run = Run(bar.start, stop, "model", bar.failed)
                yield Line(key, "part", depth + 1, "", session, op, bar.start, stop, (run,), goes_on=bar.goes_on)

    def _call(self, session: Session, op: Op, bar: Bar, depth: int) -> Line:
        # To ask thousands of calls that are done what they do would be most of all that a change costs.
        done = op.status == "completed" and not bar.failed
        state = "completed" if done else op_state(self.store, session, op, self.now_us).name
        return Line(
            bar.key,
            "call",
            depth,
            "",
            session,
            op,
            bar.start,
            bar.stop,
            (Run(bar.start, bar.stop, bar.kind, bar.failed),),
            False,
            bar.goes_on,
            int(bar.failed),
            state=state,
        )

    def _agents(self, session: Session, turn: Turn, depth: int) -> Iterator[Line | _Agent]:
        """The sub-agents of a step of which nothing else is shown."""
        for op in turn.ops.values():
            if op.kind in ("tool", "session"):
                child = called(self.store, session, op)
                if child is not None:
                    yield _Agent(child, op_key(session, op), depth)

    def _agent(self, agent: _Agent) -> Iterator[Line | _Agent]:
        session = agent.session
        whole = self.kept.whole(session, self.now_us)
        call = agent.bar or self._call_bar(session)
        start = min([whole.start, *([call.start] if call else [])]) if session.turns else call.start if call else 0
        start = start or session.start_ts
        stop = max([whole.stop, *([call.stop] if call else [])]) if session.turns else call.stop if call else start
        has_more = bool(session.turns)
        key = agent.key
        is_open = has_more and self.folds.get(key, False)
        yield Line(
            key,
            "agent",
            agent.depth,
            ("open" if is_open else "closed") if has_more else "",
            session,
            session,
            start,
            max(start, stop),
            whole.runs or ((Run(call.start, call.stop, "agent", call.failed),) if call else ()),
            True,
            whole.goes_on or (call is not None and call.goes_on),
            whole.failed,
            whole.retried,
            whole.slowest,
            state=self._state(session),
        )
        if is_open:
            yield from self._inside(session, agent.depth + 1, True)
        else:
            for turn in session.turns.values():
                yield from self._agents(session, turn, agent.depth + 1)
            for child in uncalled(self.store, session):
                yield _Agent(child, session_key(child), agent.depth + 1)

    def _state(self, session: Session) -> StateName:
        """What a sub-agent does; what is below it does has a line of its own."""
        own = own_state(self.store, session, self.now_us)
        return own.name if own is not None else "delegating" if self.kept.going.on(session) else "idle"

    def _call_bar(self, session: Session) -> Bar | None:
        key = self.store.call_key(session)
        parent = self.store.parent_of(session)
        turn = self.store.turn_of_op(key) if key is not None else None
        if parent is None or turn is None:
            return None
        return next((bar for bar in self.kept.bars(parent, turn, self.now_us).calls if bar.key == key), None)


class _Agent(NamedTuple):
    """A sub-agent whose lines come here; `bar` is that of the call that started it."""

    session: Session
    key: Key
    depth: int
    bar: Bar | None = None


class _Kept(NamedTuple):
    """The lines of a step that calls no sub-agent, and what they were made of."""

    bars: StepBars
    depth: int
    chosen: bool | None
    retried: int
    lines: list[Line | _Agent]


def line_of(store: Store, timeline: Timeline, key: Key) -> int | None:
    """The line on which a node is, or the nearest above it; None where none of them is in the timeline."""
    current: Key | None = key
    while current is not None:
        place = timeline.places.get(current)
        if place is None:
            shown = shown_session(store, current) if current.kind in ("session", "op") else None
            place = timeline.places.get(row_key(store, shown)) if shown is not None else None
        if place is not None:
            return place
        current = parent_key(store, current)
    return None


def _called(store: Store, session: Session, turn: Turn) -> list[Session]:
    found: dict[SessionKey, Session] = {}
    for op in turn.ops.values():
        child = called(store, session, op) if op.kind in ("tool", "session") else None
        if child is not None:
            found[child.key] = child
    return list(found.values())


def _with_descendants(store: Store, sessions: list[Session]) -> Iterator[Session]:
    stack = list(sessions)
    while stack:
        session = stack.pop()
        yield session
        stack += store.children_of(session)


def _around(store: Store, key: Key | None) -> set[Key]:
    """A node and all that it is in."""
    found: set[Key] = set()
    while key is not None and key not in found:
        found.add(key)
        key = parent_key(store, key)
    return found
