"""Where the time of a session went: the model, tools, waiting for a person. Pure; everything in µs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tui.model.records import Op, Session, Turn
from tui.model.status.at_work import ASKING
from tui.model.store.facts import updated_at
from tui.model.sums.copied import own_turns

Interval = tuple[int, int]
"""From and to, µs UTC."""


class Timing(NamedTuple):
    """`tools` and `waiting` (questions to a person) are times in which at least one call ran, however many did;
    `model` is the rest of the steps; `wall` goes from the first prompt to the end. What is left of `wall` passed
    between the steps. How long a call waited for permission is recorded nowhere: it counts as the tool's."""

    model: int
    tools: int
    waiting: int
    wall: int

    @property
    def idle(self) -> int:
        """The time between the steps: nobody was at work."""
        return max(0, self.wall - self.model - self.tools - self.waiting)


def timing(session: Session, now_us: int, active: bool) -> Timing:
    """The times of a session's own steps. `active` says that what is open goes on now; otherwise what was never closed
    ends when it was last written. Steps that a fork copied happened elsewhere and do not count."""
    turns = own_turns(session)
    steps: list[Interval] = []
    tools: list[Interval] = []
    asked: list[Interval] = []
    for turn in turns:
        end = turn.end_ts or (now_us if active and turn.status == "running" else _last_sign(turn))
        steps.append((turn.start_ts, end))
        for op in turn.ops.values():
            if op.kind == "tool" and op.start_ts:
                goes_on = active and op.status == "running"
                stop = op.end_ts or (now_us if goes_on else max(op.start_ts, updated_at(op.extras)))
                (asked if op.tool in ASKING else tools).append((op.start_ts, stop))
    in_tools = covered(tools)
    in_calls = covered([*tools, *asked])
    busy = covered([*steps, *tools, *asked])
    first = min((start for start, _ in steps), default=0)
    prompts = [prompt.ts for prompt in session.prompts.values() if session.start_ts <= prompt.ts <= first]
    last = max((stop for _, stop in [*steps, *tools, *asked]), default=0)
    wall = max(0, last - min([first, *prompts])) if turns else 0
    return Timing(busy - in_calls, in_tools, in_calls - in_tools, wall)


def duration(session: Session) -> int:
    """How long a session took: from its row's beginning to the end of its newest answer, 0 where that is not known.
    This is the figure of its line and of the order by duration, the same before and after the session is read."""
    return max(0, ended(session) - session.start_ts) if session.start_ts else 0


def ended(session: Session) -> int:
    """When the newest answer of a session ended, 0 where nobody can say. The row's own times cannot: opencode moves
    `time_updated` with a prompt or a title and not with an answer. What was never closed ended when it was last
    written."""
    newest = next(reversed(session.turns.values()), None) if session.whole else None
    if newest is None:
        return session.answered_ts
    return max(session.answered_ts, newest.end_ts) or _last_sign(newest)


def covered(intervals: Iterable[Interval]) -> int:
    """The time that is in at least one of the intervals."""
    total, reached = 0, 0
    for start, stop in sorted(intervals):
        start = max(start, reached)
        if stop > start:
            total += stop - start
            reached = stop
    return total


def _last_sign(turn: Turn) -> int:
    """The last time that anything of an unfinished step names."""
    return max([turn.start_ts, updated_at(turn.extras), *(_op_sign(op) for op in turn.ops.values())])


def _op_sign(op: Op) -> int:
    return max(op.start_ts, op.end_ts, updated_at(op.extras))
