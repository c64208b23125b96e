"""What ctrl+p offers: every command with its key, every session by title.

Titles come from the database: they are shown as Content, which is never parsed for markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode

from tui.model.filter import titles
from tui.model.records import Session
from tui.model.status.state import session_state
from tui.model.sums.rollup import subtree
from tui.model.tree.sorting import project
from tui.render.bars.help import key_name
from tui.render.cards.tabs import TIMELINE, TRANSCRIPT
from tui.render.glyphs import mark
from tui.render.lines import fit, pad, width_of
from tui.screens.doors import DoorScreen
from tui.screens.jumps import JumpScreen
from tui.screens.main import MainScreen
from tui.text.moments import short_age
from tui.textual_patches.palette import heading
from tui.widgets.detail import Detail
from tui.widgets.line_view import LineView
from tui.widgets.session_tree import SessionTree
from tui.widgets.timeline_view import TimelineView
from tui.widgets.transcript import Transcript

SESSIONS = 40
"""Sessions that one answer names: more than that nobody reads, another letter is quicker."""

_TEXT = "text: "
"""Stands before what a key does in the text of the detail, where the tree has a key of the same name."""

_READING = "transcript: "
"""The same of the transcript."""
_TIMELINE = "timeline: "
"""Stands before what a key does in the timeline."""

_FRAME = 6
"""Cells that the list takes for its own border, padding and scrollbar."""

_BEFORE_SESSIONS = 0.05
"""What lifts a command above a session that was found in the same way."""

_BY_OTHER = 0.05
"""What puts a command that was found by another word below one whose words were typed."""

_SURE = titles.LETTERS + _BEFORE_SESSIONS
"""What every find is better than that is more than letters in their order."""

_EXACT_KEY = 2.0
"""How good a command is whose very key was typed."""


_LIFT = 10.0
"""More than any find is good."""

_TO_SESSIONS, _COMMANDS = "go to a session", "commands"


class Command(NamedTuple):
    """Something that the program can do; `keys` as they are printed, `other` says what else it is found by. What moves
    by a row or a page is not `offered` before somebody asks for it."""

    words: str
    keys: str
    run: Callable[[], object]
    other: str = ""
    offered: bool = True


class Palette(Provider):
    """The one provider of the palette: with several, Textual would mix what they give in no order."""

    async def startup(self) -> None:
        main = self._main()
        self._commands = [] if main is None else [*_own(main), *_of_system(self.app, self.screen)]
        newest = titles.newest_first(main.store) if main is not None else []
        self._by_words = [(titles.title(command.words), command) for command in self._commands]
        self._by_other = [(titles.title(command.other), command) for command in self._commands]
        self._sessions = [(titles.title(f"{session.name} {session.id}"), session) for session in newest]

    async def discover(self) -> Hits:
        """The commands, then the newest sessions."""
        for command in self._commands:
            if command.offered:
                yield DiscoveryHit(self._line(command, ""), command.run, command.words)
        if self._sessions:
            yield DiscoveryHit(self._heading(_TO_SESSIONS), heading, _TO_SESSIONS)
        for _, session in self._sessions[:SESSIONS]:
            yield DiscoveryHit(self._session(session, ""), partial(self._go, session), session.name)

    async def search(self, query: str) -> Hits:
        """The commands and sessions that hold the words of the query, those together first among which the best is;
        only where there are none, those that hold its letters."""
        commands = self._find_commands(query)
        sessions = list(titles.search(query, self._sessions, SESSIONS))
        scores = [*commands.values(), *(score for score, _ in sessions)]
        least = _SURE if max(scores, default=0.0) > _SURE else 0.0
        commands = {command: score for command, score in commands.items() if score > least}
        sessions = [(score, session) for score, session in sessions if score > least]
        best = max(commands.values(), default=0.0), max((score for score, _ in sessions), default=0.0)
        # The list is sorted by score: what comes first as a whole is lifted above the other and its heading.
        above_commands, above_sessions = (_LIFT, 0.0) if best[0] >= best[1] else (0.0, _LIFT)
        for command, score in commands.items():
            yield Hit(score + above_commands, self._line(command, query), command.run, command.words)
        if commands and sessions:
            second = _TO_SESSIONS if above_commands else _COMMANDS
            yield Hit(_LIFT, self._heading(second), heading, second)
        for score, session in sessions:
            yield Hit(score + above_sessions, self._session(session, query), partial(self._go, session), session.name)

    def _find_commands(self, query: str) -> dict[Command, float]:
        found = {command: _EXACT_KEY for command in self._commands if query in command.keys.split()}
        for score, command in titles.search(query, self._by_words, len(self._by_words)):
            found.setdefault(command, score + _BEFORE_SESSIONS)
        for score, command in titles.search(query, self._by_other, len(self._by_other)):
            if score != titles.LETTERS:
                found[command] = max(found.get(command, 0.0), score - _BY_OTHER)
        return found

    def _main(self) -> MainScreen | None:
        return next((screen for screen in self.app.screen_stack if isinstance(screen, MainScreen)), None)

    def _go(self, session: Session) -> None:
        main = self._main()
        if main is not None:
            _uncover(main)
            main.go_to_session(session)

    @property
    def _room(self) -> int:
        return max(20, self.app.size.width - _FRAME)

    def _heading(self, words: str) -> Content:
        return Content(f"── {words} " + "─" * (self._room - len(words) - 4))

    def _line(self, command: Command, query: str) -> Content:
        words = fit(command.words, self._room - width_of([(command.keys, "key")]) - 2)
        gap = self._room - width_of([(words + command.keys, "key")])
        return Content.assemble(self._marked(words, query), " " * gap, (command.keys, "$text-primary"))

    def _session(self, session: Session, query: str) -> Content:
        main = self._main()
        if main is None:
            return Content(session.name)
        now = main.now()
        look = mark(session_state(main.store, session, now).name)
        since = short_age(max(0, now - subtree(main.store, session).last_ts))
        right = f"{fit(project(session.cwd), self._room // 4)}  {pad(since, 5, right=True)}"
        name = pad(session.name, self._room - width_of([(right, "dim")]) - 4)
        return Content.assemble(
            (f"{look.glyph} ", "$text-muted"), self._marked(name, query), "  ", (right, "$text-muted")
        )

    def _marked(self, text: str, query: str) -> Content:
        content = Content(text)
        for begin, end in titles.places(query, text) if query else ():
            content = content.stylize(self.match_style or "bold underline", begin, end)
        return content


def _uncover(main: MainScreen) -> None:
    """Takes away what lies over the main screen: the help, for one."""
    while main.app.screen is not main:
        main.app.pop_screen()


def _own(main: MainScreen) -> Iterator[Command]:
    """Every key of the program, with what it does; those of a text say so: the tree has some of the same name."""
    groups: tuple[tuple[DOMNode, str, Sequence[BindingType], Callable[[], None] | None], ...] = (
        (main, "", (*MainScreen.BINDINGS, *DoorScreen.BINDINGS), None),
        (main.app, "", main.app.BINDINGS, None),
        (main, "", JumpScreen.BINDINGS, main.show_tree),
        (main.detail, _TEXT, Detail.BINDINGS, main.show_detail),
        (main.detail.transcript, _READING, Transcript.BINDINGS, partial(main.read, TRANSCRIPT)),
        (main.sessions, "", SessionTree.BINDINGS, main.show_tree),
        (main.detail.text, _TEXT, LineView.BINDINGS, main.show_detail),
        (main.detail.timeline, _TIMELINE, TimelineView.OWN, partial(main.read, TIMELINE)),
    )
    for node, prefix, bindings, before in groups:
        moves = bindings in (SessionTree.BINDINGS, LineView.BINDINGS)
        for binding in bindings:
            if isinstance(binding, Binding):
                # The filter is typed under the tree, and its slash is the text's own there.
                first = main.show_tree if binding.action == "filter" else before
                keys = " ".join(key_name(key.strip()) for key in main.keymap.of(binding).split(","))
                run = partial(_run, main, node, binding.action, first)
                yield Command(prefix + binding.description, keys, run, binding.id or "", not moves)


def _run(main: MainScreen, node: DOMNode, action: str, before: Callable[[], None] | None) -> None:
    _uncover(main)
    if before is not None:
        before()
    # The focus moves by a message; an action that depends on it, or moves it on, has to come behind that.
    main.app.call_later(main.app.run_action, action, node)


def _of_system(app: App[object], screen: object) -> Iterable[Command]:
    """What the app adds to what has a key."""
    for command in app.get_system_commands(screen):  # type: ignore[arg-type]
        yield Command(command.help[:1].lower() + command.help[1:], "", command.callback, command.title)
