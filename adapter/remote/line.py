"""The near end of a line: a command of the user's whose stdin and stdout lead to `opencode-viewer serve`.

One task starts the command, greets, reads, and when the line is cut starts it again after a pause that grows. What is
asked meanwhile fails at once with the reason; who follows waits for the line. Nothing that comes is believed: a line
that cannot be understood, or more than was allowed to come, cuts it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from adapter import contract
from adapter.contract import PayloadError, SourceUnavailable, encodable
from adapter.events import AnyEvent
from adapter.pattern import BadPattern
from adapter.remote import words
from adapter.remote.child import Child, NotStarted, start
from adapter.remote.messages import (
    PROTOCOL,
    WINDOW,
    Ask,
    Cancel,
    Credit,
    Databases,
    DatabaseThere,
    Done,
    Events,
    Failed,
    Hello,
    Item,
    LooseEvents,
    Ping,
    Pong,
    Release,
    Request,
    ToFar,
    ToNear,
    encoded,
)

GREETING_S = 30.0
"""Seconds that a login and the start of the far end may take together."""
BANNER_MOST = 64 << 10
"""Bytes of what a shell or ssh says before the far end does."""
PING_S = 10.0
SILENCE_S = 35.0
"""Seconds without a word after which the line is dead: three answers that did not come."""
PAUSES_S = (0.5, 1, 2, 4, 8, 15, 30, 60)
"""Seconds before the line is tried again. A login that is refused is not tried more often than that."""
STOOD_S = 30.0
"""A line that stood so long is tried again at once when it is cut."""
SET_S = 1.0
"""Seconds by which the clocks have to differ otherwise than before for one to have been set."""
CREDIT_SHARE = 4
"""Credit is given when this part of a window has been taken in, so that not every line is answered by one."""
SAMPLES = 20
"""Answers to pings of which the quickest says what the clock there shows."""
OPENING = "the line is being opened"
DATABASES_MOST = 100
NEVER = float("inf")


Start = Callable[[Sequence[str]], Awaitable[Child]]
"""Starts a command; tests have others."""


class LineDown(SourceUnavailable):
    """There is no line at the moment; the words say why, and when the next attempt is."""


class Odd(NamedTuple):
    """Events that are none of the contract's: how many, and what is wrong with the first."""

    events: int
    words: str


class Answer:
    """The items that answer one question, as they come. To be closed when nobody waits any more."""

    def __init__(self, line: Line, ask: Ask) -> None:
        self.ask = ask
        self.ended = False
        self._line = line
        self._items: deque[tuple[Item | Odd, int]] = deque()
        self._waiting = asyncio.Event()
        self._error: Exception | None = None
        self._owed = 0
        self._on_the_way = 0

    def __aiter__(self) -> Answer:
        return self

    async def __anext__(self) -> Item | Odd:
        """The next item. Raises LineDown, or what the far end says is wrong."""
        while not self._items:
            if self.ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._waiting.clear()
            await self._waiting.wait()
        item, size = self._items.popleft()
        self._on_the_way -= size
        self._owed += size
        if self._owed >= WINDOW // CREDIT_SHARE and not self.ended:
            self._line.send(Credit(self.ask.id, self._owed))
            self._owed = 0
        return item

    def take(self, item: Item | Odd, size: int) -> None:
        """An item has come, in a line of so many bytes. Raises _Nonsense where that was not allowed to come."""
        if self._on_the_way > WINDOW:
            raise _Nonsense("more came than was asked for")
        self._on_the_way += size
        self._items.append((item, size))
        self._waiting.set()

    def end(self, error: Exception | None) -> None:
        """No more comes, because of an error perhaps."""
        self.ended, self._error = True, error
        self._waiting.set()

    def close(self) -> None:
        """Nobody waits for the rest."""
        if not self.ended:
            self.end(None)
            self._line.give_up(self)
        self._items.clear()


class _Nonsense(Exception):
    """The far end does not keep to the protocol; the words say how."""


class Line:
    """One command, started again whenever it ends. Begins with the first `open` and ends with the last `close`, on one
    event loop. `host` is what the far machine is called; `clock` gives unix seconds, `monotonic` seconds that never go
    back."""

    def __init__(
        self,
        command: Sequence[str],
        host: str,
        *,
        program: str,
        start: Start = start,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.command = list(command)
        self.host = host
        self.databases: list[DatabaseThere] = []
        self.is_up = False
        self.why = OPENING
        self.down_since = 0.0
        """When it was cut (unix seconds), 0 while it never was there."""
        self.next_try = 0.0
        """When it is tried again (unix seconds), 0 while that is going on."""
        self._program = program
        self._start = start
        self._clock = clock
        self._monotonic = monotonic
        self._users = 0
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._child: Child | None = None
        self._answers: dict[int, Answer] = {}
        self._given_up: dict[int, Answer] = {}
        self._next_id = 1
        self._clocks: deque[tuple[float, float]] = deque(maxlen=SAMPLES)
        self._heard = 0.0
        self._opened = NEVER

    # -- for the sources

    def open(self) -> None:
        """One more source wants the line."""
        self._users += 1
        if not self.is_up and self._users == 1:
            self.why = OPENING
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._stand())

    async def close(self) -> None:
        """One source less wants it; with the last the command is ended."""
        self._users -= 1
        if self._users or self._task is None:
            return
        task, self._task = self._task, None
        task.cancel()
        await asyncio.wait({task})

    async def changes(self, seconds: float) -> None:
        """Waits until something about the line is other than it was, so many seconds at most."""
        changed = self._changed
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()

    @property
    def ahead_s(self) -> float:
        """How many seconds the clock there is before the one here, by the quickest answer; half of what it took is how
        wrong that may be."""
        return min(self._clocks)[1] if self._clocks else 0.0

    def down(self) -> LineDown:
        """Why there is no line."""
        return LineDown(f"{self.host}: {self.why}")

    def ask(self, what: str, database: str, **arguments: Any) -> Answer:
        """Asks something. Raises LineDown."""
        if not self.is_up:
            raise self.down()
        question = Ask(self._next_id, what, database, **arguments)
        self._next_id += 1
        answer = Answer(self, question)
        self._answers[question.id] = answer
        self.send(question)
        return answer

    def send(self, message: ToFar) -> None:
        """Sends something, if there is a line."""
        if self.is_up and self._child is not None:
            self._child.write(encoded(message))

    def request(self, answer: Answer, session_id: str) -> None:
        """Asks for a session in what an answer follows."""
        if not answer.ended:
            self.send(Request(answer.ask.id, session_id))

    def release(self, answer: Answer, session_id: str) -> None:
        """Takes that back."""
        if not answer.ended:
            self.send(Release(answer.ask.id, session_id))

    def give_up(self, answer: Answer) -> None:
        """Nobody waits for an answer any more; what is on its way of it is passed over."""
        if self._answers.pop(answer.ask.id, None) is not None:
            self._given_up[answer.ask.id] = answer
            self.send(Cancel(answer.ask.id))

    # -- the command

    async def _stand(self) -> None:
        """Starts the command again and again, until it is cancelled."""
        failures = 0
        while True:
            self._opened = NEVER
            try:
                await self._once()
            except asyncio.CancelledError:
                self._cut("the line has been closed")
                raise
            except Exception as error:
                # Of our own: as visible as any other reason.
                self._cut(f"an error of our own: {error!r}")
            if self._monotonic() - self._opened >= STOOD_S:
                failures = 0
            pause = PAUSES_S[min(failures, len(PAUSES_S) - 1)]
            failures += 1
            self.next_try = self._clock() + pause
            self._tell_change()
            await asyncio.sleep(pause)
            self.next_try = 0.0

    async def _once(self) -> None:
        """One life of the command."""
        try:
            self._child = await self._start(self.command)
        except NotStarted as error:
            self._cut(str(error))
            return
        try:
            self._cut(await self._talk(self._child))
        finally:
            child, self._child = self._child, None
            await child.end()

    async def _talk(self, child: Child) -> str:
        """Why the line is over."""
        child.write(encoded(Hello(PROTOCOL, self._program)))
        greeting, banner = await self._greeting(child)
        if greeting is None:
            return words.no_greeting(words.Ending(await child.status(), child.said, banner))
        if greeting.protocol != PROTOCOL:
            return words.other_protocol(greeting.protocol, greeting.program)
        self._clocks.clear()
        self._found(greeting.databases)
        self._heard = self._monotonic()
        watching = asyncio.create_task(self._watch(child))
        try:
            why = await self._read(child)
            return why or words.ended(words.Ending(await child.status(), child.said))
        finally:
            watching.cancel()
            await asyncio.wait({watching})

    async def _greeting(self, child: Child) -> tuple[Hello | None, str]:
        """The first line that is a greeting, and what came before it."""
        banner = b""
        with suppress(TimeoutError, ValueError):
            async with asyncio.timeout(GREETING_S):
                while len(banner) <= BANNER_MOST and (line := await child.readline(BANNER_MOST)):
                    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
                        hello = msgspec.json.decode(line, type=Hello)
                        if hello.clock:
                            return hello, banner.decode(errors="replace")
                        # Our own, from a command that gives back what it gets.
                    banner += line
        return None, banner[:BANNER_MOST].decode(errors="replace")

    async def _read(self, child: Child) -> str:
        """Takes in what comes until nothing comes any more; "" or what was wrong with it."""
        while True:
            try:
                line = await child.readline()
            except ValueError:
                return words.nonsense("a line is longer than any may be")
            if not line.endswith(b"\n"):
                # Cut in its middle.
                return ""
            self._heard = self._monotonic()
            try:
                self._take(line)
            except _Nonsense as error:
                return words.nonsense(str(error))

    def _take(self, line: bytes) -> None:
        """Takes in one line. Raises _Nonsense."""
        odd: Odd | None = None
        try:
            message = _DECODER.decode(line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            if (loose := _loose(line)) is None:
                raise _Nonsense(str(error)) from None
            message, odd = loose
        if isinstance(message, Hello):
            raise _Nonsense("it greets twice")
        if isinstance(message, Databases):
            self._found(message.databases)
            self._tell_change()
            return
        if isinstance(message, Pong):
            self._time(message.sent, message.clock)
            if not self.is_up:
                # Only now is known what its clock says: how long a login takes tells nothing of that.
                self.is_up, self.why, self.down_since, self.next_try = True, "", 0.0, 0.0
                self._opened = self._monotonic()
                self._tell_change()
            return
        if isinstance(message, Done | Failed):
            self._given_up.pop(message.id, None)
            answer = self._answers.pop(message.id, None)
            if answer is not None:
                answer.end(None if isinstance(message, Done) else _error(self.host, answer.ask.what, message))
            return
        answer = self._answers.get(message.id)
        if answer is not None:
            if odd is not None:
                answer.take(odd, 0)
            answer.take(message, len(line))
        elif message.id not in self._given_up:
            raise _Nonsense(f"an answer to nothing that was asked ({message.id})")

    def _found(self, databases: list[DatabaseThere]) -> None:
        self.databases = databases[:DATABASES_MOST]

    def _time(self, sent: float, clock: float) -> None:
        """Takes a reading of the clock there, which answers something that was sent at a time here."""
        now = self._clock()
        took = now - sent
        if 0 <= took <= SILENCE_S and 0 <= clock < 1e11:
            ahead = clock - (sent + now) / 2
            if abs(ahead - self.ahead_s) > took + SET_S:
                # One of the clocks has been set.
                self._clocks.clear()
            self._clocks.append((took, ahead))

    async def _watch(self, child: Child) -> None:
        """Asks every few seconds whether anybody is there, and ends a command through which nothing comes."""
        began = self._monotonic()
        while True:
            child.write(encoded(Ping(self._clock())))
            await asyncio.sleep(PING_S)
            quiet = self._monotonic() - self._heard
            if quiet > SILENCE_S:
                child.kill(words.silent(quiet))
            elif not self.is_up and self._monotonic() - began > SILENCE_S:
                child.kill(words.unanswered())

    def _cut(self, why: str) -> None:
        """There is no line, for this reason; what was asked fails with it."""
        if self.is_up:
            # When the last word came: a line that is silent is found to be cut a while later.
            self.down_since = self._clock() - max(0.0, self._monotonic() - self._heard)
        self.is_up, self.why = False, why
        answers, self._answers = self._answers, {}
        self._given_up.clear()
        for answer in answers.values():
            answer.end(self.down())
        self._tell_change()

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _error(host: str, what: str, failed: Failed) -> Exception:
    """What the far end says is wrong, as the error that it is here: one that the method which was asked may raise."""
    if failed.error == "BadPattern" and what == "search":
        return BadPattern(encodable(failed.words))
    kind = getattr(contract, failed.error, None) if failed.error.isidentifier() else None
    allowed = SourceUnavailable | PayloadError if what == "payload" else SourceUnavailable
    if not (isinstance(kind, type) and issubclass(kind, allowed)):
        kind = SourceUnavailable
    return kind(f"{host}: {failed.words}" if issubclass(kind, SourceUnavailable) else failed.words)


def _loose(line: bytes) -> tuple[Events, Odd] | None:
    """Of a line of events in which one is none those that are; None for any other line."""
    try:
        found = msgspec.json.decode(line, type=LooseEvents)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    good, bad, first = [], 0, ""
    for raw in found.events:
        try:
            good.append(_EVENT.decode(raw))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            bad, first = bad + 1, first or str(error)
    return Events(found.id, good), Odd(bad, first)


_DECODER = msgspec.json.Decoder(ToNear)
_EVENT: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
