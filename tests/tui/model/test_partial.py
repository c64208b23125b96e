"""A session that comes in pieces: nothing is made of what is there before the rest of it is."""

from __future__ import annotations

from typing import Any

from adapter.events import Event, SessionRemoved
from tests.tui import story
from tests.tui.story import NOW, SOURCE, Step, prompt, session
from tui.model.status.state import is_open, session_state
from tui.model.store.store import Store
from tui.model.sums.rollup import difference, own

NOW_US = NOW * 1_000_000
KEY = (SOURCE, "ses_long")
ROW = session("ses_long", "Long", 9000)


def step(number: int, ago: float, **end: Any) -> list[Event]:
    usage = story.Usage(input=1000, output=10)
    return Step("ses_long", number, "usr_l", ago).end(ago - 10, usage, 1000, 0.01, **end).events


BEGINNING = [
    prompt("ses_long", "usr_l", "everything", 8900),
    *step(1, 8800, status="failed", error=("APIError", "overloaded")),
]
REST = step(2, 8000, finish="stop")


def test_no_state_and_no_sum_comes_of_a_beginning() -> None:
    store = Store()
    store.apply([ROW])
    before = session_state(store, store.sessions[KEY], NOW_US)
    store.expect(*KEY)
    store.apply(BEGINNING)
    found = store.sessions[KEY]
    assert (found.loaded, found.whole) == (True, False)
    assert len(found.turns) == 1
    assert session_state(store, found, NOW_US).name == before.name == "idle"
    assert found.final_status == ""
    assert not is_open(found)
    assert own(store, found).origin == "unknown"
    assert difference(found) is None
    store.apply(REST)
    changes = store.mark_loaded(*KEY)
    assert found.whole
    assert own(store, found).cost == 0.02
    assert changes.dirty


def test_a_failure_at_its_end_is_one_when_the_end_is_there() -> None:
    store = Store()
    store.expect(*KEY)
    store.apply([ROW, *step(1, 8800, finish="tool-calls")])
    # A step that calls tools is followed by another: it would go on.
    assert not is_open(store.sessions[KEY])
    store.apply(step(2, 8000, status="failed", error=("APIError", "overloaded")))
    assert store.sessions[KEY].final_status == ""
    store.mark_loaded(*KEY)
    assert store.sessions[KEY].final_status == "failed"


def test_opencode_s_own_sum_is_compared_when_the_end_is_there() -> None:
    store = Store()
    store.expect(*KEY)
    store.apply([session("ses_long", "Long", 9000, extras={"cost": 0.02}), *BEGINNING])
    assert difference(store.sessions[KEY]) is None
    store.apply(REST)
    store.mark_loaded(*KEY)
    assert difference(store.sessions[KEY]) is not None


def test_one_that_is_whole_stays_so_while_it_is_told_again() -> None:
    store = Store()
    store.apply([ROW, *BEGINNING, *REST])
    store.expect(*KEY)
    store.apply(BEGINNING)
    assert store.sessions[KEY].whole


def test_one_that_is_removed_before_its_end_is_expected_no_more() -> None:
    store = Store()
    store.expect(*KEY)
    store.apply([ROW, *BEGINNING, SessionRemoved(source=SOURCE, ts=NOW_US, session_id="ses_long")])
    store.apply([ROW, *BEGINNING])
    assert store.sessions[KEY].whole
