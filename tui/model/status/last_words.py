"""What an agent said last."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from tui.model.records import Session
from tui.model.status.state import unanswered

if TYPE_CHECKING:
    from tui.model.store.store import Store

LOOK_BACK = 5
"""Steps back in which the last words of an agent are looked for; older ones say nothing about now."""


def last_words(store: Store, session: Session) -> str:
    """The newest words of an agent, also of a session that has been given back; none while it is being read, when those
    that are there are not the newest."""
    if session.whole:
        return said(session)
    kept = store.given_back.get(session.key)
    return kept.said if kept is not None else ""


def said(session: Session) -> str:
    """The newest text that an agent finished of its answer to the newest prompt, of the last LOOK_BACK steps: while a
    model writes, nothing of what it writes is in the database. What opencode told the model itself begins no answer."""
    if unanswered(session) is not None:
        return ""
    answered: str | None = None
    for turn in islice(reversed(session.turns.values()), LOOK_BACK):
        prompt = session.prompts.get(answered) if answered is not None else None
        if prompt is not None and not prompt.synthetic and turn.prompt_id != answered:
            break
        answered = turn.prompt_id
        for op in reversed(turn.ops.values()):
            if op.kind == "text" and op.label:
                return op.label
    return ""
