"""Clocks that are moved by hand, a follower with nothing left to do, and what the adapter asks SQLite."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapter.sqlite.reader import Snapshot
from adapter.sqlite.rows import FIRST_ROWID
from tests.adapter.follower import Follower, eventually
from tests.adapter.writer import Writer


class Clocks:
    """The clock of the wall and the one that never goes back, each moved on (or back) at will, in seconds."""

    def __init__(self) -> None:
        self.wall_ahead = 0.0
        self.monotonic_ahead = 0.0

    def wall(self) -> float:
        """Unix seconds."""
        return time.time() + self.wall_ahead

    def monotonic(self) -> float:
        """Seconds that pauses are counted in."""
        return time.monotonic() + self.monotonic_ahead

    def pass_by(self, seconds: float) -> None:
        """So much time passes, by both."""
        self.wall_ahead += seconds
        self.monotonic_ahead += seconds


def is_at_rest(follower: Follower) -> bool:
    """Whether all that was committed has been read, compared and counted."""
    inner = follower.source._follower
    reader = inner.database.reader
    # A connection that is being opened has no reader yet.
    if any(lane.readers for lane in reader._lanes.values()) or any(lock.locked() for lock in reader._locks.values()):
        return False
    waiting = inner._backlog or inner._asked or inner._live or inner._to_compare or inner._unchecked
    return not waiting and not inner.reconciler.expected and inner._count_due == float("inf")


async def at_rest(follower: Follower) -> None:
    """Waits until nothing is left to do."""
    await eventually(lambda: is_at_rest(follower))


@asynccontextmanager
async def quiet(follower: Follower, *sessions: str) -> AsyncIterator[Follower]:
    """The follower, running, when it has seen everything and has nothing left to do by itself."""
    async with follower:
        await follower.loaded(*sessions)
        await follower.equals_cold_load()
        await at_rest(follower)
        yield follower


LARGE = ("message", "part", "event", "session_message")
"""Tables that grow without bound."""


class Asked:
    """One SELECT or PRAGMA of the adapter: its text and parameters, and how many rows it gave."""

    def __init__(self, sql: str, parameters: tuple[Any, ...]) -> None:
        self.sql = sql
        self.parameters = parameters
        self.rows = 0

    def plan(self, writer: Writer) -> list[str]:
        """SQLite's own plan for it on the file of a writer."""
        sql = self.sql
        if sql.startswith("PRAGMA"):
            return []
        for value in self.parameters:
            sql = sql.replace("?", repr(value) if isinstance(value, str) else str(value), 1)
        return [str(row[-1]) for row in writer.run(f"EXPLAIN QUERY PLAN {sql}")]

    def reads_a_large_table_whole(self, writer: Writer) -> bool:
        """Whether it begins at one end of a table that grows without bound and goes to the other."""
        if self.sql.endswith(("ORDER BY rowid DESC LIMIT 1", "LIMIT 0")):
            return False
        ways = "SCAN|SEARCH" if FIRST_ROWID in self.parameters else "SCAN"
        return any(re.match(rf"({ways}) ({'|'.join(LARGE)})\b", line) for line in self.plan(writer))


def noting_statements(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Every statement of the adapter from now on, the question whether something was committed included."""
    seen: list[Asked] = []
    stream = Snapshot.stream

    def noted(self: Snapshot, sql: str, parameters: Any = ()) -> Iterator[Any]:
        asked = Asked(sql, tuple(parameters))
        seen.append(asked)
        for row in stream(self, sql, parameters):
            asked.rows += 1
            yield row

    monkeypatch.setattr(Snapshot, "stream", noted)
    return seen


def noting_transactions(monkeypatch: pytest.MonkeyPatch) -> list[list[Asked]]:
    """Every transaction of the adapter from now on that asked more than whether something was committed."""
    statements, found = noting_statements(monkeypatch), list[list[Asked]]()
    transaction = Snapshot.transaction

    def noted(self: Snapshot, step: Any) -> Any:
        before = len(statements)
        try:
            return transaction(self, step)
        finally:
            asked = statements[before:]
            if {one.sql for one in asked} - {"PRAGMA data_version"}:
                found.append(asked)

    monkeypatch.setattr(Snapshot, "transaction", noted)
    return found
