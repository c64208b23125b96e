"""The records of the model: sessions, prompts, turns, ops. Ids instead of object links, so no reference cycles.

All times are microseconds UTC, tokens are tokens, money is US dollars. Every string that a user can see has passed
`tui.sanitize` in `store.py`; ids and URIs are kept as they came.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from adapter.events import NO_USAGE, Usage


class Key(NamedTuple):
    """Names one node of one source for the tree, the cursor and the detail pane.

    `kind` is `session`, `prompt`, `turn`, `op` or `log`; `id` is the session id, the user message id, the assistant
    message id, or `part_id:op_kind`.
    """

    source: str
    kind: str
    session_id: str
    id: str


class Payload(msgspec.Struct, gc=False):
    """A reference to a text in the database; `size` in bytes, -1 unknown."""

    kind: str
    uri: str
    format: str
    size: int
    preview: str


class Op(msgspec.Struct):
    """One span: an llm call, a tool call, a sub-agent session, a reasoning or text part, a compaction."""

    part_id: str
    kind: str
    message_id: str
    seq: int
    parent_seq: int
    name: str
    namespace: str
    start_ts: int
    child_session_id: str = ""
    reasoning_kind: str = ""
    label: str = ""
    title: str = ""
    extras: dict[str, Any] = {}
    status: str = "running"
    error_class: str = ""
    error_message: str = ""
    end_ts: int = 0
    usage: Usage = NO_USAGE
    delta: Usage = NO_USAGE
    cost: float = 0.0
    bytes_in: int = -1
    bytes_out: int = -1
    context_used: int = 0
    payloads: dict[str, Payload] = {}


class Turn(msgspec.Struct):
    """One assistant message: a step of the answer to a prompt. `ops` is ordered by op_seq."""

    message_id: str
    seq: int
    prompt_id: str
    agent: str
    model: str
    provider_alias: str
    start_ts: int
    status: str = "running"
    finish: str = ""
    error_class: str = ""
    error_message: str = ""
    end_ts: int = 0
    usage: Usage = NO_USAGE
    delta: Usage = NO_USAGE
    cost: float = 0.0
    extras: dict[str, Any] = {}
    ops: dict[str, Op] = {}
    payloads: dict[str, Payload] = {}


class Prompt(msgspec.Struct):
    """One user message. `label` is its first words; several payloads when files are attached."""

    message_id: str
    ts: int
    label: str = ""
    agent: str = ""
    model: str = ""
    synthetic: bool = False
    extras: dict[str, Any] = {}
    payloads: dict[str, Payload] = {}


class Log(msgspec.Struct, gc=False):
    """One remark of the adapter about a session's data."""

    ts: int
    severity: str
    message: str
    ref: str


class Session(msgspec.Struct):
    """One session row with what is loaded below it.

    `loaded` is False while only the row is known; then nothing is said about its turns. `usage` and `cost` are the
    row's own columns (None where the version has none or they hold nothing).
    """

    source: str
    id: str
    root_id: str
    parent_id: str | None
    kind: str
    title: str
    agent: str
    model: str
    provider_alias: str
    cwd: str
    slug: str
    version: str
    project_id: str
    start_ts: int
    updated_ts: int
    usage: Usage | None = None
    cost: float | None = None
    extras: dict[str, Any] = {}
    final_status: str = ""
    error_class: str = ""
    error_message: str = ""
    end_ts: int = 0
    loaded: bool = False
    last_ts: int = 0
    prompts: dict[str, Prompt] = {}
    turns: dict[str, Turn] = {}
    children: list[str] = []
    logs: dict[tuple[str, str], Log] = {}


class ChangeSet(msgspec.Struct):
    """What one `apply` changed: `roots` whose visible rows must be laid out again, `dirty` nodes to draw again,
    `order` when the order or the set of top-level sessions may have changed."""

    roots: set[tuple[str, str]]
    dirty: set[Key]
    order: bool = False


class Row(msgspec.Struct, frozen=True, gc=False):
    """One visible line of the tree. `fold` is `open`, `closed` or "" (nothing below); `depth` counts from 0."""

    key: Key
    depth: int
    fold: str
