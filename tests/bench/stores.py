"""Databases of a chosen size: the schema of opencode 1.18.33, rows in the shapes and proportions of real ones.

The same shape gives the same rows. Stores are kept in a cache directory outside of the repository and made once.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.adapter import corpus
from tests.adapter.opencode_writer import identifier

NOW_MS = 1_795_330_000_000
SEED = 7
WORDS = (  # noqa: SIM905 - forty quoted words are harder to read
    "answer branch buffer cache change check client commit config cursor error fixture handler index layout lint "
    "message module parser query queue reader release render result retry review schema server session socket stream "
    "table target test token value widget worker writer"
).split()
TOOLS = ("bash",) * 8 + ("read",) * 7 + ("edit",) * 3 + ("grep",) * 2 + ("glob", "write", "todowrite", "docs_search")
NO_TOKENS = {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}}


class Shape(NamedTuple):
    """How much a store holds. `megabytes` is the JSON of parts; `events` are rows of the feed per part, each with the
    part's JSON again, as opencode writes them."""

    sessions: int
    messages: int
    parts: int
    megabytes: float
    events: int = 0
    child_share: float = 0.45

    @property
    def name(self) -> str:
        """The name of its file in the cache."""
        return "-".join(str(value) for value in (*self, SEED)) + ".db"


LONG = Shape(1, 1_000, 5_000, 14)
SHORT = Shape(1, 10, 50, 0.14)
MANY = Shape(7_000, 14_000, 40_000, 20)
BIG = Shape(2_000, 40_000, 200_000, 400, events=3)
"""2.2 GB."""
HUGE = Shape(7_000, 130_000, 600_000, 1_100, events=3)
"""6.1 GB: what a year of daily use leaves."""


def cached(shape: Shape, directory: Path) -> Path:
    """The store of this shape, made now if it is not there yet."""
    path = directory / shape.name
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        for suffix in ("", "-wal", "-shm"):
            unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
        make(shape, unfinished)
        unfinished.rename(path)
    return path


def make(shape: Shape, path: Path) -> None:
    """Writes a store; about 10,000 parts a second."""
    corpus.build("1.18.33/plain", path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;")
    connection.execute("DELETE FROM session")
    connection.execute("DELETE FROM event_sequence")
    (project,) = connection.execute("SELECT id FROM project").fetchone()
    connection.execute("BEGIN")
    for session in Generator(shape, project).sessions():
        for table, rows in session.items():
            if rows:
                names = ", ".join(rows[0])
                marks = ", ".join("?" * len(rows[0]))
                values = [list(row.values()) for row in rows]
                connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)
    connection.execute("COMMIT")
    # Closed cleanly in this mode it leaves one file and no WAL; opencode's own writer would switch it back.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


Rows = dict[str, list[dict[str, Any]]]


class Generator:
    """Makes the rows, session by session."""

    def __init__(self, shape: Shape, project: str) -> None:
        self.shape = shape
        self._project = project
        self._dice = random.Random(SEED)
        self._count = itertools.count()
        # Not every part carries a text, and bash keeps its own twice: 1.85 of the average makes the bytes asked for.
        # Most are short, as in real stores.
        spread = 1.35
        self._size = math.log(max(40, shape.megabytes * 1e6 / shape.parts * 1.85)) - spread**2 / 2, spread
        self._text = "\n".join(self.words(self._dice.randint(3, 14)) for _ in range(20_000))

    def words(self, count: int) -> str:
        """So many words, now and then with colour or with what is not ASCII."""
        line = " ".join(self._dice.choices(WORDS, k=count))
        kind = self._dice.random()
        return f"\x1b[32m{line}\x1b[0m" if kind < 0.02 else f"{line} — 日本語 🚀" if kind < 0.03 else line

    def text(self, share: float = 1.0) -> str:
        """A text of random size, at most 50,000 characters."""
        size = min(50_000, int(self._dice.lognormvariate(*self._size) * share) + 1)
        start = self._dice.randrange(len(self._text) - size)
        return self._text[start : start + size]

    def sessions(self) -> Iterator[Rows]:
        """The rows of one session after the other, parents before children."""
        shape, dice = self.shape, self._dice
        weights = [dice.lognormvariate(0, 1.1) for _ in range(shape.sessions)]
        total = sum(weights)
        roots: list[str] = []
        for number, weight in enumerate(weights):
            at = NOW_MS - int((1 - number / shape.sessions) * 120 * 86_400_000)
            child = bool(roots) and dice.random() < shape.child_share
            messages = max(2, round(shape.messages * weight / total))
            session = self._session(at, dice.choice(roots) if child else None, messages)
            if not child:
                roots.append(session["session"][0]["id"])
            yield session

    def _session(self, at: int, parent: str | None, messages: int) -> Rows:
        session_id = self._id("ses", at, descending=True)
        rows: Rows = {"session": [], "event_sequence": [], "message": [], "part": [], "event": []}
        answers = max(1, round(messages * 0.8))
        each = self.shape.parts / self.shape.messages
        per_answer = max(3, round((each * messages - (messages - answers)) / answers))
        prompt = ""
        for number in range(answers):
            at += self._dice.randint(500, 60_000)
            if number % max(1, answers // max(1, messages - answers)) == 0:
                prompt = self._message(rows, session_id, at, {"role": "user", "agent": "build"})
                self._part(rows, prompt, session_id, at, {"type": "text", "text": self.text(0.1)})
            at = self._answer(rows, session_id, prompt, at, per_answer, number == answers - 1)
        title = self.words(5)
        rows["session"].append(
            {
                "id": session_id,
                "project_id": self._project,
                "parent_id": parent,
                "slug": "kind-moon",
                "directory": "/lab/project",
                "title": f"{title} (@explore subagent)" if parent else title,
                "version": "1.18.33",
                "cost": 0.01 * answers,
                "tokens_input": 900 * answers,
                "tokens_output": 300 * answers,
                "agent": "explore" if parent else "build",
                "model": '{"id":"mock-1","providerID":"mock"}',
                "time_created": rows["message"][0]["time_created"],
                "time_updated": at,
            }
        )
        if rows["event"]:
            rows["event_sequence"].append({"aggregate_id": session_id, "seq": len(rows["event"]) - 1})
        return rows

    def _answer(self, rows: Rows, session_id: str, prompt: str, at: int, parts: int, last: bool) -> int:
        began = at
        tokens = {**NO_TOKENS, "input": self._dice.randint(200, 3000), "output": self._dice.randint(20, 1800)}
        data = {
            "role": "assistant",
            "parentID": prompt,
            "mode": "build",
            "agent": "build",
            "path": {"cwd": "/lab/project", "root": "/lab/project"},
            "modelID": "mock-1",
            "providerID": "mock",
            "cost": 0.01,
            "tokens": tokens,
            "finish": "stop" if last else "tool-calls",
        }
        message_id = self._message(rows, session_id, began, data)
        self._part(rows, message_id, session_id, at, {"type": "step-start", "snapshot": "a7" * 20})
        for number in range(parts - 2):
            end = at + int(self._dice.lognormvariate(6, 1.4)) + 1
            self._part(rows, message_id, session_id, end, self._content(number, {"start": at, "end": end}))
            at = end
        finish = {"type": "step-finish", "reason": data["finish"], "tokens": tokens, "cost": 0.01}
        self._part(rows, message_id, session_id, at, finish)
        rows["message"][-1]["data"] = _json({**data, "time": {"created": began, "completed": at}})
        return at

    def _content(self, number: int, time: dict[str, int]) -> dict[str, Any]:
        if number == 0 and self._dice.random() < 0.6:
            return {"type": "reasoning", "text": self.text(0.25), "time": time}
        if number <= 1 and self._dice.random() < 0.5:
            return {"type": "text", "text": self.text(0.3), "time": time}
        tool, output, metadata = self._dice.choice(TOOLS), self.text(), {"truncated": False}
        state: dict[str, Any] = {"status": "completed", "input": {"filePath": "/lab/project/a.py"}, "title": "a.py"}
        if tool == "bash":
            output = output[: len(output) * 2 // 3]
            state["input"] = {"command": self.words(6), "description": self.words(3)}
            metadata |= {"output": output, "exit": 0}
        elif tool == "edit":
            half = output[: len(output) // 3]
            state["input"] |= {"oldString": half, "newString": half}
            metadata |= {"diff": f"--- a.py\n+++ a.py\n{half}", "filediff": {"additions": 3, "deletions": 1}}
            output = "Edit applied successfully."
        elif tool == "write":
            state["input"] |= {"content": output}
            output = "Wrote file successfully."
        elif tool == "todowrite":
            todos = [{"content": self.words(4), "status": "pending"} for _ in range(4)]
            state["input"], output = {"todos": todos}, json.dumps(todos)
        state |= {"output": output, "metadata": metadata, "time": time}
        if self._dice.random() < 0.05:
            state = {"status": "error", "input": state["input"], "error": "File not found", "time": time}
        return {"type": "tool", "callID": "call_1", "tool": tool, "state": state}

    def _message(self, rows: Rows, session_id: str, at: int, data: dict[str, Any]) -> str:
        message_id = self._id("msg", at)
        rows["message"].append(
            {
                "id": message_id,
                "session_id": session_id,
                "time_created": at,
                "time_updated": at,
                "data": _json({**data, "time": {"created": at}}),
            }
        )
        return message_id

    def _part(self, rows: Rows, message_id: str, session_id: str, at: int, data: dict[str, Any]) -> None:
        part_id, text = self._id("prt", at), _json(data)
        ids = {"id": part_id, "message_id": message_id, "session_id": session_id}
        rows["part"].append({**ids, "time_created": at, "time_updated": at, "data": text})
        for _ in range(self.shape.events):
            head = f'{{"sessionID":"{session_id}","part":{{"id":"{part_id}","messageID":"{message_id}"}},"data":'
            rows["event"].append(
                {
                    "id": self._id("evt", at),
                    "aggregate_id": session_id,
                    "seq": len(rows["event"]),
                    "type": "message.part.updated.1",
                    "data": f"{head}{text}}}",
                }
            )

    def _id(self, prefix: str, ms: int, descending: bool = False) -> str:
        return identifier(prefix, ms, next(self._count) % 10**14, descending)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
