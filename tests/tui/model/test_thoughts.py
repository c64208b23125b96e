"""Consecutive reasoning parts are one thought: one row, one text, one passage, however many they are."""

from __future__ import annotations

import pytest

from adapter.events import Event
from tests.tui.model.builders import SOURCE, at, key, op, op_end, prompt, ref, session, store_of, turn
from tui.model.tree import layout
from tui.model.tree.folds import EVERYTHING
from tui.model.tree.thoughts import first_words, heads, joined, thoughts
from tui.render.cards import tabs
from tui.render.cards.detail import overview
from tui.render.lines import plain
from tui.render.rows.tree_row import cells_of

KINDS = ("reasoning", "reasoning", "text", "reasoning", "reasoning", "reasoning", "tool", "reasoning")


def thinking(kinds: tuple[str, ...] = KINDS) -> list[Event]:
    events: list[Event] = [session(), prompt("u1", 2), turn("a1", 1, 3, "u1")]
    for number, kind in enumerate(kinds, start=1):
        part = f"p{number:04}"
        events.append(op(part, "a1", kind, number, 3 + number, label=f"word{number}"))
        said = {"reasoning": "llm_reasoning", "text": "llm_response"}.get(kind, "tool_request")
        events.append(ref(part, "a1", said, number, 3 + number, field="text"))
        events.append(op_end(part, "a1", kind, number, 3.5 + number))
    return events


def test_a_thought_has_one_row_in_which_its_time_and_words_are_those_of_all_parts() -> None:
    store = store_of(*thinking())
    step = store.sessions[SOURCE, "s1"].turns["a1"]
    shown = layout.shown_ops(step, EVERYTHING)
    assert [one.part_id for one in shown] == ["p0001", "p0003", "p0004", "p0007", "p0008"]
    row = layout.Row(key("op", "p0004:reasoning"), 3, "")
    cells = cells_of(store, row, at(100))
    assert plain(cells.words).endswith("word4 word5 word6")
    assert cells.columns["time"] == "2.5s"
    words = [plain(line) for line in overview(store, row.key, at(100))]
    assert any(line.startswith("time      2.5s") for line in words)
    assert sum("llm reasoning" in line for line in words) == 1
    step_words = [plain(line) for line in overview(store, key("turn", "a1"), at(100))]
    assert sum("llm reasoning" in line for line in step_words) == 3


def test_a_thought_is_one_text_of_its_step_and_of_its_row() -> None:
    store = store_of(*thinking())
    said = tabs.tabs_of(store, key("turn", "a1"))["Output"]
    assert [(text.payload.part_id, len(text.more)) for text in said] == [
        ("p0003", 0), ("p0001", 1), ("p0004", 2), ("p0008", 0),
    ]  # fmt: skip
    (text,) = tabs.tabs_of(store, key("op", "p0004:reasoning"))["Output"]
    assert text.more == ("uri:p0005:text", "uri:p0006:text")
    assert text.payload.uri == "uri:p0004:text"


def test_what_changes_in_a_thought_changes_its_row() -> None:
    store = store_of(*thinking())
    changes = store.apply([op("p0006", "a1", "reasoning", 6, 9, label="other")])
    assert key("op", "p0004:reasoning") in changes.dirty
    assert key("op", "p0001:reasoning") not in changes.dirty


@pytest.mark.parametrize("count", [700, 1400])
def test_a_thought_of_hundreds_of_parts_is_one(count: int) -> None:
    store = store_of(*thinking(("reasoning",) * count))
    step = store.sessions[SOURCE, "s1"].turns["a1"]
    assert len(list(thoughts(step))) == len(layout.shown_ops(step, EVERYTHING)) == 1
    assert set(heads(step).values()) == {"p0001:reasoning"}
    (text,) = tabs.tabs_of(store, key("turn", "a1"))["Output"]
    assert len(text.more) == count - 1
    assert len(first_words(next(thoughts(step)))) <= 240


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["The", " user", " wants", " Ref", "actor"], "The user wants Refactor"),
        (["One. " * 10, "Two. " * 10], "One. " * 10 + "\n\n" + "Two. " * 10),
        (["One. " * 10 + "\n", "Two. " * 10], "One. " * 10 + "\n" + "Two. " * 10),
        (["x"], "x"),
        ([], ""),
    ],
)
def test_pieces_follow_each_other_and_paragraphs_stand_apart(parts: list[str], text: str) -> None:
    assert joined(parts) == text
