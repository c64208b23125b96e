"""The bar on top: what is watched, how fresh it is, and what needs a person; and the one calm line for a problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from adapter.health import Health
from tui.model.status.summary import Summary
from tui.model.status.table import LOOP, StateName
from tui.render import numbers
from tui.render.bars.health import Lags
from tui.render.glyphs import mark
from tui.render.lines import Line, Span, fit, folded, width_of
from tui.text import sanitize
from tui.text.moments import duration

TITLE = "opencode-viewer"

Walk = Literal["waiting", "stuck", "running", "failed"]
"""What there are keys to go from one to the next of."""


class Status(NamedTuple):
    """Everything the bar says: `paths` are the files that are watched, `behind` the events that have been read and are
    not on the screen yet, once that takes a while."""

    paths: tuple[str, ...] = ()
    healths: tuple[Health, ...] = ()
    lags: Lags | None = None
    behind: int = 0
    summary: Summary = Summary()


def status_line(status: Status, width: int) -> Line:
    """The bar at a width. Counts and follow stand at the right; first the path gives way, then the words of the
    counts."""
    right = _right(status, width)
    left: list[Span] = [(f" {TITLE}", "strong")]
    room = width - width_of(left) - width_of(right) - 3
    backups = {health.path for health in status.healths if health.backup}
    path = _path(tuple(path for path in status.paths if path not in backups), room)
    if path:
        left.append((f"  {path}", "dim"))
    gap = width - width_of(left) - width_of(right)
    if gap < 1:
        left, gap = [], max(0, width - width_of(right))
    return [*left, (" " * gap, "text"), *right]


def count_at(status: Status, width: int, x: int) -> Walk | None:
    """What the count at a cell of the bar counts; None beside the counts."""
    walks = {span: walk for words in (True, False) for span, walk in _counts(status.summary, words)}
    for span in status_line(status, width):
        x -= width_of([span])
        if x < 0:
            return walks.get(span)
    return None


def problem_lines(healths: Sequence[Health], problem: str, width: int) -> list[Line]:
    """What is wrong right now, folded to the width; nothing when all is well."""
    lines: list[Line] = [[(" ! ", "warn"), (sanitize.label(problem, 400), "warn")]] if problem else []
    for health in healths:
        if health.state != "ok" and health.message:
            role = "warn" if health.state == "waiting" else "bad"
            lines.append([(" ! ", role), (sanitize.label(health.message, 400), role)])
    return [piece for line in lines for piece in folded(line, width, indent=3)]


def _right(status: Status, width: int) -> list[Span]:
    """The right half: with words where there is room for them beside the name of the program."""
    spans = _parts(status, wide=True)
    if width_of(spans) + len(TITLE) + 2 > width:
        spans = _parts(status, wide=False)
    return spans


def _parts(status: Status, wide: bool) -> list[Span]:
    summary, parts = status.summary, list[list[Span]]()
    if summary.new_above or summary.new_below:
        words = [f"{summary.new_above} new above"] if summary.new_above else []
        words += [f"{summary.new_below} new below"] if summary.new_below else []
        parts.append([(", ".join(words), "accent")])
    if summary.following:
        parts.append([("follow", "active")])
    elif summary.paused:
        parts.append([("follow paused", "dim")])
    if summary.silenced:
        parts.append([("no notices" if wide else "silent", "dim")])
    if summary.known:
        parts += [[span] for span, _ in _counts(summary, wide)]
        today = numbers.money(summary.cost_today) or "$0"
        parts.append([(today, "text"), (" today" if wide else "", "dim")])
    parts.append(_source(status, wide))
    gap = "   " if wide else "  "
    spans: list[Span] = []
    for part in parts:
        spans += [(gap, "text"), *part]
    return [*spans, (" ", "text")]


def _counts(summary: Summary, wide: bool) -> list[tuple[Span, Walk]]:
    """The counts that are not nothing, each with what it counts; that of the sessions at work always."""
    loops = "loop" if summary.looping == 1 else "loops"
    counts: list[tuple[Walk, str, str, int, str]] = [
        ("waiting", *_look("waiting"), summary.waiting, "for you"),
        ("stuck", *_look("stalled"), summary.stuck, "stuck"),
        ("stuck", LOOP[0], LOOP[2], summary.looping, loops),
        ("running", *_look("tool"), summary.running, "at work"),
        ("failed", *_look("failed"), summary.failed, "today"),
    ]
    spans: list[tuple[Span, Walk]] = []
    for walk, glyph, role, count, word in counts:
        if count or walk == "running":
            text = f"{glyph} {count} {word}" if wide else f"{glyph}{count}"
            spans.append(((text, role if count else "dim"), walk))
    return spans


def _look(name: StateName) -> tuple[str, str]:
    look = mark(name)
    return look.glyph, look.role


def _source(status: Status, wide: bool) -> list[Span]:
    """One dot for all sources: the worst of them, and how late the last change was seen or what is still to come."""
    if not status.healths:
        return [("● reading", "dim")]
    cut = {health.host: None for health in status.healths if health.host and health.state != "ok"}
    states = {health.state for health in status.healths if not health.backup and health.host not in cut}
    if cut and "ok" in states:
        # What can be seen of the others is live.
        which = sanitize.label(next(iter(cut)), 40) if len(cut) == 1 else f"{len(cut)} hosts"
        return [(f"● {which} not live" if wide else f"● {len(cut)} not live", "warn")]
    states = {health.state for health in status.healths if not health.backup}
    if "error" in states:
        return [("● error", "bad")]
    if "waiting" in states or not states:
        return [("● waiting", "warn" if states else "dim")]
    summary = status.summary
    if summary.stale_s:
        ago = duration(summary.stale_s * 1_000_000)
        host = f" at {sanitize.label(summary.stale_host, 40)}" if summary.stale_host else ""
        return [(f"● last look{host} {ago} ago" if wide else f"● {ago} old", "warn")]
    if status.behind:
        much = numbers.tokens(status.behind)
        return [(f"● catching up: {much} events" if wide else f"● {much} behind", "warn")]
    if unread := sum(health.unread for health in status.healths):
        words = f"reading, {numbers.plural(unread, 'session')} to go" if wide else f"{numbers.tokens(unread)} to go"
        return [(f"● {words}", "warn")]
    if any(health.listing for health in status.healths):
        return [("● reading", "warn")]
    lag = f" {status.lags.model_p50:.0f} ms" if status.lags is not None else " live"
    return [("●", "good"), (lag, "dim")]


def _path(paths: tuple[str, ...], room: int) -> str:
    if not paths:
        return ""
    shown = sanitize.label(paths[0], 400)
    if len(paths) > 1:
        shown = f"{len(paths)} databases"
    if len(shown) <= room:
        return shown
    name = shown.rpartition("/")[2]
    return fit(name, room) if room >= 8 else ""
