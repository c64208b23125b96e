"""Where the rows of a session lie in time, and what was done then: a bar for each step and each part of it.

A bar has the times of its row. What was never closed ends now while it goes on, else with the last sign of life; an end
before its start (a clock was set back) is its start, so no bar is negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

from tui.model.records import Key, Op, Session, SessionKey, Turn, op_id, op_key, turn_key
from tui.model.status.at_work import ASKING
from tui.model.status.outcome import went_wrong
from tui.model.status.state import newest_turn, op_state, own_state
from tui.model.status.table import ACTIVE, WAITING
from tui.model.store.facts import updated_at
from tui.model.tree.children import called

if TYPE_CHECKING:
    from tui.model.store.store import Store

Kind = Literal["model", "tool", "person", "agent", "retry"]
"""Who is at work: the model, a tool; or what is waited for: a person, a sub-agent, a provider that refused."""

RANKS: dict[Kind, int] = {"model": 0, "agent": 1, "retry": 2, "person": 3, "tool": 4}
"""What a moment shows in which several go on, the greatest first: a question is waiting unless a tool works."""


class Bar(NamedTuple):
    """The time of one row (µs), and of which row it is. `goes_on` says that it has no end yet."""

    key: Key
    kind: Kind
    start: int
    stop: int
    goes_on: bool = False
    failed: bool = False

    @property
    def took(self) -> int:
        """Its length in µs."""
        return self.stop - self.start


class Run(NamedTuple):
    """A stretch of time in which one kind of work, or of waiting, is what there is to see."""

    start: int
    stop: int
    kind: Kind
    failed: bool = False


class StepBars(NamedTuple):
    """The bars of a step: of itself, of its calls (one a part: a task has two ops), and of what the model thought,
    wrote and summed up. `runs` are step and calls laid over each other, `work` those in which model or tool worked, and
    the edges of all; `live` says that the passing of time changes them. `last` is when the last of step and calls ended
    (what runs in the background outlives its step), `failed` counts calls that went wrong, `slowest` is the tool call
    that took longest."""

    step: Bar
    calls: tuple[Bar, ...]
    parts: tuple[Bar, ...]
    runs: tuple[Run, ...]
    work: tuple[tuple[int, int], ...]
    live: bool
    last: int
    failed: int
    slowest: Bar | None


class Going:
    """In which sessions something goes on at a moment: in themselves, or in one that they wait for. Each is asked once:
    to look below from every session of a deep tree took seconds."""

    def __init__(self, store: Store, now_us: int) -> None:
        self.store = store
        self.now_us = now_us
        self._known: dict[SessionKey, bool] = {}

    def on(self, session: Session) -> bool:
        """Whether anything does. No recursion: how deep they are nested is a stranger's data."""
        known, stack = self._known, [session]
        while stack:
            one = stack[-1]
            if one.key in known:
                stack.pop()
                continue
            state = own_state(self.store, one, self.now_us)
            below = self.store.children_of(one) if state is None else []
            missing = [child for child in below if child.key not in known]
            if missing:
                stack += missing
            else:
                known[one.key] = any(known[child.key] for child in below) if state is None else state.name in ACTIVE
        return known[session.key]


def bars_of(store: Store, session: Session, turn: Turn, now_us: int, going: Going | None = None) -> StepBars:
    """The bars of a step as of `now_us`; `going` is as of then, too."""
    going = going or Going(store, now_us)
    step = _step(session, turn, going)
    calls: list[Bar] = []
    parts: list[Bar] = []
    for op in turn.ops.values():
        if op.kind == "tool":
            calls.append(_call(store, session, op, step, going))
        elif op.kind == "session":
            if op_id(op.part_id, "tool") not in turn.ops:
                calls.append(_call(store, session, op, step, going))
        else:
            parts.append(_part(session, op, step))
    live = step.goes_on or any(bar.goes_on for bar in calls)
    runs = tuple(laid_over((step, *calls)))
    # Where a clock was set a part may lie outside of its step.
    every = (step, *calls, *parts)
    first, last = min([bar.start for bar in every]), max([bar.stop for bar in every])
    if runs[0].start == first and runs[-1].stop == last and all(run.kind in _WORK for run in runs):
        work: tuple[tuple[int, int], ...] = ((first, last),) if _whole(runs) else tuple(run[:2] for run in runs)
    else:
        work = (*(run[:2] for run in runs if run.kind in _WORK), (first, first), (last, last))
    tools = [bar for bar in calls if bar.kind == "tool"]
    return StepBars(
        step,
        tuple(calls),
        tuple(parts),
        runs,
        work,
        live,
        max([step.stop, *(bar.stop for bar in calls)]),
        sum(bar.failed for bar in calls),
        max(tools, key=lambda bar: bar.took, default=None),
    )


_WORK = frozenset[Kind]({"model", "tool"})


def _whole(runs: tuple[Run, ...]) -> bool:
    return all(before.stop == after.start for before, after in pairwise(runs))


def _one_after_the_other(bars: Sequence[Bar]) -> list[Run] | None:
    """The runs of a step whose calls follow each other, as those of nearly every step do; None of any other."""
    whole, *inner = bars
    if len(inner) > 1:
        inner.sort(key=_START)
    runs: list[Run] = []
    at = whole.start
    for bar in inner:
        if not at <= bar.start < bar.stop <= whole.stop or RANKS[bar.kind] <= RANKS[whole.kind]:
            return None
        if bar.start > at:
            runs.append(Run(at, bar.start, whole.kind, whole.failed))
        if runs and runs[-1].stop == bar.start and runs[-1][2:] == (bar.kind, bar.failed):
            runs[-1] = Run(runs[-1].start, bar.stop, bar.kind, bar.failed)
        else:
            runs.append(Run(bar.start, bar.stop, bar.kind, bar.failed))
        at = bar.stop
    if at < whole.stop or not runs:
        runs.append(Run(at, whole.stop, whole.kind, whole.failed))
    return runs


_START = attrgetter("start")


def _step(session: Session, turn: Turn, going: Going) -> Bar:
    goes_on = turn.status == "running" and turn is newest_turn(session) and going.on(session)
    kind: Kind = "tool" if turn.extras.get("by_user") else "model"
    if turn.status == "running" and turn.extras.get("retry"):
        kind = "retry"
    stop = turn.end_ts or (going.now_us if goes_on else _last_sign(turn))
    return Bar(turn_key(session, turn), kind, turn.start_ts, max(turn.start_ts, stop), goes_on, turn.status == "failed")


def _last_sign(turn: Turn) -> int:
    return max([updated_at(turn.extras), *(max(op.end_ts, updated_at(op.extras)) for op in turn.ops.values())])


def _call(store: Store, session: Session, op: Op, step: Bar, going: Going) -> Bar:
    start = op.start_ts or step.start
    now_us, child = going.now_us, called(store, session, op)
    at_work = op.status == "running" and child is not None and going.on(child)
    state = op_state(store, session, op, now_us) if op.status == "running" and not at_work else None
    goes_on = at_work or (state is not None and state.name in ACTIVE)
    kind: Kind = "tool"
    if op.kind == "session" or child is not None:
        kind = "agent"
    elif op.tool in ASKING or (state is not None and state.name in WAITING):
        kind = "person"
    stop = op.end_ts or (now_us if goes_on else updated_at(op.extras))
    return Bar(op_key(session, op), kind, start, max(start, stop), goes_on, went_wrong(op))


def _part(session: Session, op: Op, step: Bar) -> Bar:
    start = op.start_ts or step.start
    goes_on = op.status == "running" and step.goes_on
    stop = op.end_ts or (step.stop if goes_on else updated_at(op.extras))
    return Bar(op_key(session, op), "model", start, max(start, stop), goes_on, op.status == "failed")


def laid_over(bars: Sequence[Bar]) -> list[Run]:
    """Bars as runs that do not overlap, in order; where several are, the one of the highest rank shows. What took no
    time at all was there all the same."""
    if (simple := _one_after_the_other(bars)) is not None:
        return simple
    found = [Run(bar.start, bar.stop, bar.kind, bar.failed) for bar in bars if not bar.took]
    if len(found) == len(bars):
        return sorted(found)
    edges = [
        (moment, step, RANKS[bar.kind], bar.failed, bar.kind)
        for bar in bars
        if bar.took
        for moment, step in ((bar.start, 1), (bar.stop, -1))
    ]
    edges.sort()
    open_bars: dict[tuple[int, bool, Kind], int] = {}
    before = edges[0][0]
    runs: list[Run] = []
    for moment, step, rank, failed, kind in edges:
        if moment > before and open_bars:
            _, failing, top = max(open_bars)
            if runs and runs[-1].stop == before and runs[-1][2:] == (top, failing):
                runs[-1] = Run(runs[-1].start, moment, top, failing)
            else:
                runs.append(Run(before, moment, top, failing))
        before = moment
        count = open_bars.get((rank, failed, kind), 0) + step
        if count:
            open_bars[rank, failed, kind] = count
        else:
            del open_bars[rank, failed, kind]
    return sorted([*runs, *found])
