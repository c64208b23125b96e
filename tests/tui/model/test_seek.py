"""Finding in the tree: order of places, over the end, in folded parts and in those not loaded, and the way there."""

from __future__ import annotations

from functools import partial

from adapter.events import Event
from tests.tui.model.builders import (
    SOURCE,
    at,
    failed,
    key,
    op,
    op_end,
    prompt,
    session,
    store_of,
    task,
    turn,
    turn_end,
)
from tui.model.records import ChangeSet, Key, Session
from tui.model.store.store import Store
from tui.model.tree.rows import VisibleRows
from tui.model.tree.seek import caller, enclosing, failures, place, questions, seek, sibling
from tui.model.tree.unfold import FOLDED, LEVEL_WORDS, cycle, fold_all, reveal

NOTHING = ChangeSet(roots=set(), dirty=set())
BROKEN, KID_BROKEN = key("op", "p0:tool"), key("op", "q0:tool", "kid")
CALL = key("op", "p1:tool")


def family() -> list[Event]:
    """Two prompts: in the step of the first a call fails, a sub-agent is called in whose step one fails, and a text."""
    return [
        session(),
        prompt("u1", 2),
        turn("a1", 1, 3, "u1"),
        op("p0", "a1", "tool", 1, 4),
        op_end("p0", "a1", "tool", 1, 5, status="failed", error="E"),
        *task("p1", "a1", "kid", 2, ts=5),
        op_end("p1", "a1", "session", 2, 20),
        op_end("p1", "a1", "tool", 3, 20),
        op("p3", "a1", "text", 4, 20),
        op_end("p3", "a1", "text", 4, 21),
        turn_end("a1", 1, 50),
        prompt("u2", 60),
        turn("a2", 2, 61, "u2"),
        turn_end("a2", 2, 62),
        session("kid", 5, parent_id="s1"),
        prompt("k1", 6, session_id="kid"),
        turn("b1", 1, 7, "k1", session_id="kid"),
        op("q0", "b1", "tool", 1, 8, session_id="kid"),
        op_end("q0", "b1", "tool", 1, 9, session_id="kid", status="failed", error="E"),
        turn_end("b1", 1, 10, session_id="kid"),
        session("lost", 7, parent_id="s1"),
    ]


def rows_of(store: Store, now: float = 1000) -> VisibleRows:
    rows = VisibleRows(store)
    rows.update(NOTHING, at(now))
    return rows


def walk(store: Store, rows: VisibleRows, start: Key | None, forward: bool, count: int) -> list[tuple[str, bool]]:
    """Where `count` searches for failures lead, and which of them went over the end."""
    found = []
    for _ in range(count):
        hit = seek(store, rows.tops(), start, partial(failures, store), forward=forward)
        assert hit is not None
        start = hit.key
        found.append((hit.key.id, hit.wrapped))
    return found


def test_failures_are_found_in_the_order_of_the_screen_whatever_is_folded() -> None:
    store = store_of(*family(), session("bad", 500), failed("bad", 501))
    rows = rows_of(store)
    assert [session_id for _, session_id in rows.tops()] == ["bad", "s1"]
    ahead = [("bad", False), ("p0:tool", False), ("q0:tool", False), ("bad", True)]
    assert walk(store, rows, None, True, 4) == ahead
    assert walk(store, rows, None, False, 4) == [
        ("q0:tool", False),
        ("p0:tool", False),
        ("bad", False),
        ("q0:tool", True),
    ]
    assert walk(store, rows, CALL, True, 1) == [("q0:tool", False)]
    assert walk(store, rows, CALL, False, 1) == [("p0:tool", False)]


def test_a_single_failure_is_found_again_from_itself_and_none_is_none() -> None:
    events = [event for event in family() if getattr(event, "session_id", "") != "kid"]
    store = store_of(*events)
    rows = rows_of(store)
    assert walk(store, rows, BROKEN, True, 1) == [("p0:tool", True)]
    assert seek(store, rows.tops(), BROKEN, lambda _: [], forward=True) is None
    assert seek(Store(), [], None, partial(failures, Store()), forward=True) is None


def test_a_failed_step_is_found_before_the_failed_calls_in_it() -> None:
    store = store_of(
        session(), turn("a1"), op("p1", "a1"), op_end("p1", "a1", status="failed"), turn_end("a1", status="failed")
    )
    assert walk(store, rows_of(store), None, True, 2) == [("a1", False), ("p1:tool", False)]


def test_only_sessions_that_can_have_a_hit_are_asked() -> None:
    store = store_of(*(session(f"t{n}", n + 1) for n in range(1000)))
    rows = rows_of(store)
    asked: list[str] = []

    def spots(session: Session) -> list[Key]:
        asked.append(session.id)
        return [key("session", session.id, session.id)]

    among = [(SOURCE, "t3"), (SOURCE, "t7"), (SOURCE, "gone")]
    hit = seek(store, rows.tops(), rows.row(0).key, spots, forward=True, among=among)
    assert hit is not None
    assert (hit.key.id, asked) == ("t7", ["t7"])


def test_places_sort_like_the_rows_with_uncalled_children_last() -> None:
    store = store_of(*family(), turn("a0", 3, 1), turn_end("a0", 3, 2))
    rows = rows_of(store)
    rows.set_level(key("session", "s1"), 2)
    rows.set_level(CALL, 2)
    rows.open(CALL)
    keys = [rows.row(i).key for i in range(len(rows))]
    assert keys[-1] == key("session", "lost", "lost")
    assert KID_BROKEN in keys
    assert sorted(keys, key=lambda node: place(store, node)) == keys


def test_the_call_that_waits_is_found_among_those_that_run() -> None:
    store = store_of(
        session(),
        prompt("u1", 2),
        turn("a1", 1, 3, "u1"),
        op("p1", "a1", "tool", 1, 4, name="question"),
        op("p2", "a1", "tool", 2, 5, name="grep"),
    )
    one = store.sessions[SOURCE, "s1"]
    assert questions(store, one, at(6)) == [key("op", "p1:tool")]


def test_siblings_are_top_level_sessions_or_sub_agents_of_one_parent() -> None:
    store = store_of(*family(), session("s2", 500))
    tops = rows_of(store).tops()
    parent, kid, lost = (store.sessions[SOURCE, name] for name in ("s1", "kid", "lost"))
    assert sibling(store, tops, store.sessions[SOURCE, "s2"], 1) is parent
    assert sibling(store, tops, parent, 1) is None
    assert sibling(store, tops, store.sessions[SOURCE, "s2"], -1) is None
    assert sibling(store, tops, kid, 1) is lost
    assert sibling(store, tops, lost, -1) is kid
    assert sibling(store, tops, kid, -1) is None


def test_the_way_up_leads_from_a_node_to_its_call_and_on_to_the_session_that_called() -> None:
    store = store_of(*family())
    assert caller(store, KID_BROKEN) == CALL
    assert caller(store, CALL) == key("session", "s1")
    assert caller(store, key("session", "lost", "lost")) == key("session", "s1")
    assert caller(store, key("session", "s1")) is None
    assert caller(store, key("session", "gone", "gone")) is None
    assert enclosing(store, CALL) is store.sessions[SOURCE, "kid"]
    assert enclosing(store, BROKEN) is store.sessions[SOURCE, "s1"]


class TestReveal:
    def test_everything_above_a_node_is_opened(self) -> None:
        store = store_of(*family())
        rows = rows_of(store)
        for target in (BROKEN, KID_BROKEN, key("op", "p3:text")):
            assert rows.index_of(target) is None
            assert reveal(rows, target) == []
            assert rows.index_of(target) is not None

    def test_what_the_user_closed_is_opened_again(self) -> None:
        store = store_of(*family())
        rows = rows_of(store)
        reveal(rows, BROKEN)
        rows.close(key("turn", "a1"))
        rows.close(key("prompt", "u1"))
        rows.set_level(key("session", "s1"), 0)
        reveal(rows, BROKEN)
        assert rows.index_of(BROKEN) is not None

    def test_sessions_that_are_not_loaded_on_the_way_are_named(self) -> None:
        store = store_of(session("top", 1), session("sub", 2, parent_id="top"), session("leaf", 3, parent_id="sub"))
        rows = rows_of(store)
        assert [one.id for one in reveal(rows, key("session", "leaf", "leaf"))] == ["sub", "top"]
        assert rows.index_of(key("session", "leaf", "leaf")) == 2


class TestLevels:
    def test_a_session_goes_through_its_levels_and_back_to_one_line(self) -> None:
        store = store_of(*family())
        rows = rows_of(store)
        top = key("session", "s1")
        lengths, words = [], []
        for _ in range(5):
            told, missing = cycle(rows, top)
            assert [one.id for one in missing] == (["lost"] if told == LEVEL_WORDS[2] else [])
            words.append(told)
            lengths.append(len(rows))
        assert words == [*LEVEL_WORDS.values(), FOLDED, LEVEL_WORDS[0]]
        assert lengths[0] < lengths[1] < lengths[2]
        assert lengths[3] == 1
        assert lengths[4] == lengths[0]

    def test_everything_opens_the_sub_agents_too_and_inside_one_it_is_that_one(self) -> None:
        store = store_of(*family())
        rows = rows_of(store)
        for _ in range(3):
            cycle(rows, key("session", "s1"))
        assert rows.index_of(KID_BROKEN) is not None
        assert rows.index_of(key("op", "p3:text")) is not None
        told, _ = cycle(rows, KID_BROKEN)
        assert told == FOLDED
        assert rows.index_of(KID_BROKEN) is None
        assert rows.index_of(BROKEN) is not None

    def test_what_opened_by_itself_shows_more_at_the_first_press(self) -> None:
        store = store_of(*family(), turn("a3", 3, 63, "u2"), op("p4", "a3", "tool", 1, 64))
        rows = rows_of(store)
        rows.open(key("session", "s1"))
        opened = len(rows)
        told, _ = cycle(rows, key("session", "s1"))
        assert told == LEVEL_WORDS[1]
        assert len(rows) > opened
        assert rows.index_of(BROKEN) is not None

    def test_a_level_that_shows_nothing_more_is_passed_over(self) -> None:
        store = store_of(session(), prompt("u1", 2), turn("a1", 1, 3, "u1"), op("p1", "a1", "tool", 1, 4))
        rows = rows_of(store)
        rows.open(key("session", "s1"))
        assert [cycle(rows, key("session", "s1"))[0] for _ in range(3)] == [
            LEVEL_WORDS[2], FOLDED, LEVEL_WORDS[0],
        ]  # fmt: skip

    def test_all_sessions_fold_to_one_line(self) -> None:
        store = store_of(*family(), session("s2", 500), prompt("v1", 501, session_id="s2"))
        rows = rows_of(store)
        for name in ("s1", "s2"):
            rows.open(key("session", name, name))
        assert len(rows) > 2
        fold_all(rows)
        assert len(rows) == 2
