"""A database as the 2.0 preview keeps it, and a process that writes it.

The tables are those that `opencode2` 0.0.0-next-16350 made itself, out of its dumps; the order of writes is as observed
with it: sessions lie in `session`, with columns for forks and without a claim; every durable event is a row of `event`,
committed together with the session's number and with what it changes.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from tests.adapter import corpus
from tests.adapter.opencode_writer import identifier, insert
from tests.adapter.writer import Statement
from tests.adapter.writer_2x import SEQ, Writer2x

NO_ROWS = "DELETE FROM session; DELETE FROM event_sequence; DELETE FROM project;"
"""All that the dump's session left goes with it, by the foreign keys."""


class WriterPreview(Writer2x):
    """A new file of the preview, or with `beside` one of its dumps, such as `given-task.opened`: a file of 1.18 that it
    has just taken over, with its sessions in `sessions`. `ms` freezes the clock of the writer."""

    version = "0.0.0-next-16350"
    session_table = "session"
    inbox = ("session_pending", "data", "admitted_seq")

    def __init__(self, path: Path, *, beside: str = "", ms: int | None = None) -> None:
        super().__init__(path, beside=beside, ms=ms)
        ((self.project,),) = self.run("SELECT id FROM project")
        self.sessions = [str(name) for (name,) in self.run("SELECT id FROM session ORDER BY time_created")]
        for key, session_id, kind in self.run("SELECT id, session_id, type FROM session_message"):
            self.messages[key], self.kinds[key] = session_id, kind

    def _build(self, path: Path, beside: str) -> None:
        corpus.build(f"{corpus.PREVIEW}/{beside or 'plain'}", path)
        if not beside:
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.executescript(NO_ROWS)
            row = {"id": "global", "worktree": "/", "sandboxes": "[]", "time_created": 1, "time_updated": 1}
            connection.execute(*insert("project", row))
            connection.commit()
            connection.close()

    def session(self, title: str | None = "A session", parent: str | None = None, **columns: Any) -> str:
        """A new session; without a title it has one of the preview's own making."""
        return super().session(title or "New session - 2026-11-26T05:57:06.477Z", parent, **columns)

    def prompt(self, session_id: str, text: str = "Please.") -> str:
        """A prompt that waits for no longer than it takes."""
        return self.add(session_id, "user", {"text": text, "time": {"created": self._now()}})

    def begin(self, session_id: str) -> None:
        """A turn begins; only an event tells of it."""
        self.execution(session_id, "started")

    def end(self, session_id: str, outcome: str) -> None:
        """It has `succeeded`, `failed` or been `interrupted`; with `shutdown` the session is suspended as well, to be
        gone on with by the next server."""
        if outcome == "shutdown":
            statement = "UPDATE session SET time_suspended = ?, time_updated = ? WHERE id = ?"
            suspended = (statement, [self._now(), self._now(), session_id])
            self.tell(session_id, "session.execution.interrupted.1", {"reason": "shutdown"}, suspended)
        else:
            self.execution(session_id, outcome, **({"reason": "user"} if outcome == "interrupted" else {}))

    def execution(self, session_id: str, what: str, **data: Any) -> None:
        """A turn was `started`, or has `succeeded`, `failed` or been `interrupted`: no row changes but that of the
        event."""
        self.tell(session_id, f"session.execution.{what}.1", data)

    def tell(self, session_id: str, kind: str, data: dict[str, Any], *statements: Statement) -> None:
        """One durable event with what it changes, in one transaction."""
        self.commit(*self._move(session_id, kind, **data), *statements)

    def _move(self, session_id: str, kind: str, field: str = "", value: str = "", **data: Any) -> list[Statement]:
        """The number moves and a row says what happened; the ids come first in its JSON."""
        moved = super()._move(session_id, kind)
        if not kind:
            return moved
        told = {"sessionID": session_id, **({field: value} if field else {}), **data}
        statement = f"INSERT INTO event (id, aggregate_id, seq, created, type, data) VALUES (?, ?, {SEQ}, ?, ?, ?)"
        name = identifier("evt", self._now(), next(self._count))
        return [
            *moved,
            (statement, [name, session_id, session_id, self._now(), kind, json.dumps(told, separators=(",", ":"))]),
        ]
