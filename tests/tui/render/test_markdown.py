"""What models write, readable: every block, every kind of emphasis, and nothing lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.render.lines import plain, width_of
from tui.render.markdown import Markdown, inline


def said(text: str, width: int = 0) -> list[str]:
    shown = Markdown.read(text)
    return [plain(line).rstrip() for line in (shown.wrapped(width) if width else shown)]


@pytest.mark.parametrize(
    ("written", "spans"),
    [
        ("a **b** c", [("a ", "text"), ("b", "strong"), (" c", "text")]),
        ("*a* _b_ __c__", [("a", "em"), (" ", "text"), ("b", "em"), (" ", "text"), ("c", "strong")]),
        ("`x = a*b*c`", [("x = a*b*c", "code")]),
        ("``a ` b``", [("a ` b", "code")]),
        ("**see `x`**", [("see ", "strong"), ("x", "code")]),
        ("~~old~~", [("old", "dim")]),
        ("[docs](https://x.y/z)", [("docs", "accent"), (" (https://x.y/z)", "dim")]),
        ("[https://x.y](https://x.y)", [("https://x.y", "accent")]),
        ("2 * 3 * 4", [("2 * 3 * 4", "text")]),
        ("snake_case_name", [("snake_case_name", "text")]),
        ("\\*not\\*", [("*", "text"), ("not", "text"), ("*", "text")]),
        ("[/foo] [red]x[/]", [("[/foo] [red]x[/]", "text")]),
        ("", [("", "text")]),
    ],
)
def test_emphasis(written: str, spans: list[tuple[str, str]]) -> None:
    assert inline(written, "text") == spans


def test_blocks() -> None:
    text = "# Title #\n\n- one\n  * two\n3. three\n- [x] done\n> said\n> > twice\n---\nplain"
    assert said(text) == [
        "# Title", "", "• one", "  • two", "3. three", "• [x] done", "│ said", "│ │ twice", "─" * 24, "plain",
    ]  # fmt: skip
    assert Markdown.read("## A *b*").line(0) == [("## ", "dim"), ("A ", "heading"), ("b", "em")]


def test_code_is_left_alone() -> None:
    text = "```python\n# no title\n**no** emphasis\n```\n# title\n~~~\n```\n~~~\n`````\n```\n"
    assert said(text) == [
        "── python", "  # no title", "  **no** emphasis", "──", "# title", "──", "  ```", "──", "──", "  ```",
    ]  # fmt: skip
    assert Markdown.read(text).line(2) == [("  **no** emphasis", "code")]


def test_a_table_lines_up() -> None:
    text = "before\n| Name | **Count** |\n|---|:-:|\n| 日本 | 1 |\n| `a\\|b` | 22 |\nafter"
    assert said(text) == ["before", "Name │ Count", "─────┼──────", "日本 │ 1", "a\\|b │ 22", "after"]


def test_a_table_is_not_broken_and_pipes_are_no_table() -> None:
    wide = "| " + "x" * 60 + " | b |\n|---|---|\n| c | d |"
    assert len(said(wide, 20)) == 3
    assert said("a | b\nc | d") == ["a | b", "c | d"]


def test_broken_lines_hang_under_their_text() -> None:
    assert said("- one two three four\n> five six seven eight\n12. nine ten eleven", 12) == [
        "• one two", "  three four", "│ five six", "  seven", "  eight", "12. nine ten", "    eleven",
    ]  # fmt: skip


def test_hostile_text_is_clean() -> None:
    text = "# \x1b[2Jt\u202e\n**\x1b]52;c;eA==\x07b** `\x9b31mc`\n| \x07a | b |\n|---|---|\n```\x1b[H\nd\x08"
    assert said(text) == ["# t", "b c", "� a │ b".replace("� ", "�"), "───┼──", "──", "  d�"]


@pytest.mark.parametrize(
    "text", ["*" * 3900, "**a" * 1300, "`" * 3900, "[" * 3900, "_a" * 1900, "~~a" * 1300, "[a](" * 900]
)
def test_no_line_takes_long(text: str) -> None:
    began = time.process_time()
    inline(text, "text")
    assert time.process_time() - began < 2


@given(st.text(st.sampled_from("ab *_`~[]()#>-|\\1.\n日"), max_size=80), st.integers(20, 40))
def test_any_text_can_be_drawn_in_any_order(text: str, width: int) -> None:
    shown = Markdown.read(text)
    backwards = [shown.line(index) for index in reversed(range(len(shown)))][::-1]
    assert backwards == list(Markdown.read(text))
    words = "".join(char for char in text if char.isalnum())
    assert [c for c in "".join(map(plain, backwards)) if c.isalnum()] == list(words)
    for index in range(len(shown)):
        if shown.hanging(index) >= 0:
            assert all(width_of(line) <= width for line in Markdown.read(text.splitlines()[index]).wrapped(width))
