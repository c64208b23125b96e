"""Nothing that leaves `tui.text.sanitize` can drive a terminal, for any input."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.text import sanitize

# Cf characters that are drawn: Arabic, Syriac and Kaithi signs that precede a number or a word.
_VISIBLE_FORMAT = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")

_hostile = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x1b\x9b\x9d\x90\x07\x9c\\[]P;mJ0123 \t\r\n\u202e\u2066\u200b\ufeff\ud800\u0301"),
    )
)


def forbidden(text: str) -> list[str]:
    """The characters of `text` that must not reach a terminal."""
    return [
        char
        for char in text
        if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and not _VISIBLE_FORMAT.match(char)
    ]


@given(_hostile)
def test_no_forbidden_character_leaves(text: str) -> None:
    assert forbidden(sanitize.label(text)) == []
    assert forbidden(sanitize.line(text)) == []
    assert [char for line in sanitize.lines(text) for char in forbidden(line)] == []


@given(_hostile, st.integers(min_value=1, max_value=40))
def test_a_label_is_one_short_line_and_cleaning_it_again_changes_nothing(text: str, limit: int) -> None:
    once = sanitize.label(text, limit)
    assert len(once) <= limit
    assert once == once.strip()
    assert "  " not in once
    assert sanitize.label(once, limit) == once


def test_every_control_format_and_surrogate_character_of_unicode_is_covered() -> None:
    every = "".join(map(chr, range(0x110000)))
    assert forbidden(sanitize.line(every, limit=len(every) * 2)) == []


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("plain text", "plain text"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x1b[2Jb\x1b[?25lc", "abc"),
        ("a\x1b]52;c;ZXZpbA==\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPq#0;2;0\x1b\\b", "ab"),
        ("a\x9b31mb\x9d0;title\x9cc", "abc"),
        ("a\x1b(Bb\x1bcc", "abc"),
        ("broken \x1b]0;never ends", "broken 0;never ends"),
        ("\x1b", "\ufffd"),
        ("\x1b\u200b[31mred", "red"),
        ("bell\x07 del\x7f nul\x00", "bell\ufffd del\ufffd nul\ufffd"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("[/foo] [red]x", "[/foo] [red]x"),
        ("日本語 café ✔", "日本語 café ✔"),
        ("z" + "\u0301" * 50, "z" + "\u0301" * 4),
    ],
)
def test_what_becomes_of_hostile_text(raw: str, clean: str) -> None:
    assert sanitize.label(raw) == clean
    assert sanitize.line(raw) == clean


@given(_hostile)
def test_nothing_that_drives_a_terminal_or_turns_text_leaves_the_screen_either(text: str) -> None:
    kept = set("\t\n\v\f\r\u2028\u2029")
    left = {char for char in sanitize.outside(text) if unicodedata.category(char) in {"Cc", "Cs"}}
    assert left <= kept
    assert not re.search("\r(?!\n|$)|[\u202a-\u202e\u2066-\u2069]", sanitize.outside(text).rstrip("\n"))
    assert sanitize.outside(sanitize.outside(text)) == sanitize.outside(text)


@pytest.mark.parametrize(
    "text",
    [
        "\N{WOMAN}\u200d\N{PERSONAL COMPUTER} \N{HEAVY BLACK HEART}\ufe0f",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u845b\U000e0100",
        "z" + "\u0301" * 50,
        "\tif x:\r\n\t\tpass\r\n\x0c\nEnd\u2028",
        "soft\u00adhyphen \ufeffmark",
    ],
)
def test_what_only_the_cells_of_a_screen_forbid_is_kept_outside_of_it(text: str) -> None:
    assert sanitize.outside(text) == text


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a\x1b[31mb\x1b]52;c;ZXZpbA==\x07c\x9b2Jd", "abcd"),
        ("rm -rf ~\recho hello", "rm -rf ~\ufffdecho hello"),
        ("\u202eevil\u202c \u2066x\u2069 tag\U000e0041", "evil x tag"),
        ("bell\x07 lone \ud800 \x85", "bell\ufffd lone \ufffd \ufffd"),
        ("\x1b\x1b[31m[31mx", "\ufffd[31mx"),
    ],
)
def test_what_is_harmful_is_so_outside_of_the_screen_too(raw: str, clean: str) -> None:
    assert sanitize.outside(raw) == clean


def test_a_label_joins_lines_and_runs_of_white_space() -> None:
    assert sanitize.label("  one\n\ttwo\u2028three\r\n four\u3000five ") == "one two three four five"
    assert sanitize.label("a \u200b b") == "a b"


def test_a_label_is_cut_with_an_ellipsis_even_when_it_is_mostly_white_space() -> None:
    assert sanitize.label("abcdef", 4) == "abc…"
    assert sanitize.label("abcd", 4) == "abcd"
    assert sanitize.label("a" + " " * 100_000 + "b", 10) == "a…"


def test_payload_lines_keep_spaces_and_expand_tabs() -> None:
    assert list(sanitize.lines("a\tb\n  c\r\nd\n")) == ["a   b", "  c", "d"]


def test_a_carriage_return_hides_nothing() -> None:
    assert list(sanitize.lines("rm -rf ~\recho hello")) == ["rm -rf ~", "echo hello"]


def test_a_long_payload_line_is_cut_and_says_so() -> None:
    assert sanitize.line("x" * 100, limit=10) == "x" * 9 + "…"
    assert sanitize.line("\t" * 10, limit=10) == " " * 9 + "…"


def test_a_slice_of_lines_is_clean_too() -> None:
    assert list(sanitize.lines("a\n\x1b[1mb\nc\x07")[1:]) == ["b", "c\ufffd"]


def test_only_the_lines_asked_for_are_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(sanitize, "line", lambda text, limit: calls.append(text) or text)
    long = sanitize.lines("row\n" * 100_000)
    assert len(long) == 100_000
    assert long[99_999] == "row"
    assert len(calls) == 1


def test_runs_keep_the_parameters_of_colours_and_nothing_else() -> None:
    assert sanitize.runs("a\x1b[1;31mb\x9bmc\x1b[2Jd\x1b[38:5:1me") == [
        (None, "a"), ("1;31", "b"), ("", "cd"), ("38:5:1", "e"),
    ]  # fmt: skip
    assert sanitize.runs("\x1b[?25m x") == [(None, " x")]
    assert sanitize.runs("x" * 30, 10) == [(None, "x" * 10), (None, "…")]


@given(st.lists(st.text(st.sampled_from("ab\x1b\x9b[]2;mJ\t\x07\\é\u0301\u202e日\x00"), max_size=30), max_size=4))
def test_a_block_is_its_lines(parts: list[str]) -> None:
    assert sanitize.block("\n".join(parts)) == "\n".join(sanitize.line(part) for part in parts)
