"""Payloads are readable, coloured by what each line shows, and clean."""

from __future__ import annotations

import base64
import json

import pytest

from tui.render.cards import payload
from tui.render.lines import Line, plain
from tui.render.text import document


def said(text: str, look: str = "") -> list[str]:
    return [plain(line) for line in payload.read(text, look)]


def test_the_arguments_of_a_call_read_like_a_form() -> None:
    arguments = {"filePath": "/x.py", "oldString": "a\nb", "newString": "c", "limit": 5, "list": [1]}
    shown = payload.read(json.dumps(arguments), "fields")
    assert [plain(line) for line in shown] == [
        "filePath  /x.py", "oldString", "- a", "- b", "newString", "+ c", "limit  5", "list", "[", "  1", "]",
    ]  # fmt: skip
    assert shown[0][0] == ("filePath", "key")
    assert shown[2] == [("- a", "removed")]


def test_a_text_of_several_lines_keeps_them() -> None:
    assert said(json.dumps({"prompt": "one\n\ttwo\x1b[31m"}), "fields") == ["prompt", "  one", "    two"]


@pytest.mark.parametrize("text", ["{not json", "[" * 100_000, '"just a string"', ""])
@pytest.mark.parametrize("look", ["", "json", "fields", "todo", "question", "attachment"])
def test_what_is_not_what_it_seems_is_shown_as_it_is(text: str, look: str) -> None:
    assert "".join(said(text, look))[:10] == text[:10]


def test_raw_json_is_indented_and_nothing_in_it_is_changed() -> None:
    lines = said('{"a":1e400,"b":"x\\u001b[31m\\ny","a":12345678901234567890}', "json")
    assert lines == ["{", '  "a": 1e400,', '  "b": "x\\u001b[31m\\ny",', '  "a": 12345678901234567890', "}"]


def test_keys_numbers_and_punctuation_of_json_stand_out() -> None:
    assert payload.paint_json('  "na\\"me": [1.5e3, true, "x: 1"],') == [
        ("  ", "text"), ('"na\\"me"', "key"), (":", "dim"), (" ", "text"), ("[", "dim"), ("1.5e3", "accent"),
        (",", "dim"), (" ", "text"), ("true", "accent"), (",", "dim"), (" ", "text"), ('"x: 1"', "text"),
        ("]", "dim"), (",", "dim"),
    ]  # fmt: skip
    assert payload.paint_json("plain words 5") == [("plain words ", "text"), ("5", "accent")]


def test_what_looks_like_json_or_a_diff_is_read_as_such() -> None:
    assert said('{"a": "b"}') == ["a  b"]
    assert payload.read("--- a\n+++ b\n", "terminal")[0] == [("--- a", "strong")]
    assert said("{}", "plain") == ["{}"]


def test_the_answer_of_a_sub_agent_stands_without_its_wrapping() -> None:
    wrapped = '<task id="ses_1" state="completed">\n<task_result>\nIt is **done**.\n</task_result>\n</task>'
    assert said(wrapped, "task") == ["It is done."]
    assert said("task failed", "task") == ["task failed"]


def test_an_attachment_is_shown_when_it_is_text_and_described_when_it_is_not() -> None:
    encoded = base64.b64encode(b"one\ntwo").decode()
    assert said(f"data:text/plain;base64,{encoded}", "attachment") == ["one", "two"]
    assert said("data:text/x-py;charset=utf-8,a%20b", "attachment") == ["a b"]
    assert said(f"data:image/png;base64,{encoded}", "attachment") == ["image/png, 7 B: not text, not shown"]
    assert said("data:image/png;base64,!", "attachment")[0].startswith("image/png, ")
    assert said("file:///home/ada/x.py", "attachment") == ["file:///home/ada/x.py"]


def test_a_line_of_an_argument_is_what_stands_between_two_feeds() -> None:
    edit = {"oldString": "one\x0ctwo\nthree\n", "newString": "a\u2028b", "note": "x\ny\x0b"}
    assert said(json.dumps(edit), "fields") == [
        "oldString", "- one\N{REPLACEMENT CHARACTER}two", "- three",
        "newString", "+ a\N{REPLACEMENT CHARACTER}b", "note", "  x", "  y\N{REPLACEMENT CHARACTER}",
    ]  # fmt: skip
    assert len(said(json.dumps({"a": "1\u20282", "b": []}, ensure_ascii=False), "json")) == 4


def test_todo_items_have_their_states() -> None:
    todos = [
        {"content": "read", "status": "completed", "priority": "high"},
        {"content": "write\x1b[2J", "status": "in_progress", "priority": "medium"},
        {"content": "test", "status": "pending", "priority": "low"},
        {"content": "drop", "status": "cancelled"},
        {"content": "odd", "status": "so\x07what"},
        {},
    ]
    assert said(json.dumps({"todos": todos}), "todo") == [
        "1 of 6 done, 1 cancelled", "", "✓ read  high", "● write", "◦ test  low", "⊘ drop  cancelled",
        "◦ odd  so\N{REPLACEMENT CHARACTER}what", "◦ ",
    ]  # fmt: skip


def test_a_question_is_shown_with_its_choices() -> None:
    colour = {
        "header": "Colour",
        "question": "Which colour\x1b[31m do you want?",
        "options": [{"label": "Red", "description": "the warm one"}, {"label": "Blue"}],
        "multiple": True,
    }
    assert said(json.dumps({"questions": [colour, {"question": "Sure?", "options": ["yes"]}]}), "question") == [
        "Colour",
        "Which colour do you want?  more than one may be chosen",
        "  - Red  the warm one",
        "  - Blue",
        "",
        "Sure?",
        "  - yes",
    ]


@pytest.mark.parametrize("text", ['{"questions": 5}', '{"questions": [1]}', "[]", "{}"])
def test_questions_of_another_shape_are_shown_as_they_are(text: str) -> None:
    assert "".join(said(text, "question")) == "".join(said(text, "fields"))


@pytest.mark.parametrize("text", ['{"todos": 5}', '{"todos": [1]}', "[]", "{}"])
def test_a_todo_list_of_another_shape_is_shown_as_it_is(text: str) -> None:
    assert "".join(said(text, "todo")) == "".join(said(text, "fields"))


def test_short_texts_are_wrapped_and_long_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = payload.read("one two three four five six", "plain")
    assert [plain(line) for line in shown.wrapped(12)] == ["one two", "three four", "five six"]
    monkeypatch.setattr(document, "WRAP_LIMIT", 3)
    assert shown.wrapped(12) is shown


def test_a_wrapped_line_of_a_diff_keeps_its_colour() -> None:
    shown = payload.read("+added words that are long", "diff")
    assert [plain(line) for line in shown.wrapped(12)] == ["+added words", "  that are", "  long"]
    assert [line[-1][1] for line in shown.wrapped(12)] == ["added"] * 3


def test_a_slice_of_a_document_is_painted_too() -> None:
    lines: list[Line] = list(payload.read("-a\n+b\n c", "diff")[1:])
    assert [line[0][1] for line in lines] == ["added", "text"]
