"""Values as JSON that is safe to look at in a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

ENCODER = msgspec.json.Encoder()
PAGE = 1000
"""Events that are made into text at once, about 0.5 MB."""
GROUP = 20
"""Events of which one with a character beyond ASCII has the others looked at line by line."""
UNSAFE_IN_JSON = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def json_line(value: Any) -> bytes:
    """A value as one line of JSON that no terminal takes for a command."""
    return json_text(value) + b"\n"


def json_text(value: Any) -> bytes:
    """The same without the end of the line."""
    return _harmless(ENCODER.encode(value))


def json_lines(values: Sequence[Any]) -> Iterator[bytes]:
    """One such line for each value, in pieces of PAGE values: a session may be hundreds of MB of events."""
    for start in range(0, len(values), PAGE):
        page = values[start : start + PAGE]
        groups = [ENCODER.encode_lines(page[at : at + GROUP]) for at in range(0, len(page), GROUP)]
        yield b"".join(map(_harmless, groups))


def _harmless(lines: bytes) -> bytes:
    """C1, DEL, bidi and invisible characters as \\u escapes, which any JSON reader turns back into the same."""
    if lines.isascii() and b"\x7f" not in lines:
        return lines
    # Only in the lines that may need it: the search takes 10 ns a byte, seven times as long as making the JSON.
    return b"".join(
        line if line.isascii() and b"\x7f" not in line else UNSAFE_IN_JSON.sub(_escape, line.decode()).encode()
        for line in lines.splitlines(keepends=True)
    )


def _escape(match: re.Match[str]) -> str:
    raw = match[0].encode("utf-16-be")
    return "".join(f"\\u{raw[i]:02x}{raw[i + 1]:02x}" for i in range(0, len(raw), 2))
