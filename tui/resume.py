"""The command that resumes a session in opencode: the program that wrote it, in its directory, on its database."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from adapter.opencode.discover import data_directory
from tui.model.records import Session
from tui.text import sanitize

PATH_LIMIT = 4096
"""Longest path, in characters, that is put into a command."""


def program(version: str) -> str:
    """What the opencode of a version is called: 2.x, and its preview, come beside 1.x under a name of their own."""
    return "opencode2" if version.startswith(("2.", "0.0.0-next-")) else "opencode"


def database(source: str, environ: Mapping[str, str], home: Path) -> str:
    """The path of a source that opencode has to be told, "" for the one that it takes by itself."""
    path = source.partition(":")[2]
    by_itself = not environ.get("OPENCODE_DB") and path == str(data_directory(environ, home) / "opencode.db")
    return "" if by_itself else os.path.abspath(path)


def command(session: Session, environ: Mapping[str, str], home: Path) -> tuple[str, str]:
    """The command, safe to paste into a shell (a line editor would take a control character for a key), and what is
    missing for it to be right, "" for nothing."""
    words = f"{program(session.version)} -s {shlex.quote(sanitize.label(session.id))}"
    path = database(session.source, environ, home)
    if path:
        words = f"OPENCODE_DB={shlex.quote(sanitize.line(path, PATH_LIMIT))} {words}"
    if not session.cwd:
        return words, "its directory is not known"
    if not (os.path.isabs(session.cwd) and os.path.isdir(session.cwd)):
        return words, f"its directory {session.cwd} is not here any more"
    return f"cd {shlex.quote(session.cwd)} && {words}", ""
