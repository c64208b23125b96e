"""What is known about a source and about our reading of it: numbers for the health pane and for `doctor`.

`Health` is frozen and travels with the batch that it belongs to; `HealthWriter` is the one that makes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from adapter.processes.facts import NOT_KNOWN, Processes

LAG_WINDOW = 500
HISTORY = 10
"""Interruptions that are remembered; all are counted."""
MINUTE_S = 60.0
UNREAD = frozenset({"damaged", "too large", "internal error"})
"""Kinds of warnings about what could not be read."""


class Interruption(msgspec.Struct, frozen=True):
    """The file was replaced, migrated, missing or not readable: when (unix seconds), and what was said about it."""

    at: float
    words: str


class Health(msgspec.Struct, frozen=True):
    """State of one source. Times are unix seconds, durations ms, sizes bytes; 0 or "" where not known yet.

    `state` is `ok`, `waiting` (no database yet) or `error` (there is one and it cannot be read); `message` says why.
    `approximate` names counts that are upper bounds because counting would have taken too long; `event_bytes` is about
    what the JSON of the events takes, `page_bytes` what the pages take, those that are still in the WAL among them.
    `warnings` counts by kind, each row once, and `examples` has the first of each.
    `listing`: not all sessions have been told yet, only the newest. `checked` sessions have been looked at for work
    that is still open, `unread` are still to be looked at.
    `retries` counts the times that SQLite said busy, locked or being recovered, and we asked again. `interruptions`
    counts what `history` remembers the newest of. `statements_per_minute` are those of the last minute; `hops` are
    changes to SQLite's thread. `watching` says how changes are noticed when it is not by the system's notifications.
    `looked` is when the files were looked at last (unix seconds), whether anything was found or not.
    `backup`: it is a copy of other sources that nobody writes, by its name or by what is in it.
    `disagreeing` has the tokens that a session's own columns count more (or less) than its messages add up to.
    `processes` are those of the newest look at them (`Source.processes`).
    `host` is what the machine of the source is called here, "" for this one, and `ahead_s` how many seconds its clock
    is before the one here; all times are of the clock here. `cut` is since when (unix seconds) nobody here has seen
    what goes on there, 0 while it is seen.
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
    examples: dict[str, str] = {}
    size: int = 0
    wal_size: int = 0
    event_bytes: int = 0
    page_bytes: int = 0
    open_mode: str = ""
    watching: str = ""
    lag_ms: float = 0.0
    lag_p50_ms: float = 0.0
    lag_p99_ms: float = 0.0
    last_change: float = 0.0
    looked: float = 0.0
    longest_read_ms: float = 0.0
    statements: int = 0
    statements_per_minute: float = 0.0
    hops: int = 0
    retries: int = 0
    interruptions: int = 0
    history: list[Interruption] = []
    disagreeing: dict[str, int] = {}
    backup: bool = False
    reconciled: float = 0.0
    listing: bool = False
    checked: int = 0
    unread: int = 0
    processes: Processes = NOT_KNOWN
    host: str = ""
    ahead_s: float = 0.0
    cut: float = 0.0

    @property
    def incomplete(self) -> bool:
        """Whether something of the file could not be read, so that what is shown is not all."""
        return not UNREAD.isdisjoint(self.warnings)

    @property
    def degraded(self) -> bool:
        """Whether something is worth a look: `doctor` then exits with 1."""
        return self.state != "ok" or bool(self.warnings)

    @property
    def event_share(self) -> float:
        """About what share (0 to 1) of the database the events take. Not of its files: a WAL that was written back
        keeps its size, and holds pages twice."""
        return min(1.0, self.event_bytes / max(1, self.page_bytes))


class HealthWriter:
    """Gathers what becomes `Health`. The clock gives unix seconds, `monotonic` seconds that never go back."""

    def __init__(
        self,
        source: str,
        path: str,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        *,
        backup: bool = False,
    ) -> None:
        self._health = Health(source=source, path=path, backup=backup)
        self._clock = clock
        self._lags = Lags()
        self._monotonic = monotonic
        self._rate = Rate(monotonic())
        self._disagreeing: dict[str, int] = {}
        self._warnings: dict[str, int] = {}
        self._examples: dict[str, str] = {}
        self._versions: set[str] = set()
        self._looked = 0.0

    @property
    def now(self) -> Health:
        """What has been noted so far."""
        return self._health

    def note(self, **facts: object) -> None:
        """Takes fields of Health as they are now."""
        self._health = msgspec.structs.replace(self._health, **facts)

    def snapshot(
        self, *, size: int, wal_size: int, statements: int, hops: int, retries: int, longest_s: float
    ) -> Health:
        """Health with the figures of this moment."""
        self.note(
            size=size,
            wal_size=wal_size,
            statements=statements,
            hops=hops,
            retries=retries,
            longest_read_ms=longest_s * 1000,
            looked=self._looked,
            statements_per_minute=self._rate.per_minute(self._monotonic(), statements),
            warnings=dict(self._warnings),
            examples=dict(self._examples),
            disagreeing=dict(self._disagreeing),
        )
        return self._health

    def looked(self) -> None:
        """Notes that the files were looked at now."""
        self._looked = self._clock()

    def interrupted(self, words: str) -> None:
        """Notes that the file was replaced, migrated, missing or not readable."""
        history = [*self._health.history, Interruption(self._clock(), words)][-HISTORY:]
        self.note(interruptions=self._health.interruptions + 1, history=history)

    def warn(self, kind: str, example: str) -> None:
        """Counts one warning of a kind."""
        self._warnings[kind] = self._warnings.get(kind, 0) + 1
        self._examples.setdefault(kind, example)

    def compared(self, session_id: str, surplus: int) -> None:
        """Notes how many tokens a session's columns count more than its messages; 0 when they agree."""
        if surplus:
            self._disagreeing[session_id] = surplus
        else:
            self._disagreeing.pop(session_id, None)

    def counted(self, newest_ms: int, **facts: object) -> None:
        """Notes what was counted, and that the newest change in the file was written at this time (unix ms)."""
        self.note(last_change=max(self._health.last_change, newest_ms / 1000), **facts)

    def changed(self, newest_ms: int) -> None:
        """Notes a change that was written at this time (unix ms) and is in hand now."""
        now = self._clock()
        self._lags.add(now * 1000 - newest_ms)
        self.note(
            last_change=max(self._health.last_change, newest_ms / 1000),
            lag_ms=self._lags.last,
            lag_p50_ms=self._lags.percentile(0.5),
            lag_p99_ms=self._lags.percentile(0.99),
        )

    def versions(self, versions: Iterable[str | None]) -> None:
        """Adds opencode versions that made sessions."""
        new = {version for version in versions if version} - self._versions
        if new:
            self._versions |= new
            self.note(versions=sorted(self._versions, key=_version_key))


class Rate:
    """How much a counter grew within the last minute, from samples at any times."""

    def __init__(self, began: float) -> None:
        self._samples = deque([(began, 0)])

    def per_minute(self, now: float, total: int) -> float:
        """Takes a sample (seconds, the counter) and gives the growth since the one a minute ago. Where that is
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


def _version_key(version: str) -> tuple[int, ...]:
    # Python refuses numbers of more than 4,300 digits, and a version can be any text.
    return tuple(int(piece[:9]) if piece.isdecimal() else 0 for piece in version.split("."))
