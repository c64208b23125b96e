"""Wiring: sources -> feed -> model -> screen, and back the requests of the screen.

What the first screen does without is imported where a key asks for it: all of it was a tenth of a start.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.actions import SkipAction
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.command import CommandPalette
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widgets import Input

from adapter.contract import Source
from adapter.health import Health
from tui import __version__, ending
from tui.config import app_keys, themes
from tui.config import wishes as wished
from tui.config.keymap import NONE, Keymap
from tui.config.settings import Memory
from tui.config.wishes import Wishes
from tui.error_log import ErrorLog
from tui.exit_codes import INTERNAL
from tui.feed.recovery import PATIENCE_S, Recovery, Verdict
from tui.feed.worker import Feed
from tui.model.records import ChangeSet
from tui.model.status.notices import words as words_of
from tui.model.store.store import Store
from tui.model.sums.window import Limits, no_limits
from tui.no_sessions import NONE_YET, NoSessions
from tui.render.bars.help import key_name
from tui.render.bars.status import TITLE
from tui.render.glyphs import plain
from tui.screens.main import MainScreen
from tui.terminal import clipboard
from tui.terminal import signals as terminal_signals
from tui.text import sanitize
from tui.textual_patches.contained import ContainedApp
from tui.textual_patches.driver import TerminalApp
from tui.textual_patches.keys_in_turn import KeysInTurn
from tui.textual_patches.told import Told
from tui.view import View
from tui.widgets.panes import Panes
from tui.widgets.plain_filter import PlainFilter
from tui.widgets.roles import ROLE_CLASSES

if TYPE_CHECKING:
    from textual.command import Provider

    from tui.terminal.notify_command import NotifyCommand

LOADING = "; loading everything anew"


def _palette() -> type[Provider]:
    from tui.screens.palette import Palette

    return Palette


class ViewerApp(TerminalApp, ContainedApp, KeysInTurn, inherit_bindings=False):
    """The program. `clock` gives unix seconds; `no_sessions` is what to say while there is none;
    `discover` is asked from time to time for sources that have appeared since; `limits` knows the models' context
    windows; `memory` holds the user's choices and keeps new ones; `keymap` has the user's own keys; `encoding` is that
    of the terminal where it is not UTF-8, which has ASCII only where it is `basic`; with `notify` a bell calls back to
    what is over or waits, in the ways of `wishes`; `errors` is where errors of our own are written down."""

    CSS_PATH = "viewer.tcss"
    TITLE = TITLE
    COMMANDS: ClassVar = {_palette}
    COMPONENT_CLASSES = ROLE_CLASSES

    BINDINGS: ClassVar[list[BindingType]] = app_keys.APP

    @dataclass
    class CommandFailed(Told):
        """The user's own command for notices has failed."""

        words: str

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        clock: Callable[[], float] = time.time,
        no_sessions: NoSessions = NONE_YET,
        discover: Callable[[], Sequence[Source]] | None = None,
        limits: Limits = no_limits,
        memory: Memory | None = None,
        keymap: Keymap = NONE,
        encoding: str = "",
        basic: bool = False,
        notify: bool = False,
        wishes: Wishes = wished.NONE,
        errors: ErrorLog | None = None,
    ) -> None:
        # An empty one is none (no-color.org); Textual only asks whether it is there.
        if not os.environ.get("NO_COLOR"):
            os.environ.pop("NO_COLOR", None)
        # Under NO_COLOR Textual turns colours into greys; only those of the terminal itself does it leave away.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.memory = memory or Memory()
        self._use_themes(self.memory.settings.theme)
        chosen = self.memory.settings.glyphs
        self.encoding = encoding
        plain = chosen == "ascii" or (not chosen and (encoding or basic))
        self._plain = PlainFilter(encoding) if plain else None
        self.keymap = keymap
        self.set_keymap(keymap.keys)
        self.clock = clock
        self._words = self.TITLE
        self._asked = ending.Asked()
        self.store = Store(limits)
        self.view = View(self.store, self.now_us(), notify=notify or wishes.on)
        self.view.sources.expected = len(sources)
        self.wishes = wishes
        self._command: NotifyCommand | None = None
        if wishes.command:
            from tui.terminal.notify_command import NotifyCommand

            self._command = NotifyCommand(wishes.command, self._command_failed)
        self.feed = Feed(sources, self.store, self, clock=clock, discover=discover)
        self.errors = errors or ErrorLog(None)
        self.recovery = Recovery(time.monotonic)
        paths = tuple(str(source.path) for source in sources)
        self.main = MainScreen(self.view, paths, self.now_us, self.feed, self.memory.settings, keymap, no_sessions)

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

    def get_default_screen(self) -> Screen[Any]:
        return self.main

    def on_load(self) -> None:
        # Before the terminal is another one.
        if not self.is_headless:
            self._asked = ending.when_asked(lambda status: self.exit(return_code=status))

    def compose(self) -> ComposeResult:
        # The first thing, so that there is something to show when the screen stands.
        self.run_worker(self.feed.run, name="feed", thread=True, exit_on_error=True)
        return ()

    def on_main_screen_composed(self) -> None:
        self.feed.arrivals.attach()

    async def on_main_screen_ready(self) -> None:
        self.tell(terminal_signals.SAVE_TITLE + terminal_signals.set_title(self._words))
        self._welcome()
        # What was made until now stays, and to look through it was a hundredth of a start.
        gc.enable()
        await self.take_keys()

    def on_unmount(self) -> None:
        self.feed.stop()
        self.tell(terminal_signals.RESTORE_TITLE)

    def _welcome(self) -> None:
        """One line at the start: what is wrong with the user's files, why sessions may be missing, or, once in a life,
        the keys to begin with."""
        settings, problems = self.memory.settings, self.keymap.problems
        words: list[str] = []
        if problems:
            more = f" (and {len(problems) - 1} more: see the help)" if len(problems) > 1 else ""
            words.append(f"keymap: {problems[0]}{more}")
        if self.wishes.problems:
            words.append(f"config.toml: {'; '.join(self.wishes.problems)}")
        if self.memory.problem:
            words.append(self.memory.problem)
        if settings.filter:
            words.append(f"the filter of last time is on: {self._key('pane.back')} takes it away")
        if self.memory.path is not None and not settings.hint_seen and not words:
            named = [("help.open", "shows every key"), ("filter.open", "filters the sessions"), ("quit", "quits")]
            named.append(("palette", "finds anything"))
            words.append(", ".join([*(f"{self._key(name)} {what}" for name, what in named)]))
            self._remember(hint_seen=True)
        if words:
            self.main.say("; ".join(words))

    def _key(self, name: str) -> str:
        """The first key of a binding, as it is printed."""
        from tui.config import bindings

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

    # --- the shell --------------------------------------------------------------------------------------------

    def action_suspend(self) -> None:
        """Stops, as every program does that a shell has started; `fg` brings it back."""
        terminal = self.terminal
        if terminal is None:
            self.main.say("there is no shell to go back to")
            return
        self.let_go()
        self.tell(terminal_signals.RESTORE_TITLE)
        stopped = terminal.stop()
        if self.is_leaving:
            return
        self.take_again()
        self._show_anew()
        if not stopped:
            self.main.say("there is no shell to go back to")

    @property
    def is_leaving(self) -> bool:
        """Whether a signal has asked for the end."""
        return bool(self._asked.by)

    def let_go(self) -> None:
        """Closes opencode's files: a process that is stopped with one open keeps opencode from folding its WAL."""
        self.feed.rest()

    def take_again(self) -> None:
        """Reads on, from where it was."""
        self.feed.go_on()

    def draw_anew(self) -> None:
        """Takes the terminal back from whoever had it while the process was stopped."""
        if self.terminal is not None:
            self.terminal.take_back()
            self._show_anew()

    def _show_anew(self) -> None:
        self.main.tick()
        self.tell(terminal_signals.SAVE_TITLE + terminal_signals.set_title(self._words))
        self.refresh(layout=True)

    # --- the feed tells --------------------------------------------------------------------------------------

    @property
    def _stands(self) -> bool:
        """Whether there is a screen to tell. When the app ends, its parts go before anybody hears of it."""
        return self.is_running and self.main.is_mounted

    def changed(self, changes: ChangeSet) -> bool:
        """The model changed."""
        return self._stands and self.main.changed(changes)

    def _shown(self, words: str) -> str:
        return words if self._plain is None else plain(words, self._plain.encoding)

    def health_changed(self, healths: dict[str, Health]) -> None:
        """A source has news about itself; one that works takes an old problem back."""
        if self._stands:
            if self.view.problem and all(health.state == "ok" for health in healths.values()):
                self.main.show_problem("")
            arrivals = self.feed.arrivals
            self.main.health_changed(healths, arrivals.lags, arrivals.behind)

    def problem(self, text: str) -> None:
        """Something went wrong that a person should know."""
        if self._stands:
            self.main.show_problem(text)

    # --- what goes wrong in our own code -----------------------------------------------------------------------

    def fault(self, stage: str, error: Exception, sources: Collection[str] | None) -> None:
        """An error of our own: it is written down and shown, and what it may have left behind is loaded anew. One that
        comes again soon after that ends the program with a report."""
        self.errors.write(stage, error)
        concerned = self.feed.names if sources is None else [name for name in self.feed.names if name in sources]
        try:
            verdict = self.recovery.failed(concerned)
            if verdict is Verdict.END or not self._stands:
                self._end_with_report(stage, error)
            elif verdict is Verdict.LOAD_ANEW:
                self.main.show_fault(f"{self._said(stage, error)}{LOADING}")
                for name in concerned:
                    self.feed.reload(name)
                if not concerned:
                    self.loading_anew("")
                self.set_timer(PATIENCE_S + 1, lambda: self._not_loaded(stage, error))
        except Exception as another:
            self.errors.write("dealing with the error before", another)
            self._end_with_report(stage, error)

    def trouble(self, stage: str, error: BaseException) -> None:
        """An error of our own that costs what was asked for, or that its source comes back from by itself."""
        self.errors.write(stage, error)
        if self._stands:
            self.main.show_fault(f"{stage}: {_named(error)}; {self._written}, {self._way_out}")

    def loading_anew(self, source: str) -> None:
        """What was left of an error is gone, and everything that follows from the model is made anew."""
        self.recovery.begun(source)
        if self._stands:
            try:
                self.main.rebuild()
            except Exception as error:
                self.fault("making the screen anew", error, None)
                return
            self.main.show_fault(self.view.fault.replace(LOADING, f"; everything was loaded anew, {self._way_out}"))

    def _not_loaded(self, stage: str, error: Exception) -> None:
        """Ends the program when what an error touched has not begun to be loaded anew by now."""
        if self.recovery.overdue:
            self._end_with_report(stage, error)

    def contain(self, error: Exception, stage: str) -> bool:
        """Takes an error over; False where there is nothing to go on with yet, or any more."""
        if not self._stands or self.is_ending:
            return False
        self.fault(stage, error, None)
        return True

    def cannot_go_on(self, error: BaseException) -> None:
        """Ends with a report."""
        self.errors.write("running a part that cannot go on", error)
        self._end_with_report("running a part that cannot go on", error)

    def _said(self, stage: str, error: BaseException) -> str:
        return f"opencode-viewer has a bug: {_named(error)}, while {stage}; {self._written}"

    @property
    def _written(self) -> str:
        if self.errors.path is None:
            return "it is not written down"
        if self.errors.problem:
            return f"it could not be written down: {self.errors.problem}"
        from tui.terminal.doors import at_home

        return f"please report it with {at_home(self.errors.path)}"

    @property
    def _way_out(self) -> str:
        return f"{self._key('pane.back')} takes this away"

    def _end_with_report(self, stage: str, error: BaseException) -> None:
        """Ends the program; what is printed then is for whoever reads the terminal, the log has the rest."""
        if self.is_ending:
            return
        report = (
            f"{self._said(stage, error)}.\nopencode-viewer {__version__} has ended. Nothing of opencode's was changed."
        )
        self.exit(return_code=INTERNAL, message=Text(report))

    def after_paint(self, callback: Callable[[], None]) -> None:
        """Calls back after the next paint of the main screen."""
        self.main.call_after_refresh(callback)

    # --- the screen tells -------------------------------------------------------------------------------------

    def on_panes_divided(self, message: Panes.Divided) -> None:
        if message.done:
            self._remember(tree_width=message.share)

    def on_main_screen_arranged(self, message: MainScreen.Arranged) -> None:
        how = message.arrangement
        self._remember(filter=message.filter, order=how.order, grouping=how.grouping)

    def on_main_screen_wrapped(self, message: MainScreen.Wrapped) -> None:
        self._remember(wrap="" if message.wrap else "off")

    def on_main_screen_counted(self, message: MainScreen.Counted) -> None:
        self._words = self._shown(terminal_signals.title(message.running, message.waiting))
        self.tell(terminal_signals.set_title(self._words))

    def on_main_screen_noticed(self, message: MainScreen.Noticed) -> None:
        words, wishes = self._shown(words_of(message.notices)), self.wishes
        self.tell(terminal_signals.notice(words, os.environ, wishes.osc, wishes.bell))
        if self._command is not None:
            from tui.terminal.notify_command import facts

            if not self._command.tell(facts(message.notices, self.store)):
                self.main.say("notify.command is busy with the notices before: this one was not handed to it")

    def _command_failed(self, words: str) -> None:
        """Called from the thread of the user's command."""
        try:
            self.post_message(self.CommandFailed(words))
        except RuntimeError:
            pass  # the program has ended meanwhile

    def on_viewer_app_command_failed(self, message: CommandFailed) -> None:
        if self._stands:
            self.main.say(message.words)

    def copy_to_clipboard(self, text: str) -> None:
        super().copy_to_clipboard(text)
        self.tell(clipboard.wrapped(text, os.environ))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Of Textual's own commands those that have no key here and make sense."""
        return (command for command in super().get_system_commands(screen) if command.title == "Theme")

    def action_command_palette(self) -> None:
        if not isinstance(self.screen, CommandPalette):
            from tui.textual_patches.palette import PaletteScreen

            self.push_screen(PaletteScreen(id="--command-palette"))

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
        from tui.config import bindings
        from tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(bindings.key_groups(self.keymap), self.keymap))


def _named(error: BaseException) -> str:
    """An error in a few words that are safe to show."""
    words = sanitize.label(str(error), 120)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
