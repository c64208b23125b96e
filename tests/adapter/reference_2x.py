"""What the rows of an opencode 2.x database say, read in the plainest way: SQL, `json.loads`, and one rule a field.

It shares nothing with the adapter, so that both can only agree where both are right. `read` gives every session of a
file of the preview (sessions in `session`, prompts that wait in `session_pending`); sessions of 1.x that lie in the
same file are told by their messages only, because the dumps of 1.x have tests of their own.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Tokens(NamedTuple):
    """Counters in the order of the adapter's `Usage`."""

    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache_read: int = 0
    cache_write: int = 0


NO_TOKENS = Tokens()


@dataclass
class Call:
    """A tool call, or a command that the user ran. `status` is running, completed, failed or cancelled; `output` holds
    each text (or address of a file) of the result; `child` is the session that a sub-agent's call started."""

    name: str
    status: str
    input: Any
    output: list[str]
    error: str = ""
    child: str = ""


@dataclass
class Step:
    """A row that is a turn: an answer of the model, a compaction, or a command of the user (`kind`). `status` is
    running, completed, failed or aborted. `texts` are (`text` or `reasoning`, what was written), without empty ones.
    Calls and texts are None where they are not read."""

    id: str
    kind: str
    status: str
    agent: str = ""
    model: str = ""
    provider: str = ""
    finish: str = ""
    error: str = ""
    tokens: Tokens = NO_TOKENS
    cost: float = 0.0
    calls: list[Call] | None = field(default_factory=list)
    texts: list[tuple[str, str]] | None = field(default_factory=list)


class Asked(NamedTuple):
    """A row that the model answers: of the user, or written by opencode (a notice, a skill). `text` is None where it is
    not read."""

    id: str
    text: str | None
    synthetic: bool


class Waits(NamedTuple):
    """A prompt that was handed in and not yet taken up; `delivery` is steer or queue."""

    id: str
    text: str
    delivery: str


@dataclass
class Session:
    """A session row and what hangs on it. `suspended` is set while the session will go on by itself."""

    id: str
    parent: str
    title: str
    directory: str
    version: str
    cost: float
    tokens: Tokens
    fork_of: str
    revert_to: str
    suspended: bool
    prompts: list[Asked] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    waits: list[Waits] = field(default_factory=list)
    answered_by: dict[str, str] = field(default_factory=dict)
    """Step -> the prompt before it, "" for a command of the user."""


PROMPT_TYPES = ("user", "synthetic", "skill")
STEP_TYPES = ("assistant", "shell", "compaction")


def read(connection: sqlite3.Connection) -> dict[str, Session]:
    """Every session by its id."""
    connection.row_factory = sqlite3.Row
    found = {row["id"]: _session(row) for row in connection.execute("SELECT * FROM session")}
    _old_messages(connection, found)
    if _has(connection, "session_message"):
        times: dict[tuple[str, int, int], int] = {}
        for row in connection.execute("SELECT * FROM session_message ORDER BY session_id, seq"):
            _take(found[row["session_id"]], row["id"], row["type"], json.loads(row["data"]), times)
        _link(connection, found, times)
    if _has(connection, "session_pending"):
        for row in connection.execute("SELECT * FROM session_pending ORDER BY session_id, admitted_seq"):
            if row["type"] != "compaction":
                text = json.loads(row["data"])["text"]
                found[row["session_id"]].waits.append(Waits(row["id"], text, row["delivery"]))
    return found


def _has(connection: sqlite3.Connection, table: str) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [table]).fetchall())


def _session(row: sqlite3.Row) -> Session:
    names = row.keys()
    counters = ("input", "output", "reasoning", "cache_read", "cache_write")
    revert = json.loads(row["revert"])["messageID"] if row["revert"] else ""
    return Session(
        row["id"],
        row["parent_id"] or "",
        row["title"],
        row["directory"],
        row["version"],
        row["cost"],
        Tokens(*(row[f"tokens_{name}"] for name in counters)),
        (row["fork_session_id"] or "") if "fork_session_id" in names else "",
        revert,
        "time_suspended" in names and row["time_suspended"] is not None,
    )


def _old_messages(connection: sqlite3.Connection, found: dict[str, Session]) -> None:
    """Messages of 1.x: prompts and steps, without what is in their parts."""
    for key, owner, data in connection.execute(
        "SELECT id, session_id, data FROM message ORDER BY session_id, time_created, id"
    ):
        message, session = json.loads(data), found[owner]
        if message["role"] == "user":
            session.prompts.append(Asked(key, None, False))
        else:
            status, error = "running", message.get("error")
            if error:
                status = "aborted" if error["name"] == "MessageAbortedError" else "failed"
            elif "completed" in message["time"]:
                status = "completed"
            session.answered_by[key] = message["parentID"]
            kind = "compaction" if message.get("summary") else "assistant"
            session.steps.append(
                Step(
                    key,
                    kind,
                    status,
                    message["agent"] if kind == "assistant" else "",
                    message["modelID"],
                    message["providerID"],
                    message.get("finish", ""),
                    error["data"]["message"] if error else "",
                    _tokens(message.get("tokens")),
                    message.get("cost", 0.0),
                    None,
                    None,
                )
            )


def _take(session: Session, key: str, kind: str, data: dict[str, Any], times: dict[tuple[str, int, int], int]) -> None:
    before = session.prompts[-1].id if session.prompts else ""
    if kind in PROMPT_TYPES:
        session.prompts.append(Asked(key, data["text"], kind != "user"))
    elif kind == "assistant":
        session.answered_by[key] = before
        session.steps.append(_answer(key, data))
        for place, item in enumerate(_calls_of(data)):
            times[session.id, len(session.steps) - 1, place] = item["time"].get("ran", 0)
    elif kind == "shell":
        session.answered_by[key] = ""
        over = data["status"] != "running"
        printed = [data["output"]["output"]] if over and data["output"]["output"] else []
        status = "completed" if over else "running"
        call = Call("shell", status, data["command"], printed)
        session.steps.append(Step(key, kind, status, calls=[call]))
    elif kind == "compaction":
        session.answered_by[key] = before
        written = [("text", data["summary"])] if data.get("summary") else []
        error = data.get("error", {}).get("message", "")
        session.steps.append(Step(key, kind, data["status"], error=error, texts=written))


def _answer(key: str, data: dict[str, Any]) -> Step:
    error = data.get("error")
    if error:
        status = "aborted" if error["type"] == "aborted" else "failed"
    elif "completed" not in data["time"]:
        status = "running"
    else:
        # Closed by the next step after its server had died: nothing says how it ended.
        status = "completed" if "finish" in data or "tokens" in data else "aborted"
    return Step(
        key,
        "assistant",
        status,
        data["agent"],
        data["model"]["id"],
        data["model"]["providerID"],
        data.get("finish", ""),
        error["message"] if error else "",
        _tokens(data.get("tokens")),
        data.get("cost", 0.0),
        [_call(item) for item in _calls_of(data)],
        [(item["type"], item["text"]) for item in data["content"] if item["type"] != "tool" and item["text"]],
    )


def _tokens(tokens: dict[str, Any] | None) -> Tokens:
    if not tokens:
        return Tokens()
    cache = tokens["cache"]
    return Tokens(tokens["input"], tokens["output"], tokens["reasoning"], cache["read"], cache["write"])


def _calls_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in data["content"] if item["type"] == "tool"]


def _call(item: dict[str, Any]) -> Call:
    state = item["state"]
    error = state.get("error")
    status = {"streaming": "running", "running": "running", "completed": "completed"}.get(state["status"], "failed")
    if error and error["type"] == "aborted" and "declined" not in error["message"]:
        status = "cancelled"
    output = [piece.get("text") or piece.get("uri", "") for piece in state.get("content", [])]
    written = [text for text in output if text]
    return Call(item["name"], status, state["input"], written, error["message"] if error else "")


def _link(connection: sqlite3.Connection, found: dict[str, Session], times: dict[tuple[str, int, int], int]) -> None:
    """Sub-agents: named by the result of the call, one level deeper when it failed, and by nothing while it runs. Then
    it is the oldest child that is not taken yet, has the call's words as title and agent, and is not older than it.
    A fork has copies of calls, and no children."""
    for session in found.values():
        children = connection.execute(
            "SELECT id, title, agent, time_created FROM session WHERE parent_id = ? ORDER BY time_created, id",
            [session.id],
        ).fetchall()
        open_calls, taken = [], set()
        for at, step in enumerate(session.steps):
            if step.kind != "assistant" or step.calls is None:
                continue
            (raw,) = connection.execute("SELECT data FROM session_message WHERE id = ?", [step.id]).fetchone()
            for place, item in enumerate(_calls_of(json.loads(raw))):
                if item["name"] != "subagent":
                    continue
                call, metadata = step.calls[place], item["state"].get("metadata") or {}
                named = metadata.get("sessionID") or (metadata.get("metadata") or {}).get("sessionID") or ""
                call.child = named if named in {child["id"] for child in children} else ""
                if call.child:
                    taken.add(call.child)
                elif not named and isinstance(call.input, dict):
                    open_calls.append((call, times[session.id, at, place]))
        for call, ran in open_calls:
            for child in children:
                same = (call.input.get("description"), call.input.get("agent")) == (child["title"], child["agent"])
                if same and child["id"] not in taken and child["time_created"] >= ran > 0:
                    call.child = child["id"]
                    taken.add(child["id"])
                    break
