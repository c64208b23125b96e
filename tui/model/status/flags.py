"""What is odd about a session although its state is fine: it does the same, or fails, again and again, it takes long,
its context is nearly full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from tui.model.records import Op, Session, find_payload
from tui.model.status.at_work import ASKING, begun
from tui.model.status.outcome import went_wrong
from tui.model.status.table import BY_NAME, LOOP, FlagName
from tui.model.status.thresholds import CONTEXT_NEARLY_FULL, LONG_CALL, LONG_STEP, LONG_TASK, MINUTE
from tui.model.sums import rollup
from tui.text.moments import age

if TYPE_CHECKING:
    from tui.model.store.store import Store

LOOPING_FROM = 4
"""Equal calls in a row. opencode's own guard asks at three within one message and does not look over messages."""
FAILING_FROM = 3
"""Failed calls in a row; two are an everyday retry."""
REPEATABLE = frozenset({"task", "todowrite", "todoread", "question", "plan_exit"})
"""Tools that are rightly called in the same words again."""

MEANINGS: Final[dict[FlagName, str]] = {
    "looping": f"the same call, {LOOPING_FROM} times in a row or more",
    "failing": f"the last {FAILING_FROM} calls or more have failed",
    "long": f"a call, a step runs for {LONG_CALL // MINUTE} minutes, an agent for {LONG_TASK // MINUTE}",
    "full": f"{CONTEXT_NEARLY_FULL:.0%} of the context window is used",
}
"""What each of the flags says."""


class Flag(NamedTuple):
    """`brief` two or three words for a line; `reason` a clause for people; `until` when (µs) the newest call of a loop
    began."""

    name: FlagName
    brief: str
    reason: str
    until: int = 0


def flags(store: Store, session: Session, now_us: int, active: bool) -> list[Flag]:
    """The flags of a session, the most telling first. One that is not `active` can only have looped to its end, or have
    a full context."""
    found = [looping(session)]
    if active:
        found += [_failing(session), _long(store, session, now_us)]
    return [flag for flag in [*found, full(store, session)] if flag is not None]


def looping(session: Session) -> Flag | None:
    """Whether the newest calls of a session are the same, in the same words, LOOPING_FROM times or more."""
    first: Op | None = None
    count = 0
    for op in _calls_back(session):
        if op.tool in REPEATABLE or not op.label:
            break
        if first is None:
            first = op
        elif _input(op) != _input(first):
            break
        count += 1
    if first is None or count < LOOPING_FROM:
        return None
    reason = f"{first.name} was called {count} times in a row with the same input"
    return Flag("looping", f"{LOOP[0]}{count} {first.name}", reason, first.start_ts)


def _failing(session: Session) -> Flag | None:
    failed = 0
    last = ""
    for op in _calls_back(session):
        if op.status == "running":
            continue
        if not went_wrong(op):
            break
        failed += 1
        last = last or op.name
    if failed < FAILING_FROM:
        return None
    brief = f"{BY_NAME['failed'].glyph}{failed} {last}"
    return Flag("failing", brief, f"the last {failed} calls failed, the newest was {last}")


def _long(store: Store, session: Session, now_us: int) -> Flag | None:
    """The open call that has run for longest beyond what is usual, else the step; a question waits for its person, and
    of a call that has not begun its state says all there is to say."""
    turn = next(reversed(session.turns.values()), None)
    if turn is None or turn.status != "running":
        return None
    calls = [op for op in turn.ops.values() if op.kind == "tool" and op.status == "running"]
    late = [
        (ran, op.name)
        for op in calls
        if (ran := now_us - op.start_ts) >= (LONG_TASK if op.tool == "task" else LONG_CALL)
        and op.tool not in ASKING
        and begun(store, session, op)
    ]
    if late:
        took, name = max(late)
        return Flag("long", f"long: {name} {age(took)}", f"{name} has run for {age(took)}")
    ends = [op.end_ts for op in turn.ops.values() if op.kind == "tool" and op.end_ts]
    took = now_us - max([turn.start_ts, *ends])
    if calls or took < LONG_STEP:
        return None
    return Flag("long", f"long: step {age(took)}", f"the model has been at one step for {age(took)}")


def full(store: Store, session: Session) -> Flag | None:
    """Whether the context of a session is nearly full."""
    now = rollup.context(store, session)
    if now.share < CONTEXT_NEARLY_FULL:
        return None
    share = f"{100 * now.share:.0f} %"
    return Flag("full", f"context {share}", f"{share} of its context of {now.window:,} tokens is used: compacted soon")


def _input(op: Op) -> tuple[str, str, str, int]:
    """What tells one call from another without reading its input: the label is cut, so the input's size helps."""
    request = find_payload(op, "tool_request")
    return (op.namespace, op.name, op.label, request.size if request is not None else op.bytes_in)


def _calls_back(session: Session) -> Iterator[Op]:
    for turn in reversed(session.turns.values()):
        for op in reversed(turn.ops.values()):
            if op.kind == "tool":
                yield op
