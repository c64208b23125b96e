"""Session rows: told when they differ, taken back when they go, and always under the right root."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapter.events import Event, SessionRemoved, SessionStarted
from adapter.follow.memory import Memory
from adapter.health import HealthWriter
from adapter.opencode.schema import SESSION_COLUMNS


@pytest.fixture
def memory() -> Memory:
    return Memory("opencode:x", lambda: 1.0, HealthWriter("opencode:x", "/nowhere", lambda: 1.0, lambda: 1.0))


def row(session_id: str, parent: str | None = None, **columns: Any) -> tuple[Any, ...]:
    values = {"id": session_id, "parent_id": parent, "title": "A session", "time_created": 1, "time_updated": 1}
    return tuple({**values, **columns}.get(name) for name in SESSION_COLUMNS)


async def told(memory: Memory, rows: list[tuple[Any, ...]]) -> list[Event]:
    """What is new with these rows."""
    await memory.rows(rows)
    return memory.take()[0]


def roots(events: list[Event]) -> dict[str, str]:
    return {event.session_id: event.root_id for event in events if isinstance(event, SessionStarted)}


async def test_rows_are_told_once_and_again_when_they_differ(memory: Memory) -> None:
    rows = [row("a"), row("b")]
    assert list(roots(await told(memory, rows))) == ["a", "b"]
    assert await told(memory, rows) == []
    assert list(roots(await told(memory, [row("a", title="Another"), row("b")]))) == ["a"]


async def test_rows_that_are_gone_are_taken_back(memory: Memory) -> None:
    await told(memory, [row("a"), row("b")])
    assert [type(event) for event in await told(memory, [row("b")])] == [SessionRemoved]


async def test_a_parent_that_goes_makes_its_child_a_root(memory: Memory) -> None:
    assert roots(await told(memory, [row("leaf", "child"), row("child", "top"), row("top")]))["leaf"] == "top"
    assert roots(await told(memory, [row("leaf", "child"), row("child", "top")])) == {"leaf": "child", "child": "child"}


async def test_a_parent_that_comes_later_takes_its_children(memory: Memory) -> None:
    assert roots(await told(memory, [row("leaf", "child")])) == {"leaf": "leaf"}
    assert roots(await told(memory, [row("leaf", "child"), row("child", "top")])) == {"leaf": "child", "child": "child"}
    events = await told(memory, [row("leaf", "child"), row("child", "top"), row("top")])
    assert roots(events) == {"leaf": "top", "child": "top", "top": "top"}


@pytest.mark.parametrize("steps", range(1, 12))
async def test_a_look_that_is_cancelled_at_any_point_loses_nothing(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr("adapter.pace.SLICE_S", 0.0)
    before = [row("gone"), row("a"), row("b"), row("c", "b")]
    now = [row("a", title="Another"), row("b", parent="a"), row("c", "b"), row("new")]
    await memory.rows(before)
    memory.take()
    task = asyncio.create_task(memory.rows(now))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    events = await told(memory, now)
    assert roots(events) == {"a": "a", "b": "a", "c": "a", "new": "new"}
    assert [event.session_id for event in events if isinstance(event, SessionRemoved)] == ["gone"]
    assert await told(memory, now) == []
