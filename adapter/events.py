"""The contract: canonical events, as frozen msgspec structs tagged by `kind`. Nothing else lives here.

The TUI, the NDJSON stream (`opencode-viewer events`) and the tests all consume these and only these.
The stream is idempotent (applying an event twice, or a whole session again, changes nothing) and complete
(a consumer that only applies events ends in the state of a cold load, deletions included).

Units: `ts` and `end_ts` are integer **microseconds** UTC (opencode writes milliseconds), token counts are tokens,
`cost` is US dollars as opencode computed it, sizes are bytes with -1 for unknown.
Strings are verbatim from the database: a consumer that draws them must sanitise them first.
`gc=False`: events hold values and never each other, and a session has tens of thousands of them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

SessionKind = Literal["root", "sub_agent", "fork"]
OpKind = Literal["llm", "tool", "session", "reasoning", "text", "compaction"]
OpStatus = Literal["completed", "failed", "cancelled", "truncated"]
TurnStatus = Literal["completed", "failed", "aborted"]
SessionStatus = Literal["completed", "failed"]
PayloadKind = Literal[
    "user_prompt", "llm_response", "llm_reasoning", "tool_request", "tool_response", "attachment", "diff"
]
Severity = Literal["DBG", "INF", "WRN", "ERR"]


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one step, message or session, or the growth of them.

    `output` excludes `reasoning` from opencode 1.14.34 on and includes it up to 1.3.2 (session.ts, usage function).
    """

    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache_read: int = 0
    cache_write: int = 0

    def __add__(self, other: Usage) -> Usage:
        """The sum, counter by counter."""
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.reasoning + other.reasoning,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
        )

    def growth_since(self, previous: Usage | None) -> Usage:
        """What this adds to `previous`, each counter clamped at 0; all of it when there is no previous."""
        if previous is None:
            return self
        return Usage(
            max(0, self.input - previous.input),
            max(0, self.output - previous.output),
            max(0, self.reasoning - previous.reasoning),
            max(0, self.cache_read - previous.cache_read),
            max(0, self.cache_write - previous.cache_write),
        )

    @property
    def context(self) -> int:
        """Tokens of the prompt that went out: input + cache read + cache write."""
        return self.input + self.cache_read + self.cache_write

    @property
    def total(self) -> int:
        """All five counters, opencode's own "context used" figure."""
        return self.context + self.output + self.reasoning


NO_USAGE = Usage()


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind"):
    """What every event has: where it comes from (`opencode:<path>`) and when it happened (µs UTC)."""

    source: str
    ts: int


class SessionStarted(Event, frozen=True, kw_only=True, gc=False, tag="session_started"):
    """A session row, whole; sent again whenever the row changes.

    `extras` holds what else the row says: `slug`-like odds and ends, and `usage` (five counters), `cost`,
    `time_updated` (µs), `ended_ts` (µs, when the newest answer ended; not there while that is not known or open),
    `archived_ts`, `revert_message_id`, `additions`, `deletions`, `files` where the row has them;
    in 2.x also `fork_session_id`; `idle_outcome` (succeeded, failed, interrupted) and `idle_ts` (µs) of the last turn,
    in the preview by its events; `claimed` (a turn is going on, or was when its server died; not there where nothing
    says it) and then `claimed_ts` (µs), `resume_attempts` (where they are counted) and `suspended` (true: its server
    was stopped, and the next start goes on with it); and `sums_apart` (true: `usage` and `cost` are no
    sums of the steps, may be more or less, and are the truth also when they are 0).
    """

    session_id: str
    root_id: str
    parent_id: str | None = None
    session_kind: SessionKind = "root"
    agent: str = ""
    model: str = ""
    provider: str = ""
    provider_alias: str = ""
    cwd: str = ""
    title: str = ""
    slug: str = ""
    version: str = ""
    project_id: str = ""
    extras: dict[str, Any] = {}


class SessionFinalized(Event, frozen=True, kw_only=True, gc=False, tag="session_finalized"):
    """The session is archived (`completed`) or its last assistant message has an error (`failed`). One that a person
    stopped is `failed` too, and `error_class` says so: `MessageAbortedError` (1.x) or `aborted` (2.x)."""

    session_id: str
    status: SessionStatus
    error_class: str = ""
    error_message: str = ""
    end_ts: int = 0


class SessionRemoved(Event, frozen=True, kw_only=True, gc=False, tag="session_removed"):
    """The session row is gone, and with it everything below it; or all of it is told anew right behind this."""

    session_id: str


class TurnStarted(Event, frozen=True, kw_only=True, gc=False, tag="turn_started"):
    """An assistant message. `turn_seq` is its 1-based place among the session's assistant messages by (time_created,
    id), in 2.x by seq; `prompt_id` the user message it answers ("" when nothing says it). `extras` may hold `cwd`,
    `summary` (a compaction), `compaction` (in 2.x: why, `auto` or `manual`), `by_user` (a command of the user's: no
    turn of the model), `variant`, `status_code` of an error, while it is open `time_updated` (µs), `closing` (true:
    its step-finish is written, and the message's own end, tokens and cost are still to come, or never came), and in
    2.x `retry` (the attempt), `retry_at` (µs) and `retry_error` (at most LABEL_LIMIT characters) while it waits to be
    sent again; `retry_told` (true, while it is open): such a wait would be told."""

    session_id: str
    turn_seq: int
    message_id: str
    prompt_id: str = ""
    agent: str = ""
    model: str = ""
    provider: str = ""
    provider_alias: str = ""
    extras: dict[str, Any] = {}


class TurnFinalized(Event, frozen=True, kw_only=True, gc=False, tag="turn_finalized"):
    """The assistant message has `time.completed`, an `error`, or a step-finish part. `end_ts` 0 says that nobody knows
    when it ended (2.x, a server that died); `ts` is then the last that is known of it."""

    session_id: str
    turn_seq: int
    message_id: str
    status: TurnStatus
    finish: str = ""
    error_class: str = ""
    error_message: str = ""
    end_ts: int = 0
    usage: Usage = NO_USAGE
    delta: Usage = NO_USAGE
    cost: float = 0.0


class TurnRemoved(Event, frozen=True, kw_only=True, gc=False, tag="turn_removed"):
    """A message row is gone: an assistant's turn, or a user's prompt (same id space); or it has become another kind of
    message, or was put elsewhere, and is told anew right behind this."""

    session_id: str
    message_id: str


class OpStarted(Event, frozen=True, kw_only=True, gc=False, tag="op_started"):
    """A span inside a turn, with all that is known of it so far; sent again when more is known.

    `op_seq` counts from 1 in the order of the message's parts; `parent_op_seq` is -1 at the top of the turn.
    A call that names the session it started gives two ops of one part: a `session` op (the parent, named by the call's
    label) and the `tool` op. Both have the call's `tool`: one name for what opencode's versions call otherwise (`bash`
    for `shell`, `task` for `subagent`, `apply_patch` for `patch`), while `name` is verbatim; a tool that opencode does
    not bring is called the same in both. Other ops have none.
    `extras` holds short facts for one line of text, never payloads: `label` (the call in a few words, at most
    LABEL_LIMIT characters), `title`, `exit`, `additions`, `deletions`, `todos` ([done, total]), `todos_cancelled` (of
    that total), `hits`, `truncated`, `saved_output` (the file of opencode's directory `tool-output` that holds the
    whole of an output that it cut, for a week), `running` (the process has really started), `untold` (true, in
    session_message: nothing is written between a call and its end, so it may wait for permission, run, or have died
    with its server),
    `output_bytes`, `unread_bytes` (of a row that has become too large to be read, 0 where the size is not known: what
    is told of it was known before), `phase` (pending, running, completed, error), `child_model`, `child_agent` (in 2.x,
    where a running call does not name the session that it started: the agent of that, and its title is the label),
    `background` (it goes on although the call has ended) and of a command then `told_as` (the notice of its end is
    about one of these), and
    `time_updated` (µs, when the row was last written) while the call goes on. `part_id` is the part's, or for a piece
    of a message of 2.x `<message id>:<piece>`.
    """

    session_id: str
    turn_seq: int
    message_id: str
    op_seq: int
    part_id: str
    op_kind: OpKind
    parent_op_seq: int = -1
    name: str = ""
    tool: str = ""
    namespace: str = ""
    model: str = ""
    provider: str = ""
    provider_alias: str = ""
    reasoning_kind: str = ""
    child_session_id: str = ""
    extras: dict[str, Any] = {}


class OpFinalized(Event, frozen=True, kw_only=True, gc=False, tag="op_finalized"):
    """The span has ended; `end_ts` as of a turn. `context_used` is the prompt that went out (tokens), for `llm` ops
    only."""

    session_id: str
    turn_seq: int
    message_id: str
    op_seq: int
    part_id: str
    status: OpStatus
    op_kind: OpKind
    error_class: str = ""
    error_message: str = ""
    end_ts: int = 0
    usage: Usage = NO_USAGE
    delta: Usage = NO_USAGE
    cost: float = 0.0
    bytes_in: int = -1
    bytes_out: int = -1
    context_used: int = 0


class OpRemoved(Event, frozen=True, kw_only=True, gc=False, tag="op_removed"):
    """A part row is gone, or no longer says what it said. Forget every op of that part with all that hangs on it, also
    references that came from other parts (a patch hangs on its step), and every reference that came from the part.

    What the message still holds follows in the same batch: all of it is told again, so nothing that is forgotten here
    by mistake is lost, and what is kept by mistake is taken back by nothing.
    """

    session_id: str
    message_id: str
    part_id: str


class PayloadRef(Event, frozen=True, kw_only=True, gc=False, tag="payload_ref"):
    """Where a text can be had: `uri` is resolved on demand, the text itself never travels in an event.

    It names the rows (`message_id`, `part_id`) and has a `preview`: the first words, at
    most LABEL_LIMIT characters, so that a prompt can be shown as one line. A user message is known to a consumer by
    its `user_prompt` reference (turn_seq 0 and op_seq 0: it belongs to no turn); `extras` then says `agent`, `model`,
    `synthetic`, `subtask`, `compaction`, and of what 2.x tells the model itself `notice` (`shell` or `subagent`, that
    went on in the background, or ""), `notice_state` and `about` (the call, command or session). A prompt that waits to
    be taken up has `waiting` (true) and `delivery` (`steer`, `queue` or ""); it is told again when it has been. A
    message has one `user_prompt` reference: a later one takes the place of the one before, as it moves from the message
    to its first text.
    """

    session_id: str
    turn_seq: int
    op_seq: int
    payload_kind: PayloadKind
    uri: str
    format: str = "text"
    size: int = -1
    message_id: str = ""
    part_id: str = ""
    preview: str = ""
    extras: dict[str, Any] = {}


class LogEntry(Event, frozen=True, kw_only=True, gc=False, tag="log_entry"):
    """A remark about the data. `ref` is the id of the row it is about; (ref, message) makes it idempotent.

    Of a WRN the words before the first colon are its kind: `broken JSON`, `empty data`, `too large`, `unknown ...`,
    `unexpected shape` (of a row that is left out), `unexpected value` (fields that are, named behind it), `no time`,
    `no number`, `time out of range`, `numbers out of range` (the nearest possible is shown), `owner differs`,
    `empty owner`, `unknown owner`, `retry ...`.
    """

    session_id: str = ""
    turn_seq: int = 0
    op_seq: int = 0
    severity: Severity = "INF"
    message: str = ""
    ref: str = ""
    extras: dict[str, Any] = {}


class SourceProgress(Event, frozen=True, kw_only=True, gc=False, tag="source_progress"):
    """Everything read before this has been emitted; `cursor` resumes after it. `rows` were read since the last one."""

    cursor: str
    rows: int = 0


class SourceError(Event, frozen=True, kw_only=True, gc=False, tag="source_error"):
    """The source, or one row of it, cannot be read; reading goes on. One about a row (`table` and `row_id` are set)
    stands before a WRN log entry with the same words."""

    message: str
    table: str = ""
    row_id: str = ""


AnyEvent = (
    SessionStarted
    | SessionFinalized
    | SessionRemoved
    | TurnStarted
    | TurnFinalized
    | TurnRemoved
    | OpStarted
    | OpFinalized
    | OpRemoved
    | PayloadRef
    | LogEntry
    | SourceProgress
    | SourceError
)

LABEL_LIMIT = 240
"""Longest label or preview in an event, in characters."""
