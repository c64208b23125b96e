"""The health of one source as lines: where the numbers come from, how fresh they are, and what was odd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from adapter.health import Health
from tui import sanitize
from tui.render import numbers
from tui.render.family import counted, family_words
from tui.render.lines import Line, Span
from tui.render.own_sums import differing
from tui.render.sparkline import sparkline

LAGS_SHOWN = 20
"""Delays that are drawn as a curve."""
SHOWN_MISSING = 4
"""Missing columns that are named before the rest is only counted."""
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
    """Four lines, what is odd about opencode's own sums, one per warning, and what interrupted the reading."""
    role = {"ok": "good", "waiting": "warn"}.get(health.state, "bad")
    lines: list[Line] = [_identity(health, role)]
    if health.message:
        lines.append([("  ", "text"), (sanitize.label(health.message), role if role != "good" else "dim")])
    if health.state == "ok":
        lines += [_journal(health), _freshness(health, lags), _reading(health), *_sums(health)]
    return lines + _warnings(health) + _history(health)


def _identity(health: Health, role: str) -> Line:
    spans: list[Span] = [("● ", role), (sanitize.label(str(health.path)), "strong")]
    if health.family:
        spans.append((f"  {sanitize.label(family_words(health))}", "text"))
    if health.versions:
        shown = [sanitize.label(version) for version in health.versions]
        # Versions come oldest first; the ends of the list say what there is.
        spans.append((f" {shown[0]}" if len(shown) == 1 else f" {shown[0]} … {shown[-1]}", "text"))
    for name, count in counted(health):
        if name != "session_messages" or health.family != "v1":
            about = "≤" if name in health.approximate else ""
            spans.append((f"  {about}{count:,} {name}", "text"))
    return spans


def _journal(health: Health) -> Line:
    spans: list[Span] = [("  migration ", "dim")]
    if health.migration_table:
        spans.append((sanitize.label(health.migration_latest) or "none", "text"))
        spans.append((f" · {health.migration_hash[:8]} ({health.migration_count})", "dim"))
    else:
        spans.append(("no journal in this database", "warn"))
    if health.missing_columns:
        named = ", ".join(sanitize.label(name) for name in health.missing_columns[:SHOWN_MISSING])
        more = len(health.missing_columns) - SHOWN_MISSING
        spans.append((f"   missing {named}" + (f" and {more} more" if more > 0 else ""), "warn"))
    share = f"  events ~{health.event_share:.0%}" if health.event_bytes else ""
    spans.append((f"   file {numbers.size(health.size)}  WAL {numbers.size(health.wal_size) or '0 B'}{share}", "dim"))
    if health.unread:
        spans.append((f"   {health.unread:,} sessions not looked at yet", "dim"))
    return spans


def _freshness(health: Health, lags: Lags | None) -> Line:
    spans: list[Span] = [("  changes by ", "dim"), (sanitize.label(health.strategy) or "unknown", "text")]
    if health.lag_p50_ms:
        spans.append((f"   read lag p50 {health.lag_p50_ms:.0f} ms p99 {health.lag_p99_ms:.0f} ms", "text"))
    if lags is not None:
        spans.append((f"   to model p50 {lags.model_p50:.0f} p99 {lags.model_p99:.0f} ms ", "text"))
        spans.append((sparkline(lags.newest, LAGS_SHOWN), "accent"))
        spans.append((f"   to screen +{lags.paint_p50:.0f} +{lags.paint_p99:.0f} ms", "text"))
    if health.last_change:
        spans.append((f"   last change {numbers.clock(health.last_change)}", "text"))
    if not health.warnings:
        spans.append(("   warnings 0", "dim"))
    return spans


def _reading(health: Health) -> Line:
    spans: list[Span] = [
        ("  opened ", "dim"),
        (sanitize.label(health.open_mode) or "not yet", "text"),
        (f"   longest read {health.longest_read_ms:.0f} ms", "dim"),
        (f"   {health.statements_per_minute:,.0f} statements/min", "dim"),
        (f"   retries {health.retries:,}", "warn" if health.retries else "dim"),
    ]
    return spans


def _sums(health: Health) -> list[Line]:
    return [[("  sums ", "dim"), (one.words, "warn"), (f"   {one.why}", "dim")] for one in differing(health)]


def _history(health: Health) -> list[Line]:
    if not health.interruptions:
        return []
    head = f"  interrupted {health.interruptions:,} ×  "
    return [
        [
            (" " * len(head) if number else head, "dim"),
            (f"{numbers.clock(one.at)} ", "dim"),
            (sanitize.label(one.words), "text"),
        ]
        for number, one in enumerate(reversed(health.history[-SHOWN_HISTORY:]))
    ]


def _warnings(health: Health) -> list[Line]:
    return [
        [("  warning ", "warn"), (f"{count:,} × ", "text"), (sanitize.label(kind), "text")]
        for kind, count in sorted(health.warnings.items())
    ]
