"""Flags of a session by its newest calls."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.events import Event, Usage
from tests.tui.model.builders import SOURCE, at, op, op_end, session, store_of, turn, turn_end
from tui.model.filter.cards import card_of
from tui.model.status.flags import Flag, flags
from tui.model.status.table import FLAGS


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


def found(*events: Event, now: float = 0, active: bool = True, window: int = 0) -> list[Flag]:
    store = store_of(*events)
    store.limits = lambda provider, model: window
    return flags(store, store.sessions[SOURCE, "s1"], at(now), active)


def flag(*specs: dict[str, Any]) -> tuple[str, str] | None:
    told = found(*calls(*specs))
    assert len(told) < 2
    return (told[0].brief, told[0].reason) if told else None


def test_the_same_call_over_four_steps_is_a_loop_and_over_three_is_not() -> None:
    assert flag({}, {}, {}) is None
    assert flag({}, {}, {}, {}) == (
        "↻4 bash",
        "bash was called 4 times in a row with the same input",
    )
    assert flag({"label": "ls"}, {}, {}, {}, {}, {}) == (
        "↻5 bash",
        "bash was called 5 times in a row with the same input",
    )


@pytest.mark.parametrize("other", [{"label": "npm run"}, {"name": "grep"}, {"name": "task"}, {"label": ""}])
def test_another_call_in_between_is_no_loop(other: dict[str, Any]) -> None:
    assert flag({}, {}, {}, dict(other), {}) is None


@pytest.mark.parametrize("name", ["task", "todowrite", "question"])
def test_tools_that_are_rightly_called_again_do_not_loop(name: str) -> None:
    assert flag(*({"name": name} for _ in range(6))) is None


def test_three_failures_in_a_row_are_told_with_the_newest_tool() -> None:
    bad = [{"label": str(n), "status": "failed", "name": name} for n, name in enumerate(("read", "edit", "bash"))]
    assert flag({}, *bad[:2], {"label": "now"}) is None
    assert flag({}, *bad, {"label": "now"}) == ("✗3 bash", "the last 3 calls failed, the newest was bash")
    assert flag(*bad, {"label": "good"}, {"label": "now"}) is None


def test_a_command_that_said_no_counts_as_a_failure() -> None:
    bad = [{"label": str(n), "exit": 1} for n in range(3)]
    assert flag(*bad, {"label": "now"}) == ("✗3 bash", "the last 3 calls failed, the newest was bash")
    assert flag(*bad[:2], {"label": "good", "exit": 0}, {"label": "now"}) is None


def test_a_session_without_calls_has_no_flag() -> None:
    assert flag() is None


@pytest.mark.parametrize(
    ("name", "quiet", "told", "reason"),
    [
        ("bash", 599, 600, "bash has run for 10m"),
        ("webfetch", 599, 4000, "webfetch has run for 1h06"),
        ("task", 1799, 1800, "task has run for 30m"),
    ],
)
def test_a_call_far_beyond_what_is_usual_is_long(name: str, quiet: float, told: float, reason: str) -> None:
    events = calls({"name": name, "running": True})
    assert found(*events, now=10 + quiet) == []
    assert [one.reason for one in found(*events, now=10 + told)] == [reason]
    assert found(*events, now=10 + told, active=False) == []


def test_a_call_that_has_not_begun_is_not_said_to_run_long() -> None:
    # Its state says that it probably waits for permission.
    assert found(*calls({"name": "bash"}), now=10 + 3600) == []


def test_a_question_is_never_too_long_for_the_model() -> None:
    assert found(*calls({"name": "question"}), now=90_000) == []


def test_a_step_is_long_by_the_time_that_the_model_took_since_its_last_call() -> None:
    begun = [session(), turn("a1", 1, 10)]
    assert found(*begun, now=10 + 599) == []
    assert [one.reason for one in found(*begun, now=10 + 600)] == ["the model has been at one step for 10m"]
    called = [*begun, op("p1", "a1", "tool", 1, 20, name="bash"), op_end("p1", "a1", "tool", 1, 500)]
    assert found(*called, now=10 + 600) == []
    assert [one.name for one in found(*called, now=500 + 600)] == ["long"]
    assert found(*called, turn_end("a1", 1, 510), now=5000) == []


def test_a_context_is_full_from_four_fifths_of_a_window_that_is_known() -> None:
    usage = Usage(input=10_000, cache_read=69_000, output=999)
    events = [session(), turn("a1", 1, 3), turn_end("a1", 1, 5, usage=usage)]
    assert found(*events) == []
    assert found(*events, window=100_000) == []
    for active in (True, False):
        (one,) = found(*events, window=99_000, active=active)
        assert one == Flag("full", "context 81 %", "81 % of its context of 99,000 tokens is used: compacted soon")


def test_a_compaction_takes_the_flag_of_a_full_context_away() -> None:
    summary = turn("a1", 1, 3, extras={"summary": True}, agent="compaction")
    events = [session(), summary, turn_end("a1", 1, 5, usage=Usage(input=182_000, output=1200))]
    assert found(*events, window=200_000) == []


def test_more_than_any_window_holds_is_no_alarm() -> None:
    events = [session(), turn("a1", 1, 3), turn_end("a1", 1, 5, usage=Usage(input=31_281_000, output=1))]
    assert found(*events, window=100_000) == []
    # A little more than all of it is what reasoning that counts twice makes.
    assert [one.brief for one in found(*events, window=30_000_000)] == ["context 104 %"]


def test_every_flag_is_told_and_the_most_telling_first() -> None:
    bad = [{"status": "failed"}] * 4
    events = [*calls(*bad, {"running": True}), turn_end("a4", 4, 49, usage=Usage(input=90, output=1))]
    assert [one.name for one in found(*events, now=5000, window=100)] == list(FLAGS)


def test_a_loop_can_be_filtered_and_is_still_seen_when_it_is_over() -> None:
    store = store_of(*calls({}, {}, {}, {}))
    one = store.sessions[SOURCE, "s1"]
    assert "looping" in card_of(store, one, at(41)).words
    assert "looping" in card_of(store, one, at(1_000_000)).words
