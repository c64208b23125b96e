"""How big the context windows of models are: the database does not know, so whoever makes a store may say it."""

from __future__ import annotations

from collections.abc import Callable

Limits = Callable[[str, str], int]
"""Provider and model -> the size of its context window in tokens, 0 where that is not known."""


def in_directory(limits: Limits, directory: str) -> Limits:
    """The limits for a session in this directory, where they depend on it: a project may have its own configuration."""
    inside: Callable[[str], Limits] | None = getattr(limits, "inside", None)
    return inside(directory) if inside is not None else limits


def no_limits(_provider: str, _model: str) -> int:
    """Knows no limit of any model."""
    return 0
