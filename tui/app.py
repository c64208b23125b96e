"""Wiring: sources -> feed -> model -> screen, and back the requests of the screen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual.actions import SkipAction
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widgets import Input

from adapter.contract import Source
from adapter.health import Health
from tui import bindings, ending, terminal_signals, themes
from tui.feed import Feed
from tui.keymap import NONE, Keymap
from tui.keys_in_turn import KeysInTurn
from tui.model.budget import Budget
from tui.model.nodes import ChangeSet, Key
from tui.model.notices import Notices
from tui.model.store import Store
from tui.model.window import Limits, no_limits
from tui.render.glyphs import plain
from tui.render.help import key_name
from tui.render.status import TITLE
from tui.screens.help import HelpScreen
from tui.screens.main import MainScreen
from tui.screens.palette import Palette
from tui.settings import Memory
from tui.widgets.panes import Panes
from tui.widgets.plain_filter import PlainFilter
from tui.widgets.roles import ROLE_CLASSES


class ViewerApp(KeysInTurn):
    """The program. `clock` gives unix seconds; `problem` is what to say before the first source answers;
    `discover` is asked from time to time for sources that have appeared since; `limits` knows the models' context
    windows; `memory` holds the user's choices and keeps new ones; `keymap` has the user's own keys; `encoding` is that
    of the terminal where it is not UTF-8; with `notify` a bell calls back to what is over or waits."""

    CSS_PATH = "viewer.tcss"
    TITLE = TITLE
    COMMANDS: ClassVar = {Palette}
    COMPONENT_CLASSES = ROLE_CLASSES

    BINDINGS: ClassVar[list[BindingType]] = bindings.APP

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        clock: Callable[[], float] = time.time,
        problem: str = "",
        discover: Callable[[], Sequence[Source]] | None = None,
        limits: Limits = no_limits,
        memory: Memory | None = None,
        keymap: Keymap = NONE,
        encoding: str = "",
        notify: bool = False,
    ) -> None:
        # Under NO_COLOR Textual turns colours into greys; only those of the terminal itself does it leave away.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.memory = memory or Memory()
        self._use_themes(self.memory.settings.theme)
        chosen = self.memory.settings.glyphs
        self._plain = PlainFilter(encoding) if chosen == "ascii" or (encoding and not chosen) else None
        self.keymap = keymap
        self.set_keymap(keymap.keys)
        self.clock = clock
        self.store = Store(limits)
        self.notices = Notices(self.store, self.now_us()) if notify else None
        self.feed = Feed(sources, self.store, self, clock=clock, discover=discover)
        paths = tuple(str(source.path) for source in sources)
        self.main = MainScreen(self.store, paths, self.now_us, self.feed, self.memory.settings, keymap)
        self.main.problem = problem
        self.budget = Budget(self.store, self.main.rows)

    def _use_themes(self, chosen: str) -> None:
        """Knows our themes and no others: of those nobody has computed how readable our text is."""
        for theme in themes.THEMES:
            self.register_theme(theme)
        # Not announced: each would parse and apply all styles once more.
        self.set_reactive(App.ansi_theme_dark, themes.PRINTED_DARK)
        self.set_reactive(App.ansi_theme_light, themes.PRINTED_LIGHT)
        self.theme = chosen if chosen in themes.NAMES else themes.NAMES[0]
        for name in self.available_themes.keys() - themes.NAMES:
            self.unregister_theme(name)

    def now_us(self) -> int:
        """The time in µs UTC."""
        return int(self.clock() * 1_000_000)

    def get_default_screen(self) -> Screen[object]:
        return self.main

    def compose(self) -> ComposeResult:
        # The first thing, so that there is something to show when the screen stands.
        self.run_worker(self.feed.run, name="feed", thread=True, exit_on_error=True)
        return ()

    def on_main_screen_ready(self) -> None:
        self.watch(self.main.sessions, "cursor", self._looked_at, init=False)
        if not self.is_headless:
            ending.when_asked(lambda status: self.exit(return_code=status))
        self._tell(terminal_signals.SAVE_TITLE + terminal_signals.set_title(self.TITLE))
        self._welcome()
        if self.notices is not None:
            self.set_interval(1, self._watch_time)
        self.feed.arrivals.attach()

    def on_unmount(self) -> None:
        self.feed.stop()
        self._tell(terminal_signals.RESTORE_TITLE)

    def _welcome(self) -> None:
        """One line at the start: what is wrong with the user's files, why sessions may be missing, or, once in a life,
        the keys to begin with."""
        settings, problems = self.memory.settings, self.keymap.problems
        words: list[str] = []
        if problems:
            more = f" (and {len(problems) - 1} more: see the help)" if len(problems) > 1 else ""
            words.append(f"keymap: {problems[0]}{more}")
        if self.memory.problem:
            words.append(self.memory.problem)
        if settings.filter:
            words.append(f"the filter of last time is on: {self._key('pane.back')} takes it away")
        if self.memory.path is not None and not settings.hint_seen and not words:
            named = [("help.open", "shows every key"), ("filter.open", "filters the sessions"), ("quit", "quits")]
            words.append(", ".join([*(f"{self._key(name)} {what}" for name, what in named), "ctrl+p finds anything"]))
            self._remember(hint_seen=True)
        if words:
            self.main.say("; ".join(words))

    def _key(self, name: str) -> str:
        """The first key of a binding, as it is printed."""
        return key_name(self.keymap.of(bindings.by_id(name)).split(",")[0])

    def _remember(self, **changes: object) -> None:
        """Keeps a choice, and says so once when it cannot be kept."""
        before = self.memory.problem
        self.memory.remember(**changes)
        if self.memory.problem != before and self.main.is_mounted:
            self.main.say(self.memory.problem)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own, and last the one for terminals without our glyphs."""
        return [*super().get_line_filters(), *([self._plain] if self._plain is not None else [])]

    def _tell(self, sequence: str) -> None:
        """Sends the terminal something that is not on the screen."""
        if self._driver is not None and not self.is_headless and not self.is_web:
            self._driver.write(sequence)

    # --- the feed tells --------------------------------------------------------------------------------------

    @property
    def _stands(self) -> bool:
        """Whether there is a screen to tell. When the app ends, its parts go before anybody hears of it."""
        return self.is_running and self.main.is_mounted

    def changed(self, changes: ChangeSet) -> bool:
        """The model changed."""
        if self.notices is not None:
            self.notices.update(changes, self.now_us())
            self._notify()
        if not self._stands:
            return False
        drawn = self.main.changed(changes)
        self._keep_to_budget()
        return drawn

    def _keep_to_budget(self) -> None:
        """Gives back what was looked at longest ago, when more is loaded than is to be; a filter may ask for it."""
        for source, session_id in self.budget.regretted():
            self.feed.load(source, session_id)
        if not self.main.finder.on:
            for source, session_id in self.budget.surplus(self.main.sessions.trees_in_sight, self.now_us()):
                self.feed.release(source, session_id)

    def _watch_time(self) -> None:
        if self.notices is not None:
            self.notices.tick(self.now_us())
            self._notify()

    def _notify(self) -> None:
        words = self.notices.due(self.now_us()) if self.notices is not None else ""
        if words:
            self._tell(terminal_signals.notice(self._shown(words), in_tmux="TMUX" in os.environ))

    def _shown(self, words: str) -> str:
        return words if self._plain is None else plain(words, self._plain.encoding)

    def health_changed(self, healths: dict[str, Health]) -> None:
        """A source has news about itself; one that works takes an old problem back."""
        if self._stands:
            if self.main.problem and all(health.state == "ok" for health in healths.values()):
                self.main.show_problem("")
            arrivals = self.feed.arrivals
            self.main.health_changed(tuple(healths.values()), arrivals.lags(), arrivals.behind)

    def problem(self, text: str) -> None:
        """Something went wrong that a person should know."""
        if self._stands:
            self.main.show_problem(text)

    def after_paint(self, callback: Callable[[], None]) -> None:
        """Calls back after the next paint of the main screen."""
        self.main.call_after_refresh(callback)

    # --- the screen tells -------------------------------------------------------------------------------------

    def _looked_at(self, key: Key | None) -> None:
        if key is not None:
            self.budget.looked_at(key, self.now_us())

    def on_panes_divided(self, message: Panes.Divided) -> None:
        if message.done:
            self._remember(tree_width=message.share)

    def on_main_screen_arranged(self, message: MainScreen.Arranged) -> None:
        how = message.arrangement
        self._remember(filter=message.filter, order=how.order, grouping=how.grouping)

    def on_main_screen_counted(self, message: MainScreen.Counted) -> None:
        words = terminal_signals.title(message.running, message.waiting)
        self._tell(terminal_signals.set_title(self._shown(words)))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Of Textual's own commands those that have no key here and make sense."""
        return (command for command in super().get_system_commands(screen) if command.title == "Theme")

    def validate_theme(self, name: str) -> str:
        return "ansi" if self.no_color else name

    def watch_theme(self, name: str) -> None:
        if self.is_running and not self.no_color:
            self._remember(theme=name)

    def action_next_theme(self) -> None:
        if self.no_color:
            self.main.say("NO_COLOR is set: no colours")
            return
        self.theme = themes.after(self.theme)
        self.main.say(f"theme: {self.theme}")

    def action_leave(self) -> None:
        """Quits, unless ctrl+c means to copy what is selected in a line."""
        if isinstance(self.focused, Input) and self.focused.selected_text:
            raise SkipAction
        self.exit()

    def action_help(self) -> None:
        self.push_screen(HelpScreen(bindings.key_groups(self.keymap), self.keymap))
