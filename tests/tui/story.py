"""A hand-made story in canonical events, with fixed times: what the tests of the screen look at."""

from __future__ import annotations

from typing import Any

from adapter.events import (
    Event,
    OpFinalized,
    OpStarted,
    PayloadRef,
    SessionFinalized,
    SessionStarted,
    TurnFinalized,
    TurnStarted,
    Usage,
)

SOURCE = "opencode:/data/opencode.db"
NOW = 1_790_000_000
"""The clock of every test, unix seconds (2026-09-21, 14:13:20 UTC)."""

SECOND = 1_000_000


def at(seconds_ago: float) -> int:
    """The moment (µs) that many seconds before NOW."""
    return int((NOW - seconds_ago) * SECOND)


def session(session_id: str, title: str, ago: float, **fields: Any) -> SessionStarted:
    """A session row."""
    extras = {"time_updated": at(fields.pop("updated", ago)), **fields.pop("extras", {})}
    defaults = {
        "root_id": fields.get("parent_id") or session_id,
        "session_kind": "sub_agent" if fields.get("parent_id") else "root",
        "agent": "build",
        "model": "opus-4.5",
        "provider": "anthropic",
        "provider_alias": "anthropic",
        "cwd": "/home/ada/app",
        "version": "1.18.33",
        "extras": extras,
    }
    return SessionStarted(source=SOURCE, ts=at(ago), session_id=session_id, title=title, **{**defaults, **fields})


def prompt(session_id: str, message_id: str, text: str, ago: float) -> PayloadRef:
    """A user message."""
    return PayloadRef(
        source=SOURCE,
        ts=at(ago),
        session_id=session_id,
        turn_seq=0,
        op_seq=0,
        payload_kind="user_prompt",
        uri=f"opencode-sqlite://?part_id={message_id}_text&field=text",
        size=len(text),
        message_id=message_id,
        part_id=f"{message_id}_text",
        preview=text,
    )


class Step:
    """One turn, built up op by op."""

    def __init__(self, session_id: str, seq: int, prompt_id: str, ago: float, **fields: Any) -> None:
        self.session_id, self.seq, self.message_id = session_id, seq, f"msg_{session_id}_{seq}"
        self.ops = 0
        defaults = {"agent": "build", "model": "opus-4.5", "provider_alias": "anthropic"}
        self.events: list[Event] = [
            TurnStarted(
                source=SOURCE,
                ts=at(ago),
                session_id=session_id,
                turn_seq=seq,
                message_id=self.message_id,
                prompt_id=prompt_id,
                **{**defaults, **fields},
            )
        ]

    def op(
        self,
        kind: str,
        name: str,
        ago: float,
        took: float | None = None,
        *,
        status: str = "completed",
        error: tuple[str, str] = ("", ""),
        child: str = "",
        refs: dict[str, str] | None = None,
        **extras: Any,
    ) -> Step:
        """A span that began `ago` seconds before NOW and took so many seconds; None: still running."""
        self.ops += 1
        part_id = f"prt_{self.session_id}_{self.seq}_{self.ops}"
        if kind == "tool" and child:
            self._span("session", name, ago, took, status, ("", ""), child, extras, part_id)
            self.ops += 1
        self._span(kind, name, ago, took, status, error, child, extras, part_id)
        for payload_kind, text in (refs or {}).items():
            field = {"tool_request": "state.input", "tool_response": "state.output"}.get(payload_kind, payload_kind)
            self.events.append(
                PayloadRef(
                    source=SOURCE,
                    ts=at(ago),
                    session_id=self.session_id,
                    turn_seq=self.seq,
                    op_seq=self.ops,
                    payload_kind=payload_kind,  # type: ignore[arg-type]
                    uri=f"opencode-sqlite://?part_id={part_id}&field={field}",
                    format="json" if payload_kind == "tool_request" else "text",
                    size=len(text),
                    message_id=self.message_id,
                    part_id=part_id,
                )
            )
        return self

    def _span(
        self,
        kind: str,
        name: str,
        ago: float,
        took: float | None,
        status: str,
        error: tuple[str, str],
        child: str,
        extras: dict[str, Any],
        part_id: str,
    ) -> None:
        place: dict[str, Any] = {
            "source": SOURCE,
            "session_id": self.session_id,
            "turn_seq": self.seq,
            "message_id": self.message_id,
            "op_seq": self.ops,
            "part_id": part_id,
            "op_kind": kind,
        }
        self.events.append(OpStarted(ts=at(ago), name=name, child_session_id=child, extras=extras, **place))
        if took is not None:
            ended = at(ago - took)
            self.events.append(
                OpFinalized(
                    ts=ended,
                    end_ts=ended,
                    status=status,  # type: ignore[arg-type]
                    error_class=error[0],
                    error_message=error[1],
                    **place,
                )
            )

    def end(
        self,
        ago: float,
        usage: Usage,
        delta: int,
        cost: float,
        *,
        finish: str = "tool-calls",
        status: str = "completed",
        error: tuple[str, str] = ("", ""),
    ) -> Step:
        """The end of the turn."""
        self.events.append(
            TurnFinalized(
                source=SOURCE,
                ts=at(ago),
                end_ts=at(ago),
                session_id=self.session_id,
                turn_seq=self.seq,
                message_id=self.message_id,
                status=status,  # type: ignore[arg-type]
                finish=finish,
                error_class=error[0],
                error_message=error[1],
                usage=usage,
                delta=Usage(input=delta),
                cost=cost,
            )
        )
        return self


def running_sub_agent() -> list[Event]:
    """A live run: two steps done, a third whose `task` call has a sub-agent that greps."""
    first = Step("ses_retry", 1, "usr_1", 248)
    first.op("text", "", 247, 2, label="Let me look at the failing test first")
    first.op("tool", "read", 244, 0.1, label="src/retry.ts")
    first.op(
        "tool",
        "bash",
        243,
        9.1,
        label="npm test -- retry",
        exit=1,
        refs={"tool_request": '{"command":"npm test -- retry"}', "tool_response": TEST_OUTPUT},
    )
    first.end(233, Usage(input=12_000, output=45), 12_000, 0.21)
    second = Step("ses_retry", 2, "usr_1", 232)
    second.op("reasoning", "", 231, 3, label="The back-off never resets between the attempts")
    second.op("tool", "edit", 226, 0.2, label="src/retry.ts", additions=12, deletions=4)
    second.op("tool", "todowrite", 225, 0.1, label="Reset the counter", todos=[3, 5])
    second.op("tool", "grep", 224, 0.3, label="backoff(", hits=17)
    second.end(223, Usage(input=1_900, output=46, cache_read=12_000), 1_900, 0.24)
    third = Step("ses_retry", 3, "usr_1", 222)
    third.op("text", "", 222, 1, label="Two things to check at once")
    third.op("tool", "task", 221, None, child="ses_find", label="find every caller")
    third.op("tool", "task", 221, 62, child="ses_repro", label="write a reproduction")
    child = Step("ses_find", 1, "usr_2", 220, agent="explore", model="haiku-4.5")
    child.op("tool", "glob", 219, 0.4, label="src/**/*.ts", hits=42)
    child.op("tool", "grep", 36, None, label="retry(")
    done = Step("ses_repro", 1, "usr_3", 219, agent="general")
    done.op("tool", "write", 200, 0.2, label="test/repro.test.ts", additions=31, deletions=0)
    done.end(160, Usage(input=8_000, output=520), 8_000, 0.32, finish="stop")
    return [
        session("ses_retry", "Fix the flaky retry test", 250, updated=3),
        prompt("ses_retry", "usr_1", "make the retry test stable", 249),
        *first.events,
        *second.events,
        *third.events,
        session("ses_find", "find every caller", 221, parent_id="ses_retry", agent="explore", model="haiku-4.5"),
        prompt("ses_find", "usr_2", "Find every caller of retry( in src", 220.5),
        *child.events,
        session("ses_repro", "write a reproduction", 221, parent_id="ses_retry", agent="general"),
        prompt("ses_repro", "usr_3", "Write a failing test", 220),
        *done.events,
    ]


def failed_tool() -> list[Event]:
    """A finished session in which a bash call failed."""
    step = Step("ses_arm", 1, "usr_9", 3600)
    step.op(
        "tool",
        "bash",
        3590,
        4.2,
        status="failed",
        error=("ToolError", "command not found: cargo-zigbuild"),
        label="cargo zigbuild --target aarch64",
        exit=127,
        refs={
            "tool_request": '{"command":"cargo zigbuild --target aarch64","timeout":120000}',
            "tool_response": "sh: 1: cargo-zigbuild: not found\n",
        },
    )
    step.end(3580, Usage(input=5_000, output=90), 5_000, 0.02, finish="stop")
    return [
        session("ses_arm", "Port to ARM", 3610, updated=3580),
        prompt("ses_arm", "usr_9", "build it for ARM", 3601),
        *step.events,
    ]


def others() -> list[Event]:
    """Sessions of which only the row is known, one of them failed, one archived."""
    return [
        session(
            "ses_lexer",
            "Explain the lexer",
            7200,
            agent="plan",
            extras={"cost": 0.12, "usage": Usage(input=9000, output=800)},
        ),
        session("ses_old", "Rename the config keys", 90_000, model="gpt-5.4", extras={"cost": 0.30}),
        session("ses_bad", "Nightly report", 5000, extras={"cost": 0.04}),
        SessionFinalized(
            source=SOURCE,
            ts=at(4990),
            session_id="ses_bad",
            status="failed",
            error_class="APIError",
            error_message="overloaded",
            end_ts=at(4990),
        ),
        SessionFinalized(source=SOURCE, ts=at(80_000), session_id="ses_old", status="completed", end_ts=at(80_000)),
    ]


TEST_OUTPUT = """> retry@1.4.0 test
> vitest run retry

 ✓ backs off (12 ms)
 ✗ gives up after 5 tries
   expected 5, got 6

Tests  1 failed, 1 passed
"""


def texts(events: list[Event]) -> dict[str, str]:
    """A text for every reference of the story, by URI."""
    known = {"tool_response": TEST_OUTPUT, "tool_request": '{"command":"npm test -- retry"}'}
    return {
        event.uri: event.preview or known.get(event.payload_kind, "")
        for event in events
        if isinstance(event, PayloadRef)
    }


def everything() -> list[Event]:
    """The whole story."""
    return [*others(), *failed_tool(), *running_sub_agent()]
