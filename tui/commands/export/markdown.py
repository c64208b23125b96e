"""The document as Markdown (CommonMark). What a model wrote stands in a quote that it cannot leave, every other text in
a fence that it cannot close: headings outside of quotes are ours alone."""

from __future__ import annotations

import re

from tui.commands.export.blocks import Begin, End, Passage
from tui.commands.export.prose import quoted
from tui.commands.export.readable import readable
from tui.commands.export.texts import Text
from tui.render import numbers

_SPECIAL = re.compile(r"([\\`*\[\]~|#]|<(?=[A-Za-z/!?])|&(?=[#A-Za-z])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_TICKS = re.compile(r"`+")
_LANGUAGES = {"words": "markdown", "answer": "markdown", "thought": "markdown", "diff": "diff"}
LEVELS = 6
"""Markdown has no more headings; deeper ones look like the sixth."""


class Markdown:
    """Writes block by block; nothing is kept."""

    def head(self, title: str) -> str:
        return ""

    def begin(self, block: Begin) -> str:
        if block.kind == "call":
            facts = f" ({_inline(block)})" if block.facts else ""
            return f"**Call:** {escaped(block.title)}{facts}\n\n"
        heading = f"{'#' * min(LEVELS, block.level)} {escaped(block.title)}\n\n"
        if block.kind == "session":
            return heading + "".join(f"- {name}: {escaped(words)}\n" for name, words in block.facts) + "\n"
        return heading + (f"{_inline(block)}\n\n" if block.facts else "")

    def passage(self, passage: Passage, text: Text) -> str:
        size = numbers.size(text.size)
        about = ", ".join(part for part in (size, escaped(text.note)) if part)
        head = f"{escaped(passage.label)}" + (f" ({about})" if about else "")
        if text.text is None:
            return f"{head}\n\n"
        body = readable(text.text, passage.look)
        if passage.look in ("answer", "thought") and (quote := quoted(body)) is not None:
            return f"{head}:\n\n{quote}\n\n"
        return f"{head}:\n\n{fenced(body, _LANGUAGES.get(passage.look, 'text'))}\n\n"

    def end(self, block: End) -> str:
        return ""

    def tail(self) -> str:
        return ""


def _inline(block: Begin) -> str:
    return " · ".join(f"{name} {escaped(words)}" for name, words in block.facts)


def escaped(words: str) -> str:
    """One line of text that Markdown leaves as it is."""
    return _SPECIAL.sub(r"\\\1", words)


def fenced(text: str, language: str) -> str:
    """A text in a fence longer than any run of ticks in it, so that no line of it can be the end."""
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
