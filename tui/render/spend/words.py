"""What the rows of a table of spending are called, and what has to be said of the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from tui.model.spend.book import BESIDE, NO_TOOL, NOT_READ, Sum
from tui.model.spend.days import weekday
from tui.model.spend.ledger import Measure, Place, Tables
from tui.model.store.store import Store
from tui.model.sums.rollup import CENT_SHARE
from tui.model.tree.sorting import project
from tui.render.numbers import money, plural, tokens
from tui.text import sanitize

MODELS = 3
"""Models without a price that are named."""
SHARED = "a step's money is shared evenly among the calls it made: a share, not a bill"
_UNKNOWN = {
    "model": "(no model named)",
    "project": "(no directory)",
    "agent": "(no agent named)",
    "tool": "(no tool called)",
    "session": "(no title)",
}


class Names:
    """Names of rows. A model is called without its provider, and a project by the last part of its directory, where
    only one of those in sight is called so."""

    def __init__(self, store: Store, models: Iterable[Place] = (), projects: Iterable[Place] = ()) -> None:
        self._store = store
        self._models = Counter(_bare(str(model)) for model in models)
        self._projects = Counter(project(str(directory)) for directory in projects)

    def of(self, measure: Measure, place: Place) -> str:
        """The name of a row, safe to show."""
        if place == BESIDE:
            return "(beside the steps)"
        if place == NOT_READ:
            return "(not read yet)"
        if isinstance(place, int):
            return weekday(place)
        if isinstance(place, tuple):
            session = self._store.sessions.get(place)
            return f"{session.host} {session.name}".lstrip() if session is not None else _UNKNOWN["session"]
        if measure == "model" and self._models[_bare(place)] < 2:
            place = _bare(place)
        elif measure == "project" and self._projects[project(place)] < 2:
            place = project(place)
        return sanitize.label(place) or _UNKNOWN[measure]


def _bare(model: str) -> str:
    return model.partition("/")[2] or model


def breakdown(amount: Sum) -> str:
    """The tokens of a sum, by kind."""
    kinds = (
        ("in", amount.input),
        ("out", amount.output),
        ("reasoning", amount.reasoning),
        ("cache read", amount.cache_read),
        ("cache write", amount.cache_write),
    )
    return "  ".join(f"{name} {tokens(count)}" for name, count in kinds if count)


def dollars(amount: Sum) -> str:
    """The money of a sum; of one that has tokens and no price that there is none."""
    if not amount.cost and amount.unpriced:
        return "no price"
    return f"-{money(-amount.cost)}" if amount.cost < 0 else money(amount.cost) or "$0.00"


def notes(tables: Tables, names: Names, shown: Collection[Measure]) -> list[str]:
    """What has to be said of the figures, each in one sentence; `shown` are the tables that can be seen."""
    found: list[str] = []
    if tables.unpriced:
        found.append(_without_price(tables.unpriced, names))
    if tables.copied:
        found.append(f"left out: {_said(tables.copied)} that forks copied from their originals")
    if tables.elsewhere:
        found.append(f"left out: {_said(tables.elsewhere)} in older copies of sessions, in other databases")
    # A part of it would say that this is all: by day some sessions need not be read.
    if tables.read and (tables.beside.cost > CENT_SHARE or tables.beside.tokens):
        found.append(
            f"beside the steps: {_said(tables.beside)} that no step tells of (titles, compactions, deleted steps), "
            "on the day its session began"
        )
    if tables.short_sessions:
        sessions = plural(tables.short_sessions, "session")
        found.append(
            f"in {sessions} the steps say {_said(tables.short)} more than opencode's own sum, which counts here"
        )
    if tables.unread:
        found.append(f"{plural(tables.unread, 'row')} of these sessions cannot be read")
    if "tool" in shown and any(place not in (NO_TOOL, NOT_READ, BESIDE) for place in tables.rows["tool"]):
        found.append(f"by tool: {SHARED}")
    return found


def _without_price(unpriced: dict[str, int], names: Names) -> str:
    ranked = sorted(unpriced.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{tokens(count)} tokens of {names.of('model', model)}" for model, count in ranked[:MODELS]]
    if len(ranked) > MODELS:
        rest = sum(count for _, count in ranked[MODELS:])
        words.append(f"{tokens(rest)} of {len(ranked) - MODELS} others")
    return f"no price: {', '.join(words)}"


def _said(amount: Sum) -> str:
    """Money, or where there is none tokens."""
    return money(amount.cost) or f"{tokens(amount.tokens)} tokens"
