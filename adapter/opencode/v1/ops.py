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
    Severity,
    Usage,
)
from adapter.opencode import tools
from adapter.opencode.json import Malformed, byte_size
from adapter.opencode.malformed import remarks
from adapter.opencode.rows import RawRow, milliseconds
from adapter.opencode.tokens import money, usage_of
from adapter.opencode.v1.calls import compaction_words, read_call
from adapter.opencode.v1.rows import (
    AgentPart,
    CompactionPart,
    FilePart,
    Part,
    PatchPart,
    ReasoningPart,
    RetryPart,
    SnapshotPart,
    Span,
    StepFinishPart,
    StepStartPart,
    SubtaskPart,
    TextPart,
    ToolPart,
)
from adapter.references import build


class PartRow(msgspec.Struct, frozen=True, gc=False):
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
        self._newest_llm: OpStarted | None = None
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
        op = self._op(row, "compaction", at_ms, {"label": "compaction of the conversation"}, name="compaction")
        if self.turn.ended_ms:
            self._end(op, self.turn.ended_as, self.turn.ended_ms, error_class=self.turn.ended_error)

    # -- shared construction. Python passes more than 15 keywords by a dictionary, which takes four times as long
    # (0.26 -> 0.88 µs an event), so what only an llm op has is not named for the others.

    def reference(self, row: RawRow, field: str) -> str:
        """The reference to a field of the part that is being mapped."""
        return build("part_id", row.id, field)

    def _op(
        self,
        row: RawRow,
        kind: OpKind,
        at_ms: int,
        extras: dict[str, Any],
        *,
        parent: OpStarted | None = None,
        name: str = "",
        namespace: str = "",
        reasoning_kind: str = "",
        child: str = "",
    ) -> OpStarted:
        turn = self.turn
        parent = parent or self._llm
        self._seq += 1
        op = OpStarted(
            source=turn.source,
            ts=at_ms * 1000,
            session_id=turn.session_id,
            turn_seq=turn.turn_seq,
            message_id=turn.message_id,
            op_seq=self._seq,
            part_id=row.id,
            op_kind=kind,
            parent_op_seq=parent.op_seq if parent else -1,
            name=name,
            namespace=namespace,
            reasoning_kind=reasoning_kind,
            child_session_id=child,
            extras=extras,
        )
        self.groups[row.id].append(op)
        return op

    def _end(
        self,
        op: OpStarted,
        status: OpStatus,
        end_ms: int,
        *,
        error_class: str = "",
        error_message: str = "",
        bytes_in: int = -1,
        bytes_out: int = -1,
    ) -> None:
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
                error_class=error_class,
                error_message=error_message,
                end_ts=end_ms * 1000,
                bytes_in=bytes_in,
                bytes_out=bytes_out,
            )
        )

    def _ref(
        self,
        row: RawRow,
        kind: PayloadKind,
        field: str,
        op_seq: int,
        at_ms: int,
        *,
        format: str = "text",
        size: int = -1,
        preview: str = "",
    ) -> None:
        self.groups[row.id].append(
            PayloadRef(
                source=self.turn.source,
                ts=at_ms * 1000,
                session_id=self.turn.session_id,
                turn_seq=self.turn.turn_seq,
                op_seq=op_seq,
                payload_kind=kind,
                uri=self.reference(row, field),
                format=format,
                size=size,
                message_id=self.turn.message_id,
                part_id=row.id,
                preview=preview,
            )
        )

    def _log(self, row: RawRow, severity: Severity, message: str, op_seq: int = 0) -> None:
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
        # The most frequent kinds first: each case that does not match costs an isinstance.
        match part:
            case ToolPart():
                self._tool(row, part)
            case StepStartPart():
                self._step_start(row)
            case StepFinishPart():
                self._step_finish(row, part)
            case TextPart():
                self._prose(row, "text", "llm_response", part.text, part.time)
            case ReasoningPart():
                kind = "summary" if isinstance(part.metadata, dict) and "summary" in part.metadata else "raw"
                self._prose(row, "reasoning", "llm_reasoning", part.text, part.time, kind)
            case PatchPart():
                files = [f for f in part.files or () if isinstance(f, str)]
                self._amend_llm(patch_hash=part.hash or "", patch_files=len(files))
                names = tools.short(", ".join(files))
                seq = self._llm.op_seq if self._llm else 0
                self._ref(row, "diff", "files", seq, row.time_created, format="json", preview=names)
            case CompactionPart():
                self._log(row, "INF", compaction_words(part))
            case RetryPart():
                words = part.error.message if part.error else ""
                self._log(row, "WRN", f"retry {part.attempt or '?'}: {words}".rstrip(": "))
            case FilePart():
                self._file(row, part)
            case Malformed():
                self.groups[row.id] += remarks(self.turn.source, row, "part", part, self.turn.turn_seq)
            case AgentPart() | SubtaskPart() | SnapshotPart():
                pass

    def _prose(
        self, row: RawRow, kind: OpKind, payload: PayloadKind, text: str | None, time: Span | None, how: str = ""
    ) -> None:
        text = text or ""
        start = milliseconds(time.start if time else None, row.time_created)
        end = milliseconds(time.end if time else None)
        size = byte_size(text)
        op = self._op(row, kind, start, {"label": tools.short(text.lstrip())}, reasoning_kind=how)
        if text:
            self._ref(row, payload, "text", op.op_seq, start, format="markdown", size=size)
        if end:
            self._end(op, "completed", end, bytes_out=size)
        elif self.turn.ended_ms:
            # The text of a killed step stays empty for ever; of a part without times (1.2) it is simply complete.
            done = bool(text) and self.turn.ended_as == "completed"
            self._end(op, "completed" if done else self.turn.ended_as, self.turn.ended_ms, bytes_out=size)

    def _file(self, row: RawRow, part: FilePart) -> None:
        name, mime = part.filename or part.url or "", part.mime or ""
        words = tools.short(mime or "a file" if not name or name.startswith("data:") else name)
        self._ref(row, "attachment", "url", 0, row.time_created, format=mime, size=len(part.url or ""), preview=words)
        self._log(row, "INF", f"attachment {tools.short(part.filename or mime or 'file')}")

    def _tool(self, row: RawRow, part: ToolPart) -> None:
        call = read_call(row, part)
        start, end = call.start_ms, call.end_ms or call.start_ms
        ops: list[OpStarted] = []
        if call.child:
            name = call.extras["label"] or call.tool
            ops.append(self._op(row, "session", start, call.extras, name=name, child=call.child))
        op = self._op(
            row,
            "tool",
            start,
            call.extras,
            parent=ops[0] if ops else None,
            name=call.tool,
            namespace=tools.namespace_of(call.tool),
            child=call.child,
        )
        ops.append(op)
        if call.request_size:
            self._ref(row, "tool_request", "state.input", op.op_seq, start, format="json", size=call.request_size)
        if call.response_size:
            self._ref(row, "tool_response", call.response_field, op.op_seq, end, size=call.response_size)
        if call.diff_size:
            self._ref(row, "diff", "state.metadata.diff", op.op_seq, end, format="diff", size=call.diff_size)
        for index, mime in enumerate(call.attachments):
            self._ref(row, "attachment", f"state.attachments.{index}.url", op.op_seq, end, format=mime)
        if call.outcome:
            for each in ops:
                self._end(
                    each,
                    call.outcome,
                    call.end_ms or row.time_updated,
                    error_class=call.error_class,
                    error_message=call.error_message,
                    bytes_in=call.input_size,
                    bytes_out=call.output_size,
                )
        elif call.status not in ("pending", "running"):
            self._log(row, "WRN", f"unknown tool status: {call.status[:40]!r}", op.op_seq)

    # -- the llm op

    def _amend_llm(self, **facts: Any) -> None:
        """Adds facts to the extras of the open llm op, or of the one that has just ended."""
        if self._newest_llm is not None:
            self._newest_llm.extras.update(facts)

    def _step_start(self, row: RawRow) -> None:
        if self._llm is not None:
            self._close_llm("cancelled", row.time_created)
        turn = self.turn
        self._seq += 1
        self._llm = self._newest_llm = OpStarted(
            source=turn.source,
            ts=row.time_created * 1000,
            session_id=turn.session_id,
            turn_seq=turn.turn_seq,
            message_id=turn.message_id,
            op_seq=self._seq,
            part_id=row.id,
            op_kind="llm",
            name=turn.model,
            model=turn.model,
            provider=turn.provider,
            provider_alias=turn.provider_alias,
        )
        self.groups[row.id].append(self._llm)

    def _step_finish(self, row: RawRow, part: StepFinishPart) -> None:
        if self._llm is None:
            # A finish without a start: the start was deleted, or the row is from another tool.
            self._step_start(row)
        assert self._llm is not None
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
        op = self._llm
        assert op is not None
        if reason:
            self._amend_llm(finish=reason)
        self.groups[op.part_id].append(
            OpFinalized(
                source=op.source,
                ts=end_ms * 1000,
                session_id=op.session_id,
                turn_seq=op.turn_seq,
                message_id=op.message_id,
                op_seq=op.op_seq,
                part_id=op.part_id,
                op_kind="llm",
                status=status,
                error_class=(self.turn.ended_error or reason) if status == "failed" else "",
                end_ts=end_ms * 1000,
                usage=usage,
                delta=delta,
                cost=cost,
                context_used=usage.context,
            )
        )
        self._llm = None
