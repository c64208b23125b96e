"""The viewer in the hands of somebody who may not do everything: a process that gives up root before it looks.

Root ignores every permission, so a suite that root runs (most CI containers) would test none. The child imports what it
needs first, because the interpreter may lie where its new user cannot go.

    python -m tests.adapter.stranger UID     reads one JSON list [what, *arguments] a line, answers with JSON lines

`cli ARGUMENT...` runs the command and answers with its status, output and errors; `open PATH` how a database was opened
and what it holds; `tail PATH` follows until the child is killed, and answers whenever something is different.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401 - so does asyncio
import contextlib
import io
import json
import os
import shutil  # noqa: F401 - argparse imports it late, when it may be out of reach
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import adapter.processes.this_machine
import adapter.sqlite.inline
import adapter.sqlite.threads
import adapter.sqlite.watch  # noqa: F401 - and so do commands and readers
import tui.commands.doctor
import tui.commands.events
import tui.commands.export.command
import tui.commands.ls
import tui.commands.run
import tui.commands.show
import tui.commands.tree  # noqa: F401 - so does `main`
from adapter.contract import SourceUnavailable
from adapter.events import SessionStarted, SourceError
from adapter.local import OpencodeSource
from tests.adapter.writer import ROOT
from tui.cli import main

NOBODY = 65534


class Stranger:
    """The child process: the user `nobody` when we are root, else who we are. Use as a context manager."""

    def __init__(self) -> None:
        command = [sys.executable, "-W", "error", "-m", "tests.adapter.stranger", str(NOBODY)]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        errors = self._child.communicate()[1]
        assert kind is not None or errors == "", "the stranger complained (a thread that broke, a warning)"

    def ask(self, *order: str | Path) -> Any:
        """Gives an order and returns the first answer."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps([str(word) for word in order]) + "\n")
        self._child.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        """Waits for the next answer."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        assert line, "the stranger died"
        return json.loads(line)


def command(arguments: list[str]) -> dict[str, Any]:
    """Runs the command line of the viewer."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(arguments)
    out.flush()
    return {"status": status, "out": out.buffer.getvalue().decode(), "err": err.getvalue()}  # type: ignore[attr-defined]


async def opened(path: Path) -> dict[str, Any]:
    """What `OpencodeSource` makes of a file: open mode and titles, or the class and the words of its error."""
    async with OpencodeSource(path) as source:
        try:
            titles = sorted(event.title for event in await source.catalogue() if isinstance(event, SessionStarted))
        except SourceUnavailable as error:
            return {"error": type(error).__name__, "words": str(error)}
        return {"open_mode": source.health().open_mode, "titles": titles}


async def tailed(path: Path) -> None:
    """Follows for ever; says the state, the newest title and every error."""
    told: dict[str, Any] = {}
    title = ""
    async with OpencodeSource(path) as source:
        async for batch in source.tail():
            words = [event.message for event in batch.events if isinstance(event, SourceError)]
            title = next((event.title for event in batch.events if isinstance(event, SessionStarted)), title)
            now = {"state": source.health().state, "title": title, "words": words}
            if now != told:
                told = now
                say(now)


def say(answer: dict[str, Any]) -> None:
    """One JSON object on a line of its own, at once."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def serve(uid: int) -> None:
    """Gives up root for ever, if we are root, then obeys until the input ends."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    for line in sys.stdin:
        what, *rest = json.loads(line)
        if what == "cli":
            say(command(rest))
        elif what == "open":
            say(asyncio.run(opened(Path(rest[0]))))
        else:
            asyncio.run(tailed(Path(rest[0])))


if __name__ == "__main__":
    serve(int(sys.argv[1]))
