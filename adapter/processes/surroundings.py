"""In which terminal a process was started, as the variables say that terminals leave for their programs.

The environment of a process is read, of the user's own ones only, and of it nothing is kept but these variables.
"""

from __future__ import annotations

import os

KEPT = frozenset(
    {"TMUX", "TMUX_PANE", "ZELLIJ_PANE_ID", "ZELLIJ_SESSION_NAME", "STY", "WINDOW", "KITTY_WINDOW_ID"}
    | {"KITTY_LISTEN_ON", "WEZTERM_PANE", "WEZTERM_UNIX_SOCKET", "ITERM_SESSION_ID"}
)
"""What tmux, Zellij, GNU screen, kitty, WezTerm and iTerm2 set."""
SAME_S = 1.0
"""Seconds by which two looks may differ in when a process was started."""
_LENGTH = 4096
"""Longest value, in characters."""


def surroundings(pid: int, started: float) -> dict[str, str] | None:
    """The variables that are set of those; none of them where we may not see. None when the process is gone, or its pid
    is another one's: it was `started` (unix seconds) at another time."""
    import psutil  # 10 ms, and nobody may ever press the key

    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - started) > SAME_S or process.status() == psutil.STATUS_ZOMBIE:
            return None
        if process.uids().real != os.getuid():
            return {}
        environ = process.environ()
    except psutil.NoSuchProcess:
        return None
    except (psutil.Error, OSError):
        return {}
    return {name: value for name, value in environ.items() if name in KEPT and 0 < len(value) <= _LENGTH}
