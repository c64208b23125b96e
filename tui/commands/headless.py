"""The commands without a screen: events, tree, ls, show, export, doctor. stdout carries data only, stderr remarks.

Nothing here may import Textual: these commands have to start fast and work in a pipe.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from adapter.contract import AdapterError, Batch, PayloadError, SourceUnavailable
from adapter.events import Event, LogEntry, SessionStarted, SourceError
from adapter.local import OpencodeSource
from adapter.opencode.config import OpencodeConfig
from adapter.opencode.discover import data_directory, distinct, locate
from adapter.opencode.limits import ModelLimits
from adapter.sqlite.permissions import obstacle
from tui.commands.doctor import examine, lines, report
from tui.exit_codes import DEGRADED, OK, UNUSABLE
from tui.files import CursorFile, Protected, problem
from tui.text import sanitize
from tui.text.safe_json import json_line, json_lines

if TYPE_CHECKING:
    from tui.model.store.store import Store

RARE = frozenset({SourceError, LogEntry})
"""What may be a remark about a source. To look for the kinds first takes a sixth of looking at each event."""


def run(arguments: argparse.Namespace) -> int:
    """Runs one command to its end and returns the exit status. Raises OSError for an output that takes no more."""
    if sys.stdout is None and getattr(arguments, "output", None) is None:
        return complain("stdout is closed: there is nowhere to write to")
    paths = arguments.db
    # What is named is what is meant, whatever it is called.
    arguments.backups = []
    if not paths:
        located = locate(os.environ, _home())
        arguments.backups = located.backups
        paths = [path for path in located.paths if os.path.exists(path) or obstacle(path)] + located.backups
        if not paths and not (arguments.command == "events" and arguments.follow and located.paths):
            from tui.no_sessions import FROM_JSON, json_sessions  # no command needs it otherwise

            files = json_sessions(data_directory(os.environ, _home()))
            return complain(f"no opencode database: {located.note}" + (f"; {files}: {FROM_JSON}" if files else ""))
        paths = paths or located.paths
    try:
        return asyncio.run(COMMANDS[arguments.command](arguments, distinct(paths)))
    except AdapterError as error:
        return complain(str(error))


async def events(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """Canonical events as NDJSON: what there is, then with --follow what comes."""
    cursors = CursorFile(arguments.cursor, protected(paths)) if arguments.cursor else None
    try:
        kept = cursors.begin() if cursors is not None else {}
    except OSError as error:
        return complain(problem(error))
    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(_source(path, arguments)) for path in paths]
        if arguments.session and not arguments.follow:
            found: list[Event] = []
            read = [await _alone(_load(source, arguments.session, found)) for source in sources]
            _write(found)
            if any(read) and not found:
                return complain(f"no session {sanitize.label(arguments.session)}")
            return _status(read, sources)
        streams = [_stream(source, arguments, kept, cursors) for source in sources]
        return _status(await asyncio.gather(*(_alone(stream) for stream in streams)), sources)


async def _alone(reading: Coroutine[None, None, None]) -> bool:
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


def _status(read: Sequence[bool], sources: Sequence[OpencodeSource]) -> int:
    """The exit status after reading several sources, of which some could be read, and some perhaps not whole."""
    if not any(read):
        return UNUSABLE
    return OK if all(read) and not any(source.health().incomplete for source in sources) else DEGRADED


async def _load(source: OpencodeSource, session_id: str, into: list[Event]) -> None:
    into += await source.load(session_id)


async def _stream(
    source: OpencodeSource, arguments: argparse.Namespace, kept: dict[str, str], cursors: CursorFile | None
) -> None:
    """Writes what a source tells, and keeps where it is."""
    async for batch in _patiently(source, kept.get(source.source), follow=arguments.follow and not source.backup):
        chosen = batch.events
        if arguments.session:
            chosen = [event for event in chosen if getattr(event, "session_id", "") == arguments.session]
        _write(chosen)
        _remark(batch.events)
        position = getattr(batch.events[-1], "cursor", "") if batch.events else ""
        if cursors is not None and position:
            # Only behind the flush of its events: a crash in between repeats them and never skips any.
            kept[source.source] = position
            cursors.keep(kept)


def _remark(events: list[Event]) -> None:
    """Says on stderr what is wrong with a source as a whole."""
    if RARE.isdisjoint(map(type, events)):
        return
    for event in events:
        match event:
            case SourceError(row_id="", message=words) | LogEntry(ref="cursor", message=words):
                remark(words)


async def _patiently(source: OpencodeSource, cursor: str | None, *, follow: bool) -> AsyncIterator[Batch]:
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


def _write(found: list[Event]) -> None:
    for piece in json_lines(found):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def protected(paths: Sequence[Path]) -> Protected:
    """What this run never writes to: the databases that it reads, and all that is opencode's."""
    return Protected(paths, data_directory(os.environ, _home()))


def _home() -> Path:
    """The user's home. Of a user that has none it is `~`, where nothing is: `Path.home` would raise."""
    return Path(os.path.expanduser("~"))


async def tree(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """The model as text or JSON."""
    from tui.commands.tree_json import tree as as_json
    from tui.commands.tree_json import tree_text
    from tui.model.store.store import Store

    store = Store(ModelLimits(os.environ, _home()))
    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(_source(path, arguments)) for path in paths]
        read = [await _alone(_fill(store, source, arguments.session)) for source in sources]
    if not any(read):
        return UNUSABLE
    if arguments.session and not store.sessions:
        return complain(f"no session {sanitize.label(arguments.session)}")
    now_us = int(time.time() * 1e6)
    if arguments.json:
        sys.stdout.buffer.write(json_line(as_json(store, now_us, [source.source for source in sources])))
    else:
        for line in tree_text(store, now_us, ascii_marks=not _in_unicode(sys.stdout.encoding)):
            print(line)
        _remark_on_copies(store)
    return _status(read, sources)


def _in_unicode(encoding: str) -> bool:
    """Whether an encoding has all characters."""
    return encoding.lower().replace("-", "").replace("_", "").startswith("utf")


async def _fill(store: Store, source: OpencodeSource, session_id: str | None) -> None:
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


async def _family(source: OpencodeSource, session_id: str) -> list[str]:
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


def _remark_on_copies(store: Store) -> None:
    """Says on stderr once where other copies of the sessions lie; in JSON each session has it."""
    from tui.model.store.copies import remark as words

    if store.copies.aside:
        remark(words(store))


async def ls(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """The sessions that a filter finds, as the screen knows them when it starts; what they did is read where the filter
    asks for it."""
    from tui.commands.listing import in_order, listing, listing_text
    from tui.model.filter.cards import Index
    from tui.model.filter.language import parse, search
    from tui.model.store.store import Store

    now_us = int(time.time() * 1e6)
    terms = parse(" ".join(_quoted(word) for word in arguments.filter), now_us)
    wrong = next((term.problem for term in terms if term.problem), "")
    if wrong:
        return complain(wrong)
    store = Store(ModelLimits(os.environ, _home()))
    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(_source(path, arguments)) for path in paths]
        read = [await _alone(_glance(store, source)) for source in sources]
        if not any(read):
            return UNUSABLE
        index = Index(store)
        index.fill(now_us)
        unread = search(terms, index.cards.values()).unread
        for source in sources:
            for name, session_id in unread:
                if name == source.source:
                    index.update(store.apply(await source.load(session_id)), now_us)
                    index.update(store.mark_loaded(name, session_id), now_us)
    found = search(terms, index.cards.values())
    wrong = next((term.problem for term in found.terms if term.problem), "")
    if wrong:
        return complain(wrong)
    sessions = in_order(store, found.cards)
    if arguments.json:
        sys.stdout.buffer.write(json_line(listing(store, sessions, now_us, [source.source for source in sources])))
    else:
        for line in listing_text(store, sessions, now_us):
            print(line)
        _remark_on_copies(store)
    if found.loosely and found.cards:
        remark(f"no title holds {', '.join(found.loosely)}: found letter by letter")
    if found.blame:
        remark(found.blame)
    return _status(read, sources)


async def _glance(store: Store, source: OpencodeSource) -> None:
    async for batch in source.glance():
        store.apply(batch.events)


def _quoted(word: str) -> str:
    """A word of the command line as the filter's language has it: what the shell kept together stays together."""
    if " " not in word or '"' in word:
        return word
    field, colon, value = word.partition(":")
    return f'{field}:"{value}"' if colon and " " not in field else f'"{word}"'


async def show(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """One payload, whole."""
    reason = ""
    for path in paths:
        async with _source(path, arguments) as source:
            try:
                found = await source.payload(arguments.uri, limit=sys.maxsize)
            except (PayloadError, SourceUnavailable) as error:
                reason = str(error)
                continue
        if arguments.clean:
            print(sanitize.outside(found.text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")))
        else:
            sys.stdout.buffer.write(found.text.encode("utf-8", "surrogateescape"))
        return OK
    return complain(reason)


async def export(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """One session with its sub-agents as a document."""
    from tui.commands.export.command import Unknown, write

    try:
        whole = await write(arguments, [_source(path, arguments) for path in paths], protected(paths), remark)
    except BrokenPipeError:
        raise
    except (Unknown, SourceUnavailable) as error:
        return complain(str(error))
    except OSError as error:
        return complain(problem(error))
    return OK if whole else DEGRADED


async def doctor(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """Health of every source; one that fails does not hide the others."""
    healths = []
    problems = ModelLimits(os.environ, _home()).problems
    for path in paths:
        async with _source(path, arguments) as source:
            try:
                healths.append(await examine(source, full=arguments.full, said=remark))
            except (AdapterError, OSError) as error:
                words = problem(error) if isinstance(error, OSError) else str(error)
                healths.append(msgspec.structs.replace(source.health(), state="error", message=words))
    if arguments.json:
        sys.stdout.buffer.write(
            json_line({"sources": [report(health) for health in healths], "config_problems": problems})
        )
    else:
        for health in healths:
            print("\n".join(lines(health)))
        for words in problems:
            print(f"{'config':>13}  {sanitize.label(words, limit=2000)}")
    if not any(health.state == "ok" for health in healths):
        return complain(healths[0].message) if arguments.json else UNUSABLE
    return DEGRADED if any(health.degraded for health in healths) else OK


def _source(path: Path, arguments: argparse.Namespace) -> OpencodeSource:
    servers = OpencodeConfig(os.environ, _home()).mcp_servers
    return OpencodeSource(path, watch=not arguments.no_watch, servers=servers, backup=path in arguments.backups)


def complain(words: str) -> int:
    """Says in one line on stderr why a command cannot go on; the exit status for that."""
    remark(words)
    return UNUSABLE


def remark(words: str) -> None:
    """One line on stderr, cut at 1,000 characters. A stderr that is closed or full must not end a command whose output
    goes elsewhere."""
    if sys.stderr is None:
        return  # and `print` would take stdout, where the data goes
    try:
        print(f"opencode-viewer: {sanitize.label(words, limit=1000)}", file=sys.stderr)
    except OSError:
        pass


COMMANDS = {"events": events, "tree": tree, "ls": ls, "show": show, "export": export, "doctor": doctor}
