"""The way between terminal and app: Textual's driver, with an end to everything that could last for ever.

- Keys: what comes in passes `tui.terminal.input`; an app that is MOST_WAITING keys behind is sent no more until the
  terminal pauses, because nobody means the rest of a flood; what Textual cannot read costs itself.
- A terminal that is gone ends the app as SIGHUP does.
- Stopping: to the shell and back (`stop`), and what has to be done when the process was stopped by others (SIGSTOP,
  SIGTSTP, SIGTTOU) and goes on: the shell has set and written the terminal meanwhile.
- On a terminal that answers no questions (`tui.terminal.terminals`) none are asked: some print them.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import signal
import termios
import time
from collections.abc import Iterator
from threading import Event
from typing import Any, Protocol, cast

from textual import events
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message

from tui.terminal import terminals
from tui.terminal.input import CTRL_C, Input, Pasted

MOST_WAITING = 200
"""Keys and mouse events that wait at most: a third of a second of work, and more than anybody types ahead."""
READ = 4096
STOPS_WITHIN_S = 0.2
"""Within which a process that can be stopped is: a signal to the own process is delivered at once, or at the next
occasion."""
_QUESTIONS = ("\x1b[>", "\x1b[<u", "\x1b[?2026$p", "\x1b[?2048$p")
"""The kitty keyboard, and whether the terminal knows synchronized output and tells its size by itself."""


class Stoppable(Protocol):
    """The app, as far as stopping concerns it."""

    @property
    def is_leaving(self) -> bool:
        """Whether the end has been asked for, so that nobody needs the terminal any more."""

    def let_go(self) -> None:
        """Closes every file of opencode's, in any thread, and is done when it returns."""

    def take_again(self) -> None:
        """Takes that back, in any thread."""

    def draw_anew(self) -> None:
        """Everything that was on the terminal is gone, or may be; on the app's loop."""

    def action_suspend(self) -> None:
        """Stops by itself; on the app's loop."""


class _Exit(Event):
    """Whether the driver is to stop, as a file that can be read then: who waits for keys waits for both, and does not
    have to look ten times a second (a tenth of a percent of a core)."""

    def __init__(self) -> None:
        super().__init__()
        # Open as long as the process: a driver is closed when the process is to be stopped, and goes on.
        self.told, self._tells = os.pipe()

    def set(self) -> None:
        if not self.is_set():
            os.write(self._tells, b"x")
        super().set()

    def clear(self) -> None:
        if self.is_set():
            os.read(self.told, 1)
        super().clear()


class TerminalDriver(LinuxDriver):
    """Textual's driver for terminals, bounded."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.encoding = getattr(app, "encoding", "")
        self._basic = terminals.is_basic(os.environ)
        self.exit_event: _Exit = _Exit()
        self._active = False
        self._continued = False
        self._sent = self._arrived = 0
        """Messages that were sent to the app, and those of them that are in its queue, or out of it again."""

    @property
    def _stoppable(self) -> Stoppable:
        return cast(Stoppable, self._app)

    # --- what goes out ---------------------------------------------------------------------------------------

    def write(self, data: str) -> None:
        # Without the terminal there is nobody to write it.
        if self._writer_thread is not None and not (self._basic and data.startswith(_QUESTIONS)):
            super().write(data)

    # --- what comes in ---------------------------------------------------------------------------------------

    def run_input_thread(self) -> None:
        """Reads keys until the driver stops, or the terminal is gone."""
        source, keys = Input(self.encoding), _Keys(self._debug)
        flooded, rests, last = False, True, time.monotonic()
        while not self.exit_event.is_set():
            wait_s = None if rests else max(0.0, last + source.rest_s - time.monotonic())
            ready = select.select([self.fileno, self.exit_event.told], (), (), wait_s)[0]
            if self.fileno in ready:
                if not (data := self._read()):
                    return
                rests, last = False, time.monotonic()
                # A flood is dropped as bytes: to make keys of it takes as long as it lasts.
                flooded = flooded or not self._pass_on(source.feed(data), keys)
                if flooded and any(leave in data for leave in CTRL_C):
                    self.process_message(events.Key("ctrl+c", "\x03"))
            elif not rests and time.monotonic() - last >= source.rest_s:
                rests = True
                if flooded:
                    flooded = False
                    self._tell_size()
                self._pass_on(source.rest(), keys)
                for message in keys.rest():
                    self.process_message(message)

    def _read(self) -> bytes:
        """What has been typed; nothing when there is no terminal any more."""
        try:
            data = os.read(self.fileno, READ)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        # Unless the kernel has said so already.
        if not data and callable(signal.getsignal(signal.SIGHUP)):
            os.kill(os.getpid(), signal.SIGHUP)
        return data

    def _pass_on(self, pieces: Iterator[str | Pasted], keys: _Keys) -> bool:
        """Sends the app what has been typed; False when it has enough waiting, and the rest is dropped."""
        for piece in pieces:
            for message in [events.Paste(piece.text)] if isinstance(piece, Pasted) else keys.read(piece):
                if self._waiting() >= MOST_WAITING:
                    keys.drop()
                    return False
                self.process_message(message)
        return True

    def _waiting(self) -> int:
        return self._sent - self._arrived + self._app.message_queue_size

    def send_message(self, message: Message) -> None:
        self._sent += 1
        sending = asyncio.run_coroutine_threadsafe(self._app._post_message(message), loop=self._loop)
        sending.add_done_callback(self._is_there)

    def _is_there(self, _sending: object) -> None:
        self._arrived += 1

    def _tell_size(self) -> None:
        """A terminal that tells its size in between keys may have told it in what was dropped."""
        if self._in_band_window_resize:
            size = Size(*self._get_terminal_size())
            self.process_message(events.Resize(size, size))

    # --- stopping and going on -------------------------------------------------------------------------------

    def start_application_mode(self) -> None:
        _wait_for_foreground(self.fileno)
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual's own has no types
        self._active = self._writer_thread is not None

    def stop_application_mode(self) -> None:
        # Whoever has the terminal now has set it as it likes.
        if self._active:
            super().stop_application_mode()
            self._active = False

    def disable_input(self) -> None:
        if self._active:
            super().disable_input()

    def close(self) -> None:
        super().close()
        self._writer_thread = None

    def stop(self) -> bool:
        """Gives the terminal back and stops the process, with all that were started together with it, as the shell
        does it; goes on when it is continued. False when nothing has stopped it: the system stops none that nobody
        could continue, as in a terminal without a shell."""
        self.suspend_application_mode()
        self._continued = False
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            os.kill(0, signal.SIGTSTP)
            until = time.monotonic() + STOPS_WITHIN_S
            while not self._continued and time.monotonic() < until:
                time.sleep(0.01)
        finally:
            signal.signal(signal.SIGTSTP, handler)
            if not self._stoppable.is_leaving:
                self.resume_application_mode()
        return self._continued

    def take_back(self) -> None:
        """Sets the terminal as it was before somebody else had it."""
        if self._active:
            _wait_for_foreground(self.fileno)
            self.suspend_application_mode()
            self.resume_application_mode()

    def _sigtstp_application(self, *_: object) -> None:
        """Somebody wants the process to stop: `kill -TSTP`, or ctrl+z in a program that has the terminal meanwhile."""
        if self._active:
            self._loop.call_soon_threadsafe(self._stoppable.action_suspend)
            return
        self._stoppable.let_go()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._stoppable.take_again()

    def _sigcont_application(self, *_: object) -> None:
        self._continued = True
        if self._active:
            self._loop.call_soon_threadsafe(self._stoppable.draw_anew)


class TerminalApp(App[None]):
    """An app on such a driver."""

    def get_driver_class(self) -> type[Driver]:
        """Ours where Textual would take the one that it is made of."""
        chosen = super().get_driver_class()
        return TerminalDriver if chosen is LinuxDriver else chosen

    @property
    def terminal(self) -> TerminalDriver | None:
        """The way to the terminal; None in a test or a browser."""
        return self._driver if isinstance(self._driver, TerminalDriver) else None

    def tell(self, sequence: str) -> None:
        """Sends the terminal something that is not on the screen."""
        if self._driver is not None and not self.is_headless and not self.is_web:
            self._driver.write(sequence)


class _Keys:
    """Textual's reader of keys, which breaks on some sequences (a code that is no character) and is then made anew."""

    def __init__(self, debug: bool) -> None:
        self._debug = debug
        self._parser = XTermParser(debug)

    def read(self, text: str) -> Iterator[Message]:
        """The keys and all else that a text means."""
        try:
            yield from self._parser.feed(text)
        except Exception:
            self._parser = XTermParser(self._debug)

    def rest(self) -> Iterator[Message]:
        """What an unfinished sequence means, because nothing follows."""
        parser = self._parser
        if parser._timeout_time is not None:
            parser._timeout_time = 0.0
        try:
            yield from parser.tick()
        except Exception:
            self._parser = XTermParser(self._debug)

    def drop(self) -> None:
        """Forgets what has been read and not been given."""
        self._parser._tokens.clear()


def _wait_for_foreground(terminal: int) -> None:
    """Stops, as the system does with a process in the background that sets the terminal, until it is in the
    foreground."""
    handler = signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    try:
        while True:
            try:
                termios.tcsetattr(terminal, termios.TCSANOW, termios.tcgetattr(terminal))
                return
            except termios.error as error:
                # Continued in the background: the system stops it once more.
                if error.args[0] != errno.EINTR:
                    return
    finally:
        signal.signal(signal.SIGTTOU, handler)
