"""The public face of the program from outside: its commands and `OpencodeSource.tail()`, each in a process of its own.

A process of its own, because the tests that use this ask what a command does to files, processors and its exit status,
and because a command that never ends must not take the test run with it. Starting an interpreter for each would take
longer than all the rest, so one process imports everything and forks:

    python -W error -m tests.adapter.face      reads one JSON object a line, answers with JSON lines

This is the only module of these tests that imports the source.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import importlib
import io
import json
import os
import shutil  # noqa: F401 - argparse imports it late, when it may be out of reach
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TextIO

import msgspec

import adapter.sqlite.inline
import adapter.sqlite.threads
import adapter.sqlite.watch  # noqa: F401 - so do readers and who follows
from adapter.local import OpencodeSource
from tests.adapter.writer import ROOT
from tui.cli import main
from tui.commands.run import COMMANDS

LIMIT_S = 10.0
"""No command on a small database may take longer, whatever state the files are in."""
BEAT_S = 0.1
"""How often a tail says what it has cost so far."""
LATE = (*COMMANDS.values(), "watchfiles")
"""What is imported late, as commands need it, and out of reach for a process that has given up root. Optional: these
are nobody's public names."""


class Done(NamedTuple):
    """A command that has ended, or that had to be killed (`status` is None then)."""

    status: int | None
    out: str
    err: str
    seconds: float

    @property
    def titles(self) -> dict[str, str]:
        """Session id -> title of what `ls --json`, `tree --json` or `events` wrote."""
        if self.out.startswith('{"sources"'):
            return {session["id"]: session["title"] for session in json.loads(self.out)["sessions"]}
        return titles(json.loads(line) for line in self.out.splitlines())


def titles(events: Any) -> dict[str, str]:
    """Session id -> title after these events."""
    found: dict[str, str] = {}
    for event in events:
        if event["kind"] == "session_started":
            found[event["session_id"]] = event["title"]
        elif event["kind"] == "session_removed":
            found.pop(event["session_id"], None)
    return found


class Face:
    """The process that forks. Use as a context manager; what it started ends with it."""

    def __init__(self) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="opencode-viewer-face-")
        self._count = 0
        self._running: set[int] = set()
        home = Path(self._place.name)
        # A process that has given up root must be able to write what it says, and to have a home.
        home.chmod(0o711)
        environment = {**os.environ, "HOME": str(home), "XDG_STATE_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
        command = [sys.executable, "-W", "error", "-m", "tests.adapter.face"]
        self._server = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in list(self._running):
            self.end(pid, 0)
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(timeout=10)
        self._server.stdout.close()
        self._place.cleanup()

    def run(self, *arguments: str | Path, within_s: float = LIMIT_S) -> Done:
        """Runs a command to its end; one that takes longer is killed."""
        began = time.monotonic()
        pid, out, err = self.start({"cli": [str(word) for word in arguments]})
        status = self.end(pid, within_s)
        return Done(status, out.read_text("utf-8"), err.read_text("utf-8"), time.monotonic() - began)

    def several(self, commands: list[list[str]], limit_s: float = LIMIT_S) -> tuple[list[Done], str]:
        """Runs commands one after the other in one process, which is killed when one of them takes longer than the
        limit; the ones that ended, and what the process itself complained about."""
        pid, out, err = self.start({"several": commands, "limit_s": limit_s})
        self.end(pid, limit_s * (len(commands) + 1))
        return [Done(**json.loads(line)) for line in out.read_text("utf-8").splitlines()], err.read_text("utf-8")

    def start(self, order: dict[str, Any]) -> tuple[int, Path, Path]:
        """Starts something; its process id and the files that take its output and its errors."""
        self._count += 1
        out, err = (Path(self._place.name) / f"{self._count}.{name}" for name in ("out", "err"))
        pid = self._ask({**order, "out": str(out), "err": str(err)})
        self._running.add(pid)
        return pid, out, err

    def end(self, pid: int, within_s: float) -> int | None:
        """Waits for the end of what was started, kills it afterwards; its exit status, None when it was killed."""
        self._running.discard(pid)
        status: int | None = self._ask({"wait": pid, "within_s": within_s})
        return status

    def _ask(self, order: dict[str, Any]) -> Any:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        line = self._server.stdout.readline()
        assert line, "the process that forks has died"
        return json.loads(line)


class Beat(NamedTuple):
    """What a tail has cost until a moment (monotonic seconds), and what its health says."""

    at: float
    cpu_s: float
    statements: int
    batches: int
    state: str
    message: str
    open_mode: str


class Watching:
    """Something that goes on until it is closed, in a process of its own, and says what it costs."""

    def __init__(self, face: Face, order: dict[str, Any]) -> None:
        self.events: list[dict[str, Any]] = []
        self.titles: dict[str, str] = {}
        self.beats: list[Beat] = []
        self._face = face
        self._lines: dict[Path, tuple[TextIO, list[str]]] = {}
        self.pid, self._out, self._err = face.start(order)
        self._status: int | None = None
        self._ended = False

    @property
    def last(self) -> Beat | None:
        """The newest of what it said about itself."""
        return self.beats[-1] if self.beats else None

    @property
    def complaint(self) -> str:
        """What it wrote to stderr so far."""
        return self._err.read_text("utf-8")

    def take(self) -> None:
        """Takes in what it has said since."""
        raise NotImplementedError

    def until(self, predicate: Callable[[], bool], what: str, within_s: float = LIMIT_S) -> None:
        """Waits until the predicate holds."""
        end = time.monotonic() + within_s
        while not predicate():
            assert time.monotonic() < end, (
                f"not within {within_s:.0f} s: {what}. It knows {self.titles}, {self.last}, {self.complaint}"
            )
            time.sleep(0.02)
            self.take()

    def until_titles(self, wanted: dict[str, str], within_s: float = LIMIT_S) -> None:
        """Waits until it knows these sessions and no others."""
        self.until(lambda: self.titles == wanted, f"{type(self).__name__} knows {wanted}", within_s)

    def quietest(self, seconds: float, since: float, good: Callable[[Beat], bool], within_s: float = LIMIT_S) -> Beat:
        """What the cheapest stretch of so many seconds cost, as soon as one is good enough, or else at the end. (A
        start, and what follows a commit, may take its time on a busy machine.)"""
        end = since + within_s
        while True:
            self.take()
            stretches = self._stretches(seconds, since)
            best = min(stretches, key=lambda cost: (cost.statements, cost.cpu_s), default=None)
            enough = next((cost for cost in stretches if good(cost)), None)
            if enough or (best and self.beats[-1].at > end):
                return enough or best  # type: ignore[return-value]
            assert time.monotonic() < end + LIMIT_S, f"it does not say any more how it is: {self.last}"
            time.sleep(0.02)

    def _stretches(self, seconds: float, since: float) -> list[Beat]:
        beats = [beat for beat in self.beats if beat.at >= since]
        found = []
        later = 0
        for first in beats:
            while later < len(beats) and beats[later].at - first.at < seconds:
                later += 1
            if later == len(beats):
                break
            last = beats[later]
            # As long as asked for, though a busy machine made the beats late.
            share = seconds / (last.at - first.at)
            cost = (last.cpu_s - first.cpu_s) * share
            found.append(last._replace(cpu_s=cost, statements=round((last.statements - first.statements) * share)))
        return found

    def _new_lines(self, file: Path) -> list[str]:
        if file not in self._lines:
            if not file.exists():
                return []
            self._lines[file] = (file.open(encoding="utf-8"), [""])
        opened, rest = self._lines[file]
        *lines, rest[0] = (rest[0] + opened.read()).split("\n")
        return lines

    def _end(self) -> int | None:
        self._status = self._face.end(self.pid, LIMIT_S)
        self.take()
        for opened, _ in self._lines.values():
            opened.close()
        self._ended = True
        return self._status


class Tail(Watching):
    """`OpencodeSource(path).tail()`. Use as a context manager."""

    def __init__(self, face: Face, path: Path, *, uid: int = 0, watch: bool = True) -> None:
        self.seen_at: list[float] = []
        self.loaded: set[str] = set()
        # A process that has given up root must be able to read its orders.
        orders = tempfile.NamedTemporaryFile(prefix="opencode-viewer-orders-", mode="w", encoding="utf-8")  # noqa: SIM115
        os.chmod(orders.name, 0o644)
        self._orders = orders
        super().__init__(face, {"tail": str(path), "uid": uid, "watch": watch, "orders": orders.name})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status = self.close()
        assert kind is not None or (status, self.complaint) == (0, "")

    def close(self) -> int | None:
        """Lets it end in good order; the exit status, None when it did not end."""
        if not self._ended:
            self.order("stop")
            self._end()
            self._orders.close()
        return self._status

    def order(self, what: str, session_id: str = "") -> None:
        """`request` or `release` of a session, or `stop`."""
        self._orders.write(json.dumps([what, session_id]) + "\n")
        self._orders.flush()

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind so far."""
        return [event for event in self.events if event["kind"] == kind]

    def take(self) -> None:
        for line in self._new_lines(self._out):
            said = json.loads(line)
            if "beat" in said:
                self.beats.append(Beat(*said["beat"]))
                continue
            self.events += said["events"]
            self.seen_at += [said["at"]] * len(said["events"])
            self.loaded |= set(said["loaded"])
            self.titles = titles(self.events)


class Follow(Watching):
    """`events --follow`."""

    def __init__(self, face: Face, path: Path, *arguments: str) -> None:
        command = ["events", "--follow", "--db", str(path), *arguments]
        super().__init__(face, {"cli": command, "beats": True})

    def interrupt(self) -> int | None:
        """Presses ctrl+c; the exit status, None when it did not end."""
        if not self._ended:
            os.kill(self.pid, signal.SIGINT)
            self._end()
        return self._status

    def take(self) -> None:
        self.events += [json.loads(line) for line in self._new_lines(self._out)]
        self.titles = titles(self.events)
        self.beats += [Beat(*json.loads(line)) for line in self._new_lines(self._out.with_suffix(".beats"))]


# -- the process that forks


def serve() -> None:
    """Obeys until the input ends. Children leave this function by SystemExit."""
    for name in LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        answer = _wait(order["wait"], order["within_s"]) if "wait" in order else _fork(order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


_errors: dict[int, str] = {}
"""Process id -> where its errors go."""


def _fork(order: dict[str, Any]) -> int:
    out, err = (os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) for name in ("out", "err"))
    pid = os.fork()
    if pid:
        _errors[pid] = order["err"]
        os.close(out)
        os.close(err)
        return pid
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(descriptor, place)
        os.close(descriptor)
    # What hangs says where before it is killed.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    if order.get("uid") and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(order["uid"])
        os.setuid(order["uid"])
    if "cli" in order:
        with _beating(Path(order["out"]).with_suffix(".beats")) if "beats" in order else contextlib.nullcontext():
            status = main(order["cli"])
        sys.exit(status)
    if "several" in order:
        sys.exit(_several(order["several"], order["limit_s"]))
    sys.exit(asyncio.run(_tail(order)))


def _wait(pid: int, within_s: float) -> int | None:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as stat:
            state = stat.read()  # whether it works, sleeps or waits for the disk
            with open(_errors[pid], "a") as errors:
                errors.write(f"not ended after {within_s:.1f} s: {state}")
        os.kill(pid, signal.SIGUSR1)
        time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def _several(commands: list[list[str]], limit_s: float) -> int:
    for command in commands:
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        began = time.monotonic()
        out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(command)
            except Exception as error:  # a traceback is what the test looks for
                status = -1
                err.write(f"Traceback: {error!r}")
        out.flush()
        written = out.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined]
        _say({"status": status, "out": written, "err": err.getvalue(), "seconds": time.monotonic() - began})
    return 0


async def _tail(order: dict[str, Any]) -> int:
    async with OpencodeSource(order["tail"], watch=order["watch"]) as source:
        counted = [0]
        pump = asyncio.create_task(_pump(source, counted))
        with open(order["orders"], encoding="utf-8") as orders:  # noqa: ASYNC230 - a line now and then
            while not pump.done():
                health = source.health()
                beat = Beat(
                    time.monotonic(),
                    time.process_time(),
                    health.statements,
                    counted[0],
                    health.state,
                    health.message,
                    health.open_mode,
                )
                _say({"beat": beat})
                for line in orders:
                    what, session_id = json.loads(line)
                    if what == "stop":
                        pump.cancel()
                    else:
                        getattr(source, what)(session_id)
                await asyncio.wait([pump], timeout=BEAT_S)
        await asyncio.gather(pump, return_exceptions=True)
        if not pump.cancelled():
            pump.result()
    return 0


async def _pump(source: OpencodeSource, counted: list[int]) -> None:
    async with contextlib.aclosing(source.tail()) as batches:  # type: ignore[type-var]
        async for batch in batches:
            counted[0] += 1
            events = [msgspec.to_builtins(event) for event in batch.events]
            _say({"events": events, "loaded": batch.loaded, "at": time.monotonic()})


@contextlib.contextmanager
def _beating(file: Path) -> Iterator[None]:
    """Writes down what this process costs, for as long as the block lasts."""
    ended = threading.Event()

    def beat() -> None:
        with file.open("w", encoding="utf-8") as out:
            while not ended.wait(BEAT_S):
                out.write(json.dumps(Beat(time.monotonic(), time.process_time(), 0, 0, "", "", "")) + "\n")
                out.flush()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _say(words: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()
