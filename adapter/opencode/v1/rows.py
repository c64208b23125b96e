"""Typed rows and the JSON in their `data` columns.

Only what the mapping reads is declared; msgspec skips the rest, and what is seldom looked at stays undecoded
(`msgspec.Raw`): bash keeps its output a second time in the metadata. `gc=False` throughout: what comes out of JSON
holds no cycles, and the collector then need not walk it. Every field has a default, because half-formed rows are normal
(crashes, other tools, old versions). Shapes: packages/schema/src/v1/session.ts as bundled in 1.18.33; what older
versions leave out is in the corpus (1.2.1 on).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from adapter.opencode.json import NOTHING, AnyText, Malformed, Row, Shape, Time, closing
from adapter.opencode.rows import ModelRef, Number, Tokens
from adapter.opencode.tools import CallMetadata, Scalar


class Span(msgspec.Struct, frozen=True, gc=False):
    """`time` of a part or message, ms."""

    start: Time = None
    end: Time = None
    created: Time = None
    completed: Time = None


class ErrorInfo(msgspec.Struct, frozen=True, gc=False):
    """An AssistantError: a name and whatever data it carries."""

    name: str | None = None
    data: Any = None

    @property
    def message(self) -> str:
        """The words of the error, "" when it has none."""
        if isinstance(self.data, dict) and isinstance(self.data.get("message"), str):
            return str(self.data["message"])
        return self.data if isinstance(self.data, str) else ""

    @classmethod
    def of_text(cls, text: str) -> ErrorInfo:
        """An error that is no object."""
        return cls(None, text)


class UserMessage(Row, frozen=True, gc=False, tag_field="role", tag="user"):
    time: Span | None = None
    agent: str | None = None
    model: ModelRef | None = None


class PathInfo(msgspec.Struct, frozen=True, gc=False):
    cwd: str | None = None


class AssistantMessage(Row, frozen=True, gc=False, tag_field="role", tag="assistant"):
    time: Span | None = None
    parentID: str | None = None
    modelID: str | None = None
    providerID: str | None = None
    mode: str | None = None
    agent: str | None = None
    path: PathInfo | None = None
    summary: Any = None
    cost: Number = None
    tokens: Tokens | None = None
    error: ErrorInfo | None = None
    finish: str | None = None
    variant: str | None = None


Message = UserMessage | AssistantMessage


class TextPart(Row, frozen=True, gc=False, tag_field="type", tag="text"):
    text: AnyText = None
    synthetic: bool | None = None
    time: Span | None = None


class ReasoningPart(Row, frozen=True, gc=False, tag_field="type", tag="reasoning"):
    text: AnyText = None
    time: Span | None = None
    metadata: Any = None


class FilePart(Row, frozen=True, gc=False, tag_field="type", tag="file"):
    mime: str | None = None
    filename: str | None = None
    url: str | None = None


class AgentPart(Row, frozen=True, gc=False, tag_field="type", tag="agent"):
    """A mention of an agent; nothing of it is shown."""


class SubtaskPart(Row, frozen=True, gc=False, tag_field="type", tag="subtask"):
    prompt: AnyText = None
    description: AnyText = None
    command: str | None = None


class StepStartPart(Row, frozen=True, gc=False, tag_field="type", tag="step-start"):
    """The beginning of a request to the model."""


class StepFinishPart(Row, frozen=True, gc=False, tag_field="type", tag="step-finish"):
    reason: str | None = None
    cost: Number = None
    tokens: Tokens | None = None


class PatchPart(Row, frozen=True, gc=False, tag_field="type", tag="patch"):
    hash: str | None = None
    files: list[Any] | None = None


class SnapshotPart(Row, frozen=True, gc=False, tag_field="type", tag="snapshot"):
    """The state of the files; nothing of it is shown."""


class CompactionPart(Row, frozen=True, gc=False, tag_field="type", tag="compaction"):
    auto: bool | None = None
    overflow: bool | None = None


class RetryPart(Row, frozen=True, gc=False, tag_field="type", tag="retry"):
    attempt: Number = None
    error: ErrorInfo | None = None


class Metadata(CallMetadata, frozen=True, gc=False):
    """As 1.x writes it. `output` is what bash has printed so far, a second time."""

    output: msgspec.Raw = NOTHING
    diff: msgspec.Raw = NOTHING
    model: Any = None


class Attachment(msgspec.Struct, frozen=True, gc=False):
    mime: Any = None


class ToolState(msgspec.Struct, frozen=True, gc=False):
    """pending, running, completed or error; `input` keeps the exact bytes of the arguments."""

    status: str | None = None
    input: msgspec.Raw = NOTHING
    output: AnyText = None
    title: AnyText = None
    metadata: msgspec.Raw = NOTHING
    error: AnyText = None
    time: Span | None = None
    attachments: list[Attachment | list[Any] | Scalar] | None = None


class ToolPart(Row, frozen=True, gc=False, tag_field="type", tag="tool"):
    tool: str | None = None
    state: ToolState | None = None


Part = (
    TextPart
    | ReasoningPart
    | FilePart
    | AgentPart
    | SubtaskPart
    | StepStartPart
    | StepFinishPart
    | PatchPart
    | SnapshotPart
    | CompactionPart
    | RetryPart
    | ToolPart
)

MESSAGE: Shape[Message] = Shape(Message, "message", "role")
PART: Shape[Part] = Shape(Part, "part", "part type")
METADATA: Shape[Metadata] = Shape(Metadata, "metadata")
SPAN: Shape[Span] = Shape(Span, "time")


def decode_message(data: str | bytes | None) -> Message | Malformed:
    """The JSON of a message row. Never raises."""
    return MESSAGE.decode(data)


def decode_part(data: str | bytes | None) -> Part | Malformed:
    """The JSON of a part row. Never raises."""
    return PART.decode(data)


OUTPUT = re.compile(rb',?\s*"output"\s*:\s*"')
TIME = re.compile(rb'"time"\s*:\s*(\{[^{}]*\})')


def decode_cut_call(head: bytes, tail: bytes) -> ToolPart | None:
    """A tool part of which only the two ends were read: all but its output. None when it is none, or its output does
    not begin in the head. opencode writes the output behind the status and the input
    (packages/schema/src/v1/session.ts)."""
    found = OUTPUT.search(head)
    if found is None:
        return None
    begun = head[: found.start()]
    part = decode_part(begun + closing(begun))
    if not isinstance(part, ToolPart) or part.state is None:
        return None
    times = TIME.findall(tail)
    if times:
        span = SPAN.inside(msgspec.Raw(times[-1]), "state.time")
        part = msgspec.structs.replace(part, state=msgspec.structs.replace(part.state, time=span))
    return part


def decode_metadata(raw: msgspec.Raw) -> Metadata:
    """The metadata of a tool call; an empty one when it is no JSON object. Never raises."""
    return METADATA.inside(raw, "state.metadata")
