"""The panes of tmux on this machine, by its own listing command; nothing is changed, and no server is started."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from adapter.processes.facts import Pane

TIMEOUT_S = 1.0
"""A server that is stopped answers nothing."""
SOCKETS = 8
"""Most servers that are asked."""
_FIELDS = ("pane_tty", "pane_pid", "pane_id", "window_index", "pane_index", "session_name", "window_name")
_SEPARATOR = "\t"


class Listed(NamedTuple):
    """A pane, its terminal's device, and the process that was started in it."""

    terminal: str
    pid: int
    pane: Pane


def sockets(env: Mapping[str, str]) -> list[str]:
    """The servers that are cheap to know: the one that we are in, and the user's own where tmux puts them, the usual
    one first and then the newest; those that have ended leave their sockets behind."""
    inside = env.get("TMUX", "").split(",")[0]
    found = [inside] if inside else []
    directory = os.path.join(env.get("TMUX_TMPDIR") or "/tmp", f"tmux-{os.getuid()}")
    made: list[tuple[bool, float, str]] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                about = entry.stat()
                if stat.S_ISSOCK(about.st_mode):
                    made.append((entry.name == "default", about.st_mtime, entry.path))
    except OSError:
        pass  # no tmux has been started by this user
    found += [path for *_, path in sorted(made, reverse=True) if path not in found]
    return [path for path in found if _is_listened_to(path)][:SOCKETS]


def _is_listened_to(path: str) -> bool:
    """False of a socket that its server has left behind, where the system tells (unix(7), /proc/net/unix): to ask costs
    a process each."""
    try:
        with open("/proc/net/unix", "rb") as sockets:
            return os.fsencode(path) in sockets.read()
    except OSError:
        return True


def panes(env: Mapping[str, str]) -> list[Listed]:
    """Every pane of these servers; none where there is no tmux."""
    program = shutil.which("tmux")
    if program is None:
        return []
    found: list[Listed] = []
    for socket in sockets(env):
        arguments = [program, "-u", "-S", socket, "list-panes", "-a", "-F"]
        try:
            done = subprocess.run(
                [*arguments, _SEPARATOR.join(f"#{{{field}}}" for field in _FIELDS)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            # Who asks may want to end the program; of the others it is not worth the wait.
            break
        except OSError:
            continue
        found += read(socket, done.stdout.decode("utf-8", "replace"))
    return found


def read(socket: str, output: str) -> list[Listed]:
    """The panes of a listing; a line that is none of ours is left out."""
    found: list[Listed] = []
    for line in output.split("\n"):
        fields = line.split(_SEPARATOR, len(_FIELDS) - 1)
        if len(fields) != len(_FIELDS) or not all(fields[at].isdecimal() for at in (1, 3, 4)):
            continue
        terminal, pid, pane_id, window, index, session, name = fields
        found.append(Listed(terminal, int(pid), Pane(socket, pane_id, session, int(window), name, int(index))))
    return found
