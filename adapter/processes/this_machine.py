"""The machine that we run on: psutil, and on Linux the links of /proc that say who has a file open.

Nothing is signalled or attached to, and no file is opened but those of /proc.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache

import psutil

from adapter.processes import tmux
from adapter.processes.system import Facts, Named, Node, Use

SET_S = 4.0
"""Seconds by which a clock is set that are worth a thought."""
_LOCAL = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs", "bcachefs", "zfs", "tmpfs", "ramfs", "overlay"}
)
"""File systems that no other machine writes to."""
_FIRST_PIDS = 0xEFFFFFFC
"""The inode of the namespace of processes that a kernel begins with (PROC_PID_INIT_INO)."""
_AT_BOOT_S = 60.0
"""Seconds after the start of the machine in which its own first process begins."""
_O_ACCMODE = 3


class ThisMachine:
    """A `System`."""

    def __init__(self) -> None:
        self._linux = sys.platform == "linux"
        self._booted = _boot_time()
        self._offset = self._ahead()
        if self._linux:
            self._ticks, self._page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")

    def was_set(self) -> bool:
        before, self._offset = self._offset, self._ahead()
        if abs(self._offset - before) < SET_S:
            self._offset = before
            return False
        self._booted = _boot_time()
        return True

    def _ahead(self) -> float:
        """By how much the time of the day is ahead of what counts from the start of the system, asleep or not."""
        return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) if self._linux else time.monotonic())

    def pids(self) -> Sequence[int]:
        try:
            return psutil.pids()
        except (OSError, IndexError):
            return []  # without /proc, as `secrecy` tells

    def named(self, pid: int) -> Named | None:
        use = self.use(pid)
        if use is None:
            return None
        try:
            if self._linux:
                # Many are asked once, most of them short-lived: psutil takes ten times as long to say so much.
                about = os.stat(f"/proc/{pid}")
                uid, told = about.st_uid, True
                # Its directory has the time of the day when it was first looked into. Where that is not what is counted
                # from the start of the system the clock may have been set since: after a sleep, or from a snapshot.
                dated = abs(about.st_ctime - use.started) < SET_S
                try:
                    program = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
                except PermissionError:
                    program, told = "", False
            else:
                process = psutil.Process(pid)
                uid, told, dated = process.uids().real if hasattr(process, "uids") else -1, True, False
                try:
                    program = process.exe()
                except psutil.AccessDenied:
                    program, told = "", False
            return Named(use.started, os.path.basename(program) or psutil.Process(pid).name(), uid, told, dated)
        except FileNotFoundError:
            # A thread of the kernel's.
            return Named(use.started, "", 0, True, False)
        except (psutil.Error, OSError):
            return None

    def facts(self, pid: int) -> Facts | None:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                try:
                    directory = process.cwd()
                except psutil.AccessDenied:
                    directory = ""
                try:
                    user = process.username()
                except (psutil.AccessDenied, KeyError):
                    user = ""
                return Facts(process.cmdline(), directory, user, process.ppid(), process.terminal() or "")
        except (psutil.Error, OSError):
            return None

    def use(self, pid: int) -> Use | None:
        try:
            if not self._linux:
                process = psutil.Process(pid)
                times = process.cpu_times()
                dead = process.status() == psutil.STATUS_ZOMBIE
                return (
                    None if dead else Use(process.create_time(), times.user + times.system, process.memory_info().rss)
                )
            with open(f"/proc/{pid}/stat", "rb") as file:
                # proc(5): behind the name, which may hold anything, come numbers, the third field first.
                fields = file.read().rpartition(b")")[2].split()
            if fields[0] in b"ZXx":
                return None
            cpu = int(fields[11]) + int(fields[12])
            return Use(self._booted + int(fields[19]) / self._ticks, cpu / self._ticks, int(fields[21]) * self._page)
        except (psutil.Error, OSError, IndexError, ValueError):
            return None

    def writes(self, pid: int, files: Mapping[str, Node]) -> list[str] | None:
        return self._by_links(pid, files) if self._linux else self._by_psutil(pid, files)

    def _by_links(self, pid: int, files: Mapping[str, Node]) -> list[str] | None:
        """By /proc: a `stat` only of what may be one of the files, as one of a file system that hangs would hang.
        In another namespace of mounts the same file may be called otherwise there, and so may one with hard links."""
        directory = f"/proc/{pid}/fd"
        names = {_name(path, node) for path, node in files.items()}
        found: set[str] = set()
        try:
            elsewhere = os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt") or not all(
                map(_has_one_name, files)
            )
            for number in os.listdir(directory):
                try:
                    target = os.readlink(f"{directory}/{number}")
                    if not target.startswith("/") or not (elsewhere or os.path.basename(target) in names):
                        continue
                    about = os.stat(f"{directory}/{number}")
                    is_one = {path for path, node in files.items() if node == (about.st_dev, about.st_ino)}
                    if is_one and self._is_written(pid, number):
                        found |= is_one
                except FileNotFoundError:
                    continue  # closed meanwhile
        except (FileNotFoundError, ProcessLookupError):
            return []
        except OSError:
            return None
        return sorted(found)

    @staticmethod
    def _is_written(pid: int, number: str) -> bool:
        with open(f"/proc/{pid}/fdinfo/{number}") as about:
            flags = re.search(r"^flags:\s*(\d+)", about.read(), re.MULTILINE)
        return flags is None or int(flags[1], 8) & _O_ACCMODE != os.O_RDONLY

    @staticmethod
    def _by_psutil(pid: int, files: Mapping[str, Node]) -> list[str] | None:
        try:
            opened = {one.path for one in psutil.Process(pid).open_files()}
        except psutil.NoSuchProcess:
            return []
        except (psutil.Error, OSError):
            return None
        return sorted(path for path in files if path in opened or os.path.realpath(path) in opened)

    def secrecy(self, path: str) -> str:
        if not self._linux:
            return "this system does not tell who has a file open"
        try:
            os.listdir("/proc/self/fd")
            if os.getuid() != 0 and not os.path.exists("/proc/1/stat"):
                return "this system hides the processes of other users"
            where, kind = _mount(os.path.realpath(path))
            if kind not in _LOCAL:
                return f"other machines may write to its file system ({kind or 'of an unknown kind'})"
            if os.stat("/proc/self/ns/pid").st_ino != _FIRST_PIDS and not self._is_alone(where, kind):
                return "we are in a container, and processes outside may write to it"
        except OSError as error:
            return f"/proc does not tell: {error.strerror}"
        return ""

    def _is_alone(self, where: str, kind: str) -> bool:
        """Whether nobody outside of our namespace of processes is expected to use a file system: it is the layer of a
        container, or the namespace is as old as the machine, so that nothing is outside of it."""
        first = self.use(1)
        return (kind == "overlay" and where == "/") or (first is not None and first.started - self._booted < _AT_BOOT_S)

    def panes(self) -> list[tmux.Listed]:
        return tmux.panes(os.environ) if self._linux or sys.platform == "darwin" else []


def _boot_time() -> float:
    """When the system was started (unix seconds), 0 where it does not tell."""
    try:
        return psutil.boot_time()
    except (OSError, RuntimeError):
        return 0.0


@lru_cache(maxsize=64)
def _name(path: str, _node: Node) -> str:
    """What a file is called where it lies; a link to it may be changed to lead to another one."""
    return os.path.basename(os.path.realpath(path))


def _has_one_name(path: str) -> bool:
    """Whether a file has no hard links beside the name that we know."""
    try:
        return os.stat(path).st_nlink == 1
    except OSError:
        return False


def _mount(path: str) -> tuple[str, str]:
    """Where the file system of a path is mounted, and its kind (proc(5), mountinfo)."""
    best, kind = "", ""
    with open("/proc/self/mountinfo", errors="surrogateescape") as mounts:
        for line in mounts:
            fields, _, more = line.partition(" - ")
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields.split(" ")[4])
            inside = point == "/" or path == point or path.startswith(point + "/")
            # Of two at one place the later one lies on top.
            if inside and len(point) >= len(best):
                best, kind = point, more.split(" ")[0]
    return best, kind
