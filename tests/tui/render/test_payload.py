"""Payloads are readable, coloured by what each line shows, and clean."""

from __future__ import annotations

import json

import pytest

from tui.render import payload
from tui.render.lines import plain


def roles(document: payload.Document) -> list[tuple[str, str]]:
    return [(plain(line), line[0][1]) for line in document]


def test_a_diff_by_its_signs() -> None:
    text = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same"
    assert roles(payload.read(text, "text", "diff")) == [
        ("--- a/x", "strong"), ("+++ b/x", "strong"), ("@@ -1 +1 @@", "accent"),
        ("-old", "removed"), ("+new", "added"), (" same", "text"),
    ]  # fmt: skip


def test_the_arguments_of_a_call_read_like_a_form() -> None:
    arguments = {"filePath": "/x.py", "oldString": "a\nb", "newString": "c", "limit": 5, "list": [1]}
    document = payload.read(json.dumps(arguments), "json")
    assert [plain(line) for line in document] == [
        "filePath  /x.py", "oldString", "- a", "- b", "newString", "+ c", "limit  5", "list", "[", "  1", "]",
    ]  # fmt: skip
    assert document[0][0] == ("filePath", "key")
    assert document[2] == [("- a", "removed")]


def test_a_text_of_several_lines_keeps_them() -> None:
    document = payload.read(json.dumps({"prompt": "one\n\ttwo\x1b[31m"}), "json")
    assert [plain(line) for line in document] == ["prompt", "  one", "    two"]


@pytest.mark.parametrize("text", ["{not json", "[" * 100_000, '"just a string"', ""])
def test_what_is_no_object_is_shown_as_it_is(text: str) -> None:
    document = payload.read(text, "json")
    assert "".join(plain(line) for line in document)[:10] == text[:10]


def test_keys_of_json_lines_stand_out() -> None:
    assert payload.paint('  "name": 1,', "json")[1] == ('"name"', "key")
    assert payload.paint("plain", "json") == [("plain", "text")]


def test_short_texts_are_wrapped_and_long_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    document = payload.read("one two three four five six", "text")
    assert [plain(line) for line in document.wrapped(12)] == ["one two", "three four", "five six"]
    monkeypatch.setattr(payload, "WRAP_LIMIT", 3)
    assert document.wrapped(12) is document


def test_a_wrapped_line_of_a_diff_keeps_its_colour() -> None:
    document = payload.read("+added words that are long", "text", "diff")
    assert [line[0][1] for line in document.wrapped(12)] == ["added"] * 3


def test_a_slice_of_a_document_is_painted_too() -> None:
    document = payload.read("-a\n+b\n c", "text", "diff")
    assert [line[0][1] for line in document[1:]] == ["added", "text"]
