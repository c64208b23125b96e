"""What sessions cost: how soon it is on the screen, what the command takes, and whether it is what the columns say."""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Iterator

from tests.bench.commands import run
from tests.bench.stores import MANY, cached
from tests.bench.table import Line
from tests.bench.terminal import App


def spend(arguments: argparse.Namespace) -> Iterator[Line]:
    """What 7,000 sessions cost: from `$` to the first picture, until all steps are read, and the command."""
    runs = 2 if arguments.quick else 7
    database = cached(MANY, arguments.stores)
    sessions = f"{MANY.sessions:,} sessions"
    first, whole = [], []
    for _ in range(runs):
        with App("--db", str(database)) as app:
            app.settle(15)
            pressed = app.send(b"$")
            first.append(app.until(b"by day", 10, pressed) * 1000)
            app.settle()
            # 7 days, 30 days, this month, all time.
            for _ in range(2):
                app.send(b"r")
                app.settle()
            pressed = app.send(b"r")
            app.until(b"reading models", 10, pressed)
            app.until(b"bash", 60, pressed)
            app.quiet(2.0)
            whole.append(app.until(b"todowrite", 60, pressed) * 1000)
    yield Line(f"`$` -> what {sessions} cost", "time", statistics.median(first), 500, note=f"worst {max(first):.0f} ms")
    note = f"worst {max(whole):.0f} ms; the money stands before that"
    yield Line(f"all steps and calls of {sessions} read", "time", statistics.median(whole), 10_000, note=note)
    command = [sys.executable, "-m", "tui", "spend", "--db", str(database)]
    taken = [run(command) for _ in range(runs)]
    wall, cpu = (statistics.median(one[at] * 1000 for one in taken) for at in (0, 1))
    yield Line(f"`spend` over {sessions}", "time", wall, 500, note=f"{cpu:.0f} ms CPU")
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        (dollars,) = connection.execute("SELECT sum(cost) FROM session").fetchone()
    connection.close()
    apart = 0.0
    for measure in ("day", "tool"):
        done = subprocess.run([*command, "--by", measure, "--json"], stdout=subprocess.PIPE, check=True)
        apart = max(apart, abs(json.loads(done.stdout)["total"]["cost"] - dollars))
    yield Line("`spend` apart from the sum of the columns", "counter", round(apart, 6), 0, "dollars")
