"""Runs the app on a pseudo-terminal and notes when which bytes come out of it."""

from __future__ import annotations

import os
import select
import signal
import struct
import sys
import time
from fcntl import ioctl
from pathlib import Path
from pty import fork
from termios import TIOCSWINSZ

TICKS = os.sysconf("SC_CLK_TCK")


class App:
    """The app in a child process, 120x40; `read` returns what it wrote. Use as a context manager."""

    def __init__(self, *arguments: str) -> None:
        self.started = time.perf_counter()
        self.pid, self.terminal = fork()
        if self.pid == 0:
            environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execve(sys.executable, [sys.executable, "-m", "tui", *arguments], environment)
        ioctl(self.terminal, TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def __enter__(self) -> App:
        return self

    def __exit__(self, *_exc: object) -> None:
        os.kill(self.pid, signal.SIGTERM)
        while self.read(0.5):
            pass
        os.waitpid(self.pid, 0)
        os.close(self.terminal)

    def read(self, timeout_s: float) -> bytes:
        """Bytes that came within the time, b"" when none did or the app has ended."""
        if not select.select([self.terminal], [], [], timeout_s)[0]:
            return b""
        try:
            return os.read(self.terminal, 1 << 20)
        except OSError:
            return b""

    def until(self, words: bytes, timeout_s: float = 60.0) -> float:
        """Seconds from the start until the words came out in one piece."""
        seen = b""
        while time.perf_counter() - self.started < timeout_s:
            seen = seen[-len(words) :] + self.read(0.2)
            if words in seen:
                return time.perf_counter() - self.started
        raise TimeoutError(f"{words!r} never came out")

    def quiet(self, seconds: float) -> tuple[float, int]:
        """CPU seconds used and bytes written during a time in which nobody touches anything."""
        before, written, end = self.cpu(), 0, time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            written += len(self.read(left))
        return self.cpu() - before, written

    def cpu(self) -> float:
        """User and system time so far, seconds (Linux)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self) -> tuple[float, float]:
        """Resident memory now and at its peak, MB (Linux)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        figures = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
        return int(figures["VmRSS"]) / 1024, int(figures["VmHWM"]) / 1024


def spread(values: list[float], unit: str = "ms") -> str:
    """Median, 99th percentile and maximum as one line."""
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {ordered[len(ordered) // 2]:.1f}  p99 {p99:.1f}  max {ordered[-1]:.1f} {unit}  (n={len(ordered)})"
