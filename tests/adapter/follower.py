"""A model that follows a database through the adapter's tail, and how it is compared with a cold load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import msgspec
from msgspec.structs import force_setattr

from adapter.contract import Batch
from adapter.events import Event
from adapter.local import OpencodeSource
from adapter.remote.source import RemoteSource
from tui.model.records import Session
from tui.model.store.store import Store

DEADLINE_S = 10.0
NOT_COMPARED = {"logs", "loaded", "last_ts"}
"""Remarks outlive their rows, and what is loaded differs on purpose."""
NOT_LOADED = {"prompts", "turns"}


class Follower:
    """Runs `source.tail()` in a task and applies what it yields. `batches` are all that came."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        watch: bool = True,
        limit_s: float | None = None,
        deadline_s: float = DEADLINE_S,
        source: RemoteSource | None = None,
    ) -> None:
        self.path = path
        self.deadline_s = deadline_s
        self.source: OpencodeSource | RemoteSource = source or OpencodeSource(
            path, clock=clock, monotonic=monotonic, watch=watch, limit_s=limit_s
        )
        self.store = Store()
        self.batches: list[Batch] = []
        self._arrived = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def events(self) -> list[Event]:
        """All events so far."""
        return [event for batch in self.batches for event in batch.events]

    def of(self, kind: type[Event]) -> list[Any]:
        """All events of a kind so far."""
        return [event for event in self.events if type(event) is kind]

    def session(self, session_id: str) -> Session | None:
        """The model's session."""
        return self.store.sessions.get((self.source.source, session_id))

    async def until(self, predicate: Callable[[], bool], what: Callable[[], str] = str) -> None:
        """Waits until the predicate holds, looking after each batch. Fails with `what` after the deadline."""
        assert self._task is not None
        try:
            async with asyncio.timeout(self.deadline_s), self._arrived:
                while not predicate():
                    if self._task.done():
                        self._task.result()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(f"not within {self.deadline_s:.0f} s: {what()}") from None

    async def loaded(self, *session_ids: str) -> None:
        """Waits until these sessions are there whole."""
        for session_id in session_ids:
            # What is read whole again would hide what following has missed.
            if not self._has(session_id):
                self.source.request(session_id)
        await self.until(
            lambda: all(map(self._has, session_ids)),
            lambda: f"{session_ids} are not loaded",
        )

    def _has(self, session_id: str) -> bool:
        session = self.session(session_id)
        return session is not None and session.loaded

    async def equals_cold_load(self) -> None:
        """Waits until the model is what a cold load of the file, made now, gives. Nothing may be written meanwhile."""
        cold = await cold_store(self.path, self.source.source)
        await self.until(lambda: not differences(self.store, cold), lambda: "\n".join(differences(self.store, cold)))

    def nudge(self) -> None:
        """Makes the tail look now, as its tick would."""
        assert isinstance(self.source, OpencodeSource)
        watch = self.source._follower._watch
        if watch is not None:
            watch.nudge()

    async def _run(self) -> None:
        try:
            # Closed here and now: what is left to the end of the loop still has threads of its own then.
            async with self.source, aclosing(cast(AsyncGenerator[Batch, None], self.source.tail())) as batches:
                async for batch in batches:
                    async with self._arrived:
                        self.batches.append(batch)
                        apply(self.store, self.source.source, batch)
                        self._arrived.notify_all()
        finally:
            async with self._arrived:
                self._arrived.notify_all()


def apply(store: Store, source: str, batch: Batch) -> None:
    """Takes a batch into a model, as the app does."""
    store.apply(batch.events)
    for session_id in batch.loaded:
        store.mark_loaded(source, session_id)


async def eventually(predicate: Callable[[], bool]) -> None:
    """Waits for something that brings no batch. Fails after DEADLINE_S."""
    async with asyncio.timeout(DEADLINE_S):
        while not predicate():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)


async def cold_store(path: Path, called: str = "") -> Store:
    """A model of the whole file as it is now; `called` is the name of its source where that is another one."""
    store = Store()
    async with OpencodeSource(path, watch=False) as source:
        async for batch in source.stream():
            for event in batch.events if called else ():
                force_setattr(event, "source", called)
            apply(store, called or source.source, batch)
    return store


def differences(followed: Store, cold: Store) -> list[str]:
    """How a followed model differs from a cold one; sessions that were never loaded are compared by their row."""
    out = []
    for key in followed.sessions.keys() | cold.sessions.keys():
        here, there = followed.sessions.get(key), cold.sessions.get(key)
        if here is None or there is None:
            out.append(f"{key[1]} is only in the {'followed' if there is None else 'cold'} model")
            continue
        for name in Session.__struct_fields__:
            if name in NOT_COMPARED or (name in NOT_LOADED and not here.loaded):
                continue
            pair = [getattr(session, name) for session in (here, there)]
            if len(set(map(msgspec.msgpack.encode, pair))) == 1:
                continue
            mine, right = (msgspec.to_builtins(value, str_keys=True) for value in pair)
            out += unlike(mine, right, f"{key[1]}.{name}")
    return out


def unlike(mine: Any, right: Any, where: str) -> list[str]:
    """Where two values of JSON's types differ; the order of keys counts, because it is the order on screen (but for
    the small facts in `extras`)."""
    if isinstance(mine, dict) and isinstance(right, dict) and not where.endswith(".extras"):
        if list(mine) != list(right):
            return [f"{where} has {list(mine)}, cold {list(right)}"]
        return [line for key in mine for line in unlike(mine[key], right[key], f"{where}.{key}")]
    return [] if mine == right else [f"{where} is {str(mine)[:200]}, cold {str(right)[:200]}"]
