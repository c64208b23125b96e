"""`otlp --follow` beside agents at work: what has ended arrives, once, and what goes on does not."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from adapter.events import Event, OpFinalized, OpStarted
from tests.tui.model.builders import at, op, op_end, prompt, session, task, turn, turn_end
from tests.tui.otlp.receiver import Collector, send
from tests.tui.otlp.test_killed import seen, start
from tests.tui.otlp.work import Work
from tui.commands.otlp.history import History
from tui.commands.otlp.places import Places, Undecided
from tui.commands.otlp.spans import span_id, trace_id

TIMEOUT_S = 60


@pytest.mark.parametrize("version", ["1.18.33", "1.15.13"])
def test_every_span_comes_once_and_soon(tmp_path: Path, version: str) -> None:
    work = Work(tmp_path / "opencode.db", version, 3, events=version != "1.15.13")
    cursor = tmp_path / "cursor"
    try:
        work.steps(60)
        with Collector() as collector:
            process = start(collector, "--db", work.opencode.path, "--follow", "--cursor", cursor)
            collector.wait_for(lambda: bool(collector.batches), TIMEOUT_S)
            for _ in range(12):
                work.steps(15)
            with Collector() as cold:
                assert send(cold, [work.opencode.path]) in (0, 1)
            there = {span_id: seen(span) for span_id, span in cold.by_id().items()}
            until = time.monotonic() + TIMEOUT_S
            while {span.id: seen(span) for span in collector.spans} != there and time.monotonic() < until:
                with collector.arrived:
                    collector.arrived.wait(1)
            process.kill()
            process.wait(TIMEOUT_S)
    finally:
        work.close()
    assert {span.id: seen(span) for span in collector.spans} == there
    # A step that others followed before it was told to have ended is no work of these agents: nothing is told twice but
    # an agent span that has grown.
    twice = [what for what, count in Counter((span.id, seen(span)) for span in collector.spans).items() if count > 1]
    assert not twice
    again = Counter(span.id for span in collector.spans if span.operation != "invoke_agent")
    assert set(again.values()) == {1}


# -- where a sub-agent hangs


def events_of(*groups: list[Event] | Event) -> list[Event]:
    """Events in one list."""
    return [event for group in groups for event in (group if isinstance(group, list) else [group])]


def places_of(**sessions: list[Event]) -> tuple[Places, list[str]]:
    """Places over sessions that are read on demand, and which were."""
    read: list[str] = []

    async def load(session_id: str) -> list[Event]:
        read.append(session_id)
        return sessions.get(session_id, [])

    places = Places(load)
    return places, read


def noted(places: Places, events: list[Event]) -> History:
    history = History()
    history.apply(events)
    places.note(history)
    return history


PARENT = events_of(
    session("p", 1),
    prompt("p.u1", 2, session_id="p"),
    turn("p.a1", 1, 3, "p.u1", session_id="p"),
    task("p.t", "p.a1", "c", 1, ts=4, session_id="p"),
)
CHILD = events_of(
    session("c", 4, parent_id="p", root_id="p", session_kind="sub_agent"),
    prompt("c.u1", 5, session_id="c"),
    turn("c.a1", 1, 6, "c.u1", session_id="c"),
    turn_end("c.a1", 1, 7, session_id="c"),
)


async def test_a_sub_agent_hangs_under_its_call_though_the_call_was_not_told() -> None:
    places, read = places_of(p=PARENT)
    noted(places, CHILD)
    place = await places.of("c", "c.u1", at(5))
    assert (place.trace, place.parent) == (trace_id("p", "p.u1"), span_id("call", "p", "p.t"))
    assert place.began == at(2)
    assert await places.of("c", "c.u2", at(6)) == place
    assert read == ["p"]


async def test_what_a_person_went_on_with_has_a_link_to_the_call() -> None:
    places, _ = places_of()
    ended = [event for event in PARENT if not isinstance(event, OpFinalized)]
    ended += [op_end("p.t", "p.a1", "tool", 2, 9, session_id="p")]
    noted(places, ended)
    noted(places, CHILD)
    inside, later = await places.of("c", "c.u1", at(5)), await places.of("c", "c.u2", at(20))
    assert (inside.trace, inside.link) == (trace_id("p", "p.u1"), None)
    assert (later.trace, later.parent) == (trace_id("c", "c.u2"), 0)
    assert later.link == (trace_id("p", "p.u1"), span_id("call", "p", "p.t"))


async def test_parents_in_a_circle_are_roots() -> None:
    places, _ = places_of()
    for one, other in (("p", "c"), ("c", "p")):
        noted(
            places,
            events_of(
                session(one, 1, parent_id=other, root_id=one, session_kind="sub_agent"),
                turn(f"{one}.a1", 1, 3, f"{one}.u1", session_id=one),
                task(f"{one}.t", f"{one}.a1", other, 1, ts=2, session_id=one),
            ),
        )
    place = await places.of("c", "c.u1", at(5))
    assert (place.trace, place.parent) == (trace_id("c", "c.u1"), 0)


async def test_what_a_running_call_does_not_name_waits() -> None:
    called = op("p.t", "p.a1", "tool", 1, 4, session_id="p", name="subagent")
    assert isinstance(called, OpStarted)
    asks = msgspec.structs.replace(called, tool="task")
    places, _ = places_of(
        p=events_of(
            session("p", 1),
            turn("p.a1", 1, 3, "p.u1", session_id="p"),
            asks,
        )
    )
    noted(places, CHILD)
    with pytest.raises(Undecided):
        await places.of("c", "c.u1", at(5))
    noted(places, PARENT)
    assert (await places.of("c", "c.u1", at(5))).parent == span_id("call", "p", "p.t")


async def test_a_fork_is_linked_to_where_it_was_made() -> None:
    places, _ = places_of(p=PARENT)
    noted(places, events_of(session("f", 9, session_kind="fork", extras={"fork_session_id": "p"})))
    place = await places.of("f", "f.u1", at(10))
    assert (place.trace, place.parent) == (trace_id("f", "f.u1"), 0)
    assert place.link == (trace_id("p", "p.u1"), span_id("run", "p", "p.u1"))


async def test_a_fork_of_a_sub_agent_whose_call_is_not_known_yet_waits_for_its_link() -> None:
    called = op("p.t", "p.a1", "tool", 1, 4, session_id="p", name="subagent")
    assert isinstance(called, OpStarted)
    asks = msgspec.structs.replace(called, tool="task")
    places, _ = places_of(p=events_of(session("p", 1), turn("p.a1", 1, 3, "p.u1", session_id="p"), asks), c=CHILD)
    noted(places, CHILD)
    noted(places, events_of(session("f", 9, session_kind="fork", extras={"fork_session_id": "c"})))
    for _ in range(2):
        with pytest.raises(Undecided):
            await places.of("f", "f.u1", at(10))
    noted(places, PARENT)
    assert (await places.of("f", "f.u1", at(10))).link == (trace_id("p", "p.u1"), span_id("run", "c", "c.u1"))


# -- what is over


def test_a_run_is_over_when_its_last_step_is_an_end() -> None:
    history = History()
    history.apply(events_of(session("s1", 1), prompt("u1", 2), turn("a1", 1, 3, "u1")))
    assert not history.runs()[0].over
    history.apply([turn_end("a1", 1, 4, finish="tool-calls")])
    assert not history.runs()[0].over
    history.apply([turn("a2", 2, 5, "u1"), op("t1", "a2", "tool", 1, 6), turn_end("a2", 2, 8)])
    assert not history.runs()[0].over  # a call is open
    history.apply([op("t1", "a2", "tool", 1, 6), op_end("t1", "a2", "tool", 1, 7)])
    assert history.runs()[0].over


def test_an_answer_that_stopped_at_its_calls_is_over_when_another_prompt_is_taken_up() -> None:
    history = History()
    history.apply([session("s1", 1), turn("a1", 1, 3, "u1"), turn_end("a1", 1, 4, finish="tool-calls")])
    assert [run.over for run in history.runs()] == [False]
    history.apply([turn("a2", 2, 9, "u2")])
    assert [run.over for run in history.runs()] == [True, False]
    assert history.runs()[0].is_certain


def test_what_later_steps_left_behind_is_inferred_and_what_opencode_says_is_certain() -> None:
    history = History()
    history.apply([session("s1", 1), turn("a1", 1, 3, "u1"), turn("a2", 2, 9, "u2")])
    assert [run.over for run in history.runs()] == [False, False]
    history.apply([turn_end("a2", 2, 10)])
    first, second = history.runs()
    assert (first.over, first.is_certain, second.over) == (True, False, True)
    history.apply([turn("a3", 3, 11, "u3"), session("s1", 1, extras={"claimed": False})])
    assert [run.over for run in history.runs()] == [True, True, True]
    assert history.runs()[2].is_certain


def test_events_of_a_step_that_is_not_known_are_said_to_be() -> None:
    history = History()
    assert history.apply([session("s1", 1), turn("a1", 1, 3, "u1")])
    assert not history.apply([op("t1", "a9", "tool", 1, 6)])


def test_an_event_told_twice_changes_nothing() -> None:
    once, again = History(), History()
    once.apply(PARENT)
    again.apply([*PARENT, *PARENT])
    assert len(once.steps) == len(again.steps) == 1
    assert [call.began.part_id for _, call in again.calls()] == ["p.t"]
    assert [step.calls["p.t"].end for step in again.steps.values()] == [once.steps["p.a1"].calls["p.t"].end]
