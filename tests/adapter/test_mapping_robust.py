"""Nothing that a row can hold makes the mapping raise: strange data is a warning, and the rest is shown."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.events import AnyEvent, Event, LogEntry, OpStarted
from adapter.opencode.json import Malformed
from adapter.opencode.rows import session_row
from adapter.opencode.schema import SESSION_COLUMNS
from adapter.opencode.sessions import map_session
from adapter.opencode.v1.rows import MESSAGE, PART, decode_message, decode_part
from tests.adapter.rows import SOURCE, events_of, mapped, message_row

ENCODER = msgspec.json.Encoder()
DECODER = msgspec.json.Decoder(AnyEvent)

text = st.text(st.characters(), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | text
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
)
FIELDS = (
    "text", "time", "state", "tool", "metadata", "tokens", "cost", "reason", "files", "hash", "url", "mime", "filename",
    "auto", "overflow", "attempt", "error", "prompt", "description", "agent", "command", "synthetic", "callID",
)  # fmt: skip
STATE = ("status", "input", "output", "title", "metadata", "error", "time", "attachments", "raw")
ANSWER = (
    "time", "parentID", "modelID", "providerID", "mode", "agent", "path", "summary", "cost", "tokens", "error",
    "finish", "variant", "model",
)  # fmt: skip


def odd(
    head: str, kinds: frozenset[str], fields: tuple[str, ...], **special: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    """Objects of a known kind whose fields hold anything."""
    optional = {name: special.get(name, values) for name in fields}
    return st.fixed_dictionaries({head: st.sampled_from(sorted(kinds))}, optional=optional)


state = st.fixed_dictionaries(
    {"status": st.sampled_from(["pending", "running", "completed", "error", "?"])},
    optional={name: values for name in STATE[1:]},
)
parts = odd("type", PART.names, FIELDS, state=state | values) | values
messages = odd("role", MESSAGE.names, ANSWER) | values


def travels(events: list[Event]) -> None:
    """Every event can be written as a line and read back."""
    for event in events:
        assert type(DECODER.decode(ENCODER.encode(event))) is type(event)


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


@settings(max_examples=400, deadline=None)
@given(messages, st.lists(parts, max_size=4))
def test_any_json_is_mapped(message: Any, some: list[Any]) -> None:
    item = mapped(message_row("msg_1", dumped(message), [dumped(part) for part in some]))
    assert set(item.groups) >= {""}
    for group in item.groups.values():
        travels(group)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_bytes_are_decoded_or_named(data: bytes | str) -> None:
    for decode in (decode_message, decode_part):
        found = decode(data)
        if isinstance(found, Malformed):
            assert found.kind
            assert "\n" not in found.kind


columns = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20)


@settings(max_examples=300, deadline=None)
@given(st.tuples(*[columns for _ in SESSION_COLUMNS]))
def test_any_columns_are_a_session(row: tuple[Any, ...]) -> None:
    travels(map_session(SOURCE, session_row(row), "ses_1", None))


def remarks(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, LogEntry) and event.severity == "WRN"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{broken", "broken JSON"),
        ("", "empty data"),
        ('{"type":"hologram"}', "unknown part type: 'hologram'"),
        ("{}", "unknown part type: None"),
        ('{"type":7}', "unknown part type: 7"),
        ('{"type":{"a":1}}', "unknown part type: {'a': 1}"),
        ("[1]", "unexpected shape: a part that is not a JSON object"),
        ("null", "unexpected shape: a part that is not a JSON object"),
        ("[" * 100_000, "broken JSON"),
    ],
    ids=lambda value: value[:30],
)
def test_a_strange_part_is_one_warning_and_the_others_are_shown(data: str, words: str) -> None:
    events = events_of({"role": "assistant"}, [{"type": "step-start"}, data, {"type": "text", "text": "t"}])
    (remark,) = remarks(events)
    assert remark.startswith(words)
    assert [event.op_kind for event in events if isinstance(event, OpStarted)] == ["llm", "text"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{broken", "broken JSON"),
        ("", "empty data"),
        ('{"role":"system"}', "unknown role: 'system'"),
        ('{"role":["user"]}', "unknown role: ['user']"),
        ("7", "unexpected"),
        # The fuzzer's: a value that is over where an object begins.
        ('0{"type":"step-start"}', "broken JSON"),
    ],
)
def test_a_strange_message_is_one_warning(data: str, words: str) -> None:
    item = mapped(message_row("msg_1", data, []))
    (remark,) = remarks(item.groups[""])
    assert remark.startswith(words)
    assert (item.role, item.usage) == ("other", None)


def test_a_field_of_the_wrong_type_costs_a_warning_at_most() -> None:
    events = events_of({"role": "assistant"}, [{"type": "tool", "tool": 7, "state": "odd"}])
    assert len(remarks(events)) == 1


@pytest.mark.parametrize("escape", ["\\ud83d", "\\uDE00", "\\ud83d\\ud83d", "\\ud83dx\\ude00"])
def test_a_lone_surrogate_is_a_question_mark(escape: str) -> None:
    data = '{"type":"text","text":"cut %s"}' % escape  # noqa: UP031 - braces
    events = events_of({"role": "assistant"}, [data])
    assert remarks(events) == []
    (start,) = [event for event in events if isinstance(event, OpStarted)]
    assert start.extras["label"].startswith("cut ?")
    travels(events)


def test_a_pair_of_surrogates_is_the_character() -> None:
    events = events_of({"role": "assistant"}, ['{"type":"text","text":"\\ud83d\\ude00"}'])
    (start,) = [event for event in events if isinstance(event, OpStarted)]
    assert start.extras["label"] == "\U0001f600"
