"""`otlp`: how many spans a second leave, what that takes beside `events`, and in how much memory."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.bench import commands
from tests.bench.stores import BIG, MANY, cached
from tests.bench.table import Line

COLLECTOR = """
import sys
from tests.bench.otlp import serve
serve()
"""


class Taker(BaseHTTPRequestHandler):
    """Takes every request and looks at none."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Reads a request and acknowledges it."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def serve() -> None:
    """A collector as a process of its own: says its port, and ends with stdin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


def otlp(arguments: argparse.Namespace) -> Iterator[Line]:
    """A whole store to a collector on this machine that throws everything away."""
    runs = 1 if arguments.quick else 3
    collector = subprocess.Popen(
        [sys.executable, "-c", COLLECTOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert collector.stdout is not None
    assert collector.stdin is not None
    try:
        url = f"http://127.0.0.1:{collector.stdout.readline().strip()}"
        path = cached(BIG, arguments.stores)
        small = commands.run(of(cached(MANY, arguments.stores), url)).memory
        sent = _spans(path, url)
        taken = [(commands.run(of(path, url)), commands.run(commands.of(path))) for _ in range(runs)]
        seconds = statistics.median(one.wall for one, _ in taken)
        memory = statistics.median(one.memory for one, _ in taken)
        ratio = statistics.median(one.cpu / beside.cpu for one, beside in taken)
        note = f"{sent:,} spans in {seconds:.1f} s"
        yield Line("`otlp` of 2.2 GB", "time", sent / seconds, 10_000, "spans/s", note, more=True)
        yield Line("CPU of `otlp` against `events`, 2.2 GB", "ratio", ratio, 2.5, "x", "a quarter of it is protobuf")
        note = f"peak {memory:.0f} MB; over 54 MB: {small:.0f} MB"
        yield Line("memory of `otlp`, 2.2 GB against 54 MB", "ratio", memory / small, 1.25, "x", note)
    finally:
        collector.stdin.close()
        collector.wait()


def of(path: Path, url: str) -> list[str]:
    """`otlp` of a database."""
    return [sys.executable, "-m", "tui", "otlp", "--db", str(path), "--endpoint", url]


def _spans(path: Path, url: str) -> int:
    """How many spans a store has, as the command says."""
    done = subprocess.run(of(path, url), capture_output=True, text=True, check=True)
    return int(done.stderr.split(": ", 1)[1].split()[0].replace(",", ""))
