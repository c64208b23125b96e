"""A long run: real opencode with two workers and a synthetic writer at 50 commits a second in one database, real
opencode 2.x with two workers in another, the app on a terminal, a second feed and model in this process. Every 10
seconds a line; at the end the model has to equal a cold load of both. Exit status 1 when it does not, or when the app
has gone.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from adapter.health import Health
from adapter.local import OpencodeSource
from tests.adapter.follower import cold_store, differences
from tests.bench.screen import answer, child, still, writing
from tests.bench.table import Line, machine, table
from tests.bench.terminal import App, percentile
from tests.lab import opencode_binary
from tui.feed.worker import Feed
from tui.model.records import ChangeSet
from tui.model.store.store import Store

EVERY_S = 10.0
SETTLED_S = 600
"""From then on memory is to be flat, in a run that goes on for twice as long."""
COMMITS = 50
CONVERGE_S = 60.0


class Screen:
    """Somebody whom a feed can tell; nothing is drawn."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def changed(self, changes: ChangeSet) -> bool:
        """Nothing to draw."""
        return False

    def health_changed(self, healths: dict[str, Health]) -> None:
        """Nothing to show."""

    def problem(self, text: str) -> None:
        """Kept, to be told at the end."""
        self.problems.append(text)

    def fault(self, stage: str, error: Exception, sources: Collection[str] | None) -> None:
        """Ends the run: there is none in one that is sound."""
        raise error

    def trouble(self, stage: str, error: BaseException) -> None:
        """Kept as well."""
        self.problems.append(f"{stage}: {error!r}")

    def loading_anew(self, source: str) -> None:
        """Nothing is made of what was there."""

    def after_paint(self, callback: Callable[[], None]) -> None:
        """Nothing is painted."""


class Reading(threading.Thread):
    """Takes what the app writes, as a terminal does; `written` counts it."""

    def __init__(self, app: App) -> None:
        super().__init__(daemon=True)
        self.app = app
        self.written = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            self.written += len(self.app.read(0.2))


def alone(arguments: argparse.Namespace, root: Path) -> Path:
    """A copy of `--db`, or a new database, which no opencode works in."""
    path = root / "opencode.db"
    if arguments.db is not None:
        shutil.copy(arguments.db, path)
    else:
        still(path, 5)
    return path


@contextmanager
def worked_in(root: Path, version: str, seconds: float) -> Iterator[Path]:
    """The database that real opencode of a major version works in for so long."""
    command = [sys.executable, "-m", "tests.lab", "--live", str(seconds), "--workers", "2", "--delay", "0.2"]
    with child([*command, "--opencode", version, "--root", str(root)]) as process:
        path = Path(answer(process).removeprefix("db: "))
        # It says a line for every prompt, which somebody has to take.
        assert process.stdout is not None
        drain = threading.Thread(target=process.stdout.read, daemon=True)
        drain.start()
        while not has_project(path):
            time.sleep(0.2)
        try:
            yield path
            process.wait(120)
        finally:
            process.terminate()
            drain.join(5)


def has_project(path: Path) -> bool:
    """Whether opencode has made its tables, and the project with its first session."""
    if not path.exists():
        return False
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return bool(connection.execute("SELECT 1 FROM project").fetchall())
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()


async def soak(paths: list[Path], seconds: float) -> int:
    """Watches for so long, while the first is also written to at a steady rate; the exit status."""
    store, screen = Store(), Screen()
    sources = [OpencodeSource(path) for path in paths]
    feed = Feed([*sources], store, screen)
    feed.arrivals.attach()
    thread = threading.Thread(target=feed.run, daemon=True)
    thread.start()
    memory: list[float] = []
    shares: list[float] = []
    handles: list[int] = []
    try:
        named = [word for path in paths for word in ("--db", str(path))]
        with App(*named) as app, writing("agents", paths[0], COMMITS, seconds):
            reading = Reading(app)
            reading.start()
            print("    s   RSS MB  peak MB  handles  CPU %   KB/s   lag to model p50 / p99 ms  WAL MB  sessions")
            began, last = time.monotonic(), (app.cpu(), 0)
            while (now := time.monotonic() - began) < seconds:
                await asyncio.sleep(EVERY_S)
                rss, peak = app.memory_mb()
                cpu, written = app.cpu(), reading.written
                share, rate = (cpu - last[0]) / EVERY_S * 100, (written - last[1]) / EVERY_S / 1000
                last = (cpu, written)
                memory.append(rss)
                shares.append(share)
                handles.append(app.files())
                lags = feed.arrivals.lags()
                late = f"{lags.model_p50:6.0f} / {lags.model_p99:<6.0f}" if lags else ""
                wal = sum(source.health().wal_size for source in sources) / 1e6
                print(
                    f"{now + EVERY_S:5.0f} {rss:8.1f} {peak:8.1f} {handles[-1]:8} {share:6.1f} {rate:6.1f} {late:>26} "
                    f"{wal:7.1f} {len(store.sessions):9}",
                    flush=True,
                )
            reading.stopped.set()
            reading.join()
        return await verdict(paths, store, screen, (memory, shares, handles))
    finally:
        feed.stop()
        await asyncio.to_thread(thread.join, 10)


async def verdict(
    paths: list[Path], store: Store, screen: Screen, figures: tuple[list[float], list[float], list[int]]
) -> int:
    """Compares with a cold load once nothing is written any more, and prints the table; the exit status."""
    memory, shares, handles = figures
    unlike: list[str] = ["never compared"]
    deadline = time.monotonic() + CONVERGE_S
    while unlike and time.monotonic() < deadline:
        await asyncio.sleep(1)
        cold = Store()
        for path in paths:
            cold.sessions.update((await cold_store(path)).sessions)
        unlike = differences(store, cold)
    fifth = max(1, len(memory) // 5)
    settled = min(fifth, int(SETTLED_S / EVERY_S))
    early, late = (percentile(part, 0.5) for part in (memory[settled : settled + fifth] or memory, memory[-fifth:]))
    loaded = sum(session.loaded for session in store.sessions.values())
    note = f"{early:.0f}, then {late:.0f} MB"
    lines = [
        Line(
            "memory of the last fifth against the one that begins at minute 10", "ratio", late / early, 1.05, "x", note
        ),
        Line("CPU of the app, median", "time", percentile(shares, 0.5), 25, "% of a core"),
        Line("file handles at the end against the start", "counter", handles[-1] - handles[0], 0, ""),
        Line("differences to a cold load", "counter", len(unlike), 0, "", f"{loaded} sessions loaded"),
        Line("problems told", "counter", len(screen.problems), 0, "", "; ".join(screen.problems)[:80]),
    ]
    print(f"{machine()}\n\n{table(lines)}")
    print("\n".join(unlike[:20]))
    return int(bool(unlike))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m tests.bench soak`."""
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--db", type=Path, help="begin with a copy of this store, without opencode")
    parser.add_argument("--no-opencode", action="store_true", help="the synthetic writer alone")


def versions(arguments: argparse.Namespace) -> Iterator[str]:
    """The major versions of opencode that are wanted and can be had."""
    if arguments.db is not None or arguments.no_opencode:
        return
    for version, release in (("1", opencode_binary.V1), ("2", opencode_binary.V2)):
        try:
            opencode_binary.find(release)
        except opencode_binary.Unavailable as reason:
            print(f"WITHOUT real opencode {version}.x: {reason}", file=sys.stderr)
            continue
        yield version


def run(arguments: argparse.Namespace) -> int:
    """Runs it; the exit status."""
    seconds = arguments.minutes * 60
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        found = list(versions(arguments))
        paths = [] if "1" in found else [alone(arguments, root)]
        paths += [stack.enter_context(worked_in(root / version, version, seconds)) for version in found]
        return asyncio.run(soak(paths, seconds))
