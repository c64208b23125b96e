"""Which files the program may write to, and which never: a slip in an argument must not cost anybody a database.

Nothing here knows the screen or a database's content beyond its first bytes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path

import msgspec

OWN_LIMIT = 4_000_000
"""Most bytes of a file of our own that are read; the largest, a cursor file, takes 500 bytes for each database."""
BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite appends to the name of a database for the files that it keeps beside it."""
_MAGIC = (
    b"SQLite format 3\0",
    *(b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"),  # a WAL, in both byte orders of its sums
    b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",  # a rollback journal
)


class Refused(OSError):
    """A file that we do not write to or do not read. The message is one line for the user and names the file."""


class Protected:
    """What is opencode's, and so never written to: its data directory with everything in it, and the databases that
    this run reads with the files beside them, whatever name leads there."""

    def __init__(self, databases: Iterable[Path], directory: Path) -> None:
        """`databases` need not exist (yet); nor does `directory`, which is opencode's data directory."""
        real = [os.path.realpath(path) for path in databases]
        self._files = {f"{path}{suffix}" for path in real for suffix in ("", *BESIDE)}
        self._directory = os.path.realpath(directory)

    def check(self, path: Path) -> None:
        """Raises Refused when a file at this path, there or not, is opencode's or any SQLite file; OSError when
        that cannot be found out. Touches nothing."""
        real = os.path.realpath(path)
        try:
            found = os.stat(real)
        except (FileNotFoundError, NotADirectoryError):
            found = None
        if real in self._files or self._within(real) or (found is not None and self._known(found)):
            raise Refused(f"{path} belongs to opencode: not written")
        name = os.path.basename(real).lower()
        # What follows such a name is SQLite's, even when it is empty, damaged or not there at the moment.
        for suffix in BESIDE:
            base = real[: -len(suffix)] if name.endswith(suffix) else ""
            if base and (found is not None or _stat(base) is not None):
                raise Refused(f"{path} is named as a file beside a SQLite database: not written")
        if found is None:
            return
        if fnmatch(name, "opencode*.db"):
            raise Refused(f"{path} is named as a database of opencode: not written")
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"{path} is not a regular file: not written")
        if read(Path(real), start=16).startswith(_MAGIC):
            raise Refused(f"{path} is a SQLite file: not written")

    def _within(self, real: str) -> bool:
        """Whether a path leads through a directory of opencode's. Directories are compared by what they are: a mount
        or other letter case is another name for the same one."""
        above = (Path(real), *Path(real).parents)
        if Path(self._directory) in above:
            return True
        ours = [found for found in map(_stat, self._directories()) if found is not None]
        return any(os.path.samestat(found, one) for found in map(_stat, above) if found is not None for one in ours)

    def _directories(self) -> Iterator[str]:
        yield self._directory
        # Whoever moved a part of it to another disk has put a link in its place.
        for entry in _entries(self._directory):
            if entry.is_symlink() and entry.is_dir():
                yield entry.path

    def _known(self, found: os.stat_result) -> bool:
        """Whether a file is one of opencode's under another name: a hard link, or where a link of opencode's leads."""
        links = (entry.path for entry in _entries(self._directory) if entry.is_symlink())
        # The whole directory may hold 100,000 files; only for what has a second name it is worth a walk.
        within = _walk(self._directory) if found.st_nlink > 1 else ()
        return any(
            one is not None and os.path.samestat(one, found) for one in map(_stat, chain(self._files, links, within))
        )


class CursorFile:
    """The file of `events --cursor`: the position in each database by the name of its source.

    Only a file that is not there yet or that holds positions is ever replaced.
    """

    def __init__(self, path: Path, protected: Protected) -> None:
        self.path = path
        self._protected = protected

    def read(self) -> dict[str, str]:
        """The positions, none when there is no file yet. Raises Refused for a file that may not be replaced, OSError
        for one that cannot be read."""
        try:
            content = read(self.path)
        except FileNotFoundError:
            self._protected.check(self.path)
            return {}
        try:
            kept = msgspec.json.decode(content, type=dict[str, str])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            kept = {}
        if not kept or not all(name.startswith("opencode:") for name in kept):
            raise Refused(f"{self.path} is not a cursor file: not written; give a new name, or delete it")
        return kept

    def keep(self, kept: Mapping[str, str]) -> None:
        """Replaces the file in one step, so that a crash leaves the old or the new position and never half of one.
        Raises Refused when another program's file has taken its place meanwhile, OSError."""
        self.read()
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        fresh.write_bytes(msgspec.json.encode(kept))
        fresh.replace(self.path)


def read(path: Path, *, start: int = 0) -> bytes:
    """The content of a file, or its first `start` bytes. Raises Refused for anything but a regular file, which might
    never end, and for one of more than OWN_LIMIT bytes; OSError."""
    # Looked at before it is opened: to open a FIFO may wait for ever, and a device may act on it.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Refused(f"{path} is not a regular file")
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Refused(f"{path} is not a regular file")
        content = file.read(start or OWN_LIMIT + 1)
    if len(content) > OWN_LIMIT:
        raise Refused(f"{path} is larger than {OWN_LIMIT:,} bytes")
    return content


def problem(error: OSError) -> str:
    """What went wrong with a file, in one line for the user, with its name where it is known."""
    words = error.strerror or str(error)
    return f"{os.fspath(error.filename)!s}: {words}" if isinstance(error.filename, (str, os.PathLike)) else words


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _stat(path: str | Path) -> os.stat_result | None:
    """What is at a path, None for nothing, or nothing that we can reach."""
    try:
        return os.stat(path)
    except OSError:
        return None


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []  # not there, or not for us to read: then we cannot link to what is in it, either


def _walk(directory: str) -> Iterator[str]:
    for above, _, names in os.walk(directory):
        yield from (os.path.join(above, name) for name in names)
