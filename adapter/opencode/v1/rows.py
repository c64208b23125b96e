"""Typed rows and the JSON in their `data` columns.

Only what the mapping reads is declared; msgspec skips the rest, and what is seldom looked at stays undecoded
(`msgspec.Raw`): bash keeps its output a second time in the metadata. `gc=False` throughout: what comes out of JSON
holds no cycles, and the collector then need not walk it. Every field has a default, because half-formed rows are normal
(crashes, other tools, old versions). Shapes: packages/schema/src/v1/session.ts as bundled in 1.18.33; what older
versions leave out is in the corpus (1.2.1 on).
"""

from __future__ import annotations

from typing import Any

import msgspec

Number = int | float | None


class SessionRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `session` or `session_v2`, in the order of schema.SESSION_COLUMNS; times in ms, absent columns None."""

    id: str
    parent_id: str | None
    project_id: str | None
    slug: str | None
    directory: str | None
    title: str | None
    version: str | None
    time_created: Any
    time_updated: Any
    time_archived: Any
    agent: str | None
    model: str | None
    cost: Any
    tokens_input: Any
    tokens_output: Any
    tokens_reasoning: Any
    tokens_cache_read: Any
    tokens_cache_write: Any
    revert: str | None
    summary_additions: Any
    summary_deletions: Any
    summary_files: Any
    fork_session_id: str | None
    time_idle: Any
    idle_outcome: str | None
    storage: str


TEXTS = (
    "parent_id", "project_id", "slug", "directory", "title", "version", "agent", "model", "revert", "fork_session_id",
    "idle_outcome",
)  # fmt: skip
TEXT_PLACES = [SessionRow.__struct_fields__.index(name) for name in TEXTS]
TEXT_TYPES = (str, type(None))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def session_row(columns: tuple[Any, ...]) -> SessionRow:
    """A row selected with schema.SESSION_COLUMNS; SQLite lets a text column hold anything, so text is made text."""
    row = SessionRow(*columns)
    # Nearly always it is text already, and a catalogue has thousands of rows.
    if row.storage and type(row.id) is str and all(type(columns[place]) in TEXT_TYPES for place in TEXT_PLACES):
        return row
    texts = {name: _text(getattr(row, name)) for name in TEXTS}
    return msgspec.structs.replace(row, **texts, id=_text(row.id) or "", storage=row.storage or "v1")


class RawRow(msgspec.Struct, frozen=True, gc=False):
    """A message or part row without its JSON; `message_id` is the row's own id for a message. Times in ms."""

    id: str
    message_id: str
    session_id: str
    time_created: int
    time_updated: int


class Cache(msgspec.Struct, frozen=True, gc=False):
    read: Number = None
    write: Number = None


class Tokens(msgspec.Struct, frozen=True, gc=False):
    """Token counters as stored, unchecked."""

    input: Number = None
    output: Number = None
    reasoning: Number = None
    cache: Cache | None = None


class Span(msgspec.Struct, frozen=True, gc=False):
    """`time` of a part or message, ms."""

    start: Number = None
    end: Number = None
    created: Number = None
    completed: Number = None
    compacted: Number = None


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


class ModelRef(msgspec.Struct, frozen=True, gc=False):
    """A model as messages (`modelID`) or session rows (`id`) name it."""

    providerID: str | None = None
    modelID: str | None = None
    id: str | None = None

    @property
    def name(self) -> str:
        """The model's id under either key, "" when absent."""
        return self.modelID or self.id or ""


class UserMessage(msgspec.Struct, frozen=True, gc=False, tag_field="role", tag="user"):
    time: Span | None = None
    agent: str | None = None
    model: ModelRef | None = None


class PathInfo(msgspec.Struct, frozen=True, gc=False):
    cwd: str | None = None


class AssistantMessage(msgspec.Struct, frozen=True, gc=False, tag_field="role", tag="assistant"):
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


class TextPart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="text"):
    text: str | None = None
    synthetic: bool | None = None
    ignored: bool | None = None
    time: Span | None = None


class ReasoningPart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="reasoning"):
    text: str | None = None
    time: Span | None = None
    metadata: Any = None


class FilePart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="file"):
    mime: str | None = None
    filename: str | None = None
    url: str | None = None


class AgentPart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="agent"):
    name: str | None = None


class SubtaskPart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="subtask"):
    prompt: str | None = None
    description: str | None = None
    agent: str | None = None
    command: str | None = None


class StepStartPart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="step-start"):
    snapshot: str | None = None


class StepFinishPart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="step-finish"):
    reason: str | None = None
    cost: Number = None
    tokens: Tokens | None = None


class PatchPart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="patch"):
    hash: str | None = None
    files: list[Any] | None = None


class SnapshotPart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="snapshot"):
    snapshot: str | None = None


class CompactionPart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="compaction"):
    auto: bool | None = None
    overflow: bool | None = None


class RetryPart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="retry"):
    attempt: Number = None
    error: ErrorInfo | None = None


NOTHING = msgspec.Raw(b"")


class FileChange(msgspec.Struct, frozen=True, gc=False):
    """One file of an edit or patch; the texts before and after it are skipped."""

    filePath: Any = None
    relativePath: Any = None
    additions: Any = None
    deletions: Any = None


Scalar = str | int | float | bool | None
Loose = FileChange | list[Any] | Scalar


class Metadata(msgspec.Struct, frozen=True, gc=False):
    """What the built-in tools say about a call beside its output. MCP servers and plugins may put anything here, so no
    field is narrower than JSON. `exit` is null when bash was aborted, and unset before it has ended."""

    output: msgspec.Raw = NOTHING
    diff: msgspec.Raw = NOTHING
    sessionId: Any = None
    model: Any = None
    exit: Any = msgspec.UNSET
    truncated: Any = None
    background: Any = None
    interrupted: Any = None
    filediff: Loose = None
    files: list[Loose] | dict[str, Any] | Scalar = None
    count: Any = None
    matches: Any = None


NO_METADATA = Metadata()


class Attachment(msgspec.Struct, frozen=True, gc=False):
    mime: Any = None


class ToolState(msgspec.Struct, frozen=True, gc=False):
    """pending, running, completed or error; `input` keeps the exact bytes of the arguments."""

    status: str | None = None
    input: msgspec.Raw = NOTHING
    output: str | None = None
    title: str | None = None
    metadata: msgspec.Raw = NOTHING
    error: str | None = None
    time: Span | None = None
    attachments: list[Attachment | list[Any] | Scalar] | None = None


class ToolPart(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="tool"):
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


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """A `data` value that is not what its table should hold.

    `kind` groups warnings: `broken JSON`, `empty data`, `unknown part type`, `unknown role`, `unexpected shape`,
    `too large`; `detail` says which.
    """

    kind: str
    detail: str


def milliseconds(value: Any, fallback: int = 0) -> int:
    """A stored time as integer ms within what a clock can show, `fallback` when it is not a time at all."""
    if type(value) is int and 0 <= value <= MAX_MS:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return fallback
    if value != value or value < 0 or value > MAX_MS:
        return fallback
    return int(value)


MAX_MS = 253_402_300_799_000
"""The last millisecond of the year 9999, which is as far as datetime goes."""


def parse_model(text: str | None) -> ModelRef:
    """The JSON of `session.model` (from 1.14.34); an empty reference when it is absent or broken."""
    if not text:
        return ModelRef()
    try:
        return msgspec.json.decode(text, type=ModelRef)
    except (msgspec.MsgspecError, UnicodeError):
        return ModelRef()
