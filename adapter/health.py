"""What is known about a source and about our reading of it: numbers for the health pane and for `doctor`."""

from __future__ import annotations

from collections import deque

import msgspec

LAG_WINDOW = 500


class Health(msgspec.Struct):
    """State of one source. Times are unix seconds, durations ms, sizes bytes; 0 or "" where not known yet.

    `state` is `ok`, `waiting` (no database yet) or `error` (there is one and it cannot be read); `message` says why.
    `approximate` names counts that are upper bounds because counting would have taken too long.
    `checked` sessions have been looked at for work that is still open, `unread` are still to be looked at.
    """

    source: str
    path: str
    state: str = "waiting"
    message: str = ""
    family: str = ""
    versions: list[str] = []
    strategy: str = ""
    counts: dict[str, int] = {}
    approximate: list[str] = []
    migration_table: str = ""
    migration_count: int = 0
    migration_latest: str = ""
    migration_hash: str = ""
    missing_columns: list[str] = []
    warnings: dict[str, int] = {}
    size: int = 0
    wal_size: int = 0
    open_mode: str = ""
    lag_ms: float = 0.0
    lag_p50_ms: float = 0.0
    lag_p99_ms: float = 0.0
    last_change: float = 0.0
    longest_read_ms: float = 0.0
    statements: int = 0
    reopened: int = 0
    reconciled: float = 0.0
    checked: int = 0
    unread: int = 0

    @property
    def degraded(self) -> bool:
        """Whether something is worth a look: `doctor` then exits with 1."""
        return self.state != "ok" or bool(self.warnings)


class Lags:
    """The newest delays from a row's own time to its events in hand, in ms."""

    def __init__(self) -> None:
        self._window: deque[float] = deque(maxlen=LAG_WINDOW)

    def add(self, milliseconds: float) -> None:
        """Notes one delay; clocks that disagree never make it negative."""
        self._window.append(max(0.0, milliseconds))

    def percentile(self, share: float) -> float:
        """The delay that `share` (0 to 1) of the window does not exceed, 0 when the window is empty."""
        if not self._window:
            return 0.0
        ordered = sorted(self._window)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    @property
    def last(self) -> float:
        """The newest delay, 0 when there is none."""
        return self._window[-1] if self._window else 0.0
