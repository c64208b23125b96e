"""`events`: every change as one JSON object a line."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from adapter.contract import Source
from adapter.events import Event
from tui.commands.remarks import complain
from tui.commands.sources import alone, enter_sources, patiently, protected, status_of
from tui.files import CursorFile, problem
from tui.text import sanitize
from tui.text.safe_json import json_lines


async def events(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """Canonical events as NDJSON: what there is, then with --follow what comes."""
    cursors = CursorFile(arguments.cursor, protected(paths)) if arguments.cursor else None
    try:
        kept = cursors.begin() if cursors is not None else {}
    except OSError as error:
        return complain(problem(error))
    async with AsyncExitStack() as stack:
        sources = await enter_sources(stack, arguments, paths)
        if arguments.session and not arguments.follow:
            found: list[Event] = []
            read = [await alone(_load(source, arguments.session, found)) for source in sources]
            _write(found)
            if any(read) and not found:
                return complain(f"no session {sanitize.label(arguments.session)}")
            return status_of(read, sources)
        streams = [_stream(source, arguments, kept, cursors) for source in sources]
        return status_of(await asyncio.gather(*(alone(stream) for stream in streams)), sources)


async def _load(source: Source, session_id: str, into: list[Event]) -> None:
    into += await source.load(session_id)


async def _stream(
    source: Source, arguments: argparse.Namespace, kept: dict[str, str], cursors: CursorFile | None
) -> None:
    """Writes what a source tells, and keeps where it is."""
    follow = arguments.follow and not source.backup
    make = None if arguments.session else json_lines
    async for batch in patiently(source, kept.get(source.source), follow=follow, make=make):
        sys.stdout.buffer.write(batch.made)
        chosen = batch.events
        if arguments.session:
            chosen = [event for event in chosen if getattr(event, "session_id", "") == arguments.session]
        _write(chosen)
        position = getattr(batch.events[-1], "cursor", "") if batch.events else ""
        if cursors is not None and position:
            # Only behind the flush of its events: a crash in between repeats them and never skips any.
            kept[source.source] = position
            cursors.keep(kept)


def _write(found: list[Event]) -> None:
    for piece in json_lines(found):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
