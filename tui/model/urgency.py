"""The names of the states, from the least to the most urgent."""

from __future__ import annotations

ORDER = (
    "archived",
    "completed",
    "idle",
    "cancelled",
    "truncated",
    "aborted",
    "suspended",
    "failed",
    "orphaned",
    "between",
    "starting",
    "compacting",
    "thinking",
    "writing",
    "tool",
    "stalled",
    "permission",
    "waiting",
)
_RANKS = {name: rank for rank, name in enumerate(ORDER)}
ACTIVE = frozenset(ORDER[_RANKS["between"] :])
"""States in which something is going on, or is waiting to go on."""
WAITING = frozenset({"waiting", "permission"})
"""States that only a person ends."""
WORKING = ACTIVE - WAITING - {"stalled"}
"""States in which opencode itself is at work."""


def urgency(name: str) -> int:
    """The rank of a state for sorting and for what a folded row shows: the greater, the more it needs to be seen."""
    return _RANKS.get(name, -1)
