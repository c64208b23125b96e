"""The results of a search as they come in: session by session, with a cursor that stays where it is."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

import msgspec

from adapter.contract import Hit, SearchPage
from adapter.pattern import Pattern
from tui.model.records import SessionKey

MOST = 20_000
"""Hits that are kept; a search that has found as many is stopped: nobody reads them, and each takes 0.5 kB."""


class Line(msgspec.Struct, frozen=True):
    """One line: a hit of a session, or the heading above its hits (`hit` is None), of which there are `count`."""

    session: SessionKey
    hit: Hit | None
    count: int = 0


class Results:
    """What was found so far. `looked` of `total` sessions have been looked through for it; `cursor` is the place of the
    line that the user is on, -1 before there is any; `top` the first line in sight. `reason` says why it has ended
    before its end, "" for none."""

    def __init__(self) -> None:
        self.words = ""
        self.filter = ""
        self.pattern: Pattern | None = None
        self.problem = ""
        self.begin("", "", None, 0)

    def begin(self, words: str, filter_text: str, pattern: Pattern | None, total: int) -> None:
        """Forgets what was found, for another search."""
        self.words, self.filter, self.pattern = words, filter_text, pattern
        self.lines: list[Line] = []
        self.cursor, self.top = -1, 0
        self.found = self.sessions = self.looked = self.rows = 0
        self.total = total
        self.lost: list[str] = []
        self.running = pattern is not None
        self.reason = ""

    def add(self, source: str, page: SearchPage) -> None:
        """Takes a piece in."""
        self.looked += len(page.sessions)
        self.rows += page.rows
        self.lost += page.lost
        for session_id, hits in groupby(page.hits, key=attrgetter("session_id")):
            key = (source, session_id)
            some = list(hits)
            self.lines.append(Line(key, None, len(some)))
            self.lines += [Line(key, hit) for hit in some]
            self.found += len(some)
            self.sessions += 1
        if self.cursor < 0 and self.lines:
            self.cursor = 1

    @property
    def full(self) -> bool:
        """Whether there is no room for more."""
        return self.found >= MOST

    def end(self, reason: str) -> None:
        """Notes that nothing more comes, and why."""
        self.running = False
        self.reason = reason

    def move(self, step: int) -> None:
        """Goes so many hits on (or back); headings are passed over."""
        if not self.lines:
            return
        at = max(1, min(len(self.lines) - 1, self.cursor + step))
        if self.lines[at].hit is None:
            # A heading has a hit below it, always, and one above it but for the first.
            at += 1 if step > 0 else -1
        self.cursor = at

    @property
    def chosen(self) -> Line | None:
        """The line of the cursor."""
        return self.lines[self.cursor] if 0 <= self.cursor < len(self.lines) else None
