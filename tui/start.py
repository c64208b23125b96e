"""Starts the app on real databases or on the demo."""

from __future__ import annotations

import codecs
import gc
import locale
import os
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.contract import Source
from adapter.local import OpencodeSource
from adapter.opencode.config import OpencodeConfig
from adapter.opencode.discover import distinct, locate
from adapter.opencode.limits import ModelLimits
from tui import __version__
from tui.app import ViewerApp
from tui.config import keymap, wishes
from tui.config.settings import LOOKS, Memory, keymap_file, settings_file, wishes_file
from tui.error_log import ErrorLog, error_file
from tui.no_sessions import no_sessions
from tui.terminal import terminals

if TYPE_CHECKING:
    from adapter.processes.table import Table
    from adapter.remote.source import Host

COLLECT_AFTER = (5_000, 4)
"""Objects between two looks at the youngest for cycles, and how many of those before one at the next generation. With
Python's own (700, 10) a start on 7,000 sessions was stopped 676 times, once for 205 ms; with this 165 times, for 6 to
37 ms at most, as busy as the machine was; with (10_000, 10) for up to 120 ms."""


def run(
    paths: Sequence[Path],
    *,
    via: Sequence[str],
    hosts: Sequence[str],
    demo: bool,
    demo_speed: float,
    watch: bool,
    notify: bool,
    choices: Mapping[str, str],
) -> int:
    """Runs the app to its end; the exit status: 0, 70 after an error of our own that nothing repaired, or that of
    the signal that ended it. `paths` empty means every database that opencode would use; `via` are commands that lead
    to other machines, and `hosts` names of such; `choices` are settings by name, an empty one is none.

    Raises ValueError for a demo speed out of range, and for what is no command.
    """
    # What has been imported stays. Nobody looks since the first import (cli.py), nor until the screen stands (app.py).
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    home = at_home(demo, choices)
    if demo:
        return run_demo(demo_speed, watch, notify=notify, **home)
    home["limits"] = ModelLimits(os.environ, Path.home())
    # Read in the thread of the sources; the limits are asked on the screen's.
    servers = OpencodeConfig(os.environ, Path.home()).mcp_servers
    source = partial(
        OpencodeSource,
        watch=watch,
        servers=servers,
        table=_processes,
    )
    far = machines(via, hosts, home["wishes"].hosts, all_of_them=not paths)
    if paths:
        named = [*map(source, distinct(paths)), *databases_of(far)]
        words = no_sessions(os.environ, Path.home(), paths, [host.name for host in far])
        more = partial(databases_of, far) if far else None
        return status_of(ViewerApp(named, no_sessions=words, discover=more, notify=notify, **home))
    located = locate(os.environ, Path.home())

    def discover() -> list[Source]:
        # A release channel's database that appears later is one more source. Backups come when the screen stands: what
        # goes on is in none of them.
        found = locate(os.environ, Path.home())
        written = [source(path) for path in found.paths if path.exists()]
        copies = [source(path, backup=True) for path in found.backups]
        return [*written, *copies, *databases_of(far)]

    sources: list[Source] = [source(path) for path in located.paths if not far or path.exists()]
    sources += databases_of(far)
    words = no_sessions(os.environ, Path.home(), hosts=[host.name for host in far])
    return status_of(ViewerApp(sources, no_sessions=words, discover=discover, notify=notify, **home))


def machines(
    via: Sequence[str], hosts: Sequence[str], known: Mapping[str, str], *, all_of_them: bool
) -> Sequence[Host]:
    """The other machines that are to be watched: those of the command line, and where that names nothing all of the
    user's file. Raises ValueError with a line for the user."""
    if not (via or hosts or (all_of_them and known)):
        return ()
    from adapter.remote.source import Host  # few have another machine
    from tui.config.hosts import chosen, kept

    named = chosen(via, hosts, known) if via or hosts else kept(known)
    return [Host(words, name, program=f"opencode-viewer {__version__}") for name, words in named]


def databases_of(hosts: Sequence[Host]) -> list[Source]:
    """The sources that are known by now, at least one of each."""
    return [source for host in hosts for source in host.sources()]


def status_of(app: ViewerApp) -> int:
    """Runs an app to its end; its exit status."""
    app.run(mouse=app.memory.settings.mouse != "off")
    return app.return_code or 0


def run_demo(speed: float, watch: bool, **home: Any) -> int:
    """Plays the recorded run into a temporary database, which the ordinary tailer tails."""
    # Only the demo needs it: ten modules, gzip and json among them.
    from tui.demo.player import Player

    stop = threading.Event()
    with Player(speed=speed) as player:
        writer = threading.Thread(target=player.play, args=(stop,), name="demo", daemon=True)
        writer.start()
        try:
            return status_of(ViewerApp([OpencodeSource(player.path, watch=watch)], **home))
        finally:
            stop.set()
            writer.join()


def at_home(demo: bool, choices: Mapping[str, str]) -> dict[str, Any]:
    """What the app takes from the user's files and terminal. A choice of this start is remembered at once; in the demo
    only how things look is, and the rest of the file does not touch it."""
    memory = Memory(settings_file(), only=LOOKS if demo else None)
    wished = wishes.read(wishes_file())
    chosen = {name: value for name, value in choices.items() if value}
    if chosen:
        memory.remember(**chosen)
    return {
        "memory": memory,
        "keymap": keymap.read(keymap_file(), _scopes),
        # The demo calls nobody who did not ask for that.
        "wishes": wished._replace(on=False) if demo else wished,
        "encoding": foreign_encoding(),
        "errors": ErrorLog(error_file()),
        "basic": terminals.is_basic(os.environ),
    }


@cache
def _processes() -> Table:
    """The processes of this machine, for all sources; nobody looks at any before there are rows."""
    from adapter.processes.registration import service_pids
    from adapter.processes.table import Table

    return Table(registered=partial(service_pids, os.environ, Path.home()))


def _scopes() -> Sequence[keymap.Scope]:
    from tui.config.bindings import SCOPES  # every screen, and few have a keymap

    return SCOPES


def foreign_encoding() -> str:
    """The locale's encoding where that is not UTF-8, else "". Python's own UTF-8 mode is not asked: it is on just where
    the terminal was promised nothing but ASCII. A locale that this machine does not have (`LC_ALL=de_DE.UTF-8`, from
    the other end of an ssh connection) is ASCII for the system; what its name says of the terminal is true even so.
    """
    name = locale.getencoding()
    try:
        encoding = codecs.lookup(name).name
    except LookupError:
        return "ascii"
    if encoding == "ascii":
        chosen = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
        printed = codecs.lookup(getattr(sys.__stderr__, "encoding", None) or "ascii").name
        if printed == "utf-8" and re.search(r"\.utf-?8\b", chosen, re.IGNORECASE):
            return ""
    return "" if encoding == "utf-8" else name


def keys() -> str:
    """Every key, as a keymap file, and where that file belongs."""
    from tui.config.bindings import EVERY

    return f"# {keymap_file()}\n{keymap.listing(EVERY)}"
