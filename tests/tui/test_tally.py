"""The counts of the status bar follow changes and time, at the cost of what changed."""

from __future__ import annotations

import pytest

from adapter.events import SessionFinalized, SessionRemoved, Usage
from tests.tui import story
from tests.tui.story import NOW, SOURCE, Step, at, session
from tui.model import state
from tui.model.nodes import Session
from tui.model.store import Store
from tui.model.tally import Counts, Tally

NOW_US = NOW * 1_000_000
HOUR = 3_600_000_000


def test_the_whole_story() -> None:
    store = Store()
    counts = Tally(store).update(store.apply(story.everything()), NOW_US)
    assert counts == Counts(running=2, waiting=0, failed_today=1, cost_today=0.95)


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
    assert tally.update(store.apply(story.running_sub_agent()), NOW_US).running == 2
    assert tally.tick(NOW_US + 5 * HOUR).running == 0


def test_what_was_spent_yesterday_is_not_spent_today() -> None:
    store = Store()
    tally = Tally(store)
    assert tally.update(store.apply(story.failed_tool()), NOW_US).cost_today == 0.02
    assert tally.tick(NOW_US + 24 * HOUR) == Counts()


def test_only_changed_sessions_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    tally = Tally(store)
    tally.update(store.apply([session(f"ses_{n}", f"S {n}", 100 + n) for n in range(500)]), NOW_US)
    judged: list[str] = []
    original = state.session_state

    def noting(model: Store, one: Session, now: int) -> state.State:
        judged.append(one.id)
        return original(model, one, now)

    monkeypatch.setattr(state, "session_state", noting)
    tally.update(store.apply([session("ses_7", "Renamed", 107)]), NOW_US)
    assert judged == ["ses_7"]
    judged.clear()
    tally.tick(NOW_US + 1)
    assert judged == []
