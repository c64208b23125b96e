"""Which steps of a fork are its original's. opencode's fork copies them with the times they had (it keeps
message.time_created), so they are older than the session."""

from __future__ import annotations

from tui.model.records import Prompt, Session, Turn


def is_copied(session: Session, node: Prompt | Turn) -> bool:
    """Whether a fork took over this prompt or step."""
    began = node.ts if isinstance(node, Prompt) else node.start_ts
    return session.kind == "fork" and began < session.start_ts


def own_turns(session: Session) -> list[Turn]:
    """The steps that the session took itself."""
    return [turn for turn in session.turns.values() if not is_copied(session, turn)]


def copied_turns(session: Session) -> list[Turn]:
    """The steps that a fork took over; none of any other session."""
    return [turn for turn in session.turns.values() if is_copied(session, turn)]


def uncounted(session: Session, node: Prompt | Turn) -> bool:
    """Whether what a prompt or step was billed is not in the session's own sum: 2.x begins a fork at 0."""
    return bool(session.extras.get("sums_apart")) and is_copied(session, node)
