"""How many writes each session has seen, by `event_sequence`: what changed where no event tells of it.

From 1.17 on every write of a session, message or part moves its aggregate's `seq` in the same transaction
(core/src/event.ts; core/src/bus.ts in 2.x). The number restarts with a migration or an import, and goes with the
session, so only `!=` means anything. 6,800 rows are read in 2 ms; nobody reads them but after a commit.
"""

from __future__ import annotations

from adapter.opencode.schema import Schema
from adapter.sqlite.reader import Snapshot


class Sequences:
    """The numbers of the last look."""

    def __init__(self) -> None:
        self._known: dict[str, int] | None = None
        self._explained: dict[str, int] = {}

    @property
    def counted(self) -> bool:
        """Whether the file counted anything at the last look."""
        return bool(self._known)

    def explain(self, writes: dict[str, int]) -> None:
        """Notes how many writes of each session the change feed has told. Its rows and the numbers have to be read in
        one transaction, else the numbers are ahead."""
        for session_id, count in writes.items():
            self._explained[session_id] = self._explained.get(session_id, 0) + count

    async def begin(self, snapshot: Snapshot, schema: Schema, *, anew: bool) -> None:
        """The first look at a file: from now on is new. Not `anew`, the same file keeps the numbers of before."""
        if anew or self._known is None:
            self._known = await numbers(snapshot, schema)
            self._explained = {}

    def resume(self, numbers: dict[str, int]) -> None:
        """Takes these for the numbers of the last look."""
        self._known, self._explained = numbers, {}

    async def moved(self, snapshot: Snapshot, schema: Schema) -> set[str]:
        """Sessions that were written to since the last look more often than was explained, or that vanished without a
        word."""
        now = await numbers(snapshot, schema)
        changed = self._unexplained(now) | ((self._known or {}).keys() - now.keys() - self._explained.keys())
        self._known, self._explained = now, {}
        return changed

    async def are_explained(self, snapshot: Snapshot, schema: Schema) -> bool:
        """Whether the feed has told every write that was counted. This is no look: `moved` still tells which."""
        return not self._unexplained(await numbers(snapshot, schema))

    def _unexplained(self, now: dict[str, int]) -> set[str]:
        before = self._known or {}
        # A new session begins with the number 0.
        return {key for key, seq in now.items() if seq != before.get(key, -1) + self._explained.get(key, 0)}


async def numbers(snapshot: Snapshot, schema: Schema) -> dict[str, int]:
    """The number of each session's last write, from 0; nothing where they are not counted."""
    if not schema.has_sequences:
        return {}
    rows = await snapshot.rows("SELECT aggregate_id, seq FROM event_sequence")
    return {str(key): seq for key, seq in rows}
