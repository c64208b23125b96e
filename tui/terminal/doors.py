"""The ways out for a text: a file, a pager, an editor. Nothing here knows the screen.

What goes out is the text without what drives a terminal, whole: a pager and a shell are terminals, too. The exact bytes
are what `opencode-viewer show URI` prints.
"""

from __future__ import annotations

import atexit
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from tui import files
from tui.config.settings import saved_directory
from tui.text import sanitize

AT_ONCE_S = 1.0
"""Seconds within which no person has read or written anything."""
_IN_THE_TERMINAL = frozenset(
    ["vi", "vim", "nvim", "view", "nano", "pico", "micro", "hx", "kak", "joe", "mg", "less", "more", "most"]
)
"""Editors that have no window of their own: when they are left at once, it was for a person to do so."""
_PLUS = _IN_THE_TERMINAL - {"hx"} | {"gvim", "emacs", "emacsclient", "gedit", "kate"}
"""Programs that take the line as +N before the file."""
_COLON = {"code": ["-g"], "codium": ["-g"], "cursor": ["-g"], "hx": [], "subl": [], "zed": []}
"""Programs that take it as FILE:N, behind these arguments."""
_SUFFIXES = {"Diff": ".diff", "Raw": ".json"}
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


def within_limit(words: Iterable[str], limit: int) -> str | None:
    """The lines as one text of at most so many bytes, else None; no more of a long text is looked at."""
    lines: list[str] = []
    size = 0
    for line in words:
        size += len(line.encode()) + 1
        if size > limit:
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
    """The user's download directory where there is one, else one of our own."""
    downloads = Path(platformdirs.user_downloads_dir())
    return downloads if downloads.is_dir() else saved_directory()


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


def saved_output(name: str, directories: Iterable[Path]) -> Path | None:
    """The file in which opencode saved the whole of an output that it cut, in the first data directory that has it."""
    found = (directory / "tool-output" / name for directory in directories)
    return next((path for path in found if path.is_file()), None)


def clean_lines(path: Path) -> Iterator[str]:
    """The lines of a text file of anybody's, as they leave the screen. Raises OSError."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            yield sanitize.outside(line.removesuffix("\n"))


def pager(environ: Mapping[str, str]) -> list[str]:
    """$PAGER, else less, else more."""
    return shlex.split(environ.get("PAGER", "")) or [shutil.which("less") or "more"]


def editor(environ: Mapping[str, str]) -> list[str]:
    """$VISUAL, $EDITOR, else the first editor there is."""
    named = shlex.split(environ.get("VISUAL", "")) or shlex.split(environ.get("EDITOR", ""))
    return named or [next(filter(None, map(shutil.which, ("nano", "vim", "vi"))), "vi")]


def line_of(words: Iterable[str], pattern: re.Pattern[str], nth: int) -> int:
    """The number of the line, from 1, in which the nth hit (from 1) of a pattern begins; 0 for none."""
    for number, line in enumerate(words, 1):
        nth -= sum(1 for _ in pattern.finditer(line))
        if nth <= 0:
            return number
    return 0


def place_of(words: Iterable[str], line: str) -> int:
    """The number of the first line, from 1, that reads so; 0 for none."""
    return next((number for number, one in enumerate(words, 1) if one == line), 0)


def page(command: list[str], words: Iterable[str], name: str, line: int = 0) -> str:
    """Runs a pager as `_show` does. One that ends at once, as `cat` and `less -F` do, has left the text on the terminal
    and nobody has seen it yet: it stays until a key is pressed."""

    def ended(took_s: float, _path: Path) -> str:
        if took_s < AT_ONCE_S:
            _wait_for_key("press any key to go back to opencode-viewer")
        return ""

    return _show(command, words, name, line, ended, stays=False)


def edit(command: list[str], words: Iterable[str], name: str, line: int = 0) -> str:
    """Runs an editor as `_show` does. One that is not known for having no window may have opened one, which reads the
    file whenever it likes: the file stays until the program ends. Where the editor ended at once that is certain, and
    the answer says where the file is."""
    in_the_terminal = _program(command) in _IN_THE_TERMINAL

    def ended(took_s: float, path: Path) -> str:
        if took_s >= AT_ONCE_S or in_the_terminal:
            return ""
        return f"{command[0]} has a window of its own: {path} is there until you quit"

    return _show(command, words, name, line, ended, stays=not in_the_terminal)


def _show(
    command: list[str], words: Iterable[str], name: str, line: int, ended: Callable[[float, Path], str], stays: bool
) -> str:
    """Runs a program on the lines in a private temporary file, at a line where that is known and there is a way to say
    it. `ended` is told how long the program took and which file it was given. The file goes when the program has ended
    or, if it `stays`, when ours does. Returns what the user has to know, "" for nothing. Raises nothing: the terminal
    has to be taken back in any case."""
    answer = ""
    try:
        directory = tempfile.mkdtemp(prefix="opencode-viewer-")
        try:
            path = Path(directory) / name
            _write(words, path)
            began = time.monotonic()
            with _for_the_program():
                status = subprocess.Popen([*command, *_at(command, path, line)]).wait()
                if status:
                    stays, answer = False, f"{command[0]} ended with status {status}"
                else:
                    answer = ended(time.monotonic() - began, path)
        except OSError:
            stays = False
            raise
        finally:
            if stays:
                atexit.register(shutil.rmtree, directory, ignore_errors=True)
            else:
                shutil.rmtree(directory, ignore_errors=True)
    except OSError as error:
        return f"{command[0]}: {error.strerror or error}"
    return answer


def _at(command: list[str], path: Path, line: int) -> list[str]:
    """The arguments that open a file at a line, from 1; 0 for the top."""
    program = _program(command)
    if line > 1 and program in _PLUS:
        return [f"+{line}", str(path)]
    if line > 1 and program in _COLON:
        return [*_COLON[program], f"{path}:{line}"]
    return [str(path)]


def _program(command: list[str]) -> str:
    return os.path.basename(command[0])


@contextmanager
def _for_the_program() -> Iterator[None]:
    """Meanwhile ctrl+c is for the program that has the terminal, and not for us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _wait_for_key(words: str) -> None:
    """Says something in the last line, and waits for a key; not where there is no terminal."""
    try:
        before = termios.tcgetattr(0)
    except termios.error:
        return
    os.write(1, f"\r\n\x1b[7m {words} \x1b[0m".encode())
    try:
        tty.setcbreak(0)
        os.read(0, 100)
    finally:
        termios.tcsetattr(0, termios.TCSANOW, before)
        os.write(1, b"\r\n")
