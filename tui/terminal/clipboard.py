"""The clipboard: which programs of this machine take a text into it, how one gets to the terminal through tmux and GNU
screen, and which terminals do not take one from programs.

OSC 52 asks the terminal, wherever that is; nobody answers. A program is certain, and is of use only where its clipboard
is the one in front of the user: not at the far end of an ssh connection, unless that brings its display along.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tui.terminal import terminals

OSC_52_LIMIT = 55_000
"""Most bytes that are sent to the terminal: in base64 that is just below the 74,994 that hterm and others take, and
terminals drop what is longer without a word."""
TOOL_LIMIT = 4_000_000
"""Most bytes for a program: to make more of them clean takes longer than a key may."""
SCREEN_TAKES = 240
"""Bytes of a control string that every version of GNU screen takes; of a longer one it forgets the rest."""
TMUX, SCREEN = "tmux", "GNU screen"
PATIENCE_S = 3.0
"""Seconds for a program to take the text; one that waits for a display that is gone would wait for ever."""


class Tool(NamedTuple):
    """A program that copies what it reads, which is in this encoding."""

    command: tuple[str, ...]
    encoding: str = "utf-8"

    @property
    def name(self) -> str:
        """What to call it."""
        return os.path.basename(self.command[0])


_XCLIP = Tool(("xclip", "-selection", "clipboard"))
_XSEL = Tool(("xsel", "--clipboard", "--input"))
_TMUX = Tool(("tmux", "load-buffer", "-w", "-"))
"""Hands the text to the terminal around tmux, where an OSC 52 of a program inside is dropped by tmux's default."""


def tools(
    environ: Mapping[str, str], platform: str = sys.platform, which: Callable[[str], str | None] = shutil.which
) -> list[Tool]:
    """The programs for the clipboard in front of the user, the surest first: one may have been promised a display that
    is gone."""
    here = not any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"))
    known = [
        (here and platform == "darwin", Tool(("pbcopy",))),
        (here and "WSL_DISTRO_NAME" in environ, Tool(("clip.exe",), "utf-16")),
        (here and "TERMUX_VERSION" in environ, Tool(("termux-clipboard-set",))),
        (here and environ.get("WAYLAND_DISPLAY"), Tool(("wl-copy",))),
        (environ.get("DISPLAY"), _XCLIP),
        (environ.get("DISPLAY"), _XSEL),
        (environ.get("TMUX"), _TMUX),
    ]
    return [one for fits, one in known if fits and which(one.command[0]) is not None]


def multiplexer(environ: Mapping[str, str]) -> str:
    """The program between us and the terminal, "" for none. Over ssh only the name of the terminal tells. Where one
    runs in the other, nothing says which is the inner one, and it is "" as well."""
    name, tmux, screen = terminals.name_of(environ), environ.get("TMUX"), environ.get("STY")
    if tmux and screen:
        return ""
    if tmux or (name.startswith("tmux") and not screen):
        return TMUX
    return SCREEN if screen or name.startswith("screen") else ""


def wrapped(text: str, environ: Mapping[str, str]) -> str:
    """The same text for the terminal around tmux or GNU screen, which keep a bare OSC 52 to themselves; "" where there
    is none. tmux hands it on with `allow-passthrough on`, which `tmux load-buffer -w` does not need; screen always, in
    pieces of what it takes at once."""
    sequence = f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07"
    around = multiplexer(environ)
    if around == TMUX:
        return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if around == SCREEN:
        pieces = (sequence[at : at + SCREEN_TAKES] for at in range(0, len(sequence), SCREEN_TAKES))
        return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    return ""


def deaf(environ: Mapping[str, str]) -> str:
    """The name of a terminal that is known to ignore OSC 52; "" for any other."""
    if multiplexer(environ):
        return ""  # what is around it is not known
    if environ.get("TERM_PROGRAM") == "Apple_Terminal":
        return "macOS Terminal"
    if environ.get("VTE_VERSION"):
        return "a terminal like GNOME's"
    return "a console" if terminals.is_basic(environ) else ""


def copy(with_tool: Tool, text: str) -> bool:
    """Has a program copy a text; whether it says that it did. Raises nothing."""
    try:
        # Its own session: some stay to hand the text out, and must not go with us.
        done = subprocess.run(
            with_tool.command,
            input=text.encode(with_tool.encoding, "replace"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE_S,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
