"""Plays the recorded run into a temporary database: in the demo, this is opencode."""

from __future__ import annotations

import math
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tui.demo.recording import Recording, Step, Table, Value, load, retime
from tui.demo.timeline import Timeline

SLOWEST, FASTEST = 0.25, 100.0
LONGEST_WAIT_S = 0.1  # how long a change of speed may take to show

# What opencode sets when it opens its database (facts of 1.2.1 to 1.18.34, from its source).
PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "busy_timeout = 5000",
    "cache_size = -64000",
    "foreign_keys = ON",
)


class Player:
    """Writes the recorded run into `path`, moved to now and scaled by `speed` (0.25 to 100).

    Without `directory` a temporary one is made, and `close` removes it. `clock` gives Unix seconds;
    `sleep(stop, seconds)` waits and may return early when `stop` is set. `speed` may be set from any thread while
    `play` runs in another; everything else belongs to one thread at a time. Raises ValueError for a speed out
    of range, OSError or sqlite3.Error when the database cannot be written.
    """

    def __init__(
        self,
        directory: Path | None = None,
        speed: float = 1.0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self.speed = speed
        self._recording: Recording = load()
        self._owned = directory is None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="opencode-viewer-demo-"))
        self._clock = clock
        self._sleep = sleep
        self._upserts = {name: _upsert(name, table) for name, table in self._recording.tables.items()}
        self._deletes = {name: _delete(name, table) for name, table in self._recording.tables.items()}
        self._next = 0
        self._offset = 0.0
        self._timeline: Timeline | None = None
        self._connection: sqlite3.Connection | None = None

    @property
    def path(self) -> Path:
        """The database file; it exists from `prepare` to `close`."""
        return self._directory / "opencode.db"

    @property
    def speed(self) -> float:
        """Seconds of the recording in one second."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        if not SLOWEST <= value <= FASTEST:
            raise ValueError(f"speed {value:g} is not between {SLOWEST:g} and {FASTEST:g}")
        self._speed = value

    @property
    def duration(self) -> float:
        """Length of the recording in seconds at speed 1."""
        return self._recording.duration / 1000

    @property
    def position(self) -> float:
        """Seconds of the recording that have been played."""
        return self._offset / 1000

    @property
    def ended(self) -> bool:
        """Whether every change has been written."""
        return self._next == len(self._recording.steps)

    def prepare(self) -> None:
        """Make the database as it stood before the run: the schema and the project, no session."""
        if self._connection is None:
            self._open()
            self._begin(0.0)

    def play(self, stop: threading.Event) -> None:
        """Write each change when it is due; return at the end of the run or when `stop` is set.

        Called again it goes on where it stopped.
        """
        self.prepare()
        assert self._timeline is not None
        speed = self.speed
        self._timeline.anchor(self._offset, self._now(), speed)
        while not self.ended and not stop.is_set():
            now = self._now()
            self._offset = self._timeline.offset(now)
            if self.speed != speed:
                speed = self.speed
                self._timeline.anchor(self._offset, now, speed)
            step = self._recording.steps[self._next]
            if step.at <= self._offset:
                self._write(step)
            else:
                self._sleep(stop, min((step.at - self._offset) / speed / 1000, LONGEST_WAIT_S))

    def skip_to(self, seconds: float) -> None:
        """Write at once everything up to a moment of the recording, which becomes now.

        On a fresh player the run keeps its natural times and seems to have begun that long ago; later, what is
        skipped happens in one moment.
        """
        self.prepare()
        assert self._timeline is not None
        target = min(seconds * 1000, self._recording.duration)
        if self._offset == 0:
            self._begin(target)
        elif target > self._offset:
            self._timeline.anchor(self._offset, self._now(), math.inf)
            self._timeline.anchor(target, self._now(), self.speed)
            self._offset = target
        while not self.ended and self._recording.steps[self._next].at <= target:
            self._write(self._recording.steps[self._next])

    def finish(self) -> None:
        """Write the rest of the run at once."""
        self.skip_to(math.inf)

    def close(self) -> None:
        """Close the database, and remove it when its directory is our own."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._owned:
            shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Player:
        self.prepare()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _open(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        # play() runs in a worker thread, prepare() and close() do not; never two at a time.
        self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        for pragma in PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}")
        for statement in self._recording.schema:
            self._connection.execute(statement)

    def _begin(self, offset: float) -> None:
        """Put the start so that `offset` is now, and write the rows that were there before the run."""
        self._offset = offset
        self._timeline = Timeline(offset, self._now(), self.speed)
        self._next = 0
        self._write(self._recording.steps[0])

    def _now(self) -> float:
        return self._clock() * 1000

    def _write(self, step: Step) -> None:
        """One transaction per step, as one look of the recorder saw it."""
        assert self._connection is not None
        assert self._timeline is not None
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            # Rows of one step stand in the order of the tables, not in the order of their references.
            execute("PRAGMA defer_foreign_keys = ON")
            for change in step.changes:
                values: list[Value] = [retime(value, self._timeline.wall) for value in change.values]
                execute((self._upserts if change.put else self._deletes)[change.table], values)
            execute("COMMIT")
        except sqlite3.Error:
            execute("ROLLBACK")
            raise
        self._next += 1


def _upsert(name: str, table: Table) -> str:
    """Keeps the rowid of a row that exists, as opencode's own upserts do."""
    columns = ", ".join(f'"{column}"' for column in table.columns)
    key = ", ".join(f'"{column}"' for column in table.key)
    rest = ", ".join(f'"{column}" = excluded."{column}"' for column in table.columns if column not in table.key)
    marks = ", ".join("?" * len(table.columns))
    action = f"UPDATE SET {rest}" if rest else "NOTHING"
    return f'INSERT INTO "{name}" ({columns}) VALUES ({marks}) ON CONFLICT ({key}) DO {action}'


def _delete(name: str, table: Table) -> str:
    return f'DELETE FROM "{name}" WHERE ' + " AND ".join(f'"{column}" IS ?' for column in table.key)
