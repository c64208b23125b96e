"""Every key of the program, by where it works: what the help, the keymap and the start line tell of comes from here. It
loads every screen, so a start goes without."""

from __future__ import annotations

from textual.binding import Binding, BindingType
from textual.widgets import Input

from tui.config import keymap
from tui.config.app_keys import APP
from tui.config.keymap import Keymap, Scope
from tui.render.bars.help import Group
from tui.screens.doors import DoorScreen
from tui.screens.help import HelpScreen
from tui.screens.jumps import JumpScreen
from tui.screens.main import MainScreen
from tui.screens.search import AMONG_HITS, SearchScreen
from tui.screens.spend import RANGE_KEYS, SpendScreen
from tui.widgets.detail import Detail
from tui.widgets.filter_bar import FilterInput
from tui.widgets.line_view import LineView
from tui.widgets.session_tree import SessionTree
from tui.widgets.spend_table import SpendTable
from tui.widgets.timeline_view import TimelineView
from tui.widgets.transcript import Transcript

EVERYWHERE, TREE, FINDING, DOORS = "Everywhere", "In the tree", "Finding", "Taking it along"
FILTER, SEARCH, TEXT, READING = "In the filter", "In the search", "In a text", "In transcript and timeline"
TIMELINE, SPENDING, HELP = "In the timeline", "In what sessions cost", "In the help"

_PARTS: dict[str, list[BindingType]] = {
    EVERYWHERE: [*MainScreen.BINDINGS, *APP],
    TREE: list(SessionTree.BINDINGS),
    FINDING: list(JumpScreen.BINDINGS),
    DOORS: list(DoorScreen.BINDINGS),
    FILTER: list(FilterInput.BINDINGS),
    SEARCH: list(SearchScreen.BINDINGS),
    TEXT: [*LineView.BINDINGS, *Detail.BINDINGS],
    READING: list(Transcript.BINDINGS),
    TIMELINE: list(TimelineView.OWN),
    SPENDING: list(RANGE_KEYS),
    HELP: list(HelpScreen.BINDINGS),
}
PARTS: dict[str, list[Binding]] = {
    name: [binding for binding in bindings if isinstance(binding, Binding)] for name, bindings in _PARTS.items()
}

EVERY: list[Binding] = [binding for bindings in PARTS.values() for binding in bindings]

_SPEND = [*SpendScreen.BINDINGS, *SpendTable.BINDINGS, *APP]
_SHARED = [*PARTS[EVERYWHERE], *PARTS[DOORS]]
_ANYWHERE = [binding for binding in PARTS[EVERYWHERE] if binding.priority]
_LINE = [binding for binding in Input.BINDINGS if isinstance(binding, Binding)]
_VIEW = [binding for binding in LineView.BINDINGS if isinstance(binding, Binding)]
SCOPES: list[Scope] = [
    Scope([*_SHARED, *PARTS[TREE], *PARTS[FINDING]]),
    Scope([*_SHARED, *PARTS[TEXT], *PARTS[READING]]),
    Scope([*_SHARED, *(each for each in TimelineView.BINDINGS if isinstance(each, Binding))]),
    Scope([*_ANYWHERE, *PARTS[FILTER], *_LINE], typed=True),
    Scope([*_ANYWHERE, *PARTS[SEARCH], *_LINE, AMONG_HITS], typed=True),
    Scope([*_ANYWHERE, *PARTS[HELP], *_VIEW]),
    Scope([binding for binding in _SPEND if isinstance(binding, Binding)]),
]
"""The bindings that are alive together: with the tree, a text, a timeline, the lines of filter and search, the help, in
what sessions cost."""


def by_id(name: str) -> Binding:
    """The binding of that id. Raises KeyError."""
    return {binding.id: binding for binding in EVERY}[name]


def key_groups(keys: Keymap = keymap.NONE) -> list[Group]:
    """Every key with its meaning, from the bindings themselves; what is wrong with the user's keymap comes first."""
    groups: list[Group] = [("In your keymap", [("", problem) for problem in keys.problems])] if keys.problems else []
    for name, bindings in PARTS.items():
        entries = [(keys.of(binding), binding.description) for binding in bindings]
        groups.append((name, entries))
    return groups
