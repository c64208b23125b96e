"""Sizes of texts that stay undecoded: exactly the bytes of the text, whatever JSON writes them with."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.opencode.json import begun_text, byte_size, text_of, text_size


def raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


@given(st.text(), st.booleans())
def test_the_size_is_that_of_the_decoded_text(text: str, escaped: bool) -> None:
    stored = raw(json.dumps(text, ensure_ascii=escaped))
    assert text_of(stored) == text
    assert text_size(stored) == len(text.encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "state"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (rb'"\udE00 tail \ud83d"', "? tail ?"),
        (b'"\xffa\xf0\x9f\x98"', "\ufffda\ufffd"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
    ],
)
def test_the_beginning_of_a_text_that_is_mended_is_mended_alike(stored: bytes, text: str) -> None:
    row = b'{"output": ' + stored + b', "more": 1}'
    assert begun_text(row, "output") == text
    for cut in range(len(b'{"output": "'), len(row)):
        assert text.startswith(begun_text(row[:cut], "output"))


@given(JSON, st.text(max_size=30), st.booleans(), st.floats(0, 1))
def test_of_json_that_is_cut_anywhere_the_beginning_of_a_text_is_read(
    before: object, text: str, escaped: bool, share: float
) -> None:
    row = {"before": before, "content": [before, {"state": {"input": before, "output": text}}], "behind": before}
    whole = json.dumps(row, ensure_ascii=escaped).encode()
    assert begun_text(whole, "content.1.state.output") == text
    assert text.startswith(begun_text(whole[: round(len(whole) * share)], "content.1.state.output"))
    assert begun_text(whole, "content.0.state.nothing") == ""


@given(st.text(alphabet='\\"n\nu0é', max_size=12))
def test_runs_of_backslashes_are_counted_as_json_pairs_them(text: str) -> None:
    assert text_size(raw(json.dumps(text, ensure_ascii=False))) == len(text.encode())


@pytest.mark.parametrize(("stored", "size"), [("", 0), ("null", 0), ('""', 0), ("17", 2), ('{"a": 1}', 8)])
def test_what_is_no_text_has_the_size_of_its_json(stored: str, size: int) -> None:
    assert text_of(raw(stored)) == ""
    assert text_size(raw(stored)) == size


def test_a_lone_surrogate_counts_as_the_mark_that_stands_for_it() -> None:
    assert text_size(raw(r'"tail \ud83d"')) == len("tail ?")
    assert byte_size("tail \ud83d") == len("tail ?")


@given(st.binary())
def test_no_bytes_make_it_raise(data: bytes) -> None:
    assert isinstance(text_size(msgspec.Raw(data)), int)
    assert isinstance(text_of(msgspec.Raw(data)), str)
