"""The screen and the processes: it asks for looks only while something runs, and a real opencode that is killed is
told within seconds."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from functools import cache
from pathlib import Path

import msgspec
import pytest

from adapter.events import Usage
from adapter.health import Health
from adapter.local import OpencodeSource
from adapter.processes.facts import Pane, Process, Processes
from adapter.processes.table import Table
from tests.lab import opencode_binary
from tests.lab.driver import Lab
from tests.tui import story
from tests.tui.stage import FakeSource, feed, health, playing, screen_text, until
from tests.tui.story import NOW, SOURCE, Step, prompt, session
from tui.feed import worker
from tui.model.status.life import runner
from tui.model.status.state import session_state

TOLD_WITHIN_S = 3.0
PATH = SOURCE.partition(":")[2]
PANE = Pane("/tmp/tmux-1000/default", "%3", "main", 1, "app", 0)
RUNNER = Process(
    4711,
    NOW - 600,
    user="ada",
    directory="/home/ada/app",
    program="opencode",
    major=1,
    role="tui",
    cpu=12.0,
    memory=432_000_000,
    terminal="/dev/pts/7",
    databases=[PATH],
    pane=PANE,
)


class WatchedSource(FakeSource):
    """A source that knows processes, and counts how often it is asked for them."""

    def __init__(self, *running: Process) -> None:
        super().__init__()
        self.looks = 0
        self.running = list(running)

    async def processes(self) -> Health:
        self.looks += 1
        known = Processes(NOW, True, "", NOW - 500, self.running, [], asked=NOW)
        self.state = msgspec.structs.replace(self.state, processes=known)
        return self.state


def at_work() -> list[story.Event]:
    """A session in which a command runs."""
    step = Step("ses_a", 1, "usr_a", 30)
    step.op("tool", "bash", 20, None, label="npm test", running=True)
    return [session("ses_a", "Fix the test", 60), prompt("ses_a", "usr_a", "fix it", 31), *step.events]


def over() -> list[story.Event]:
    """The same when it has answered."""
    step = Step("ses_a", 1, "usr_a", 30)
    step.op("tool", "bash", 20, 4.0, label="npm test", running=True)
    step.end(5, Usage(), 0, 0.0, finish="stop")
    return [session("ses_a", "Fix the test", 60), prompt("ses_a", "usr_a", "fix it", 31), *step.events]


async def test_processes_are_looked_at_while_something_runs_and_not_on_an_idle_screen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "LOOK_EVERY", 0.01)
    source = WatchedSource(RUNNER)
    async with playing([session("ses_a", "Fix the test", 60)], source=source) as (app, pilot):
        await until(pilot, lambda: source.following)
        assert source.looks == 0
        feed(app, at_work())
        await until(pilot, lambda: source.looks > 3)
        feed(app, over())
        await until(pilot, lambda: not app.feed._is_watching)
        looks = source.looks
        feed(app, [session("ses_a", "Renamed", 60)])
        await pilot.pause(0.1)
        assert source.looks == looks


async def test_a_source_that_knows_of_none_is_asked_once() -> None:
    asked: list[int] = []

    class Blind(FakeSource):
        async def processes(self) -> Health:
            asked.append(1)
            return self.state

    async with playing(source=Blind()) as (app, pilot):
        feed(app, at_work())
        await until(pilot, lambda: bool(asked) and not app.feed._is_watching)
        assert asked == [1]


async def test_row_overview_and_health_name_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    source = WatchedSource(RUNNER)
    async with playing(at_work(), source=source, size=(200, 50)) as (app, pilot):
        await until(pilot, lambda: SOURCE in app.store.processes)
        await until(pilot, lambda: any("pid 4711  main:1.0  12 % CPU  412 MB" in line for line in screen_text(app)))
        await pilot.press("H")
        await until(pilot, lambda: any("1 process on it" in line for line in screen_text(app)))


async def test_health_that_is_opened_looks_at_the_processes_where_nothing_runs_any_more() -> None:
    source = WatchedSource(RUNNER)
    async with playing([session("ses_a", "Fix the test", 60)], source=source, size=(200, 50)) as (app, pilot):
        await until(pilot, lambda: source.following)
        await pilot.press("H")
        await until(pilot, lambda: any("1 process on it" in line for line in screen_text(app)))
        source.running = []
        await pilot.press("H", "H")
        await until(pilot, lambda: not any("1 process on it" in line for line in screen_text(app)))


async def test_a_process_that_has_gone_takes_the_session_out_of_those_at_work() -> None:
    source = WatchedSource(RUNNER)
    async with playing(at_work(), source=source) as (app, pilot):
        await until(pilot, lambda: SOURCE in app.store.processes)
        assert app.view.summary.running == 1
        source.running = []
        done: list[int] = []
        app.feed.look(SOURCE, lambda: done.append(1))
        await until(pilot, lambda: bool(done))
        assert app.view.summary.running == 0
        assert any("orphaned" in line for line in screen_text(app))


async def test_an_answer_comes_also_for_a_source_that_is_not_there() -> None:
    async with playing(source=FakeSource()) as (app, pilot):
        done: list[int] = []
        app.feed.look("opencode:/nowhere", lambda: done.append(1))
        await until(pilot, lambda: bool(done))


def test_names_of_processes_and_panes_do_not_reach_the_terminal_raw() -> None:
    from tui.commands.doctor import lines
    from tui.render.bars.health import health_lines

    hostile = "\x1b]0;x\x07\u202eab"
    pane = msgspec.structs.replace(PANE, session=hostile)
    bad = msgspec.structs.replace(RUNNER, program=hostile, directory=hostile, user=hostile, pane=pane)
    known = Processes(NOW, False, hostile, NOW, [bad, msgspec.structs.replace(bad, databases=[])])
    told = [
        *lines(health(processes=known)),
        *("".join(text for text, _ in line) for line in health_lines(health(processes=known))),
    ]
    assert not any(character in line for line in told for character in "\x1b\x07\u202e")


@pytest.mark.opencode
async def test_a_real_opencode_that_is_killed_is_told_within_seconds(tmp_path: Path) -> None:
    binary = opencode_binary.require()
    with Lab(tmp_path, binary) as lab, lab.serve() as server:
        idle = await asyncio.to_thread(lab.session)
        source = OpencodeSource(lab.db, table=cache(Table))
        async with playing(source=source, clock=time.time) as (app, pilot):  # type: ignore[arg-type]
            store, key = app.store, source.source

            def name(session_id: str) -> tuple[str, bool]:
                found = store.sessions.get((key, session_id))
                if found is None:
                    return "", False
                state = session_state(store, found, app.now_us())
                return state.name, state.inferred

            await until(pilot, lambda: name(idle) == ("idle", False))
            assert key not in store.processes
            busy = await asyncio.to_thread(lab.session)
            await asyncio.to_thread(lambda: lab.prompt(busy, "lab:slowtool two", wait=False))
            await until(pilot, lambda: name(busy)[0] == "tool", 30)
            await until(pilot, lambda: key in store.processes and bool(store.processes[key].running))
            life = runner(store, store.sessions[key, busy])
            assert (life.lives, life.certain) == (True, True)
            assert life.process is not None
            assert (life.process.pid, life.process.role) == (server.popen.pid, "serve")
            assert life.process.directory == str(lab.project)
            await asyncio.to_thread(lab.end, server, signal.SIGKILL)
            killed = time.time()
            await until(pilot, lambda: name(busy) == ("orphaned", False))
            # On a machine that has nothing else to do.
            assert store.processes[key].ended[0].missed - killed < TOLD_WITHIN_S * max(1.0, os.getloadavg()[0])
            assert name(idle) == ("idle", False)
            assert any("orphaned" in line for line in screen_text(app))
