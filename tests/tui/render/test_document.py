"""Lines that are broken, joined and searched without being made before they are needed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.render.lines import plain
from tui.render.text.document import Document, Joined, Painted, Text, Wrapped
from tui.render.text.markdown import Markdown
from tui.render.text.terminal import Terminal

NEEDLE = re.compile("needle", re.IGNORECASE)


def hits(text: Text, pattern: re.Pattern[str] = NEEDLE) -> list[int]:
    return text.find(pattern, 0, len(text))


@pytest.mark.parametrize("kind", [Document, Terminal, Markdown])
def test_a_search_finds_every_time_that_a_line_has_it(kind: type[Document]) -> None:
    text = kind.read("a\nNeedle and needle\n\nb\na needle")
    assert hits(text) == [1, 1, 4]
    assert text.find(NEEDLE, 2, 4) == []
    assert text.ranges(1, NEEDLE) == [(0, 6), (11, 17)]


@pytest.mark.parametrize("kind", [Document, Terminal, Markdown])
@pytest.mark.parametrize("at", [19_990, 19_997, 20_000, 45_000, 199_997, 200_000, 399_998, 650_000])
def test_what_is_behind_the_cut_of_a_line_is_counted_once(kind: type[Document], at: int) -> None:
    pattern = re.compile("needle")
    shown = kind.read("x\n" + "a" * at + "needle" + "b" * 50 + "\n" + "c" * 700_000 + "\nneedle")
    assert sum(shown.beyond(pattern)) + len(hits(shown, pattern)) == 2
    assert len(hits(shown, pattern)) == (2 if at < 19_994 else 1)
    assert sum(Joined([shown, Wrapped(shown, 80)]).beyond(pattern)) == 2 * sum(shown.beyond(pattern))


def test_a_search_sees_what_the_screen_shows() -> None:
    assert hits(Terminal.read("x\nnee\x1b[31mdle\x1b[0m\nn\x1b]0;x\x07eedle")) == [1, 2]
    assert hits(Markdown.read("a **nee**dle\n[needle](x)")) == [0, 1]
    assert hits(Document.read("x" * 20_000 + "needle\nneedle")) == [1]


def test_a_phrase_is_found_over_a_break() -> None:
    broken = Document.read("say the two words here").wrapped(12)
    assert [plain(line) for line in broken] == ["say the two", "words here"]
    pattern = re.compile("two words")
    assert hits(broken, pattern) == [0]
    assert broken.ranges(0, pattern) == broken.begins(0, pattern) == [(8, 11)]
    assert broken.ranges(1, pattern) == [(0, 5)]
    assert broken.begins(1, pattern) == []


def test_marks_are_moved_with_the_indent() -> None:
    broken = Markdown.read("- one two three needle").wrapped(14)
    assert [plain(line) for line in broken] == ["• one two", "  three needle"]
    assert hits(broken) == [1]
    assert broken.ranges(1, NEEDLE) == [(8, 14)]


def test_an_item_of_a_painted_list_goes_on_behind_its_sign() -> None:
    painted = Painted(
        [[("Which of these?", "strong"), ("  one", "dim")], [("  - ", "dim"), ("one two needle", "text")]]
    )
    broken = painted.wrapped(12)
    assert [plain(line) for line in broken] == ["Which of", "these?  one", "  - one two", "    needle"]
    assert hits(broken) == [3]
    assert broken.ranges(3, NEEDLE) == [(4, 10)]


def test_parts_are_searched_as_one() -> None:
    joined = Joined([Painted([[("a needle", "text")]]), Painted([]), Document.read("x\nneedle\nneedle")])
    assert len(joined) == 4
    assert hits(joined) == [0, 2, 3]
    assert joined.find(NEEDLE, 1, 3) == [2]
    assert joined.ranges(3, NEEDLE) == [(0, 6)]
    assert [plain(line) for line in joined[1:3]] == ["x", "needle"]
    with pytest.raises(IndexError):
        joined[4]


def test_the_words_are_whole_and_clean() -> None:
    long = "a\t" + "b" * 30_000
    joined = Joined([Document.read(long).wrapped(40), Terminal.read("\x1b[31mred\x1b[0m\x1b[2J")])
    assert list(joined.words()) == ["a\t" + "b" * 30_000, "red"]


@given(st.text(st.sampled_from("ab  \n日*-"), max_size=60), st.integers(4, 20), st.sampled_from(["a", "ab", "b a"]))
def test_a_search_in_slices_is_the_search_of_the_whole(text: str, width: int, needle: str) -> None:
    pattern = re.compile(re.escape(needle))
    for shown in (Document.read(text), Wrapped(Markdown.read(text), width), Terminal.read(text)):
        whole = hits(shown, pattern)
        assert [hit for at in range(0, len(shown), 3) for hit in shown.find(pattern, at, at + 3)] == whole
        assert all(len(shown.begins(hit, pattern)) == whole.count(hit) for hit in whole)
        assert len(whole) == sum(len(shown.begins(index, pattern)) for index in range(len(shown)))
        for index, line in enumerate(shown):
            for start, stop in shown.ranges(index, pattern):
                assert 0 <= start < stop <= len(plain(line))
