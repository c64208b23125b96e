"""Where a person finds a session: the process of opencode whose terminal shows it, or may.

That is not always the one that works on it: 2.x works in a service without a terminal, and shows it in a client.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from adapter.processes.facts import Process, Processes
from tui.model.records import Session
from tui.model.status.life import runner
from tui.text import sanitize

if TYPE_CHECKING:
    from tui.model.store.store import Store

_SHOWS = frozenset({"tui", "client", "run", "acp", "serve", "private", ""})
"""What a process does in whose terminal somebody can look at a session."""


class Found(NamedTuple):
    """`process` is the one to go to, None where there is none; `certain` that it cannot be another one; `words` say why
    there is none, "" where there is one."""

    process: Process | None = None
    certain: bool = False
    words: str = ""


def find(store: Store, session: Session) -> Found:
    """The process to go to for a session, by the newest look at them (`Store.processes`)."""
    known = store.processes.get(session.source)
    if known is None or not known.looked:
        return Found(words="nothing is known of the processes of this database")
    top = store.top_of(session)
    life = runner(store, top)
    shown = [one for one in known.running if one.role in _SHOWS and (one.terminal or one.pane is not None)]
    worker = life.process
    named = [one for one in shown if one.session_id and one.session_id in (session.id, top.id)]
    if life.lives is not False and worker is not None and worker in shown:
        # A question that it asks is nowhere else, whoever resumed the session beside it.
        return Found(worker, life.certain or named == [worker])
    if named:
        # Who resumed it twice looks at both; the newest is the one that he opened last.
        return Found(max(named, key=lambda one: one.started), len(named) == 1)
    if life.lives is False:
        return Found(words=f"nobody works on it: {life.words}")
    if worker is not None:
        above = [one for one in shown if one.pid == worker.parent]
        if above:
            return Found(above[0], life.certain)
    here = _here(shown, known, session, worker)
    places = ", ".join(f"pid {one.pid}{_place(one)}" for one in here)
    if here and life.words:
        # To go to whom is left would say that it is his.
        return Found(words=f"{life.words}; left: {places}")
    if len(here) == 1:
        return Found(here[0])
    if here:
        return Found(words=f"{len(here)} opencodes may have it: {places}")
    if worker is not None:
        what = f"opencode {worker.role}".rstrip()
        return Found(words=f"{what}, pid {worker.pid}, works on it and has no terminal")
    if not known.complete:
        why = f": {sanitize.label(known.unknown, 120)}" if known.unknown else ""
        return Found(words=f"which opencode has it is not known{why}")
    return Found(words="no opencode that has a terminal is open in its directory")


def _place(process: Process) -> str:
    """Where a process sits, behind its pid."""
    if process.pane is not None:
        return f" (tmux {sanitize.label(process.pane.place, 40)})"
    return f" ({sanitize.label(process.terminal.removeprefix('/dev/'), 40)})" if process.terminal else ""


def _here(shown: Sequence[Process], known: Processes, session: Session, worker: Process | None) -> list[Process]:
    """Those in the directory of a session that may show it: that have its database open, or are clients of who has."""
    path = session.source.partition(":")[2]
    cwd = session.directory or session.cwd
    has_server = worker is not None or any(one.role in ("service", "serve", "private") for one in known.holders(path))
    return [
        one
        for one in shown
        if one.directory == cwd and (path in one.databases or (one.role == "client" and has_server))
    ]
