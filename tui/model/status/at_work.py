"""What goes on in an open call or step, in words, and when that is doubted because nothing is written for long."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tui.model.records import Op, Session, Turn
from tui.model.status.life import Life, last_sign, life_of
from tui.model.status.table import StateName
from tui.model.status.thresholds import (
    BUSY_CPU,
    MINUTE,
    ORPHANED_AFTER,
    PERMISSION_AFTER,
    SHELL_ORPHANED_AFTER,
    SHELL_STALLED_AFTER,
    STALLED_AFTER,
    WAITING_DOUBTED_AFTER,
    WAITING_ORPHANED_AFTER,
    WRITTEN_AFTER,
)
from tui.text.moments import age, clock, date_and_minute

if TYPE_CHECKING:
    from tui.model.store.store import Store

ASKING = frozenset({"question", "plan_exit"})
"""Tools that run only while a person is being asked."""
GATED = frozenset({"bash", "task", "edit"})
"""Tools that write metadata at once when they are allowed to start; others are slow for honest reasons."""
ASKED_FIRST = frozenset({"write", "multiedit", "apply_patch"})
"""Tools that may have to be allowed, and write nothing before their end, for which they wait for language servers."""

UNTOLD = "it still runs, waits for permission, or its server is dead"
"""What a call may do of which 2.x writes nothing before its end."""


class State(NamedTuple):
    """`name` is one of `status.TABLE`; `reason` a clause for people; `since` the time (µs) it began, 0 unknown;
    `inferred` when the rows do not prove it; `subject` what it is about: a tool, an error, a sub-agent; `was` the state
    that a stalled one is in by its rows; `untold` when nothing is written before its end, so that no passing of time is
    a sign of anything."""

    name: StateName
    reason: str
    since: int
    inferred: bool = False
    subject: str = ""
    was: StateName | None = None
    untold: bool = False


def running_tool(store: Store, session: Session, op: Op, now_us: int) -> State:
    name = f"{op.namespace}: {op.name}" if op.namespace else op.name
    ran_us = now_us - op.start_ts
    ran = age(ran_us)
    if op.extras.get("phase") == "pending":
        state = State(
            "writing", f"the model has been writing the arguments of {name} for {ran}", op.start_ts, subject=name
        )
        return watch(store, session, state, f"{name} is marked pending", now_us)
    if op.tool in ASKING:
        state = State("waiting", f"{name} has waited for an answer for {ran}", op.start_ts, subject=op.label or name)
        return _watch_waiting(store, session, state, now_us)
    if op.extras.get("untold"):
        reason, doubted = f"{name} was called {ran} ago: it runs, or waits for permission", ran_us >= PERMISSION_AFTER
        state = State("tool", reason, op.start_ts, doubted, name, untold=True)
        limits = (SHELL_STALLED_AFTER, SHELL_ORPHANED_AFTER) if op.tool == "bash" else (STALLED_AFTER, ORPHANED_AFTER)
        return watch(store, session, state, f"{name} is marked running", now_us, limits, dead=UNTOLD)
    if not begun(store, session, op) and ran_us >= (WRITTEN_AFTER if op.tool in ASKED_FIRST else PERMISSION_AFTER):
        why = "takes seconds once it is allowed" if op.tool in ASKED_FIRST else "has not begun"
        reason = f"{name} was called {ran} ago and {why}: it probably waits for permission"
        subject = f"{name} {op.label or op.title}".rstrip()
        state = State("permission", reason, op.start_ts, True, subject, untold=op.tool in ASKED_FIRST)
        return _watch_waiting(store, session, state, now_us)
    if op.tool == "bash":
        quiet = "" if op.extras.get("output_bytes") else " with no output"
        state = State("tool", f"{name} has run for {ran}{quiet}", op.start_ts, subject=name)
        limits = (SHELL_STALLED_AFTER, SHELL_ORPHANED_AFTER)
        return watch(store, session, state, f"{name} is marked running", now_us, limits)
    doubt = ", unless it waits for permission" if op.tool in ASKED_FIRST and ran_us >= PERMISSION_AFTER else ""
    untold = op.tool not in GATED and store.called_by(session, op) is None
    state = State("tool", f"{name} has run for {ran}{doubt}", op.start_ts, subject=name, untold=untold)
    return watch(store, session, state, f"{name} is marked running", now_us)


def begun(store: Store, session: Session, op: Op) -> bool:
    """False of a call that shows no sign of work although its tool gives one, or ends, soon after it is allowed to
    start."""
    if op.tool in ASKED_FIRST:
        return bool(op.extras.get("untold"))
    return op.tool not in GATED or bool(op.extras.get("running")) or store.called_by(session, op) is not None


def _watch_waiting(store: Store, session: Session, state: State, now_us: int) -> State:
    """Doubts what waits for a person when that is long ago: nothing is written meanwhile, and a process that lives is
    all there is to know."""
    life, waited_us = life_of(store, session, state.since), now_us - state.since
    if life.lives is False:
        claim = "a question waits" if state.name == "waiting" else "a call waits for permission"
        return left_behind(state, life, claim, now_us)
    if life.lives and life.certain:
        return state
    state = _half_known(state, life)
    if waited_us >= WAITING_ORPHANED_AFTER:
        reason = f"{state.reason}; after so long opencode was probably closed"
        return State("orphaned", reason, state.since, True, state.subject)
    if waited_us >= WAITING_DOUBTED_AFTER:
        return state._replace(reason=f"{state.reason}, unless opencode was closed", inferred=True)
    return state


def _half_known(state: State, life: Life) -> State:
    """With the doubt that one of several has gone that may be the one."""
    if not life.words:
        return state
    when = f" at {clock(life.since)}" if life.since else ""
    return state._replace(reason=f"{state.reason}; {life.words}{when}", inferred=True)


def left_behind(state: State, life: Life, claim: str, now_us: int) -> State:
    """The state of what nobody works on any more, as the processes tell; `claim` is what the rows say of it."""
    when = clock(life.since) if now_us - life.since < 12 * 60 * MINUTE else date_and_minute(life.since)
    if life.seen_to_end:
        reason = f"{life.words} at {when} while {claim}"
    else:
        reason = f"{claim}, and {life.words}; the last sign of it was at {when}"
    return State("orphaned", reason, life.since or state.since, not life.certain, state.subject)


def model_at_work(turn: Turn, now_us: int) -> State:
    """What the model does in a step without a running call, by the newest part that is open."""
    if turn.compacts:
        return State("compacting", f"the context has been compacted for {age(now_us - turn.start_ts)}", turn.start_ts)
    newest: Op | None = None
    for op in reversed(turn.ops.values()):
        if op.kind in ("text", "reasoning", "tool") and newest is None:
            newest = op
        if op.kind in ("text", "reasoning") and op.status == "running":
            name: StateName = "writing" if op.kind == "text" else "thinking"
            return State(name, f"the model has been {name} for {age(now_us - op.start_ts)}", op.start_ts)
    if newest is None:
        waited = age(now_us - turn.start_ts)
        retried = "" if turn.extras.get("retry_told") else "; a retry would leave no trace"
        return State("starting", f"the model has not answered for {waited}{retried}", turn.start_ts)
    done = newest.name if newest.kind == "tool" else newest.kind
    ended = newest.end_ts or newest.start_ts
    return State("between", f"{done} ended {age(now_us - ended)} ago, the step goes on", ended)


def retrying(store: Store, session: Session, turn: Turn, now_us: int) -> State:
    """A request that the provider refused and that is sent again; only 2.x tells. The wait may be long and is nothing
    to be doubted; what comes after it is."""
    at = turn.extras.get("retry_at")
    at = at if isinstance(at, int) else 0
    error = str(turn.extras.get("retry_error") or "")
    words = f"retrying, attempt {turn.extras['retry']}" + (f", next in {age(at - now_us)}" if at > now_us else "")
    state = State("starting", f"{words}: {error}" if error else words, turn.start_ts, subject="retrying")
    return watch(store, session, state, "a retry is due", now_us, waited_until=at)


def watch(
    store: Store,
    session: Session,
    state: State,
    claim: str,
    now_us: int,
    limits: tuple[int, int] = (STALLED_AFTER, ORPHANED_AFTER),
    waited_until: int = 0,
    dead: str = "opencode was probably killed",
    began_us: int = 0,
) -> State:
    """THE place where an active state is doubted. By the processes, where they are known (`life.py`): nobody can be
    working on it, or somebody is. Else by time: nothing has been committed for long, by the session or by anything
    below it, as a parent that waits for its sub-agent is as alive as that one. Silence up to `waited_until` (µs) is
    what was announced. What the end of all patience is taken for is `dead`. Only a process that was there at
    `began_us` can work on it, when the state began unless given."""
    life = life_of(store, session, began_us or state.since)
    if life.lives is False:
        return left_behind(state, life, claim, now_us)
    quiet = now_us - max(last_sign(store, session), waited_until)
    stalled, orphaned = limits
    if life.lives and life.certain:
        return _silent(state, life, quiet, orphaned, now_us) if quiet >= stalled else state
    state = _half_known(state, life)
    if quiet >= orphaned:
        reason = f"no commit for {age(quiet)} while {claim}: {dead}"
        return State("orphaned", reason, now_us - quiet, True, state.subject)
    if quiet >= stalled:
        words = f"{state.reason}; no commit for {age(quiet)}"
        return State("stalled", words, now_us - quiet, True, state.subject, state.name, state.untold)
    return state


def _silent(state: State, life: Life, quiet: int, patience: int, now_us: int) -> State:
    """The state of what has written nothing for long although its opencode lives. A tool may be silent as long as it
    likes; of a model nothing comes, unless its opencode is busy taking it in, for which there is a `patience`, too."""
    process = life.process
    cpu = process.cpu if process is not None else -1.0
    uses = f", its opencode uses {cpu:.1f} % CPU" if cpu >= 0 else ", its opencode lives"
    words = f"{state.reason}; silent for {age(quiet)}{uses}"
    if state.name == "tool" or (cpu >= BUSY_CPU and quiet < patience):
        return state._replace(reason=words)
    return State("stalled", words, now_us - quiet, False, state.subject, state.name, state.untold)
