"""When somebody is called back: what is news, what is not, and how much is said at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapter.events import Event
from tests.tui.model.builders import at, failed, gone, op, op_end, prompt, session, task, turn, turn_end
from tui.model.status.notices import GAP, Notice, Notices, kind_of, words
from tui.model.status.state import State
from tui.model.store.store import Store

START = at(100)
TABLE = [
    # the state before ("" for none that was active), the state now, a sub-agent, what is told
    ("tool", State("idle", "", START + 1), False, "finished"),
    ("waiting", State("idle", "", START + 1), False, "finished"),
    ("stalled", State("idle", "", START + 1), False, "finished"),
    ("tool", State("idle", "", START + 1), True, ""),
    ("tool", State("idle", "", START + 1, inferred=True), False, ""),
    ("", State("idle", "", START + 1), False, ""),
    ("tool", State("idle", "", START - 1), False, ""),
    ("tool", State("failed", "", START + 1), False, "failed"),
    ("", State("failed", "", START + 1), True, "failed"),
    ("", State("failed", "", START - 1), False, ""),
    ("tool", State("waiting", "", START + 1), True, "waiting"),
    ("tool", State("permission", "", START + 1, True), False, "waiting"),
    ("waiting", State("waiting", "", START - 1), False, ""),
    ("tool", State("aborted", "", START + 1), False, ""),
    ("tool", State("stalled", "", START + 1, True), False, "stuck"),
    ("tool", State("stalled", "", START - 1, True), False, ""),
    ("tool", State("stalled", "", START + 1, True, untold=True), False, ""),
    ("tool", State("permission", "", START + 1, True, untold=True), False, ""),
    ("tool", State("orphaned", "", START + 1, True), False, ""),
    ("tool", State("archived", "", START + 1), False, ""),
    ("tool", State("between", "", START + 1), False, ""),
    ("", State("idle", "", 0), False, ""),
]


@pytest.mark.parametrize(("before", "state", "child", "told"), TABLE)
def test_what_is_news(before: str, state: State, child: bool, told: str) -> None:
    assert kind_of(before, state, child, START) == told


class Stage:
    """A store that is watched, and a clock."""

    def __init__(self, *known: Event) -> None:
        self.store = Store()
        self.notices = Notices(self.store, START)
        assert self.see(100, *known) == ""

    def see(self, now: float, *events: Event) -> str:
        """Applies events at a time in seconds; what is told then."""
        self.notices.update(self.store.apply(events), at(now))
        self.notices.tick(at(now))
        return words(self.notices.due(at(now)))


def asked(session_id: str = "s1", ts: float = 101, **fields: Any) -> list[Event]:
    """A session that is at work."""
    return [
        session(session_id, ts, title=f"Title {session_id}", **fields),
        prompt(f"u-{session_id}", ts, session_id=session_id),
        turn(f"a-{session_id}", 1, ts, f"u-{session_id}", session_id=session_id),
    ]


def answered(session_id: str = "s1", ts: float = 105) -> Event:
    return turn_end(f"a-{session_id}", 1, ts, session_id=session_id)


def question(session_id: str = "s1", ts: float = 103) -> Event:
    return op("q-" + session_id, f"a-{session_id}", "tool", 2, ts, name="question", session_id=session_id)


def test_a_session_that_finishes_is_told_once() -> None:
    stage = Stage()
    assert stage.see(102, *asked()) == ""
    assert stage.see(106, answered()) == "finished: Title s1"
    assert stage.see(120, answered()) == ""


def test_a_session_that_falls_silent_is_told_once_and_its_answer_then() -> None:
    stage = Stage()
    assert stage.see(102, *asked()) == ""
    assert stage.see(102 + 4 * 60) == "silent for minutes: Title s1"
    assert stage.see(102 + 5 * 60) == ""
    assert stage.see(420, answered(ts=419)) == "finished: Title s1"


def test_a_loop_is_told_once_for_a_prompt() -> None:
    stage = Stage(*asked())
    told = []
    for n in range(8):
        begun = op(f"p{n}", "a-s1", "tool", 2 + n, 103 + n, name="bash", label="cat x", running=True)
        told.append(stage.see(103 + 10 * n, begun, op_end(f"p{n}", "a-s1", "tool", 2 + n, 103 + n)))
    assert [words for words in told if words] == ["calling the same again and again: Title s1"]


def test_a_parent_is_not_finished_while_its_sub_agents_work_in_the_background() -> None:
    stage = Stage(*asked())
    kid = [session("kid", 101, parent_id="s1"), turn("k1", 1, 102, "", session_id="kid")]
    background = task("p7", "a-s1", "kid", 7, ts=101.5)
    ended = [op_end("p7", "a-s1", "session", 7, 102), op_end("p7", "a-s1", "tool", 8, 102)]
    assert stage.see(104, *background, *kid, *ended, op("q", "k1", "text", 1, 103, session_id="kid")) == ""
    assert stage.see(110, answered(ts=109)) == ""
    over = [op_end("q", "k1", "text", 1, 118, session_id="kid"), turn_end("k1", 1, 119, session_id="kid")]
    assert stage.see(120, *over) == ""
    assert stage.see(121) == ""
    assert stage.see(122) == "finished: Title s1"


def test_a_parent_that_is_woken_by_the_end_of_its_sub_agent_has_not_finished() -> None:
    stage = Stage(*asked())
    kid = [session("kid", 101, parent_id="s1"), turn("k1", 1, 102, "", session_id="kid")]
    ended = [op_end("p7", "a-s1", "session", 7, 102), op_end("p7", "a-s1", "tool", 8, 102)]
    stage.see(104, *task("p7", "a-s1", "kid", 7, ts=101.5), *kid, *ended, answered(ts=103))
    assert stage.see(120, turn_end("k1", 1, 119.9, session_id="kid")) == ""
    assert stage.see(121, prompt("u2", 120.5), turn("a2", 2, 120.6, "u2")) == ""
    assert stage.see(125) == ""
    assert stage.see(130, turn_end("a2", 2, 129)) == ""
    assert stage.see(132) == "finished: Title s1"


@pytest.mark.parametrize("name", ["write", "apply_patch", "multiedit", "webfetch", "browser_click"])
def test_a_call_that_writes_nothing_before_its_end_is_not_told_by_time_alone(name: str) -> None:
    stage = Stage(*asked())
    assert stage.see(104, op("w", "a-s1", "tool", 2, 104, name=name)) == ""
    # Through all that time makes of it: running, perhaps a permission, silent, left behind.
    assert [said for now in range(105, 1000, 5) if (said := stage.see(now))] == []
    over = [op_end("w", "a-s1", "tool", 2, 1002), answered(ts=1002.5)]
    assert stage.see(1003, *over) in ("", "finished: Title s1")


def test_of_a_call_of_2x_nothing_is_told_by_time_alone_either() -> None:
    stage = Stage(*asked())
    assert stage.see(104, op("w", "a-s1", "tool", 2, 104, name="bash", untold=True)) == ""
    assert [said for now in range(105, 2400, 5) if (said := stage.see(now))] == []


def test_a_call_with_evidence_is_told_although_one_without_waits_beside_it() -> None:
    stage = Stage(*asked())
    assert stage.see(104, op("w", "a-s1", "tool", 2, 103, name="write")) == ""
    assert stage.see(150, op("b", "a-s1", "tool", 3, 145, name="bash")) == "waiting for you: Title s1"


def kids(*names: str) -> list[Event]:
    """Sub-agents of s1 at work, each under its call."""
    events: list[Event] = []
    for n, name in enumerate(names):
        events += task(f"t-{name}", "a-s1", name, 2 + 2 * n, ts=102)
        events += [session(name, 102, parent_id="s1", root_id="s1", title=f"Kid {name}")]
        events += [turn(f"k-{name}", 1, 102, "", session_id=name)]
    return events


def test_sub_agents_that_fall_silent_one_after_the_other_are_one_problem() -> None:
    stage = Stage(*asked())
    stage.see(104, *kids("one", "two", "three"))
    for n, name in enumerate(("one", "two", "three")):
        stage.see(105 + 20 * n, op(f"x-{name}", f"k-{name}", "text", 1, 105 + 20 * n, session_id=name))
    told = [said for now in range(150, 500, 2) if (said := stage.see(now))]
    assert told == ["silent for minutes: Title s1"]


def test_what_goes_on_and_falls_silent_again_is_another_problem() -> None:
    stage = Stage()
    assert stage.see(102, *asked()) == ""
    assert stage.see(102 + 4 * 60) == "silent for minutes: Title s1"
    assert stage.see(350, op("x", "a-s1", "text", 1, 349)) == ""
    assert stage.see(350 + 4 * 60) == "silent for minutes: Title s1"


def broken(session_id: str, message_id: str, ts: float) -> Event:
    """A step that ends with an error."""
    return turn_end(message_id, 1, ts, session_id=session_id, status="failed", error="APIError")


def test_an_error_that_takes_the_parents_along_is_one_problem() -> None:
    stage = Stage(*asked())
    stage.see(104, *kids("one", "two"))
    assert stage.see(106, broken("one", "k-one", 105)) == "failed: Kid one"
    assert stage.see(112, broken("two", "k-two", 111)) == ""
    assert stage.see(118, broken("s1", "a-s1", 117)) == ""
    assert stage.see(124) == ""
    # Who tries again and fails again hears of it.
    assert stage.see(130, prompt("u9", 129), turn("a9", 9, 129, "u9"), broken("s1", "a9", 130)) == "failed: Title s1"


def test_the_same_error_of_a_parent_much_later_is_another_problem() -> None:
    stage = Stage(*asked())
    stage.see(104, *kids("one"))
    assert stage.see(106, broken("one", "k-one", 105)) == "failed: Kid one"
    assert stage.see(246, broken("s1", "a-s1", 245)) == "failed: Title s1"


def test_what_was_dropped_is_not_told_later() -> None:
    stage = Stage(*asked("a"), *asked("b"))
    assert stage.see(103, answered("a", 103)) == "finished: Title a"
    assert stage.see(104, answered("b", 104)) == ""
    stage.notices.drop()
    assert stage.see(120) == ""


def test_a_question_is_told_while_it_is_open_and_the_next_one_again() -> None:
    stage = Stage(*asked(ts=101))
    assert stage.see(104, question()) == "waiting for you: Title s1"
    assert stage.see(200) == ""
    assert stage.see(210, op_end("q-s1", "a-s1", "tool", 2, 209)) == ""
    assert stage.see(220, op("q2", "a-s1", "tool", 3, 219, name="question")) == "waiting for you: Title s1"


def test_a_call_that_does_not_begin_is_told_when_time_has_shown_it() -> None:
    stage = Stage(*asked())
    assert stage.see(104, op("b", "a-s1", "tool", 2, 104, name="bash")) == ""
    assert stage.see(107) == "waiting for you: Title s1"


def test_nothing_is_told_that_was_so_at_the_start() -> None:
    stage = Stage(
        *asked(ts=10), question(ts=11), *asked("s2", 20), answered("s2", 30), session("s3", 40), failed("s3", 50)
    )
    assert stage.see(101, *asked(ts=10), question(ts=11), answered("s2", 30), failed("s3", 50)) == ""
    assert stage.see(110) == ""


def test_what_was_running_at_the_start_is_told_when_it_ends() -> None:
    stage = Stage(*asked(ts=10), op("t", "a-s1", "tool", 2, 11, name="bash", running=True))
    assert stage.see(101) == ""
    assert stage.see(102, session("s1", 10, title="Title s1")) == ""
    assert stage.see(106, op_end("t", "a-s1", "tool", 2, 105), answered(ts=106)) == "finished: Title s1"


def test_what_comes_at_once_is_told_at_once_and_the_rest_after_a_pause() -> None:
    stage = Stage(*(event for name in "abcdef" for event in asked(name)))
    assert stage.see(104, question("c"), answered("a"), answered("b")) == (
        "1 waiting for you, 2 finished: Title c, Title a, Title b"
    )
    assert stage.see(105, answered("d"), answered("e")) == ""
    closed = op_end("q-c", "a-c", "tool", 2, 106, session_id="c")
    assert stage.see(106, answered("f"), closed, answered("c", 106)) == ""
    assert stage.see(104 + GAP / 1e6) == "4 finished: Title d, Title e, Title f, 1 more"


def test_a_question_that_was_answered_before_it_was_told_is_no_news() -> None:
    stage = Stage(*asked("a"), *asked("b"))
    assert stage.see(103, answered("a", 103)) == "finished: Title a"
    assert stage.see(104, question("b", 104)) == ""
    assert stage.see(105, op_end("q-b", "a-b", "tool", 2, 105, session_id="b")) == ""
    assert stage.see(120) == ""


def test_a_session_that_is_deleted_before_it_was_told_is_no_news() -> None:
    stage = Stage(*asked("a"), *asked("b"))
    assert stage.see(103, answered("a", 103)) == "finished: Title a"
    assert stage.see(104, question("b", 104)) == ""
    assert stage.see(105, gone("b")) == ""
    assert stage.see(120) == ""


def child(*events: Event) -> list[Event]:
    return [
        *asked("s1"),
        *task("t1", "a-s1", "sub", 2, ts=102),
        *asked("sub", 102, parent_id="s1", root_id="s1"),
        *events,
    ]


def test_a_sub_agent_that_finishes_is_its_parents_business() -> None:
    stage = Stage(*child())
    assert stage.see(104, answered("sub", 104)) == ""


def test_a_question_in_a_sub_agent_is_one_notice_though_its_parent_shows_it_too() -> None:
    stage = Stage(*child())
    said = [stage.see(104, question("sub", 103)), stage.see(112), stage.see(130)]
    assert [one for one in said if one] == [said[0]]
    assert said[0].startswith("waiting for you: Title ")


def test_two_questions_under_one_session_do_not_ring_for_ever() -> None:
    stage = Stage(*child())
    other = op("q2", "a-s1", "tool", 5, 104, name="question")
    told = [stage.see(104, question("sub", 103), other), *(stage.see(110 + 10 * n) for n in range(5))]
    assert sum(map(bool, told)) <= 2


def test_many_old_sessions_cost_a_look_each_and_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    stage = Stage()
    original: Callable[..., State] = State

    def counting(store: Store, one: Any, now_us: int) -> State:
        judged.append(one.id)
        return original("idle", "", 0)

    monkeypatch.setattr("tui.model.status.notices.session_state", counting)
    stage.see(101, *(session(f"s{n}", 10) for n in range(500)), session("new", 100))
    assert judged == ["new"]


def test_words_put_what_weighs_most_first() -> None:
    notices = [Notice(kind, 0, ("", kind), kind[0].upper()) for kind in ("finished", "failed", "waiting", "finished")]
    assert words(notices) == "1 waiting for you, 1 failed, 2 finished: W, F, F, 1 more"


def test_what_is_left_behind_before_our_eyes_is_kept_for_somebody_to_look_at() -> None:
    run = [session(), prompt("u1", 101), turn("a1", 1, 102, "u1"), op("p1", "a1", "text", 1, 103)]
    stage = Stage()
    stage.see(104, *run)
    stage.see(103 + 300)
    assert stage.notices.ended == set()
    assert stage.see(103 + 700) == ""
    assert [session_id for _, session_id in stage.notices.ended] == ["s1"]
