"""The resumable position of a reader: opaque to everyone else, and handed out only after what it covers was emitted."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

VERSION = 3


class Watermarks(msgspec.Struct, frozen=True):
    """How far each table has been followed, as rowids, which grow with every insert until rows are deleted.

    `event_id` is the id of the row at `event_rowid`: when that row is another one now, the rowids were used again and
    the mark proves nothing. `events` is how many writes the sessions counted up to there (event_sequence): a feed that
    holds fewer rows since was cut.
    """

    event_rowid: int = 0
    event_id: str = ""
    events: int = 0
    session_rowid: int = 0
    message_rowid: int = 0
    part_rowid: int = 0
    session_message_rowid: int = 0


class Cursor(msgspec.Struct, frozen=True):
    """A position in one file. `schema` is the hash of its migrations, `emitted` the sum (`EmittedSession.digest`) of
    the sessions that `marks.session_rowid` covers. In the `scan` phase the rest of `marks` are those of the scan's
    beginning, so that following from them afterwards misses nothing."""

    target: str
    schema: str
    phase: Literal["scan", "tail"]
    marks: Watermarks
    emitted: int
    version: int


SUMS = 2**64


class EmittedSession(msgspec.Struct, frozen=True):
    """A session as it was emitted: its id, and what of it can change without a trace in its row or in the feed: the
    root (a parent came or went) and the project (opencode moves sessions when a repository gets its first commit)."""

    id: str
    root_id: str
    project_id: str | None

    @property
    def digest(self) -> int:
        """64 bits. The sum over all sessions tells in 20 bytes whether one of thousands is gone or another one now."""
        name = f"{self.id}\0{self.root_id}\0{self.project_id}".encode("utf-8", "surrogateescape")
        return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest())


def target_of(path: Path, file: tuple[int, int]) -> str:
    """Names the file at a path: its absolute path and inode, hashed. `file` is its device and inode."""
    name = f"{path.absolute()}\0{file[1]}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(name).hexdigest()[:16]


def encode(cursor: Cursor) -> str:
    """The cursor as one line of text."""
    return msgspec.json.encode(cursor).decode()


class _Version(msgspec.Struct):
    version: int = 0


def decode(text: str, target: str) -> tuple[Cursor | None, str]:
    """The cursor, or None and the reason in words why it cannot be used here."""
    try:
        version = msgspec.json.decode(text, type=_Version).version
        if version != VERSION:
            return None, f"the cursor is of version {version or 'unknown'}, this program writes {VERSION}"
        cursor = msgspec.json.decode(text, type=Cursor)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None, "the cursor is not one of this program"
    if cursor.target != target:
        return None, "the cursor belongs to another database file"
    return cursor, ""
