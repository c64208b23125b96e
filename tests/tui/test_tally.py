"""The counts of the status bar follow changes and time, at the cost of what changed."""

from __future__ import annotations

import pytest

from adapter.events import Event, SessionFinalized, SessionRemoved, Usage
from tests.tui import story
from tests.tui.story import NOW, SOURCE, Step, at, session
from tui.model.records import Session
from tui.model.status import state
from tui.model.status.counts import Counts, Tally
from tui.model.store.store import Store

NOW_US = NOW * 1_000_000
HOUR = 3_600_000_000


def test_the_whole_story() -> None:
    store = Store()
    counts = Tally(store).update(store.apply(story.everything()), NOW_US)
    assert counts == Counts(running=1, failed_today=1, cost_today=0.95)


def test_sessions_that_wait_end_fail_and_go() -> None:
    store = Store()
    tally = Tally(store)
    asking = Step("ses_q", 1, "usr_q", 60).op("tool", "question", 50, None)
    assert tally.update(store.apply([session("ses_q", "Q", 70), *asking.events]), NOW_US).waiting == 1
    answered = (
        Step("ses_q", 1, "usr_q", 60)
        .op("tool", "question", 50, 45)
        .end(4, Usage(input=5), 5, 0.5, finish="stop", status="failed", error=("APIError", "overloaded"))
    )
    failed = SessionFinalized(source=SOURCE, ts=at(4), session_id="ses_q", status="failed", end_ts=at(4))
    counts = tally.update(store.apply([*answered.events, failed]), NOW_US)
    assert (counts.waiting, counts.failed_today, counts.cost_today) == (0, 1, 0.5)
    gone = SessionRemoved(source=SOURCE, ts=at(1), session_id="ses_q")
    assert tally.update(store.apply([gone]), NOW_US) == Counts()


def test_time_alone_makes_a_silent_run_cease_to_run() -> None:
    store = Store()
    tally = Tally(store)
    assert tally.update(store.apply(story.running_sub_agent()), NOW_US).running == 1
    assert tally.tick(NOW_US + 5 * HOUR).running == 0


def asking(session_id: str, parent: str = "", tool: str = "question") -> list[Event]:
    """A session whose call waits for a person; below `parent`, started by a call of it."""
    step = Step(session_id, 1, f"usr_{session_id}", 60).op("tool", tool, 50, None, label="rm -r build")
    return [session(session_id, session_id, 70, parent_id=parent or None), *step.events]


def test_one_permission_in_a_sub_agent_is_one_wait() -> None:
    store = Store()
    tally = Tally(store)
    caller = Step("ses_p", 1, "usr_p", 80)
    caller.op("tool", "task", 71, None, child="ses_kid")
    changes = store.apply([session("ses_p", "Parent", 90), *caller.events, *asking("ses_kid", "ses_p", "bash")])
    counts = tally.update(changes, NOW_US)
    assert counts == Counts(waiting=1, cost_today=0.0)


def test_a_tree_is_counted_once_for_what_is_most_urgent_in_it() -> None:
    store = Store()
    tally = Tally(store)
    # Two questions and one that works below one parent, which is at work itself.
    events = [session("ses_p", "Parent", 90), *Step("ses_p", 1, "usr_p", 10).op("tool", "grep", 9, None).events]
    events += [*asking("ses_a", "ses_p"), *asking("ses_b", "ses_p"), *asking("ses_c", "ses_p", "grep")]
    assert tally.update(store.apply(events), NOW_US) == Counts(waiting=1)
    assert tally.update(store.apply([*asking("ses_d")]), NOW_US) == Counts(waiting=2)
    gone = [SessionRemoved(source=SOURCE, ts=at(1), session_id=one) for one in ("ses_a", "ses_b", "ses_d")]
    assert tally.update(store.apply(gone), NOW_US) == Counts(running=1)


def test_a_session_that_falls_silent_is_stuck_and_later_orphaned_until_it_goes_on() -> None:
    store = Store()
    tally = Tally(store)
    silent = [session("ses_s", "Silent", 70), *Step("ses_s", 1, "usr_s", 60).op("tool", "grep", 50, None).events]
    assert tally.update(store.apply(silent), NOW_US) == Counts(running=1)
    assert tally.tick(NOW_US + 4 * 60_000_000) == Counts(stuck=1)
    assert tally.tick(NOW_US + 20 * 60_000_000) == Counts(orphaned=1)
    assert tally.tick(NOW_US + 21 * 60_000_000) == Counts(orphaned=1)
    below = [
        session("ses_kid", "Kid", 60, parent_id="ses_s"),
        *Step("ses_kid", 1, "usr_k", 50).op("tool", "x", 40, None).events,
    ]
    assert tally.update(store.apply(below), NOW_US + 22 * 60_000_000) == Counts(orphaned=1), "one tree is counted once"
    removed = [SessionRemoved(source=SOURCE, ts=NOW_US, session_id=name) for name in ("ses_kid", "ses_s")]
    assert tally.update(store.apply(removed), NOW_US + 23 * 60_000_000) == Counts()


def test_an_orphan_in_a_tree_at_work_is_not_counted_beside_it() -> None:
    store = Store()
    tally = Tally(store)
    silent = [session("ses_kid", "Silent", 2000, parent_id="ses_p")]
    silent += Step("ses_kid", 1, "usr_s", 1990).op("tool", "grep", 1980, None).events
    busy = [session("ses_p", "Busy", 2010), *Step("ses_p", 1, "usr_p", 9).op("tool", "grep", 5, None).events]
    assert tally.update(store.apply([*silent, *busy]), NOW_US) == Counts(running=1)


def test_a_loop_is_counted_as_one_and_not_as_work() -> None:
    store = Store()
    tally = Tally(store)
    events: list[Event] = [session("ses_l", "Loop", 70)]
    for seq in range(1, 6):
        step = Step("ses_l", seq, "usr_l", 70 - seq)
        events += step.op("tool", "grep", 69 - seq, None if seq == 5 else 1, label="x").events
    assert tally.update(store.apply(events), NOW_US) == Counts(looping=1)


def test_a_child_that_finds_its_parent_is_counted_with_it() -> None:
    store = Store()
    tally = Tally(store)
    assert tally.update(store.apply([*asking("ses_kid", "ses_p"), *asking("ses_q")]), NOW_US).waiting == 2
    assert tally.update(store.apply([*asking("ses_p")]), NOW_US).waiting == 2


def test_what_was_spent_yesterday_is_not_spent_today() -> None:
    store = Store()
    tally = Tally(store)
    assert tally.update(store.apply(story.failed_tool()), NOW_US).cost_today == 0.02
    assert tally.tick(NOW_US + 24 * HOUR) == Counts()


@pytest.mark.parametrize(("began_ago_s", "spent"), [(70, 0.75), (24 * 3600.0, 0.5)])
def test_a_session_of_today_has_spent_what_its_own_sum_says_beside_its_steps_too(
    began_ago_s: float, spent: float
) -> None:
    """2.x adds what a title and a compaction cost to the session and to no step."""
    store = Store()
    step = Step("ses_t", 1, "usr_t", 60).end(50, Usage(input=5), 5, 0.5)
    row = session("ses_t", "T", began_ago_s, extras={"cost": 0.75, "sums_apart": True})
    assert Tally(store).update(store.apply([row, *step.events]), NOW_US).cost_today == spent


def test_only_changed_sessions_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    tally = Tally(store)
    tally.update(store.apply([session(f"ses_{n}", f"S {n}", 100 + n) for n in range(500)]), NOW_US)
    judged: list[str] = []
    original = state.own_state

    def noting(model: Store, one: Session, now: int) -> state.State | None:
        judged.append(one.id)
        return original(model, one, now)

    monkeypatch.setattr(state, "own_state", noting)
    tally.update(store.apply([session("ses_7", "Renamed", 107)]), NOW_US)
    assert judged == ["ses_7"]
    judged.clear()
    tally.tick(NOW_US + 1)
    assert judged == []
