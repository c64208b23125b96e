"""What a search says about itself."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from tui.render.lines import plain
from tui.render.text.search import found_line, pattern_of


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        ("retry", "a Retry", True),
        ("Retry", "a retry", False),
        ("a.c", "abc", False),
        ("[/", "x[/", True),
        ("é", "É", True),
    ],
)
def test_words_are_literal_and_small_letters_match_any(words: str, text: str, found: bool) -> None:
    pattern = pattern_of(words)
    assert pattern is not None
    assert bool(pattern.search(text)) == found


def test_no_words_look_for_nothing() -> None:
    assert pattern_of("") is None


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ((3, 17, 1.0, False), " /x\N{REPLACEMENT CHARACTER}  3 of 17"),
        ((1, 1, 1.0, True), " /x\N{REPLACEMENT CHARACTER}  1 of 1  over the end"),
        ((0, 1200, 0.456, False), " /x\N{REPLACEMENT CHARACTER}  1,200 found  searching, 46%"),
        ((0, 0, 1.0, False), " /x\N{REPLACEMENT CHARACTER}  not in this text"),
        ((0, 0, 1.0, False, 2), " /x\N{REPLACEMENT CHARACTER}  2 beyond column 20,000, not shown"),
        (
            (1, 4, 1.0, False, 1),
            " /x\N{REPLACEMENT CHARACTER}  1 of 4  and 1 beyond column 20,000, not shown",
        ),
        ((0, 0, 0.1, False), " /x\N{REPLACEMENT CHARACTER}    searching, 10%"),
    ],
)
def test_the_count(state: tuple[Any, ...], words: str) -> None:
    assert plain(found_line("x\x07", *state)) == words


@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_letters_are_found_whichever_way_they_are_composed(typed: str) -> None:
    pattern = pattern_of(unicodedata.normalize(typed, "größe"))
    assert pattern is not None
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, "Die Größe ändern")
        assert [text[slice(*hit.span())] for hit in pattern.finditer(text)] == [unicodedata.normalize(form, "Größe")]
