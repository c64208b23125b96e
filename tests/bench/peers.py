"""Side by side with what else shows opencode's sessions in a terminal: a table in Markdown, one run on the same stores.

Programs of PyPI are installed, in versions named here, into an environment in the cache directory; opencode is the one
of tests/lab. Each gets copies of the stores in a home of its own, without a network. What cannot be had is said.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.adapter import corpus
from tests.adapter.writer import PRAGMAS
from tests.bench import peer_answers, stores_2x
from tests.bench.screen import finished_demo
from tests.bench.stores import BIG, cached
from tests.bench.table import machine
from tests.bench.terminal import Program
from tests.bench.writers import Guest
from tests.lab import opencode_binary
from tests.lab.driver import NETWORK_FEATURES

PACKAGES = (
    *("opentab-ai==1.32.0", "ocman==1.3.0", "agenthud==0.1.5", "opencode-monitor==1.0.5", "scrollback==0.6.0"),
    *("agsearch==0.2.0", "opencode-costs==1.0.6", "opencode-usage==0.2.4", "tokdash==2.7.1"),
)
NOWHERE = "http://127.0.0.1:9"
"""A proxy that refuses: whoever asks for prices or updates goes without."""
SETTLED_S = 2.0
LONGEST_S = 90.0
UNSEEN_S = 20.0
"""After so long a program will not show the newest session any more; what it drew last counts."""
ROW_WITHIN_S = 15.0


class Peer(NamedTuple):
    """A program: how it is called, and whether it stays on the screen."""

    name: str
    command: list[str]
    stays: bool


class Result(NamedTuple):
    """What one run showed; seconds, MB, % of a core. `row` is the delay of a new session, None when it never came."""

    first: float
    memory: float
    saw_title: bool
    idle: float | None = None
    row: float | None = None
    changed: str = ""


def installed(cache: Path) -> Path:
    """The directory with the programs, installed first when it is not there. Raises CalledProcessError."""
    home = cache / ("peers-" + hashlib.sha256(repr(PACKAGES).encode()).hexdigest()[:8])
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        for package in PACKAGES:
            done = subprocess.run([home / "bin/pip", "install", "-q", package], capture_output=True, text=True)
            if done.returncode:
                print(f"NOT INSTALLED {package}: {done.stderr.strip()[-200:]}", file=sys.stderr)
        (home / "ready").touch()
    return home / "bin"


def peers(cache: Path) -> Iterator[Peer]:
    """Everything that can be had here; ours first."""
    yield Peer("**opencode-viewer**", [sys.executable, "-m", "tui"], True)
    yield Peer("**opencode-viewer ls**", [sys.executable, "-m", "tui", "ls"], False)
    programs = installed(cache)
    for name, arguments, stays in (
        ("opentab", ["tui"], True),
        ("ocman", ["ui"], True),
        ("ocman", ["list", "sessions"], False),
        ("agenthud", ["tui"], True),
        ("ocmonitor", ["live"], True),
        ("ocmonitor", ["sessions"], False),
    ):
        if (programs / name).exists():
            yield Peer(f"{name} {' '.join(arguments)}", [str(programs / name), *arguments], stays)
        else:
            print(f"SKIPPED {name}: not installed", file=sys.stderr)
    if binary := opencode():
        yield Peer("opencode session list", [binary, "session", "list"], False)
        yield Peer("opencode stats", [binary, "stats"], False)


def opencode() -> str:
    """The program itself, "" where it cannot be had."""
    try:
        return str(opencode_binary.find())
    except opencode_binary.Unavailable as reason:
        print(f"SKIPPED opencode: {reason}", file=sys.stderr)
        return ""


@contextmanager
def home_with(store: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A home with a copy of a store as a killed opencode leaves it, the newest row in the WAL alone; the copy and the
    environment that leads to it."""
    with tempfile.TemporaryDirectory(prefix="opencode-viewer-peer-", ignore_cleanup_errors=True) as root:
        data = Path(root) / ".local/share/opencode"
        data.mkdir(parents=True)
        (Path(root) / "project").mkdir()
        database = data / "opencode.db"
        shutil.copy(store, database)
        writer = [sys.executable, "-m", "tests.bench.peers", str(database), str(Path(root) / "project")]
        subprocess.run(writer, check=False)
        environment = {
            "HOME": root, "XDG_DATA_HOME": f"{root}/.local/share", "XDG_CONFIG_HOME": f"{root}/.config",
            "XDG_STATE_HOME": f"{root}/.local/state", "XDG_CACHE_HOME": f"{root}/.cache", "LANG": "C.UTF-8",
            "PYTHONPATH": os.getcwd(), "http_proxy": NOWHERE, "https_proxy": NOWHERE,
            "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": "127.0.0.1,localhost",
            **{f"OPENCODE_DISABLE_{feature}": "1" for feature in NETWORK_FEATURES},
        }  # fmt: skip
        yield database, environment


def leave_open(database: str, project: str) -> None:
    """Writes a row as opencode does, and dies: the WAL stays. Its sessions are made those of a directory that exists,
    because opencode lists only the sessions of the directory it is started in."""
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute("UPDATE project SET worktree = ?", (project,))
    table = sessions_of(connection)
    newest = f"SELECT id FROM {table} ORDER BY time_updated DESC LIMIT 1"
    connection.execute(f"UPDATE {table} SET directory = ? WHERE id = ({newest})", (project,))
    os.kill(os.getpid(), signal.SIGKILL)


def sessions_of(connection: sqlite3.Connection) -> str:
    """The table of sessions: releases of 2.x have one of their own."""
    named = "SELECT max(name) FROM sqlite_master WHERE name IN ('session', 'session_v2')"
    return str(connection.execute(named).fetchone()[0])


def state(database: Path) -> tuple[str, dict[str, int]]:
    """Hash of the file and of its WAL, and every file beside it with its size."""
    total = hashlib.sha256(database.read_bytes())
    wal = database.with_name(database.name + "-wal")
    if wal.exists():
        total.update(wal.read_bytes())
    return total.hexdigest(), {file.name: file.stat().st_size for file in database.parent.iterdir() if file.is_file()}


def what_changed(before: tuple[str, dict[str, int]], after: tuple[str, dict[str, int]]) -> str:
    """In words what a program did to a store that it was to show."""
    if before == after:
        return "no"
    gone, new = before[1].keys() - after[1].keys(), after[1].keys() - before[1].keys()
    words = ["content rewritten"] if before[0] != after[0] else []
    words += [f"{name} removed" for name in sorted(gone)] + [f"{name} made" for name in sorted(new)]
    return "**" + ", ".join(words or ["files of other sizes"]) + "**"


def newest_title(database: Path) -> bytes:
    """The first words of the newest session's title, as few as tell it from a label."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    (title,) = connection.execute(
        f"SELECT title FROM {sessions_of(connection)} ORDER BY time_updated DESC LIMIT 1"
    ).fetchone()
    connection.close()
    return str(title).encode()[:12]


def memory_of_tree(pid: int) -> float:
    """Peak resident memory of a process and of those it has started, MB (Linux)."""
    total = 0.0
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                total += int(line.split()[1]) / 1024
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            total += sum(memory_of_tree(int(child)) for child in children.read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # It has just ended.
    return total


def look(peer: Peer, database: Path, environment: dict[str, str], watch_s: float) -> Result:
    """One run. With `watch_s`, a program that stays is given so long to be idle, and then a new session to show; and
    what any program did to the store is looked at."""
    title = newest_title(database)
    before = state(database) if watch_s else ("", {})
    os.chdir(database.parents[3] / "project")
    first, last, memory, seen, idle = 0.0, 0.0, 0.0, b"", None
    with Program(peer.command, **environment) as program:
        while (now := time.perf_counter() - program.started) < LONGEST_S and alive(program.pid):
            chunk = program.read(0.1)
            memory = max(memory, memory_of_tree(program.pid))
            if chunk:
                seen, last = seen[-200_000:] + chunk, time.perf_counter() - program.started
                if not first and title in seen:
                    first = last
            # One that draws all the time never comes to rest; one that does may show something else than the newest.
            if peer.stays and ((first and now - first > SETTLED_S) or (now > UNSEEN_S and not first)):
                break
        saw_title = bool(first)
        if not peer.stays:
            first = now
        elif watch_s:
            idle = program.quiet(watch_s)[0] / watch_s * 100
    changed = what_changed(before, state(database)) if watch_s else ""
    row = new_row(peer, database, environment) if watch_s and peer.stays else None
    return Result(first or last, memory, saw_title, idle, row, changed)


def new_row(peer: Peer, database: Path, environment: dict[str, str]) -> float | None:
    """Seconds from the commit of a new session by another process to its title on the screen."""
    with Program(peer.command, **environment) as program:
        program.quiet(6.0)
        guest = Guest(database)
        try:
            guest.session("freshly made", directory=str(database.parents[3] / "project"))
            return program.until(b"freshly", ROW_WITHIN_S, time.perf_counter())
        except TimeoutError:
            return None
        finally:
            guest.close()


def alive(pid: int) -> bool:
    """Whether a child still runs; one that has ended and was not waited for does not."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m tests.bench peers`."""
    cache = Path(tempfile.gettempdir()) / "opencode-viewer-bench"
    parser.add_argument("--stores", type=Path, default=cache, help="where stores and programs are kept")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds")
    parser.add_argument("--only", default="", help="programs whose name holds this word")
    parser.add_argument("--table", choices=("screens", "answers"), help="one of the two tables")


def run(arguments: argparse.Namespace) -> None:
    """Runs all and prints the tables."""
    print(f"{machine()}\n")
    if arguments.table != "answers":
        screens(arguments)
    if arguments.table != "screens":
        answers(arguments)
    print(f"\nload average after: {' '.join(f'{value:.1f}' for value in os.getloadavg())}")


def answers(arguments: argparse.Namespace) -> None:
    """The table of those that search, and that say what was spent."""
    print("| | 2.2 GB of 1.x: the answer | CPU | memory | right | 0.4 GB of 2.x: the answer | CPU | memory | right |")
    print("|---|---|---|---|---|---|---|---|---|")
    old, new = cached(BIG, arguments.stores), stores_2x.cached(stores_2x.BIG_2X, arguments.stores)
    with home_with(old) as of_old, home_with(new) as of_new:
        places = [of_old, of_new]
        for row in peer_answers.rows(installed(arguments.stores), opencode(), places, arguments.runs):
            print(row, flush=True)


def screens(arguments: argparse.Namespace) -> None:
    """The table of those that show sessions."""
    print("| | small store: first screen | memory | 2.2 GB: first screen | memory ", end="")
    print("| written by 2.x | 0.4 GB of 2.x | changes it | new row | idle |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with finished_demo() as demo, tempfile.TemporaryDirectory() as directory:
        written = corpus.build("2.0-next-16350/task", Path(directory) / "opencode.db")
        newer = [written, stores_2x.cached(stores_2x.BIG_2X, arguments.stores)]
        for peer in peers(arguments.stores):
            if arguments.only not in peer.name:
                continue
            small = looks(peer, demo, arguments.runs, arguments.idle)
            big = looks(peer, cached(BIG, arguments.stores), arguments.runs)
            cells = []
            for results in (small, big):
                cells += [middle(results, lambda r: r.first, "s", 2), middle(results, lambda r: r.memory, "MB", 0)]
                if not all(result.saw_title for result in results):
                    cells[-2] += " (without the newest session)"
            for store in newer:
                results = looks(peer, store, 1)
                cells.append(middle(results, lambda r: r.first, "s", 2) if results[0].saw_title else "not shown")
            looked = small[0]
            row = "–" if not peer.stays else f"{looked.row:.2f} s" if looked.row is not None else "not seen"
            idle = "–" if looked.idle is None else f"{looked.idle:.2f} %"
            print(f"| {peer.name} | {' | '.join(cells)} | {looked.changed} | {row} | {idle} |", flush=True)


def looks(peer: Peer, store: Path, runs: int, idle_s: float = 0.0) -> list[Result]:
    """So many runs on a copy of a store; with `idle_s` the first one also looks at what follows its start."""
    here = os.getcwd()
    results: list[Result] = []
    with home_with(store) as (database, environment):
        for turn in range(runs):
            try:
                results.append(look(peer, database, environment, idle_s if turn == 0 else 0.0))
            finally:
                os.chdir(here)
    return results


def middle(results: list[Result], of: Callable[[Result], float], unit: str, digits: int) -> str:
    """The median as a cell."""
    return f"{statistics.median(map(of, results)):.{digits}f} {unit}"


if __name__ == "__main__":
    leave_open(*sys.argv[1:])
