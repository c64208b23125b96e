"""What has been emitted of a session, remembered as digests, and what is new against it.

A message is mapped whole and its groups of events are compared with the digests of what was emitted before: only groups
that differ leave. That makes a row rewritten in the same millisecond visible (its content differs), a wake-up without a
change silent, and a deleted part or message a removal event.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Literal

import msgspec

from adapter.events import (
    Event,
    OpFinalized,
    OpRemoved,
    OpStarted,
    PayloadRef,
    TurnFinalized,
    TurnRemoved,
    TurnStarted,
    Usage,
)
from adapter.opencode.emit import TURN_GROUP, Groups, MappedMessage, map_malformed
from adapter.opencode.json import Malformed
from adapter.opencode.sessions import LastAnswer
from adapter.opencode.storage import MessageRow
from adapter.opencode.v1.mapping import map_message
from adapter.opencode.v2.mapping import map_session_message
from adapter.opencode.v2.rows import SessionMessage, Waiting

ENDS = (OpFinalized, TurnFinalized)
ENCODER = msgspec.msgpack.Encoder()


def digest(events: list[Event]) -> int:
    """A number that differs when any field of the events does (64 bit, per process)."""
    return hash(ENCODER.encode(events))


class Place(msgspec.Struct, frozen=True, gc=False):
    """What a message needs to know of those before it: its number as a turn, the usage to count growth from, the
    prompt that it answers if its row does not say (2.x)."""

    turn_seq: int
    previous: Usage | None
    prompt_id: str

    def next(self, message_id: str, role: str, usage: Usage | None) -> Place:
        """The place behind a message that is here."""
        if role == "assistant":
            return Place(self.turn_seq + 1, usage or self.previous, self.prompt_id)
        return Place(self.turn_seq, self.previous, message_id) if role == "user" else self


START = Place(1, None, "")


class TrackedMessage(msgspec.Struct):
    """One emitted message: a digest per group, and what each group told that only a removal takes back.

    `fingerprint` sums up (id, time_updated) of its rows, so that lists without data tell whether it must be read again.
    A prompt that `waits` moves to the end when it is taken up.
    """

    role: Literal["user", "assistant", "other"]
    time_created: int
    place: tuple[int, int, str]
    before: Place
    fingerprint: int
    groups: dict[str, int]
    told: frozenset[tuple[str, str]]
    usage: Usage | None
    last: LastAnswer | None
    open: bool
    waits: bool = False


class TrackedSession:
    """The messages of one session that have been emitted, in order."""

    def __init__(self, source: str, session_id: str) -> None:
        self.source = source
        self.id = session_id
        self.messages: dict[str, TrackedMessage] = {}
        self.changed_ms = 0
        """Newest `time_updated` seen in it."""
        self.storage = ""
        """Which tables its messages were read from (schema.SESSION_COLUMNS)."""
        self.servers: frozenset[str] = frozenset()
        """The MCP servers that are configured where it runs."""
        self.contents: dict[str, int] = {}
        """Where no feed tells of every write: a number for what the rows of each message held (storage.content_of)."""

    def replace(self, rows: Iterable[MessageRow], ids: AbstractSet[str]) -> Iterator[list[Event]]:
        """Takes the whole session anew, `rows` being its messages in order and `ids` theirs: removals for what is gone,
        then message by message the events for what differs. When it is not walked to its end, nothing is remembered."""
        before = dict(self.messages)
        try:
            yield self._gone([key for key in self.messages if key not in ids])
            self.messages = {}
            for item, place, mapped in map_rows(self.source, rows, self.servers):
                yield self._emit(item, place, mapped, before.get(item.row.id))
            before = self.messages
        finally:
            self.messages = before

    def update(self, rows: list[MessageRow], wanted: set[str]) -> list[Event] | None:
        """Takes some messages anew; None when the whole session must be read instead, because the order of its
        messages changed or numbers of later ones depend on it."""
        before = {key: self.messages[key] for key in wanted if key in self.messages}
        events = None
        try:
            events = self._update(rows, wanted)
        finally:
            if events is None:
                # What was noted on the way has not left, so the whole session must tell it again.
                for key in wanted - before.keys():
                    self.messages.pop(key, None)
                self.messages.update(before)
        return events

    def _update(self, rows: list[MessageRow], wanted: set[str]) -> list[Event] | None:
        found = {item.row.id: item for item in rows}
        tail = next(reversed(self.messages), "")
        taken_up: set[str] = set()
        for message_id in wanted:
            known, item = self.messages.get(message_id), found.get(message_id)
            if known is None and item is not None and tail and not _is_behind(item, self.messages[tail]):
                return None
            if known is not None and item is None and message_id != tail:
                return None
            if known is not None and item is not None and not _is_there(item, known):
                if not (known.waits and _is_behind(item, self.messages[tail])):
                    return None
                taken_up.add(message_id)
        events = self._gone([key for key in wanted if key in self.messages and key not in found])
        for item in rows:
            if item.row.id not in wanted:
                continue
            known = self.messages.get(item.row.id)
            if known is not None and item.row.id in taken_up:
                # It has waited, and comes behind everything now.
                del self.messages[item.row.id]
                known.before = self._end()
            place = known.before if known is not None else self._end()
            item = self._placed(item, known if item.row.id in self.messages else None)
            mapped = map_row(self.source, item, place, self.servers)
            later = self._later(item.row.id) if item.row.id in self.messages else []
            if known is not None and (known.role != mapped.role or known.usage != mapped.usage):
                if any(self.messages[key].role == "assistant" for key in later):
                    return None
                place_of_next = place.next(item.row.id, mapped.role, mapped.usage)
                for key in later:
                    message = self.messages[key]
                    message.before = place_of_next
                    place_of_next = place_of_next.next(key, message.role, message.usage)
            events += self._emit(item, place, mapped, known)
        return events

    def last_answer(self) -> LastAnswer | None:
        """How the session stands, None when nothing says it."""
        return last_answer((message.role, message.last) for message in reversed(self.messages.values()))

    def recent(self, count: int) -> list[str]:
        """Ids of the newest messages and of every one that is still open."""
        newest = list(self.messages)[-count:]
        return newest + [key for key, m in self.messages.items() if m.open and key not in newest]

    def _placed(self, item: MessageRow, known: TrackedMessage | None) -> MessageRow:
        """A row of session_message that was read without those before it, with the time that they give it."""
        tail = known or next(reversed(self.messages.values()), None)
        if item.seq < 0 or tail is None:
            return item
        return msgspec.structs.replace(item, at=max(item.at, tail.place[0]))

    def _end(self) -> Place:
        """The place behind the last message."""
        if not self.messages:
            return START
        key, tail = next(reversed(self.messages.items()))
        return tail.before.next(key, tail.role, tail.usage)

    def _later(self, message_id: str) -> list[str]:
        """The messages behind one, in order."""
        later = list(itertools.takewhile(lambda key: key != message_id, reversed(self.messages)))
        return later[::-1]

    def _gone(self, ids: list[str]) -> list[Event]:
        events: list[Event] = []
        for message_id in ids:
            del self.messages[message_id]
            events.append(self.turn_removed(message_id))
        return events

    def turn_removed(self, message_id: str) -> TurnRemoved:
        """The removal of a message."""
        return TurnRemoved(source=self.source, ts=self.changed_ms * 1000, session_id=self.id, message_id=message_id)

    def _op_removed(self, message_id: str, part_id: str, at_ms: int) -> OpRemoved:
        return OpRemoved(
            source=self.source, ts=at_ms * 1000, session_id=self.id, message_id=message_id, part_id=part_id
        )

    def _emit(
        self, item: MessageRow, before_it: Place, mapped: MappedMessage, known: TrackedMessage | None
    ) -> list[Event]:
        events: list[Event] = []
        before = known.groups if known else {}
        was_told = known.told if known else frozenset()
        after = {key: digest(group) for key, group in mapped.groups.items()}
        told = _told(mapped.groups)
        taken_back = {key for key, _ in was_told - told}
        newest = max([item.row.time_updated, *(part.row.time_updated for part in item.parts)])
        self.changed_ms = max(self.changed_ms, newest)
        # What no longer holds is taken back by removing the nodes that told it; what is left of them follows.
        if TURN_GROUP in taken_back:
            events.append(self.turn_removed(item.row.id))
        else:
            events += [self._op_removed(item.row.id, part_id, newest) for part_id in sorted(taken_back)]
        for key, group in mapped.groups.items():
            # With a removed node goes what other parts hung on it, as a patch does on its step.
            if taken_back or before.get(key) != after[key]:
                events += group
        self.messages[item.row.id] = TrackedMessage(
            role=mapped.role,
            time_created=item.row.time_created,
            place=item.place,
            before=before_it,
            fingerprint=fingerprint(
                [(item.row.id, item.row.time_updated), *((p.row.id, p.row.time_updated) for p in item.parts)]
            ),
            groups=after,
            told=told,
            usage=mapped.usage,
            last=mapped.last,
            open=mapped.last is not None and not mapped.last.end_ms,
            waits=isinstance(item.message, Waiting),
        )
        return events


def map_row(
    source: str, item: MessageRow, place: Place, servers: frozenset[str] = frozenset(), texts: bool = True
) -> MappedMessage:
    """The events of one message at its place. `servers` are the MCP servers that are configured where it was made,
    `texts` is as for TurnFacts."""
    if isinstance(item.message, SessionMessage):
        return map_session_message(
            source, item.row, item.message, place.turn_seq, place.previous, place.prompt_id, servers, texts
        )
    if isinstance(item.message, Malformed):
        table = "message" if item.seq < 0 else "session_message"
        return map_malformed(source, item.row, table, item.message)
    return map_message(source, item.row, item.message, item.parts, place.turn_seq, place.previous, servers, texts)


def map_rows(
    source: str, rows: Iterable[MessageRow], servers: frozenset[str] = frozenset(), texts: bool = True
) -> Iterator[tuple[MessageRow, Place, MappedMessage]]:
    """Maps the messages of a whole session, which must be in order."""
    place = START
    for item in rows:
        mapped = map_row(source, item, place, servers, texts)
        yield item, place, mapped
        place = place.next(item.row.id, mapped.role, mapped.usage)


def last_answer(messages: Iterable[tuple[str, LastAnswer | None]]) -> LastAnswer | None:
    """How the last assistant message stands, of (role, what it says) from the newest message back; given by the newest
    that says by whom."""
    marker: LastAnswer | None = None
    found: LastAnswer | None = None
    for role, last in messages:
        if last is None:
            continue
        if role == "assistant":
            found = found or (last if last.error_class or marker is None else marker)
            if last.model != "":
                return found.given_by(last)
        else:
            # The mark that 2.x leaves when the loop stops: the step before it has the better words, if it failed.
            marker = marker or last
    return found or marker


def _is_behind(item: MessageRow, tail: TrackedMessage) -> bool:
    """Whether a new message comes after the last one: by seq where both have one."""
    if item.seq >= 0 and tail.place[1] >= 0:
        return item.seq > tail.place[1]
    return item.place > tail.place


def _is_there(item: MessageRow, known: TrackedMessage) -> bool:
    """Whether a message is still where it was."""
    return (item.row.time_created, item.seq) == (known.time_created, known.place[1])


def _told(groups: Groups) -> frozenset[tuple[str, str]]:
    """What later events cannot take back by saying nothing of it: that there is a node, of which kind, that it has
    ended, and a reference. The reference of a prompt can move, from the message to its first text: a prompt has one."""
    told: set[tuple[str, str]] = set()
    for key, group in groups.items():
        for event in group:
            # Not isinstance: one that fails takes 0.2 µs of a struct, and most of these would.
            if type(event) is PayloadRef:
                prompt = event.payload_kind == "user_prompt"
                told.add((key, "prompt" if prompt else sys.intern(event.uri.rpartition("&")[2])))
            elif type(event) is OpStarted:
                told.add((key, event.op_kind))
            elif type(event) in ENDS:
                told.add((key, "end"))
            elif type(event) is TurnStarted:
                told.add((key, "turn"))
    return frozenset(told)


def fingerprint(rows: Iterable[tuple[str, object]]) -> int:
    """Sums up (id, time_updated) pairs whatever their order; adding, removing or touching a row changes it."""
    return sum(hash(row) for row in rows) & 0xFFFF_FFFF_FFFF_FFFF
