"""`doctor`: what can be read of each database, and how well; as text and as JSON."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from adapter.contract import AdapterError, Source, host_of
from adapter.health import Health
from adapter.opencode.limits import ModelLimits
from adapter.processes.facts import Process, Processes
from adapter.processes.registration import service_pids
from adapter.processes.table import Table
from adapter.sqlite.files import side_file
from tui.commands.remarks import complain, remark
from tui.commands.sources import enter_sources, home, needs_loop
from tui.exit_codes import DEGRADED, OK, UNUSABLE
from tui.files import problem
from tui.render import numbers
from tui.render.bars.family import counted, family_words
from tui.render.processes import place, what
from tui.text import sanitize
from tui.text.moments import date_and_time
from tui.text.safe_json import json_line

LIMIT_S = 0.5
"""`doctor` reads sessions for this long, unless it is to read all, and says how many it got through: 300 of 100 parts.
With 1.5 s that was more than half of what it took of 2.2 GB."""
SAID_S = 1.0
"""How often it says how far it is, when it takes longer."""
FOLLOW_S = 1.0
WRITTEN_S = 5.0
NAMED = 20
"""Sessions that the JSON names; all are counted."""


async def doctor(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """Health of every source; one that fails does not hide the others."""
    healths = []
    problems = ModelLimits(os.environ, home()).problems
    table = cache(partial(Table, registered=partial(service_pids, os.environ, home())))
    async with AsyncExitStack() as stack:
        for source in await enter_sources(stack, arguments, paths, table):
            try:
                await read_for_a_while(source, full=arguments.full, said=remark)
                if is_written(source):
                    await follow_for_a_moment(source, runs=needs_loop(arguments))
                await source.processes()
                healths.append(await source.probe())
            except (AdapterError, OSError) as error:
                words = problem(error) if isinstance(error, OSError) else str(error)
                healths.append(msgspec.structs.replace(source.health(), state="error", message=words))
    if arguments.json:
        sys.stdout.buffer.write(
            json_line({"sources": [report(health) for health in healths], "config_problems": problems})
        )
    else:
        for health in healths:
            print("\n".join(lines(health, full=arguments.full)))
        for words in problems:
            print(f"{'config':>13}  {sanitize.label(words, limit=2000)}")
    if not any(health.state == "ok" for health in healths):
        return complain(healths[0].message) if arguments.json else UNUSABLE
    return DEGRADED if any(health.degraded for health in healths) else OK


async def read_for_a_while(source: Source, *, full: bool, said: Callable[[str], None]) -> None:
    """Reads sessions row by row, so that what cannot be read is counted: all with `full`, else for LIMIT_S. `said` gets
    a line each second. Raises the adapter's errors."""
    began = due = time.monotonic()
    async for _ in source.stream():
        now = time.monotonic()
        if not full and now - began > LIMIT_S:
            break
        if now - due > SAID_S:
            due = now
            said(f"{source.path}: {source.health().checked:,} sessions read")


async def follow_for_a_moment(source: Source, *, runs: bool) -> None:
    """Follows what somebody writes, to see how late we are. Where no event loop `runs` it has one of its own."""
    import asyncio  # nobody writes into most databases, and it is three starts of Python

    async def follow() -> None:
        try:
            async with asyncio.timeout(FOLLOW_S):
                async for _ in source.tail():
                    pass
        except TimeoutError:
            pass  # the only way a tail ends

    if runs:
        await follow()
    else:
        asyncio.run(follow())


def is_written(source: Source) -> bool:
    """Whether somebody wrote to a database in the last seconds."""
    if host_of(source.source):
        return time.time() - source.health().last_change < WRITTEN_S
    try:
        return time.time() - side_file(source.path, "-wal").stat().st_mtime < WRITTEN_S
    except OSError:
        return False


def report(health: Health) -> dict[str, Any]:
    """Everything as JSON's types; times are unix seconds, durations ms. `lag_ms` is null unless something was committed
    while we followed, and `last_change` when the file holds no session."""
    measured = health.lag_p50_ms or health.lag_p99_ms
    return {
        "source": health.source,
        "path": health.path,
        "backup": health.backup,
        "state": health.state,
        "message": health.message,
        "family": health.family,
        "versions": health.versions,
        "strategy": health.strategy,
        "counts": health.counts,
        "approximate": health.approximate,
        "migrations": {
            "table": health.migration_table,
            "count": health.migration_count,
            "latest": health.migration_latest,
            "hash": health.migration_hash,
        },
        "missing_columns": health.missing_columns,
        "warnings": health.warnings,
        "examples": health.examples,
        "disagreeing": {
            "count": len(health.disagreeing),
            "surplus_tokens": dict(list(health.disagreeing.items())[:NAMED]),
        },
        "checked_sessions": health.checked,
        "size": health.size,
        "wal_size": health.wal_size,
        "event_share": round(health.event_share, 3),
        "open_mode": health.open_mode,
        "last_change": health.last_change or None,
        "lag_ms": {"p50": round(health.lag_p50_ms, 1), "p99": round(health.lag_p99_ms, 1)} if measured else None,
        "longest_read_ms": round(health.longest_read_ms, 3),
        "statements": health.statements,
        "statements_per_minute": round(health.statements_per_minute),
        "retries": health.retries,
        "interruptions": {"count": health.interruptions, "newest": health.history},
        "reconciled": health.reconciled or None,
        "processes": processes(health.processes),
    }


def processes(known: Processes) -> dict[str, Any] | None:
    """The processes as JSON's types; None where nobody has looked. What is not known is null."""
    if not known.looked:
        return None
    return {
        "looked": known.looked,
        "complete": known.complete,
        "unknown": known.unknown,
        "running": [
            {
                **msgspec.to_builtins(one),
                "cpu": round(one.cpu, 1) if one.cpu >= 0 else None,
                "memory": one.memory if one.memory >= 0 else None,
                "pane": {**msgspec.to_builtins(one.pane), "place": one.pane.place} if one.pane is not None else None,
            }
            for one in known.running
        ],
    }


def lines(health: Health, *, full: bool = False) -> list[str]:
    """The report as text, a fact a line; `full` says that every session was to be read."""
    facts: list[tuple[str, str]] = [("database", health.path), ("state", f"{health.state} {health.message}".strip())]
    if health.backup:
        facts.append(("backup", "by its name: read, and not taken for live"))
    if health.state == "ok":
        counts = ", ".join(
            f"{'up to ' if name in health.approximate else ''}{count:,} {name}" for name, count in counted(health)
        )
        lag = f"p50 {health.lag_p50_ms:.0f} ms, p99 {health.lag_p99_ms:.0f} ms"
        facts += [
            ("family", f"{family_words(health)}, opencode {', '.join(health.versions) or 'unknown'}"),
            ("holds", counts),
            (
                "size",
                f"{health.size:,} bytes, WAL {health.wal_size:,} bytes, events ~{health.event_share:.0%}",
            ),
            (
                "migrations",
                f"{health.migration_count} in {health.migration_table or 'no table'}, newest {health.migration_latest}",
            ),
            ("hash", health.migration_hash),
            ("opened", health.open_mode),
            ("changes by", health.strategy),
            ("last change", date_and_time(int(health.last_change * 1e6)) or "none"),
            ("lag", lag if health.lag_p50_ms else "not measured: nobody writes now"),
            ("longest read", f"{health.longest_read_ms:.1f} ms"),
            ("statements", f"{health.statements:,}, {health.statements_per_minute:,.0f} in the last minute"),
            ("retries", f"{health.retries:,}"),
            ("missing", ", ".join(health.missing_columns) or "no column"),
            ("checked", _checked(health, full)),
            *_processes(health),
            *(("sums", words) for words in _sums(health)),
            ("warnings", ", ".join(f"{kind} {n}" for kind, n in health.warnings.items()) or "none"),
            *(("for example", example) for example in health.examples.values() if example),
        ]
    facts += [("interrupted", f"{date_and_time(int(one.at * 1e6))} {one.words}") for one in health.history]
    return [f"{name:>13}  {sanitize.label(value, limit=2000)}" for name, value in facts]


def _processes(health: Health) -> list[tuple[str, str]]:
    """A line for each process of opencode, those that have the database open first."""
    known = health.processes
    if not known.looked:
        return []
    holders = known.holders(health.source.partition(":")[2])
    found = [("process", _process(one)) for one in holders]
    found += [("process", f"{_process(one)}, without this database") for one in known.running if one not in holders]
    if not holders:
        found.insert(0, ("processes", "none has it open" if known.complete else "none that can be seen has it open"))
    return found + ([("not known", known.unknown)] if known.unknown else [])


def _process(process: Process) -> str:
    parts = [
        f"pid {process.pid} of {process.user or 'an unknown user'}",
        what(process),
        f"since {date_and_time(int(process.started * 1e6))}",
        f"{process.cpu_s:.1f} s CPU",
        numbers.size(process.memory),
        place(process),
        f"in {process.directory}" if process.directory else "",
    ]
    return ", ".join(part for part in parts if part)


def _checked(health: Health, full: bool) -> str:
    sessions = health.counts.get("sessions", 0)
    rest = "" if health.checked >= sessions else "; the others came meanwhile" if full else "; --full reads all"
    return f"{health.checked:,} of {numbers.plural(sessions, 'session')}, row by row{rest}"


def _sums(health: Health) -> list[str]:
    if not health.disagreeing:
        return ["columns and messages of every session agree"]
    from tui.render.bars.own_sums import differing

    count = len(health.disagreeing)
    named = "names the first" if count > NAMED else "names"
    which = f"--json {named} {NAMED if count > NAMED else 'it' if count == 1 else 'them'}"
    return [*(f"{one.words}: {one.why}" for one in differing(health)), which]
