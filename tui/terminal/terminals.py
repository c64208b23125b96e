"""What is known of a terminal by its name: whether a screen can be shown on it at all, and with which characters."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NONE = frozenset({"", "dumb", "unknown", "emacs", "network", "dialup", "lpr", "printer"})
"""Names of what cannot put a character where it is told to: pipes, editors, build servers."""
_BASIC = re.compile(r"linux|vt\d|ansi|pcansi|cons\d|sun|wy\d|wyse|att\d|minix|hurd")
"""How the names of consoles and of terminals made of glass begin. Their fonts have 256 or 512 characters, and what they
are asked they may print."""


def name_of(environ: Mapping[str, str]) -> str:
    """The terminal's name."""
    return environ.get("TERM", "").strip().lower()


def refusal(environ: Mapping[str, str]) -> str:
    """Why no screen can be shown on this terminal, in a sentence; "" where one can."""
    name = name_of(environ)
    if name not in _NONE:
        return ""
    is_called = f"TERM={name}" if name else "TERM is not set, so it"
    return (
        f"{is_called} is a terminal without a screen; set TERM to what it is (xterm-256color, say), "
        "or use tree, ls or export, which need none"
    )


def is_basic(environ: Mapping[str, str]) -> bool:
    """Whether it has no more than ASCII and answers no questions: the Linux console, a VT100."""
    return _BASIC.match(name_of(environ)) is not None
