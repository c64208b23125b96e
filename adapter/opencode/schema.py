"""What tables and columns a database has, and SELECTs that name only those.

opencode added columns in almost every minor version (session.cost in 1.15.0, session.agent in 1.14.34, ...), so nothing
is inferred from version strings: `PRAGMA table_info` decides. So it does about the family: opencode 2.x keeps the
tables `session`, `message` and `part` of 1.x as they were and writes `session_v2` and `session_message`, while 1.18
itself fills `session_message` for sessions of `session` that are driven through `/api/session`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapter.contract import NotOpencode, SourceChanged
from adapter.sqlite.reader import Snapshot

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
    "fork_session_id",
    "time_idle",
    "idle_outcome",
    "time_suspended",
    "resume_attempts",
    "execution",
    "storage",
)
"""What is read of a session, in the order of rows.SessionRow. The last two are no columns: `execution` is the newest
event about a turn of the session (EXECUTION), where only events tell of it, and `storage` says where the messages
are, in `message` and `part` (`v1`), in `session_message` (`v2`), or in whichever has some (`both`, and `preview` in a
file that a preview of 2.x has opened, which keeps its sessions where 1.x does)."""
NO_COLUMNS = frozenset({"execution", "storage"})
ONLY_2X = NO_COLUMNS | {"fork_session_id", "time_idle", "idle_outcome", "time_suspended", "resume_attempts"}
EXECUTION = """(SELECT type || ' ' || created || ' ' || substr(data, 1, 512) FROM event
    WHERE aggregate_id = "{table}"."id" AND seq = (SELECT max(+seq) FROM event
    WHERE aggregate_id = "{table}"."id" AND type >= 'session.execution.' AND type < 'session.execution/'))"""
"""Type, time (ms) and JSON of the newest `session.execution.*` event of a session: started, succeeded, failed or
interrupted. There are two for each time that it was at work, and the index of types tells which (`+`: not that of the
numbers, by which all that was written since would be walked)."""
MESSAGE_COLUMNS = ("id", "session_id", "time_created", "time_updated", "data")
PART_COLUMNS = ("id", "message_id", "session_id", "time_created", "time_updated", "data")
SESSION_MESSAGE_COLUMNS = ("id", "session_id", "type", "seq", "time_created", "time_updated", "data")

SESSION_REQUIRED = ("id", "title", "time_created", "time_updated")
REQUIRED_1X = {"session": SESSION_REQUIRED, "message": MESSAGE_COLUMNS, "part": PART_COLUMNS}
REQUIRED_2X = {"session_v2": SESSION_REQUIRED, "session_message": SESSION_MESSAGE_COLUMNS}
WANTED_1X = {"session": tuple(c for c in SESSION_COLUMNS if c not in ONLY_2X)}
WANTED_2X = {"session_v2": tuple(c for c in SESSION_COLUMNS if c not in NO_COLUMNS)}
JOURNALS = frozenset({"migration", "__drizzle_migrations"})
WAITING = {
    "session_pending": ("id", "session_id", "type", "data", "delivery", "admitted_seq", "time_created"),
    "session_inbox": ("id", "session_id", "type", "payload", "delivery", "enqueued_seq", "time_created"),
}
"""The tables in which prompts of 2.x wait (the preview's, the released one's), with their columns."""
OTHERS = JOURNALS | WAITING.keys() | {"session_message", "event", "event_sequence"}


class Schema(msgspec.Struct, frozen=True):
    """The tables found, with their columns; `missing` lists optional columns as `table.column`;
    `version` is SQLite's schema cookie, which moves with every migration."""

    tables: dict[str, frozenset[str]]
    missing: list[str]
    version: int

    @property
    def family(self) -> str:
        """`v1` (session, message, part), `preview` (session as a preview of 2.x has it, session_message), `v2`
        (session_v2, session_message), or `v1+v2` when one file holds both."""
        if "session_v2" not in self.tables:
            return "preview" if self.is_preview else "v1"
        return "v1+v2" if "session" in self.tables else "v2"

    @property
    def is_preview(self) -> bool:
        """Whether a preview of 2.x keeps its sessions in the table `session`: until it was split, in August 2026, its
        forks were columns of that table."""
        return "session_v2" not in self.tables and "fork_session_id" in self.tables.get("session", frozenset())

    @property
    def has_events(self) -> bool:
        """Whether the file can hold a change feed (1.14.34 on; written to by default from 1.17.0)."""
        return {"id", "aggregate_id", "type", "data"} <= self.tables.get("event", frozenset())

    @property
    def has_whole_feed(self) -> bool:
        """Whether every write can be expected in the feed: up to 1.15 only a flag switches it on, and 2.x leaves it
        empty unless it is configured to (core/src/bus.ts, `persist`). 1.17 is known by its table of migrations."""
        return self.has_events and "migration" in self.tables and "session_v2" not in self.tables

    @property
    def has_counters(self) -> bool:
        """Whether the file counts the writes of each session (1.14.34 on; reliable from 1.17.0, and in 2.x)."""
        return {"aggregate_id", "seq"} <= self.tables.get("event_sequence", frozenset())

    @property
    def data_tables(self) -> list[str]:
        """The tables with messages and parts that are there."""
        return [table for table in ("message", "part", "session_message") if table in self.tables]

    @property
    def waiting_tables(self) -> list[str]:
        """The tables with prompts that wait; one without a column that it should have is left alone."""
        return [table for table, columns in WAITING.items() if self.tables.get(table, frozenset()).issuperset(columns)]

    @property
    def session_tables(self) -> list[str]:
        """The tables with sessions that are there; an id can be in both."""
        return [table for table in ("session", "session_v2") if table in self.tables]

    def select(self, table: str, columns: Sequence[str]) -> list[str]:
        """The SQL of these columns, in this order; NULL for those that this file does not have."""
        have = {column: f'"{column}"' for column in self.tables[table]}
        if self._tells_turns_by_events(table):
            have["execution"] = EXECUTION.format(table=table)
        return [have.get(column, "NULL") for column in columns]

    def _tells_turns_by_events(self, table: str) -> bool:
        """Whether only events say that a turn goes on: up to the columns of the claim, of 11 August 2026."""
        is_2x = table == "session_v2" or (table == "session" and self.is_preview)
        has_claim = "resume_attempts" in self.tables[table]
        return is_2x and not has_claim and {"seq", "created"} <= self.tables.get("event", frozenset())

    def without(self, table: str) -> Schema:
        """The same without a table: one that cannot be read."""
        tables = {name: columns for name, columns in self.tables.items() if name != table}
        return msgspec.structs.replace(self, tables=tables)


def introspect(snapshot: Snapshot) -> Schema:
    """Reads the schema. Raises NotOpencode naming the table or column that is required and not there."""
    names = [row[0] for row in snapshot.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    wanted = {*REQUIRED_1X, *REQUIRED_2X, *OTHERS}
    tables = {}
    for name in names:
        if name in wanted:
            columns = frozenset(str(column[1]) for column in snapshot.rows(f'PRAGMA table_info("{name}")'))
            if name in JOURNALS or _has_rowids(snapshot, name, columns):
                tables[name] = columns
            elif name not in OTHERS:
                raise NotOpencode(f"{snapshot.path} has a table {name} without the row numbers that opencode's has")
    version = snapshot.schema_version
    is_2x = "session_v2" in tables
    if is_2x and not all(table in tables for table in REQUIRED_1X):
        for table in REQUIRED_1X:
            tables.pop(table, None)
    is_1x = not is_2x or "session" in tables
    for table, required in {**(REQUIRED_1X if is_1x else {}), **(REQUIRED_2X if is_2x else {})}.items():
        if table not in tables:
            raise NotOpencode(f"{snapshot.path} has no table {table}: not a database of opencode 1.2 or later (yet)")
        for column in required:
            if column not in tables[table]:
                raise NotOpencode(f"{snapshot.path} has no column {table}.{column}, which is required to show anything")
    optional = {**(WANTED_1X if is_1x else {}), **(WANTED_2X if is_2x else {})}
    missing = [f"{t}.{c}" for t, columns in optional.items() for c in columns if c not in tables[t]]
    return Schema(tables, missing, version)


def _has_rowids(snapshot: Snapshot, table: str, columns: frozenset[str]) -> bool:
    """Whether rows can be named by rowid: not in a table WITHOUT ROWID, nor beside a column of that name."""
    if "rowid" in {column.lower() for column in columns}:
        return False
    try:
        # LIMIT 0 is compiled and reads no page, so that a damaged one costs no more than its rows.
        snapshot.rows(f'SELECT rowid FROM "{table}" LIMIT 0')
    except SourceChanged:  # no such column
        return False
    return True
