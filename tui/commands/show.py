"""`show`: one payload, byte for byte."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from adapter.contract import PayloadError, SourceUnavailable
from tui.commands.remarks import complain
from tui.commands.sources import source_of
from tui.exit_codes import OK
from tui.text import sanitize


async def show(arguments: argparse.Namespace, paths: list[Path]) -> int:
    """One payload, whole."""
    reason = ""
    for path in paths:
        async with source_of(path, arguments) as source:
            try:
                found = await source.payload(arguments.uri, limit=sys.maxsize)
            except (PayloadError, SourceUnavailable) as error:
                reason = str(error)
                continue
        if arguments.clean:
            print(sanitize.outside(found.text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")))
        else:
            sys.stdout.buffer.write(found.text.encode("utf-8", "surrogateescape"))
        return OK
    return complain(reason)
