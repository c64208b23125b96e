"""What else answers the questions of `grep` and `spend`: seconds, memory, and whether the answer is right.

The word stands in one prompt and in the output of one call, in sessions of their own; the sum is that of the column
`cost` of all sessions. Whoever needs an index has to make it first, which counts.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

WORD = "zebraword"
"""Stands in no other text of a store."""
LONGEST_S = 60.0
ONCE_S = 10.0
"""What takes longer is measured once."""
A_CENT = 0.006
"""US dollars by which a sum may differ that is shown in cents."""
PLACES = {"prompt": 700, "output": 9_000}
"""How many such texts stand before the one that gets the word."""
HIDDEN = {"prompt": "stripes4711", "output": "stripes4712"}
"""What stands behind the word, by where it is: who shows it, or the session's id, has found it."""


class Question(NamedTuple):
    """A program with its arguments; `judge` says of what it printed whether that is right."""

    name: str
    command: Sequence[str]
    judge: Callable[[str], str]


class Answer(NamedTuple):
    """Seconds to the end, CPU seconds, MB, and the judgement, "" for none in time."""

    wall: float
    cpu: float
    memory: float
    verdict: str


def questions(programs: Path, binary: str, database: Path) -> Iterator[Question]:
    """Every program that can be asked, about a store in which the word has been hidden (`hide`)."""
    ours = [sys.executable, "-m", "tui"]
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    homes, total = sessions_with_the_word(connection), sum_of_all(connection)
    tables = ["session_message"] if is_2x(connection) else ["part", "message"]
    connection.close()

    def found(printed: str) -> str:
        where = [name for name, mark in HIDDEN.items() if mark in printed or homes[name][:12] in printed]
        return "yes" if len(where) == len(HIDDEN) else f"{where[0]} only" if where else "no"

    def summed(printed: str) -> str:
        numbers = (float(each.replace(",", "")) for each in re.findall(r"\d[\d,]*\.\d+", printed))
        return "yes" if any(abs(number - total) < A_CENT for number in numbers) else "no"

    instr = "SELECT count(*) FROM {0} WHERE instr(data, '" + WORD + "')"
    looks = f"import sqlite3; c = sqlite3.connect('file:{database}?mode=ro', uri=True)\n"
    looks += "\n".join(f"print(c.execute({instr.format(table)!r}).fetchall())" for table in tables)
    index = "conversations index --harness opencode --allow-raw-content"
    opentab = f"{programs}/opentab {index} && {programs}/opentab conversations search {WORD} --allow-raw-content"
    yield Question("**opencode-viewer grep**", [*ours, "grep", WORD], found)
    yield Question("SQLite alone (`instr`)", [sys.executable, "-c", looks], lambda _: "–")
    yield Question("ocman search", [f"{programs}/ocman", "search", "-A", WORD], found)
    yield Question("scrollback search", [f"{programs}/scrollback", "search", WORD], found)
    yield Question("agsearch -n", [f"{programs}/agsearch", "-n", WORD], found)
    yield Question("opentab conversations", ["sh", "-c", opentab], found)
    yield Question("**opencode-viewer spend**", [*ours, "spend", "--by", "model"], summed)
    yield Question("opentab usage summary", [f"{programs}/opentab", "usage", "summary", "--group-by", "model"], summed)
    yield Question("ocman spend", [f"{programs}/ocman", "spend"], summed)
    models = [f"{programs}/ocmonitor", "--no-remote", "models", "-f", "json"]
    yield Question("ocmonitor models", models, summed)
    yield Question("opencode-costs --all", [f"{programs}/costs", "--all", "--json"], summed)
    usage = [f"{programs}/opencode-usage", "run", "--days", "4000", "--by", "model", "--json"]
    yield Question("opencode-usage", usage, summed)
    yield Question("tokdash report", [f"{programs}/tokdash", "report", "--period", "4000", "--json"], summed)
    if binary:
        yield Question("opencode stats", [binary, "stats", "--models"], summed)


LAUNCH = """
import os, subprocess, sys, time
with open(sys.argv[1], "wb") as printed:
    began = time.perf_counter()
    child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.DEVNULL)
    used = os.wait4(child.pid, 0)[2]
    print(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, flush=True)
os._exit(0)
"""
"""Starts a command from a small process: the peak of a child begins with what its parent held."""


def ask(question: Question, environment: dict[str, str], directory: Path) -> Answer:
    """One run, in a directory of the store's."""
    printed = directory / "printed"
    command = [sys.executable, "-c", LAUNCH, str(printed), *question.command]
    with subprocess.Popen(
        command, env={**os.environ, **environment}, cwd=directory, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            told = process.communicate(timeout=LONGEST_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Answer(LONGEST_S, 0.0, 0.0, "")
    wall, cpu, memory = map(float, told.split())
    return Answer(wall, cpu, memory, question.judge(printed.read_text(errors="replace")))


def rows(programs: Path, binary: str, places: Sequence[tuple[Path, dict[str, str]]], runs: int) -> Iterator[str]:
    """The table, a row a program: of each store, which is a copy in a home of its own, what its answer took and was."""
    for database, _ in places:
        hide(database)
    every = [list(questions(programs, binary, database)) for database, _ in places]
    for same in zip(*every, strict=True):
        cells = []
        for question, (database, environment) in zip(same, places, strict=True):
            answers: list[Answer] = []
            while len(answers) < runs and not (answers and answers[0].wall > ONCE_S):
                answers.append(ask(question, environment, database.parents[3] / "project"))
            wall, cpu, memory = (
                statistics.median(getattr(one, name) for one in answers) for name in Answer._fields[:3]
            )
            verdict = answers[-1].verdict
            figures = [f"{wall:.2f} s", f"{cpu:.2f} s", f"{memory:.0f} MB", verdict]
            cells += figures if verdict else [f"> {LONGEST_S:.0f} s", "–", "–", "–"]
        yield f"| {same[0].name} | {' | '.join(cells)} |"


def is_2x(connection: sqlite3.Connection) -> bool:
    """Whether sessions are those of a release of 2.x."""
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'session_v2'").fetchall())


def hide(database: Path) -> None:
    """Writes the word into a prompt and into what a call gave, in two sessions at the top."""
    connection = sqlite3.connect(database, isolation_level=None)
    table = "session_message" if is_2x(connection) else "part"
    # 1.18 writes this sum as well, and who counts by it alone would find nothing in a store of ours.
    tokens = "json_extract(data, '$.tokens.{}')".format
    added = f"json_set(data, '$.tokens.total', {tokens('input')} + {tokens('output')})"
    connection.execute(f"UPDATE message SET data = {added} WHERE {tokens('input')} > 0")
    for name, mark in HIDDEN.items():
        row, data = _place(connection, name)
        _write(data, name, f"{WORD} {mark}")
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        connection.execute(f"UPDATE {table} SET data = ? WHERE id = ?", (text, row))
    connection.close()


def _place(connection: sqlite3.Connection, name: str) -> tuple[str, dict[str, Any]]:
    """A row in the middle of the store that is, or has, such a text, with its JSON."""
    if is_2x(connection):
        kind = "user" if name == "prompt" else "assistant"
        tops = "session_id IN (SELECT id FROM session_v2 WHERE parent_id IS NULL)"
        words = f"SELECT id, data FROM session_message WHERE type = '{kind}' AND {tops} ORDER BY rowid"
    else:
        tops = "session_id IN (SELECT id FROM session WHERE parent_id IS NULL)"
        role = "user" if name == "prompt" else "assistant"
        mine = f"message_id IN (SELECT id FROM message WHERE json_extract(data, '$.role') = '{role}' AND {tops})"
        words = f"SELECT id, data FROM part WHERE {mine} ORDER BY rowid"
    read = ((row, json.loads(data)) for row, data in connection.execute(words))
    fitting = ((row, data) for row, data in read if _texts(data, name))
    # Not the first ones, which a program may look at alone; prompts and calls of other sessions each.
    return next(islice(fitting, PLACES[name], None))


def _texts(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """What holds a text of this kind in the JSON of a row: of the part itself, or of an item of a message of 2.x."""
    if name == "prompt":
        return [data] if "text" in data else []
    calls = [data, *data.get("content", ())]
    return [call["state"] for call in calls if call.get("type") == "tool" and call["state"]["status"] == "completed"]


def _write(data: dict[str, Any], name: str, words: str) -> None:
    text = _texts(data, name)[0]
    if name == "prompt":
        text["text"] += f" {words}"
    elif "output" in text:
        text["output"] += f" {words}"
    else:
        text["content"][0]["text"] += f" {words}"


def sessions_with_the_word(connection: sqlite3.Connection) -> dict[str, str]:
    """The session of each place, by the kind of the text."""
    table = "session_message" if is_2x(connection) else "part"
    words = f"SELECT session_id FROM {table} WHERE instr(data, ?)"
    return {name: connection.execute(words, (mark,)).fetchone()[0] for name, mark in HIDDEN.items()}


def sum_of_all(connection: sqlite3.Connection) -> float:
    """US dollars."""
    table = "session_v2" if is_2x(connection) else "session"
    return float(connection.execute(f"SELECT sum(cost) FROM {table}").fetchone()[0])
