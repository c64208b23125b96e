"""One session in several databases is one row: which copy is shown, what is counted, and how the shown one changes."""

from __future__ import annotations

import itertools
import random
from typing import Any

import msgspec
import pytest

from adapter.events import Event, Usage
from tests.tui.model import builders
from tests.tui.model.builders import at, gone, prompt, session, turn
from tui.model.filter.cards import Index
from tui.model.records import ChangeSet, Key, SessionKey
from tui.model.status.counts import Tally
from tui.model.store.copies import elsewhere, remark
from tui.model.store.store import Store
from tui.model.sums.rollup import subtree
from tui.model.tree.rows import VisibleRows

OLD, NEW, BACKUP = "opencode:/data/opencode.db", "opencode:/data/opencode-next.db", "opencode:/data/opencode-backup.db"
NOW = at(100)


def of(source: str, *events: Event) -> list[Event]:
    """The events, from this source."""
    return [msgspec.structs.replace(event, source=source) for event in events]


def row(session_id: str, updated: float, parent: str | None = None, **fields: Any) -> Event:
    """A session row that was updated last at a time, and cost a dollar."""
    extras = {"time_updated": at(updated), "cost": 1.0, "usage": msgspec.structs.asdict(Usage(input=10))}
    root = fields.pop("root_id", parent or session_id)
    return session(session_id, extras=extras, parent_id=parent, root_id=root, **fields)


def shown(store: Store) -> list[SessionKey]:
    return sorted(store.sessions)


def test_the_copy_whose_row_was_updated_last_is_shown_whichever_comes_first() -> None:
    copies = [of(OLD, row("s1", 5, title="old")), of(NEW, row("s1", 9, title="new")), of(BACKUP, row("s1", 3))]
    for order in itertools.permutations(copies):
        store = Store()
        for events in order:
            store.apply(events)
        assert shown(store) == [(NEW, "s1")]
        ((_, found),) = store.sessions.items()
        assert [copy["source"] for copy in elsewhere(store, found)] == [OLD, BACKUP]
        assert subtree(store, found).cost == 1.0
        assert list(store.tops()) == [(NEW, "s1")]


def test_of_equal_copies_the_preferred_source_is_shown_whichever_answers_first() -> None:
    for order in ([OLD, NEW], [NEW, OLD]):
        store = Store()
        store.copies.prefer([NEW, OLD])
        for source in order:
            store.apply(of(source, row("s1", 5)))
        assert shown(store) == [(NEW, "s1")]


def test_a_session_that_goes_on_in_the_other_file_is_shown_from_there_whole() -> None:
    store = Store()
    rows, tally, index = VisibleRows(store), Tally(store), Index(store)
    index.fill(NOW)

    def take(events: list[Event]) -> ChangeSet:
        changes = store.apply(events)
        rows.update(changes, NOW)
        tally.update(changes, NOW)
        index.update(changes, NOW)
        return changes

    take(of(OLD, row("s1", 5, title="old"), prompt("m1"), turn("m2", prompt_id="m1")))
    take(of(NEW, row("s1", 9, title="new"), prompt("m1"), turn("m2", prompt_id="m1"), turn("m3", 2, 4, "m1")))
    assert rows.tops() == [(NEW, "s1")]
    assert tally.counts.running == 1
    assert {key[0] for key in index.cards} == {NEW}
    take(of(OLD, turn("m4", 2, 11, "m1"), row("s1", 12, title="old goes on")))
    assert shown(store) == [(OLD, "s1")]
    assert list(store.sessions[OLD, "s1"].turns) == ["m2", "m4"]
    assert list(store.copies.aside[NEW, "s1"].turns) == ["m2", "m3"]
    assert {key[0] for key in index.cards} == {OLD}
    assert rows.tops() == [(OLD, "s1")]


def test_what_happens_in_a_copy_that_waits_changes_nothing_that_is_shown() -> None:
    store = Store()
    store.apply(of(NEW, row("s1", 9)))
    store.apply(of(BACKUP, row("s1", 5)))
    changes = store.apply(of(BACKUP, prompt("m1"), turn("m2", prompt_id="m1")))
    assert changes == ChangeSet(roots=set(), dirty=set())
    assert store.mark_loaded(BACKUP, "s1") == ChangeSet(roots=set(), dirty=set())


def test_a_copy_takes_the_place_of_one_that_is_deleted() -> None:
    store = Store()
    store.apply(of(NEW, row("s1", 9), row("s2", 2, "s1")))
    store.apply(of(BACKUP, row("s1", 5), row("s2", 2, "s1")))
    store.apply(of(NEW, gone("s1"), gone("s2")))
    assert shown(store) == [(BACKUP, "s1"), (BACKUP, "s2")]
    assert [child.source for child in store.children_of(store.sessions[BACKUP, "s1"])] == [BACKUP]
    assert elsewhere(store, store.sessions[BACKUP, "s1"]) == []
    assert remark(store) == ""
    store.apply(of(BACKUP, gone("s1"), gone("s2")))
    assert (shown(store), store.copies.aside) == ([], {})


def test_a_session_told_anew_behind_its_removal_is_shown_from_where_it_was() -> None:
    store = Store()
    store.apply(of(NEW, row("s1", 9)))
    store.apply(of(BACKUP, row("s1", 5)))
    store.apply(of(NEW, gone("s1"), row("s1", 9, title="anew")))
    assert shown(store) == [(NEW, "s1")]


@pytest.mark.parametrize("seed", range(6))
def test_sub_agents_go_with_their_parent_in_any_order_of_arrival(seed: int) -> None:
    """The child's own copies say the opposite of the parent's, or the same."""
    events = [
        *of(OLD, row("p", 5), row("c", 8, "p"), row("g", 3, "c", root_id="p")),
        *of(NEW, row("p", 9), row("c", 7, "p"), row("g", 3, "c", root_id="p")),
    ]
    random.Random(seed).shuffle(events)
    store = Store()
    for event in events:
        store.apply([event])
    assert shown(store) == [(NEW, "c"), (NEW, "g"), (NEW, "p")]
    assert subtree(store, store.sessions[NEW, "p"]).sessions == 3
    store.apply(of(OLD, row("p", 10)))
    assert shown(store) == [(OLD, "c"), (OLD, "g"), (OLD, "p")]
    assert subtree(store, store.sessions[OLD, "p"]).cost == 3.0


def test_a_sub_agent_that_only_the_older_copy_has_is_not_lost() -> None:
    store = Store()
    store.apply(of(OLD, row("p", 5), row("only", 4, "p")))
    store.apply(of(NEW, row("p", 9)))
    assert shown(store) == [(NEW, "p"), (OLD, "only")]
    assert store.is_top((OLD, "only"))
    store.apply(of(OLD, row("p", 12)))
    assert [child.id for child in store.children_of(store.sessions[OLD, "p"])] == ["only"]


def test_parents_in_a_circle_across_files_come_to_an_end() -> None:
    store = Store()
    store.apply(of(OLD, row("a", 5, "b"), row("b", 9, "c"), row("c", 5, "a")))
    store.apply(of(NEW, row("a", 9, "c"), row("b", 5, "a"), row("c", 9, "b")))
    assert sorted(session_id for _, session_id in store.sessions) == ["a", "b", "c"]
    assert len(store.copies.aside) == 3


@pytest.mark.parametrize("seed", range(20))
def test_a_followed_model_is_that_of_a_cold_load(seed: int) -> None:
    """Rows that come, change and go in three files, in any order."""
    pick = random.Random(seed)
    followed = Store()
    rows: dict[SessionKey, Event] = {}
    parents = {"a": None, "b": "a", "c": "b", "d": None, "e": "d"}
    for source in (OLD, NEW, BACKUP):
        followed.copies.prefer([source])
    for _ in range(60):
        source, name = pick.choice((OLD, NEW, BACKUP)), pick.choice("abcde")
        if (source, name) in rows and pick.random() < 0.3:
            del rows[source, name]
            followed.apply(of(source, gone(name)))
        else:
            rows[source, name] = row(name, pick.randrange(1, 9), parents[name])
            followed.apply(of(source, rows[source, name]))
        cold = Store()
        cold.copies.prefer([OLD, NEW, BACKUP])
        cold.apply([event for (place, _), each in rows.items() for event in of(place, each)])
        assert shown(followed) == shown(cold)
        assert followed.copies.aside.keys() == cold.copies.aside.keys()
        for key, session_ in followed.sessions.items():
            # Of activity the newest stays known.
            assert subtree(followed, session_)[:3] == subtree(cold, cold.sessions[key])[:3]
        assert {name for _, name in shown(followed)} == {name for _, name in rows}
        assert len(followed.sessions) == len({name for _, name in rows})


def test_one_line_says_where_the_others_lie() -> None:
    store = Store()
    assert remark(store) == ""
    store.apply(of(NEW, row("s1", 9), row("s2", 9)))
    store.apply(of(BACKUP, row("s1", 5)))
    words = "1 session is in several databases and is told once, as the newest copy; the others: "
    assert remark(store) == f"{words}/data/opencode-backup.db (1)"
    store.apply(of(BACKUP, row("s2", 5)))
    assert remark(store).startswith("2 sessions are in several")
    assert builders.SOURCE not in remark(store)


def test_a_copy_that_comes_is_nothing_new() -> None:
    store = Store()
    assert {key.source for key in store.apply(of(OLD, row("s1", 5))).new} == {OLD}
    assert store.apply(of(BACKUP, row("s1", 3), turn("m1"))).new == set()
    assert session_key_of(NEW) not in store.apply(of(NEW, row("s1", 9))).new
    both = store.apply([*of(OLD, row("s2", 5)), *of(NEW, row("s2", 9))]).new
    assert [key.source for key in both] == [NEW]


def session_key_of(source: str) -> Key:
    return Key(source, "session", "s1", "s1")


def test_a_source_that_is_forgotten_leaves_the_copies_of_the_others() -> None:
    store = Store()
    store.apply(of(OLD, row("s1", 5), row("c", 5, "s1")))
    store.apply(of(BACKUP, row("s1", 3), row("c", 3, "s1")))
    store.apply(of(NEW, row("s1", 9), row("c", 9, "s1")))
    store.forget(NEW)
    assert shown(store) == [(OLD, "c"), (OLD, "s1")]
    assert store.copies.aside.keys() == {(BACKUP, "s1"), (BACKUP, "c")}
    assert [child.id for child in store.children_of(store.sessions[OLD, "s1"])] == ["c"]
    store.apply(of(NEW, row("s1", 9), row("c", 9, "s1")))
    assert shown(store) == [(NEW, "c"), (NEW, "s1")]
