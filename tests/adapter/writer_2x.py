"""A database as opencode 2.x keeps it, and a process that writes it.

Made by hand: no 2.x can be installed where these tests were written. Tables and columns are those of upstream's
`packages/core/src/database/migration/20260804233008_loose_psylocke.ts` and of later migrations
(`20260819222447_session_viewed_state`), the order of writes that of `session/projector.ts` and `bus.ts`: one
transaction moves the session's `seq` and writes its row of session_message, `event` stays empty, and only a new prompt
and a few other things move `session_v2.time_updated`.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from pathlib import Path
from typing import Any

from tests.adapter import corpus
from tests.adapter.opencode_writer import identifier, insert
from tests.adapter.writer import Statement, Writer, now_ms

SESSION_V2 = """
CREATE TABLE session_v2 (
  id text PRIMARY KEY, project_id text NOT NULL, workspace_id text, parent_id text, fork_session_id text,
  fork_boundary text, slug text NOT NULL, directory text NOT NULL, path text, title text, version text NOT NULL,
  share_url text, summary_additions integer, summary_deletions integer, summary_files integer, summary_diffs text,
  metadata text, cost real DEFAULT 0 NOT NULL, tokens_input integer DEFAULT 0 NOT NULL,
  tokens_output integer DEFAULT 0 NOT NULL, tokens_reasoning integer DEFAULT 0 NOT NULL,
  tokens_cache_read integer DEFAULT 0 NOT NULL, tokens_cache_write integer DEFAULT 0 NOT NULL, revert text,
  permission text, agent text, model text, time_created integer NOT NULL, time_updated integer NOT NULL,
  time_compacting integer, time_archived integer, time_suspended integer, resume_attempts integer DEFAULT 0 NOT NULL,
  time_idle integer, time_viewed integer, idle_outcome text
);
CREATE TABLE session_message (
  id text PRIMARY KEY, session_id text NOT NULL REFERENCES session_v2(id) ON DELETE CASCADE, type text NOT NULL,
  seq integer NOT NULL, time_created integer NOT NULL, time_updated integer NOT NULL, data text NOT NULL
);
CREATE UNIQUE INDEX session_message_session_seq_idx ON session_message (session_id, seq);
CREATE INDEX session_message_session_type_seq_idx ON session_message (session_id, type, seq);
CREATE TABLE session_pending (
  id text PRIMARY KEY, session_id text NOT NULL, type text NOT NULL, data text NOT NULL, delivery text,
  admitted_seq integer NOT NULL, time_created integer NOT NULL
);
CREATE TABLE session_inbox (
  id text PRIMARY KEY, session_id text NOT NULL REFERENCES session_v2(id) ON DELETE CASCADE, type text NOT NULL,
  payload text NOT NULL, delivery text, enqueued_seq integer NOT NULL, time_created integer NOT NULL
);
CREATE UNIQUE INDEX session_inbox_session_enqueued_seq_idx ON session_inbox (session_id, enqueued_seq);
"""
ALONE = """
CREATE TABLE project (id text PRIMARY KEY, worktree text NOT NULL);
CREATE TABLE migration (id text PRIMARY KEY, time_completed integer NOT NULL);
INSERT INTO migration VALUES ('20260804233008_loose_psylocke', 1);
CREATE TABLE event_sequence (aggregate_id text PRIMARY KEY, seq integer NOT NULL, owner_id text);
CREATE TABLE event (
  id text PRIMARY KEY, aggregate_id text NOT NULL REFERENCES event_sequence(aggregate_id) ON DELETE CASCADE,
  seq integer NOT NULL, type text NOT NULL, data text NOT NULL, created integer DEFAULT 0 NOT NULL
);
"""
UPGRADE = """
DROP TABLE session_message; DROP TABLE session_input; DROP TABLE session_context_epoch;
DELETE FROM event;
ALTER TABLE event ADD created integer DEFAULT 0 NOT NULL;
INSERT INTO migration VALUES ('20260804233008_loose_psylocke', 1);
"""
VERSION = "2.0.3"


class Writer2x(Writer):
    """A new file of 2.x, or with `beside` the dump `1.18.33/<beside>` as 2.x leaves it when it has upgraded it.
    `ms` freezes the clock of the writer."""

    def __init__(self, path: Path, *, beside: str = "", ms: int | None = None) -> None:
        if beside:
            corpus.build(f"1.18.33/{beside}", path)
        connection = sqlite3.connect(path)
        connection.executescript((UPGRADE if beside else ALONE) + SESSION_V2)
        connection.close()
        super().__init__(path)
        self.ms = ms
        self.sessions: list[str] = []
        self.messages: dict[str, str] = {}
        self._count = itertools.count(1)

    def session(self, title: str | None = "A session", parent: str | None = None, **columns: Any) -> str:
        """A new session."""
        now = self._now()
        session_id = columns.pop("id", None) or identifier("ses", now, next(self._count), descending=True)
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
        self.sessions.append(session_id)
        self.commit(insert("session_v2", row), self._move(session_id))
        return session_id

    def change_session(self, session_id: str, **columns: Any) -> None:
        """Rewrites columns of a session."""
        names = ", ".join(f"{name} = ?" for name in columns)
        statement = (f"UPDATE session_v2 SET {names} WHERE id = ?", [*columns.values(), session_id])
        self.commit(statement, self._move(session_id))

    def add(self, session_id: str, kind: str, data: Any, message_id: str = "") -> str:
        """Appends a row at the session's next seq. `data` may be text that is no JSON."""
        now = self._now()
        message_id = message_id or identifier("msg", now, next(self._count))
        self.messages[message_id] = session_id
        row = {"id": message_id, "session_id": session_id, "type": kind, "time_created": now, "time_updated": now}
        names = ", ".join([*row, "seq", "data"])
        seq = "(SELECT seq FROM event_sequence WHERE aggregate_id = ?)"
        self.commit(
            self._move(session_id),
            (
                f"INSERT INTO session_message ({names}) VALUES (?, ?, ?, ?, ?, {seq}, ?)",
                [*row.values(), session_id, _text(data)],
            ),
        )
        return message_id

    def admit(self, session_id: str, data: Any, kind: str = "user", delivery: str | None = "steer") -> str:
        """A prompt begins to wait."""
        now = self._now()
        message_id = identifier("msg", now, next(self._count))
        row = {"id": message_id, "session_id": session_id, "type": kind, "delivery": delivery, "time_created": now}
        names = ", ".join([*row, "payload", "enqueued_seq"])
        seq = "(SELECT seq FROM event_sequence WHERE aggregate_id = ?)"
        sql = f"INSERT INTO session_inbox ({names}) VALUES (?, ?, ?, ?, ?, ?, {seq})"
        self.commit(self._move(session_id), (sql, [*row.values(), _text(data), session_id]))
        return message_id

    def promote(self, session_id: str, message_id: str, data: Any, kind: str = "user") -> None:
        """A prompt that waited is taken up: its row is another one, under the same id."""
        now = self._now()
        self.messages[message_id] = session_id
        row = {"id": message_id, "session_id": session_id, "type": kind, "time_created": now, "time_updated": now}
        names = ", ".join([*row, "data", "seq"])
        seq = "(SELECT seq FROM event_sequence WHERE aggregate_id = ?)"
        sql = f"INSERT INTO session_message ({names}) VALUES (?, ?, ?, ?, ?, ?, {seq})"
        gone = ("DELETE FROM session_inbox WHERE id = ?", [message_id])
        self.commit(self._move(session_id), gone, (sql, [*row.values(), _text(data), session_id]))

    def prompt(self, session_id: str, text: str = "Please.") -> str:
        """A prompt is delivered; it is one of the few things that move the session's own time."""
        self.change_session(session_id, time_updated=self._now())
        return self.add(session_id, "user", {"text": text, "files": [], "time": {"created": self._now()}})

    def rewrite(self, message_id: str, data: Any) -> None:
        """Rewrites a row in place: its seq stays, its `time_updated` is the writer's clock."""
        statement = (
            "UPDATE session_message SET data = ?, time_updated = ? WHERE id = ?",
            [_text(data), self._now(), message_id],
        )
        self.commit(statement, self._move(self.messages[message_id]))

    def go_back_to(self, message_id: str) -> None:
        """A revert that is committed: this row and all later ones go."""
        session_id = self.messages[message_id]
        later = "SELECT seq FROM session_message WHERE id = ?"
        statement = (
            f"DELETE FROM session_message WHERE session_id = ? AND seq >= ({later})",
            [session_id, message_id],
        )
        self.commit(statement, self._move(session_id))

    def remove_session(self, session_id: str) -> None:
        """Deletes a session with its rows, then in a second transaction its number."""
        self.sessions.remove(session_id)
        self.commit(("DELETE FROM session_v2 WHERE id = ?", [session_id]), self._move(session_id))
        self.commit(("DELETE FROM event_sequence WHERE aggregate_id = ?", [session_id]))

    def _now(self) -> int:
        return now_ms() if self.ms is None else self.ms

    def _move(self, session_id: str) -> Statement:
        return (
            "INSERT INTO event_sequence (aggregate_id, seq) VALUES (?, 0) "
            "ON CONFLICT (aggregate_id) DO UPDATE SET seq = seq + 1",
            [session_id],
        )


def _text(data: Any) -> str:
    return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)


def step(*content: Any, created: int = 1000, completed: int = 0, tokens: int = 0, **fields: Any) -> dict[str, Any]:
    """The JSON of an answer; `tokens` are its input tokens."""
    done = {"finish": "stop", "cost": tokens / 1e6, "tokens": counters(tokens)} if completed else {}
    return {
        "agent": "build",
        "model": {"id": "mock-1", "providerID": "mock", "variant": "default"},
        "content": list(content),
        "time": {"created": created, **({"completed": completed} if completed else {})},
        **done,
        **fields,
    }


def counters(tokens: int) -> dict[str, Any]:
    """Token counters with only an input."""
    return {"input": tokens, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}}


def call(status: str, name: str = "shell", created: int = 1100, **fields: Any) -> dict[str, Any]:
    """The JSON of a tool call in an answer; `ran` and `completed` are times, everything else is its state."""
    time = {"created": created, **{key: fields.pop(key) for key in ("ran", "completed") if key in fields}}
    empty: Any = "" if status == "streaming" else {}
    return {
        "type": "tool",
        "id": "call_1",
        "name": name,
        "executed": False,
        "state": {"status": status, "input": empty, **fields},
        "time": time,
    }
