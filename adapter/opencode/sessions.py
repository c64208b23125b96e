"""Session rows -> session events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

import msgspec

from adapter.events import Event, LogEntry, SessionFinalized, SessionKind, SessionStarted, Usage
from adapter.opencode.json import Row, Shape
from adapter.opencode.rows import ModelRef, SessionRow, milliseconds, odd_times
from adapter.opencode.tokens import CLAMPED, MAX_COUNT, count, money
from adapter.opencode.tools import short
from adapter.opencode.vendors import vendor

MAX_DEPTH = 64
"""Chain of parents we follow; opencode's own default depth of sub-agents is 1."""
FORK_TITLE = re.compile(r"\(fork #\d+\)$")


class Revert(Row, frozen=True, gc=False):
    """`session.revert`: the message from which on the session is taken back."""

    messageID: str | None = None


MODEL: Shape[ModelRef] = Shape(ModelRef, "model")
REVERT: Shape[Revert] = Shape(Revert, "revert")
COUNTERS = (
    "cost", "tokens_input", "tokens_output", "tokens_reasoning", "tokens_cache_read", "tokens_cache_write",
    "summary_additions", "summary_deletions", "summary_files",
)  # fmt: skip
ALWAYS = ("time_created", "time_updated")
TIMES = (*ALWAYS, "time_archived", "time_idle", "time_suspended")
COUNTED, TIMED = attrgetter(*COUNTERS), attrgetter(*TIMES)


class LastAnswer(msgspec.Struct, frozen=True):
    """What the last assistant message says about how the session ended; `end_ms` 0 when it has no end. In 2.x also who
    gave it: `model` is "" where the message has none (a compaction, a command of the user's), and None where nobody
    need ask, because the session's row says it."""

    error_class: str = ""
    error_message: str = ""
    end_ms: int = 0
    agent: str = ""
    model: str | None = None
    provider_alias: str = ""

    def given_by(self, other: LastAnswer) -> LastAnswer:
        """The same, given by whoever gave the other."""
        return msgspec.structs.replace(self, agent=other.agent, model=other.model, provider_alias=other.provider_alias)


def root_of(session_id: str, parents: Mapping[str, str | None]) -> str:
    """The top of the chain of parents; stops at a parent that is not there, at a cycle, and at MAX_DEPTH."""
    seen = {session_id}
    current = session_id
    for _ in range(MAX_DEPTH):
        parent = parents.get(current)
        if not parent or parent in seen or parent not in parents:
            return current
        seen.add(parent)
        current = parent
    return current


def session_kind(row: SessionRow) -> SessionKind:
    """`sub_agent` for a task's child; `fork` where the row says so: in 2.x it names its original, in 1.x it has no
    parent and ` (fork #n)` behind its title (1.18.33 session.ts); else `root`. Agent and model say nothing: a fork of
    1.x has none at first, and its first prompt sets them."""
    if row.parent_id:
        return "sub_agent"
    if row.fork_session_id:
        return "fork"
    return "fork" if row.title and FORK_TITLE.search(row.title) else "root"


def recorded_usage(row: SessionRow) -> tuple[Usage, float] | None:
    """The session's own columns (1.15.0 on), or None when the version has none or they hold nothing. In 2.x nothing is
    what was billed: a fork begins at 0 with copied steps."""
    counters = (
        row.tokens_input,
        row.tokens_output,
        row.tokens_reasoning,
        row.tokens_cache_read,
        row.tokens_cache_write,
    )
    cost = money(row.cost)[0]
    is_truth = is_of_2x(row)
    if not is_truth and not cost and not any(counters):
        return None
    usage = Usage(*[count(value)[0] for value in counters])
    return (usage, cost) if is_truth or usage.total or cost else None


def surplus(row: SessionRow, usages: Iterable[Usage | None]) -> int:
    """Tokens that the session's columns count more than its messages; 0 when they agree, the row counts nothing, or
    the columns count something else (`sums_apart`).

    opencode 1.x adds each step to the columns in the transaction that ends the step, so they differ when messages were
    deleted (what was billed stays billed), when 1.15's one-time backfill was skipped, or when something is wrong.
    """
    recorded = None if sums_apart(row) else recorded_usage(row)
    return recorded[0].total - sum(usage.total for usage in usages if usage is not None) if recorded else 0


OF_1X = re.compile(r"1\.")
"""Versions that a session of 1.x names, which a preview of 2.x leaves in its row when it goes on with it."""


def sums_apart(row: SessionRow) -> bool:
    """Whether the columns are no sum of the steps: 2.x counts titles and compactions in them too, and begins a fork at
    0 with copied steps. So may it have done with any session of a file that it has opened."""
    return row.storage in ("v2", "preview")


def is_of_2x(row: SessionRow) -> bool:
    """Whether 2.x made the session, or imported it: then its columns are the truth also when they are 0."""
    return row.storage == "v2" or (row.storage == "preview" and OF_1X.match(row.version or "") is None)


class Standing(msgspec.Struct, frozen=True):
    """What 2.x itself says of whether a session is at work. `claimed` is whether a turn is (None: nothing says it),
    since `claimed_ms`; `attempts` is how often a start has taken it up again, None where nobody counts. `suspended`:
    its server was stopped in the middle of it, and the next start goes on. `outcome` and `idle_ms` are how and when the
    last turn ended."""

    claimed: bool | None = None
    claimed_ms: int = 0
    attempts: int | None = None
    suspended: bool = False
    outcome: str = ""
    idle_ms: int = 0


SUCCEEDED = "succeeded"
"""The `outcome` of a turn in which nothing failed, or nothing that mattered: a compaction that found nothing to do."""
EXECUTION = re.compile(r"session\.execution\.(\w+)\S* (\d+) ")


def standing(row: SessionRow) -> Standing:
    """Reads the claim off the columns where there is one (released 2.x: `time_suspended` is set while a turn runs, and
    kept by a server that is stopped or dies), else off the newest event about a turn (the preview, where only a server
    that is stopped sets the column)."""
    suspended = milliseconds(row.time_suspended)
    outcome, idle = row.idle_outcome or "", milliseconds(row.time_idle)
    if row.resume_attempts is not None:
        return Standing(bool(suspended), suspended, count(row.resume_attempts)[0], False, outcome, idle)
    if suspended:
        return Standing(True, suspended, None, True, outcome, idle)
    found = EXECUTION.match(row.execution) if row.execution else None
    if found is None:
        return Standing(outcome=outcome, idle_ms=idle)
    at = milliseconds(int(found[2]))
    return Standing(True, at) if found[1] == "started" else Standing(False, outcome=found[1], idle_ms=at)


def map_session(source: str, row: SessionRow, root_id: str, last: LastAnswer | None) -> list[Event]:
    """`session_started`, and `session_finalized` behind it while the session is archived or failed.

    While 2.x says that a turn is going on, or that the last one succeeded, what failed before is no end. A
    `session_started` without a final behind it takes back an earlier final: a later clean turn clears a failure.
    `last` is None when the session's messages are not known; then only the archive can finalize it, and when the newest
    answer ended is not told. Behind them a WRN for each kind of thing that could not be read, whose `ref` is the
    session's id.
    """
    model, revert = MODEL.inside(row.model, "model"), REVERT.inside(row.revert, "revert")
    created = milliseconds(row.time_created, milliseconds(row.time_updated))
    updated = milliseconds(row.time_updated, created)
    archived = milliseconds(row.time_archived)
    extras: dict[str, Any] = {"time_updated": updated * 1000}
    recorded = recorded_usage(row)
    if recorded:
        extras["usage"] = msgspec.structs.asdict(recorded[0])
        extras["cost"] = recorded[1]
    if last is not None and last.end_ms:
        extras["ended_ts"] = last.end_ms * 1000
    if sums_apart(row):
        extras["sums_apart"] = True
    if archived:
        extras["archived_ts"] = archived * 1000
    if row.fork_session_id:
        extras["fork_session_id"] = row.fork_session_id
    stands = standing(row)
    if stands.outcome:
        extras["idle_outcome"] = stands.outcome
        extras["idle_ts"] = stands.idle_ms * 1000
    if stands.claimed is not None:
        extras["claimed"] = stands.claimed
    if stands.claimed:
        extras["claimed_ts"] = stands.claimed_ms * 1000
        if stands.suspended:
            extras["suspended"] = True
        if stands.attempts is not None:
            extras["resume_attempts"] = stands.attempts
    if revert.messageID:
        extras["revert_message_id"] = revert.messageID
    for key, value in (
        ("additions", row.summary_additions),
        ("deletions", row.summary_deletions),
        ("files", row.summary_files),
    ):
        if value and count(value)[0]:
            extras[key] = count(value)[0]
    answer = last or LastAnswer()
    # 2.x leaves agent and model of most sessions empty: each step has them.
    name, alias = model.name, model.providerID or ""
    if row.model is None:
        name, alias = answer.model or "", answer.provider_alias
    lost = model.lost + revert.lost
    events: list[Event] = [
        SessionStarted(
            source=source,
            ts=created * 1000,
            session_id=row.id,
            root_id=root_id,
            parent_id=row.parent_id or None,
            session_kind=session_kind(row),
            agent=row.agent or agent_in_title(row) or answer.agent,
            model=name,
            provider=vendor(alias, name),
            provider_alias=alias,
            cwd=row.directory or "",
            title=row.title or "",
            slug=row.slug or "",
            version=row.version or "",
            project_id=row.project_id or "",
            extras=extras,
        )
    ]
    if archived:
        events.append(
            SessionFinalized(
                source=source,
                ts=archived * 1000,
                session_id=row.id,
                status="completed",
                end_ts=archived * 1000,
            )
        )
    elif last is not None and last.error_class and not stands.claimed and stands.outcome != SUCCEEDED:
        end = (last.end_ms or updated) * 1000
        events.append(
            SessionFinalized(
                source=source,
                ts=end,
                session_id=row.id,
                status="failed",
                error_class=last.error_class,
                error_message=last.error_message,
                end_ts=end,
            )
        )
    return events + _warnings(source, row, created * 1000, lost)


SUBAGENT_TITLE = re.compile(r"\(@([^()]+) subagent\)$")


def agent_in_title(row: SessionRow) -> str:
    """The agent of a sub-agent session from its title, where the column does not say (before 1.14.34)."""
    match = SUBAGENT_TITLE.search(row.title or "") if row.parent_id else None
    return match[1] if match else ""


def _warnings(source: str, row: SessionRow, ts: int, lost: tuple[str, ...]) -> list[Event]:
    """One WRN for each kind of thing that is wrong with the row."""
    numbers, clamped = [], []
    for name, value in zip(COUNTERS, COUNTED(row), strict=True):
        # Nearly always a number or nothing, and a catalogue has thousands of rows.
        if value is None or (type(value) is int and 0 <= value <= MAX_COUNT):
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            numbers.append(f"{name} is {value!r:.40}")
        elif (money(value) if name == "cost" else count(value))[1]:
            clamped.append(name)
    times = zip(TIMES, TIMED(row), strict=True)
    words = odd_times(*[(name, value) for name, value in times if value is not None or name in ALWAYS])
    words += [f"no number: {'; '.join(numbers)}"] if numbers else []
    words += [f"{CLAMPED}: {', '.join(clamped)}"] if clamped else []
    words += [short(f"unexpected value: {'; '.join(lost)}")] if lost else []
    return [
        LogEntry(source=source, ts=ts, session_id=row.id, severity="WRN", message=each, ref=row.id) for each in words
    ]
