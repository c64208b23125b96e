"""The JSON in `session_message.data`: what `/api/session` of 1.18 writes, and everything that opencode 2.x writes.

One row is one message, rewritten in place; its type is a column and its answer, with all calls, is `content`. Shapes:
packages/schema/src/session-message.ts, tool.ts, shell.ts and session-error.ts of 2.x; 1.18 names some fields otherwise
(`structured` for `metadata`, `pending` for `streaming`). As in `rows.py` every field has a default, texts of which only
the size is told stay undecoded, and pieces of a message are decoded one by one, so that a broken one hides no other.
"""

from __future__ import annotations

from typing import Any

import msgspec

from adapter.opencode.json import NOTHING, AnyText, Malformed, Row, Shape, Time, is_empty
from adapter.opencode.rows import Number, Tokens
from adapter.opencode.tools import CallMetadata, FileChange, Scalar


class Times(msgspec.Struct, frozen=True, gc=False):
    """`time` of a message or of a piece of it, ms. `streamed` is the end of the provider's answer, `ran` the moment a
    call was handed to its tool (which may then still ask for permission)."""

    created: Time = None
    streamed: Time = None
    ran: Time = None
    completed: Time = None


class Failure(msgspec.Struct, frozen=True, gc=False):
    """A structured error; `status` is an HTTP status."""

    type: str | None = None
    message: AnyText = None
    status: Number = None

    @classmethod
    def of_text(cls, text: str) -> Failure:
        """An error that is no object."""
        return cls(message=text)


class Model(msgspec.Struct, frozen=True, gc=False):
    id: str | None = None
    providerID: str | None = None
    variant: str | None = None


class SessionMessage(Row, frozen=True, gc=False):
    """What every type of row has."""

    time: Times | None = None


class User(SessionMessage, frozen=True, gc=False):
    text: AnyText = None
    files: list[msgspec.Raw] | None = None


class Notice(msgspec.Struct, frozen=True, gc=False):
    """What a synthetic row is about: a `source` (`shell`, `subagent`) that went on in the background, and its `state`
    now. `childID` is a sub-agent's session."""

    source: str | None = None
    state: str | None = None
    childID: str | None = None


class Synthetic(SessionMessage, frozen=True, gc=False):
    """A prompt that opencode wrote itself, such as the news that a background task has ended."""

    text: AnyText = None
    description: str | None = None
    metadata: Notice | None = None


WAITS = "waits: "
"""What the type of a row begins with that stands for a prompt which waits (v2/queries.py)."""


class Waiting(SessionMessage, frozen=True, gc=False):
    """A prompt that waits to be taken up, of `session_pending` or `session_inbox`. `kind` is `user`, `synthetic`,
    `compaction` or `move`; `delivery` is `steer` (at the next step) or `queue` (when the turn is over)."""

    text: AnyText = None
    description: str | None = None
    files: list[msgspec.Raw] | None = None
    kind: str = ""
    delivery: str = ""


class System(SessionMessage, frozen=True, gc=False):
    """Instructions that changed while the session went on."""

    text: AnyText = None
    description: str | None = None


class Skill(SessionMessage, frozen=True, gc=False):
    """A skill that the user called up; the model answers it like a prompt."""

    name: str | None = None
    text: AnyText = None


class Shell(SessionMessage, frozen=True, gc=False):
    """A command that the user ran. `output` is an object with the text in `output`, in 1.18 the text itself."""

    command: AnyText = None
    status: str | None = None
    exit: Any = msgspec.UNSET
    output: msgspec.Raw = NOTHING


class ShellOutput(Row, frozen=True, gc=False):
    output: msgspec.Raw = NOTHING


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    end: str | None = None
    files: list[Any] | None = None


class Retry(msgspec.Struct, frozen=True, gc=False):
    """A request that failed and is sent again at `at` (ms); it goes when the next attempt begins."""

    attempt: Number = None
    at: Time = None
    error: Failure | None = None


class Assistant(SessionMessage, frozen=True, gc=False):
    """One step: one request to the model and the calls it asked for."""

    agent: str | None = None
    model: Model | None = None
    content: list[msgspec.Raw] | None = None
    snapshot: Snapshot | None = None
    finish: str | None = None
    cost: Number = None
    tokens: Tokens | None = None
    error: Failure | None = None
    retry: Retry | None = None


class Compaction(SessionMessage, frozen=True, gc=False):
    """`status` is `running`, `completed` or `failed`; rows without one are complete."""

    status: str | None = None
    reason: str | None = None
    summary: AnyText = None
    model: Model | None = None
    cost: Number = None
    tokens: Tokens | None = None
    error: Failure | None = None


class AgentSwitched(SessionMessage, frozen=True, gc=False):
    agent: str | None = None


class ModelSwitched(SessionMessage, frozen=True, gc=False):
    model: Model | None = None


class Location(msgspec.Struct, frozen=True, gc=False):
    directory: str | None = None


class LocationSwitched(SessionMessage, frozen=True, gc=False):
    location: Location | None = None


class Idle(SessionMessage, frozen=True, gc=False):
    """The loop has stopped: `outcome` is `succeeded`, `failed` or `interrupted`."""

    outcome: str | None = None
    error: Failure | None = None


class TextItem(Row, frozen=True, gc=False, tag_field="type", tag="text"):
    text: AnyText = None


class ReasoningItem(Row, frozen=True, gc=False, tag_field="type", tag="reasoning"):
    text: AnyText = None
    time: Times | None = None


class Result(msgspec.Struct, frozen=True, gc=False):
    """One piece of what a tool gave back: `text`, or a file by `uri`."""

    text: msgspec.Raw = NOTHING
    uri: msgspec.Raw = NOTHING
    mime: Any = None


class ToolState(msgspec.Struct, frozen=True, gc=False):
    """`input` is a text while the model writes it, then an object; `structured` is what 1.18 calls metadata."""

    status: str | None = None
    input: msgspec.Raw = NOTHING
    content: list[Result | list[Any] | Scalar] | None = None
    metadata: msgspec.Raw = NOTHING
    structured: msgspec.Raw = NOTHING
    error: Failure | str | None = None


class ToolItem(Row, frozen=True, gc=False, tag_field="type", tag="tool"):
    id: str | None = None
    name: str | None = None
    state: ToolState | None = None
    time: Times | None = None


Item = TextItem | ReasoningItem | ToolItem


class FileDiff(FileChange, frozen=True, gc=False):
    """One changed file; `patch` is a unified diff."""

    patch: msgspec.Raw = NOTHING


class ToolMetadata(CallMetadata, frozen=True, gc=False):
    """As 2.x writes it. `status` is `running` for a shell or subagent that goes on in the background, of which the
    preview only says the `shellID`; `content` is what 1.18 read from a file."""

    files: list[FileDiff | list[Any] | Scalar] | dict[str, Any] | Scalar = None  # type: ignore[assignment]
    status: Any = None
    shellID: Any = None
    content: msgspec.Raw = NOTHING


class Attachment(Row, frozen=True, gc=False):
    """A file of a prompt: what it holds is in `data` (base64) or behind `uri`."""

    mime: str | None = None
    name: str | None = None
    uri: msgspec.Raw = NOTHING
    data: msgspec.Raw = NOTHING


SHAPES: dict[str, Shape[SessionMessage]] = {
    name: Shape(kind, name)
    for name, kind in {
        "user": User,
        "synthetic": Synthetic,
        "system": System,
        "context": System,
        "skill": Skill,
        "shell": Shell,
        "assistant": Assistant,
        "compaction": Compaction,
        "agent-switched": AgentSwitched,
        "model-switched": ModelSwitched,
        "location-switched": LocationSwitched,
        "idle": Idle,
    }.items()
}
"""By the column `type`; `context` is what 1.18 calls a system message."""
WAITING: Shape[Waiting] = Shape(Waiting, "waiting prompt")
ITEM: Shape[Item] = Shape(Item, "content", "content type")
METADATA: Shape[ToolMetadata] = Shape(ToolMetadata, "metadata")
ATTACHMENT: Shape[Attachment] = Shape(Attachment, "attachment")
OUTPUT: Shape[ShellOutput] = Shape(ShellOutput, "output")


def decode_session_message(kind: str, data: str | bytes | None) -> SessionMessage | Malformed:
    """The JSON of a row of this type. Never raises."""
    if kind.startswith(WAITS):
        return _decode_waiting(kind.removeprefix(WAITS), data)
    shape = SHAPES.get(kind)
    if shape is None:
        return Malformed("unknown session_message type", repr(kind)[:80])
    return shape.decode(data)


def _decode_waiting(words: str, data: str | bytes | None) -> SessionMessage | Malformed:
    kind, _, delivery = words.partition(" ")
    message = WAITING.decode(data)
    if isinstance(message, Malformed):
        return message
    return msgspec.structs.replace(message, kind=kind, delivery=delivery)


def decode_item(raw: msgspec.Raw) -> Item | Malformed:
    """One piece of an answer. Never raises."""
    return ITEM.decode(raw)


def decode_tool_metadata(state: ToolState) -> ToolMetadata:
    """What a tool said beside its output, under either name; empty when it is no JSON object. Never raises."""
    old = is_empty(state.metadata)
    return METADATA.inside(state.structured if old else state.metadata, f"state.{'structured' if old else 'metadata'}")


def decode_attachment(raw: msgspec.Raw, index: int) -> Attachment:
    """A file of a prompt; an empty one when it is not of that shape. Never raises."""
    return ATTACHMENT.inside(raw, f"files.{index}")


def decode_output(raw: msgspec.Raw) -> ShellOutput:
    """What a shell command of 2.x printed. Never raises."""
    return OUTPUT.inside(raw, "output")
