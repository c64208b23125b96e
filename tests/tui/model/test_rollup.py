"""Tokens and money: which numbers count, and what is below."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from adapter.events import NO_USAGE, Event, Usage
from tests.tui import story
from tests.tui.model.builders import SOURCE, gone, op, op_end, prompt, session, store_of, turn, turn_end, turn_gone
from tui.model.records import Session
from tui.model.store.store import Store
from tui.model.sums.rollup import (
    NO_DOUBT,
    Context,
    Difference,
    called_by,
    changed_files,
    context,
    contexts,
    difference,
    own,
    own_usage,
    prompt_usage,
    subtree,
)
from tui.model.tree.children import uncalled


def columns(usage: Usage, cost: float) -> dict[str, object]:
    return {"usage": msgspec.structs.asdict(usage), "cost": cost}


def test_the_columns_of_the_session_count_when_they_hold_anything() -> None:
    usage = Usage(1, 2, 3, 4, 5)
    store = store_of(session(extras=columns(usage, 0.25)), turn("a1"), turn_end("a1", usage=Usage(input=99), cost=9.0))
    assert own_usage(store.sessions[SOURCE, "s1"])[:3] == (usage, 0.25, "columns")


def test_columns_may_come_as_a_struct_and_without_tokens() -> None:
    store = store_of(session(extras={"usage": Usage(), "cost": 0.5}))
    assert own_usage(store.sessions[SOURCE, "s1"])[:3] == (NO_USAGE, 0.5, "columns")


def test_empty_columns_give_way_to_the_sum_of_the_steps() -> None:
    store = store_of(
        session(extras=columns(NO_USAGE, 0.0)),
        turn("a1"),
        op("p1", "a1", "llm", 1),
        op_end("p1", "a1", "llm", 1, usage=Usage(input=10, output=1), cost=0.5),
        op("p2", "a1", "llm", 2),
        op_end("p2", "a1", "llm", 2, usage=Usage(input=20, cache_read=5), cost=0.25),
        op("p3", "a1", "llm", 3),
        turn_end("a1", usage=Usage(input=7)),
    )
    assert own_usage(store.sessions[SOURCE, "s1"])[:3] == (Usage(30, 1, 0, 5, 0), 0.75, "steps")


def test_without_steps_the_messages_count() -> None:
    store = store_of(session(), turn("a1"), turn_end("a1", usage=Usage(input=7, reasoning=2), cost=0.125))
    assert own_usage(store.sessions[SOURCE, "s1"])[:3] == (Usage(input=7, reasoning=2), 0.125, "messages")


def test_a_row_alone_without_numbers_is_unknown_not_free() -> None:
    store = store_of(session())
    assert own_usage(store.sessions[SOURCE, "s1"])[:3] == (NO_USAGE, 0.0, "unknown")
    store.mark_loaded(SOURCE, "s1")
    assert own_usage(store.sessions[SOURCE, "s1"]).origin == "messages"


def family() -> Store:
    return store_of(
        session(extras=columns(Usage(input=1), 1.0)),
        session("kid", 2, parent_id="s1", extras=columns(Usage(input=10), 2.0)),
        session("grandkid", 3, parent_id="kid", extras=columns(Usage(input=100), 4.0)),
        session("other", 4, extras=columns(Usage(input=1000), 8.0)),
    )


def test_a_subtree_adds_every_level_below_once() -> None:
    store = family()
    sums = subtree(store, store.sessions[SOURCE, "s1"])
    assert (sums.usage, sums.cost, sums.sessions) == (Usage(input=111), 7.0, 3)
    assert sums.last_ts == 3_000_000


def test_a_change_below_reaches_the_sums_above_and_no_others() -> None:
    store = family()
    for item in store.sessions.values():
        subtree(store, item)
    store.apply([session("grandkid", 3, parent_id="kid", extras=columns(Usage(input=200), 5.0))])
    assert set(store.subtrees) == {(SOURCE, "other")}
    assert subtree(store, store.sessions[SOURCE, "s1"]).usage == Usage(input=211)


def test_a_child_that_goes_or_moves_is_taken_off_the_sums() -> None:
    store = family()
    assert subtree(store, store.sessions[SOURCE, "s1"]).sessions == 3
    store.apply([session("grandkid", 3, parent_id="other", extras=columns(Usage(input=100), 4.0))])
    assert subtree(store, store.sessions[SOURCE, "s1"]).usage == Usage(input=11)
    assert subtree(store, store.sessions[SOURCE, "other"]).usage == Usage(input=1100)
    store.apply([gone("grandkid")])
    assert subtree(store, store.sessions[SOURCE, "other"]).usage == Usage(input=1000)


def test_a_child_that_was_there_before_its_parent_counts() -> None:
    store = store_of(session("kid", 2, parent_id="s1", extras=columns(Usage(input=10), 2.0)))
    subtree(store, store.sessions[SOURCE, "kid"])
    store.apply([session(extras=columns(Usage(input=1), 1.0))])
    assert subtree(store, store.sessions[SOURCE, "s1"]).cost == 3.0


def test_unchanged_sums_are_kept() -> None:
    store = family()
    first = subtree(store, store.sessions[SOURCE, "s1"])
    assert subtree(store, store.sessions[SOURCE, "s1"]) is first
    assert own(store, store.sessions[SOURCE, "kid"]) is own(store, store.sessions[SOURCE, "kid"])


@pytest.mark.parametrize("cycle", [False, True])
def test_two_thousand_levels_and_a_cycle_of_them_add_up(cycle: bool) -> None:
    chain = [
        session(
            f"s{n:04}",
            n,
            parent_id=f"s{(n - 1) % 2000:04}" if n or cycle else None,
            extras=columns(Usage(input=1), 0.5),
        )
        for n in range(2000)
    ]
    store = store_of(*chain)
    top = store.top_of(store.sessions[SOURCE, "s1000"])
    sums = subtree(store, top)
    assert (sums.usage.input, sums.cost, sums.sessions) == (2000, 1000.0, 2000)


def test_a_prompt_sums_what_answers_it() -> None:
    store = store_of(
        session(),
        prompt("u1"),
        turn("a1", 1, 3, "u1"),
        turn_end("a1", 1, usage=Usage(input=10), delta=Usage(input=10), cost=1.0),
        turn("a2", 2, 6, "u1"),
        turn_end("a2", 2, usage=Usage(input=4, cache_read=10), delta=Usage(cache_read=10), cost=2.0),
        turn("a3", 3, 9, "u2"),
        turn_end("a3", 3, usage=Usage(input=99), delta=Usage(input=85), cost=4.0),
    )
    only = store.sessions[SOURCE, "s1"]
    # The second prompt is 14 tokens, 10 of them from the cache: it added 4, not the 10 that moved into the cache.
    assert prompt_usage(store, only, "u1") == (Usage(input=14, cache_read=10), 14, 3.0)
    assert prompt_usage(store, only, "none") == (NO_USAGE, 0, 0)


def compared(recorded: Usage, cost: float) -> Difference | None:
    store = store_of(
        session(extras=columns(recorded, cost)),
        turn("a1"),
        op("p1", "a1", "llm", 1),
        op_end("p1", "a1", "llm", 1, usage=Usage(input=10, output=1), cost=0.1 + 0.2),
    )
    store.mark_loaded(SOURCE, "s1")
    return difference(store.sessions[SOURCE, "s1"])


def test_the_columns_are_compared_with_the_steps() -> None:
    assert compared(Usage(input=10, output=1), 0.3) == (0, 0.0)
    assert compared(Usage(input=30, output=1), 0.3) == (20, 0.0)
    assert compared(Usage(input=5), 0.2) == (-6, pytest.approx(-0.1))


def test_there_is_nothing_to_compare_without_columns_or_before_the_steps_are_known() -> None:
    unknown = store_of(session(extras=columns(Usage(1), 1.0))).sessions[SOURCE, "s1"]
    assert difference(unknown) is None
    store = store_of(session())
    store.mark_loaded(SOURCE, "s1")
    assert difference(store.sessions[SOURCE, "s1"]) is None


def proven(recorded: Usage, cost: float, **extras: object) -> Store:
    """A session whose columns say this, and whose steps add up to 11 tokens and $0.45."""
    store = store_of(
        session(extras={**columns(recorded, cost), **extras}),
        turn("a1"),
        op("p1", "a1", "llm", 1),
        op_end("p1", "a1", "llm", 1, usage=Usage(input=10, output=1), cost=0.3),
        op("p2", "a1", "llm", 2),
        op_end("p2", "a1", "llm", 2, cost=0.15),
    )
    store.mark_loaded(SOURCE, "s1")
    return store


ENOUGH = Usage(input=10, output=1)


@pytest.mark.parametrize(
    ("recorded", "cost", "doubt"),
    [
        (ENOUGH, 0.03, (False, True)),
        (Usage(input=10), 0.45, (True, False)),
        (Usage(input=1), 0.03, (True, True)),
        (Usage(input=1), 0.5, (True, False)),
        (NO_USAGE, 0.03, (True, True)),
        (ENOUGH, 0.45, (False, False)),
        (ENOUGH, 0.3 + 0.15, (False, False)),
        (Usage(input=1000), 9.0, (False, False)),
    ],
)
def test_columns_below_what_the_steps_prove_are_doubted(recorded: Usage, cost: float, doubt: tuple[bool, bool]) -> None:
    store = proven(recorded, cost)
    found = own(store, store.sessions[SOURCE, "s1"])
    assert (found.doubt, found.cost, found.origin) == (doubt, cost, "columns")


def test_in_2x_the_columns_are_the_truth() -> None:
    store = proven(Usage(input=1), 0.03, sums_apart=True)
    assert own(store, store.sessions[SOURCE, "s1"]).doubt == NO_DOUBT


def test_columns_are_not_doubted_before_the_steps_are_known() -> None:
    store = store_of(session(extras=columns(ENOUGH, 0.03)))
    assert own(store, store.sessions[SOURCE, "s1"]).doubt == NO_DOUBT
    store.expect(SOURCE, "s1")
    store.apply([turn("a1"), op("p1", "a1", "llm", 1), op_end("p1", "a1", "llm", 1, cost=0.3)])
    assert own(store, store.sessions[SOURCE, "s1"]).doubt == NO_DOUBT
    store.mark_loaded(SOURCE, "s1")
    assert own(store, store.sessions[SOURCE, "s1"]).doubt == (False, True)


def test_a_doubt_reaches_the_sums_above_and_stays_when_the_steps_are_given_back() -> None:
    store = proven(ENOUGH, 0.03)
    store.apply([session("top", 0.5, extras=columns(ENOUGH, 1.0))])
    store.apply([session(extras=columns(ENOUGH, 0.03), parent_id="top")])
    top, kid = store.sessions[SOURCE, "top"], store.sessions[SOURCE, "s1"]
    assert (subtree(store, top).doubt, own(store, top).doubt) == ((False, True), NO_DOUBT)
    store.unload(SOURCE, "s1")
    assert (subtree(store, top).doubt, own(store, kid).doubt) == ((False, True), (False, True))
    store.apply([session(extras=columns(ENOUGH, 0.45), parent_id="top")])
    assert (subtree(store, top).doubt, own(store, kid).doubt) == (NO_DOUBT, NO_DOUBT)


def test_the_context_is_what_opencode_shows() -> None:
    store = store_of(
        session(),
        turn("a1"), turn_end("a1", usage=Usage(input=10, output=5, cache_read=20)),
        turn("a2", 2, ts=6), turn_end("a2", 2, usage=Usage(input=7, output=1, reasoning=2, cache_read=30)),
        turn("a3", 3, ts=7), turn_end("a3", 3, status="aborted"),
    )  # fmt: skip
    found = store.sessions[SOURCE, "s1"]
    assert contexts(found) == [30, 37]
    assert context(store, found) == Context(used=40)


FILLED = [session(), turn("a1"), turn_end("a1", usage=Usage(input=181_000, output=900))]
SUMMARY = turn("a2", 2, 6, extras={"summary": True}, agent="compaction")


def after(*events: Event) -> Context:
    store = store_of(*FILLED, *events)
    store.limits = lambda provider, model: 200_000
    return context(store, store.sessions[SOURCE, "s1"])


def test_after_a_compaction_the_context_is_not_known_until_the_next_request() -> None:
    done = turn_end("a2", 2, 7, usage=Usage(input=182_000, output=1200))
    assert after(SUMMARY, done) == Context(compacted=True)
    # 2.x counts a compaction in the session's row alone.
    assert after(SUMMARY, turn_end("a2", 2, 7)) == Context(compacted=True)
    assert after(SUMMARY, done, turn("a3", 3, 8)) == Context(compacted=True)
    asked = [turn("a3", 3, 8), turn_end("a3", 3, 9, usage=Usage(input=9000, output=100))]
    assert after(SUMMARY, done, *asked) == Context(9100, 200_000)


@pytest.mark.parametrize("status", ["running", "failed", "aborted"])
def test_a_compaction_that_has_not_succeeded_leaves_the_context_as_it_was(status: str) -> None:
    asked = Usage(input=182_000, output=5)
    ends = [] if status == "running" else [turn_end("a2", 2, 7, status=status, usage=asked)]
    assert after(SUMMARY, *ends) == Context(181_900, 200_000)


def test_the_context_is_measured_by_the_model_that_answered() -> None:
    store = store_of(*FILLED, replace(SUMMARY, model="small"))
    store.limits = lambda provider, model: 32_000 if model == "small" else 200_000
    assert context(store, store.sessions[SOURCE, "s1"]).window == 200_000


def test_changed_files_are_added_up_by_name() -> None:
    events = [session(), turn("a1")]
    for seq, (name, added, removed) in enumerate([("a.py", 3, 1), ("b.py", 1, 0), ("a.py", 2, 2)], 1):
        events.append(op(f"p{seq}", "a1", seq=seq, name="edit", label=name, additions=added, deletions=removed))
        events.append(op_end(f"p{seq}", "a1", seq=seq))
    events.append(op("p9", "a1", seq=9, name="edit", label="c.py", additions=9, deletions=9))
    assert changed_files(store_of(*events).sessions[SOURCE, "s1"]) == [("a.py", 5, 3), ("b.py", 1, 0)]


def test_the_parts_of_a_session_cost_together_what_it_cost_with_its_sub_agents() -> None:
    store = store_of(*story.everything())
    callers = 0
    for one in store.sessions.values():
        steps = [{turn.message_id} for turn in one.turns.values()]
        below = [called_by(store, one, step) for step in steps]
        loose = [subtree(store, child) for child in uncalled(store, one)]
        tree = subtree(store, one)
        parts = own(store, one).cost + sum(sums.cost for sums in [*below, *loose])
        assert abs(parts - tree.cost) < 1e-9
        assert 1 + sum(sums.sessions for sums in [*below, *loose]) == tree.sessions
        assert called_by(store, one, set().union(*steps)).cost == sum(sums.cost for sums in below)
        callers += sum(sums.sessions > 0 for sums in below)
    assert callers


def two_agents() -> list[Event]:
    """A prompt with two steps, each with a call that started a sub-agent."""
    events: list[Event] = [session(), prompt("u1"), turn("a1", 1, 3, "u1"), turn("a2", 2, 6, "u1")]
    for number, child in ((1, "k1"), (2, "k2")):
        events.append(op(f"p{number}", f"a{number}", "session", turn_seq=number, child=child))
        events += [session(child, 5, parent_id="s1"), turn("c1", 1, 5, session_id=child)]
        events.append(turn_end("c1", 1, cost=float(number), usage=Usage(input=number), session_id=child))
    return events


def test_what_a_sub_agent_of_a_step_costs_follows_it_and_is_added_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A screen of steps would walk through all the sub-agents of a session for each."""
    store = store_of(*two_agents())
    one = store.sessions[SOURCE, "s1"]
    assert [called_by(store, one, {step}).cost for step in ("a1", "a2")] == [1.0, 2.0]
    walked = 0
    children_of = store.children_of

    def counted(parent: Session) -> list[Session]:
        nonlocal walked
        walked += 1
        return children_of(parent)

    monkeypatch.setattr(store, "children_of", counted)
    assert called_by(store, one, {"a1", "a2"}) == (Usage(input=3), 3.0, 2, 5_000_000, (False, False))
    assert walked == 0
    store.apply([turn_end("c1", 1, cost=5.0, usage=Usage(input=7), session_id="k1")])
    assert [called_by(store, one, {step}).cost for step in ("a1", "a2")] == [5.0, 2.0]
    store.apply([turn_gone("a1")])
    assert [called_by(store, one, {step}).sessions for step in ("a1", "a2")] == [0, 1]


def test_a_doubt_about_a_sub_agent_is_one_about_the_step_that_called_it() -> None:
    store = Store()
    store.expect(SOURCE, "k2")
    row = session("k2", 5, parent_id="s1", extras={"cost": 0.001, "usage": Usage(input=1)})
    store.apply([*two_agents(), row])
    store.mark_loaded(SOURCE, "k2")
    one = store.sessions[SOURCE, "s1"]
    assert [called_by(store, one, {step}).doubt.cost for step in ("a1", "a2")] == [False, True]
