"""`tree`: the sessions with all that is below them, as text or JSON."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from adapter.contract import Source
from adapter.events import SessionStarted
from adapter.opencode.limits import ModelLimits
from tui.commands.remarks import complain
from tui.commands.sources import alone, enter_sources, home, remark_on_copies, status_of
from tui.commands.tree_json import tree as as_json
from tui.commands.tree_json import tree_text
from tui.exit_codes import UNUSABLE
from tui.model.store.store import Store
from tui.text import sanitize
from tui.text.safe_json import json_line


async def tree(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """The model as text or JSON."""

    store = Store(ModelLimits(os.environ, home()))
    async with AsyncExitStack() as stack:
        sources = await enter_sources(stack, arguments, paths)
        read = [await alone(_fill(store, source, arguments.session)) for source in sources]
    if not any(read):
        return UNUSABLE
    if arguments.session and not store.sessions:
        return complain(f"no session {sanitize.label(arguments.session)}")
    now_us = int(time.time() * 1e6)
    if arguments.json:
        sys.stdout.buffer.write(json_line(as_json(store, now_us, [source.source for source in sources])))
    else:
        for line in _lines(store, now_us, arguments, letters=not _in_unicode(sys.stdout.encoding)):
            print(line)
        remark_on_copies(store)
    return status_of(read, sources)


def _lines(store: Store, now_us: int, arguments: argparse.Namespace, *, letters: bool) -> Iterator[str]:
    """The sessions as rows, or in time."""
    if not arguments.timeline:
        return tree_text(store, now_us, ascii_marks=letters)
    from tui.commands.timeline import timeline_text  # nothing else needs it

    return timeline_text(store, now_us, shutil.get_terminal_size().columns, letters=letters)


def _in_unicode(encoding: str) -> bool:
    """Whether an encoding has all characters."""
    return encoding.lower().replace("-", "").replace("_", "").startswith("utf")


async def _fill(store: Store, source: Source, session_id: str | None) -> None:
    """Reads a source whole, or one session with everything below it."""
    if not session_id:
        async for batch in source.stream():
            store.apply(batch.events)
            for member in batch.loaded:
                store.mark_loaded(source.source, member)
    else:
        for member in await _family(source, session_id):
            store.apply(await source.load(member))
            store.mark_loaded(source.source, member)


async def _family(source: Source, session_id: str) -> list[str]:
    """The session and everything below it."""
    children: dict[str, list[str]] = {}
    known = set()
    for event in await source.catalogue():
        if isinstance(event, SessionStarted):
            known.add(event.session_id)
            children.setdefault(event.parent_id or "", []).append(event.session_id)
    family = [session_id] if session_id in known else []
    for member in family:
        family += [child for child in children.get(member, ()) if child not in family]
    return family
