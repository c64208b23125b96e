"""What reading costs: load, stream, catalogue, one update, the loop's stalls, being idle, following real opencode.

Every figure of time stands beside what SQLite and a JSON decoder alone take for the same rows in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from adapter.contract import Batch
from adapter.local import OpencodeSource
from adapter.opencode.schema import MESSAGE_COLUMNS, PART_COLUMNS, SESSION_COLUMNS
from adapter.sqlite.files import side_file
from tests.bench.stores import BIG, LONG, MANY, SHORT, Shape, cached
from tests.bench.table import Line
from tests.bench.terminal import spread

TICK_S = 0.002


def bare_read(path: Path, session_id: str = "") -> int:
    """Fetches and decodes the messages and parts of one session, or of all, one after the other; returns the parts."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    parts = 0
    for (wanted,) in [(session_id,)] if session_id else connection.execute("SELECT id FROM session").fetchall():
        for table, columns in (("message", MESSAGE_COLUMNS), ("part", PART_COLUMNS)):
            sql = f"SELECT {', '.join(columns)} FROM {table} WHERE session_id = ?"
            rows = connection.execute(sql, (wanted,)).fetchall()
            for row in rows:
                msgspec.json.decode(row[-1])
        parts += len(rows)
    connection.close()
    return parts


def timed(call: Callable[[], object]) -> float:
    """Milliseconds of a call."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


async def timed_async(call: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds of something awaited."""
    began = time.perf_counter()
    await call()
    return (time.perf_counter() - began) * 1000


def only_session(path: Path) -> str:
    """The session of a store that holds one."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    (session_id,) = connection.execute("SELECT id FROM session").fetchone()
    connection.close()
    return str(session_id)


def memory_mb() -> float:
    """Resident memory of this process now, MB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


async def load(arguments: argparse.Namespace) -> None:
    """`load()` of a session of 5,000 parts, warm."""
    path = cached(LONG, arguments.stores)
    session_id = only_session(path)
    async with OpencodeSource(path) as source:
        await source.load(session_id)
        own, bare = [], []
        for _ in range(arguments.runs):
            own.append(await timed_async(lambda: source.load(session_id)))
            bare.append(timed(lambda: bare_read(path, session_id)))
    compare(f"load, {LONG.parts:,} parts, {LONG.megabytes:.0f} MB", own, bare)


async def catalogue(arguments: argparse.Namespace) -> None:
    """`catalogue()` of 7,000 sessions by a fresh source."""
    path = cached(MANY, arguments.stores)
    own, bare = [], []
    for _ in range(arguments.runs):
        async with OpencodeSource(path) as source:
            await source.open()
            own.append(await timed_async(source.catalogue))
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        have = {row[1] for row in connection.execute("PRAGMA table_info(session)")}
        names = ", ".join(column for column in SESSION_COLUMNS if column in have)
        sql = f"SELECT {names} FROM session ORDER BY time_updated DESC"
        bare.append(timed(lambda: connection.execute(sql).fetchall()))  # noqa: B023 - called at once
        connection.close()
    compare(f"catalogue, {MANY.sessions:,} sessions", own, bare)


async def stream(arguments: argparse.Namespace) -> None:
    """`stream()` over whole stores: parts a second, and memory while it runs."""
    paths = arguments.db or [cached(MANY, arguments.stores), cached(BIG, arguments.stores)]
    for path in paths:
        before, peak, began = memory_mb(), 0.0, time.perf_counter()
        async with OpencodeSource(path) as source:
            async for _ in source.stream():
                peak = max(peak, memory_mb())
        own = time.perf_counter() - began
        began = time.perf_counter()
        parts = bare_read(path)
        bare = time.perf_counter() - began
        print(
            f"stream, {path.stat().st_size / 1e6:,.0f} MB: {parts / own:,.0f} parts/s, {own / bare:.1f} x SQLite and "
            f"decoding alone ({parts / bare:,.0f}); memory {before:.0f} MB before, peak {peak:.0f} MB"
        )
        began = time.perf_counter()
        size = piped_events(path)
        print(f"  `events` into a pipe: {parts / (time.perf_counter() - began):,.0f} parts/s, {size / 1e6:,.0f} MB")


def piped_events(path: Path) -> int:
    """Runs `events` and takes what it writes; returns the bytes."""
    command = [sys.executable, "-m", "tui", "events", "--db", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        return sum(map(len, iter(lambda: process.stdout.read(1 << 16), b"")))


async def stall(arguments: argparse.Namespace) -> None:
    """How long the loop keeps other work waiting while it loads and streams."""
    for name, shape in (("loading", LONG), ("streaming", MANY)):
        path = cached(shape, arguments.stores)
        async with OpencodeSource(path) as source:
            await source.open()
            late: list[float] = []
            ticking = asyncio.create_task(tick(late))
            for _ in range(arguments.runs):
                if shape is LONG:
                    await source.load(only_session(path))
                else:
                    async for _ in source.stream():
                        pass
            ticking.cancel()
            print(f"stall of the loop while {name}: {spread(late)}")


async def tick(late: list[float]) -> None:
    """Notes how many milliseconds later than asked for it is woken."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(TICK_S)
        late.append((time.perf_counter() - began - TICK_S) * 1000)


async def update(arguments: argparse.Namespace) -> None:
    """From a look at the file to the event of one changed part, in a short and in a long session."""
    short, long = await both_updates(arguments.stores, arguments.count)
    print(f"one part changed in a session of {SHORT.parts:,}: {spread(short)}")
    print(f"one part changed in a session of {LONG.parts:,}: {spread(long)}")
    print(f"  ratio of the medians: {statistics.median(long) / statistics.median(short):.2f}")


async def both_updates(stores: Path, count: int) -> list[list[float]]:
    """What so many updates take (ms) in a session of 50 parts, and in one of 5,000."""
    taken = []
    for shape in (SHORT, LONG):
        async with copied(shape, stores) as path:
            taken.append([milliseconds async for milliseconds in updates(path, only_session(path), count)])
    return taken


def ratio(arguments: argparse.Namespace) -> Iterator[Line]:
    """One changed part in a session of 5,000 parts against one of 50, from a look at the file to its event."""
    short, long = asyncio.run(both_updates(arguments.stores, 50 if arguments.quick else 200))
    mine, theirs = statistics.median(long), statistics.median(short)
    note = f"{mine:.2f} against {theirs:.2f} ms"
    yield Line("a part changes in a session of 5,000 parts, of 50", "ratio", mine / theirs, 2, "x", note)


async def updates(path: Path, session_id: str, count: int) -> AsyncIterator[float]:
    """Follows the session and changes its last text part so many times."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    message_id, part_id = connection.execute("SELECT message_id, id FROM part ORDER BY rowid DESC LIMIT 1").fetchone()
    told = {"sessionID": session_id, "part": {"id": part_id, "messageID": message_id}}
    connection.execute("INSERT INTO event_sequence (aggregate_id, seq) VALUES (?, 0)", (session_id,))
    async with OpencodeSource(path) as source:
        source.request(session_id)
        batches = source.tail()
        await until(batches, lambda batch: session_id in batch.loaded)
        for number in range(count):
            data = json.dumps({"type": "text", "text": f"text {number}", "time": {"start": 1}})
            connection.execute("BEGIN IMMEDIATE")
            now = int(time.time() * 1000)
            connection.execute("UPDATE part SET data = ?, time_updated = ? WHERE id = ?", (data, now, part_id))
            connection.execute(
                "INSERT INTO event (id, aggregate_id, seq, type, data) VALUES (?, ?, ?, 'message.part.updated.1', ?)",
                (f"evt_bench{number:08d}", session_id, number, json.dumps(told, separators=(",", ":"))),
            )
            connection.execute("COMMIT")
            watch = source._follower._watch
            assert watch is not None
            watch.nudge()
            began = time.perf_counter()
            await until(batches, lambda batch: any(getattr(event, "part_id", "") == part_id for event in batch.events))
            yield (time.perf_counter() - began) * 1000
    connection.close()


async def until(batches: AsyncIterator[Batch], wanted: Callable[[Batch], bool]) -> None:
    """Takes batches up to the wanted one."""
    async for batch in batches:
        if wanted(batch):
            return


async def quiet(arguments: argparse.Namespace) -> None:
    """CPU of following a store on which nothing happens: in the first minute, and when the watch has slowed down."""
    async with copied(MANY, arguments.stores) as path:
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("UPDATE session SET title = title")
        async with OpencodeSource(path) as source:
            following = asyncio.create_task(until(source.tail(), lambda batch: False))
            await asyncio.sleep(10)
            for name in ("first minute", "after it"):
                before, statements = time.process_time(), source.health().statements
                await asyncio.sleep(arguments.seconds)
                share = (time.process_time() - before) / arguments.seconds * 100
                asked = (source.health().statements - statements) / arguments.seconds
                print(f"following, nothing committed, {name}: {share:.2f} % of a core, {asked:.1f} statements/s")
                await asyncio.sleep(max(0.0, 55 - arguments.seconds))
            following.cancel()
        writer.close()


async def live(arguments: argparse.Namespace) -> None:
    """From a commit of real opencode to its events in hand (needs the binary, see tests/lab).

    Counted twice: from the time in the row, which opencode takes up to 0.3 s before it commits, and from the last write
    to the WAL, which leaves out batches that a later commit has overtaken.
    """
    with busy_opencode(arguments.seconds) as path:
        lags: list[float] = []
        since_write: list[float] = []
        wal = side_file(path, "-wal")
        cpu = time.process_time()
        async with OpencodeSource(path) as source:
            try:
                async with asyncio.timeout(arguments.seconds):
                    async for batch in source.tail():
                        if batch.committed_at:
                            now = time.time()
                            lags.append((now - batch.committed_at) * 1000)
                            written = wal.stat().st_mtime
                            if written <= now:
                                since_write.append((now - written) * 1000)
            except TimeoutError:
                pass
        share = (time.process_time() - cpu) / arguments.seconds * 100
        print(f"commit of opencode -> events in hand, from the row's time: {spread(lags)}, {share:.1f} % of a core")
        print(f"  from the last write to the WAL: {spread(since_write)}")


@contextmanager
def busy_opencode(seconds: float) -> Iterator[Path]:
    """The database of a real opencode with two sessions at work, for so long."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "tests.lab", "--live", str(seconds), "--delay", "0.05", "--workers", "2"]
        with subprocess.Popen([*command, "--root", directory], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            yield Path(process.stdout.readline().removeprefix("db: ").strip())
            process.stdout.read()


@asynccontextmanager
async def copied(shape: Shape, stores: Path) -> AsyncIterator[Path]:
    """A copy of a store that may be written."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(shutil.copy(cached(shape, stores), Path(directory) / "opencode.db"))


def compare(name: str, own: list[float], bare: list[float]) -> None:
    """Prints medians of what was measured and of what SQLite alone takes."""
    mine, theirs = statistics.median(own), statistics.median(bare)
    print(f"{name}: {mine:.1f} ms, alone {theirs:.1f} ms: {mine / theirs:.1f} x, {mine - theirs:.1f} ms more")


MEASUREMENTS = {
    "load": load,
    "catalogue": catalogue,
    "stream": stream,
    "stall": stall,
    "update": update,
    "quiet": quiet,
    "live": live,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m tests.bench adapter`."""
    parser.add_argument("what", choices=[*MEASUREMENTS, "all"])
    cache = Path(tempfile.gettempdir()) / "opencode-viewer-bench"
    parser.add_argument("--stores", type=Path, default=cache, help="where stores are kept (default: %(default)s)")
    parser.add_argument("--db", type=Path, action="append", default=[], help="stream: this store instead")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--count", type=int, default=200, help="update: so many changes")
    parser.add_argument("--seconds", type=float, default=60.0, help="quiet, live: for how long")


def run(arguments: argparse.Namespace) -> None:
    """Runs one measurement, or all of them."""
    for name in MEASUREMENTS if arguments.what == "all" else [arguments.what]:
        asyncio.run(MEASUREMENTS[name](arguments))
