"""Runs a program on a pseudo-terminal and notes when which bytes come out of it."""

from __future__ import annotations

import math
import os
import re
import select
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fcntl import ioctl
from pathlib import Path
from pty import fork
from termios import TIOCSWINSZ

CPUCLOCK_SCHED = 2
"""What the scheduler counts, in ns, of all threads of a process, those that have ended too (<linux/posix-timers.h>)."""
BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("bare application")
Bare().run()
"""
"""The least that Textual can be: what a start is compared with."""


class Program:
    """A child process on a pseudo-terminal of 120x40; `read` returns what it wrote. Use as a context manager, which
    ends it."""

    def __init__(self, command: Sequence[str], **environment: str) -> None:
        self.started = time.perf_counter()
        self.pid, self.terminal = fork()
        if self.pid == 0:
            everything = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment}
            os.execvpe(command[0], command, everything)
        ioctl(self.terminal, TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_exc: object) -> None:
        for end in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(self.pid, end)
            except ProcessLookupError:
                break
            deadline = time.perf_counter() + 5
            while time.perf_counter() < deadline:
                self.read(0.05)
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    os.close(self.terminal)
                    return
        os.close(self.terminal)

    def send(self, keys: bytes) -> float:
        """Presses keys; returns the moment (perf_counter)."""
        now = time.perf_counter()
        os.write(self.terminal, keys)
        return now

    def read(self, timeout_s: float) -> bytes:
        """Bytes that came within the time, b"" when none did or the program has ended."""
        if not select.select([self.terminal], [], [], max(0.0, timeout_s))[0]:
            return b""
        try:
            return os.read(self.terminal, 1 << 20)
        except OSError:
            return b""

    def until(self, words: bytes, timeout_s: float = 60.0, since: float | None = None) -> float:
        """Seconds from the start, or `since`, until the words came out in one piece. Raises TimeoutError."""
        began = self.started if since is None else since
        seen = b""
        while time.perf_counter() - began < timeout_s:
            seen = seen[-len(words) :] + self.read(0.2)
            if words in seen:
                return time.perf_counter() - began
        raise TimeoutError(f"{words!r} never came out")

    def quiet(self, seconds: float) -> tuple[float, int]:
        """CPU seconds used and bytes written during a time in which nobody touches anything."""
        before, written, end = self.cpu(), 0, time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            written += len(self.read(left))
        return self.cpu() - before, written

    def settle(self, most_s: float = 30.0) -> None:
        """Waits until the program has been idle for a second."""
        end = time.perf_counter() + most_s
        while time.perf_counter() < end and self.quiet(1.0)[0] > 0.02:
            pass

    def cpu(self) -> float:
        """User and system time so far, seconds (Linux)."""
        return time.clock_gettime((~self.pid << 3) | CPUCLOCK_SCHED)

    def memory_mb(self) -> tuple[float, float]:
        """Resident memory now and at its peak, MB (Linux)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        figures = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
        return int(figures["VmRSS"]) / 1024, int(figures["VmHWM"]) / 1024

    def files(self) -> int:
        """Open file descriptors (Linux)."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class App(Program):
    """The viewer with these arguments, and with settings of its own."""

    def __init__(self, *arguments: str) -> None:
        state = str(Path(tempfile.gettempdir()) / "opencode-viewer-bench-state")
        super().__init__([sys.executable, "-m", "tui", *arguments], XDG_STATE_HOME=state)


def marks(program: Program, going: Callable[[], bool]) -> dict[int, float]:
    """When (unix seconds) each number of a `mark00000x` first came out, as long as `going` says so and bytes come."""
    came: dict[int, float] = {}
    seen = b""
    while (chunk := program.read(0.3)) or going():
        now = time.time()
        # A mark may be cut by the end of a read: the last bytes are looked at again with the next ones.
        seen = seen[-len("mark00000") :] + chunk
        for found in re.finditer(rb"mark(\d{5})x", seen):
            came.setdefault(int(found[1]), now)
    return came


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that `share` (0 to 1) of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def spread(values: Sequence[float], unit: str = "ms") -> str:
    """Median, 99th percentile and maximum as one line."""
    p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
    return f"p50 {p50:.1f}  p99 {p99:.1f}  max {max(values):.1f} {unit}  (n={len(values)})"
