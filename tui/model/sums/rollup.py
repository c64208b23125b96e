"""Tokens and money: of a session, of a prompt, of everything below a session.

Sums add up `usage`, what was billed, and never `delta`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from adapter.events import NO_USAGE, Usage
from tui.model.records import Session, Turn
from tui.model.status.thresholds import CONTEXT_IMPLAUSIBLE
from tui.model.sums.copied import own_turns
from tui.model.sums.window import in_directory
from tui.model.tree.children import outline

if TYPE_CHECKING:
    from tui.model.store.store import Store


class Doubt(NamedTuple):
    """Which sums are less than what the steps prove."""

    tokens: bool = False
    cost: bool = False


NO_DOUBT = Doubt()


class Own(NamedTuple):
    """A session's own numbers and where they are from: `columns`, `steps`, `messages`, or `unknown` while nothing
    but a row without numbers is loaded."""

    usage: Usage
    cost: float
    origin: str
    doubt: Doubt = NO_DOUBT


class Subtree(NamedTuple):
    """The sums over a session and everything below it, or over several such trees: how many `sessions` they are,
    `last_ts` the newest activity (µs, 0 for no tree); in `doubt` when that of any of them is."""

    usage: Usage
    cost: float
    sessions: int
    last_ts: int
    doubt: Doubt = NO_DOUBT


class PromptSum(NamedTuple):
    """What the answer to a prompt was billed, what it added to the context (tokens), and what it cost."""

    usage: Usage
    added: int
    cost: float


def _any_of(doubts: list[Doubt]) -> Doubt:
    return Doubt(any(one.tokens for one in doubts), any(one.cost for one in doubts))


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


def written(usage: Usage) -> int:
    """Tokens that a model wrote, its reasoning among them: `out`, wherever that is one figure. Up to 1.3.2 reasoning
    is in the output already and counts twice."""
    return usage.output + usage.reasoning


def _billed(session: Session) -> Iterable[Turn]:
    """The steps that the session's own sum counts: in 2.x a fork begins at 0."""
    return own_turns(session) if session.extras.get("sums_apart") else session.turns.values()


def steps_sum(session: Session) -> tuple[Usage, float] | None:
    """The sum over the session's finished model calls (step-finish parts), None when there is none with numbers."""
    steps = [op for turn in _billed(session) for op in turn.ops.values() if op.kind == "llm"]
    usage, cost = total([op.usage for op in steps]), sum(op.cost for op in steps)
    return (usage, cost) if usage.total or cost else None


def proven(session: Session) -> tuple[Usage, float, str]:
    """What the session's rows add up to, and which of them: its step-finish parts, else its messages."""
    steps = steps_sum(session)
    if steps is not None:
        return *steps, "steps"
    turns = _billed(session)
    return total([turn.usage for turn in turns]), sum(turn.cost for turn in turns), "messages"


def own_usage(session: Session) -> Own:
    """Own tokens and dollars: opencode's columns (from 1.15.0) when they hold anything, else what is `proven`. Users
    who jumped over 1.15's one-time backfill have empty columns and full messages."""
    if session.usage is not None or session.cost is not None:
        return Own(session.usage or NO_USAGE, session.cost or 0.0, "columns", _doubt(session))
    if session.partial or not session.turns:
        return Own(NO_USAGE, 0.0, "messages" if session.whole else "unknown")
    return Own(*proven(session))


def own(store: Store, session: Session) -> Own:
    """`own_usage`, kept in the store until the session changes; of one that was given back, where its row tells
    nothing or the same as then, what it was then."""
    key = session.key
    known = store.usages.get(key)
    if known is None:
        found = own_usage(session)
        kept = store.given_back.get(key)
        before = kept.sums if kept is not None else found
        same = found.origin == "unknown" or found == before._replace(doubt=NO_DOUBT)
        known = store.usages[key] = before if same else found
    return known


def subtree(store: Store, session: Session) -> Subtree:
    """The sums of a session and everything below it; kept until something below changes, so that a frame costs
    nothing and a change costs its ancestors only. No recursion: depth is a stranger's data."""
    key = session.key
    known = store.subtrees.get(key)
    if known is not None:
        return known
    stack: list[tuple[Session, bool]] = [(session, False)]
    while stack:
        current, below_done = stack.pop()
        children = store.children_of(current)
        missing = [child for child in children if child.key not in store.subtrees]
        if missing and not below_done:
            stack.append((current, True))
            stack.extend((child, False) for child in missing)
            continue
        mine = own(store, current)
        itself = Subtree(mine.usage, mine.cost, 1, current.last_ts, mine.doubt)
        store.subtrees[current.key] = _together([itself, *(store.subtrees[child.key] for child in children)])
    found = store.subtrees[key]
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


def called_by(store: Store, session: Session, steps: Collection[str]) -> Subtree:
    """The sums over the sub-agents that hang under the calls of these steps (message ids), with all that is below
    them."""
    by_step = _called(store, session)
    if len(by_step) < len(steps):
        return _together([tree for step, tree in by_step.items() if step in steps])
    return _together([by_step[step] for step in steps if step in by_step])


def _called(store: Store, session: Session) -> dict[str, Subtree]:
    """The sums of the sub-agents of each step that called any; kept as long as the sum of the session itself."""
    key = session.key
    known = store.called.get(key)
    if known is not None:
        return known
    # A cached sum implies cached sums below: they are forgotten upwards, as far as there are any.
    subtree(store, session)
    trees: dict[str, list[Subtree]] = {}
    for child in store.children_of(session):
        call = store.task_op_of(child)
        if call is not None:
            trees.setdefault(call.message_id, []).append(subtree(store, child))
    known = store.called[key] = {step: _together(below) for step, below in trees.items()}
    return known


def _together(trees: list[Subtree]) -> Subtree:
    """The sum of some trees."""
    if len(trees) == 1:
        return trees[0]
    return Subtree(
        total([tree.usage for tree in trees]),
        sum([tree.cost for tree in trees]),
        sum([tree.sessions for tree in trees]),
        max([tree.last_ts for tree in trees], default=0),
        _any_of([tree.doubt for tree in trees]),
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
    usage, cost, _ = proven(session)
    more = (session.cost or 0.0) - cost
    return Difference((session.usage or NO_USAGE).total - usage.total, more if abs(more) > CENT_SHARE else 0.0)


def _doubt(session: Session) -> Doubt:
    """1.x adds each step to the columns, so they cannot hold less than the steps that are there. In 2.x they are the
    truth, whatever the steps are (`sums_apart`)."""
    less = None if session.extras.get("sums_apart") else difference(session)
    return Doubt(less.tokens < 0, less.cost < 0) if less is not None else NO_DOUBT


def contexts(session: Session, last: int | None = None) -> list[int]:
    """The prompt that went out with each step, in tokens, of the `last` steps or all; steps that report none are left
    out."""
    sizes = (turn.usage.context for turn in reversed(session.turns.values()) if turn.usage.context)
    return list(islice(sizes, last))[::-1]


class Context(NamedTuple):
    """What opencode itself shows as `used` of the context (tokens, 0 while that is not known), and the `window` of the
    model that was asked (0 where that is not known). `compacted`: a summary has taken the place of what was there, and
    only the next request says how much that is."""

    used: int = 0
    window: int = 0
    compacted: bool = False

    @property
    def plausible(self) -> bool:
        """False for more than any window can hold."""
        return self.used <= CONTEXT_IMPLAUSIBLE * self.window

    @property
    def share(self) -> float:
        """How full the window is, 0.0 where nobody can say."""
        return self.used / self.window if self.window and self.plausible else 0.0


def context(store: Store, session: Session) -> Context:
    """All counters of the last answer that has output (1.2 to 1.18), against the window of the model that gave it. The
    request for a summary holds what the summary replaces, so it says nothing of the context after it."""
    for turn in reversed(session.turns.values()):
        if turn.compacts and turn.status == "completed":
            return Context(compacted=True)
        if turn.usage.output and not turn.compacts:
            # A directory of another machine names nothing here.
            limits = in_directory(store.limits, "" if session.host else session.cwd)
            window = limits(turn.provider_alias or session.provider_alias, turn.model or session.model)
            return Context(turn.usage.total, window)
    return Context()


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
