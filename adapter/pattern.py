"""What a search looks for: words, or a regular expression, compared as people expect it.

    retry test        texts that hold both words
    "retry test"      texts that hold exactly this
    re:retr(y|ies)    a regular expression of Python, line by line

Case counts where a letter of the pattern is a capital, else not. Unicode is compared in its composed form (NFC): macOS
hands out file names in which `ö` is an `o` and a mark. Two characters stay apart although Unicode folds them into
ASCII, the Kelvin sign and `İ`: so a letter of ASCII stands for itself, and a row without it needs no decoding.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import msgspec

if TYPE_CHECKING:
    import regex

REGEX = "re:"
"""What a regular expression begins with."""
MOST = 10_000
"""Characters of a pattern: nobody types more."""
RUN_LIMIT = 100
"""Characters of a run that a row has to hold: SQLite refuses patterns of more than 500."""

PIECE = 250_000
"""Characters of a text that are looked through at once, in a millisecond or two: until that is done nobody else has the
interpreter, and a text of 50 MB would hold up keys for half a second."""
CUTS = 1_000
"""Places at which a text may be cut that are tried: one that repeats a word without an end is looked through whole."""
PATIENCE_S = 0.25
"""Seconds that an expression may take for one text. The worst never end, which nobody can tell by their looks; all
others are through a text of megabytes in less."""
BLINK_S = 0.02
"""The same for a line that is to be marked."""

_WORD = re.compile(r'"([^"]*)"?|(\S+)')
_RUN = re.compile("[0-9A-Za-z]+")
_ASCII = re.compile("[\x00-\x7f]")
_APART = re.compile("([\u212a\u0130])")
_SPECIAL = frozenset("\\.^$*+?{}[]|()")


class BadPattern(ValueError):
    """What was typed is no pattern; says why in one line."""


class TooSlow(Exception):
    """A regular expression takes too long for a text."""


class Place(msgspec.Struct, frozen=True):
    """Where a text holds a pattern first, in characters of `compared(text)`, and how many places there are."""

    start: int
    stop: int
    count: int


class Expression:
    """A regular expression that ends: by `regex`, which can be told when, and leaves the interpreter to others."""

    def __init__(self, compiled: regex.Pattern[str]) -> None:
        self._compiled = compiled

    def patiently(self, text: str) -> Iterator[regex.Match[str]]:
        """Its places in a text. Raises TooSlow after PATIENCE_S."""
        try:
            yield from self._compiled.finditer(text, timeout=PATIENCE_S, concurrent=True)
        except TimeoutError:
            raise TooSlow(f"the expression takes more than {PATIENCE_S} s for it") from None

    def finditer(self, text: str) -> Iterator[regex.Match[str]]:
        """Its places in a line; those that are not found within BLINK_S are left out."""
        try:
            yield from self._compiled.finditer(text, timeout=BLINK_S)
        except TimeoutError:
            return

    def search(self, text: str, pos: int = 0) -> regex.Match[str] | None:
        """Its first place from a place on, None also when that is not found within BLINK_S."""
        try:
            return self._compiled.search(text, pos, timeout=BLINK_S)
        except TimeoutError:
            return None


class Pattern(msgspec.Struct, frozen=True):
    """A pattern that is ready to be looked for. `needles` are runs of ASCII letters and digits that the JSON of a row
    has to hold, each in any case unless `exact`; none where nothing is known of what it has to hold."""

    source: str
    exact: bool
    words: tuple[str, ...] = ()
    regex: Expression | None = None
    needles: tuple[str, ...] = ()

    def find(self, text: str) -> Place | None:
        """The first place of the pattern in a text, None when the text does not hold all of it. Raises TooSlow."""
        shape = compared(text)
        if self.regex is not None:
            return _first(self.regex, shape)
        firsts = [-1] * len(self.words)
        count = at = 0
        for piece in self._pieces(shape):
            for number, word in enumerate(self.words):
                if found := piece.count(word):
                    count += found
                    if firsts[number] < 0:
                        firsts[number] = at + piece.find(word)
            at += len(piece)
        first = min(firsts, default=-1)
        return Place(first, first + len(self.words[firsts.index(first)]), count) if first >= 0 else None

    def _pieces(self, shape: str) -> Iterator[str]:
        """A composed text as it is compared, in pieces; no word lies across two of them."""
        start = 0
        while len(shape) - start > PIECE:
            cuts = range(start + PIECE, start + PIECE + CUTS)
            stop = next((cut for cut in cuts if not self._lies_across(shape, cut)), len(shape))
            yield self._cased(shape[start:stop])
            start = stop
        yield self._cased(shape[start:])

    def _lies_across(self, shape: str, cut: int) -> bool:
        """Whether a word begins before a place and ends behind it."""
        return any(
            word in self._cased(shape[cut - len(word) + 1 : cut + len(word) - 1])
            for word in self.words
            if len(word) > 1
        )

    def _cased(self, text: str) -> str:
        return text if self.exact else lower(text)

    def regular(self) -> re.Pattern[str]:
        """The same as one regular expression, which marks each of several words."""
        if self.regex is not None:
            # It has all of a pattern that a view of lines asks for.
            return cast("re.Pattern[str]", self.regex)
        spellings = [form for word in self.words for form in dict.fromkeys((word, unicodedata.normalize("NFD", word)))]
        longest = sorted(spellings, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest)), 0 if self.exact else re.IGNORECASE)

    def ranges(self, text: str) -> list[tuple[int, int]]:
        """Every place in a short text that is composed already, ascending; of words, those that it holds."""
        if self.regex is not None:
            return [match.span() for match in self.regex.finditer(text) if match[0]]
        shape = text if self.exact else lower(text)
        found = sorted({span for word in self.words for span in _spans(word, shape)})
        ranges: list[tuple[int, int]] = []
        for start, stop in found:
            if ranges and start < ranges[-1][1]:
                ranges[-1] = (ranges[-1][0], max(stop, ranges[-1][1]))
            else:
                ranges.append((start, stop))
        return ranges


def parse(text: str) -> Pattern:
    """The pattern that somebody has typed. Raises BadPattern."""
    if len(text) > MOST:
        raise BadPattern(f"a pattern of more than {MOST:,} characters")
    text = text.strip()
    if text.startswith(REGEX):
        return _regex(text, text.removeprefix(REGEX))
    typed = [match[1] if match[1] is not None else match[2] for match in _WORD.finditer(text)]
    words = [compared(word) for word in typed if word]
    if not words:
        raise BadPattern("nothing to look for")
    exact = any(letter.isupper() for word in words for letter in word)
    if not exact:
        words = [lower(word) for word in words]
    words = list(dict.fromkeys(words))
    needles = [max(_RUN.findall(word), key=len, default="")[:RUN_LIMIT] for word in words]
    return Pattern(text, exact, tuple(words), needles=tuple(dict.fromkeys(filter(None, needles))))


def compared(text: str) -> str:
    """A text as it is looked through: composed. Most texts are as they stand."""
    if text.isascii():
        return text
    pieces: list[str] = []
    start, is_composed = 0, True
    while start < len(text):
        # A letter of ASCII is composed with nothing before it.
        letter = _ASCII.search(text, start + PIECE) if len(text) - start > PIECE else None
        stop = letter.start() if letter is not None else len(text)
        piece = text[start:stop]
        pieces.append(_composed(piece))
        is_composed = is_composed and pieces[-1] is piece
        start = stop
    return text if is_composed else "".join(pieces)


def _composed(text: str) -> str:
    if unicodedata.is_normalized("NFC", text):
        # Only the Kelvin sign is another letter when composed, and then the text is not normalized.
        return text
    return "".join(
        piece if _APART.fullmatch(piece) else unicodedata.normalize("NFC", piece) for piece in _APART.split(text)
    )


def lower(text: str) -> str:
    """A composed text in lower case, with as many characters as before. A sigma at the end of a word is any sigma."""
    if text.isascii():
        return text.lower()
    if "\u212a" in text or "\u0130" in text:
        small = "".join(piece if _APART.fullmatch(piece) else piece.lower() for piece in _APART.split(text))
    else:
        small = text.lower()
    return small.replace("ς", "σ")


def _spans(word: str, shape: str) -> Iterator[tuple[int, int]]:
    at = shape.find(word)
    while at >= 0:
        yield at, at + len(word)
        at = shape.find(word, at + len(word))


def _first(expression: Expression, shape: str) -> Place | None:
    first: tuple[int, int] | None = None
    count = 0
    for match in expression.patiently(shape):
        if match.start() == match.end():
            # Of nothing there is no place.
            continue
        count += 1
        first = first or match.span()
    return Place(*first, count) if first is not None else None


@lru_cache(maxsize=8)
def _regex(text: str, expression: str) -> Pattern:
    if not expression:
        raise BadPattern("re: wants a regular expression")
    # The letter behind a backslash is no capital: `\S` is a class.
    exact = any(letter.isupper() for letter in re.sub(r"\\.", "", expression))
    # Only who looks for one needs it.
    import regex

    try:
        compiled = regex.compile(expression, regex.MULTILINE | (0 if exact else regex.IGNORECASE))
    except (regex.error, RecursionError, OverflowError, ValueError) as error:
        raise BadPattern(f"no regular expression: {error}") from None
    except (FutureWarning, DeprecationWarning) as error:
        raise BadPattern(f"no regular expression: {error}") from None
    return Pattern(text, exact, regex=Expression(compiled), needles=_runs_of(expression, exact))


def _runs_of(expression: str, exact: bool) -> tuple[str, ...]:
    """The longest run of letters that whatever a regular expression finds has to hold; none where that is not plain to
    see: with an alternative, a group or a class in it. Without case `i`, `k` and `s` stand for letters beyond ASCII,
    too, and end a run."""
    if any(sign in expression for sign in "|([\\"):
        return ()
    runs: list[str] = []
    run = ""
    for at, letter in enumerate(expression):
        following = expression[at + 1 : at + 2]
        plain = letter.isascii() and letter.isalnum() and (exact or letter.lower() not in "iks")
        if plain and following not in ("*", "?", "{"):
            run += letter
            continue
        runs.append(run)
        run = ""
        if letter == "{":
            # A count is no text, and what comes behind it is rarely worth it.
            break
    longest = max([*runs, run], key=len)
    return (longest[:RUN_LIMIT],) if longest else ()
