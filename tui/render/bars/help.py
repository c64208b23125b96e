"""What the help screen says. The keys come from the bindings themselves, so the two cannot disagree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tui.model.filter import language
from tui.model.filter.cards import WORDS
from tui.model.status.flags import MEANINGS
from tui.model.status.table import BY_NAME, FLAGS, LOOP, TABLE, Status
from tui.render.glyphs import GLYPHS
from tui.render.lines import Line, Span, folded, pad, width_of

Group = tuple[str, Sequence[tuple[str, str]]]
"""A heading, and keys with what they do."""

TWO_COLUMNS, THREE_COLUMNS = 110, 170
"""Cells from which the help stands in so many columns: a meaning has 30 cells in each."""
_GAP = 2
_TERM = 12
"""Least cells of a term in front of its meaning."""

MOUSE = (
    ("click", "select a row; on the sign before it: fold"),
    ("two clicks", "the detail of a leaf, on one pane of any row"),
    ("wheel", "scroll what is under it"),
    ("tab", "a click on it shows it"),
    ("count", "a click in the bar goes to the next of them; on failures of today: those alone, then all"),
    ("line", "drag: more room; two clicks: the usual room"),
    ("JSON", "a click folds or unfolds an object, an array"),
    ("palette", "a click chooses"),
)
"""What the mouse is used on, or how, and what that does."""

_COLUMNS = (
    ("time", "text", "at work since, over for; how long a step took"),
    ("took", "text", "how long a session lasted"),
    ("context", "active", "of the last steps, while it runs"),
    ("own", "text", "cost without sub-agents"),
    ("in/out", "text", "tokens as billed, sub-agents included"),
    ("Δ", "accent", "tokens that the step added to the context"),
    ("cost", "text", "US dollars, sub-agents included"),
)

_NAMES = {
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "question_mark": "?",
    "dollar_sign": "$",
    "exclamation_mark": "!",
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "full_stop": ".",
    "equals_sign": "=",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "shift+tab": "shift+tab",
    "G": "G",
    "H": "H",
}


def key_name(key: str) -> str:
    """A key as it is printed on a keyboard or in a footer."""
    return _NAMES.get(key, key)


class Entry(NamedTuple):
    """A line of the help: what it is about, in its role, and what that means."""

    term: str
    role: str
    meaning: str


class Section(NamedTuple):
    """Lines of the help that belong together."""

    title: str
    entries: list[Entry]


def sections(groups: Iterable[Group]) -> list[Section]:
    """All that the help says: groups of (keys, description), then the tables of states, flags and terms of a filter,
    and what the marks and columns mean."""
    found = [
        Section(title, [Entry(_printed(keys), "key", description) for keys, description in entries])
        for title, entries in groups
    ]
    states = [Entry(f"{one.glyph} {one.word}", one.role, _meaning(one)) for one in reversed(TABLE)]
    marks = [
        Entry(GLYPHS.fresh, "accent", "changed since you last looked at it"),
        Entry(f"{BY_NAME['failed'].glyph}2", "bad", "two calls in it have failed"),
        Entry("a question mark", "text", "inferred: the file does not say it"),
    ]
    flags = [Entry(f"{LOOP[0]} {name}" if name == "looping" else name, "warn", MEANINGS[name]) for name in FLAGS]
    known = {"is:": ": " + " ".join(WORDS)}
    terms = [Entry(name, "key", language.MEANINGS[name] + known.get(name, "")) for name in language.FIELDS]
    forms = [Entry(form, "key", meaning) for form, meaning in language.FORMS.items()]
    return [
        *found[:-1],
        Section("Mouse", [Entry(name, "key", meaning) for name, meaning in MOUSE]),
        Section("Columns", [Entry(*one) for one in _COLUMNS]),
        # The keys of the help itself, where there is room for them.
        *found[-1:],
        Section("Flags", flags),
        Section("States", [*states, *marks]),
        Section("Terms of a filter: all have to hold", [*terms, *forms]),
    ]


def help_lines(groups: Iterable[Group], width: int) -> list[Line]:
    """The help in so many columns as have room in `width` cells, read downwards; no section is torn apart."""
    count = 1 + sum(width >= wide for wide in (TWO_COLUMNS, THREE_COLUMNS))
    room = (width - _GAP * (count - 1)) // count
    columns = _dealt([_lines(section, room) for section in sections(groups)], count)
    lines: list[Line] = []
    for y in range(max(len(column) for column in columns)):
        line: list[Span] = []
        for number, column in enumerate(columns):
            if y < len(column):
                space = number * (room + _GAP) - width_of(line)
                line += [(" " * space, "text")] * (space > 0)
                line += column[y]
        lines.append(line)
    return lines


def _meaning(state: Status) -> str:
    """What a state means, and what a filter calls it where that is another word."""
    asked = f" (is:{state.name})" if state.name != state.word and state.name in WORDS else ""
    return (state.meaning or state.word) + asked


def _printed(keys: str) -> str:
    return "  ".join(key_name(key.strip()) for key in keys.split(","))


def _lines(section: Section, width: int) -> list[Line]:
    """A section with a blank line below it."""
    lines: list[Line] = [[(section.title, "accent")]]
    longest = max(width_of([(entry.term, entry.role)]) for entry in section.entries)
    room = max(_TERM, longest) + 2 if longest else 0
    for term, role, meaning in section.entries:
        lines += folded([("  ", "text"), (pad(term, room), role), (meaning, "text")], width, 2 + room)
    return [*lines, []]


def _dealt(blocks: Sequence[list[Line]], count: int) -> list[list[Line]]:
    """The blocks in their order in so many columns, of which the highest is as low as can be."""
    height = max(len(block) for block in blocks)
    while len(columns := _filled(blocks, height)) > count:
        height += 1
    return columns


def _filled(blocks: Sequence[list[Line]], height: int) -> list[list[Line]]:
    columns: list[list[Line]] = [[]]
    for block in blocks:
        if len(columns[-1]) + len(block) - 1 > height:
            columns.append([])
        columns[-1] += block
    return [column[:-1] for column in columns]
