"""A scripted, deterministic chat-completions model on 127.0.0.1 (streaming, OpenAI-compatible).

`with start(delay=0.01) as model:` serves it; `model.url` goes into opencode's config and `model.requests` is
the log: what was asked, which step of which scenario answered, and the usage that was reported.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.lab.lab_script import LabScript
from tests.lab.scenarios import SCENARIOS, expected, usage_of
from tests.lab.script import Answer, Call, Script, Step

__all__ = ["SCENARIOS", "Server", "expected", "start", "usage_of"]

CREATED = 1_767_225_600  # the protocol wants a time in every chunk; nothing reads it
ARGUMENT_CHUNK = 16  # characters of tool arguments in one chunk
RENAMED = {"bash": "shell", "task": "subagent", "apply_patch": "patch"}  # by 2.x
SYNONYMS = (("filePath", "path"), ("subagent_type", "agent"), ("description", "title"))


class Server(ThreadingHTTPServer):
    """The model: answers as `script` says, `delay` seconds between streamed words."""

    daemon_threads = True

    def __init__(self, script: Script, delay: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script
        self.delay = delay
        self.requests: list[dict[str, Any]] = []
        self.closing = threading.Event()
        self._attempts: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The base URL for a provider's `baseURL`."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def decide(self, path: str, request: dict[str, Any]) -> tuple[Answer, dict[str, Any]]:
        """The answer to a request, and its entry in the log."""
        said = json.dumps([request.get("model"), request.get("messages"), bool(request.get("tools"))])
        key = (path, hashlib.sha256(said.encode()).hexdigest())
        with self._lock:
            attempt = self._attempts.get(key, 0)
            self._attempts[key] = attempt + 1
            answer = self.script.answer(request, attempt)
            entry = {
                "number": len(self.requests) + 1,
                "model": request.get("model"),
                "kind": answer.kind,
                "scenario": answer.name,
                "step": answer.step,
                "attempt": attempt,
                "status": "open",
                "usage": None,
            }
            self.requests.append(entry)
        return answer, entry

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Silent: a client that is killed in mid answer is what half of the scenarios are about."""

    def close(self) -> None:
        """Stop serving; a hanging answer ends within half a second."""
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def start(script: Script | None = None, delay: float = 0.01) -> Server:
    """A running model on a free port of loopback; `script` defaults to the `lab:NAME` scenarios."""
    return Server(script or LabScript(), delay)


class Handler(BaseHTTPRequestHandler):
    """One request: decide, then stream the answer as server-sent events."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: Any) -> None:
        """Silent: the log of the lab is `Server.requests`."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            request = json.loads(raw)
        except ValueError:
            self.send_json(400, {"error": {"message": "not JSON"}}, {})
            return
        answer, entry = self.server.decide(self.path, request)
        try:
            if answer.what.error:
                entry["status"] = answer.what.error.status
                self.send_json(*answer.what.error)
            else:
                self.stream(request, answer, entry)
        except (BrokenPipeError, ConnectionResetError):
            entry["status"] = "client closed"

    def send_json(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, request: dict[str, Any], answer: Answer, entry: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        what, usage = answer.what, answer.usage
        base = {
            "id": f"chatcmpl-{entry['number']}",
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": request.get("model"),
        }
        self.server.closing.wait(what.latency)
        for pause, delta in deltas(what, entry["number"], request):
            if delta is None:
                entry["status"] = "cut"
                # Without this the client waits for the rest: the handler's own file objects keep it open.
                with suppress(OSError):
                    self.connection.shutdown(2)
                return
            self.send_event({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            time.sleep(pause * self.server.delay)
        self.keep_silent(what.hang)
        finish = what.finish or ("tool_calls" if what.calls else "stop")
        self.send_event({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        totals = {
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "total_tokens": usage.prompt + usage.completion,
            "prompt_tokens_details": {"cached_tokens": usage.cached},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        }
        self.send_event({**base, "choices": [], "usage": totals})
        self.wfile.write(b"data: [DONE]\n\n")
        entry["usage"] = list(usage)
        entry["status"] = 200

    def send_event(self, payload: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(payload).encode() + b"\n\n")

    def keep_silent(self, seconds: float) -> None:
        """Nothing but comments of the protocol, so that a client which went away is noticed."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.server.closing.wait(0.5):
            self.wfile.write(b": still here\n\n")


Delta = tuple[float, dict[str, Any] | None]


def deltas(what: Step, number: int, request: dict[str, Any]) -> Iterator[Delta]:
    """(pause after it in delays, delta) for each chunk of an answer; a delta of None drops the connection."""
    yield 0, {"role": "assistant", "content": ""}
    if request.get("tools"):
        for word in re.findall(r"\S+\s*", what.reasoning):
            yield 1, {"reasoning_content": word}
    words = re.findall(r"\S+\s*|\s+", what.text)
    for at, word in enumerate(words):
        if what.cut and at == len(words) // 2:
            yield 0, None
        yield 1, {"content": word}
    for index, (tool, arguments) in enumerate(fit(what.calls, request)):
        text = json.dumps(arguments, ensure_ascii=False)
        opening = {"name": tool, "arguments": ""}
        call = {"index": index, "id": f"call_{number}_{index}", "type": "function", "function": opening}
        yield 0, {"tool_calls": [call]}
        for at in range(0, len(text), ARGUMENT_CHUNK):
            piece = {"index": index, "function": {"arguments": text[at : at + ARGUMENT_CHUNK]}}
            yield what.arg_pace, {"tool_calls": [piece]}


def fit(calls: Iterable[Call], request: dict[str, Any]) -> Iterator[Call]:
    """The calls, with tools and arguments named as this request's tools name them (opencode's engines and versions
    differ)."""
    functions = [tool.get("function", {}) for tool in request.get("tools") or []]
    known = {f.get("name"): f.get("parameters", {}).get("properties", {}) for f in functions}
    for tool, arguments in calls:
        if tool not in known and RENAMED.get(tool) in known:
            tool = RENAMED[tool]
        have = known.get(tool) or {}
        for ours, theirs in SYNONYMS:
            if ours in arguments and ours not in have and theirs in have:
                arguments = {theirs if key == ours else key: value for key, value in arguments.items()}
        yield tool, arguments
