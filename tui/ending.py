"""The end of the app when a signal asks for it: `kill`, a window that is closed, the end of an ssh connection.

Textual takes none of these signals, so Python's defaults would end the process at once, in the alternate screen with
the mouse reporting and the title changed, and leave the demo's directory behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
import termios
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""Those that ask for the end in the ordinary course of things."""
_OURS = frozenset(
    {
        *(signal.SIGKILL, signal.SIGSTOP),  # nobody can take them
        *(
            signal.SIGSEGV,
            signal.SIGBUS,
            signal.SIGFPE,
            signal.SIGILL,
            signal.SIGTRAP,
            signal.SIGSYS,
        ),  # Python is broken
        *(signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH),  # end nothing
        *([signal.SIGINFO] if hasattr(signal, "SIGINFO") else []),  # the same, where there is one
        *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),  # stop
    }
)
"""Signals that do not ask for the end, or not in a way that can be answered."""
GRACE_S = 5
"""Seconds until the kernel ends the process all the same: with nobody reading on the other side of the terminal the
app could wait for ever to be rid of what it has to say."""


class Asked:
    """Whether the end has been asked for: `by` is the signal, 0 for none."""

    by = 0


def when_asked(leave: Callable[[int], None]) -> Asked:
    """Lets the first of the signals call `leave` on the running loop, with the exit status that a shell would show.
    A second one of the same kind ends the process as it always did. Only in the main thread.

    Taken are all signals by which a process ends unless it takes them: a limit on its CPU time (`ulimit -t`), `kill
    -QUIT` to get rid of it, an alarm. One that is ignored from before stays so, if it is none of `SIGNALS`."""
    loop, asked = asyncio.get_running_loop(), Asked()

    # Not the loop's own handlers: those never run while the loop itself waits for the terminal.
    def handle(number: int, _frame: FrameType | None) -> None:
        asked.by = number
        signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(GRACE_S)
        _let_go_of_a_dead_terminal()
        if not loop.is_closed():
            loop.call_soon_threadsafe(leave, 128 + number)

    for number in signal.valid_signals() - _OURS:
        if number in SIGNALS or signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, handle)
    return asked


def _let_go_of_a_dead_terminal() -> None:
    """A window that was closed answers every read and write with EIO. Textual's writing thread dies of that, and the
    loop then waits for ever at the queue of 30 places which that thread emptied; so the streams go nowhere instead."""
    try:
        termios.tcgetattr(0)
    except termios.error:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.close(nowhere)
