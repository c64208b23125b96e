"""The health of a source as a table: where the numbers come from, how fresh they are, and what was odd."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from adapter.health import Health
from tui.model.status.counts import Counts
from tui.model.status.table import LOOP, StateName
from tui.render import numbers
from tui.render.bars.family import counted, family_words
from tui.render.bars.own_sums import differing
from tui.render.glyphs import mark
from tui.render.lines import Line, Span, folded
from tui.render.processes import place
from tui.render.sparkline import sparkline
from tui.text import moments, sanitize

LAGS_SHOWN = 20
"""Delays that are drawn as a curve."""
SHOWN_MISSING = 4
"""Missing columns that are named before the rest is only counted."""
SHOWN_COUNTS = 12
"""Tables of which the rows are counted: opencode has five."""
SHOWN = 3
"""Processes that are named before the rest is only counted."""
SHOWN_HISTORY = 3
"""Interruptions that are shown, the newest of those remembered."""


class Lags(NamedTuple):
    """How late the screen is, in ms: from commit to model, and from model to paint, as the feed measured it. `newest`
    are the last delays to the model, oldest first."""

    model_p50: float
    model_p99: float
    paint_p50: float
    paint_p99: float
    newest: Sequence[int] = ()


def health_lines(health: Health, lags: Lags | None = None) -> list[Line]:
    """A source as rows of a table: the store, how it is watched, what is odd about opencode's own sums, a warning a
    line, and what interrupted the reading."""
    return [row.line for row in _ranked(health, lags)]


def fitting(healths: Sequence[Health], lags: Lags | None, counts: Counts, width: int, height: int) -> list[Line]:
    """All sources and the sessions in as many lines: where there are more, what is wrong stays longest, and a last one
    says how many are left out."""
    alone = len(healths) == 1
    ranked = [row for health in healths for row in _ranked(health, lags if alone else None)]
    if lags is not None and len(healths) > 1:
        # Of all together: how late each is nobody measures.
        ranked.append(_Ranked(_row("Screen", _behind(lags)), USUAL, ODDS_AND_ENDS))
    ranked.append(_Ranked(sessions_line(counts)) if healths else _Ranked([("  Nothing has been read yet.", "dim")]))
    pieces = [
        (row.rest if number else row.rank, piece)
        for row in ranked
        for number, piece in enumerate(folded(row.line, width, indent=_NAME))
    ]
    left_out = len(pieces) - height
    if left_out > 0:
        # With the line that says so.
        gone = set(sorted(range(len(pieces)), key=lambda at: (-pieces[at][0], -at))[: left_out + 1])
        pieces = [piece for at, piece in enumerate(pieces) if at not in gone]
        with_hosts = " with the same --host or --via" if any(health.host for health in healths) else ""
        pieces.append((WRONG, [(f"  and {left_out + 1} lines more: opencode-viewer doctor{with_hosts}", "dim")]))
    return [piece for _, piece in pieces]


WRONG, NAMED, USUAL, ODDS_AND_ENDS = range(4)
"""What stays longest where there is no room for all: what is wrong, and the sessions; which sources there are; their
numbers; the rest."""


class _Ranked(NamedTuple):
    """A row with its rank, and that of the lines in which it goes on where it is folded."""

    line: Line
    rank: int = WRONG
    rest: int = WRONG


def _ranked(health: Health, lags: Lags | None) -> list[_Ranked]:
    """The rows of a source."""
    role = {"ok": "good", "waiting": "warn"}.get(health.state, "bad")
    is_ok = health.state == "ok"
    rows = [_Ranked(_row("Store", _store(health, role)), *((NAMED, USUAL) if is_ok else (WRONG, USUAL)))]
    if health.message:
        rows.append(_Ranked(_row("", [(sanitize.label(health.message), role if role != "good" else "dim")])))
    if is_ok:
        rows.append(_Ranked(_row("", _journal(health)), ODDS_AND_ENDS, ODDS_AND_ENDS))
        rows.append(_Ranked(_row("Viewer", _viewer(health, lags)), USUAL, ODDS_AND_ENDS))
        rows += [_Ranked(_row("opencode", spans), USUAL, USUAL)] if (spans := _processes(health)) else []
        rows += [_Ranked(_row("Sums", [(one.words, "warn"), (f"   {one.why}", "dim")])) for one in differing(health)]
    rank = WRONG if health.warnings else ODDS_AND_ENDS
    rows += [_Ranked(line, rank, rank) for line in _warnings(health)]
    return [*rows, *(_Ranked(line, USUAL, USUAL) for line in _history(health))]


def sessions_line(counts: Counts) -> Line:
    """How many sessions need somebody, over all sources."""
    parts: list[tuple[str, str, int, str]] = [
        (*_look("waiting"), counts.waiting, "for you"),
        (*_look("stalled"), counts.stuck, "stuck"),
        (LOOP[0], LOOP[2], counts.looping, "looping"),
        (*_look("tool"), counts.running, "at work"),
        (*_look("orphaned"), counts.orphaned, "orphaned"),
        (*_look("failed"), counts.failed_today, "failed today"),
    ]
    spans: list[Span] = [(f"{glyph} {count:,} {word}   ", role) for glyph, role, count, word in parts if count]
    return _row("Sessions", spans or [("none at work, none waiting", "dim")])


def _look(name: StateName) -> tuple[str, str]:
    look = mark(name)
    return look.glyph, look.role


def _row(name: str, spans: Line) -> Line:
    return [(name.ljust(_NAME), "dim"), *spans]


_NAME = 9
"""Cells of the names of the rows."""


def _store(health: Health, role: str) -> list[Span]:
    spans: list[Span] = [("● ", role), (sanitize.label(str(health.path)), "strong")]
    if health.backup:
        spans.append(("  a backup, not live", "dim"))
    if health.ahead_s:
        way = "ahead" if health.ahead_s > 0 else "behind"
        much = moments.duration(int(abs(health.ahead_s) * 1e6))
        spans.append((f"  its clock is {much} {way}, times are of the one here", "warn"))
    if health.family:
        spans.append((f"  {sanitize.label(family_words(health))}", "text"))
    if health.versions:
        shown = [sanitize.label(version) for version in health.versions]
        # Versions come oldest first; the ends of the list say what there is.
        spans.append((f" {shown[0]}" if len(shown) == 1 else f" {shown[0]} … {shown[-1]}", "text"))
    if health.size:
        share = f" (events ~{health.event_share:.0%})" if health.event_bytes else ""
        wal = numbers.size(health.wal_size) or "0 B"
        spans.append((f"  {numbers.size(health.size)}{share}  WAL {wal}", "text"))
    for name, count in islice(counted(health), SHOWN_COUNTS):
        if name != "session_messages" or health.family != "v1":
            about = "≤" if name in health.approximate else ""
            spans.append((f"  {about}{count:,} {_what(name, count)}", "text"))
    return spans


def _what(table: str, count: int) -> str:
    """What the rows of a table are called."""
    if count == 1:
        return sanitize.label(table, 40).removesuffix("s")
    # Elsewhere sub-agents are no sessions of their own.
    return "sessions and sub-agents" if table == "sessions" else sanitize.label(table, 40)


def _journal(health: Health) -> list[Span]:
    spans: list[Span] = []
    if health.migration_table:
        spans.append((f"migration {sanitize.label(health.migration_latest) or 'none'}", "text"))
        spans.append((f" · {sanitize.label(health.migration_hash)[:8]} ({health.migration_count:,} applied)", "dim"))
    else:
        spans.append(("no journal in this database", "warn"))
    if health.missing_columns:
        named = ", ".join(sanitize.label(name) for name in health.missing_columns[:SHOWN_MISSING])
        more = len(health.missing_columns) - SHOWN_MISSING
        spans.append((f"   missing {named}" + (f" and {more} more" if more > 0 else ""), "warn"))
    spans.append((f"   changes by {sanitize.label(health.strategy) or 'unknown'}", "dim"))
    if health.unread:
        spans.append((f"   {numbers.plural(health.unread, 'session')} not looked at yet", "dim"))
    return spans


def _viewer(health: Health, lags: Lags | None) -> list[Span]:
    spans = [*_behind(lags), ("   ", "text")] if lags is not None else []
    spans.append((f"reads up to {health.longest_read_ms:.0f} ms", "text"))
    spans.append((f"   opened {_MODES.get(health.open_mode, sanitize.label(health.open_mode) or 'not yet')}", "text"))
    spans.append((f"   {health.statements_per_minute:,.0f} statements/min", "dim"))
    if health.retries:
        spans.append((f"   {health.retries:,} retries", "warn"))
    if health.last_change:
        spans.append((f"   last change {_when(int(health.last_change * 1e6), int(health.looked * 1e6))}", "dim"))
    return spans


def _when(ts: int, now_us: int) -> str:
    """A moment (µs): the time of the day, and of another day than now its date."""
    is_today = not now_us or moments.local(ts).date() == moments.local(now_us).date()
    return moments.clock(ts) if is_today else moments.date_and_minute(ts)


def _behind(lags: Lags) -> list[Span]:
    """How late the screen is."""
    return [
        (f"{lags.model_p50:.0f} ms behind (worst {_worst(lags)}) ", "text"),
        (sparkline(lags.newest, LAGS_SHOWN), "accent"),
        (f"  painted {lags.paint_p50:.0f} ms later", "text"),
    ]


def _processes(health: Health) -> list[Span]:
    """Who runs opencode on this database, counted; nothing where nobody has looked."""
    known = health.processes
    if not known.looked:
        return []
    holders = known.holders(health.source.partition(":")[2])
    count = f"{len(holders):,} process{'es' * (len(holders) != 1)}"
    spans: list[Span] = [(f"{count} on it" if holders else "no process has it open", "text")]
    if others := len([one for one in known.running if one not in holders]):
        spans.append((f"   {others:,} more elsewhere", "dim"))
    if holders:
        named = ", ".join(" ".join(part for part in (f"pid {one.pid}", place(one)) if part) for one in holders[:SHOWN])
        spans.append((f"   {named}" + (f" and {len(holders) - SHOWN} more" if len(holders) > SHOWN else ""), "dim"))
    if not known.complete:
        spans.append((f"   perhaps others: {sanitize.label(known.unknown)}", "warn"))
    return [*spans, (f"   looked {moments.clock(int(known.looked * 1e6))}", "dim")]


def _worst(lags: Lags) -> str:
    return moments.duration(round(max([lags.model_p99, *lags.newest]) * 1000))


_MODES = {
    "readonly_shm": "read-only",
    "ro": "read-only",
    "mode=ro": "read-only",
    "immutable": "read-only, as it stands",
}
"""How the file was opened, in words."""


def _history(health: Health) -> list[Line]:
    return [
        _row(
            "" if number else "Broken",
            [(f"{moments.clock(int(one.at * 1e6))} ", "dim"), (sanitize.label(one.words), "text")]
            + ([(f"   {health.interruptions:,} times in all", "dim")] if not number else []),
        )
        for number, one in enumerate(reversed(health.history[-SHOWN_HISTORY:]))
    ]


def _warnings(health: Health) -> list[Line]:
    if not health.warnings:
        return [_row("Warnings", [("none", "dim")])] if health.state == "ok" else []
    return [
        _row("" if number else "Warnings", [(f"{count:,} × ", "warn"), (sanitize.label(kind), "text")])
        for number, (kind, count) in enumerate(sorted(health.warnings.items()))
    ]
