"""The keys that take a text out of the program: copy, save, pager, editor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import ClassVar

from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.screen import Screen

from adapter.contract import host_of
from adapter.opencode.discover import data_directory
from tui import resume
from tui.render.cards import tabs
from tui.render.text.search import pattern_of
from tui.terminal import clipboard, doors
from tui.text import sanitize
from tui.widgets.detail import Detail
from tui.widgets.key_bar import KeyBar


class DoorScreen(Screen[None]):
    """A screen with a detail and a key bar; the text is always that of the tab that the detail shows."""

    detail: Detail
    key_bar: KeyBar

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "copy the text to the clipboard", id="door.copy", show=False),
        Binding("Y", "copy_resume", "copy the command that resumes the session", id="door.resume", show=False),
        Binding("S", "save", "save the text to a file", id="door.save", show=False),
        Binding("v", "pager", "open the text in $PAGER", id="door.pager", show=False),
        Binding("V", "editor", "open the text in $EDITOR", id="door.editor", show=False),
    ]

    def say(self, words: str) -> None:
        """Answers a key in the last line, in place of the keys, for a while."""
        self.key_bar.say(sanitize.label(words, 400))

    def action_copy(self) -> None:
        words = self._words()
        if words is None:
            return
        tools = clipboard.tools(os.environ)
        limit = clipboard.TOOL_LIMIT if tools else clipboard.OSC_52_LIMIT
        text = doors.within_limit(words, limit)
        if text is None:
            whose = tools[0].name if tools else "a terminal's clipboard"
            self.say(f"more than {limit:,} bytes: too much for {whose}; S saves it")
            return
        self._copy(text, f"{len(text.encode()):,} bytes", "S saves it to a file")

    def action_copy_resume(self) -> None:
        session = self.detail.store.session_of(self.detail.key) if self.detail.key is not None else None
        if session is None:
            self.say("no session here to resume")
            return
        command, missing = resume.command(session, os.environ, Path(os.path.expanduser("~")))
        self._copy(command, f"{missing}; " * bool(missing) + command, command)

    def _copy(self, text: str, what: str, way_out: str) -> None:
        """Takes a text into the clipboard by every way there is, and says which it was, or the way out where there is
        none."""
        sent = len(text.encode()) <= clipboard.OSC_52_LIMIT
        if sent:
            self.app.copy_to_clipboard(text)
        self.run_worker(self._copied(text, sent, what, way_out), group="copy")

    async def _copied(self, text: str, sent: bool, what: str, way_out: str) -> None:
        failed = []
        for tool in clipboard.tools(os.environ):
            if await asyncio.to_thread(clipboard.copy, tool, text):
                self.say(f"copied with {tool.name}: {what}")
                return
            failed.append(tool.name)
        why = f"{' and '.join(failed)} failed, and " if failed else ""
        deaf, around = clipboard.deaf(os.environ), clipboard.multiplexer(os.environ)
        if sent and not deaf:
            # Nobody answers: a terminal may be set up to take no clipboard text from programs.
            through = f" through {around}" if around else ""
            self.say(f"{why}sent to the terminal's clipboard{through}: {what}")
        elif deaf:
            self.say(f"not copied: {why}{deaf} takes no such text from programs; {way_out}")
        else:
            self.say(f"not copied: {why}it is too long for a terminal's clipboard; {way_out}")

    def action_save(self) -> None:
        words, _, gone = self._all_words()
        if words is not None:
            self.run_worker(self._save(words, self._file_name(), gone), group="save")

    async def _save(self, words: Iterator[str], name: str, gone: str) -> None:
        try:
            path = await asyncio.to_thread(doors.save, words, name, doors.save_directory())
        except OSError as error:
            self.say(f"not saved: {error}")
            return
        self.say(f"saved to {doors.at_home(path)}{gone}")

    def action_pager(self) -> None:
        self._hand_over(doors.pager, doors.page)

    def action_editor(self) -> None:
        self._hand_over(doors.editor, doors.edit)

    def _hand_over(
        self,
        program: Callable[[Mapping[str, str]], list[str]],
        show: Callable[[list[str], Iterator[str], str, int], str],
    ) -> None:
        words, path, gone = self._all_words()
        if words is None:
            return
        try:
            command = program(os.environ)
        except ValueError as error:
            self.say(f"{program.__name__}: {error}")  # a quotation that never ends
            return
        try:
            with self.app.suspend():
                answer = show(command, words, self._file_name(), self._line(path))
        except SuspendNotSupported:
            self.say("this terminal cannot be handed to another program; S saves the text to a file")
            return
        if answer or gone:
            self.say(f"{answer}{gone}".removeprefix("; "))

    def _line(self, path: Path | None) -> int:
        """The line of the hit that is shown, from 1, in the file if that is what is taken; 0 where nothing was looked
        for."""
        view = self.detail.text
        pattern, words = pattern_of(view.words), self.detail.words()
        if pattern is None or words is None or not view.place:
            return 0
        number = doors.line_of(words, pattern, view.place)
        shown = self.detail.words()
        if path is None or not number or shown is None:
            return number
        try:
            return doors.place_of(doors.clean_lines(path), next(islice(shown, number - 1, None)))
        except OSError:
            return 0

    def _all_words(self) -> tuple[Iterator[str] | None, Path | None, str]:
        """The lines to take along, of an output that opencode cut all that it has saved; then the file that they are
        in, and what is to be said where that is gone."""
        key = self.detail.key
        op = self.detail.store.op(key) if key is not None else None
        name = str(op.extras.get("saved_output", "")) if op is not None else ""
        if key is None or not name or self.detail.tab != tabs.OUTPUT:
            return self._words(), None, ""
        if host := sanitize.label(host_of(key.source), 60):
            return self._words(), None, f"; it was cut, and the whole is on {host}: {sanitize.label(name, 200)}"
        data = data_directory(os.environ, Path(os.path.expanduser("~")))
        path = doors.saved_output(name, [Path(key.source.partition(":")[2]).parent, data])
        if path is None:
            return self._words(), None, "; it was cut, and the file that opencode kept of the whole is gone"
        return doors.clean_lines(path), path, ""

    def _words(self) -> Iterator[str] | None:
        """The lines to take along; says so when there are none yet."""
        words = self.detail.words()
        if words is None:
            self.say("the text is not here yet")
        return words

    def _file_name(self) -> str:
        key = self.detail.key
        return doors.file_name(key.id if key is not None else "", self.detail.tab)
