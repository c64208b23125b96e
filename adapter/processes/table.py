"""The processes of opencode on one machine, looked at again and again for little: who is new, who has gone, who has
which database open.

A look asks every process once who it is. Of those that are opencode by their executable it asks each time which of the
databases they have open; of all others, too, as anything could be opencode under another name, but a part of them at a
time (`SLICE_S`). All are asked when something has gone, and when a database that nobody has was written meanwhile: it
was somebody. Since when all have been asked is told (`Processes.asked`). Numbers of processes are used again, so all
are asked anew after `FORGET_S`, and when nobody has looked for a while.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice

import msgspec

from adapter.contract import encodable
from adapter.processes import roles
from adapter.processes.facts import Ended, Pane, Process, Processes
from adapter.processes.system import Named, Node, System, Use

EVERY_S = 2.0
"""Seconds between two looks while something should be running."""
SHARE = 0.001
"""Most of one core that looks may take: after one that took long the next comes later."""
LEAST = 0.9
"""Of its pause so much has to be over for a look: who asks sooner, or for another database, gets the last one."""
SLICE, SLICE_S = 20, 0.0002
"""Most processes that are not opencode by their name, and seconds in which they are asked again, in a look."""
MTIME_S = 1.0
"""Seconds by which the time of a file may be behind."""
GAP_S = 10.0
"""Seconds without a look after which something may have come and gone unseen."""
FORGET_S = 60.0
SETTLED_S = 5.0
"""Seconds for which a process that is new is asked again who it is."""
YOUNG_S = 20.0
"""Age up to which opencode is expected to open its database at any moment: 1.18.33 did so 2 s after its start."""
REOPENED_S = 10.0
"""Seconds after which any other is asked what it has open."""
SAME_S = 0.5
"""Seconds by which the start of one and the same process may seem to move: it is counted from the start of the system.
"""
CPU_S = 8.0
"""Seconds over which the use of the processor is averaged."""
PANES_S = 60.0
"""Seconds after which tmux is asked again: its panes can be moved and renamed."""
ENDED = 20
"""Processes that are remembered when they have gone."""
DEPTH = 12
"""Parents that are asked for to find the pane of a process."""


class _Known:
    """A process of opencode, or what has a database open like one."""

    def __init__(self, process: Process, named: Named, nodes: set[Node], met: float) -> None:
        self.process = process
        self.uid, self.are_told = named.uid, named.are_told
        self.nodes = nodes
        """Files that it has, or has had, open for writing: a version that closes its database may open it again."""
        self.met = met
        self.asked = float("-inf")
        self.used: deque[tuple[float, float]] = deque()


class Table:
    """One machine's. `clock` gives unix seconds, `monotonic` seconds that never go back, `registered` the pids of
    services (`registration.py`). May be asked by any thread."""

    def __init__(
        self,
        system: System | None = None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.thread_time,
        registered: Callable[[], frozenset[int]] = frozenset,
    ) -> None:
        self._system = system
        self._clock, self._monotonic, self._cost = clock, monotonic, cost
        self._registered = registered
        self._lock = threading.Lock()
        self._paths: dict[str, None] = {}
        self._strangers: dict[int, float] = {}
        """When processes that are not opencode by their name were asked for their files (unix seconds), the one that
        was asked longest ago first."""
        self._closed: dict[int, int] = {}
        """Those of them that do not let us see their files, with their users."""
        self._all_asked = 0.0
        """When all of them were asked at once (unix seconds)."""
        self._unasked: list[int] = []
        """Those of them that are new."""
        self._twins: dict[int, tuple[Named, int]] = {}
        """Processes of the newest look that have the words of their parents, with these: what is to become something
        else soon, or what a wrapper started."""
        self._alone: dict[str, float] = {}
        """Since when nobody is known who has a database open (unix seconds)."""
        self._unseen: dict[str, float] = {}
        """When a database was written that nobody had open."""
        self._untold: set[int] = set()
        """Processes of opencode that do not let us see their files."""
        self._known: dict[int, _Known] = {}
        self._ended: deque[Ended] = deque(maxlen=ENDED)
        self._panes: dict[int, Pane | None] = {}
        self._asked_panes = self._looked = self._emptied = float("-inf")
        self._at = 0.0
        self._dated = float("inf")
        """The start of the oldest process that proves that the clock has not been set since."""
        self._since: dict[str, float] = {}
        self._mean_s = 0.0
        self._secrecy: dict[str, str] = {}
        """Why not everybody is seen who may have a database open."""
        self._missing: dict[str, str] = {}

    @property
    def pause_s(self) -> float:
        """Seconds until the next look is worth it."""
        return max(EVERY_S, self._mean_s / SHARE)

    def look(self, path: str) -> Processes:
        """The processes, as they are now or were a moment ago, for the database at this path."""
        with self._lock:
            is_new = path not in self._paths
            self._paths[path] = None
            if is_new or self._monotonic() - self._looked >= LEAST * self.pause_s:
                self._look(is_new)
            return self._told(path)

    def _told(self, path: str) -> Processes:
        why = self._missing.get(path) or self._secrecy.get(path, "")
        if path in self._unseen and not why:
            why = "something that is not seen has written to the database"
        for pid in self._untold if not why else ():
            known = self._known[pid]
            if _may_write(path, known.uid):
                user = known.process.user or "another user"
                why = f"opencode of {user} (pid {pid}) does not let us see its files"
        for pid, uid in self._closed.items() if not why else ():
            # Root's are everywhere, and so are those of ours that have given themselves away to it.
            if uid != 0 and _may_write(path, uid):
                why = f"a process of another user (pid {pid}) does not let us see its files"
        return Processes(
            looked=self._at,
            asked=next(iter(self._strangers.values()), self._at),
            complete=not why,
            unknown=why,
            since=self._since.get(path, 0.0),
            dated=min(self._dated, self._at),
            running=sorted((known.process for known in self._known.values()), key=lambda one: (one.started, one.pid)),
            ended=[one for one in self._ended if encodable(path) in one.process.databases],
        )

    def _look(self, is_new: bool) -> None:
        began, now = self._cost(), self._monotonic()
        if self._system is None:
            from adapter.processes.this_machine import ThisMachine  # who never looks does not load psutil

            self._system = ThisMachine()
        if self._system.was_set():
            self._known.clear()
            self._ended.clear()
            self._untold.clear()
            self._since.clear()
            self._emptied, self._dated = float("-inf"), float("inf")
        if now - self._emptied >= FORGET_S or now - self._looked >= GAP_S:
            self._strangers.clear()
            self._closed.clear()
            self._secrecy.clear()
            self._emptied = now
        at = self._clock()
        if now - self._looked >= GAP_S or at < self._at:
            self._since.clear()
            self._alone.clear()
        for path in self._paths:
            self._since.setdefault(path, at)
        files = self._files()
        self._meet()
        gone = self._check(files, now, at)
        self._ask_strangers(files, now, at, all_of_them=gone or is_new or self._is_written_by_nobody(files))
        self._note_unseen(files, at)
        self._find_panes(now)
        self._looked, self._at = now, at
        # A first look takes longer than any other, and one that asks tmux, too.
        self._mean_s = 0.9 * self._mean_s + 0.1 * (self._cost() - began) if not is_new else self._mean_s

    def _files(self) -> dict[str, Node]:
        """Which files the databases are now. Without one nobody has it open, and everybody may make it."""
        assert self._system is not None
        found: dict[str, Node] = {}
        missing: dict[str, str] = {}
        for path in self._paths:
            try:
                about = os.stat(path)
            except OSError as error:
                missing[path] = f"the database cannot be looked at: {error.strerror}"
                continue
            found[path] = (about.st_dev, about.st_ino)
            if path not in self._secrecy:
                self._secrecy[path] = self._system.secrecy(path)
        self._missing = missing
        return found

    def _meet(self) -> None:
        """Asks processes that are new who they are."""
        assert self._system is not None
        pids = set(self._system.pids())
        self._twins.clear()
        for pid in self._strangers.keys() - pids:
            del self._strangers[pid]
            self._closed.pop(pid, None)
        for pid in pids - self._strangers.keys() - self._known.keys() - {os.getpid()}:
            named = self._system.named(pid)
            if named is None:
                continue
            if named.is_dated:
                self._dated = min(self._dated, named.started)
            if not roles.is_opencode(named.program):
                self._strangers[pid] = 0.0
                self._unasked.append(pid)
                if not roles.runs_scripts(named.program):
                    continue
            self._become_known(pid, named, set())

    def _become_known(self, pid: int, named: Named, nodes: set[Node]) -> None:
        """Takes a process in that is opencode, or its launcher, or has the `nodes` open."""
        assert self._system is not None
        facts = self._system.facts(pid)
        above = self._system.facts(facts.parent) if facts is not None and facts.parent > 1 else None
        if facts is None:
            return
        is_twin = above is not None and above.arguments == facts.arguments
        if is_twin and not nodes and self._clock() - named.started < SETTLED_S:
            # A child has the name, the words and the files of its parent until it becomes what it was made for.
            self._twins[pid] = (named, facts.parent)
            return
        major = roles.major_of(named.program)
        if roles.is_opencode(named.program):
            command = roles.command_of(facts.arguments, major)
            if roles.is_desktop(named.program):
                command = roles.Command("desktop", "", False, [])
            elif pid in self._registered():
                command = command._replace(role="service")
        elif nodes:
            command = roles.Command("other", "", False, [])
        elif roles.script_of(facts.arguments):
            command = roles.Command("launcher", "", False, [])
        else:
            return
        self._strangers.pop(pid, None)
        self._closed.pop(pid, None)
        process = Process(
            pid=pid,
            started=named.started,
            parent=facts.parent,
            user=facts.user,
            directory=facts.directory,
            program=named.program,
            major=major,
            role=command.role,
            arguments=command.arguments,
            session_id=command.session_id,
            continues=command.continues,
            terminal=facts.terminal,
        )
        self._known[pid] = _Known(process, named, nodes, self._monotonic())

    def _check(self, files: dict[str, Node], now: float, at: float) -> bool:
        """Looks again at those that are known, and remembers what has gone; whether something has."""
        assert self._system is not None
        gone: list[Ended] = []
        uses: dict[int, Use] = {}
        for pid, known in list(self._known.items()):
            use = self._system.use(pid)
            if use is not None and abs(use.started - known.process.started) <= SAME_S:
                uses[pid] = use
                continue
            del self._known[pid]
            self._untold.discard(pid)
            if known.process.databases:
                gone.append(Ended(known.process, at))
        held = {path for known in self._known.values() for path in known.process.databases}
        # "Nobody" is said only of what has just been seen, and without those who have gone.
        alone = any(encodable(path) not in held for path in self._paths)
        for pid, use in uses.items():
            known, before = self._known[pid], self._known[pid].process
            if now - known.met < SETTLED_S:
                # A child of opencode's is called like it until it becomes another program.
                named = self._system.named(pid)
                if named is None or named.program != before.program:
                    del self._known[pid]
                    self._untold.discard(pid)
                    continue
            is_young = at - before.started < YOUNG_S and not before.databases
            if is_young or (alone and not before.databases) or now - known.asked >= REOPENED_S:
                known.asked = now
                written = self._system.writes(pid, files) if known.are_told else None
                known.nodes |= {files[path] for path in written or ()}
                (self._untold.add if written is None else self._untold.discard)(pid)
            databases = [encodable(path) for path in self._paths if files.get(path) in known.nodes]
            known.process = _measured(known, use, now, databases)
        self._ended.extend(gone)
        return bool(gone)

    def _is_written_by_nobody(self, files: dict[str, Node]) -> bool:
        """Whether a database that none of those who are known has open was written since all were asked."""
        held = {path for known in self._known.values() for path in known.process.databases}
        return any(encodable(path) not in held and _written(path) >= self._all_asked - MTIME_S for path in files)

    def _ask_strangers(self, files: dict[str, Node], now: float, at: float, *, all_of_them: bool) -> None:
        """Looks whether one that is not opencode by its name has a database open for writing."""
        assert self._system is not None
        new, self._unasked = self._unasked, []
        if not files or all(self._secrecy.get(path) for path in files):
            return  # whatever they have open, nothing would follow from who is missing
        if all_of_them:
            self._all_asked = at
        for pid, (twin, parent) in self._twins.items():
            above = self._known.get(parent)
            # What its parent has open it has inherited.
            if (above is None or not above.process.databases) and (written := self._system.writes(pid, files)):
                self._holds(pid, twin, written, files, now)
        until = self._cost() + SLICE_S
        for pid in dict.fromkeys([*new, *(self._strangers if all_of_them else islice(self._strangers, SLICE))]):
            if pid not in self._strangers or (pid not in new and not all_of_them and self._cost() > until):
                continue
            del self._strangers[pid]
            self._strangers[pid] = at
            written = self._system.writes(pid, files)
            named = self._system.named(pid) if written != [] else None
            if named is not None and written is None:
                self._closed[pid] = named.uid
            else:
                self._closed.pop(pid, None)
            if written and named is not None:
                self._holds(pid, named, written, files, now)

    def _holds(self, pid: int, named: Named, written: Sequence[str], files: dict[str, Node], now: float) -> None:
        """Takes a process in that has these databases open for writing."""
        assert self._system is not None
        if roles.is_reader(named.program):
            return
        self._become_known(pid, named, {files[path] for path in written})
        known, use = self._known.get(pid), self._system.use(pid)
        if known is not None and use is not None:
            known.process = _measured(known, use, now, [*map(encodable, written)])

    def _note_unseen(self, files: dict[str, Node], at: float) -> None:
        """Notes databases that are written though nobody is known who has them open: whoever does that may work on
        anything in them. It may be hidden in any way, or have come and gone between two looks."""
        for path in files:
            holders = [one.process for one in self._known.values() if encodable(path) in one.process.databases]
            if holders:
                self._alone.pop(path, None)
                if any(one.started <= self._unseen.get(path, 0.0) for one in holders):
                    # It was he, found late.
                    del self._unseen[path]
            elif (written := _written(path)) > self._alone.setdefault(path, at) + MTIME_S:
                self._unseen[path] = written

    def _find_panes(self, now: float) -> None:
        """In which pane of tmux each runs: that with its terminal, or the one that a parent was started in."""
        assert self._system is not None
        if not self._known:
            self._panes.clear()
            return
        if self._known.keys() != self._panes.keys() or now - self._asked_panes >= PANES_S:
            self._asked_panes = now
            listed = self._system.panes()
            by_terminal = {one.terminal: one.pane for one in listed}
            by_pid = {one.pid: one.pane for one in listed}
            self._panes = {}
            for pid, known in self._known.items():
                pane = by_terminal.get(known.process.terminal) if known.process.terminal else None
                above = self._above(known.process) if listed and pane is None else ()
                self._panes[pid] = pane or next((by_pid[one] for one in above if one in by_pid), None)
        for pid, known in self._known.items():
            if known.process.pane != self._panes.get(pid):
                known.process = msgspec.structs.replace(known.process, pane=self._panes.get(pid))

    def _above(self, process: Process) -> Iterable[int]:
        """The process and its parents, nearest first."""
        assert self._system is not None
        pid, parent = process.pid, process.parent
        for _ in range(DEPTH):
            yield pid
            if parent <= 1 or self._system.named(parent) is None:
                return
            facts = self._system.facts(parent)
            if facts is None:
                return
            pid, parent = parent, facts.parent


def _measured(known: _Known, use: Use, now: float, databases: list[str]) -> Process:
    """The process with what it uses now."""
    known.used.append((now, use.cpu_s))
    while len(known.used) > 2 and now - known.used[1][0] >= CPU_S:
        known.used.popleft()
    first, before = known.used[0]
    cpu = 100 * max(0.0, use.cpu_s - before) / (now - first) if now > first else -1.0
    return msgspec.structs.replace(known.process, databases=databases, cpu=cpu, cpu_s=use.cpu_s, memory=use.memory)


def _written(path: str) -> float:
    """When a database was written last (unix seconds): SQLite writes a commit to its WAL, where it has one."""
    times = [0.0]
    for name in (path, f"{path}-wal"):
        with suppress(OSError):
            times.append(os.stat(name).st_mtime)
    return max(times)


def _may_write(path: str, uid: int) -> bool:
    """Whether a user could write to a file, as far as its mode says."""
    try:
        about = os.stat(path)
    except OSError:
        return True
    return uid in (0, about.st_uid) or bool(about.st_mode & 0o022)
