"""How many writes each session has seen, by `event_sequence`: what changed where no event tells of it.

From 1.17 on every write of a session, message or part moves its aggregate's `seq` in the same transaction
(core/src/event.ts; core/src/bus.ts in 2.x). The number restarts with a migration or an import, and goes with the
session, so only `!=` means anything. 6,800 rows are read in 2 ms; nobody reads them but after a commit.
"""

from __future__ import annotations

from adapter.connection import Snapshot
from adapter.schema import Schema


class Sequences:
    """The numbers of the last look."""

    def __init__(self) -> None:
        self._known: dict[str, int] | None = None
        self._explained: set[str] = set()

    @property
    def counted(self) -> bool:
        """Whether the file counted anything at the last look."""
        return bool(self._known)

    def explain(self, session_ids: set[str]) -> None:
        """Notes that the change feed has told what changed in these sessions since the last look."""
        self._explained |= session_ids

    def doubt(self) -> None:
        """Takes back what was noted as explained: the feed has lost rows that nobody read."""
        self._explained = set()

    async def begin(self, snapshot: Snapshot, schema: Schema, *, anew: bool) -> None:
        """The first look at a file: from now on is new. Not `anew`, the same file keeps the numbers of before."""
        if anew or self._known is None:
            self._known = await self._read(snapshot, schema)
            self._explained = set()

    async def moved(self, snapshot: Snapshot, schema: Schema) -> set[str]:
        """Sessions that were written to since the last look, that appeared or vanished, but for the explained ones."""
        now = await self._read(snapshot, schema)
        before = self._known or {}
        changed = {key for key, seq in now.items() if before.get(key) != seq} | (before.keys() - now.keys())
        self._known = now
        changed -= self._explained
        self._explained = set()
        return changed

    async def _read(self, snapshot: Snapshot, schema: Schema) -> dict[str, int]:
        if not schema.has_sequences:
            return {}
        rows = await snapshot.rows("SELECT aggregate_id, seq FROM event_sequence")
        return {str(key): seq for key, seq in rows}
