"""The whole app on a pseudo-terminal, measured from outside: what a user waits for and pays.

CPU is that of the app's process, as the scheduler counts it; a paint is when its bytes can be read.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.adapter.opencode_writer import OpencodeWriter, tool
from tests.bench.stores import BIG, HUGE, LONG, cached
from tests.bench.table import Line
from tests.bench.terminal import BARE, App, Program, marks, percentile, spread
from tests.bench.writers import Guest
from tests.lab import opencode_binary
from tui.demo.player import Player

OUTPUT_LINES = 400_000
"""Lines of the large output: 20 MB."""


@contextmanager
def finished_demo() -> Iterator[Path]:
    """The demo's database at its end, with its writer still connected."""
    with tempfile.TemporaryDirectory() as directory:
        player = Player(Path(directory))
        player.prepare()
        player.finish()
        yield player.path
        player.close()


@contextmanager
def writing(name: str, database: Path, rate: float, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """One of `writers.py` at work; ended at the end, whatever happens."""
    command = [sys.executable, "-m", "tests.bench.writers", name, str(database)]
    with child([*command, "--rate", str(rate), "--seconds", str(seconds)]) as process:
        try:
            yield process
        finally:
            process.terminate()


def order(process: subprocess.Popen[str]) -> None:
    """Lets a writer that waits for a line go on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


# -- how late ---------------------------------------------------------------------------------------------------------


def lag(arguments: argparse.Namespace) -> Iterator[Line]:
    """From the COMMIT of a writer to the bytes of the new title on the terminal, after quiet and under load."""
    for rate, targets in ((1, (20, 60)), (20, (50, 100))):
        yield from _lag(rate, 10 if arguments.quick else 30, targets)


def _lag(rate: int, seconds: float, targets: tuple[float, float]) -> Iterator[Line]:
    with finished_demo() as database, App("--db", str(database)) as app:
        app.until(b"Rename the settings keys")
        app.settle()
        with writing("rename", database, rate, seconds) as process:
            painted = marks(app, lambda: process.poll() is None)
            assert process.stdout is not None
            committed = [float(line) for line in process.stdout]
    # Renames that came within one frame are drawn once, with the newest title.
    shown = [(painted[n] - at) * 1000 for n, at in enumerate(committed) if n in painted]
    note = f"{len(shown)} of {len(committed)} drawn on their own, max {max(shown):.0f} ms"
    what = f"commit (synthetic, {rate}/s) -> bytes on the terminal"
    yield Line(f"{what}, p50", "time", percentile(shown, 0.5), targets[0], note=note)
    yield Line(f"{what}, p99", "time", percentile(shown, 0.99), targets[1])


class Marks:
    """Real opencode, about to run so many marked commands (`writers.opencode`), and a witness that notes when each of
    them can be seen by a reader (`writers.witness`): opencode takes the times in its rows and ids up to 0.3 s before
    it commits."""

    def __init__(self, root: Path, count: int) -> None:
        writers = [sys.executable, "-m", "tests.bench.writers"]
        self.count = count
        self.committed: dict[int, float] = {}
        self._opencode = child([*writers, "opencode", "--root", str(root), "--count", str(count)])
        self.database = Path(answer(self._opencode))
        self._witness = child([*writers, "witness", str(self.database), "--seconds", "180"])
        answer(self._witness)

    def begin(self) -> None:
        """Lets opencode run its commands."""
        order(self._opencode)
        self._seeing = threading.Thread(target=self._see, daemon=True)
        self._seeing.start()

    def going(self) -> bool:
        """Whether more commands will come."""
        return self._seeing.is_alive()

    def join(self) -> None:
        """Waits for the last command."""
        self._seeing.join()

    def _see(self) -> None:
        assert self._witness.stdout is not None
        for line in self._witness.stdout:
            number, when = line.split()
            self.committed[int(number)] = float(when)
            if len(self.committed) == self.count:
                break
        # The last one has to get to the screen, too.
        time.sleep(0.5)

    def close(self) -> None:
        """Ends opencode and the witness."""
        for process in (self._witness, self._opencode):
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()


def child(command: list[str]) -> subprocess.Popen[str]:
    """A process that is talked to by lines."""
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> str:
    """The next line it says. Raises RuntimeError when it has ended."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise RuntimeError(f"{process.args!r} ended")
    return line


@contextmanager
def marking_opencode(count: int) -> Iterator[Marks | None]:
    """Real opencode with its marks; None, and a remark, where it cannot be had."""
    try:
        opencode_binary.find()
    except opencode_binary.Unavailable as reason:
        print(f"SKIPPED, real opencode: {reason}", file=sys.stderr)
        yield None
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        run = Marks(Path(root), count)
        try:
            yield run
        finally:
            run.close()


def real(arguments: argparse.Namespace) -> Iterator[Line]:
    """From the commit of a running call by real opencode to the bytes of its command on the terminal."""
    count = 20 if arguments.quick else 100
    with marking_opencode(count) as run:
        if run is None:
            return
        with App("--db", str(run.database)) as app:
            app.until(b"Marks")
            app.settle()
            app.send(b"f")
            app.quiet(0.5)
            run.begin()
            painted = marks(app, run.going)
        late = [(painted[n] - at) * 1000 for n, at in run.committed.items() if n in painted]
    note = f"{len(late)} of {count} calls drawn, max {max(late):.0f} ms"
    yield Line("commit by real opencode -> bytes on the terminal, p50", "time", percentile(late, 0.5), 50, note=note)
    yield Line("commit by real opencode -> bytes on the terminal, p99", "time", percentile(late, 0.99), 100)


# -- what it costs ----------------------------------------------------------------------------------------------------


def idle(arguments: argparse.Namespace) -> Iterator[Line]:
    """CPU and bytes while nothing is committed, 10 s after the start and after a minute without any commit."""
    windows, seconds = (1, 10.0) if arguments.quick else (5, 12.0)
    with finished_demo() as database:
        with sqlite3.connect(database) as connection:
            # A question that is open counts its seconds on the screen; everything else has ended.
            connection.execute("DELETE FROM session WHERE title LIKE 'Rename%'")
        connection.close()
        with App("--db", str(database)) as app:
            app.until(b"Make the retry test stable")
            app.quiet(10.0)
            cpu, _ = app.quiet(seconds)
            yield Line("idle 10 s after the start, whole app", "time", cpu / seconds * 100, 0.5, "% of a core")
            app.quiet(60.0 - seconds)
            taken = [app.quiet(seconds) for _ in range(windows)]
    shares = [cpu / seconds * 100 for cpu, _ in taken]
    note = f"{windows} x {seconds:.0f} s"
    yield Line("idle, whole app", "time", statistics.median(shares), 0.2, "% of a core", note)
    yield Line("idle, bytes written (0 frames)", "counter", sum(written for _, written in taken), 0, "bytes")


def busy(arguments: argparse.Namespace) -> Iterator[Line]:
    """CPU at 20 commits a second, three agents at work."""
    windows = 3 if arguments.quick else 7
    with finished_demo() as database, App("--db", str(database)) as app:
        app.until(b"Make the retry test stable")
        with writing("agents", database, 20, 60):
            app.quiet(3.0)
            taken = [app.quiet(5.0) for _ in range(windows)]
    shares = [cpu / 5 * 100 for cpu, _ in taken]
    written = sum(size for _, size in taken) / windows / 5
    note = f"{windows} x 5 s, {written:,.0f} bytes/s to the terminal, worst {max(shares):.1f} %"
    yield Line("20 commits/s, 3 sessions live, whole app", "time", statistics.median(shares), 10, "% of a core", note)


# -- start ------------------------------------------------------------------------------------------------------------


def start(arguments: argparse.Namespace) -> Iterator[Line]:
    """From exec to the newest session's title on the terminal against a bare Textual app, in turns; then the memory."""
    runs = 2 if arguments.quick else 7
    with finished_demo() as demo:
        stores = [("small", demo, 1.3, 70), ("2.2 GB", cached(BIG, arguments.stores), 1.5, 110)]
        if not arguments.quick:
            stores.append(("6.1 GB", cached(HUGE, arguments.stores), 1.5, 150))
        for name, database, target, most in stores:
            with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
                # Sub-agents have no line of their own at the start.
                newest = "SELECT title FROM session WHERE parent_id IS NULL ORDER BY time_updated DESC LIMIT 1"
                (title,) = connection.execute(newest).fetchone()
            connection.close()
            own, bare, memory = [], [], []
            for _ in range(runs):
                with Program([sys.executable, "-c", BARE]) as program:
                    bare.append(program.until(b"bare application") * 1000)
                with App("--db", str(database)) as app:
                    own.append(app.until(title.encode()[:12]) * 1000)
                    app.settle(15)
                    memory.append(app.memory_mb())
            mine, least = statistics.median(own), statistics.median(bare)
            note = f"{mine:.0f} ms, worst {max(own):.0f}; bare Textual app {least:.0f} ms"
            yield Line(f"start -> newest session painted, {name}", "ratio", mine / least, target, "x", note)
            now, peak = (statistics.median(column) for column in zip(*memory, strict=True))
            yield Line(f"memory after the start, {name}", "memory", now, most, "MB", f"peak {peak:.0f} MB")


# -- what a key does --------------------------------------------------------------------------------------------------


def keys(arguments: argparse.Namespace) -> Iterator[Line]:
    """From a key to the bytes of the row it goes to, nothing else arriving, and while 1,000 parts a second change in
    the rows above."""
    presses = 30 if arguments.quick else 150
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory) / "opencode.db"
        still(database, 5)
        with writing("flood", database, 1000, 300) as process:
            answer(process)
            with App("--db", str(database)) as app:
                app.until(b"still00000x")
                app.settle(10)
                for name, target in (("nothing", (5, 30)), ("1,000 events/s", (5, 30))):
                    taken = press_in_turns(app, presses)
                    for share, most in zip((0.5, 0.99), target, strict=True):
                        note = spread(taken) if share == 0.5 else ""
                        what = f"key -> paint while {name} arrive{'s' if name == 'nothing' else ''}, p{share * 100:.0f}"
                        yield Line(what, "time", percentile(taken, share), most, note=note)
                    order(process)
                    app.quiet(1.0)


def still(database: Path, count: int) -> None:
    """A store of sessions that have ended."""
    with OpencodeWriter(database) as opencode:
        for number in range(count):
            session = opencode.session(f"still{number:05d}x")
            prompt = opencode.user(session, "Please.")
            opencode.assistant(session, prompt, completed=1, finish="stop")


def press_in_turns(app: App, presses: int) -> list[float]:
    """Milliseconds from `k` or `j` to the title of the row above or below, from the last two rows, which nothing else
    draws."""
    dice = random.Random(7)
    app.send(b"G")
    app.quiet(0.5)
    rows = (b"still00001x", b"still00000x")
    taken = []
    for number in range(presses):
        app.quiet(dice.uniform(0.05, 0.12))
        pressed = app.send(b"kj"[number % 2 : number % 2 + 1])
        taken.append(app.until(rows[number % 2], 10, pressed) * 1000)
    return taken


def opening(arguments: argparse.Namespace) -> Iterator[Line]:
    """From `enter` on a session of 1,000 messages and 5,000 parts that has not been read to its first prompt."""
    runs = 2 if arguments.quick else 7
    with tempfile.TemporaryDirectory() as directory:
        database = Path(shutil.copy(cached(LONG, arguments.stores), Path(directory) / "opencode.db"))
        guest = Guest(database)
        ((text,),) = guest.run(
            "SELECT json_extract(part.data, '$.text') FROM part JOIN message ON message.id = message_id "
            "WHERE json_extract(message.data, '$.role') = 'user' ORDER BY message.time_created LIMIT 1"
        )
        first_word = max(text.split()[:4], key=len).encode()
        for number in range(6):
            session = guest.session(f"still{number:05d}x")
            guest.assistant(session, guest.user(session), completed=1, finish="stop")
        guest.close()
        taken = []
        for _ in range(runs):
            with App("--db", str(database)) as app:
                app.until(b"still00000x")
                app.settle()
                app.send(b"G")
                app.quiet(0.5)
                pressed = app.send(b"\r")
                taken.append(app.until(first_word, since=pressed) * 1000)
    what = f"open a session of {LONG.messages:,} messages, {LONG.parts:,} parts"
    yield Line(what, "time", statistics.median(taken), 80, note=f"worst {max(taken):.0f} ms, {runs} runs")


def output(arguments: argparse.Namespace) -> Iterator[Line]:
    """A tool output of 20 MB: from the key of its tab to its first line, and the CPU of a page."""
    runs, pages = (2, 40) if arguments.quick else (5, 100)
    first, frames = [], []
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory) / "opencode.db"
        with OpencodeWriter(database) as opencode:
            session = opencode.session("Loud")
            prompt = opencode.user(session)
            step = opencode.assistant(session, prompt, completed=1, finish="stop")
            text = "".join(f"{n:07} a line of output that a build has printed\n" for n in range(OUTPUT_LINES))
            state = {"input": {"command": "make loud"}, "output": text, "metadata": {"exit": 0}}
            opencode.part(step, tool("completed", time={"start": 1, "end": 2}, **state))
        for _ in range(runs):
            with App("--db", str(database)) as app:
                app.until(b"Loud")
                app.settle()
                # Everything of the session: its prompt, the step, the call.
                app.send(b"zz")
                app.until(b"make loud")
                app.send(b"G")
                app.quiet(0.5)
                first.append(app.until(b"0000003 a line", since=app.send(b"3")) * 1000)
                app.send(b"\t")
                app.settle()
                before = app.cpu()
                for _ in range(pages):
                    app.send(b"\x1b[6~")
                    app.quiet(0.03)
                app.settle()
                frames.append((app.cpu() - before) / pages * 1000)
    size = f"{len(text) / 1e6:.0f} MB, {OUTPUT_LINES:,} lines, {runs} runs"
    yield Line("tool output of 20 MB, first paint", "time", statistics.median(first), 60, note=size)
    yield Line("tool output of 20 MB, CPU of a page", "time", statistics.median(frames), 5, note="whole process")
