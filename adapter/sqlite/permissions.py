"""Why the system does not let us read a database: which file or directory is in the way, whose it is, what to do."""

from __future__ import annotations

import os
from pathlib import Path


def obstacle(path: Path) -> str:
    """One line for the user about the permission that is missing to read a database, "" when none is.

    Looks at the directories above the file, the file, and the files that SQLite keeps beside it: a `-wal` that cannot
    be read hides the newest rows, and one without its `-shm` can be read only where a `-shm` can be made.
    """
    path = Path(os.path.realpath(path))
    for directory in reversed(path.parents):
        if not os.access(directory, os.X_OK):
            return _denied("enter", directory, "x")
    wal, shm = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
    for file in (path, wal, shm):
        if file.exists() and not os.access(file, os.R_OK):
            return _denied("read", file, "r")
    if wal.exists() and not shm.exists() and not os.access(path.parent, os.W_OK):
        return (
            f"{path} has a -wal without its -shm, and {path.parent} does not let us make one: start opencode on it "
            "once, or copy both files to a directory of your own"
        )
    return ""


def _denied(verb: str, what: Path, right: str) -> str:
    try:
        stat = what.stat()
    except OSError:
        return ""
    if not hasattr(os, "getuid"):  # Windows: whose it is, is said by nothing that we could ask
        return f"no permission to {verb} {what}"
    if stat.st_uid == os.getuid():
        return (
            f"no permission to {verb} {what}, although it is yours (mode {stat.st_mode & 0o777:03o}): chmod u+{right}"
        )
    owner = _owner(what, stat.st_uid)
    return (
        f"no permission to {verb} {what}: it belongs to {owner} (mode {stat.st_mode & 0o777:03o}); run this as "
        f"{owner}, or have them chmod it"
    )


def _owner(what: Path, uid: int) -> str:
    try:
        return what.owner()
    except KeyError:
        return f"user {uid}"
