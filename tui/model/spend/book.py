"""What one session cost, in cells: by day, model, agent and tool.

A step's money is shared evenly among the calls that it made. That is a share and no bill: nobody is billed for a call.

What the session's own row says is what counts, as everywhere (`sums/rollup.py`). What it has more than the steps is a
cell of its own (`BESIDE`): in 2.x titles and compactions, in 1.x steps that were deleted since; what it has less is
taken away there. So the sum of the cells is the row's, whether the steps have been read or not. Steps that a fork took
over count where they were taken, and are `copied` here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from adapter.contract import Spending, SpentStep
from adapter.events import NO_USAGE, Usage
from tui.model.records import Session, Turn
from tui.model.spend.days import Days
from tui.model.sums.rollup import CENT_SHARE
from tui.text import sanitize

NOISE = 1e-7
"""Dollars that two sums of the same floats may differ by, added up in another order."""

BESIDE = "\x01"
"""Stands for model, agent and tool of what no step tells of."""
NO_TOOL = ""
NOT_READ = "\x02"
"""Stands for the tools of a session of which only the row is known."""


class Sum(msgspec.Struct, gc=False):
    """Dollars and tokens. `unpriced` are those of the tokens that cost nothing: opencode knew no price for them, or
    there is none."""

    cost: float = 0.0
    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache_read: int = 0
    cache_write: int = 0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input + self.output + self.reasoning + self.cache_read + self.cache_write

    def __bool__(self) -> bool:
        return bool(self.cost or self.input or self.output or self.reasoning or self.cache_read or self.cache_write)

    def add(self, other: Sum) -> None:
        """Adds another sum to this one."""
        self.cost += other.cost
        self.input += other.input
        self.output += other.output
        self.reasoning += other.reasoning
        self.cache_read += other.cache_read
        self.cache_write += other.cache_write
        self.unpriced += other.unpriced


def sum_of(usage: Usage, cost: float) -> Sum:
    """Tokens and dollars of one request, or of all of a session."""
    unpriced = 0 if cost else usage.total
    return Sum(cost, usage.input, usage.output, usage.reasoning, usage.cache_read, usage.cache_write, unpriced)


def difference(one: Sum, other: Sum) -> Sum:
    """What `one` has more than `other`, each figure by itself; negative where it has less."""
    cost = one.cost - other.cost
    rest = Sum(
        cost if abs(cost) > NOISE else 0.0,
        one.input - other.input,
        one.output - other.output,
        one.reasoning - other.reasoning,
        one.cache_read - other.cache_read,
        one.cache_write - other.cache_write,
    )
    # Of what has no price the row says nothing by itself.
    rest.unpriced = max(0, rest.tokens) if not one.cost else 0
    return rest


def _clamped(amount: Sum, sign: int) -> Sum:
    """The figures of this sign, without it."""
    return Sum(
        max(0.0, sign * amount.cost),
        max(0, sign * amount.input),
        max(0, sign * amount.output),
        max(0, sign * amount.reasoning),
        max(0, sign * amount.cache_read),
        max(0, sign * amount.cache_write),
    )


class Cell(msgspec.Struct, frozen=True, gc=False):
    """What was spent on one day, by one model, agent and tool."""

    day: int
    model: str
    agent: str
    tool: str
    sum: Sum


class Book(msgspec.Struct, frozen=True, gc=False):
    """The cells of a session. `whole`: of its steps; else of its row alone. `copied` is what a fork took over, `beside`
    what the row has more than the steps, `short` what it has less; `unread` counts what could not be read."""

    cells: list[Cell]
    first: int
    last: int
    whole: bool
    copied: Sum = msgspec.field(default_factory=Sum)
    beside: Sum = msgspec.field(default_factory=Sum)
    short: Sum = msgspec.field(default_factory=Sum)
    unread: int = 0

    @property
    def differs(self) -> bool:
        """Whether the steps say more than the row, by more than adding up floats does."""
        return self.short.cost > CENT_SHARE or self.short.tokens > 0


def of_row(session: Session, day: int) -> Book:
    """The book of a session of which all was on one day, by its row alone."""
    if session.usage is None and session.cost is None:
        return Book([], day, day, False)
    total = sum_of(session.usage or NO_USAGE, session.cost or 0.0)
    model = model_key(session.provider_alias, session.model)
    cells = [Cell(day, model, session.agent, NOT_READ, total)] if total else []
    return Book(cells, day, day, False)


def of_steps(session: Session, spent: Spending, days: Days) -> Book:
    """The book of a session by its steps."""
    forked = session.kind == "fork"
    own, copied = Sum(), Sum()
    cells: dict[tuple[int, str, str, str], Sum] = {}
    for step in spent.steps:
        amount = sum_of(step.usage, step.cost)
        # As sums/copied.py: opencode's fork copies steps with the times that they had.
        if forked and step.ts < session.start_ts:
            copied.add(amount)
            continue
        if not amount:
            continue
        own.add(amount)
        day, model = days.of(step.ts), model_key(step.provider_alias, step.model)
        for tool, share in shared(amount, step.calls):
            place = (day, model, _clean(step.agent), _clean(tool))
            known = cells.get(place)
            if known is None:
                cells[place] = share
            else:
                known.add(share)
    began = days.of(session.start_ts)
    beside = Sum()
    if spent.usage is not None or spent.cost is not None:
        row = sum_of(spent.usage or NO_USAGE, spent.cost or 0.0)
        if not session.extras.get("sums_apart"):
            # 1.x counts in a fork what it copied; a fork of 2.x begins at 0.
            row = _clamped(difference(row, copied), 1)
        beside = difference(row, own)
    found = [Cell(*place, amount) for place, amount in cells.items()]
    if beside:
        found.append(Cell(began, BESIDE, BESIDE, BESIDE, beside))
    on = [cell.day for cell in found] or [began]
    return Book(found, min(on), max(on), True, copied, _clamped(beside, 1), _clamped(beside, -1), spent.unread)


def shared(amount: Sum, calls: Iterable[str]) -> list[tuple[str, Sum]]:
    """The money and tokens of a step, shared evenly among its calls; whole tokens, and none lost."""
    named = Counter(calls)
    count = sum(named.values())
    if len(named) < 2:
        return [(next(iter(named), NO_TOOL), amount)]
    shares: list[tuple[str, Sum]] = []
    done = 0
    for tool, times in named.items():
        begin, end = done, done + times

        def part(whole: int, begin: int = begin, end: int = end) -> int:
            return whole * end // count - whole * begin // count

        shares.append(
            (
                tool,
                Sum(
                    amount.cost * times / count,
                    part(amount.input),
                    part(amount.output),
                    part(amount.reasoning),
                    part(amount.cache_read),
                    part(amount.cache_write),
                    part(amount.unpriced),
                ),
            )
        )
        done = end
    return shares


def spending_of(session: Session) -> Spending:
    """What a source would tell of a session, of one that has been read whole."""
    steps = [
        SpentStep(
            turn.message_id,
            turn.start_ts,
            turn.model,
            turn.provider_alias,
            turn.agent,
            turn.usage,
            turn.cost,
            _calls(turn),
        )
        for turn in session.turns.values()
    ]
    return Spending(session.id, steps, session.usage, session.cost)


def _calls(turn: Turn) -> tuple[str, ...]:
    if turn.extras.get("by_user"):
        return ()
    return tuple(op.tool or op.name for op in turn.ops.values() if op.kind == "tool")


def model_key(provider: str, model: str) -> str:
    """`provider/model`: the same model costs another price elsewhere."""
    return _clean(f"{provider}/{model}" if provider and model else model or provider)


@lru_cache(maxsize=4_000)
def _clean(name: str) -> str:
    return sanitize.label(name)
