"""How to go to the pane that a process runs in: by the terminal's own command line, and only to look there.

Nothing is written into a pane, attached to or signalled. tmux is the surest: a pane is known by its terminal. Of the
others only the variables say where a process was started (`adapter.processes.surroundings`), which are checked before
they become arguments: a process may have been given anything.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from adapter.processes.facts import Process
from adapter.processes.surroundings import surroundings
from tui.text import sanitize

PATIENCE_S = 2.0
"""Seconds for a command; a server that is stopped answers nothing."""
_SAID = 120
"""Characters of what a command complains of."""
_NOT_SHOWN = "not shown"

_NUMBER = re.compile(r"[0-9]{1,9}")
_TMUX_PANE = re.compile(r"%[0-9]{1,9}")
_ADDRESS = re.compile(r"(?:unix|tcp|tcp6):[^\s\x00-\x1f]+")
_SCREEN = re.compile(r"[0-9]+\.[A-Za-z0-9_.@-]+")
_ITERM = re.compile(r"(?:w[0-9]+t[0-9]+p[0-9]+:)?([0-9A-Fa-f-]{36})")
_NAME = re.compile(r"[^-\x00-\x1f\x7f][^\x00-\x1f\x7f]*")

_LISTED = ("pane_id", "pane_tty", "window_id", "session_id", "session_attached", "window_index", "pane_index")
_REVEAL = """on run argv
  tell application "iTerm2"
    repeat with each_window in windows
      repeat with each_tab in tabs of each_window
        repeat with each_session in sessions of each_tab
          if id of each_session is item 1 of argv then
            select each_window
            select each_tab
            select each_session
            activate
            return
          end if
        end repeat
      end repeat
    end repeat
  end tell
  error "no such session"
end run"""


class Done(NamedTuple):
    """How a command ended: `failed` says why in words, "" when it did not; `output` is what it printed."""

    failed: str
    output: str = ""


Run = Callable[[Sequence[str], Mapping[str, str]], Done]
"""Runs a command, with variables beside our own, to its end."""


class Way(NamedTuple):
    """One command that shows a pane: `place` is the pane in words."""

    command: tuple[str, ...]
    place: str
    variables: Mapping[str, str] = {}


def run(command: Sequence[str], variables: Mapping[str, str]) -> Done:
    """Runs a command off our terminal, bounded. Raises nothing."""
    name = os.path.basename(command[0])
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Done(f"{name} did not answer within {PATIENCE_S:g} s")
    except OSError as error:
        return Done(f"{name}: {error.strerror or error}")
    if done.returncode:
        said = sanitize.label(done.stderr.decode(errors="replace"), _SAID)
        return Done(f"{name}: {said or f'status {done.returncode}'}")
    return Done("", done.stdout.decode(errors="replace"))


def go(
    process: Process,
    environ: Mapping[str, str],
    *,
    run: Run = run,
    around: Callable[[int, float], Mapping[str, str] | None] = surroundings,
    which: Callable[[str], str | None] = shutil.which,
    platform: str = sys.platform,
) -> str:
    """Shows the pane of a process, and says where that is, or why it cannot be shown. `environ` is our own. Takes as
    long as the commands do. Raises nothing."""
    variables = around(process.pid, process.started)
    if variables is None:
        return f"pid {process.pid} has ended"
    here = where(process)
    if which("tmux") is not None and (said := _tmux(process, variables, environ, run)) is not None:
        return f"{said}: {here if said.startswith(_NOT_SHOWN) else _at(process)}"
    if not process.terminal:
        # What it has inherited is the terminal of whoever started it.
        return f"{here}: no terminal to go to"
    way = other(variables, which, platform)
    if way is None:
        return f"{here}: this terminal cannot be told to show it"
    done = run(way.command, way.variables)
    return f"{way.place} is not shown: {done.failed}; {here}" if done.failed else f"{way.place} is in front: {here}"


def where(process: Process) -> str:
    """Where a process is, in words: its pid, its terminal, its pane of tmux."""
    pane = f", tmux pane {sanitize.label(process.pane.place, 80)}" if process.pane is not None else ""
    return _at(process) + pane


def _at(process: Process) -> str:
    terminal = sanitize.label(process.terminal.removeprefix("/dev/"), 40)
    return f"pid {process.pid}" + (f" on {terminal}" if terminal else "")


def other(variables: Mapping[str, str], which: Callable[[str], str | None], platform: str = sys.platform) -> Way | None:
    """The command of a terminal other than tmux, the innermost first; None where there is none that is known."""

    def said(name: str, form: re.Pattern[str]) -> str:
        found = form.fullmatch(variables.get(name, ""))
        return found[found.lastindex or 0] if found else ""

    if number := said("ZELLIJ_PANE_ID", _NUMBER):
        name = said("ZELLIJ_SESSION_NAME", _NAME)
        session = (f"--session={name}",) if name else ()
        place = f"Zellij pane {number}" + (f" of {sanitize.label(name, 40)}" if name else "")
        return _way(which, ("zellij", *session, "action", "focus-pane-id", f"terminal_{number}"), place)
    if name := said("STY", _SCREEN):
        number = said("WINDOW", _NUMBER)
        return (
            _way(which, ("screen", "-S", name, "-X", "select", number), f"screen window {number}") if number else None
        )
    if number := said("KITTY_WINDOW_ID", _NUMBER):
        # Without an address kitty would be asked through the terminal, which is ours to read.
        address = said("KITTY_LISTEN_ON", _ADDRESS)
        command = ("kitten", "@", f"--to={address}", "focus-window", f"--match=id:{number}")
        return _way(which, command, f"kitty window {number}") if address else None
    if number := said("WEZTERM_PANE", _NUMBER):
        socket = {"WEZTERM_UNIX_SOCKET": variables["WEZTERM_UNIX_SOCKET"]} if "WEZTERM_UNIX_SOCKET" in variables else {}
        way = _way(which, ("wezterm", "cli", "activate-pane", "--pane-id", number), f"WezTerm pane {number}")
        return way._replace(variables=socket) if way is not None else None
    if platform == "darwin" and (name := said("ITERM_SESSION_ID", _ITERM)):
        return _way(which, ("osascript", "-e", _REVEAL, name), "iTerm2 session")
    return None


def _way(which: Callable[[str], str | None], command: tuple[str, ...], place: str) -> Way | None:
    return Way(command, place) if which(command[0]) is not None else None


class _Listed(NamedTuple):
    """A pane as tmux lists it, once for each session that has its window."""

    pane: str
    terminal: str
    window: str
    session: str
    is_attached: bool
    place: str


def _tmux(process: Process, variables: Mapping[str, str], environ: Mapping[str, str], run: Run) -> str | None:
    """Shows a pane of tmux: what was done, in words; None where the process is in none."""
    if process.pane is not None:
        socket, pane = process.pane.socket, process.pane.id
    else:
        socket, pane = variables.get("TMUX", "").split(",")[0], variables.get("TMUX_PANE", "")
    if not os.path.isabs(socket) or not _TMUX_PANE.fullmatch(pane):
        return None
    tmux = ("tmux", "-u", "-S", socket)
    fields = "\t".join(f"#{{{field}}}" for field in (*_LISTED, "session_name"))
    done = run((*tmux, "list-panes", "-a", "-F", fields), {})
    if done.failed:
        return None if process.pane is None else f"{_NOT_SHOWN}, {done.failed}"
    listed = [one for one in _read(done.output) if one.pane == pane]
    if process.pane is None and process.terminal:
        # A variable may be left of a tmux that the terminal was started from.
        listed = [one for one in listed if one.terminal == process.terminal]
    if not listed:
        return None if process.pane is None else f"{_NOT_SHOWN}, its pane is gone"
    ours = _our_session(socket, environ, run)
    target = max(listed, key=lambda one: (one.session == ours, one.is_attached))
    for command in (("select-window", "-t", f"{target.session}:{target.window}"), ("select-pane", "-t", pane)):
        done = run((*tmux, *command), {})
        if done.failed:
            return f"{_NOT_SHOWN}, {done.failed}"
    if ours and target.session != ours:
        # Without a client that is named tmux takes the one that shows our own pane.
        own = {name: environ[name] for name in ("TMUX", "TMUX_PANE")}
        done = run((*tmux, "switch-client", "-t", target.session), own)
        if done.failed:
            return f"{_NOT_SHOWN}, {done.failed}"
    place = sanitize.label(target.place, 80)
    if ours or target.is_attached:
        return f"tmux {place} is in front" + ("" if ours else " of its own terminal")
    return f"tmux {place} is selected, and no terminal shows it (tmux attach)"


def _our_session(socket: str, environ: Mapping[str, str], run: Run) -> str:
    """The id of the session of this server that shows us, "" where none does."""
    own, pane = environ.get("TMUX", "").split(",")[0], environ.get("TMUX_PANE", "")
    if not own or os.path.realpath(own) != os.path.realpath(socket) or not _TMUX_PANE.fullmatch(pane):
        return ""
    done = run(("tmux", "-u", "-S", socket, "display-message", "-p", "-t", pane, "#{session_id}"), {})
    return "" if done.failed else done.output.strip()


def _read(output: str) -> list[_Listed]:
    """The panes of a listing."""
    found: list[_Listed] = []
    for line in output.split("\n"):
        fields = line.split("\t", len(_LISTED))
        if len(fields) == len(_LISTED) + 1:
            pane, terminal, window, session, attached, number, index, name = fields
            found.append(_Listed(pane, terminal, window, session, attached != "0", f"{name}:{number}.{index}"))
    return found
