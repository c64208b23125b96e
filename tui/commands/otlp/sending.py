"""To a collector, by the exporter of the OpenTelemetry SDK: what it acknowledged, and what becomes of what it did not.
The SDK takes any status below 400 for an acknowledgement; a request that is sent elsewhere was not taken, nor were
spans that the collector says it refused."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.client import responses
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from google.protobuf.json_format import Parse, ParseError  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from requests import PreparedRequest, Response, Session
from requests.exceptions import ContentDecodingError, ReadTimeout, TooManyRedirects

from tui.commands.otlp.encoding import encoded
from tui.text import sanitize

BATCH = 1_000
"""Most spans of a request."""
BATCH_BYTES = 2_000_000
"""Bytes of texts with which a request is full, too: collectors refuse requests of some megabytes."""
CREDENTIALS = "_CREDENTIAL_PROVIDER"
"""End of the names of the SDK's variables that name a session of `requests` by an entry point."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""How long is waited when the exporter has given up, at first and at most; it has waited and tried itself before
that."""


LATE_S = 60.0
"""Seconds after which a request is one that may never be answered: the exporter's own retries end within thirty."""
TOO_LARGE = 413
"""The status of an answer to a request that has too many bytes."""
ANSWER_MOST = 64_000
"""Bytes of an answer that are read; it says how many spans were refused, and why."""
ANSWER_S = 10.0
"""Seconds that an answer may take once it has begun."""


class NotTaken(Exception):
    """The collector did not take some spans, and nobody waits for it. The message is a sentence for the user."""


def shown(url: str) -> str:
    """A URL as it may be printed: without the name and password in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class Reasons(logging.Handler):
    """Keeps why the SDK failed last; it would say so on stderr, line by line."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said = ""
        self._transient = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Takes what is said."""
        self._said = record.getMessage()
        # Its last words are only that it has given up; why, it said before.
        if isinstance(record.args, tuple) and record.args and self._said.startswith("Transient error"):
            self._transient = str(record.args[0])

    def clear(self) -> None:
        """Forgets what was said."""
        self._said = self._transient = ""

    @property
    def words(self) -> str:
        """Why, in the words of the system or of the collector where there are some."""
        why = self._transient or self._said or "no reason given"
        found = _ERRNO.search(why)
        return found[1] if found is not None else why


_ERRNO = re.compile(r"\[Errno -?\d+\] ([\w ]+)")
"""How Python tells an error of the system, deep within what the HTTP library says."""
_REASONS = Reasons()
_LOGGER = logging.getLogger("opentelemetry")


class WarySession(Session):
    """A session of `requests` that reads answers itself, bounded. `refused` counts spans that collectors said they did
    not keep (`partial_success`, OTLP 1.x), `why` is what was said last of that."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0
        self.why = ""
        self.status = 0
        """That of the last answer, 0 where there was none."""

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        """Sends a request. Raises exceptions of `requests`, also for an answer that acknowledges nothing."""
        self.status = 0
        response = super().send(request, **{**options, "stream": True, "allow_redirects": False})
        try:
            body = self._body(response)
        finally:
            response.close()
        response.raw = BytesIO(body)
        self.status = response.status_code
        if 300 <= response.status_code < 400:
            where = response.headers.get("Location", "")
            raise TooManyRedirects(f"it is elsewhere ({response.status_code} {where[:200]}): give that as --endpoint")
        if response.status_code < 300:
            if "text/html" in response.headers.get("Content-Type", ""):
                raise ContentDecodingError("a web page answers there, and no collector")
            self._note(body)
        return response

    @staticmethod
    def _body(response: Response) -> bytes:
        until = time.monotonic() + ANSWER_S
        body = b""
        while len(body) < ANSWER_MOST and (piece := response.raw.read1(ANSWER_MOST - len(body), decode_content=True)):
            body += piece
            if time.monotonic() > until:
                raise ReadTimeout(f"its answer is not at its end after {ANSWER_S:.0f} s")
        return body

    def _note(self, body: bytes) -> None:
        try:
            if body.lstrip().startswith(b"{"):
                told = Parse(body, ExportTraceServiceResponse(), ignore_unknown_fields=True).partial_success
            else:
                told = ExportTraceServiceResponse.FromString(body).partial_success
        except (DecodeError, ParseError):
            return
        if told.rejected_spans > 0:
            self.refused += told.rejected_spans
            self.why = told.error_message


class Sender:
    """Sends one request at a time. With `patient` it waits for a collector that is away as long as that takes, else
    NotTaken is raised. `say` tells the user a sentence."""

    def __init__(
        self,
        endpoint: str | None,
        headers: Mapping[str, str],
        *,
        patient: bool,
        say: Callable[[str], object],
    ) -> None:
        _LOGGER.addHandler(_REASONS)
        _LOGGER.propagate = False
        self._session = WarySession()
        # A session that the environment names knows how to log in, which ours does not.
        own = None if any(name.endswith(CREDENTIALS) for name in os.environ) else self._session
        # The exporter encodes by what its module calls so. One that does not any more takes longer, and sends the same.
        trace_exporter.encode_spans = encoded  # type: ignore[attr-defined]
        self._exporter = OTLPSpanExporter(endpoint=endpoint, headers=dict(headers), session=own)
        self.endpoint = shown(self._exporter._endpoint)
        """Where to, as it may be printed."""
        self._patient = patient
        self._say = say
        self._turn = asyncio.Lock()
        self.sent = 0
        """Spans that were acknowledged."""

    @property
    def refused(self) -> int:
        """Spans of those that the collector said it did not keep."""
        return self._session.refused

    async def send(self, spans: Sequence[ReadableSpan]) -> None:
        """Returns when all of them have been acknowledged. A request that is too large is sent in halves, and a span
        that is too large alone counts as refused. Raises NotTaken."""
        async with self._turn:
            left = [spans]
            while left:
                some = left.pop()
                if await self._is_taken(some):
                    continue
                half = len(some) // 2
                if half:
                    left += [some[half:], some[:half]]
                    continue
                self.sent += 1
                self._session.refused += 1
                self._say(f"{self.endpoint} did not keep 1 span: it is too large for it ({some[0].name})")

    async def _is_taken(self, spans: Sequence[ReadableSpan]) -> bool:
        """Sends a request until it is taken; False when it is too large. Raises NotTaken."""
        pause, said, refused = FIRST_PAUSE_S, "", self.refused
        while True:
            _REASONS.clear()
            if await self._export(spans) is SpanExportResult.SUCCESS:
                break
            if self._session.status == TOO_LARGE or "max_request_size" in _REASONS.words:
                return False
            words = f"{self.endpoint} did not take {len(spans):,} spans: {self._why}"
            if not self._patient:
                raise NotTaken(words)
            if words != said:
                self._say(f"{words}; it is asked again until it does")
                said = words
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        if said:
            self._say(f"{self.endpoint} takes spans again")
        self.sent += len(spans)
        if self.refused > refused:
            count, why = self.refused - refused, sanitize.label(self._session.why, 200)
            self._say(f"{self.endpoint} did not keep {count:,} of {len(spans):,} spans: {why or 'no reason given'}")
        return True

    async def _export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hands spans to the exporter, in a thread that holds up no end of the program. Raises NotTaken."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[SpanExportResult] = loop.create_future()

        def take(outcome: SpanExportResult) -> None:
            if not result.done():
                result.set_result(outcome)

        def export() -> None:
            outcome = self._exporter.export(spans)
            # The loop has ended where nobody waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(take, outcome)

        threading.Thread(target=export, daemon=True).start()
        done, _ = await asyncio.wait({result}, timeout=LATE_S)
        if not done:
            # The exporter's timeout is between two bytes; somebody who sends one now and then has us wait for ever.
            words = f"{self.endpoint} has begun no answer to {len(spans):,} spans within {LATE_S:.0f} s"
            if not self._patient:
                raise NotTaken(words)
            self._say(f"{words}; it is waited for")
        return await result

    @property
    def _why(self) -> str:
        status = self._session.status
        if status < 400:
            return _REASONS.words
        return f"it answers {status} {responses.get(status, '')}".rstrip()

    def close(self) -> None:
        """Ends a request that is under way."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class Outbox:
    """Spans on their way from one source: one request is under way while the next is filled, and who fills it waits.

    A position is kept by `keep` when everything in front of it has been acknowledged, and never before.
    """

    def __init__(self, sender: Sender, keep: Callable[[str], None]) -> None:
        self._sender = sender
        self._keep = keep
        self._spans: list[ReadableSpan] = []
        self._bytes = 0
        self._position = ""
        self._kept = ""
        self._flight: asyncio.Task[None] | None = None

    async def add(self, span: ReadableSpan, size: int = 0) -> None:
        """Takes a span with `size` bytes of texts. Raises NotTaken of those before it."""
        self._spans.append(span)
        self._bytes += size
        if len(self._spans) >= BATCH or self._bytes >= BATCH_BYTES:
            await self._dispatch()

    def reached(self, position: str) -> None:
        """Everything in front of this position has been added."""
        self._position = position
        if not self._spans and self._flight is None:
            self._keep_at(position)

    async def flush(self) -> None:
        """Returns when everything has been acknowledged. Raises NotTaken."""
        await self._dispatch()
        await self._landed()

    def abandon(self) -> None:
        """Lets go of what is under way."""
        if self._flight is not None:
            self._flight.cancel()

    async def _dispatch(self) -> None:
        await self._landed()
        spans, position = self._spans, self._position
        self._spans, self._bytes = [], 0
        if spans:
            self._flight = asyncio.create_task(self._fly(spans, position))
        elif position:
            self._keep_at(position)

    async def _fly(self, spans: list[ReadableSpan], position: str) -> None:
        await self._sender.send(spans)
        if position:
            self._keep_at(position)

    async def _landed(self) -> None:
        if self._flight is not None:
            flight, self._flight = self._flight, None
            await flight

    def _keep_at(self, position: str) -> None:
        if position != self._kept:
            self._kept = position
            self._keep(position)
