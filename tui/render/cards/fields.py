"""The arguments of a call for reading: JSON taken apart into fields. Plain Python, so that commands without a screen
can use it."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def fields(text: str) -> str | None:
    """The arguments of a call for reading: one field a paragraph, strings as they are and not in JSON's escapes.

    None when the text is no JSON object.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    return "\n".join(_field(str(name), inner) for name, inner in value.items())


def _field(name: str, value: Any) -> str:
    if name in ("oldString", "newString") and isinstance(value, str):
        sign = "- " if name == "oldString" else "+ "
        return f"{name}\n" + "\n".join(sign + part for part in _lines(value))
    if isinstance(value, str):
        if "\n" not in value:
            return f"{name}  {value}"
        return f"{name}\n" + "\n".join("  " + part for part in _lines(value))
    shown = json.dumps(value, indent=2, ensure_ascii=False)
    return f"{name}  {shown}" if "\n" not in shown else f"{name}\n{shown}"


def _lines(value: str) -> list[str]:
    """The lines of a value: what a file has between two feeds, whatever it is."""
    return value.removesuffix("\n").split("\n") if value else []


def todos(text: str) -> list[dict[str, Any]] | None:
    """The items of `{"todos": [...]}` as todowrite is given them (tool/todo.ts); None when the text is something
    else."""
    try:
        items = msgspec.json.decode(text)["todos"]
    except (msgspec.MsgspecError, UnicodeError, RecursionError, LookupError, TypeError):
        return None
    return items if isinstance(items, list) and all(isinstance(item, dict) for item in items) else None
