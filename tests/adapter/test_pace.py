"""Long work in slices: the loop goes on between the pieces, and nothing of them is lost."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator

import pytest

from adapter import pace
from adapter.events import Event, SourceError


def remark(number: int) -> Event:
    return SourceError(source="opencode:x", ts=number, message="x")


async def test_other_work_goes_on_between_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    seen: list[int] = []
    made: list[int] = []

    def pieces() -> Iterator[list[Event]]:
        for number in range(5):
            made.append(number)
            yield [remark(number)]

    async def watch() -> None:
        while len(made) < 5:
            seen.append(len(made))
            await asyncio.sleep(0)

    events, _ = await asyncio.gather(pace.paced(pieces()), watch())
    assert [event.ts for event in events] == [0, 1, 2, 3, 4]
    assert seen == [1, 2, 3, 4]


async def test_short_work_is_not_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(asyncio, "sleep", pytest.fail)
    assert len(await pace.paced([[remark(1)], [], [remark(2), remark(3)]])) == 3


class Moment:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def turns(beats: pace.Beats, moment: Moment, every_s: float, seconds: float) -> list[float]:
    """When turns were taken where there is something to do every `every_s`."""
    taken: list[float] = []
    until, due = moment.now + seconds, moment.now
    while due < until:
        moment.now = max(moment.now, due)
        moment.now += beats.wait_s
        beats.taken()
        taken.append(moment.now)
        # What came meanwhile was dealt with by this turn.
        while due <= moment.now + 1e-9:
            due += every_s
    return taken


def test_what_follows_on_a_quiet_time_waits_for_nothing() -> None:
    moment = Moment()
    beats = pace.Beats(moment)
    for _ in range(3):
        assert turns(beats, moment, 0.005, 0.015) == pytest.approx([moment.now - 0.01 + n * 0.005 for n in range(3)])
        moment.now += 3 * pace.BEAT_S


def test_under_load_ten_turns_a_second_are_taken() -> None:
    moment = Moment()
    taken = turns(pace.Beats(moment), moment, 0.007, 10.0)
    assert 98 <= len(taken) <= 100 + pace.AT_ONCE
    assert max(after - before for before, after in itertools.pairwise(taken)) <= pace.BEAT_S + 0.007


def test_what_comes_less_often_than_beats_never_waits() -> None:
    moment = Moment()
    taken = turns(pace.Beats(moment), moment, 0.13, 10.0)
    assert taken == pytest.approx([1000.0 + n * 0.13 for n in range(len(taken))])


def test_all_take_their_turns_together_under_load() -> None:
    moment = Moment()
    taken = [
        turns(pace.Beats(moment), moment, every_s, 2.0)[10:]
        for every_s in (0.003, 0.011)
        if not setattr(moment, "now", 0.0)
    ]
    assert taken[0][:5] == pytest.approx(taken[1][:5], abs=1e-6)
