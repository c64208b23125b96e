"""`events --cursor FILE` killed with SIGKILL at any point, over and over, while a writer writes: what all runs printed
makes the model of a cold load, and the file never holds a position that was not printed before."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from adapter.events import AnyEvent, LogEntry, SourceProgress
from tests.adapter.chaos import KINDS, Chaos
from tests.adapter.follower import cold_store, differences
from tui.model.store.store import Store

KILLS = 12 * int(os.environ.get("OPENCODE_VIEWER_STRESS", "1"))
TIMEOUT_S = 60
DECODER = msgspec.json.Decoder(AnyEvent)


class Reader:
    """One process, and a thread that takes its lines into a model as they come."""

    def __init__(self, store: Store, *arguments: str | Path) -> None:
        self.store = store
        self.lines = 0
        self.cursors = {""}
        self.anew = 0
        command = [sys.executable, "-m", "tui", "events", *map(str, arguments)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def wait_for(self, lines: int) -> None:
        """Waits for so many lines, or the end."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.lines >= lines, TIMEOUT_S)

    def kill(self) -> None:
        """SIGKILL; what it had written is taken in."""
        self._process.kill()
        self.finish()

    def finish(self) -> None:
        """Waits for the end of the process."""
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()
        assert self._process.wait(TIMEOUT_S) in (0, -9)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            for line in out:
                if line.endswith(b"\n"):
                    self._take(DECODER.decode(line))
        with self._arrived:
            self.lines = sys.maxsize
            self._arrived.notify_all()

    def _take(self, event: AnyEvent) -> None:
        if isinstance(event, LogEntry) and event.ref == "cursor":
            self.store = Store()
            self.anew += 1
        self.store.apply([event])
        with self._arrived:
            self.lines += 1
            if isinstance(event, SourceProgress):
                self.cursors.add(event.cursor)
            self._arrived.notify_all()


def kept(file: Path) -> str:
    """The position in a cursor file, "" before there is one."""
    return str(next(iter(json.loads(file.read_bytes()).values()), "")) if file.exists() else ""


@pytest.mark.parametrize("follow", [True, False], ids=["follow", "once"])
@pytest.mark.parametrize("kind", ["1.18", "1.18 with a feed that is cut"])
def test_killed_anywhere_nothing_is_lost_and_no_position_runs_ahead(tmp_path: Path, kind: str, follow: bool) -> None:
    chaos, store = Chaos(tmp_path / "opencode.db", KINDS[kind], 3), Store()
    file, printed, anew = tmp_path / "cursor", {""}, 0
    options = ["--follow", "--no-watch"] if follow else []
    try:
        chaos.steps(60)
        for _ in range(KILLS):
            chaos.steps(chaos.dice.randrange(6))
            reader = Reader(store, "--db", chaos.opencode.path, "--cursor", file, *options)
            reader.wait_for(1 if follow else chaos.dice.choice([1, 2, 5, 20]))
            chaos.steps(chaos.dice.randrange(6))
            if follow and chaos.dice.random() < 0.7:
                seen = reader.lines
                chaos.prompt()
                reader.wait_for(seen + 1)
            reader.kill()
            printed |= reader.cursors
            assert kept(file) in printed
            store, anew = reader.store, anew + reader.anew
        last = Reader(store, "--db", chaos.opencode.path, "--cursor", file)
        last.finish()
        assert differences(last.store, asyncio.run(cold_store(chaos.opencode.path))) == []
        assert kept(file) in printed | last.cursors
        assert anew < KILLS / 2 or chaos.kind.pruned
    finally:
        chaos.opencode.close()
