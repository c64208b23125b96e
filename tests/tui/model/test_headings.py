"""Headings of projects: where they stand, what they say, how they fold, and what keeping them up costs."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.events import Event
from tests.tui.model.builders import SOURCE, at, gone, key, op, prompt, session, store_of, turn
from tui.model.records import ChangeSet, Key
from tui.model.store.store import Store
from tui.model.tree import headings
from tui.model.tree.headings import Sum, heading_key
from tui.model.tree.rows import VisibleRows
from tui.model.tree.sorting import Arrangement
from tui.model.tree.unfold import reveal

NOTHING = ChangeSet(roots=set(), dirty=set())
APP, WEB = heading_key("app\0/srv/app"), heading_key("web\0/srv/web")


def row(name: str, start: float, cost: float, cwd: str, **more: Any) -> Event:
    return session(name, start, title=name, cwd=cwd, extras={"cost": cost, "time_updated": at(start)}, **more)


WORLD = (
    row("a", 100, 1.0, "/srv/app"),
    row("b", 200, 0.5, "/srv/web"),
    row("c", 300, 0.25, "/srv/app"),
    row("kid", 310, 2.0, "/srv/app", parent_id="c"),
)
ASKS = (
    prompt("u", 400, session_id="b"),
    turn("t", 1, 401, "u", session_id="b"),
    op("p", "t", "tool", 1, 402, session_id="b", name="question"),
)


def grouped(*events: Event) -> tuple[Store, VisibleRows]:
    store = store_of(*events)
    rows = VisibleRows(store)
    rows.update(NOTHING, at(100_000))
    rows.arrange(Arrangement(grouping="projects"))
    return store, rows


def listed(rows: VisibleRows) -> list[str]:
    """The rows from top to bottom, a heading by its name in brackets."""
    shown = []
    for i in range(len(rows)):
        one = rows.row(i)
        shown.append(f"[{headings.name(one.key)}]" if one.key.kind == "heading" else one.key.id)
        assert rows.index_of(one.key) == i
        assert (one.depth == 0) is (one.key.kind == "heading")
    return shown


def test_each_project_has_one_heading_before_its_sessions() -> None:
    _, rows = grouped(*WORLD)
    assert listed(rows) == ["[app]", "c", "a", "[web]", "b"]
    assert [session_id for _, session_id in rows.tops()] == ["c", "a", "b"]
    assert (rows.headings.first_of(APP), rows.headings.first_of(WEB)) == (0, 2)


def test_without_grouping_there_is_no_heading_and_no_other_depth() -> None:
    _, rows = grouped(*WORLD)
    rows.arrange(Arrangement())
    assert [rows.row(i).key.id for i in range(len(rows))] == ["c", "b", "a"]
    assert {rows.row(i).depth for i in range(len(rows))} == {0}
    assert rows.index_of(APP) is None
    assert rows.heading_of(key("session", "a", "a")) is None


def test_two_directories_of_one_name_are_two_projects_and_one_without_a_directory_has_a_name() -> None:
    _, rows = grouped(row("a", 1, 0, "/x/app"), row("b", 2, 0, "/y/app/"), row("c", 3, 0, ""))
    assert listed(rows) == ["[(no directory)]", "c", "[app]", "a", "[app]", "b"]


def test_a_folded_project_shows_its_heading_only_and_its_trees_are_still_found() -> None:
    _, rows = grouped(*WORLD)
    assert rows.toggle(APP)
    assert listed(rows) == ["[app]", "[web]", "b"]
    assert rows.row(0).fold == "closed"
    assert not rows.close(APP)
    assert rows.index_of(key("session", "a", "a")) is None
    assert [session_id for _, session_id in rows.tops()] == ["c", "a", "b"]
    assert reveal(rows, key("session", "kid", "kid"))
    assert rows.row(0).fold == "open"
    assert rows.index_of(key("session", "a", "a")) is not None


def test_a_heading_is_above_its_sessions_and_beside_the_next_heading() -> None:
    _, rows = grouped(*WORLD)
    assert rows.parent(key("session", "a", "a")) == APP
    assert rows.parent(APP) is None
    assert rows.headings.beside(APP, 1) == WEB
    assert rows.headings.beside(WEB, -1) == APP
    assert rows.headings.beside(WEB, 1) is None
    assert rows.headings.beside(APP, -1) is None


def test_a_heading_adds_up_its_trees_sub_agents_included() -> None:
    _, rows = grouped(*WORLD)
    assert rows.headings.sum_of(APP) == Sum(trees=2, cost=3.25)
    assert rows.headings.sum_of(WEB) == Sum(trees=1, cost=0.5)


def change_cost(_: Store) -> list[Event]:
    return [row("a", 100, 4.0, "/srv/app")]


def change_cost_below(_: Store) -> list[Event]:
    return [row("kid", 310, 5.0, "/srv/app", parent_id="c")]


def new_tree(_: Store) -> list[Event]:
    return [row("d", 500, 7.0, "/srv/app")]


def other_project(_: Store) -> list[Event]:
    return [row("a", 100, 1.0, "/srv/web")]


def gone_tree(_: Store) -> list[Event]:
    return [gone("a")]


def child_becomes_top(_: Store) -> list[Event]:
    return [gone("c")]


@pytest.mark.parametrize(
    "happening", [change_cost, change_cost_below, new_tree, other_project, gone_tree, child_becomes_top]
)
def test_sums_that_were_kept_up_are_those_that_would_be_made_anew(happening: Any) -> None:
    store, rows = grouped(*WORLD)
    before = {each: rows.headings.sum_of(each) for each in (APP, WEB)}
    rows.update(store.apply(happening(store)), at(100_000))
    fresh = VisibleRows(store)
    fresh.update(NOTHING, at(100_000))
    fresh.arrange(Arrangement(grouping="projects"))
    assert listed(rows) == listed(fresh)
    for each in (APP, WEB):
        assert rows.headings.sum_of(each) == pytest.approx(fresh.headings.sum_of(each))
        assert (each in rows.headings.changed) is (before[each] != rows.headings.sum_of(each))


def test_a_heading_counts_trees_that_run_or_wait_and_says_when_that_changes() -> None:
    store, rows = grouped(*WORLD)
    rows.update(store.apply(ASKS), at(403))
    assert rows.headings.sum_of(WEB)[2:] == (0, 1, 0)
    assert rows.headings.changed == {WEB}
    rows.update(NOTHING, at(404))
    assert rows.headings.changed == set()
    rows.close(WEB)
    assert rows.newest_running() == WEB
    rows.update(store.apply([gone("b")]), at(405))
    assert listed(rows) == ["[app]", "c", "a"]


def test_under_a_filter_a_heading_counts_what_is_shown() -> None:
    store, rows = grouped(*WORLD)
    rows.update(store.apply(ASKS), at(403))
    rows.keep({(SOURCE, "a")})
    assert listed(rows) == ["[app]", "a"]
    assert rows.headings.sum_of(APP) == Sum(trees=1, cost=1.0)
    rows.update(store.apply([row("c", 300, 9.0, "/srv/app")]), at(404))
    assert rows.headings.sum_of(APP) == Sum(trees=1, cost=1.0)
    rows.keep(None)
    assert rows.headings.sum_of(WEB) == Sum(trees=1, cost=0.5, waiting=1)


def test_a_change_looks_at_no_other_tree_of_its_project(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [row(f"s{n:04}", n + 1, 1.0, "/srv/app") for n in range(500)]
    store, rows = grouped(*many)
    assert rows.headings.sum_of(APP) == Sum(trees=500, cost=500.0)
    asked: list[Key] = []
    real = headings.Headings._cost

    def counted(self: headings.Headings, tree: Any) -> float:
        asked.append(tree)
        return real(self, tree)

    monkeypatch.setattr(headings.Headings, "_cost", counted)
    rows.update(store.apply([row("s0003", 4, 3.0, "/srv/app")]), at(100_000))
    assert rows.headings.sum_of(APP).cost == pytest.approx(502.0)
    assert asked == [(SOURCE, "s0003")]


def test_names_and_directories_come_back_out_of_a_key() -> None:
    keys = (APP, WEB, heading_key("\0"))
    assert [headings.name(each) for each in keys] == ["app", "web", "(no directory)"]
    assert [headings.directory(each) for each in keys] == ["/srv/app", "/srv/web", ""]
