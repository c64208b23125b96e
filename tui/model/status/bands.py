"""What each tree needs: a person, a look, or nothing while it works. A tree is counted once, for the most urgent of all
that goes on in it, wherever that lies; counts, bands and jumps all ask here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal, get_args

from tui.model.records import Session, SessionKey
from tui.model.status.at_work import State
from tui.model.status.flags import looping
from tui.model.status.table import BY_NAME, Group

if TYPE_CHECKING:
    from tui.model.store.store import Store

Need = Literal["work", "looping", "stuck", "person"]
"""From the least to the most urgent: it works; it does the same over and over; nothing comes; it waits for a person."""
Band = Literal["for you", "stuck and looping", "at work", "earlier"]

BANDS: Final[tuple[Band, ...]] = get_args(Band)
"""The bands in the order of the screen."""
_RANKS: Final[dict[Need, int]] = {need: rank for rank, need in enumerate(get_args(Need))}
_BANDS: Final[dict[Need, Band]] = {
    "person": "for you",
    "stuck": "stuck and looping",
    "looping": "stuck and looping",
    "work": "at work",
}
_NEEDS: Final[dict[Group, Need]] = {"person": "person", "stuck": "stuck", "work": "work"}


def need_of(session: Session, state: State | None) -> Need | None:
    """What a session needs by what it does itself (`state.own_state`: None while those below answer for it)."""
    need = _NEEDS.get(BY_NAME[state.name].group) if state is not None else None
    return "looping" if need == "work" and looping(session) is not None else need


def by_tree(store: Store, needs: Mapping[SessionKey, Need]) -> dict[SessionKey, Need]:
    """The most urgent need in each tree, by its top-level session; `needs` are those of single sessions."""
    found: dict[SessionKey, Need] = {}
    for key, need in needs.items():
        top = store.links.top(key)
        if top not in found or _RANKS[need] > _RANKS[found[top]]:
            found[top] = need
    return found


def band_of(need: Need | None, *, is_news: bool = False) -> Band:
    """The band in which a tree stands. One that needs nothing is for you while it is news: a person was told that it
    has ended, and has not looked at it since."""
    if need is not None:
        return _BANDS[need]
    return "for you" if is_news else "earlier"


def strongest(needs: Iterable[Need]) -> Need | None:
    """The most urgent of some needs."""
    return max(needs, key=_RANKS.__getitem__, default=None)
