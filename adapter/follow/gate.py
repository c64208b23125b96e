"""Whether a look may find something: the files say it without a statement, the gate of SQLite with one."""

from __future__ import annotations

import time
from collections.abc import Callable

from adapter.pace import Beats
from adapter.sqlite.files import Signature
from adapter.sqlite.reader import Reader

SETTLED_NS = 100_000_000
"""A file that was written this shortly before a look may be written again within the same tick of the file system's
clock (4 ms on Linux), which leaves its time as it is."""
LAST_LOOK_S = 5.0
"""Nothing was written for so long: one more look. A commit is visible some time after it was written, a long time where
its writer was held up between the two."""
REST_S = 0.25
"""Nothing was committed for so long: the connection is closed. An open one keeps a writer that ends from folding its
WAL into the database, and others from changing the journal mode; opening costs 1 ms."""
BARREN = 2
"""Looks in a row that find nothing, after which the next one waits."""
BARREN_S, BARREN_MOST_S = 0.016, 0.5
"""How long it waits where the files were written, twice as long each time; and the most, which it is at once where they
were not: then the gate moves by itself."""


class Gate:
    """When the next look is due. `state` is what the last one was taken at (`Snapshot.state`), None to look in any
    case; `more` says that it did not come to the end of what there is."""

    def __init__(self, reader: Reader, monotonic: Callable[[], float], beats: Beats) -> None:
        self.state: object = None
        self.more = False
        self.is_written = False
        """Whether the files were written since the look before the last, or nobody can be sure."""
        self._reader = reader
        self._monotonic = monotonic
        self._beats = beats
        self._signature: Signature | None = None
        self._settled = False
        self._looked_last = True
        self._looked_at = float("-inf")
        self._touched_at = float("-inf")
        self._found_at = float("-inf")
        self._barren = 0
        self._barren_until = float("-inf")

    def is_due(self) -> bool:
        """Whether a look may find something; the caller then takes it. Raises SourceUnavailable."""
        if not self.more and self._signature is not None and self._beats.wait_s:
            return False
        now = self._monotonic()
        signature = self._reader.look()
        untouched = signature == self._signature
        if not untouched:
            self._touched_at, self._looked_last = now, False
        if self.more:
            return True
        self.is_written = not (untouched and self._settled)
        if not self.is_written:
            is_last = not self._looked_last and now - self._touched_at > LAST_LOOK_S
            self._looked_last = self._looked_last or is_last
            return is_last
        if self._barren >= BARREN:
            pause = BARREN_MOST_S if untouched else BARREN_S * 2 ** min(self._barren - BARREN, 10)
            until = self._looked_at + min(pause, BARREN_MOST_S)
            if now < until:
                self._barren_until = until
                return False
        self._barren_until = float("-inf")
        # By our clock, too: a file can come from the future.
        seen_for_s = now - self._touched_at
        self._settled = signature.newest_ns < time.time_ns() - SETTLED_NS or seen_for_s > SETTLED_NS / 1e9
        self._signature, self._looked_at = signature, now
        return True

    def found(self) -> None:
        """The look found something."""
        self._barren = 0
        self._found_at = self._monotonic()
        self._beats.taken()

    def found_nothing(self) -> None:
        """Something was committed, and the look found nothing of ours."""
        self._barren += 1

    def open(self, state: object = None) -> None:
        """The next look is taken, and reads whatever the gate says; with a `state`, if anything was committed since."""
        self.state, self._signature = state, None
        self._barren_until = float("-inf")
        self._barren = 0

    @property
    def rests(self) -> bool:
        """Whether it has been quiet for so long that the connection can be closed. A look by the next one would not
        know what this one has seen, so it is kept as long as there is one to take."""
        return self._settled and self._monotonic() - max(self._found_at, self._touched_at) > REST_S

    @property
    def waits_s(self) -> float:
        """In how many seconds a look that was put off is due; 0 when none is."""
        if beat_s := self._beats.wait_s:
            return beat_s
        if self._barren_until > (now := self._monotonic()):
            return self._barren_until - now
        return 0.0 if self._settled else SETTLED_NS / 1e9
