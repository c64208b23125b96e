"""What a search in a text looks for, and what it says it has found."""

from __future__ import annotations

import re
import unicodedata

from tui.render.lines import Line, Span
from tui.text import sanitize


def pattern_of(words: str) -> re.Pattern[str] | None:
    """The words literally, in any case unless one of them is a capital, whichever way their letters are composed (text
    from macOS has `ö` in two characters); None for no words."""
    if not words:
        return None
    spellings = {words: None, **{unicodedata.normalize(form, words): None for form in ("NFC", "NFD")}}
    pattern = "|".join(map(re.escape, spellings))
    return re.compile(pattern, 0 if any(char.isupper() for char in words) else re.IGNORECASE)


def found_line(words: str, place: int, count: int, share: float, wrapped: bool, beyond: int = 0) -> Line:
    """`place` is the number of the hit that is shown (0 none) of `count`; `share` (0 to 1) of the text has been
    searched; `wrapped` when the last step went over an end; so many are `beyond` where long lines are cut."""
    spans: list[Span] = [(f" /{sanitize.label(words, 60)}  ", "key")]
    if count:
        spans.append((f"{place:,} of {count:,}" if place else f"{count:,} found", "text"))
    elif share >= 1 and not beyond:
        spans.append(("not in this text", "warn"))
    if beyond:
        more = "  and " if count else ""
        spans.append((f"{more}{beyond:,} beyond column {sanitize.LINE_LIMIT:,}, not shown", "warn"))
    if share < 1:
        spans.append((f"  searching, {share:.0%}", "dim"))
    if wrapped:
        spans.append(("  over the end", "dim"))
    return spans
