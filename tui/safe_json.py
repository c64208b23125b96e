"""Values as JSON that is safe to look at in a terminal."""

from __future__ import annotations

import re
from typing import Any

import msgspec

UNSAFE_IN_JSON = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def json_line(value: Any) -> bytes:
    """A value as one line of JSON that no terminal takes for a command: C1, DEL, bidi and invisible characters are
    written as \\u escapes, which any JSON reader turns back into the same characters."""
    line = msgspec.json.encode(value)
    if not line.isascii() or b"\x7f" in line:
        line = UNSAFE_IN_JSON.sub(_escape, line.decode()).encode()
    return line + b"\n"


def _escape(match: re.Match[str]) -> str:
    raw = match[0].encode("utf-16-be")
    return "".join(f"\\u{raw[i]:02x}{raw[i + 1]:02x}" for i in range(0, len(raw), 2))
