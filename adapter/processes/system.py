"""What a machine has to tell of its processes: this one (`this_machine.py`), or one that a test made up.

Each answer is None, or empty, where the process has gone meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from adapter.processes import tmux

Node = tuple[int, int]
"""A file, by device and inode."""


class Named(NamedTuple):
    """Who a process is: `started` in unix seconds, `program` the base name of its executable, or the name that the
    system has for it where that cannot be seen; `uid` its user; whether its files `are_told`; `is_dated` when something
    else than the clock of now says that it started then."""

    started: float
    program: str
    uid: int
    are_told: bool
    is_dated: bool = True


class Facts(NamedTuple):
    """What does not change, or hardly."""

    arguments: list[str]
    directory: str
    user: str
    parent: int
    terminal: str


class Use(NamedTuple):
    """`started` tells whether it is the same process as before; `cpu_s` of processor time since, `memory` in bytes."""

    started: float
    cpu_s: float
    memory: int


class System(Protocol):
    """What a table asks."""

    def was_set(self) -> bool:
        """Whether the clock has been set since this was asked last, so that all starts are others."""
        ...

    def pids(self) -> Sequence[int]:
        """All processes that can be seen."""
        ...

    def named(self, pid: int) -> Named | None:
        """Who a process is; None when it is gone, or is dead and not buried."""
        ...

    def facts(self, pid: int) -> Facts | None:
        """More of one that is worth it."""
        ...

    def use(self, pid: int) -> Use | None:
        """What it uses; None when it is gone, or is dead and not buried. Asked often."""
        ...

    def writes(self, pid: int, files: Mapping[str, Node]) -> list[str] | None:
        """Those of the files, by their paths, that a process has open for writing. None where it does not let us
        see."""
        ...

    def secrecy(self, path: str) -> str:
        """Why not everybody can be seen who may have a file open, in words; "" where everybody can."""
        ...

    def panes(self) -> list[tmux.Listed]:
        """The panes of tmux."""
        ...
