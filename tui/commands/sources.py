"""The databases that a command reads: where they are, one that fails hides no other, and what is never written to."""

from __future__ import annotations

import argparse
import errno
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from adapter.contract import AdapterError, Batch, Make, Source, host_of
from adapter.events import Event, LogEntry, SourceError
from adapter.local import OpencodeSource
from adapter.opencode.config import OpencodeConfig
from adapter.opencode.discover import data_directory
from tui import __version__
from tui.commands.remarks import complain, remark
from tui.exit_codes import DEGRADED, OK, UNUSABLE
from tui.files import Protected, problem

PROGRAM = f"opencode-viewer {__version__}"

if TYPE_CHECKING:
    from adapter.processes.table import Table
    from tui.model.store.store import Store


FOLLOWING = ("events", "otlp")
"""Commands that with --follow wait for what comes, and for a database that is not there yet."""
RARE = frozenset({SourceError, LogEntry})
"""What may be a remark about a source. To look for the kinds first takes a sixth of looking at each event."""


async def enter_sources(
    stack: AsyncExitStack,
    arguments: argparse.Namespace,
    paths: Sequence[Path],
    table: Callable[[], Table] | None = None,
) -> list[Source]:
    """The sources of these databases and of the hosts of the command line, open until the stack ends; those that
    cannot be reached say so when they are asked. With a `table` those of this machine know the processes, too."""
    found: list[Source] = []
    for here in local_sources(arguments, paths, table, inline=not needs_loop(arguments)):
        found.append(await stack.enter_async_context(here))
    if arguments.hosts:
        import asyncio

        from adapter.remote.source import Host  # few have another machine

        hosts = [Host(words, name, program=PROGRAM) for name, words in arguments.hosts]
        for host in hosts:
            host.line.open()
            stack.push_async_callback(host.line.close)
        for sources in await asyncio.gather(*(host.found() for host in hosts)):
            for there in sources:
                found.append(await stack.enter_async_context(there))
    return found


def local_sources(
    arguments: argparse.Namespace,
    paths: Sequence[Path],
    table: Callable[[], Table] | None = None,
    *,
    inline: bool = False,
) -> list[OpencodeSource]:
    """The sources of databases of this machine; what is `inline` needs no event loop."""
    servers = OpencodeConfig(os.environ, home()).mcp_servers
    watch = not arguments.no_watch
    return [
        OpencodeSource(path, watch=watch, servers=servers, backup=path in arguments.backups, table=table, inline=inline)
        for path in paths
    ]


def needs_loop(arguments: argparse.Namespace) -> bool:
    """Whether a command needs an event loop: it follows, or asks other machines. What looks once does not."""
    return bool(arguments.hosts) or arguments.command in FOLLOWING


async def alone(reading: Coroutine[None, None, None]) -> bool:
    """Reads one of several sources; a source that cannot be read is a remark, and hides no other. Whether it could."""
    try:
        await reading
    except AdapterError as error:
        complain(str(error))
        return False
    except OSError as error:
        # A name that is too long to be one; any other is about what we write to.
        if error.errno != errno.ENAMETOOLONG:
            raise
        complain(problem(error))
        return False
    return True


def remark_on_source(events: list[Event]) -> bool:
    """Says on stderr what is wrong with a source as a whole; whether it cannot be read."""
    if RARE.isdisjoint(map(type, events)):
        return False
    broken = False
    for event in events:
        match event:
            case SourceError(row_id="", message=words) | LogEntry(ref="cursor", message=words):
                remark(words)
                broken = broken or isinstance(event, SourceError)
    return broken


async def patiently(
    source: Source, cursor: str | None, *, follow: bool, make: Make | None = None
) -> AsyncIterator[Batch]:
    """The stream of a source; with `follow` a database that is not there yet, or not any more, is waited for. What is
    wrong with the source is said on stderr, and when it can be read again."""
    import asyncio  # who follows has it

    told, broken = "", False
    while True:
        try:
            async for batch in source.stream(cursor, follow=follow, make=make):
                if (told or broken) and batch.health.state == "ok":
                    host = host_of(source.source)
                    remark(f"{host}: " * bool(host) + f"{source.path} is read again")
                    told, broken = "", False
                broken = remark_on_source(batch.events) or broken
                cursor = getattr(batch.events[-1], "cursor", cursor) if batch.events else cursor
                yield batch
            return
        except AdapterError as error:
            if not follow:
                raise
            if str(error) != told:
                told = str(error)
                remark(told)
            await asyncio.sleep(1)


def status_of(read: Sequence[bool], sources: Sequence[Source]) -> int:
    """The exit status after reading several sources, of which some could be read, and some perhaps not whole."""
    if not any(read):
        return UNUSABLE
    return OK if all(read) and not any(source.health().incomplete for source in sources) else DEGRADED


def protected(paths: Sequence[Path]) -> Protected:
    """What this run never writes to: the databases that it reads, and all that is opencode's."""
    return Protected(paths, data_directory(os.environ, home()))


def home() -> Path:
    """The user's home. Of a user that has none it is `~`, where nothing is: `Path.home` would raise."""
    return Path(os.path.expanduser("~"))


def remark_on_copies(store: Store) -> None:
    """Says on stderr once where other copies of the sessions lie; in JSON each session has it."""
    if store.copies.aside:
        from tui.model.store.copies import remark as words  # no other command needs it

        remark(words(store))
