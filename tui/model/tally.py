"""The counts of the status bar, kept up per changed session: judging 10 000 sessions takes longer than a frame."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import NamedTuple

from tui.model import rollup, state
from tui.model.copied import uncounted
from tui.model.links import SessionKey
from tui.model.nodes import ChangeSet, Session
from tui.model.store import Store
from tui.model.urgency import WAITING, WORKING


class Counts(NamedTuple):
    """Sessions, sub-agents included, by what they do; `cost_today` in US dollars since local midnight."""

    running: int = 0
    waiting: int = 0
    failed_today: int = 0
    cost_today: float = 0.0


class Tally:
    """Knows for each session what it adds to the counts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shares: dict[SessionKey, Counts] = {}
        self._sum = Counts()
        self._midnight = 0

    @property
    def counts(self) -> Counts:
        """The sums as of the last `update` or `tick`."""
        return self._sum._replace(cost_today=max(0.0, round(self._sum.cost_today, 6)))

    def update(self, changes: ChangeSet, now_us: int) -> Counts:
        """Judges the sessions that changed."""
        touched = {(key.source, key.session_id) for key in changes.dirty} | changes.roots
        if not self._new_day(now_us):
            self._judge(touched, now_us)
        if len(self._shares) > len(self._store.sessions):
            self._judge([key for key in self._shares if key not in self._store.sessions], now_us)
        return self.counts

    def tick(self, now_us: int) -> Counts:
        """Judges again what time alone can change: whatever runs or waits."""
        if not self._new_day(now_us):
            self._judge([key for key, share in self._shares.items() if share.running or share.waiting], now_us)
        return self.counts

    def _new_day(self, now_us: int) -> bool:
        now = datetime.datetime.fromtimestamp(now_us / 1e6)
        midnight = int(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1e6)
        if midnight == self._midnight:
            return False
        self._midnight = midnight
        self._shares.clear()
        self._sum = Counts()
        self._judge(list(self._store.sessions), now_us)
        return True

    def _judge(self, keys: Iterable[SessionKey], now_us: int) -> None:
        running, waiting, failed, cost = self._sum
        for key in keys:
            old = self._shares.pop(key, Counts())
            session = self._store.sessions.get(key)
            new = self._share(session, now_us, old.cost_today) if session is not None else Counts()
            if session is not None:
                self._shares[key] = new
            running += new.running - old.running
            waiting += new.waiting - old.waiting
            failed += new.failed_today - old.failed_today
            cost += new.cost_today - old.cost_today
        self._sum = Counts(running, waiting, failed, cost)

    def _share(self, session: Session, now_us: int, before: float) -> Counts:
        name = state.session_state(self._store, session, now_us).name
        return Counts(
            running=name in WORKING,
            waiting=name in WAITING,
            failed_today=name == "failed" and max(session.last_ts, session.updated_ts) >= self._midnight,
            cost_today=self._cost(session, before),
        )

    def _cost(self, session: Session, before: float) -> float:
        """Of a session that has been read the steps of today; of one that was given back what that was; of another all
        of it when it began today."""
        if not session.loaded and (session.source, session.id) in self._store.given_back:
            return before
        if session.turns:
            today = (turn for turn in session.turns.values() if turn.start_ts >= self._midnight)
            return sum(turn.cost for turn in today if not uncounted(session, turn))
        return rollup.own(self._store, session).cost if session.start_ts >= self._midnight else 0.0
