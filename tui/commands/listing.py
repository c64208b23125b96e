"""Sessions one by one for pipes: as lines of text, and as one JSON-ready object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from tui.model.records import Session, SessionKey
from tui.model.status.state import session_state
from tui.model.store.copies import elsewhere
from tui.model.store.store import Store
from tui.model.sums.rollup import own, subtree
from tui.model.tree.sorting import project
from tui.text import moments, sanitize
from tui.text.sanitize import cells, padded


def in_order(store: Store, keys: Iterable[SessionKey]) -> list[Session]:
    """The sessions with the newest activity first."""
    found = [store.sessions[key] for key in keys]
    return sorted(found, key=lambda session: (-subtree(store, session).last_ts, session.source, session.id))


def listing_text(store: Store, sessions: Sequence[Session], now_us: int) -> Iterator[str]:
    """One line a session: state (with a ? when inferred), newest activity in local time, dollars with sub-agents, id,
    agent, model, project, title. Columns are as wide as what stands in them; the title comes last because it is
    free text."""
    table = [_columns(store, session, now_us) for session in sessions]
    widths = [max((cells(row[column]) for row in table), default=0) for column in range(7)]
    for row in table:
        shown = [
            padded(cell, width, right=at == 2) for at, (cell, width) in enumerate(zip(row[:7], widths, strict=True))
        ]
        yield "  ".join([*shown, row[7]]).rstrip()


def listing(store: Store, sessions: Sequence[Session], now_us: int, source_names: list[str]) -> dict[str, Any]:
    """The same with all numbers. Times are µs UTC; `read` is false where only the session row and its last answer were
    looked at, which `state` needs no more than; `copies` are in other sources, and not shown."""
    return {"sources": source_names, "sessions": [_object(store, session, now_us) for session in sessions]}


def _columns(store: Store, session: Session, now_us: int) -> list[str]:
    state = session_state(store, session, now_us)
    tree = subtree(store, session)
    return [
        state.name + ("?" if state.inferred else ""),
        moments.date_and_minute(tree.last_ts),
        f"${tree.cost:.{4 if 0 < tree.cost < 0.01 else 2}f}",
        sanitize.label(session.id),
        session.agent,
        session.model,
        f"{session.host}:{project(session.cwd)}" if session.host else project(session.cwd),
        session.title or session.slug or "(no title)",
    ]


def _object(store: Store, session: Session, now_us: int) -> dict[str, Any]:
    state = session_state(store, session, now_us)
    mine, tree = own(store, session), subtree(store, session)
    return {
        "id": session.id,
        "source": session.source,
        "copies": elsewhere(store, session),
        "parent_id": session.parent_id,
        "root_id": session.root_id,
        "kind": session.kind,
        "title": session.title,
        "agent": session.agent,
        "model": session.model,
        "provider_alias": session.provider_alias,
        "cwd": session.cwd,
        "version": session.version,
        "state": state.name,
        "inferred": state.inferred,
        "reason": state.reason,
        "start_ts": session.start_ts,
        "last_ts": tree.last_ts,
        "read": session.whole,
        "usage": msgspec.structs.asdict(mine.usage),
        "cost": mine.cost,
        "subtree": {"usage": msgspec.structs.asdict(tree.usage), "cost": tree.cost, "sessions": tree.sessions},
    }
