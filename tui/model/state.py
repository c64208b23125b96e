"""What a session, a prompt, a turn or an op is doing, and why we say so. Pure: the time comes in as `now_us`.

opencode keeps busy, idle, retry, permission and question in memory only (facts read from 1.18.33's run loop), so
everything here is read off the rows. Where the rows allow more than one story the state is `inferred` and its reason
says so. An op or turn that has ended has the name of its end: `completed`, `failed`, `aborted`, `cancelled`,
`truncated`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tui.model.nodes import Key, Op, Prompt, Session, Turn
from tui.model.rollup import subtree
from tui.model.thresholds import (
    BETWEEN_LIMIT,
    LOOK_BELOW,
    ORPHANED_AFTER,
    PERMISSION_AFTER,
    SECOND,
    SHELL_ORPHANED_AFTER,
    SHELL_STALLED_AFTER,
    STALLED_AFTER,
    WAITING_DOUBTED_AFTER,
    WAITING_ORPHANED_AFTER,
)
from tui.model.urgency import ACTIVE, urgency

if TYPE_CHECKING:
    from tui.model.store import Store

SHELLS = frozenset({"bash", "shell"})
ASKING = frozenset({"question", "plan_exit"})
"""Tools that run only while a person is being asked."""
TASKS = frozenset({"task", "subagent"})
GATED = SHELLS | TASKS | {"edit", "write", "multiedit", "patch", "apply_patch"}
"""Tools that write metadata, or end, at once when they are allowed to start; others are slow for honest reasons."""
GO_ON = frozenset({"tool-calls", "unknown"})
"""Values of `finish` after which opencode's loop takes another step (session/prompt.ts)."""

_SHOWN_THROUGH = frozenset({"waiting", "permission", "stalled", "orphaned"})
"""States of a sub-agent that are the states of the call, too; while one writes or thinks, its parent runs a tool."""


class State(NamedTuple):
    """`name` is a word of `urgency.ORDER`; `reason` a clause for people; `since` the time (µs) it began, 0 unknown;
    `inferred` when the rows do not prove it; `subject` what it is about: a tool, an error, a sub-agent."""

    name: str
    reason: str
    since: int
    inferred: bool = False
    subject: str = ""


_DELEGATED = State("delegated", "", 0)
"""Of a session that only waits for open sessions below it, while those are asked: they answer for it."""


def span(us: int) -> str:
    """A duration in words: `9 s`, `4 min 10 s`, `2 h 3 min`, `5 days`."""
    seconds = max(0, us) // SECOND
    minutes, hours = seconds // 60, seconds // 3600
    if seconds < 60:
        return f"{seconds} s"
    if minutes < 60:
        return f"{minutes} min {seconds % 60} s" if seconds % 60 else f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{hours // 24} days"


# -- sessions ---------------------------------------------------------------------------------------------------


def session_state(store: Store, session: Session, now_us: int) -> State:
    """What a session is doing. While it waits for sub-agents that is what they do, as far as it matters above."""
    return _session(store, session, now_us, True)


def own_state(store: Store, session: Session, now_us: int) -> State | None:
    """What a session is doing without a look at those below; None when it only waits for them, who answer for it."""
    state = _session(store, session, now_us, False)
    return None if state.name == _DELEGATED.name else state


def _session(store: Store, session: Session, now_us: int, look: bool) -> State:
    if session.final_status == "completed":
        return State("archived", "archived", session.end_ts)
    if not session.loaded:
        if session.final_status == "failed":
            return _failed(session.error_class, session.error_message, session.end_ts)
        return State("idle", "its turns are not loaded", session.last_ts)
    if session.extras.get("revert_message_id"):
        return State("idle", "reverted: the messages after that point go with the next prompt", session.last_ts)
    prompt = unanswered(session)
    turn = newest_turn(session)
    if turn is not None and (prompt is None or open_ops(turn) or turn.status == "running"):
        return _newest_turn(store, session, turn, now_us, look)
    if prompt is not None:
        return _unanswered(store, session, prompt, now_us)
    return State("idle", "no prompt yet", session.start_ts)


def is_open(session: Session) -> bool:
    """False when no passing of time can change the session's state: nothing in it waits to go on."""
    if session.final_status == "completed" or not session.loaded or session.extras.get("revert_message_id"):
        return False
    turn = newest_turn(session)
    return unanswered(session) is not None or (
        turn is not None
        and (turn.status == "running" or bool(open_ops(turn)) or (turn.status == "completed" and turn.finish in GO_ON))
    )


def loudest(store: Store, session: Session, now_us: int) -> tuple[Session, State]:
    """The most urgent state in a session and everything below it, and whose it is: what a folded row shows. What is
    over below does not count, so that an old failure of a sub-agent does not outshout its parent."""
    own = (session, session_state(store, session, now_us))
    below = _below(store, store.children_of(session), now_us)
    if below is not None and below[1].name in ACTIVE and urgency(below[1].name) > urgency(own[1].name):
        return below
    return own


def _below(store: Store, sessions: list[Session], now_us: int) -> tuple[Session, State] | None:
    """The most urgent state of these sessions and of all below them that is not over. No recursion, and no more than
    LOOK_BELOW of them."""
    best: tuple[Session, State] | None = None
    stack = sessions[-LOOK_BELOW:]
    for _ in range(LOOK_BELOW):
        if not stack:
            break
        current = stack.pop()
        stack += store.children_of(current)[-LOOK_BELOW:]
        if not is_open(current):
            continue
        state = own_state(store, current, now_us)
        if state is None or not (state.name in ACTIVE or state.name == "orphaned"):
            continue
        if best is None or urgency(state.name) > urgency(best[1].name):
            best = (current, state)
    return best


def newest_turn(session: Session) -> Turn | None:
    """The last assistant message."""
    return next(reversed(session.turns.values()), None)


def unanswered(session: Session) -> Prompt | None:
    """The newest prompt, while no turn answers it."""
    prompt = next(reversed(session.prompts.values()), None)
    if prompt is None:
        return None
    for turn in reversed(session.turns.values()):
        if turn.prompt_id == prompt.message_id or (not turn.prompt_id and turn.start_ts >= prompt.ts):
            return None
        if turn.start_ts < prompt.ts:
            break
    return prompt


def open_ops(turn: Turn) -> list[Op]:
    """The tool calls of a turn that have not ended."""
    return [op for op in turn.ops.values() if op.kind == "tool" and op.status == "running"]


def _failed(error_class: str, message: str, since: int) -> State:
    reason = f"{error_class}: {message}" if error_class and message else error_class or message or "it failed"
    return State("failed", reason, since, subject=error_class)


def _unanswered(store: Store, session: Session, prompt: Prompt, now_us: int) -> State:
    waited = span(now_us - prompt.ts)
    if prompt.extras.get("compaction"):
        state = State("compacting", f"the context is to be compacted, asked for {waited} ago", prompt.ts)
    else:
        state = State("starting", f"the prompt has had no answer for {waited}", prompt.ts)
    return _watch(store, session, state, "a prompt is unanswered", now_us)


def _newest_turn(store: Store, session: Session, turn: Turn, now_us: int, look: bool) -> State:
    state = _turn(store, session, turn, now_us, look)
    if state.name != "completed":
        return state
    if turn.finish in GO_ON:
        ended = span(now_us - turn.end_ts)
        if now_us - turn.end_ts < BETWEEN_LIMIT:
            return State("between", f"a step ended {ended} ago, the next one follows", turn.end_ts)
        refused = next(
            (op for op in turn.ops.values() if op.error_class in ("PermissionRejected", "QuestionDismissed")), None
        )
        if refused is not None:
            words = "was refused" if refused.error_class == "PermissionRejected" else "got no answer"
            return State("idle", f"{refused.name} {words} {ended} ago, and opencode stopped", turn.end_ts, True)
        return State("idle", f"its last step ended {ended} ago with tool calls, and none followed", turn.end_ts, True)
    if turn.finish == "length":
        return State("idle", "its answer was cut at the output limit", turn.end_ts, subject="length")
    if turn.finish == "content-filter":
        return State("idle", "its answer was stopped by the provider's filter", turn.end_ts, subject="content-filter")
    return State("idle", f"it answered {span(now_us - turn.end_ts)} ago", turn.end_ts)


# -- prompts, turns, ops ----------------------------------------------------------------------------------------


def prompt_state(store: Store, session: Session, prompt: Prompt, now_us: int) -> State:
    """What the answer to a prompt is doing: the state of its newest turn, or of the wait for the first."""
    for turn in reversed(session.turns.values()):
        if turn.prompt_id == prompt.message_id:
            if turn is newest_turn(session):
                state = _newest_turn(store, session, turn, now_us, True)
                return State("completed", state.reason, state.since, state.inferred) if state.name == "idle" else state
            return turn_state(store, session, turn, now_us)
    if prompt is unanswered(session):
        current = newest_turn(session)
        if current is not None and current.status == "running":
            return State("starting", "queued behind the step that runs", prompt.ts)
        return _unanswered(store, session, prompt, now_us)
    return State("completed", "no answer is recorded, and later prompts follow", prompt.ts, True)


def turn_state(store: Store, session: Session, turn: Turn, now_us: int) -> State:
    """What a step is doing, or how it ended."""
    return _turn(store, session, turn, now_us, True)


def _turn(store: Store, session: Session, turn: Turn, now_us: int, look: bool) -> State:
    if turn.status == "aborted":
        return State("aborted", turn.error_message or "stopped by the user", turn.end_ts)
    if turn.status == "failed":
        return _failed(turn.error_class, turn.error_message, turn.end_ts)
    newest = turn is newest_turn(session)
    if newest:
        calls = [_op(store, session, op, now_us, look) for op in open_ops(turn)]
        if calls:
            first = max(calls, key=lambda state: (urgency(state.name), -state.since))
            more = f", and {len(calls) - 1} more" if len(calls) > 1 else ""
            return first._replace(reason=first.reason + more)
    if turn.status == "completed":
        took = span(turn.end_ts - turn.start_ts)
        return State("completed", f"done in {took}", turn.end_ts, subject=turn.finish)
    if not newest:
        return State(
            "orphaned", "never closed, and later steps follow: opencode was probably killed", turn.start_ts, True
        )
    state = _model_at_work(turn, now_us)
    return _watch(store, session, state, "a step is marked running", now_us)


def op_state(store: Store, session: Session, op: Op, now_us: int) -> State:
    """What a call, a text, a thought or a sub-agent is doing, or how it ended. A call that started a sub-agent is
    active as long as that one is: a background task ends at once for its parent."""
    return _op(store, session, op, now_us, True)


def _op(store: Store, session: Session, op: Op, now_us: int, look: bool) -> State:
    child = _own_child(store, session, op)
    if child is not None:
        if not look and is_open(child):
            return _DELEGATED
        inner = _below(store, [child], now_us) if look else None
        if inner is not None and (op.status == "running" or inner[1].name in ACTIVE):
            whose, state = inner
            name = state.name if state.name in _SHOWN_THROUGH else "tool"
            who = f"sub-agent {whose.agent}" if whose.agent else "a sub-agent"
            return state._replace(name=name, reason=f"{who}: {state.reason}", subject=state.subject or whose.agent)
    if op.status != "running":
        if op.status == "failed":
            return _failed(op.error_class, op.error_message, op.end_ts)
        took = span(op.end_ts - op.start_ts)
        words = {"completed": f"done in {took}", "truncated": "cut at the output limit"}
        return State(op.status, words.get(op.status) or op.error_message or "cancelled", op.end_ts)
    turn = session.turns.get(op.message_id)
    if turn is None or turn is not newest_turn(session):
        return State(
            "orphaned", "never closed, and later steps follow: opencode was probably killed", op.start_ts, True
        )
    if turn.status in ("failed", "aborted"):
        return State("orphaned", f"its step {turn.status} without closing it", op.start_ts, True)
    return _running_op(store, session, turn, op, now_us)


def node_state(store: Store, key: Key, now_us: int) -> State | None:
    """The state of whatever a key names; None when that is gone."""
    session = store.session_of(key)
    if session is None:
        return None
    if key.kind == "session":
        return session_state(store, session, now_us)
    if (prompt := store.prompt(key)) is not None:
        return prompt_state(store, session, prompt, now_us)
    if (turn := store.turn(key)) is not None:
        return turn_state(store, session, turn, now_us)
    if (op := store.op(key)) is not None:
        return op_state(store, session, op, now_us)
    return None


def _own_child(store: Store, session: Session, op: Op) -> Session | None:
    """The session that hangs under this op; an older call of a task that was resumed since has none any more."""
    child = store.called_by(session, op)
    owner = store.task_op_of(child) if child is not None else None
    return child if owner is not None and owner.part_id == op.part_id else None


def _running_op(store: Store, session: Session, turn: Turn, op: Op, now_us: int) -> State:
    ran = span(now_us - op.start_ts)
    if op.kind == "tool":
        return _running_tool(store, session, op, now_us)
    if op.kind == "text":
        state = State("writing", f"the model has been writing for {ran}", op.start_ts)
    elif op.kind == "reasoning":
        state = State("thinking", f"the model has been thinking for {ran}", op.start_ts)
    elif op.kind == "compaction":
        state = State("compacting", f"the context has been compacted for {ran}", op.start_ts)
    elif op.kind == "session":
        state = State("tool", f"sub-agent {op.label or op.name} has run for {ran}", op.start_ts, subject=op.name)
    else:
        state = _model_at_work(turn, now_us)
    return _watch(store, session, state, f"{op.name or op.kind} is marked running", now_us)


def _running_tool(store: Store, session: Session, op: Op, now_us: int) -> State:
    name = f"{op.namespace}: {op.name}" if op.namespace else op.name
    ran_us = now_us - op.start_ts
    ran = span(ran_us)
    if op.extras.get("phase") == "pending":
        state = State(
            "writing", f"the model has been writing the arguments of {name} for {ran}", op.start_ts, subject=name
        )
        return _watch(store, session, state, f"{name} is marked pending", now_us)
    if op.name in ASKING:
        state = State("waiting", f"{name} has waited for an answer for {ran}", op.start_ts, subject=op.label or name)
        return _doubt_waiting(state, ran_us)
    if op.name in GATED and not op.extras.get("running") and not op.child_session_id and ran_us >= PERMISSION_AFTER:
        reason = f"{name} was called {ran} ago and has not begun: it probably waits for permission"
        state = State("permission", reason, op.start_ts, True, op.label or name)
        return _doubt_waiting(state, ran_us)
    if op.name in SHELLS:
        quiet = "" if op.extras.get("output_bytes") else " with no output"
        state = State("tool", f"{name} has run for {ran}{quiet}", op.start_ts, subject=name)
        limits = (SHELL_STALLED_AFTER, SHELL_ORPHANED_AFTER)
        return _watch(store, session, state, f"{name} is marked running", now_us, limits)
    state = State("tool", f"{name} has run for {ran}", op.start_ts, subject=name)
    return _watch(store, session, state, f"{name} is marked running", now_us)


def _doubt_waiting(state: State, waited_us: int) -> State:
    if waited_us >= WAITING_ORPHANED_AFTER:
        reason = f"{state.reason}; after so long opencode was probably closed"
        return State("orphaned", reason, state.since, True, state.subject)
    if waited_us >= WAITING_DOUBTED_AFTER:
        return state._replace(reason=f"{state.reason}, unless opencode was closed", inferred=True)
    return state


def _model_at_work(turn: Turn, now_us: int) -> State:
    """What the model does in a step without a running call, by the newest part that is open."""
    if turn.extras.get("summary") or turn.agent == "compaction":
        return State("compacting", f"the context has been compacted for {span(now_us - turn.start_ts)}", turn.start_ts)
    newest: Op | None = None
    for op in reversed(turn.ops.values()):
        if op.kind in ("text", "reasoning", "tool") and newest is None:
            newest = op
        if op.kind in ("text", "reasoning") and op.status == "running":
            name, word = ("writing", "writing") if op.kind == "text" else ("thinking", "thinking")
            return State(name, f"the model has been {word} for {span(now_us - op.start_ts)}", op.start_ts)
    if newest is None:
        waited = span(now_us - turn.start_ts)
        return State(
            "starting", f"the model has not answered for {waited}; a retry would leave no trace", turn.start_ts
        )
    done = newest.name if newest.kind == "tool" else newest.kind
    ended = newest.end_ts or newest.start_ts
    return State("between", f"{done} ended {span(now_us - ended)} ago, the step goes on", ended)


def _watch(
    store: Store,
    session: Session,
    state: State,
    claim: str,
    now_us: int,
    limits: tuple[int, int] = (STALLED_AFTER, ORPHANED_AFTER),
) -> State:
    """Doubts an active state when nothing has been committed for long, by the session or by anything below it: a parent
    that waits for its sub-agent is as alive as that one."""
    quiet = now_us - subtree(store, session).last_ts
    stalled, orphaned = limits
    if quiet >= orphaned:
        reason = f"no commit for {span(quiet)} while {claim}: opencode was probably killed"
        return State("orphaned", reason, now_us - quiet, True, state.subject)
    if quiet >= stalled:
        return State("stalled", f"{state.reason}; no commit for {span(quiet)}", now_us - quiet, True, state.subject)
    return state
