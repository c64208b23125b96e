"""The rows of a store of `stores.py` in the tables of a release of opencode 2.x: the same sessions, texts and costs.

The file is one of 1.x that was upgraded: the old tables stay beside the new ones.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from tests.adapter import corpus
from tests.adapter.opencode_writer import insert
from tests.adapter.writer_2x import MIGRATED, TABLES, UPGRADE
from tests.bench.stores import Generator, Rows, Shape

BIG_2X = Shape(2_000, 40_000, 200_000, 400)
"""0.4 GB: a release of 2.x writes no events."""
MOCK = {"id": "mock-1", "providerID": "mock", "variant": "default"}


def cached(shape: Shape, directory: Path) -> Path:
    """The store of this shape, made now if it is not there yet."""
    path = directory / f"2x-{shape.name}"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        make(shape, unfinished)
        unfinished.rename(path)
    return path


def make(shape: Shape, path: Path) -> None:
    """Writes a store; about 10,000 parts a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    corpus.build("1.18.33/plain", path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(f"PRAGMA synchronous = OFF; {UPGRADE} {TABLES.format(columns=MIGRATED)}")
    connection.executescript("DELETE FROM part; DELETE FROM message; DELETE FROM session; DELETE FROM event_sequence;")
    (project,) = connection.execute("SELECT id FROM project").fetchone()
    connection.execute("BEGIN")
    for rows in Generator(shape, project).sessions():
        messages = converted(rows)
        (session,) = rows["session"]
        session |= {"version": "2.0.26", "model": json.dumps(MOCK)}
        connection.execute(*insert("session_v2", session))
        for message in messages:
            connection.execute(*insert("session_message", message))
        number = {"aggregate_id": session["id"], "seq": len(messages) - 1}
        connection.execute(*insert("event_sequence", number))
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def converted(rows: Rows) -> list[dict[str, Any]]:
    """The messages of a session with their parts, a row each."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for part in rows["part"]:
        parts.setdefault(part["message_id"], []).append(json.loads(part["data"]))
    found = []
    for seq, row in enumerate(rows["message"]):
        message, mine = json.loads(row["data"]), parts.get(row["id"], [])
        is_prompt = message["role"] == "user"
        data = _prompt(message, mine) if is_prompt else _answer(message, mine)
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        found.append({**row, "type": "user" if is_prompt else "assistant", "seq": seq, "data": text})
    return found


def _prompt(message: dict[str, Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"time": message["time"], "text": "".join(part["text"] for part in parts), "files": []}


def _answer(message: dict[str, Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
    kept = ("time", "agent", "finish", "cost", "tokens")
    content = [_content(part) for part in parts if part["type"] in ("text", "reasoning", "tool")]
    return {"model": MOCK, "content": content, **{name: message[name] for name in kept}}


def _content(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] != "tool":
        return {"type": part["type"], "text": part["text"]}
    state, began = part["state"], part["state"]["time"]["start"]
    told: dict[str, Any] = {"status": state["status"], "input": state["input"]}
    if state["status"] == "error":
        told["error"] = {"type": "unknown", "message": state["error"]}
    else:
        told |= {"content": [{"type": "text", "text": state["output"]}], "metadata": {"truncated": False}}
    time = {"created": began, "ran": began, "completed": state["time"]["end"]}
    name = {"bash": "shell"}.get(part["tool"], part["tool"])
    return {"type": "tool", "id": part["callID"], "name": name, "executed": False, "state": told, "time": time}
