"""A gate that moves at every look although nothing of ours was committed: looking must not become a loop, and a commit
that matters is heard all the same.

`PRAGMA data_version` does so by itself in files whose writer was killed (it moves with each read of our own), and it
does when somebody else writes tables that no session is made of, or empties the WAL all the time.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapter import states
from tests.adapter.face import Face, Tail
from tests.adapter.hand import Bystander, Hand, steady
from tests.adapter.states import LATER, NAME, STATES, Base

LOOKS_PER_S = 2
LOOK = 40
"""No single look that finds nothing takes more statements; the first version takes 8 to 15."""
WATCHED_S = 3.0
PAUSE_S = 0.005
UNRELATED = "UPDATE project SET time_updated = time_updated + 1"
NOISES = {
    "a table that no session is made of": (UNRELATED,),
    "checkpoints that empty the WAL": (UNRELATED, "PRAGMA wal_checkpoint(TRUNCATE)"),
    "checkpoints with nothing to do": ("PRAGMA wal_checkpoint",),
}
HEARD_S = 1.0


@pytest.fixture(scope="module")
def face() -> Iterator[Face]:
    with Face() as one:
        yield one


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return states.build_base(tmp_path_factory.mktemp("base") / "data")


@pytest.fixture
def path(base: Base, tmp_path: Path) -> Path:
    shutil.copytree(base.path.parent, tmp_path / "data")
    return tmp_path / "data" / NAME


def statements_of_a_look(tail: Tail, hand: Hand) -> int:
    """What one commit about nothing costs, together with the looks after it for one that is late."""
    settle(tail)
    before = tail.beats[-1].statements
    hand.run(UNRELATED)
    settle(tail)
    return min(LOOK, max(1, tail.beats[-1].statements - before))


def settle(tail: Tail) -> None:
    """Waits for a second in which hardly anything was asked."""
    tail.quietest(1.0, time.monotonic(), lambda cost: cost.statements <= 2)


def heard_after_s(tail: Tail, hand: Hand, base: Base, title: str) -> float:
    """How long after a commit its events were there."""
    states.rename(hand, base, title)
    committed = time.monotonic()
    tail.until(lambda: tail.titles.get(base.first) == title, f"the commit {title} is heard")
    event = max(at for at, event in enumerate(tail.events) if event.get("title") == title)
    return tail.seen_at[event] - committed


@pytest.mark.parametrize("noise", NOISES)
def test_a_gate_that_moves_all_the_time_is_looked_through_twice_a_second_and_a_commit_is_heard(
    noise: str, face: Face, base: Base, path: Path
) -> None:
    with Hand(path) as hand, Tail(face, path) as tail:
        tail.until_titles(base.titles(states.FIRST))
        look = statements_of_a_look(tail, hand)
        with steady(path, PAUSE_S, *NOISES[noise]) as writer:
            # The first looks may be quick: nobody can know yet that they find nothing.
            cost = tail.quietest(WATCHED_S, time.monotonic(), lambda cost: few_looks(cost.statements, look), 8)
            assert few_looks(cost.statements, look), f"{cost.statements} in {WATCHED_S} s, where a look takes {look}"
            assert_heard(tail, hand, base)
            writer.close()


def few_looks(statements: int, look: int) -> bool:
    """Whether these statements of WATCHED_S seconds are those of few enough looks."""
    return statements <= LOOKS_PER_S * look * WATCHED_S


def assert_heard(tail: Tail, hand: Hand, base: Base) -> None:
    """A commit is heard within a second; one of three may be late on a busy machine."""
    waited = [heard_after_s(tail, hand, base, f"{LATER} {number}") for number in (1, 2, 3)]
    assert statistics.median(waited) < HEARD_S, f"seconds until a commit was heard: {waited}"


@pytest.mark.parametrize("state", ["filled wal and shm", "empty wal and shm"])
def test_a_gate_that_our_own_reads_move_is_no_loop_and_a_new_writer_is_heard(
    state: str, face: Face, base: Base, tmp_path: Path
) -> None:
    path = states.leave(base, state, tmp_path / "data")
    with Tail(face, path) as tail:
        tail.until_titles(base.titles(STATES[state].title))
        # A session that is asked for is read, and so moves the gate.
        tail.order("request", base.second)
        tail.until(lambda: base.second in tail.loaded, "the session that was asked for")
        cost = tail.quietest(WATCHED_S, time.monotonic(), lambda cost: cost.statements <= LOOKS_PER_S * WATCHED_S, 8)
        assert cost.statements <= LOOKS_PER_S * WATCHED_S, f"statements in {WATCHED_S} s"
        with Hand(path) as hand:
            assert_heard(tail, hand, base)


@pytest.mark.parametrize("state", ["filled wal and shm", "empty wal and shm"])
def test_a_gate_that_another_reader_comes_and_goes_beside_is_no_loop(
    state: str, face: Face, base: Base, tmp_path: Path
) -> None:
    path = states.leave(base, state, tmp_path / "data")
    with Tail(face, path) as tail:
        tail.until_titles(base.titles(STATES[state].title))
        for _ in range(3):
            with Bystander("read", path) as reader:
                reader.close()
        cost = tail.quietest(WATCHED_S, time.monotonic(), lambda cost: cost.statements <= LOOKS_PER_S * WATCHED_S, 8)
        assert cost.statements <= LOOKS_PER_S * WATCHED_S, f"statements in {WATCHED_S} s"
        assert cost.cpu_s < WATCHED_S * 0.2, f"seconds of a processor in {WATCHED_S} s"
