"""The far end of a line: answers what is asked about the databases of this machine, and can do nothing else.

Each answer is a task with a window of its own, so that one which nobody takes in holds no other up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Any, cast

import msgspec

from adapter.contract import AdapterError, Batch, Source, SourceMissing, encodable
from adapter.events import Event, SessionStarted
from adapter.health import Health
from adapter.pattern import BadPattern
from adapter.remote.messages import (
    PIECE,
    PROTOCOL,
    WINDOW,
    Ask,
    BatchEnd,
    Cancel,
    Credit,
    Databases,
    DatabaseThere,
    Done,
    Events,
    Failed,
    HealthTold,
    Hello,
    Item,
    PageTold,
    Ping,
    Pong,
    Release,
    Request,
    Resumed,
    SpansTold,
    SpendingTold,
    TextPiece,
    ToFar,
    ToNear,
    encoded,
)
from adapter.remote.pipes import LineBroken, Pipes

EVENTS = 50
"""Events of one line: about 20 kB."""
LETTERS = PIECE // 4
"""Characters of one piece of a text: as many bytes at most as a piece is meant to have."""
MOMENTS = 1000
"""Sessions whose first and last moments go into one line."""
ASKED_MOST = 200
"""Answers at once; more are refused."""
FIND_S = 5.0
"""Seconds between two looks for databases that have appeared."""
FOLLOWING = frozenset({"tail", "stream", "glance"})
"""What makes a source begin anew, and therefore goes on once at a time."""

Find = Callable[[], Sequence[Source]]
"""Gives the sources of all databases that are there; each is asked for once by its path."""


class _Answer:
    """One question that is being answered."""

    def __init__(self, ask: Ask, write: Callable[[bytes], Awaitable[None]]) -> None:
        self.ask = ask
        self.task: asyncio.Task[None] | None = None
        self.health: dict[str, Any] = {}
        self._left = WINDOW
        self._room = asyncio.Event()
        self._room.set()
        self._write = write

    def credit(self, size: int) -> None:
        """Takes bytes back, never more than the window has."""
        self._left = min(WINDOW, self._left + max(0, size))
        if self._left > 0:
            self._room.set()

    async def tell(self, item: Item | Done | Failed) -> None:
        """Sends one line, as soon as anything is left of the window."""
        await self._room.wait()
        line = encoded(item)
        self._left -= len(line)
        if self._left <= 0:
            self._room.clear()
        await self._write(line)

    async def batch(self, batch: Batch) -> None:
        """Sends a batch: its events in pieces, then its end with what is new of its health. Pieces of nothing but
        sessions, as a catalogue has, are batches of their own, whose health says how many are still to come: all of
        them may take a minute."""
        pieces = [batch.events[start : start + EVENTS] for start in range(0, len(batch.events), EVENTS)]
        to_come = [sum(isinstance(event, SessionStarted) for event in piece) for piece in pieces]
        for number, piece in enumerate(pieces):
            await self.tell(Events(self.ask.id, piece))  # type: ignore[arg-type]
            left = sum(to_come[number + 1 :])
            if left and to_come[number] == len(piece):
                health = msgspec.structs.replace(batch.health, listing=True, unread=batch.health.unread + left)
                await self.tell(BatchEnd(self.ask.id, self._news(health)))
        await self.tell(
            BatchEnd(
                self.ask.id,
                self._news(batch.health),
                batch.rows,
                batch.loaded,
                batch.committed_at,
                batch.released,
                batch.begun,
            )
        )

    def _news(self, health: Health) -> dict[str, Any]:
        """The fields of a health that are not as they were told last."""
        told = as_fields(health)
        news = {name: value for name, value in told.items() if self.health.get(name, self) != value}
        self.health = told
        return news


def as_fields(health: Health) -> dict[str, Any]:
    """A health as JSON's types."""
    return cast(dict[str, Any], msgspec.to_builtins(health))


class Server:
    """Answers one line. `find` gives the sources of all databases that may be read; `clock` gives unix seconds;
    `program` is what this end is called."""

    def __init__(self, pipes: Pipes, find: Find, *, clock: Callable[[], float], program: str) -> None:
        self._pipes = pipes
        self._find = find
        self._clock = clock
        self._program = program
        self._sources: dict[str, Source] = {}
        self._told: list[DatabaseThere] = []
        self._begun: set[str] = set()
        """Databases of which something has been followed."""
        self._following: set[str] = set()
        self._answers: dict[int, _Answer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()

    async def run(self) -> str:
        """Answers until the line ends; why it ended before its time, "" for its natural end."""
        async with self._stack:
            try:
                await self._look()
                hello = Hello(PROTOCOL, self._program, self._clock(), self._told)
                await self._pipes.write(encoded(hello))
                self._spawn(self._look_for_more())
                return await self._answer_all() or self._pipes.fault
            except LineBroken:
                return self._pipes.fault
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                self._pipes.close()

    async def _answer_all(self) -> str:
        lines = self._pipes.lines()
        first = await anext(lines, b"")
        if not first:
            return ""
        try:
            hello = msgspec.json.decode(first, type=Hello)
        except (msgspec.MsgspecError, UnicodeError):
            return "this is for another opencode-viewer: it asks on stdin, one JSON object a line"
        if hello.protocol != PROTOCOL:
            return f"the other end speaks protocol {hello.protocol}, this one {PROTOCOL}"
        async for line in lines:
            try:
                message = _DECODER.decode(line)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                await self._not_understood(line)
                continue
            await self._take(message)
        return ""

    async def _not_understood(self, line: bytes) -> None:
        """Answers a question that cannot be understood, so that nobody waits for it."""
        with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
            number = msgspec.json.decode(line, type=_Numbered).id
            if number not in self._answers:
                await self._send(Failed(number, "SourceUnavailable", "the question cannot be understood there"))

    async def _take(self, message: ToFar) -> None:
        match message:
            case Ping(sent=sent):
                await self._send(Pong(sent, self._clock()))
            case Credit(id=number, size=size):
                if number in self._answers:
                    self._answers[number].credit(size)
            case Cancel(id=number):
                if number in self._answers and (task := self._answers[number].task) is not None:
                    task.cancel()
            case Request(id=number, session_id=session_id):
                if number in self._answers:
                    self._sources[self._answers[number].ask.database].request(session_id)
            case Release(id=number, session_id=session_id):
                if number in self._answers:
                    self._sources[self._answers[number].ask.database].release(session_id)
            case Ask(id=number):
                await self._begin(message)
            case Hello():
                pass

    async def _begin(self, ask: Ask) -> None:
        why = ""
        if ask.id in self._answers:
            return
        if len(self._answers) >= ASKED_MOST:
            why = "too much is asked at once"
        elif ask.what not in _METHODS:
            why = f"{ask.what[:40]} is not known there"
        elif ask.what in FOLLOWING and ask.database in self._following:
            why = "this database is followed already"
        if why:
            await self._send(Failed(ask.id, "SourceUnavailable", why))
            return
        answer = _Answer(ask, self._pipes.write)
        self._answers[ask.id] = answer
        answer.task = self._spawn(self._answer(answer))

    async def _answer(self, answer: _Answer) -> None:
        ask = answer.ask
        follows = ask.what in FOLLOWING
        end: Done | Failed = Failed(ask.id, "SourceUnavailable", "it was given up")
        try:
            source = self._sources.get(ask.database)
            if source is None:
                raise SourceMissing(f"{ask.database} is none of the databases that are served there")
            if follows:
                self._following.add(ask.database)
                if ask.database in self._begun:
                    source.forget()
                self._begun.add(ask.database)
            await _METHODS[ask.what](answer, source)
            end = Done(ask.id)
        except (AdapterError, BadPattern) as error:
            end = Failed(ask.id, type(error).__name__, encodable(str(error)))
        except Exception as error:
            # An error of our own costs this answer, and is told.
            end = Failed(ask.id, "SourceUnavailable", encodable(f"an error over there: {error!r}")[:1000])
        finally:
            if follows:
                self._following.discard(ask.database)
            self._answers.pop(ask.id, None)
            # Who gave it up is told, too: only then is the number free. It waits for no credit.
            self._spawn(self._end(end))

    async def _send(self, message: ToNear) -> None:
        await self._pipes.write(encoded(message))

    async def _end(self, message: ToNear) -> None:
        """The last line of an answer, for whoever is still there."""
        with suppress(LineBroken):
            await self._send(message)

    async def _look(self) -> bool:
        """Opens the sources of databases that are new; whether there were any."""
        found = False
        for source in await asyncio.to_thread(self._find):
            path = encodable(source.path)
            if path not in self._sources:
                self._sources[path] = await self._stack.enter_async_context(source)
                self._told = [*self._told, DatabaseThere(path, source.backup)]
                found = True
        return found

    async def _look_for_more(self) -> None:
        while True:
            await asyncio.sleep(FIND_S)
            if await self._look():
                await self._end(Databases(self._told))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _Numbered(msgspec.Struct):
    id: int


_DECODER = msgspec.json.Decoder(ToFar)


# -- the answers, by the method of a source


async def _tail(answer: _Answer, source: Source) -> None:
    if answer.ask.cursor:
        await answer.tell(Resumed(answer.ask.id, await source.resume(answer.ask.cursor)))
    await _batches(answer, source.tail())


async def _stream(answer: _Answer, source: Source) -> None:
    await _batches(answer, source.stream(answer.ask.cursor or None, follow=answer.ask.follow))


async def _glance(answer: _Answer, source: Source) -> None:
    await _batches(answer, source.glance())


async def _batches(answer: _Answer, batches: AsyncIterator[Batch]) -> None:
    async with aclosing(cast(AsyncGenerator[Batch, None], batches)):
        async for batch in batches:
            await answer.batch(batch)


async def _catalogue(answer: _Answer, source: Source) -> None:
    await _events(answer, await source.catalogue())


async def _load(answer: _Answer, source: Source) -> None:
    await _events(answer, await source.load(answer.ask.session_id))


async def _events(answer: _Answer, events: list[Event]) -> None:
    for start in range(0, len(events), EVENTS):
        await answer.tell(Events(answer.ask.id, events[start : start + EVENTS]))  # type: ignore[arg-type]


async def _probe(answer: _Answer, source: Source) -> None:
    await answer.tell(HealthTold(answer.ask.id, as_fields(await source.probe())))


async def _processes(answer: _Answer, source: Source) -> None:
    await answer.tell(HealthTold(answer.ask.id, as_fields(await source.processes())))


async def _payload(answer: _Answer, source: Source) -> None:
    ask = answer.ask
    found = await (source.payload(ask.uri, ask.limit) if ask.limit > 0 else source.payload(ask.uri))
    for start in range(0, max(1, len(found.text)), LETTERS):
        piece = found.text[start : start + LETTERS]
        more = start + LETTERS < len(found.text)
        await answer.tell(TextPiece(ask.id, piece, more, found.size, found.truncated, found.format))


async def _search(answer: _Answer, source: Source) -> None:
    ask = answer.ask
    only = None if ask.only is None else frozenset(ask.only)
    async with aclosing(cast(AsyncGenerator[Any, None], source.search(ask.pattern, only, ask.kinds))) as pages:
        async for page in pages:
            await answer.tell(PageTold(ask.id, page))


async def _spans(answer: _Answer, source: Source) -> None:
    found = list((await source.spans()).items())
    for start in range(0, len(found), MOMENTS):
        await answer.tell(SpansTold(answer.ask.id, dict(found[start : start + MOMENTS])))


async def _spending(answer: _Answer, source: Source) -> None:
    for one in await source.spending(answer.ask.session_ids, calls=answer.ask.calls):
        await answer.tell(SpendingTold(answer.ask.id, one))


_METHODS: dict[str, Callable[[_Answer, Source], Awaitable[None]]] = {
    "tail": _tail,
    "stream": _stream,
    "glance": _glance,
    "catalogue": _catalogue,
    "load": _load,
    "probe": _probe,
    "processes": _processes,
    "payload": _payload,
    "search": _search,
    "spans": _spans,
    "spending": _spending,
}
