"""The migration journal: which of opencode's migrations a database has seen, and one hash that names that set.

From 1.17.0 on the table is `migration(id, time_completed)`; before, drizzle's `__drizzle_migrations` with `created_at`
(ms) and, from 1.3.2, `name`. An upgraded file has both; the new one then holds all names.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec

from adapter.opencode.schema import Schema
from adapter.sqlite.reader import Snapshot


class Journal(msgspec.Struct, frozen=True):
    """`names` in order; `table` they came from ("" when there is neither); `hash` is hex sha256, "" without a table."""

    table: str = ""
    names: tuple[str, ...] = ()
    hash: str = ""

    @property
    def latest(self) -> str:
        """Name of the newest migration, "" when there is none."""
        return self.names[-1] if self.names else ""


def hash_names(names: tuple[str, ...]) -> str:
    """sha256 (hex) over the names, each preceded by its UTF-8 length as 4 big-endian bytes, so that no two lists
    of names give the same input."""
    digest = hashlib.sha256()
    for name in names:
        raw = name.encode("utf-8", "surrogateescape")
        digest.update(len(raw).to_bytes(4, "big"))
        digest.update(raw)
    return digest.hexdigest()


def timestamp_name(created_at: object) -> str:
    """The part of a migration's name that drizzle's `created_at` (ms UTC) still tells, e.g. `20260127222353`."""
    try:
        moment = datetime.fromtimestamp(int(str(created_at)) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"unknown {created_at}"
    return moment.strftime("%Y%m%d%H%M%S")


async def read_journal(snapshot: Snapshot, schema: Schema) -> Journal:
    """The journal of a database; an empty one when neither table exists."""
    if "migration" in schema.tables:
        table = "migration"
        rows = await snapshot.rows('SELECT id FROM "migration" ORDER BY id')
        names = tuple(str(row[0]) for row in rows)
    elif "__drizzle_migrations" in schema.tables:
        table = "__drizzle_migrations"
        select = schema.select(table, ("created_at", "name"))
        rows = await snapshot.rows(f"{select} ORDER BY created_at, id")
        names = tuple(str(name) if name else timestamp_name(created) for created, name in rows)
    else:
        return Journal()
    return Journal(table, names, hash_names(names))
