"""The files of a database: what lies at a path, whether it is still the same, and the ways to open it.

The opening ladder, measured for SQLite 3.40 and 3.54 (what each rung does to the files of the user):

1. `-wal` with frames and `-shm` exist: `mode=ro&readonly_shm=1`; nothing changes, not even a read-mark in the `-shm`.
2. that is refused (recovery, lock): retry, then `mode=ro`; both files exist, so nothing is created.
3. no frames in a WAL and nothing in a rollback journal: `immutable=1`; nothing changes. Every read is verified against
   the file's identity, size and time before and after, because an immutable connection sees no writer. An empty `-wal`
   beside a `-shm` that no writer has open is such a file, too: `readonly_shm` builds its index anew for each read
   there, and `PRAGMA data_version` moves with it for ever.
4. a WAL with frames but no `-shm` (a copied database, a crash): `mode=ro`, which makes a `-shm`; health says so.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

from adapter.contract import SourceEmpty, SourceMissing, SourceUnreadable
from adapter.sqlite.permissions import obstacle

SMALLEST_DATABASE = 512
"""Bytes of one page of the smallest size that SQLite has. Opening a file of 0 or 1 bytes makes SQLite delete the `-wal`
beside it, also under a connection that writes (measured with 3.40)."""
JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
"""What a rollback journal that holds pages begins with."""
WAL_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24
WAL_MAGICS = (0x377F0682, 0x377F0683)
WAL_VERSION = 3_007_000
PAGE_BYTES = {512 << power for power in range(8)}
MADE_SHM = "ro (made -shm)"


class Signature(NamedTuple):
    """What lies at a path: device, inode, bytes and time (ns) of the database, inode, bytes and time of its WAL (-1:
    none), and whether a rollback journal is there."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    wal_inode: int
    wal_size: int
    wal_mtime_ns: int
    journal: bool

    @property
    def file(self) -> tuple[int, int]:
        """Names the database file, whatever is in it."""
        return self.device, self.inode

    @property
    def newest_ns(self) -> int:
        """When the database or its WAL was written last, in ns of the file system's clock."""
        return max(self.mtime_ns, self.wal_mtime_ns)


def real_file(path: Path) -> Path:
    """Where SQLite keeps the files beside a database: it follows a symbolic link before it names them."""
    return Path(os.path.realpath(path)) if os.path.islink(path) else path


def side_file(path: Path, suffix: str) -> Path:
    """`opencode.db` and `-wal` -> `opencode.db-wal`."""
    file = real_file(path)
    return file.with_name(file.name + suffix)


def size_of(path: Path, suffix: str) -> int:
    """Bytes of a database or, by suffix, of a file beside it; 0 when it is not there."""
    try:
        return os.stat(f"{real_file(path)}{suffix}").st_size
    except (OSError, ValueError):
        return 0


def signature(path: Path) -> Signature:
    """What lies at `path` now.

    Raises SourceMissing, SourceUnreadable or SourceEmpty with a message for the user.
    """
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        raise SourceMissing(f"no database at {path}") from None
    except (OSError, ValueError) as error:
        raise SourceUnreadable(obstacle(path) or f"cannot read {path}: {_words(error)}") from None
    if os.path.isdir(path):
        raise SourceUnreadable(f"{path} is a directory; name the database file in it, usually opencode.db")
    if not os.path.isfile(path):
        raise SourceUnreadable(f"{path} is no regular file; name a database file, usually opencode.db")
    real = os.path.realpath(path) if os.path.islink(path) else os.fspath(path)
    try:
        wal = os.stat(f"{real}-wal")
    except (OSError, ValueError):
        wal_inode, wal_size, wal_mtime = -1, -1, -1
    else:
        wal_inode, wal_size, wal_mtime = wal.st_ino, wal.st_size, wal.st_mtime_ns
    if stat.st_size < SMALLEST_DATABASE and wal_size >= 0:
        raise SourceEmpty(f"{path} has {stat.st_size} bytes and a -wal beside it: it is left alone until it is whole")
    if stat.st_size == 0:
        raise SourceEmpty(f"{path} is empty (0 bytes)")
    # SQLite itself would wait for ever at a FIFO.
    journal = os.path.isfile(f"{real}-journal")
    return Signature(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, wal_inode, wal_size, wal_mtime, journal)


def _words(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def what_lies_at(path: Path) -> tuple[int, ...]:
    """What of a database file itself, not of its WAL, could make a next attempt to open it end otherwise; empty when
    nothing is there."""
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_mode, stat.st_uid


def rungs(path: Path, now: Signature) -> list[tuple[str, str]]:
    """The ways to open that suit what lies there, in order: a name for health, and SQLite's URI parameters.

    Raises SourceUnreadable where SQLite would wait for ever.
    """
    shm = side_file(path, "-shm").is_file()
    if now.wal_size > 0 and _has_frames(side_file(path, "-wal"), now.wal_size):
        if side_file(path, "-shm").is_fifo():
            raise SourceUnreadable(f"{path} cannot be opened: its -shm is a FIFO")
        if shm:
            return [("readonly_shm", "mode=ro&readonly_shm=1"), ("ro", "mode=ro")]
        return [(MADE_SHM, "mode=ro")]
    if now.wal_size == 0 and shm:
        return [("readonly_shm", "mode=ro&readonly_shm=1"), ("immutable", "mode=ro&immutable=1")]
    if now.journal and not (_is_in_wal_mode(path) and _is_cold(side_file(path, "-journal"))):
        return [("ro", "mode=ro")]
    return [("immutable", "mode=ro&immutable=1")]


def _has_frames(wal: Path, size: int) -> bool:
    """Whether a WAL begins with a header that SQLite takes (file format, section 4.1), and goes on behind it. Nothing
    else in it counts, and beside a `-shm` SQLite asks for ten seconds whether a writer is about to mend it, and writes
    the `-shm` anew. One that may not be read has some: opening it says why not."""
    if not os.access(wal, os.R_OK):
        return True
    head = _head(wal, WAL_HEADER_BYTES)
    magic = int.from_bytes(head[:4])
    version, page = int.from_bytes(head[4:8]), int.from_bytes(head[8:12])
    if magic not in WAL_MAGICS or version != WAL_VERSION or page not in PAGE_BYTES:
        return False
    if size < WAL_HEADER_BYTES + FRAME_HEADER_BYTES + page:
        return False
    words = struct.unpack(">6I" if magic & 1 else "<6I", head[:24])
    one = two = 0
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFF_FFFF
        two = (two + second + one) & 0xFFFF_FFFF
    return (one, two) == struct.unpack(">2I", head[24:])


def _is_in_wal_mode(path: Path) -> bool:
    """Whether the header says WAL (file format, offset 18): a plain `mode=ro` of such a file makes `-wal`, `-shm`."""
    return _head(path, 20)[18:] == b"\x02\x02"


def _is_cold(journal: Path) -> bool:
    """Whether a rollback journal holds nothing to roll back: empty, or its header zeroed (journal_mode PERSIST)."""
    return not _head(journal, len(JOURNAL_MAGIC)).strip(b"\0")


def _head(path: Path, size: int) -> bytes:
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""
