"""Tokens and money: of a session, of a prompt, of everything below a session.

Sums add up `usage`, what was billed, and never `delta`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from adapter.events import NO_USAGE, Usage
from tui.model.nodes import Session
from tui.model.outline import outline
from tui.model.window import in_directory

if TYPE_CHECKING:
    from tui.model.store import Store


class Own(NamedTuple):
    """A session's own numbers and where they are from: `columns`, `steps`, `messages`, or `unknown` while nothing
    but a row without numbers is loaded."""

    usage: Usage
    cost: float
    origin: str


class Subtree(NamedTuple):
    """The sums over a session and everything below it: `sessions` counts it too, `last_ts` is the newest activity
    (µs)."""

    usage: Usage
    cost: float
    sessions: int
    last_ts: int


class PromptSum(NamedTuple):
    """What the answer to a prompt was billed, what it added to the context (tokens), and what it cost."""

    usage: Usage
    added: int
    cost: float


def total(parts: list[Usage]) -> Usage:
    """The sum of many usages, without a struct for each step on the way."""
    if not parts:
        return NO_USAGE
    return Usage(
        sum([part.input for part in parts]),
        sum([part.output for part in parts]),
        sum([part.reasoning for part in parts]),
        sum([part.cache_read for part in parts]),
        sum([part.cache_write for part in parts]),
    )


def steps_sum(session: Session) -> tuple[Usage, float] | None:
    """The sum over the session's finished model calls (step-finish parts), None when there is none with numbers."""
    steps = [op for turn in session.turns.values() for op in turn.ops.values() if op.kind == "llm"]
    usage, cost = total([op.usage for op in steps]), sum(op.cost for op in steps)
    return (usage, cost) if usage.total or cost else None


def own_usage(session: Session) -> Own:
    """Own tokens and dollars: opencode's columns (from 1.15.0) when they hold anything, else the session's step-finish
    parts, else its messages. Users who jumped over 1.15's one-time backfill have empty columns and full messages."""
    if session.usage is not None or session.cost is not None:
        return Own(session.usage or NO_USAGE, session.cost or 0.0, "columns")
    if session.partial or not session.turns:
        return Own(NO_USAGE, 0.0, "messages" if session.whole else "unknown")
    steps = steps_sum(session)
    if steps is not None:
        return Own(*steps, "steps")
    turns = session.turns.values()
    return Own(total([turn.usage for turn in turns]), sum(turn.cost for turn in turns), "messages")


def own(store: Store, session: Session) -> Own:
    """`own_usage`, kept in the store until the session changes; of one that was given back, where its row tells
    nothing, what it was then."""
    key = (session.source, session.id)
    known: Own | None = store.usages.get(key)
    if known is None:
        found = own_usage(session)
        known = store.usages[key] = store.given_back.get(key, found) if found.origin == "unknown" else found
    return known


def subtree(store: Store, session: Session) -> Subtree:
    """The sums of a session and everything below it; kept until something below changes, so that a frame costs
    nothing and a change costs its ancestors only. No recursion: depth is a stranger's data."""
    key = (session.source, session.id)
    known: Subtree | None = store.subtrees.get(key)
    if known is not None:
        return known
    stack: list[tuple[Session, bool]] = [(session, False)]
    while stack:
        current, below_done = stack.pop()
        children = store.children_of(current)
        missing = [child for child in children if (child.source, child.id) not in store.subtrees]
        if missing and not below_done:
            stack.append((current, True))
            stack.extend((child, False) for child in missing)
            continue
        mine = own(store, current)
        below: list[Subtree] = [store.subtrees[(child.source, child.id)] for child in children]
        store.subtrees[(current.source, current.id)] = Subtree(
            total([mine.usage, *(sums.usage for sums in below)]),
            mine.cost + sum(sums.cost for sums in below),
            1 + sum(sums.sessions for sums in below),
            max(current.last_ts, *(sums.last_ts for sums in below)) if below else current.last_ts,
        )
    found: Subtree = store.subtrees[key]
    return found


def prompt_usage(store: Store, session: Session, prompt_id: str) -> PromptSum:
    """The sums over the turns that answer a prompt."""
    shape = outline(store, session)
    turns = shape.answers.get(prompt_id, [])
    return PromptSum(
        total([turn.usage for turn in turns]),
        sum(shape.growth[turn.message_id] for turn in turns),
        sum(turn.cost for turn in turns),
    )


class Difference(NamedTuple):
    """What opencode's own sum of a session has more (or, negative, less) than the session's steps: tokens, dollars."""

    tokens: int
    cost: float


CENT_SHARE = 1e-4
"""Dollars within which two sums are the same: opencode adds up floats in another order."""


def difference(session: Session) -> Difference | None:
    """Whether the columns of the session row say what its steps add up to; None where there is nothing to compare."""
    if not session.whole or (session.usage is None and session.cost is None):
        return None
    usage, cost = steps_sum(session) or (NO_USAGE, 0.0)
    more = (session.cost or 0.0) - cost
    return Difference((session.usage or NO_USAGE).total - usage.total, more if abs(more) > CENT_SHARE else 0.0)


def contexts(session: Session, last: int | None = None) -> list[int]:
    """The prompt that went out with each step, in tokens, of the `last` steps or all; steps that report none are left
    out."""
    sizes = (turn.usage.context for turn in reversed(session.turns.values()) if turn.usage.context)
    return list(islice(sizes, last))[::-1]


def context_used(session: Session) -> int:
    """What opencode itself shows as used: all counters of the last answer that has output (1.2 to 1.18)."""
    return next((turn.usage.total for turn in reversed(session.turns.values()) if turn.usage.output), 0)


def context_window(store: Store, session: Session) -> int:
    """The tokens that the model of the newest step can take, 0 when that is not known."""
    newest = next(reversed(session.turns.values()), None)
    alias, model = (newest.provider_alias, newest.model) if newest is not None else ("", "")
    return in_directory(store.limits, session.cwd)(alias or session.provider_alias, model or session.model)


class FileSum(NamedTuple):
    """Lines that the calls of a session added to and removed from one file."""

    name: str
    added: int
    removed: int


def changed_files(session: Session) -> list[FileSum]:
    """The files that the session's own finished edits changed, in the order in which they did first."""
    sums: dict[str, tuple[int, int]] = {}
    for turn in session.turns.values():
        for op in turn.ops.values():
            added, removed = op.extras.get("additions"), op.extras.get("deletions", 0)
            if op.kind == "tool" and op.status == "completed" and isinstance(added, int) and isinstance(removed, int):
                name = op.label or op.title or op.name
                before = sums.get(name, (0, 0))
                sums[name] = (before[0] + added, before[1] + removed)
    return [FileSum(name, *lines) for name, lines in sums.items()]
