"""What lies in a directory, byte for byte, to prove that looking has left no trace."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple


class Footprint(NamedTuple):
    """Name -> (inode, bytes, hash) of every file, and when the directory last got or lost a name (ns)."""

    files: dict[str, tuple[int, int, str]]
    changed_ns: int

    def differences(self, later: Footprint, *, allowed: frozenset[str] = frozenset()) -> list[str]:
        """What is not the same later on, but for the `allowed` names, which may be new and then change."""
        found = []
        for name in sorted((self.files.keys() | later.files.keys()) - allowed):
            before, after = self.files.get(name), later.files.get(name)
            if before is None and after is not None:
                found.append(f"{name} was made ({after[1]} bytes)")
            elif before is not None and after is None:
                found.append(f"{name} was deleted ({before[1]} bytes)")
            elif before is not None and after is not None and before != after:
                found.append(f"{name} was changed: {before} became {after}")
        if not found and self.changed_ns != later.changed_ns and not allowed & later.files.keys():
            found.append("a file was made and deleted again")
        return found


def footprint(directory: Path) -> Footprint:
    """What is there now."""
    files = {}
    for file in sorted(directory.iterdir()):
        content = file.read_bytes()
        files[file.name] = (file.stat().st_ino, len(content), hashlib.sha256(content).hexdigest()[:12])
    return Footprint(files, directory.stat().st_mtime_ns)
