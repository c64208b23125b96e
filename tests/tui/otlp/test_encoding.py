"""What leaves is what the SDK would send, byte for byte, and the same where other processes helped to read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tests.adapter import corpus
from tests.adapter.inside import help_inside
from tests.tui.otlp.receiver import Collector, send
from tui.commands.otlp.encoding import SHORT, encoded


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Requests as the SDK would write them; what is sent is compared with each."""
    found: list[bytes] = []

    def export(_: OTLPSpanExporter, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        found.append(encode_spans(spans).SerializeToString())
        assert encoded(spans).SerializeToString() == found[-1]
        return SpanExportResult.SUCCESS

    monkeypatch.setattr(OTLPSpanExporter, "export", export)
    return found


@pytest.mark.parametrize("payloads", [(), ("--payloads",)], ids=["", "payloads"])
@pytest.mark.parametrize("name", [*corpus.NAMES[::2], *corpus.NAMES_2X[::2]])
def test_what_leaves_is_the_same(
    name: str, payloads: tuple[str, ...], tmp_path: Path, taken: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = corpus.build(name, tmp_path / "opencode.db")
    with Collector() as collector:
        status = send(collector, [path], *payloads)
        alone = taken[:]
        inside = help_inside(monkeypatch)
        assert send(collector, [path], *payloads) == status
    assert inside.asked > inside.left == 0
    assert taken[len(alone) :] == alone


def test_values_of_every_kind_are_encoded_as_by_the_sdk() -> None:
    here, there = SpanContext(1, 2, False), SpanContext(3, 4, True, TraceFlags(1))
    values = {
        "true": True, "one": 1, "float": 1.0, "none": 0, "false": False, "nothing": 0.0, "long": "x" * (SHORT + 1),
        "text": "ö\0", "empty": "", "list": ("stop", "length"), "most": 2**63 - 1,
    }  # fmt: skip
    spans = [
        ReadableSpan(
            name=kind.name,
            context=here,
            parent=parent,
            resource=Resource({"service.name": "opencode"}, "https://schema"),
            attributes=values,
            links=links,
            kind=kind,
            status=status,
            start_time=5,
            end_time=2**63 - 1,
            instrumentation_scope=InstrumentationScope("opencode-viewer", "1"),
        )
        for kind in SpanKind
        for parent in (None, here, there)
        for links in ((), (Link(there), Link(here)))
        for status in (Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "why"), Status(StatusCode.ERROR))
    ]
    assert encoded(spans).SerializeToString() == encode_spans(spans).SerializeToString()


def test_the_exporter_encodes_by_our_encoder(tmp_path: Path) -> None:
    """With one of another version that does not, everything would take longer, and nobody would see why."""
    with Collector() as collector:
        send(collector, [corpus.build("1.18.33/plain", tmp_path / "opencode.db")])
    assert trace_exporter.encode_spans is encoded  # type: ignore[attr-defined]
    assert "encode_spans" in OTLPSpanExporter.export.__code__.co_names
