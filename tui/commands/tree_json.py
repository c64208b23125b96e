"""The model for other programs and for pipes: as JSON-ready objects, and as indented lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from adapter.events import Usage
from tui.model.records import Op, Prompt, Session, Turn, op_id
from tui.model.status.outcome import exit_code
from tui.model.status.state import State, op_state, prompt_state, session_state, turn_state, waiting_prompts
from tui.model.status.table import BY_NAME
from tui.model.store.copies import elsewhere
from tui.model.store.store import Store
from tui.model.store.unnamed import may_call
from tui.model.sums.copied import is_copied, uncounted
from tui.model.sums.rollup import Doubt, called_by, own, prompt_usage, subtree, total, written
from tui.model.tree.children import called, outline, uncalled
from tui.model.tree.names import call_note, prompt_name, prompt_words, step_name

INDENT_LIMIT = 40
"""Deepest indentation in the text, in levels: sub-agents of sub-agents must not push every word off the screen."""
WAITING_MARK = ("…", ":")
"""Of a prompt that waits while nothing goes on, and the same in ASCII."""
QUIET = frozenset({"aborted", "cancelled", "truncated", "idle", "completed", "archived"})
"""States of which the mark says enough."""


def tops(store: Store) -> list[Session]:
    """The sessions at the top of their trees, the oldest first."""
    found = [store.sessions[key] for key in store.tops()]
    return sorted(found, key=lambda session: (session.start_ts, session.source, session.id))


def family(store: Store, top: Session) -> list[Session]:
    """A session and all below it, parents before children and older before newer."""
    stack, found = [top], []
    while stack:
        found.append(stack.pop())
        stack.extend(reversed(store.children_of(found[-1])))
    return found


def tree_objects(store: Store, trees: Iterable[Session], now_us: int) -> Iterator[dict[str, Any]]:
    """The sessions of these trees, parents before children and older before newer, in the shape of `tree --json`.
    `status` is what the rows say (`running` unless a final says otherwise), `state` and `reason` what we make of it at
    `now_us`; `copies` are in other sources, and not shown."""
    for top in trees:
        for session in family(store, top):
            yield _session(store, session, now_us)


def tree_text(store: Store, trees: Iterable[Session], now_us: int, *, ascii_marks: bool = False) -> Iterator[str]:
    """The same as lines: a mark, the words, agent, model, tokens and money; steps, calls and sub-agents below."""
    for top in trees:
        stack: list[tuple[Session | Prompt | Turn | Op, Session, int]] = [(top, top, 0)]
        while stack:
            node, session, depth = stack.pop()
            state, words = _line(store, node, session, now_us)
            marks = BY_NAME[state.name].glyph, BY_NAME[state.name].ascii
            if isinstance(node, Prompt) and node.waits and state.name == "idle":
                marks = WAITING_MARK
            mark = marks[ascii_marks]
            doubt = "?" if state.inferred else ""
            told = f"  [{state.name}{doubt}: {state.reason}]" if state.name not in QUIET else ""
            yield "  " * min(depth, INDENT_LIMIT) + f"{mark} {words}{told}"
            stack.extend((child, owner, depth + 1) for child, owner in reversed(_below(store, node, session)))


def _session(store: Store, session: Session, now_us: int) -> dict[str, Any]:
    state = session_state(store, session, now_us)
    mine, below = own(store, session), subtree(store, session)
    return {
        "id": session.id,
        "parent_id": session.parent_id,
        "root_id": session.root_id,
        "source": session.source,
        "copies": elsewhere(store, session),
        "kind": session.kind,
        "title": session.title,
        "agent": session.agent,
        "model": session.model,
        "provider_alias": session.provider_alias,
        "status": session.final_status or None,
        "state": state.name,
        "reason": state.reason,
        "usage": _usage(mine.usage),
        "cost": mine.cost,
        "subtree": {"usage": _usage(below.usage), "cost": below.cost, "sessions": below.sessions},
        "turns": [
            {
                "seq": turn.seq,
                "message_id": turn.message_id,
                "prompt_id": turn.prompt_id,
                "status": turn.status,
                "usage": _usage(turn.usage),
                "delta": _usage(turn.delta),
                "cost": turn.cost,
                "copied": is_copied(session, turn),
                "ops": [_op(store, session, op) for op in turn.ops.values()],
            }
            for turn in session.turns.values()
        ],
        "waiting": [
            {
                "message_id": prompt.message_id,
                "label": prompt.label,
                "delivery": str(prompt.extras.get("delivery") or ""),
            }
            for prompt in waiting_prompts(session)
        ],
    }


def _op(store: Store, session: Session, op: Op) -> dict[str, Any]:
    child = store.called_by(session, op) if may_call(op) else None
    return {
        "seq": op.seq,
        "parent_seq": op.parent_seq,
        "part_id": op.part_id,
        "kind": op.kind,
        "name": op.name,
        "tool": op.tool,
        "status": op.status,
        "exit": exit_code(op),
        "usage": _usage(op.usage),
        "delta": _usage(op.delta),
        "cost": op.cost,
        "child_session_id": child.id if child is not None else op.child_session_id,
    }


def _usage(usage: Usage) -> dict[str, int]:
    return msgspec.structs.asdict(usage)


def _below(
    store: Store, node: Session | Prompt | Turn | Op, session: Session
) -> list[tuple[Session | Prompt | Turn | Op, Session]]:
    if isinstance(node, Prompt):
        return [(turn, session) for turn in outline(store, session).answers[node.message_id]]
    if isinstance(node, Turn):
        # The session op and the tool op of one task part are one line.
        return [
            (op, session)
            for op in node.ops.values()
            if op.kind == "tool" or (op.kind == "session" and op_id(op.part_id, "tool") not in node.ops)
        ]
    shown = called(store, session, node) if isinstance(node, Op) else node
    if shown is None:
        return []
    below = ((child, child) for child in uncalled(store, shown))
    return [*((child, shown) for child in outline(store, shown).top), *below]


def _line(store: Store, node: Session | Prompt | Turn | Op, session: Session, now_us: int) -> tuple[State, str]:
    if isinstance(node, Session):
        state = session_state(store, node, now_us)
        return state, _join(node.title or "(no title)", *_session_columns(store, node))
    if isinstance(node, Prompt):
        sums = prompt_usage(store, session, node.message_id)
        copied = "copied" if uncounted(session, node) else ""
        told = _with_called(store, session, outline(store, session).answers[node.message_id], sums.usage, sums.cost)
        words = _join(f"{prompt_name(node)}: {prompt_words(node)}", copied, told)
        return prompt_state(store, session, node, now_us), words
    if isinstance(node, Turn):
        said = next((op.label for op in node.ops.values() if op.kind == "text" and op.label), "")
        copied = "copied" if uncounted(session, node) else ""
        words = _join(step_name(node), said, copied, _with_called(store, session, [node], node.usage, node.cost))
        return turn_state(store, session, node, now_us), words
    state = op_state(store, session, node, now_us)
    name = f"{node.namespace}: {node.name}" if node.namespace else node.name or node.kind
    aside = call_note(node)
    child = called(store, session, node)
    if child is None:
        code = exit_code(node)
        ended = f"exit {code}" if code else ""
        return state, _join(f"{name}  {node.label or node.title}".rstrip(), ended, aside)
    if node.kind == "session":
        # A `session` op has the description of its call for a name.
        name = node.tool or "task"
    return state, _join(f"{name}  {node.label or child.title}", aside, *_session_columns(store, child))


def _session_columns(store: Store, session: Session) -> list[str]:
    sums = subtree(store, session)
    return [session.host, session.agent, session.model, _tokens(sums.usage, sums.cost, sums.doubt)]


def _with_called(store: Store, session: Session, turns: list[Turn], usage: Usage, cost: float) -> str:
    """Tokens and money of some steps and of the sub-agents that their calls started."""
    below = called_by(store, session, {turn.message_id for turn in turns})
    return _tokens(total([usage, below.usage]), cost + below.cost, below.doubt)


def _tokens(usage: Usage, cost: float, doubt: Doubt) -> str:
    """Tokens and US dollars, with a question mark where opencode's own sum is less than what the steps prove."""
    if not usage.total and not cost:
        return ""
    return f"in {usage.context} out {written(usage)} ${cost:.4f}" + ("?" if any(doubt) else "")


def _join(*columns: str) -> str:
    return "  ".join(column for column in columns if column)
