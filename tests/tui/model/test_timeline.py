"""Sessions in time: every bar has the times of its row, nothing is lost or doubled, gaps are cut and said to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.events import Event
from tests.tui.model.builders import (
    SOURCE,
    at,
    key,
    log,
    op,
    op_end,
    op_gone,
    prompt,
    session,
    store_of,
    task,
    turn,
    turn_end,
    turn_gone,
)
from tui.model.records import Key, Session, Turn, op_id, session_key
from tui.model.store.store import Store
from tui.model.timeline.axis import Axis, merged
from tui.model.timeline.bars import Bar, Run, bars_of, laid_over
from tui.model.timeline.lines import Timeline, Timelines, line_of
from tui.model.tree.layout import row_key

NOW = at(500)


def timeline(store: Store, subject: Key | None = None, folds: dict[Key, bool] | None = None) -> Timeline:
    made = Timelines(store).of(subject or key("session", "s1"), NOW, folds or {})
    assert made is not None
    return made


def everything(store: Store) -> dict[Key, bool]:
    """Every node of the store open."""
    found: dict[Key, bool] = {}
    for one in store.sessions.values():
        found[row_key(store, one)] = True
        found |= {Key(SOURCE, "prompt", one.id, name): True for name in one.prompts}
        found |= {Key(SOURCE, "turn", one.id, name): True for name in one.turns}
    return found


def drawn(made: Timeline) -> list[tuple[str, str, float, float]]:
    """Kind, depth, start and stop of each line in seconds."""
    return [("  " * line.depth + line.kind, line.key.id, line.start / 1e6, line.stop / 1e6) for line in made.lines]


FAMILY: list[Event] = [
    session(), prompt("u1", 2), turn("a1", ts=3, prompt_id="u1"),
    op("p1", "a1", ts=5, name="bash"), op_end("p1", "a1", ts=8),
    *task("p2", "a1", "s2", 2, ts=6), op_end("p2", "a1", seq=3, ts=20), op_end("p2", "a1", "session", 2, ts=20),
    *task("p3", "a1", "s3", 4, ts=6), op_end("p3", "a1", seq=5, ts=30), op_end("p3", "a1", "session", 4, ts=30),
    turn_end("a1", ts=31),
    session("s2", 6, parent_id="s1", title="callers"), prompt("v1", 6, session_id="s2"),
    turn("b1", ts=7, prompt_id="v1", session_id="s2"), turn_end("b1", ts=19, session_id="s2"),
    session("s3", 6, parent_id="s1", title="bisect"), prompt("w1", 6, session_id="s3"),
    turn("c1", ts=7, prompt_id="w1", session_id="s3"),
    *task("q1", "c1", "s4", ts=9, session_id="s3"),
    op_end("q1", "c1", seq=2, ts=28, session_id="s3"), op_end("q1", "c1", "session", 1, ts=28, session_id="s3"),
    turn_end("c1", ts=29, session_id="s3"),
    session("s4", 9, parent_id="s3", title="suite"), prompt("x1", 9, session_id="s4"),
    turn("d1", ts=10, prompt_id="x1", session_id="s4"),
    op("r1", "d1", ts=11, name="bash", session_id="s4", exit=1), op_end("r1", "d1", ts=27, session_id="s4"),
    turn_end("d1", ts=28, session_id="s4"),
]  # fmt: skip
"""A step with a command and two agents beside each other, of which one waits for an agent of its own."""


def test_agents_stand_under_the_step_that_called_them_to_any_depth_and_beside_each_other() -> None:
    assert drawn(timeline(store_of(*FAMILY))) == [
        ("prompt", "u1", 2, 31),
        ("  step", "a1", 3, 31),
        ("    agent", "p2:tool", 6, 20),
        ("    agent", "p3:tool", 6, 30),
        ("      agent", "q1:tool", 9, 28),
    ]


def test_an_agent_that_is_opened_shows_its_steps() -> None:
    made = timeline(store_of(*FAMILY), folds={key("op", "p3:tool"): True})
    assert drawn(made)[3:] == [
        ("    agent", "p3:tool", 6, 30),
        ("      step", "c1", 7, 29),
        ("        agent", "q1:tool", 9, 28),
    ]


def test_a_moment_shows_the_tool_before_who_waits_and_who_waits_before_the_model() -> None:
    step = timeline(store_of(*FAMILY)).lines[1]
    assert [(run.start / 1e6, run.stop / 1e6, run.kind) for run in step.runs] == [
        (3, 5, "model"),
        (5, 8, "tool"),
        (8, 30, "agent"),
        (30, 31, "model"),
    ]


def test_failures_are_counted_where_they_happened_and_the_slowest_call_is_named_of_all() -> None:
    made = timeline(store_of(*FAMILY))
    assert [(line.key.id, line.failed) for line in made.lines] == [
        *(("u1", 0), ("a1", 0), ("p2:tool", 0), ("p3:tool", 0), ("q1:tool", 1)),
    ]
    assert made.slowest is not None
    assert (made.slowest.key.id, made.slowest.took) == ("r1:tool", at(16))
    assert made.failed == 1


def test_calls_have_lines_of_their_own_where_a_step_has_several() -> None:
    events = [
        session(), turn("a1", ts=3),
        op("p1", "a1", ts=5), op_end("p1", "a1", ts=6),
        op("p2", "a1", seq=2, ts=5), op_end("p2", "a1", seq=2, ts=9),
        turn_end("a1", ts=10),
    ]  # fmt: skip
    store = store_of(*events)
    assert [line.kind for line in timeline(store).lines] == ["step", "call", "call"]
    assert [line.kind for line in timeline(store, folds={key("turn", "a1"): False}).lines] == ["step"]
    alone = store_of(*events[:4], events[-1])
    assert [line.kind for line in timeline(alone).lines] == ["step"]
    assert [line.kind for line in timeline(alone, folds={key("turn", "a1"): True}).lines] == ["step", "call"]


def test_a_part_of_a_session_has_a_timeline_of_its_own() -> None:
    store = store_of(*FAMILY, prompt("u2", 400), turn("a2", 2, 401, "u2"), turn_end("a2", 2, 405))
    assert [line.key.id for line in timeline(store, key("prompt", "u2")).lines] == ["u2", "a2"]
    assert timeline(store, key("prompt", "u2")).axis.length == at(5)
    assert [line.key.id for line in timeline(store, key("turn", "a1")).lines][:1] == ["a1"]
    assert [line.key.id for line in timeline(store, key("op", "p3:tool")).lines] == ["c1", "q1:tool"]
    assert [line.key.id for line in timeline(store, key("op", "p1:tool")).lines][:1] == ["a1"]
    assert Timelines(store).of(key("turn", "gone"), NOW, {}) is None


def test_what_goes_on_ends_now_and_what_died_with_its_last_sign() -> None:
    events = [session(), turn("a1", ts=480), op("p1", "a1", ts=485, name="bash", running=True, time_updated=at(490))]
    line = timeline(store_of(*events)).lines[0]
    assert (line.stop, line.goes_on) == (NOW, True)
    long_ago = Timelines(store_of(*events)).of(key("session", "s1"), at(100_000), {})
    assert long_ago is not None
    assert (long_ago.lines[0].stop, long_ago.lines[0].goes_on, long_ago.live) == (at(490), False, False)


def test_a_question_is_waited_for_and_so_is_what_is_probably_a_permission() -> None:
    asked = store_of(session(), turn("a1", ts=480), op("p1", "a1", ts=485, name="question"))
    assert timeline(asked).lines[0].runs[-1] == Run(at(485), NOW, "person")
    gated = store_of(session(), turn("a1", ts=480), op("p1", "a1", ts=485, name="bash"))
    assert timeline(gated).lines[0].runs[-1] == Run(at(485), NOW, "person")


def test_a_retry_is_marked_while_it_is_waited_for_and_afterwards() -> None:
    waits = store_of(session(), turn("a1", ts=490, extras={"retry": 2, "retry_at": at(505)}))
    assert [run.kind for run in timeline(waits).lines[0].runs] == ["retry"]
    told = store_of(session(), turn("a1", ts=3), turn_end("a1", ts=9), log("retry 2: overloaded", severity="INF", ts=5))
    assert timeline(told).lines[0].retried == 1


def test_a_clock_that_was_set_back_makes_no_negative_bar() -> None:
    store = store_of(
        session(ts=900), prompt("u1", 50), turn("a1", ts=40, prompt_id="u1"),
        op("p1", "a1", ts=30), op_end("p1", "a1", ts=10), turn_end("a1", ts=20),
    )  # fmt: skip
    made = timeline(store, folds=everything(store))
    assert all(line.took >= 0 and all(run.stop >= run.start for run in line.runs) for line in made.lines)
    assert [(line.start, line.stop) for line in made.lines[1:]] == [(at(40), at(40)), (at(30), at(30))]


def test_a_gap_in_which_nobody_worked_is_cut_and_a_short_one_is_not() -> None:
    axis = Axis([(at(0), at(40)), (at(41), at(60)), (at(4000), at(4040))])
    assert axis.gaps == [(at(60), at(4000))]
    assert axis.length < at(100) * 1.3
    assert axis.place(at(41)) == at(41)
    assert axis.moment(axis.place(at(4020))) == at(4020)
    assert axis.stretches() == [(0, at(60)), (at(4000), at(4040))]
    assert Axis([(0, at(4)), (at(12), at(20))]).gaps == []


def test_a_question_of_a_night_does_not_flatten_the_work() -> None:
    store = store_of(
        session(), turn("a1", ts=3), op("p1", "a1", ts=13, name="question"), op_end("p1", "a1", ts=40_000),
        turn_end("a1", ts=40_009),
    )  # fmt: skip
    axis = timeline(store).axis
    assert axis.gaps == [(at(13), at(40_000))]
    assert axis.length < at(25)


@given(st.lists(st.tuples(st.integers(0, 10**15), st.integers(0, 10**12)), max_size=12), st.integers(0, 2 * 10**15))
def test_an_axis_is_monotone_and_takes_a_moment_there_and_back(work: list[tuple[int, int]], moment: int) -> None:
    axis = Axis([(start, start + length) for start, length in work])
    places = [axis.place(edge) for stretch in axis.stretches() for edge in stretch]
    assert places == sorted(places)
    assert 0 <= axis.place(moment) <= axis.length
    for start, length in work:
        assert axis.moment(axis.place(start)) == start
        assert axis.place(start + length) >= axis.place(start)
    cut = sum(axis.place(gap.stop) - axis.place(gap.start) for gap in axis.gaps)
    total = sum(stop - start for start, stop in merged((start, start + length) for start, length in work))
    assert cut <= total / 4 + len(axis.gaps)


spans = st.tuples(st.integers(0, 9), st.integers(0, 5), st.sampled_from(["model", "tool", "agent", "person", "retry"]))


@given(st.lists(spans, min_size=1, max_size=7))
def test_bars_laid_over_each_other_fill_the_time_that_they_have_and_no_other(
    given_spans: list[tuple[int, int, str]],
) -> None:
    bars = [Bar(key("op", f"{n}"), kind, start, start + took) for n, (start, took, kind) in enumerate(given_spans)]  # type: ignore[arg-type]
    runs = laid_over(bars)
    long = [run for run in runs if run.stop > run.start]
    assert all(before.stop <= after.start for before, after in pairwise(long))
    ranks = {"model": 0, "agent": 1, "retry": 2, "person": 3, "tool": 4}
    for moment in range(16):
        there = [bar.kind for bar in bars if bar.start <= moment < bar.stop]
        shown = [run.kind for run in long if run.start <= moment < run.stop]
        assert shown == ([max(there, key=lambda kind: ranks[kind])] if there else [])
    assert {(bar.start, bar.kind) for bar in bars if not bar.took} <= {(run.start, run.kind) for run in runs}


# -- random histories -------------------------------------------------------------------------------------------

times = st.integers(0, 600)
parts = st.tuples(
    st.sampled_from(["tool", "text", "reasoning", "llm", "task"]), times, st.none() | times, st.booleans()
)
steps = st.tuples(times, st.none() | times, st.lists(parts, max_size=4))
sessions_ = st.lists(st.tuples(st.integers(0, 3), st.lists(steps, max_size=3)), min_size=1, max_size=5)
History = Sequence[tuple[int, Sequence[tuple[int, int | None, Sequence[tuple[str, int, int | None, bool]]]]]]


def told(history: History) -> list[list[Event]]:
    """A tree of sessions as events by node: any parent, any times, calls of any of the sessions."""
    groups: list[list[Event]] = []
    count = len(history)
    for number, (parent, turns) in enumerate(history, 1):
        name = f"s{number}"
        above = f"s{parent % number}" if number > 1 and parent % number else None
        groups.append([session(name, number, parent_id=above, title=name)])
        groups.append([prompt(f"{name}.u", number, session_id=name)])
        for seq, (start, stop, ops) in enumerate(turns, 1):
            message = f"{name}.a{seq}"
            group = [turn(message, seq, start, f"{name}.u" if seq < 3 else "", session_id=name)]
            groups.append(group + ([turn_end(message, seq, stop, session_id=name)] if stop is not None else []))
            for place, (kind, began, ended, other) in enumerate(ops, 1):
                where = {"session_id": name, "turn_seq": seq}
                part = f"{message}.{place}"
                if kind == "task":
                    events = task(part, message, f"s{(number + other) % count + 1}", 2 * place, ts=began, **where)
                    ends = [("session", 2 * place), ("tool", 2 * place + 1)]
                else:
                    events, ends = [op(part, message, kind, 2 * place, began, **where)], [(kind, 2 * place)]
                if ended is not None:
                    events += [op_end(part, message, one, seq_, ended, **where) for one, seq_ in ends]
                groups.append(events)
    return groups


def below(store: Store, top: Session) -> list[Session]:
    found = [top]
    for one in found:
        found += store.children_of(one)
    return found


@given(sessions_)
@settings(max_examples=120, deadline=None)
def test_every_bar_has_the_times_of_its_row_and_none_is_lost_or_doubled(history: History) -> None:
    store = store_of(*(event for group in told(history) for event in group))
    for top in [store.sessions[each] for each in store.tops()]:
        made = timeline(store, session_key(top), everything(store))
        assert max(Counter(line.key for line in made.lines).values(), default=1) == 1
        by_key = {line.key: line for line in made.lines}
        inside = below(store, top)
        for one in inside:
            assert one is top or row_key(store, one) in by_key
            for step in one.turns.values():
                _check_step(store, one, step, made)
        lines = [line for line in made.lines if line.kind == "step"]
        assert len(lines) == sum(len(one.turns) for one in inside)
        for line in made.lines:
            assert line.start <= line.stop
            assert all(run.start <= run.stop for run in line.runs)
        assert made.axis.first <= min((line.start for line in made.lines), default=made.axis.first)
        assert made.axis.last >= max((line.stop for line in made.lines), default=made.axis.last)


def _check_step(store: Store, one: Session, step: Turn, made: Timeline) -> None:
    bars = bars_of(store, one, step, NOW)
    line = made.lines[made.places[bars.step.key]]
    assert (line.start, line.stop) == (bars.step.start, bars.step.stop)
    assert bars.step.start == step.start_ts
    if step.end_ts:
        assert bars.step.stop == max(step.start_ts, step.end_ts)
    found = {bar.key.id: bar for bar in (*bars.calls, *bars.parts)}
    assert len(found) == len(bars.calls) + len(bars.parts)
    for name, row in step.ops.items():
        if row.kind == "session":
            name = op_id(row.part_id, "tool")
        bar = found.pop(name, None)
        if row.kind != "session" or bar is not None:
            assert bar is not None
            assert bar.start == (row.start_ts or step.start_ts)
            if row.end_ts:
                assert bar.stop == max(bar.start, row.end_ts)
        if row.kind == "session" and bar is not None:
            found[name] = bar  # the tool op of the same part follows
    assert not found
    assert {bar.key for bar in line.calls} == {bar.key for bar in bars.calls}
    for bar in bars.calls:
        if bar.key in made.places and made.lines[made.places[bar.key]].kind == "call":
            call = made.lines[made.places[bar.key]]
            assert (call.start, call.stop) == (bar.start, bar.stop)


@given(sessions_, st.randoms(use_true_random=False), st.integers(1, 6))
@settings(max_examples=80, deadline=None)
def test_what_is_kept_equals_what_is_made_anew(history: History, dice: Random, pieces: int) -> None:
    groups = told(history)
    dice.shuffle(groups)
    events = [event for group in groups for event in group]
    events += [turn_gone("s1.a1"), op_gone("s1.a2.1", "s1.a2"), turn("s1.a2", 2, 77, session_id="s1")]
    store = Store()
    kept = Timelines(store)
    size = max(1, len(events) // pieces)
    for begin in range(0, len(events), size):
        kept.changed(store.apply(events[begin : begin + size]).dirty)
        for top in store.tops():
            subject = session_key(store.sessions[top])
            now, anew = kept.of(subject, NOW, {}), Timelines(store).of(subject, NOW, {})
            assert now is not None
            assert anew is not None
            assert now.lines == anew.lines
            assert (now.axis.gaps, now.axis.length) == (anew.axis.gaps, anew.axis.length)
            assert (now.slowest, now.failed, now.live) == (anew.slowest, anew.failed, anew.live)


def test_a_node_that_has_no_line_leads_to_the_one_that_it_is_in() -> None:
    store = store_of(*FAMILY)
    made = timeline(store)
    assert line_of(store, made, key("op", "p1:tool")) == 1
    assert line_of(store, made, key("op", "r1:tool", "s4")) == 4
    assert line_of(store, made, key("session", "s2", "s2")) == 2
    assert line_of(store, made, key("prompt", "x1", "s4")) == 4
    assert line_of(store, made, key("session", "elsewhere", "elsewhere")) is None
