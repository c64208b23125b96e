"""The commands without a screen: events, tree, ls, grep, spend and others. stdout has data only, stderr remarks.

Nothing here may import Textual: these commands have to start fast and work in a pipe. Each loads only what it needs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Coroutine
from importlib import import_module
from typing import Any

from adapter.contract import AdapterError
from adapter.opencode.discover import data_directory, distinct, locate
from adapter.pace import at_once
from adapter.sqlite.permissions import obstacle
from tui.commands.remarks import complain
from tui.commands.sources import FOLLOWING, home, needs_loop

COMMANDS = {
    "events": "tui.commands.events",
    "tree": "tui.commands.tree",
    "ls": "tui.commands.ls",
    "grep": "tui.commands.grep",
    "spend": "tui.commands.spend",
    "show": "tui.commands.show",
    "export": "tui.commands.export.command",
    "doctor": "tui.commands.doctor",
    "otlp": "tui.commands.otlp.command",
}
"""The module of each command; the function in it has the command's name."""


def run(arguments: argparse.Namespace) -> int:
    """Runs one command to its end and returns the exit status. Raises OSError for an output that takes no more."""
    if sys.stdout is None and getattr(arguments, "output", None) is None:
        return complain("stdout is closed: there is nowhere to write to")
    if getattr(arguments, "own", False):
        from tui.commands.own import own  # it reads no database

        return own(arguments)
    arguments.hosts = []
    if arguments.command == "serve":
        from tui.commands.serve import serve  # it finds its databases itself, those that come later, too

        return serve(arguments)
    if arguments.via or arguments.host:
        from tui.config.hosts import chosen, read  # few have another machine
        from tui.config.settings import wishes_file

        try:
            arguments.hosts = chosen(arguments.via, arguments.host, read(wishes_file()) if arguments.host else {})
        except ValueError as error:
            return complain(str(error))
    paths = arguments.db
    # What is named is what is meant, whatever it is called.
    arguments.backups = []
    if not paths:
        located = locate(os.environ, home())
        arguments.backups = located.backups
        paths = [path for path in located.paths if os.path.exists(path) or obstacle(path)] + located.backups
        waits = arguments.command in FOLLOWING and arguments.follow and located.paths
        if not paths and not waits and not arguments.hosts:
            from tui.no_sessions import FROM_JSON, json_sessions  # no command needs it otherwise

            files = json_sessions(data_directory(os.environ, home()))
            return complain(f"no opencode database: {located.note}" + (f"; {files}: {FROM_JSON}" if files else ""))
        paths = paths or (located.paths if waits else [])
    try:
        command = getattr(import_module(COMMANDS[arguments.command]), arguments.command)
        work: Coroutine[Any, Any, int] = command(arguments, distinct(paths))
        if not needs_loop(arguments):
            return at_once(work)
        import asyncio  # three starts of Python

        return asyncio.run(work)
    except AdapterError as error:
        return complain(str(error))
