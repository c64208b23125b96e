"""How big the context windows of models are: the database does not know, so whoever makes a store may say it."""

from __future__ import annotations

from collections.abc import Callable

Limits = Callable[[str, str], int]
"""Provider and model -> the size of its context window in tokens, 0 where that is not known."""


def no_limits(_provider: str, _model: str) -> int:
    """Knows no limit of any model."""
    return 0
