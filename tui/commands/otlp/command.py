"""`otlp`: sessions as traces, to a collector."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from adapter.contract import AdapterError, Batch, PayloadError, Source, host_of
from adapter.events import SessionStarted
from tui.commands.progress import Progress
from tui.commands.remarks import complain, remark
from tui.commands.sources import alone, enter_sources, patiently, protected, status_of
from tui.exit_codes import DEGRADED, OK
from tui.files import CursorFile, problem
from tui.model.filter.language import since
from tui.model.records import HOST_LIMIT
from tui.text import sanitize

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from tui.commands.otlp.sending import Sender

MISSING = 'otlp needs the OpenTelemetry SDK: pip install "opencode-viewer[otlp]"'
MARK = "otlp "
"""In front of a position in a cursor file: one of `events` says nothing of what a collector has acknowledged."""
SERVICE = "opencode"
"""The service's name, unless the environment says another."""
PAUSE_S = 0.25
"""After so long without anything new, what waits for its request to be full leaves."""
T = TypeVar("T")


async def otlp(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """Sends sessions as traces: what there is, then with --follow what comes."""
    try:
        from tui.commands.otlp.sending import NotTaken, Sender
    except ImportError:
        return complain(MISSING)
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource

    begin = since(arguments.begun, int(time.time() * 1e6)) if arguments.begun else 0
    if begin is None:
        return complain(f"--since {arguments.begun} is no time: write 30m, 2h, 7d, 1w, today or 2026-01-31")
    headers = dict(header.split("=", 1) for header in arguments.header)
    cursors = CursorFile(arguments.cursor, protected(paths)) if arguments.cursor else None
    try:
        kept = cursors.begin() if cursors is not None else {}
    except OSError as error:
        return complain(problem(error))
    if not all(position.startswith(MARK) for position in kept.values()):
        return complain(f"{arguments.cursor} has positions of another command: give otlp a file of its own")
    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: SERVICE}))
    progress = Progress()
    sender = Sender(arguments.endpoint, headers, patient=arguments.follow, say=progress.say)
    try:
        async with AsyncExitStack() as stack:
            sources = await enter_sources(stack, arguments, paths)
            owners = await _owners(sources, progress)
            streams = [
                Stream(source, arguments, resource, sender, begin, owners, progress, kept, cursors)
                for source in sources
            ]
            read = await asyncio.gather(*(alone(stream.run()) for stream in streams))
            progress.done()
            if any(read) and not arguments.follow:
                remark(_summary(sender, streams))
            return max(status_of(read, sources), DEGRADED if sender.refused else OK)
    except NotTaken as error:
        progress.done()
        again = " with the same --cursor" if cursors is not None else ""
        return complain(f"{error}; {sender.sent:,} were sent before; run it again{again}, and nothing is missing")
    finally:
        sender.close()


async def _owners(sources: list[Source], progress: Progress) -> dict[str, str]:
    """Of each session that lies in several databases the source that tells it: where it was written last, as
    tui/model/store/copies.py."""
    newest: dict[str, tuple[int, str]] = {}
    for source in sources:
        try:
            rows = await source.catalogue()
        except AdapterError:
            continue  # it is told when the source is read
        for row in rows:
            if isinstance(row, SessionStarted):
                progress.total += 1
                written = row.extras.get("time_updated", 0), source.source
                if row.session_id not in newest or written[0] > newest[row.session_id][0]:
                    newest[row.session_id] = written
    if len(sources) == 1:
        return {}
    return {session_id: name for session_id, (_, name) in newest.items()}


def _summary(sender: Sender, streams: list[Stream]) -> str:
    words = f"{sender.sent:,} spans sent to {sender.endpoint}"
    if sender.refused:
        words += f", which did not keep {sender.refused:,} of them"
    going = sum(len(stream.teller.open) for stream in streams)
    if going:
        words += f"; {going:,} prompt{'s' * (going != 1)} without an end yet, of which a later run sends the agent span"
    return words


class Stream:
    """One source on its way to the collector."""

    def __init__(
        self,
        source: Source,
        arguments: argparse.Namespace,
        resource: Resource,
        sender: Sender,
        begin: int,
        owners: dict[str, str],
        progress: Progress,
        kept: dict[str, str],
        cursors: CursorFile | None,
    ) -> None:
        # Loaded here for who has the extra.
        from opentelemetry.sdk.resources import HOST_NAME, Resource

        from tui.commands.otlp.needed import with_texts, without_texts
        from tui.commands.otlp.places import Places
        from tui.commands.otlp.sending import Outbox
        from tui.commands.otlp.spans import Mapper
        from tui.commands.otlp.telling import Teller
        from tui.commands.otlp.texts import Texts

        if host := host_of(source.source):
            resource = resource.merge(Resource({HOST_NAME: sanitize.label(host, HOST_LIMIT)}))
        mapper = Mapper(resource, payloads=arguments.payloads, redact=arguments.redact)
        self._source = source
        self._make = with_texts if arguments.payloads else without_texts
        self._follow = arguments.follow and not source.backup
        self._progress = progress
        self._kept = kept
        self._cursors = cursors
        self._cursor = kept.get(source.source, "").removeprefix(MARK)
        self._outbox = Outbox(sender, self._keep)
        again = self._follow or bool(self._cursor)

        def is_ours(session_id: str) -> bool:
            # One that is new since is told where it turned up first.
            return not owners or owners.setdefault(session_id, source.source) == source.source

        places = Places(lambda session_id: self._insist(lambda: source.load(session_id)))
        places.is_live = again
        texts = (
            Texts(lambda uri, limit: self._insist(lambda: source.payload(uri, limit))) if arguments.payloads else None
        )
        self.teller = Teller(places, mapper, self._outbox, texts=texts, since=begin, is_ours=is_ours, again=again)

    async def run(self) -> None:
        """Sends what the source tells. Raises SourceUnavailable, and NotTaken."""
        batches = patiently(self._source, self._cursor or None, follow=self._follow, make=self._make)
        try:
            async with aclosing(with_pauses(batches)) as stream:
                async for batch in stream:
                    if batch is None:
                        await self._outbox.flush()
                        continue
                    await self.teller.tell(batch)
                    self._progress.told(len(batch.loaded))
            await self._outbox.flush()
        finally:
            self._outbox.abandon()

    def _keep(self, position: str) -> None:
        self._kept[self._source.source] = MARK + position
        if self._cursors is not None:
            self._cursors.keep(self._kept)

    async def _insist(self, read: Callable[[], Awaitable[T]]) -> T:
        """Reads; a database that cannot be read is waited for where it is followed."""
        while True:
            try:
                return await read()
            except PayloadError:
                raise
            except AdapterError:
                if not self._follow:
                    raise
            await asyncio.sleep(1)


async def with_pauses(batches: AsyncIterator[Batch]) -> AsyncGenerator[Batch | None, None]:
    """The same, with None wherever nothing comes for PAUSE_S."""
    waiting: asyncio.Task[Batch] | None = None
    try:
        while True:
            if waiting is None:
                waiting = asyncio.ensure_future(anext(batches))
                paused = False
            done, _ = await asyncio.wait({waiting}, timeout=None if paused else PAUSE_S)
            if not done:
                paused = True
                yield None
                continue
            task, waiting = waiting, None
            try:
                yield task.result()
            except StopAsyncIteration:
                return
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait({waiting})
        await batches.aclose()  # type: ignore[attr-defined]
