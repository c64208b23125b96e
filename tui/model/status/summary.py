"""What the bar on top says of everything that is watched."""

from __future__ import annotations

from typing import NamedTuple


class Summary(NamedTuple):
    """Counts are top-level sessions, each in one of them (`counts.Counts`), `cost_today` US dollars; `paused` that the
    user moved away from what was followed; `stale_s` how many seconds ago a source was looked at last, the one that
    was looked at longest ago, 0 while all are fresh, and `stale_host` its machine, "" for this one; `silenced` that the
    user wants no notices; `known` that a source has told what it holds: before, no count means anything.
    """

    running: int = 0
    waiting: int = 0
    stuck: int = 0
    looping: int = 0
    failed: int = 0
    cost_today: float = 0.0
    following: bool = False
    paused: bool = False
    new_above: int = 0
    new_below: int = 0
    stale_s: int = 0
    stale_host: str = ""
    silenced: bool = False
    known: bool = False
