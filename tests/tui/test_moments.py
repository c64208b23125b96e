"""Moments in words, in zones around the world."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tui.text import moments

LATEST = 253_402_300_799_999_999
"""The last µs of the year 9999, which is as far as the adapter goes."""
WRITERS = (moments.date_and_time, moments.date_and_minute, moments.clock, moments.utc)


@pytest.fixture(params=["Asia/Tokyo", "Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The zone that this process is in."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("writer", WRITERS)
def test_the_end_of_the_year_9999_has_words_in_every_zone(zone: str, writer: moments.Writer) -> None:
    assert writer(LATEST)
    assert writer(moments.LAST)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("unknown", [0, -1, -(10**18)])
def test_a_time_that_is_not_known_has_none(writer: moments.Writer, unknown: int) -> None:
    assert writer(unknown) == ""


def test_moments_are_local_but_for_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        told = [writer(1_769_900_347_999_999) for writer in WRITERS]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert told == ["2026-02-01 07:59:07", "2026-02-01 07:59", "07:59:07", "2026-01-31 22:59:07 UTC"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0s"), (0.4, "0s"), (9.9, "9s"), (59.9, "59s"), (60, "1m"), (250, "4m10"), (3600, "1h"), (7384, "2h03"),
     (47 * 3600, "47h"), (48 * 3600, "2d"), (9e5, "10d")],
)  # fmt: skip
def test_an_age_is_as_long_as_it_has_to_be(seconds: float, words: str) -> None:
    assert moments.age(int(seconds * 1e6)) == words


@pytest.mark.parametrize(
    ("micros", "text"),
    [(-1, ""), (0, "0ms"), (45_000, "45ms"), (100_000, "0.1s"), (9_100_000, "9.1s"), (9_990_000, "10s"),
     (32_000_000, "32s"), (59_600_000, "1m00"), (250_000_000, "4m10"), (7_500_000_000, "2h05"),
     (86_400_000_000 * 3 + 4 * 3_600_000_000, "3d04")],
)  # fmt: skip
def test_durations(micros: int, text: str) -> None:
    assert moments.duration(micros) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, ""), (0, "0s"), (0.5, "0.5s"), (2.25, "2.25s"), (50, "50s"), (60, "1m"), (90, "1m30"), (7200, "2h"),
     (7500, "2h05"), (7510, "2h05m10"), (72 * 3600, "3d"), (76 * 3600, "3d04h"), (76 * 3600 + 300, "3d04h05")],
)  # fmt: skip
def test_a_tick_of_an_axis_is_whole_and_no_longer_than_it_has_to_be(seconds: float, words: str) -> None:
    assert moments.elapsed(int(seconds * 1e6)) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, ""), (0.4, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (7384, "2h"), (9e5, "10d")]
)
def test_a_short_age_has_one_unit(seconds: float, words: str) -> None:
    assert moments.short_age(int(seconds * 1e6)) == words
