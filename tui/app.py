"""Wiring: sources -> feed -> model -> screen, and back the requests of the screen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from adapter.health import Health
from tui import themes
from tui.feed import Feed
from tui.model.nodes import ChangeSet
from tui.model.store import Store
from tui.protocols import SourceLike
from tui.model.window import Limits, no_limits
from tui.render.status import TITLE
from tui.screens.doors import DoorScreen
from tui.screens.help import Group, HelpScreen
from tui.screens.main import MainScreen
from tui.screens.palette import Palette
from tui.settings import Memory
from tui.widgets.detail import Detail
from tui.widgets.filter_bar import FilterInput
from tui.widgets.health_pane import HealthPane
from tui.widgets.jumping_tree import JumpingTree
from tui.widgets.line_view import LineView
from tui.widgets.panes import Panes
from tui.widgets.session_tree import SessionTree


class ViewerApp(App[None]):
    """The program. `clock` gives unix seconds; `problem` is what to say before the first source answers;
    `discover` is asked from time to time for sources that have appeared since; `limits` knows the models' context
    windows; `memory` holds the user's choices and keeps new ones."""

    CSS_PATH = "viewer.tcss"
    TITLE = TITLE
    COMMANDS: ClassVar = {Palette}

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", id="help", show=False),
        Binding("T", "next_theme", "colours: dark, light, high contrast, the terminal's", id="theme", show=False),
        Binding("q", "quit", "quit", id="quit", show=False),
    ]

    def __init__(
        self,
        sources: Sequence[SourceLike],
        *,
        clock: Callable[[], float] = time.time,
        problem: str = "",
        discover: Callable[[], Sequence[SourceLike]] | None = None,
        limits: Limits = no_limits,
        memory: Memory | None = None,
    ) -> None:
        # Under NO_COLOR Textual turns colours into greys; only those of the terminal itself does it leave away.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.memory = memory or Memory()
        self._use_themes(self.memory.settings.theme)
        self.clock = clock
        self.store = Store(limits)
        self.feed = Feed(sources, self.store, self, clock=clock, discover=discover)
        paths = tuple(str(source.path) for source in sources)
        self.main = MainScreen(self.store, paths, self.now_us, share=self.memory.settings.tree_width)
        self.main.problem = problem

    def _use_themes(self, chosen: str) -> None:
        """Knows our themes and no others: of those nobody has computed how readable our text is."""
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.ansi_theme_dark, self.ansi_theme_light = themes.PRINTED_DARK, themes.PRINTED_LIGHT
        self.theme = chosen if chosen in themes.NAMES else themes.NAMES[0]
        for name in self.available_themes.keys() - themes.NAMES:
            self.unregister_theme(name)

    def now_us(self) -> int:
        """The time in µs UTC."""
        return int(self.clock() * 1_000_000)

    async def on_mount(self) -> None:
        # What arrives before the screen stands would find nobody to tell.
        await self.push_screen(self.main)
        self.feed.attach()
        self.run_worker(self.feed.run, name="feed", thread=True, exit_on_error=True)

    def on_unmount(self) -> None:
        self.feed.stop()

    # --- the feed tells --------------------------------------------------------------------------------------

    def changed(self, changes: ChangeSet) -> bool:
        """The model changed."""
        return self.main.changed(changes) if self.main.is_mounted else False

    def health_changed(self, healths: dict[str, Health]) -> None:
        """A source has news about itself; one that works takes an old problem back."""
        if self.main.is_mounted:
            if self.main.problem and all(health.state == "ok" for health in healths.values()):
                self.main.show_problem("")
            self.main.health_changed(tuple(healths.values()), self.feed.lags())

    def problem(self, text: str) -> None:
        """Something went wrong that a person should know."""
        if self.main.is_mounted:
            self.main.show_problem(text)

    def after_paint(self, callback: Callable[[], None]) -> None:
        """Calls back after the next paint of the main screen."""
        self.main.call_after_refresh(callback)

    # --- the screen asks -------------------------------------------------------------------------------------

    def on_session_tree_load_wanted(self, message: SessionTree.LoadWanted) -> None:
        self.feed.load(message.source, message.session_id)

    def on_detail_text_wanted(self, message: Detail.TextWanted) -> None:
        text = message.text
        self.feed.payload(
            message.source,
            text.payload.uri,
            text.look,
            lambda document, note: self.main.detail.deliver(text, document, note),
        )

    def on_panes_divided(self, message: Panes.Divided) -> None:
        if message.done:
            self.memory.remember(tree_width=message.share)

    def on_health_pane_opened(self, _message: HealthPane.Opened) -> None:
        self.feed.probe()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Of Textual's own commands those that have no key here and make sense."""
        return (command for command in super().get_system_commands(screen) if command.title == "Theme")

    def validate_theme(self, name: str) -> str:
        return "ansi" if self.no_color else name

    def watch_theme(self, name: str) -> None:
        if self.is_running and not self.no_color:
            self.memory.remember(theme=name)

    def action_next_theme(self) -> None:
        if self.no_color:
            self.main.say("NO_COLOR is set: no colours")
            return
        self.theme = themes.after(self.theme)
        self.main.say(f"theme: {self.theme}")

    def action_help(self) -> None:
        self.push_screen(HelpScreen(key_groups()))


def key_groups() -> list[Group]:
    """Every key with its meaning, from the bindings themselves."""
    parts: list[tuple[str, list[BindingType]]] = [
        ("Everywhere", [*MainScreen.BINDINGS, *ViewerApp.BINDINGS]),
        ("In the tree", list(SessionTree.BINDINGS)),
        ("Finding", list(JumpingTree.BINDINGS)),
        ("Taking it along", list(DoorScreen.BINDINGS)),
        ("In the filter", list(FilterInput.BINDINGS)),
        ("In a text", [*LineView.BINDINGS, *Detail.BINDINGS]),
    ]
    groups: list[Group] = []
    for name, bindings in parts:
        known = [binding for binding in bindings if isinstance(binding, Binding)]
        groups.append((name, [(binding.key, binding.description) for binding in known]))
    groups[0][1].append(("ctrl+p", "command palette"))  # type: ignore[attr-defined]
    return groups
