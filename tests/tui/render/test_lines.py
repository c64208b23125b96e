"""Text fits the cells it is given, exactly, in every script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from tui.render.lines import ROLES, fit, folded, pad, plain, segments, width_of, wrap
from tui.text import sanitize

STYLES = {role: Style() for role in ROLES}
texts = st.text(st.one_of(st.characters(), st.sampled_from("ab 日本語👍🏽e\u0301שלום")), max_size=60).map(sanitize.line)


@given(st.lists(texts, max_size=5), st.integers(0, 80), st.integers(0, 40))
def test_segments_are_exactly_as_wide_as_asked(parts: list[str], width: int, start: int) -> None:
    drawn = segments([(text, "text") for text in parts], width, STYLES, start)
    assert sum(cell_len(segment.text) for segment in drawn) == width


@given(texts, st.integers(0, 80))
def test_fit_and_pad_keep_to_the_width(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) <= width
    assert cell_len(pad(text, width)) == width
    assert cell_len(pad(text, width, right=True)) == width


@given(texts, st.integers(2, 40))
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    pieces = wrap(text, width)
    assert all(cell_len(piece) <= width for piece in pieces)
    assert "".join(pieces).replace(" ", "") == text.replace(" ", "")


@given(st.lists(texts, min_size=1, max_size=4), st.integers(20, 40))
def test_folding_loses_nothing_but_spaces(parts: list[str], width: int) -> None:
    pieces = folded([(text, "text") for text in parts], width, indent=4)
    assert all(width_of(piece) <= width for piece in pieces)
    assert "".join(map(plain, pieces)).replace(" ", "") == "".join(parts).replace(" ", "")


@pytest.mark.parametrize(
    ("text", "width", "drawn"),
    [
        ("abcdef", 4, "abc…"),
        ("abcd", 4, "abcd"),
        ("日本語", 4, "日…"),
        ("日本語", 6, "日本語"),
        ("ab", 0, ""),
        ("ab", 1, "…"),
    ],
)
def test_what_is_cut_says_so(text: str, width: int, drawn: str) -> None:
    assert fit(text, width) == drawn


def test_a_cut_between_two_spans_is_marked_too() -> None:
    drawn = segments([("abcd", "text"), ("efgh", "dim")], 4, STYLES)
    assert "".join(segment.text for segment in drawn) == "abc…"


def test_a_cut_behind_spaces_is_as_wide_as_asked() -> None:
    drawn = segments([("ab  ", "text"), ("cd", "dim")], 4, STYLES)
    assert "".join(segment.text for segment in drawn) == "ab… "


def test_a_scrolled_line_starts_in_the_middle() -> None:
    drawn = segments([("abcd", "text"), ("efgh", "dim")], 4, STYLES, start=2)
    assert "".join(segment.text for segment in drawn) == "cde…"


def test_a_span_that_ends_in_an_ellipsis_of_its_own_does_not_end_the_line() -> None:
    drawn = segments([("claude-…", "text"), (" 12s", "dim")], 12, STYLES)
    assert "".join(segment.text for segment in drawn) == "claude-… 12s"


@pytest.mark.parametrize("width", range(1, 9))
def test_a_cut_leaves_no_half_of_a_flag(width: int) -> None:
    text = fit("a🇩🇪🇫🇷 bc", width)
    flags = sum("\U0001f1e6" <= letter <= "\U0001f1ff" for letter in text)
    assert flags % 2 == 0
    assert cell_len(text) <= width
    assert text.endswith("…") or text == "a🇩🇪🇫🇷 bc"
