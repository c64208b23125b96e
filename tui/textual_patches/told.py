"""Messages that are heard whoever's turn it is."""

from __future__ import annotations

from textual.message import Message


class Told(Message):
    """What a widget tells those above it: each of them, up to the app, hears it.

    Textual notes as the sender of a message whoever's turn it is while the message is made, and stops it there on its
    way up. A widget that is called by its screen (a watcher, a timer, a key) would so tell the screen and never the
    app, and the same code run in its own turn would tell both. Without a sender nothing stops it. All our messages are
    of this kind; what has to be done, and not only known, is asked for by a call (`tui.protocols.Requests`).
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._sender = None
