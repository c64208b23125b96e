"""The footer: the keys that matter where the user is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from tui.model.tree.under_cursor import UnderCursor
from tui.render.bars.help import key_name
from tui.render.lines import Line, Span, width_of

_SPACE = "   "
"""Between a key and the next."""


class Shown(NamedTuple):
    """A key as it is usually printed, what it does in a word, and the ids of the bindings that it stands for."""

    key: str
    word: str
    ids: tuple[str, ...]


class Bar(NamedTuple):
    """Keys, the most useful first, and those that are shown whatever the width."""

    keys: tuple[Shown, ...]
    always: tuple[Shown, ...] = ()


class Context(NamedTuple):
    """Where the user is. `alone`: the detail is all of the screen. `one_pane`: enter leads from all rows to the detail.
    `waiting`, `stuck`: whether any session does. `completes`: whether a word of the filter may be completed. Of a text:
    whether it was `searched`, has folds (`folds`), lines that are `cut`, or is a transcript (`reads`). `timeline`: the
    detail is one."""

    pane: Literal["tree", "filter", "detail", "search"] = "tree"
    row: UnderCursor | None = None
    alone: bool = False
    one_pane: bool = False
    following: bool = False
    filtered: bool = False
    waiting: bool = False
    stuck: bool = False
    completes: bool = False
    searched: bool = False
    folds: bool = False
    cut: bool = False
    reads: bool = False
    timeline: bool = False


_TABS = tuple(f"detail.{name}" for name in ("overview", "input", "output", "diff", "todo", "raw"))
_READ = Shown("t", "read", ("detail.transcript",))
_PROMPTS = Shown("[ ]", "prompts", ("read.before", "read.after"))
_FAILED = Shown("e", "failure", ("read.failure",))
_MOVE = Shown("↑↓", "move", ("tree.up", "tree.down"))
_SCROLL = Shown("↑↓", "scroll", ("text.up", "text.down"))
_FOLD = Shown("←→", "fold", ("tree.close", "tree.open"))
_FAILURE = Shown("e", "next failure", ("jump.failure",))
_WAITING = Shown("w", "for you", ("jump.waiting",))
_RESUME = Shown("Y", "copy resume", ("door.resume",))
_COPY = Shown("y", "copy", ("door.copy",))
_ZOOM = Shown("m", "zoom", ("pane.zoom",))
_FOLLOW = Shown("f", "follow", ("follow",))
_STAY = Shown("f", "stop following", ("follow",))
_VIEWS = (
    Shown("ctrl+f", "find", ("search.open",)),
    Shown("$", "cost", ("spend.open",)),
    Shown("i", "timeline", ("detail.timeline",)),
)
_HEALTH = Shown("H", "health", ("health",))

ALWAYS = (Shown("?", "help", ("help.open",)), Shown("q", "quit", ("quit",)))
_COMPLETE = Shown("tab", "complete", ("filter.complete",))
_FILTER = (Shown("enter", "keep", ("filter.keep",)), Shown("esc", "no filter", ("filter.drop",)))
_SEARCH = (Shown("enter", "to the text", ()), Shown("esc", "end the search", ("text.end_search",)))
FINDING = Bar(
    (
        Shown("↑↓", "move", ()),
        Shown("enter", "go there", ("search.choose",)),
        Shown("esc", "stop, back", ("search.close",)),
        Shown("tab", "filter", ("search.line",)),
    )
)
HELP = Bar((_SCROLL, Shown("esc", "back", ("help.close",))))

SPEND = Bar(
    (
        _MOVE,
        Shown("←→", "table", ("tree.close", "tree.open")),
        Shown("enter", "narrow, go to session", ("tree.enter",)),
        Shown("r", "range", ("spend.range",)),
        Shown("/", "any range", ("filter.open",)),
        Shown("[ ]", "days before, behind", ("jump.before", "jump.after")),
        Shown("esc", "back", ("pane.back",)),
    ),
    ALWAYS,
)


def bar(here: Context) -> Bar:
    """The keys that matter in a place. Where letters are typed into a line, those of help and quit are letters too."""
    if here.pane == "filter":
        return Bar((_COMPLETE, *_FILTER) if here.completes else _FILTER)
    if here.pane == "search":
        return Bar(_SEARCH)
    of_detail = _of_timeline if here.timeline else _of_text
    wanted = of_detail(here) if here.pane == "detail" else _of_tree(here)
    # A key that means something of its own here is not named twice.
    named: dict[tuple[str, ...], Shown] = {}
    for one in wanted:
        named.setdefault(one.ids, one)
    return Bar(tuple(named.values()), ALWAYS)


def _of_tree(here: Context) -> list[Shown]:
    row = here.row
    found = [_MOVE]
    if here.following:
        found.append(_STAY)
    if row is not None:
        found += _of_row(row, here)
    if here.filtered:
        found += [Shown("n", "next match", ("jump.match",)), Shown("esc", "no filter", ("pane.back",))]
    if here.waiting:
        found.append(_WAITING)
    if here.stuck:
        found.append(Shown("!", "stuck", ("jump.stuck",)))
    if row is not None and row.kind != "heading":
        found.append(_READ)
    found += [Shown("tab", "detail", ("pane.other",)), Shown("/", "filter", ("filter.open",)), _FAILURE]
    return [*found, *_VIEWS, _FOLLOW, _ZOOM, _HEALTH]


def _of_row(row: UnderCursor, here: Context) -> list[Shown]:
    enter = ("tree.enter",)
    if row.kind == "heading":
        beside = Shown("[ ]", "next heading", ("jump.before", "jump.after"))
        return [Shown("space", "fold", ("tree.fold",)), beside, Shown("o", "group", ("jump.group",))]
    found: list[Shown] = []
    if row.asks and row.kind == "call":
        found += [Shown("2", "question", ("detail.input",)), _RESUME]
    elif row.asks:
        found += [Shown("w", "the question", ("jump.waiting",)), _RESUME]
    elif row.failed and row.output:
        found += [Shown("3", "output", ("detail.output",)), _FAILURE]
    elif row.failed:
        found.append(_FAILURE)
    if row.fold:
        found.append(_FOLD)
    if row.kind == "agent":
        found.append(Shown("enter", "into the agent", enter))
    elif not row.fold or here.one_pane:
        found.append(Shown("enter", "detail", enter))
    else:
        found.append(Shown("enter", "open" if row.fold == "closed" else "close", enter))
    if row.below:
        found.append(Shown("p", "out of the agent", ("jump.caller",)))
    return found


def _of_text(here: Context) -> list[Shown]:
    found = [_SCROLL]
    if here.searched:
        found += [Shown("n", "next hit", ("text.next_hit",)), Shown("esc", "end search", ("text.end_search",))]
    elif here.alone:
        # The way back comes early: on the smallest terminal only three keys fit.
        found.append(Shown("esc", "back", ("pane.back",)))
    if here.folds:
        found.append(Shown("enter", "open" if here.reads else "fold", ("text.fold",)))
    found += [_PROMPTS, _FAILED] if here.reads else []
    if here.cut:
        found.append(Shown("←→", "sideways", ("text.left", "text.right")))
    found += [Shown("1-6", "tabs", _TABS), Shown("/", "search", ("text.search",)), _COPY]
    found.append(Shown("W", "break lines" if here.cut else "cut lines", ("detail.wrap",)))
    found += [] if here.alone else [Shown("tab", "tree", ("pane.other",)), _ZOOM]
    return [*found, _STAY if here.following else _FOLLOW, _HEALTH]


def _of_timeline(here: Context) -> list[Shown]:
    found = [Shown("↑↓", "move", ("text.up", "text.down"))]
    if here.alone:
        found.append(Shown("esc", "back", ("pane.back",)))
    found += [
        Shown("enter", "to its row", ("time.row",)),
        Shown("z Z", "zoom in time", ("time.closer", "time.wider")),
        Shown("←→", "earlier, later", ("text.left", "text.right")),
        Shown("o", "open", ("time.fold",)),
        Shown(".", "only this", ("time.narrow",)),
        _PROMPTS,
        _FAILED,
        Shown("1-6", "tabs", _TABS),
        _COPY,
    ]
    found += [] if here.alone else [Shown("tab", "tree", ("pane.other",)), _ZOOM]
    return [*found, _STAY if here.following else _FOLLOW, _HEALTH]


def key_line(bar: Bar, width: int, keymap: Mapping[str, str] = {}) -> Line:
    """As many keys as fit, each whole, the user's own where there are any."""
    last = _spans(bar.always, keymap)
    shown: list[Span] = [(" ", "text")]
    for one in bar.keys:
        more = _spans((one,), keymap)
        if width_of(shown) + width_of(more) + width_of(last) - len(_SPACE) > width:
            break
        shown += more
    text, role = (shown := [*shown, *last])[-1]
    # What stands behind the last one would be cut, and say that something is missing.
    return [*shown[:-1], (text.removesuffix(_SPACE), role)]


def _spans(keys: Sequence[Shown], keymap: Mapping[str, str]) -> list[Span]:
    spans: list[Span] = []
    for one in keys:
        own = " ".join(key_name(keymap[name].split(",")[0]) for name in one.ids if name in keymap)
        spans += [(own or one.key, "key"), (f" {one.word}{_SPACE}", "dim")]
    return spans
