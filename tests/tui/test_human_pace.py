"""Keys as a person presses them, on a real database in a real pseudo-terminal: what counts as fast and what as a rest
for the program depends on the time between two keys, and keys that a test presses all at once never rest."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.adapter.corpus import build
from tests.tui.test_terminal import Terminal

PACES_S = (0.0, 0.1, 1.0)
"""Seconds between two keys: a held-down key or a paste, a fast typist, somebody who reads."""
PATIENCE_S = 15
"""Seconds within which a text has to be there, on a busy machine."""

DOWN_TO_THE_FIRST_EDIT = "j" * 7
"""From the session: prompt, step 1, write, step 2, read, step 3, edit."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions as opencode wrote them: one edits files, the other keeps a list of things to do."""
    directory = tmp_path_factory.mktemp("two")
    path, other = build("1.18.33/files", directory / "opencode.db"), build("1.18.33/todo", directory / "other")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ATTACH ? AS other", (str(other),))
        for table in ("session", "message", "part", "todo"):
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM other.{table}")
        connection.commit()
    return path


class Person:
    """Presses keys with a pause after each, and reads what the detail shows."""

    def __init__(self, database: Path, pace_s: float) -> None:
        self.terminal = Terminal("--db", str(database))
        self.pace_s = pace_s

    def presses(self, keys: str) -> None:
        """One key after the other. The pause is what is tested, so this waits for nothing else; what the program draws
        meanwhile is taken in, as a terminal does."""
        for key in keys:
            self.terminal.child.send(key)
            end = time.monotonic() + self.pace_s
            while (left := end - time.monotonic()) > 0:
                self.terminal.read(left)

    def types(self, keys: str) -> None:
        """All keys at once: the way to where the test begins."""
        self.terminal.child.send(keys)

    def reads(self, pattern: str) -> None:
        """The detail shows this soon, and no text that is still to come."""
        end = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.detail) or "loading" in self.detail:
            assert time.monotonic() < end, f"never read: {pattern}\n{self.terminal.text}"
            assert self.terminal.read(), f"ended before it showed {pattern}\n{self.terminal.text}"

    @property
    def detail(self) -> str:
        """What stands right of the line between the panes."""
        return "\n".join(line.partition("▏")[2] for line in self.terminal.screen.display)


@pytest.fixture(params=PACES_S, ids=lambda pace_s: f"{pace_s:g} s")
def person(request: pytest.FixtureRequest, database: Path) -> Iterator[Person]:
    person = Person(database, request.param)
    yield person
    person.terminal.child.close(force=True)


def test_a_tab_picked_during_the_start_has_its_text_and_so_has_the_next_row(person: Person) -> None:
    person.presses("3")
    person.reads("The files are changed")
    person.presses("j")
    person.reads("The plan is made")


def test_every_tab_has_the_text_of_the_row_that_the_cursor_moves_to_in_what_a_filter_found(person: Person) -> None:
    person.terminal.until("Lab todo")
    person.types("/lab\r")
    person.terminal.until("Sessions 2 of 2 lab")
    person.presses("zz4")
    person.reads(r"\+TWO(?s:.*)\+hello lab")
    person.types(DOWN_TO_THE_FIRST_EDIT)
    person.presses("2")
    person.reads(r"new\.txt(?s:.*)TWO")
    person.presses("j")
    person.reads(r"hello\.txt(?s:.*)hello lab")
    person.presses("4")
    person.reads(r"\+hello lab")
    person.presses("k")
    person.reads(r"\+TWO")
    person.presses("6")
    person.reads(r'"newString": "TWO"')
    person.presses("j")
    person.reads(r'"newString": "hello lab"')
    person.presses("1")
    person.reads(r"edit  hello\.txt")
    person.presses("k")
    person.reads(r"edit  new\.txt")
    person.presses("3")
    person.reads("Edit applied successfully")
    person.presses("k")
    person.reads("I edit two files")
    person.presses("Z5j")
    person.reads(r"1 of 3 done, 1 cancelled(?s:.*)second thing")
