"""`ls`: the sessions that a filter finds."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from adapter.local import OpencodeSource
from adapter.opencode.limits import ModelLimits
from tui.commands.listing import in_order, listing, listing_text
from tui.commands.remarks import complain, remark
from tui.commands.sources import alone, home, remark_on_copies, source_of, status_of
from tui.exit_codes import UNUSABLE
from tui.model.filter.cards import Index
from tui.model.filter.language import Found, Term, parse, search
from tui.model.records import SessionKey
from tui.model.store.store import Store
from tui.text.safe_json import json_line


async def ls(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """The sessions that a filter finds, as the screen knows them when it starts; what they did is read where the filter
    asks for it."""

    now_us = int(time.time() * 1e6)
    wrong = problem_of(arguments.filter, now_us)
    if wrong:
        return complain(wrong)
    store = Store(ModelLimits(os.environ, home()))
    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(source_of(path, arguments)) for path in paths]
        read = [await alone(_glance(store, source)) for source in sources]
        if not any(read):
            return UNUSABLE
        found = await filtered(store, sources, arguments.filter, now_us)
    if isinstance(found, str):
        return complain(found)
    sessions = in_order(store, found.cards)
    if arguments.json:
        sys.stdout.buffer.write(json_line(listing(store, sessions, now_us, [source.source for source in sources])))
    else:
        for line in listing_text(store, sessions, now_us):
            print(line)
        remark_on_copies(store)
    if found.loosely and found.cards:
        remark(f"no title holds {', '.join(found.loosely)}: found letter by letter")
    if found.blame:
        remark(found.blame)
    return status_of(read, sources)


def problem_of(words: Sequence[str], now_us: int) -> str:
    """What is wrong with a filter, "" where nothing is."""
    return next((term.problem for term in _terms(words, now_us) if term.problem), "")


async def filtered(store: Store, sources: Sequence[OpencodeSource], words: Sequence[str], now_us: int) -> Found | str:
    """What a filter finds in a store, or what is wrong with it; sessions that it cannot tell of are read."""
    terms = _terms(words, now_us)
    index = Index(store)
    index.fill(now_us)
    unread = search(terms, index.cards.values()).unread
    if unread:
        await _read(store, sources, unread)
        # Once for all: a card depends on the sessions below it.
        index = Index(store)
        index.fill(now_us)
    found = search(terms, index.cards.values())
    return next((term.problem for term in found.terms if term.problem), "") or found


def _terms(words: Sequence[str], now_us: int) -> tuple[Term, ...]:
    return parse(" ".join(_quoted(word) for word in words), now_us)


async def _read(store: Store, sources: Sequence[OpencodeSource], wanted: Iterable[SessionKey]) -> None:
    """Reads sessions whole, and says every now and then how far it is."""
    sessions = list(wanted)
    by_name = {source.source: source for source in sources}
    due = time.monotonic() + SAID_S
    for count, (name, session_id) in enumerate(sessions):
        if time.monotonic() > due:
            due += SAID_S
            remark(f"{count:,} of {len(sessions):,} sessions read")
        store.apply(await by_name[name].load(session_id))
        store.mark_loaded(name, session_id)


SAID_S = 2.0
"""How often it is said how many sessions have been read."""


async def _glance(store: Store, source: OpencodeSource) -> None:
    async for batch in source.glance():
        store.apply(batch.events)


def _quoted(word: str) -> str:
    """A word of the command line as the filter's language has it: what the shell kept together stays together."""
    if " " not in word or '"' in word:
        return word
    field, colon, value = word.partition(":")
    return f'{field}:"{value}"' if colon and " " not in field else f'"{word}"'
