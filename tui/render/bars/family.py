"""Which opencode keeps its sessions in a file, in words, and which rows there are."""

from __future__ import annotations

from collections.abc import Iterator

from adapter.health import Health

WORDS = {
    "preview": "2.0 preview (session)",
    "v2": "2.x (session_v2)",
    "v1+v2": "2.x beside 1.x (session_v2, session)",
}
"""By what the schema calls the family, where that is no word for people; with the tables that hold the sessions."""
_OF_1X = frozenset({"messages", "parts"})


def family_words(health: Health) -> str:
    """The family, "" while it is not known."""
    return WORDS.get(health.family, health.family)


def counted(health: Health) -> Iterator[tuple[str, int]]:
    """The counts by name, without those of tables that 2.x leaves empty."""
    for name, count in health.counts.items():
        if count or name not in _OF_1X or health.family == "v1":
            yield name, count
