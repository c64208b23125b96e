"""The emulator shows what pyte does."""

from __future__ import annotations

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.emulator import Emulator

# Of characters two cells wide pyte fails over halves that are left when something is written over them.
TEXT = st.text("ab │━●\u0301\n\r\t", min_size=1, max_size=30)
MOVES = st.builds("\x1b[{};{}H".format, st.integers(1, 7), st.integers(1, 14))
OTHERS = st.sampled_from(
    [
        "\x1b[2J",
        "\x1b[K",
        "\x1b[1K",
        "\x1b[L",
        "\x1b[2M",
        "\x1b[3P",
        "\x1b[2@",
        "\x1b[4h",
        "\x1b[4l",
        "\x1b[?7l",
        "\x1b[?7h",
    ]
)
COLOURS = st.sampled_from(["\x1b[0m", "\x1b[1;38;2;1;2;3m", "\x1b[m", "\x1b[7m"])
WRITTEN = st.lists(st.one_of(TEXT, MOVES, OTHERS, COLOURS), max_size=25)


@given(WRITTEN, WRITTEN, st.integers(1, 60))
@settings(max_examples=300, deadline=None)
def test_it_shows_what_pyte_does(first: list[str], then: list[str], cut: int) -> None:
    ours, theirs = Emulator(12, 5), pyte.Screen(12, 5)
    stream = pyte.ByteStream(theirs)
    for columns, rows, written in ((12, 5, first), (9, 7, then)):
        ours.resize(columns, rows)
        theirs.resize(rows, columns)
        bytes_of = "".join(written).encode()
        for at in range(0, len(bytes_of), cut):
            ours.feed(bytes_of[at : at + cut])
            stream.feed(bytes_of[at : at + cut])
            assert ours.display == theirs.display


def test_a_character_of_two_cells_takes_two() -> None:
    emulator = Emulator(8, 2)
    emulator.feed("日本 a".encode())
    assert emulator.display == ["日本 a  ", " " * 8]
