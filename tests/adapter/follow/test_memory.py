"""Session rows: told when they differ, taken back when they go, and always under the right root."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapter.events import Event, SessionRemoved, SessionStarted
from adapter.follow.memory import Ledger
from adapter.opencode.database import Database
from adapter.opencode.schema import SESSION_COLUMNS


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(Database(Path("/nowhere/opencode.db"), "opencode:x", lambda: 1.0))


def row(session_id: str, parent: str | None = None, **columns: Any) -> tuple[Any, ...]:
    values = {"id": session_id, "parent_id": parent, "title": "A session", "time_created": 1, "time_updated": 1}
    return tuple({**values, **columns}.get(name) for name in SESSION_COLUMNS)


async def told(ledger: Ledger, rows: list[tuple[Any, ...]]) -> list[Event]:
    """What is new with these rows."""
    await ledger.rows(rows)
    return ledger.take()[0]


def roots(events: list[Event]) -> dict[str, str]:
    return {event.session_id: event.root_id for event in events if isinstance(event, SessionStarted)}


async def test_rows_are_told_once_and_again_when_they_differ(ledger: Ledger) -> None:
    rows = [row("a"), row("b")]
    assert list(roots(await told(ledger, rows))) == ["a", "b"]
    assert await told(ledger, rows) == []
    assert list(roots(await told(ledger, [row("a", title="Another"), row("b")]))) == ["a"]


async def test_rows_that_are_gone_are_taken_back(ledger: Ledger) -> None:
    await told(ledger, [row("a"), row("b")])
    assert [type(event) for event in await told(ledger, [row("b")])] == [SessionRemoved]


async def test_a_parent_that_goes_makes_its_child_a_root(ledger: Ledger) -> None:
    assert roots(await told(ledger, [row("leaf", "child"), row("child", "top"), row("top")]))["leaf"] == "top"
    assert roots(await told(ledger, [row("leaf", "child"), row("child", "top")])) == {"leaf": "child", "child": "child"}


async def test_a_parent_that_comes_later_takes_its_children(ledger: Ledger) -> None:
    assert roots(await told(ledger, [row("leaf", "child")])) == {"leaf": "leaf"}
    assert roots(await told(ledger, [row("leaf", "child"), row("child", "top")])) == {"leaf": "child", "child": "child"}
    events = await told(ledger, [row("leaf", "child"), row("child", "top"), row("top")])
    assert roots(events) == {"leaf": "top", "child": "top", "top": "top"}


@pytest.mark.parametrize("steps", range(1, 12))
async def test_a_look_that_is_cancelled_at_any_point_loses_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr("adapter.pace.SLICE_S", 0.0)
    before = [row("gone"), row("a"), row("b"), row("c", "b")]
    now = [row("a", title="Another"), row("b", parent="a"), row("c", "b"), row("new")]
    await ledger.rows(before)
    ledger.take()
    task = asyncio.create_task(ledger.rows(now))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    events = await told(ledger, now)
    assert roots(events) == {"a": "a", "b": "a", "c": "a", "new": "new"}
    assert [event.session_id for event in events if isinstance(event, SessionRemoved)] == ["gone"]
    assert await told(ledger, now) == []
