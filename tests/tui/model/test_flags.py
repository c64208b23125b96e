"""Flags of a session by its newest calls."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.events import Event
from tests.tui.model.builders import SOURCE, at, op, op_end, session, store_of, turn
from tui.model.flags import Flag, flag_of
from tui.model.index import card_of


def calls(*specs: dict[str, Any]) -> list[Event]:
    """A session with one call in each step, all ended but the last."""
    events: list[Event] = [session()]
    for number, spec in enumerate(specs, 1):
        known = {"name": "bash", "label": "npm test", **spec}
        status = known.pop("status", "completed")
        message, part, where = f"a{number}", f"p{number}", {"turn_seq": number}
        events += [turn(message, number, number * 10), op(part, message, "tool", 1, number * 10, **where, **known)]
        if number < len(specs):
            events.append(op_end(part, message, "tool", 1, number * 10 + 1, status=status, **where))
    return events


def flag(*specs: dict[str, Any]) -> Flag | None:
    return flag_of(store_of(*calls(*specs)).sessions[SOURCE, "s1"])


def test_the_same_call_over_four_steps_is_a_loop_and_over_three_is_not() -> None:
    assert flag({}, {}, {}) is None
    assert flag({}, {}, {}, {}) == Flag("looping", "bash", 4)
    assert flag({"label": "ls"}, {}, {}, {}, {}, {}) == Flag("looping", "bash", 5)


@pytest.mark.parametrize("other", [{"label": "npm run"}, {"name": "grep"}, {"name": "task"}, {"label": ""}])
def test_another_call_in_between_is_no_loop(other: dict[str, Any]) -> None:
    assert flag({}, {}, {}, dict(other), {}) is None


@pytest.mark.parametrize("name", ["task", "todowrite", "question"])
def test_tools_that_are_rightly_called_again_do_not_loop(name: str) -> None:
    assert flag(*({"name": name} for _ in range(6))) is None


def test_three_failures_in_a_row_are_told_with_the_newest_tool() -> None:
    bad = [{"label": str(n), "status": "failed", "name": name} for n, name in enumerate(("read", "edit", "bash"))]
    assert flag({}, *bad[:2], {"label": "now"}) is None
    assert flag({}, *bad, {"label": "now"}) == Flag("failing", "bash", 3)
    assert flag(*bad, {"label": "good"}, {"label": "now"}) is None


def test_a_session_without_calls_has_no_flag() -> None:
    assert flag() is None


def test_a_flag_can_be_filtered_while_the_session_is_at_work() -> None:
    store = store_of(*calls({}, {}, {}, {}))
    one = store.sessions[SOURCE, "s1"]
    assert "looping" in card_of(store, one, at(41)).words
    assert "looping" not in card_of(store, one, at(1_000_000)).words
