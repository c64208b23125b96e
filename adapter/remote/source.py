"""A database of another machine as a source like any other: what a line brings, behind the doors.

While the line is cut, what was told stays, and health says since when and why. When it stands again, `tail` goes on
behind the newest cursor; where the far end cannot do that, everything is told anew, and of what was told before only
that goes which is no longer there or may be another now.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from adapter.contract import (
    VIA,
    Batch,
    Make,
    PayloadText,
    PayloadUnreadable,
    SearchPage,
    SourceMissing,
    SourceUnavailable,
    Spending,
)
from adapter.events import (
    Event,
    LogEntry,
    OpStarted,
    PayloadRef,
    SessionRemoved,
    SessionStarted,
    SourceError,
    SourceProgress,
    TurnStarted,
)
from adapter.health import Health
from adapter.remote import doors
from adapter.remote.child import start
from adapter.remote.command import name_of
from adapter.remote.doors import Doubtful
from adapter.remote.line import DATABASES_MOST, OPENING, Answer, Line, LineDown, Odd, Start
from adapter.remote.messages import (
    BatchEnd,
    Events,
    HealthTold,
    PageTold,
    Resumed,
    SpansTold,
    SpendingTold,
    TextPiece,
)

CONTENT = (TurnStarted, OpStarted, PayloadRef)
"""Events about what is below the row of a session."""
ROW, PART, WHOLE = range(3)
"""How much was told of a session: its row, something below it, all."""
EVENTS_MOST = 200_000
"""Events of a batch that are kept until its end comes; the longest session seen has 20,000."""
HEARTBEAT_S = 5.0
"""Seconds between two healths while there is no line."""
AGAIN_S = 2.0
"""Seconds before a far end that could not answer is asked again."""
FIRST_S = 45.0
"""Seconds that a command without a screen waits for a line."""
AGREED_S = 2.0
"""Clocks that differ by less are taken for one: no row is made to move for that."""
PAYLOAD_LIMIT = 32_000_000
BEGINNING = 65_536
"""Bytes of a text for a first look."""
TEXT_MOST = 4
"""Bytes that a character has at most."""


class Host:
    """A machine that a command leads to. `command` are the words of the command, `name` is what it is called here."""

    def __init__(
        self,
        command: Sequence[str],
        name: str = "",
        *,
        program: str = "opencode-viewer",
        start: Start = start,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name or name_of(command)
        self.line = Line(command, self.name, program=program, start=start, clock=clock, monotonic=monotonic)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._sources = [RemoteSource(self, f"{VIA}{self.name}", clock)]

    def sources(self) -> list[RemoteSource]:
        """A source for each database that is known there; for the first one before it is known which that is. May be
        called in any thread."""
        with self._lock:
            first = self._sources[0]
            known = {source.place for source in self._sources}
            for database in self.line.databases:
                if database.path in known or len(self._sources) >= DATABASES_MOST:
                    continue
                known.add(database.path)
                source = first
                if first.place:
                    source = RemoteSource(self, f"{first.source}:{database.path}", first.clock)
                    self._sources.append(source)
                source.place, source.backup = database.path, database.backup
            return list(self._sources)

    async def found(self) -> list[RemoteSource]:
        """Its sources, once the line stands or could not be made to: whatever is asked of one then raises LineDown, or
        SourceMissing where there is no database. The line has to be open."""
        until = self._monotonic() + FIRST_S
        while not self.line.is_up and not self.line.next_try and (left := until - self._monotonic()) > 0:
            await self.line.changes(left)
        return self.sources()


class RemoteSource:
    """One database of a host."""

    def __init__(self, host: Host, source: str, clock: Callable[[], float]) -> None:
        self.source = source
        self.place = ""
        """Its path over there, "" while that is not known."""
        self.backup = False
        self.clock = clock
        self._host = host
        self._line = host.line
        self._health = Health(source, host.name, host=host.name)
        self._ahead_us = 0
        self._told: dict[str, int] = {}
        """How much of each session was told: ROW, PART or WHOLE."""
        """Sessions that were told, and whether all of each was."""
        self._asked: dict[str, None] = {}
        self._cursor = ""
        self._following: Answer | None = None
        self._odd = 0
        self._odd_words = ""

    @property
    def path(self) -> Path:
        """Where it is, for the user."""
        return Path(f"{self._host.name}:{self.place}" if self.place else self._host.name)

    async def __aenter__(self) -> Self:
        self._line.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._line.close()

    # -- following

    async def tail(self) -> AsyncIterator[Batch]:
        """As of any source; over every cut of the line."""
        told = ""
        while True:
            try:
                self._ready()
                async with aclosing(self._follow()) as batches:
                    async for batch in batches:
                        told = ""
                        yield batch
                if self._is_agreed():
                    raise SourceUnavailable(f"{self._host.name}: the far end follows no more")
            except SourceUnavailable as error:
                words = str(error)
                news: list[Event] = []
                if words != told and self._line.why != OPENING:
                    news.append(SourceError(source=self.source, ts=self._now_us(), message=words))
                told = words
                yield Batch(news, self._without_line(error))
                is_down = isinstance(error, LineDown | SourceMissing)
                await self._line.changes(HEARTBEAT_S if is_down else AGAIN_S)

    def _without_line(self, error: SourceUnavailable) -> Health:
        """What was known, and why it is no longer live."""
        line, words = self._line, str(error)
        if line.down_since and not line.is_up:
            words = f"{words}; not live since {time.strftime('%H:%M:%S', time.localtime(line.down_since))}"
        state = "waiting" if isinstance(error, LineDown | SourceMissing) else "error"
        self._health = msgspec.structs.replace(
            self._health, path=str(self.path), state=state, message=words, cut=0.0 if line.is_up else line.down_since
        )
        return self._health

    async def _follow(self) -> AsyncGenerator[Batch, None]:
        """One life of the line."""
        if not self._agree_on_time() or PART in self._told.values():
            # What was told has other times now, or cannot be gone on from.
            self._cursor = ""
        answer = self._line.ask("tail", self.place, cursor=self._cursor)
        self._following = answer
        try:
            if self._cursor:
                stale: dict[str, int] = {}
                wanted = [session_id for session_id in self._asked if self._told.get(session_id) != WHOLE]
            else:
                stale, wanted = self._anew()
            self._ask_for(wanted, answer)
            async for batch in self._batches(answer):
                if not self._is_agreed():
                    # A clock was set: all that was told has other times now.
                    return
                if batch is not None:
                    yield self._noted(batch, stale)
                    continue
                stale, wanted = self._anew()
                self._ask_for(wanted, answer)
        finally:
            self._following = None
            answer.close()

    def _anew(self) -> tuple[dict[str, int], list[str]]:
        """Everything will be told from the beginning: what was told before, and what has to be asked for again, as all
        of it was here."""
        self._cursor = ""
        stale = dict(self._told)
        whole = [name for name, told in stale.items() if told == WHOLE and name not in self._asked]
        return stale, [*self._asked, *whole]

    def _ask_for(self, session_ids: Sequence[str], answer: Answer) -> None:
        for session_id in session_ids:
            self._line.request(answer, session_id)

    def _noted(self, batch: Batch, stale: dict[str, int]) -> Batch:
        """Remembers what a batch tells. Of `stale` sessions those of which more than the row was told are removed
        before they are told again, and those that are not told by the first cursor when that comes."""
        events: list[Event] = []
        for event in batch.events:
            if isinstance(event, SessionStarted):
                if stale.pop(event.session_id, ROW) > ROW:
                    events.append(SessionRemoved(source=self.source, ts=event.ts, session_id=event.session_id))
                    self._told[event.session_id] = ROW
                self._told.setdefault(event.session_id, ROW)
            elif isinstance(event, SessionRemoved):
                self._told.pop(event.session_id, None)
                self._asked.pop(event.session_id, None)
            elif isinstance(event, SourceProgress):
                self._cursor = event.cursor
                for session_id in stale:
                    events.append(SessionRemoved(source=self.source, ts=event.ts, session_id=session_id))
                    self._told.pop(session_id, None)
                    self._asked.pop(session_id, None)
                stale.clear()
            elif isinstance(event, CONTENT) and self._told.get(event.session_id) == ROW:
                self._told[event.session_id] = PART
            events.append(event)
        for session_id in batch.loaded:
            if session_id in self._told:
                self._told[session_id] = WHOLE
        for session_id in batch.released:
            self._told[session_id] = ROW
        return msgspec.structs.replace(batch, events=events)

    def request(self, session_id: str) -> None:
        """Asks `tail` for a whole session; remembered until the line stands."""
        self._asked[session_id] = None
        if self._following is not None:
            self._line.request(self._following, session_id)

    def release(self, session_id: str) -> None:
        """Takes a `request` back."""
        self._asked.pop(session_id, None)
        if self._following is not None:
            self._line.release(self._following, session_id)

    def forget(self) -> None:
        """Forgets what was told: the next `tail` begins as the first did."""
        self._told.clear()
        self._asked.clear()
        self._cursor = ""

    async def resume(self, cursor: str) -> bool:
        """The far end is asked when `tail` begins."""
        self._cursor = cursor
        return True

    async def stream(
        self, cursor: str | None = None, *, follow: bool = False, make: Make | None = None
    ) -> AsyncIterator[Batch]:
        """As of any source, with events alone; a cut ends it. Raises SourceUnavailable."""
        with self._asking("stream", cursor=cursor or "", follow=follow) as answer:
            async for batch in self._batches(answer):
                if batch is not None:
                    yield batch

    async def glance(self) -> AsyncIterator[Batch]:
        """As of any source. Raises SourceUnavailable."""
        with self._asking("glance") as answer:
            async for batch in self._batches(answer):
                if batch is not None:
                    yield batch

    async def _batches(self, answer: Answer) -> AsyncIterator[Batch | None]:
        """The batches of an answer; None when it does not go on behind the cursor that it was asked with."""
        events: list[Event] = []
        fields: dict[str, Any] = {}
        async for item in answer:
            match item:
                case Resumed(resumed=resumed):
                    if not resumed:
                        yield None
                case Odd(events=count, words=words):
                    self._odd += count
                    events.append(self._remark(words))
                case Events(events=found):
                    events += self._believed(found)
                    if len(events) > EVENTS_MOST:
                        # Who never ends a batch is told of all the same.
                        yield Batch(events, self._health)
                        events = []
                case BatchEnd():
                    fields |= {name: value for name, value in item.health.items() if name in doors.FIELDS}
                    yield self._batch(item, events, fields)
                    events = []
                case _:
                    raise SourceUnavailable(f"{self._host.name}: {type(item).__name__} is no answer to this")

    def _batch(self, end: BatchEnd, events: list[Event], fields: dict[str, Any]) -> Batch:
        return Batch(
            events,
            self._taken(fields),
            rows=max(0, doors.size(end.rows)),
            loaded=end.loaded,
            committed_at=doors.seconds(end.committed_at, self._ahead_us),
            released=end.released,
            begun=end.begun,
        )

    def _taken(self, fields: dict[str, Any]) -> Health:
        """The health that the far end tells; where that is none, the one before with a remark."""
        try:
            self._health = doors.health(fields, self.source, str(self.path), self.place, self._ahead_us)
        except Doubtful as error:
            self._odd += 1
            self._odd_words = self._odd_words or str(error)
        if self._odd:
            warnings = {**self._health.warnings, "not of the contract": self._odd}
            examples = {**self._health.examples, "not of the contract": self._odd_words}
            self._health = msgspec.structs.replace(self._health, warnings=warnings, examples=examples)
        return self._health

    def _believed(self, found: Sequence[Event]) -> list[Event]:
        """Those of some events that are of the contract, and a remark for each other."""
        taken, wrong = doors.events(found, self.source, self._ahead_us)
        self._odd += len(wrong)
        return [*taken, *map(self._remark, wrong)]

    def _remark(self, words: str) -> Event:
        self._odd_words = self._odd_words or words
        return LogEntry(
            source=self.source, ts=self._now_us(), severity="WRN", message=f"not of the contract: {words}", ref="line"
        )

    # -- what is asked once

    async def catalogue(self) -> list[Event]:
        """As of any source. Raises SourceUnavailable."""
        return await self._events("catalogue")

    async def load(self, session_id: str, *, texts: bool = True) -> list[Event]:
        """As of any source; the far end leaves nothing out. Raises SourceUnavailable."""
        return await self._events("load", session_id=session_id)

    async def _events(self, what: str, **arguments: Any) -> list[Event]:
        found: list[Event] = []
        with self._asking(what, **arguments) as answer:
            async for item in answer:
                if isinstance(item, Events):
                    found += self._believed(item.events)
                elif isinstance(item, Odd):
                    self._odd += item.events
                    found.append(self._remark(item.words))
        return found

    def health(self) -> Health:
        """What came last."""
        return self._health

    async def probe(self) -> Health:
        """Health with fresh counts. Raises SourceUnavailable."""
        return await self._asked_health("probe")

    async def processes(self) -> Health:
        """Health with a fresh look at the processes over there; the one that is known while there is no line."""
        try:
            return await self._asked_health("processes")
        except SourceUnavailable:
            return self._health

    async def _asked_health(self, what: str) -> Health:
        with self._asking(what) as answer:
            async for item in answer:
                if isinstance(item, HealthTold):
                    # What `tail` tells next is what has changed since it told last.
                    self._taken(item.health)
        return self._health

    async def payload(self, uri: str, limit: int = PAYLOAD_LIMIT) -> PayloadText:
        """The text behind a reference. Raises PayloadError or SourceUnavailable."""
        pieces: list[str] = []
        length = 0
        with self._asking("payload", uri=uri, limit=limit) as answer:
            async for item in answer:
                if not isinstance(item, TextPiece):
                    break
                pieces.append(item.text)
                length += len(item.text)
                if length > limit:
                    raise PayloadUnreadable(f"{self._host.name}: more came than was asked for")
                if not item.more:
                    kind = "json" if item.format == "json" else "text"
                    return PayloadText("".join(pieces), max(0, doors.size(item.size)), item.truncated, kind)
        raise PayloadUnreadable(f"{self._host.name}: no text came")

    async def beginning(self, uri: str) -> str:
        """What a large text begins with: all of it is long on its way. Raises PayloadError or SourceUnavailable."""
        return (await self.payload(uri, BEGINNING)).text

    async def search(
        self, pattern: str, only: Collection[str] | None = None, kinds: Collection[str] = ()
    ) -> AsyncIterator[SearchPage]:
        """Looks through texts over there. Raises BadPattern or SourceUnavailable."""
        wanted = None if only is None else list(only)
        with self._asking("search", pattern=pattern, only=wanted, kinds=list(kinds)) as answer:
            async for item in answer:
                if not isinstance(item, PageTold):
                    continue
                try:
                    page = doors.page(item.page, wanted, self._ahead_us)
                except Doubtful as error:
                    raise SourceUnavailable(f"{self._host.name}: {error}") from None
                yield page

    async def spans(self) -> dict[str, tuple[int, int]]:
        """When sessions began and ended. Raises SourceUnavailable."""
        found: dict[str, tuple[int, int]] = {}
        with self._asking("spans") as answer:
            async for item in answer:
                if isinstance(item, SpansTold):
                    found |= doors.spans(item.spans, self._ahead_us)
        return found

    async def spending(self, session_ids: Sequence[str], *, calls: bool = True) -> list[Spending]:
        """What sessions cost. Raises SourceUnavailable."""
        found: list[Spending] = []
        with self._asking("spending", session_ids=list(session_ids), calls=calls) as answer:
            async for item in answer:
                if isinstance(item, SpendingTold):
                    found.append(doors.spending(item.spending, self._ahead_us))
        return found

    def _asking(self, what: str, **arguments: Any) -> closing[Answer]:
        """The answer to a question about this database, to be closed. Raises SourceUnavailable."""
        self._ready()
        if self._following is None:
            self._agree_on_time()
        return closing(self._line.ask(what, self.place, **arguments))

    def _ready(self) -> None:
        """Raises LineDown without a line, and SourceMissing where nothing is known of a database over there."""
        self._host.sources()
        if not self._line.is_up:
            raise self._line.down()
        if not self.place:
            raise SourceMissing(f"{self._host.name}: there is no opencode database there")

    def _agree_on_time(self) -> bool:
        """Takes the difference of the clocks into account, where it is one; whether it is the one before."""
        ahead_us = int(self._line.ahead_s * 1e6)
        if self._is_agreed():
            return True
        known = bool(self._told)
        self._ahead_us = 0 if abs(ahead_us) <= AGREED_S * 1e6 else ahead_us
        return not known

    def _is_agreed(self) -> bool:
        return abs(self._line.ahead_s - self._ahead_us / 1e6) <= AGREED_S

    def _now_us(self) -> int:
        return int(self.clock() * 1e6)
