"""`grep`: every text of every session that holds a pattern."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from adapter.contract import HIT_KINDS, Hit, SearchPage, Source
from adapter.opencode.limits import ModelLimits
from adapter.pattern import BadPattern, parse
from adapter.references import of_hit
from tui.commands.choosing import Filter
from tui.commands.remarks import complain, remark
from tui.commands.sources import alone, enter_sources, home, remark_on_copies
from tui.exit_codes import NOT_FOUND, OK, UNUSABLE
from tui.model.records import Session
from tui.model.store.store import Store
from tui.model.sums.rollup import subtree
from tui.model.tree.sorting import project
from tui.text import moments, sanitize
from tui.text.safe_json import json_line

SAID_S = 2.0
"""How often it is said how far the search is, where nothing has been found meanwhile."""
CONTEXT = 160
"""Characters of a line of context, of which those before the hit are BEFORE at most."""
BEFORE = 50


async def grep(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """Prints what holds the pattern, session by session, the newest first, as it is found. 0 when something does, 1
    when nothing does, 2 when not everything could be looked through."""
    now_us = int(time.time() * 1e6)
    wanted = Filter(arguments.filter, now_us)
    try:
        parse(arguments.pattern)
        kinds = _kinds(arguments.kinds)
    except BadPattern as error:
        return complain(str(error))
    if wanted.problem:
        return complain(wanted.problem)
    store = Store(ModelLimits(os.environ, home()))
    search = _Search(arguments.pattern, kinds, store, arguments.json)
    async with AsyncExitStack() as stack:
        sources = await enter_sources(stack, arguments, paths)
        if wanted.terms:
            found, read = await wanted.find(store, sources)
            wrong = next((term.problem for term in found.terms if term.problem), "")
            if wrong:
                return complain(wrong)
            chosen = set(found.cards)
        else:
            read = [await alone(_catalogue(store, source)) for source in sources]
            chosen = set(store.sessions)
        if not any(read):
            return UNUSABLE
        for source in sources:
            only = {session_id for name, session_id in chosen if name == source.source}
            if only:
                read.append(await alone(search.run(source, only)))
    if not arguments.json:
        remark_on_copies(store)
    if search.lost or not all(read):
        return UNUSABLE
    return OK if search.found else NOT_FOUND


def _kinds(words: str) -> frozenset[str]:
    """The kinds of texts of `--in`. Raises BadPattern for what is none."""
    kinds = frozenset(filter(None, words.replace(" ", "").split(",")))
    for kind in sorted(kinds - set(HIT_KINDS)):
        raise BadPattern(f"--in {kind}: no such texts; there are {', '.join(HIT_KINDS)}")
    return kinds


async def _catalogue(store: Store, source: Source) -> None:
    store.apply(await source.catalogue())


class _Search:
    """Prints the hits of one source after the other; `found` and `lost` count."""

    def __init__(self, pattern: str, kinds: frozenset[str], store: Store, as_json: bool) -> None:
        self.found = 0
        self.lost = 0
        self._pattern = pattern
        self._kinds = kinds
        self._store = store
        self._json = as_json
        self._due = time.monotonic() + SAID_S
        self._looked = 0

    async def run(self, source: Source, only: set[str]) -> None:
        """Looks through sessions of a source. Raises SourceUnavailable."""
        self._looked = 0
        async for page in source.search(self._pattern, only, self._kinds):
            self._tell(source.source, page)

    def _tell(self, source: str, page: SearchPage) -> None:
        for words in page.lost:
            self.lost += 1
            remark(f"not looked through: {words}")
        self._looked += len(page.sessions)
        for session_id, hits in groupby(page.hits, key=attrgetter("session_id")):
            session = self._store.sessions.get((source, session_id))
            if session is None:
                continue
            if not self._json:
                if self.found:
                    print()
                print(_heading(self._store, session))
            for hit in hits:
                self.found += 1
                if self._json:
                    sys.stdout.buffer.write(json_line(_object(session, hit)))
                else:
                    print(_line(hit))
        if page.hits:
            sys.stdout.flush()
            self._due = time.monotonic() + SAID_S
        elif time.monotonic() > self._due and self._looked < page.total:
            self._due = time.monotonic() + SAID_S
            remark(f"{self._looked:,} of {page.total:,} sessions looked through")


def _heading(store: Store, session: Session) -> str:
    when = moments.date_and_minute(subtree(store, session).last_ts)
    columns = (when, sanitize.label(session.id), session.host, session.agent, project(session.cwd), session.name)
    return "  ".join(filter(None, columns))


def _line(hit: Hit) -> str:
    """A hit in its context, on one line."""
    before = hit.before[-BEFORE:]
    words = "".join(_words(hit, before))
    more = f"  (+{hit.count - 1:,})" if hit.count > 1 else ""
    return f"  {moments.date_and_minute(hit.ts)}  {hit.kind:9}  {words}{more}"


def _words(hit: Hit, before: str) -> Iterator[str]:
    yield "…" if len(before) < hit.at else ""
    yield sanitize.label(before + hit.match + hit.behind, CONTEXT)


def _object(session: Session, hit: Hit) -> dict[str, Any]:
    """A hit with all there is to say of it; texts verbatim, times in µs UTC, `uri` for `show`."""
    own = {"source": session.source, "title": session.title, "parent_id": session.parent_id}
    return {**own, **msgspec.structs.asdict(hit), "uri": of_hit(hit)}
