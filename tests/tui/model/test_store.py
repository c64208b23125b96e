"""Applying events: repeats, order, removals, finals, links, references, remarks."""

from __future__ import annotations

import msgspec

from adapter.events import Event, SourceProgress, Usage
from tests.tui.model.builders import (
    SOURCE,
    at,
    failed,
    gone,
    key,
    log,
    op,
    op_end,
    op_gone,
    prompt,
    ref,
    session,
    snapshot,
    source_error,
    store_of,
    task,
    turn,
    turn_end,
    turn_gone,
)
from tui.model.records import find_payload
from tui.model.store.remarks import LOG_LIMIT
from tui.model.store.store import Store

RUN: list[Event] = [
    session(title="a run"),
    prompt("u1"),
    turn("a1", 1, 3, "u1"),
    op("p1", "a1", "llm", 1),
    op("p2", "a1", "tool", 2, name="bash", label="ls"),
    ref("p2", "a1", "tool_request", 2),
    op_end("p2", "a1", "tool", 2, 6),
    ref("p2", "a1", "tool_response", 2, 6, field="state.output"),
    op_end("p1", "a1", "llm", 1, 7, usage=Usage(input=10, output=2), cost=0.5),
    turn_end("a1", 1, 7, usage=Usage(input=10, output=2), cost=0.5),
    log("something odd"),
]


def test_applying_everything_twice_changes_and_reports_nothing() -> None:
    store = store_of(*RUN)
    before = msgspec.json.encode(store.sessions[SOURCE, "s1"].turns)
    changes = store.apply(RUN)
    assert not changes.roots
    assert not changes.dirty
    assert not changes.order
    assert msgspec.json.encode(store.sessions[SOURCE, "s1"].turns) == before


def test_each_event_repeated_right_away_changes_nothing() -> None:
    once, twice = store_of(*RUN), store_of(*[event for event in RUN for _ in range(2)])
    assert snapshot(once) == snapshot(twice)


def test_the_first_apply_names_the_root_and_every_node() -> None:
    changes = store_of().apply(RUN)
    assert changes.roots == {(SOURCE, "s1")}
    assert changes.order
    assert changes.dirty == {
        key("session", "s1"),
        key("prompt", "u1"),
        key("turn", "a1"),
        key("op", "p1:llm"),
        key("op", "p2:tool"),
    }


def test_a_fact_that_changes_marks_its_node_and_the_lines_above_but_not_the_layout() -> None:
    store = store_of(*RUN[:5])
    changes = store.apply([op("p2", "a1", "tool", 2, name="bash", label="ls", output_bytes=100)])
    assert changes.roots == set()
    assert changes.dirty == {key("op", "p2:tool"), key("turn", "a1"), key("prompt", "u1"), key("session", "s1")}


def test_a_turn_before_its_session_and_an_op_before_its_turn_find_their_place() -> None:
    assert snapshot(store_of(*reversed(RUN[:5]))) == snapshot(store_of(*RUN[:5]))


def test_turns_and_prompts_are_kept_in_order_whenever_they_arrive() -> None:
    store = store_of(session(), turn("a2", 2, 6), prompt("u2", 5), turn("a1", 1, 3), prompt("u1", 2))
    only = store.sessions[SOURCE, "s1"]
    assert list(only.turns) == ["a1", "a2"]
    assert list(only.prompts) == ["u1", "u2"]


def test_turns_are_reordered_when_their_numbers_change() -> None:
    store = store_of(session(), turn("a1", 1, 3), turn("a2", 2, 6))
    store.apply([turn("a0", 1, 2), turn("a1", 2, 3), turn("a2", 3, 6)])
    assert list(store.sessions[SOURCE, "s1"].turns) == ["a0", "a1", "a2"]


def test_removing_a_session_takes_all_of_its_own_but_no_child() -> None:
    store = store_of(*RUN, session("child", 4, parent_id="s1"))
    changes = store.apply([gone()])
    assert list(store.sessions) == [(SOURCE, "child")]
    assert changes.roots == {(SOURCE, "s1"), (SOURCE, "child")}
    assert key("session", "s1") in changes.dirty
    assert store.is_top((SOURCE, "child"))
    assert store.log_counts(SOURCE) == {}
    assert store.op(key("op", "p2:tool")) is None


def test_removing_a_session_twice_or_before_it_was_known_is_nothing() -> None:
    store = store_of(*RUN, gone())
    assert not store.apply([gone(), gone("never")]).dirty


def test_a_session_that_comes_back_starts_empty() -> None:
    store = store_of(*RUN, gone(), session(title="again"))
    assert snapshot(store) == snapshot(store_of(session(title="again")))


def test_removing_a_turn_equals_never_having_had_it() -> None:
    later = [turn("a2", 2, 9, "u1"), op("p9", "a2", "tool", 1, 10, turn_seq=2), op_end("p9", "a2", ts=11, turn_seq=2)]
    assert snapshot(store_of(*RUN, *later, turn_gone("a2"))) == snapshot(store_of(*RUN))


def test_removing_a_prompt_equals_never_having_had_it() -> None:
    assert snapshot(store_of(*RUN, prompt("u2", 20), turn_gone("u2"))) == snapshot(store_of(*RUN))


def test_a_prompt_that_turns_out_to_be_an_answer_is_no_prompt_in_one_batch_or_in_many() -> None:
    """Read twice before it is told: first as what a person wrote, then as what a model did."""
    answer = [turn_gone("u2"), turn("u2", 2, 20), op("p5", "u2", "text", 1, 21, turn_seq=2)]
    said = ref("p5", "u2", "text", 1, 21, turn_seq=2)
    events = [*RUN, prompt("u2", 20), *answer, said]
    at_once, one_by_one = Store(), Store()
    at_once.apply(events)
    for event in events:
        one_by_one.apply([event])
    assert list(at_once.sessions[SOURCE, "s1"].prompts) == ["u1"]
    assert snapshot(at_once) == snapshot(one_by_one)


def test_removing_a_part_takes_its_ops_and_its_references() -> None:
    store = store_of(*RUN, *task("p3", "a1", "child", 3), ref("p3", "a1", seq=4, ts=30), op_gone("p3", "a1"))
    assert snapshot(store) == snapshot(store_of(*RUN))
    assert store.op(key("op", "p3:session")) is None


def test_removing_the_text_of_a_prompt_leaves_its_attachment_and_removing_all_leaves_nothing() -> None:
    attachment = ref("p8", "u1", "attachment", 0, 2, turn_seq=0, field="url")
    store = store_of(session(), prompt("u1"), attachment, op_gone("u1.text", "u1"))
    only = store.sessions[SOURCE, "s1"].prompts["u1"]
    assert [item.kind for item in only.payloads.values()] == ["attachment"]
    assert only.label == ""
    store.apply([op_gone("p8", "u1")])
    assert store.sessions[SOURCE, "s1"].prompts == {}


def test_a_prompt_reference_moves_from_the_message_to_its_first_text() -> None:
    store = store_of(session(), prompt("u1", text=""))
    store.apply([msgspec.structs.replace(prompt("u1", text="hello"), uri="uri:text")])
    only = store.sessions[SOURCE, "s1"].prompts["u1"]
    assert list(only.payloads) == ["uri:text"]
    assert only.label == "hello"


def test_references_belong_to_the_call_of_their_part_and_a_patch_to_the_step_around_it() -> None:
    store = store_of(*RUN, ref("patch", "a1", "diff", 1, 6, field="files"))
    call, step = store.op(key("op", "p2:tool")), store.op(key("op", "p1:llm"))
    assert call is not None
    assert [item.kind for item in call.payloads.values()] == ["tool_request", "tool_response"]
    assert step is not None
    assert find_payload(step, "diff") is not None


def test_the_references_of_a_task_belong_to_its_call_not_to_its_session() -> None:
    store = store_of(session(), turn("a1"), ref("p3", "a1", seq=1), *task("p3", "a1", "child"))
    call, child = store.op(key("op", "p3:tool")), store.op(key("op", "p3:session"))
    assert call is not None
    assert len(call.payloads) == 1
    assert child is not None
    assert child.payloads == {}


def test_a_reference_whose_op_never_comes_stays_with_the_turn() -> None:
    store = store_of(session(), turn("a1"), ref("p7", "a1", "diff", 0))
    only = store.turn(key("turn", "a1"))
    assert only is not None
    assert find_payload(only, "diff") is not None


def test_a_start_with_news_forgets_the_end_and_the_references_of_its_part() -> None:
    store = store_of(*RUN, op("p2", "a1", "tool", 2, name="bash", label="ls -l"))
    call = store.op(key("op", "p2:tool"))
    assert call is not None
    assert call.status == "running"
    assert call.end_ts == 0
    assert call.payloads == {}


def test_a_start_that_only_repeats_keeps_the_end() -> None:
    store = store_of(*RUN)
    assert not store.apply([RUN[2], RUN[4]]).dirty


def test_an_end_before_its_start_is_kept() -> None:
    store = store_of(session(), op_end("p2", "a1", ts=6), turn_end("a1", ts=7), turn("a1"), op("p2", "a1"))
    call, step = store.op(key("op", "p2:tool")), store.turn(key("turn", "a1"))
    assert call is not None
    assert step is not None
    assert (call.status, step.status) == ("completed", "completed")


def test_live_output_of_a_command_is_replaced_by_its_final_output() -> None:
    running = [
        op("p2", "a1", name="bash", phase="running", running=True),
        ref("p2", "a1", "tool_response", field="state.metadata.output"),
    ]
    done = [
        op("p2", "a1", name="bash", phase="completed"),
        ref("p2", "a1", "tool_response", field="state.output"),
        op_end("p2", "a1"),
    ]
    followed, cold = store_of(session(), turn("a1"), *running), store_of(session(), turn("a1"), *done)
    followed.apply(done)
    assert snapshot(followed) == snapshot(cold)


def test_a_user_message_with_a_call_in_it_makes_no_turn() -> None:
    store = store_of(session(), prompt("u1"), op("p1", "u1", turn_seq=0), op_end("p1", "u1", turn_seq=0))
    assert store.sessions[SOURCE, "s1"].turns == {}


class TestFinals:
    def test_a_failure_ends_with_the_first_newer_turn(self) -> None:
        store = store_of(session(), turn("a1"), turn_end("a1", status="failed", error="APIError"), failed())
        only = store.sessions[SOURCE, "s1"]
        assert (only.final_status, only.error_class) == ("failed", "APIError")
        store.apply([turn("a2", 2, 9)])
        assert (only.final_status, only.error_class, only.end_ts) == ("", "", 0)

    def test_a_failure_is_known_of_a_session_without_turns_and_taken_back_by_a_newer_row(self) -> None:
        store = store_of(session(), failed())
        assert store.sessions[SOURCE, "s1"].final_status == "failed"
        changes = store.apply([session(title="new")])
        assert store.sessions[SOURCE, "s1"].final_status == ""
        assert key("session", "s1") in changes.dirty

    def test_a_row_that_is_repeated_with_its_failure_reports_nothing(self) -> None:
        store = store_of(session(), failed())
        assert not store.apply([session(), failed()]).dirty

    def test_removing_the_failed_turn_clears_the_failure(self) -> None:
        failing = [turn("a2", 2, 8), turn_end("a2", 2, 9, status="failed", error="APIError"), failed()]
        store = store_of(session(), turn("a1"), turn_end("a1"), *failing, turn_gone("a2"))
        assert store.sessions[SOURCE, "s1"].final_status == ""

    def test_archived_is_what_the_row_says(self) -> None:
        store = store_of(*RUN, session(title="a run", extras={"archived_ts": at(50)}))
        only = store.sessions[SOURCE, "s1"]
        assert (only.final_status, only.end_ts) == ("completed", at(50))
        store.apply([session(title="a run")])
        assert only.final_status == ""


class TestChildren:
    def test_a_child_seen_first_is_a_top_until_its_parent_comes(self) -> None:
        store = store_of(session("child", 5, parent_id="s1"))
        assert store.is_top((SOURCE, "child"))
        changes = store.apply([session()])
        assert changes.roots == {(SOURCE, "child"), (SOURCE, "s1")}
        assert [item.id for item in store.children_of(store.sessions[SOURCE, "s1"])] == ["child"]
        assert store.parent_of(store.sessions[SOURCE, "child"]) is store.sessions[SOURCE, "s1"]

    def test_children_are_oldest_first(self) -> None:
        store = store_of(session(), session("z", 3, parent_id="s1"), session("a", 4, parent_id="s1"))
        store.apply([session("m", 2, parent_id="s1")])
        assert [item.id for item in store.children_of(store.sessions[SOURCE, "s1"])] == ["m", "z", "a"]

    def test_a_child_hangs_under_the_newest_call_that_names_it(self) -> None:
        store = store_of(session(), session("child", 4, parent_id="s1"), turn("a1"), turn("a2", 2, 9))
        child = store.sessions[SOURCE, "child"]
        assert store.task_op_of(child) is None
        store.apply(task("p1", "a1", "child"))
        assert store.call_key(child) == key("op", "p1:tool")
        store.apply(task("p2", "a2", "child", turn_seq=2, ts=10))
        owner = store.task_op_of(child)
        assert owner is not None
        assert (owner.part_id, owner.kind) == ("p2", "session")
        store.apply([turn_gone("a2")])
        assert store.call_key(child) == key("op", "p1:tool")

    def test_a_fork_that_copied_the_call_does_not_take_the_child(self) -> None:
        store = store_of(
            session(),
            session("child", 4, parent_id="s1"),
            turn("a1"),
            *task("p1", "a1", "child"),
            session("fork", 20, session_kind="fork"),
            turn("f1", 1, 21, session_id="fork"),
            *task("p9", "f1", "child", session_id="fork", ts=22),
        )
        child = store.sessions[SOURCE, "child"]
        assert store.call_key(child) == key("op", "p1:tool")
        copied = store.op(key("op", "p9:tool", "fork"))
        assert copied is not None
        assert store.called_by(store.sessions[SOURCE, "fork"], copied) is None

    def test_a_change_in_a_child_marks_every_line_above_it(self) -> None:
        store = store_of(
            session(),
            prompt("u1"),
            turn("a1", 1, 3, "u1"),
            *task("p1", "a1", "child"),
            session("child", 4, parent_id="s1"),
            turn("c1", 1, 5, session_id="child"),
        )
        changes = store.apply([turn_end("c1", session_id="child", ts=8)])
        assert changes.dirty == {
            key("turn", "c1", "child"),
            key("session", "child", "child"),
            key("op", "p1:tool"),
            key("turn", "a1"),
            key("prompt", "u1"),
            key("session", "s1"),
        }
        assert changes.roots == set()


class TestLoaded:
    def test_a_row_alone_is_not_loaded_and_content_loads_it(self) -> None:
        store = store_of(session())
        assert not store.sessions[SOURCE, "s1"].loaded
        store.apply([prompt("u1")])
        assert store.sessions[SOURCE, "s1"].loaded

    def test_an_empty_session_can_be_marked_as_loaded_once(self) -> None:
        store = store_of(session())
        assert store.mark_loaded(SOURCE, "s1").roots == {(SOURCE, "s1")}
        assert not store.mark_loaded(SOURCE, "s1").roots
        assert not store.mark_loaded(SOURCE, "never").roots


class TestText:
    def test_everything_a_user_can_see_is_harmless(self) -> None:
        evil = "a\x1b]52;c;AAAA\x07b\x07\u202ec[/foo]\n\x9bd"
        store = store_of(
            session(title=evil, agent=evil, cwd=evil, slug=evil, extras={"note": [{"deep": evil}]}),
            prompt("u1", text=evil, agent=evil),
            turn("a1", extras={"cwd": evil}, agent=evil),
            op("p1", "a1", name=evil, label=evil, title=evil, todos=[evil]),
            op_end("p1", "a1", status="failed", error=evil),
            turn_end("a1", finish=evil, error=evil, status="failed"),
            log(evil),
            source_error(evil),
        )
        only = store.sessions[SOURCE, "s1"]
        step, call = only.turns["a1"], only.turns["a1"].ops["p1:tool"]
        ask = only.prompts["u1"]
        shown = [only.title, only.agent, only.cwd, only.slug, only.extras["note"][0]["deep"], only.error_class]
        shown += [ask.label, ask.agent, step.agent, step.finish, step.error_class, step.extras["cwd"]]
        shown += [call.name, call.label, call.title, call.extras["todos"][0], call.error_class]
        shown += [entry.message for entry in store.logs[SOURCE]]
        assert all(text.isprintable() and "[/foo]" in text for text in shown)
        assert not any("\u202e" in text for text in shown)


class TestRemarks:
    def test_only_the_newest_are_kept_but_all_are_counted(self) -> None:
        entries = [log(f"odd {n}", ref=f"prt_{n}", ts=n) for n in range(LOG_LIMIT + 50)]
        store = store_of(session(), *entries, *entries[:100])
        only = store.sessions[SOURCE, "s1"]
        assert len(only.logs) == len(store.warnings[SOURCE]) == LOG_LIMIT
        assert next(iter(only.logs.values())).message == "odd 50"
        assert store.log_counts(SOURCE) == {"WRN": LOG_LIMIT + 50}

    def test_a_remark_about_a_session_that_is_not_there_waits_and_makes_none(self) -> None:
        store = store_of(log("early"))
        assert store.sessions == {}
        store.apply([session()])
        assert [entry.message for entry in store.sessions[SOURCE, "s1"].logs.values()] == ["early"]

    def test_errors_of_the_source_are_listed_apart(self) -> None:
        store = store_of(source_error("cannot open"), source_error("bad row", "prt_1"), log("odd"))
        # A row's error comes with a remark about its session, and is one trouble.
        assert [entry.message for entry in store.errors[SOURCE]] == ["cannot open"]
        assert [entry.message for entry in store.warnings[SOURCE]] == ["odd"]

    def test_progress_says_nothing_about_the_model(self) -> None:
        changes = store_of().apply([SourceProgress(source=SOURCE, ts=0, cursor="x", rows=3)])
        assert not changes.dirty
        assert not changes.order
