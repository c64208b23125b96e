"""Somebody whom the queue between reader and screen can tell."""

from __future__ import annotations

from collections.abc import Callable, Collection

from adapter.events import Event
from adapter.health import Health
from tests.tui.story import session
from tui.model.records import ChangeSet


class Listener:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.changes: list[ChangeSet] = []
        self.healths: dict[str, Health] = {}
        self.problems: list[str] = []
        self.faults: list[tuple[str, str, Collection[str] | None]] = []
        self.anew: list[str] = []
        self.painted: list[Callable[[], None]] = []

    def changed(self, changes: ChangeSet) -> bool:
        self.changes.append(changes)
        return True

    def health_changed(self, healths: dict[str, Health]) -> None:
        self.healths = dict(healths)

    def problem(self, text: str) -> None:
        self.problems.append(text)

    def fault(self, stage: str, error: Exception, sources: Collection[str] | None) -> None:
        self.faults.append((stage, str(error), sources))

    def trouble(self, stage: str, error: BaseException) -> None:
        self.problems.append(f"{stage}: {error}")

    def loading_anew(self, source: str) -> None:
        self.anew.append(source)

    def after_paint(self, callback: Callable[[], None]) -> None:
        self.painted.append(callback)


def many(count: int, start: int = 0) -> list[Event]:
    return [session(f"ses_{n:06}", f"Session {n}", 1000 + n) for n in range(start, start + count)]
