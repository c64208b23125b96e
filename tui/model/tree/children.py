"""What hangs under what, in the order of the screen: under a session its prompts with their turns, turns without a
prompt, and sub-agents that no call names; under a call the sub-agent that it started."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from tui.model.records import Op, Prompt, Session, Turn, op_key
from tui.model.status.outcome import went_wrong

if TYPE_CHECKING:
    from tui.model.store.store import Store


class Outline(NamedTuple):
    """`top`: prompts and turns without a known prompt, by time. `answers`: the turns of each prompt, by seq.
    `growth`: what each turn added to the context, in tokens. `failed`: how many calls went wrong, by prompt;
    those of turns without a known prompt are under ""."""

    top: list[Prompt | Turn]
    answers: dict[str, list[Turn]]
    growth: dict[str, int]
    failed: dict[str, int]


class Calls(NamedTuple):
    """What there is among the calls of a step: how many `failed`, whether any tells a `diff` or wrote a `todo` list."""

    failed: int
    diff: bool
    todo: bool


def calls_of(store: Store, session: Session, turns: Collection[Turn]) -> list[Calls]:
    """The same of some steps of a session; that of a step is kept in the store until something of it changes. A long
    session is asked for all of its steps with every change of the last one."""
    known = store.steps.setdefault(session.key, {})
    for turn in turns:
        if turn.message_id not in known:
            calls = [op for op in turn.ops.values() if op.kind == "tool"]
            known[turn.message_id] = Calls(
                len([op for op in calls if went_wrong(op)]),
                any(payload.kind == "diff" for op in calls for payload in op.payloads.values()),
                any(op.tool == "todowrite" for op in calls),
            )
    return [known[turn.message_id] for turn in turns]


def called(store: Store, session: Session, op: Op) -> Session | None:
    """The child session that hangs under an op: the newest call that names it has it, older ones only mention it."""
    child = store.called_by(session, op)
    return child if child is not None and store.call_key(child) == op_key(session, op) else None


def uncalled(store: Store, session: Session) -> list[Session]:
    """The child sessions that no call has, oldest first: they hang under the session itself, behind all else."""
    return [child for child in store.children_of(session) if store.call_key(child) is None]


def outline(store: Store, session: Session) -> Outline:
    """The outline of a session; kept in the store until something of the session changes."""
    key = session.key
    known = store.outlines.get(key)
    if known is None:
        known = store.outlines[key] = _make(store, session)
    return known


def _make(store: Store, session: Session) -> Outline:
    answers: dict[str, list[Turn]] = {message_id: [] for message_id in session.prompts}
    loose: list[Turn] = []
    for turn in session.turns.values():
        answers.get(turn.prompt_id, loose).append(turn)
    top: list[Prompt | Turn] = list(session.prompts.values())
    if loose:
        top += loose
        top.sort(key=lambda node: (node.ts if isinstance(node, Prompt) else node.start_ts, node.message_id))
    return Outline(top, answers, _growth(session), _failed(store, session))


def _failed(store: Store, session: Session) -> dict[str, int]:
    failed: dict[str, int] = {}
    turns = session.turns.values()
    for turn, calls in zip(turns, calls_of(store, session, turns), strict=True):
        if count := calls.failed:
            under = turn.prompt_id if turn.prompt_id in session.prompts else ""
            failed[under] = failed.get(under, 0) + count
    return failed


def _growth(session: Session) -> dict[str, int]:
    """The prompt that went out with each turn, less that of the turn before it, never below 0.

    Counter by counter, as in `delta`, a prompt would count again when it comes out of the cache.
    """
    growth: dict[str, int] = {}
    before = 0
    for turn in session.turns.values():
        context = turn.usage.context
        growth[turn.message_id] = max(0, context - before) if context else 0
        before = context or before
    return growth
