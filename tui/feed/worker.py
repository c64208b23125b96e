"""The worker that follows the sources: one thread reads, and hands what it has read to the UI loop (`queue.py`).

The thread runs its own asyncio loop with one task a source. What the screen asks for (a session, a text, fresh
counts) goes to that loop, and the answer comes back in order with the events. What a task raises is told to the
listener: nothing ends in silence.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, TypeVar, cast

from adapter.contract import AdapterError, Batch, PayloadText, SearchPage, Source, Spending
from tui.feed.queue import Anew, Answer, Arrival, Arrivals
from tui.model.store.store import Store
from tui.model.tree.thoughts import joined
from tui.protocols import GiveUp, Listener, PageFound, PayloadDone, SearchEnded, SpansDone, SpendingDone
from tui.render.cards import payload as payloads

T = TypeVar("T")
DISCOVER_EVERY = 5.0
"""Seconds between two looks for databases that have appeared since."""

LOOK_EVERY = 2.0
"""Seconds between two looks at opencode's processes, while something should be running."""

CLOSED_AFTER = 10.0
"""Seconds that a source may take to be closed before it is loaded anew."""

RETRY_AFTER = 5.0
"""Seconds before a source that failed in an unforeseen way is opened again."""

REST_S = 0.1
"""How long a source may go on with what it is doing when all have to let go of their files; an idle one only waits."""
REST_MOST_S = 1.0
"""Seconds after which nobody waits any longer for sources to let go."""


SEARCH_AGAIN_S = 1.0
"""Seconds after which a search goes on whose file could not be read: its source opens that anew."""
SEARCH_PAUSE_S = 0.002
"""Pause between two pieces of a search (50 ms each), in which keys and changes have the interpreter for themselves."""
USUAL_SWITCH_S = sys.getswitchinterval()
SWITCH_S = 0.0005
"""Seconds for which a search may keep the interpreter when keys want it; Python's own are 5 ms, each of several times
that a key gives it up."""
PIECES_AHEAD = 3
"""Pieces of a search that wait to be shown; with one more it waits itself."""


class Search:
    """A search on its way. `is_stopped` is set by the UI loop; from then on nothing more of it arrives."""

    def __init__(self, pattern: str, kinds: Collection[str], found: PageFound, ended: SearchEnded) -> None:
        self.pattern = pattern
        self.kinds = kinds
        self.is_stopped = False
        self.task: asyncio.Task[None] | None = None
        self.room = asyncio.Semaphore(PIECES_AHEAD)
        self._found = found
        self._ended = ended

    def found(self, source: str, page: SearchPage) -> None:
        """Tells a piece, on the UI loop."""
        if not self.is_stopped:
            self._found(source, page)

    def ended(self, reason: str) -> None:
        """Tells the end, on the UI loop."""
        if not self.is_stopped:
            self.is_stopped = True
            self._ended(reason)


class NotFollowed(LookupError):
    """A source that was asked for is none of ours, or none any more."""


class _Asked:
    """A request that may be given up, on either side of the thread's border."""

    given_up = False
    task: asyncio.Task[Any] | None = None

    def cancel(self) -> None:
        """Stops the task, in its own thread."""
        if self.task is not None:
            self.task.cancel()


class Feed:
    """Runs the sources in a thread; `arrivals` applies their events to the store on the UI loop."""

    def __init__(
        self,
        sources: Sequence[Source],
        store: Store,
        listener: Listener,
        *,
        clock: Callable[[], float] = time.time,
        discover: Callable[[], Sequence[Source]] | None = None,
    ) -> None:
        self.arrivals = Arrivals(store, listener, clock)
        store.copies.prefer(source.source for source in sources)
        self._listener = listener
        self._initial = list(sources)
        self._discover = discover
        self._sources: dict[str, Source] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stopped = False
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._awake = asyncio.Event()
        """Not set while the sources are to keep their hands off their files."""
        self._awake.set()
        self._rests = 0
        self._searches = 0
        self._watched: frozenset[str] = frozenset()
        """Sources of which the processes are looked at."""
        self._is_watching = False
        self._early: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = []

    # --- called on the UI loop -------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ends the thread soon: tasks are cancelled and sources closed. Does not wait."""
        with self._lock:
            if not self._stopped and self._loop is not None and self._stop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)
            self._stopped = True
        self.arrivals.close()

    def rest(self) -> None:
        """Has every source close its files, and waits for it, for a while; nothing is read until `go_on`."""
        with self._lock:
            if self._stopped:
                return
            if self._loop is None:
                self._awake.clear()
                return
            resting = asyncio.run_coroutine_threadsafe(self._rest(), self._loop)
        with suppress(TimeoutError):
            resting.result(REST_MOST_S)

    def go_on(self) -> None:
        """Reads on, and what has changed meanwhile."""
        with self._lock:
            if self._loop is None:
                self._awake.set()
            elif not self._stopped:
                self._loop.call_soon_threadsafe(self._go_on)

    def load(self, source: str, session_id: str) -> None:
        """Asks for the whole tree of a session; it arrives as changes, in order with all others."""

        async def request() -> None:
            self._source(source).request(session_id)

        self._request(f"session {session_id} cannot be read", request)

    def release(self, source: str, session_id: str) -> None:
        """Gives back all of a session but its row, in order with all other changes."""

        async def request() -> None:
            self._source(source).release(session_id)

        self._request(f"session {session_id} stays in memory", request)

    @property
    def names(self) -> list[str]:
        """The sources that are followed, or will be as soon as the thread runs."""
        return list(self._sources) or [source.source for source in self._initial]

    def reload(self, source: str) -> None:
        """Has a source told anew from the beginning; until then nothing more of it is applied."""
        self.arrivals.drop(source)
        self._request(f"{source} cannot be loaded anew", lambda: self._reload(source))

    def payload(self, source: str, uri: str, look: str, done: PayloadDone, more: Sequence[str] = ()) -> None:
        """Asks for one text, of one reference or of several parts of a thought; `done` is called on the UI loop with
        it, ready to be drawn in a look, or with the reason why there is none. Only a feed that is stopped leaves it
        unanswered."""
        self._request("a text cannot be read", lambda: self._payload(source, (uri, *more), look, done))

    def beginning(self, source: str, uri: str, look: str, done: PayloadDone) -> None:
        """Asks for what a large text begins with; `done` is called on the UI loop with it, or with nothing. Only a feed
        that is stopped leaves it unanswered."""
        self._request("a text cannot be read", lambda: self._beginning(source, uri, look, done))

    def probe(self) -> None:
        """Asks every source for fresh counts, and which processes there are; both arrive through `health_changed`."""
        self._request("the rows cannot be counted", self._probe)

    def processes(self, sources: Collection[str]) -> None:
        """Looks at the processes of these sources from now on, and at no others."""
        watched = frozenset(sources)
        self._request("opencode's processes are not looked at any more", lambda: self._watch_processes(watched))

    def look(self, source: str, done: Callable[[], None]) -> None:
        """Looks at the processes of a source now; `done` is called on the UI loop, behind what was seen."""
        self._request("opencode's processes cannot be looked at", lambda: self._look(source, done))

    def search(
        self,
        pattern: str,
        only: Mapping[str, Collection[str]],
        kinds: Collection[str],
        found: PageFound,
        ended: SearchEnded,
    ) -> Callable[[], None]:
        """Looks through the texts of sessions; returns what stops it."""
        search = Search(pattern, kinds, found, ended)
        self._request("the search has ended", lambda: self._search(search, only))
        return lambda: self._stop_search(search)

    def _stop_search(self, search: Search) -> None:
        search.is_stopped = True
        with self._lock:
            if self._loop is not None and not self._stopped:
                self._loop.call_soon_threadsafe(lambda: search.task.cancel() if search.task is not None else None)

    def spans(self, source: str, done: SpansDone) -> None:
        """Asks when the messages of each session of a source began; `done` is called on the UI loop."""
        self._request("the times of sessions cannot be read", lambda: self._spans(source, done))

    def spending(self, source: str, session_ids: Sequence[str], done: SpendingDone) -> GiveUp:
        """Asks what sessions cost; `done` is called on the UI loop. What is returned stops the reading, and then `done`
        is not called."""
        asked = _Asked()
        self._request("what sessions cost cannot be read", lambda: self._spending(source, session_ids, done, asked))

        def give_up() -> None:
            with self._lock:
                asked.given_up = True
                if self._loop is not None and not self._stopped:
                    self._loop.call_soon_threadsafe(asked.cancel)

        return give_up

    def _request(self, trouble: str, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Has a task made in the feed's thread, as soon as that runs; `trouble` is what to say when it raises."""
        with self._lock:
            if self._stopped:
                return
            if self._loop is None:
                self._early.append((trouble, make))
            else:
                # Under the lock: the loop is not closed before `_stopped` is set.
                self._loop.call_soon_threadsafe(lambda: self._spawn(trouble, make()))

    # --- called in the feed's thread -------------------------------------------------------------------------

    def run(self) -> None:
        """The body of the thread: follows every source until `stop`."""
        asyncio.run(self._main())

    async def _main(self) -> None:
        stop = asyncio.Event()
        with self._lock:
            self._loop, self._stop = asyncio.get_running_loop(), stop
            early, self._early = self._early, []
            if self._stopped:
                return
        try:
            for source in self._initial:
                self._add(source)
            for trouble, make in early:
                self._spawn(trouble, make())
            if self._discover is not None:
                self._spawn("databases that appear are not found any more", self._look_for_more(self._discover))
            await stop.wait()
        finally:
            with self._lock:
                self._stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _add(self, source: Source) -> None:
        self._sources[source.source] = source
        self._begin(source)

    def _begin(self, source: Source) -> None:
        self._followers[source.source] = self._spawn(f"{source.path} is not followed any more", self._follow(source))

    async def _reload(self, name: str) -> None:
        source = self._source(name)
        task = self._followers[name]
        task.cancel()
        await asyncio.wait({task}, timeout=CLOSED_AFTER)
        if not task.done():
            raise TimeoutError(f"its reading does not end within {CLOSED_AFTER:.0f} s")
        source.forget()
        self.arrivals.offer(Anew(name))
        self._begin(source)

    async def _rest(self) -> None:
        """Ends every follower, at a batch if one comes in time, and with it the connections of its source."""
        self._awake.clear()
        self._rests += 1
        busy = {task for task in self._followers.values() if not task.done()}
        if busy:
            _, busy = await asyncio.wait(busy, timeout=REST_S)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)

    def _go_on(self) -> None:
        self._awake.set()
        for name, source in self._sources.items():
            if self._followers[name].done():
                self._begin(source)

    def _source(self, name: str) -> Source:
        """Raises NotFollowed."""
        if name not in self._sources:
            raise NotFollowed("its database is not followed")
        return self._sources[name]

    def _spawn(self, trouble: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs a task; `trouble` says what it means when it raises."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, trouble))
        return task

    def _ended(self, task: asyncio.Task[None], trouble: str) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, AdapterError | NotFollowed):
            self._problem(f"{trouble}: {_reason(error)}")
        elif error is not None:
            self._trouble(trouble, error)

    async def _follow(self, source: Source) -> None:
        """One source, until it has to let go of its file. What it foresees it reports itself; anything else is shown
        and tried again."""
        while True:
            await self._awake.wait()
            try:
                async with source, aclosing(cast(AsyncGenerator[Batch, None], source.tail())) as batches:
                    async for batch in batches:
                        await self._offer_batch(source, batch)
                        if not self._awake.is_set():
                            break
                return
            except Exception as error:
                self._trouble(f"{source.path} is opened again in {RETRY_AFTER:.0f} s", error)
                await asyncio.sleep(RETRY_AFTER)

    async def _look_for_more(self, discover: Callable[[], Sequence[Source]]) -> None:
        while True:
            await asyncio.sleep(DISCOVER_EVERY)
            try:
                found = await asyncio.to_thread(discover)
            except Exception as error:
                self._problem(f"no look for more databases: {_reason(error)}")
                continue
            for source in found:
                if source.source not in self._sources:
                    self._add(source)

    async def _offer_batch(self, source: Source, batch: Batch) -> None:
        self.arrivals.offer(
            Arrival(
                source.source,
                batch.events,
                batch.loaded,
                batch.committed_at,
                batch.health,
                batch.released,
                batch.begun,
            )
        )
        await self.arrivals.room()

    async def _watch_processes(self, watched: frozenset[str]) -> None:
        """Looks every few seconds as long as anything is to be looked at; one task does so for all."""
        self._watched = watched
        if self._is_watching:
            return
        self._is_watching = True
        try:
            while self._watched:
                await self._awake.wait()
                for name in sorted(self._watched):
                    if not await self._look_once(name):
                        # One that knows of no processes never will.
                        self._watched -= {name}
                await asyncio.sleep(LOOK_EVERY)
        finally:
            self._is_watching = False

    async def _look_once(self, name: str) -> bool:
        """Whether anything is known of the processes of a source."""
        source = self._sources.get(name)
        if source is None:
            return False
        health = await source.processes()
        if health.processes.looked:
            self.arrivals.offer(Arrival(name, (), health=health))
        return health.processes.looked > 0

    async def _look(self, source: str, done: Callable[[], None]) -> None:
        try:
            await self._look_once(source)
        finally:
            self._answer(done, source)

    async def _payload(self, source: str, uris: Sequence[str], look: str, done: PayloadDone) -> None:
        document, note = None, "reading it was given up"
        try:
            found = [await self._read(source, uri) for uri in uris]
            document = await asyncio.to_thread(payloads.read, joined([part.text for part in found]), look)
            size = sum(part.size for part in found)
            note = f"cut: the text has {size:,} bytes" if any(part.truncated for part in found) else ""
        except Exception as error:
            # A part that was rewritten or removed a moment ago, a busy file, an unknown field: all are answers.
            document, note = None, _reason(error)
        finally:
            # Whatever happens: who asks shows "loading" until there is an answer.
            self._answer(lambda: done(document, note), source)

    async def _beginning(self, source: str, uri: str, look: str, done: PayloadDone) -> None:
        document, why = None, ""
        try:
            text = await self._unrested(lambda: self._source(source).beginning(uri))
            document = payloads.read(text, look) if text else None
        except Exception as error:
            why = _reason(error)
        finally:
            self._answer(lambda: done(document, why), source)

    async def _read(self, source: str, uri: str) -> PayloadText:
        """A text."""
        return await self._unrested(lambda: self._source(source).payload(uri))

    async def _spans(self, source: str, done: SpansDone) -> None:
        found: Mapping[str, tuple[int, int]] = {}
        why = ""
        try:
            found = await self._unrested(lambda: self._source(source).spans())
        except Exception as error:
            why = _reason(error)
        finally:
            self._answer(lambda: done(found, why), source)

    async def _spending(self, source: str, session_ids: Sequence[str], done: SpendingDone, asked: _Asked) -> None:
        asked.task = asyncio.current_task()
        if asked.given_up:
            return
        found: Sequence[Spending] | None = None
        why = ""
        try:
            found = await self._unrested(lambda: self._source(source).spending(session_ids))
        except Exception as error:
            why = _reason(error)

        def answer() -> None:
            if not asked.given_up:
                done(found, why)

        self._answer(answer, source)

    async def _unrested(self, read: Callable[[], Awaitable[T]]) -> T:
        """Reads something; once more when its file was closed meanwhile."""
        while True:
            await self._awake.wait()
            rests = self._rests
            try:
                return await read()
            except AdapterError:
                if rests == self._rests:
                    raise

    async def _search(self, search: Search, only: Mapping[str, Collection[str]]) -> None:
        search.task = asyncio.current_task()
        reason = "it was given up"
        self._searches += 1
        sys.setswitchinterval(SWITCH_S)
        try:
            for name, sessions in only.items():
                await self._search_in(self._source(name), search, set(sessions))
            reason = ""
        except Exception as error:
            reason = _reason(error)
        finally:
            self._searches -= 1
            if not self._searches:
                sys.setswitchinterval(USUAL_SWITCH_S)
            self._answer(lambda: search.ended(reason))

    async def _search_in(self, source: Source, search: Search, left: set[str]) -> None:
        """One source; goes on behind what has been looked through when its file was closed, or could not be read, as
        long as that leads any further."""
        stuck: int | None = None
        while not search.is_stopped:
            await self._awake.wait()
            rests = self._rests
            try:
                pages = cast(AsyncGenerator[SearchPage, None], source.search(search.pattern, left, search.kinds))
                async with aclosing(pages):
                    async for page in pages:
                        left.difference_update(page.sessions)
                        await search.room.acquire()
                        self._answer(partial(self._tell, search, source.source, page))
                        if search.is_stopped or not self._awake.is_set():
                            break
                        await asyncio.sleep(SEARCH_PAUSE_S)
                    else:
                        return
            except AdapterError:
                if rests != self._rests:
                    continue
                if stuck == len(left):
                    raise
                stuck = len(left)
                await asyncio.sleep(SEARCH_AGAIN_S)

    def _tell(self, search: Search, source: str, page: SearchPage) -> None:
        """Shows a piece, on the UI loop, and makes room for another."""
        try:
            search.found(source, page)
        finally:
            with self._lock:
                if self._loop is not None and not self._stopped:
                    self._loop.call_soon_threadsafe(search.room.release)

    async def _probe(self) -> None:
        await self._awake.wait()
        rests = self._rests
        for name, source in list(self._sources.items()):
            try:
                await source.probe()
                # Where nothing runs any more nobody else looks at them.
                health = await source.processes()
            except Exception as error:
                if rests != self._rests:
                    return
                known = self.arrivals.health.get(name)
                # Of one that is known not to be there the reason stands on the screen.
                if known is None or known.state == "ok":
                    self._problem(f"{source.path}: {_reason(error)}")
                continue
            self.arrivals.offer(Arrival(name, (), health=health))

    def _problem(self, text: str) -> None:
        self._answer(lambda: self._listener.problem(text))

    def _trouble(self, words: str, error: BaseException) -> None:
        self._answer(lambda: self._listener.trouble(words, error))

    def _answer(self, call: Callable[[], None], source: str = "") -> None:
        self.arrivals.offer(Answer(call, source))


def _reason(error: BaseException) -> str:
    """What to tell a person of an error: its words, and where they are no sentence its kind too."""
    words = str(error)
    return words if " " in words else repr(error)
