"""Watches a live database read-only and notes every row that is put or goes, with its moment."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from tui.demo.recording import MARK, Change, Moment, Recording, Step, Table, Value, marked, moment, row_key

POLL_S = 0.003
EARLIEST_MS = 86_400_000  # a day before the start; anything older is a number, not a moment of this run
LATEST_MS = 3_600_000
NUMBER = re.compile(r"(?<![\w.])\d{13}(?![\w.])")
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Rows = dict[tuple[Any, ...], list[Any]]


class Watcher(threading.Thread):
    """Polls `PRAGMA data_version`; each time it moves all tables are compared with what they held before."""

    def __init__(self, path: Path, replacements: Iterable[tuple[str, str]]) -> None:
        super().__init__(daemon=True)
        self.start_ms = round(time.time() * 1000)
        self.steps: list[Step] = []
        self._replacements = list(replacements)
        self._stopping = threading.Event()
        self._failure: Exception | None = None
        self._seen: dict[str, Rows] = {}
        self._connection = sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        self.schema, self.tables = layout(self._connection)
        self._look(0)

    def run(self) -> None:
        try:
            self._watch()
        except Exception as error:  # a thread's exception would be lost; `finish` raises it
            self._failure = error

    def _watch(self) -> None:
        version = None
        while not self._stopping.wait(POLL_S):
            (found,) = self._connection.execute("PRAGMA data_version").fetchone()
            if found != version:
                version = found
                self._look(self._elapsed())

    def _elapsed(self) -> int:
        return round(time.time() * 1000) - self.start_ms

    def finish(self, opencode: str) -> Recording:
        """Stop watching; the recording. Raises what went wrong while watching."""
        self._stopping.set()
        self.join()
        try:
            if self._failure:
                raise self._failure
            self._look(self._elapsed())  # what was committed since the last poll
        finally:
            self._connection.close()
        return Recording(opencode, self.schema, self.tables, self.steps)

    def _look(self, at: int) -> None:
        self._connection.execute("BEGIN")
        found = {name: self._read(name, table) for name, table in self.tables.items()}
        self._connection.execute("COMMIT")
        changes = []
        for name, rows in found.items():
            before = self._seen.get(name, {})
            gone = [key for key in before if key not in rows]
            changes += [Change(name, False, [self._recorded(value) for value in key]) for key in gone]
            put = [values for key, values in rows.items() if before.get(key) != values]
            changes += [Change(name, True, [self._recorded(value) for value in values]) for values in put]
        self._seen = found
        if changes or not self.steps:
            self.steps.append(Step(at, changes))

    def _read(self, name: str, table: Table) -> Rows:
        rows = self._connection.execute(f'SELECT * FROM "{name}" ORDER BY rowid')
        return {row_key(table, list(values)): list(values) for values in rows}

    def _recorded(self, value: Any) -> Value | Moment:
        """A value without this machine's paths and dates."""
        if isinstance(value, int) and self._is_moment(value):
            return moment(value, self.start_ms)
        if value is None or isinstance(value, int | float):
            return value
        if not isinstance(value, str):
            raise TypeError(f"the recording has no form for {type(value).__name__}")
        if MARK in value:
            raise ValueError(f"the mark of the recording stands in {value[:80]!r}")
        for real, neutral in self._replacements:
            value = value.replace(real, neutral)
        value = NUMBER.sub(lambda found: self._mark(int(found[0]), found[0], iso=False), value)
        return ISO.sub(lambda found: self._mark(iso_ms(found[0]), found[0], iso=True), value)

    def _mark(self, ms: int, text: str, iso: bool) -> str:
        return marked(ms, self.start_ms, iso) if self._is_moment(ms) else text

    def _is_moment(self, ms: int) -> bool:
        return self.start_ms - EARLIEST_MS < ms < self.start_ms + LATEST_MS


def iso_ms(text: str) -> int:
    """Unix milliseconds of an ISO date."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def layout(connection: sqlite3.Connection) -> tuple[list[str], dict[str, Table]]:
    """The statements that make the schema, and each table's columns and primary key."""
    made = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
    ).fetchall()
    tables = {}
    for kind, name, _ in made:
        if kind == "table":
            info = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
            key = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
            if not key:
                raise ValueError(f"table {name} has no primary key to tell its rows by")
            tables[name] = Table([row[1] for row in info], key)
    return [sql for _, _, sql in made], tables
