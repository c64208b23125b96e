"""What rows of both families have in common: their columns, and the numbers that their JSON is made of.

SQLite lets any column hold anything, so nothing here trusts a type. `gc=False` throughout: what comes out of a row
holds no cycles, and the collector then need not walk it.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import msgspec

from adapter.opencode.json import MAX_MS, Row

Number = int | float | None


class SessionRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `session` or `session_v2`, in the order of schema.SESSION_COLUMNS; times in ms, absent columns None."""

    id: str
    parent_id: str | None
    project_id: str | None
    slug: str | None
    directory: str | None
    title: str | None
    version: str | None
    time_created: Any
    time_updated: Any
    time_archived: Any
    agent: str | None
    model: str | None
    cost: Any
    tokens_input: Any
    tokens_output: Any
    tokens_reasoning: Any
    tokens_cache_read: Any
    tokens_cache_write: Any
    revert: str | None
    summary_additions: Any
    summary_deletions: Any
    summary_files: Any
    fork_session_id: str | None
    time_idle: Any
    idle_outcome: str | None
    time_suspended: Any
    resume_attempts: Any
    execution: str | None
    storage: str


TEXTS = (
    "parent_id", "project_id", "slug", "directory", "title", "version", "agent", "model", "revert", "fork_session_id",
    "idle_outcome", "execution",
)  # fmt: skip
TEXT_COLUMNS = itemgetter(*map(SessionRow.__struct_fields__.index, TEXTS))
TEXT_TYPES = frozenset({str, type(None)})


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def session_row(columns: tuple[Any, ...]) -> SessionRow:
    """A row selected with schema.SESSION_COLUMNS; SQLite lets a text column hold anything, so text is made text."""
    row = SessionRow(*columns)
    # Nearly always it is text already, and a catalogue has thousands of rows.
    if row.storage and type(row.id) is str and TEXT_TYPES.issuperset(map(type, TEXT_COLUMNS(columns))):
        return row
    texts = {name: _text(getattr(row, name)) for name in TEXTS}
    return msgspec.structs.replace(row, **texts, id=_text(row.id) or "", storage=row.storage or "v1")


class RawRow(msgspec.Struct, frozen=True, gc=False):
    """A message or part row without its JSON; `message_id` is the row's own id for a message. Times in ms."""

    id: str
    message_id: str
    session_id: str
    time_created: int
    time_updated: int
    odd: tuple[str, ...] = ()
    """What is wrong with the columns, each in words that begin with its kind."""


def raw_message(identifier: Any, session_id: Any, created: Any, updated: Any) -> RawRow:
    """A row of message or session_message from its columns, whatever they hold."""
    if type(created) is type(updated) is int and 0 <= created <= MAX_MS and 0 <= updated <= MAX_MS and session_id:
        name = _name(identifier)
        return RawRow(name, name, _name(session_id), created, updated)
    odd = [] if session_id else ["empty owner: a message without a session"]
    odd += odd_times(("time_created", created), ("time_updated", updated))
    at = milliseconds(created, milliseconds(updated))
    name = _name(identifier)
    return RawRow(name, name, _name(session_id), at, milliseconds(updated, at), tuple(odd))


def raw_part(message: RawRow, identifier: Any, session_id: Any, created: Any, updated: Any) -> RawRow:
    """A row of part from its columns. It belongs to the message that it names, and with it to that one's session,
    whatever its own `session_id` says."""
    same = session_id == message.session_id
    if same and type(created) is type(updated) is int and 0 <= created <= MAX_MS and 0 <= updated <= MAX_MS:
        name = identifier if type(identifier) is str else _name(identifier)
        return RawRow(name, message.id, message.session_id, created, updated)
    odd = [] if same else [f"owner differs: a part of session {_shown(session_id)} in a message of another"]
    odd += odd_times(("time_created", created), ("time_updated", updated))
    at = milliseconds(created, message.time_created)
    return RawRow(_name(identifier), message.id, message.session_id, at, milliseconds(updated, at), tuple(odd))


def odd_times(*columns: tuple[str, Any]) -> list[str]:
    """What is wrong with times (ms) of these columns; one that has to be there and is not counts as wrong."""
    odd = []
    for name, value in columns:
        if isinstance(value, bool) or not isinstance(value, int | float):
            odd.append(f"no time: {name} is {_shown(value)}")
        elif not 0 <= value <= MAX_MS:
            odd.append(f"time out of range: {name} is {_shown(value)}")
    return odd


def _name(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _shown(value: Any) -> str:
    return repr(value)[:40]


class Cache(msgspec.Struct, frozen=True, gc=False):
    read: Number = None
    write: Number = None


class Tokens(msgspec.Struct, frozen=True, gc=False):
    """Token counters as stored, unchecked."""

    input: Number = None
    output: Number = None
    reasoning: Number = None
    cache: Cache | None = None


class ModelRef(Row, frozen=True, gc=False):
    """A model as messages (`modelID`) or session rows (`id`) name it."""

    providerID: str | None = None
    modelID: str | None = None
    id: str | None = None

    @property
    def name(self) -> str:
        """The model's id under either key, "" when absent."""
        return self.modelID or self.id or ""


def milliseconds(value: Any, fallback: int = 0) -> int:
    """A stored time as integer ms, at most MAX_MS; `fallback` when it is not a time at all."""
    if type(value) is int and 0 <= value <= MAX_MS:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        return fallback
    return int(value) if value < MAX_MS else MAX_MS
