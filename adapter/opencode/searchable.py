"""What a search looks through: the texts of a row, each with what it is. Pure: rows come in decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from adapter.opencode.json import decode, text_of
from adapter.opencode.tools import CallMetadata

FILE_KEYS = frozenset({"filePath", "file_path", "path", "file", "filename", "relativePath", "files", "paths"})
"""Arguments of tools that name files."""


class Searchable(NamedTuple):
    """One text of a row: its kind (`contract.HIT_KINDS`) and the field that holds it. `node` is the piece of the row
    that it belongs to, "" for the row itself."""

    kind: str
    field: str
    text: str
    node: str = ""


def arguments_text(raw: msgspec.Raw | str | bytes) -> str:
    """The values of a call's arguments, each on a line of its own: strings as they are, whole numbers in digits."""
    return "\n".join(_leaves(decode(raw)))


def _leaves(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            stack.extend(reversed(one.values()))
        elif isinstance(one, list):
            stack.extend(reversed(one))
        elif isinstance(one, int) and not isinstance(one, bool):
            yield str(one)


def files_of_call(raw: msgspec.Raw, metadata: CallMetadata) -> str:
    """The names of the files that a call is about, each on a line of its own: those of its arguments, and those that
    it changed."""
    names: dict[str, None] = {}
    arguments = decode(raw)
    if isinstance(arguments, dict):
        for key, value in arguments.items():
            if key in FILE_KEYS:
                names |= dict.fromkeys(_leaves(value))
    names |= dict.fromkeys(name for change in metadata.changes if (name := change.name))
    return "\n".join(names)


def lines(names: Iterable[Any]) -> str:
    """Names that are texts, each on a line of its own."""
    return "\n".join(name for name in names if isinstance(name, str))


def held(raw: msgspec.Raw) -> str:
    """The text of a JSON value, "" for none; of anything but a text its JSON."""
    if not raw:
        return ""
    data = bytes(raw)
    return text_of(raw) if data[:1] == b'"' else "" if data == b"null" else data.decode("utf-8", "replace")
