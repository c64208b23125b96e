"""Processes of opencode in words: which one works on a session, where it sits, and what it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.processes.facts import Process
from tui.render import numbers
from tui.text import moments, sanitize

if TYPE_CHECKING:
    from tui.model.status.life import Life


FRESH = 10_000_000
"""µs after which what a process used is no news."""


AMONG = 4
"""Processes that are named where it may be one of several."""


def named(life: Life) -> str:
    """`pid 4711`, with a question mark where it is only likely."""
    return f"pid {life.process.pid}{'' if life.certain else '?'}" if life.process is not None else ""


def place(process: Process) -> str:
    """The pane or the terminal that a process sits in: `main:1.0`, `pts/3`, "" for neither."""
    if process.pane is not None:
        return sanitize.label(process.pane.place, 40)
    return sanitize.label(process.terminal.removeprefix("/dev/"), 40)


def uses(process: Process) -> str:
    """Processor and memory: `12 % CPU  412 MB`, as far as they are known."""
    cpu = f"{process.cpu:.{0 if process.cpu >= 10 else 1}f} % CPU" if process.cpu >= 0 else ""
    return "  ".join(part for part in (cpu, numbers.size(process.memory) if process.memory >= 0 else "") if part)


def facts(life: Life) -> tuple[str, ...]:
    """All of that for the end of a row."""
    if life.lives is False or life.process is None:
        return ()
    return tuple(part for part in (named(life), place(life.process), uses(life.process)) if part)


def what(process: Process) -> str:
    """Which opencode a process is, as somebody started it: `opencode serve --port 0`."""
    words = [process.program, *process.arguments]
    if process.role in ("launcher", "other"):
        words.append("(starts opencode)" if process.role == "launcher" else "(not opencode by its name)")
    return sanitize.label(" ".join(words), 120)


def spans(life: Life, looked_us: int, now_us: int) -> list[tuple[str, str]]:
    """The process of a session for its Overview, by a look at this time: texts and roles, none where none is known."""
    process = life.process
    if process is None:
        pids = ", ".join(f"pid {one.pid}" + (f" ({place(one)})" if place(one) else "") for one in life.among[:AMONG])
        more = f" and {len(life.among) - AMONG} more" if len(life.among) > AMONG else ""
        count = "perhaps " if len(life.among) == 1 else f"one of {len(life.among)}: "
        return [(count, "text"), (pids + more, "dim")] if pids else []
    if life.lives is False:
        return [(f"{named(life)} ended", "warn"), (f"  {moments.date_and_time(life.since)}", "dim")]
    # Nobody looks on while nothing goes on.
    is_fresh = now_us - looked_us < FRESH
    seen = uses(process) if is_fresh else f"seen at {moments.clock(looked_us)}"
    since = f"since {moments.date_and_minute(int(process.started * 1e6))}"
    facts = "  ".join(part for part in (place(process), seen, what(process), since) if part)
    return [(named(life), "text"), (f"  {facts}", "dim")]
