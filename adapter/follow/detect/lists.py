"""Which messages of a session changed, from ids and times alone."""

from __future__ import annotations

from collections.abc import Mapping

from adapter.follow.tracked import TrackedSession, fingerprint
from adapter.opencode.rows import milliseconds

OVERLAP_MS = 2000
"""Rows written this shortly before the newest one that was seen may have been rewritten in the same millisecond."""


def differing(
    session: TrackedSession, now: Mapping[str, list[tuple[str, object]]], overlap_ms: int | None = None
) -> frozenset[str]:
    """Ids of a session's messages that were added, deleted or touched since they were emitted. With an overlap (ms)
    also those written so shortly before the newest one that was seen: a second write in the same millisecond leaves no
    trace in a list."""
    prints = {message_id: fingerprint(found) for message_id, found in now.items()}
    known = {message_id: message.fingerprint for message_id, message in session.messages.items()}
    changed = {key for key in prints.keys() | known.keys() if prints.get(key) != known.get(key)}
    if overlap_ms is not None:
        since = session.changed_ms - overlap_ms
        changed |= {key for key, found in now.items() if max(milliseconds(at) for _, at in found) >= since}
    return frozenset(changed)
