"""`serve`: the far end of a line, on stdin and stdout."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from functools import cache, partial

from adapter.contract import Source
from adapter.opencode.discover import distinct, locate
from adapter.processes.registration import service_pids
from adapter.processes.table import Table
from adapter.remote.pipes import Pipes
from adapter.remote.serve import Server
from tui.commands.remarks import complain
from tui.commands.sources import PROGRAM, home, local_sources
from tui.exit_codes import OK


def serve(arguments: argparse.Namespace) -> int:
    """Answers until stdin ends."""
    if arguments.via or arguments.host:
        return complain("serve answers for the databases of this machine; leave out --via and --host")
    if sys.stdin is None or sys.stdin.isatty():
        return complain(
            "serve is what --via starts on another machine: opencode-viewer --via 'ssh HOST opencode-viewer serve'"
        )
    words = asyncio.run(_serve(arguments))
    return complain(words) if words else OK


async def _serve(arguments: argparse.Namespace) -> str:
    table = cache(partial(Table, registered=partial(service_pids, os.environ, home())))

    def find() -> Sequence[Source]:
        arguments.backups = []
        paths = distinct(arguments.db)
        if not paths:
            located = locate(os.environ, home())
            arguments.backups = located.backups
            paths = [path for path in located.paths if path.exists()] + located.backups
        return local_sources(arguments, paths, table)

    # What a library prints must not come between two lines.
    writing = os.dup(1)
    os.dup2(2, 1)
    return await Server(Pipes(0, writing), find, clock=time.time, program=PROGRAM).run()
