"""What is known about a source and about our reading of it: numbers for the health pane and for `doctor`."""

from __future__ import annotations

from collections import deque

import msgspec

LAG_WINDOW = 500
HISTORY = 10
"""Interruptions that are remembered; all are counted."""
MINUTE_S = 60.0


class Interruption(msgspec.Struct, frozen=True):
    """The file was replaced, migrated, missing or not readable: when (unix seconds), and what was said about it."""

    at: float
    words: str


class Health(msgspec.Struct):
    """State of one source. Times are unix seconds, durations ms, sizes bytes; 0 or "" where not known yet.

    `state` is `ok`, `waiting` (no database yet) or `error` (there is one and it cannot be read); `message` says why.
    `approximate` names counts that are upper bounds because counting would have taken too long; `event_bytes` is about
    what the JSON of the events takes.
    `checked` sessions have been looked at for work that is still open, `unread` are still to be looked at.
    `retries` counts the times that SQLite said busy, locked or being recovered, and we asked again. `interruptions`
    counts what `history` remembers the newest of. `statements_per_minute` are those of the last minute.
    `disagreeing` has the tokens that a session's own columns count more (or less) than its messages add up to.
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
    event_bytes: int = 0
    open_mode: str = ""
    lag_ms: float = 0.0
    lag_p50_ms: float = 0.0
    lag_p99_ms: float = 0.0
    last_change: float = 0.0
    longest_read_ms: float = 0.0
    statements: int = 0
    statements_per_minute: float = 0.0
    retries: int = 0
    interruptions: int = 0
    history: list[Interruption] = []
    disagreeing: dict[str, int] = {}
    reconciled: float = 0.0
    checked: int = 0
    unread: int = 0

    @property
    def degraded(self) -> bool:
        """Whether something is worth a look: `doctor` then exits with 1."""
        return self.state != "ok" or bool(self.warnings)

    @property
    def event_share(self) -> float:
        """About what share (0 to 1) of the file and its WAL the events take."""
        return min(1.0, self.event_bytes / max(1, self.size + self.wal_size))

    def interrupted(self, at: float, words: str) -> None:
        """Notes that the file was replaced, missing or not readable."""
        self.interruptions += 1
        self.history = [*self.history, Interruption(at, words)][-HISTORY:]

    def compared(self, session_id: str, surplus: int) -> None:
        """Notes how many tokens a session's columns count more than its messages; 0 when they agree."""
        if surplus:
            self.disagreeing[session_id] = surplus
        else:
            self.disagreeing.pop(session_id, None)

    def retried(self) -> None:
        """Notes that the file was busy and is asked again."""
        self.retries += 1


class Rate:
    """How much a counter grew within the last minute, from samples at any times."""

    def __init__(self, began: float) -> None:
        self._samples = deque([(began, 0)])

    def per_minute(self, now: float, total: int) -> float:
        """Takes a sample (unix seconds, the counter) and gives the growth since the one a minute ago. Where that is
        longer ago, because nobody asked meanwhile, the average; before a minute has passed, all there was."""
        if now - self._samples[-1][0] >= 1.0:
            self._samples.append((now, total))
        while len(self._samples) > 1 and now - self._samples[1][0] >= MINUTE_S:
            self._samples.popleft()
        began, before = self._samples[0]
        return (total - before) * min(1.0, MINUTE_S / max(now - began, 1e-6))


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
