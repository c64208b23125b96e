"""Which database files opencode would use, found as opencode itself finds them, without ever running it.

Rules (packages/core/src/database/database.ts and the global-path module, 1.18.33): the data directory is
`$XDG_DATA_HOME/opencode`, else `~/.local/share/opencode`, on every platform; `OPENCODE_DB` names a file (absolute, or
relative to the data directory; `:memory:` means no file); otherwise `opencode.db`, or `opencode-<channel>.db` for other
release channels unless `OPENCODE_DISABLE_CHANNEL_DB` is `1` or `true`. Several can lie side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

CHANNEL_FILE = r"opencode(-[A-Za-z0-9._-]+)?\.db"
WORDS = r"(back-?ups?|bak|cop(y|ies)|old|orig(inal)?|saved?|archived?|before)\d*"
DATE = r"(19|20)\d{2}-?\d{2}-?\d{2}(T?\d{4,6}Z?)?"
BACKUP_FILE = rf"opencode-(.*[._-])?({WORDS}|{DATE})([._-].*)?\.db"
"""Names that people and scripts give to copies; no release channel is called so. A file of a channel that is, all the
same, loses nothing by it but its place in the bar. Compiled when a directory is looked through: with `--db` none is."""


class Located(msgspec.Struct, frozen=True):
    """The databases to watch, newest activity first; `note` says in one line where we looked and what was odd;
    `backups` are copies by their names, which opencode does not write."""

    paths: list[Path]
    note: str
    backups: list[Path] = []


def data_directory(env: Mapping[str, str], home: Path) -> Path:
    """opencode's data directory; an empty XDG_DATA_HOME counts as unset."""
    base = env.get("XDG_DATA_HOME") or ""
    return (Path(base) if base else home / ".local" / "share") / "opencode"


def locate(env: Mapping[str, str], home: Path) -> Located:
    """The files opencode would use. At least one path unless opencode keeps its data in memory;
    a path need not exist yet. Raises nothing: an unreadable directory is in the note."""
    data = data_directory(env, home)
    named = env.get("OPENCODE_DB") or ""
    if named == ":memory:":
        return Located([], "OPENCODE_DB is :memory:, so opencode writes no file that could be watched")
    if named:
        path = Path(named) if Path(named).is_absolute() else data / named
        return Located([path], f"OPENCODE_DB names {path}")
    default = data / "opencode.db"
    if env.get("OPENCODE_DISABLE_CHANNEL_DB", "").lower() in ("1", "true"):
        return Located([default], f"looked for {default}")
    try:
        found = [p for p in data.iterdir() if re.fullmatch(CHANNEL_FILE, p.name) and p.is_file()]
    except FileNotFoundError:
        found = []
    except OSError as error:
        return Located([default], f"cannot list {data}: {error.strerror}")
    if not found:
        return Located([default], f"looked for opencode.db and opencode-<channel>.db in {data}")
    # Of a file with two names the one is read that says that opencode writes it.
    found = distinct(sorted(found, key=lambda path: (is_backup(path), -last_activity(path))))
    backups = [path for path in found if is_backup(path)]
    written = [path for path in found if path not in backups]
    beside = f" and {len(backups)} named as backups" if backups else ""
    return Located(written or [default], f"found {len(written)} in {data}{beside}", backups)


def is_backup(path: Path) -> bool:
    """Whether a file of the data directory is a copy that somebody made, to judge by its name."""
    return re.fullmatch(BACKUP_FILE, path.name, re.IGNORECASE) is not None


def distinct(paths: Iterable[Path]) -> list[Path]:
    """The paths without those that lead to a file that an earlier one leads to: read twice, its sessions and what they
    cost would be there twice."""
    seen: set[object] = set()
    found: list[Path] = []
    for path in paths:
        try:
            stat = path.stat()
            file: object = (stat.st_dev, stat.st_ino)
        except OSError:
            file = path.absolute()
        if file not in seen:
            seen.add(file)
            found.append(path)
    return found


def last_activity(path: Path) -> float:
    """Newest modification of the database or its WAL, in unix seconds; 0 when neither can be read."""
    newest = 0.0
    for file in (path, path.with_name(path.name + "-wal")):
        try:
            newest = max(newest, file.stat().st_mtime)
        except OSError:
            continue
    return newest
