"""Where the time went: overlapping calls count once, what was never closed ends with its last sign of life."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapter.events import Event, Usage
from tests.tui.model.builders import SOURCE, at, op, op_end, prompt, session, store_of, turn, turn_end
from tui.model.records import Session
from tui.model.sums.copied import copied_turns, own_turns
from tui.model.sums.timing import Timing, covered, timing


def made(*events: Event) -> Session:
    return store_of(*events).sessions[SOURCE, "s1"]


def seconds(times: Timing) -> tuple[float, ...]:
    return tuple(part / 1e6 for part in times)


def test_tools_that_overlap_count_once_and_the_rest_of_the_step_is_the_model() -> None:
    found = made(
        session(), prompt("u1", 2), turn("a1", ts=3),
        op("p1", "a1", ts=5), op_end("p1", "a1", ts=8),
        op("p2", "a1", seq=2, ts=6), op_end("p2", "a1", seq=2, ts=9),
        turn_end("a1", ts=10),
    )  # fmt: skip
    assert seconds(timing(found, at(99), False)) == (3, 4, 0, 8)
    assert timing(found, at(99), False).idle == at(1)


def test_a_question_is_waiting_unless_a_tool_works_meanwhile() -> None:
    found = made(
        session(), turn("a1", ts=0.5),
        op("p1", "a1", ts=1, name="question"), op_end("p1", "a1", ts=11),
        op("p2", "a1", seq=2, ts=9, name="bash"), op_end("p2", "a1", seq=2, ts=12),
        turn_end("a1", ts=12.5),
    )  # fmt: skip
    assert seconds(timing(found, at(99), False)) == (1, 3, 8, 12)


def test_the_time_between_two_prompts_is_nobodys() -> None:
    found = made(
        session(), prompt("u1", 2), turn("a1", ts=2), turn_end("a1", ts=4),
        prompt("u2", 60), turn("a2", 2, ts=61), turn_end("a2", 2, ts=65),
    )  # fmt: skip
    assert seconds(timing(found, at(99), False)) == (6, 0, 0, 63)
    assert timing(found, at(99), False).idle == at(57)


def test_what_runs_goes_on_now_and_what_died_ended_with_its_last_write() -> None:
    found = made(session(), turn("a1", ts=3), op("p1", "a1", ts=5, name="bash", time_updated=at(8)))
    assert seconds(timing(found, at(20), True)) == (2, 15, 0, 17)
    assert seconds(timing(found, at(20), False)) == (2, 3, 0, 5)


def test_sub_agents_and_texts_are_not_counted_beside_their_calls() -> None:
    found = made(
        session(), turn("a1", ts=3),
        op("p1", "a1", "session", ts=4, child="s2"), op("p1", "a1", seq=2, ts=4, child="s2"),
        op_end("p1", "a1", seq=2, ts=6), op("p2", "a1", "text", 3, ts=3), op_end("p2", "a1", "text", 3, ts=4),
        turn_end("a1", ts=7),
    )  # fmt: skip
    assert seconds(timing(found, at(99), False)) == (2, 2, 0, 4)


def test_what_a_fork_copied_is_told_apart_by_its_age() -> None:
    events = [
        session(ts=50, session_kind="fork"),
        turn("a1", ts=3), turn_end("a1", ts=9, usage=Usage(input=5), cost=0.5),
        turn("a2", 2, ts=51), turn_end("a2", 2, ts=53),
    ]  # fmt: skip
    found = made(*events)
    assert [each.message_id for each in copied_turns(found)] == ["a1"]
    assert [each.message_id for each in own_turns(found)] == ["a2"]
    assert seconds(timing(found, at(99), False)) == (2, 0, 0, 2)
    assert copied_turns(made(session(ts=50), turn("a1", ts=3))) == []


def test_nothing_took_no_time() -> None:
    assert timing(made(session()), at(99), True) == Timing(0, 0, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8))
def test_covered_is_the_number_of_moments_in_any_interval(intervals: list[tuple[int, int]]) -> None:
    assert covered(intervals) == len({moment for start, stop in intervals for moment in range(start, stop)})


def test_a_step_whose_end_nobody_knows_does_not_go_on() -> None:
    events = [
        session(),
        prompt("u1", 2),
        turn("a1", ts=3, prompt_id="u1"),
        op("p1", "a1", ts=5),
        op_end("p1", "a1", ts=0, status="cancelled"),
        turn_end("a1", ts=0, status="aborted"),
    ]
    only = store_of(*events).sessions[SOURCE, "s1"]
    assert timing(only, at(1000), True) == Timing(at(2), 0, 0, at(3))
