"""What is kept of the calls of a step is what its calls are now."""

from __future__ import annotations

import pytest

from adapter.events import Event
from tests.tui.model.builders import SOURCE, gone, op, op_end, op_gone, ref, session, store_of, turn, turn_gone
from tui.model.store.store import Store
from tui.model.tree.children import Calls, calls_of, outline

NONE = Calls(0, diff=False, todo=False)
FAILED = [op("p1", "a1"), op_end("p1", "a1", status="failed")]


def calls(store: Store) -> list[Calls]:
    """Of all steps of the session; from now on they are kept."""
    one = store.sessions[SOURCE, "s1"]
    return calls_of(store, one, one.turns.values())


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ([op("p1", "a1")], FAILED[1:], [NONE._replace(failed=1), NONE]),
        (FAILED, [op_gone("p1", "a1")], [NONE, NONE]),
        (FAILED, [op("p1", "a1", name="bash")], [NONE, NONE]),
        (FAILED, [turn_gone("a1")], [NONE]),
        ([op("p1", "a1")], [ref("p1", "a1", "diff", field="state.metadata.diff")], [NONE._replace(diff=True), NONE]),
        ([], [op("p2", "a2", turn_seq=2, name="todowrite")], [NONE, NONE._replace(todo=True)]),
        (FAILED, [gone(), session(), turn("a1"), turn("a2", 2)], [NONE, NONE]),
    ],
)
def test_a_change_of_a_call_is_known(before: list[Event], change: list[Event], after: list[Calls]) -> None:
    store = store_of(session(), turn("a1"), turn("a2", 2), *before)
    calls(store)
    for event in change:
        store.apply([event])
    assert calls(store) == after
    assert sum(outline(store, store.sessions[SOURCE, "s1"]).failed.values()) == sum(one.failed for one in after)


def test_nothing_is_kept_of_a_session_that_was_given_back() -> None:
    store = store_of(session(), turn("a1"), *FAILED)
    calls(store)
    store.unload(SOURCE, "s1")
    assert not store.steps
