"""Remarks and errors of the sources: the newest ones as text, all of them as counts."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

from tui.model.records import Log

K = TypeVar("K")

LOG_LIMIT = 200
"""Remarks kept as text for one session, and for one source."""


def keep_newest(logs: dict[K, Log], key: K, log: Log) -> bool:
    """Adds a remark to a bounded dict, oldest first; False when it is there already or older than all that is kept."""
    if key in logs:
        return False
    last = next(reversed(logs.values()), None)
    logs[key] = log
    if last is not None and _age(log) < _age(last):
        ordered = sorted(logs.items(), key=lambda item: _age(item[1]))
        logs.clear()
        logs.update(ordered)
    if len(logs) > LOG_LIMIT:
        oldest = next(iter(logs))
        del logs[oldest]
        return oldest != key
    return True


def _age(log: Log) -> tuple[int, str, str, str]:
    return (log.ts, log.session_id, log.ref, log.message)


class LogBook:
    """What one source said. Entries are known by session, ref and message, so saying one again counts nothing."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str, str], Log] = {}
        self.counts: Counter[str] = Counter()
        self._about: dict[str, dict[tuple[str, str], Log]] = {}
        # Hashes, not texts: a count must survive the text being dropped, and a damaged store can have 100,000 remarks.
        self._said: dict[str, dict[int, str]] = {}

    def add(self, log: Log) -> bool:
        """Counts and keeps a remark; False when it was said before."""
        said = self._said.setdefault(log.session_id, {})
        mark = hash((log.ref, log.message))
        if mark in said:
            return False
        said[mark] = log.severity
        self.counts[log.severity] += 1
        keep_newest(self.entries, (log.session_id, log.ref, log.message), log)
        if log.session_id:
            keep_newest(self._about.setdefault(log.session_id, {}), (log.ref, log.message), log)
        return True

    def about(self, session_id: str) -> dict[tuple[str, str], Log]:
        """The kept remarks about one session by (ref, message), oldest first; the dict that later ones go to, too."""
        return self._about.get(session_id, {})

    def forget(self, session_id: str) -> None:
        """Takes back all that was said about a session that is gone."""
        gone = self._said.pop(session_id, None)
        if gone is None:
            return
        self.counts -= Counter(gone.values())
        self._about.pop(session_id, None)
        self.entries = {key: log for key, log in self.entries.items() if log.session_id != session_id}

    def of(self, *severities: str) -> list[Log]:
        """The kept remarks of these severities, oldest first."""
        return [log for log in self.entries.values() if log.severity in severities]
