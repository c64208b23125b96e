"""The one builder of events: what a message, its steps and its calls become, whichever family the rows are of.

The mappings of v1 and v2 read rows and say what they found; here it is numbered, hung under its step, and put into the
groups that `follow` compares: a group always tells one node whole, its first event resets the node, the others fill it.
"""

from __future__ import annotations

from typing import Any, Literal

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
    SourceError,
    TurnFinalized,
    TurnStarted,
    TurnStatus,
    Usage,
)
from adapter.opencode import tools
from adapter.opencode.json import Malformed, byte_size
from adapter.opencode.rows import RawRow
from adapter.opencode.sessions import LastAnswer
from adapter.opencode.tokens import CLAMPED as CLAMPED

TURN_GROUP = ""
"""Key of the group that describes the message itself; every other key is a part id."""
Groups = dict[str, list[Event]]
UNREADABLE = ("broken JSON", "empty data", "too large", "damaged")
"""Kinds of malformed rows of which nothing is known but that they are there."""


class MappedMessage(msgspec.Struct, frozen=True):
    """The events of one message. `usage` is None unless it is an assistant's; `last` says how the session stands if
    this is its last assistant message."""

    role: Literal["user", "assistant", "other"]
    groups: Groups
    usage: Usage | None = None
    last: LastAnswer | None = None


class TurnFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the events of a turn need to know of it. `ended_ms` is 0 while the turn is open; `ended_as` is what becomes
    of ops that are still open then. What hangs on a user message has no turn (seq 0)."""

    source: str
    session_id: str
    message_id: str
    turn_seq: int
    model: str = ""
    provider: str = ""
    provider_alias: str = ""
    ended_ms: int = 0
    end_known: bool = True
    """False where it only is over: `ended_ms` is then the last that is known of it, and no end is told."""
    ended_as: OpStatus = "cancelled"
    ended_error: str = ""
    servers: frozenset[str] = frozenset()
    """The MCP servers that are configured where the session runs."""
    texts: bool = True
    """False where nobody asks for the texts of a turn that has ended: it has no references then."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """A tool call. Times in ms, `end_ms` 0 when the row has none; sizes in bytes, -1 unknown.

    `name` is verbatim and `tool` canonical (tools.py). `outcome` is None until the call has ended. `child` is the
    session that it started.
    """

    name: str
    tool: str
    start_ms: int
    end_ms: int
    child: str
    extras: dict[str, Any]
    input_size: int
    output_size: int
    outcome: OpStatus | None
    error_class: str
    error_message: str


def remarks(source: str, row: RawRow, table: str, malformed: Malformed, turn_seq: int = 0) -> list[Event]:
    """What there is to say of a row that is not what its table should hold: a WRN, behind a `source_error` when nothing
    of the row could be read."""
    words = f"{malformed.kind}: {malformed.detail}"
    warning = remark(source, row, "WRN", words, turn_seq)
    if malformed.kind not in UNREADABLE:
        return [warning]
    return [SourceError(source=source, ts=warning.ts, message=words, table=table, row_id=row.id), warning]


def remark(source: str, row: RawRow, severity: Severity, message: str, turn_seq: int = 0, op_seq: int = 0) -> LogEntry:
    """A remark about a row, at the time when it was made."""
    return LogEntry(
        source=source,
        ts=row.time_created * 1000,
        session_id=row.session_id,
        turn_seq=turn_seq,
        op_seq=op_seq,
        severity=severity,
        message=message,
        ref=row.id,
    )


def oddities(source: str, row: RawRow, lost: tuple[str, ...], turn_seq: int = 0) -> list[LogEntry]:
    """A WRN for each thing that is wrong with the columns of a row, and one for all fields that its JSON lost."""
    words = [*row.odd, lost_words(lost)] if lost else row.odd
    return [remark(source, row, "WRN", each, turn_seq) for each in words]


def lost_words(lost: tuple[str, ...]) -> str:
    """The warning about fields that could not be read."""
    return tools.short(f"unexpected value: {'; '.join(lost)}")


def ownerless(source: str, table: str, row: RawRow) -> list[LogEntry]:
    """What there is to say of a row that belongs to nothing that is there: `empty owner` or `unknown owner`."""
    owner = row.session_id if table != "part" else row.message_id
    noun = "session" if table != "part" else "message"
    kind = "unknown owner" if owner else "empty owner"
    return [remark(source, row, "WRN", f"{kind}: a {table} row whose {noun} is {owner!r}")]


def map_malformed(source: str, row: RawRow, table: str, message: Malformed) -> MappedMessage:
    """A message of which nothing can be told but remarks; its parts hang on nothing and are left out."""
    return MappedMessage("other", {TURN_GROUP: [*remarks(source, row, table, message), *oddities(source, row, ())]})


def turn_started(turn: TurnFacts, at_ms: int, prompt_id: str, agent: str, extras: dict[str, Any]) -> TurnStarted:
    """The beginning of an answer."""
    return TurnStarted(
        source=turn.source,
        ts=at_ms * 1000,
        session_id=turn.session_id,
        turn_seq=turn.turn_seq,
        message_id=turn.message_id,
        prompt_id=prompt_id,
        agent=agent,
        model=turn.model,
        provider=turn.provider,
        provider_alias=turn.provider_alias,
        extras=extras,
    )


def turn_finalized(
    turn: TurnFacts,
    end_ms: int,
    status: TurnStatus,
    finish: str,
    error_message: str,
    usage: Usage,
    previous: Usage | None,
    cost: float,
) -> TurnFinalized:
    """The end of an answer; `previous` is the usage of the answer before it, from which it grew."""
    return TurnFinalized(
        source=turn.source,
        ts=end_ms * 1000,
        session_id=turn.session_id,
        turn_seq=turn.turn_seq,
        message_id=turn.message_id,
        status=status,
        finish=finish,
        error_class=turn.ended_error,
        error_message=error_message,
        end_ts=end_ms * 1000 if turn.end_known else 0,
        usage=usage,
        delta=usage.growth_since(previous),
        cost=cost,
    )


def ends_as(error: str, aborted: str) -> tuple[TurnStatus, OpStatus]:
    """How a turn, and what is still open in it, ends with this error ("" without); `aborted` is the user's own stop."""
    if not error:
        return "completed", "completed"
    return ("aborted", "cancelled") if error == aborted else ("failed", "failed")


def compaction_words(auto: bool, overflow: bool) -> str:
    """One line about a compaction."""
    cause = "the context overflowed" if overflow else "the context was nearly full"
    return f"compaction: {cause}" if auto or overflow else "compaction asked for by the user"


class Builder:
    """Makes the events of one message, in order. Pure: the result depends on the arguments alone.

    `groups` maps each part id to the events of that part; the end of a step goes to the group of its beginning, so that
    one group always tells one thing whole. Each family has its own, which walks its rows and says in `refer` how a
    field of them is named.
    """

    def __init__(self, turn: TurnFacts) -> None:
        self.turn = turn
        self.groups: Groups = {}
        # No reference is left out that is newer than all else there is to tell of the turn.
        self._untold_until_ms = turn.ended_ms if not turn.texts and turn.end_known and turn.ended_ms else -1
        self._seq = 0
        self._step: OpStarted | None = None
        self._newest_step: OpStarted | None = None

    def refer(self, row: RawRow, field: str) -> str:
        """The reference to a field of a row (references.py)."""
        raise NotImplementedError

    def begin(self, row: RawRow) -> None:
        """Opens the group of a part; what is built for it from here on is in its group."""
        self.groups[row.id] = []

    @property
    def step_seq(self) -> int:
        """The number of the open step, 0 outside of one."""
        return self._step.op_seq if self._step else 0

    # -- ops. Python passes more than 15 keywords by a dictionary, which takes four times as long (0.26 -> 0.88 µs an
    # event), so what only a step has is not named for the others.

    def op(
        self,
        row: RawRow,
        kind: OpKind,
        at_ms: int,
        extras: dict[str, Any],
        *,
        parent: OpStarted | None = None,
        name: str = "",
        tool: str = "",
        namespace: str = "",
        reasoning_kind: str = "",
        child: str = "",
    ) -> OpStarted:
        """Begins an op, under the open step unless a parent is given."""
        turn = self.turn
        parent = parent or self._step
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
            tool=tool,
            namespace=namespace,
            reasoning_kind=reasoning_kind,
            child_session_id=child,
            extras=extras,
        )
        self.groups[row.id].append(op)
        return op

    def end(
        self,
        op: OpStarted,
        status: OpStatus,
        end_ms: int,
        *,
        known: bool = True,
        error_class: str = "",
        error_message: str = "",
        bytes_in: int = -1,
        bytes_out: int = -1,
    ) -> None:
        """Ends an op; `known` is False when it is not known when it ended, and `end_ms` is the last sign of it."""
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
                end_ts=end_ms * 1000 if known else 0,
                bytes_in=bytes_in,
                bytes_out=bytes_out,
            )
        )

    def ref(
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
        """Says where a text of the part is."""
        if at_ms <= self._untold_until_ms:
            return
        turn = self.turn
        self.groups[row.id].append(
            PayloadRef(
                source=turn.source,
                ts=at_ms * 1000,
                session_id=turn.session_id,
                turn_seq=turn.turn_seq,
                op_seq=op_seq,
                payload_kind=kind,
                uri=self.refer(row, field),
                format=format,
                size=size,
                message_id=turn.message_id,
                part_id=row.id,
                preview=preview,
            )
        )

    def log(self, row: RawRow, severity: Severity, message: str, op_seq: int = 0) -> None:
        """A remark about the part."""
        turn = self.turn
        self.groups[row.id].append(remark(turn.source, row, severity, message, turn.turn_seq, op_seq))

    def odd(self, row: RawRow, lost: tuple[str, ...]) -> None:
        """What is wrong with a part that can be shown all the same."""
        self.groups[row.id] += oddities(self.turn.source, row, lost, self.turn.turn_seq)

    def malformed(self, row: RawRow, table: str, malformed: Malformed) -> None:
        """A part that is not what its table should hold."""
        self.groups[row.id] += remarks(self.turn.source, row, table, malformed, self.turn.turn_seq)

    # -- what both families have

    def compaction(self, row: RawRow, at_ms: int) -> None:
        """Opens the turn with a `compaction` op, named by the message itself: in opencode an assistant message with
        `summary: true` is the compaction, and the part of that type is only the request for it (compaction.ts)."""
        self.begin(row)
        op = self.op(row, "compaction", at_ms, {"label": "compaction of the conversation"}, name="compaction")
        if self.turn.ended_ms:
            turn = self.turn
            self.end(op, turn.ended_as, turn.ended_ms, known=turn.end_known, error_class=turn.ended_error)

    def prose(
        self, row: RawRow, kind: OpKind, payload: PayloadKind, text: str, start_ms: int, end_ms: int, how: str = ""
    ) -> None:
        """A text or a thought of the model; `end_ms` 0 while it is written."""
        size = byte_size(text)
        op = self.op(row, kind, start_ms, {"label": tools.short(text.lstrip())}, reasoning_kind=how)
        if text:
            self.ref(row, payload, "text", op.op_seq, start_ms, format="markdown", size=size)
        if end_ms:
            self.end(op, "completed", end_ms, bytes_out=size)
        elif self.turn.ended_ms:
            # The text of a killed step stays empty for ever; of a part without times (1.2) it is simply complete.
            done = bool(text) and self.turn.ended_as == "completed"
            outcome = "completed" if done else self.turn.ended_as
            self.end(op, outcome, self.turn.ended_ms, known=self.turn.end_known, bytes_out=size)

    def call(self, row: RawRow, call: Call) -> list[OpStarted]:
        """A tool call: the session that it started, if it names one, and below it the call itself, the last of those
        returned. `end_call` ends them."""
        name, tool, start, extras, child = call.name, call.tool, call.start_ms, call.extras, call.child
        session = None
        if child:
            session = self.op(row, "session", start, extras, name=extras["label"] or name, tool=tool, child=child)
        servers = self.turn.servers
        space = tools.namespace_of(name, servers) if servers else ""
        op = self.op(row, "tool", start, extras, parent=session, name=name, tool=tool, namespace=space, child=child)
        return [op] if session is None else [session, op]

    def end_call(self, row: RawRow, call: Call, ops: list[OpStarted], known: bool = True) -> None:
        """Ends the ops of a call that has ended, when its row was last written if it does not say when; not `known` as
        for `end`."""
        if call.outcome is None:
            return
        for op in ops:
            self.end(
                op,
                call.outcome,
                call.end_ms or row.time_updated,
                known=known,
                error_class=call.error_class,
                error_message=call.error_message,
                bytes_in=call.input_size,
                bytes_out=call.output_size,
            )

    def changed_files(self, row: RawRow, field: str, patch_hash: str, files: list[Any]) -> None:
        """Which files the step changed, as the snapshots before and after it differ."""
        names = [name for name in files if isinstance(name, str)]
        self.amend_step(patch_hash=patch_hash, patch_files=len(names))
        preview = tools.short(", ".join(names))
        self.ref(row, "diff", field, self.step_seq, row.time_created, format="json", preview=preview)

    # -- the step, an `llm` op

    def amend_step(self, **facts: Any) -> None:
        """Adds facts to the extras of the open step, or of the one that has just ended."""
        if self._newest_step is not None:
            self._newest_step.extras.update(facts)

    def begin_step(self, row: RawRow) -> None:
        """Begins a step; one that is still open was left by a crash or a retry."""
        self.cancel_step("cancelled", row.time_created)
        turn = self.turn
        self._seq += 1
        self._step = self._newest_step = OpStarted(
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
        self.groups[row.id].append(self._step)

    def cancel_step(self, status: OpStatus, end_ms: int) -> None:
        """Ends the step that is open, if one is, without its answer."""
        if self._step is not None:
            self.end_step(status, end_ms)

    def end_step(
        self,
        status: OpStatus,
        end_ms: int,
        usage: Usage = NO_USAGE,
        delta: Usage = NO_USAGE,
        cost: float = 0.0,
        reason: str = "",
    ) -> None:
        """Ends the open step."""
        op = self._step
        assert op is not None
        if reason:
            self.amend_step(finish=reason)
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
                end_ts=end_ms * 1000 if self.turn.end_known else 0,
                usage=usage,
                delta=delta,
                cost=cost,
                context_used=usage.context,
            )
        )
        self._step = None


def step_status(finish: str | None) -> OpStatus:
    """How a step ended, by the reason that the provider gave."""
    if finish == "length":
        return "truncated"
    return "failed" if finish in ("error", "content-filter") else "completed"
