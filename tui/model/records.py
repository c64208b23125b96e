"""The records of the model: sessions, prompts, turns, ops. Ids instead of object links, so no reference cycles.

All times are microseconds UTC, tokens are tokens, money is US dollars. Every string that a user can see has passed
`tui.text.sanitize` in `store.py`; ids and URIs are kept as they came, and pass it where they are shown.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from adapter.contract import host_of
from adapter.events import NO_USAGE, Usage
from tui.text import sanitize

HOST_LIMIT = 40
"""Longest name of a machine, in characters."""

SessionKey = tuple[str, str]
"""(source, session id)."""


class Key(NamedTuple):
    """Names one node of one source for the tree, the cursor and the detail pane.

    `kind` is `session`, `prompt`, `turn`, `op` or `log`; `id` is the session id, the user message id, the assistant
    message id, or `part_id:op_kind`. A `heading` stands above sessions and belongs to none (see `headings.py`).
    """

    source: str
    kind: str
    session_id: str
    id: str

    @property
    def owner(self) -> SessionKey:
        """The session that the node belongs to."""
        return self.source, self.session_id


def session_key(session: Session) -> Key:
    """The key of a session."""
    return Key(session.source, "session", session.id, session.id)


def prompt_key(session: Session, prompt: Prompt) -> Key:
    """The key of a prompt of `session`."""
    return Key(session.source, "prompt", session.id, prompt.message_id)


def turn_key(session: Session, turn: Turn) -> Key:
    """The key of a turn of `session`."""
    return Key(session.source, "turn", session.id, turn.message_id)


def op_id(part_id: str, kind: str) -> str:
    """The id of an op inside its turn: a `task` part has two ops, so the part alone does not name one."""
    return f"{part_id}:{kind}"


def op_key(session: Session, op: Op) -> Key:
    """The key of an op of `session`."""
    return Key(session.source, "op", session.id, op_id(op.part_id, op.kind))


class Payload(msgspec.Struct):
    """A reference to a text in the database; `size` in bytes, -1 unknown, `ts` when its row was made.

    Nodes hold their payloads by `uri` (a node may have several of one kind: attachments, texts of a prompt), ordered
    by `order`; `find_payload` gets one by kind. `part_id` and `op_seq` say which row and which op it came with.
    """

    kind: str
    uri: str
    format: str
    size: int
    preview: str
    ts: int = 0
    part_id: str = ""
    op_seq: int = 0
    extras: dict[str, Any] = {}

    @property
    def order(self) -> tuple[int, str, str]:
        """Sorts the payloads of one node: oldest first, then by row."""
        return (self.ts, self.part_id, self.uri)


def find_payload(node: Prompt | Turn | Op, kind: str) -> Payload | None:
    """The node's first payload of a kind (`tool_request`, `llm_response` ...), or None."""
    return next((payload for payload in node.payloads.values() if payload.kind == kind), None)


class Op(msgspec.Struct):
    """One span: an llm call, a tool call, a sub-agent session, a reasoning or text part, a compaction. `name` is what
    opencode calls a tool in that version, `tool` what it is called here."""

    part_id: str
    kind: str
    message_id: str
    seq: int
    parent_seq: int = -1
    name: str = ""
    tool: str = ""
    namespace: str = ""
    start_ts: int = 0
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
    prompt_id: str = ""
    agent: str = ""
    model: str = ""
    provider_alias: str = ""
    start_ts: int = 0
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

    @property
    def compacts(self) -> bool:
        """Whether this step makes the summary that takes the place of the context."""
        return bool(self.extras.get("summary")) or self.agent == "compaction"


class Prompt(msgspec.Struct):
    """One user message, or what opencode told the model itself. `label` is its first words; several payloads when files
    are attached."""

    message_id: str
    ts: int = 0
    label: str = ""
    agent: str = ""
    model: str = ""
    synthetic: bool = False
    extras: dict[str, Any] = {}
    payloads: dict[str, Payload] = {}

    @property
    def waits(self) -> bool:
        """Whether it has not been taken up: no step can answer it yet."""
        return bool(self.extras.get("waiting"))


class Log(msgspec.Struct, gc=False):
    """One remark of the adapter about the data; `ref` is the id of the row it is about."""

    ts: int
    severity: str
    message: str
    ref: str
    session_id: str = ""


class Session(msgspec.Struct):
    """One session row with what is loaded below it.

    `loaded` is False while only the row is known; then nothing is said about its turns. It is `partial` while the rest
    of them is on its way: they can be looked at, and no state, sum or jump comes of them yet. `usage` and `cost` are
    the row's own columns (None where the version has none or they hold nothing). `final_status` is `completed` (it is
    archived), `failed` or `aborted`, "" for none of them, the same before and after it was read. `answered_ts` is when
    its newest answer ended, as it is told with the row (0 unknown, or still open: `timing.ended`). `last_ts` is the
    newest time that any of its rows names. `aside` are its ops that are commands in the background, with what the
    notice of their end may be about. `directory` is `cwd` as it was written, where that is not what is shown: never to
    be drawn. Its children are `Store.children_of`.
    """

    source: str
    id: str
    root_id: str
    parent_id: str | None = None
    kind: str = "root"
    title: str = ""
    agent: str = ""
    model: str = ""
    provider_alias: str = ""
    cwd: str = ""
    directory: str = ""
    slug: str = ""
    version: str = ""
    project_id: str = ""
    start_ts: int = 0
    updated_ts: int = 0
    answered_ts: int = 0
    usage: Usage | None = None
    cost: float | None = None
    extras: dict[str, Any] = {}
    final_status: str = ""
    error_class: str = ""
    error_message: str = ""
    end_ts: int = 0
    loaded: bool = False
    partial: bool = False
    last_ts: int = 0
    prompts: dict[str, Prompt] = {}
    turns: dict[str, Turn] = {}
    aside: dict[str, list[str]] = {}
    logs: dict[tuple[str, str], Log] = {}

    @property
    def key(self) -> SessionKey:
        """What names the session among those of all sources."""
        return self.source, self.id

    @property
    def host(self) -> str:
        """What the machine is called on which it runs, "" for this one; fit to be drawn."""
        return sanitize.label(host_of(self.source), HOST_LIMIT)

    @property
    def place(self) -> str:
        """Its directory, behind the name of its machine where that is another one: what tells projects apart."""
        return f"{self.host}:{self.cwd}" if self.host else self.cwd

    @property
    def newest_prompt(self) -> Prompt | None:
        """The last prompt that was taken up."""
        return next((prompt for prompt in reversed(self.prompts.values()) if not prompt.waits), None)

    @property
    def whole(self) -> bool:
        """Whether all there is of its turns is known."""
        return self.loaded and not self.partial

    @property
    def name(self) -> str:
        """What the session is called: by its title, its slug, or its id."""
        return self.title or self.slug or sanitize.label(self.id)


class ChangeSet(msgspec.Struct):
    """What one `apply` changed: `roots` whose visible rows must be laid out again (some may have ceased to be roots,
    or to exist), `dirty` nodes to draw again, with every node above them whose sums or state may follow, `order` when
    the order or the set of top-level sessions may have changed. `new` are sessions that were not known, and nodes that
    began in a session of which all was known: not what was merely read."""

    roots: set[SessionKey]
    dirty: set[Key]
    order: bool = False
    new: set[Key] = msgspec.field(default_factory=set)


class Row(msgspec.Struct, frozen=True, gc=False):
    """One visible line of the tree. `fold` is `open`, `closed` or "" (nothing below); `depth` counts from 0."""

    key: Key
    depth: int
    fold: str
