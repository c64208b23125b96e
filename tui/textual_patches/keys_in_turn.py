"""Keys take effect one after the other, however fast they come.

Textual puts a key into the queue of the widget in focus; when nobody there wants it, it climbs through the queue of
every widget above to the app, where ordinary bindings are looked up. The next key does not wait for that: of `tab` and
`/` in one piece (fast fingers, a slow line) the slash found the focus where the tab had not moved it yet, and opened
the wrong line. Here a binding runs at once, and the next key waits for what this one has set off. What is typed before
the first screen stands waits for that: a key would find a screen without the widgets that it is meant for.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from textual import events
from textual.app import App
from textual.dom import DOMNode

LONGEST_S = 5.0
"""Seconds that a key waits at most. On a machine under load half a second is nothing unusual."""
EARLY = 1_000
"""Keys that are kept until the first screen stands: half a minute of a key that is held down."""
AT_ONCE = frozenset({"ctrl+c", "ctrl+q"})
"""Keys that need no screen: they end the program."""
LOOK_S = 0.05
"""How often it is looked whether the widget that is waited for is still there: one that goes answers no more."""


class KeysInTurn(App[None]):
    """An app that deals with a key before it looks at the next one."""

    _character: str | None = None
    """What the key that is being dealt with would write."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._early: list[events.Key | events.Paste] | None = []

    async def take_keys(self) -> None:
        """Deals with what has been typed so far, and from now on with every key as it comes."""
        early, self._early = self._early or [], None
        for event in early:
            # As long as nobody had taken the terminal, it made a line feed of enter.
            await self.on_event(events.Key("enter", "\r") if _is_line_feed(event) else event)

    async def _check_bindings(self, key: str, priority: bool = False) -> bool:
        """Looks for an ordinary binding right after those with priority, before the key is handed to a widget; only a
        line of text gets its characters first."""
        handled = await super()._check_bindings(key, priority)
        if handled or not priority or self._is_typed(key):
            return handled
        return await super()._check_bindings(key)

    def _is_typed(self, key: str) -> bool:
        return self.focused is not None and self.focused.check_consume_key(key, self._character)

    async def on_event(self, event: events.Event) -> None:
        """Deals with a key from the terminal whole, and with everything else as usual."""
        if self._early is not None and isinstance(event, events.Key | events.Paste) and not _is_at_once(event):
            self._early += [event][: EARLY - len(self._early)]
            return
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
            return
        if not self.is_running:
            return  # The screen is being taken down.
        self._character = event.character
        addressed = self.focused or self.screen
        await super().on_event(event)
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_S):
                await _dealt_with(addressed)


def _is_at_once(event: events.Event) -> bool:
    return isinstance(event, events.Key) and event.key in AT_ONCE


def _is_line_feed(event: events.Event) -> bool:
    return isinstance(event, events.Key) and event.key == "ctrl+j"


async def _dealt_with(node: DOMNode) -> None:
    """Waits until a widget, and then each one above it, has come to what is in its queue now: what a key sets off
    climbs the same way."""
    for each in (node, *node.ancestors):
        if isinstance(each, App):
            return
        reached = asyncio.Event()
        if not each.is_running or not each.call_later(reached.set):
            continue
        while each.is_running and not reached.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await reached.wait()
