"""The document as one JSON object: `tree --json` with every text in it.

`{"export": 1, "source", "exported_ts", "redacted", "max_text", "root", "sessions": [...]}`: sessions one after the
other, parents first. A session has the fields of its record (`id parent_id root_id kind title agent model
provider_alias cwd version start_ts last_ts`), `state reason usage cost subtree`, `called_by` (`session_id part_id` of
the call it hangs under, or null), `notes`, `prompts` (`message_id ts agent model synthetic texts`) and `turns`, each
with `texts` and `ops` (these with `texts`, too). A text is `kind format uri size text truncated note`; `text` is
verbatim, and null where `note` says why. Times are µs UTC, sizes bytes, money dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from adapter.events import Usage
from tui.commands.export.reasons import dated
from tui.commands.export.texts import Texts
from tui.model.records import Op, Payload, Prompt, Session, Turn
from tui.model.status import state
from tui.model.store.store import Store
from tui.model.sums import rollup
from tui.text.safe_json import json_line

_SESSION = ("id", "parent_id", "root_id", "kind", "agent", "model", "provider_alias", "version", "start_ts", "last_ts")
_TURN = (
    *("seq", "message_id", "prompt_id", "agent", "model", "provider_alias", "start_ts", "end_ts"),
    *("status", "finish", "error_class", "cost"),
)
_OP = (
    *("seq", "parent_seq", "part_id", "kind", "namespace", "start_ts", "end_ts", "status", "error_class"),
    *("cost", "bytes_in", "bytes_out", "child_session_id"),
)
_NUMBERS = ("exit", "additions", "deletions", "hits", "todos", "todos_cancelled")
"""Extras of a call that hold numbers only."""


def parts(
    store: Store, sessions: Iterable[Session], texts: Texts, now_us: int, head: dict[str, Any]
) -> Iterator[bytes | Payload]:
    """The object in pieces; where a payload stands, its text as JSON goes."""
    yield _open(head) + b',"sessions":['
    for number, session in enumerate(sessions):
        yield b",\n" if number else b"\n"
        yield _open(_session(store, session, texts, now_us)) + b',"prompts":['
        for place, prompt in enumerate(session.prompts.values()):
            yield b"," if place else b""
            yield from _with_texts(_prompt(prompt), prompt.payloads.values())
        yield b'],"turns":['
        for place, turn in enumerate(session.turns.values()):
            yield b"," if place else b""
            yield _open(_turn(turn, texts)) + b',"ops":['
            for at, op in enumerate(turn.ops.values()):
                yield b"," if at else b""
                yield from _with_texts(_op(op, texts), op.payloads.values())
            yield b'],"texts":['
            yield from _listed(turn.payloads.values())
            yield b"]}"
        yield b"]}"
    yield b"\n]}\n"


def _open(facts: dict[str, Any]) -> bytes:
    return json_line(facts)[:-2]


def _with_texts(facts: dict[str, Any], payloads: Iterable[Payload]) -> Iterator[bytes | Payload]:
    yield _open(facts) + b',"texts":['
    yield from _listed(payloads)
    yield b"]}"


def _listed(payloads: Iterable[Payload]) -> Iterator[bytes | Payload]:
    for number, payload in enumerate(payloads):
        yield b"," if number else b""
        yield payload


def _session(store: Store, session: Session, texts: Texts, now_us: int) -> dict[str, Any]:
    now = state.session_state(store, session, now_us)
    own, tree = rollup.own(store, session), rollup.subtree(store, session)
    call = store.call_key(session)
    caller = store.op(call) if call is not None else None
    return {
        **{name: getattr(session, name) for name in _SESSION},
        "title": texts.title(session),
        "cwd": texts.free(session.cwd),
        "state": now.name,
        "reason": texts.free(dated(now, now_us)),
        "error_class": session.error_class,
        "error_message": texts.free(session.error_message),
        "usage": _usage(own.usage),
        "cost": own.cost,
        "subtree": {"usage": _usage(tree.usage), "cost": tree.cost, "sessions": tree.sessions},
        "called_by": {"session_id": call.session_id, "part_id": caller.part_id} if call and caller else None,
        "notes": [
            {"severity": log.severity, "ts": log.ts, "message": texts.free(log.message)}
            for log in session.logs.values()
        ],
    }


def _prompt(prompt: Prompt) -> dict[str, Any]:
    names = ("message_id", "ts", "agent", "model", "synthetic")
    return {name: getattr(prompt, name) for name in names}


def _turn(turn: Turn, texts: Texts) -> dict[str, Any]:
    return {
        **{name: getattr(turn, name) for name in _TURN},
        "error_message": texts.free(turn.error_message),
        "usage": _usage(turn.usage),
        "delta": _usage(turn.delta),
    }


def _op(op: Op, texts: Texts) -> dict[str, Any]:
    return {
        **{name: getattr(op, name) for name in _OP},
        # A `session` op has the description of its task for a name.
        "name": texts.free(op.name) if op.kind == "session" else op.name,
        "label": texts.free(op.label),
        "error_message": texts.free(op.error_message),
        "usage": _usage(op.usage),
        "delta": _usage(op.delta),
        **{name: op.extras[name] for name in _NUMBERS if name in op.extras},
    }


def _usage(usage: Usage) -> dict[str, int]:
    return msgspec.structs.asdict(usage)
