"""The content of one `session_message` answer -> ops, payload references and remarks.

A row of 2.x is a whole step: what are parts in 1.x are items of a list in its JSON. Their own ids (`reasoning-0`,
`call_1_0`) come again in other rows, so a node is named by its row, its type and its place in the list:
`<message id>:tool2`. Items are added at the end (message-updater.ts), and one that is replaced by another type is
another node. The step itself is `<message id>:step`.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from adapter.events import OpStatus, PayloadKind, Usage
from adapter.opencode import tools
from adapter.opencode.emit import Builder, Call, Groups, TurnFacts, step_status
from adapter.opencode.json import Malformed, decode, is_empty, text_size
from adapter.opencode.rows import RawRow, milliseconds
from adapter.opencode.v2.rows import (
    Assistant,
    Failure,
    FileDiff,
    Item,
    ReasoningItem,
    Result,
    TextItem,
    ToolItem,
    ToolMetadata,
    ToolState,
    decode_item,
    decode_tool_metadata,
)
from adapter.references import build

PHASES = {"streaming": "pending"}
CHILD_IN_ERROR = re.compile(r"\(sessionID: (ses_[A-Za-z0-9]+)\)")
"""A failed subagent call has no metadata; its message keeps the session's id (tool/plugin/subagent.ts)."""
NO_STATE = ToolState()


class ContentMapper(Builder):
    """Walks one answer. The references of an item name its row and the path to it."""

    _path = ""
    """Where the item that is being mapped lies in the row, with a dot behind it."""

    def refer(self, row: RawRow, field: str) -> str:
        """The reference to a field of the item that is being mapped."""
        return build("session_message_id", self.turn.message_id, f"{self._path}{field}")

    def answer(self, row: RawRow, message: Assistant, usage: Usage, cost: float) -> Groups:
        """Maps all items between the beginning and the end of the step."""
        time = message.time
        began = milliseconds(time.created if time else None, row.time_created)
        completed = milliseconds(time.completed if time else None)
        if not self.turn.end_known:
            # What closed it came later, and rewrote the row.
            completed, row = 0, msgspec.structs.replace(row, time_updated=self.turn.ended_ms)
        # Text has no times of its own: it ends where the next item begins, or with the provider's answer.
        answered = milliseconds(time.streamed if time else None) or completed
        step = _item_row(row, "step", began)
        self.begin(step)
        self.begin_step(step)
        items = [decode_item(raw) for raw in message.content or ()]
        begins = [_begin(item) for item in items]
        clock = began
        for index, item in enumerate(items):
            following = next((at for at in begins[index + 1 :] if at), 0)
            is_last = index == len(items) - 1
            until = following or answered or (0 if is_last else row.time_updated)
            self._path = f"content.{index}."
            name = f"{_type_of(item)}{index}"
            clock = self._item(_item_row(row, name, begins[index] or clock), item, until) or clock
        self._path = ""
        self._changed_files(step, message)
        if message.retry is not None:
            # The normal state of waiting, and nothing odd about the data.
            words = message.retry.error.message if message.retry.error else ""
            self.log(step, "INF", f"retry {message.retry.attempt or '?'}: {words or ''}".rstrip(": "))
        ended = self.turn.ended_ms
        if ended:
            self.end_step(_step_status(message, self.turn), ended, usage, usage, cost, message.finish or "")
        return self.groups

    def shell(self, row: RawRow, call: Call, output_field: str) -> Groups:
        """Maps a command of the user: a tool call in a turn of its own."""
        item = _item_row(row, "shell", call.start_ms)
        self.begin(item)
        ops = self.call(item, call)
        seq, end = ops[-1].op_seq, call.end_ms or call.start_ms
        self.ref(item, "tool_request", "command", seq, call.start_ms, size=call.input_size)
        if call.output_size:
            self.ref(item, "tool_response", output_field, seq, end, size=call.output_size)
        self.end_call(item, call, ops)
        return self.groups

    def summary(self, row: RawRow, at_ms: int, size: int) -> None:
        """The text of a compaction, under the op that `compaction` made."""
        self.ref(row, "llm_response", "summary", 1, at_ms, format="markdown", size=size)

    # -- one item

    def _item(self, row: RawRow, item: Item | Malformed, until: int) -> int:
        """Maps one item; returns when it ended (ms), 0 when it goes on."""
        self.begin(row)
        match item:
            case ToolItem():
                return self._call(row, item)
            case TextItem():
                self.odd(row, item.lost)
                # Written empty when it begins and once more, whole, when it is complete.
                end = until or (row.time_updated if item.text else 0)
                self.prose(row, "text", "llm_response", item.text or "", row.time_created, end)
                return end
            case ReasoningItem():
                self.odd(row, item.lost)
                own = milliseconds(item.time.completed if item.time else None)
                end = own or until or (row.time_updated if item.text else 0)
                self.prose(row, "reasoning", "llm_reasoning", item.text or "", row.time_created, end, "raw")
                return end
            case Malformed():
                self.log(row, "WRN", f"{item.kind}: {item.detail}")
                return 0

    def _call(self, row: RawRow, item: ToolItem) -> int:
        state = item.state or NO_STATE
        name = item.name or "?"
        tool = tools.tool_of(name)
        status = state.status or ""
        time = item.time
        ran = milliseconds(time.ran if time else None)
        end = milliseconds(time.completed if time else None)
        start = ran or row.time_created
        arguments = decode(state.input)
        metadata = decode_tool_metadata(state)
        error = _failure(state.error)
        swept = _is_swept(name, error)
        if swept:
            end = max(start, milliseconds(time.created if time else None))
        child = _child(tool.name, row.session_id, arguments, metadata, error)
        extras = _extras(tool, status, arguments, metadata, item.id)
        if status in ("streaming", "pending", "running"):
            extras["time_updated"] = row.time_updated * 1000
        if status == "running":
            # Nothing is written between the call and its end, so a wait for permission cannot be told from work.
            extras["untold"] = True
        outcome, error_name, words = _outcome(status, error)
        pieces = _results(state, metadata)
        total = sum(piece.size for piece in pieces if piece.kind == "tool_response")
        call = Call(
            name,
            tool.name,
            start,
            end,
            child,
            extras,
            len(state.input),
            total,
            outcome,
            error_name,
            words,
        )
        ops = self.call(row, call)
        seq = ops[-1].op_seq
        if not is_empty(state.input, b'""'):
            self.ref(row, "tool_request", "state.input", seq, start, format="json", size=len(state.input))
        for piece in pieces:
            self.ref(row, piece.kind, piece.field, seq, end or start, format=piece.format, size=piece.size)
        self._diffs(row, metadata, "metadata" if state.metadata else "structured", seq, end or start)
        self.end_call(row, call, ops, not swept)
        lost = item.lost + metadata.lost
        if lost:
            self.odd(row, lost)
        if outcome is None and status not in ("streaming", "pending", "running") and not lost:
            self.log(row, "WRN", f"unknown tool status: {status[:40]!r}", seq)
        return end

    def _diffs(self, row: RawRow, metadata: ToolMetadata, where: str, seq: int, at_ms: int) -> None:
        for index, change in enumerate(metadata.changes):
            size = text_size(change.patch) if isinstance(change, FileDiff) else 0
            if size:
                field = f"state.{where}.files.{index}.patch"
                self.ref(row, "diff", field, seq, at_ms, format="diff", size=size)

    def _changed_files(self, step: RawRow, message: Assistant) -> None:
        """What `patch` parts say in 1.x: which files the step changed, as the snapshots before and after it differ."""
        snapshot = message.snapshot
        if snapshot is not None and any(isinstance(name, str) for name in snapshot.files or ()):
            self.changed_files(step, "snapshot.files", snapshot.end or "", snapshot.files or [])


def _item_row(row: RawRow, name: str, at_ms: int) -> RawRow:
    return RawRow(f"{row.id}:{name}", row.id, row.session_id, at_ms, row.time_updated)


def _type_of(item: Item | Malformed) -> str:
    return "item" if isinstance(item, Malformed) else str(item.__struct_config__.tag)


def last_sign(row: RawRow, message: Assistant) -> int:
    """The last time (ms) that a step names of itself, but for what closed it when it had been left."""
    times = [milliseconds(message.time.created if message.time else None, row.time_created)]
    for raw in message.content or ():
        item = decode_item(raw)
        if isinstance(item, ToolItem | ReasoningItem) and item.time is not None:
            swept = isinstance(item, ToolItem) and _is_swept(item.name or "?", _failure((item.state or NO_STATE).error))
            known = (item.time.created, item.time.ran, None if swept else item.time.completed)
            times += [milliseconds(at) for at in known]
    return max(times)


def _is_swept(name: str, error: Failure | None) -> bool:
    """Whether a call was left by a server that died, and closed when the next prompt came: its words then end with the
    name of the tool, and its `completed` is the time of that prompt."""
    return error is not None and error.type == "aborted" and error.message == f"Tool execution interrupted: {name}"


def _begin(item: Item | Malformed) -> int:
    """When an item began (ms), 0 when it does not say."""
    time = item.time if isinstance(item, ToolItem | ReasoningItem) else None
    return milliseconds(time.created if time else None)


def _step_status(message: Assistant, turn: TurnFacts) -> OpStatus:
    if turn.ended_as != "completed":
        return turn.ended_as
    return step_status(message.finish)


class Piece(msgspec.Struct, frozen=True, gc=False):
    """One piece of what a tool gave back: where it is, and its bytes."""

    kind: PayloadKind
    field: str
    size: int
    format: str = "text"


def _results(state: ToolState, metadata: ToolMetadata) -> list[Piece]:
    if not state.content:
        size = text_size(metadata.content)
        where = "metadata" if state.metadata else "structured"
        return [Piece("tool_response", f"state.{where}.content", size)] if size else []
    pieces = []
    for index, piece in enumerate(state.content):
        if not isinstance(piece, Result):
            continue
        size = text_size(piece.text)
        field = f"state.content.{index}"
        if size:
            pieces.append(Piece("tool_response", f"{field}.text", size))
        elif piece.uri:
            mime = piece.mime if isinstance(piece.mime, str) else ""
            pieces.append(Piece("attachment", f"{field}.uri", text_size(piece.uri), mime))
    return pieces


def _failure(error: Failure | str | None) -> Failure | None:
    return Failure(message=error) if isinstance(error, str) else error


def _child(tool: str, own: str, arguments: Any, metadata: ToolMetadata, error: Failure | None) -> str:
    """The session that a call started: named by its result; for a subagent also by the wish to go on with an earlier
    one, or by the words of its failure. While a new one runs, nothing in the parent names it."""
    named = tools.session_named(metadata, own)
    if named or tool != tools.TASK:
        return named
    asked = arguments.get("sessionID") if isinstance(arguments, dict) else None
    if isinstance(asked, str) and asked.startswith(tools.SESSION_ID):
        return asked
    found = CHILD_IN_ERROR.search(error.message or "") if error else None
    return found[1] if found else ""


def _extras(
    tool: tools.Tool, status: str, arguments: Any, metadata: ToolMetadata, call_id: str | None
) -> dict[str, Any]:
    extras = tools.about(tool, arguments, metadata, "", PHASES.get(status, status))
    if tool.name == tools.TASK and isinstance(arguments, dict):
        agent = arguments.get("agent")
        extras["child_agent"] = tools.short(agent) if isinstance(agent, str) else ""
    goes_on = metadata.status == "running" or (metadata.shellID is not None and metadata.exit is msgspec.UNSET)
    if status == "completed" and goes_on:
        extras["background"] = True
        if tool.name == tools.BASH:
            # The notice of its end names one of these, by version.
            extras["told_as"] = [tools.short(name) for name in (call_id, metadata.shellID) if isinstance(name, str)]
    return extras


def _outcome(status: str, error: Failure | None) -> tuple[OpStatus | None, str, str]:
    """Status, error class and message of a call that has ended; the class is opencode's own type where it says more
    than `unknown`."""
    if status == "completed":
        return "completed", "", ""
    if status != "error":
        return None, "", ""
    kind, words = (error.type or "", error.message or "") if error else ("", "")
    if words.startswith("The user declined"):
        return "failed", "PermissionRejected", words
    if kind == "aborted" or words.startswith("Tool execution interrupted"):
        return "cancelled", "Aborted", words
    name = tools.error_class(words)
    if name == "ToolError" and kind not in ("", "unknown"):
        name = kind
    return ("cancelled" if name == "Aborted" else "failed"), name, words
