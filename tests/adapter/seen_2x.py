"""What the adapter and the model make of a file, in the words of `reference_2x.py`, with every text that can be had."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adapter.events import OpFinalized, OpStarted, PayloadRef, SessionStarted, TurnFinalized, TurnStarted
from adapter.local import OpencodeSource
from tests.adapter.follower import apply
from tests.adapter.reference_2x import Asked, Call, Session, Step, Tokens, Waits
from tui.model.records import Op, Turn
from tui.model.store.store import Store

KINDS = {"llm_response": "text", "llm_reasoning": "reasoning"}


def unlike(rows: dict[str, Session], shown: dict[str, Session]) -> list[str]:
    """Where what is shown differs from a plain reading of the rows; a cost may differ in its last digits."""
    found = [f"{key} is only in one of both" for key in rows.keys() ^ shown.keys()]
    for key in rows.keys() & shown.keys():
        mine, right = comparable(shown[key]), comparable(rows[key])
        found += [
            f"{key}.{name} is {mine[name]}, and should be {right[name]}" for name in right if mine[name] != right[name]
        ]
    return found


def comparable(session: Session) -> dict[str, Any]:
    """A session without what only one side has: the words that we say of a step whose server died."""
    fields = asdict(session)
    fields["cost"] = round(session.cost, 9)
    for step in fields["steps"]:
        if (step["status"], step["finish"]) == ("aborted", ""):
            step["error"] = ""
    return fields


class Seen:
    """A file read whole: the model, the events by what they are about, and the texts behind its references."""

    def __init__(self) -> None:
        self.store = Store()
        self.rows: dict[str, SessionStarted] = {}
        self.started: dict[str, TurnStarted] = {}
        self.ended: dict[str, TurnFinalized] = {}
        self.calls: dict[tuple[str, int], OpStarted] = {}
        self.results: dict[tuple[str, int], OpFinalized] = {}
        self.references: dict[tuple[str, int], list[PayloadRef]] = {}
        self.texts: dict[str, tuple[str, str]] = {}

    @classmethod
    async def of(cls, path: Path) -> Seen:
        """Reads the file at `path`."""
        self = cls()
        async with OpencodeSource(path, watch=False) as source:
            async for batch in source.stream():
                apply(self.store, source.source, batch)
                for event in batch.events:
                    self._take(event)
            for references in self.references.values():
                for ref in references:
                    if ref.payload_kind != "attachment" or ref.turn_seq:
                        found = await source.payload(ref.uri)
                        self.texts[ref.uri] = (found.format, found.text)
        return self

    def _take(self, event: Any) -> None:
        match event:
            case SessionStarted():
                self.rows[event.session_id] = event
            case TurnStarted():
                self.started[event.message_id] = event
            case TurnFinalized():
                self.ended[event.message_id] = event
            case OpStarted():
                self.calls[event.message_id, event.op_seq] = event
            case OpFinalized():
                self.results[event.message_id, event.op_seq] = event
            case PayloadRef():
                self.references.setdefault((event.message_id, event.op_seq), []).append(event)

    def sessions(self) -> dict[str, Session]:
        """Every session by its id, as it is shown."""
        return {session.id: self._session(session) for session in self.store.sessions.values()}

    def _session(self, session: Any) -> Session:
        row = self.rows[session.id]
        usage, extras = row.extras.get("usage"), row.extras
        found = Session(
            session.id,
            session.parent_id or "",
            row.title,
            row.cwd,
            row.version,
            extras.get("cost", 0.0),
            Tokens(**usage) if usage else Tokens(),
            extras.get("fork_session_id", ""),
            extras.get("revert_message_id", ""),
            bool(extras.get("suspended")),
        )
        for prompt in session.prompts.values():
            words = [self._text(ref) for ref in self.references.get((prompt.message_id, 0), ()) if _is_words(ref)]
            if not prompt.extras.get("waiting"):
                found.prompts.append(Asked(prompt.message_id, "".join(words), prompt.synthetic))
            elif not prompt.extras.get("compaction"):
                found.waits.append(Waits(prompt.message_id, "".join(words), prompt.extras.get("delivery", "")))
        for turn in session.turns.values():
            found.steps.append(self._step(turn))
            found.answered_by[turn.message_id] = turn.prompt_id
        return found

    def _step(self, turn: Turn) -> Step:
        key = turn.message_id
        start, end = self.started[key], self.ended.get(key)
        ops = sorted((op for op in turn.ops.values()), key=lambda op: op.seq)
        calls = [op for op in ops if op.kind == "tool"]
        kind = "compaction" if turn.compacts else "shell" if start.extras.get("by_user") else "assistant"
        texts = []
        for op in ops:
            if op.kind != "tool":
                texts += self._written(key, op)
        return Step(
            key,
            kind,
            turn.status,
            start.agent if kind == "assistant" else "",
            start.model,
            start.provider_alias,
            end.finish if end else "",
            end.error_message if end else "",
            Tokens(*_counters(end.usage)) if end else Tokens(),
            end.cost if end else 0.0,
            [self._call(turn, op) for op in calls],
            texts,
        )

    def _written(self, key: str, op: Op) -> list[tuple[str, str]]:
        refs = self.references.get((key, op.seq), ())
        return [(KINDS[ref.payload_kind], self._text(ref)) for ref in refs if ref.payload_kind in KINDS]

    def _call(self, turn: Turn, op: Op) -> Call:
        key = (turn.message_id, op.seq)
        refs = self.references.get(key, [])
        asked: Any = ""
        output = []
        for ref in refs:
            if ref.payload_kind == "tool_request":
                form, text = self.texts[ref.uri]
                asked = json.loads(text) if form == "json" else text
            elif ref.payload_kind in ("tool_response", "attachment"):
                output.append(self._text(ref))
        end = self.results.get(key)
        # Whatever led there, what counts is what hangs under this call.
        hanging = (one.id for one in self.store.sessions.values() if self._hangs_under(one, op))
        child = next(hanging, "")
        return Call(op.name, op.status, asked, output, end.error_message if end else "", child)

    def _hangs_under(self, child: Any, call: Op) -> bool:
        found = self.store.task_op_of(child)
        return found is not None and (found.message_id, found.part_id) == (call.message_id, call.part_id)

    def _text(self, ref: PayloadRef) -> str:
        return self.texts[ref.uri][1]


def _is_words(ref: PayloadRef) -> bool:
    return ref.payload_kind == "user_prompt"


def _counters(usage: Any) -> tuple[int, ...]:
    return (usage.input, usage.output, usage.reasoning, usage.cache_read, usage.cache_write)
