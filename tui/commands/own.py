"""`doctor --self`: what of this program is on this machine, what may be deleted of it, and what it reads."""

from __future__ import annotations

import argparse
import os
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import platformdirs

from adapter.opencode.config import OpencodeConfig
from adapter.opencode.discover import locate
from tui import __version__
from tui.commands.sources import home
from tui.config.settings import APP, keymap_file, saved_directory, settings_file, state_directory
from tui.error_log import error_file
from tui.exit_codes import OK
from tui.text import sanitize
from tui.text.safe_json import json_line

MOST = 10_000
"""Files of a directory that are counted: more are not ours."""


_TEMPORARY = re.compile(rf"{APP}-(demo-)?[a-z0-9_]{{8}}")
"""The directories of a demo, and of texts that are handed to a pager or an editor."""


class Own(NamedTuple):
    """A file or a directory of ours: what it is, whether it may be deleted, and what is lost then or why not."""

    path: Path
    what: str
    deletable: bool
    because: str
    files: int
    size: int


def own(arguments: argparse.Namespace) -> int:
    """What of this program is on this machine. Nothing is opened, and nothing is written."""
    program = {
        "version": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "sqlite": sqlite3.sqlite_version,
        "textual": _version("textual"),
        "path": str(Path(__file__).parent.parent),
    }
    reads = [str(path) for path in _read(arguments)]
    found = list(_owned())
    if arguments.json:
        files = [one._asdict() | {"path": str(one.path)} for one in found]
        sys.stdout.buffer.write(json_line({"program": program, "files": files, "reads": reads}))
        return OK
    facts = [
        ("program", f"opencode-viewer {__version__} at {program['path']}"),
        ("runs on", f"Python {program['python']}, SQLite {program['sqlite']}, Textual {program['textual']}"),
        *(("reads", f"{path}, and never writes to it") for path in reads),
    ]
    for one in _together(found):
        facts += [(one.what, f"{one.path}: {_amount(one)}")]
        if one.files:
            facts += [("", f"{'may be deleted' if one.deletable else 'yours'}: {one.because}")]
    for name, words in facts:
        print(f"{name:>13}  {sanitize.label(words, 2000)}")
    return OK


def _owned() -> Iterator[Own]:
    """Each place that the program may have written to or reads as its own, those that are there or would be."""
    settings, keymap, errors, saved = settings_file(), keymap_file(), error_file(), saved_directory()
    yield _own(settings, "settings", True, "what you have chosen is forgotten")
    yield _own(errors, "errors", True, "what went wrong can be looked up no more")
    yield _own(keymap, "keymap", False, "you wrote it")
    yield _own(saved, "saved texts", False, "you saved them with S")
    known = {settings, keymap, errors, saved}
    for directory, what in ((state_directory(), "state"), (keymap.parent, "config"), (errors.parent, "log")):
        for path in _entries(directory):
            if path in known or path in (errors.parent, state_directory(), keymap.parent):
                continue
            known.add(path)
            if path.name.startswith(f".{APP}-"):
                yield _own(path, "remains", True, "a run that was killed had begun to write it")
            elif path.name == "errors.log":
                yield _own(path, "errors", True, "an earlier version wrote it")
            else:
                why = "you wrote it" if directory == keymap.parent else "this version writes no such file"
                yield _own(path, what, False, why)
    for path in _entries(Path(platformdirs.user_cache_dir(APP, appauthor=False))):
        yield _own(path, "cache", True, "the tests of this program get it again when they need it")
    for path in _entries(Path(tempfile.gettempdir())):
        # Of another user it is none of ours.
        if _TEMPORARY.fullmatch(path.name) and os.access(path, os.R_OK | os.W_OK):
            yield _own(path, "temporary", True, "runs that were killed left it; not while one goes on")


def _together(found: list[Own]) -> Iterator[Own]:
    """The same with all temporary directories as one: there is one for each run that was killed."""
    temporary = [one for one in found if one.what == "temporary"]
    yield from (one for one in found if one.what != "temporary")
    if temporary:
        any_of_them = temporary[0].path.parent / f"{APP}-*"
        files, size = sum(one.files for one in temporary), sum(one.size for one in temporary)
        yield temporary[0]._replace(path=any_of_them, files=files, size=size)


def _amount(one: Own) -> str:
    if one.files == 1:
        return f"{one.size:,} bytes"
    return f"{one.files:,} files, {one.size:,} bytes" if one.files else "not there"


def _read(arguments: argparse.Namespace) -> Iterator[Path]:
    located = locate(os.environ, home())
    yield from arguments.db or [*located.paths, *located.backups]
    config = OpencodeConfig(os.environ, home())
    yield config.catalogue_path
    yield config.directory


def _own(path: Path, what: str, deletable: bool, because: str) -> Own:
    sizes = list(_sizes(path))
    return Own(path, what, deletable, because, len(sizes), sum(sizes))


def _sizes(path: Path) -> Iterator[int]:
    """Bytes of each file at a path or below it; what cannot be looked at is left out."""
    names = [str(path)]
    if path.is_dir() and not path.is_symlink():
        names = [os.path.join(above, name) for above, _, inside in os.walk(path) for name in inside][:MOST]
    for name in names:
        try:
            yield os.lstat(name).st_size
        except OSError:
            continue


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
