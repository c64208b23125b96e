"""One tool part -> what there is to say of it, before it becomes events."""

from __future__ import annotations

from typing import Any

from adapter.events import OpStatus
from adapter.opencode import tools
from adapter.opencode.emit import Call
from adapter.opencode.json import QUOTE, byte_size, decode, first, is_empty, text_size
from adapter.opencode.rows import RawRow, milliseconds
from adapter.opencode.v1.rows import Attachment, Metadata, ToolPart, ToolState, decode_metadata

NO_STATE = ToolState()


class CallPart(Call, frozen=True, gc=False):
    """A call as a part of 1.x tells it: its status verbatim, and where its texts are. Sizes in bytes, 0 of no text.
    `response_field` is where the output is: the final one, or what a running process has printed so far."""

    status: str
    request_size: int
    response_size: int
    response_field: str
    diffs: list[tools.Patch]
    attachments: list[str]
    lost: tuple[str, ...]
    """Fields of the part and of its metadata that could not be read (json.Row)."""


def read_call(row: RawRow, part: ToolPart) -> CallPart:
    """Takes a tool part apart. The diff of all files of a call says the same as those of each file beside it."""
    state = part.state or NO_STATE
    name = part.tool or "?"
    tool = tools.tool_of(name)
    status = state.status or ""
    arguments = decode(state.input)
    metadata = decode_metadata(state.metadata)
    child = tools.session_named(metadata, row.session_id)
    extras = tools.about(tool, arguments, metadata, state.title or "", status)
    if status in ("pending", "running"):
        # The only sign of life of a call that goes on: opencode touches the row with every chunk of output.
        extras["time_updated"] = row.time_updated * 1000
    if state.title:
        extras["title"] = tools.short(state.title)
    output = state.output or ""
    output_size = response_size = byte_size(output)
    field = "state.output"
    if status == "running" and first(metadata.output) == QUOTE:
        # bash writes metadata.output when the permission was granted and the process starts (tool/bash.ts).
        extras["running"] = True
        extras["output_bytes"] = text_size(metadata.output)
        if not output_size:
            response_size, field = extras["output_bytes"], "state.metadata.output"
    elif status == "running" and not is_empty(state.metadata, b"{}"):
        extras["running"] = True
    if child and isinstance(metadata.model, dict):
        extras["child_model"] = str(metadata.model.get("modelID") or "")
    lost = part.lost + metadata.lost if metadata.lost else part.lost
    if not child and metadata.sessionId is not None and tool.name == tools.TASK:
        lost += _odd_child(metadata.sessionId)
    outcome, error, words = _outcome(tool.name, state, metadata)
    size = len(state.input)
    diff_size = text_size(metadata.diff) if metadata.diff else 0
    return CallPart(
        name,
        tool.name,
        milliseconds(state.time.start if state.time else None, row.time_created),
        milliseconds(state.time.end if state.time else None),
        child,
        extras,
        size,
        output_size,
        outcome,
        error,
        words,
        status,
        0 if size == 4 and is_empty(state.input) else size,
        response_size,
        field,
        [tools.Patch("diff", diff_size, "")] if diff_size else metadata.patches,
        [*map(_format, state.attachments)] if state.attachments else [],
        lost,
    )


def _odd_child(named: Any) -> tuple[str, ...]:
    """What a `task` names as its session, if that is no text; what another tool's key of that name means is its own."""
    if isinstance(named, str):
        return ()
    return (f"state.metadata.sessionId: Expected `str`, got `{type(named).__name__}`",)


def _format(attachment: Attachment | Any) -> str:
    mime = attachment.mime if isinstance(attachment, Attachment) else None
    return mime if isinstance(mime, str) else ""


def _outcome(tool: str, state: ToolState, metadata: Metadata) -> tuple[OpStatus | None, str, str]:
    """Status, error class and message of a call that has ended.

    An abort by the user leaves most tools as `error` with metadata.interrupted, but bash as `completed` without an exit
    code and a remark in its output (1.18.33 processor.ts and bash.ts).
    """
    if state.status == "error":
        words = state.error or ""
        name = tools.error_class(words)
        cancelled = name == "Aborted" or metadata.interrupted is True
        return ("cancelled" if cancelled else "failed"), name, words
    if state.status != "completed":
        return None, "", ""
    if tool == tools.BASH and metadata.exit is None and "User aborted the command" in (state.output or ""):
        return "cancelled", "Aborted", "User aborted the command"
    return "completed", "", ""
