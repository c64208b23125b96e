"""The only door for text that opencode, a model or a tool wrote: nothing that leaves it can drive a terminal.

Textual writes ESC, OSC 52, C1 and bidi characters of the data straight to the terminal, whatever the widget,
so text has to be clean before it becomes a segment. Nothing here parses markup, and nothing else in `tui`
cleans text.

Guarantee for every function but `outside`: the result holds no control character (C0, DEL, C1), no bidi or other format
character, no zero-width character or variation selector (terminals disagree about the width of what they
modify), no line or paragraph separator, no tag character, no lone surrogate and no noncharacter; marks that
pile up on one letter are cut to MARK_LIMIT. Escape sequences that are complete are removed whole; of a broken
one only the introducer goes, so a sequence that never ends cannot hide the text behind it.

What leaves the screen for a file, a clipboard or a document has `outside`, which gives the same guarantee against
sequences and against text that is turned around, and leaves alone what only the width of cells forbids.

Cost (CPython 3.11, timeit on a loaded core): `label` of 60 ASCII characters 0.7 µs, of 200 mixed ones 17 µs;
`line` of 80 ASCII characters 0.3 µs; `lines` of 20 MB in 400,000 lines 11 ms, because a line is cut out and
cleaned only when it is asked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import overload

from tui.text.raw_lines import ANY_END, RawLines

LABEL_LIMIT = 240
LINE_LIMIT = 20_000
MARK_LIMIT = 4
TAB_SIZE = 4
TERMINAL_TAB_SIZE = 8

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# ECMA-48 with the 7-bit and 8-bit introducers. Bodies exclude all controls: a body cannot run over another
# introducer, which keeps matching linear and keeps a lost terminator from eating the rest of the text.
_BODY = r"[^\x00-\x08\x0a-\x1f\x7f-\x9f]*"
_SEQUENCE = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    rf"|(?:\x1b\]|\x9d){_BODY}(?:\x07|\x1b\\|\x9c)"  # OSC: titles, links, clipboard
    rf"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f]){_BODY}(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # the short ones, and the introducer of a broken long one
)

# Invisible characters that change how their neighbours are drawn or measured. The Arabic and Kaithi number
# signs are format characters too, but visible ones, and stay.
_INVISIBLE = (
    "["
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "]+"
)
_HARMFUL = "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
_HARMFUL_IN_BLOCK = _HARMFUL.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f")
# Bidi and deprecated format characters, annotations, tags: what makes a text look like another one.
_TURNING = "[\u061c\u200e\u200f\u202a-\u202e\u2065-\u206f\ufff9-\ufffb\U000e0000-\U000e00ff]+"
_HARMFUL_OUTSIDE = "[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]|\r(?!\n|\\Z)"
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_MARKS = f"({_MARK}{{{MARK_LIMIT}}}){_MARK}+"
_LEADING_MARKS = f"^{_MARK}+"
_ANY_TROUBLE = _HARMFUL_IN_BLOCK[:-1] + _INVISIBLE[1:-2] + _MARK[1:]
_COLOUR = r"(?:\x1b\[|\x9b)([0-9;:]*)m"  # SGR, the one sequence whose meaning is kept


@cache
def _pattern(words: str) -> re.Pattern[str]:
    """A pattern, compiled for the first text that needs it: all ten take 5 ms, and most texts are ASCII."""
    return re.compile(words)


def label(text: str, limit: int = LABEL_LIMIT) -> str:
    """One harmless line of at most `limit` characters: white space runs become one space, a cut shows as …"""
    if not text:
        return ""  # Half of what the model asks for: nearly no call has words of an error.
    # Sixteen times the limit is plenty to fill the line from after white space and sequences are gone, and
    # keeps a title of many megabytes from costing anything.
    head = text[: limit * 16]
    clean = " ".join(head.split())
    if not (clean.isascii() and clean.isprintable()):
        clean = _pattern(_INVISIBLE).sub("", head)
        clean = _pattern(_SEQUENCE).sub("", clean)
        clean = " ".join(clean.split())
        clean = _pattern(_MARKS).sub(r"\1", _pattern(_HARMFUL).sub(_REPLACEMENT, clean))
    if len(clean) > limit or len(head) < len(text):
        return clean[: max(0, limit - 1)].rstrip() + "…"
    return clean


def line(text: str, limit: int = LINE_LIMIT) -> str:
    """One line of a payload, harmless and at most `limit` characters: spaces stay, tabs become spaces."""
    cut = len(text) > limit
    if cut:
        text = text[:limit]
    if not (text.isascii() and text.isprintable()):
        text = _pattern(_INVISIBLE).sub("", text)
        text = _pattern(_SEQUENCE).sub("", text)
        text = text.expandtabs(TAB_SIZE)
        text = _pattern(_MARKS).sub(r"\1", _pattern(_HARMFUL).sub(_REPLACEMENT, text))
        cut = cut or len(text) > limit
    return text[: limit - 1] + "…" if cut else text


def block(text: str, tab_size: int = TAB_SIZE) -> str:
    """Many lines at once, between line feeds, each as `line` would clean it but not cut: for searching, where taking
    a million lines one by one is what costs."""
    if text.isascii():
        if not text.replace("\n", "").isprintable():
            text = _pattern(_SEQUENCE).sub("", text).expandtabs(tab_size)
            text = _pattern(_HARMFUL_IN_BLOCK).sub(_REPLACEMENT, text)
    elif _pattern(_ANY_TROUBLE).search(text):
        text = _pattern(_INVISIBLE).sub("", text)
        text = _pattern(_SEQUENCE).sub("", text).expandtabs(tab_size)
        text = _pattern(_MARKS).sub(r"\1", _pattern(_HARMFUL_IN_BLOCK).sub(_REPLACEMENT, text))
    return text


def outside(text: str) -> str:
    """A text, or a line of one, for a file, a clipboard or a document: nothing in it can drive a terminal or turn text
    around, and all else is as it was. Joiners, variation selectors and marks stay, as do tabs, form feeds, separators
    and a carriage return at the end of a line; any other would overwrite what stands before it."""
    if text.isascii():
        if text.isprintable():
            return text
    else:
        text = _pattern(_TURNING).sub("", text)
    return _pattern(_HARMFUL_OUTSIDE).sub(_REPLACEMENT, _pattern(_SEQUENCE).sub("", text))


def runs(text: str, limit: int = LINE_LIMIT) -> list[tuple[str | None, str]]:
    """One line of terminal output as harmless pieces, each with the parameters of the SGR sequence before it: digits,
    `;` and `:` only, None where there is none. Every other sequence goes, as in `line`, and tabs stop at every eighth
    column, as in a terminal."""
    cut = len(text) > limit
    first, *rest = _pattern(_COLOUR).split(text[:limit])
    pieces: list[tuple[str | None, str]] = []
    column = 0
    for parameters, piece in [(None, first), *zip(rest[::2], rest[1::2], strict=True)]:
        if "\t" in piece:
            piece = (" " * column + piece).expandtabs(TERMINAL_TAB_SIZE)[column:]
        clean = line(piece, limit)
        if parameters is not None:
            # Marks pile up across pieces otherwise, a few behind every change of colour.
            clean = _pattern(_LEADING_MARKS).sub("", clean)
        column += len(clean)
        pieces.append((parameters, clean))
    if cut:
        pieces.append((None, "…"))
    return pieces


def colours(text: str) -> list[str]:
    """The parameters of the SGR sequences in a text, in order."""
    return _pattern(_COLOUR).findall(text)


class Lines(Sequence[str]):
    """The lines of a text, each cleaned when it is asked for; `len` and indexing cost nothing more.

    `raw` holds them as they came: to be searched and measured, never to be drawn.
    """

    __slots__ = ("_limit", "raw")

    def __init__(self, raw: RawLines, limit: int) -> None:
        self.raw = raw
        self._limit = limit

    def __len__(self) -> int:
        return len(self.raw)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [line(each.removesuffix("\r"), self._limit) for each in self.raw[index]]
        return line(self.raw[index].removesuffix("\r"), self._limit)

    def __iter__(self) -> Iterator[str]:
        return (line(each.removesuffix("\r"), self._limit) for each in self.raw)


def lines(text: str, limit: int = LINE_LIMIT, ends: str = ANY_END) -> Lines:
    """A payload as harmless lines of at most `limit` characters; `ends` is one of those of `raw_lines`.

    A lone carriage return ends a line like the other line ends do: what a terminal would overwrite stays
    readable, so a command cannot hide its beginning. Where only a feed ends one, it stands there as what it is.
    """
    return Lines(RawLines(text, ends), limit)


def cells(text: str) -> int:
    """The cells that a clean text takes by Unicode's own tables, for commands that print columns and load nothing that
    draws: a wide character two, a mark none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.category(character) in ("Mn", "Me") for character in text)


def padded(text: str, width: int, *, right: bool = False) -> str:
    """A clean text of at least so many cells, flush right when asked."""
    space = " " * (width - cells(text))
    return space + text if right else text + space
