"""Commands that lead to another machine: their words, and what the machine is called. Pure, no shell is asked."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePath


def ssh(name: str) -> list[str]:
    """The command that leads to a host by ssh. It asks nothing, and a line that is dead is noticed."""
    return ["ssh", "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15", name, "opencode-viewer", "serve"]


def words_of(command: str) -> list[str]:
    """The words of a command as a shell parts them; no shell is asked. Raises ValueError."""
    words = shlex.split(command)
    if not words or not words[0]:
        raise ValueError("it is empty")
    if any("\0" in word for word in words):
        raise ValueError("it has a zero byte")
    return words


def name_of(command: Sequence[str]) -> str:
    """What a machine is called by the command that leads to it: the host of ssh, the container of docker exec."""
    words = list(command)
    program = PurePath(words[0]).name
    rest = _without_options(words[1:], _WITH_VALUE.get(program, ""))
    if program in ("docker", "podman", "kubectl", "nerdctl", "oc") and rest[:1] == ["exec"]:
        rest = rest[1:]
    elif program not in ("ssh", "mosh", "wsl", "wsl.exe"):
        rest = []
    name = rest[0] if rest and "opencode-viewer" not in rest[0] else program
    return name.rpartition("@")[2].replace(":", "-")[:60] or program


_WITH_VALUE = {"ssh": "BbcDEeFIiJLlmOopQRSWw", "docker": "euw", "podman": "euw", "kubectl": "cnf", "nerdctl": "euw"}
"""Options of one letter that take the word behind them."""


def _without_options(words: Sequence[str], with_value: str) -> list[str]:
    found: list[str] = []
    passes = False
    for word in words:
        if passes:
            passes = False
        elif word.startswith("-") and len(word) > 1:
            passes = len(word) == 2 and word[1] in with_value
        else:
            found.append(word)
    return found
