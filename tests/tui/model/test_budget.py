"""What is kept in memory: a budget of ops, the tree looked at longest ago goes first, nothing that anybody needs."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.events import Event, Usage
from tests.tui.model.builders import SOURCE, at, failed, op, op_end, prompt, session, task, turn, turn_end
from tui.model.records import ChangeSet, session_key
from tui.model.status.counts import Tally
from tui.model.store.memory_budget import PATIENCE, QUIET, Budget
from tui.model.store.store import Store
from tui.model.sums.rollup import own, subtree
from tui.model.tree.rows import VisibleRows

NOW = at(10_000)
CHANGED = ChangeSet(roots={(SOURCE, "a")}, dirty=set())


def told(session_id: str, ts: float, **fields: Any) -> list[Event]:
    """A session that has ended, of ten calls, whose row has its sums."""
    row = session(session_id, ts, extras={"usage": Usage(input=5), "cost": 0.5}, **fields)
    events = [row, prompt(f"u_{session_id}", ts + 1, session_id=session_id)]
    events.append(turn(f"m_{session_id}", 1, ts + 2, f"u_{session_id}", session_id=session_id))
    for n in range(10):
        place = {"part_id": f"p_{session_id}_{n}", "message_id": f"m_{session_id}", "session_id": session_id}
        events += [op(seq=n + 1, ts=ts + 3, **place), op_end(seq=n + 1, ts=ts + 3, **place)]
    return [*events, turn_end(f"m_{session_id}", 1, ts + 4, session_id=session_id)]


def world(*sessions: list[Event], ops: int = 20) -> Budget:
    store = Store()
    for events in sessions:
        store.apply(events)
    rows = VisibleRows(store)
    rows.update(ChangeSet(roots=set(), dirty=set()), NOW)
    return Budget(store, rows, ops)


def given(budget: Budget, *in_sight: str, now: int = NOW) -> list[str]:
    return [key[1] for key in budget.surplus(lambda: {(SOURCE, name) for name in in_sight}, now)]


def release(budget: Budget, *names: str) -> None:
    for name in names:
        budget.rows.update(budget.store.unload(SOURCE, name), NOW)


def test_nothing_goes_within_the_budget() -> None:
    assert given(world(told("a", 1), told("b", 2))) == []


def test_the_oldest_goes_first_and_no_more_than_needed() -> None:
    budget = world(told("a", 1), told("b", 2), told("c", 3), told("d", 4))
    assert given(budget) == ["a", "b", "c"]
    # They are on their way: what they hold is not counted again.
    assert given(budget) == []


def test_what_was_looked_at_stays_longer() -> None:
    budget = world(told("a", 1), told("b", 2), told("c", 3))
    budget.looked_at(session_key(budget.store.sessions[SOURCE, "a"]), NOW)
    assert given(budget) == ["b", "c"]


def test_what_is_in_sight_unfolded_open_or_fresh_stays() -> None:
    budget = world(
        told("seen", 1),
        told("unfolded", 2),
        [*told("open", 3), turn("m_more", 2, 8, "u_open", session_id="open")],
        told("fresh", 10_000 - QUIET / 1e6),
        [session("bare", 5), *told("bare", 5)[1:]],
        told("old", 6),
    )
    budget.rows.open(session_key(budget.store.sessions[SOURCE, "unfolded"]))
    assert given(budget, "seen") == ["bare", "old"]


def test_what_came_into_sight_by_itself_goes_last_and_only_where_nobody_had_the_cursor() -> None:
    budget = world(told("a", 1), told("b", 2), told("cursor", 3), told("away", 4), told("d", 5), ops=15)
    budget.looked_at(session_key(budget.store.sessions[SOURCE, "cursor"]), NOW)
    seen = {(SOURCE, name) for name in ("a", "b", "cursor", "d")}
    assert budget.held == 50
    assert [key[1] for key in budget.surplus(lambda: seen, NOW, hard=True)] == ["away", "a", "b", "d"]
    assert budget.held == 10
    assert given(budget, "a", "b", "cursor", "d") == []


def test_a_tree_goes_as_a_whole_or_not_at_all() -> None:
    child = told("child", 2, parent_id="top", root_id="top")
    budget = world(told("top", 1), child, told("other", 3), ops=15)
    assert sorted(given(budget)) == ["child", "top"]
    running = turn("m_more", 2, 8, "u_child", session_id="child")
    budget = world(told("top", 1), [*child, running], told("other", 3), ops=15)
    assert given(budget) == ["other"]


def test_what_opened_by_itself_is_folded_and_what_was_chosen_below_is_there_again_after_loading() -> None:
    budget = world(told("a", 1), told("b", 2), told("c", 3))
    rows, store = budget.rows, budget.store
    top = session_key(store.sessions[SOURCE, "a"])
    rows.folds.kept_open.add((SOURCE, "a"))
    rows.lay_out_tree_of(top)
    rows.close(next(rows.row(i).key for i in range(len(rows)) if rows.row(i).key.kind == "prompt"))
    assert given(budget) == ["a", "b"]
    release(budget, "a", "b")
    assert [rows.row(i).key.kind for i in range(len(rows))] == ["session"] * 3
    rows.open(top)
    rows.update(store.apply(told("a", 1)), NOW)
    at_a = rows.index_of(top)
    assert at_a is not None
    assert [(rows.row(i).key.kind, rows.row(i).fold) for i in (at_a, at_a + 1)] == [
        ("session", "open"),
        ("prompt", "closed"),
    ]


def test_a_tree_that_was_unfolded_on_its_way_out_is_wanted_again() -> None:
    budget = world(told("a", 1), told("b", 2), told("c", 3))
    assert given(budget) == ["a", "b"]
    budget.rows.open(session_key(budget.store.sessions[SOURCE, "a"]))
    assert budget.regretted() == []
    release(budget, "a", "b")
    assert budget.regretted() == [(SOURCE, "a")]
    assert budget.regretted() == []


def test_a_session_that_did_not_go_is_asked_again_after_a_while() -> None:
    budget = world(told("a", 1), told("b", 2), told("c", 3))
    assert given(budget) == ["a", "b"]
    assert given(budget, now=NOW + PATIENCE) == ["a", "b"]


def test_an_unloaded_session_is_as_it_was_before_it_was_read() -> None:
    row = told("a", 1)[0]
    store, fresh = Store(), Store()
    fresh.apply([row, failed("a", 9)])
    store.apply([row, failed("a", 9), *told("a", 1)[1:-1]])
    store.apply([turn_end("m_a", 1, 9, session_id="a", status="failed", error="APIError")])
    before = store.sessions[SOURCE, "a"].last_ts
    store.unload(SOURCE, "a")
    left, bare = store.sessions[SOURCE, "a"], fresh.sessions[SOURCE, "a"]
    assert (left.turns, left.prompts, left.loaded) == ({}, {}, False)
    assert (left.final_status, left.error_class) == (bare.final_status, bare.error_class) == ("failed", "APIError")
    assert left.last_ts == before
    assert store.homes == {}
    assert store.unload(SOURCE, "a").roots == set()
    store.apply(told("a", 1))
    assert store.sessions[SOURCE, "a"].loaded
    assert len(store.sessions[SOURCE, "a"].turns["m_a"].ops) == 10


def test_the_sums_of_one_that_is_given_back_are_what_they_were_though_its_row_tells_none() -> None:
    end = turn_end("m_a", 1, 9, session_id="a", usage=Usage(input=7), cost=0.25)
    store = Store()
    store.apply([session("a", 1), *told("a", 1)[1:-1], end])
    tally, kept = Tally(store), store.sessions[SOURCE, "a"]
    before = (own(store, kept), subtree(store, kept), tally.update(CHANGED, NOW).cost_today)
    assert before[0].cost == before[2] == 0.25
    changes = store.unload(SOURCE, "a")
    assert (own(store, kept), subtree(store, kept), tally.update(changes, NOW).cost_today) == before
    # The row is told anew for another title, and then all of it, because it went on.
    store.apply([session("a", 1, title="Another")])
    assert own(store, kept) == before[0]
    store.expect(SOURCE, "a")
    store.apply(told("a", 1)[1:-1])
    assert own(store, kept) == before[0]
    store.apply([turn_end("m_a", 1, 9, session_id="a", usage=Usage(input=9), cost=0.5)])
    store.mark_loaded(SOURCE, "a")
    assert own(store, kept).cost == 0.5
    assert store.given_back == {}


def test_what_began_yesterday_and_went_on_today_cost_today_the_same_when_it_is_given_back() -> None:
    store, day = Store(), 86_400
    events = [*told("a", 1), turn("m_b", 2, day + 2, "u_a", session_id="a")]
    store.apply([*events, turn_end("m_b", 2, day + 3, session_id="a", cost=0.125)])
    tally = Tally(store)
    now = at(day + 100)
    assert tally.update(CHANGED, now).cost_today == 0.125
    assert tally.update(store.unload(SOURCE, "a"), now).cost_today == 0.125
    assert tally.tick(now + day * 1_000_000).cost_today == 0


def test_a_sub_agent_stays_below_its_parent_when_the_call_goes() -> None:
    call = task("p_call", "m_top", "child", 11, session_id="top")
    budget = world([*told("top", 1), *call], told("child", 2, parent_id="top", root_id="top"), ops=100)
    store = budget.store
    top, child = store.sessions[SOURCE, "top"], store.sessions[SOURCE, "child"]
    assert store.call_key(child) is not None
    store.unload(SOURCE, "top")
    assert store.call_key(child) is None
    assert store.children_of(top) == [child]


@pytest.mark.parametrize("name", ["a", "nobody"])
def test_unloading_what_is_not_loaded_changes_nothing(name: str) -> None:
    store = Store()
    store.apply([session("a")])
    changes = store.unload(SOURCE, name)
    assert (changes.roots, changes.dirty) == (set(), set())
