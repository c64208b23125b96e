"""The orders of the trees, kept up as numbers change."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.events import Event, Usage
from tests.tui.model.builders import SOURCE, at, key, op, prompt, session, store_of, turn
from tui.model.records import ChangeSet
from tui.model.tree.rows import VisibleRows
from tui.model.tree.sorting import ORDERS, Arrangement

NOTHING = ChangeSet(roots=set(), dirty=set())


def row(name: str, start: float, updated: float, cost: float, tokens: int, title: str, cwd: str, **more: Any) -> Event:
    extras = {"cost": cost, "usage": Usage(input=tokens), "time_updated": at(updated), "ended_ts": at(updated)}
    return session(name, start, title=title, cwd=cwd, extras=extras, **more)


WORLD = (
    row("a", 100, 900, 1.0, 50, "Zebra", "/srv/app"),
    row("b", 800, 950, 0.5, 900, "apple", "/srv/web"),
    row("c", 10, 500, 0.1, 10, "Mango", "/other/app"),
    row("kid", 20, 400, 3.0, 1, "sub", "/other/app", parent_id="c"),
)


def order(rows: VisibleRows) -> str:
    return "".join(session_id for _, session_id in rows.tops())


@pytest.mark.parametrize(
    ("how", "expected"),
    [("activity", "bac"), ("cost", "cab"), ("tokens", "bac"), ("duration", "acb"), ("name", "bca")],
)
def test_an_order_counts_sub_agents_too(how: str, expected: str) -> None:
    rows = VisibleRows(store_of(*WORLD))
    rows.update(NOTHING, at(100_000))
    rows.arrange(Arrangement(how))
    assert order(rows) == expected
    assert [rows.index_of(rows.row(i).key) for i in range(3)] == [0, 1, 2]


def test_what_is_not_known_to_have_ended_is_last_by_duration_and_what_runs_counts_as_far_as_it_got() -> None:
    unknown = session("d", 1, extras={"time_updated": at(9000)})
    store = store_of(*WORLD, unknown)
    rows = VisibleRows(store)
    rows.update(NOTHING, at(100_000))
    rows.arrange(Arrangement("duration"))
    assert order(rows) == "acbd"
    rows.update(store.apply([prompt("u", 9001, session_id="d"), turn("t", 1, 9002, "u", session_id="d")]), at(9003))
    assert order(rows) == "dacb"


def test_projects_stand_together_and_two_of_one_name_apart() -> None:
    rows = VisibleRows(store_of(*WORLD, row("d", 5, 6, 0, 0, "x", "/srv/app")))
    rows.update(NOTHING, at(100_000))
    rows.arrange(Arrangement("activity", grouping="projects"))
    assert order(rows) == "cadb"


def test_what_runs_is_on_top_only_in_the_order_of_activity() -> None:
    store = store_of(*WORLD, prompt("u", 960, session_id="c"), turn("t", 1, 961, "u", session_id="c"),
                     op("p", "t", "tool", 1, 962, session_id="c", name="grep"))  # fmt: skip
    rows = VisibleRows(store)
    rows.update(NOTHING, at(970))
    assert order(rows)[0] == "c"
    rows.arrange(Arrangement("name"))
    assert order(rows) == "bca"


def test_a_tree_moves_when_its_numbers_do_and_a_new_one_takes_its_place() -> None:
    store = store_of(*WORLD)
    rows = VisibleRows(store)
    rows.update(NOTHING, at(100_000))
    rows.arrange(Arrangement("cost"))
    assert rows.update(store.apply([row("b", 800, 950, 9.0, 900, "apple", "/srv/web")]), at(100_000))
    assert order(rows) == "bca"
    assert rows.update(store.apply([row("e", 1, 2, 2.0, 0, "new", "/x")]), at(100_000))
    assert order(rows) == "bcea"


def test_an_order_holds_for_the_trees_that_a_filter_keeps() -> None:
    rows = VisibleRows(store_of(*WORLD))
    rows.update(NOTHING, at(100_000))
    assert rows.keep({(SOURCE, "a"), (SOURCE, "c")})
    rows.arrange(Arrangement("cost"))
    assert order(rows) == "ca"
    assert rows.index_of(key("session", "b", "b")) is None
    assert rows.keep(None)
    assert order(rows) == "cab"


def test_the_orders_follow_each_other() -> None:
    how, seen = Arrangement(), []
    for _ in ORDERS:
        seen.append(how.order)
        how = how.next_order()
    assert tuple(seen) == ORDERS
    assert how == Arrangement()
