"""What tables and columns a database has, and SELECTs that name only those.

opencode added columns in almost every minor version (session.cost in 1.15.0, session.agent in 1.14.34, ...), so nothing
is inferred from version strings: `PRAGMA table_info` decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapter.connection import Snapshot
from adapter.errors import NotOpencode

SESSION_COLUMNS = (
    "id",
    "parent_id",
    "project_id",
    "slug",
    "directory",
    "title",
    "version",
    "time_created",
    "time_updated",
    "time_archived",
    "agent",
    "model",
    "cost",
    "tokens_input",
    "tokens_output",
    "tokens_reasoning",
    "tokens_cache_read",
    "tokens_cache_write",
    "revert",
    "summary_additions",
    "summary_deletions",
    "summary_files",
)
MESSAGE_COLUMNS = ("id", "session_id", "time_created", "time_updated", "data")
PART_COLUMNS = ("id", "message_id", "session_id", "time_created", "time_updated", "data")

REQUIRED = {
    "session": ("id", "title", "time_created", "time_updated"),
    "message": MESSAGE_COLUMNS,
    "part": PART_COLUMNS,
}
WANTED = {"session": SESSION_COLUMNS, "message": MESSAGE_COLUMNS, "part": PART_COLUMNS}


class Schema(msgspec.Struct, frozen=True):
    """The tables found, with their columns; `missing` lists optional columns as `table.column`;
    `version` is SQLite's schema cookie, which moves with every migration."""

    tables: dict[str, frozenset[str]]
    missing: list[str]
    version: int

    @property
    def family(self) -> str:
        """`v1` (session, message, part), `v2` (session_v2), or `v1+v2` when one file holds both."""
        return "v1+v2" if "session_v2" in self.tables else "v1"

    @property
    def has_events(self) -> bool:
        """Whether the file can hold a change feed (1.14.34 on; written to by default from 1.17.0)."""
        return {"aggregate_id", "type", "data"} <= self.tables.get("event", frozenset())

    def select(self, table: str, columns: Sequence[str]) -> str:
        """`SELECT` of the columns in this order, NULL for those that this file does not have."""
        have = self.tables[table]
        named = ", ".join(f'"{c}"' if c in have else f'NULL AS "{c}"' for c in columns)
        return f'SELECT {named} FROM "{table}"'


async def introspect(snapshot: Snapshot) -> Schema:
    """Reads the schema. Raises NotOpencode naming the table or column that is required and not there."""
    names = [row[0] for row in await snapshot.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    wanted = {*WANTED, "event", "event_sequence", "migration", "__drizzle_migrations", "session_v2"}
    tables = {}
    for name in names:
        if name in wanted:
            columns = await snapshot.rows(f'PRAGMA table_info("{name}")')
            tables[name] = frozenset(str(column[1]) for column in columns)
    version = (await snapshot.rows("PRAGMA schema_version"))[0][0]
    path = snapshot.path
    for table, required in REQUIRED.items():
        if table not in tables:
            raise NotOpencode(f"{path} has no table {table}: not a database of opencode 1.2 or later (yet)")
        for column in required:
            if column not in tables[table]:
                raise NotOpencode(f"{path} has no column {table}.{column}, which is required to show anything")
    missing = [f"{t}.{c}" for t, columns in WANTED.items() for c in columns if c not in tables[t]]
    return Schema(tables, missing, int(version))
