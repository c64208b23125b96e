"""One `session_message` row -> the same events, in the same groups, that a message of 1.x gives.

What answers what is not written in these rows: a step belongs to the prompt before it in the order of `seq`, which the
caller knows. `user`, `synthetic` and `skill` rows are prompts; `assistant`, `shell` and `compaction` rows are turns;
all others are remarks.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from adapter.events import Event, LogEntry, OpStatus, PayloadRef, Severity, Usage
from adapter.opencode import tools
from adapter.opencode.emit import (
    CLAMPED,
    TURN_GROUP,
    Call,
    Groups,
    MappedMessage,
    TurnFacts,
    compaction_words,
    ends_as,
    oddities,
    turn_finalized,
    turn_started,
)
from adapter.opencode.json import NOTHING, QUOTE, byte_size, first, text_size
from adapter.opencode.rows import RawRow, milliseconds
from adapter.opencode.sessions import LastAnswer
from adapter.opencode.tokens import money, usage_of
from adapter.opencode.v2.content import ContentMapper, last_sign
from adapter.opencode.v2.rows import (
    AgentSwitched,
    Assistant,
    Compaction,
    Failure,
    Idle,
    LocationSwitched,
    Model,
    ModelSwitched,
    Notice,
    SessionMessage,
    Shell,
    Skill,
    Synthetic,
    System,
    User,
    Waiting,
    decode_attachment,
    decode_output,
)
from adapter.opencode.vendors import vendor
from adapter.references import build

ABORTED = "aborted"
"""`error.type` of what the user stopped (session/runner/step.ts)."""
LEFT = "its server ended in the middle of it, nobody knows when"
"""What is told of a step that a dead server left."""


def map_session_message(
    source: str,
    row: RawRow,
    message: SessionMessage,
    turn_seq: int,
    previous: Usage | None,
    prompt_id: str,
    servers: frozenset[str] = frozenset(),
    texts: bool = True,
) -> MappedMessage:
    """Maps one row. `turn_seq`, `previous`, `servers` and `texts` as for `map_message`; `prompt_id` is the prompt
    before it, "" without."""
    mapped = _mapped(Begin(source, row, turn_seq, previous, prompt_id, servers, texts), message)
    if message.lost or row.odd:
        seq = turn_seq if mapped.role == "assistant" else 0
        mapped.groups[TURN_GROUP] += oddities(source, row, message.lost, seq)
    return mapped


def _mapped(begin: Begin, message: SessionMessage) -> MappedMessage:
    match message:
        case Assistant():
            return _assistant(begin, message)
        case User():
            return MappedMessage("user", _user(begin, message, {}))
        case Waiting():
            return MappedMessage("other", _waiting(begin, message))
        case Synthetic():
            preview = message.description or (message.text or "").strip()
            return MappedMessage("user", {TURN_GROUP: [_prompt(begin, message.text, preview, _notice(message))]})
        case Skill():
            name = tools.short(message.name or "?")
            extras = {"synthetic": True, "skill": name}
            return MappedMessage("user", {TURN_GROUP: [_prompt(begin, message.text, f"skill {name}", extras)]})
        case Shell():
            return _shell(begin, message)
        case Compaction():
            return _compaction(begin, message)
        case Idle():
            return _idle(begin, message)
        case _:
            return MappedMessage("other", {TURN_GROUP: [_remark(begin, "INF", _words(message), message)]})


def answer_of(row: RawRow, message: SessionMessage) -> LastAnswer | None:
    """What this row says about how the session ended, None when it is not about that.

    An `idle` row says it only for a failure or an interruption: after a success the last step stands as it is.
    """
    ended = _ended(row, message)
    if isinstance(message, Assistant):
        model = message.model or Model()
        given_by = (message.agent or "", model.id or "", model.providerID or "")
        if is_left(message):
            return LastAnswer(ABORTED, LEFT, 0, *given_by)
        return LastAnswer(_class_of(message.error), _message_of(message.error), ended, *given_by)
    if isinstance(message, Shell | Compaction):
        failed = isinstance(message, Compaction) and message.status == "failed"
        error = message.error if failed and isinstance(message, Compaction) else None
        name = _class_of(error) or ("CompactionFailed" if failed else "")
        return LastAnswer(name, _message_of(error), ended, model="")
    if isinstance(message, Idle) and message.outcome in ("failed", "interrupted"):
        name = _class_of(message.error) or ("failed" if message.outcome == "failed" else ABORTED)
        words = _message_of(message.error) or f"the session went idle: {message.outcome}"
        return LastAnswer(name, words, ended)
    return None


class Begin(msgspec.Struct, frozen=True):
    """What every mapping begins with."""

    source: str
    row: RawRow
    turn_seq: int
    previous: Usage | None
    prompt_id: str
    servers: frozenset[str]
    texts: bool


def _created(row: RawRow, message: SessionMessage) -> int:
    return milliseconds(message.time.created if message.time else None, row.time_created)


def is_left(message: SessionMessage) -> bool:
    """Whether a step was left by a server that died: the next prompt closes it with its own beginning for an end, and
    with no finish, tokens or error (observed with 0.0.0-next-16350)."""
    return (
        isinstance(message, Assistant)
        and bool(milliseconds(message.time.completed if message.time else None))
        and not message.finish
        and message.tokens is None
        and message.error is None
    )


def _ended(row: RawRow, message: SessionMessage) -> int:
    """When it was over (ms), 0 while it goes on, and when nobody knows."""
    completed = milliseconds(message.time.completed if message.time else None)
    match message:
        case Assistant():
            return 0 if is_left(message) else completed or (row.time_updated if message.error else 0)
        case Shell():
            return completed or (0 if message.status == "running" else row.time_updated)
        case Compaction():
            return 0 if message.status == "running" else row.time_updated
        case _:
            return _created(row, message)


def _class_of(error: Failure | None) -> str:
    return (error.type or "unknown") if error else ""


def _message_of(error: Failure | None) -> str:
    return (error.message or "") if error else ""


# -- prompts


def _prompt(begin: Begin, text: str | None, preview: str, extras: dict[str, Any]) -> PayloadRef:
    return PayloadRef(
        source=begin.source,
        ts=begin.row.time_created * 1000,
        session_id=begin.row.session_id,
        turn_seq=0,
        op_seq=0,
        payload_kind="user_prompt",
        uri=build("session_message_id", begin.row.id, "text" if text is not None else ""),
        size=byte_size(text) if text is not None else -1,
        message_id=begin.row.id,
        preview=tools.short(preview),
        extras={"agent": "", "model": "", **extras},
    )


NOTICE_OF = re.compile(r'<(?:shell|subagent) (?:id|sessionID)="([^"]+)"')
"""How the text of a notice names what it is about."""


def _notice(message: Synthetic) -> dict[str, Any]:
    """What a text that no person wrote is about."""
    about = message.metadata or Notice()
    extras: dict[str, Any] = {"synthetic": True, "notice": tools.short(about.source or "")}
    if about.state:
        extras["notice_state"] = tools.short(about.state)
    named = NOTICE_OF.match(message.text or "") if about.source else None
    if name := about.childID or (named[1] if named else ""):
        extras["about"] = tools.short(name)
    return extras


def _waiting(begin: Begin, message: Waiting) -> Groups:
    """A prompt that no step can answer yet: it becomes the row of that prompt, under the same id."""
    extras: dict[str, Any] = {"waiting": True, "delivery": tools.short(message.delivery)}
    if message.kind == "compaction":
        extras["compaction"] = True
    elif message.kind != "user":
        extras |= {"synthetic": True, "notice": ""}
    if message.kind == "user":
        return _user(begin, message, extras)
    preview = message.description or (message.text or "").strip() or message.kind
    return {TURN_GROUP: [_prompt(begin, message.text, "" if "compaction" in extras else preview, extras)]}


def _user(begin: Begin, message: User | Waiting, extras: dict[str, Any]) -> Groups:
    files = [decode_attachment(raw, index) for index, raw in enumerate(message.files or ())]
    if files:
        extras["attachments"] = len(files)
    groups: Groups = {TURN_GROUP: [_prompt(begin, message.text, (message.text or "").strip(), extras)]}
    for index, file in enumerate(files):
        name = tools.short(file.name or file.mime or "file")
        key = f"{begin.row.id}:file{index}"
        field, size = ("data", text_size(file.data)) if file.data else ("uri", text_size(file.uri))
        groups[key] = [
            PayloadRef(
                source=begin.source,
                ts=begin.row.time_created * 1000,
                session_id=begin.row.session_id,
                turn_seq=0,
                op_seq=0,
                payload_kind="attachment",
                uri=build("session_message_id", begin.row.id, f"files.{index}.{field}"),
                format=file.mime or "",
                size=size,
                message_id=begin.row.id,
                part_id=key,
                preview=name,
            ),
            _log(begin, "INF", f"attachment {name}", key),
            *oddities(begin.source, begin.row, file.lost),
        ]
    return groups


# -- remarks


def _log(begin: Begin, severity: Severity, words: str, ref: str, **extras: Any) -> LogEntry:
    return LogEntry(
        source=begin.source,
        ts=begin.row.time_created * 1000,
        session_id=begin.row.session_id,
        severity=severity,
        message=words,
        ref=ref,
        extras=extras,
    )


def _remark(begin: Begin, severity: Severity, words: str, message: SessionMessage) -> LogEntry:
    text = message.text if isinstance(message, System) else None
    uri = {"uri": build("session_message_id", begin.row.id, "text")} if text else {}
    return _log(begin, severity, words, begin.row.id, **uri)


def _words(message: SessionMessage) -> str:
    match message:
        case AgentSwitched():
            return f"agent: {message.agent or '?'}"
        case ModelSwitched():
            model = message.model or Model()
            return f"model: {model.providerID or '?'}/{model.id or '?'}"
        case LocationSwitched():
            return f"moved to {(message.location.directory if message.location else None) or '?'}"
        case System():
            return f"system: {tools.short(message.description or (message.text or '').strip())}"
        case _:
            raise AssertionError(type(message).__name__)


def _idle(begin: Begin, message: Idle) -> MappedMessage:
    outcome = message.outcome or "?"
    severity: Severity = "DBG" if outcome == "succeeded" else "INF"
    words = f"the session went idle: {tools.short(outcome)}"
    groups: Groups = {TURN_GROUP: [_remark(begin, severity, words, message)]}
    return MappedMessage("other", groups, None, answer_of(begin.row, message))


# -- turns


def _assistant(begin: Begin, message: Assistant) -> MappedMessage:
    row = begin.row
    error, left = message.error, is_left(message)
    name, words = (ABORTED, LEFT) if left else (_class_of(error), _message_of(error))
    ended = last_sign(row, message) if left else _ended(row, message)
    usage, clamped_tokens = usage_of(message.tokens)
    cost, clamped_cost = money(message.cost)
    status, op_status = ends_as(name, ABORTED)
    facts = _facts(begin, message.model, ended, op_status, name)
    if left:
        facts = msgspec.structs.replace(facts, end_known=False)
    extras: dict[str, Any] = {}
    if message.model and message.model.variant:
        extras["variant"] = message.model.variant
    if error and isinstance(error.status, int):
        extras["status_code"] = error.status
    if message.retry is not None:
        extras["retry"] = message.retry.attempt
        extras["retry_at"] = milliseconds(message.retry.at) * 1000
        if message.retry.error and message.retry.error.message:
            extras["retry_error"] = tools.short(message.retry.error.message)
    turn = _started(begin, facts, _created(row, message), ended, message.agent or "", extras, begin.prompt_id)
    if clamped_tokens or clamped_cost:
        turn.append(_log(begin, "WRN", CLAMPED, row.id))
    if ended:
        turn.append(turn_finalized(facts, ended, status, message.finish or "", words, usage, begin.previous, cost))
    groups: Groups = {TURN_GROUP: turn, **ContentMapper(facts).answer(row, message, usage, cost)}
    return MappedMessage("assistant", groups, usage if ended and not left else None, answer_of(row, message))


def _shell(begin: Begin, message: Shell) -> MappedMessage:
    """A command of the user: a turn that no prompt asked for, with one call and no model."""
    row = begin.row
    created, ended = _created(row, message), _ended(row, message)
    command = message.command or ""
    extras: dict[str, Any] = {"label": tools.short(command), "phase": "completed" if ended else "running"}
    if ended and message.exit is not msgspec.UNSET:
        extras["exit"] = message.exit if isinstance(message.exit, int) else None
    if not ended:
        extras |= {"running": True, "time_updated": row.time_updated * 1000}
    # In 1.18 the output is a text, in 2.x an object that holds it.
    whole = first(message.output) == QUOTE
    printed = decode_output(NOTHING if whole else message.output)
    output = message.output if whole else printed.output
    outcomes: dict[str, tuple[OpStatus, str]] = {"killed": ("cancelled", "Aborted"), "timeout": ("failed", "Timeout")}
    outcome, error = outcomes.get(message.status or "", ("completed", ""))
    call = Call(
        "shell",
        tools.BASH,
        created,
        ended,
        "",
        extras,
        byte_size(command),
        text_size(output) if output else 0,
        outcome if ended else None,
        error if ended else "",
        "",
    )
    facts = _facts(begin, None, ended, "completed", "")
    turn = _started(begin, facts, created, ended, "", {"by_user": True}, "")
    if ended:
        turn.append(turn_finalized(facts, ended, "completed", "", "", Usage(), begin.previous, 0.0))
    turn += oddities(begin.source, row, printed.lost)
    field = "output" if whole else "output.output"
    groups: Groups = {TURN_GROUP: turn, **ContentMapper(facts).shell(row, call, field)}
    return MappedMessage("assistant", groups, None, answer_of(row, message))


def _compaction(begin: Begin, message: Compaction) -> MappedMessage:
    """One row from its beginning to its end; a turn with `summary`, as the two messages of 1.x give."""
    row = begin.row
    created, ended = _created(row, message), _ended(row, message)
    answer = answer_of(row, message)
    assert answer is not None
    usage, clamped_tokens = usage_of(message.tokens)
    cost, clamped_cost = money(message.cost)
    status, op_status = ends_as(answer.error_class, ABORTED)
    facts = _facts(begin, message.model, ended, op_status, answer.error_class)
    asked = {"summary": True, "compaction": tools.short(message.reason or "")}
    turn = _started(begin, facts, created, ended, "compaction", asked, begin.prompt_id)
    words = compaction_words(message.reason == "auto", False)
    turn.append(_log(begin, "INF", words, row.id))
    if clamped_tokens or clamped_cost:
        turn.append(_log(begin, "WRN", CLAMPED, row.id))
    if ended:
        turn.append(turn_finalized(facts, ended, status, "", answer.error_message, usage, begin.previous, cost))
    mapper = ContentMapper(facts)
    mapper.compaction(row, created)
    if message.summary:
        mapper.summary(row, ended or created, byte_size(message.summary))
    groups: Groups = {TURN_GROUP: turn, **mapper.groups}
    return MappedMessage("assistant", groups, usage if ended and message.tokens else None, answer)


def _facts(begin: Begin, model: Model | None, ended_ms: int, ended_as: OpStatus, error: str) -> TurnFacts:
    name, alias = (model.id or "", model.providerID or "") if model else ("", "")
    return TurnFacts(
        source=begin.source,
        session_id=begin.row.session_id,
        message_id=begin.row.id,
        turn_seq=begin.turn_seq,
        model=name,
        provider=vendor(alias, name),
        provider_alias=alias,
        ended_ms=ended_ms,
        ended_as=ended_as,
        ended_error=error,
        servers=begin.servers,
        texts=begin.texts,
    )


def _started(
    begin: Begin, facts: TurnFacts, created: int, ended: int, agent: str, extras: dict[str, Any], prompt_id: str
) -> list[Event]:
    if not ended:
        extras = {"time_updated": begin.row.time_updated * 1000, "retry_told": True, **extras}
    return [turn_started(facts, created, prompt_id, agent, extras)]
