"""A process that helps a scan: reads pages of sessions by a connection of its own, the same way and with the limits of
the scan itself, and makes of them what is wanted. It knows nothing and remembers nothing: whatever is not as it
should be (a row that cannot be read, another file, an error of ours) it leaves to the scan.

It ends with its input, and so with the process that started it, however that ends.
"""

from __future__ import annotations

import asyncio
import gc
import os
import queue
import signal
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from adapter.contract import AdapterError, Make
from adapter.events import LogEntry, SourceError
from adapter.follow.crew.messages import Answer, Ask, Begin, Done, Figures, message, receive
from adapter.follow.whole import WholeSession
from adapter.opencode.sessions import root_of
from adapter.opencode.storage import RawSession, read_page
from adapter.sqlite.reader import Reader

END_S = 0.5
"""After its input has ended it may finish what it is at for so long."""
YOUNG = 20_000
"""Objects that the collector lets come before it looks for cycles: a session is thousands of lists and tuples without
any, which are gone with it."""


def main() -> None:
    """Serves a scan by stdin and stdout until stdin ends."""
    # ctrl+c is meant for who started it, and ends its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(YOUNG)
    pipe = os.fdopen(os.dup(0), "rb")
    begin, _ = receive(pipe, Begin)
    asks: queue.SimpleQueue[Ask | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, asks), daemon=True).start()
    try:
        asyncio.run(_serve(begin, asks, sys.stdout.buffer))
    except BrokenPipeError:
        os._exit(1)


def _listen(pipe: BinaryIO, asks: queue.SimpleQueue[Ask | None]) -> None:
    try:
        while True:
            asks.put(receive(pipe, Ask)[0])
    except EOFError:
        asks.put(None)
        time.sleep(END_S)
        os._exit(1)


async def _serve(begin: Begin, asks: queue.SimpleQueue[Ask | None], out: BinaryIO) -> None:
    module, _, name = begin.make.partition(":")
    make: Make = getattr(import_module(module), name)
    reader = Reader(Path(os.fsdecode(begin.path)), limit_s=begin.limit_s)
    told = Figures()
    out.write(message(Answer([], told)))
    out.flush()
    try:
        # Nothing else goes on in this loop, so it may wait for the pipes.
        while (ask := asks.get()) is not None:
            sessions, pieces = await _page(reader, begin.source, make, ask)
            now = _figures(reader)
            out.write(message(Answer(sessions, _since(told, now)), sum(map(len, pieces))))
            told = now
            for piece in pieces:
                out.write(piece)
            out.flush()
    finally:
        await reader.close()


async def _page(reader: Reader, source: str, make: Make, ask: Ask) -> tuple[list[Done | None], list[bytes]]:
    """The sessions of a page, and what was made of them."""
    try:
        raws = await reader.read(lambda snapshot: read_page(snapshot, ask.schema, ask.session_ids), file=ask.file)
    except AdapterError:
        return [None] * len(ask.session_ids), []
    sessions: list[Done | None] = []
    made: list[bytes] = []
    for session_id, raw in zip(ask.session_ids, raws, strict=True):
        try:
            done, pieces = _session(source, make, ask, session_id, raw)
        except Exception:
            # The scan comes upon it as well, and says it.
            done, pieces = None, []
        sessions.append(done)
        made += pieces
    return sessions, made


def _session(source: str, make: Make, ask: Ask, session_id: str, raw: RawSession) -> tuple[Done | None, list[bytes]]:
    row = raw.session
    if raw.lost or raw.unreadable:
        return None, []
    if row is None:
        return Done(), []
    servers = ask.servers.get(row.directory or "")
    if session_id not in ask.parents or servers is None:
        return None, []
    whole = WholeSession(source, row, raw, servers)
    turns = [event for piece in whole.turns() for event in piece]
    events = [*whole.own(root_of(session_id, ask.parents)), *turns]
    kinds = set(map(type, events))
    if SourceError in kinds:
        return None, []
    warnings = [event for event in events if isinstance(event, LogEntry)] if LogEntry in kinds else []
    pieces = list(make(events))
    return Done(raw.columns, raw.size, whole.surplus, warnings, sum(map(len, pieces))), pieces


def _figures(reader: Reader) -> Figures:
    return Figures(reader.statements, reader.transactions, reader.hops, reader.retries, reader.longest_s)


def _since(before: Figures, now: Figures) -> Figures:
    return Figures(
        now.statements - before.statements,
        now.transactions - before.transactions,
        now.hops - before.hops,
        now.retries - before.retries,
        now.longest_s,
    )
