"""The node of the tree in which a hit is."""

from __future__ import annotations

from adapter.contract import Hit
from tui.model.records import Key, Session, op_id, prompt_key, session_key, turn_key
from tui.model.tree.thoughts import heads

KINDS = ("tool", "session", "reasoning", "text", "compaction")
"""Kinds of ops that a part may be, the one that has a row first."""


def place_of(session: Session, hit: Hit) -> Key | None:
    """The node that holds a hit, or the nearest one above it; None while the session has not been read."""
    if not hit.message_id:
        return session_key(session)
    if not session.whole:
        return None
    turn = session.turns.get(hit.message_id)
    if turn is not None:
        first = heads(turn)
        for kind in KINDS:
            name = op_id(hit.part_id or hit.message_id, kind)
            if hit.part_id and name in turn.ops:
                return Key(session.source, "op", session.id, first.get(name, name))
        return turn_key(session, turn)
    prompt = session.prompts.get(hit.message_id)
    return prompt_key(session, prompt) if prompt is not None else session_key(session)
