"""JSON for pipes: the same lines however many values are made into text at once, and nothing that drives a terminal."""

from __future__ import annotations

import json

import pytest

from tui.text.safe_json import GROUP, PAGE, json_line, json_lines

HARMFUL = "\x7f\x9b\u200b\u202e\ufeff\U000e0041"


@pytest.mark.parametrize("count", [0, 1, GROUP, PAGE, PAGE + GROUP + 1])
def test_many_values_are_the_lines_of_each(count: int) -> None:
    kinds = ("plain", "Grüße 日本", f"a{HARMFUL}b", "\n\x1b")
    values = [{"n": n, "text": kinds[n * 7 % 31 % 4] if n % 3 else "plain"} for n in range(count)]
    text = b"".join(json_lines(values))
    assert text == b"".join(map(json_line, values))
    assert [json.loads(line) for line in text.splitlines()] == values


@pytest.mark.parametrize("place", [0, GROUP - 1, GROUP, 2 * GROUP - 1])
def test_a_harmful_character_is_escaped_wherever_it_stands_among_others(place: int) -> None:
    values = ["plain"] * (2 * GROUP)
    values[place] = HARMFUL
    text = b"".join(json_lines(values))
    assert not any(character in text.decode() for character in HARMFUL)
    assert json.loads(text.splitlines()[place]) == HARMFUL
