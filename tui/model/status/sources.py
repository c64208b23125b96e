"""What the sources have told of themselves, and how long ago each was looked at."""

from __future__ import annotations

from collections.abc import Mapping

from adapter.health import Health
from tui.model.status.thresholds import SECOND

STALE = 15 * SECOND
"""µs since the last look at a source after which what is shown is not called live any more. A source that works says
that it looked at least every 5 s (`adapter.follow.follower.HEARTBEAT_S`)."""


class Sources:
    """The newest health of each source. `expected` is how many sources there are at least."""

    def __init__(self) -> None:
        self.expected = 0
        self.healths: tuple[Health, ...] = ()
        self._looked: dict[str, tuple[Health, int]] = {}

    def hear(self, healths: Mapping[str, Health], now_us: int) -> None:
        """Takes in the newest healths, by the name of their source."""
        self.healths = tuple(healths.values())
        for name, health in healths.items():
            before = self._looked.get(name)
            if before is None or before[0] is not health:
                # A clock that is ahead of ours must not make a source fresh for longer. Who does not say is believed.
                self._looked[name] = (health, min(now_us, int(health.looked * SECOND) or now_us))

    def set_back(self, now_us: int) -> None:
        """The clock was set back to this moment (µs): nothing was looked at after it."""
        self._looked = {name: (health, min(looked, now_us)) for name, (health, looked) in self._looked.items()}

    @property
    def is_any_read(self) -> bool:
        """Whether there is a source that can be read."""
        return any(health.state == "ok" for health in self.healths)

    @property
    def is_listing(self) -> bool:
        """Whether a source has more sessions than it has told so far."""
        return any(health.listing for health in self.healths)

    @property
    def has_counts(self) -> bool:
        """Whether counts mean anything: every source has told something, and none that can be read holds more than its
        newest sessions, unless it says how many are still to come."""
        if 0 < len(self.healths) < self.expected:
            return False
        return not any(health.state == "ok" and health.listing and not health.unread for health in self.healths)

    def in_bar(self) -> list[tuple[object, ...]]:
        """What the bar, and the sentences where there is no session, say of each."""
        return [
            (one.path, one.host, one.backup, one.state, one.message, one.listing, one.unread) for one in self.healths
        ]

    def stale(self, now_us: int) -> tuple[int, str]:
        """Seconds since the last look at the source that was looked at longest ago, and its machine; (0, "") while all
        are fresh. One in trouble says so itself."""
        ages = [(now_us - looked, health.host) for health, looked in self._looked.values() if health.state == "ok"]
        age, host = max(ages, default=(0, ""))
        return (age // SECOND, host) if age >= STALE else (0, "")

    def fresh_for(self, now_us: int) -> list[int]:
        """In how many µs each source that is fresh will not be so any more."""
        return [looked + STALE - now_us for _, looked in self._looked.values() if looked + STALE > now_us]
