"""What is remembered of a session: only news leaves, and no news is lost between the short way and the long one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapter.events import Event, OpRemoved, OpStarted, PayloadRef, TurnFinalized, TurnRemoved, TurnStarted
from adapter.follow.tracked import TrackedSession
from adapter.opencode.storage import MessageRow
from adapter.opencode.v2.rows import decode_session_message
from tests.adapter.rows import as_text, message_row
from tests.adapter.writer_2x import step


def row(number: int, *texts: str, tokens: int = 0, completed: int = 0) -> MessageRow:
    """The answer `msg_<number>`, made at that millisecond, with a text part for each of `texts`."""
    data: dict[str, Any] = {"role": "assistant", "tokens": {"input": tokens}, "time": {"completed": completed}}
    return message_row(f"msg_{number}", data, [{"type": "text", "text": text} for text in texts], created=number)


def tracked(*rows: MessageRow) -> TrackedSession:
    session = TrackedSession("opencode:x", "ses_1")
    replaced(session, list(rows))
    return session


def replaced(session: TrackedSession, rows: list[MessageRow]) -> list[Event]:
    """The events of the whole session, read anew."""
    return [event for piece in session.replace(rows, {item.row.id for item in rows}) for event in piece]


def removed(events: list[Event]) -> list[str]:
    return [event.message_id for event in events if isinstance(event, TurnRemoved)]


def test_the_same_rows_again_are_no_news() -> None:
    rows = [row(1, "a"), row(2, "b", completed=9)]
    session = tracked(*rows)
    assert replaced(session, rows) == []
    assert session.update(rows, {"msg_1", "msg_2"}) == []


def test_content_counts_not_time() -> None:
    session = tracked(row(1, "a"))
    events = session.update([row(1, "b")], {"msg_1"})
    assert events is not None
    assert [event.extras["label"] for event in events if isinstance(event, OpStarted)] == ["b"]


def test_only_the_part_that_changed_leaves() -> None:
    session = tracked(row(1, "a", "b", "c"))
    events = session.update([row(1, "a", "B", "c")], {"msg_1"})
    assert events is not None
    assert {getattr(event, "part_id", "") for event in events} == {"msg_1_1"}


def test_a_part_that_is_gone_is_taken_back_whether_it_had_ended_or_not() -> None:
    for part in ({"type": "text", "text": "", "time": {"start": 1}}, {"type": "text", "text": "t", "time": {"end": 2}}):
        session = tracked(message_row("msg_1", {"role": "assistant"}, [part]))
        events = session.update([message_row("msg_1", {"role": "assistant"}, [])], {"msg_1"})
        assert events is not None
        assert [event.part_id for event in events if isinstance(event, OpRemoved)] == ["msg_1_0"]


def test_the_last_message_may_go_by_the_short_way() -> None:
    session = tracked(row(1), row(2))
    events = session.update([], {"msg_2"})
    assert events is not None
    assert removed(events) == ["msg_2"]


def test_a_message_in_the_middle_needs_the_long_way() -> None:
    session = tracked(row(1), row(2), row(3))
    assert session.update([], {"msg_2"}) is None
    events = replaced(session, [row(1), row(3)])
    assert removed(events) == ["msg_2"]
    assert [event.turn_seq for event in events if isinstance(event, TurnStarted)] == [2]


def test_a_message_that_sorts_before_others_needs_the_long_way() -> None:
    session = tracked(row(2), row(4))
    assert session.update([row(3)], {"msg_3"}) is None
    events = replaced(session, [row(2), row(3), row(4)])
    starts = [(event.message_id, event.turn_seq) for event in events if isinstance(event, TurnStarted)]
    assert starts == [("msg_3", 2), ("msg_4", 3)]


def test_tokens_that_later_turns_grow_from_need_the_long_way() -> None:
    session = tracked(row(1, tokens=100, completed=1), row(2, tokens=300, completed=2))
    changed = [row(1, tokens=250, completed=1), row(2, tokens=300, completed=2)]
    assert session.update(changed[:1], {"msg_1"}) is None
    deltas = [event.delta.input for event in replaced(session, changed) if isinstance(event, TurnFinalized)]
    assert deltas == [250, 50]


def test_nothing_is_lost_when_the_short_way_is_given_up_half_way() -> None:
    session = tracked(row(1, tokens=100, completed=1), row(2, tokens=300, completed=2), row(3, "a"), row(4))
    now = [row(1, tokens=100, completed=1), row(2, tokens=200, completed=2), row(3, "b")]
    assert session.update([row(1, "new", tokens=100, completed=1), *now[1:]], {"msg_1", "msg_2", "msg_4"}) is None
    events = replaced(session, [row(1, "new", tokens=100, completed=1), *now[1:]])
    assert removed(events) == ["msg_4"]
    labels = [event.extras["label"] for event in events if isinstance(event, OpStarted)]
    assert labels == ["new", "b"]


def task(status: str, **state: Any) -> MessageRow:
    part = {"type": "tool", "tool": "task", "state": {"status": status, **state}}
    return message_row("msg_1", {"role": "assistant"}, [part])


def test_a_call_that_no_longer_names_its_child_takes_the_session_op_back() -> None:
    session = tracked(task("running", metadata={"sessionId": "ses_2"}))
    events = session.update([task("error", error="no such agent")], {"msg_1"})
    assert events is not None
    assert [type(event) for event in events[:1]] == [OpRemoved]
    assert [event.op_kind for event in events if isinstance(event, OpStarted)] == ["tool"]


def test_an_end_that_no_longer_holds_is_taken_back() -> None:
    session = tracked(task("completed", output="done"))
    events = session.update([task("running")], {"msg_1"})
    assert events is not None
    assert [type(event) for event in events if not isinstance(event, TurnStarted)] == [OpRemoved, OpStarted]


def test_a_reference_that_a_row_loses_is_taken_back() -> None:
    """The facts of the op stay as they are, so nothing but a removal says that its answer is gone."""
    call = {"type": "tool", "tool": "bash", "state": {"status": "running", "input": {"command": "ls"}}}
    silent = {"type": "tool", "tool": "bash", "state": {"status": "running"}}
    rows = [message_row("msg_1", {"role": "assistant"}, [part]) for part in (call, silent)]
    session = tracked(rows[0])
    events = session.update([rows[1]], {"msg_1"})
    assert events is not None
    assert [event.part_id for event in events if isinstance(event, OpRemoved)] == ["msg_1_0"]
    assert not [event for event in events if isinstance(event, PayloadRef)]


def test_a_prompt_whose_text_arrives_is_not_taken_back() -> None:
    """The reference moves from the message to its text, and a prompt has one."""
    session = tracked(message_row("msg_1", {"role": "user"}, []))
    events = session.update([message_row("msg_1", {"role": "user"}, [{"type": "text", "text": "Go."}])], {"msg_1"})
    assert events is not None
    assert {type(event) for event in events} == {PayloadRef}


ANOTHER_TYPE = [
    ({"type": "text", "text": ""}, {"type": "tool", "tool": "bash", "state": {"status": "running"}}, "tool"),
    # The reference of the new one names a field that is called as the old type.
    ({"type": "text", "text": ""}, {"type": "reasoning", "text": "Hm."}, "reasoning"),
    ({"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "Hm."}, "text"),
]


@pytest.mark.parametrize(("before", "after", "kind"), ANOTHER_TYPE)
def test_a_part_that_becomes_one_of_another_type_takes_its_op_back(
    before: dict[str, Any], after: dict[str, Any], kind: str
) -> None:
    session = tracked(message_row("msg_1", {"role": "assistant"}, [before]))
    events = session.update([message_row("msg_1", {"role": "assistant"}, [after])], {"msg_1"})
    assert events is not None
    assert [type(event) for event in events[:1]] == [OpRemoved]
    assert [event.op_kind for event in events if isinstance(event, OpStarted)] == [kind]


@pytest.mark.parametrize("roles", [("assistant", "user"), ("user", "assistant"), ("assistant", "?"), ("user", "?")])
def test_a_message_that_changes_its_role_takes_its_node_back(roles: tuple[str, str]) -> None:
    before, after = (message_row("msg_1", {"role": role}, [{"type": "text", "text": "t"}]) for role in roles)
    session = tracked(before)
    events = session.update([after], {"msg_1"})
    assert events is not None
    assert [type(event) for event in events[:1]] == [TurnRemoved]
    # All that hung on it is told again, or gone.
    assert events[1:] == replaced(tracked(), [after])


def test_what_hung_on_a_removed_op_is_told_again() -> None:
    start, finish = {"type": "step-start"}, {"type": "step-finish", "reason": "stop"}
    parts = [start, finish, start, {"type": "patch", "files": ["a"]}, finish]
    session = tracked(message_row("msg_1", {"role": "assistant"}, parts))
    events = session.update([message_row("msg_1", {"role": "assistant"}, parts[:-1])], {"msg_1"})
    assert events is not None
    assert "msg_1_2" in [event.part_id for event in events if isinstance(event, OpRemoved)]
    assert [event.part_id for event in events if isinstance(event, PayloadRef)] == ["msg_1_3"]


def test_open_and_newest_messages_are_looked_at_where_no_feed_tells() -> None:
    session = tracked(row(1), row(2, completed=1), row(3, completed=1), row(4, completed=1))
    assert session.recent(2) == ["msg_3", "msg_4", "msg_1"]


def starts(events: list[Event] | None) -> list[tuple[str, int]]:
    return [(event.message_id, event.turn_seq) for event in events or () if isinstance(event, TurnStarted)]


def prompt(number: int) -> MessageRow:
    return message_row(f"msg_{number}", {"role": "user"}, [], created=number)


def test_an_answer_that_ends_before_queued_prompts_counts_for_the_next_one() -> None:
    session = tracked(row(1, tokens=50, completed=1), row(2), prompt(3), prompt(4))
    assert session.update([row(2, tokens=100, completed=2)], {"msg_2"}) is not None
    events = session.update([row(5, tokens=300, completed=5)], {"msg_5"})
    assert starts(events) == [("msg_5", 3)]
    assert [event.delta.input for event in events or () if isinstance(event, TurnFinalized)] == [200]
    assert (
        replaced(
            session,
            [
                row(1, tokens=50, completed=1),
                row(2, tokens=100, completed=2),
                prompt(3),
                prompt(4),
                row(5, tokens=300, completed=5),
            ],
        )
        == []
    )


def test_a_row_that_turns_out_to_be_an_answer_counts_for_the_next_one() -> None:
    session = tracked(row(1), message_row("msg_2", "{broken", [], created=2), prompt(3))
    assert starts(session.update([row(2)], {"msg_2"})) == [("msg_2", 2)]
    assert starts(session.update([row(4)], {"msg_4"})) == [("msg_4", 3)]


def test_a_walk_that_is_given_up_leaves_the_memory_as_it_was() -> None:
    session = tracked(row(1, "a"), row(2, "b"))
    now = [row(1, "A"), row(3, "c")]
    walk = session.replace(now, {"msg_1", "msg_3"})
    assert removed(next(walk)) == ["msg_2"]
    assert next(walk)
    walk.close()
    events = replaced(session, now)
    assert removed(events) == ["msg_2"]
    assert [event.extras["label"] for event in events if isinstance(event, OpStarted)] == ["A", "c"]


def numbered(seq: int, created: int) -> MessageRow:
    """The answer `msg_<seq>` as a row of session_message, made at that millisecond, as it is when it is read alone."""
    message = decode_session_message("assistant", as_text(step(created=created)))
    bare = message_row(f"msg_{seq}", "", [], created=created)
    return msgspec.structs.replace(bare, message=message, seq=seq, at=created)


def test_rows_that_are_numbered_follow_their_numbers_whatever_the_clock_says() -> None:
    session = tracked(numbered(1, 100), numbered(3, 300))
    assert starts(session.update([numbered(5, 200)], {"msg_5"})) == [("msg_5", 3)]
    assert session.update([numbered(4, 400)], {"msg_4"}) is None


def test_a_number_or_a_time_that_changes_needs_the_long_way() -> None:
    session = tracked(numbered(1, 100), numbered(3, 300))
    moved = msgspec.structs.replace(numbered(1, 100), seq=4)
    assert session.update([moved], {"msg_1"}) is None
    assert session.update([numbered(1, 400)], {"msg_1"}) is None


def test_a_message_finds_its_place_among_numbered_rows_of_a_clock_set_back() -> None:
    """The row that was written by the clock set back stands where the one before it does, also when it came alone."""
    session = tracked(numbered(1, 300))
    assert session.update([numbered(2, 100)], {"msg_2"}) is not None
    assert session.update([numbered(2, 100)], {"msg_2"}) == []
    assert session.update([row(200)], {"msg_200"}) is None
    assert starts(session.update([row(400)], {"msg_400"})) == [("msg_400", 3)]


def test_a_message_whose_time_changed_stands_at_its_new_place() -> None:
    session = tracked(row(1), row(2))
    later = msgspec.structs.replace(row(2), row=msgspec.structs.replace(row(2).row, time_created=9))
    replaced(session, [row(1), later])
    assert session.update([row(5)], {"msg_5"}) is None
