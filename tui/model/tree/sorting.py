"""In which order the trees stand: by activity, cost, tokens, duration or name; and in which groups: by what they need,
or project by project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

from tui.model.records import Session, SessionKey
from tui.model.status.bands import BANDS, Need, band_of
from tui.model.sums.rollup import subtree
from tui.model.sums.timing import duration

if TYPE_CHECKING:
    from tui.model.store.store import Store

Order = Literal["activity", "cost", "tokens", "duration", "name"]
Grouping = Literal["bands", "projects", "plain"]
ORDERS: Final[tuple[Order, ...]] = get_args(Order)
GROUPINGS: Final[tuple[Grouping, ...]] = get_args(Grouping)

Place = tuple[str, int, float, str, SessionKey]
"""Sorts the top-level sessions: heading ("" where there are none), live or not, number, name, key."""


class Arrangement(NamedTuple):
    """An order of the trees, and what keeps some of them together."""

    order: Order = ORDERS[0]
    grouping: Grouping = "plain"

    def next_order(self) -> Arrangement:
        """The same by the next measure."""
        return self._replace(order=ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)])

    def next_grouping(self) -> Arrangement:
        """The same order in the next kind of groups."""
        return self._replace(grouping=GROUPINGS[(GROUPINGS.index(self.grouping) + 1) % len(GROUPINGS)])


BAND_MARK = "\x01"
"""Begins the heading of a band; the name of a project has no such character."""


def project(cwd: str) -> str:
    """The name of the project in a directory in which opencode ran: its last part."""
    return cwd.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or cwd


def group(top: Session, need: Need | None, how: Arrangement, *, is_news: bool) -> str:
    """The heading under which a tree stands, "" where there are none."""
    if how.grouping == "projects":
        return f"{project(top.cwd).lower()}\0{top.place}"
    return f"{BAND_MARK}{BANDS.index(band_of(need, is_news=is_news))}" if how.grouping == "bands" else ""


def place(store: Store, top: Session, need: Need | None, how: Arrangement, *, is_news: bool = False) -> Place:
    """The place of a tree that needs something, or nothing; `is_news` as in `bands.band_of`. By activity the trees with
    something live in them come first, the one whose run began last on top: their order is steady while they write. By
    duration those of which it is not known come last."""
    key = top.key
    # The very tuple that the links answer with: to look thousands of trees up by equal ones took twice as long.
    known = store.links.top(key)
    key = known if known == key else key
    under, live = group(top, need, how, is_news=is_news), need is not None
    if how.order == "name":
        return (under, 0, 0, top.name.lower(), key)
    if how.order == "activity" and live:
        prompt = next(reversed(top.prompts.values()), None)
        return (under, 0, -(prompt.ts if prompt is not None else top.start_ts), "", key)
    tree = subtree(store, top)
    measures = {
        "activity": tree.last_ts,
        "cost": tree.cost,
        "tokens": tree.usage.total,
        "duration": tree.last_ts - top.start_ts if live else duration(top),
    }
    return (under, 1, -measures[how.order], "", key)
