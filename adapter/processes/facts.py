"""What is known of the processes of a source, as it travels in its `Health`: of this machine, or of one far away.

Strings are verbatim from the process table and from tmux, so hostile: who draws them sanitises them first. Of the
arguments only those are kept that say what a process is (`roles.py`): a prompt, or a password, stays where it was.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["tui", "run", "serve", "service", "private", "client", "acp", "launcher", "desktop", "other", ""]
"""What a process of opencode does. `serve` is a server in the foreground, `service` the one of 2.x in the background,
`private` a server that one client has to itself; `client` works through the server of another process; `launcher` is
the script that started the program and waits for it; `other` is not opencode by its name and has the database open
for writing; "" is a command that is not known."""
ANY_SESSION: frozenset[Role] = frozenset(
    {"serve", "service", "private", "client", "acp", "launcher", "desktop", "other", ""}
)
"""Roles in which a process that has the database open can work on sessions of any directory. A client or a launcher
has no need of it: one that has is called otherwise than it is."""


class Pane(msgspec.Struct, frozen=True, gc=False):
    """A pane of tmux: the path of its server's `socket`, its `id` (`%3`), the name of its `session`, the index and the
    name of its `window`, and its `index` in that."""

    socket: str
    id: str
    session: str
    window: int
    window_name: str
    index: int

    @property
    def place(self) -> str:
        """As tmux takes and prints it: `session:window.pane`."""
        return f"{self.session}:{self.window}.{self.index}"


class Process(msgspec.Struct, frozen=True):
    """One process. `pid` and `started` (unix seconds) name it for ever; `parent` is a pid, 0 unknown.

    `user` is a name, or a number where it has none. `directory` is where it works, "" unknown. `program` is the base
    name of its executable, `major` 1 or 2 by that name, 0 unknown. `arguments` are those that say what it does;
    `session_id` is what `-s` names, `continues` whether it was to go on with the newest session. `cpu` is percent of
    one core over the last seconds, -1 until there were two looks, `cpu_s` the seconds of processor since it began;
    `memory` bytes in use (RSS), -1 unknown. `terminal`
    is the controlling terminal's device, "" for none. `databases` are the paths of those that it has open for writing,
    as their sources call them. `pane` is the pane of tmux that it runs in.
    """

    pid: int
    started: float
    parent: int = 0
    user: str = ""
    directory: str = ""
    program: str = ""
    major: int = 0
    role: Role = ""
    arguments: list[str] = []
    session_id: str = ""
    continues: bool = False
    cpu: float = -1.0
    cpu_s: float = 0.0
    memory: int = -1
    terminal: str = ""
    databases: list[str] = []
    pane: Pane | None = None


class Ended(msgspec.Struct, frozen=True):
    """A process that had the database open and is gone: as it was seen last, and when (unix seconds) it was first
    missed."""

    process: Process
    missed: float


class Processes(msgspec.Struct, frozen=True):
    """The processes of a source at the time of one look (`looked`, unix seconds; 0 where nobody has ever looked).

    `complete` says that every process that can write the database is in `running`; where it is not so, `unknown` says
    why in words, and nothing follows from a process that is missing. `asked`: each process has been asked at this
    time or later what it has open (unix seconds), so whoever wrote before and still has it is in `running`. `since`
    is since when nothing can have come and gone unseen (unix seconds, 0 never). `running` are all processes of
    opencode that can be seen, also those without this database, and whatever else has it open for writing. `ended`
    are the newest that went while somebody looked. Only starts from `dated` on (unix seconds) can be compared with
    other times: before, the clock may have been set.
    """

    looked: float = 0.0
    complete: bool = False
    unknown: str = ""
    since: float = 0.0
    running: list[Process] = []
    ended: list[Ended] = []
    dated: float = 0.0
    asked: float = 0.0

    def holders(self, path: str) -> list[Process]:
        """Those that have a database open for writing, and so can work on its sessions, oldest first."""
        return [process for process in self.running if path in process.databases]


NOT_KNOWN = Processes()
"""What is said where nobody looks."""
