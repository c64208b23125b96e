"""A collector on loopback: it keeps every request and every span, and can be told to refuse, to be slow, to die."""

from __future__ import annotations

import argparse
import asyncio
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tui.cli import build_parser
from tui.commands.otlp.command import otlp

ERROR = 2
"""STATUS_CODE_ERROR."""


class Received:
    """A span as it arrived."""

    def __init__(self, span: Span) -> None:
        self.name = span.name
        self.trace = span.trace_id
        self.id = span.span_id
        self.parent = span.parent_span_id
        self.kind = span.kind
        self.start = span.start_time_unix_nano
        self.end = span.end_time_unix_nano
        self.is_error = span.status.code == ERROR
        self.words = span.status.message
        self.links = [(link.trace_id, link.span_id) for link in span.links]
        self.attributes = {pair.key: value_of(pair.value) for pair in span.attributes}

    @property
    def operation(self) -> str:
        """`invoke_agent`, `chat` or `execute_tool`."""
        return str(self["gen_ai.operation.name"])

    def __getitem__(self, name: str) -> Any:
        return self.attributes[name]

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute that need not be there."""
        return self.attributes.get(name, default)


def value_of(value: AnyValue) -> Any:
    """A value as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


class Collector:
    """Use as a context manager. `answer(number)` gives the status of the n-th request (from 1), after which nothing of
    it is kept unless that is 200; 0 closes the connection without a word after the request was taken (and kept)."""

    def __init__(self, answer: Callable[[int], int] = lambda _number: 200) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.says: dict[str, str] = {}
        """Headers of its answers."""
        self.body = b""
        self.length = 0
        """What it says the length of its body is, if that is not so."""
        self.most: int | None = None
        """Bytes of a request that it takes; of a larger one it says so (413)."""
        self.requests = 0
        self.batches: list[list[Received]] = []
        self.resource: dict[str, Any] = {}
        self.arrived = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = collector.take(body, dict(self.headers.items()), self.path)
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                if status in (429, 503):
                    self.send_header("Retry-After", "0")
                for name, value in collector.says.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(collector.length or len(collector.body)))
                self.end_headers()
                self.wfile.write(collector.body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, body: bytes, headers: dict[str, str], path: str) -> int:
        """Keeps a request, if it is to be kept; the status of the answer."""
        with self.arrived:
            self.requests += 1
            number = self.requests
            self.arrived.notify_all()
        status = self.answer(number) if path == "/v1/traces" else 404
        if self.most is not None and len(body) > self.most:
            status = 413
        with self.arrived:
            if status in (0, 200):
                self.bodies.append(body)
                self.headers.append(headers)
                message = ExportTraceServiceRequest.FromString(body)
                spans: list[Received] = []
                for resource in message.resource_spans:
                    self.resource = {pair.key: value_of(pair.value) for pair in resource.resource.attributes}
                    spans += [Received(span) for scope in resource.scope_spans for span in scope.spans]
                self.batches.append(spans)
            self.arrived.notify_all()
            return status

    @property
    def spans(self) -> list[Received]:
        """All spans in the order in which they arrived."""
        with self.arrived:
            return [span for batch in self.batches for span in batch]

    def by_id(self) -> dict[bytes, Received]:
        """The newest of each span."""
        return {span.id: span for span in self.spans}

    def wait_for(self, what: Callable[[], bool], seconds: float = 60) -> None:
        """Waits until something holds, which is looked at after each request."""
        with self.arrived:
            assert self.arrived.wait_for(what, seconds)


def arguments(*words: str | Path, collector: Collector | None = None) -> argparse.Namespace:
    """What the command line makes of `otlp` with these words."""
    endpoint = ["--endpoint", collector.url] if collector is not None else []
    parsed = build_parser().parse_args(["otlp", *endpoint, *map(str, words)])
    parsed.backups, parsed.hosts, parsed.no_watch = [], [], getattr(parsed, "no_watch", False)
    return parsed


def send(collector: Collector, paths: Iterable[Path], *words: str | Path) -> int:
    """Runs the command; its exit status. Not to be called while an event loop runs."""
    return asyncio.run(otlp(arguments(*words, collector=collector), list(paths)))
