"""What goes over a line between two machines: one JSON object a line in UTF-8, each with its kind in `is`.

    near                                   far (`opencode-viewer serve`)
    hello {protocol, program}         ->
                                      <-   hello {protocol, program, clock, databases}
    ask {id, what, database, ...}     ->
                                      <-   resumed, events, batch, health, text, page, spans, spending {id, ...}
    credit {id, size}                 ->
    request, release {id, session_id} ->
    cancel {id}                       ->
                                      <-   done {id}  or  failed {id, error, words}
    ping {sent}                       ->
                                      <-   pong {sent, clock}
                                      <-   databases {databases}    whenever another one is found

- The first line of each side is its `hello`. Lines before the far one that are no such object are a banner (of a shell,
  of ssh) and are passed over. Sides that name another `protocol` end the line and say so. Fields that a side does not
  know are passed over; a `what` or a kind that it does not know is answered by `failed`, or passed over.
- An `ask` is a question about one database; its `id` is chosen by the near side and is never used twice on a line.
  `what` names a method of `adapter.contract.Source`, whose arguments are the fields of `Ask`. The answer is any number
  of items, each of them as that method gives it, and at last one `done` or `failed`. `failed.error` is the name of a
  class of `adapter.contract`. `request` and `release` are about the `tail` of that id.
- A batch is told as any number of `events` and one `batch`, which ends it. `batch.health` has the fields of `Health`
  that are not as they were in the one before of the same `id`, all of them at first. A text is told in pieces, too: all
  but the last say `more`.
- `tail` and `stream` with a `cursor` begin with one `resumed`: whether they go on behind the cursor, or tell everything
  from the beginning. A cursor is a `source_progress` event's own.
- Flow: an answer may have WINDOW bytes on their way, counted as the length of its lines with their ends; a line may
  begin as long as anything is left. `credit` gives bytes back when they have been taken in. So what nobody takes in
  stops its own answer alone. What is only asked once gets all of its first WINDOW without waiting.
- A line is at most LINE_LIMIT bytes; whoever gets a longer one ends the line. The far side keeps its lines near
  PIECE bytes, so that one answer never holds another up for long.
- `clock` is the far side's clock in seconds (unix). Times in events are µs of that clock.
- The far side reads, and only the databases that its `hello` and `databases` name. It ends when its input ends.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from adapter.contract import SearchPage, Spending
from adapter.events import AnyEvent

PROTOCOL = 1
LINE_LIMIT = 64 << 20
"""Bytes of the longest line that is taken."""
PIECE = 64 << 10
"""Bytes that a line is meant to have at most: at 1 Mbit/s they take half a second."""
WINDOW = 128 << 10
"""Bytes of one answer that may be on their way: at 200 ms there and back 0.6 MB/s, at 1 Mbit/s one second, for which
another answer waits."""

What = Literal[
    "tail", "stream", "glance", "catalogue", "load", "probe", "processes", "payload", "search", "spans", "spending"
]


class DatabaseThere(msgspec.Struct, frozen=True):
    """A database of the far side: its path there, and whether it is a copy that nobody writes."""

    path: str
    backup: bool = False


class Hello(msgspec.Struct, frozen=True, tag_field="is", tag="hello"):
    """The first line of either side. `clock` and `databases` come from the far side only."""

    protocol: int
    program: str = ""
    clock: float = 0.0
    databases: list[DatabaseThere] = []


class Ask(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="is", tag="ask"):
    """A question. What a `what` has no use for keeps its default."""

    id: int
    what: str
    database: str
    cursor: str = ""
    follow: bool = False
    session_id: str = ""
    uri: str = ""
    limit: int = 0
    pattern: str = ""
    only: list[str] | None = None
    kinds: list[str] = []
    session_ids: list[str] = []
    calls: bool = True


class Request(msgspec.Struct, frozen=True, tag_field="is", tag="request"):
    """`Source.request` of a session, for the `tail` or `stream` of this id."""

    id: int
    session_id: str


class Release(msgspec.Struct, frozen=True, tag_field="is", tag="release"):
    """`Source.release` of a session."""

    id: int
    session_id: str


class Credit(msgspec.Struct, frozen=True, tag_field="is", tag="credit"):
    """So many bytes of an answer have been taken in."""

    id: int
    size: int


class Cancel(msgspec.Struct, frozen=True, tag_field="is", tag="cancel"):
    """Nobody waits for this answer any more; `failed` or `done` still ends it."""

    id: int


class Ping(msgspec.Struct, frozen=True, tag_field="is", tag="ping"):
    """Asks for a `Pong` at once. `sent` is anything that the near side wants to have back."""

    sent: float


class Pong(msgspec.Struct, frozen=True, tag_field="is", tag="pong"):
    """The answer to a `Ping`."""

    sent: float
    clock: float


class Databases(msgspec.Struct, frozen=True, tag_field="is", tag="databases"):
    """All databases of the far side, as they are now."""

    databases: list[DatabaseThere]


class Resumed(msgspec.Struct, frozen=True, tag_field="is", tag="resumed"):
    """Whether an answer goes on behind the cursor that came with its question."""

    id: int
    resumed: bool


class Events(msgspec.Struct, frozen=True, tag_field="is", tag="events"):
    """Events of a batch that is not at its end yet, each as `adapter.events` has it."""

    id: int
    events: list[AnyEvent]


class LooseEvents(msgspec.Struct, frozen=True, tag_field="is", tag="events"):
    """The same, of which each event can be looked at alone."""

    id: int
    events: list[msgspec.Raw]


class BatchEnd(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="is", tag="batch"):
    """The end of a batch, with what `adapter.contract.Batch` has beside events. `health` are fields that have
    changed."""

    id: int
    health: dict[str, Any] = {}
    rows: int = 0
    loaded: list[str] = []
    committed_at: float = 0.0
    released: list[str] = []
    begun: list[str] = []


class HealthTold(msgspec.Struct, frozen=True, tag_field="is", tag="health"):
    """A `Health`, whole."""

    id: int
    health: dict[str, Any]


class TextPiece(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="is", tag="text"):
    """A piece of a `PayloadText`; the last one, without `more`, has what is known of the whole."""

    id: int
    text: str
    more: bool = False
    size: int = 0
    truncated: bool = False
    format: str = "text"


class PageTold(msgspec.Struct, frozen=True, tag_field="is", tag="page"):
    """A piece of a search."""

    id: int
    page: SearchPage


class SpansTold(msgspec.Struct, frozen=True, tag_field="is", tag="spans"):
    """The first and last moments (µs) of some sessions."""

    id: int
    spans: dict[str, tuple[int, int]]


class SpendingTold(msgspec.Struct, frozen=True, tag_field="is", tag="spending"):
    """What one session cost."""

    id: int
    spending: Spending


class Done(msgspec.Struct, frozen=True, tag_field="is", tag="done"):
    """An answer is at its end."""

    id: int


class Failed(msgspec.Struct, frozen=True, tag_field="is", tag="failed"):
    """An answer ends with an error: the name of its class in `adapter.contract`, and its words."""

    id: int
    error: str
    words: str


ToFar = Hello | Ask | Request | Release | Credit | Cancel | Ping
Item = Resumed | Events | BatchEnd | HealthTold | TextPiece | PageTold | SpansTold | SpendingTold
"""What an answer is made of."""
ToNear = Hello | Databases | Pong | Item | Done | Failed


def encoded(message: ToFar | ToNear) -> bytes:
    """A message as a line with its end. Raises UnicodeEncodeError for text that is none."""
    return _ENCODER.encode(message) + b"\n"


_ENCODER = msgspec.json.Encoder()
