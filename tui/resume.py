"""The command that resumes a session in opencode: the program that wrote it, in its directory, on its database."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from adapter.contract import host_path
from adapter.opencode.discover import data_directory
from tui.model.records import Session
from tui.text import sanitize

PATH_LIMIT = 4096
"""Longest path, in characters, that is put into a command."""
ENTRIES = 10_000
"""Most entries of a directory among which one is looked for whose name is no UTF-8."""

_CHANNEL = re.compile(r"0\.0\.0-([A-Za-z0-9._-]+)-\d+|(local)")
"""Versions that name their release channel."""
_WITHOUT_NAME = frozenset({"latest", "beta", "prod"})
"""Channels that are not in the name of the database."""
_PLAIN = re.compile(r"[A-Za-z0-9/._,:@+~-]")
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def program(session: Session) -> str:
    """What the opencode of a session is called: 2.x, and its previews, come beside 1.x under a name of their own, and
    go on with sessions of 1.x in tables of their own."""
    of_2x = session.version.startswith(("2.", "0.0.0-next-")) or bool(session.extras.get("sums_apart"))
    return "opencode2" if of_2x else "opencode"


def database(session: Session, environ: Mapping[str, str], home: Path) -> str:
    """The path of the database that opencode has to be told, "" for the one that it takes by itself: that of its
    release channel (`adapter.opencode.discover`)."""
    if session.host:
        # Of its first database only its opencode knows where that lies, and takes it by itself.
        return host_path(session.source)
    path = session.source.partition(":")[2]
    found = _CHANNEL.fullmatch(session.version)
    channel = (found[1] or found[2]) if found else ""
    if channel in _WITHOUT_NAME or environ.get("OPENCODE_DISABLE_CHANNEL_DB", "").lower() in ("1", "true"):
        channel = ""
    own = data_directory(environ, home) / (f"opencode-{channel}.db" if channel else "opencode.db")
    return "" if path == str(own) and not environ.get("OPENCODE_DB") else os.path.abspath(path)


def command(session: Session, environ: Mapping[str, str], home: Path) -> tuple[str, str]:
    """The command, safe to paste into a shell (a line editor would take a control character for a key), and what is
    missing for it to be right, "" for nothing. sh, bash, zsh and fish understand it alike."""
    name = quoted(sanitize.label(session.id).encode())
    words = [program(session), f"--session={name}" if session.id.startswith("-") else f"-s {name}"]
    path = database(session, environ, home)
    if path:
        words.insert(0, f"OPENCODE_DB={quoted(os.fsencode(path)[:PATH_LIMIT])}")
        if program(session) == "opencode2":
            # The service in the background has long opened a database.
            words.insert(2, "--standalone")
    resumes = " ".join(words)
    if session.host:
        # Nothing of another machine is looked at here.
        cwd = session.directory or session.cwd
        goes = f"cd {quoted(cwd.encode('utf-8', 'surrogateescape')[:PATH_LIMIT])} && " if cwd else ""
        return f"{goes}{resumes}", f"for {session.host}: run it there"
    if not session.cwd:
        return resumes, "its directory is not known: run it where the project lies"
    directory = _found(session.directory or session.cwd)
    if directory is None:
        return resumes, f"its directory {session.cwd} is not here any more: run it where the project lies now"
    return f"cd {quoted(directory)} && {resumes}", ""


def quoted(text: bytes) -> str:
    """A word of a shell that is a text of whatever bytes, from characters that can be typed.

    What is more than that comes from `printf`, in octal: no shell has another spelling that all others understand. A
    substitution drops the line feeds at its end, which inside of quotes a shell takes as they are.
    """
    try:
        words = text.decode()
    except UnicodeDecodeError:
        words = ""
    if words and words.isprintable() and sanitize.line(words) == words:
        return shlex.quote(words)
    body = text.rstrip(b"\n")
    ends = len(text) - len(body)
    octal = "".join(chr(byte) if _PLAIN.match(chr(byte)) else f"\\{byte:03o}" for byte in body)
    # A percent sign of whatever spelling begins a field, a dash in front an option of printf's.
    octal = octal.replace(r"\045", "%%")
    octal = rf"\055{octal[1:]}" if octal.startswith("-") else octal
    return (f"\"$(printf '{octal}')\"" if octal else "") + (f"'{chr(10) * ends}'" if ends or not octal else "")


def _found(directory: str) -> bytes | None:
    """The directory by the bytes of its name; None where it is not here. Of a name that is no UTF-8 opencode writes
    what can be read of it: that is it where only one directory reads like this."""
    try:
        path = directory.encode("utf-8", "surrogateescape")
        if not os.path.isabs(path) or len(path) > PATH_LIMIT:
            return None
        if os.path.isdir(path):
            return path
    except ValueError:
        return None
    if _UNKNOWN not in directory:
        return None
    at = b"/"
    for part in directory.split("/"):
        if _UNKNOWN not in part:
            at = os.path.join(at, part.encode("utf-8", "surrogateescape"))
            continue
        alike = [name for name in _names(at) if name.decode("utf-8", "replace") == part]
        if len(alike) != 1:
            return None
        at = os.path.join(at, alike[0])
    return at if os.path.isdir(at) else None


def _names(directory: bytes) -> list[bytes]:
    """The names of the directories in one, none where there are too many or it cannot be read."""
    names: list[bytes] = []
    try:
        with os.scandir(directory) as entries:
            for count, entry in enumerate(entries):
                if count >= ENTRIES:
                    return []
                if entry.is_dir():
                    names.append(entry.name)
    except OSError:
        return []
    return names
