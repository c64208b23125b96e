"""`otlp --cursor FILE` killed with SIGKILL at any point, over and over, while a writer writes: every span of the
database as it is at the end arrived, as it is at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.tui.otlp.receiver import Collector, Received, send
from tests.tui.otlp.work import Work

KILLS = 8 * int(os.environ.get("OPENCODE_VIEWER_STRESS", "1"))
TIMEOUT_S = 60

SMALL = """
import sys
from tui.commands.otlp import sending
sending.BATCH = 3
from tui.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""The command with requests of few spans, so that there are many places to be killed at."""


def start(collector: Collector, *words: str | Path) -> subprocess.Popen[bytes]:
    """The command as a process of its own."""
    command = [sys.executable, "-c", SMALL, "otlp", "--endpoint", collector.url, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def seen(span: Received) -> tuple[object, ...]:
    """What has to be the same in the end."""
    return span.name, span.trace, span.parent, span.start, span.end, span.is_error, span.get("opencode.cost")


@pytest.mark.parametrize("follow", [True, False], ids=["follow", "once"])
@pytest.mark.parametrize("version", ["1.18.33", "1.15.13"])
def test_killed_anywhere_every_span_arrives_and_has_the_same_id(tmp_path: Path, version: str, follow: bool) -> None:
    # 1.15 has no feed: a cursor says no more than how far a scan was.
    work, cursor = Work(tmp_path / "opencode.db", version, 5, events=version != "1.15.13"), tmp_path / "cursor"
    database = work.opencode.path
    options = ["--follow", "--no-watch"] if follow else []
    try:
        for _ in range(6):
            work.steps(30)
            work.leave()
        with Collector() as collector:
            for _ in range(KILLS):
                work.steps(work.dice.randrange(30))
                last, killed = collector.requests + work.dice.choice([1, 1, 2, 4]), threading.Event()

                def hold(number: int, last: int = last, killed: threading.Event = killed) -> int:
                    # The last request is taken, and nobody knows what became of it.
                    return 200 if number < last or not killed.wait(TIMEOUT_S) else 500

                collector.answer = hold
                process = start(collector, "--db", database, "--cursor", cursor, *options)
                # It may be that less is left to be sent.
                with collector.arrived:
                    collector.arrived.wait_for(lambda last=last: collector.requests >= last, 1)  # type: ignore[misc]
                work.steps(work.dice.randrange(30))
                if work.dice.random() < 0.5:
                    # Nothing tells of these sessions again.
                    work.leave()
                process.kill()
                process.wait(TIMEOUT_S)
                killed.set()
            collector.answer = lambda _number: 200
            # What was not told before is told now, and then all there is has been told.
            final = start(collector, "--db", database, "--cursor", cursor)
            assert final.wait(TIMEOUT_S) in (0, 1)
        with Collector() as cold:
            assert send(cold, [database]) in (0, 1)
    finally:
        work.close()
    arrived, there = collector.by_id(), cold.by_id()
    assert len(there) > 50
    assert len({span.trace for span in there.values()}) > 5
    assert any(span.operation == "invoke_agent" and span.parent for span in there.values())
    assert {span_id: seen(span) for span_id, span in there.items()} == {
        span_id: seen(arrived[span_id]) for span_id in there if span_id in arrived
    }
