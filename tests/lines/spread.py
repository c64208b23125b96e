"""Words on a screen, wherever it breaks its lines."""

from __future__ import annotations

import re


def spread(words: str) -> str:
    """A pattern for words that may be broken into lines between any two."""
    return r"\s+".join(map(re.escape, words.split()))
