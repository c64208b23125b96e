"""What the detectors tell: which sessions and messages to read again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

WHOLE = None
"""In the place of message ids: the whole session."""
Messages = frozenset[str] | None


class Changes(msgspec.Struct, frozen=True):
    """`sessions` maps a session to the ids of its messages, to WHOLE, or to no ids when only its row changed.

    `lists` are sessions of which it is not known which messages; comparing lists tells, but not of those that are also
    `lost`: writes of them were counted and nothing tells which any more, and a rewrite may leave no trace in a list.
    `rows` is the number of rows that told it. `stale` says that the marks no longer fit the file.
    """

    sessions: Mapping[str, Messages] = {}
    lists: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    rows: int = 0
    stale: bool = False

    def __or__(self, more: Changes) -> Changes:
        """Both together."""
        if not self:
            return more
        sessions = dict(self.sessions)
        for session_id, messages in more.sessions.items():
            sessions[session_id] = merged(sessions.get(session_id, frozenset()), messages)
        return Changes(
            sessions, self.lists | more.lists, self.lost | more.lost, self.rows + more.rows, self.stale or more.stale
        )

    def __bool__(self) -> bool:
        return bool(self.sessions or self.lists or self.rows or self.stale)


def merged(one: Messages, other: Messages) -> Messages:
    """The messages of both."""
    return WHOLE if one is WHOLE or other is WHOLE else one | other


def grouped(pairs: Iterable[tuple[str, str | None]]) -> dict[str, Messages]:
    """(session, message) pairs by session; the message "" is the session's row alone, WHOLE all of it."""
    found: dict[str, set[str] | None] = {}
    for session_id, message_id in pairs:
        known = found.setdefault(session_id, set())
        if message_id is WHOLE:
            found[session_id] = WHOLE
        elif known is not WHOLE and message_id:
            known.add(message_id)
    return {key: WHOLE if ids is WHOLE else frozenset(ids) for key, ids in found.items()}
