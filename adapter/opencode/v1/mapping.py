"""One message with its parts -> events, grouped by the node that they describe (emit.py)."""

from __future__ import annotations

from typing import Any

from adapter.events import Event, PayloadRef, Usage
from adapter.opencode import tools
from adapter.opencode.emit import (
    CLAMPED,
    TURN_GROUP,
    Groups,
    MappedMessage,
    TurnFacts,
    compaction_words,
    ends_as,
    oddities,
    remark,
    turn_finalized,
    turn_started,
)
from adapter.opencode.rows import ModelRef, RawRow, milliseconds
from adapter.opencode.sessions import LastAnswer
from adapter.opencode.tokens import money, usage_of
from adapter.opencode.v1.ops import PartRow, PartsMapper
from adapter.opencode.v1.rows import (
    AssistantMessage,
    CompactionPart,
    FilePart,
    Message,
    StepFinishPart,
    SubtaskPart,
    TextPart,
    UserMessage,
)
from adapter.opencode.vendors import vendor
from adapter.references import build

ABORTED = "MessageAbortedError"
"""`error.name` of what the user stopped."""


def map_message(
    source: str,
    row: RawRow,
    message: Message,
    parts: list[PartRow],
    turn_seq: int,
    previous: Usage | None,
    servers: frozenset[str] = frozenset(),
    texts: bool = True,
) -> MappedMessage:
    """Maps a message row with its parts, which must be in order.

    `turn_seq` is the 1-based place among assistant messages (ignored for others); `previous` the usage of the assistant
    message before it in the session, from which `delta` is counted; `servers` the MCP servers that are configured
    (config.py): without them no tool is said to be of one; `texts` as for TurnFacts.
    """
    if isinstance(message, UserMessage):
        return MappedMessage("user", _user(source, row, message, parts))
    return _assistant(source, row, message, parts, turn_seq, previous, servers, texts)


def order_parts(parts: list[PartRow]) -> list[PartRow]:
    """Parts by id, as opencode orders them; across the wrap of ids (2026-08-14, every 2**36 ms) the wrapped ones last.

    Ids hold the low 48 bits of ms * 4096 + counter (id.ts), so within one message two ids that lie more than half the
    range apart can only be on the two sides of the wrap.
    """
    ordered = sorted(parts, key=lambda item: item.row.id)
    if not ordered or _near(ordered[0].row.id, ordered[-1].row.id):
        return ordered
    prefixes = {item.row.id: id_prefix(item.row.id) for item in parts}
    known = [value for value in prefixes.values() if value is not None]
    wrapped = bool(known) and max(known) - min(known) > HALF_RANGE

    def key(item: PartRow) -> tuple[bool, str]:
        value = prefixes[item.row.id]
        return wrapped and value is not None and value < HALF_RANGE, item.row.id

    return sorted(parts, key=key)


HALF_RANGE = 2**47


def _near(first: str, last: str) -> bool:
    """Whether two ids, and so all that sort between them, are on the same side of the wrap."""
    if first[:7] == last[:7]:
        # The same three first digits: nearly always, and cheaper to see than to compute.
        return True
    low, high = id_prefix(first), id_prefix(last)
    return low is not None and high is not None and first[:4] == last[:4] and high - low <= HALF_RANGE


def id_prefix(identifier: str) -> int | None:
    """The 48 bits at the head of an id such as `prt_2022cf8fa001...`, None when it is not of that form."""
    head = identifier.partition("_")[2][:12]
    try:
        return int(head, 16) if len(head) == 12 else None
    except ValueError:
        return None


def _user(source: str, row: RawRow, message: UserMessage, parts: list[PartRow]) -> Groups:
    created = milliseconds(message.time.created if message.time else None, row.time_created)
    turn = TurnFacts(source=source, session_id=row.session_id, message_id=row.id, turn_seq=0)
    mapper = PartsMapper(turn)
    # Text of a user is the prompt, not an answer: it gets references here and no ops.
    groups = mapper.run([item for item in parts if not isinstance(item.part, TextPart | CompactionPart)])
    texts = [(item.row, item.part) for item in parts if isinstance(item.part, TextPart) and item.part.text]
    own = [pair for pair in texts if not pair[1].synthetic]
    subtasks = [(item.row, item.part) for item in parts if isinstance(item.part, SubtaskPart)]
    compactions = [item.part for item in parts if isinstance(item.part, CompactionPart)]
    model = message.model or ModelRef()
    extras: dict[str, Any] = {"agent": message.agent or "", "model": model.name}
    preview, uri, size, part_id = "", build("message_id", row.id, ""), -1, ""
    if own or texts:
        text_row, text_part = (own or texts)[0]
        text = text_part.text or ""
        preview, uri = tools.short(text.strip()), build("part_id", text_row.id, "text")
        size, part_id = len(text.encode("utf-8", "replace")), text_row.id
    if texts and not own:
        extras["synthetic"] = True
    if subtasks:
        sub_row, sub = subtasks[0]
        extras["subtask"] = True
        preview = tools.short(
            f"/{sub.command} {sub.description or ''}".strip() if sub.command else sub.description or ""
        )
        uri, part_id = build("part_id", sub_row.id, "prompt"), sub_row.id
        size = len((sub.prompt or "").encode("utf-8", "replace"))
    if compactions:
        extras["compaction"] = True
        preview = preview or _compaction(compactions[0])
    files = sum(isinstance(item.part, FilePart) for item in parts)
    if files:
        extras["attachments"] = files
    prompt = PayloadRef(
        source=source,
        ts=created * 1000,
        session_id=row.session_id,
        turn_seq=0,
        op_seq=0,
        payload_kind="user_prompt",
        uri=uri,
        size=size,
        message_id=row.id,
        part_id=part_id,
        preview=preview,
        extras=extras,
    )
    out: Groups = {TURN_GROUP: [prompt, *oddities(source, row, message.lost)], **groups}
    for item in parts:
        if isinstance(item.part, TextPart):
            out[item.row.id] = _more_text(source, row, item, created) if item.row.id != part_id else []
        elif isinstance(item.part, CompactionPart):
            out[item.row.id] = [remark(source, item.row, "INF", _compaction(item.part))]
        else:
            continue
        out[item.row.id] += oddities(source, item.row, item.part.lost)
    return out


def _compaction(part: CompactionPart) -> str:
    return compaction_words(bool(part.auto), bool(part.overflow))


def _more_text(source: str, row: RawRow, item: PartRow, created: int) -> list[Event]:
    """The second and further texts of a prompt: expanded @files and the like."""
    assert isinstance(item.part, TextPart)
    text = item.part.text or ""
    return [
        PayloadRef(
            source=source,
            ts=created * 1000,
            session_id=row.session_id,
            turn_seq=0,
            op_seq=0,
            payload_kind="attachment",
            uri=build("part_id", item.row.id, "text"),
            size=len(text.encode("utf-8", "replace")),
            message_id=row.id,
            part_id=item.row.id,
            preview=tools.short(text.strip()),
            extras={"synthetic": bool(item.part.synthetic)},
        )
    ]


def _assistant(
    source: str,
    row: RawRow,
    message: AssistantMessage,
    parts: list[PartRow],
    turn_seq: int,
    previous: Usage | None,
    servers: frozenset[str],
    texts: bool,
) -> MappedMessage:
    created = milliseconds(message.time.created if message.time else None, row.time_created)
    completed = milliseconds(message.time.completed if message.time else None)
    usage, clamped_tokens = usage_of(message.tokens)
    cost, clamped_cost = money(message.cost)
    error = (message.error.name or "UnknownError") if message.error else ""
    words = message.error.message if message.error else ""
    ended = completed
    if not ended and (error or any(isinstance(item.part, StepFinishPart) for item in parts)):
        ended = row.time_updated
    status, op_status = ends_as(error, ABORTED)
    model, alias = message.modelID or "", message.providerID or ""
    facts = TurnFacts(
        source=source,
        session_id=row.session_id,
        message_id=row.id,
        turn_seq=turn_seq,
        model=model,
        provider=vendor(alias, model),
        provider_alias=alias,
        # A step-finish before time.completed ends the step, but its siblings may still be written.
        ended_ms=completed or (row.time_updated if error else 0),
        ended_as=op_status,
        ended_error=error,
        servers=servers,
        texts=texts,
    )
    extras: dict[str, Any] = {}
    if not ended:
        extras["time_updated"] = row.time_updated * 1000
    elif not completed and not error:
        extras["closing"] = True
    if message.path and message.path.cwd:
        extras["cwd"] = message.path.cwd
    if message.summary is True:
        extras["summary"] = True
    if message.variant:
        extras["variant"] = message.variant
    if message.error and isinstance(message.error.data, dict):
        code = message.error.data.get("statusCode")
        if isinstance(code, int):
            extras["status_code"] = code
    agent = message.agent or message.mode or ""
    turn: list[Event] = [turn_started(facts, created, message.parentID or "", agent, extras)]
    if message.lost or row.odd:
        turn += oddities(source, row, message.lost, turn_seq)
    if clamped_tokens or clamped_cost:
        turn.append(remark(source, row, "WRN", CLAMPED, turn_seq))
    if ended:
        turn.append(turn_finalized(facts, ended, status, message.finish or "", words, usage, previous, cost))
    mapper = PartsMapper(facts)
    mapper.groups[TURN_GROUP] = turn
    if message.summary is True:
        mapper.compaction(row, created)
    groups = mapper.run(parts)
    last = LastAnswer(error, words, ended)
    return MappedMessage("assistant", groups, usage if ended else None, last)
