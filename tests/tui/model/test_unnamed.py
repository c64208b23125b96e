"""Sub-agents of 2.x, which no call names before it ends: they hang under the call all the same."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from adapter.events import Event, OpRemoved
from tests.tui.model.builders import SOURCE, at, op, op_end, prompt, session, store_of, turn
from tui.model.records import Key
from tui.model.status.state import op_state, session_state
from tui.model.store.store import Store
from tui.model.sums import rollup

STEP = [session(), prompt("u1"), turn("a1", prompt_id="u1")]


def calls(part: str, seq: int, ts: float, title: str = "Read it", agent: str = "general", **fields: Any) -> Event:
    return op(part, "a1", seq=seq, ts=ts, name="subagent", tool="task", label=title, child_agent=agent, **fields)


def ends(part: str, seq: int, child: str = "", ts: float = 20, title: str = "Read it") -> list[Event]:
    """The end of a call as the adapter tells it: with the session that it names, or without."""
    about = {"label": title, "child_agent": "general"}
    told: list[Event] = []
    if child:
        told = [op(part, "a1", "session", seq, 4, name=title, tool="task", child=child, **about)]
        told.append(op_end(part, "a1", "session", seq, ts))
        seq += 1
    told.append(op(part, "a1", seq=seq, ts=4, name="subagent", tool="task", child=child, **about))
    return [*told, op_end(part, "a1", seq=seq, ts=ts)]


def child(name: str, ts: float, title: str = "Read it", agent: str = "general", **fields: Any) -> Event:
    return session(name, ts, parent_id="s1", title=title, agent=agent, session_kind="sub_agent", **fields)


def shown_by(store: Store, *names: str) -> list[str]:
    """The part that shows each child, "" for none."""
    found = (store.call_key(store.sessions[SOURCE, name]) for name in names)
    return [key.id.partition(":")[0] if key else "" for key in found]


def test_whatever_comes_first_a_child_hangs_under_its_call() -> None:
    events = [*STEP, calls("p1", 1, 4), calls("p2", 2, 4.1, "Run it"), child("k2", 5, "Run it"), child("k1", 6)]
    for order in itertools.permutations(events):
        store = Store()
        for event in order:
            store.apply([event])
        assert shown_by(store, "k1", "k2") == ["p1", "p2"]
        p1 = store.op(Key(SOURCE, "op", "s1", "p1:tool"))
        assert p1 is not None
        assert store.called_by(store.sessions[SOURCE, "s1"], p1) is store.sessions[SOURCE, "k1"]


def test_equal_calls_get_their_children_in_order() -> None:
    store = store_of(*STEP, calls("p1", 1, 4), calls("p2", 2, 4.1), child("k2", 6), child("k1", 5))
    assert shown_by(store, "k1", "k2") == ["p1", "p2"]


@pytest.mark.parametrize(
    "other",
    [child("k1", 3.5), child("k1", 5, "Read it not"[::-1]), child("k1", 5, agent="plan"), session("k1", 5)],
    ids=["older than the call", "other words", "another agent", "no child"],
)
def test_a_child_of_other_words_is_not_claimed(other: Event) -> None:
    store = store_of(*STEP, calls("p1", 1, 4), other)
    assert shown_by(store, "k1") == [""]


def test_a_call_that_ended_before_started_nothing() -> None:
    store = store_of(*STEP, calls("p1", 1, 4), op_end("p1", "a1", seq=1, ts=5, status="failed"), child("k1", 6))
    assert shown_by(store, "k1") == [""]


def test_when_the_call_ends_and_names_its_child_no_row_moves() -> None:
    store = store_of(*STEP, calls("p1", 1, 4), child("k1", 5))
    before = store.call_key(store.sessions[SOURCE, "k1"])
    store.apply(ends("p1", 1, "k1"))
    assert store.call_key(store.sessions[SOURCE, "k1"]) == before


def test_a_name_outranks_what_was_inferred() -> None:
    store = store_of(*STEP, calls("p1", 1, 4), calls("p2", 2, 4.1), child("k1", 5), child("k2", 6))
    changes = store.apply(ends("p1", 1, "k2"))
    assert shown_by(store, "k1", "k2") == ["p2", "p1"]
    assert (SOURCE, "s1") in changes.roots


def test_what_goes_takes_the_link_with_it() -> None:
    store = store_of(*STEP, calls("p1", 1, 4), child("k1", 5))
    store.apply([OpRemoved(source=SOURCE, ts=0, session_id="s1", message_id="a1", part_id="p1")])
    assert shown_by(store, "k1") == [""]
    store.apply([calls("p1", 1, 4)])
    assert shown_by(store, "k1") == ["p1"]
    store.unload(SOURCE, "s1")
    assert shown_by(store, "k1") == [""]


def test_a_child_whose_call_was_closed_is_not_at_work() -> None:
    inner = [
        prompt("u2", 6, session_id="k1"),
        turn("b1", ts=7, prompt_id="u2", session_id="k1"),
        op("q1", "b1", ts=8, session_id="k1", name="shell", tool="bash"),
    ]
    store = store_of(*STEP, calls("p1", 1, 4), child("k1", 5), *inner)
    parent, kid = store.sessions[SOURCE, "s1"], store.sessions[SOURCE, "k1"]
    assert session_state(store, kid, at(9)).name == "tool"
    store.apply([op_end("p1", "a1", seq=1, ts=30, status="cancelled")])
    state = session_state(store, kid, at(31))
    assert (state.name, state.inferred) == ("orphaned", True)
    assert "its call ended (cancelled)" in state.reason
    q1 = store.op(Key(SOURCE, "op", "k1", "q1:tool"))
    assert q1 is not None
    assert op_state(store, kid, q1, at(31)).name == "orphaned"
    assert session_state(store, parent, at(31)).name == "between"
    # A person who prompts it later has it at work again.
    store.apply([prompt("u3", 40, session_id="k1"), turn("b2", 2, 41, "u3", session_id="k1")])
    assert session_state(store, kid, at(42)).name == "starting"


def test_a_child_in_the_background_goes_on_when_its_call_has_ended() -> None:
    about = {"label": "Read it", "child_agent": "general", "background": True}
    store = store_of(
        *STEP,
        op("p1", "a1", "session", 1, 4, name="Read it", tool="task", child="k1", **about),
        op_end("p1", "a1", "session", 1, 5),
        child("k1", 5),
        prompt("u2", 6, session_id="k1"),
        turn("b1", ts=7, prompt_id="u2", session_id="k1"),
    )
    assert session_state(store, store.sessions[SOURCE, "k1"], at(9)).name == "starting"


def test_forgetting_another_source_leaves_the_child_under_its_call() -> None:
    store = store_of(*STEP, calls("p1", 1, 4), child("k1", 5))
    store.apply([replace(event, source="opencode:/other.db") for event in STEP])
    before = rollup.subtree(store, store.sessions[SOURCE, "s1"])
    store.forget("opencode:/other.db")
    assert shown_by(store, "k1") == ["p1"]
    assert rollup.subtree(store, store.sessions[SOURCE, "s1"]) == before
