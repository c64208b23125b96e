"""Errors of our own, contained: widgets that are not silenced by one, and an app that is asked before it ends."""

from __future__ import annotations

import traceback

from textual import events
from textual.app import App
from textual.message import Message
from textual.widget import Widget
from textual.worker import WorkerFailed

from tui.textual_patches.timers import SureTimers

PAINTING = frozenset({"_on_timer_update", "_compositor_refresh", "render_lines", "render_update"})
"""Functions that are on the way of every error in painting."""


class Contained(SureTimers, Widget):
    """Hands an error in a handler to the app, which repairs what it can.

    Textual ends the loop of a widget's messages with the first error, so the widget would stand there without hearing
    keys, sizes or timers; Textual itself then ends the app.
    """

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)
        except Exception as error:
            if not (isinstance(self.app, ContainedApp) and self.app.contain(error, "passing a message on")):
                raise


class ContainedApp(SureTimers, App[None]):
    """An app that decides itself what becomes of an error. Textual's own ends with the first one, with everybody's
    variables on the terminal."""

    def contain(self, error: Exception, stage: str) -> bool:
        """Takes over an error of a handler, a timer or painting; False where there is nothing to go on with."""
        raise NotImplementedError

    def cannot_go_on(self, error: BaseException) -> None:
        """A part has ended with an error, without which there is no program; it ends right after this."""
        raise NotImplementedError

    @property
    def is_ending(self) -> bool:
        """Whether the end has been asked for."""
        return self._exit

    async def on_event(self, event: events.Event) -> None:
        """Deals with an event; an error in what a key or the mouse does is contained."""
        try:
            await super().on_event(event)
        except Exception as error:
            stage = "doing what a key asks for" if isinstance(event, events.Key) else "passing an event on"
            if not self.contain(error, stage):
                raise

    def _handle_exception(self, error: Exception) -> None:
        """What Textual calls with errors of painting, timers and callbacks, after which it goes on, and of handlers and
        workers, after which it cannot."""
        path = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
        goes_on = "_dispatch_message" not in path and not isinstance(error, WorkerFailed)
        if goes_on and self.contain(error, "painting" if path & PAINTING else "running a timer"):
            return
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self.cannot_go_on(error.error if isinstance(error, WorkerFailed) else error)
        self._close_messages_no_wait()
