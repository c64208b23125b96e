"""Searching all texts: against what SQLite itself takes to look through the same rows; what a key costs meanwhile.

CPU time, because that is what a busy machine spoils least.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.commands import run
from tests.bench.stores import BIG, MANY, cached
from tests.bench.table import Line
from tests.bench.terminal import App

WORD = "zebraword"
"""Stands in no text of a store."""
COMMON = "retry test"
"""Stands in most of them."""


def search(arguments: argparse.Namespace) -> Iterator[Line]:
    """`grep` over 2.2 GB against an `instr` over the same rows by SQLite alone; its memory; keys while ctrl+f runs."""
    path = cached(BIG, arguments.stores)
    rounds = 3 if arguments.quick else 9
    start = run([sys.executable, "-m", "tui", "grep", "--db", str(cached(MANY, arguments.stores)), WORD])
    own, plain = [], []
    for _ in range(rounds):
        plain.append(instr(path))
        own.append(run([sys.executable, "-m", "tui", "grep", "--db", str(path), WORD]))
    least = statistics.median(plain)
    mine, wall = (statistics.median(getattr(one, name) for one in own) for name in ("cpu", "wall"))
    note = f"{mine:.2f} s CPU with its start, SQLite's instr {least:.2f} s; {wall:.2f} s to the exit"
    yield Line("`grep` for what is nowhere, 2.2 GB, against instr", "ratio", mine / least, 1.5, "x", note)
    memory = statistics.median(one.memory for one in own)
    note = f"peak {memory:.0f} MB; over 54 MB: {start.memory:.0f} MB"
    yield Line("memory of `grep`, 2.2 GB against 54 MB", "ratio", memory / start.memory, 1.25, "x", note)
    presses = 40 if arguments.quick else 150
    rest = letters(path, "", presses)
    usual = f"without a search p50 {rest[len(rest) // 2]:.0f}, worst {rest[-1]:.0f} ms"
    for name, words in (("nothing", WORD), ("much", COMMON)):
        taken = letters(path, words, presses)
        for share, most in ((0.5, 15), (0.99, 30)):
            place = min(len(taken) - 1, int(share * len(taken)))
            note = f"{len(taken)} letters, worst {taken[-1]:.0f} ms; {usual}"
            yield Line(
                f"key -> paint while a search finds {name}, p{share * 100:.0f}", "time", taken[place], most, note=note
            )


def instr(path: Path) -> float:
    """CPU seconds that SQLite takes to look through the JSON of all messages and parts."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    began = time.process_time()
    for table in ("part", "message"):
        connection.execute(f"SELECT count(*) FROM {table} WHERE instr(data, ?)", (WORD,)).fetchall()
    took = time.process_time() - began
    connection.close()
    return took


def letters(path: Path, words: str, presses: int) -> list[float]:
    """Milliseconds from a letter typed into the line of the filter to that letter, ascending, while these words are
    searched for, if there are any."""
    taken: list[float] = []
    with App("--db", str(path)) as app:
        app.until(b"live")
        app.settle(15)
        app.send(b"\x06")
        app.quiet(0.5)
        if words:
            app.send(words.encode() + b"\r")
            app.until(b"of 2,000", 10, time.perf_counter())
        # The line below has no say in what is looked for until enter is pressed, or nothing has come for a moment.
        app.send(b"\t")
        app.quiet(0.05)
        for number in range(presses):
            letter = b"jkxvwyzqbg"[number % 10 : number % 10 + 1]
            pressed = app.send(letter)
            taken.append(app.until(letter, 10, pressed) * 1000)
            app.quiet(0.02)
            app.send(b"\x7f")
            app.quiet(0.03)
    return sorted(taken)
