"""The migration journal: which of opencode's migrations a database has seen, and one hash that names that set.

From 1.17.0 on the table is `migration(id, time_completed)`; before, drizzle's `__drizzle_migrations` with `created_at`
(ms) and, from 1.3.2, `name`. An upgraded file has both; the new one then holds all names.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec

from adapter.contract import Unread
from adapter.opencode.schema import Schema
from adapter.sqlite.reader import Snapshot


class Journal(msgspec.Struct, frozen=True):
    """`names` in order; `table` they came from ("" when there is neither); `hash` is hex sha256, "" without a table."""

    table: str = ""
    names: tuple[str, ...] = ()
    hash: str = ""
    problem: str = ""

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


def read_journal(snapshot: Snapshot, schema: Schema) -> Journal:
    """The journal of a database; an empty one when neither table exists. `problem` says why one that is there could not
    be read: nothing else depends on it."""
    problem = ""
    for table, columns in TABLES.items():
        if table not in schema.tables:
            continue
        have = schema.tables[table]
        if not any(column in have for column in columns):
            problem = f"{table} has none of the columns {', '.join(columns)}: the migrations are not known"
            continue
        try:
            rows = snapshot.rows(f'SELECT {", ".join(schema.select(table, columns))} FROM "{table}"')
        except Unread as error:
            problem = f"{table}: {error}"
            continue
        if table == "migration":
            names = sorted(str(row[0]) for row in rows)
        else:
            ordered = sorted(rows, key=lambda row: row[0] if isinstance(row[0], int | float) else 0)
            names = [str(name) if name else timestamp_name(created) for created, name in ordered]
        return Journal(table, tuple(names), hash_names(tuple(names)))
    return Journal(problem=problem)


TABLES = {"migration": ("id",), "__drizzle_migrations": ("created_at", "name")}
"""The table of 1.17 and later first: an upgraded file has both."""
