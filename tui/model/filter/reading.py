"""Has the sessions read of which a filter cannot say whether they match: the newest first, and never many at once, so
that what somebody opens meanwhile has not long to wait."""

from __future__ import annotations

from tui.model.filter.active_filter import Finder
from tui.model.records import SessionKey
from tui.model.status.thresholds import SECOND
from tui.model.store.store import Store

AT_ONCE = 3
"""Sessions that are asked for and have not come. With one the source would wait for the screen after each."""
PATIENCE = 60 * SECOND
"""µs after which one that has not come is given up: it cannot be read."""


class Reading:
    """`asked` are the sessions that are on their way, and when (µs) they were asked for; of `total` are `read` so many
    that have come, or will not come."""

    def __init__(self, store: Store, finder: Finder) -> None:
        self.asked: dict[SessionKey, int] = {}
        self.total = 0
        self._store = store
        self._finder = finder
        self._left: list[SessionKey] = []

    @property
    def on(self) -> bool:
        """Whether there is more to read, or something is on its way."""
        return bool(self._left or self.asked)

    @property
    def read(self) -> int:
        """How many have come, or will not come."""
        return self.total - len(self._left) - len(self.asked)

    def begin(self) -> None:
        """Takes all sessions that the filter has to know more of; those on their way are among them."""
        unread = self._finder.to_read
        self.total = len(unread)
        self._left = sorted(unread.keys() - self.asked.keys(), key=lambda key: (unread[key].last_ts, key))

    def stop(self) -> None:
        """Asks for no more. What is on its way comes, and nobody waits for it."""
        self._left.clear()
        self.asked.clear()

    def more(self, now_us: int, *, room: bool) -> list[SessionKey]:
        """The sessions to ask for now; none without `room` in memory. One that meanwhile matches or does not needs no
        reading."""
        unread = self._finder.to_read
        self.asked = {key: at for key, at in self.asked.items() if key in unread and now_us - at < PATIENCE}
        chosen: list[SessionKey] = []
        while room and self._left and len(self.asked) < AT_ONCE:
            key = self._left.pop()
            if key in unread:
                self.asked[key] = now_us
                chosen.append(key)
        return chosen
