"""Lines cut out block by block are the lines of the text, and hardly any of it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.text import raw_lines
from tui.text.raw_lines import RawLines

TEXTS = st.text(st.sampled_from("ab\n\n\r\r\v\f\x1c\x1d\x1e\x85\u2028\u2029é☃\U0001f600"), max_size=60)


@given(TEXTS, st.integers(1, 12), st.integers(-70, 70), st.integers(-70, 70), st.sampled_from([None, 1, 3, -2]))
def test_the_lines_of_all_blocks_are_those_of_the_text(
    text: str, size: int, start: int, stop: int, step: int | None
) -> None:
    expected = text.splitlines()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_lines, "BLOCK", size)
        found = RawLines(text)
    assert "".join(found.blocks) == text
    assert len(found) == len(expected)
    assert list(found) == expected
    assert [found[index] for index in range(-len(expected), len(expected))] == expected * 2
    assert found[start:stop:step] == expected[start:stop:step]
    assert list(found.behind(max(-1, start))) == expected[max(0, start + 1) :]


@given(TEXTS, st.integers(1, 12))
def test_where_only_a_feed_or_a_return_ends_a_line_all_else_belongs_to_it(text: str, size: int) -> None:
    for ends, expected in (
        (raw_lines.FEED, text.split("\n")),
        (raw_lines.FEED_OR_RETURN, text.replace("\r\n", "\n").replace("\r", "\n").split("\n")),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(raw_lines, "BLOCK", size)
            found = RawLines(text, ends)
        assert "".join(found.blocks) == text
        assert list(found) == (expected if expected[-1] else expected[:-1])
        assert [found[index] for index in range(len(found))] == list(found)


def test_a_line_that_is_not_there_is_not_made_up() -> None:
    for index in (3, -4):
        with pytest.raises(IndexError):
            RawLines("a\nb\nc")[index]


def test_a_block_ends_with_the_first_line_behind_its_size() -> None:
    found = RawLines("x" * 99 + "\n" + "y" * 3 * raw_lines.BLOCK + "\r\n" + "z\n" * raw_lines.BLOCK)
    assert len(found.blocks[0]) == 100 + 3 * raw_lines.BLOCK + 2
    assert {len(block) for block in found.blocks[1:-1]} == {raw_lines.BLOCK + 2}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028"])
def test_of_a_big_text_only_what_is_looked_at_is_cut(end: str) -> None:
    found = RawLines(f"a line of output that a build has printed{end}" * 200_000)
    assert len(found) == 200_000
    assert found[0] == found[199_999] == found[-1]
    assert found[150_000:150_050] == [found[0]] * 50
    assert found.lines_of.cache_info().misses == 3
    assert len(found.blocks) > 100
