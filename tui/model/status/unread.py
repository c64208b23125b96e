"""What has changed since the user last looked at it."""

from __future__ import annotations

from tui.model.records import Session, SessionKey
from tui.model.store.store import Store
from tui.model.sums.rollup import subtree


class Seen:
    """Remembers how far each session and its tree had come when they were looked at last; what is older than `since`
    (µs) counts as seen."""

    def __init__(self, store: Store, since: int) -> None:
        self._store = store
        self._since = since
        self._until: dict[SessionKey, int] = {}

    def look(self, session: Session) -> bool:
        """Notes that the user looks at a session, and thereby at its tree. True when something in it was new."""
        both = (session, self._store.top_of(session))
        was_new = any(self.changed(one) for one in both)
        for one in both:
            # Not the time of the look: what was committed just before it may arrive just after.
            self._until[one.source, one.id] = subtree(self._store, one).last_ts
        return was_new

    def changed(self, session: Session) -> bool:
        """Whether anything in a session or below it is newer than the last look at it."""
        until = self._until.get(session.key, 0)
        return subtree(self._store, session).last_ts > max(until, self._since)
