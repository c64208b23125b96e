"""A filter that asks for what only sessions that were read can tell: it says so, and enter has the others read."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from pathlib import Path

import pytest

from adapter.local import OpencodeSource
from tests.bench.stores import NOW_MS, Shape, make
from tests.tui.stage import Batch, FakeSource, plainly, playing, until
from tests.tui.story import session
from tests.tui.test_budget import ended
from tests.tui.test_filter import heading, type_filter
from tests.tui.test_jumps import where
from tui.app import ViewerApp

DAY_S = 86_400


async def test_the_line_says_how_many_were_read_and_enter_reads_the_others_newest_first() -> None:
    source = FakeSource()
    rows = [session(f"ses_{n}", f"Session {n}", 10_000 + n) for n in range(5)]
    source.first = [Batch([*rows, *ended("ses_0", 10_000)], loaded=["ses_0"])]
    async with playing(source=source) as (app, pilot):
        await until(pilot, lambda: len(app.store.sessions) == 5)
        await type_filter(pilot, "tool:bash")
        assert where(app).startswith("1 of the 1 session read so far   enter reads 4 more")
        assert source.requested == []
        await pilot.press("enter")
        await until(pilot, lambda: source.requested == ["ses_1", "ses_2", "ses_3"])
        assert heading(app).startswith("Sessions 1 of 5 tool:bash")
        assert "4 not read" in heading(app)
        assert where(app) == "1 session matches, 0 of 4 read   esc stops"
        source.send(Batch(ended("ses_2", 10_002), loaded=["ses_2"]))
        await until(pilot, lambda: source.requested[3:] == ["ses_4"])
        await until(pilot, lambda: where(app) == "2 sessions match, 1 of 4 read   esc stops")
        for name in ("ses_1", "ses_3", "ses_4"):
            source.send(Batch(ended(name, 10_005), loaded=[name]))
        await until(pilot, lambda: not app.view.reading.on)
        await until(pilot, lambda: "not read" not in heading(app))
        assert len(app.main.finder.matches) == 5
        await until(pilot, lambda: "read" not in where(app))


async def test_escape_stops_the_reading_and_only_then_drops_the_filter() -> None:
    source = FakeSource()
    source.first = [Batch([session(f"ses_{n}", f"Session {n}", 10_000 + n) for n in range(9)])]
    async with playing(source=source) as (app, pilot):
        await until(pilot, lambda: len(app.store.sessions) == 9)
        await type_filter(pilot, "tool:bash")
        await pilot.press("enter")
        await until(pilot, lambda: len(source.requested) == 3)
        await pilot.press("escape")
        assert not app.view.reading.on
        assert app.main.finder.text == "tool:bash"
        source.send(Batch(ended("ses_0", 10_000), loaded=["ses_0"]))
        await until(pilot, lambda: heading(app).startswith("Sessions 1 of 9"))
        assert len(source.requested) == 3
        await pilot.press("escape")
        assert app.main.finder.text == ""


async def test_down_keeps_the_filter_and_reads_nothing_and_another_filter_stops_the_reading() -> None:
    source = FakeSource()
    source.first = [Batch([session(f"ses_{n}", f"Session {n}", 10_000 + n) for n in range(9)])]
    async with playing(source=source) as (app, pilot):
        await until(pilot, lambda: len(app.store.sessions) == 9)
        await type_filter(pilot, "tool:bash")
        await pilot.press("down")
        await pilot.pause()
        assert app.focused is app.main.sessions
        assert source.requested == []
        await pilot.press("slash", "enter")
        await until(pilot, lambda: len(source.requested) == 3)
        assert app.view.reading.on
        await pilot.press("slash", "x")
        assert not app.view.reading.on


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real file of some hundred sessions, as opencode writes them."""
    path = tmp_path_factory.mktemp("reading") / "opencode.db"
    make(Shape(sessions=300, messages=1200, parts=4000, megabytes=2), path)
    return path


def hashed(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def with_tool(path: Path, name: str) -> set[str]:
    """What the file itself says."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT DISTINCT session_id FROM part WHERE json_extract(data, '$.tool') = ?", (name,)
        ).fetchall()
    connection.close()
    return {session_id for (session_id,) in rows}


async def test_hundreds_of_sessions_of_a_real_file_are_read_within_the_budget_and_the_answer_is_that_of_the_file(
    store: Path,
) -> None:
    truth, before = with_tool(store, "bash"), hashed(store)
    assert len(truth) > 100
    clock = lambda: NOW_MS / 1000 + 40 * DAY_S  # noqa: E731
    app = ViewerApp([OpencodeSource(store, clock=clock)], clock=clock, memory=plainly())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.store.sessions) == 300)
        budget = app.view.budget
        budget.ops = 400
        await type_filter(pilot, "tool:bash")
        said = re.match(r"(\d+) of the (\d+) sessions read so far   enter reads (\d+) more", where(app))
        assert said is not None
        assert int(said[1]) <= int(said[2]) < 30
        assert int(said[2]) + int(said[3]) == 300
        await pilot.press("enter")
        most = 0

        def over() -> bool:
            nonlocal most
            most = max(most, budget.held)
            return not app.view.reading.on

        await until(pilot, over, seconds=60)
        assert {session_id for _, session_id in app.main.finder.matches} == truth
        assert not app.main.finder.unread
        # The largest session that comes on top of it, three times at most.
        assert most < 400 + 3 * 250
        assert len(app.store.given_back) > 200
    assert hashed(store) == before
