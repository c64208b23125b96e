"""Objects and arrays of JSON that are folded: what is left in sight, where it is, and what it costs."""

from __future__ import annotations

import json
import random
import re
import time

import pytest

from tui.render.cards import payload
from tui.render.lines import plain
from tui.render.text.document import Joined, Painted, Text

DEEP = '{"a": {"b": [1, 2], "c": {"d": "x {"}}, "e": [], "f": [{"g": 1}]}'


def shown(text: Text) -> list[str]:
    return [plain(line) for line in text]


def folds(text: Text) -> str:
    return "".join({"open": "v", "closed": ">"}.get(text.fold_at(at), ".") for at in range(len(text)))


def test_lines_that_open_something_fold_it_and_say_how_much_they_hide() -> None:
    text = payload.read(DEEP, "json")
    assert folds(text) == "vvv..." + "v...." + "vv...."
    text.toggle(1)
    assert shown(text) == [
        "{",
        '  "a": { … },  7 lines',
        '  "e": [],',
        '  "f": [',
        "    {",
        '      "g": 1',
        "    }",
        "  ]",
        "}",
    ]
    assert folds(text) == "v>.vv...."
    text.toggle(4)
    assert shown(text)[3:6] == ['  "f": [', "    { … }  1 line", "  ]"]
    text.toggle(0)
    assert shown(text) == ["{ … }  15 lines"]
    text.toggle(0)
    assert folds(text) == "v>.v>.."
    assert text.unfold()
    assert not text.unfold()
    assert "\n".join(shown(text)) == json.dumps(json.loads(DEEP), indent=2)


def test_a_line_that_opens_nothing_does_not_fold() -> None:
    text = payload.read(DEEP, "json")
    before = shown(text)
    text.toggle(7)
    assert '"d"' in before[7]
    assert shown(text) == before


def test_a_search_and_a_copy_of_a_folded_text() -> None:
    text = payload.read(DEEP, "json")
    text.toggle(1)
    pattern = re.compile('"[dg]"')
    assert text.find(pattern, 0, len(text)) == [5]
    assert "\n".join(text.words()) == json.dumps(json.loads(DEEP), indent=2)
    text.unfold()
    assert len(text.find(pattern, 0, len(text))) == 2


def test_of_the_arguments_of_a_call_only_what_is_json_folds() -> None:
    text = payload.read('{"code": "if (x) {\\n  y\\n}", "many": [{"k": {"z": 1}}, {}], "n": 1}', "fields")
    assert shown(text)[:6] == ["code", "  if (x) {", "    y", "  }", "many", "["]
    assert folds(text)[:9] == ".....vvv."
    text.toggle(6)
    assert shown(text)[4:] == ["many", "[", "  { … },  3 lines", "  {}", "]", "n  1"]


def test_folds_are_those_of_the_text_when_it_is_broken_and_joined() -> None:
    text = payload.read('{"long": "' + "word " * 20 + '", "a": {"b": 1}}', "json")
    joined = Joined([Painted([[("rule", "dim")]]), text.wrapped(40)])
    assert joined.foldable
    place = next(at for at in range(len(joined)) if plain(joined[at]).strip() == '"a": {')
    assert joined.fold_at(place) == "open"
    assert joined.fold_at(3) == ""
    joined.toggle(place)
    again = Joined([Painted([[("rule", "dim")]]), text.wrapped(40)])
    assert len(again) == len(joined) - 2
    assert again.fold_at(place) == "closed"


def test_a_newer_state_of_a_text_is_folded_as_the_one_before() -> None:
    text = payload.read(DEEP, "json")
    text.toggle(1)
    newer = payload.read(DEEP.replace('"g": 1', '"g": 2'), "json")
    newer.fold_like(text)
    assert shown(newer)[:3] == ["{", '  "a": { … },  7 lines', '  "e": [],']
    other = payload.read('{"x": 1, "y": [2]}', "json")
    other.fold_like(text)
    assert folds(other) == "v.v..."[: len(other)]
    assert ">" not in folds(other)


@pytest.mark.parametrize("look", ["", "terminal", "markdown", "plain", "diff"])
def test_other_texts_do_not_fold(look: str) -> None:
    text = payload.read("if (x) {\n  y\n}", look)
    assert not text.foldable
    assert folds(text) == "..."
    text.toggle(0)
    assert len(text) == 3


@pytest.mark.parametrize("seed", range(20))
def test_any_folds_in_any_order_hide_what_is_inside_and_nothing_else(seed: int) -> None:
    dice = random.Random(seed)

    def value(depth: int) -> object:
        if depth == 0 or dice.random() < 0.3:
            return dice.choice([1, "x", None, {}, []])
        inner = [value(depth - 1) for _ in range(dice.randrange(1, 4))]
        return inner if dice.random() < 0.5 else {f"k{at}": one for at, one in enumerate(inner)}

    text = payload.read(json.dumps({"top": value(5)}), "json")
    whole = shown(text)
    for _ in range(30):
        text.toggle(dice.randrange(len(text)))
        rest, at = shown(text), 0
        for line in rest:
            head = line.split(" … ")[0]
            at = whole.index(head, at) if " … " not in line else at
            assert whole[at] == head
            if " … " in line:
                at += 1 + int(re.findall(r"(\d+) lines?$", line)[0].replace(",", ""))
            at += 1
        assert at == len(whole)


def test_a_text_of_megabytes_folds_at_once() -> None:
    text = payload.read(json.dumps({"rows": [{"n": n, "s": "x" * 40} for n in range(100_000)]}), "json")
    assert len(text) == 400_004
    began = time.process_time()
    for at in (1, 0):
        text.toggle(at)
    assert time.process_time() - began < 1
    assert shown(text) == ["{ … }  400,002 lines"]
