"""A database as the 2.0 preview keeps it, and a process that writes it.

Tables, columns and the order of writes as observed with `opencode2` 0.0.0-next-16350: sessions lie in `session`, with
columns for forks and without a claim; every durable event is a row of `event`, committed together with the session's
number and with what it changes.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from pathlib import Path
from typing import Any

from tests.adapter.opencode_writer import identifier, insert
from tests.adapter.writer import Statement, Writer, now_ms

SCHEMA = """
CREATE TABLE project (id text PRIMARY KEY, worktree text NOT NULL);
CREATE TABLE migration (id text PRIMARY KEY, time_completed integer NOT NULL);
INSERT INTO migration VALUES ('20260722170000_canonical_tool_results', 1);
CREATE TABLE session (
  id text PRIMARY KEY, project_id text NOT NULL, workspace_id text, parent_id text, fork_session_id text,
  fork_message_id text, fork_seq integer, slug text NOT NULL, directory text NOT NULL, path text, title text NOT NULL,
  version text NOT NULL, share_url text, summary_additions integer, summary_deletions integer, summary_files integer,
  summary_diffs text, metadata text, cost real DEFAULT 0 NOT NULL, tokens_input integer DEFAULT 0 NOT NULL,
  tokens_output integer DEFAULT 0 NOT NULL, tokens_reasoning integer DEFAULT 0 NOT NULL,
  tokens_cache_read integer DEFAULT 0 NOT NULL, tokens_cache_write integer DEFAULT 0 NOT NULL, revert text,
  permission text, agent text, model text, time_created integer NOT NULL, time_updated integer NOT NULL,
  time_compacting integer, time_archived integer, time_suspended integer
);
CREATE TABLE message (id text PRIMARY KEY, session_id text NOT NULL, time_created integer NOT NULL,
  time_updated integer NOT NULL, data text NOT NULL);
CREATE INDEX message_session_time_created_id_idx ON message (session_id, time_created, id);
CREATE TABLE part (id text PRIMARY KEY, message_id text NOT NULL, session_id text NOT NULL,
  time_created integer NOT NULL, time_updated integer NOT NULL, data text NOT NULL);
CREATE INDEX part_message_id_id_idx ON part (message_id, id);
CREATE INDEX part_session_idx ON part (session_id);
CREATE TABLE session_message (
  id text PRIMARY KEY, session_id text NOT NULL REFERENCES session(id) ON DELETE CASCADE, type text NOT NULL,
  seq integer NOT NULL, time_created integer NOT NULL, time_updated integer NOT NULL, data text NOT NULL
);
CREATE UNIQUE INDEX session_message_session_seq_idx ON session_message (session_id, seq);
CREATE TABLE session_pending (
  id text PRIMARY KEY, session_id text NOT NULL REFERENCES session(id) ON DELETE CASCADE, type text NOT NULL,
  data text NOT NULL, delivery text, admitted_seq integer NOT NULL, time_created integer NOT NULL
);
CREATE UNIQUE INDEX session_pending_session_admitted_seq_idx ON session_pending (session_id, admitted_seq);
CREATE TABLE event_sequence (aggregate_id text PRIMARY KEY, seq integer NOT NULL, owner_id text);
CREATE TABLE event (
  id text PRIMARY KEY, aggregate_id text NOT NULL REFERENCES event_sequence(aggregate_id) ON DELETE CASCADE,
  seq integer NOT NULL, created integer NOT NULL, type text NOT NULL, data text NOT NULL
);
CREATE UNIQUE INDEX event_aggregate_seq_idx ON event (aggregate_id, seq);
CREATE INDEX event_aggregate_type_seq_idx ON event (aggregate_id, type, seq);
"""
VERSION = "0.0.0-next-16350"


class WriterPreview(Writer):
    """A new file of the preview. `ms` freezes the clock of the writer."""

    def __init__(self, path: Path, *, ms: int | None = None) -> None:
        connection = sqlite3.connect(path)
        connection.executescript(SCHEMA)
        connection.execute(*insert("project", {"id": "global", "worktree": "/"}))
        connection.commit()
        connection.close()
        super().__init__(path)
        self.ms = ms
        self.sessions: list[str] = []
        self.messages: dict[str, str] = {}
        self._count = itertools.count()

    def session(self, title: str = "A session", parent: str | None = None, session_id: str = "", **columns: Any) -> str:
        """Inserts a session."""
        now = columns.pop("time_created", None) or self._now()
        session_id = session_id or identifier("ses", now, next(self._count))
        self.sessions.append(session_id)
        row = {
            "id": session_id,
            "project_id": "global",
            "parent_id": parent,
            "slug": "kind-moon",
            "directory": "/lab/project",
            "title": title,
            "version": VERSION,
            "time_created": now,
            "time_updated": now,
            **columns,
        }
        self.tell(session_id, "session.created.1", {}, insert("session", row))
        return session_id

    def change_session(self, session_id: str, **columns: Any) -> None:
        """Rewrites columns of a session."""
        names = ", ".join(f"{name} = ?" for name in columns)
        statement = (f"UPDATE session SET {names} WHERE id = ?", [*columns.values(), session_id])
        self.tell(session_id, "session.usage.recorded.1", {}, statement)

    def execution(self, session_id: str, what: str, **data: Any) -> None:
        """A turn was `started`, or has `succeeded`, `failed` or been `interrupted`: no row changes but that of the
        event."""
        self.tell(session_id, f"session.execution.{what}.1", data)

    def admit(
        self, session_id: str, data: Any, kind: str = "user", delivery: str | None = "steer", message_id: str = ""
    ) -> str:
        """A prompt begins to wait."""
        now = self._now()
        message_id = message_id or identifier("msg", now, next(self._count))
        row = {"id": message_id, "session_id": session_id, "type": kind, "delivery": delivery, "time_created": now}
        names = ", ".join([*row, "data", "admitted_seq"])
        values = [*row.values(), _text(data), session_id]
        sql = f"INSERT INTO session_pending ({names}) VALUES (?, ?, ?, ?, ?, ?, {SEQ})"
        self.tell(session_id, "session.input.admitted.1", {"inputID": message_id}, (sql, values))
        return message_id

    def promote(self, session_id: str, message_id: str, data: Any, kind: str = "user") -> None:
        """A prompt that waited is taken up."""
        gone = ("DELETE FROM session_pending WHERE id = ?", [message_id])
        added = self._inserted(session_id, kind, data, message_id)
        self.tell(session_id, "session.input.promoted.1", {"inputID": message_id}, gone, added)

    def add(self, session_id: str, kind: str, data: Any, message_id: str = "") -> str:
        """Appends a row at the session's next seq."""
        message_id = message_id or identifier("msg", self._now(), next(self._count))
        told = {"assistantMessageID": message_id} if kind == "assistant" else {}
        self.tell(session_id, "session.step.started.1", told, self._inserted(session_id, kind, data, message_id))
        return message_id

    def prompt(self, session_id: str, text: str = "Please.") -> str:
        """A prompt that waits for no longer than it takes."""
        return self.add(session_id, "user", {"text": text, "time": {"created": self._now()}})

    def rewrite(self, message_id: str, data: Any) -> None:
        """Rewrites a row in place."""
        sql = "UPDATE session_message SET data = ?, time_updated = ? WHERE id = ?"
        statement = (sql, [_text(data), self._now(), message_id])
        self.tell(self.messages[message_id], "session.step.ended.1", {"assistantMessageID": message_id}, statement)

    def tell(self, session_id: str, kind: str, data: dict[str, Any], *statements: Statement) -> None:
        """One durable event with what it changes, in one transaction."""
        event_id = identifier("evt", self._now(), next(self._count))
        said = {"sessionID": session_id, **data}
        move = (
            "INSERT INTO event_sequence (aggregate_id, seq) VALUES (?, 0) "
            "ON CONFLICT (aggregate_id) DO UPDATE SET seq = seq + 1",
            [session_id],
        )
        event = (
            f"INSERT INTO event (id, aggregate_id, seq, created, type, data) VALUES (?, ?, {SEQ}, ?, ?, ?)",
            [event_id, session_id, session_id, self._now(), kind, json.dumps(said)],
        )
        self.commit(move, event, *statements)

    def _inserted(self, session_id: str, kind: str, data: Any, message_id: str) -> Statement:
        now = self._now()
        self.messages[message_id] = session_id
        row = {"id": message_id, "session_id": session_id, "type": kind, "time_created": now, "time_updated": now}
        names = ", ".join([*row, "data", "seq"])
        return (
            f"INSERT INTO session_message ({names}) VALUES (?, ?, ?, ?, ?, ?, {SEQ})",
            [*row.values(), _text(data), session_id],
        )

    def _now(self) -> int:
        return now_ms() if self.ms is None else self.ms


SEQ = "(SELECT seq FROM event_sequence WHERE aggregate_id = ?)"


def _text(data: Any) -> str:
    return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
