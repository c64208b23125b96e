"""What was detected and has not been read: one ordered queue, and how it is worked off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from adapter.contract import AdapterError, Damaged
from adapter.follow.detect.changes import WHOLE, Changes, Messages, merged
from adapter.follow.detect.lists import OVERLAP_MS, differing
from adapter.follow.memory import Memory
from adapter.opencode.database import Database
from adapter.opencode.queries import one_session
from adapter.opencode.storage import RawSession, read_lists, read_some, read_whole

SOME = 200
"""Messages from which on it is cheaper to read their session whole."""
WORK_S = 0.05
"""What has changed is read for so long before it leaves, though more is waiting."""


class Backlog:
    """Sessions to read again, in the order in which they were detected. An entry goes when it has been read, so an
    error on the way loses nothing. Use as a truth value: whether anything waits."""

    def __init__(self, database: Database, memory: Memory, monotonic: Callable[[], float]) -> None:
        self._database = database
        self._memory = memory
        self._monotonic = monotonic
        self._sessions: dict[str, Messages] = {}
        self._lists: dict[str, bool] = {}
        """Sessions whose lists have to be compared; whether nothing but all of one will do."""
        self._held: set[str] = set()
        self._newest_ms = 0

    def __bool__(self) -> bool:
        return bool(self._sessions or self._lists)

    def add(self, changes: Changes) -> None:
        """Notes what has to be read."""
        for session_id, messages in changes.sessions.items():
            self._sessions[session_id] = merged(self._sessions.get(session_id, frozenset()), messages)
        for session_id in changes.lists:
            self._lists[session_id] = self._lists.get(session_id, False) or session_id in changes.lost

    @contextmanager
    def holding(self, session_id: str) -> Iterator[None]:
        """Somebody else reads this session: what is noted of it waits until that is over."""
        self._held.add(session_id)
        try:
            yield
        finally:
            self._held.discard(session_id)

    async def work(self, read: dict[str, RawSession], wanted: Mapping[str, Messages]) -> int:
        """Reads what waits, for a while, and notes it in the memory. What a look has `read` already, the `wanted`
        messages of some sessions, comes first. Gives the time (ms) of the newest row that is new with it, 0 when none
        is."""
        newest, until = 0, self._monotonic() + WORK_S
        for session_id, raw in read.items():
            # Where more waits than the look has read, what it did not read would be taken for removed.
            if session_id not in self._held and self._sessions[session_id] == wanted[session_id]:
                newest = max(newest, await self._take(session_id, wanted[session_id], raw))
        while True:
            if (listed := self._first(self._lists)) is not None:
                await self._compare_list(listed)
            elif (changed := self._first(self._sessions)) is not None:
                newest = max(newest, await self._take(changed, self._sessions[changed]))
                if self._monotonic() > until:
                    return newest
            else:
                return newest

    def _first(self, waiting: Iterable[str]) -> str | None:
        return next((session_id for session_id in waiting if session_id not in self._held), None)

    async def _compare_list(self, session_id: str) -> None:
        """Finds out which messages of a session it is about, where nothing said so."""
        database, schema = self._database, self._database.schema
        session = self._memory.tracked(session_id)
        if session is not None and not self._lists[session_id]:
            storage = session.storage
            try:
                now = await database.read(lambda snapshot: read_lists(snapshot, schema, session_id, storage))
                changed: Messages = differing(session, now, OVERLAP_MS)
            except Damaged:
                changed = WHOLE
            self.add(Changes({session_id: changed}))
        elif session_id in self._memory.records or await self._is_there(session_id):
            # Not everything that is counted is a session: 2.x counts worktrees, too.
            self.add(Changes({session_id: WHOLE}))
        self._lists.pop(session_id, None)

    async def _is_there(self, session_id: str) -> bool:
        schema = self._database.schema
        return await self._database.read(lambda snapshot: one_session(snapshot, schema, session_id, [])) is not None

    async def _take(self, session_id: str, messages: Messages, raw: RawSession | None = None) -> int:
        """Reads a session that has changed, and takes it out of the queue. Gives the time (ms) of the newest row that
        is new with it, 0 when none is."""
        database, memory, schema = self._database, self._memory, self._database.schema
        session = memory.tracked(session_id)
        before = session.changed_ms if session else max(self._newest_ms, 1)
        told, done = len(memory.pending), False
        try:
            if session is not None and messages is not WHOLE and len(messages) <= SOME:
                ids = messages
                if raw is None:
                    raw = await database.read(lambda snapshot: read_some(snapshot, schema, session_id, ids))
                done = memory.some(session, raw, ids)
            if not done:
                raw = await database.read(lambda snapshot: read_whole(snapshot, schema, session_id))
                await memory.whole(session_id, raw, messages)
        except (AdapterError, OSError):
            raise
        except Exception as error:
            # An error of our own costs the session that it is about, and is told.
            memory.broken(session_id, error)
        self._sessions.pop(session_id, None)
        record = memory.records.get(session_id)
        if record is None or record.tracked is None:
            return 0
        if len(memory.pending) > told:
            record.seen_at = self._monotonic()
        now = record.tracked.changed_ms
        self._newest_ms = max(self._newest_ms, now)
        return now if now > before else 0
