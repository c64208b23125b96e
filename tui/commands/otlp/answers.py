"""What a collector answers, looked at before the SDK takes any status below 400 for an acknowledgement: a request that
is sent elsewhere was not taken, nor were spans that it says it refused."""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from requests import PreparedRequest, Response, Session
from requests.exceptions import ContentDecodingError, ReadTimeout, TooManyRedirects

ANSWER_MOST = 64_000
"""Bytes of an answer that are read; it says how many spans were refused, and why."""
ANSWER_S = 10.0
"""Seconds that an answer may take once it has begun."""


class WarySession(Session):
    """A session of `requests` that reads answers itself, bounded. `refused` counts spans that collectors said they did
    not keep (`partial_success`, OTLP 1.x), `why` is what was said last of that."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0
        self.why = ""

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        """Sends a request. Raises exceptions of `requests`, also for an answer that acknowledges nothing."""
        response = super().send(request, **{**options, "stream": True, "allow_redirects": False})
        try:
            body = self._body(response)
        finally:
            response.close()
        response.raw = BytesIO(body)
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
            told = ExportTraceServiceResponse.FromString(body).partial_success
        except DecodeError:
            return  # some answer in JSON
        if told.rejected_spans > 0:
            self.refused += told.rejected_spans
            self.why = told.error_message
