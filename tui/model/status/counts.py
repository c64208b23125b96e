"""The counts of the status bar, kept up per changed session: judging 10 000 sessions takes longer than a frame."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from tui.model.records import ChangeSet, Session, SessionKey
from tui.model.status import state
from tui.model.status.bands import Need, by_tree, need_of
from tui.model.store.store import Store
from tui.model.sums import rollup
from tui.model.sums.copied import uncounted


class Counts(NamedTuple):
    """Top-level sessions, each counted once for the most urgent of all that goes on in it or below it: at work, waiting
    for a person, stuck, looping; or, where nothing goes on, left behind by an opencode that is gone. `failed_today` are
    those in which a session ended with an error today; `cost_today` is in US dollars since local midnight."""

    running: int = 0
    waiting: int = 0
    stuck: int = 0
    looping: int = 0
    orphaned: int = 0
    failed_today: int = 0
    cost_today: float = 0.0


class _Share(NamedTuple):
    """What one session adds, sub-agents apart."""

    need: Need | None = None
    orphaned: bool = False
    failed: bool = False
    cost: float = 0.0


_NOTHING = _Share()


class Tally:
    """Knows for each session what it adds to the counts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shares: dict[SessionKey, _Share] = {}
        self._needs: dict[SessionKey, Need] = {}
        self._orphaned: set[SessionKey] = set()
        self._failed: set[SessionKey] = set()
        self._cost = 0.0
        self._midnight = 0
        self.counts = Counts()
        """The sums as of the last `update` or `tick`."""

    def _sum(self) -> Counts:
        """Few sessions need anything or have failed today, so that finding their trees costs next to nothing."""
        needs, links = by_tree(self._store, self._needs), self._store.links
        trees = Counter(needs.values())
        return Counts(
            running=trees["work"],
            waiting=trees["person"],
            stuck=trees["stuck"],
            looping=trees["looping"],
            orphaned=len(set(links.tops(self._orphaned)) - needs.keys()),
            failed_today=len(set(links.tops(self._failed))),
            cost_today=max(0.0, round(self._cost, 6)),
        )

    def update(self, changes: ChangeSet, now_us: int) -> Counts:
        """Judges the sessions that changed."""
        touched = {key.owner for key in changes.dirty} | changes.roots
        if not self._new_day(now_us):
            self._judge(touched, now_us)
        if len(self._shares) > len(self._store.sessions):
            self._judge([key for key in self._shares if key not in self._store.sessions], now_us)
        self.counts = self._sum()
        return self.counts

    def tick(self, now_us: int) -> Counts:
        """Judges again what time alone can change: whatever runs or waits."""
        if not self._new_day(now_us):
            self._judge(list(self._needs), now_us)
        self.counts = self._sum()
        return self.counts

    def recount(self, now_us: int) -> Counts:
        """Judges every session again: the clock was set back, and what was over may not be."""
        self._midnight = 0
        return self.tick(now_us)

    def _new_day(self, now_us: int) -> bool:
        now = datetime.datetime.fromtimestamp(now_us / 1e6)
        midnight = int(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1e6)
        if midnight == self._midnight:
            return False
        self._midnight = midnight
        self._shares.clear()
        self._needs.clear()
        self._orphaned.clear()
        self._failed.clear()
        self._cost = 0.0
        self._judge(list(self._store.sessions), now_us)
        return True

    def _judge(self, keys: Iterable[SessionKey], now_us: int) -> None:
        for key in keys:
            old = self._shares.pop(key, _NOTHING)
            self._needs.pop(key, None)
            self._orphaned.discard(key)
            self._failed.discard(key)
            session = self._store.sessions.get(key)
            new = self._share(session, now_us, old.cost) if session is not None else _NOTHING
            self._cost += new.cost - old.cost
            if session is None:
                continue
            self._shares[key] = new
            if new.need is not None:
                self._needs[key] = new.need
            if new.orphaned:
                self._orphaned.add(key)
            if new.failed:
                self._failed.add(key)

    def _share(self, session: Session, now_us: int, before: float) -> _Share:
        now = state.own_state(self._store, session, now_us)
        failed = now is not None and now.name == "failed"
        return _Share(
            need=need_of(session, now),
            orphaned=now is not None and now.name == "orphaned",
            failed=failed and max(session.last_ts, session.updated_ts) >= self._midnight,
            cost=self._spent(session, before),
        )

    def _spent(self, session: Session, before: float) -> float:
        """Of a session that began today its own sum, which in 2.x holds titles and compactions beside the steps; of an
        older one that has been read the steps of today; of one that was given back what that was."""
        if not session.loaded and session.key in self._store.given_back:
            return before
        if session.start_ts >= self._midnight:
            own = rollup.own(self._store, session)
            # A fork of 1.x may count the steps that it copied.
            apart = session.kind != "fork" or bool(session.extras.get("sums_apart"))
            if not session.turns or (own.origin == "columns" and apart and not own.doubt.cost):
                return own.cost
        today = (turn for turn in session.turns.values() if turn.start_ts >= self._midnight)
        return sum(turn.cost for turn in today if not uncounted(session, turn))
