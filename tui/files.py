"""The one place that writes files, with the rules of what is never written to: a slip in an argument must not cost
anybody a database. Beside it the one reader for files of our own, which might be anything.

Our own state is for the user alone (mode 0600), a document has the mode that the umask says. A symbolic link is written
through. Nothing here knows the screen or a database's content beyond its first bytes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from itertools import chain, count
from pathlib import Path
from typing import IO

import msgspec

OWN_LIMIT = 4_000_000
"""Most bytes of a file of our own that are read; the largest, a cursor file, takes 500 bytes for each database."""
NAME_SHOWN = 400
"""Most characters of a name in a complaint: one of 5,000 would leave no room for what is wrong with it."""
BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite appends to the name of a database for the files that it keeps beside it."""
_MAGIC = (
    b"SQLite format 3\0",
    *(b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"),  # a WAL, in both byte orders of its sums
    b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",  # a rollback journal
)
_O_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
_O_NOCTTY: int = getattr(os, "O_NOCTTY", 0)
"""Windows has neither, nor files for which it would need them; and no modes of files to keep."""


class Refused(OSError):
    """A file that we do not write to or do not read. The message is one line for the user and names the file."""


class TooLarge(Refused):
    """A file of more bytes than one of ours can have."""


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
        found = _there(path)
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
        _refuse_sqlite(path, found)

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


NAMES_OF_SOURCES = ("opencode:", "via:")
"""What the names in a file of cursors begin with (`adapter.contract`)."""


class CursorFile:
    """The file of `events --cursor`: the position in each database by the name of its source.

    Only a file that is not there yet or that holds positions is ever replaced.
    """

    def __init__(self, path: Path, protected: Protected) -> None:
        self.path = path
        self._protected = protected

    def begin(self) -> dict[str, str]:
        """The positions, none when there is no file yet, after a look whether they can be replaced. Raises Refused
        for a file that may not be replaced, OSError."""
        kept = self._read()
        if not kept:
            self._protected.check(self.path)
        descriptor, part = _fresh(self.path, os.path.realpath(self.path), 0o600)
        os.close(descriptor)
        os.unlink(part)
        return kept

    def keep(self, kept: Mapping[str, str]) -> None:
        """Replaces the file in one step, so that a crash leaves the old or the new position and never half of one.
        Raises Refused when another program's file has taken its place meanwhile, OSError."""
        self._read()
        with replacing(self.path) as file:
            file.write(msgspec.json.encode(kept))

    def _read(self) -> dict[str, str]:
        try:
            content = read(self.path)
        except FileNotFoundError:
            return {}
        except TooLarge:
            content = b""
        try:
            kept = msgspec.json.decode(content, type=dict[str, str])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            kept = {}
        if not kept or not all(name.startswith(NAMES_OF_SOURCES) for name in kept):
            raise Refused(f"{self.path} is not a cursor file: not written; give a new name, or delete it")
        return kept


def read(path: Path, most: int = OWN_LIMIT) -> bytes:
    """The content of a file of our own. Raises TooLarge for more than `most` bytes, Refused for anything but a regular
    file, which might never end, OSError."""
    # Looked at before it is opened: to open a FIFO may wait for ever, and a device may act on it.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Refused(f"{path} is not a regular file")
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Refused(f"{path} is not a regular file")
        content = file.read(most + 1)
    if len(content) > most:
        raise TooLarge(f"{path} is larger than {most:,} bytes")
    return content


@contextmanager
def document(path: Path, protected: Protected) -> Iterator[IO[bytes]]:
    """Where a document for the user goes. A FIFO, a character device, and what stdout or stderr is already are written
    into; a file is replaced in one step when all is written, and a failure leaves what was there. Raises Refused for a
    `protected` file, a SQLite file, and what is none of these; OSError."""
    protected.check(path)
    found = _there(path)
    # Not opened by name: that would begin again at the start of what the shell has redirected it to.
    descriptor = next((os.dup(n) for n in (1, 2) if found is not None and _is_stream(n, found)), None)
    if descriptor is None and found is not None and (stat.S_ISFIFO(found.st_mode) or stat.S_ISCHR(found.st_mode)):
        descriptor = os.open(path, os.O_WRONLY | _O_NOCTTY)
    if descriptor is not None:
        with open(descriptor, "wb") as file:
            yield file
        return
    with replacing(path, private=False) as file:
        yield file
        protected.check(path)  # again: it took a while to write


@contextmanager
def replacing(path: Path, *, private: bool = True) -> Iterator[IO[bytes]]:
    """Replaces a file in one step when all is written, so that a reader finds the old or the new one; a failure leaves
    the old one. Through a symbolic link, which stays. Without `private` it keeps its mode, or gets that of the umask.
    Raises Refused for a SQLite file and for what is no regular file, OSError."""
    real = os.path.realpath(path)
    found = _there(path)
    if found is not None:
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"{path} is not a regular file: not written")
        _refuse_sqlite(path, found)
    descriptor, part = _fresh(path, real, 0o600 if private or found is not None else 0o666)
    try:
        with open(descriptor, "wb") as file:
            yield file
            if found is not None and not private and hasattr(os, "fchmod"):
                os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & 0o777)
        os.replace(part, real)
    except BaseException:
        _remove(part)
        raise


@contextmanager
def creating(path: Path) -> Iterator[IO[bytes]]:
    """A new file that only the user can read; a failure leaves none. Raises FileExistsError for one that is there,
    OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            yield file
    except BaseException:
        _remove(path)
        raise


def make_directory(path: Path) -> None:
    """Makes the directory that a file is to lie in, also where a symbolic link leads, for the user alone. Raises
    OSError."""
    Path(os.path.realpath(path)).parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def problem(error: OSError) -> str:
    """What went wrong with a file, in one line for the user, with its name where it is known; of a long name both
    ends."""
    words = error.strerror or str(error)
    if not isinstance(error.filename, (str, os.PathLike)):
        return words
    name = str(os.fspath(error.filename))
    return f"{name if len(name) <= NAME_SHOWN else f'{name[: NAME_SHOWN // 2]}…{name[-NAME_SHOWN // 2 :]}'}: {words}"


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | _O_NONBLOCK | _O_NOCTTY)


def _fresh(path: Path, real: str, mode: int) -> tuple[int, str]:
    """A new file beside the one that it is to replace: its descriptor and name. Raises Refused, in words about `path`,
    where none can be made."""
    directory = os.path.dirname(real)
    try:
        # A name that the file system does not take would be found out only after all has been written.
        os.lstat(real)
    except FileNotFoundError:
        pass
    # Not made of the name, which may be as long as names can be.
    for number in count():
        part = os.path.join(directory, f".opencode-viewer-{os.getpid()}-{number}")
        try:
            return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), part
        except FileExistsError:
            continue
        except OSError as error:
            raise Refused(f"{path} cannot be written: {directory}: {error.strerror}") from error
    raise AssertionError("there is always a next number")


def _remove(path: str | Path) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # what went wrong before is what the user has to know


def _refuse_sqlite(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        return
    with open(path, "rb", opener=_without_waiting) as file:
        if file.read(16).startswith(_MAGIC):
            raise Refused(f"{path} is a SQLite file: not written")


def _is_stream(descriptor: int, found: os.stat_result) -> bool:
    """Whether stdout (1) or stderr (2) is this file."""
    try:
        return os.path.samestat(os.fstat(descriptor), found)
    except OSError:
        return False


def _there(path: Path) -> os.stat_result | None:
    """What is at a path, None for nothing. Raises OSError when that cannot be found out."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


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
