"""A line as from far away, of nothing but this file: `python slow_line.py [--rtt S] [--rate BYTES] COMMAND ...` starts
a command and passes on what goes to it and comes from it, late, and no faster than so many bytes a second each way.

What does not fit on the line waits in the pipe before it (64 kB), as in the buffer of a modem. `--counts FILE` holds
the bytes that went there and that came, as two numbers of eight bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

PIECE = 4096
LATE = 1 << 10
"""Pieces that are on their way at most: 4 MB."""


def carry(reading: int, writing: int, delay_s: float, rate: float, count: Counted) -> None:
    """Passes on one direction until either end is closed."""
    on_the_way: queue.Queue[tuple[float, bytes]] = queue.Queue(LATE)

    def arrive() -> None:
        with contextlib.suppress(OSError):
            while True:
                due, piece = on_the_way.get()
                time.sleep(max(0.0, due - time.monotonic()))
                left = memoryview(piece)
                while left:
                    left = left[os.write(writing, left) :]
                if not piece:
                    break
        os.close(writing)

    arriving = threading.Thread(target=arrive, daemon=True)
    arriving.start()
    free = time.monotonic()
    with contextlib.suppress(OSError):
        while arriving.is_alive() and (piece := os.read(reading, PIECE)):
            free = max(free, time.monotonic()) + len(piece) / rate
            time.sleep(max(0.0, free - time.monotonic()))
            count.add(len(piece))
            on_the_way.put((free + delay_s, piece))
    on_the_way.put((0.0, b""))
    arriving.join()


class Counted:
    """The bytes of one direction, at a place in a file."""

    def __init__(self, file: int, place: int) -> None:
        self.size, self._file, self._place = 0, file, place

    def add(self, size: int) -> None:
        """So many more."""
        self.size += size
        if self._file >= 0:
            os.pwrite(self._file, struct.pack("Q", self.size), self._place)


def counts(path: Path) -> tuple[int, int]:
    """The bytes that went there and that came by a file of `--counts`."""
    went, came = struct.unpack("QQ", path.read_bytes().ljust(16, b"\0")[:16])
    return went, came


def main() -> int:
    """Runs the command; its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rtt", type=float, default=0.2, help="seconds there and back (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=125_000, help="bytes a second each way (default: 1 Mbit/s)")
    parser.add_argument("--counts", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    file = os.open(given.counts, os.O_RDWR | os.O_CREAT, 0o600) if given.counts else -1
    command = subprocess.Popen(given.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert command.stdin is not None
    assert command.stdout is not None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    delay_s = given.rtt / 2
    there = (0, os.dup(command.stdin.fileno()), delay_s, given.rate, Counted(file, 0))
    command.stdin.close()
    try:
        threading.Thread(target=carry, args=there, daemon=True).start()
        carry(command.stdout.fileno(), os.dup(1), delay_s, given.rate, Counted(file, 8))
        return command.wait()
    finally:
        if command.poll() is None:
            command.kill()
            command.wait()


if __name__ == "__main__":
    sys.exit(main())
