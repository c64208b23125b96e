"""opencode's own writes, one transaction each: sessions, messages and parts, with or without the change feed.

Shapes and order as `session/projector.ts` and `event.ts` of 1.18.33 bring them into the file; with `events` off the
same rows appear as 1.15 and older write them.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from tests.adapter import corpus
from tests.adapter.writer import Statement, Writer, now_ms

ID_BITS = 2**48


def identifier(prefix: str, ms: int, counter: int, descending: bool = False) -> str:
    """An id as id.ts makes it: the low 48 bits of ms * 4096 + counter, and 14 more characters."""
    value = (ms * 4096 + counter) % ID_BITS
    if descending:
        value = ID_BITS - 1 - value
    return f"{prefix}_{value:012x}{counter:014d}"


class OpencodeWriter(Writer):
    """A database made from the schema of `version`, without any session, and the process that writes it.

    `events` says whether writes leave rows in `event` and `event_sequence`; `ms` freezes the clock of the writer
    (None: the wall clock) and `id_shift_ms` moves the time that ids are made of.
    """

    def __init__(self, path: Path, version: str = "1.18.33", *, events: bool = True, ms: int | None = None) -> None:
        corpus.build(f"{version}/plain", path)
        super().__init__(path)
        self.events = events
        self.version = version
        self.ms = ms
        self.id_shift_ms = 0
        self.sessions: list[str] = []
        self.messages: dict[str, str] = {}
        self.parts: dict[str, str] = {}
        self._count = itertools.count(1)
        self._seq: dict[str, int] = {}
        self._tables = {name for (name,) in self.run("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self.project = self.run("SELECT id FROM project")[0][0]
        for table in ("event", "event_sequence", "session"):
            if table in self._tables:
                self.commit((f"DELETE FROM {table}", ()))

    # -- what opencode does

    def session(self, title: str = "A session", parent: str | None = None, **columns: Any) -> str:
        """A new session."""
        now = self._now()
        session_id = columns.pop("id", None) or self._id("ses", descending=True)
        row = {
            "id": session_id,
            "project_id": self.project,
            "parent_id": parent,
            "slug": "kind-moon",
            "directory": "/lab/project",
            "title": title,
            "version": self.version,
            "time_created": now,
            "time_updated": now,
            **columns,
        }
        self.sessions.append(session_id)
        info = {"id": session_id, "title": title}
        self.commit(insert("session", row), *self._event(session_id, "session.created.1", {"info": info}))
        return session_id

    def change_session(self, session_id: str, **columns: Any) -> None:
        """Rewrites columns of a session: opencode moves `time_updated` for few of them, so nothing is added here."""
        names = ", ".join(f"{name} = ?" for name in columns)
        statement = (f"UPDATE session SET {names} WHERE id = ?", [*columns.values(), session_id])
        self.commit(statement, *self._event(session_id, "session.updated.1", {"info": {"id": session_id}}))

    def user(self, session_id: str, text: str = "Please.", **options: Any) -> str:
        """A prompt: the message, then its text in a commit of its own."""
        message_id = self.message(session_id, {"role": "user", "time": {"created": self._now()}}, **options)
        self.part(message_id, {"type": "text", "text": text})
        return message_id

    def assistant(self, session_id: str, prompt: str = "", **fields: Any) -> str:
        """An answer that has just begun."""
        return self.message(session_id, answer(self._now(), prompt, **fields))

    def message(self, session_id: str, data: Any, message_id: str = "", created: int | None = None) -> str:
        """Inserts or rewrites a message. `data` may be text that is no JSON."""
        message_id = message_id or self._id("msg")
        row = self._row(message_id, data, created, session_id=session_id)
        self.messages[message_id] = session_id
        info = {"info": {"id": message_id, "sessionID": session_id}}
        self.commit(upsert("message", row), *self._event(session_id, "message.updated.1", info))
        return message_id

    def part(self, message_id: str, data: Any, part_id: str = "") -> str:
        """Inserts or rewrites a part."""
        part_id = part_id or self._id("prt")
        self.commit(*self.part_statements(message_id, data, part_id))
        return part_id

    def part_statements(self, message_id: str, data: Any, part_id: str) -> list[Statement]:
        """What `part` commits, to be put into a larger transaction."""
        session_id = self.messages[message_id]
        row = self._row(part_id, data, None, message_id=message_id, session_id=session_id)
        self.parts[part_id] = message_id
        part = {"part": {"id": part_id, "sessionID": session_id, "messageID": message_id}}
        return [upsert("part", row), *self._event(session_id, "message.part.updated.1", part)]

    def remove_part(self, part_id: str) -> None:
        """Deletes a part."""
        message_id = self.parts.pop(part_id)
        session_id = self.messages[message_id]
        told = {"messageID": message_id, "partID": part_id}
        self.commit(
            ("DELETE FROM part WHERE id = ?", (part_id,)), *self._event(session_id, "message.part.removed.1", told)
        )

    def remove_message(self, message_id: str) -> None:
        """Deletes a message, and by the foreign key its parts."""
        session_id = self.messages.pop(message_id)
        self.parts = {part: message for part, message in self.parts.items() if message != message_id}
        told = {"messageID": message_id}
        self.commit(
            ("DELETE FROM message WHERE id = ?", (message_id,)), *self._event(session_id, "message.removed.1", told)
        )

    def remove_session(self, session_id: str) -> None:
        """Deletes a session, and in a second transaction, as opencode does, what the feed says about it."""
        self.sessions.remove(session_id)
        gone = {message for message, session in self.messages.items() if session == session_id}
        self.messages = {message: session for message, session in self.messages.items() if message not in gone}
        self.parts = {part: message for part, message in self.parts.items() if message not in gone}
        told = self._event(session_id, "session.deleted.1", {"info": {"id": session_id}})
        self.commit(("DELETE FROM session WHERE id = ?", (session_id,)), *told)
        if "event" in self._tables:
            self.commit(
                ("DELETE FROM event WHERE aggregate_id = ?", (session_id,)),
                ("DELETE FROM event_sequence WHERE aggregate_id = ?", (session_id,)),
            )
        self._seq.pop(session_id, None)

    def fork(self, session_id: str, title: str = "A session (fork #1)") -> str:
        """A copy with new ids and the old times of its messages; nothing points back."""
        rows = self.run(f"SELECT id, time_created, data FROM message WHERE session_id = '{session_id}' ORDER BY 2, 1")
        copy = self.session(title)
        for message_id, created, data in rows:
            new = self.message(copy, data, created=created)
            for _, part in self.run(f"SELECT id, data FROM part WHERE message_id = '{message_id}' ORDER BY id"):
                self.part(new, part)
        return copy

    # -- pieces

    def _now(self) -> int:
        return now_ms() if self.ms is None else self.ms

    def _id(self, prefix: str, descending: bool = False) -> str:
        return identifier(prefix, self._now() + self.id_shift_ms, next(self._count), descending)

    def _row(self, row_id: str, data: Any, created: int | None, **columns: str) -> dict[str, Any]:
        now = self._now()
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        times = {"time_created": now if created is None else created, "time_updated": now}
        return {"id": row_id, **columns, **times, "data": text}

    def _event(self, session_id: str, kind: str, told: dict[str, Any]) -> list[Statement]:
        if not self.events or "event" not in self._tables:
            return []
        seq = self._seq[session_id] = self._seq.get(session_id, -1) + 1
        number = {"aggregate_id": session_id, "seq": seq}
        data = json.dumps({"sessionID": session_id, **told}, separators=(",", ":"))
        return [
            (
                "INSERT INTO event_sequence (aggregate_id, seq) VALUES (?, ?) "
                "ON CONFLICT (aggregate_id) DO UPDATE SET seq = excluded.seq",
                (session_id, seq),
            ),
            insert("event", {"id": self._id("evt"), **number, "type": kind, "data": data}),
        ]


def insert(table: str, row: dict[str, Any]) -> Statement:
    """An INSERT of one row."""
    names = ", ".join(f'"{name}"' for name in row)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values())


def upsert(table: str, row: dict[str, Any]) -> Statement:
    """An INSERT that rewrites `data` and `time_updated` in place when the id is there (rowid and creation stay)."""
    sql, values = insert(table, row)
    again = "ON CONFLICT (id) DO UPDATE SET data = excluded.data, time_updated = excluded.time_updated"
    return f"{sql} {again}", values


def answer(created: int, prompt: str = "", *, completed: int = 0, tokens: int = 0, **fields: Any) -> dict[str, Any]:
    """The JSON of an assistant message; `tokens` are its input tokens."""
    return {
        "role": "assistant",
        "parentID": prompt,
        "agent": "build",
        "mode": "build",
        "modelID": "mock-1",
        "providerID": "mock",
        "cost": tokens / 1e6,
        "tokens": {"input": tokens, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}},
        "time": {"created": created, **({"completed": completed} if completed else {})},
        **fields,
    }


def tool(status: str, name: str = "bash", **state: Any) -> dict[str, Any]:
    """The JSON of a tool part."""
    return {"type": "tool", "tool": name, "callID": "call_1", "state": {"status": status, "input": {}, **state}}
