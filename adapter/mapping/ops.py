"""Parts of one assistant message -> ops, payload references and remarks."""

from __future__ import annotations

from typing import Any

import msgspec

from adapter.events import (
    NO_USAGE,
    Event,
    LogEntry,
    OpFinalized,
    OpKind,
    OpStarted,
    OpStatus,
    PayloadKind,
    PayloadRef,
    Usage,
)
from adapter.mapping import tools
from adapter.mapping.tokens import money, usage_of
from adapter.references import build
from adapter.rows import (
    AgentPart,
    CompactionPart,
    FilePart,
    Malformed,
    Part,
    PatchPart,
    RawRow,
    ReasoningPart,
    RetryPart,
    SnapshotPart,
    StepFinishPart,
    StepStartPart,
    SubtaskPart,
    TextPart,
    ToolPart,
    ToolState,
    milliseconds,
)


class PartRow(msgspec.Struct, frozen=True):
    """A part row with its JSON decoded."""

    row: RawRow
    part: Part | Malformed


class TurnFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the ops of a turn need to know of it. `ended_ms` is 0 while the turn is open; `ended_as` is what becomes of
    ops that are still open then; `live` parts of a user message have no turn (seq 0)."""

    source: str
    session_id: str
    message_id: str
    turn_seq: int
    model: str = ""
    provider: str = ""
    provider_alias: str = ""
    ended_ms: int = 0
    ended_as: OpStatus = "cancelled"
    ended_error: str = ""


Groups = dict[str, list[Event]]


class OpMapper:
    """Walks the parts of one message once, in order. Pure: the result depends on the arguments alone.

    `groups` maps each part id to the events of that part; a step-finish adds the end of the llm op to the group of
    the step-start, so that one group always tells one thing whole.
    """

    def __init__(self, turn: TurnFacts) -> None:
        self.turn = turn
        self.groups: Groups = {}
        self.finished_steps = 0
        self._seq = 0
        self._llm: OpStarted | None = None
        self._previous: Usage | None = None

    def run(self, parts: list[PartRow]) -> Groups:
        """Maps all parts, then closes what an ended turn left open."""
        for item in parts:
            self.groups[item.row.id] = []
            self._part(item.row, item.part)
        if self._llm is not None and self.turn.ended_ms:
            # A turn that ended without its step-finish was cut short, whatever else it says (context overflow).
            as_what = "cancelled" if self.turn.ended_as == "completed" else self.turn.ended_as
            self._close_llm(as_what, self.turn.ended_ms)
        return self.groups

    def compaction(self, row: RawRow, at_ms: int) -> None:
        """Opens the turn with a `compaction` op, named by the message itself: in opencode an assistant message with
        `summary: true` is the compaction, and the part of that type is only the request for it (compaction.ts)."""
        self.groups[row.id] = []
        op = self._op(row, "compaction", at_ms, name="compaction", extras={"label": "compaction of the conversation"})
        if self.turn.ended_ms:
            self._end(op, self.turn.ended_as, self.turn.ended_ms, error_class=self.turn.ended_error)

    # -- shared construction

    def _op(self, row: RawRow, kind: OpKind, at_ms: int, **fields: Any) -> OpStarted:
        self._seq += 1
        parent = fields.pop("parent_op_seq", self._llm.op_seq if self._llm else -1)
        op = OpStarted(
            source=self.turn.source,
            ts=at_ms * 1000,
            session_id=self.turn.session_id,
            turn_seq=self.turn.turn_seq,
            message_id=self.turn.message_id,
            op_seq=self._seq,
            part_id=row.id,
            op_kind=kind,
            parent_op_seq=parent,
            **fields,
        )
        self.groups[row.id].append(op)
        return op

    def _end(self, op: OpStarted, status: OpStatus, end_ms: int, **fields: Any) -> None:
        self.groups[op.part_id].append(
            OpFinalized(
                source=op.source,
                ts=end_ms * 1000,
                session_id=op.session_id,
                turn_seq=op.turn_seq,
                message_id=op.message_id,
                op_seq=op.op_seq,
                part_id=op.part_id,
                op_kind=op.op_kind,
                status=status,
                end_ts=end_ms * 1000,
                **fields,
            )
        )

    def _ref(self, row: RawRow, kind: PayloadKind, field: str, op_seq: int, at_ms: int, **fields: Any) -> None:
        self.groups[row.id].append(
            PayloadRef(
                source=self.turn.source,
                ts=at_ms * 1000,
                session_id=self.turn.session_id,
                turn_seq=self.turn.turn_seq,
                op_seq=op_seq,
                payload_kind=kind,
                uri=build("part_id", row.id, field),
                message_id=self.turn.message_id,
                part_id=row.id,
                **fields,
            )
        )

    def _log(self, row: RawRow, severity: Any, message: str, op_seq: int = 0) -> None:
        self.groups[row.id].append(
            LogEntry(
                source=self.turn.source,
                ts=row.time_created * 1000,
                session_id=self.turn.session_id,
                turn_seq=self.turn.turn_seq,
                op_seq=op_seq,
                severity=severity,
                message=message,
                ref=row.id,
            )
        )

    # -- one part

    def _part(self, row: RawRow, part: Part | Malformed) -> None:
        match part:
            case Malformed():
                self._log(row, "WRN", f"{part.kind}: {part.detail}")
            case StepStartPart():
                if self._llm is not None:
                    self._close_llm("cancelled", row.time_created)
                self._llm = self._op(
                    row,
                    "llm",
                    row.time_created,
                    parent_op_seq=-1,
                    name=self.turn.model,
                    model=self.turn.model,
                    provider=self.turn.provider,
                    provider_alias=self.turn.provider_alias,
                )
            case StepFinishPart():
                self._step_finish(row, part)
            case ReasoningPart():
                kind = "summary" if isinstance(part.metadata, dict) and "summary" in part.metadata else "raw"
                self._prose(row, "reasoning", "llm_reasoning", part.text, part.time, reasoning_kind=kind)
            case TextPart():
                self._prose(row, "text", "llm_response", part.text, part.time)
            case ToolPart():
                self._tool(row, part)
            case PatchPart():
                files = [f for f in part.files or () if isinstance(f, str)]
                self._amend_llm(patch_hash=part.hash or "", patch_files=len(files))
                self._ref(
                    row,
                    "diff",
                    "files",
                    self._llm.op_seq if self._llm else 0,
                    row.time_created,
                    format="json",
                    preview=tools.short(", ".join(files)),
                )
            case CompactionPart():
                self._log(row, "INF", compaction_words(part))
            case RetryPart():
                words = part.error.message if part.error else ""
                self._log(row, "WRN", f"retry {part.attempt or '?'}: {words}".rstrip(": "))
            case FilePart():
                self._file(row, part)
            case AgentPart() | SubtaskPart() | SnapshotPart():
                pass

    def _prose(
        self,
        row: RawRow,
        kind: OpKind,
        payload: PayloadKind,
        text: str | None,
        time: Any,
        reasoning_kind: str = "",
    ) -> None:
        text = text or ""
        start = milliseconds(time.start if time else None, row.time_created)
        end = milliseconds(time.end if time else None)
        size = len(text.encode("utf-8", "replace"))
        op = self._op(row, kind, start, reasoning_kind=reasoning_kind, extras={"label": tools.short(text.lstrip())})
        if text:
            self._ref(row, payload, "text", op.op_seq, start, format="markdown", size=size)
        if end:
            self._end(op, "completed", end, bytes_out=size)
        elif self.turn.ended_ms:
            # The text of a killed step stays empty for ever; of a part without times (1.2) it is simply complete.
            done = bool(text) and self.turn.ended_as == "completed"
            self._end(op, "completed" if done else self.turn.ended_as, self.turn.ended_ms, bytes_out=size)

    def _file(self, row: RawRow, part: FilePart) -> None:
        name = part.filename or part.url or part.mime or "a file"
        self._ref(
            row,
            "attachment",
            "url",
            0,
            row.time_created,
            format=part.mime or "",
            size=len(part.url or ""),
            preview=tools.short(name if not name.startswith("data:") else part.mime or "a file"),
        )
        self._log(row, "INF", f"attachment {tools.short(part.filename or part.mime or 'file')}")

    def _tool(self, row: RawRow, part: ToolPart) -> None:
        state = part.state or ToolState()
        tool = part.tool or "?"
        raw_input = bytes(state.input)
        try:
            arguments = msgspec.json.decode(raw_input) if raw_input else None
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            arguments = None
        status = state.status or ""
        start = milliseconds(state.time.start if state.time else None, row.time_created)
        end = milliseconds(state.time.end if state.time else None)
        metadata = state.metadata if isinstance(state.metadata, dict) else {}
        child = metadata.get("sessionId")
        child = child if tool == "task" and isinstance(child, str) else ""
        output = state.output or ""
        live = metadata.get("output") if status == "running" else None
        extras: dict[str, Any] = {
            "label": tools.label(tool, arguments, metadata, state.title or ""),
            "phase": status,
            **tools.facts(tool, arguments, metadata),
        }
        if status in ("pending", "running"):
            # The only sign of life of a call that goes on: opencode touches the row with every chunk of output.
            extras["time_updated"] = row.time_updated * 1000
        if state.title:
            extras["title"] = tools.short(state.title)
        if isinstance(live, str):
            # bash writes metadata.output when the permission was granted and the process starts (opencode.md d).
            extras["running"] = True
            extras["output_bytes"] = len(live.encode("utf-8", "replace"))
        elif status == "running" and metadata:
            extras["running"] = True
        if child and isinstance(metadata.get("model"), dict):
            extras["child_model"] = str(metadata["model"].get("modelID") or "")
        parent_seq = self._llm.op_seq if self._llm else -1
        ops: list[OpStarted] = []
        if child:
            name = extras["label"] or tool
            ops.append(self._op(row, "session", start, name=name, child_session_id=child, extras=extras))
            parent_seq = ops[0].op_seq
        call = self._op(
            row,
            "tool",
            start,
            parent_op_seq=parent_seq,
            name=tool,
            namespace=tools.namespace_of(tool),
            child_session_id=child,
            extras=extras,
        )
        ops.append(call)
        if raw_input and raw_input != b"null":
            self._ref(row, "tool_request", "state.input", call.op_seq, start, format="json", size=len(raw_input))
        if output:
            size = len(output.encode("utf-8", "replace"))
            self._ref(row, "tool_response", "state.output", call.op_seq, end or start, size=size)
        elif isinstance(live, str) and live:
            size = len(live.encode("utf-8", "replace"))
            self._ref(row, "tool_response", "state.metadata.output", call.op_seq, start, size=size)
        if tools.diff_field(tool, metadata):
            size = len(metadata["diff"].encode("utf-8", "replace"))
            field = tools.diff_field(tool, metadata)
            self._ref(row, "diff", field, call.op_seq, end or start, format="diff", size=size)
        for index, attachment in enumerate(state.attachments or ()):
            mime = attachment.get("mime") if isinstance(attachment, dict) else None
            self._ref(
                row,
                "attachment",
                f"state.attachments.{index}.url",
                call.op_seq,
                end or start,
                format=mime if isinstance(mime, str) else "",
            )
        if status in ("completed", "error"):
            final, error, words = tool_status(tool, state, metadata)
            for op in ops:
                self._end(
                    op,
                    final,
                    end or milliseconds(row.time_updated),
                    error_class=error,
                    error_message=words,
                    bytes_in=len(raw_input),
                    bytes_out=len(output.encode("utf-8", "replace")),
                )
        elif status not in ("pending", "running"):
            self._log(row, "WRN", f"unknown tool status: {status[:40]!r}", call.op_seq)

    # -- the llm op

    def _amend_llm(self, **facts: Any) -> None:
        """Adds facts to the extras of the open llm op, or of the one that has just ended."""
        for events in reversed(list(self.groups.values())):
            for index, event in enumerate(events):
                if isinstance(event, OpStarted) and event.op_kind == "llm":
                    events[index] = msgspec.structs.replace(event, extras={**event.extras, **facts})
                    return

    def _step_finish(self, row: RawRow, part: StepFinishPart) -> None:
        if self._llm is None:
            # A finish without a start: the start was deleted, or the row is from another tool.
            self._llm = self._op(row, "llm", row.time_created, parent_op_seq=-1, name=self.turn.model)
        usage, bent_tokens = usage_of(part.tokens)
        cost, bent_cost = money(part.cost)
        if bent_tokens or bent_cost:
            self._log(row, "WRN", "numbers out of range: shown as the nearest possible", self._llm.op_seq)
        delta = usage.growth_since(self._previous)
        self._previous = usage
        self.finished_steps += 1
        status: OpStatus = "completed"
        if part.reason == "length":
            status = "truncated"
        elif part.reason in ("error", "content-filter"):
            status = "failed"
        self._close_llm(status, row.time_created, usage, delta, cost, part.reason or "")

    def _close_llm(
        self,
        status: OpStatus,
        end_ms: int,
        usage: Usage = NO_USAGE,
        delta: Usage = NO_USAGE,
        cost: float = 0.0,
        reason: str = "",
    ) -> None:
        assert self._llm is not None
        if reason:
            self._amend_llm(finish=reason)
        failed = status == "failed"
        self._end(
            self._llm,
            status,
            end_ms,
            usage=usage,
            delta=delta,
            cost=cost,
            context_used=usage.context,
            error_class=(self.turn.ended_error or reason) if failed else "",
        )
        self._llm = None


def compaction_words(part: CompactionPart) -> str:
    """One line about a compaction."""
    cause = "the context overflowed" if part.overflow else "the context was nearly full"
    return f"compaction: {cause}" if part.auto or part.overflow else "compaction asked for by the user"


def tool_status(tool: str, state: ToolState, metadata: dict[str, Any]) -> tuple[OpStatus, str, str]:
    """Status, error class and message of a call that has ended.

    An abort by the user leaves most tools as `error` with metadata.interrupted, but bash as `completed` without an exit
    code and a remark in its output (1.18.33 processor.ts and bash.ts).
    """
    if state.status == "error":
        words = state.error or ""
        name = tools.error_class(words)
        cancelled = name == "Aborted" or metadata.get("interrupted") is True
        return ("cancelled" if cancelled else "failed"), name, words
    if tool == "bash" and "exit" in metadata and metadata["exit"] is None:
        output = state.output or ""
        if "User aborted the command" in output:
            return "cancelled", "Aborted", "User aborted the command"
    return "completed", "", ""
