"""How many writes each session has seen, by `event_sequence`: what changed where no event tells of it.

From 1.17 on every write of a session, message or part moves its aggregate's `seq` in the same transaction
(core/src/event.ts; core/src/bus.ts in 2.x). The number restarts with a migration or an import, and goes with the
session, so only `!=` means anything. 6,800 rows are read in 2 ms; nobody reads them but after a commit.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from adapter.opencode.schema import Schema
from adapter.sqlite.reader import Pieces, Snapshot
from adapter.sqlite.rows import table_rows

Numbers = Mapping[str, int]


class Counters(msgspec.Struct, frozen=True):
    """The numbers of the last look, and how many writes of each session the change feed has told since."""

    known: Numbers = {}
    explained: Numbers = {}

    def explain(self, writes: Numbers) -> Counters:
        """Notes writes that the feed has told. Its rows and the numbers have to be read in one transaction, else the
        numbers are ahead."""
        if not writes:
            return self
        explained = dict(self.explained)
        for session_id, count in writes.items():
            explained[session_id] = explained.get(session_id, 0) + count
        return Counters(self.known, explained)

    def unexplained(self, now: Numbers) -> frozenset[str]:
        """Sessions that were written to more often than was explained."""
        known, explained = self.known, self.explained
        # A new session begins with the number 0.
        return frozenset(key for key, seq in now.items() if seq != known.get(key, -1) + explained.get(key, 0))

    def moved(self, now: Numbers) -> frozenset[str]:
        """Sessions that were written to more often than was explained, or that vanished without a word."""
        return self.unexplained(now) | frozenset(self.known.keys() - now.keys() - self.explained.keys())


def read_numbers(snapshot: Snapshot, schema: Schema) -> Pieces[dict[str, int]]:
    """The number of each session's last write, from 0; nothing where they are not counted."""
    if not schema.has_counters:
        return {}
    rows = yield from table_rows(snapshot, "event_sequence", ('"aggregate_id"', '"seq"'), [])
    return {str(key): seq for _, key, seq in rows if isinstance(seq, int)}
