"""Timers that run out, whatever the machine does meanwhile.

A timer of Textual's skips the moments that it is late for. One that is to run out once has one moment, and when the
thread is held up for longer than that between two lines of Textual's it skips that, too: what it was set for never
happens. Of a search that goes on after 2 ms, 2 ms are enough.
"""

from __future__ import annotations

from textual.message_pump import MessagePump
from textual.timer import Timer, TimerCallback


class SureTimers(MessagePump):
    """Sets timers that run out late rather than never."""

    def set_timer(
        self, delay: float, callback: TimerCallback | None = None, *, name: str | None = None, pause: bool = False
    ) -> Timer:
        """Calls a function after so many seconds, once."""
        timer = super().set_timer(delay, callback, name=name, pause=pause)
        # It has not begun: its task has not had its turn yet.
        timer._skip = False
        return timer
