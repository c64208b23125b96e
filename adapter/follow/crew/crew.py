"""The processes that help a scan: started, handed out pages, ended. What they do not do is left to the scan, so that a
crew that cannot be had, or that dies, costs nothing but time."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import msgspec

from adapter.follow.crew.messages import Answer, Ask, Begin, message, receive

WORKERS = 2
"""Most processes, also where several files are scanned. They take a core each, and the machine is opencode's."""
QUEUED = 2
"""Pages that one has at once: one that it is at, and one to go on with while its answer is on the way."""
AHEAD = 8
"""Pages that are read before their turn."""
AHEAD_BYTES = 4_000_000
"""Bytes of answers that wait for their turn; with so many nothing more is handed out."""
PIPE_BYTES = 1 << 20
"""Room of a pipe, where the system lets it be chosen (Linux): 64 kB change hands twenty times as often."""
LOOK_S, LOOKS = 5.0, 6
"""A page whose turn it is has so many times so many seconds; then its worker is taken for hung and is ended, and the
scan reads the page. They are counted, so that a stop of this process itself (ctrl+z) is one of them."""
END_S = 1.0
"""Seconds that one gets to end by itself."""
ROOT = Path(__file__).parents[3]
START = "import sys; sys.path.append(sys.argv[1]); from adapter.follow.crew.worker import main; main()"
Page = tuple[Answer, memoryview]
"""An answer, and what was made of its sessions."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Crew:
    """Use as an async context manager. `ask(number)` says what is asked of a worker for a page, None where nothing can
    be; there are `pages` of them."""

    running = 0
    """The processes of all crews."""

    def __init__(self, begin: Begin, ask: Callable[[int], Ask | None], pages: int) -> None:
        self._begin = message(begin)
        self._ask = ask
        self._pages = pages
        self._next = 0
        """The first page that nobody has."""
        self._at = 0
        """The page whose turn it is."""
        self._handed: dict[int, asyncio.Future[Page | None]] = {}
        self._held = 0
        self._workers: list[Worker] = []

    async def __aenter__(self) -> Self:
        # On one core nothing is gained.
        for _ in range(min(WORKERS - Crew.running, self._pages) if cores() > 1 else 0):
            try:
                self._workers.append(Worker(self, self._begin))
            except OSError:
                break
            Crew.running += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What they still say comes later, and nothing more is handed out for it.
        self._pages = 0
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.wait()
        Crew.running -= len(self._workers)

    async def page(self, number: int) -> Page | None:
        """What became of a page, whose turn it is now; None when nobody has done it, and nobody will."""
        self._at = number
        self._hand_out()
        handed = self._handed.get(number)
        if handed is None:
            self._next = max(self._next, number + 1)
            return None
        for _ in range(LOOKS):
            done, _ = await asyncio.wait({handed}, timeout=LOOK_S)
            if done:
                break
        else:
            for worker in self._workers:
                if number in worker.pages:
                    worker.process.kill()
        # Of a worker that was ended the listener says so.
        page = await handed
        del self._handed[number]
        if page is not None:
            self._held -= len(page[1])
        return page

    # -- used by the workers alone

    def answered(self, worker: Worker, answer: Answer, made: bytes) -> None:
        """Takes the next message of a worker: that it is ready, or an answer."""
        if worker.is_ready:
            self._held += len(made)
            self._settle(worker.pages.popleft(), (answer, memoryview(made)))
        worker.is_ready = True
        self._hand_out()

    def lost(self, worker: Worker) -> None:
        """A worker has ended: what it had falls back to the scan."""
        worker.is_ready = False
        while worker.pages:
            self._settle(worker.pages.popleft(), None)

    def _settle(self, number: int, page: Page | None) -> None:
        handed = self._handed[number]
        if not handed.done():  # the scan may have been cancelled
            handed.set_result(page)

    def _hand_out(self) -> None:
        while self._next < min(self._pages, self._at + AHEAD) and self._held <= AHEAD_BYTES:
            free = [worker for worker in self._workers if worker.is_ready and len(worker.pages) < QUEUED]
            if not free:
                return
            number, self._next = self._next, self._next + 1
            ask = self._ask(number)
            if ask is not None:
                worker = min(free, key=lambda worker: len(worker.pages))
                self._handed[number] = asyncio.get_running_loop().create_future()
                worker.pages.append(number)
                worker.send(ask)


class Worker:
    """One process, with a thread that takes what it says. Raises OSError when it cannot be started."""

    def __init__(self, crew: Crew, begin: bytes) -> None:
        self.pages: deque[int] = deque()
        """The pages that it has, in order."""
        self.is_ready = False
        self._crew = crew
        self._loop = asyncio.get_running_loop()
        self.process = subprocess.Popen(
            # -P: what lies in the directory that we are in is none of our modules.
            [sys.executable, "-P", "-c", START, str(ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pipesize=PIPE_BYTES,
        )
        self._in, self._out = cast(BinaryIO, self.process.stdin), cast(BinaryIO, self.process.stdout)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            # A limit of threads: the process that has begun helps nobody.
            self.process.kill()
            self.process.communicate()
            raise OSError(str(error)) from error
        self._write(begin)

    def send(self, ask: Ask) -> None:
        """Asks for a page."""
        self._write(message(ask))

    def end(self) -> None:
        """Lets it end; one that is in the middle of something ends now."""
        if self.pages:
            self.process.kill()
        try:
            self._in.close()
        except OSError:
            pass  # it has ended with something unread

    def wait(self) -> None:
        """Returns when it has ended."""
        self._thread.join(END_S)
        if self._thread.is_alive():
            self.process.kill()
            self._thread.join()
        self.process.wait()
        self._out.close()

    def _write(self, text: bytes) -> None:
        try:
            self._in.write(text)
            self._in.flush()
        except OSError:
            pass  # it has ended, which the thread says

    def _listen(self) -> None:
        try:
            while True:
                answer, made = receive(self._out, Answer)
                self._loop.call_soon_threadsafe(self._crew.answered, self, answer, made)
        except (EOFError, OSError, msgspec.MsgspecError):
            pass
        try:
            self._loop.call_soon_threadsafe(self._crew.lost, self)
        except RuntimeError:
            pass  # the loop has been closed
