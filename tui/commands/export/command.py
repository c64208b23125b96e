"""`opencode-viewer export`: finds the session, reads it with its sub-agents, and writes the document as it goes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from pathlib import Path
from typing import IO

from adapter.contract import Source, SourceEmpty, SourceUnavailable
from adapter.events import SessionStarted
from tui import files
from tui.commands.export import as_json
from tui.commands.export.blocks import Begin, Passage, blocks
from tui.commands.export.html import Html
from tui.commands.export.markdown import Markdown
from tui.commands.export.texts import REDACTED, Texts
from tui.commands.remarks import complain, remark
from tui.commands.sources import enter_sources
from tui.commands.sources import protected as protected_by
from tui.exit_codes import DEGRADED, OK
from tui.files import Protected, problem
from tui.model.records import Session
from tui.model.store.copies import path_of
from tui.model.store.store import Store
from tui.text.safe_json import json_line

WRITERS: dict[str, type[Markdown | Html]] = {"md": Markdown, "html": Html}
NAMED = 5
"""Most candidates that a complaint about an ambiguous id names."""


class Unknown(Exception):
    """No session, or more than one, is meant. The message is a line for the user."""


async def export(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """One session with its sub-agents as a document."""
    try:
        async with AsyncExitStack() as stack:
            sources = await enter_sources(stack, arguments, paths)
            whole = await write(arguments, sources, protected_by(paths), remark)
    except BrokenPipeError:
        raise
    except (Unknown, SourceUnavailable) as error:
        return complain(str(error))
    except OSError as error:
        return complain(problem(error))
    return OK if whole else DEGRADED


async def write(
    arguments: argparse.Namespace, sources: list[Source], protected: Protected, said: Callable[[str], None]
) -> bool:
    """Writes the document to stdout or to `arguments.output`, which must not be `protected`; whether every source could
    be read. `said` gets a line for each that could not, and one when there are older copies. Raises Unknown,
    SourceUnavailable or OSError."""
    if arguments.output is not None:
        protected.check(arguments.output)
    async with AsyncExitStack() as stack:
        for source in sources:
            await stack.enter_async_context(source)
        source, family, unread = await find(sources, arguments.session, said)
        store = Store()
        # The rows of all of them, so that the sums are those of the tree, whatever of it is told.
        store.apply(family)
        members = [event.session_id for event in family]
        for member in members[:1] if arguments.no_children else members:
            store.apply(await source.load(member))
            store.mark_loaded(source.source, member)
        root = store.sessions[source.source, members[0]]
        titles = {event.session_id: event.title for event in family}
        texts = Texts(source.payload, arguments.max_text, redact=arguments.redact, titles=titles)
        told = [store.sessions[source.source, member] for member in members if not arguments.no_children]
        chunks = document(store, told or [root], texts, arguments.format, int(time.time() * 1e6), arguments.max_text)
        with opened(arguments.output, protected) as file:
            async for chunk in chunks:
                file.write(chunk)
    return not unread


async def find(
    sources: list[Source], wanted: str, said: Callable[[str], None]
) -> tuple[Source, list[SessionStarted], int]:
    """The source of a session, the rows of the session and of everything below it, parents first, and how many sources
    that may hold something could not be read. `wanted` is the session's id or the beginning of it; of several copies
    the one that the screen shows. Raises Unknown, or SourceUnavailable when no source can be read."""
    rows: dict[str, list[SessionStarted]] = {}
    troubles: list[SourceUnavailable] = []
    for source in sources:
        try:
            rows[source.source] = [event for event in await source.catalogue() if isinstance(event, SessionStarted)]
        except SourceUnavailable as error:
            troubles.append(error)
    if not rows:
        raise troubles[0]
    for trouble in troubles:
        said(f"not read: {trouble}")
    every = [row for found in rows.values() for row in found]
    meant = [row for row in every if row.session_id == wanted]
    meant = meant or [row for row in every if wanted and row.session_id.startswith(wanted)]
    if not meant:
        where = "; not every database could be read" if troubles else ""
        raise Unknown(f"no session {wanted}; `opencode-viewer ls` lists them{where}")
    different = {row.session_id for row in meant}
    if len(different) > 1:
        names = ", ".join(f"{row.session_id} in {path_of(row.source)}" for row in meant[:NAMED])
        raise Unknown(f"{wanted} can be {len(different)} sessions: {names}{', …' if len(meant) > NAMED else ''}")
    root = meant[0] if len(meant) == 1 else _newest(meant, every, said)
    below: dict[str, list[SessionStarted]] = {}
    for row in rows[root.source]:
        below.setdefault(row.parent_id or "", []).append(row)
    family, seen = [root], {root.session_id}
    for member in family:
        for child in below.get(member.session_id, ()):
            if child.session_id not in seen:
                seen.add(child.session_id)
                family.append(child)
    source = next(source for source in sources if source.source == root.source)
    return source, family, sum(not isinstance(error, SourceEmpty) for error in troubles)


def _newest(copies: list[SessionStarted], every: list[SessionStarted], said: Callable[[str], None]) -> SessionStarted:
    """Of the copies of a session the one that the model shows, which may hang on the copies of its parent."""
    store = Store()
    store.apply(every)
    found = next(copy for copy in copies if (copy.source, copy.session_id) in store.sessions)
    others = ", ".join(path_of(copy.source) for copy in store.copies.of(store.sessions[found.source, found.session_id]))
    said(f"{found.session_id} is exported from {path_of(found.source)}; other copies: {others}")
    return found


async def document(
    store: Store, told: list[Session], texts: Texts, form: str, now_us: int, max_text: int
) -> AsyncIterator[bytes]:
    """The document of sessions, the root first, in pieces, one text in memory at a time. `form` is md, html or
    json."""
    root = told[0]
    if form == "json":
        head = {
            "export": 1,
            "source": texts.free(root.source),
            "exported_ts": now_us,
            "redacted": texts.redact,
            "max_text": max_text,
            "root": root.id,
        }
        for part in as_json.parts(store, told, texts, now_us, head):
            yield part if isinstance(part, bytes) else json_line(await texts.read(part))[:-1]
        return
    writer = WRITERS[form]()
    yield writer.head(REDACTED if texts.redact else root.name).encode()
    if isinstance(writer, Html):
        yield writer.picture(store, root, texts, now_us).encode()
    for block in blocks(store, root, texts, now_us, children=len(told) > 1):
        if isinstance(block, Passage):
            words = writer.passage(block, await texts.read_all([block.payload, *block.more]))
        else:
            words = writer.begin(block) if isinstance(block, Begin) else writer.end(block)
        yield words.encode()
    yield writer.tail().encode()


def opened(target: Path | None, protected: Protected) -> AbstractContextManager[IO[bytes]]:
    """What to write to: a file, or stdout without one. Raises as `files.document` does."""
    return nullcontext(sys.stdout.buffer) if target is None else files.document(target, protected)
