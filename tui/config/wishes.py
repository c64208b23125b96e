"""What the user wishes beyond keys: a TOML file beside the keymap, read once at the start and never written.

    notify.command = "notify-send opencode"   the same as   [notify]
                                                            command = "notify-send opencode"
    hosts.box = "ssh box opencode-viewer serve"   (config/hosts.py)

What cannot be meant is told and has no effect; the rest of the file has.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from tui import files
from tui.config.hosts import hosts_of
from tui.config.keymap import SIZE_LIMIT, flat
from tui.terminal.signals import OSC
from tui.text import sanitize


class Wishes(NamedTuple):
    """`command` is the program, with its arguments, that is run for a notice, () for none; `bell` whether one rings;
    `osc` how the terminal is asked for a notification (`signals.OSC`); `on` gives notices without `--notify`;
    `hosts` are commands that lead to other machines, by their names; `problems` say in words what is wrong with the
    file."""

    command: tuple[str, ...] = ()
    bell: bool = True
    osc: str = "auto"
    on: bool = False
    hosts: Mapping[str, str] = MappingProxyType({})
    problems: tuple[str, ...] = ()


NONE = Wishes()


def read(path: Path) -> Wishes:
    """The wishes in a file, none where there is no file. Raises nothing: problems are part of the answer."""
    try:
        return parse(files.read(path, SIZE_LIMIT).decode())
    except FileNotFoundError:
        return NONE
    except OSError as error:
        return Wishes(problems=(files.problem(error),))
    except UnicodeDecodeError:
        return Wishes(problems=(f"{path} is no UTF-8 text",))


def parse(text: str) -> Wishes:
    """The wishes that a text says."""
    import tomllib  # 3 ms, and few have such a file

    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return Wishes(problems=(f"not TOML: {sanitize.label(str(error), 100)}",))
    found: dict[str, Any] = {}
    hosts, problems = hosts_of(table)
    for name, value in flat({name: value for name, value in table.items() if name != "hosts"}):
        known = _KNOWN.get(name)
        if known is None:
            problems.append(f"there is no {sanitize.label(name, 60)}")
            continue
        field, taken, wanted = known
        try:
            found[field] = taken(value)
        except ValueError as error:
            problems.append(f"{name}: {str(error) or wanted}")
    return Wishes(**found, hosts=hosts, problems=tuple(problems))


def _command(value: Any) -> tuple[str, ...]:
    """Words as a shell would part them, though no shell is asked; or a list of them."""
    if isinstance(value, list) and value and all(isinstance(word, str) for word in value) and value[0]:
        words = tuple(value)
    elif isinstance(value, str):
        words = tuple(shlex.split(value))
    else:
        raise ValueError
    if not words or any("\0" in word for word in words):
        raise ValueError
    return words


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _osc(value: Any) -> str:
    if str(value) not in OSC:
        raise ValueError
    return str(value)


_KNOWN: Mapping[str, tuple[str, Callable[[Any], Any], str]] = {
    "notify.command": ("command", _command, "a program with its arguments is wanted"),
    "notify.bell": ("bell", _switch, "true or false is wanted"),
    "notify.osc": ("osc", _osc, f"one of {', '.join(OSC)} is wanted"),
    "notify.on": ("on", _switch, "true or false is wanted"),
}
"""The names of the file: the field, what takes its value, and what is wanted of that."""
