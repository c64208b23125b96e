"""Lines to other machines: what a user waits for on a slow one, what goes over it, and ten of them at once."""

from __future__ import annotations

import argparse
import asyncio
import random
import shlex
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil

from adapter.contract import Source
from adapter.local import OpencodeSource
from adapter.remote.source import Host
from tests.adapter.opencode_writer import tool
from tests.adapter.writer import now_ms
from tests.bench import slow_line
from tests.bench.screen import still, writing
from tests.bench.soak import Reading, Screen
from tests.bench.stores import LONG, MANY, cached
from tests.bench.table import Line
from tests.bench.terminal import App, percentile, spread
from tests.bench.writers import Guest
from tui.feed.worker import Feed
from tui.model.store.store import Store

RTT_S = 0.2
RATE = 125_000
"""Bytes a second: 1 Mbit/s."""
TEXT = 20_000
LOUD = 4_000_000
SOURCES = 10
RATE_OF_ONE = 3.0
"""Commits a second into each of ten databases, a second for each of its three agents."""


def far_end(database: Path) -> list[str]:
    """The far end of a database, on a line that is none."""
    return [sys.executable, "-m", "tui", "serve", "--db", str(database)]


def slow(database: Path, *options: str) -> list[str]:
    """The same far away."""
    line = [sys.executable, slow_line.__file__, "--rtt", str(RTT_S), "--rate", str(RATE)]
    return [*line, *options, *far_end(database)]


def lines(arguments: argparse.Namespace) -> Iterator[Line]:
    """Lines to other machines: one of 200 ms and 1 Mbit/s, and ten that go on."""
    with tempfile.TemporaryDirectory(prefix="opencode-viewer-bench-") as directory:
        root = Path(directory)
        yield from keys(arguments, root)
        yield from asyncio.run(texts(arguments, root))
        yield from asyncio.run(traffic(arguments, root))
        yield from ten(arguments, root)


# -- a slow one -------------------------------------------------------------------------------------------------------


def keys(arguments: argparse.Namespace, root: Path) -> Iterator[Line]:
    """From a key to its row while a session of 5,000 parts comes in, and from and to a row whose text of 4 MB does; on
    a slow line, and in turns with the same file read here."""
    presses = 40 if arguments.quick else 150
    database = Path(shutil.copy(cached(LONG, arguments.stores), root / "long.db"))
    guest = Guest(database)
    # Of yesterday: what is new is drawn again every second, for its age.
    guest.ms = now_ms() - 86_400_000
    loud = guest.session("Loud")
    step = guest.assistant(loud, guest.user(loud), completed=1, finish="stop")
    for name, output in (("make quiet", "x" * 80), ("make loud", ("y" * 79 + "\n") * (LOUD // 80))):
        state = {"input": {"command": name}, "output": output, "metadata": {"exit": 0}, "time": {"start": 1, "end": 2}}
        guest.part(step, tool("completed", title=name, **state))
    for number in range(2):
        guest.ms += 60_000
        session = guest.session(f"still{number:05d}x")
        guest.assistant(session, guest.user(session), completed=1, finish="stop")
    guest.close()
    counts = root / "counts"
    far = shlex.join(slow(database, "--counts", str(counts)))
    ways = {"here": ["--db", str(database)], "slow": ["--via", far]}
    opened, loud_text = {}, {}
    for where, words in ways.items():
        with App(*words) as app:
            app.until(b"still00000x")
            app.quiet(4.0)
            app.send(b"G")
            app.quiet(0.5)
            app.send(b"\r")
            go_to(app, b"still00000x")
            app.send(b"k")
            app.quiet(0.3)
            opened[where] = in_turns(app, presses, b"jk", (b"still00000x", b"still00001x"), counts)
        with App(*words) as app:
            app.until(b"Loud")
            app.quiet(4.0)
            go_to(app, b"Loud")
            app.send(b"zz")
            app.quiet(3.0)
            go_to(app, b"make quiet")
            app.send(b"3")
            loud_text[where] = in_turns(app, presses, b"jk", (b"make loud", b"make quiet"), counts)
    for what, taken in (
        ("a session of 5,000 parts comes in", opened),
        ("a text of 4 MB does at every other row", loud_text),
    ):
        (here, _), (slow_ms, note) = taken["here"], taken["slow"]
        least = percentile(here, 0.5)
        yield Line(
            f"slow line: key -> paint while {what}, p50 against the file here", "ratio",
            percentile(slow_ms, 0.5) / least, 1.5, "x", f"here {spread(here)}",
        )  # fmt: skip
        yield Line(f"slow line: key -> paint while {what}, p99", "time", percentile(slow_ms, 0.99), 30, note=note)


def came(counts: Path) -> int:
    """The bytes that have come over a line, 0 while there was none."""
    return slow_line.counts(counts)[1] if counts.exists() else 0


def go_to(app: App, row: bytes) -> None:
    """Goes down to a row, from the top. Raises TimeoutError."""
    app.send(b"g")
    app.quiet(0.5)
    for _ in range(20):
        app.send(b"j")
        seen, end = b"", time.monotonic() + 0.3
        while (left := end - time.monotonic()) > 0:
            seen += app.read(left)
        if row in seen:
            return
    raise TimeoutError(f"{row!r} is not in the first rows")


def in_turns(app: App, presses: int, keys: bytes, rows: tuple[bytes, bytes], counts: Path) -> tuple[list[float], str]:
    """Milliseconds from each of two keys to what its row says, and what came over the line meanwhile, in words."""
    dice = random.Random(7)
    taken = []
    before, began = came(counts), time.monotonic()
    for number in range(presses):
        app.quiet(dice.uniform(0.05, 0.15))
        turn = number % 2
        taken.append(app.until(rows[turn], 10, app.send(keys[turn : turn + 1])) * 1000)
    seconds = time.monotonic() - began
    return taken, f"{spread(taken)}; {(came(counts) - before) / seconds / 1000:.0f} kB/s came for {seconds:.0f} s"


async def texts(arguments: argparse.Namespace, root: Path) -> list[Line]:
    """How long a text takes at rest, and while 7,000 sessions come in."""
    database = Path(shutil.copy(cached(MANY, arguments.stores), root / "many.db"))
    guest = Guest(database)
    session = guest.session("Newest")
    part = guest.part(guest.assistant(session), {"type": "text", "text": "word " * (TEXT // 5)})
    guest.close()
    uri = f"opencode-sqlite://?part_id={part}&field=text"
    counts = root / "counts-texts"
    host = Host(slow(database, "--counts", str(counts)), "box")
    source = host.sources()[0]
    async with source:
        await up(host)
        rest = [await taken(source, uri) for _ in range(5)]
        before, began, sessions = slow_line.counts(counts)[1], time.monotonic(), 0
        whole, first = asyncio.Event(), 0.0

        async def follow() -> None:
            nonlocal sessions, first
            async for batch in source.tail():
                sessions += sum(type(event).__name__ == "SessionStarted" for event in batch.events)
                first = first or time.monotonic() - began
                if sessions >= MANY.sessions + 1 and not batch.health.unread:
                    whole.set()

        following = asyncio.create_task(follow())
        during = []
        while not whole.is_set() and time.monotonic() - began < 180:
            during.append(await taken(source, uri))
            await asyncio.sleep(0.3)
        took, came = time.monotonic() - began, slow_line.counts(counts)[1] - before
        following.cancel()
        await asyncio.wait({following})
    note = f"{spread(during)}; at rest {statistics.median(rest):.0f} ms"
    coming = f"{came / 1e6:.2f} MB in {took:.0f} s, first batch after {first * 1000:.0f} ms; {sessions:,} sessions"
    return [
        Line(
            "slow line: text of 20 kB while 7,000 sessions come in, p50",
            "time",
            percentile(during, 0.5),
            2000,
            note=note,
        ),
        Line("slow line: 7,000 sessions", "time", took, 60, "s", coming),
    ]


async def taken(source: Source, uri: str) -> float:
    """Milliseconds for a text."""
    began = time.monotonic()
    assert (await source.payload(uri)).size == TEXT
    return (time.monotonic() - began) * 1000


async def up(host: Host) -> None:
    """Waits for a line."""
    while not host.line.is_up:
        await host.line.changes(5)
        if host.line.next_try:
            raise RuntimeError(host.line.why)


async def traffic(arguments: argparse.Namespace, root: Path) -> list[Line]:
    """Bytes that three agents at work make on the line."""
    seconds = 8 if arguments.quick else 20
    found = []
    for rate in (3, 20):
        database = root / f"live{rate}.db"
        still(database, 3)
        counts = root / f"counts{rate}"
        host = Host(slow(database, "--counts", str(counts)), "box")
        source = host.sources()[0]
        events = 0

        async def follow(source: Source = source) -> None:
            nonlocal events
            async for batch in source.tail():
                events += len(batch.events)

        with writing("agents", database, rate, seconds + 30):
            async with source:
                await up(host)
                following = asyncio.create_task(follow())
                await asyncio.sleep(4)
                before, told = slow_line.counts(counts), events
                await asyncio.sleep(seconds)
                after = slow_line.counts(counts)
                following.cancel()
                await asyncio.wait({following})
        went, came = ((after[at] - before[at]) / seconds for at in range(2))
        note = f"{went:.0f} bytes/s there; {(events - told) / seconds:.1f} events/s"
        name = f"slow line: 3 agents, {rate} commits/s, bytes that come"
        found.append(Line(name, "counter", came, RATE / 4, "bytes/s", note))
    return found


# -- ten at once ------------------------------------------------------------------------------------------------------


def ten(arguments: argparse.Namespace, root: Path) -> Iterator[Line]:
    """Ten databases with three agents each: the screen and the far ends for a while, then how late the model is."""
    seconds = 10 if arguments.quick else 25
    databases = [root / f"ten{number}.db" for number in range(SOURCES)]
    for database in databases:
        still(database, 2)
    with ExitStack() as stack:
        for database in databases:
            stack.enter_context(writing("agents", database, RATE_OF_ONE, 4 * seconds + 120))
        vias = [word for database in databases for word in ("--via", shlex.join(far_end(database)))]
        with App(*vias) as app:
            app.until(b"agent 2, session")
            reading = Reading(app)
            reading.start()
            time.sleep(12)
            ends = psutil.Process(app.pid).children()
            cpu, far = app.cpu(), [cpu_of(end) for end in ends]
            time.sleep(seconds)
            near = (app.cpu() - cpu) / seconds * 100
            shares = [(cpu_of(end) - was) / seconds * 100 for end, was in zip(ends, far, strict=True)]
            sizes = [end.memory_info().rss / 2**20 for end in ends]
            size, peak = app.memory_mb()
            reading.stopped.set()
            reading.join()
        here = asyncio.run(late([OpencodeSource(database) for database in databases], seconds))
        hosts = [Host(far_end(database), database.stem) for database in databases]
        there = asyncio.run(late([host.sources()[0] for host in hosts], seconds))
    note = f"{len(ends)} lines, {SOURCES * RATE_OF_ONE:.0f} commits/s"
    yield Line("ten hosts: CPU of the near end", "time", near, 25, "% of a core", note)
    yield Line(
        "ten hosts: CPU of one far end", "time", statistics.median(shares), 3, "% of a core", f"max {max(shares):.1f}"
    )
    yield Line("ten hosts: memory of the near end", "memory", size, 150, "MB", f"peak {peak:.0f} MB")
    yield Line(
        "ten hosts: memory of one far end", "memory", statistics.median(sizes), 60, "MB", f"max {max(sizes):.0f}"
    )
    files = f"the same files read here: p50 {here[0]:.0f}, p99 {here[1]:.0f} ms"
    yield Line("ten hosts: commit -> model, p50", "time", there[0], 50, note=files)
    yield Line("ten hosts: commit -> model, p99", "time", there[1], 150)


def cpu_of(process: psutil.Process) -> float:
    """User and system time so far, seconds."""
    used = process.cpu_times()
    return float(used.user + used.system)


async def late(sources: list[Source], seconds: float) -> tuple[float, float]:
    """How late (ms, p50 and p99) a model in this process knows what is committed."""
    store, screen = Store(), Screen()
    feed = Feed(sources, store, screen)
    feed.arrivals.attach()
    thread = threading.Thread(target=feed.run, daemon=True)
    thread.start()
    try:
        await asyncio.sleep(seconds)
        lags = feed.arrivals.lags()
    finally:
        feed.stop()
        await asyncio.to_thread(thread.join, 15)
    if lags is None:
        raise RuntimeError(f"nothing came: {screen.problems}")
    return lags.model_p50, lags.model_p99
