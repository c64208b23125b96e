"""Collectors as they are: away, slow, refusing, dying. Nothing is lost, and what comes twice is the same span."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from tests.adapter import corpus
from tests.tui.otlp import receiver
from tests.tui.otlp.receiver import Collector, send
from tui.commands.otlp import sending
from tui.commands.otlp.arguments import endpoint, header
from tui.commands.otlp.command import MARK, otlp


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A session with a sub-agent that has one itself."""
    return corpus.build("1.18.33/nested", tmp_path / "opencode.db")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of few spans, so that there are many."""
    monkeypatch.setattr(sending, "BATCH", 3)
    monkeypatch.setattr(sending, "FIRST_PAUSE_S", 0.01)


@pytest.fixture
def everything(database: Path) -> dict[bytes, str]:
    """Every span of the database, from a collector that takes all."""
    with Collector() as collector:
        assert send(collector, [database]) == 0
    return {span.id: span.name for span in collector.spans}


def nowhere() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def wait_for_the_tail(cursor: Path) -> None:
    """Until a cursor file says that everything there was has been acknowledged."""
    until = time.monotonic() + 30
    while not cursor.exists() or '\\"phase\\":\\"tail\\"' not in cursor.read_text():
        assert time.monotonic() < until
        time.sleep(0.01)


def cursor_of(file: Path) -> str:
    return next(iter(json.loads(file.read_bytes()).values()))


def test_a_collector_that_is_away_ends_it_with_a_sentence_and_the_cursor_stays(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Long enough for the exporter to try again once, after a second.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    cursor = tmp_path / "cursor"
    arguments = receiver.arguments("--endpoint", nowhere(), "--cursor", cursor)
    assert asyncio.run(otlp(arguments, [database])) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(r"/v1/traces did not take \d+ spans: Connection refused;", said)
    assert "run it again with the same --cursor" in said
    assert not cursor.exists()


@pytest.mark.usefixtures("small")
def test_what_was_not_acknowledged_is_sent_by_the_next_run(
    database: Path, tmp_path: Path, everything: dict[bytes, str]
) -> None:
    cursor = tmp_path / "cursor"
    with Collector(lambda number: 200 if number <= 2 else 400) as collector:
        assert send(collector, [database], "--cursor", cursor) == 2
        first = {span.id for span in collector.spans}
        assert 0 < len(first) < len(everything)
        collector.answer = lambda _number: 200
        assert send(collector, [database], "--cursor", cursor) == 0
    assert {span.id: span.name for span in collector.spans} == everything
    assert cursor_of(cursor).startswith(MARK)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_is_refused_for_now_is_tried_again_by_the_exporter(
    status: int, database: Path, everything: dict[bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without a Retry-After, as of 502, the exporter waits a second.
    with Collector(lambda number: status if number == 2 else 200) as collector:
        assert send(collector, [database]) == 0
    assert sorted(span.id for span in collector.spans) == sorted(everything)
    assert collector.requests == len(collector.batches) + 1


@pytest.mark.usefixtures("small")
def test_a_collector_that_dies_behind_a_request_gets_it_again_with_the_same_ids(
    database: Path, everything: dict[bytes, str]
) -> None:
    with Collector(lambda number: 0 if number == 2 else 200) as collector:
        assert send(collector, [database]) == 0
    assert {span.id: span.name for span in collector.spans} == everything
    assert [span.id for span in collector.batches[1]] == [span.id for span in collector.batches[2]]
    assert collector.bodies[1] == collector.bodies[2]


class Gate:
    """A sender whose requests are acknowledged when the test says so."""

    def __init__(self) -> None:
        self.requests: list[list[object]] = []
        self.taken = asyncio.Semaphore(0)

    async def send(self, spans: list[object]) -> None:
        self.requests.append(spans)
        await self.taken.acquire()


@pytest.mark.usefixtures("small")
async def test_one_request_is_under_way_while_the_next_is_filled_and_then_reading_waits() -> None:
    gate, kept = Gate(), list[str]()
    outbox = sending.Outbox(gate, kept.append)  # type: ignore[arg-type]
    added = 0

    async def read() -> None:
        nonlocal added
        for number in range(12):
            await outbox.add(number)  # type: ignore[arg-type]
            added += 1
            outbox.reached(f"behind {number}")
        await outbox.flush()

    reading = asyncio.create_task(read())
    for requests in range(1, 5):
        for _ in range(50):
            await asyncio.sleep(0)
        # The request that nobody has acknowledged yet, and one that is full: no more is made.
        assert len(gate.requests) == requests
        assert added == min(12, 3 * requests + 2)
        # A position is behind what was acknowledged, and never behind what is under way.
        assert all(int(position.split()[1]) < 3 * (requests - 1) for position in kept)
        gate.taken.release()
    await reading
    assert (gate.requests[0], kept[-1]) == ([0, 1, 2], "behind 11")


@pytest.mark.usefixtures("small")
def test_with_follow_a_collector_that_is_away_is_waited_for(
    database: Path, tmp_path: Path, everything: dict[bytes, str], capsys: pytest.CaptureFixture[str]
) -> None:
    cursor = tmp_path / "cursor"
    with Collector(lambda number: 400 if number <= 4 else 200) as collector:

        async def until_all() -> None:
            running = asyncio.create_task(
                otlp(receiver.arguments("--follow", "--cursor", cursor, collector=collector), [database])
            )
            await asyncio.to_thread(collector.wait_for, lambda: len(collector.by_id()) == len(everything))
            await asyncio.to_thread(wait_for_the_tail, cursor)
            running.cancel()
            await asyncio.wait({running})

        asyncio.run(until_all())
    assert {span.id: span.name for span in collector.spans} == everything
    said = capsys.readouterr().err.splitlines()
    # The same reason is said once, and its end.
    assert len(said) == 2
    assert "it is asked again until it does" in said[0]
    assert "takes spans again" in said[1]


@pytest.mark.parametrize(
    ("status", "says", "words"),
    [
        (302, {"Location": "/login"}, "it is elsewhere (302 /login): give that as --endpoint"),
        (308, {"Location": "https://box/otlp"}, "it is elsewhere (308 https://box/otlp)"),
        (200, {"Content-Type": "text/html; charset=utf-8"}, "a web page answers there, and no collector"),
    ],
)
def test_what_is_no_acknowledgement_is_none(
    database: Path, tmp_path: Path, status: int, says: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cursor = tmp_path / "cursor"
    with Collector(lambda _number: status) as collector:
        collector.says = says
        assert send(collector, [database], "--cursor", cursor) == 2
        assert words in capsys.readouterr().err
        collector.answer, collector.says = lambda _number: 200, {}
        collector.batches.clear()
        assert send(collector, [database], "--cursor", cursor) == 0
    assert len(collector.by_id()) > 10


def test_spans_that_a_collector_says_it_did_not_keep_are_told(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ExportTraceServiceResponse()
    told.partial_success.rejected_spans = 5
    told.partial_success.error_message = "too many\x1b[2J"
    with Collector() as collector:
        collector.body = told.SerializeToString()
        assert send(collector, [database]) == 1
    said = capsys.readouterr().err
    assert re.search(r"did not keep 5 of \d+ spans: too many", said)
    assert "\x1b" not in said
    assert "which did not keep 5 of them" in said


def test_spans_that_are_refused_in_json_are_told(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Collector() as collector:
        collector.body = b' {"partialSuccess":{"rejectedSpans":"7","errorMessage":"full","more":1}}'
        assert send(collector, [database]) == 1
    assert re.search(r"did not keep 7 of \d+ spans: full", capsys.readouterr().err)


def test_a_request_that_is_too_large_is_sent_in_halves(
    database: Path, everything: dict[bytes, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with Collector() as collector:
        collector.most = 2_000
        assert send(collector, [database]) == 0
    assert sorted(span.id for span in collector.spans) == sorted(everything)
    assert len(collector.batches) > 2
    assert "did not" not in capsys.readouterr().err


@pytest.mark.parametrize("patient", [True, False])
def test_a_span_that_is_too_large_alone_holds_up_no_other(patient: bool) -> None:
    said: list[str] = []
    spans = [
        ReadableSpan("chat", SpanContext(1, number, False), attributes={"text": "x" * size}, start_time=1, end_time=2)
        for number, size in enumerate((10, 10, 5_000, 10), 1)
    ]

    async def run(collector: Collector) -> tuple[int, int]:
        sender = sending.Sender(collector.url + "/v1/traces", {}, patient=patient, say=said.append)
        try:
            await sender.send(spans)
            return sender.sent, sender.refused
        finally:
            sender.close()

    with Collector() as collector:
        collector.most = 4_000
        assert asyncio.run(run(collector)) == (4, 1)
    assert [int.from_bytes(span.id) for span in collector.spans] == [1, 2, 4]
    assert said == [f"{collector.url}/v1/traces did not keep 1 span: it is too large for it (chat)"]


def test_why_a_request_was_not_taken_is_told_in_words(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Collector(lambda _number: 400) as collector:
        assert send(collector, [database]) == 2
    assert "it answers 400 Bad Request" in capsys.readouterr().err


def test_a_span_of_another_machine_says_which(database: Path, everything: dict[bytes, str]) -> None:
    with Collector() as collector:
        assert send(collector, [database]) == 0
        assert "host.name" not in collector.resource
        collector.batches.clear()
        words = receiver.arguments(collector=collector)
        words.hosts = [("box", (sys.executable, "-m", "tui", "serve", "--db", str(database)))]
        assert asyncio.run(otlp(words, [])) == 0
    assert collector.resource["host.name"] == "box"
    assert sorted(span.id for span in collector.spans) == sorted(everything)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"partialSuccess":{}}', b"ok"])
def test_an_answer_of_any_other_kind_is_an_acknowledgement(database: Path, body: bytes) -> None:
    with Collector() as collector:
        collector.body = body
        assert send(collector, [database]) == 0


def test_an_answer_without_end_is_not_read_to_it(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "ANSWER_MOST", 100)
    with Collector() as collector:
        collector.body, collector.length = b"x" * 200, 10**9
        # The rest never comes.
        assert send(collector, [database]) == 0


def test_a_second_run_behind_the_cursor_sends_nothing(database: Path, tmp_path: Path) -> None:
    with Collector() as collector:
        assert send(collector, [database], "--cursor", tmp_path / "cursor") == 0
        before = collector.requests
        assert send(collector, [database], "--cursor", tmp_path / "cursor") == 0
        assert collector.requests == before


def test_a_cursor_of_events_is_left_alone(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cursor = tmp_path / "cursor"
    subprocess.run(
        [sys.executable, "-m", "tui", "events", "--db", str(database), "--cursor", str(cursor)],
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    before = cursor.read_bytes()
    with Collector() as collector:
        assert send(collector, [database], "--cursor", cursor) == 2
    assert (collector.requests, cursor.read_bytes()) == (0, before)
    assert "a file of its own" in capsys.readouterr().err


def test_the_variables_of_the_sdk_hold(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=blue,x-key=1")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=lab")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "agents")
        assert asyncio.run(otlp(receiver.arguments("--header", "X-Key=2"), [database])) == 0
    assert collector.resource["service.name"] == "agents"
    assert collector.resource["deployment.environment.name"] == "lab"
    names = {name.lower(): value for name, value in collector.headers[0].items()}
    assert (names["x-team"], names["x-key"]) == ("blue", "2")


def test_without_variables_the_service_is_opencode(database: Path) -> None:
    with Collector() as collector:
        assert send(collector, [database]) == 0
    assert collector.resource["service.name"] == "opencode"


def test_since_leaves_whole_traces_out(database: Path, everything: dict[bytes, str]) -> None:
    with Collector() as collector:
        assert send(collector, [database], "--since", "2026-01-01") == 0
        assert {span.id for span in collector.spans} == set(everything)
        collector.batches.clear()
        assert send(collector, [database], "--since", "2099-01-01") == 0
        assert collector.spans == []
        assert send(collector, [database], "--since", "soon") == 2


def test_a_session_in_two_files_is_sent_once(database: Path, tmp_path: Path, everything: dict[bytes, str]) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(database.read_bytes())
    with Collector() as collector:
        assert send(collector, [database, copy]) == 0
    assert sorted(span.id for span in collector.spans) == sorted(everything)


def test_an_endpoint_is_a_base_or_the_path_of_traces() -> None:
    assert endpoint("http://box:4318") == "http://box:4318/v1/traces"
    assert endpoint("https://cloud/api/otel/") == "https://cloud/api/otel/v1/traces"
    assert endpoint("http://box/v1/traces") == "http://box/v1/traces"
    assert endpoint("http://box:4318/otel?key=1") == "http://box:4318/otel/v1/traces?key=1"
    assert sending.shown("https://ada:secret@box/v1/traces") == "https://box/v1/traces"
    for bad in ("box:4318", "ftp://box", "http://", "http://box:0", "http://box:99999"):
        with pytest.raises(ValueError, match=f"{re.escape(bad)}|Port"):
            endpoint(bad)


@pytest.mark.parametrize("bad", ["novalue", "=x", "a b=c", "a=b\nc", "a=\x00"])
def test_a_header_that_is_none_is_refused(bad: str) -> None:
    assert header("Authorization=Basic a=b") == "Authorization=Basic a=b"
    with pytest.raises(ValueError, match="^" + re.escape(bad)):
        header(bad)


BLOCKED = """
import sys
import threading
sys.modules["opentelemetry"] = None
from tui.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_without_the_extra_one_sentence_says_what_to_install(database: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, "otlp", "--db", str(database)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert 'pip install "opencode-viewer[otlp]"' in done.stderr


@pytest.mark.parametrize("patient", [True, False])
def test_a_collector_that_never_answers_is_told_and_holds_up_no_end(
    patient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LATE_S", 0.05)
    said: list[str] = []
    answer = threading.Event()
    span = ReadableSpan("chat", SpanContext(1, 1, False), start_time=1, end_time=2)

    async def run(collector: Collector) -> None:
        sender = sending.Sender(collector.url + "/v1/traces", {}, patient=patient, say=said.append)
        sending_it = asyncio.create_task(sender.send([span]))
        while not said and not sending_it.done():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)
        if patient:
            # As ctrl+c does.
            sending_it.cancel()
            await asyncio.wait({sending_it})
        else:
            with pytest.raises(sending.NotTaken, match="has begun no answer to 1 spans"):
                await sending_it

    with Collector(lambda _number: 200 * bool(answer.wait(60))) as collector:
        asyncio.run(run(collector))
        assert len(said) == patient
        answer.set()


def test_the_answer_of_a_collector_that_took_long_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "LATE_S", 0.0)
    said: list[str] = []
    span = ReadableSpan("chat", SpanContext(1, 1, False), start_time=1, end_time=2)

    async def run(collector: Collector) -> int:
        sender = sending.Sender(collector.url + "/v1/traces", {}, patient=True, say=said.append)
        await sender.send([span])
        return sender.sent

    with Collector() as collector:
        assert asyncio.run(run(collector)) == 1
    assert len(said) == 1
    assert "it is waited for" in said[0]
