"""In which order the trees stand: by activity, cost, tokens, duration or name, and project by project if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tui.model.links import SessionKey
from tui.model.nodes import Session
from tui.model.rollup import subtree
from tui.model.timing import duration

if TYPE_CHECKING:
    from tui.model.store import Store

ORDERS = ("activity", "cost", "tokens", "duration", "name")

Place = tuple[str, int, float, str, SessionKey]
"""Sorts the top-level sessions: project, group, number, name, key."""


class Arrangement(NamedTuple):
    """An order of the trees; `by_project` keeps those of one directory together."""

    order: str = ORDERS[0]
    by_project: bool = False

    def next_order(self) -> Arrangement:
        """The same by the next measure."""
        return self._replace(order=ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)])


def project(cwd: str) -> str:
    """The name of the project in a directory in which opencode ran: its last part."""
    return cwd.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or cwd


def place(store: Store, top: Session, live: bool, how: Arrangement) -> Place:
    """The place of a tree. By activity the trees with something live in them come first, the one whose run began last
    on top: their order is steady while they write. By duration those of which it is not known come last."""
    key = (top.source, top.id)
    # The very tuple that the links answer with: to look thousands of trees up by equal ones took twice as long.
    known = store.links.top(key)
    key = known if known == key else key
    group = f"{project(top.cwd).lower()}\0{top.cwd}" if how.by_project else ""
    if how.order == "name":
        return (group, 0, 0, top.name.lower(), key)
    if how.order == "activity" and live:
        prompt = next(reversed(top.prompts.values()), None)
        return (group, 0, -(prompt.ts if prompt is not None else top.start_ts), "", key)
    tree = subtree(store, top)
    measures = {
        "activity": tree.last_ts,
        "cost": tree.cost,
        "tokens": tree.usage.total,
        "duration": tree.last_ts - top.start_ts if live else duration(top),
    }
    return (group, 1, -measures[how.order], "", key)
