"""`python -m tests.bench lag|start|idle`: what a user waits for and pays, measured from outside the process; and
`python -m tests.bench adapter WHAT`: what reading costs.

Absolute times of a shared machine mean little; compare figures of one run.
"""

from __future__ import annotations

import argparse
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import adapter
from tests.bench.terminal import App, spread
from tui.demo.player import Player


@contextmanager
def finished_demo() -> Iterator[Path]:
    """The demo's database at its end, with its writer still connected."""
    with tempfile.TemporaryDirectory() as directory:
        player = Player(Path(directory))
        player.prepare()
        player.finish()
        yield player.path
        player.close()


def writer(database: str, count: int, pause_s: float) -> None:
    """Renames the newest session `count` times as opencode does (row, event and sequence in one transaction), and
    prints when each transaction began to commit. A process of its own, as opencode is."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    (session,) = connection.execute("SELECT id FROM session ORDER BY time_updated DESC LIMIT 1").fetchone()
    (seq,) = connection.execute("SELECT seq FROM event_sequence WHERE aggregate_id = ?", (session,)).fetchone()
    for number in range(count):
        time.sleep(pause_s)
        seq += 1
        connection.execute("BEGIN IMMEDIATE")
        now = int(time.time() * 1000)
        connection.execute(
            "UPDATE session SET title = ?, time_updated = ? WHERE id = ?", (f"mark{number:05d}x", now, session)
        )
        connection.execute("UPDATE event_sequence SET seq = ? WHERE aggregate_id = ?", (seq, session))
        data = f'{{"sessionID":"{session}","info":{{"id":"{session}"}}}}'
        connection.execute(
            "INSERT INTO event VALUES (?, ?, ?, 'session.updated.1', ?)",
            (f"evt_bench{number:08d}", session, seq, data),
        )
        print(time.perf_counter(), flush=True)
        connection.execute("COMMIT")


def lag(arguments: argparse.Namespace) -> None:
    """From the COMMIT of another process to the bytes of the new title on the terminal."""
    with finished_demo() as database, App("--db", str(database)) as app:
        app.until(b"Rename the settings keys")
        app.quiet(2.0)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench", "writer", str(database), str(arguments.count), str(arguments.pause)],
            stdout=subprocess.PIPE,
            text=True,
        )
        painted: dict[int, float] = {}
        seen = b""
        while (chunk := app.read(0.3)) or process.poll() is None:
            # A mark may be cut by the end of a read: the last bytes are looked at again with the next ones.
            seen = seen[-len("mark00000") :] + chunk
            for found in re.finditer(rb"mark(\d{5})", seen):
                painted.setdefault(int(found[1]), time.perf_counter())
        assert process.stdout is not None
        committed = [float(line) for line in process.stdout]
        # Renames that came within one frame are drawn once, with the newest title.
        shown = [(painted[n] - at) * 1000 for n, at in enumerate(committed) if n in painted]
        print(f"commit -> bytes on the terminal, {1 / arguments.pause:.0f} commits/s: {spread(shown)}")
        print(f"  {len(committed)} commits, {len(shown)} drawn on their own")


def start(arguments: argparse.Namespace) -> None:
    """From exec to the first session title on the terminal, against a bare Textual app in the same run."""
    with finished_demo() as demo:
        stores = [("demo store", demo), *((f"{p.stat().st_size / 1e6:,.0f} MB store", p) for p in arguments.db)]
        for name, database in stores:
            connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
            (title,) = connection.execute("SELECT title FROM session ORDER BY time_updated DESC LIMIT 1").fetchone()
            connection.close()
            first, memory = [], (0.0, 0.0)
            for _ in range(arguments.runs):
                with App("--db", str(database)) as app:
                    first.append(app.until(title.encode()[:12]) * 1000)
                    app.quiet(1.5)
                    memory = app.memory_mb()
            print(
                f"start -> first session on the terminal, {name}: median {statistics.median(first):.0f} ms, "
                f"worst {max(first):.0f} ms; memory {memory[0]:.0f} MB, peak {memory[1]:.0f} MB"
            )
        bare = []
        program = "from textual.app import App\nclass A(App):\n    def on_ready(self): self.exit()\nA().run()"
        for _ in range(arguments.runs):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
            )
            bare.append((time.perf_counter() - began) * 1000)
        print(f"a bare Textual app from exec to exit: median {statistics.median(bare):.0f} ms")


def idle(arguments: argparse.Namespace) -> None:
    """CPU and bytes while nothing is committed: with everything ended, in the first minute and after it, when the watch
    has slowed down; and with a question open, whose row counts the seconds."""
    with finished_demo() as database:
        measure_idle(database, "a question open", 1, arguments.seconds)
        with sqlite3.connect(database) as connection:
            connection.execute("DELETE FROM session WHERE title LIKE 'Rename%'")
        connection.close()
        measure_idle(database, "all ended", 2, arguments.seconds)


def measure_idle(database: Path, name: str, times: int, seconds: float) -> None:
    """Starts the app and prints what it uses while nobody touches anything."""
    with App("--db", str(database)) as app:
        app.until(b"Make the retry test stable")
        app.quiet(3.0)
        for minute in range(times):
            cpu, written = app.quiet(seconds)
            share = cpu / seconds * 100
            print(f"idle, {name}, {minute + 1}. {seconds:.0f} s: {share:.2f} % of a core, {written:,} bytes written")


def main() -> None:
    """Runs one measurement."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True)
    one = names.add_parser("lag", help=lag.__doc__)
    one.add_argument("--count", type=int, default=300)
    one.add_argument("--pause", type=float, default=0.05, help="seconds between commits")
    one = names.add_parser("start", help=start.__doc__)
    one.add_argument("--db", type=Path, action="append", default=[], help="a further store")
    one.add_argument("--runs", type=int, default=5)
    one = names.add_parser("idle", help=idle.__doc__)
    one.add_argument("--seconds", type=float, default=60.0)
    adapter.add_arguments(names.add_parser("adapter", help=adapter.__doc__))
    one = names.add_parser("writer", help=writer.__doc__)
    one.add_argument("database")
    one.add_argument("count", type=int)
    one.add_argument("pause", type=float)
    arguments = parser.parse_args()
    if arguments.name == "writer":
        writer(arguments.database, arguments.count, arguments.pause)
        return
    load, _, _ = os.getloadavg()
    print(f"load average {load:.1f} on {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    {"lag": lag, "start": start, "idle": idle, "adapter": adapter.run}[arguments.name](arguments)


if __name__ == "__main__":
    main()
