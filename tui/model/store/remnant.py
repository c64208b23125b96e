"""What is still known of a session that was read and given back: its sums, and what a filter asks of its calls.

It holds as long as the session has not changed: whatever changes in one makes the adapter tell it whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tui.model.records import Session
from tui.model.status.flags import full, looping
from tui.model.status.last_words import said
from tui.model.status.table import FlagName
from tui.model.sums.rollup import Own, own
from tui.model.sums.timing import ended
from tui.model.tree.children import outline

if TYPE_CHECKING:
    from tui.model.store.store import Store


class Remnant(NamedTuple):
    """Its own `sums`, the names of the tools that it called, its flags that do not end with the session, how many of
    its calls `failed`, what it `said` last, and when it `ended` (µs, 0 unknown: `timing.ended`)."""

    sums: Own
    tools: frozenset[str]
    flags: frozenset[FlagName]
    failed: int
    said: str
    ended: int


def remnant(store: Store, session: Session) -> Remnant:
    """What to keep of a session that has been read."""
    flags = (looping(session), full(store, session))
    names = frozenset(flag.name for flag in flags if flag is not None)
    failed = sum(outline(store, session).failed.values())
    return Remnant(own(store, session), called(session), names, failed, said(session), ended(session))


def called(session: Session) -> frozenset[str]:
    """The tools that a session called, each by its own name and by the canonical one."""
    calls = (op for turn in session.turns.values() for op in turn.ops.values() if op.kind == "tool")
    return frozenset(name for op in calls for name in (op.name, op.tool))
