"""What it means that opencode's own sums are not what the messages add up to: words for doctor and health."""

from __future__ import annotations

from typing import NamedTuple

from adapter.health import Health
from tui.render.numbers import plural


class Differing(NamedTuple):
    """How many sessions differ by how many tokens, and what that comes of. `odd` when it should not be."""

    words: str
    why: str
    odd: bool


def differing(health: Health) -> list[Differing]:
    """The sessions that count more than their messages, and those that count less; empty when all agree."""
    has_2x = "v2" in health.family
    surplus = health.disagreeing.values()
    more, less = [count for count in surplus if count > 0], [-count for count in surplus if count < 0]
    found = []
    if more:
        why = "billed for messages that are gone"
        why = f"in 2.x for titles and compactions, else {why}" if has_2x else why
        found.append(Differing(_sentence(more, "more"), why, not has_2x))
    if less:
        why = "steps were never counted: a ? marks the sum"
        why = f"in 2.x what a fork copied, else {why}" if has_2x else why
        found.append(Differing(_sentence(less, "less"), why, not has_2x))
    return found


def _sentence(counts: list[int], word: str) -> str:
    verb, whose = ("counts", "its") if len(counts) == 1 else ("count", "their")
    return f"{plural(len(counts), 'session')} {verb} {plural(sum(counts), 'token')} {word} than {whose} messages"
