"""Colours of a command are kept, everything else that could drive a terminal is gone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from tui.render.lines import plain
from tui.render.text.terminal import PLAIN, Sgr, Styles, Terminal, advance, style_of
from tui.text import raw_lines, sanitize

FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ud800-\udfff]")


def spans(text: str) -> list[list[tuple[str, str]]]:
    return [list(line) for line in Terminal.read(text)]


def test_colours_become_roles_and_text_stays() -> None:
    assert spans("a \x1b[1;31mred\x1b[0m b") == [[("a ", "text"), ("red", "sgr bold/1/"), (" b", "text")]]


def test_colours_last_over_lines_until_they_are_reset() -> None:
    assert spans("\x1b[32mone\ntwo\nthree\x1b[m\nfour") == [
        [("one", "sgr /2/")], [("two", "sgr /2/")], [("three", "sgr /2/")], [("four", "text")],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "state"),
    [
        ("31", Sgr(fg="1")),
        ("92;104", Sgr(fg="10", bg="12")),
        ("38;5;208", Sgr(fg="208")),
        ("48;2;1;2;255", Sgr(bg="#0102ff")),
        ("38:2::1:2:3", Sgr(fg="#010203")),
        ("38:5:9;1", Sgr(("bold",), "9")),
        ("4:3", Sgr(("underline",))),
        ("4:0", PLAIN),
        ("1;2;3;22", Sgr(("italic",))),
        ("31;0", PLAIN),
        ("31;39", PLAIN),
        ("", PLAIN),
        ("5;8;38;5;999;38;2;1;1", PLAIN),
        ("38", PLAIN),
        ("99999999999999999999", PLAIN),
        (";".join(["1"] * 10_000), Sgr(("bold",))),
    ],
)
def test_what_the_parameters_say(parameters: str, state: Sgr) -> None:
    assert advance(PLAIN, parameters) == state


def test_everything_but_colour_is_neutralised() -> None:
    text = "a\x1b[2J\x1b[Hb\x1b]52;c;eA==\x07c\x1b]8;;http://x/\x1b\\d\x1b[?1049he\x9b31mf\x9d0;t\x9cg\x08h"
    (line,) = spans(text)
    assert plain(line) == "abcdefg\N{REPLACEMENT CHARACTER}h"
    assert line[-1][1] == "sgr /1/"


def test_tabs_stop_at_every_eighth_column_across_colours() -> None:
    assert [plain(line) for line in Terminal.read("ab\tc\n\x1b[31mab\x1b[0m\tc\td")] == [
        "ab      c",
        "ab      c       d",
    ]


def test_marks_do_not_pile_up_across_colours() -> None:
    (line,) = spans("a" + "\x1b[31m\u0301\u0301\u0301\u0301" * 50)
    assert len(plain(line)) <= 1 + sanitize.MARK_LIMIT


@given(st.text(st.sampled_from("ab\x1b\x9b[]0123;:mKJH\t\r\n\x07\\é\u0301\u202e\u200d日P"), max_size=80))
def test_nothing_that_drives_a_terminal_comes_through(text: str) -> None:
    shown = Terminal.read(text)
    for index, line in enumerate(shown):
        assert not FORBIDDEN.search(plain(line))
        for _, role in line:
            assert role == "text" or isinstance(style_of(role), Style)
        assert list(shown[index]) == list(line)


def test_text_cannot_be_hidden() -> None:
    assert style_of(advance(PLAIN, "31;41").role).bgcolor is None
    assert style_of(advance(PLAIN, "30").role) == Style(color="color(8)")
    assert style_of(advance(PLAIN, "97").role) == Style()
    assert advance(PLAIN, "8") == PLAIN


def test_any_colour_is_drawn_on_the_styles_of_the_theme() -> None:
    styles = Styles({"text": Style(bgcolor="black"), "dim": Style(dim=True)})
    assert styles["dim"] == Style(dim=True)
    assert styles["sgr bold/1/"] == Style(color="color(1)", bgcolor="black", bold=True)
    assert styles["sgr /#010203/4"] == Style(color="#010203", bgcolor="color(4)")


def test_a_line_is_taken_apart_only_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = sanitize.runs
    monkeypatch.setattr(sanitize, "runs", lambda text: asked.append(text) or real(text))
    shown = Terminal.read("\n".join(f"\x1b[31mline {n}\x1b[0m" for n in range(10_000)))
    assert asked == []
    assert plain(shown[5000]) == "line 5000"
    assert len(asked) == 1


def test_colours_last_over_blocks_until_they_are_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(
        ["a\x1b[1m", "b\x1b[31", "c\x9b32m", "d", "e\x1b[0mf\x1b[4m", "g\x1b[39m", "h", "\x1b[m", "i", "j"]
    )
    whole = [list(each) for each in Terminal.read(text)]
    assert {role for line in whole for _, role in line} > {"sgr bold/2/", "sgr underline//", "text"}
    for size in range(1, len(text)):
        monkeypatch.setattr(raw_lines, "BLOCK", size)
        assert [list(each) for each in Terminal.read(text)] == whole


def test_of_a_big_output_only_what_is_in_sight_is_followed_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = sanitize.colours
    monkeypatch.setattr(sanitize, "colours", lambda text: asked.append(text) or real(text))
    shown = Terminal.read("\n".join(f"\x1b[32mline {n}\x1b[0m and {n}" for n in range(100_000)))
    # Of each block only what is behind its last reset.
    assert sum(map(len, asked)) < 30 * len(shown.lines.raw.blocks)
    asked.clear()
    assert plain(shown[50_000]) == "line 50000 and 50000"
    assert len(asked) <= max(len(block.splitlines()) for block in shown.lines.raw.blocks)
