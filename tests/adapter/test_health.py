"""What health knows of our reading: rates, retries, interruptions, and sums that disagree."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapter.contract import Batch, SourceBusy, SourceUnavailable
from adapter.events import SessionStarted, SourceError, Usage
from adapter.follow.scan import SCAN_PAGE
from adapter.health import HISTORY, HealthWriter, Rate
from adapter.local import OpencodeSource
from adapter.opencode.rows import session_row
from adapter.opencode.schema import SESSION_COLUMNS
from adapter.opencode.sessions import surplus
from adapter.sqlite.reader import RETRIES, Snapshot
from tests.adapter import corpus
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter
from tests.adapter.writer import Writer


@pytest.fixture
def opencode(tmp_path: Path) -> Iterator[OpencodeWriter]:
    directory = tmp_path / "data"
    directory.mkdir()
    with OpencodeWriter(directory / "opencode.db") as writer:
        yield writer


def test_a_rate_counts_the_last_minute_only() -> None:
    rate = Rate(1000.0)
    assert rate.per_minute(1000.0, 7) == 7
    assert rate.per_minute(1030.0, 40) == 40
    assert rate.per_minute(1060.0, 50) == 50
    assert rate.per_minute(1090.0, 60) == 20
    assert rate.per_minute(1150.0, 60) == 0


def test_a_rate_is_an_average_where_nobody_asked_for_long() -> None:
    rate = Rate(0.0)
    assert rate.per_minute(600.0, 600) == 60


def test_only_the_newest_interruptions_are_remembered_and_all_are_counted() -> None:
    now = [0.0]
    writer = HealthWriter("opencode:/x", "/x", lambda: now[0], lambda: 0.0)
    for number in range(HISTORY + 5):
        now[0] = float(number)
        writer.interrupted(f"number {number}")
    health = writer.now
    assert health.interruptions == HISTORY + 5
    assert [one.at for one in health.history] == [float(number) for number in range(5, HISTORY + 5)]


def test_what_was_handed_out_stays_as_it_was() -> None:
    writer = HealthWriter("opencode:/x", "/x", lambda: 1.0, lambda: 0.0)
    figures = {"size": 0, "wal_size": 0, "statements": 1, "hops": 1, "retries": 0, "longest_s": 0.0}
    writer.warn("damaged", "the first one")
    before = writer.snapshot(**figures)
    copy = msgspec.structs.asdict(before)
    writer.warn("damaged", "another one")
    writer.compared("ses_1", 5)
    writer.versions(["1.2.1"])
    writer.changed(900)
    writer.interrupted("gone")
    after = writer.snapshot(**figures)
    assert msgspec.structs.asdict(before) == copy
    assert (after.warnings, after.examples, after.disagreeing, after.versions, after.interruptions) == (
        {"damaged": 2},
        {"damaged": "the first one"},
        {"ses_1": 5},
        ["1.2.1"],
        1,
    )


async def test_the_last_change_is_that_of_the_newest_row_of_any_table(tmp_path: Path) -> None:
    """2.x leaves a session's own row as it is while messages come."""
    path = corpus.build(corpus.NAMES_2X[0], tmp_path / "opencode.db")
    later = 4_000_000_000_000
    with sqlite3.connect(path) as plain:
        plain.execute("UPDATE session_message SET time_updated = ? WHERE rowid = 2", (later,))
    plain.close()
    async with OpencodeSource(path, watch=False) as source:
        assert (await source.probe()).last_change == later / 1000


async def test_every_refusal_of_a_locked_file_is_counted(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/plain", tmp_path / "opencode.db")
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA journal_mode=PERSIST", "UPDATE session SET title = 'x'", "BEGIN EXCLUSIVE"):
        connection.execute(statement).fetchall()
    try:
        async with OpencodeSource(path) as source:
            with pytest.raises(SourceBusy):
                await source.open()
            assert source.health().retries == RETRIES
    finally:
        connection.close()


async def test_a_moment_of_recovery_is_retried_and_not_reported(
    opencode: OpencodeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = opencode.session("before")
    async with Follower(opencode.path) as follower:
        await follower.loaded(session)
        real, refused = Snapshot.transaction, [SourceBusy("being recovered")]

        def busy_once(snapshot: Snapshot, step: Callable[[], object]) -> object:
            if refused:
                raise refused.pop()
            return real(snapshot, step)

        monkeypatch.setattr(Snapshot, "transaction", busy_once)
        opencode.change_session(session, title="after")
        await follower.until(lambda: follower.session(session).title == "after")  # type: ignore[union-attr]
        assert follower.of(SourceError) == []
        health = follower.source.health()
        assert (health.state, health.retries, health.interruptions) == ("ok", 1, 0)


async def test_a_lock_that_lasts_is_reported(opencode: OpencodeWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opencode.session()
    async with Follower(opencode.path) as follower:
        await follower.loaded(session)

        def busy(_snapshot: Snapshot, _step: Callable[[], object]) -> object:
            raise SourceBusy("locked for ever")

        with monkeypatch.context() as patch:
            patch.setattr(Snapshot, "transaction", busy)
            opencode.change_session(session, title="not seen")
            await follower.until(lambda: any("locked for ever" in e.message for e in follower.of(SourceError)))
            assert follower.source.health().state == "error"
        opencode.change_session(session, title="released")
        await follower.until(lambda: follower.session(session).title == "released")  # type: ignore[union-attr]
        health = follower.source.health()
        assert health.state == "ok"
        assert [one.words for one in health.history] == ["locked for ever"]


async def test_a_file_that_goes_and_comes_back_is_in_the_history(tmp_path: Path) -> None:
    path = corpus.build("1.18.33/task", tmp_path / "opencode.db")
    async with Follower(path, clock=lambda: 5000.0) as follower:
        await follower.until(lambda: len(follower.store.sessions) > 1)
        path.rename(tmp_path / "away")
        await follower.until(lambda: len(follower.of(SourceError)) == 1)
        (tmp_path / "away").rename(path)
        await follower.until(lambda: follower.source.health().state == "ok")
        corpus.build("1.18.33/fail", tmp_path / "new.db").replace(path)
        await follower.until(lambda: len(follower.store.sessions) == 1)
        health = follower.source.health()
        assert health.interruptions == 2
        assert [(one.at, one.words) for one in health.history] == [
            (5000.0, f"no database at {path}"),
            (5000.0, f"{path} was replaced"),
        ]


async def test_the_statements_of_an_idle_minute_are_few(opencode: OpencodeWriter) -> None:
    later = [0.0]
    session = opencode.session()
    async with Follower(opencode.path, monotonic=lambda: time.monotonic() + later[0]) as follower:
        await follower.loaded(session)
        health = follower.source.health()
        begun = health.statements_per_minute
        assert begun == health.statements > 10
        later[0] += 120.0
        # Nothing but looks at the file since.
        assert follower.source.health().statements_per_minute < begun


async def test_a_version_of_thousands_of_digits_is_a_version_like_any_other(opencode: OpencodeWriter) -> None:
    """Python makes no number of more than 4,300 digits."""
    versions = ["1.2.10", "1.2.9", "9" * 5_000]
    for version in versions:
        opencode.session(version=version)
    assert sorted((await corpus.read(opencode.path))[1].versions) == sorted(versions)


@pytest.mark.parametrize(
    ("columns", "more"),
    [({"tokens_input": 100, "tokens_output": 10, "cost": 0.5}, 45), ({"tokens_input": 1}, -64), ({}, 0)],
)
def test_columns_that_count_other_tokens_than_the_messages_are_a_surplus(columns: dict[str, Any], more: int) -> None:
    row = session_row([columns.get(name) for name in SESSION_COLUMNS])
    assert surplus(row, [Usage(input=60, output=5), None]) == more


async def test_health_names_the_sessions_whose_sums_disagree(opencode: OpencodeWriter) -> None:
    right = opencode.session("right", tokens_input=70, cost=70 / 1e6)
    opencode.assistant(right, completed=1, tokens=70)
    wrong = opencode.session("wrong", tokens_input=70, cost=70 / 1e6)
    opencode.assistant(wrong, completed=1, tokens=70)
    removed = opencode.assistant(wrong, completed=1, tokens=30)
    opencode.change_session(wrong, tokens_input=100)
    async with Follower(opencode.path) as follower:
        await follower.loaded(right, wrong)
        assert (await follower.source.probe()).disagreeing == {}
        opencode.remove_message(removed)
        await follower.equals_cold_load()
        assert (await follower.source.probe()).disagreeing == {wrong: 30}
    async with OpencodeSource(opencode.path) as source:
        async for _ in source.stream():
            pass
        assert source.health().disagreeing == {wrong: 30}
        assert not source.health().degraded


async def test_a_scan_goes_on_when_opencode_starts_on_the_file_meanwhile(tmp_path: Path) -> None:
    path = many_sessions(tmp_path / "opencode.db")
    async with OpencodeSource(path) as source:
        told: list[str] = []
        writer = None
        async for batch in source.stream():
            told += [event.session_id for event in batch.events if isinstance(event, SessionStarted)]
            if writer is None:
                assert source.health().open_mode == "immutable"
                writer = Writer(path)
                writer.commit(("UPDATE session SET title = 'opencode is here'", ()))
        assert writer is not None
        writer.close()
        assert len(told) == len(set(told)) == 3 * SCAN_PAGE
        health = source.health()
        assert (health.open_mode, health.interruptions) == ("readonly_shm", 0)


async def test_a_scan_of_a_file_that_is_replaced_meanwhile_ends_with_the_reason(tmp_path: Path) -> None:
    path = many_sessions(tmp_path / "opencode.db")
    other = corpus.build("1.18.33/plain", tmp_path / "other.db")
    async with OpencodeSource(path) as source:
        batches = source.stream()
        await anext(batches)
        other.replace(path)
        with pytest.raises(SourceUnavailable, match="was replaced while it was read; start again"):
            await drain(batches)


async def drain(batches: AsyncIterator[Batch]) -> None:
    async for _ in batches:
        pass


def many_sessions(path: Path) -> Path:
    """A closed database of three pages of a scan."""
    with OpencodeWriter(path) as opencode:
        for number in range(3 * SCAN_PAGE):
            opencode.session(f"Session {number}")
    return path
