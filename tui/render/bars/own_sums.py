"""What it means that opencode's own sums are not what the messages add up to: words for doctor and health."""

from __future__ import annotations

from typing import NamedTuple

from adapter.health import Health
from tui.render.numbers import plural


class Differing(NamedTuple):
    """How many sessions differ by how many tokens, and what that comes of."""

    words: str
    why: str


def differing(health: Health) -> list[Differing]:
    """The sessions that count more than their messages, and those that count less; empty when all agree. Those of 2.x
    are not among them: it counts other things (`sums_apart`)."""
    surplus = health.disagreeing.values()
    more, less = [count for count in surplus if count > 0], [-count for count in surplus if count < 0]
    found = []
    if more:
        found.append(Differing(_sentence(more, "more"), "billed for messages that are gone"))
    if less:
        found.append(Differing(_sentence(less, "less"), "steps were never counted: a ? marks the sum"))
    return found


def _sentence(counts: list[int], word: str) -> str:
    verb, whose = ("counts", "its") if len(counts) == 1 else ("count", "their")
    return f"{plural(len(counts), 'session')} {verb} {plural(sum(counts), 'token')} {word} than {whose} messages"
