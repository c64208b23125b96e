"""opencode's own configuration files, read once each and never written.

Order, later ones over earlier ones (packages/opencode/src/config of 1.18): the global files, `OPENCODE_CONFIG`, those
of the project from its root down to the directory of the session, the `.opencode` directories on the same way,
`OPENCODE_CONFIG_CONTENT`. All may be JSONC: comments, trailing commas, a byte order mark.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from adapter.opencode.json import FAULTS

GLOBAL = ("config.json", "opencode.json", "opencode.jsonc")
PROJECT = ("opencode.jsonc", "opencode.json")
FILE_LIMIT = 64_000_000
"""Bytes above which a file is not read: a real catalogue has 2 MB."""
CLIMB_LIMIT = 64
"""Directories above a session's in which its project's configuration is looked for."""
DIRECTORIES = 1_000
"""Directories of sessions whose configuration is remembered."""
FILES = 50_000
"""Files that are remembered, most of them as not there."""
COMMENT = rb'("(?:[^"\\]|\\.)*+"?)|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?'
COMMA = rb'("(?:[^"\\]|\\.)*+"?)|,(?=[ \t\r\n]*+[}\]])'
"""Compiled with the first file of a user: a start without one is a millisecond shorter."""


def plain_json(text: bytes) -> bytes:
    """JSONC as JSON: without byte order mark, comments and trailing commas; what is in strings stays. Linear."""
    text = re.sub(COMMENT, rb"\1 ", text.removeprefix(b"\xef\xbb\xbf"), flags=re.DOTALL)
    return re.sub(COMMA, rb"\1", text, flags=re.DOTALL)


class OpencodeConfig:
    """The files that there are, and in words what is wrong with those that cannot be understood."""

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        self.catalogue_path = Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "opencode" / "models.json"
        self.directory = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "opencode"
        self._global = [self.directory / name for name in GLOBAL]
        if environ.get("OPENCODE_CONFIG"):
            self._global.append(Path(environ["OPENCODE_CONFIG"]))
        self._inline = environ.get("OPENCODE_CONFIG_CONTENT") or ""
        self._files: dict[Path, Any] = {}
        self._servers: dict[str, frozenset[str]] = {}
        self.problems: list[str] = []
        """`<path>: <why>` for each file that has been asked for and could not be understood."""

    def read(self, path: Path) -> Any:
        """What a file holds; None when it is not there or cannot be understood, which `problems` then says."""
        if path not in self._files:
            if len(self._files) >= FILES:
                self._files.clear()
            try:
                self._files[path] = _parsed(path)
            except Unusable as error:
                self._files[path] = None
                self._note(f"{path}: {error}")
        return self._files[path]

    def layers(self, directory: str = "") -> Iterator[Any]:
        """The configurations that hold for a session in this directory ("" for none), the least telling first."""
        paths = [*self._global, *_project_files(directory)]
        yield from filter(None, map(self.read, paths))
        if self._inline:
            try:
                yield _decoded(self._inline.encode("utf-8", "replace"))
            except Unusable as error:
                self._note(f"OPENCODE_CONFIG_CONTENT: {error}")

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def mcp_servers(self, directory: str = "") -> frozenset[str]:
        """The names of the MCP servers that are configured, enabled or not: old calls name them, too."""
        if directory not in self._servers:
            if len(self._servers) >= DIRECTORIES:
                self._servers.clear()
            names = (name for layer in self.layers(directory) for name, _ in items(entry(layer, "mcp")))
            self._servers[directory] = frozenset(names)
        return self._servers[directory]


class Unusable(Exception):
    """A file is there and cannot be understood; the message says why."""


def entry(value: Any, name: str) -> Any:
    """The value under a key, None in what is no object or has no such key."""
    return value.get(name) if isinstance(value, dict) else None


def items(value: Any) -> list[tuple[str, Any]]:
    """The keys and values of an object; none of anything else."""
    return list(value.items()) if isinstance(value, dict) else []


def _project_files(directory: str) -> list[Path]:
    """Where the project of a directory may have its configuration: each file name from the root of its worktree (the
    directory with `.git`; without one, from the top) down to the directory, then the `.opencode` directories."""
    place = Path(directory)
    if not directory or not place.is_absolute() or "\0" in directory:
        return []
    chain: list[Path] = []
    for folder in (place, *place.parents)[:CLIMB_LIMIT]:
        chain.insert(0, folder)
        try:
            if (folder / ".git").exists():
                break
        except (OSError, ValueError):
            break
    found = [folder / name for name in PROJECT for folder in chain]
    return found + [folder / ".opencode" / name for folder in chain for name in PROJECT]


def _parsed(path: Path) -> Any:
    """The JSON in a file, None when there is no file. Raises Unusable. A file that never ends, or never begins, as a
    FIFO or a device may, is not read."""
    try:
        # Without O_NONBLOCK opening a FIFO waits for its writer.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise Unusable(getattr(error, "strerror", None) or str(error)) from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Unusable("not a regular file")
        with open(handle, "rb", closefd=False) as file:
            data = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise Unusable(error.strerror or str(error)) from None
    finally:
        os.close(handle)
    if len(data) > FILE_LIMIT:
        raise Unusable(f"larger than {FILE_LIMIT // 1_000_000} MB")
    return _decoded(data)


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except FAULTS:
        try:
            return msgspec.json.decode(plain_json(data))
        except RecursionError:
            raise Unusable("nested too deeply") from None
        except FAULTS as error:
            raise Unusable(f"neither JSON nor JSONC ({error})") from None
