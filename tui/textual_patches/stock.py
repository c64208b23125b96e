"""The switch back to Textual as it is, for the patches that are only for speed.

`OPENCODE_VIEWER_STOCK=1` turns all of them off; a list of their names, with commas, turns those off, which is how
`tests.bench.patches` finds what each is worth. Read once, when the program starts.
"""

from __future__ import annotations

import os

PATCHES = frozenset({"lines", "length", "bar", "regions", "pen", "input"})
"""What can be turned off; README.md beside this says what each does."""


def turned_off(value: str) -> frozenset[str]:
    """The patches that a value of the variable turns off: all of them unless it names some, none when it is empty or
    0, so that a slip of the pen is seen as a program that is slow in everything."""
    if value in ("", "0"):
        return frozenset()
    names = frozenset(value.split(","))
    return names if names <= PATCHES else PATCHES


OFF = set(turned_off(os.environ.get("OPENCODE_VIEWER_STOCK", "")))
"""What is turned off in this process; changed by measurements only."""


def on(patch: str) -> bool:
    """Whether a patch is in force."""
    return patch not in OFF
