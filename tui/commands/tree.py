"""`tree`: the sessions with all that is below them, as text or JSON.

One tree after the other is read, printed and forgotten, so that 2 GB need no more memory than the largest of them. What
comes from another machine is read whole before: over a line each session by itself would take a round trip.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from adapter.contract import AdapterError, Source, host_of
from adapter.events import Event, SessionRemoved, SessionStarted
from adapter.opencode.limits import ModelLimits
from tui.commands.progress import Progress
from tui.commands.remarks import complain
from tui.commands.sources import alone, enter_sources, home, remark_on_copies, status_of
from tui.commands.tree_json import family, tops, tree_objects, tree_text
from tui.exit_codes import DEGRADED, OK, UNUSABLE
from tui.model.records import Session, SessionKey
from tui.model.store.store import Store
from tui.text import sanitize
from tui.text.safe_json import json_text


async def tree(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """The model as text or JSON."""

    store = Store(ModelLimits(os.environ, home()))
    async with AsyncExitStack() as stack:
        sources = await enter_sources(stack, arguments, paths)
        read = [await alone(_begin(store, source, arguments.session)) for source in sources]
        if not any(read):
            return UNUSABLE
        if arguments.session and not store.sessions:
            return complain(f"no session {sanitize.label(arguments.session)}")
        trees = Trees(store, [source for source, is_read in zip(sources, read, strict=True) if is_read])
        if arguments.json:
            await _print_json(trees, sources)
        else:
            await _print_lines(trees, arguments)
            remark_on_copies(store)
    read = [is_read and source.source not in trees.failed for source, is_read in zip(sources, read, strict=True)]
    return max(status_of(read, sources), DEGRADED if trees.has_faults else OK)


class Trees:
    """The trees of a store that has the rows of all sessions, read one after the other. `failed` are the sources that
    could not be read to their end, `has_faults` whether an error of ours cost a session."""

    def __init__(self, store: Store, sources: Iterable[Source]) -> None:
        self.store = store
        self.failed: set[str] = set()
        self.has_faults = False
        self._sources = {source.source: source for source in sources}
        self._progress = Progress(len(store.sessions), prints=True)
        self._asked: set[SessionKey] = set()

    async def __aiter__(self) -> AsyncIterator[Session]:
        """The sessions at the top, the oldest first, each with all that is below it read until the next is asked for.
        One of which a part cannot be read because its source cannot any more is left out."""
        told: set[str] = set()
        # A second time, because what is written meanwhile may make another session the top of a tree.
        while left := [top.key for top in tops(self.store) if top.id not in told]:
            for key in left:
                members = await self._read(key)
                told.add(key[1])
                told.update(member.id for member in members)
                if members and not any(member.source in self.failed and not member.whole for member in members):
                    yield members[0]
                for member in members:
                    self.store.unload(*member.key)
                self._progress.told(len(members))
        self._progress.done()

    async def _read(self, top: SessionKey) -> list[Session]:
        """A session and all below it, read; nothing when it is no top any more."""
        while self.store.is_top(top):
            members = family(self.store, self.store.sessions[top])
            unread = [one for one in members if not one.whole and one.key not in self._asked]
            if not unread:
                return members
            for one in unread:
                # Rows that are read anew may show another copy, which then has its turn.
                self._asked.add(one.key)
                if one.source not in self.failed:
                    await self._load(one)
        return []

    async def _load(self, session: Session) -> None:
        source = self._sources[session.source]
        try:
            events = await source.load(session.id, texts=False)
        except AdapterError as error:
            self._progress.say(str(error))
            self.failed.add(source.source)
            return
        except Exception as error:
            # Costs the session that it is about, and is told.
            self._progress.say(f"internal error: {error!r}: {sanitize.label(session.id)} is not complete")
            self.has_faults = True
            return
        if not any(isinstance(event, SessionStarted) for event in events):
            events = [*events, SessionRemoved(source=session.source, ts=session.updated_ts, session_id=session.id)]
        self.store.apply(events)
        self.store.mark_loaded(*session.key)


async def _print_json(trees: Trees, sources: Sequence[Source]) -> None:
    """One JSON object, session by session."""
    out = sys.stdout.buffer
    begun = json_text({"sources": [source.source for source in sources], "sessions": []})
    out.write(begun.removesuffix(b"]}"))
    comma = b""
    async for top in trees:
        for told in tree_objects(trees.store, [top], _now_us()):
            out.write(comma + json_text(told))
            comma = b","
    out.write(b"]}\n")


async def _print_lines(trees: Trees, arguments: argparse.Namespace) -> None:
    """The sessions as rows, or in time."""
    lines, between = _text(arguments, letters=not _in_unicode(sys.stdout.encoding)), ""
    async for top in trees:
        sys.stdout.write(between + "".join(f"{line}\n" for line in lines(trees.store, top)))
        between = "\n" if arguments.timeline else ""


def _text(arguments: argparse.Namespace, *, letters: bool) -> Callable[[Store, Session], Iterable[str]]:
    """What makes lines of a tree."""
    if not arguments.timeline:
        return lambda store, top: tree_text(store, [top], _now_us(), ascii_marks=letters)
    from tui.commands.timeline import timeline_text  # nothing else needs it

    width = shutil.get_terminal_size().columns
    return lambda store, top: timeline_text(store, top, _now_us(), width, letters=letters)


def _now_us() -> int:
    return int(time.time() * 1e6)


def _in_unicode(encoding: str) -> bool:
    """Whether an encoding has all characters."""
    return encoding.lower().replace("-", "").replace("_", "").startswith("utf")


async def _begin(store: Store, source: Source, session_id: str | None) -> None:
    """Takes the rows of a source in, of one session and everything below it if that is asked for; of another machine
    all that is below them, too."""
    if host_of(source.source) and not session_id:
        async for batch in source.stream():
            store.apply(batch.events)
            for member in batch.loaded:
                store.mark_loaded(source.source, member)
        return
    rows = await source.catalogue()
    if session_id:
        members = _below(rows, session_id)
        rows = [row for row in rows if getattr(row, "session_id", "") in members]
    store.apply(rows)


def _below(rows: Sequence[Event], session_id: str) -> set[str]:
    """The session and everything below it."""
    children: dict[str, list[str]] = {}
    known = set()
    for row in rows:
        if isinstance(row, SessionStarted):
            known.add(row.session_id)
            children.setdefault(row.parent_id or "", []).append(row.session_id)
    found = [session_id] if session_id in known else []
    for member in found:
        found += [child for child in children.get(member, ()) if child not in found]
    return set(found)
