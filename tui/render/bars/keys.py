"""The footer: the keys that matter where the user is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tui.render.bars.help import key_name
from tui.render.lines import Line, Span, width_of


class Shown(NamedTuple):
    """A key as it is usually printed, what it does in a word, and the ids of the bindings that it stands for."""

    key: str
    word: str
    ids: tuple[str, ...]


_TABS = tuple(f"detail.{name}" for name in ("overview", "input", "output", "diff", "todo", "raw"))
_SCROLL = Shown("↑↓", "scroll", ("text.up", "text.down"))
_SEARCH = Shown("/", "search", ("text.search",))
_FOLLOW = Shown("f", "follow", ("follow",))
_HEALTH = Shown("H", "health", ("health",))

TREE = (
    Shown("↑↓", "move", ("tree.up", "tree.down")),
    Shown("←→", "fold", ("tree.close", "tree.open")),
    Shown("enter", "open", ("tree.enter",)),
    Shown("tab", "detail", ("pane.other",)),
    Shown("/", "filter", ("filter.open",)),
    Shown("e", "failure", ("jump.failure",)),
    _FOLLOW,
    _HEALTH,
)
DETAIL = (_SCROLL, Shown("1-6", "tabs", _TABS), _SEARCH, Shown("tab", "tree", ("pane.other",)), _FOLLOW, _HEALTH)
# The way back comes early: on the smallest terminal only three keys fit.
DETAIL_ALONE = (_SCROLL, Shown("esc", "back", ("pane.back",)), Shown("1-6", "tabs", _TABS), _SEARCH, _FOLLOW)
FILTER = (
    Shown("tab", "complete", ("filter.complete",)),
    Shown("enter", "keep", ("filter.keep",)),
    Shown("esc", "no filter", ("filter.drop",)),
)
SEARCH = (Shown("enter", "to the text", ()), Shown("esc", "end the search", ("text.end_search",)))
HELP = (_SCROLL, Shown("esc", "back", ("help.close",)))
ALWAYS = (Shown("?", "help", ("help.open",)), Shown("q", "quit", ("quit",)))


def key_line(keys: Sequence[Shown], width: int, keymap: Mapping[str, str] = {}) -> Line:
    """As many keys as fit, the user's own where there are any; help and quit always do, except where every letter is
    typed into a line, and in the help, which both of them close."""
    last = _spans(() if keys in (FILTER, SEARCH, HELP) else ALWAYS, keymap)
    shown: list[Span] = [(" ", "text")]
    for one in keys:
        more = _spans((one,), keymap)
        if width_of(shown) + width_of(more) + width_of(last) > width:
            break
        shown += more
    return [*shown, *last]


def _spans(keys: Sequence[Shown], keymap: Mapping[str, str]) -> list[Span]:
    spans: list[Span] = []
    for one in keys:
        own = " ".join(key_name(keymap[name].split(",")[0]) for name in one.ids if name in keymap)
        spans += [(own or one.key, "key"), (f" {one.word}   ", "dim")]
    return spans
