"""What sessions cost, read without their texts: the same as the events say, and in sum what opencode itself counts."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from adapter.contract import SourceUnavailable, Spending
from adapter.events import OpStarted, TurnFinalized, TurnStarted
from adapter.local import OpencodeSource
from tests.adapter import corpus
from tests.adapter.writer_2x import Writer2x, call, counters, step

SAME = [
    f"{version}/{name}"
    for version in (*corpus.VERSIONS, corpus.PREVIEW)
    for name in ("fork", "task", "tools", "compact", "revert")
    if (corpus.CORPUS / version / f"{name}.sql").exists()
]


async def spent(path: Path, *, calls: bool = True, limit_s: float | None = None) -> dict[str, Spending]:
    async with OpencodeSource(path, watch=False, limit_s=limit_s) as source:
        ids = [event.session_id for event in await source.catalogue() if hasattr(event, "session_kind")]
        return {one.session_id: one for one in await source.spending(ids, calls=calls)}


@pytest.mark.parametrize("name", SAME)
def test_steps_and_calls_are_those_of_the_events(name: str, tmp_path: Path) -> None:
    events = corpus.load(name).events
    found = asyncio.run(spent(corpus.build(name, tmp_path / "opencode.db")))
    ended = {event.message_id: event for event in events if isinstance(event, TurnFinalized)}
    named: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, OpStarted) and event.op_kind == "tool":
            named.setdefault(event.message_id, []).append(event.tool)
    wanted = {
        event.message_id: (event.session_id, event.ts, event.model, event.provider_alias, event.agent)
        for event in events
        if isinstance(event, TurnStarted) and not event.extras.get("by_user")
    }
    taken = {one.message_id: (spending.session_id, one) for spending in found.values() for one in spending.steps}
    assert taken.keys() == wanted.keys()
    for message_id, (session_id, one) in taken.items():
        assert (session_id, one.ts, one.model, one.provider_alias, one.agent) == wanted[message_id]
        assert sorted(one.calls) == sorted(named.get(message_id, []))
        if (end := ended.get(message_id)) is not None:
            assert (one.usage, one.cost) == (end.usage, end.cost)


@pytest.mark.parametrize("version", [*corpus.VERSIONS, corpus.PREVIEW])
def test_the_rows_say_in_sum_what_sqlite_adds_up_of_every_dump(version: str, tmp_path: Path) -> None:
    names = [name for name in corpus.NAMES + corpus.NAMES_2X if name.startswith(f"{version}/")]

    async def all_of_them() -> None:
        for number, name in enumerate(names):
            path = corpus.build(name, tmp_path / f"{number}.db")
            found = await spent(path, calls=False)
            with sqlite3.connect(path) as connection:
                columns = {row[1] for row in connection.execute("PRAGMA table_info(session)")}
                assert found.keys() == {row[0] for row in connection.execute("SELECT id FROM session")}, name
                if "cost" in columns:
                    sql = "SELECT sum(cost), sum(tokens_input) + sum(tokens_cache_read) FROM session"
                    cost, tokens = connection.execute(sql).fetchone()
                    usages = [one.usage for one in found.values() if one.usage is not None]
                    assert sum(one.cost or 0.0 for one in found.values()) == pytest.approx(cost), name
                    assert sum(usage.input + usage.cache_read for usage in usages) == tokens, name
                else:
                    steps = [each for one in found.values() for each in one.steps]
                    data = [json.loads(row[0]) for row in connection.execute("SELECT data FROM message")]
                    assert sum(each.cost for each in steps) == pytest.approx(sum(one.get("cost", 0) for one in data))
                    assert len(steps) == sum(one["role"] == "assistant" for one in data)
            connection.close()

    asyncio.run(all_of_them())


async def test_a_slow_machine_reads_the_same_in_more_transactions(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/tools", tmp_path / "opencode.db")
    assert await spent(path, limit_s=1e-6) == await spent(path)
    async with OpencodeSource(path, watch=False, limit_s=1e-6) as slow, OpencodeSource(path, watch=False) as fast:
        assert await slow.spans() == await fast.spans() != {}


async def test_of_both_families_in_one_file_each_session_is_read_where_it_goes_on(tmp_path: Path) -> None:
    with Writer2x(tmp_path / "opencode.db", beside="plain") as writer:
        ((old, updated),) = writer.run("SELECT id, time_updated FROM session")
        new = writer.session("New")
        tools = (call("completed", "shell", created=1, ran=2, completed=3), call("completed", "read", completed=3))
        writer.add(new, "assistant", {**step(*tools, completed=2000), "cost": 0.5, "tokens": counters(100)})
        found = await spent(writer.path)
        assert found.keys() == {old, new}
        assert found[old].cost
        assert found[old].steps
        (one,) = found[new].steps
        assert (one.cost, sorted(one.calls)) == (0.5, ["bash", "read"])
        # Prompted in 2.x since: what 1.x has of it is left out.
        writer.session("Imported", id=old, time_updated=updated + 1)
        assert [len((await spent(writer.path))[old].steps)] == [0]


def test_a_part_that_says_late_what_it_is_is_looked_at_whole_and_broken_rows_cost_themselves(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/tools", tmp_path / "opencode.db")
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT id, data FROM part").fetchall()
        tools = [(name, json.loads(data)) for name, data in rows if json.loads(data)["type"] == "tool"]
        before = asyncio.run(spent(path))
        name, part = tools[0]
        late: dict[str, Any] = {"state": part["state"], "padding": "x" * 2000, "tool": part["tool"], "type": "tool"}
        connection.execute("UPDATE part SET data = ? WHERE id = ?", (json.dumps(late), name))
        connection.commit()
        assert asyncio.run(spent(path)) == before
        connection.execute("UPDATE part SET data = '{\"type\":' WHERE id = ?", (name,))
        (session_id, message_id) = connection.execute(
            "SELECT session_id, id FROM message WHERE data LIKE '%assistant%' ORDER BY time_created DESC"
        ).fetchone()
        connection.execute("UPDATE message SET data = 'no JSON' WHERE id = ?", (message_id,))
        connection.commit()
    connection.close()
    after = asyncio.run(spent(path))[session_id]
    assert len(after.steps) == len(before[session_id].steps) - 1
    assert after.unread == 1


async def test_who_gives_up_leaves_nothing_running(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/tools", tmp_path / "opencode.db")
    async with OpencodeSource(path, watch=False) as source:
        await source.open()
        reading = asyncio.create_task(source.spending(["ses_none"] * 20_000))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await source.spending([]) == []
    with pytest.raises(SourceUnavailable):
        await source.spending([])
