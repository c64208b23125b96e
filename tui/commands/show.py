"""`show`: one payload, byte for byte."""

from __future__ import annotations

import argparse
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from adapter.contract import PayloadError, SourceUnavailable
from tui.commands.remarks import complain
from tui.commands.sources import enter_sources
from tui.exit_codes import OK
from tui.text import sanitize


async def show(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """One payload, whole."""
    reason = ""
    async with AsyncExitStack() as stack:
        for source in await enter_sources(stack, arguments, paths):
            try:
                found = await source.payload(arguments.uri, limit=sys.maxsize)
                break
            except (PayloadError, SourceUnavailable) as error:
                reason = str(error)
        else:
            return complain(reason)
    if arguments.clean:
        print(sanitize.outside(found.text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")))
    else:
        sys.stdout.buffer.write(found.text.encode("utf-8", "surrogateescape"))
    return OK
