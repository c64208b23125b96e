"""Looking titles up: the three ways, their order, where a hit stands."""

from __future__ import annotations

import unicodedata

import pytest

from tests.tui.model.builders import session, store_of
from tui.model.filter.titles import BEGINS, HOLDS, LETTERS, newest_first, places, search, title

TEXTS = ("Fix the flaky retry test", "Retry later", "fix(retry): back off", "Untested: nothing", "日本語 テスト", "")


def found(query: str, limit: int = 10) -> list[tuple[float, str]]:
    return list(search(query, [(title(text), text) for text in TEXTS], limit))


def test_words_that_begin_words_come_before_words_inside_and_those_before_letters() -> None:
    assert found("test") == [(BEGINS, "Fix the flaky retry test"), (HOLDS, "Untested: nothing")]
    assert found("rl") == [(LETTERS, "Retry later")]


def test_all_words_have_to_be_there_in_any_order() -> None:
    assert found("retry fix") == [(BEGINS, "Fix the flaky retry test"), (BEGINS, "fix(retry): back off")]
    assert found("retry nothing") == []


def test_what_is_equally_good_keeps_its_order_up_to_the_limit() -> None:
    assert [text for _, text in found("retry", 2)] == ["Fix the flaky retry test", "Retry later"]


@pytest.mark.parametrize("query", ["[", "(", "^", "]-", "\\", "a{2}", ".*"])
def test_signs_are_letters_like_any_other(query: str) -> None:
    assert all(set(query) <= set(text) for _, text in found(query))


@pytest.mark.parametrize(
    ("query", "text", "marked"),
    [
        ("retry", "Fix the flaky retry test", ["retry"]),
        ("te fl", "Fix the flaky retry test", ["fl", "te"]),
        ("test", "untested test", ["test"]),
        ("rl", "Retry later", ["R", "l"]),
        ("x", "Retry later", []),
        ("テスト", "日本語 テスト", ["テスト"]),
        ("größe", unicodedata.normalize("NFD", "Die Größe ändern"), [unicodedata.normalize("NFD", "Größe")]),
        (unicodedata.normalize("NFD", "größe"), "Die Größe ändern", ["Größe"]),
        ("dä", unicodedata.normalize("NFD", "Die Größe ändern"), ["D", unicodedata.normalize("NFD", "ä")]),
        ("한글", unicodedata.normalize("NFD", "새 한글 제목"), [unicodedata.normalize("NFD", "한글")]),
    ],
)
def test_the_places_of_a_hit_are_those_a_reader_looks_for(query: str, text: str, marked: list[str]) -> None:
    assert [text[begin:end] for begin, end in places(query, text)] == marked


def test_a_letter_that_grows_in_lower_case_shifts_no_mark() -> None:
    assert places("x", "İx") == [(1, 2)]
    assert places("i", "İx") == [(0, 1)]


def test_the_session_with_the_newest_activity_comes_first() -> None:
    store = store_of(session("old", 1), session("new", 9), session("middle", 5))
    assert [one.id for one in newest_first(store)] == ["new", "middle", "old"]
