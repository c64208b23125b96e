"""The ways out for a text: a file, a pager, an editor. Nothing here knows the screen.

What goes out is the text without what drives a terminal, whole: a pager and a shell are terminals, too. The exact bytes
are what `opencode-viewer show URI` prints.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import platformdirs

from tui import files

CLIPBOARD_LIMIT = 55_000
"""Most bytes that are sent to the clipboard: in base64 that is just below the 74,994 that hterm and others take, and
terminals drop what is longer without a word."""

_SUFFIXES = {"Diff": ".diff", "Raw": ".json"}
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


def within_limit(words: Iterable[str]) -> str | None:
    """The lines as one text when the clipboard can take them, else None; no more of a long text is looked at."""
    lines: list[str] = []
    size = 0
    for line in words:
        size += len(line.encode()) + 1
        if size > CLIPBOARD_LIMIT:
            return None
        lines.append(line)
    return "\n".join(lines)


def at_home(path: Path) -> str:
    """A path as people write it: with ~ for the home directory."""
    home, shown = str(Path.home()), str(path)
    return f"~{shown[len(home) :]}" if shown.startswith(home + os.sep) else shown


def file_name(node_id: str, tab: str) -> str:
    """A name for the text of a tab: the id (anything but letters, digits, - and _ replaced), the tab, a suffix."""
    safe = _UNSAFE.sub("-", node_id).strip("-")[:80] or "text"
    return f"opencode-{safe}-{tab.lower()}{_SUFFIXES.get(tab, '.txt')}"


def save_directory() -> Path:
    """The user's download directory where there is one, else our own state directory."""
    downloads = Path(platformdirs.user_downloads_dir())
    return downloads if downloads.is_dir() else Path(platformdirs.user_state_dir("opencode-viewer")) / "saved"


def save(words: Iterable[str], name: str, directory: Path) -> Path:
    """Writes the lines to a new file that only the user can read, and returns its path; never over another file.
    Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem, suffix = os.path.splitext(name)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        path = directory / f"{stem}-{stamp}{f'-{attempt}' if attempt else ''}{suffix}"
        try:
            _write(words, path)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{directory}: no free name for {name}")


def _write(words: Iterable[str], path: Path) -> None:
    with files.creating(path) as file:
        file.writelines(f"{line}\n".encode() for line in words)


def pager(environ: Mapping[str, str]) -> list[str]:
    """$PAGER, else less, else more."""
    return shlex.split(environ.get("PAGER", "")) or [shutil.which("less") or "more"]


def editor(environ: Mapping[str, str]) -> list[str]:
    """$VISUAL, $EDITOR, else the first editor there is."""
    named = shlex.split(environ.get("VISUAL", "")) or shlex.split(environ.get("EDITOR", ""))
    return named or [next(filter(None, map(shutil.which, ("nano", "vim", "vi"))), "vi")]


def show(command: list[str], words: Iterable[str], name: str) -> str:
    """Runs a program on the lines in a private temporary file, which is gone afterwards; returns what went wrong, ""
    for nothing. Raises nothing: the terminal has to be taken back in any case."""
    try:
        with tempfile.TemporaryDirectory(prefix="opencode-viewer-") as directory:
            path = Path(directory) / name
            _write(words, path)
            process = subprocess.Popen([*command, str(path)])
            status = _wait(process)
    except OSError as error:
        return f"{command[0]}: {error.strerror or error}"
    return f"{command[0]} ended with status {status}" if status else ""


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Waits for the program; ctrl+c is for it and not for us."""
    if threading.current_thread() is not threading.main_thread():
        return process.wait()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
