"""Errors of our own, written down with their tracebacks: a private file of bounded size in the directory of logs."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path

import platformdirs

from tui import __version__, files

SIZE_LIMIT = 200_000
"""Bytes that the file has at most; the oldest entries make room."""
ENTRY_LIMIT = 20_000
"""Bytes of one entry: the traceback of an endless recursion has a thousand lines, of which both ends tell all."""
_RULE = b"\n---- "


class ErrorLog:
    """Writes to a file; None writes nowhere. `problem` says why the last entry could not be written, "" if it was."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.problem = ""
        self._clock = clock
        self._last = ""

    def write(self, stage: str, error: BaseException) -> None:
        """Adds an error; one that repeats the entry before is not written again. Raises nothing."""
        words = "".join(traceback.format_exception(error))
        if self.path is None or f"{stage}\n{words}" == self._last:
            return
        self._last = f"{stage}\n{words}"
        when = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(self._clock()))
        entry = f"{when}  opencode-viewer {__version__}  while {stage}\n{words}".encode("utf-8", "backslashreplace")
        if len(entry) > ENTRY_LIMIT:
            entry = entry[: ENTRY_LIMIT // 2] + b"\n[...]\n" + entry[-ENTRY_LIMIT // 2 :]
        try:
            files.make_directory(self.path)
            kept = self._kept(SIZE_LIMIT - len(entry) - len(_RULE))
            with files.replacing(self.path) as file:
                file.write(kept + _RULE + entry)
            self.problem = ""
        except OSError as failure:
            self.problem = files.problem(failure)

    def _kept(self, most: int) -> bytes:
        """The newest whole entries of the file that take so many bytes."""
        assert self.path is not None
        try:
            content = files.read(self.path, 2 * SIZE_LIMIT)
        except (FileNotFoundError, files.TooLarge):
            return b""
        if len(content) <= most:
            return content
        cut = content[-most:]
        at = cut.find(_RULE)
        return cut[at:] if at >= 0 else b""


def error_file() -> Path:
    """Where errors are written; nothing is created by asking."""
    return Path(platformdirs.user_log_dir("opencode-viewer", appauthor=False)) / "errors.log"
