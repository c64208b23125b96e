"""Every state in which the files of a database can lie there, made by real processes, some of which are killed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from tests.adapter.footprint import Footprint, footprint
from tests.adapter.hand import Bystander, Hand, reader
from tests.adapter.opencode_writer import OpencodeWriter
from tests.adapter.writer import now_ms

NAME = "opencode.db"
FIRST, SECOND = "Alpha", "Beta"
COMMITTED = "Alpha, committed"
NEVER = "Alpha, undone"
LATER = "Alpha, later"
TEXTS = 60
"""Parts of 1 kB: enough for a transaction that outgrows a small cache."""


class Base(NamedTuple):
    """A database with two sessions, closed cleanly."""

    path: Path
    first: str
    second: str

    def titles(self, first: str) -> dict[str, str]:
        """What is right where the first session has this title."""
        return {self.first: first, self.second: SECOND}


def build_base(directory: Path) -> Base:
    """Makes it in a directory of its own."""
    directory.mkdir()
    yesterday = now_ms() - 86_400_000
    with OpencodeWriter(directory / NAME, ms=yesterday) as opencode:
        first, second = opencode.session(FIRST), opencode.session(SECOND)
        for session in (first, second):
            prompt = opencode.user(session)
            answer = opencode.assistant(session, prompt, completed=yesterday, finish="stop")
            with_texts = [{"type": "text", "text": "x" * 1000, "time": {"start": 1, "end": 2}}] * (TEXTS // 2)
            opencode.commit(
                *[
                    statement
                    for number, part in enumerate(with_texts)
                    for statement in opencode.part_statements(answer, part, f"prt_{session}_{number:04}")
                ]
            )
    return Base(directory / NAME, first, second)


def rename(hand: Hand, base: Base, title: str) -> None:
    """A commit that everybody has to see."""
    hand.commit(("UPDATE session SET title = ? WHERE id = ?", (title, base.first)))


def side(path: Path, suffix: str) -> Path:
    """A file beside the database."""
    return path.with_name(path.name + suffix)


def header(path: Path, version: int) -> None:
    """Says in the file's header that it is for a rollback journal (1) or a WAL (2)."""
    with path.open("r+b") as file:
        file.seek(18)
        file.write(bytes([version, version]))


# -- what a writer that is no longer there has left


def closed(_path: Path, _base: Base) -> None:
    """Nothing beside it; made for a WAL."""


def rollback(path: Path, _base: Base) -> None:
    """Nothing beside it; made for a rollback journal."""
    Hand(path, "DELETE").close()


def empty_wal(path: Path, base: Base) -> None:
    """A -wal of 0 bytes and a -shm."""
    hand = Hand(path)
    rename(hand, base, COMMITTED)
    hand.run("PRAGMA wal_checkpoint(TRUNCATE)")
    hand.kill()
    assert side(path, "-wal").stat().st_size == 0
    assert side(path, "-shm").exists()


def filled_wal(path: Path, base: Base) -> None:
    """A -wal with the last commit in it, and a -shm."""
    hand = Hand(path)
    rename(hand, base, COMMITTED)
    hand.kill()
    assert side(path, "-wal").stat().st_size > 0


def wal_alone(path: Path, base: Base) -> None:
    """A -wal with the last commit in it, as a copy of only these two files has it."""
    filled_wal(path, base)
    side(path, "-shm").unlink()


def shm_alone(path: Path, base: Base) -> None:
    """A -shm, and the -wal is gone."""
    empty_wal(path, base)
    side(path, "-wal").unlink()


def persistent_journal(path: Path, base: Base) -> None:
    """A -journal that is kept and has a header of zeros (journal_mode=PERSIST)."""
    with Hand(path, "PERSIST") as hand:
        rename(hand, base, COMMITTED)
    assert not any(side(path, "-journal").read_bytes()[:28])


def truncated_journal(path: Path, base: Base) -> None:
    """A -journal that is kept and has 0 bytes (journal_mode=TRUNCATE)."""
    with Hand(path, "TRUNCATE") as hand:
        rename(hand, base, COMMITTED)
    assert side(path, "-journal").stat().st_size == 0


def leftover_journal(path: Path, base: Base) -> None:
    """A -journal that is over, beside a database made for a WAL."""
    persistent_journal(path, base)
    journal = side(path, "-journal").read_bytes()
    Hand(path).close()
    side(path, "-journal").write_bytes(journal)


def hot_journal(path: Path, base: Base) -> None:
    """A -journal that has to be rolled back: half of a transaction is in the file."""
    rollback(path, base)
    hand = Hand(path, "DELETE")
    spill(hand, base)
    hand.kill()
    assert NEVER.encode() in path.read_bytes()


def hot_journal_beside_wal(path: Path, base: Base) -> None:
    """The same beside a file that says it is for a WAL, as an old journal that was copied to it has it."""
    hot_journal(path, base)
    header(path, 2)


def spill(hand: Hand, base: Base) -> None:
    """Begins a transaction that outgrows the cache, so that half of it is in the file already."""
    hand.run("PRAGMA cache_size = 5")
    hand.run("BEGIN IMMEDIATE")
    hand.run(f"UPDATE session SET title = '{NEVER}' WHERE id = '{base.first}'")
    hand.run("UPDATE part SET data = replace(data, 'xx', 'yy')")


class State(NamedTuple):
    """How the files lie there: who leaves them so, what the first session is called in them, the journal mode of a
    writer that comes, and whether it may be refused (else it must be read)."""

    leave: Callable[[Path, Base], None]
    title: str
    mode: str
    may_be_refused: bool = False
    may_gain: frozenset[str] = frozenset()


STATES = {
    "no side files": State(closed, FIRST, "WAL"),
    "no side files, rollback mode": State(rollback, FIRST, "DELETE"),
    "empty wal and shm": State(empty_wal, COMMITTED, "WAL"),
    "filled wal and shm": State(filled_wal, COMMITTED, "WAL"),
    # The one state that cannot be read without a trace (adapter/connection.py, rung 4).
    "filled wal alone": State(wal_alone, COMMITTED, "WAL", may_gain=frozenset({NAME + "-shm"})),
    "shm alone": State(shm_alone, COMMITTED, "WAL"),
    "persistent journal": State(persistent_journal, COMMITTED, "PERSIST"),
    "empty journal": State(truncated_journal, COMMITTED, "TRUNCATE"),
    "leftover journal beside a wal database": State(leftover_journal, COMMITTED, "WAL"),
    # Nobody who may only read can roll back: to say so is right, and so is to know what it would give.
    "hot journal": State(hot_journal, FIRST, "DELETE", may_be_refused=True),
    "hot journal beside a wal database": State(hot_journal_beside_wal, FIRST, "WAL", may_be_refused=True),
}


class Stage:
    """The files of one state, and who else has them open. Use as a context manager."""

    def __init__(self, base: Base, state: str, who: str, kept: Path, directory: Path) -> None:
        self.base = base
        self.state = STATES[state]
        self.who = who
        self.path = directory / NAME
        self.title = self.state.title
        self.may_be_refused = self.state.may_be_refused
        self._hand: Hand | None = None
        self._reader: Bystander | None = None
        if who in ("writer alive", "writer ends later", "writer in a transaction", "writer in a large transaction"):
            shutil.copytree(base.path.parent, directory)
            self._begin(state)
        else:
            shutil.copytree(kept / state, directory)
        if who == "another reader":
            self._reader = reader(self.path)
        self._before = footprint(directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends who has it open."""
        if self._hand is not None:
            self._hand.kill()
        if self._reader is not None:
            self._reader.kill()

    @property
    def titles(self) -> dict[str, str]:
        """What is right now."""
        return self.base.titles(self.title)

    @property
    def goes_on(self) -> bool:
        """Whether something is still to happen."""
        return self.who not in ("writer dead", "another reader")

    def traces(self) -> list[str]:
        """What somebody who only looks has changed since the last step."""
        return self._before.differences(footprint(self.path.parent), allowed=self.state.may_gain)

    def before(self) -> Footprint:
        """What was there after the last step."""
        return self._before

    def forget(self) -> None:
        """Takes away what may be gained, so that the next one finds the same."""
        for name in self.state.may_gain - self._before.files.keys():
            self.path.with_name(name).unlink(missing_ok=True)
        self._before = footprint(self.path.parent)

    def go_on(self) -> None:
        """The writer comes, commits, and ends, or one of it."""
        if self.who == "writer comes later":
            self._hand = Hand(self.path, self.state.mode)
        assert self._hand is not None
        if self.who.startswith("writer in"):
            self._hand.run(f"UPDATE session SET title = '{LATER}' WHERE id = '{self.base.first}'")
            self._hand.run("COMMIT")
        else:
            rename(self._hand, self.base, LATER)
        if self.who == "writer ends later":
            self._hand.close()
        self.title, self.may_be_refused = LATER, False
        self._before = footprint(self.path.parent)

    def _begin(self, state: str) -> None:
        mode = self.state.mode
        if state == "leftover journal beside a wal database":
            self.state.leave(self.path, self.base)
        self._hand = Hand(self.path, mode)
        if self.title == COMMITTED:
            rename(self._hand, self.base, COMMITTED)
        if state == "empty wal and shm":
            self._hand.run("PRAGMA wal_checkpoint(TRUNCATE)")
        # While it only prepares, everybody may read what there was before; as soon as it has written, nobody.
        if self.who == "writer in a transaction":
            self._hand.run("BEGIN IMMEDIATE")
            self._hand.run(f"UPDATE session SET title = '{NEVER}' WHERE id = '{self.base.first}'")
            self.may_be_refused = False
        elif self.who == "writer in a large transaction":
            spill(self._hand, self.base)


def leave(base: Base, state: str, directory: Path) -> Path:
    """Makes the files of a state in a new directory; the path of the database."""
    shutil.copytree(base.path.parent, directory)
    STATES[state].leave(directory / NAME, base)
    return directory / NAME


def keep_all(base: Base, directory: Path) -> Path:
    """Makes every state once, to be copied."""
    for state in STATES:
        leave(base, state, directory / state)
    return directory
