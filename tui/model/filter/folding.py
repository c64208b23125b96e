"""Text as it is compared: in lower case, and with one spelling for what can be written in two.

macOS hands out file names in which `ö` is an `o` and a combining mark (NFD), keyboards write one character (NFC);
both look the same and are meant to be the same.
"""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """The text as it is looked for and looked through."""
    if text.isascii():
        return text.lower()
    # Lower case may take a composed letter apart: `İ` becomes an `i` with a dot above.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def folded(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The same, and for each of its characters where those begin and end in the text that it stands for."""
    letters: list[str] = []
    spans: list[tuple[int, int]] = []
    start = 0
    for end in range(1, len(text) + 1):
        if end < len(text) and _belongs(text[start:end], text[end]):
            continue
        piece = fold(text[start:end])
        letters.append(piece)
        spans += [(start, end)] * len(piece)
        start = end
    return "".join(letters), spans


def _belongs(before: str, letter: str) -> bool:
    """Whether a character is one with those before it: a mark on them, or composed with them."""
    if letter.isascii():
        return False
    return unicodedata.combining(letter) != 0 or len(fold(before + letter)) < len(fold(before)) + len(fold(letter))
