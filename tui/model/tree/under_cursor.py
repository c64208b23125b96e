"""What the row under the cursor is, as far as a key means something else on it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tui.model.records import Row, find_payload
from tui.model.status.outcome import went_wrong
from tui.model.status.state import node_state
from tui.model.status.table import WAITING
from tui.model.store.store import Store
from tui.model.tree.layout import shown_session

Kind = Literal["heading", "session", "agent", "prompt", "step", "call", "text"]
"""An `agent` is the call that started a sub-agent; a `text` is what a step wrote or thought."""


class UnderCursor(NamedTuple):
    """`fold` is that of the row; `asks` whether a person is waited for here, `failed` whether it went wrong, `below`
    whether it is part of a sub-agent, `output` whether a call has one."""

    kind: Kind
    fold: str = ""
    asks: bool = False
    failed: bool = False
    below: bool = False
    output: bool = False


def under_cursor(store: Store, row: Row, now_us: int) -> UnderCursor | None:
    """What a row is; None when its node is gone."""
    key = row.key
    if key.kind == "heading":
        return UnderCursor("heading", row.fold)
    state = node_state(store, key, now_us)
    if state is None:
        return None
    op = store.op(key)
    if op is None:
        kind: Kind = "session" if key.kind == "session" else "prompt" if store.prompt(key) is not None else "step"
    elif shown_session(store, key) is not None:
        kind = "agent"
    else:
        kind = "call" if op.kind == "tool" else "text"
    session = store.session_of(key)
    below = session is not None and store.top_of(session) is not session
    failed = state.name == "failed" or (op is not None and op.kind == "tool" and went_wrong(op))
    output = op is not None and find_payload(op, "tool_response") is not None
    return UnderCursor(kind, row.fold, state.name in WAITING, failed, below, output)
