"""What a terminal sends, before it is read as keys: no byte, no control string and no paste holds up what follows."""

from __future__ import annotations

import random

import pytest

from tui.terminal.input import PASTE_LIMIT, PASTE_REST_S, REST_S, Input, Pasted


def taken(*pieces: bytes, encoding: str = "", rest: bool = True) -> list[str | Pasted]:
    """What is said of bytes that come in these pieces, and then stop; characters that follow on each other as one."""
    source = Input(encoding)
    said = [each for piece in pieces for each in source.feed(piece)]
    said += source.rest() if rest else ()
    joined: list[str | Pasted] = []
    for each in said:
        if isinstance(each, str) and joined and isinstance(joined[-1], str):
            joined[-1] += each
        else:
            joined.append(each)
    return joined


@pytest.mark.parametrize(
    "data", ["j", "größe 日本語 🎉", "\x1b", "\x1b[A", "\x1bOP", "\x1b[<35;10;10M", "\x1b[97;5u", "\x1b\x1b"]
)
def test_what_is_well_formed_goes_through_in_any_pieces(data: str) -> None:
    sent = data.encode()
    assert taken(sent) == [data]
    assert taken(*(sent[at : at + 1] for at in range(len(sent)))) == [data]


@pytest.mark.parametrize(
    ("sent", "encoding", "said"),
    [
        (b"\xfc", "", "ü"),
        (b"\xe9", "", "é"),
        (b"caf\xe9 au lait", "", "café au lait"),
        (b"\xfcj", "ascii", "üj"),
        (b"\x9bj\x85", "", "j"),
        (b"\xa4", "iso8859-15", "€"),
        ("日本".encode("euc-jp"), "euc-jp", "日本"),
        (b"\xffj", "euc-jp", "j"),
        (b"\xfc", "no such encoding", "ü"),
    ],
)
def test_a_byte_that_is_no_utf_8_is_a_letter_or_nothing(sent: bytes, encoding: str, said: str) -> None:
    assert taken(sent, encoding=encoding) == [said]


def test_half_a_character_waits_for_its_other_half() -> None:
    assert taken("é".encode()[:1], rest=False) == []
    assert taken("é".encode()[:1], "é".encode()[1:], rest=False) == ["é"]


@pytest.mark.parametrize("begin", [b"\x1b]52;c;", b"\x1bP", b"\x1b_G", b"\x1b^", b"\x1bX"])
@pytest.mark.parametrize("end", [b"\x07", b"\x1b\\"])
def test_a_control_string_is_left_out_whatever_is_in_it(begin: bytes, end: bytes) -> None:
    sent = b"a" + begin + b"q" * 5000 + end + b"b"
    assert taken(sent) == ["ab"]
    assert taken(*(sent[at : at + 1] for at in range(len(sent)))) == ["ab"]


def test_one_that_never_ends_is_over_when_nothing_more_comes_or_another_sequence_begins() -> None:
    source = Input()
    assert list(source.feed(b"\x1b]52;c;" + b"q" * 100_000)) == []
    assert list(source.feed(b"q" * 100_000)) == []
    assert source.rest_s == REST_S
    assert list(source.rest()) == []
    assert list(source.feed(b"j")) == ["j"]
    assert taken(b"\x1bPqqq\x1b[A") == ["\x1b[A"]
    assert taken(b"\x1bPqqq\x1b", b"[A") == ["\x1b[A"]


@pytest.mark.parametrize("key", ["\x1b]", "\x1bP", "\x1b_"])
def test_alt_and_the_letter_that_would_begin_one_is_a_key(key: str) -> None:
    assert taken(key.encode()) == [key]


def test_a_paste_comes_whole_in_any_pieces_with_what_looks_like_a_sequence_in_it() -> None:
    text = "a\x1b]0;x\x07 größe \x1b[A\x1b[201 b"
    sent = f"j\x1b[200~{text}\x1b[201~k".encode()
    assert taken(sent) == ["j", Pasted(text), "k"]
    assert taken(*(sent[at : at + 1] for at in range(len(sent)))) == ["j", Pasted(text), "k"]


def test_a_paste_of_which_the_end_is_lost_is_over_after_a_while() -> None:
    source = Input()
    assert list(source.feed(b"\x1b[200~hello\x1b[20")) == []
    assert source.rest_s == PASTE_REST_S
    assert list(source.rest()) == [Pasted("hello\x1b[20")]
    assert list(source.feed(b"?")) == ["?"]


def test_ctrl_c_ends_a_paste_of_which_the_end_is_lost() -> None:
    source = Input()
    assert [*source.feed(b"\x1b[200~some words")] == []
    assert [*source.feed(b"\x03")] == [Pasted("some words"), "\x03"]
    assert [*source.feed(b"j")] == ["j"]
    # In the middle of what is pasted it is a part of that.
    assert [*source.feed(b"\x1b[200~one\x03two\x1b[201~")] == [Pasted("one\x03two")]


def test_of_an_endless_paste_the_beginning_is_kept() -> None:
    source = Input()
    for _ in range(100):
        assert list(source.feed(b"\x1b[200~" + b"x" * 10_000)) == []
    (pasted,) = source.rest()
    assert isinstance(pasted, Pasted)
    assert len(pasted.text) == PASTE_LIMIT


def test_after_any_bytes_and_a_rest_a_key_is_a_key() -> None:
    dice = random.Random(5)
    parts = [b"\x1b", b"[", b"]", b"P", b"200~", b"201~", b"\x07", b"\\", b"\xc3", b"\xff", b"j", "ü".encode(), b"\x00"]
    for _ in range(2000):
        source = Input(dice.choice(["", "iso8859-1", "euc-jp"]))
        for _ in range(dice.randrange(12)):
            list(source.feed(b"".join(dice.choices(parts, k=dice.randrange(4)))))
        list(source.rest())
        assert list(source.feed(b"j")) == ["j"]
