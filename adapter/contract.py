"""What a source is: batches of canonical events with the health that belongs to them, texts on demand, and what can go
wrong. Screens, commands and other kinds of sources know this, events and health; there is no SQLite in it. The same as
JSON, for a source on another machine or in another language, is described in `adapter/remote/messages.py`.

The errors, as one small tree:

    AdapterError
    ├── SourceUnavailable     the file cannot be read now; the tailer waits and tries again
    │   ├── SourceMissing         no file at the path (yet)
    │   ├── SourceUnreadable      a directory, no permission, an I/O error
    │   ├── SourceEmpty           a file of 0 bytes: opencode is about to make its tables, or a mistake
    │   ├── NotADatabase          a file that SQLite does not recognise, or a damaged one
    │   ├── NotOpencode           a SQLite file without opencode's tables or columns
    │   └── SourceBusy            locked or being recovered, for longer than the retries last
    ├── SourceChanged         another file lies at the path, or opencode migrated its tables: learn them and read anew
    ├── OutOfTime             a statement took longer than its transaction may last; the reader goes on with less
    ├── Unread                something in the file cannot be read, and the rest of it can
    │   ├── RowTooLarge           a value is over the size we are willing to read at once
    │   └── Damaged               a page of the file is not what SQLite wrote, or the disk does not give it
    └── PayloadError          a payload reference that cannot be resolved
        ├── BadReference          not a reference of ours, or a field that the row does not have
        ├── PayloadGone           the row is no longer in the database
        └── PayloadUnreadable     the row is larger than we are willing to read, or damaged

Every message is one line that says what is wrong and what to do about it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec

from adapter.events import Event, Usage
from adapter.health import Health


class Batch(msgspec.Struct, frozen=True):
    """Events in order, the last one a `source_progress` when they are all there is to tell, and the health of the
    source behind them. `loaded` names sessions of which all turns are in it, `begun` those of which the beginning is in
    it and the rest in a later one, `released` those of which nothing comes until one changes and is told whole.

    `rows` were read for it. `committed_at` is the newest row's own time in unix seconds, 0 when the batch is not about
    a fresh change. `made` is what a `Make` made of events that come before `events` and are not among them.
    """

    events: list[Event]
    health: Health
    rows: int = 0
    loaded: list[str] = []
    committed_at: float = 0.0
    released: list[str] = []
    begun: list[str] = []
    made: bytes | memoryview = b""


Make = Callable[[Sequence[Event]], Iterable[bytes]]
"""What is to be made of the events of a session, in pieces: a function of a module, which another process can apply."""


class PayloadText(msgspec.Struct, frozen=True):
    """A resolved text, verbatim. `size` is its whole length in UTF-8 bytes, also when `truncated` cut it;
    `format` is `text` for a JSON string and `json` for anything else."""

    text: str
    size: int
    truncated: bool
    format: str


HIT_KINDS = ("title", "prompt", "answer", "reasoning", "call", "input", "output", "error", "file")
"""What a text that a search looks through may be: `call` is the name and title of one, `file` names of files."""


class Hit(msgspec.Struct, frozen=True):
    """A text that holds what was looked for. `kind` is one of HIT_KINDS, `field` the path in the row's JSON; `part_id`
    names the node as in events, "" where the text is of the message itself, and `message_id` is "" for a title.

    `at` is the first place in the text, in characters of its composed form (NFC), `count` how many there are; `match`
    is what stands there (its beginning, where that is long), between what stands `before` and `behind`, verbatim.
    `ts` is when the row was made (µs UTC).
    """

    session_id: str
    message_id: str
    part_id: str
    kind: str
    field: str
    at: int
    before: str
    match: str
    behind: str
    count: int
    ts: int


class SearchPage(msgspec.Struct, frozen=True):
    """A piece of a search: the `sessions` that were looked through for it, with their hits in the same order, and how
    many `rows` had to be compared for that. `total` sessions are to be looked through in all. `lost` says in words what
    could not be read."""

    sessions: list[str]
    hits: list[Hit]
    rows: int
    total: int
    lost: list[str] = []


class SpentStep(msgspec.Struct, frozen=True, gc=False):
    """What one request to a model was billed: when it began (µs UTC), of which model and agent, its tokens and dollars,
    and the tools that it called, each as often as it was, by their canonical names."""

    message_id: str
    ts: int
    model: str
    provider_alias: str
    agent: str
    usage: Usage
    cost: float
    calls: tuple[str, ...] = ()


class Spending(msgspec.Struct, frozen=True):
    """What one session cost: its steps in no order, and what its own row says of all (None where that says nothing).
    `unread` counts what cannot be read of it."""

    session_id: str
    steps: list[SpentStep]
    usage: Usage | None = None
    cost: float | None = None
    unread: int = 0


class Source(Protocol):
    """One place that sessions come from. `source` names it in every event, `path` for the user; `backup` says that it
    is a copy which nobody writes."""

    source: str
    backup: bool

    @property
    def path(self) -> Path: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def tail(self) -> AsyncIterator[Batch]:
        """Follows for ever: first the catalogue and the sessions that may be live, then every change."""
        ...

    async def resume(self, cursor: str) -> bool:
        """Has the `tail` that begins next go on behind the cursor of a `source_progress`; False when it will tell
        everything from the beginning. Raises SourceUnavailable."""
        ...

    def stream(
        self, cursor: str | None = None, *, follow: bool = False, make: Make | None = None
    ) -> AsyncIterator[Batch]:
        """Every session whole, one batch each, and with `follow` every change from then on; goes on behind a cursor.
        With `make` some batches may have what that made of a session (`made`) in the place of its events.
        Raises SourceUnavailable."""
        ...

    def glance(self) -> AsyncIterator[Batch]:
        """What `tail` begins with, once. Raises SourceUnavailable."""
        ...

    async def catalogue(self) -> list[Event]:
        """`session_started` of every session. Raises SourceUnavailable."""
        ...

    async def load(self, session_id: str, *, texts: bool = True) -> list[Event]:
        """One session's whole tree as it is now; empty when it is not there. Without `texts` the references of steps
        that have ended may be left out: a third of all events, which who shows no text does not need. Raises
        SourceUnavailable."""
        ...

    def health(self) -> Health:
        """What is known without asking anybody."""
        ...

    def request(self, session_id: str) -> None:
        """Asks `tail` for a whole session, before everything that it loads by itself."""
        ...

    def release(self, session_id: str) -> None:
        """Takes a `request` back."""
        ...

    def forget(self) -> None:
        """Forgets what was told: the next `tail` begins as the first did. Not while one runs."""
        ...

    async def probe(self) -> Health:
        """Health with fresh counts. Raises SourceUnavailable."""
        ...

    async def processes(self) -> Health:
        """Health with a fresh look at the processes of opencode on the machine of the source (`Health.processes`),
        which every later batch has, too. Asked every few seconds while that can change what is said of a session, and
        else never. What cannot be told is not known, and raises nothing."""
        ...

    async def payload(self, uri: str, limit: int = ...) -> PayloadText:
        """The text behind a reference. Raises PayloadError or SourceUnavailable."""
        ...

    async def beginning(self, uri: str) -> str:
        """What a large text begins with, for a first look while all of it is read; "" where that is not had any sooner.
        Raises PayloadError or SourceUnavailable."""
        ...

    def search(
        self, pattern: str, only: Collection[str] | None = None, kinds: Collection[str] = ()
    ) -> AsyncIterator[SearchPage]:
        """Looks through all texts of sessions (of those in `only`), the newest first, each as it is when its turn
        comes; texts of these kinds only, if any are named. `pattern` is one of `adapter.pattern`. Stops within one
        short transaction when it is closed or cancelled. Raises BadPattern or SourceUnavailable."""
        ...

    async def spans(self) -> dict[str, tuple[int, int]]:
        """When the first and the newest message of each session began, µs UTC. Raises SourceUnavailable."""
        ...

    async def spending(self, session_ids: Sequence[str], *, calls: bool = True) -> list[Spending]:
        """What these sessions cost step by step, those that are there. Raises SourceUnavailable."""
        ...


VIA = "via:"
"""What the name of a source on another machine begins with; its host follows, and another colon or nothing."""


def host_of(source: str) -> str:
    """What the machine of a source is called, "" for this one; `source` is its name in events."""
    return source[len(VIA) :].partition(":")[0] if source.startswith(VIA) else ""


def host_path(source: str) -> str:
    """The path over there that the name of a source on another machine has, "" where it has none."""
    return source[len(VIA) :].partition(":")[2] if source.startswith(VIA) else ""


def encodable(text: str | Path) -> str:
    """Text that every encoder takes: a byte of a file's name that is no UTF-8 is written as \\udcNN."""
    return str(text).encode("utf-8", "backslashreplace").decode()


class AdapterError(Exception):
    """Any failure of the adapter that a user can act on."""

    def __init__(self, words: str) -> None:
        super().__init__(encodable(words))


class SourceUnavailable(AdapterError):
    """The database cannot be read at the moment."""


class SourceMissing(SourceUnavailable):
    """There is no file at the path."""


class SourceUnreadable(SourceUnavailable):
    """The path is a directory, is not permitted, or fails with an I/O error."""


class SourceEmpty(SourceUnavailable):
    """The file has 0 bytes."""


class NotADatabase(SourceUnavailable):
    """The file is not SQLite, or is damaged."""


class NotOpencode(SourceUnavailable):
    """The file is SQLite but has not the tables or columns of opencode."""


class SourceBusy(SourceUnavailable):
    """The database stayed locked."""


class SourceChanged(AdapterError):
    """What the connection reads is no longer what lies at the path."""


class OutOfTime(AdapterError):
    """A statement was stopped because its transaction had lasted too long. It never leaves the adapter."""


class Unread(AdapterError):
    """A part of the file cannot be read; it costs the smallest thing that it touches."""


class RowTooLarge(Unread):
    """One value of a row is larger than the reader accepts."""


class Damaged(Unread):
    """A page of the file cannot be understood, or not be had from the disk."""


class PayloadError(AdapterError):
    """A payload reference cannot be resolved."""


class BadReference(PayloadError):
    """The URI is not one of ours, or names a field that is not there."""


class PayloadGone(PayloadError):
    """The row that the URI names no longer exists."""


class PayloadUnreadable(PayloadError):
    """The row is larger than the reader accepts, or damaged."""
