"""What a process is by its executable and its arguments: pure, and tested with the command lines of real ones.

opencode 1.x is one program (`opencode`), which npm starts by a script of Node of the same name; the desktop brings it
as `opencode-cli`. 2.x is `opencode2` (`lildax` in an early preview): a service in the background (`serve --service`),
private servers (`serve --stdio`), and clients of both (observed in 1.18.33 and 0.0.0-next-16350).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from adapter.processes.facts import Role

_OURS = "opencode-viewer"
_PROGRAM = re.compile(r"\.?(opencode|lildax)(?P<major>\d?)(?P<variant>-[a-z0-9._-]+)?(\.exe)?", re.IGNORECASE)
_HOSTS = frozenset({"node", "nodejs", "bun", "deno"})
_READERS = frozenset({"sqlite3", "sqlite3_analyzer", "sqldiff", "litecli", "sqlitebrowser", "datasette"})
"""Tools that people look into databases with: they run no session."""

_VALUED = frozenset(
    {"-s", "--session", "-m", "--model", "--agent", "--port", "--hostname", "--prompt", "-p", "--log-level", "--attach"}
    | {"--dir", "--variant", "--title", "--format", "-f", "--file", "--command", "-u", "--username", "--password"}
)
"""Options that take the next word."""
_KEPT = frozenset({"--port", "--hostname", "--agent", "--model", "-m"})
"""Those of which the value is no secret and no text of a person's."""
_COMMANDS: dict[str, Role] = {
    "run": "run",
    "serve": "serve",
    "web": "serve",
    "acp": "acp",
    "attach": "client",
    "mini": "client",
    "tui": "tui",
}
_OTHER_COMMANDS = frozenset(
    {"agent", "api", "auth", "completion", "db", "debug", "export", "generate", "github", "import", "mcp", "migrate"}
    | {"models", "plugin", "pr", "providers", "session", "stats", "uninstall", "upgrade"}
)


class Command(NamedTuple):
    """What arguments say: see `Process`."""

    role: Role
    session_id: str
    continues: bool
    arguments: list[str]


def is_opencode(program: str) -> bool:
    """Whether an executable (its base name) is opencode's by its name."""
    return _PROGRAM.fullmatch(program) is not None and not program.startswith(_OURS)


def is_reader(program: str) -> bool:
    """Whether a program is one that looks into databases and runs no session."""
    return program in _READERS


def is_desktop(program: str) -> bool:
    """Whether it is opencode's application for the desktop, which takes no commands."""
    return program == "OpenCode" or program.lower().startswith("opencode-desktop")


def major_of(program: str) -> int:
    """1 or 2, 0 for a name that says nothing."""
    match = _PROGRAM.fullmatch(program)
    if match is None:
        return 0
    if match["major"]:
        return int(match["major"])
    return 2 if match[1].lower() == "lildax" else 1


def runs_scripts(program: str) -> bool:
    """Whether a program is one that scripts run in: npm starts opencode by one."""
    return program.removesuffix(".exe") in _HOSTS


def script_of(arguments: Sequence[str]) -> str:
    """The name of the script of opencode's that such a program was given, "" for none."""
    for word in arguments[1:3]:
        if not word.startswith("-"):
            name = re.split(r"[/\\]", word)[-1]
            return name if is_opencode(name) else ""
    return ""


def command_of(arguments: Sequence[str], major: int = 1) -> Command:
    """What the arguments behind the program's own name say. Of a prompt, a URL and a password nothing is kept."""
    role: Role | None = None
    session_id, continues, has_server = "", False, False
    kept: list[str] = []
    flags: set[str] = set()
    words = iter(arguments[1:])
    for word in words:
        if word == "--":
            break
        name, given, value = word.partition("=")
        if word.startswith("-"):
            flags.add(name)
            if name in _VALUED and not given:
                value = next(words, "")
            if name in ("-s", "--session"):
                session_id = value
                kept += ["-s", value]
            elif name in ("-c", "--continue"):
                continues = True
                kept.append("-c")
            elif name == "--attach":
                has_server = True
                kept.append(name)
            elif name in _KEPT:
                kept += [name, value]
            elif re.fullmatch(r"--[a-z-]{1,30}", name):
                kept.append(name)
        elif role is None:
            # Anything else is the directory to work in.
            role = _COMMANDS.get(word, "" if word in _OTHER_COMMANDS else "tui")
            kept += [word] if word in _COMMANDS or word in _OTHER_COMMANDS else []
    role = "tui" if role is None else role
    if role == "serve" and "--service" in flags:
        role = "service"
    elif role == "serve" and "--stdio" in flags:
        role = "private"
    elif (role == "run" and has_server) or (major == 2 and role in ("tui", "run", "acp")):
        role = "client"
    return Command(role, session_id, continues, kept)
