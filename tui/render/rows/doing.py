"""What goes on in a session, in a few words: for its row, for that of the call that started it, for the list of agents.

Two things are told apart because a narrow row cuts them differently: `flags`, what must be seen (a state that is no
ordinary one, a loop, failures, an exit code), and what it does or said last, which may be cut.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rich.cells import cell_len

from tui.model.records import Op, Session
from tui.model.status import state
from tui.model.status.flags import Flag, flags, looping
from tui.model.status.last_words import last_words
from tui.model.status.state import State
from tui.model.status.table import ACTIVE, BY_NAME
from tui.model.status.thresholds import LOOK_BELOW
from tui.model.store.store import Store
from tui.model.tree.children import outline
from tui.render import numbers
from tui.render.glyphs import mark
from tui.render.lines import Line, Span
from tui.render.rows import summaries

ACTS = 3
"""Sub-agents whose present act a row names; of more there is the number alone."""
_WORDLESS = frozenset({"writing", "thinking", "starting", "between", "compacting"})
"""States that say nothing of what is worked on: the last words of the agent do."""


class Doing(NamedTuple):
    """`flags` are cut last, `words` first, but for `head` cells of them. Each span begins with its own gap."""

    flags: Line = ()
    words: Line = ()
    head: int = 0


def doing(store: Store, session: Session, now: State, now_us: int) -> Doing:
    """What a session does in the state `now`, or how it ended and what it said last."""
    if now.name not in ACTIVE:
        return _over(store, session, now, now_us)
    found = flags(store, session, now_us, True)
    # Of what is silent its time says how long.
    odd: list[Span] = [(f"  {flag.brief}", "warn") for flag in found if now.name != "stalled" or flag.name != "long"]
    if now.name == "delegating":
        odd += [(f"  {loop.brief}", "warn") for loop in _loops_below(store, session)]
    role = mark(now.name).role
    act = act_words(store, session, now, now_us)
    if now.name == "tool" and any(flag.brief.endswith(f" {now.subject}") for flag in found):
        # The flag has named the tool.
        return Doing(odd, [(f"  {act.removeprefix(now.subject).lstrip()}", role)])
    words: list[Span] = [(f"  {act}", role)]
    said = last_words(store, session) if now.name in _WORDLESS else ""
    if said:
        words.append((f"  {said}", "dim"))
    return Doing(odd, words, min(cell_len(act) + 2, _HEAD))


_HEAD = 15
"""Cells of an act that are seen before a title is whole: `between steps` with its gap, of a call which tool it is."""


def act_words(store: Store, session: Session, now: State, now_us: int, steps: Collection[str] | None = None) -> str:
    """The present act: `bash npm test`, `may bash touch release.tag ?`, `silent, bash npm test`, `3 agents  …`. Of the
    agents those that these `steps` have called, by message id; all of the session where none are given."""
    if now.name == "delegating":
        return _agents(store, session, now_us, steps)
    call = _call(store, session, now)
    if now.name == "permission":
        return f"may {now.subject} ?"
    if now.name == "waiting":
        asked = now.subject or "a question"
        # After so long, or when one of several opencodes has ended, nobody may be there to hear an answer.
        return f"{state_words(now)} {asked}" if now.inferred else asked
    if now.name == "stalled":
        if call is not None:
            return f"silent, {call.name} {summaries.subject_of(call)}".rstrip()
        return f"silent, {now.subject}" if now.subject else f"silent{_SILENT.get(now.was or '', '')}"
    if now.name == "tool" and call is not None:
        # Behind the subject the mark would be a part of a command.
        return f"{call.name}{'?' * now.inferred} {summaries.subject_of(call)}".rstrip()
    return state_words(now)


_SILENT = {
    "starting": ", the model was asked",
    "writing": " while writing",
    "thinking": " while thinking",
    "between": " between steps",
    "compacting": " while compacting",
}


def state_words(now: State, name: str = "") -> str:
    """The state in a word or two: `thinking`, `stalled?`; the question mark says that it is inferred. A tool is not
    named where its `name` stands already."""
    if now.name == "tool" and now.subject and now.subject == name:
        return "running?" if now.inferred else "running"
    words = now.subject if now.name in ("starting", "tool") and now.subject else mark(now.name).word
    return words + "?" if now.inferred else words


def _call(store: Store, session: Session, now: State) -> Op | None:
    """The open call that a state is about."""
    turn = state.newest_turn(session)
    calls = state.open_ops(turn) if turn is not None else []
    return next((op for op in calls if op.name == now.subject), None)


def at_work_below(store: Store, session: Session, now_us: int) -> list[tuple[Session, State]]:
    """The sub-agents directly below a session in which something goes on, oldest first, with what they do."""
    found: list[tuple[Session, State]] = []
    for child in store.children_of(session)[-LOOK_BELOW:]:
        now = state.session_state(store, child, now_us)
        if now.name in ACTIVE:
            found.append((child, now))
    return found


def _agents(store: Store, session: Session, now_us: int, steps: Collection[str] | None) -> str:
    below = [(child, now) for child, now in at_work_below(store, session, now_us) if _is_of(store, child, steps)]
    if not below:
        return mark("delegating").word
    acts = []
    for child, now in below[:ACTS]:
        # Of an agent that waits for its own agents what those do says more.
        whose, act = state.loudest(store, child, now_us) if now.name == "delegating" else (child, now)
        acts.append(mark(act.name).word if act.name == "delegating" else act_words(store, whose, act, now_us))
    more = [f"{len(below) - ACTS} more"] if len(below) > ACTS else []
    return f"{numbers.plural(len(below), 'agent')}  {' · '.join(acts + more)}"


def _is_of(store: Store, child: Session, steps: Collection[str] | None) -> bool:
    call = store.task_op_of(child) if steps is not None else None
    return steps is None or (call is not None and call.message_id in steps)


def _loops_below(store: Store, session: Session) -> list[Flag]:
    """The loops of the sub-agents of a session, at any depth; no more than LOOK_BELOW of them are looked at."""
    found: list[Flag] = []
    stack = list(store.children_of(session)[-LOOK_BELOW:])
    for _ in range(LOOK_BELOW):
        if not stack:
            break
        child = stack.pop()
        stack += store.children_of(child)[-LOOK_BELOW:]
        if state.is_open(child) and (loop := looping(child)) is not None:
            found.append(loop)
    return found


def _over(store: Store, session: Session, now: State, now_us: int) -> Doing:
    loop = looping(session)
    odd: list[Span] = [(f"  {loop.brief}", "dim")] if loop is not None else []
    look = mark(now.name)
    if now.name == "failed":
        return Doing(odd, [(f"  {now.reason or look.word}", look.role)])
    if now.name in ("aborted", "orphaned", "suspended"):
        odd.insert(0, (f"  {look.word}{'?' if now.inferred else ''}", look.role))
    elif now.name == "idle" and now.subject:
        odd.insert(0, (f"  {now.subject}", "warn"))
    said = last_words(store, session).lstrip("#>*- ")
    return Doing(odd, [(f'  "{said}"', "dim")] if said else ())


def went_wrong_below(store: Store, session: Session, prompt_id: str = "") -> Line:
    """How many calls of a session, or of the answer to one prompt, went wrong: what a folded row hides. Nothing of a
    session that is still being read, of which that many would not be true."""
    if prompt_id:
        return failures(outline(store, session).failed.get(prompt_id, 0))
    if session.whole:
        return failures(sum(outline(store, session).failed.values()))
    kept = store.given_back.get(session.key)
    return failures(kept.failed) if kept is not None else []


def failures(count: int) -> Line:
    """`✗3`, or nothing."""
    return [(f"  {BY_NAME['failed'].glyph}{count}", "bad")] if count else []
