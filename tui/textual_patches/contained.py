"""Widgets that an error in one of their handlers does not silence."""

from __future__ import annotations

from textual.message import Message
from textual.widget import Widget


class Contained(Widget):
    """Hands an error in a handler to the app, which repairs what it can.

    Textual ends the loop of a widget's messages with the first error, so the widget would stand there without hearing
    keys, sizes or timers; Textual itself then ends the app.
    """

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)
        except Exception as error:
            contain = getattr(self.app, "contain", None)
            if contain is None or not contain(error):
                raise
