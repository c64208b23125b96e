"""What is it doing, and why do we say so: one table of rows and times, then what sub-agents change."""

from __future__ import annotations

import pytest

from adapter.events import Event
from tests.tui.model.builders import (
    SOURCE,
    at,
    failed,
    key,
    op,
    op_end,
    prompt,
    session,
    store_of,
    task,
    turn,
    turn_end,
)
from tui.model.records import op_key
from tui.model.status.state import (
    ACTIVE,
    is_open,
    loudest,
    node_state,
    op_state,
    prompt_state,
    session_state,
    turn_state,
)
from tui.model.status.table import urgency
from tui.model.tree.seek import failures

ASKED: list[Event] = [session(), prompt("u1", 2)]
STEP: list[Event] = [*ASKED, turn("a1", 1, 3, "u1"), op("p1", "a1", "llm", 1, 3)]
DONE: list[Event] = [*STEP, op_end("p1", "a1", "llm", 1, 5), turn_end("a1", 1, 5)]
CALLED: list[Event] = [*STEP, turn_end("a1", 1, 5, finish="tool-calls")]


def tool(name: str, **extras: object) -> list[Event]:
    return [*STEP, op("p2", "a1", "tool", 2, 4, name=name, **extras)]


MINUTE = 60
TABLE = [
    # what is known; now (s); state; inferred; what the reason says
    ("nothing loaded", [session()], 9, "idle", False, "its turns are not loaded"),
    ("failed, nothing loaded", [session(), failed()], 9, "failed", False, "APIError"),
    ("archived", [*DONE, session(extras={"archived_ts": at(8)})], 9, "archived", False, "archived"),
    ("reverted", [*DONE, session(extras={"revert_message_id": "u1"})], 9, "idle", False, "reverted"),
    ("unanswered", ASKED, 5, "starting", False, "no answer for 3s"),
    ("unanswered for long", ASKED, 2 + 4 * MINUTE, "stalled", True, "no commit for 4m"),
    (
        "unanswered for ever",
        ASKED,
        2 + 11 * MINUTE,
        "orphaned",
        True,
        "while a prompt is unanswered: opencode was prob",
    ),
    (
        "compaction asked for",
        [session(), prompt("u1", 2, compaction=True)],
        5,
        "compacting",
        False,
        "asked for 3s ago",
    ),
    ("step without parts", [*ASKED, turn("a1", 1, 3, "u1")], 9, "starting", False, "has not answered for 6s; a retry"),
    ("step begun", STEP, 9, "starting", False, "has not answered for 6s"),
    ("thinking", [*STEP, op("p2", "a1", "reasoning", 2, 4)], 9, "thinking", False, "thinking for 5s"),
    ("writing", [*STEP, op("p2", "a1", "text", 2, 4)], 9, "writing", False, "writing for 5s"),
    (
        "writing, silent",
        [*STEP, op("p2", "a1", "text", 2, 4)],
        4 + 200,
        "stalled",
        True,
        "writing for 3m20; no com",
    ),
    (
        "a prompt typed into a step that hangs is no sign of life",
        [*STEP, op("p2", "a1", "text", 2, 4), prompt("u2", 150)],
        4 + 200,
        "stalled",
        True,
        "writing for 3m20; no commit for 3m20",
    ),
    (
        "writing for ever",
        [*STEP, op("p2", "a1", "text", 2, 4)],
        4 + 12 * MINUTE,
        "orphaned",
        True,
        "no commit for 12m",
    ),
    (
        "written, step open",
        [*STEP, op("p2", "a1", "text", 2, 4), op_end("p2", "a1", "text", 2, 6)],
        9,
        "between",
        False,
        "text ended 3s ago",
    ),
    ("writes a summary", [*ASKED, turn("a1", 1, 3, "u1", extras={"summary": True})], 9, "compacting", False, "for 6s"),
    ("writes arguments", tool("edit", phase="pending"), 9, "writing", False, "writing the arguments of edit for 5s"),
    ("bash runs", tool("bash", running=True, output_bytes=9), 4 + 250, "tool", False, "bash has run for 4m10"),
    ("bash, silent", tool("bash", running=True), 4 + 250, "tool", False, "bash has run for 4m10 with no output"),
    ("bash, silent for long", tool("bash", running=True), 4 + 12 * MINUTE, "stalled", True, "no commit for 12m"),
    (
        "bash for ever",
        tool("bash", running=True),
        4 + 31 * MINUTE,
        "orphaned",
        True,
        "bash is marked running: opencode",
    ),
    ("bash not begun yet", tool("bash"), 5, "tool", False, "bash has run for 1s"),
    ("bash not begun", tool("bash"), 9, "permission", True, "bash was called 5s ago and has not begun"),
    ("edit not begun", tool("edit", phase="running"), 9, "permission", True, "probably waits for permission"),
    ("edit at work", tool("edit", running=True), 9, "tool", False, "edit has run for 5s"),
    ("write that takes its time", tool("write"), 9, "tool", False, "write has run for 5s, unless it waits for perm"),
    ("apply_patch, too", tool("apply_patch"), 33, "tool", False, "unless it waits for permission"),
    ("write that would have ended", tool("write"), 35, "permission", True, "takes seconds once it is allowed"),
    ("write that waits for long", tool("write"), 4 + 40 * MINUTE, "permission", True, "unless opencode was closed"),
    ("write of 2.x", tool("write", untold=True), 40, "tool", True, "it runs, or waits for permission"),
    ("write, at first", tool("write"), 5, "tool", False, "write has run for 1s"),
    ("permission for long", tool("bash"), 4 + 40 * MINUTE, "permission", True, "unless opencode was closed"),
    ("a slow reader", tool("webfetch"), 9, "tool", False, "webfetch has run for 5s"),
    ("a tool, silent", tool("grep"), 4 + 216, "stalled", True, "grep has run for 3m36; no commit for 3m36"),
    (
        "a tool for ever",
        tool("grep"),
        4 + 12 * MINUTE,
        "orphaned",
        True,
        "no commit for 12m while grep is marked running: opencode was probably killed",
    ),
    ("a question", tool("question", label="Which?"), 9, "waiting", False, "question has waited for an answer for 5s"),
    ("leaving a plan", tool("plan_exit"), 9, "waiting", False, "plan_exit has waited"),
    ("a question for long", tool("question"), 4 + 40 * MINUTE, "waiting", True, "unless opencode was closed"),
    ("a question for days", tool("question"), 4 + 13 * 60 * MINUTE, "orphaned", True, "probably closed"),
    (
        "two calls, one asks",
        [*tool("grep"), op("p3", "a1", "tool", 3, 4, name="question")],
        9,
        "waiting",
        False,
        "for 5s, and 1 more",
    ),
    ("a call outranks an open text", [*tool("grep"), op("p3", "a1", "text", 3, 4)], 9, "tool", False, "grep has run"),
    ("between steps", CALLED, 9, "between", False, "a step ended 4s ago"),
    ("no step followed", CALLED, 60, "idle", True, "ended 55s ago with tool calls, and none followed"),
    (
        "permission refused",
        [*tool("bash"), op_end("p2", "a1", seq=2, status="failed", error="PermissionRejected"), CALLED[-1]],
        60,
        "idle",
        True,
        "bash was refused 55s ago",
    ),
    (
        "question dismissed",
        [*tool("question"), op_end("p2", "a1", seq=2, status="failed", error="QuestionDismissed"), CALLED[-1]],
        60,
        "idle",
        True,
        "question got no answer 55s ago",
    ),
    (
        "refused a moment ago",
        [*tool("bash"), op_end("p2", "a1", seq=2, status="failed", error="PermissionRejected"), CALLED[-1]],
        6,
        "idle",
        True,
        "bash was refused 1s ago",
    ),
    ("answered", DONE, 9, "idle", False, "it answered 4s ago"),
    ("cut", [*STEP, turn_end("a1", 1, 5, finish="length")], 9, "idle", False, "cut at the output limit"),
    ("filtered", [*STEP, turn_end("a1", 1, 5, finish="content-filter")], 9, "idle", False, "provider's filter"),
    ("failed", [*STEP, turn_end("a1", 1, 5, status="failed", error="APIError")], 9, "failed", False, "APIError"),
    ("aborted", [*STEP, turn_end("a1", 1, 5, status="aborted")], 9, "aborted", False, "stopped by the user"),
    (
        "asked again after a failure",
        [*STEP, turn_end("a1", status="failed"), prompt("u2", 8)],
        9,
        "starting",
        False,
        "1s",
    ),
    ("asked while it runs", [*tool("grep"), prompt("u2", 6)], 9, "tool", False, "grep has run for 5s"),
    (
        "killed, then on",
        [*tool("bash"), turn("a2", 2, 8, "u1"), turn_end("a2", 2, 9)],
        10,
        "idle",
        False,
        "answered 1s",
    ),
]


RETRY = {"retry": 3, "retry_at": at(60), "retry_error": "overloaded"}
IDLE_AT_8 = {"idle_outcome": "interrupted", "idle_ts": at(8)}
TABLE += [
    # what only 2.x writes
    (
        "a retry waits",
        [*ASKED, turn("a1", 1, 3, "u1", extras=RETRY)],
        48,
        "starting",
        False,
        "retrying, attempt 3, next in 12s: overloaded",
    ),
    (
        "a retry is due",
        [*ASKED, turn("a1", 1, 3, "u1", extras=RETRY)],
        61,
        "starting",
        False,
        "retrying, attempt 3: overloaded",
    ),
    (
        "a retry far away is no silence",
        [*ASKED, turn("a1", 1, 3, "u1", extras={"retry": 1, "retry_at": at(3600)})],
        3660,
        "starting",
        False,
        "retrying, attempt 1",
    ),
    (
        "a retry that never came",
        [*ASKED, turn("a1", 1, 3, "u1", extras=RETRY)],
        60 + 11 * MINUTE,
        "orphaned",
        True,
        "no commit for 11m while a retry is due",
    ),
    ("told to have ended", [*tool("bash"), session(extras=IDLE_AT_8)], 9, "aborted", False, "interrupted 1s ago"),
    (
        "told to have failed",
        [*STEP, session(extras={"idle_outcome": "failed", "idle_ts": at(8)})],
        9,
        "failed",
        False,
        "opencode says that it failed 1s ago",
    ),
    (
        "told to be done, last step called tools",
        [*CALLED, session(extras={"idle_outcome": "succeeded", "idle_ts": at(8)})],
        9,
        "idle",
        False,
        "opencode says that it succeeded 1s ago",
    ),
    (
        "told to be done, answered",
        [*DONE, session(extras={"idle_outcome": "succeeded", "idle_ts": at(8)})],
        9,
        "idle",
        False,
        "it answered 4s ago",
    ),
    (
        "failed and told so",
        [*STEP, turn_end("a1", 1, 5, status="failed", error="APIError"), session(extras=IDLE_AT_8)],
        9,
        "failed",
        False,
        "APIError",
    ),
    (
        "asked again since it was idle",
        [*DONE, session(extras=IDLE_AT_8), prompt("u2", 9)],
        10,
        "starting",
        False,
        "no answer for 1s",
    ),
    (
        "a step since it was idle",
        [*DONE, session(extras=IDLE_AT_8), turn("a2", 2, 9, "u1")],
        10,
        "starting",
        False,
        "not answered for 1s",
    ),
]


@pytest.mark.parametrize(
    ("events", "now", "name", "inferred", "reason"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_state_of_a_session(events: list[Event], now: float, name: str, inferred: bool, reason: str) -> None:
    store = store_of(*events)
    state = session_state(store, store.sessions[SOURCE, "s1"], at(now))
    assert (state.name, state.inferred) == (name, inferred)
    assert reason in state.reason


@pytest.mark.parametrize("events", [row[1] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_session_that_is_not_open_never_becomes_active(events: list[Event]) -> None:
    store = store_of(*events)
    only = store.sessions[SOURCE, "s1"]
    if not is_open(only):
        assert not {session_state(store, only, at(now)).name for now in (9, 60, 700, 90_000)} & ACTIVE


def test_the_clock_of_the_database_may_be_ahead_of_ours() -> None:
    store = store_of(*tool("grep"))
    state = session_state(store, store.sessions[SOURCE, "s1"], 0)
    assert (state.name, state.reason) == ("tool", "grep has run for 0s")


def test_an_output_chunk_is_a_commit() -> None:
    store = store_of(*tool("bash", running=True, output_bytes=9, time_updated=at(3000)))
    assert session_state(store, store.sessions[SOURCE, "s1"], at(3010)).name == "tool"


def test_what_never_closed_is_orphaned_once_later_steps_follow() -> None:
    store = store_of(*tool("bash"), turn("a2", 2, 8, "u1"))
    only = store.sessions[SOURCE, "s1"]
    assert turn_state(store, only, only.turns["a1"], at(9)).name == "orphaned"
    assert op_state(store, only, only.turns["a1"].ops["p2:tool"], at(9)).name == "orphaned"
    assert turn_state(store, only, only.turns["a2"], at(9)).name == "starting"


def test_an_op_left_open_by_a_failed_step_is_orphaned() -> None:
    store = store_of(*tool("grep"), turn_end("a1", status="aborted"))
    only = store.sessions[SOURCE, "s1"]
    state = op_state(store, only, only.turns["a1"].ops["p2:tool"], at(9))
    assert (state.name, state.reason) == ("orphaned", "its step aborted without closing it")


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "truncated"])
def test_an_op_that_has_ended_has_the_name_of_its_end(status: str) -> None:
    store = store_of(*tool("grep"), op_end("p2", "a1", seq=2, status=status))
    only = store.sessions[SOURCE, "s1"]
    assert op_state(store, only, only.turns["a1"].ops["p2:tool"], at(9)).name == status


def test_a_prompt_has_the_state_of_its_newest_step() -> None:
    store = store_of(*DONE, prompt("u2", 6), turn("a2", 2, 7, "u2"), op("p9", "a2", "text", 1, 8, turn_seq=2))
    only = store.sessions[SOURCE, "s1"]
    assert prompt_state(store, only, only.prompts["u1"], at(9)).name == "completed"
    assert prompt_state(store, only, only.prompts["u2"], at(9)).name == "writing"


def test_a_prompt_behind_a_running_step_is_queued_and_one_passed_over_is_done_with() -> None:
    store = store_of(*STEP, prompt("u2", 5))
    only = store.sessions[SOURCE, "s1"]
    assert prompt_state(store, only, only.prompts["u2"], at(9)).reason == "queued behind the step that runs"
    store.apply([prompt("u3", 7), turn("a2", 2, 8, "u3")])
    assert prompt_state(store, only, only.prompts["u2"], at(9)).name == "completed"


def test_a_key_names_the_state_of_its_node() -> None:
    store = store_of(*tool("grep"))
    names = {
        kind: state.name if (state := node_state(store, key(kind, node), at(9))) else None
        for kind, node in [("session", "s1"), ("prompt", "u1"), ("turn", "a1"), ("op", "p2:tool"), ("op", "gone")]
    }
    assert names == {"session": "tool", "prompt": "tool", "turn": "tool", "op": None}
    assert node_state(store, key("session", "s9", "s9"), at(9)) is None


def delegating(*inside: Event, finished: bool = False) -> list[Event]:
    ends = [op_end("p2", "a1", "session", 2, 6), op_end("p2", "a1", "tool", 3, 6)] if finished else []
    return [
        *STEP,
        *task("p2", "a1", "kid", 2),
        session("kid", 4, parent_id="s1", agent="explore"),
        prompt("k1", 4, session_id="kid"),
        turn("b1", 1, 5, "k1", session_id="kid"),
        *inside,
        *ends,
    ]


class TestSubAgents:
    def test_a_parent_waits_for_its_agents_while_its_child_writes(self) -> None:
        store = store_of(*delegating(op("q1", "b1", "text", 1, 6, session_id="kid")))
        state = session_state(store, store.sessions[SOURCE, "s1"], at(9))
        assert (state.name, state.reason) == ("delegating", "sub-agent explore: the model has been writing for 3s")

    def test_a_question_of_a_child_is_a_question_of_its_parent(self) -> None:
        store = store_of(*delegating(op("q1", "b1", "tool", 1, 6, session_id="kid", name="question")))
        for minutes in (1, 20):
            assert session_state(store, store.sessions[SOURCE, "s1"], at(6 + minutes * 60)).name == "waiting"

    def test_a_parent_is_as_alive_as_its_child(self) -> None:
        store = store_of(*delegating(op("q1", "b1", "text", 1, 3000, session_id="kid")))
        assert session_state(store, store.sessions[SOURCE, "s1"], at(3010)).name == "delegating"
        assert session_state(store, store.sessions[SOURCE, "s1"], at(3300)).name == "stalled"
        assert session_state(store, store.sessions[SOURCE, "s1"], at(9000)).name == "orphaned"

    def test_a_background_task_is_active_though_its_call_has_ended(self) -> None:
        store = store_of(*delegating(op("q1", "b1", "text", 1, 6, session_id="kid"), finished=True))
        only = store.sessions[SOURCE, "s1"]
        assert op_state(store, only, only.turns["a1"].ops["p2:tool"], at(9)).name == "delegating"

    def test_a_parent_is_at_work_while_its_sub_agents_are_in_the_background(self) -> None:
        events = delegating(op("q1", "b1", "text", 1, 6, session_id="kid"), finished=True)
        store = store_of(*events, turn_end("a1", 1, 7, finish="stop"))
        parent = store.sessions[SOURCE, "s1"]
        assert session_state(store, parent, at(9))[:2] == (
            "delegating",
            "sub-agent explore: the model has been writing for 3s",
        )
        store.apply([op_end("q1", "b1", "text", 1, 10, session_id="kid"), turn_end("b1", ts=11, session_id="kid")])
        assert session_state(store, parent, at(12)).name == "idle"

    def test_a_question_in_the_background_is_one_of_its_parent(self) -> None:
        asks = op("q1", "b1", "tool", 1, 6, session_id="kid", name="question")
        store = store_of(*delegating(asks, finished=True), turn_end("a1", 1, 7, finish="stop"))
        parent = store.sessions[SOURCE, "s1"]
        assert session_state(store, parent, at(9)).name == "waiting"
        assert loudest(store, parent, at(9))[0].id == "kid"

    def test_a_call_whose_child_is_done_has_its_own_end(self) -> None:
        store = store_of(*delegating(turn_end("b1", ts=6, session_id="kid"), finished=True))
        only = store.sessions[SOURCE, "s1"]
        assert op_state(store, only, only.turns["a1"].ops["p2:tool"], at(9)).name == "completed"

    def test_the_older_call_of_a_resumed_task_is_not_active(self) -> None:
        resumed = [turn("a2", 2, 8, "u1"), *task("p9", "a2", "kid", 1, turn_seq=2, ts=9)]
        store = store_of(*delegating(finished=True), *resumed, op("q1", "b1", "text", 1, 9, session_id="kid"))
        only = store.sessions[SOURCE, "s1"]
        assert op_state(store, only, only.turns["a1"].ops["p2:tool"], at(10)).name == "completed"
        assert op_state(store, only, only.turns["a2"].ops["p9:tool"], at(10)).name == "delegating"

    def test_a_folded_parent_shows_what_is_most_urgent_below(self) -> None:
        asks = op("q1", "b1", "tool", 1, 6, session_id="kid", name="question")
        store = store_of(*delegating(asks), op("p5", "a1", "tool", 5, 4, name="grep"))
        whose, state = loudest(store, store.sessions[SOURCE, "s1"], at(9))
        assert (whose.id, state.name) == ("s1", "waiting")
        quiet = store_of(*DONE, *delegating(asks)[len(STEP) :], op_end("p2", "a1", "tool", 3, 6), turn_end("a1"))
        assert loudest(quiet, quiet.sessions[SOURCE, "s1"], at(9))[0].id == "kid"

    def test_an_old_failure_below_does_not_outshout_its_parent(self) -> None:
        store = store_of(
            *DONE, session("kid", 3, parent_id="s1"), turn("b1", session_id="kid"),
            turn_end("b1", session_id="kid", status="failed"),
        )  # fmt: skip
        assert loudest(store, store.sessions[SOURCE, "s1"], at(9))[1].name == "idle"

    def test_a_thousand_levels_of_waiting_parents_need_no_recursion(self) -> None:
        events: list[Event] = []
        for n in range(1000):
            me, kid = f"s{n}", f"s{n + 1}"
            events += [session(me, n, parent_id=f"s{n - 1}" if n else None), turn(f"a{n}", session_id=me)]
            events += task(f"p{n}", f"a{n}", kid, session_id=me)
        store = store_of(*events)
        assert session_state(store, store.sessions[SOURCE, "s0"], at(1001)).name == "tool"


def test_a_command_that_said_no_has_failed() -> None:
    store = store_of(*STEP, op("p9", "a1", "tool", 9, 5, name="bash", exit=1), op_end("p9", "a1", "tool", 9, 6))
    only = store.sessions[SOURCE, "s1"]
    assert op_state(store, only, only.turns["a1"].ops["p9:tool"], at(7))[:2] == ("failed", "exit 1")
    assert failures(store, only) == [op_key(only, only.turns["a1"].ops["p9:tool"])]
    store.apply([op("p9", "a1", "tool", 9, 5, name="bash", exit=0), op_end("p9", "a1", "tool", 9, 6)])
    assert op_state(store, only, only.turns["a1"].ops["p9:tool"], at(7)).name == "completed"
    assert failures(store, only) == []


def test_what_needs_a_person_is_most_urgent_and_an_unknown_name_least() -> None:
    ranked = sorted(["idle", "waiting", "tool", "failed", "permission", "stalled", "new"], key=urgency)
    assert ranked == ["new", "idle", "failed", "tool", "stalled", "permission", "waiting"]


def test_a_prompt_that_was_answered_says_nothing_of_how_long_its_last_step_took() -> None:
    first = [session(), prompt("u1", 2), turn("a1", 1, 3, "u1"), turn_end("a1", 1, 9, finish="stop")]
    store = store_of(*first, prompt("u2", 20), turn("a2", 2, 21, "u2"))
    only = store.sessions[SOURCE, "s1"]
    assert prompt_state(store, only, only.prompts["u1"], at(30))[:2] == ("completed", "")


def test_the_age_of_an_answer_is_said_in_seconds_for_a_minute_only() -> None:
    store = store_of(session(), prompt("u1", 2), turn("a1", 1, 3, "u1"), turn_end("a1", 1, 9, finish="stop"))
    only = store.sessions[SOURCE, "s1"]
    told = [session_state(store, only, at(now)).reason for now in (68, 69, 190)]
    assert told == ["it answered 59s ago", "it answered 1m ago", "it answered 3m ago"]
