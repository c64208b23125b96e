"""The databases that a command reads: where they are, one that fails hides no other, and what is never written to."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adapter.contract import AdapterError, Batch
from adapter.events import Event, LogEntry, SourceError
from adapter.local import OpencodeSource
from adapter.opencode.config import OpencodeConfig
from adapter.opencode.discover import data_directory
from tui.commands.remarks import complain, remark
from tui.exit_codes import DEGRADED, OK, UNUSABLE
from tui.files import Protected, problem

if TYPE_CHECKING:
    from adapter.processes.table import Table
    from tui.model.store.store import Store


RARE = frozenset({SourceError, LogEntry})
"""What may be a remark about a source. To look for the kinds first takes a sixth of looking at each event."""


def source_of(path: Path, arguments: argparse.Namespace, table: Table | None = None) -> OpencodeSource:
    """The source at a path; with a `table` it knows the processes, too."""
    servers = OpencodeConfig(os.environ, home()).mcp_servers
    backup = path in arguments.backups
    return OpencodeSource(path, watch=not arguments.no_watch, servers=servers, backup=backup, table=table)


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


def remark_on_source(events: list[Event]) -> None:
    """Says on stderr what is wrong with a source as a whole."""
    if RARE.isdisjoint(map(type, events)):
        return
    for event in events:
        match event:
            case SourceError(row_id="", message=words) | LogEntry(ref="cursor", message=words):
                remark(words)


async def patiently(source: OpencodeSource, cursor: str | None, *, follow: bool) -> AsyncIterator[Batch]:
    """The stream of a source; with `follow` a database that is not there yet, or not any more, is waited for."""
    told = ""
    while True:
        try:
            async for batch in source.stream(cursor, follow=follow):
                told = ""
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


def status_of(read: Sequence[bool], sources: Sequence[OpencodeSource]) -> int:
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
