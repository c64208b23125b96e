"""Opens the way to a node, and folds a session through its levels."""

from __future__ import annotations

from tui.model.records import Key, Session, session_key
from tui.model.status.thresholds import LOOK_BELOW
from tui.model.tree.folds import EVERYTHING, TOOLS
from tui.model.tree.layout import fold_key, parent_key, row_key
from tui.model.tree.rows import VisibleRows
from tui.model.tree.seek import enclosing, family

PROMPTS = 0
LEVEL_WORDS = {PROMPTS: "prompts", TOOLS: "steps and calls", EVERYTHING: "everything"}
FOLDED = "one line"


def reveal(rows: VisibleRows, key: Key) -> list[Session]:
    """Opens all that hides a node's row; returns the sessions above it that have to be loaded first."""
    store, folds = rows.store, rows.folds
    missing: list[Session] = []
    op = store.op(key)
    current = parent_key(store, key)
    while current is not None:
        own = fold_key(store, current)
        if own.kind == "turn":
            wanted = TOOLS if op is None or op.kind in ("tool", "session") else EVERYTHING
            if rows.level_of(own) < wanted:
                folds.set_level(own, wanted, [])
        else:
            folds.choose(own, True)
        session = store.session_of(own)
        if own.kind == "session" and session is not None and not session.whole:
            missing.append(session)
        op = store.op(current)
        current = parent_key(store, current)
    rows.lay_out_tree_of(key)
    heading = rows.heading_of(key)
    if heading is not None:
        rows.open(heading)
    return missing


def cycle(rows: VisibleRows, key: Key) -> tuple[str, list[Session]]:
    """Takes the session around a node to its next fold level: one line, prompts, steps and calls, everything (its
    sub-agents too, at most LOOK_BELOW of them). A level that would show what is shown already is passed over; one that
    opened by itself counts as prompts. Returns the words for it and the sessions that have to be loaded."""
    session = enclosing(rows.store, key)
    if session is None:
        return "", []
    own, row = session_key(session), row_key(rows.store, session)
    at = rows.index_of(row)
    is_open = at is not None and rows.row(at).fold == "open"
    level = rows.level_of(own, PROMPTS)
    below = [child for child in family(rows.store, session) if child is not session][:LOOK_BELOW]
    if is_open and level == EVERYTHING:
        rows.close(row)
        return FOLDED, []
    for child in below:
        for memory in (rows.folds.chosen, rows.folds.levels):
            memory.pop(session_key(child), None)
    wanted = level + 1 if is_open else PROMPTS
    while wanted < EVERYTHING and not rows.set_level(row, wanted) and session.loaded:
        wanted += 1
    if wanted < EVERYTHING:
        return LEVEL_WORDS[wanted], [] if session.loaded else [session]
    for child in below:
        rows.folds.choose(session_key(child), True)
    rows.set_level(row, EVERYTHING)
    return LEVEL_WORDS[EVERYTHING], [one for one in (session, *below) if not one.loaded]


def fold_all(rows: VisibleRows, *, headings: bool = False) -> str:
    """Folds every top-level session to one line; where that is so already, or with `headings`, folds all headings, and
    opens them where that is so, too. Returns the words for it, "" where it is plain to see."""
    tops = [] if headings else rows.open_tops()
    for source, session_id in tops:
        rows.close(Key(source, "session", session_id, session_id))
    if tops or rows.arrangement.grouping == "plain":
        return ""
    return "every heading: folded" if rows.fold_headings() else "every heading: open"
