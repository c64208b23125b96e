"""What models write, readable: every block, every kind of emphasis, and nothing lost."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.render.cards.tables import shrunk
from tui.render.lines import plain, width_of
from tui.render.text.markdown import Markdown, inline
from tui.render.text.markdown_blocks import LINES_LIMIT, SIZE_LIMIT


def said(text: str, width: int = 0) -> list[str]:
    shown = Markdown.read(text)
    return [plain(line).rstrip() for line in (shown.wrapped(width) if width else shown)]


@pytest.mark.parametrize(
    ("written", "spans"),
    [
        ("a **b** c", [("a ", "text"), ("b", "strong"), (" c", "text")]),
        ("*a* _b_ __c d__", [("a", "em"), (" ", "text"), ("b", "em"), (" ", "text"), ("c d", "strong")]),
        ("**a**b", [("a", "strong"), ("b", "text")]),
        ("这是**重点**内容", [("这是", "text"), ("重点", "strong"), ("内容", "text")]),
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


@pytest.mark.parametrize(
    "written",
    [
        "see __init__.py and pkg/__main__.py",
        "the __init__ of it",
        "_private_.py",
        "src/**/*.ts",
        "src/**/*.ts and lib/**/*.js",
        "**/*.ts, **/*.js and (**/*.md,**/*.txt)",
        "*.ts and *.js, (*.md)",
        "x*y*z and 2**3**4",
        "f(*args, **kwargs) and g(*a, *b)",
        "/etc/*/conf.d/*",
        "C:\\*\\x*",
        "MAX_*_SIZE or a_*_b",
    ],
)
def test_marks_in_names_and_paths_are_part_of_them(written: str) -> None:
    assert "".join(text for text, _ in inline(written, "text")) == written.replace("\\*", "*")
    assert {role for _, role in inline(written, "text")} == {"text"}


@pytest.mark.parametrize("lead", ["", "filler line\n" * (LINES_LIMIT + 1)])
def test_code_at_the_edge_is_code_in_a_text_of_any_length(lead: str) -> None:
    text = lead + "```py\nx*y*z\n```\n*after*"
    assert said(text)[-4:] == ["── py", "  x*y*z", "──", "after"]


def test_code_inside_of_lists_and_quotes_is_code() -> None:
    text = "1. Edit it:\n\n    ```python\n    def __init__(self): x*y*z\n    ```\n\n   *then*\n- ```\n  *a*\n  ```\n"
    assert said(text) == [
        "1. Edit it:", "", "    ── python", "      def __init__(self): x*y*z", "    ──", "",
        "   then", "• ──", "    *a*", "  ──",
    ]  # fmt: skip
    assert Markdown.read(text).line(3)[-1][1] == "code"
    quoted = "> ```\n> >>> *a*\n> ```\n> *b*"
    assert said(quoted) == ["│ ──", "│   >>> *a*", "│ ──", "│ b"]


def test_indented_code_html_and_headings_of_two_lines() -> None:
    assert Markdown.read("so:\n\n    x*y*z\n").line(2) == [("      x*y*z", "code")]
    assert said("<details>\n*a*\n</details>\n\n*b*") == ["<details>", "*a*", "</details>", "", "b"]
    shown = Markdown.read("A *title*\n===\n> One\n> ---\n")
    assert shown.line(0) == [("A ", "heading"), ("title", "em")]
    assert said("A *title*\n===\n> One\n> ---\n")[1:] == ["─" * 24, "│ One", "│ " + "─" * 24]


def test_an_odd_end_of_a_line_moves_no_block() -> None:
    assert said("a\u2028b\x0cc\r\n```\r*x*\r\n```\n*y*") == ["a�b�c", "──", "  *x*", "──", "y"]


def test_a_text_that_is_all_blocks_is_read_in_bounded_time() -> None:
    for line in ("- a\n", "1. a\n", "|a|b|\n|-|-|\n", "a\n===\n", "> a\n\n", "[a]: b\n"):
        text = (line * LINES_LIMIT)[:SIZE_LIMIT]
        began = time.process_time()
        Markdown.read("\n".join(text.split("\n")[:LINES_LIMIT]))
        assert time.process_time() - began < 3


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
    assert said(text) == ["before", "Name │ Count", "─────┼──────", "日本 │   1", "a\\|b │  22", "after"]


def test_columns_stand_left_right_or_in_the_middle_as_the_table_says() -> None:
    text = "|a|b|c|d|\n|---|:--|--:|:-:|\n|long|long|long|long|\n|1|2|3|4|"
    assert said(text)[2:] == ["long │ long │ long │ long", "1    │ 2    │    3 │  4"]


def test_a_table_is_shrunk_to_the_pane_and_its_cells_go_on_in_their_columns() -> None:
    text = "| key | what it means |\n|---|---|\n| a日本語b | one two three four |\n| c |"
    assert said(text, 22) == [
        "key      │ what it", "         │ means", "─────────┼────────────",
        "a日本語b │ one two", "         │ three four", "c        │",
    ]  # fmt: skip
    for width in (12, 16, 21, 30):
        lines = Markdown.read(text).wrapped(width)
        assert len({width_of(line) for line in lines}) == 1
        assert width_of(lines[0]) <= width
        sides = [re.split("[│┼]", plain(line)) for line in lines]
        assert len({cell_len(left) for left, _ in sides}) == 1
        words = ["".join(re.sub("[ ─]", "", side) for side in column) for column in zip(*sides, strict=True)]
        assert words == ["keya日本語bc", "whatitmeansonetwothreefour"]


def test_the_widest_columns_give_way_first_and_none_vanishes() -> None:
    assert shrunk([5, 10, 40], 100) == [5, 10, 40]
    assert shrunk([5, 10, 40], 46) == [5, 10, 25]
    assert shrunk([5, 30, 40], 36) == [5, 12, 12]
    assert shrunk([9, 9, 9, 9], 10) == [4, 4, 4, 4]


def test_what_a_broken_cell_says_is_found() -> None:
    shown = Markdown.read("| a | b |\n|---|---|\n| x needle y | " + "z" * 60 + " needle |").wrapped(40)
    pattern = re.compile("needle")
    found = shown.find(pattern, 0, len(shown))
    assert len(found) == 2
    for index in found:
        (start, stop), *_ = shown.begins(index, pattern)
        assert plain(shown[index])[start:stop] == "needle"


def test_a_table_of_thousands_of_rows_costs_no_more_than_its_rows() -> None:
    text = "| a | b |\n|---|---|\n" + "| some words | and more of them, with `code` |\n" * 6000
    began = time.process_time()
    shown = Markdown.read(text).wrapped(30)
    assert time.process_time() - began < 3
    assert len(shown) > 6000


def test_pipes_alone_are_no_table_and_neither_is_code() -> None:
    assert said("a | b\nc | d") == ["a | b", "c | d"]
    assert said("```\n| a |\n|---|\n```\n| a |\n|---|")[1:] == ["  | a |", "  |---|", "──", "a", "─"]


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
