"""The vocabulary of a scripted model: one answer, its tool calls, and what a script must be able to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Call = tuple[str, dict[str, Any]]
"""(tool name, arguments)"""


class HttpError(NamedTuple):
    """An answer that is no stream: status, JSON body, extra headers."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


class Usage(NamedTuple):
    """Token counts as a chat-completions model reports them: `prompt` holds `cached`, `completion` holds
    `reasoning`."""

    prompt: int
    cached: int
    completion: int
    reasoning: int


@dataclass(frozen=True)
class Step:
    """One answer of the model and how it is delivered (times in seconds)."""

    text: str = ""
    calls: Sequence[Call] = ()
    reasoning: str = "Let me think."
    finish: str | None = None
    error: HttpError | None = None
    cut: bool = False  # the connection drops in the middle of the text
    hang: float = 0.0  # silence after the text
    arg_pace: float = 1.0  # multiplies the delay between chunks of tool arguments
    latency: float = 0.0  # silence before the first token


class Answer(NamedTuple):
    """What a script decides for one request: `kind` is `step`, `title` or `summary`."""

    kind: str
    name: str
    step: int
    what: Step
    usage: Usage


class Script(Protocol):
    """A model that can be served: every answer follows from the request and how often it came before."""

    def answer(self, request: dict[str, Any], attempt: int) -> Answer: ...


def http_error(status: int, message: str, code: str, **headers: str) -> HttpError:
    """An error body in the shape of the chat-completions protocol; header names use underscores."""
    body = {"error": {"message": message, "type": "mock_error", "code": code}}
    return HttpError(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def bash(command: str, description: str = "Run a command") -> Call:
    """A call of opencode's bash tool."""
    return "bash", {"command": command, "description": description}


def read(path: str) -> Call:
    """A call of opencode's read tool."""
    return "read", {"filePath": path}


def task(description: str, prompt: str, agent: str = "general") -> Call:
    """A call that starts a sub-agent."""
    return "task", {"description": description, "prompt": prompt, "subagent_type": agent}


def todos(*items: tuple[str, str, str]) -> Call:
    """A todowrite call from (content, status, priority) triples."""
    rows = [
        {"id": str(number), "content": content, "status": status, "priority": priority}
        for number, (content, status, priority) in enumerate(items, 1)
    ]
    return "todowrite", {"todos": rows}


def text_of(message: dict[str, Any]) -> str:
    """The text of a chat message, whose content is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content if isinstance(part, dict))
    return ""


def own_request(request: dict[str, Any]) -> str:
    """`title` or `summary` when opencode asks for itself (such requests carry no tools), else `step`."""
    if request.get("tools"):
        return "step"
    messages = request.get("messages", [])
    system = " ".join(text_of(m) for m in messages if m.get("role") == "system").lower()
    if "title" in system:
        return "title"
    if "summar" in system or "compact" in system:
        return "summary"
    # 2.x asks for it in the words of a user, with the conversation in the same text.
    asked = text_of(messages[-1]).lower() if messages else ""
    return "summary" if "anchored summary" in asked else "step"


def answers_after(messages: list[dict[str, Any]], start: int) -> int:
    """How many assistant messages follow the message at `start`."""
    return sum(1 for message in messages[start + 1 :] if message.get("role") == "assistant")
