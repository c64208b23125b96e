"""A row of numbers as a small curve."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[int], width: int, top: int = 0) -> str:
    """The values as at most `width` bars from 0 to the greatest of them, or to `top`. Of more values than bars each bar
    shows the greatest of its share, so that no peak is lost."""
    if not values or width <= 0:
        return ""
    top = max(top, *values, 1)
    count = min(width, len(values))
    shares = [values[n * len(values) // count : (n + 1) * len(values) // count] for n in range(count)]
    # Rounded up, so that the least that is anything is a bar and only the top fills the cell.
    return "".join(BARS[max(0, -(-max(share) * len(BARS) // top) - 1)] for share in shares)
