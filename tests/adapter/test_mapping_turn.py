"""Messages: when a turn is over and how, what a prompt is, in which order parts come."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.events import Event, LogEntry, OpFinalized, OpStarted, PayloadRef, TurnFinalized, TurnStarted
from adapter.opencode.emit import TURN_GROUP
from adapter.opencode.v1.mapping import id_prefix, order_parts
from tests.adapter.opencode_writer import identifier, tool
from tests.adapter.rows import events_of, mapped, message_row, part_row


def only(events: list[Event], kind: type[Any]) -> Any:
    (event,) = [event for event in events if isinstance(event, kind)]
    return event


# -- answers


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"time": {"completed": 9}, "finish": "stop"}, "completed", ""),
        ({"time": {"completed": 9}}, "completed", ""),
        ({"error": {"name": "MessageAbortedError", "data": {"message": "Aborted"}}}, "aborted", "MessageAbortedError"),
        ({"error": {"name": "APIError", "data": {"message": "no", "statusCode": 400}}}, "failed", "APIError"),
        ({"error": {"name": "StructuredOutputError", "data": {"message": "x", "retries": 2}}}, "failed",
         "StructuredOutputError"),
        ({"error": {"name": "ContextOverflowError", "data": {}}}, "failed", "ContextOverflowError"),
        ({"error": {"name": "MessageOutputLengthError"}}, "failed", "MessageOutputLengthError"),
        ({"error": {"name": "ProviderAuthError", "data": {"providerID": "p", "message": "no key"}}}, "failed",
         "ProviderAuthError"),
        ({"error": {"name": "ContentFilterError", "data": {"message": "no"}}}, "failed", "ContentFilterError"),
        ({"error": {"name": "UnknownError", "data": {"message": "?", "ref": "r"}}}, "failed", "UnknownError"),
        ({"error": {}}, "failed", "UnknownError"),
    ],
)  # fmt: skip
def test_a_turn_ends_completed_aborted_or_failed(fields: dict[str, Any], status: str, error: str) -> None:
    end = only(events_of({"role": "assistant", **fields}, []), TurnFinalized)
    assert (end.status, end.error_class) == (status, error)


def test_the_words_and_the_code_of_an_error_are_told() -> None:
    error = {"name": "APIError", "data": {"message": "the request is bad", "statusCode": 400}}
    events = events_of({"role": "assistant", "error": error}, [])
    assert only(events, TurnFinalized).error_message == "the request is bad"
    assert only(events, TurnStarted).extras["status_code"] == 400


def test_an_overflow_of_the_context_ends_a_turn_with_neither_error_nor_finish() -> None:
    """opencode then asks for a compaction by itself (observed in 1.18.33)."""
    events = events_of({"role": "assistant", "time": {"completed": 9}}, [{"type": "step-start"}])
    end = only(events, TurnFinalized)
    assert (end.status, end.finish, end.error_class) == ("completed", "", "")
    assert only(events, OpFinalized).status == "cancelled"


def test_a_finished_step_ends_the_turn_before_its_time_is_written() -> None:
    running = events_of({"role": "assistant"}, [{"type": "step-start"}])
    assert not [event for event in running if isinstance(event, TurnFinalized)]
    done = events_of({"role": "assistant"}, [{"type": "step-start"}, {"type": "step-finish", "reason": "stop"}])
    assert only(done, TurnFinalized).status == "completed"


def test_a_turn_names_its_prompt_agent_and_model() -> None:
    data = {
        "role": "assistant",
        "parentID": "msg_0",
        "mode": "plan",
        "modelID": "anthropic/claude",
        "providerID": "gate",
    }
    start = only(events_of(data, []), TurnStarted)
    assert (start.prompt_id, start.agent, start.model, start.provider_alias) == (
        "msg_0",
        "plan",
        "anthropic/claude",
        "gate",
    )
    assert start.provider == "anthropic"


@pytest.mark.parametrize(
    ("alias", "model", "vendor"),
    [
        ("anthropic", "x", "anthropic"),
        ("mock", "x", ""),
        ("openrouter", "openai/gpt", "openai"),
        ("my", "own/x", ""),
        ("azure", "gpt-5", "openai"),
        ("azure", "claude-opus-4-1", ""),
        ("azure", "my-deployment", ""),
        ("google-vertex", "gemini-2.5-pro", "google"),
        ("google-vertex", "claude-opus-4-1", ""),
        ("google-vertex-anthropic", "claude-opus-4-1", "anthropic"),
    ],
)
def test_a_vendor_is_named_only_where_it_is_certain(alias: str, model: str, vendor: str) -> None:
    data = {"role": "assistant", "modelID": model, "providerID": alias}
    assert only(events_of(data, []), TurnStarted).provider == vendor


def test_a_compaction_is_the_first_op_of_the_message_that_summarises() -> None:
    data = {"role": "assistant", "summary": True, "time": {"completed": 9}}
    events = events_of(data, [{"type": "step-start"}])
    first = next(event for event in events if isinstance(event, OpStarted))
    assert (first.op_kind, first.op_seq, first.part_id) == ("compaction", 1, "msg_1")
    ends = [event for event in events if isinstance(event, OpFinalized) and event.op_kind == "compaction"]
    assert [end.status for end in ends] == ["completed"]
    assert only(events, TurnStarted).extras["summary"] is True


def test_what_a_killed_process_left_stays_open() -> None:
    parts = [{"type": "step-start"}, {"type": "text", "text": "", "time": {"start": 1}}, tool("running")]
    events = events_of({"role": "assistant"}, parts)
    assert not [event for event in events if isinstance(event, OpFinalized | TurnFinalized)]


def test_an_abort_closes_what_was_open() -> None:
    error = {"name": "MessageAbortedError", "data": {"message": "Aborted"}}
    parts = [{"type": "step-start"}, {"type": "text", "text": "so far", "time": {"start": 1}}]
    events = events_of({"role": "assistant", "error": error, "time": {"completed": 9}}, parts)
    ends = {event.op_kind: event.status for event in events if isinstance(event, OpFinalized)}
    assert ends == {"llm": "cancelled", "text": "cancelled"}


def test_the_users_own_shell_command_is_a_tool_without_a_step() -> None:
    data = {"role": "assistant", "time": {"completed": 9}}
    events = events_of(data, [tool("completed", input={"command": "ls"}, output="a", time={"start": 1, "end": 2})])
    start = only(events, OpStarted)
    assert (start.op_kind, start.parent_op_seq, start.extras["label"]) == ("tool", -1, "ls")


# -- prompts


def prompt(parts: list[Any], **fields: Any) -> PayloadRef:
    events = events_of({"role": "user", **fields}, parts)
    (found,) = [event for event in events if isinstance(event, PayloadRef) and event.payload_kind == "user_prompt"]
    return found


def test_a_prompt_is_a_reference_to_its_text() -> None:
    found = prompt([{"type": "text", "text": "  Fix it.\n"}], agent="build", model={"modelID": "m"})
    assert (found.preview, found.size, found.turn_seq, found.op_seq) == ("Fix it.", 10, 0, 0)
    assert found.uri.endswith("part_id=msg_1_0&field=text")
    assert (found.extras["agent"], found.extras["model"]) == ("build", "m")
    assert "synthetic" not in found.extras


def test_a_prompt_without_parts_yet_is_there_all_the_same() -> None:
    found = prompt([])
    assert (found.preview, found.size, found.message_id) == ("", -1, "msg_1")


def test_what_the_user_typed_goes_before_what_opencode_added() -> None:
    parts = [{"type": "text", "text": "added", "synthetic": True}, {"type": "text", "text": "typed"}]
    assert prompt(parts).preview == "typed"
    events = events_of({"role": "user"}, parts)
    more = [event for event in events if isinstance(event, PayloadRef) and event.payload_kind == "attachment"]
    assert [(event.preview, event.extras) for event in more] == [("added", {"synthetic": True})]


def test_a_prompt_that_only_opencode_wrote_says_so() -> None:
    text = "The following tool was executed by the user"
    assert prompt([{"type": "text", "text": text, "synthetic": True}]).extras["synthetic"] is True


def test_attachments_are_counted_referenced_and_remarked_upon() -> None:
    parts = [
        {"type": "text", "text": "Look."},
        {"type": "file", "mime": "image/png", "filename": "a.png", "url": "data:image/png;base64,AAAA"},
    ]
    assert prompt(parts).extras["attachments"] == 1
    events = events_of({"role": "user"}, parts)
    (file,) = [event for event in events if isinstance(event, PayloadRef) and event.payload_kind == "attachment"]
    assert (file.format, file.preview, file.part_id) == ("image/png", "a.png", "msg_1_1")
    assert [event.message for event in events if isinstance(event, LogEntry)] == ["attachment a.png"]


def test_a_picture_without_a_name_does_not_put_its_bytes_on_screen() -> None:
    parts = [{"type": "file", "mime": "image/png", "url": "data:image/png;base64,AAAA"}]
    shown = [event.preview for event in events_of({"role": "user"}, parts) if isinstance(event, PayloadRef)]
    assert not any("AAAA" in words for words in shown)


def test_a_subtask_is_shown_as_its_command() -> None:
    part = {"type": "subtask", "command": "review", "description": "Look at it", "prompt": "Review all."}
    found = prompt([part])
    assert (found.preview, found.extras["subtask"]) == ("/review Look at it", True)
    assert found.uri.endswith("field=prompt")


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"auto": True, "overflow": True}, "compaction: the context overflowed"),
        ({"auto": True}, "compaction: the context was nearly full"),
        ({"auto": False}, "compaction asked for by the user"),
    ],
)
def test_a_compaction_says_who_asked_for_it(part: dict[str, Any], words: str) -> None:
    parts = [{"type": "compaction", **part}]
    found = prompt(parts)
    assert (found.preview, found.extras["compaction"]) == (words, True)
    assert only(events_of({"role": "user"}, parts), LogEntry).message == words


def test_a_tool_of_a_user_message_has_no_turn() -> None:
    events = events_of({"role": "user"}, [tool("completed", output="x")])
    assert {event.turn_seq for event in events if isinstance(event, OpStarted | PayloadRef)} == {0}


# -- order


def test_parts_come_in_the_order_of_their_ids() -> None:
    parts = [part_row(f"prt_{n:012x}x", {"type": "step-start"}) for n in (3, 1, 2)]
    assert [item.row.id for item in order_parts(parts)] == [f"prt_{n:012x}x" for n in (1, 2, 3)]


def test_across_the_wrap_of_ids_the_wrapped_ones_come_last() -> None:
    wrap = 26 * 2**36
    before, after = identifier("prt", wrap - 1, 1), identifier("prt", wrap + 1, 2)
    assert after < before
    parts = [part_row(name, {"type": "step-start"}) for name in (after, before)]
    assert [item.row.id for item in order_parts(parts)] == [before, after]


@pytest.mark.parametrize(
    "name", ["", "prt", "prt_", "prt_xyz", "no underscore", "prt_zzzzzzzzzzzz1", "prt_-00000000001"]
)
def test_strange_ids_are_ordered_all_the_same(name: str) -> None:
    assert id_prefix(name) in (None, -1)
    parts = [part_row(name, {"type": "step-start"}), part_row("prt_0000000000ff1", {"type": "step-start"})]
    assert {item.row.id for item in order_parts(parts)} == {name, "prt_0000000000ff1"}


def test_groups_name_the_message_and_each_part() -> None:
    item = mapped(message_row("msg_1", {"role": "assistant"}, [{"type": "step-start"}, {"type": "snapshot"}]))
    assert list(item.groups) == [TURN_GROUP, "msg_1_0", "msg_1_1"]
