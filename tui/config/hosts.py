"""Other machines that are to be watched, by the words of the command line and of the file of wishes.

    [hosts]
    box = "ssh box opencode-viewer serve"
    lab = "docker exec -i lab opencode-viewer serve"

What is in the file is watched by the screen whenever nothing else is named; `--host NAME` names one of it, or a host
of ssh, `--host all` all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from adapter.remote.command import name_of, ssh, words_of
from tui import files
from tui.config.settings import SIZE_LIMIT
from tui.text import sanitize

ALL = "all"
"""Stands for every machine of the file, unless one is called so."""
Named = tuple[str, list[str]]
"""What a machine is called, and the words of the command that leads to it."""


def chosen(via: Sequence[str], names: Sequence[str], known: Mapping[str, str]) -> list[Named]:
    """The machines of the command line: commands, and names of the file or of ssh. No two are called the same. Raises
    ValueError with a line for the user."""
    found: list[Named] = []
    for command in via:
        words = _words("--via", command)
        found.append((name_of(words), words))
    for name in names:
        if name == ALL and name not in known:
            if not known:
                raise ValueError("--host all: config.toml names no hosts")
            found += kept(known)
            continue
        if not name or name.startswith("-"):
            raise ValueError(f"--host {sanitize.label(name, 60)!r} is no name of a host")
        command_there = known.get(name)
        found.append((_plain(name), _words(f"hosts.{name}", command_there) if command_there else ssh(name)))
    return _apart(found)


def read(path: Path) -> dict[str, str]:
    """The machines of a file, none where there is no file. Raises ValueError with a line for the user."""
    import tomllib  # few have another machine

    try:
        return hosts_of(tomllib.loads(files.read(path, SIZE_LIMIT).decode()))[0]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ValueError(files.problem(error)) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {sanitize.label(str(error), 100)}") from None


def hosts_of(table: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """The commands of a file's table by the names of the machines, and what is wrong with it in words."""
    entries = table.get("hosts", {})
    if not isinstance(entries, dict):
        return {}, ["hosts: a table of commands is wanted"]
    found = {name: command for name, command in entries.items() if isinstance(command, str) and command.strip()}
    wrong = [f"hosts.{sanitize.label(name, 60)}: a command is wanted" for name in entries if name not in found]
    return found, wrong


def kept(known: Mapping[str, str]) -> list[Named]:
    """All machines of the file. Raises ValueError with a line for the user."""
    return _apart([(_plain(name), _words(f"hosts.{name}", command)) for name, command in known.items()])


def _words(what: str, command: str) -> list[str]:
    try:
        return words_of(command)
    except ValueError as error:
        raise ValueError(f"{what} {sanitize.label(command, 60)!r} is no command: {error}") from None


def _plain(name: str) -> str:
    """A name as it can be part of the name of a source."""
    return name.rpartition("@")[2].replace(":", "-")[:60] or name[:60]


def _apart(found: Sequence[Named]) -> list[Named]:
    """The same; of several that are called the same all but the first get a number."""
    apart: dict[str, list[str]] = {}
    for name, words in found:
        numbered = (f"{name}-{number}" for number in count(2))
        apart[name if name not in apart else next(one for one in numbered if one not in apart)] = words
    return list(apart.items())
