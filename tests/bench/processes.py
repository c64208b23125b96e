"""What looking at the processes of opencode costs, beside many others."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from adapter.processes.table import EVERY_S, Table
from tests.bench.table import Line

OTHERS = 200
FILES = 20
LOOKS = 20
HOLDS = (
    "import sys; files = [open('/dev/null') for _ in range(int(sys.argv[1]))]; db = open(sys.argv[2], 'r+'); input()"
)


def looks(arguments: argparse.Namespace) -> Iterator[Line]:
    """Looks at the processes while something runs: of a core, with 200 others and one that has the database open."""
    now = [1000.0]
    with tempfile.TemporaryDirectory(prefix="opencode-viewer-bench-") as directory:
        path = Path(directory) / "opencode.db"
        path.touch()
        others = [subprocess.Popen(["sleep", "600"]) for _ in range(OTHERS)]
        holder = subprocess.Popen([sys.executable, "-c", HOLDS, str(FILES), str(path)], stdin=subprocess.PIPE)
        try:
            table = Table(monotonic=lambda: now[0])
            while not table.look(str(path)).holders(str(path)):
                now[0] += EVERY_S
                time.sleep(0.05)
            took = []
            for _ in range(LOOKS):
                now[0] += EVERY_S
                began = time.thread_time()
                table.look(str(path))
                took.append(time.thread_time() - began)
        finally:
            for one in (*others, holder):
                one.kill()
            holder.communicate()
            for one in others:
                one.wait()
    share = 100 * statistics.fmean(took) / table.pause_s
    note = f"a look {1000 * statistics.median(took):.2f} ms every {table.pause_s:.1f} s, none on an idle screen"
    yield Line(f"processes looked at beside {OTHERS}", "time", share, 0.1, "%", note)
