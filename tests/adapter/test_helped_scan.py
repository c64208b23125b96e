"""A scan that other processes help tells what it tells alone, byte for byte, whatever becomes of file and helpers."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import msgspec
import psutil
import pytest

from adapter.contract import Batch, SourceUnavailable
from adapter.events import AnyEvent, SourceProgress
from adapter.follow.crew import crew, worker
from adapter.follow.crew.messages import Ask
from adapter.local import OpencodeSource
from tests.adapter import corpus, damage
from tests.adapter.follower import apply, cold_store, differences, eventually
from tests.adapter.inside import Inside, have_help, help_inside
from tests.adapter.opencode_writer import OpencodeWriter, tool
from tui.model.store.store import Store
from tui.text.safe_json import json_lines

MANY_SESSIONS = "1.18.33/lifecycle"
DECODER = msgspec.json.Decoder(AnyEvent)


@pytest.fixture
def helped(monkeypatch: pytest.MonkeyPatch) -> None:
    have_help(monkeypatch)


@pytest.fixture
def inside(helped: None, monkeypatch: pytest.MonkeyPatch) -> type[Inside]:
    return help_inside(monkeypatch)


@pytest.fixture
def crews(helped: None, monkeypatch: pytest.MonkeyPatch) -> list[crew.Crew]:
    """They are processes, and a scan waits until they are ready. The crews that there were."""
    found: list[crew.Crew] = []
    enter = crew.Crew.__aenter__

    async def entered(self: crew.Crew) -> crew.Crew:
        await enter(self)
        found.append(self)
        await eventually(lambda: all(each.is_ready or each.process.poll() is not None for each in self._workers))
        return self

    monkeypatch.setattr(crew.Crew, "__aenter__", entered)
    return found


def told_by(batch: Batch) -> bytes:
    return bytes(batch.made) + b"".join(json_lines(batch.events))


class Told:
    """What a run told: its bytes, and what was known and remembered at its end."""

    def __init__(self) -> None:
        self.text = b""
        self.known: list[Any] = []
        self.error = ""


async def read(path: Path, *, make: Any = json_lines, cursor: str | None = None) -> Told:
    told = Told()
    async with OpencodeSource(path, watch=False, clock=lambda: corpus.NOW) as source:
        try:
            async for batch in source.stream(cursor, make=make):
                told.text += told_by(batch)
        except SourceUnavailable as error:
            told.error = str(error)
        health, memory = source.health(), source._follower.memory
        told.known = [health.warnings, health.examples, health.disagreeing, health.checked, memory.records]
    return told


def same(one: Told, other: Told) -> None:
    assert one.text == other.text
    assert one.known == other.known
    assert one.error == other.error


@pytest.mark.parametrize("name", [*corpus.NAMES, *corpus.NAMES_2X])
async def test_what_is_told_is_the_same(name: str, tmp_path: Path, inside: type[Inside]) -> None:
    path = corpus.build(name, tmp_path / "opencode.db")
    same(await read(path), await read(path, make=None))
    assert inside.asked > inside.left == 0


@pytest.mark.parametrize("number", range(48))
async def test_what_is_told_of_a_damaged_file_is_the_same(number: int, tmp_path: Path, inside: type[Inside]) -> None:
    fault, source = damage.chosen(number)
    damage.build_whole(source, bool(damage.FAULTS[fault][0]), tmp_path / "whole")
    path = damage.damage(number, tmp_path / "whole", tmp_path / "damaged")
    same(await read(path), await read(path, make=None))


async def test_a_session_that_a_worker_cannot_map_is_told_as_it_is_without(
    tmp_path: Path, inside: type[Inside], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = corpus.build(MANY_SESSIONS, tmp_path / "opencode.db")
    alone = await read(path, make=None)

    def mistaken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(worker, "WholeSession", mistaken)
    same(await read(path), alone)
    assert inside.left == inside.asked > 0


async def test_killed_behind_any_batch_it_goes_on_where_it_was(tmp_path: Path, inside: type[Inside]) -> None:
    path = corpus.build(MANY_SESSIONS, tmp_path / "opencode.db")
    whole = (await read(path, make=None)).text
    stop = 0
    while True:
        stop += 1
        text, batches = b"", 0
        async with (
            OpencodeSource(path, watch=False, clock=lambda: corpus.NOW) as source,
            aclosing(source.stream(make=json_lines)) as stream,
        ):
            async for batch in stream:
                text += told_by(batch)
                batches += 1
                if batches == stop:
                    break
        position = batch.events[-1]
        assert isinstance(position, SourceProgress)
        if '"phase":"tail"' in position.cursor:
            break
        rest = await read(path, cursor=position.cursor)
        assert (text + rest.text).startswith(whole)
    assert stop > 5


async def test_processes_tell_the_same_and_end_with_the_scan(tmp_path: Path, crews: list[crew.Crew]) -> None:
    path = corpus.build(MANY_SESSIONS, tmp_path / "opencode.db")
    before = corpus.files(tmp_path)
    alone = await read(path, make=None)
    same(await read(path), alone)
    (one,) = crews
    assert [each.process.returncode for each in one._workers] == [0, 0]
    assert corpus.files(tmp_path) == before


async def test_what_workers_read_is_in_health(tmp_path: Path, crews: list[crew.Crew]) -> None:
    path = corpus.build(MANY_SESSIONS, tmp_path / "opencode.db")
    counted = []
    for make in (None, json_lines):
        async with OpencodeSource(path, watch=False) as source:
            _ = [batch async for batch in source.stream(make=make)]
            counted.append(source.health().statements)
    # One more asks for the directories of the sessions.
    assert counted[1] == counted[0] + 1


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_workers_that_are_killed_cost_nothing_but_time(tmp_path: Path, crews: list[crew.Crew]) -> None:
    path = corpus.build(MANY_SESSIONS, tmp_path / "opencode.db")
    alone = await read(path, make=None)
    text = b""
    async with OpencodeSource(path, watch=False, clock=lambda: corpus.NOW) as source:
        async for batch in source.stream(make=json_lines):
            text += told_by(batch)
            for each in crews[0]._workers:
                each.process.kill()
    assert text == alone.text


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGSTOP")
async def test_workers_that_are_stopped_for_ever_are_ended_and_cost_nothing_but_time(
    tmp_path: Path, crews: list[crew.Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "LOOK_S", 0.1)
    path = corpus.build(MANY_SESSIONS, tmp_path / "opencode.db")
    alone = await read(path, make=None)
    send = crew.Worker.send

    def send_to_nobody(self: crew.Worker, ask: Ask) -> None:
        self.process.send_signal(signal.SIGSTOP)
        send(self, ask)

    monkeypatch.setattr(crew.Worker, "send", send_to_nobody)
    async with asyncio.timeout(60):
        same(await read(path), alone)
    assert {each.process.returncode for each in crews[0]._workers} == {-signal.SIGKILL}


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/false", "/bin/cat"])
async def test_workers_that_cannot_be_started_cost_nothing(
    program: str, tmp_path: Path, helped: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = corpus.build(MANY_SESSIONS, tmp_path / "opencode.db")
    alone = await read(path, make=None)
    monkeypatch.setattr(sys, "executable", program)
    same(await read(path), alone)


async def test_a_scan_that_is_left_before_its_workers_are_ready_says_nothing(tmp_path: Path, helped: None) -> None:
    path = corpus.build(MANY_SESSIONS, tmp_path / "opencode.db")
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    async with OpencodeSource(path, watch=False) as source, aclosing(source.stream(make=json_lines)) as stream:
        await anext(stream)
    await asyncio.sleep(0)
    assert faults == []


async def test_a_small_database_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: Any) -> Any:
        raise AssertionError("a process")

    monkeypatch.setattr(crew, "Worker", started)
    path = corpus.build(MANY_SESSIONS, tmp_path / "opencode.db")
    same(await read(path), await read(path, make=None))


PARENT = """
import asyncio, sys
from adapter.follow import scan
from adapter.follow.crew import crew
from adapter.local import OpencodeSource
from tui.text.safe_json import json_lines

scan.MANY_ROWS, scan.SCAN_PAGE, crew.cores = 0, 1, lambda: 2
enter = crew.Crew.__aenter__

async def entered(self):
    await enter(self)
    while not all(each.is_ready for each in self._workers):
        await asyncio.sleep(0)
    print(*(each.process.pid for each in self._workers), flush=True)
    return self

async def main():
    crew.Crew.__aenter__ = entered
    async with OpencodeSource(sys.argv[1], watch=False) as source:
        async for _ in source.stream(make=json_lines):
            await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
async def test_no_worker_outlives_the_scan(how: signal.Signals, tmp_path: Path) -> None:
    path = corpus.build(MANY_SESSIONS, tmp_path / "opencode.db")
    command = [sys.executable, "-c", PARENT, str(path)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: ASYNC220
    assert parent.stdout is not None
    workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.send_signal(how)
    parent.communicate(timeout=30)
    await eventually(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in workers))


# -- what becomes of the file in the middle


@pytest.fixture
def near(inside: type[Inside], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read before its turn is a page or two."""
    monkeypatch.setattr(crew, "AHEAD", 2)


async def streamed(
    opencode: OpencodeWriter, meanwhile: Callable[[], object], *, follow: bool = False
) -> AsyncIterator[tuple[OpencodeSource, Batch]]:
    """The batches of a helped scan; behind the first of them something happens."""
    async with (
        OpencodeSource(opencode.path, watch=False) as source,
        aclosing(source.stream(make=json_lines, follow=follow)) as stream,
    ):
        async for batch in stream:
            yield source, batch
            if len(batch.loaded) == 1 and source.health().checked == 1:
                meanwhile()


def filled(opencode: OpencodeWriter, sessions: int = 12) -> list[str]:
    for number in range(sessions):
        message = opencode.assistant(opencode.session(f"Number {number}"), completed=1, finish="stop")
        opencode.part(message, tool("completed", output="done"))
    return list(opencode.sessions)


def taken(store: Store, source: OpencodeSource, batch: Batch) -> None:
    """A consumer of lines."""
    found = [DECODER.decode(line) for line in bytes(batch.made).splitlines()]
    apply(store, source.source, msgspec.structs.replace(batch, events=[*found, *batch.events]))


async def test_a_session_deleted_or_changed_in_the_middle_is_told_as_it_is_when_followed(
    tmp_path: Path, near: None
) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        first, second, *_, last = filled(opencode)

        def meanwhile() -> None:
            opencode.remove_session(last)
            opencode.remove_session(first)
            opencode.user(second, "And more.")

        store = Store()
        async for source, batch in streamed(opencode, meanwhile, follow=True):
            taken(store, source, batch)
            cold = await cold_store(opencode.path) if source.health().checked >= 12 else None
            if cold is not None and not differences(store, cold):
                break
        assert (source.source, last) not in store.sessions


async def test_a_migration_in_the_middle_is_learned(tmp_path: Path, near: None) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        sessions = filled(opencode)
        drop = ("DROP TABLE session_message", ())
        told: list[str] = []
        async for source, batch in streamed(opencode, lambda: opencode.commit(drop)):
            told += batch.loaded
            health = source.health()
        assert told == sessions
        assert health.interruptions == 1


async def test_a_file_that_is_replaced_in_the_middle_ends_it_with_the_reason(tmp_path: Path, near: None) -> None:
    other = corpus.build(MANY_SESSIONS, tmp_path / "other.db")
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        filled(opencode)
    with pytest.raises(SourceUnavailable, match="was replaced while it was read; start again"):
        await drained(streamed(opencode, lambda: os.replace(other, opencode.path)))


async def test_a_file_that_is_locked_in_the_middle_ends_it_with_the_reason(tmp_path: Path, near: None) -> None:
    with OpencodeWriter(tmp_path / "opencode.db") as opencode:
        filled(opencode)
    holder = sqlite3.connect(opencode.path, isolation_level=None)
    try:
        for statement in ("PRAGMA journal_mode=PERSIST", "UPDATE session SET title = 'x'"):
            holder.execute(statement)
        with pytest.raises(SourceUnavailable, match="is locked"):
            await drained(streamed(opencode, lambda: holder.execute("BEGIN EXCLUSIVE")))
    finally:
        holder.close()


async def drained(batches: AsyncIterator[tuple[OpencodeSource, Batch]]) -> None:
    async for _ in batches:
        pass


async def test_a_worker_to_which_nobody_can_listen_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def start(*words: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(real(*words, **options))
        return started[-1]

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(OSError, match="can't start new thread"):
        crew.Worker(cast(crew.Crew, None), b"")
    assert [process.returncode for process in started] == [-9]
