"""What comes from another machine, made as harmless as what is read here: pure, nothing is believed.

The mapping of a database gives events whose numbers can be added up and whose times can be shown (`opencode/tokens.py`,
`opencode/rows.py`). A far side may run anything, so the same bounds are drawn here again; text stays verbatim, as it
does everywhere until it is drawn. Times are moved to the clock of this machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec.structs import force_setattr, replace

from adapter.contract import Hit, SearchPage, Spending, host_of
from adapter.events import Event, OpFinalized, TurnFinalized, Usage
from adapter.health import Health
from adapter.processes.facts import Process, Processes

MAX_US = 253_402_300_799_000_000
"""The last moment that a calendar has, µs (the end of the year 9999)."""
MAX_S = MAX_US / 1e6
MAX_COUNT = 2**53
"""Tokens, bytes and the like: what JSON's numbers can count."""
LONGEST = 4096
"""Characters of a text of health: a path, a reason, a name."""
DEEPEST = 6
MOST = 1000
"""Entries that a list or table of health has at most: opencode's processes, kinds of warnings, counted tables."""

TIMES = frozenset({"time_updated", "ended_ts", "archived_ts", "idle_ts", "claimed_ts", "retry_at"})
"""Those of `extras` that are times in µs."""
COUNTS = frozenset(
    {
        "additions", "deletions", "files", "resume_attempts", "status_code", "todos_cancelled", "hits", "output_bytes",
        "unread_bytes", "retry", "attachments", "patch_files", "questions",
    }
)  # fmt: skip
"""Those that are counts."""
NAMES = frozenset({"exit"})
"""Those that are any whole number."""
FLAGS = frozenset(
    {
        "sums_apart", "claimed", "suspended", "summary", "by_user", "retry_told", "truncated", "running", "untold",
        "background", "synthetic", "subtask", "waiting", "closing",
    }
)  # fmt: skip
"""Those that are true or false."""
TEXTS = frozenset(
    {
        "cwd", "variant", "revert_message_id", "fork_session_id", "idle_outcome", "label", "title", "saved_output",
        "phase", "child_model", "child_agent", "retry_error", "agent", "model", "notice", "notice_state", "about",
        "delivery", "skill", "finish", "patch_hash", "slug",
    }
)  # fmt: skip
"""Those that are text."""


class Doubtful(ValueError):
    """Something is not of the shape that the contract gives it; the words say what."""


def events(found: Iterable[Event], source: str, ahead_us: int) -> tuple[list[Event], list[str]]:
    """Events under the name that their source has here, with times of the clock here; the far one goes so many µs
    before it. What is out of bounds in them is clamped as a database's is. And what is wrong with those that are left
    out. The events are changed where they are: nobody else has them."""
    taken: list[Event] = []
    wrong: list[str] = []
    for event in found:
        force_setattr(event, "source", source)
        force_setattr(event, "ts", moment(event.ts, ahead_us))
        if (end := getattr(event, "end_ts", None)) is not None:
            force_setattr(event, "end_ts", moment(end, ahead_us))
        for name in ("turn_seq", "op_seq", "parent_op_seq", "rows"):
            if not -MAX_COUNT <= getattr(event, name, 0) <= MAX_COUNT:
                force_setattr(event, name, bounded(getattr(event, name)))
        extras = getattr(event, "extras", None)
        if extras:
            try:
                force_setattr(event, "extras", facts(extras, ahead_us))
            except Doubtful as error:
                wrong.append(str(error))
                continue
        if isinstance(event, OpFinalized | TurnFinalized):
            force_setattr(event, "usage", usage(event.usage))
            force_setattr(event, "delta", usage(event.delta))
            force_setattr(event, "cost", dollars(event.cost))
            if isinstance(event, OpFinalized):
                for name in ("bytes_in", "bytes_out", "context_used"):
                    force_setattr(event, name, size(getattr(event, name)))
        elif (length := getattr(event, "size", None)) is not None:
            force_setattr(event, "size", size(length))
        taken.append(event)
    return taken, wrong


def moment(value: int, ahead_us: int) -> int:
    """A time (µs) on the clock here, within the calendar. 0 is not known, and stays so."""
    return min(max(value - ahead_us, 1), MAX_US) if value > 0 else 0


def seconds(value: float, ahead_us: int) -> float:
    """The same in unix seconds."""
    return min(max(value - ahead_us / 1e6, 1e-6), MAX_S) if value > 0 else 0.0


def size(value: int) -> int:
    """A number of bytes or tokens; -1 is not known."""
    return min(max(value, -1), MAX_COUNT)


def usage(found: Usage) -> Usage:
    """Tokens that can be added up."""
    counters = (found.input, found.output, found.reasoning, found.cache_read, found.cache_write)
    if min(counters) >= 0 and max(counters) <= MAX_COUNT:
        return found
    return Usage(*(min(max(one, 0), MAX_COUNT) for one in counters))


def dollars(value: float) -> float:
    """Money that can be added up."""
    return value if -MAX_COUNT <= value <= MAX_COUNT else math.copysign(MAX_COUNT, value)


def facts(extras: dict[str, Any], ahead_us: int) -> dict[str, Any]:
    """The `extras` of an event, those that the contract knows. Raises Doubtful for one of another type."""
    taken: dict[str, Any] = {}
    for name, value in extras.items():
        kind = type(value)
        if name in TIMES and kind is int:
            taken[name] = moment(value, ahead_us)
        elif name in COUNTS and kind is int:
            taken[name] = size(value)
        elif (
            (name in NAMES and (value is None or (kind is int and abs(value) <= MAX_COUNT)))
            or (name in FLAGS and kind is bool)
            or (name in TEXTS and kind is str)
            or (name == "compaction" and kind in (bool, str))
        ):
            taken[name] = value
        elif name == "usage":
            taken[name] = _counters(value)
        elif name == "cost" and kind in (int, float):
            taken[name] = dollars(float(value))
        elif name == "todos" and kind is list and len(value) == 2 and all(type(one) is int for one in value):
            taken[name] = [size(one) for one in value]
        elif name == "told_as" and kind is list and all(type(one) is str for one in value):
            taken[name] = value
        elif value is not None and (name in _KNOWN):
            raise Doubtful(f"{name} is of another type than it should be")
    return taken


_KNOWN = TIMES | COUNTS | NAMES | FLAGS | TEXTS | {"compaction", "usage", "cost", "todos", "told_as"}


def _counters(value: Any) -> dict[str, int]:
    try:
        return msgspec.structs.asdict(usage(msgspec.convert(value, Usage)))
    except msgspec.ValidationError:
        raise Doubtful("usage is not made of five counters") from None


def health(told: dict[str, Any], source: str, path: str, place: str, ahead_us: int) -> Health:
    """A health from its fields, with the names and the clock of this side; `place` is the path over there. Raises
    Doubtful."""
    known = {name: bounded(value) for name, value in told.items() if name in FIELDS}
    try:
        found = msgspec.convert({**known, "source": source, "path": path, "host": host_of(source)}, Health)
    except msgspec.ValidationError as error:
        raise Doubtful(f"health: {error}") from None
    return replace(
        found,
        ahead_s=ahead_us / 1e6,
        cut=0.0,
        message=f"{host_of(source)}: {found.message}" if found.message else "",
        last_change=seconds(found.last_change, ahead_us),
        looked=seconds(found.looked, ahead_us),
        reconciled=seconds(found.reconciled, ahead_us),
        history=[replace(one, at=seconds(one.at, ahead_us)) for one in found.history[:MOST]],
        processes=_processes(found.processes, {place: source.partition(":")[2]}, ahead_us),
    )


FIELDS = frozenset(Health.__struct_fields__)
"""What health can say."""


def bounded(value: Any, depth: int = 0) -> Any:
    """A value of JSON's types of which every number can be counted with, every text be drawn, and every list be gone
    through between two keys."""
    kind = type(value)
    if kind is int:
        return min(max(value, -MAX_COUNT), MAX_COUNT)
    if kind is float:
        return min(max(value, -float(MAX_COUNT)), float(MAX_COUNT))
    if kind is str:
        return value[:LONGEST]
    if depth < DEEPEST and kind is list:
        return [bounded(one, depth + 1) for one in value[:MOST]]
    if depth < DEEPEST and kind is dict:
        return {name[:LONGEST]: bounded(one, depth + 1) for name, one in islice(value.items(), MOST)}
    return value if kind is bool or value is None else None


def _processes(found: Processes, called: dict[str, str], ahead_us: int) -> Processes:
    """The same; a database that processes have open is `called` as its source is here."""

    def taken(one: Process) -> Process:
        databases = [called.get(path, path) for path in one.databases[:MOST]]
        return replace(one, started=seconds(one.started, ahead_us), databases=databases)

    running = [taken(one) for one in found.running[:MOST]]
    ended = [
        replace(one, process=taken(one.process), missed=seconds(one.missed, ahead_us)) for one in found.ended[:MOST]
    ]
    return replace(
        found,
        looked=seconds(found.looked, ahead_us),
        since=seconds(found.since, ahead_us),
        dated=seconds(found.dated, ahead_us),
        asked=seconds(found.asked, ahead_us),
        running=running,
        ended=ended,
    )


def page(found: SearchPage, asked: Sequence[str] | None, ahead_us: int) -> SearchPage:
    """A piece of a search, of sessions that were asked for. Raises Doubtful."""
    if asked is not None and not set(found.sessions) <= set(asked):
        raise Doubtful("a search found what it was not asked for")
    return replace(
        found,
        hits=[_hit(hit, ahead_us) for hit in found.hits],
        rows=size(found.rows),
        total=size(found.total),
        lost=found.lost[:MOST],
    )


def _hit(found: Hit, ahead_us: int) -> Hit:
    return replace(found, ts=moment(found.ts, ahead_us), at=max(0, size(found.at)), count=max(1, size(found.count)))


def spans(found: dict[str, tuple[int, int]], ahead_us: int) -> dict[str, tuple[int, int]]:
    """First and last moments of sessions."""
    return {name: (moment(first, ahead_us), moment(last, ahead_us)) for name, (first, last) in found.items()}


def spending(found: Spending, ahead_us: int) -> Spending:
    """What a session cost."""
    steps = [
        replace(step, ts=moment(step.ts, ahead_us), usage=usage(step.usage), cost=dollars(step.cost))
        for step in found.steps
    ]
    return replace(
        found,
        steps=steps,
        usage=None if found.usage is None else usage(found.usage),
        cost=None if found.cost is None else dollars(found.cost),
        unread=max(0, size(found.unread)),
    )
