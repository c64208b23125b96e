"""The commands without a screen: how fast they start, how fast `events` streams, and what it needs."""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.adapter import corpus
from tests.bench.stores import BIG, MANY, cached
from tests.bench.table import Line


class Run(NamedTuple):
    """What a command took: seconds from start to exit, CPU seconds, peak memory in MB."""

    wall: float
    cpu: float
    memory: float


LAUNCH = """
import os, subprocess, sys, time
began = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, used = os.wait4(child.pid, 0)
took, cpu = time.perf_counter() - began, used.ru_utime + used.ru_stime
print(took, cpu, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status), flush=True)
os._exit(0)
"""
"""Starts a command from a small process: the peak of a child begins with what its parent held."""


FLOOR = """
import asyncio, aiosqlite, msgspec
async def main():
    async with aiosqlite.connect(":memory:") as connection:
        await connection.execute_fetchall("SELECT 1")
asyncio.run(main())
"""
"""What no command that reads a database by these packages can spare."""


ON_ONE_CORE = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.execv(sys.argv[1], sys.argv[1:])
"""


def run(command: Sequence[str]) -> Run:
    """Runs a command whose output nobody wants. Raises RuntimeError when it fails."""
    done = subprocess.run([sys.executable, "-c", LAUNCH, *command], stdout=subprocess.PIPE, text=True, check=True)
    *figures, status = done.stdout.split()
    if status not in ("0", "1"):  # 1 is doctor's way to say that a row could not be read
        raise RuntimeError(f"{' '.join(command)} ended with {status}")
    return Run(*map(float, figures))


def starts(arguments: argparse.Namespace) -> Iterator[Line]:
    """`--help`, `doctor` and `ls` on a small store, in turns with `python -c pass`: CPU, no waiting."""
    rounds = 5 if arguments.quick else 21
    with tempfile.TemporaryDirectory() as directory:
        # Closed, because doctor follows for a second where somebody writes.
        database = corpus.build("1.18.33/plain", Path(directory) / "opencode.db")
        viewer = [sys.executable, "-m", "tui"]
        commands = {
            "pass": [sys.executable, "-c", "pass"],
            "floor": [sys.executable, "-c", FLOOR],
            "--help": [*viewer, "--help"],
            "doctor": [*viewer, "doctor", "--db", str(database)],
            "ls": [*viewer, "ls", "--db", str(database)],
        }
        taken: dict[str, list[Run]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                taken[name].append(run(command))
        medians = {name: statistics.median(one.cpu * 1000 for one in runs) for name, runs in taken.items()}
        for name in ("--help", "doctor", "ls"):
            wall = statistics.median(one.wall * 1000 for one in taken[name])
            note = f"{medians[name]:.0f} ms CPU, python -c pass {medians['pass']:.0f} ms; {wall:.0f} ms to the exit"
            if name != "--help":
                note += f"; asyncio, aiosqlite and msgspec alone {medians['floor']:.0f} ms CPU"
            yield Line(f"start of `{name}`, CPU", "ratio", medians[name] / medians["pass"], 4, "x", note)
        probe = "import sys\nfrom tui.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        probe += "sys.exit(2 * ('textual' in sys.modules))"
        for name in ("--help", "doctor", "ls"):
            try:
                run([sys.executable, "-c", probe, *commands[name][3:]])
                found = 0
            except RuntimeError:
                found = 1
            yield Line(f"`{name}` imports Textual", "counter", found, 0, "times")


LOOKS = {"ls": 0.3, "doctor": 1.0, "tree": 4.0, "tree --json": 4.0}
"""Seconds of CPU wanted over 2.2 GB."""


def looks(arguments: argparse.Namespace) -> Iterator[Line]:
    """`ls`, `doctor` and `tree` over a whole store: CPU, and memory against a small store."""
    small, big = cached(MANY, arguments.stores), cached(BIG, arguments.stores)
    for words, wanted in LOOKS.items():
        before = run(of(small, *words.split())).memory
        taken = [run(of(big, *words.split())) for _ in range(1 if arguments.quick else 3)]
        seconds, memory = min(one.cpu for one in taken), max(one.memory for one in taken)
        yield Line(f"`{words}` over 2.2 GB, CPU", "time", seconds, wanted, "s")
        note = f"peak {memory:.0f} MB; over 54 MB: {before:.0f} MB"
        yield Line(f"memory of `{words}`, 2.2 GB against 54 MB", "ratio", memory / before, 1.25, "x", note)


def events(arguments: argparse.Namespace) -> Iterator[Line]:
    """`events` over a whole store, thrown away."""
    runs = 1 if arguments.quick else 5
    small = run(of(cached(MANY, arguments.stores))).memory
    path = cached(BIG, arguments.stores)
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    (parts,) = connection.execute("SELECT count(*) FROM part").fetchone()
    connection.close()
    taken = [run(of(path)) for _ in range(runs)]
    seconds, _, memory = (statistics.median(column) for column in zip(*taken, strict=True))
    note = f"{parts:,} parts in {seconds:.1f} s"
    yield Line("`events` over 2.2 GB", "time", parts / seconds, 60_000, "parts/s", note, more=True)
    if hasattr(os, "sched_setaffinity"):
        beside = [(run(of(path)).wall, run([sys.executable, "-c", ON_ONE_CORE, *of(path)]).wall) for _ in range(runs)]
        several, one = (statistics.median(column) for column in zip(*beside, strict=True))
        note = f"{several:.1f} s; {one:.1f} s on one core, where it is one process"
        yield Line("`events` by several processes against one, 2.2 GB", "ratio", several / one, 0.6, "x", note)
    note = f"peak of the largest process {memory:.0f} MB; over 54 MB: {small:.0f} MB"
    yield Line("memory of `events`, 2.2 GB against 54 MB", "ratio", memory / small, 1.25, "x", note)


def of(path: Path, *words: str) -> list[str]:
    """A command about a database; `events` unless it is said."""
    return [sys.executable, "-m", "tui", *(words or ["events"]), "--db", str(path)]
