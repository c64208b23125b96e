"""The recorded run: its file format, and how recorded moments become times of today.

The file is gzipped JSON: the schema that opencode made, the columns and primary key of each table, and the steps.
A step is what one look at the database found changed: whole rows that were put, keys of rows that went. Rows are
verbatim except for moments in time (milliseconds), which are stored relative to the start of the recording: an
integer column as `{"ms": OFFSET}`, inside text as `\\x1eOFFSET\\x1e`, and `\\x1eOFFSETZ\\x1e` where it was written
as an ISO date.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, NamedTuple

FILE = "recording.json.gz"
MARK = "\x1e"
MARKED = re.compile(f"{MARK}(-?[0-9]+)(Z?){MARK}")

Value = str | int | float | None
Moment = dict[str, int]


class Table(NamedTuple):
    """The columns of a table in their order, and those of its primary key."""

    columns: list[str]
    key: list[str]


class Change(NamedTuple):
    """A row that was put (`values` are all columns) or that went (`values` are its key)."""

    table: str
    put: bool
    values: list[Value | Moment]


class Step(NamedTuple):
    """Everything that one look found changed, `at` milliseconds after the start."""

    at: int
    changes: list[Change]


class Recording(NamedTuple):
    """A whole run. The first step, at 0, is what stood in the database before."""

    opencode: str
    schema: list[str]
    tables: dict[str, Table]
    steps: list[Step]

    @property
    def duration(self) -> int:
        """Milliseconds from the start to the last change."""
        return self.steps[-1].at


def load() -> Recording:
    """The recording that ships inside this package."""
    return decode(files("tui.demo").joinpath(FILE).read_bytes())


def decode(data: bytes) -> Recording:
    """The recording in a file's bytes. Raises ValueError when they hold none."""
    try:
        raw = json.loads(gzip.decompress(data))
        return Recording(
            opencode=raw["opencode"],
            schema=raw["schema"],
            tables={name: Table(*table) for name, table in raw["tables"].items()},
            steps=[Step(at, [Change(*change) for change in changes]) for at, changes in raw["steps"]],
        )
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"not a recording: {error!r}") from error


def encode(recording: Recording) -> bytes:
    """The bytes of a file that `decode` reads; the same recording gives the same bytes."""
    text = json.dumps(recording._asdict(), ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode(), 9, mtime=0)


def retime(value: Value | Moment, wall: Callable[[int], int]) -> Value:
    """A recorded value with its moments replaced; `wall` maps an offset to Unix milliseconds."""
    if isinstance(value, dict):
        return wall(value["ms"])
    if isinstance(value, str) and MARK in value:
        return MARKED.sub(lambda found: _written(wall(int(found[1])), bool(found[2])), value)
    return value


def _written(ms: int, iso: bool) -> str:
    if not iso:
        return str(ms)
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(ms: int, start: int) -> Moment:
    """A recorded integer column."""
    return {"ms": ms - start}


def marked(ms: int, start: int, iso: bool = False) -> str:
    """A recorded moment inside text."""
    return f"{MARK}{ms - start}{'Z' if iso else ''}{MARK}"


def row_key(table: Table, values: list[Any]) -> tuple[Any, ...]:
    """The primary key in a whole row."""
    return tuple(values[table.columns.index(column)] for column in table.key)
