"""What commands say on stderr, a line each: stdout carries data only."""

from __future__ import annotations

import sys

from tui.exit_codes import UNUSABLE
from tui.text import sanitize


def complain(words: str) -> int:
    """Says in one line on stderr why a command cannot go on; the exit status for that."""
    remark(words)
    return UNUSABLE


def remark(words: str) -> None:
    """One line on stderr, cut at 1,000 characters. A stderr that is closed or full must not end a command whose output
    goes elsewhere."""
    if sys.stderr is None:
        return  # and `print` would take stdout, where the data goes
    try:
        print(f"opencode-viewer: {sanitize.label(words, limit=1000)}", file=sys.stderr)
    except OSError:
        pass
