"""Whatever is written, at any time: at every quiet point the model of a follower is what a cold load gives, and so is
that of a consumer who reads in many runs, killed anywhere, from one cursor to the next.

Random but seeded, so a failure comes back; its message holds the seed and the last steps. OPENCODE_VIEWER_STRESS
multiplies the number of steps, OPENCODE_VIEWER_SEED moves the seeds, for a longer run by hand.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from adapter.contract import Batch
from adapter.events import LogEntry, SourceProgress
from adapter.local import OpencodeSource
from tests.adapter.chaos import KINDS, Chaos
from tests.adapter.chaos_2x import KINDS_2X, Chaos2x
from tests.adapter.follower import Follower, apply, cold_store, differences
from tui.model.store.store import Store

STEPS = 250 * int(os.environ.get("OPENCODE_VIEWER_STRESS", "1"))
FIRST_SEED = int(os.environ.get("OPENCODE_VIEWER_SEED", "1"))
STEPS_BETWEEN_LOOKS = 12
FOLLOWED_S = 0.1
"""How long a run that follows is let alone when it has nothing to say."""
RESUMED = [kind for kind in (*KINDS, *KINDS_2X) if "notifications" not in kind and "silent" not in kind]
"""A feed that is silent, which opencode never is from 1.17 on, tells nothing to a later run."""
BEGIN_ANEW = ("1.15", "1.2", "2.x", "1.18 with a feed that is cut")
"""Kinds without a change feed that a cursor could always lead into."""


def begin(path: Path, kind: str, seed: int) -> Chaos | Chaos2x:
    """The writer of a kind."""
    return Chaos2x(path, KINDS_2X[kind], seed) if kind in KINDS_2X else Chaos(path, KINDS[kind], seed)


@pytest.mark.parametrize("seed", [FIRST_SEED, FIRST_SEED + 1])
@pytest.mark.parametrize("kind", [*KINDS, *KINDS_2X])
async def test_the_followed_model_is_what_a_cold_load_gives(tmp_path: Path, kind: str, seed: int) -> None:
    chaos = begin(tmp_path / "opencode.db", kind, seed)
    try:
        async with Follower(
            chaos.opencode.path, clock=chaos.clock, monotonic=chaos.monotonic, watch=chaos.notify
        ) as follower:
            while len(chaos.done) < STEPS:
                # In a thread, so that the tail reads while opencode writes.
                await asyncio.to_thread(chaos.steps, chaos.dice.randrange(1, 2 * STEPS_BETWEEN_LOOKS))
                await follower.loaded(*chaos.opencode.sessions)
                chaos.settle()
                follower.nudge()
                try:
                    await follower.equals_cold_load()
                except AssertionError as error:
                    raise AssertionError(f"{kind}, seed {seed}, after {chaos.done[-30:]}: {error}") from None
        assert follower.source.health().state == "ok"
        assert not {"ERR"} & {getattr(event, "severity", "") for event in follower.events}
    finally:
        chaos.opencode.close()


class Consumer:
    """Applies what it gets, and keeps the cursor of some batch that it has applied."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = f"opencode:{path}"
        self.store = Store()
        self.cursor = ""
        self.runs = self.anew = 0

    async def run(self, chaos: Chaos | Chaos2x, *, follow: bool, batches: int) -> None:
        """One run, killed behind so many batches, or when following has nothing more to say. Something is written in
        the middle of it, and sometimes the last cursors are lost with it."""
        self.runs += 1
        source = OpencodeSource(self.path, watch=False, clock=chaos.clock, monotonic=chaos.monotonic)
        async with source, aclosing(source.stream(self.cursor or None, follow=follow)) as stream:
            while batches and (batch := await self._next(stream, follow)) is not None:
                batches -= 1
                self._take(batch, keep=chaos.dice.random() < 0.8)
                if chaos.dice.random() < 0.2:
                    await asyncio.to_thread(chaos.steps, chaos.dice.randrange(4))

    async def finish(self) -> None:
        """One run to its end, with nothing written meanwhile."""
        self.runs += 1
        async with OpencodeSource(self.path, watch=False) as source:
            async for batch in source.stream(self.cursor or None):
                self._take(batch, keep=True)

    async def _next(self, stream: AsyncIterator[Batch], follow: bool) -> Batch | None:
        try:
            async with asyncio.timeout(FOLLOWED_S if follow else None):
                return await anext(stream, None)
        except TimeoutError:
            return None

    def _take(self, batch: Batch, *, keep: bool) -> None:
        if any(isinstance(event, LogEntry) and event.ref == "cursor" for event in batch.events):
            self.store = Store()
            self.anew += 1
        apply(self.store, self.source, batch)
        last = batch.events[-1] if batch.events else None
        if keep and isinstance(last, SourceProgress):
            self.cursor = last.cursor


@pytest.mark.parametrize("seed", [FIRST_SEED, FIRST_SEED + 1])
@pytest.mark.parametrize("kind", RESUMED)
async def test_a_consumer_that_is_killed_and_resumes_ends_at_a_cold_load(tmp_path: Path, kind: str, seed: int) -> None:
    chaos = begin(tmp_path / "opencode.db", kind, seed)
    consumer = Consumer(chaos.opencode.path)
    try:
        while len(chaos.done) < STEPS:
            chaos.steps(chaos.dice.randrange(STEPS_BETWEEN_LOOKS))
            follow = chaos.dice.random() < 0.5
            await consumer.run(chaos, follow=follow, batches=chaos.dice.choice([1, 2, 3, 5, 50]))
            if chaos.dice.random() < 0.4:
                await consumer.finish()
                wrong = differences(consumer.store, await cold_store(chaos.opencode.path))
                assert not wrong, f"{kind}, seed {seed}, after {chaos.done[-30:]}: {wrong}"
    finally:
        chaos.opencode.close()
    assert consumer.anew < consumer.runs / 2 or kind.startswith(BEGIN_ANEW)
