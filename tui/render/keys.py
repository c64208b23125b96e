"""The footer: the keys that matter where the user is."""

from __future__ import annotations

from collections.abc import Sequence

from tui.render.lines import Line, Span, width_of

TREE = (
    ("↑↓", "move"),
    ("←→", "fold"),
    ("⏎", "open"),
    ("tab", "detail"),
    ("/", "filter"),
    ("e", "failure"),
    ("f", "follow"),
    ("H", "health"),
)
DETAIL = (("↑↓", "scroll"), ("1-6", "tabs"), ("/", "search"), ("tab", "tree"), ("f", "follow"), ("H", "health"))
DETAIL_ALONE = (("↑↓", "scroll"), ("1-6", "tabs"), ("/", "search"), ("esc", "back"), ("f", "follow"))
FILTER = (("tab", "complete"), ("⏎", "keep"), ("esc", "no filter"))
HELP = (("↑↓", "scroll"), ("esc", "back"))
ALWAYS = (("?", "help"), ("q", "quit"))


def key_line(keys: Sequence[tuple[str, str]], width: int) -> Line:
    """As many keys as fit; help and quit always do, except where every letter is typed into the filter."""
    last = _spans(ALWAYS if keys is not FILTER else ())
    shown: list[Span] = [(" ", "text")]
    for pair in keys:
        more = _spans((pair,))
        if width_of(shown) + width_of(more) + width_of(last) > width:
            break
        shown += more
    return [*shown, *last]


def _spans(keys: Sequence[tuple[str, str]]) -> list[Span]:
    spans: list[Span] = []
    for key, word in keys:
        spans += [(key, "key"), (f" {word}   ", "dim")]
    return spans
