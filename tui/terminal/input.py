"""What a terminal sends, made sound before it is read as keys: bytes become characters, and nothing in them can hold up
the keys that come after it.

Three things could: a byte that is no UTF-8 (a terminal set to Latin-1), a control string that never ends (what a
program that was killed had asked the terminal for), and a paste of which the end was lost.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

PASTE_LIMIT = 100_000
"""Most characters of one paste; the longest line that can be typed here takes 1,000."""
REST_S = 0.1
"""Seconds after which nothing belongs to what has begun: an escape is a key, half a character is one of Latin-1."""
PASTE_REST_S = 2.0
"""Seconds without a character after which a paste is over, whether or not the terminal has said so."""

CTRL_C = (b"\x03", b"\x1b[99;5u")
"""What the key ctrl+c sends, in plain and by the kitty keyboard. It works in any flood. By itself it is the key within
a paste, too, of which the end was lost then: who presses it every second would never let the paste rest."""

_PASTE, _PASTE_END = "\x1b[200~", "\x1b[201~"
_STRINGS = ("\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX")
"""How OSC, DCS, APC, PM and SOS begin. All that is in them is for a program that asked, which is none of ours."""
_BEGINS = re.compile("|".join(map(re.escape, (_PASTE, *_STRINGS))))
_ENDS = re.compile("\x07|\x1b\\\\|\x1b|\x18|\x1a")
"""Where a control string ends: with BEL or ST, or because another sequence begins or it is cancelled."""
_NO_UTF_8 = re.compile("[\udc80-\udcff]")


class Pasted(NamedTuple):
    """A paste."""

    text: str


class Input:
    """Takes bytes in, and gives what they say: characters and sequences as they came, control strings left out, pastes
    whole. `encoding` is that of the terminal where it is not UTF-8."""

    def __init__(self, encoding: str = "") -> None:
        self._decoder = _decoder(encoding)
        self._held = ""
        """The beginning of something: one of what `_BEGINS` names, or of what ends it."""
        self._string = False
        self._paste: list[str] | None = None
        self._length = 0

    @property
    def rest_s(self) -> float:
        """How many seconds make a `rest`."""
        return REST_S if self._paste is None else PASTE_REST_S

    def feed(self, data: bytes) -> Iterator[str | Pasted]:
        """What can be said after these bytes."""
        if self._paste is not None and data in CTRL_C:
            yield self._pasted(self._held)
        yield from self._sort(self._decoded(data))

    def rest(self) -> Iterator[str | Pasted]:
        """What can be said because nothing has followed for `rest_s`."""
        late = self._decoded(b"", final=True)
        if self._string:
            # Nothing but its beginning was sent by a key together with alt.
            if self._held in _STRINGS:
                yield self._held
            self._held, self._string = "", False
        elif self._paste is not None:
            yield self._pasted(self._held)
        held, self._held = self._held, ""
        if held + late:
            yield held + late

    def _decoded(self, data: bytes, final: bool = False) -> str:
        text = self._decoder.decode(data, final)
        return _NO_UTF_8.sub(_latin_1, text) if not text.isascii() else text

    def _sort(self, text: str) -> Iterator[str | Pasted]:
        text, self._held = self._held + text, ""
        while text:
            if self._string:
                text = self._skip(text)
            elif self._paste is not None:
                inside, end, text = text.partition(_PASTE_END)
                if end:
                    yield self._pasted(inside)
                else:
                    self._held = _beginning(inside, (_PASTE_END,))
                    self._keep(inside[: len(inside) - len(self._held)])
            else:
                begin = _BEGINS.search(text)
                plain = text[: begin.start()] if begin is not None else text
                if begin is None:
                    self._held = _beginning(text, (_PASTE,))
                    plain, text = text[: len(text) - len(self._held)], ""
                elif begin[0] == _PASTE:
                    self._paste, text = [], text[begin.end() :]
                else:
                    self._string, text = True, text[begin.start() :]
                if plain:
                    yield plain

    def _skip(self, text: str) -> str:
        """What is left behind a control string that begins a text; "" while it goes on."""
        end = _ENDS.search(text, 2)
        if end is None:
            # All that is kept is its beginning, and whether anything came after it.
            self._held = text[:3]
            return ""
        if end[0] == "\x1b":
            if end.end() == len(text):
                self._held = text[: min(3, end.start())] + "\x1b"  # it may become ST
                return ""
            self._string = False
            return text[end.start() :]
        self._string = False
        return text[end.end() :]

    def _keep(self, text: str) -> None:
        assert self._paste is not None
        self._paste.append(text[: max(0, PASTE_LIMIT - self._length)])
        self._length += len(text)

    def _pasted(self, last: str) -> Pasted:
        self._keep(last)
        pasted = Pasted("".join(self._paste or ()).replace("\0", ""))
        self._paste, self._length, self._held = None, 0, ""
        return pasted


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    """Of UTF-8 what is none comes out as a lone surrogate; of another encoding it is left out."""
    try:
        name = codecs.lookup(encoding or "utf-8").name
    except LookupError:
        name = "ascii"
    # Where nothing but ASCII was promised the keyboard may have more than that.
    if name in ("utf-8", "ascii"):
        return codecs.getincrementaldecoder("utf-8")("surrogateescape")
    return codecs.getincrementaldecoder(name)("ignore")


def _latin_1(byte: re.Match[str]) -> str:
    """The letter that a byte is in Latin-1; nothing for its control characters."""
    letter = chr(ord(byte[0]) - 0xDC00)
    return letter if letter.isprintable() else ""


def _beginning(text: str, wholes: tuple[str, ...]) -> str:
    """The end of a text that may become one of the wholes, "" for none."""
    at = text.rfind("\x1b", -max(map(len, wholes)))
    found = text[at:] if at >= 0 else ""
    return found if any(whole.startswith(found) for whole in wholes) else ""
