"""Session rows: told when they differ, taken back when they go, and always under the right root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter.database import Database
from adapter.events import Event, SessionRemoved, SessionStarted
from adapter.ledger import Ledger
from adapter.schema import SESSION_COLUMNS


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(Database(Path("/nowhere/opencode.db"), "opencode:x", lambda: 1.0))


def row(session_id: str, parent: str | None = None, **columns: Any) -> tuple[Any, ...]:
    values = {"id": session_id, "parent_id": parent, "title": "A session", "time_created": 1, "time_updated": 1}
    return tuple({**values, **columns}.get(name) for name in SESSION_COLUMNS)


def roots(events: list[Event]) -> dict[str, str]:
    return {event.session_id: event.root_id for event in events if isinstance(event, SessionStarted)}


async def test_rows_are_told_once_and_again_when_they_differ(ledger: Ledger) -> None:
    rows = [row("a"), row("b")]
    assert list(roots(await ledger.rows(rows))) == ["a", "b"]
    assert await ledger.rows(rows) == []
    assert list(roots(await ledger.rows([row("a", title="Another"), row("b")]))) == ["a"]


async def test_rows_that_are_gone_are_taken_back(ledger: Ledger) -> None:
    await ledger.rows([row("a"), row("b")])
    assert [type(event) for event in await ledger.rows([row("b")])] == [SessionRemoved]


async def test_a_parent_that_goes_makes_its_child_a_root(ledger: Ledger) -> None:
    assert roots(await ledger.rows([row("leaf", "child"), row("child", "top"), row("top")]))["leaf"] == "top"
    assert roots(await ledger.rows([row("leaf", "child"), row("child", "top")])) == {"leaf": "child", "child": "child"}


async def test_a_parent_that_comes_later_takes_its_children(ledger: Ledger) -> None:
    assert roots(await ledger.rows([row("leaf", "child")])) == {"leaf": "leaf"}
    assert roots(await ledger.rows([row("leaf", "child"), row("child", "top")])) == {"leaf": "child", "child": "child"}
    events = await ledger.rows([row("leaf", "child"), row("child", "top"), row("top")])
    assert roots(events) == {"leaf": "top", "child": "top", "top": "top"}
