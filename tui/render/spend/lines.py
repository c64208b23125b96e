"""The screen of spending as lines: its head, and the rows of its tables."""

from __future__ import annotations

from typing import NamedTuple

from tui.model.spend.book import Sum
from tui.model.spend.days import RANGES, date
from tui.model.spend.ledger import MEASURES, Measure
from tui.model.spend.looking import Looking, Reading
from tui.render.lines import Line, Span, fit, folded, pad, width_of
from tui.render.numbers import money, plural, tokens
from tui.render.spend.words import Names, breakdown, dollars, notes
from tui.text import sanitize

MONEY, TOKENS = 8, 6
"""Cells of the two figures of a row."""
PROGRESS = 20
TITLES: dict[Measure, str] = {
    "day": "by day",
    "model": "by model",
    "project": "by project",
    "agent": "by agent",
    "tool": "by tool",
    "session": "by session, with sub-agents",
}
_CUT: tuple[Measure, ...] = ("model", "project")
"""Names that may be cut where they stay different."""
NOTES = 3
"""Lines of remarks at most."""


class Look(NamedTuple):
    """What a row looks like: its name, its sum, its share of the longest bar (0 to 1), whether it narrows others."""

    name: str
    sum: Sum
    share: float
    chosen: bool


def head(looking: Looking, names: Names, width: int, *, alone: bool) -> list[Line]:
    """What stands above the tables; `alone`: only one of them is in sight, so all are named."""
    lines: list[Line] = [_ranges(looking, width), _total(looking, width)]
    if looking.chips:
        spans: list[Span] = [(" only ", "dim")]
        for measure, place in looking.chips.items():
            spans += [(f"{measure}: {fit(names.of(measure, place), 40)}", "accent"), ("  ", "text")]
        lines.append(spans)
    progress = looking.reading
    if progress is not None:
        lines.append(_progress(progress))
    if looking.problem:
        lines.append([(f" not all can be read: {sanitize.label(looking.problem, 400)}", "bad")])
    shown = [looking.measure] if alone else MEASURES
    said = [folded([(f" {words}", "dim")], width, 3) for words in notes(looking.tables, names, shown)]
    flat = [line for piece in said for line in piece]
    lines += flat if len(flat) <= NOTES else [*flat[: NOTES - 1], _more(flat[NOTES - 1], len(flat) - NOTES, width)]
    if alone:
        lines.append(_tabs(looking.measure))
    return lines


def _more(line: Line, left: int, width: int) -> Line:
    """The last line of remarks for which there is room, with how many are not shown."""
    words = f"  and {plural(left, 'line')} more: opencode-viewer spend"
    text = "".join(text for text, _ in line)
    return [(pad(text, max(0, width - len(words) - 1)), "dim"), (words, "dim")]


def _ranges(looking: Looking, width: int) -> Line:
    spans: list[Span] = [(" Spend  ", "strong")]
    span = looking.span
    for name in RANGES:
        spans += [(f" {name} ", "tab") if name == span.name else (f" {name} ", "dim")]
    if span.name not in RANGES:
        spans.append((f" {span.name} ", "tab"))
    elif not span.is_open:
        days = f"{date(span.first)} to {date(span.last)} " if span.length > 1 else f"{date(span.first)} "
        gap = width - width_of(spans) - len(days)
        spans += [(" " * gap, "text"), (days, "dim")] if gap > 0 else []
    return spans


def _total(looking: Looking, width: int) -> Line:
    total = looking.tables.total
    spans: list[Span] = [(f" {dollars(total)}", "strong"), (f"  {tokens(total.tokens)} tokens", "text")]
    if looking.is_early and not looking.problem:
        spans = [(" reading the sessions…  ", "warn"), *spans]
    sessions = f"{plural(looking.tables.sessions, 'session')} "
    kinds = breakdown(total)
    if kinds and width_of(spans) + len(kinds) + len(sessions) + 5 <= width:
        spans.append((f":  {kinds}", "dim"))
    gap = width - width_of(spans) - len(sessions)
    return [*spans, (" " * max(1, gap), "text"), (sessions, "dim")]


def _progress(progress: Reading) -> Line:
    filled = PROGRESS * progress.done // max(1, progress.total)
    bar: list[Span] = [(" " + "█" * filled, "active"), ("░" * (PROGRESS - filled), "dim")]
    count = f"{progress.done:,} of {plural(progress.total, 'session')}"
    if not progress.needed:
        return [*bar, (f" reading models, agents and tools: {count}", "dim")]
    missing = f", {money(progress.money.cost)} not in the figures yet" if progress.money.cost else ""
    return [*bar, (f" reading {count} that span{'s' if progress.total == 1 else ''} days{missing}", "dim")]


def _tabs(measure: Measure) -> Line:
    spans: list[Span] = [(" ", "text")]
    for name in MEASURES:
        spans.append((f" {name} ", "tab" if name == measure else "dim"))
    return spans


def title(measure: Measure, count: int, width: int, *, focused: bool) -> Line:
    """The line above a table."""
    words = f" {TITLES[measure]} "
    number = f" {count:,} " if measure not in ("day",) and count else " "
    room = width - len(words) - len(number) - 2
    if room < 0:
        return [(fit(words, width), "accent" if focused else "dim")]
    role = "accent" if focused else "dim"
    return [("─", "dim"), (words, role), ("─" * room + number + "─", "dim")]


def looks(looking: Looking, measure: Measure, names: Names) -> list[Look]:
    """The rows of a table."""
    rows = looking.rows[measure]
    by_money = any(amount.cost > 0 for _, amount in rows)
    most = max((amount.cost if by_money else amount.tokens for _, amount in rows), default=0)
    chosen = looking.chips.get(measure)
    return [
        Look(
            names.of(measure, place),
            amount,
            max(0.0, (amount.cost if by_money else amount.tokens) / most) if most > 0 else 0.0,
            place == chosen,
        )
        for place, amount in rows
    ]


def row(look: Look, measure: Measure, width: int) -> Line:
    """One row: name, bar, money, tokens. What has least to say goes first where there is no room."""
    figures = MONEY + 1 + TOKENS + 1
    room = width - figures - 2
    bar = max(3, room - 12) if measure == "day" else max(4, min(24, room // 4))
    name = max(1, room - bar - 1)
    filled = look.share * bar
    blocks = "█" * int(filled) + ("▌" if filled % 1 >= 0.5 or (0 < filled < 0.5) else "")
    empty = not look.sum
    cost = "" if empty else dollars(look.sum)
    mark = "›" if look.chosen else " "
    return [
        (mark, "accent"),
        (pad(look.name, name), "accent" if look.chosen else "dim" if empty else "text"),
        (" ", "text"),
        (pad(blocks, bar), "active"),
        (pad(cost, MONEY, right=True), "dim" if cost in ("no price", "$0.00") else "text"),
        (pad("" if empty else tokens(look.sum.tokens), TOKENS + 1, right=True), "dim"),
        (" ", "text"),
    ]


def names_of(looking: Looking) -> Names:
    """The names of the rows in sight."""
    models, projects = ([place for place, _ in looking.rows[measure]] for measure in _CUT)
    return Names(looking.store, models, projects)
