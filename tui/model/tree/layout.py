"""The visible rows of one tree: a top-level session and everything unfolded below it.

Pure: the rows follow from the store, the folds and the set of live sessions alone. Iterative, because nesting has no
limit in the data, and it descends only where something is open: the cost follows what is visible.

- A session shows its prompts, oldest first, turns without a known prompt among them by time, then the child sessions
  that no call names. A child that a call names has no row of its own: the call's row is its row, and shows the turns
  of its single prompt directly.
- A prompt shows its turns, a turn its calls, and at level 2 its reasoning, text and compaction.
- Open by default: live sessions; the newest prompt, the one being answered, and those that the cursor is in; turns down
  to their calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from tui.model.records import (
    Key,
    Op,
    Prompt,
    Row,
    Session,
    SessionKey,
    Turn,
    op_id,
    op_key,
    prompt_key,
    session_key,
    turn_key,
)
from tui.model.store.unnamed import may_call
from tui.model.tree.children import called, outline, uncalled
from tui.model.tree.folds import EVERYTHING, TOOLS, Folds
from tui.model.tree.thoughts import without_followers

if TYPE_CHECKING:
    from tui.model.store.store import Store

_CALLS = frozenset({"tool", "session"})
_KINDS = (frozenset[str](), _CALLS, _CALLS | {"reasoning", "text", "compaction"})
"""Kinds of ops that have a row, by level."""


class _Item(NamedTuple):
    """A row to come. `session` is the one that the node belongs to; `level` is -1 until the user set one above."""

    node: Session | Prompt | Turn | Op
    session: Session
    depth: int
    level: int


class Segment(NamedTuple):
    """The rows of one turn that calls no sub-agent, made at this depth and level: most of a long session is these."""

    depth: int
    level: int
    rows: list[Row]


NO_SEGMENTS: Mapping[Key, Segment] = MappingProxyType({})


class Layout(NamedTuple):
    """The rows of one tree, in order, the segments in it by turn, and how many rows had to be made."""

    rows: list[Row]
    segments: dict[Key, Segment]
    made: int


def lay_out(
    store: Store, top: Session, folds: Folds, live: Set[SessionKey], known: Mapping[Key, Segment] = NO_SEGMENTS
) -> Layout:
    """Lays out the tree of `top`. `known` are segments of an earlier layout whose turns have not changed since."""
    rows: list[Row] = []
    segments: dict[Key, Segment] = {}
    made = 0
    stack = [_Item(top, top, 0, -1)]
    while stack:
        item = stack.pop()
        if isinstance(item.node, Turn):
            key = turn_key(item.session, item.node)
            level = turn_level(folds, key, item.level)
            segment = known.get(key)
            if segment is None or segment.depth != item.depth or segment.level != level:
                segment = _segment(item.session, item.node, item.depth, level)
                made += len(segment.rows) if segment else 0
            if segment is not None:
                segments[key] = segment
                rows += segment.rows
                continue
        key, fold, below = _row(store, item, folds, live)
        rows.append(Row(key, item.depth, fold))
        made += 1
        stack.extend(reversed(below))
    return Layout(rows, segments, made)


def _segment(session: Session, turn: Turn, depth: int, level: int) -> Segment | None:
    """The rows of a turn; None when one of its calls may show a session below it."""
    if any(op.child_session_id or may_call(op) for op in turn.ops.values()):
        return None
    shown = shown_ops(turn, level)
    rows = [Row(turn_key(session, turn), depth, "open" if shown else _closed(turn))]
    rows += [Row(op_key(session, op), depth + 1, "") for op in shown]
    return Segment(depth, level, rows)


def shown_session(store: Store, key: Key) -> Session | None:
    """The session whose row this is: its own, or the call that started it."""
    session = store.session_of(key)
    if session is None or key.kind == "session":
        return session
    op = store.op(key)
    return called(store, session, op) if op is not None else None


def parent_key(store: Store, key: Key) -> Key | None:
    """The key of the row above, whether or not it is visible; None for a top and for what is gone."""
    session = store.session_of(key)
    if session is None:
        return None
    if key.kind == "op":
        turn = store.turn_of_op(key)
        return turn_key(session, turn) if turn is not None else None
    if key.kind == "turn":
        answered = session.prompts.get(turn.prompt_id) if (turn := store.turn(key)) is not None else None
        if answered is not None and answered is not single_prompt(store, session):
            return prompt_key(session, answered)
        return row_key(store, session)
    if key.kind == "prompt":
        return row_key(store, session)
    call = store.call_key(session)
    if call is not None:
        return parent_key(store, call)
    parent = store.parent_of(session)
    return row_key(store, parent) if parent is not None else None


def fold_key(store: Store, key: Key) -> Key:
    """The key under which a row's fold is remembered: that of the session for a call that shows one."""
    shown = shown_session(store, key) if key.kind == "op" else None
    return session_key(shown) if shown is not None else key


def row_key(store: Store, session: Session) -> Key:
    """The key of the row that shows a session."""
    return store.call_key(session) or session_key(session)


def single_prompt(store: Store, session: Session) -> Prompt | None:
    """The prompt of a called session that has no row of its own: the call says the same already."""
    top = outline(store, session).top
    if len(session.prompts) == 1 and len(top) == 1 and store.call_key(session) is not None:
        return next(iter(session.prompts.values()))
    return None


def _row(store: Store, item: _Item, folds: Folds, live: Set[SessionKey]) -> tuple[Key, str, list[_Item]]:
    """The key and the fold sign of a row, and what comes below it."""
    node, session = item.node, item.session
    if isinstance(node, Session):
        return session_key(node), *_session(store, node, item, folds, live)
    if isinstance(node, Prompt):
        return prompt_key(session, node), *_prompt(store, node, item, folds)
    if isinstance(node, Turn):
        return turn_key(session, node), *_turn(session, node, item, folds)
    child = called(store, session, node)
    if child is None:
        return op_key(session, node), "", []
    return op_key(session, node), *_session(store, child, item, folds, live)


def _session(
    store: Store, session: Session, item: _Item, folds: Folds, live: Set[SessionKey]
) -> tuple[str, list[_Item]]:
    key = session_key(session)
    source_key = session.key
    if session.loaded and not session.prompts and not session.turns and not uncalled(store, session):
        return "", []
    by_itself = folds.tops_open or store.links.top(source_key) != source_key
    if not folds.is_open(key, by_itself and (source_key in live or source_key in folds.kept_open)):
        return "closed", []
    level = folds.level(key, item.level)
    alone = single_prompt(store, session)
    shape = outline(store, session)
    nodes: Sequence[Prompt | Turn] = shape.answers[alone.message_id] if alone else shape.top
    below = [_Item(node, session, item.depth + 1, level) for node in nodes]
    return "open", below + [_Item(child, child, item.depth + 1, level) for child in uncalled(store, session)]


def _prompt(store: Store, prompt: Prompt, item: _Item, folds: Folds) -> tuple[str, list[_Item]]:
    turns = outline(store, item.session).answers[prompt.message_id]
    if not turns:
        return "", []
    key = prompt_key(item.session, prompt)
    level = folds.level(key, item.level)
    if key in folds.levels or item.level >= 0:
        default = level > 0
    else:
        default = is_current(item.session, prompt) or key in folds.held
    if not folds.is_open(key, default):
        return "closed", []
    return "open", [_Item(turn, item.session, item.depth + 1, level) for turn in turns]


def is_current(session: Session, prompt: Prompt) -> bool:
    """True for the newest prompt and for the one that the newest turn answers: a queued prompt does not fold what is
    still going on."""
    newest = session.newest_prompt
    turn = next(reversed(session.turns.values()), None)
    return prompt is newest or (turn is not None and turn.prompt_id == prompt.message_id)


def turn_level(folds: Folds, key: Key, inherited: int) -> int:
    """How much of a turn is shown; its calls unless somebody chose otherwise."""
    return folds.level(key, inherited if inherited >= 0 else TOOLS)


def shown_ops(turn: Turn, level: int) -> list[Op]:
    """The ops of a turn that have a row at this level. A `session` op has none beside the `tool` op of its part, and of
    a thought only the first part has one."""
    kinds = _KINDS[max(0, min(EVERYTHING, level))]
    return [
        op
        for op in without_followers(turn.ops.values())
        if op.kind in kinds and (op.kind != "session" or op_id(op.part_id, "tool") not in turn.ops)
    ]


def _turn(session: Session, turn: Turn, item: _Item, folds: Folds) -> tuple[str, list[_Item]]:
    shown = shown_ops(turn, turn_level(folds, turn_key(session, turn), item.level))
    if shown:
        return "open", [_Item(op, session, item.depth + 1, item.level) for op in shown]
    return _closed(turn), []


def _closed(turn: Turn) -> str:
    """The fold sign of a turn that shows nothing: a step that is one model call has nothing to show."""
    return "closed" if any(op.kind != "llm" for op in turn.ops.values()) else ""
