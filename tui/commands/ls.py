"""`ls`: the sessions that a filter finds."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from adapter.opencode.limits import ModelLimits
from tui.commands.choosing import Filter
from tui.commands.listing import in_order, listing, listing_text
from tui.commands.remarks import complain, remark
from tui.commands.sources import enter_sources, home, remark_on_copies, status_of
from tui.exit_codes import UNUSABLE
from tui.model.store.store import Store
from tui.text.safe_json import json_line


async def ls(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """The sessions that a filter finds."""

    now_us = int(time.time() * 1e6)
    wanted = Filter(arguments.filter, now_us)
    if wanted.problem:
        return complain(wanted.problem)
    store = Store(ModelLimits(os.environ, home()))
    async with AsyncExitStack() as stack:
        sources = await enter_sources(stack, arguments, paths)
        found, read = await wanted.find(store, sources)
        if not any(read):
            return UNUSABLE
    wrong = next((term.problem for term in found.terms if term.problem), "")
    if wrong:
        return complain(wrong)
    sessions = in_order(store, found.cards if wanted.terms else store.sessions)
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
