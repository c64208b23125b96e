"""A source that nobody sees any more: what was at work is judged as it was when it was seen last, and doubted."""

from __future__ import annotations

import pytest

from adapter.events import Event
from tests.tui.model.builders import SOURCE, at, key, op, prompt, session, store_of, turn
from tui.model.records import session_key
from tui.model.status.state import node_state, own_state, session_state

HOUR = 3600
ANSWERS: list[Event] = [session(), prompt("u1", 100), turn("a1", 1, 101, "u1")]
CALLS: list[Event] = [*ANSWERS, op("p1", "a1", "tool", 1, 104, name="bash", tool="bash", running=True)]


@pytest.mark.parametrize(("events", "name"), [(ANSWERS, "starting"), (CALLS, "tool")])
def test_silence_of_a_source_that_is_cut_makes_nothing_stuck_or_left_behind(events: list[Event], name: str) -> None:
    store = store_of(*events)
    (one,) = store.sessions.values()
    seen = session_state(store, one, at(110))
    assert (seen.name, seen.inferred) == (name, False)
    assert session_state(store, one, at(HOUR)).name == "orphaned"
    changes = store.lose_sight(SOURCE, at(110))
    assert session_key(one) in changes.dirty
    for later in (at(111), at(HOUR), at(24 * HOUR)):
        state = session_state(store, one, later)
        assert (state.name, state.inferred, state.since) == (name, True, seen.since)
        assert state.reason.startswith(seen.reason)
        assert "when it was seen last at 00:01:50" in state.reason
        own = own_state(store, one, later)
        assert own is not None
        assert (own.name, own.inferred) == (name, True)
        step = node_state(store, key("turn", "a1"), later)
        assert step is not None
        assert step.name == name
    assert not store.lose_sight(SOURCE, at(110)).dirty
    assert session_key(one) in store.lose_sight(SOURCE, 0).dirty
    assert session_state(store, one, at(111)) == seen._replace(reason=session_state(store, one, at(111)).reason)
    assert session_state(store, one, at(HOUR)).name == "orphaned"


def test_another_source_is_judged_by_the_time_that_it_is() -> None:
    store = store_of(*CALLS)
    (one,) = store.sessions.values()
    assert not store.lose_sight("via:box", at(110)).dirty
    assert session_state(store, one, at(HOUR)).name == "orphaned"
