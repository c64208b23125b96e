"""When to look: notifications about the database's directory, and a tick as the net under them.

The directory is watched, not the files: `-wal` comes and goes. A watch costs a wake-up per step for ever, so it is fast
only while something changes. 20/5 ms gives p50 8 ms, p99 14-19 ms at 1 % of a core idle (20/10: p50 17 ms, 0.6 %;
50/25: 0.2 %). 200/100 ms costs 0.16 % idle, 1600/50 0.24 %; the first of the two is the longest that a steady stream of
commits can hide the first of them. What is written on and on is looked at in beats (pace.py), and the watch rests in
between.

After a minute without a change the net is looked into every second second, and the watch tells that nothing happened
every five: both together were 0.19 % of a core at one second each, more than the notifications.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from adapter.pace import Beats
from adapter.sqlite.files import real_file

if TYPE_CHECKING:
    from watchfiles import Change

FAST, EASY, SLOW = (20, 5, 1000), (50, 25, 1000), (200, 100, 5000)
"""Debounce, step, and after how long the watch says that nothing happened, all in ms."""
FAST_FOR_S, EASY_FOR_S = 5.0, 60.0
TICK_S = 1.0
QUIET_TICK_S = 2.0
POLL_S, QUIET_POLL_S = 0.05, 0.25
"""How often to look when there are no notifications, while something changes and when not: a look is a stat of two
files until one of them has changed (10 µs)."""
RETRY_S = 10.0
"""How often to ask for notifications again that the system has refused."""
EARLY_S = (0.0005, 0.001, 0.004, 0.016, 0.064)
"""Pauses before further looks after a notification: it comes before the WAL index is updated, up to 12 ms (measured
with synchronous=FULL; opencode writes with NORMAL, 1 in 100 is early)."""
ASKED_AFTER_S = 0.3
"""So long after the first `wait` the system is asked. What that needs takes 25 ms to import, in which the first picture
of a screen would wait for the interpreter. Meanwhile everybody looks by himself."""
LATE_S = (0.016,)
"""The same once a commit was seen, as the notification may have been of the next one; under load with the next beat."""


class Watch:
    """Waits for something to happen near a database file. Works on a directory that does not exist yet.

    The system is asked a moment after the first `wait`.
    """

    def __init__(
        self,
        path: Path,
        *,
        notify: bool = True,
        clock: Callable[[], float] = time.monotonic,
        beats: Beats | None = None,
    ) -> None:
        self._path = path
        self._notify = notify
        self._clock = clock
        self._waited = asyncio.Event()
        self._woken = asyncio.Event()
        self._stop = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._active_at = clock()
        self._beats = beats or Beats(clock)
        self._pauses: Iterator[float] = iter(())
        self._notified = False
        self._asked_at = float("-inf")
        self.problem = ""
        """Why changes are not notified, in words; "" while they are."""

    async def __aenter__(self) -> Self:
        if self._notify:
            self._task = asyncio.create_task(self._run(), name=f"watch {self._path.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._stop.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def active(self) -> None:
        """A change was seen: watch closely for the next minute."""
        self._pauses = iter(LATE_S)
        was_fast = self._pace() == FAST
        self._active_at = self._clock()
        if not was_fast:
            self._stop.set()

    @property
    def tick(self) -> float:
        """Seconds after which to look though nothing was notified."""
        return QUIET_TICK_S if self._pace() == SLOW else TICK_S

    def nudge(self) -> None:
        """Ends the present `wait`."""
        self._woken.set()

    def notice(self) -> None:
        """Something was written: ends the present `wait`, or the next one."""
        self._notified = True
        self._woken.set()

    async def wait(self, timeout_s: float = TICK_S) -> bool:
        """Waits for a notification, a nudge, or at most `timeout_s` seconds, less while a notification may have been
        early; True when woken before the time."""
        if not self._waited.is_set():
            self._asked_at = self._clock() + ASKED_AFTER_S
            self._waited.set()
        if not self._notify or self.problem or self._clock() < self._asked_at:
            timeout_s = min(timeout_s, QUIET_POLL_S if self._pace() == SLOW else max(POLL_S, self._beats.wait_s))
        # Under load nothing is looked at before the beat, however often.
        timeout_s = min(timeout_s, max(next(self._pauses, timeout_s), self._beats.wait_s))
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        if self._notified:
            self._notified = False
            self._pauses = iter(EARLY_S)
        return True

    def _pace(self) -> tuple[int, int, int]:
        quiet_s = self._clock() - self._active_at
        return FAST if quiet_s < FAST_FOR_S else EASY if quiet_s < EASY_FOR_S else SLOW

    def _ours(self, _change: Change, name: str) -> bool:
        # The -shm is memory-mapped and says nothing; other files of the data directory are not about sessions.
        own = real_file(self._path).name
        return Path(name).name in (self._path.name, own, f"{own}-wal")

    async def _run(self) -> None:
        await self._waited.wait()
        await asyncio.sleep(ASKED_AFTER_S)
        # Commands that look once need none of it: 30 modules, and a watch is set up in a third of a second.
        from watchfiles import awatch

        # A cancellation can get lost in awatch when it comes while that ends by itself.
        while not self._closed:
            self._stop.clear()
            pace = debounce, step, timeout = self._pace()
            place = real_file(self._path).parent
            directory = _inode(place)
            try:
                async for _changes in awatch(
                    place,
                    watch_filter=self._ours,
                    debounce=debounce,
                    step=step,
                    stop_event=self._stop,
                    recursive=False,
                    rust_timeout=timeout,
                    yield_on_timeout=True,
                ):
                    self.problem = ""
                    if _changes:
                        # What else is written until then comes with it.
                        await asyncio.sleep(self._beats.wait_s)
                        self.notice()
                    if pace != self._pace() or directory != _inode(real_file(self._path).parent):
                        break
            except FileNotFoundError:
                # The directory is not there yet: the tick goes on looking.
                await asyncio.sleep(TICK_S)
            except (OSError, RuntimeError) as error:
                # watchfiles raises RuntimeError when the user's inotify instances or watches are used up.
                self.problem = f"polling: the system does not notify ({error})"
                self._woken.set()
                await asyncio.sleep(RETRY_S)
            # What happened while the watch was set up anew is seen by looking once.
            self._woken.set()


def _inode(directory: Path) -> int:
    try:
        return directory.stat().st_ino
    except OSError:
        return -1
