"""Parts of one message -> ops, payload references and remarks."""

from __future__ import annotations

from typing import cast

import msgspec

from adapter.events import OpKind, PayloadKind, Usage
from adapter.opencode import tools
from adapter.opencode.emit import CLAMPED, Builder, Groups, compaction_words, step_status
from adapter.opencode.json import Malformed
from adapter.opencode.rows import RawRow, milliseconds
from adapter.opencode.tokens import money, usage_of
from adapter.opencode.v1.calls import read_call
from adapter.opencode.v1.rows import (
    CompactionPart,
    FilePart,
    Part,
    PatchPart,
    ReasoningPart,
    RetryPart,
    Span,
    StepFinishPart,
    StepStartPart,
    TextPart,
    ToolPart,
)
from adapter.references import build


class PartRow(msgspec.Struct, frozen=True, gc=False):
    """A part row with its JSON decoded. Of a call whose row has become too large to be read, `known` is what was read
    before, and `size` its bytes now (0 unknown)."""

    row: RawRow
    part: Part | Malformed
    known: ToolPart | None = None
    size: int = 0


class PartsMapper(Builder):
    """Walks the parts of one message once, in order."""

    _previous: Usage | None = None
    """The usage of the step before, from which the next one grows."""

    def refer(self, row: RawRow, field: str) -> str:
        """The reference to a field of a part."""
        return build("part_id", row.id, field)

    def run(self, parts: list[PartRow]) -> Groups:
        """Maps all parts, then closes what an ended turn left open."""
        groups = self.groups
        for item in parts:
            row, part = item.row, item.part
            groups[row.id] = []
            self._part(row, part, item)
            if (row.odd or part.lost) and type(part) is not ToolPart:
                self.odd(row, part.lost)
        if self.turn.ended_ms:
            # A turn that ended without its step-finish was cut short, whatever else it says (context overflow).
            as_what = "cancelled" if self.turn.ended_as == "completed" else self.turn.ended_as
            self.cancel_step(as_what, self.turn.ended_ms)
        return self.groups

    def _part(self, row: RawRow, part: Part | Malformed, item: PartRow) -> None:
        # Not isinstance or a match, which take 0.2 µs for each kind that it is not.
        kind = type(part)
        if kind is ToolPart:
            self._tool(row, cast(ToolPart, part))
        elif kind is StepStartPart:
            self.begin_step(row)
        elif kind is StepFinishPart:
            self._step_finish(row, cast(StepFinishPart, part))
        elif kind is TextPart:
            text = cast(TextPart, part)
            self._prose(row, "text", "llm_response", text.text, text.time)
        else:
            self._rarer(row, part, item)

    def _rarer(self, row: RawRow, part: Part | Malformed, item: PartRow) -> None:
        match part:
            case ReasoningPart():
                kind = "summary" if isinstance(part.metadata, dict) and "summary" in part.metadata else "raw"
                self._prose(row, "reasoning", "llm_reasoning", part.text, part.time, kind)
            case PatchPart():
                self.changed_files(row, "files", part.hash or "", part.files or [])
            case CompactionPart():
                self.log(row, "INF", compaction_words(bool(part.auto), bool(part.overflow)))
            case RetryPart():
                words = part.error.message if part.error else ""
                self.log(row, "WRN", f"retry {part.attempt or '?'}: {words}".rstrip(": "))
            case FilePart():
                self._file(row, part)
            case Malformed():
                if item.known is not None:
                    self._unread(item, item.known)
                self.malformed(row, "part", part)
            case _:
                pass  # a mention, a command's prompt, the state of the files: nothing of it is shown

    def _prose(
        self, row: RawRow, kind: OpKind, payload: PayloadKind, text: str | None, time: Span | None, how: str = ""
    ) -> None:
        start = milliseconds(time.start if time else None, row.time_created)
        end = milliseconds(time.end if time else None)
        self.prose(row, kind, payload, text or "", start, end, how)

    def _file(self, row: RawRow, part: FilePart) -> None:
        name, mime = part.filename or part.url or "", part.mime or ""
        words = tools.short(mime or "a file" if not name or name.startswith("data:") else name)
        size = len(part.url or "")
        self.ref(row, "attachment", "url", 0, row.time_created, format=mime, size=size, preview=words)
        self.log(row, "INF", f"attachment {tools.short(part.filename or mime or 'file')}")

    def _unread(self, item: PartRow, known: ToolPart) -> None:
        """A call whose row has outgrown what is read keeps what was known of it. That it has ended is seen by its turn
        alone."""
        row = item.row
        call = read_call(row, known)
        ended = bool(self.turn.ended_ms) and call.outcome is None
        call = msgspec.structs.replace(
            call,
            extras={**call.extras, "unread_bytes": item.size},
            output_size=item.size or -1,
            outcome="truncated" if ended else call.outcome,
            error_class="TooLarge" if ended else call.error_class,
            error_message=unread_words(item.size) if ended else call.error_message,
        )
        ops = self.call(row, call)
        seq, end = ops[-1].op_seq, call.end_ms or row.time_updated
        if call.request_size:
            self.ref(row, "tool_request", "state.input", seq, call.start_ms, format="json", size=call.request_size)
        self.ref(row, "tool_response", "state.output", seq, end, size=item.size or -1)
        self.end_call(row, call, ops)

    def _tool(self, row: RawRow, part: ToolPart) -> None:
        call = read_call(row, part)
        ops = self.call(row, call)
        seq, start, end = ops[-1].op_seq, call.start_ms, call.end_ms or call.start_ms
        if call.request_size:
            self.ref(row, "tool_request", "state.input", seq, start, format="json", size=call.request_size)
        if call.response_size:
            form = "json" if call.lost and _is_lost(call.response_field, call.lost) else "text"
            self.ref(row, "tool_response", call.response_field, seq, end, format=form, size=call.response_size)
        for patch in call.diffs:
            field = f"state.metadata.{patch.field}"
            self.ref(row, "diff", field, seq, end, format="diff", size=patch.size, preview=patch.name)
        for index, mime in enumerate(call.attachments):
            self.ref(row, "attachment", f"state.attachments.{index}.url", seq, end, format=mime)
        self.end_call(row, call, ops)
        if row.odd or call.lost:
            self.odd(row, call.lost)
        if call.outcome is None and call.status not in ("pending", "running") and not part.lost:
            self.log(row, "WRN", f"unknown tool status: {call.status[:40]!r}", seq)

    def _step_finish(self, row: RawRow, part: StepFinishPart) -> None:
        if self._step is None:
            # A finish without a start: the start was deleted, or the row is from another tool.
            self.begin_step(row)
        usage, clamped_tokens = usage_of(part.tokens)
        cost, clamped_cost = money(part.cost)
        if clamped_tokens or clamped_cost:
            self.log(row, "WRN", CLAMPED, self.step_seq)
        delta = usage.growth_since(self._previous)
        self._previous = usage
        self.end_step(step_status(part.reason), row.time_created, usage, delta, cost, part.reason or "")


def _is_lost(field: str, lost: tuple[str, ...]) -> bool:
    return any(words.startswith(f"{field}:") for words in lost)


def unread_words(size: int) -> str:
    """One line about a result that is not read, of `size` bytes (0 unknown)."""
    return f"result of {size / 1e6:,.0f} MB, not read" if size else "result too large, not read"
