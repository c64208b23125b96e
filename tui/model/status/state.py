"""What a session, a prompt, a turn or an op is doing, and why we say so. Pure: the time comes in as `now_us`.

opencode keeps busy, idle, retry, permission and question in memory only (facts read from 1.18.33's run loop), so
everything here is read off the rows. Where the rows allow more than one story the state is `inferred` and its reason
says so. An op or turn that has ended has the name of its end: `completed`, `failed`, `aborted`, `cancelled`,
`truncated`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.model.records import Key, Op, Prompt, Session, Turn, op_id, op_key, prompt_key, session_key, turn_key
from tui.model.status.at_work import State as State  # for everybody who asks this module
from tui.model.status.at_work import left_behind, model_at_work, retrying, running_tool, watch
from tui.model.status.life import life_of
from tui.model.status.outcome import exit_code, went_wrong
from tui.model.status.table import ACTIVE, StateName, end_of, urgency
from tui.model.status.thresholds import BETWEEN_LIMIT, LOOK_BELOW, SHELL_ORPHANED_AFTER
from tui.text.moments import age, ago, clock, duration

if TYPE_CHECKING:
    from tui.model.store.store import Store

GO_ON = frozenset({"tool-calls", "unknown"})
"""Values of `finish` after which opencode's loop takes another step (session/prompt.ts)."""

_SHOWN_THROUGH = frozenset[StateName]({"waiting", "permission", "stalled", "orphaned"})
"""States of a sub-agent that are the states of the call, too; while one writes or thinks, its parent waits."""


_STAYS = "it stays there until its session goes on"
"""What becomes of a prompt whose server is gone."""
_NOT_CLAIMED = "never closed, and no turn is going on: its server ended"

_DELEGATED = State("delegating", "", 0)
"""Of a session that only waits for open sessions below it, while those are asked: they answer for it."""


# -- sessions ---------------------------------------------------------------------------------------------------


def session_state(store: Store, session: Session, now_us: int) -> State:
    """What a session is doing. While it waits for sub-agents that is what they do, as far as it matters above."""
    state = _session(store, session, now_us, True)
    cut_us = store.cut.get(session.source, 0)
    if not cut_us or state.name not in ACTIVE:
        return state
    return state._replace(reason=f"{state.reason}, when it was seen last at {clock(cut_us)}")


def own_state(store: Store, session: Session, now_us: int) -> State | None:
    """What a session is doing without a look at those below; None when it only waits for them, who answer for it."""
    state = _session(store, session, now_us, False)
    return None if state.name == _DELEGATED.name else state


def _session(store: Store, session: Session, now_us: int, look: bool) -> State:
    state = _by_what_is_seen(store, session, seen_at(store, session, now_us), look)
    # What it did then it need not do now.
    return state._replace(inferred=True) if state.name in ACTIVE and store.cut.get(session.source) else state


def seen_at(store: Store, session: Session, now_us: int) -> int:
    """The time at which a session is judged: now, or where nobody sees it any more that of the last sight of it."""
    return min(now_us, store.cut.get(session.source) or now_us)


def _by_what_is_seen(store: Store, session: Session, now_us: int, look: bool) -> State:
    state = _by_rows(store, session, now_us, look)
    if state.name == "idle" and (waiting := waiting_prompts(session)):
        return _waiting(store, session, waiting, now_us)
    if state.name == "idle" and (aside := in_background(session)):
        state = _aside(store, session, aside[-1], now_us) or state
    if look and state.name == "idle" and (below := _below(store, store.children_of(session), now_us)) is not None:
        return _shown_above(*below) if below[1].name in ACTIVE else state
    if state.name in ACTIVE and (nobody := _left_by_its_call(store, session)):
        return State("orphaned", nobody, state.since, True)
    return state


def _by_rows(store: Store, session: Session, now_us: int, look: bool) -> State:
    if session.final_status == "completed":
        return State("archived", "archived", session.end_ts)
    if session.extras.get("revert_message_id"):
        return State("idle", "reverted: the messages after that point go with the next prompt", session.last_ts)
    if session.extras.get("suspended"):
        return _suspended(session)
    if not session.whole:
        if session.final_status == "failed":
            return _failed(session.error_class, session.error_message, session.end_ts)
        if session.final_status == "aborted":
            return _aborted(session.error_message, session.end_ts)
        return State("idle", "its turns are not loaded", session.last_ts)
    prompt = unanswered(session)
    turn = newest_turn(session)
    if turn is not None and _is_command(turn):
        return _newest_turn(store, session, turn, now_us, look)
    if told_idle(session):
        return _told_idle(store, session, turn, now_us, look)
    claimed = session.extras.get("claimed")
    if claimed is False:
        return _unclaimed(store, session, turn, now_us, look)
    if claimed and prompt is None and (turn is None or not (open_ops(turn) or turn.status == "running")):
        return _claimed(store, session, turn, now_us)
    if turn is not None and (prompt is None or open_ops(turn) or turn.status == "running"):
        return _newest_turn(store, session, turn, now_us, look)
    if prompt is not None:
        return _unanswered(store, session, prompt, now_us)
    return State("idle", "no prompt yet", session.start_ts)


def is_open(session: Session) -> bool:
    """False when no passing of time can change the session's state: nothing in it waits to go on."""
    extras = session.extras
    if session.final_status == "completed" or not session.whole or extras.get("revert_message_id"):
        return False
    newest = newest_turn(session)
    if (newest is not None and _is_command(newest)) or in_background(session):
        return True
    if told_idle(session) or extras.get("suspended"):
        return False
    claimed = extras.get("claimed")
    if claimed is not None:
        return bool(claimed)
    turn = newest_turn(session)
    return (
        unanswered(session) is not None
        or bool(waiting_prompts(session))
        or (turn is not None and turn.status == "running")
        or (turn is not None and (bool(open_ops(turn)) or (turn.status == "completed" and turn.finish in GO_ON)))
    )


def waiting_prompts(session: Session) -> list[Prompt]:
    """The prompts of a session that have not been taken up, oldest first."""
    return [prompt for prompt in session.prompts.values() if prompt.waits]


def _waiting(store: Store, session: Session, waiting: list[Prompt], now_us: int) -> State:
    """The state of a session in which nothing goes on but that prompts wait."""
    first = waiting[0].ts
    count = "a prompt has" if len(waiting) == 1 else f"{len(waiting)} prompts have"
    words = f"{count} waited for {age(now_us - first)}"
    if session.extras.get("claimed") is False or session.extras.get("revert_message_id"):
        return State("idle", f"{words}, and no turn is going on that would take it up", first)
    return watch(
        store,
        session,
        State("starting", words, first, subject="waits"),
        "a prompt waits",
        now_us,
        dead=_STAYS,
        began_us=now_us,
    )


def in_background(session: Session) -> list[Op]:
    """The commands that went on in the background and of whose end no notice has come, oldest first."""
    if not session.aside:
        return []
    told = {(prompt.extras.get("about"), prompt.ts) for prompt in session.prompts.values() if "notice" in prompt.extras}
    ops = [op for turn in session.turns.values() for name, op in turn.ops.items() if name in session.aside]
    return [op for op in ops if not any(name in op.extras["told_as"] and ts >= op.start_ts for name, ts in told)]


def _aside(store: Store, session: Session, op: Op, now_us: int) -> State | None:
    """What is said of a command in the background; None when it has been quiet for so long that only its row says it:
    nothing is written before its end, and none if its server dies."""
    ran = now_us - op.start_ts
    if session.extras.get("suspended") or ran >= SHELL_ORPHANED_AFTER:
        return None
    if life_of(store, session, op.start_ts).lives is False:
        return None
    words = f"{op.name} was put into the background {age(ran)} ago, and its end has not been told"
    return State("tool", words, op.start_ts, True, op.name)


def _left_by_its_call(store: Store, session: Session) -> str:
    """Why nobody works on what is open in a sub-agent of 2.x, "" where somebody may: the call that started it has
    ended, which repairs nothing below it, and nobody has prompted it since. One in the background goes on."""
    call = store.task_op_of(session) if session.parent_id else None
    if call is None or call.status == "running" or call.extras.get("background") or "child_agent" not in call.extras:
        return ""
    prompt = session.newest_prompt
    if call.end_ts and prompt is not None and prompt.ts > call.end_ts:
        return ""
    return f"its call ended ({call.error_message or call.status}) and left it open"


def _is_command(turn: Turn) -> bool:
    """Whether this is a command of the user's that runs: it needs no turn of the model to be going on."""
    return turn.status == "running" and bool(turn.extras.get("by_user"))


def told_idle(session: Session) -> bool:
    """Whether opencode itself has written that nothing goes on (2.x: `idle_outcome`, `idle_ts`): no turn is claimed, or
    where that is not told, it was after all that the session was asked and began since."""
    idle_ts = session.extras.get("idle_ts")
    if not session.extras.get("idle_outcome") or not isinstance(idle_ts, int):
        return False
    claimed = session.extras.get("claimed")
    if claimed is not None:
        return not claimed
    prompt, turn = session.newest_prompt, newest_turn(session)
    return idle_ts >= max(prompt.ts if prompt else 0, turn.start_ts if turn else 0)


def loudest(store: Store, session: Session, now_us: int) -> tuple[Session, State]:
    """The most urgent state in a session and everything below it, and whose it is: what a folded row shows. What is
    over below does not count, so that an old failure of a sub-agent does not outshout its parent. For a session that
    only waits for its sub-agents they answer."""
    own = (session, session_state(store, session, now_us))
    below = _below(store, store.children_of(session), now_us)
    if below is None or below[1].name not in ACTIVE:
        return own
    mine = own_state(store, session, now_us)
    only_waits = mine is None or mine.name not in ACTIVE
    return below if only_waits or urgency(below[1].name) > urgency(own[1].name) else own


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
    """The newest prompt that was taken up, while no turn answers it."""
    prompt = session.newest_prompt
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


def open_nodes(session: Session) -> set[Key]:
    """The nodes of a session that is open of which the state may follow from something else than their rows."""
    found = {session_key(session)}
    if (turn := newest_turn(session)) is not None:
        found |= {turn_key(session, turn), *(op_key(session, op) for op in open_ops(turn))}
    if (prompt := session.newest_prompt) is not None:
        found.add(prompt_key(session, prompt))
    return found


def _failed(error_class: str, message: str, since: int) -> State:
    reason = f"{error_class}: {message}" if error_class and message else error_class or message or "it failed"
    return State("failed", reason, since, subject=error_class)


def _aborted(message: str, since: int) -> State:
    return State("aborted", message or "stopped by the user", since)


def _unanswered(store: Store, session: Session, prompt: Prompt, now_us: int) -> State:
    waited = age(now_us - prompt.ts)
    if prompt.extras.get("compaction"):
        state = State("compacting", f"the context is to be compacted, asked for {waited} ago", prompt.ts)
    else:
        state = State("starting", f"the prompt has had no answer for {waited}", prompt.ts)
    return watch(store, session, state, "a prompt is unanswered", now_us)


def _newest_turn(store: Store, session: Session, turn: Turn, now_us: int, look: bool) -> State:
    state = _turn(store, session, turn, now_us, look)
    if state.name not in ("completed", "truncated"):
        return state
    if turn.finish in GO_ON:
        ended = age(now_us - turn.end_ts)
        refused = next((op for op in turn.ops.values() if _is_refused(op)), None)
        if refused is not None:
            words = "was refused" if refused.error_class == "PermissionRejected" else "got no answer"
            reason = f"{refused.name} {words} {ended} ago, and opencode stopped"
            return State("idle", reason, turn.end_ts, True, f"{refused.name} {words}")
        state = State("between", f"a step ended {ended} ago, the next one follows", turn.end_ts)
        life = life_of(store, session, turn.end_ts)
        if life.lives is False and (life.seen_to_end or now_us - turn.end_ts < BETWEEN_LIMIT):
            return left_behind(state, life, "the next step is due", now_us)
        if now_us - turn.end_ts < BETWEEN_LIMIT:
            return state
        return State("idle", f"its last step ended {ended} ago with tool calls, and none followed", turn.end_ts, True)
    if turn.finish == "length":
        return State("idle", "its answer was cut at the output limit", turn.end_ts, subject="cut at the limit")
    if turn.finish == "content-filter":
        reason = "its answer was stopped by the provider's filter"
        return State("idle", reason, turn.end_ts, subject="stopped by the filter")
    return State("idle", f"it answered {ago(now_us - turn.end_ts)} ago", turn.end_ts)


def _is_refused(op: Op) -> bool:
    """Whether a person refused a call without saying what to do instead: with that opencode goes on."""
    return op.error_class in ("PermissionRejected", "QuestionDismissed") and "feedback" not in op.error_message


_OUTCOMES: dict[str, tuple[StateName, str]] = {
    "succeeded": ("idle", "succeeded"),
    "failed": ("failed", "failed"),
    "interrupted": ("aborted", "was interrupted"),
}
_STOPPED: tuple[StateName, str] = ("idle", "stopped")
"""opencode's word for how a run ended (2.x, session_v2.idle_outcome) -> the state, and the word in a sentence."""
_BAD_OUTCOMES = frozenset({"failed", "interrupted"})
"""Those that an answer before them does not make good."""


def _told_idle(store: Store, session: Session, turn: Turn | None, now_us: int, look: bool) -> State:
    """The end that opencode wrote down, where the newest step does not say more."""
    if turn is not None and turn.status != "running" and not open_ops(turn):
        state = _turn(store, session, turn, now_us, look)
        # A compaction that finds nothing to do is a step that failed in a turn that succeeded.
        made_good = state.name == "failed" and session.extras["idle_outcome"] == "succeeded"
        if state.name != "completed" and not made_good:
            return state
        if not made_good and turn.finish not in GO_ON and session.extras["idle_outcome"] not in _BAD_OUTCOMES:
            return _newest_turn(store, session, turn, now_us, look)
    name, words = _OUTCOMES.get(session.extras["idle_outcome"], _STOPPED)
    since = int(session.extras["idle_ts"])
    return State(name, f"opencode says that it {words} {age(now_us - since)} ago", since)


def _suspended(session: Session) -> State:
    since = session.extras.get("claimed_ts")
    words = "its server was stopped in the middle of a turn, and the next start goes on with it"
    return State("suspended", words, since if isinstance(since, int) else 0)


def _unclaimed(store: Store, session: Session, turn: Turn | None, now_us: int, look: bool) -> State:
    """The state while opencode says that no turn is going on, and not how the last one ended."""
    if turn is None:
        return State("idle", "no prompt yet", session.start_ts)
    if turn.status == "running" or open_ops(turn):
        return State("orphaned", _NOT_CLAIMED, turn.start_ts)
    state = _turn(store, session, turn, now_us, look)
    if state.name == "completed" and turn.finish in GO_ON:
        return State("idle", f"its last step ended {age(now_us - turn.end_ts)} ago, and no turn goes on", turn.end_ts)
    return state if state.name != "completed" else _newest_turn(store, session, turn, now_us, look)


def _claimed(store: Store, session: Session, turn: Turn | None, now_us: int) -> State:
    """The state while opencode says that a turn is going on and no row is open: between two steps, or in front of the
    first, nothing is written until the model begins to answer."""
    began = session.extras.get("claimed_ts")
    began = began if isinstance(began, int) else session.start_ts
    # What is resumed by the next server may have begun long before that.
    able = now_us if "resume_attempts" in session.extras else began
    if turn is not None and turn.status in ("aborted", "failed") and turn.end_ts >= began:
        if "resume_attempts" in session.extras:
            # A user's stop gives the claim back; a server that is stopped keeps it.
            words = "a turn is going on, but its last step was stopped: the next start of its server goes on with it"
            return State("suspended", words, turn.end_ts, True)
        return _turn(store, session, turn, now_us, False)
    since = max(began, turn.end_ts if turn is not None else 0)
    if turn is None:
        words = f"a turn is going on, and the model has not begun to answer for {age(now_us - since)}"
        return watch(store, session, State("starting", words, since), "a turn is going on", now_us, began_us=able)
    state = State("between", f"a turn is going on, the next step has not begun for {age(now_us - since)}", since)
    return watch(store, session, state, "a turn is going on", now_us, began_us=able)


# -- prompts, turns, ops ----------------------------------------------------------------------------------------


def prompt_state(store: Store, session: Session, prompt: Prompt, now_us: int) -> State:
    """What the answer to a prompt is doing: the state of its newest turn, or of the wait for the first."""
    now_us = seen_at(store, session, now_us)
    for turn in reversed(session.turns.values()):
        if turn.prompt_id == prompt.message_id:
            if turn is newest_turn(session):
                state = _newest_turn(store, session, turn, now_us, True)
                return State("completed", state.reason, state.since, state.inferred) if state.name == "idle" else state
            state = turn_state(store, session, turn, now_us)
            # How long its last step took says nothing of how long the answer did.
            return state._replace(reason="") if state.name == "completed" else state
    if prompt.waits:
        return _waiting(store, session, [prompt], now_us)
    if prompt is unanswered(session):
        current = newest_turn(session)
        if current is not None and current.status == "running":
            return State("starting", "queued behind the step that runs", prompt.ts)
        return _unanswered(store, session, prompt, now_us)
    return State("completed", "no answer is recorded, and later prompts follow", prompt.ts, True)


def turn_state(store: Store, session: Session, turn: Turn, now_us: int) -> State:
    """What a step is doing, or how it ended."""
    return _turn(store, session, turn, seen_at(store, session, now_us), True)


def _turn(store: Store, session: Session, turn: Turn, now_us: int, look: bool) -> State:
    if turn.status == "aborted":
        return _aborted(turn.error_message, turn.end_ts)
    if turn.status == "failed":
        return _failed(turn.error_class, turn.error_message, turn.end_ts)
    newest = turn is newest_turn(session)
    if turn.status == "running" and session.extras.get("claimed") is False and not _is_command(turn):
        return State("orphaned", _NOT_CLAIMED, turn.start_ts)
    if turn.status == "running" and (nobody := _left_by_its_call(store, session)):
        return State("orphaned", nobody, turn.start_ts, True)
    if newest:
        calls = [_op(store, session, op, now_us, look) for op in open_ops(turn)]
        if calls:
            first = max(calls, key=lambda state: (urgency(state.name), not state.untold, -state.since))
            more = f", and {len(calls) - 1} more" if len(calls) > 1 else ""
            return first._replace(reason=first.reason + more)
    if turn.status == "completed":
        if turn.finish == "length":
            return State("truncated", "cut at the output limit", turn.end_ts)
        took = duration(turn.end_ts - turn.start_ts)
        return State("completed", f"done in {took}", turn.end_ts, subject=turn.finish)
    if not newest:
        return State(
            "orphaned", "never closed, and later steps follow: opencode was probably killed", turn.start_ts, True
        )
    if turn.extras.get("retry"):
        return retrying(store, session, turn, now_us)
    state = model_at_work(turn, now_us)
    return watch(store, session, state, "a step is marked running", now_us)


def op_state(store: Store, session: Session, op: Op, now_us: int) -> State:
    """What a call, a text, a thought or a sub-agent is doing, or how it ended. A call that started a sub-agent is
    active as long as that one is: a background task ends at once for its parent."""
    return _op(store, session, op, seen_at(store, session, now_us), True)


def _op(store: Store, session: Session, op: Op, now_us: int, look: bool) -> State:
    child = _own_child(store, session, op)
    if child is not None:
        if not look and is_open(child):
            return _DELEGATED
        inner = _below(store, [child], now_us) if look else None
        if inner is not None and (op.status == "running" or inner[1].name in ACTIVE):
            return _shown_above(*inner)
    if op_id(op.part_id, op.kind) in session.aside and op in in_background(session):
        ended = f"put into the background {age(now_us - op.end_ts)} ago, and its end was never told"
        return _aside(store, session, op, now_us) or State("completed", ended, op.end_ts)
    if op.status != "running":
        if op.status == "failed":
            return _failed(op.error_class, op.error_message, op.end_ts)
        if went_wrong(op):
            return State("failed", f"exit {exit_code(op)}", op.end_ts)
        took = duration(op.end_ts - op.start_ts)
        words = {"completed": f"done in {took}", "truncated": "cut at the output limit"}
        return State(end_of(op.status), words.get(op.status) or op.error_message or "cancelled", op.end_ts)
    turn = session.turns.get(op.message_id)
    if turn is None or turn is not newest_turn(session):
        return State(
            "orphaned", "never closed, and later steps follow: opencode was probably killed", op.start_ts, True
        )
    if turn.status in ("failed", "aborted"):
        return State("orphaned", f"its step {turn.status} without closing it", op.start_ts, True)
    if session.extras.get("claimed") is False and not _is_command(turn):
        return State("orphaned", _NOT_CLAIMED, op.start_ts)
    if nobody := _left_by_its_call(store, session):
        return State("orphaned", nobody, op.start_ts, True)
    return _running_op(store, session, turn, op, now_us)


def _shown_above(whose: Session, state: State) -> State:
    """What is said above of the sub-agent whose state this is."""
    name: StateName = state.name if state.name in _SHOWN_THROUGH else "delegating"
    who = f"sub-agent {whose.agent}" if whose.agent else "a sub-agent"
    return state._replace(name=name, reason=f"{who}: {state.reason}", subject=state.subject or whose.agent)


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
    ran = age(now_us - op.start_ts)
    if op.kind == "tool":
        return running_tool(store, session, op, now_us)
    if op.kind == "text":
        state = State("writing", f"the model has been writing for {ran}", op.start_ts)
    elif op.kind == "reasoning":
        state = State("thinking", f"the model has been thinking for {ran}", op.start_ts)
    elif op.kind == "compaction":
        state = State("compacting", f"the context has been compacted for {ran}", op.start_ts)
    elif op.kind == "session":
        state = State("tool", f"sub-agent {op.label or op.name} has run for {ran}", op.start_ts, subject=op.name)
    else:
        state = model_at_work(turn, now_us)
    return watch(store, session, state, f"{op.name or op.kind} is marked running", now_us)
