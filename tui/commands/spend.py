"""`spend`: what sessions cost, by day, model, project, agent, tool or session."""

from __future__ import annotations

import argparse
import csv
import io
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.contract import Source
from tui.commands.remarks import complain, remark
from tui.commands.sources import alone, enter_sources, status_of
from tui.exit_codes import UNUSABLE
from tui.model.records import SessionKey
from tui.model.spend.book import BESIDE, Sum
from tui.model.spend.days import Days, Range, between, date
from tui.model.spend.ledger import Ledger, Measure, Place, Tables
from tui.model.store.store import Store
from tui.render.numbers import plural, tokens
from tui.render.spend.words import SHARED, Names, breakdown, dollars, notes
from tui.text import sanitize
from tui.text.safe_json import json_line
from tui.text.sanitize import cells, padded

if TYPE_CHECKING:
    from tui.commands.choosing import Filter

PAGE = 100
"""Sessions that are read by one call."""
SAID_S = 2.0
"""How often it is said how many sessions have been read."""
BAR = 24
"""Cells of the longest bar."""
NAME = 48
"""Most characters of a name in a table."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


async def spend(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """What sessions cost. The rows of the sessions say it where they suffice; of the others the steps are read."""
    now_us = int(time.time() * 1e6)
    days = Days()
    span = between(arguments.since or "", arguments.until or "", days.of(now_us))
    if isinstance(span, str):
        return complain(span)
    wanted_filter: Filter | None = None
    if arguments.filter:
        from tui.commands.choosing import Filter  # a tenth of what is loaded

        wanted_filter = Filter(arguments.filter, now_us)
        if wanted_filter.problem:
            return complain(wanted_filter.problem)
    measure: Measure = arguments.by
    store = Store()
    ledger = Ledger(store, days)
    async with AsyncExitStack() as stack:
        sources = await enter_sources(stack, arguments, paths)
        store.copies.prefer(source.source for source in sources)
        read = [await alone(_rows(store, ledger, source, wanted_filter is not None)) for source in sources]
        if not any(read):
            return UNUSABLE
        within: set[SessionKey] | None = None
        if wanted_filter is not None:
            within = await _found(store, sources, wanted_filter)
        by_name = {source.source: source for source, good in zip(sources, read, strict=True) if good}
        left = ledger.left(span, within)
        wanted = left.needed + (left.others if measure in ("model", "agent", "tool") else [])
        stayed = await _read(ledger, by_name, wanted, calls=measure == "tool")
    tables = ledger.tables(span, {}, within)
    names = Names(store, tables.rows["model"], tables.rows["project"])
    rows = _in_order(measure, tables)
    said = notes(tables, names, ())
    if stayed:
        said.append(f"{plural(stayed, 'session')} could not be read, and what they cost is not in these figures")
    if arguments.json:
        found_rows = [_object(measure, place, amount, names) for place, amount in rows]
        document = _document(measure, span, tables, found_rows, said, [source.source for source in sources])
        sys.stdout.buffer.write(json_line(document))
    elif arguments.csv:
        sys.stdout.write(_csv(measure, rows, names))
    else:
        for line in _text(measure, span, tables, rows, names):
            print(line)
    if not arguments.json:
        for words in said:
            remark(words)
    return max(status_of(read, sources), int(stayed > 0))


async def _rows(store: Store, ledger: Ledger, source: Source, states: bool) -> None:
    """The sessions of a source by their rows, and how each one stands where a filter may ask for it."""
    if states:
        async for batch in source.glance():
            store.apply(batch.events)
    else:
        store.apply(await source.catalogue())
    ledger.span(source.source, await source.spans())


async def _found(store: Store, sources: Sequence[Source], wanted: Filter) -> set[SessionKey]:
    """The sessions that a filter finds, with everything below them."""
    found = await wanted.among(store, sources)
    if found.blame:
        remark(found.blame)
    keys, waiting = set[SessionKey](), list(found.cards)
    while waiting:
        key = waiting.pop()
        if key not in keys:
            keys.add(key)
            waiting += [child.key for child in store.children_of(store.sessions[key])]
    return keys


async def _read(ledger: Ledger, sources: dict[str, Source], wanted: Sequence[SessionKey], *, calls: bool) -> int:
    """Reads the steps of sessions, and says every now and then how far it is; how many could not be read."""
    due = time.monotonic() + SAID_S
    done = stayed = 0
    for name in dict.fromkeys(name for name, _ in wanted):
        ids = [session_id for source, session_id in wanted if source == name]
        for start in range(0, len(ids), PAGE):
            page = ids[start : start + PAGE]
            if time.monotonic() > due:
                due += SAID_S
                remark(f"{done:,} of {len(wanted):,} sessions read")

            async def one(page: list[str] = page, name: str = name) -> None:
                ledger.take(name, page, await sources[name].spending(page, calls=calls))

            if name not in sources or not await alone(one()):
                stayed += len(page)
            done += len(page)
    return stayed


def _in_order(measure: Measure, tables: Tables) -> list[tuple[Place, Sum]]:
    """The rows of a table: days from the first on, all others by what they cost."""
    rows = tables.rows[measure].items()
    if measure == "day":
        return sorted(rows, key=lambda row: int(str(row[0])))
    return sorted(rows, key=lambda row: (-row[1].cost, -row[1].tokens, str(row[0])))


def _name(measure: Measure, place: Place, names: Names) -> str:
    return date(place) if isinstance(place, int) else names.of(measure, place)


def _text(
    measure: Measure, span: Range, tables: Tables, rows: Sequence[tuple[Place, Sum]], names: Names
) -> Iterator[str]:
    """A line a row with a bar, and one for all."""
    table = [(_name(measure, place, names), amount) for place, amount in rows]
    named = [(name if len(name) <= NAME else name[: NAME - 1] + "…", amount) for name, amount in table]
    by_money = tables.total.cost > 0
    most = max((amount.cost if by_money else amount.tokens for _, amount in named), default=0)
    ids = [str(place[1]) if isinstance(place, tuple) else "" for place, _ in rows]
    total = f"total  {span.name}, {plural(tables.sessions, 'session')}"
    width = max(cells(name) for name in (total, *(name for name, _ in named)))
    for (name, amount), session_id in zip(named, ids, strict=True):
        share = (amount.cost if by_money else amount.tokens) / most if most else 0
        bar = "#" * max(round(share * BAR), int(share > 0))
        line = f"{padded(name, width)}  {dollars(amount):>9}  {tokens(amount.tokens):>6}  {bar:<{BAR}}"
        yield f"{line}  {sanitize.label(session_id)}".rstrip()
    line = f"{padded(total, width)}  {dollars(tables.total):>9}  {tokens(tables.total.tokens):>6}"
    yield f"{line}  {breakdown(tables.total)}".rstrip()
    if measure == "tool" and rows:
        yield f"({SHARED})"


def _figures(amount: Sum) -> dict[str, Any]:
    return {
        "cost": round(amount.cost, 9),
        "input": amount.input,
        "output": amount.output,
        "reasoning": amount.reasoning,
        "cache_read": amount.cache_read,
        "cache_write": amount.cache_write,
        "unpriced": amount.unpriced,
    }


def _object(measure: Measure, place: Place, amount: Sum, names: Names) -> dict[str, Any]:
    """One row; what names it verbatim, but for the marks of what has no name."""
    named: dict[str, Any] = {"name": _name(measure, place, names)}
    if isinstance(place, tuple):
        named |= {"source": place[0], "session_id": place[1]}
    elif measure == "project":
        named["directory"] = place
    elif measure != "day" and place != BESIDE:
        named[measure] = place
    return {**named, **_figures(amount)}


def _document(
    measure: Measure,
    span: Range,
    tables: Tables,
    rows: list[dict[str, Any]],
    said: Collection[str],
    source_names: list[str],
) -> dict[str, Any]:
    return {
        "sources": source_names,
        "by": measure,
        "since": None if span.first <= 1 else date(span.first),
        "until": None if span.is_open and span.last > 3_000_000 else date(span.last),
        "sessions": tables.sessions,
        "total": _figures(tables.total),
        "rows": rows,
        "left_out": {"forks": _figures(tables.copied), "copies": _figures(tables.elsewhere)},
        "beside": _figures(tables.beside),
        "steps_over_columns": _figures(tables.short),
        "notes": list(said),
    }


def _csv(measure: Measure, rows: Sequence[tuple[Place, Sum]], names: Names) -> str:
    """The rows as RFC 4180 has them. A text that a spreadsheet would take for a formula has an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out)
    heads = [measure, "session_id"] if measure == "session" else [measure]
    writer.writerow([*heads, *_figures(Sum())])
    for place, amount in rows:
        named = [_harmless(_name(measure, place, names))]
        if measure == "session":
            named.append(_harmless(sanitize.label(str(place[1]))) if isinstance(place, tuple) else "")
        writer.writerow([*named, *_figures(amount).values()])
    return out.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
