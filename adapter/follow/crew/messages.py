"""What a scan and the processes that help it say to each other, on their pipes: MessagePack behind its length.

The scan sends a `Begin` and then an `Ask` for each page; the helper answers an empty `Answer` when it has started, and
then one for each `Ask`, in order. Behind an answer comes what was made of its sessions, one after the other.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, TypeVar

import msgspec

from adapter.events import LogEntry
from adapter.opencode.schema import Schema

T = TypeVar("T")
HEAD = struct.Struct("<QQ")
"""Bytes of a message, and of what comes behind it."""
ENCODER = msgspec.msgpack.Encoder()


class Begin(msgspec.Struct, frozen=True):
    """Which database (its path as the system has it), how its source is called, how long a transaction may last (s),
    and the function that is applied to the events of a session (`module:name`)."""

    path: bytes
    source: str
    limit_s: float
    make: str


class Ask(msgspec.Struct, frozen=True):
    """A page of sessions. `file` and `schema` are what the scan knows of the file, `parents` the parent of each of the
    sessions and of those above them, `servers` the MCP servers by directory."""

    file: tuple[int, int]
    schema: Schema
    session_ids: list[str]
    parents: dict[str, str | None]
    servers: dict[str, frozenset[str]]


class Done(msgspec.Struct, frozen=True):
    """A session that was told: its row (None when it is gone), how many rows beside that were read, what its columns
    count too much, its warnings, and how many bytes were made of its events."""

    columns: tuple[Any, ...] | None = None
    rows: int = 0
    surplus: int = 0
    warnings: list[LogEntry] = []
    made: int = 0


class Figures(msgspec.Struct, frozen=True):
    """What a `Reader` counts, since the last answer; `longest_s` is that of all."""

    statements: int = 0
    transactions: int = 0
    hops: int = 0
    retries: int = 0
    longest_s: float = 0.0


class Answer(msgspec.Struct, frozen=True):
    """The sessions of a page in order, with None for those that the scan has to read itself."""

    sessions: list[Done | None]
    figures: Figures


def message(value: msgspec.Struct, behind: int = 0) -> bytes:
    """A message, with so many bytes to come behind it."""
    text = ENCODER.encode(value)
    return HEAD.pack(len(text), behind) + text


def receive(pipe: BinaryIO, kind: type[T]) -> tuple[T, bytes]:
    """The next message and what comes behind it. Raises EOFError when there is none, or none whole."""
    size, behind = HEAD.unpack(_exactly(pipe, HEAD.size))
    return msgspec.msgpack.decode(_exactly(pipe, size), type=kind), _exactly(pipe, behind)


def _exactly(pipe: BinaryIO, count: int) -> bytes:
    found = pipe.read(count)
    if len(found) < count:
        raise EOFError
    return found
