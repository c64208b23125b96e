"""Processes that write while something is measured: `python -m tests.bench.writers NAME ...`.

Each is a process of its own, as opencode is: SQLite shares the memory of the WAL index between all connections of one
process, and Python its interpreter lock between all threads.
"""

from __future__ import annotations

import argparse
import itertools
import re
import select
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.adapter.opencode_writer import OpencodeWriter, tool
from tests.adapter.writer import PRAGMAS, Statement, now_ms
from tests.lab.driver import Lab
from tests.lab.scenarios import OWN_USAGE
from tests.lab.script import Answer, Step, Usage, answers_after, bash, own_request

STEPS_OF_A_PROMPT = 20
STEPS_OF_A_SESSION = 200
OUTPUT = "\n".join(f"line {n} of what a command has printed so far" for n in range(20))


class Guest(OpencodeWriter):
    """opencode's writes, by this process, into a database that is there already."""

    def __init__(self, path: Path) -> None:
        # Not the parent's beginning: that makes a database, and a child that writes it.
        self.path, self.version, self.events, self.ms, self.id_shift_ms = path, "1.18.33", True, None, 0
        self.sessions: list[str] = []
        self.messages: dict[str, str] = {}
        self.parts: dict[str, str] = {}
        # Apart from the ids of anyone else who writes in the same millisecond.
        self._count = itertools.count(10**9)
        self._seq: dict[str, int] = {}
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._tables = {name for (name,) in self.run("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self.project = self.run("SELECT id FROM project")[0][0]

    def commit(self, *statements: Statement) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for sql, parameters in statements:
            self._connection.execute(sql, parameters)
        self._connection.execute("COMMIT")

    def run(self, sql: str) -> list[Any]:
        return self._connection.execute(sql).fetchall()

    def close(self) -> None:
        self._connection.close()


def paced(per_second: float, seconds: float) -> Iterator[int]:
    """Counts at a steady rate; what was late is made up for."""
    began = time.monotonic()
    for number in itertools.count():
        due = began + number / per_second
        if due > began + seconds:
            return
        time.sleep(max(0.0, due - time.monotonic()))
        yield number


def rename(arguments: argparse.Namespace) -> None:
    """Renames the newest session again and again; prints when (unix seconds) each transaction began to commit."""
    guest = Guest(arguments.database)
    ((session, title),) = guest.run("SELECT id, title FROM session ORDER BY time_updated DESC LIMIT 1")
    ((guest._seq[session],),) = guest.run(f"SELECT seq FROM event_sequence WHERE aggregate_id = '{session}'")
    for number in paced(arguments.rate, arguments.seconds):
        before = time.time()
        guest.change_session(session, title=f"mark{number:05d}x", time_updated=now_ms())
        print(before, flush=True)
    guest.change_session(session, title=title)
    guest.close()


def work(guest: Guest, name: str) -> Iterator[None]:
    """An agent at work for ever, a commit at a time: prompts, steps of a thought and a call whose output grows, and now
    and then a new session."""
    for number in itertools.count():
        if number % STEPS_OF_A_SESSION == 0:
            session = guest.session(f"{name}, session {number // STEPS_OF_A_SESSION}")
            yield
        if number % STEPS_OF_A_PROMPT == 0:
            prompt = guest.message(session, {"role": "user", "time": {"created": now_ms()}})
            yield
            guest.part(prompt, {"type": "text", "text": f"{name}: prompt {number // STEPS_OF_A_PROMPT}"})
            yield
        created = now_ms()
        step = guest.assistant(session, prompt)
        yield
        guest.part(step, {"type": "step-start"})
        yield
        thought = guest.part(step, {"type": "reasoning", "text": "", "time": {"start": now_ms()}})
        yield
        ended = {"start": created, "end": now_ms()}
        guest.part(step, {"type": "reasoning", "text": "Let me think. " * 20, "time": ended}, thought)
        yield
        asked = {"input": {"command": f"make step-{number}"}, "time": {"start": now_ms()}}
        call = guest.part(step, tool("pending"))
        yield
        for lines in range(4):
            guest.part(step, tool("running", metadata={"output": OUTPUT * lines}, **asked), call)
            yield
        done = {**asked, "time": {**asked["time"], "end": now_ms()}}
        guest.part(step, tool("completed", output=OUTPUT * 4, title="make", metadata={"exit": 0}, **done), call)
        yield
        tokens = {"input": 900, "output": 120, "reasoning": 0, "cache": {"read": 0, "write": 0}}
        # A session that is left with a step that calls tools is one that may go on.
        finish = "stop" if number % STEPS_OF_A_PROMPT == STEPS_OF_A_PROMPT - 1 else "tool-calls"
        guest.part(step, {"type": "step-finish", "reason": finish, "tokens": tokens, "cost": 0.01})
        yield
        guest.message(session, ended_answer(created, prompt, tokens, finish), step)
        yield


def ended_answer(created: int, prompt: str, tokens: dict[str, Any], finish: str) -> dict[str, Any]:
    """The row of a step that has ended."""
    path = {"cwd": "/lab/project", "root": "/lab/project"}
    return {
        "role": "assistant", "parentID": prompt, "agent": "build", "mode": "build", "modelID": "mock-1",
        "providerID": "mock", "cost": 0.01, "tokens": tokens, "finish": finish, "path": path,
        "time": {"created": created, "completed": now_ms()},
    }  # fmt: skip


def agents(arguments: argparse.Namespace) -> None:
    """So many agents at work, so many commits a second together; prints the number of commits at the end."""
    guest = Guest(arguments.database)
    workers = [work(guest, f"agent {number}") for number in range(arguments.sessions)]
    for number in paced(arguments.rate, arguments.seconds):
        next(workers[number % len(workers)])
    guest.close()


def flood(arguments: argparse.Namespace) -> None:
    """Three sessions with five running calls each, which all print: `rate` changed parts a second, fifteen a commit.
    Prints a line when the rows are there, and goes on when it reads one."""
    guest = Guest(arguments.database)
    calls = []
    for number in range(3):
        session = guest.session(f"flooded {number}")
        prompt = guest.user(session, "Make everything.")
        step = guest.assistant(session, prompt)
        calls += [(step, guest.part(step, tool("running", input={"command": f"make {n}"}))) for n in range(5)]
    print("ready", flush=True)
    sys.stdin.readline()
    for number in paced(arguments.rate / len(calls), arguments.seconds):
        changed = []
        for step, call in calls:
            state = {"input": {"command": f"make {call[-1]}"}, "metadata": {"output": f"{OUTPUT}\n{number}"}}
            changed += guest.part_statements(step, tool("running", **state), call)
        guest.commit(*changed)
    guest.close()


class Marking:
    """A model that answers every prompt with so many calls, each with a command that nobody has given before."""

    def __init__(self, calls: int) -> None:
        self._calls = calls

    def answer(self, request: dict[str, Any], attempt: int) -> Answer:
        """Counts by the answers in the request, so that one that is sent again gets the same."""
        kind = own_request(request)
        if kind != "step":
            return Answer(kind, kind, 0, Step("Marks", reasoning=""), OWN_USAGE[kind])
        messages = request["messages"]
        number = answers_after(messages, -1)
        prompt = max(at for at, message in enumerate(messages) if message.get("role") == "user")
        usage = Usage(1000, 0, 50, 0)
        if answers_after(messages, prompt) >= self._calls:
            return Answer(kind, "marks", number, Step("All marks are made.", reasoning=""), usage)
        call = bash(f": mark{number:05d}x", "Do nothing")
        return Answer(kind, "marks", number, Step("", [call], reasoning=""), usage)


def opencode(arguments: argparse.Namespace) -> None:
    """Real opencode: a session in which `: mark00000x`, `: mark00001x` ... are run. Prints the path of the database,
    begins when it reads a line, and leaves when the input ends."""
    with Lab(arguments.root.resolve(), delay=0.0, script=Marking(arguments.count)) as lab, lab.serve():
        session = lab.session(title="Marks")
        print(lab.db, flush=True)
        sys.stdin.readline()
        lab.prompt(session, "Make marks.", wait=False)
        sys.stdin.read()


def witness(arguments: argparse.Namespace) -> None:
    """Prints the number of each marked call that runs, and when (unix seconds) a reader saw it first. Looks 1,000 times
    a second; prints a line when it is ready, and leaves when nobody reads any more."""
    connection = sqlite3.connect(f"file:{arguments.database}?mode=ro", uri=True, isolation_level=None)
    ((rowid,),) = connection.execute("SELECT coalesce(max(rowid), 0) FROM event").fetchall()
    print("ready", flush=True)
    version, seen = 0, set()
    while not select.select([sys.stdin], [], [], 0.001)[0]:
        ((now,),) = connection.execute("PRAGMA data_version").fetchall()
        if now == version:
            continue
        version, when = now, time.time()
        new = connection.execute("SELECT rowid, data FROM event WHERE rowid > ? ORDER BY rowid", (rowid,)).fetchall()
        for at, data in new:
            rowid = at
            found = re.search(r": mark(\d{5})x", data)
            if found and '"running"' in data and found[1] not in seen:
                seen.add(found[1])
                print(found[1], when, flush=True)
    connection.close()


def main() -> None:
    """Runs one writer."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.writers", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True)
    for writer in (rename, agents, flood, witness):
        one = names.add_parser(writer.__name__, help=writer.__doc__)
        one.set_defaults(run=writer)
        one.add_argument("database", type=Path)
        one.add_argument("--rate", type=float, default=20.0, help="a second")
        one.add_argument("--seconds", type=float, default=10.0)
        one.add_argument("--sessions", type=int, default=3)
    one = names.add_parser("opencode", help=opencode.__doc__)
    one.set_defaults(run=opencode)
    one.add_argument("--root", type=Path, required=True)
    one.add_argument("--count", type=int, default=50)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
