"""What a frame costs: the app in this process, on a driver that gets every byte, no terminal behind it.

CPU of the whole process from the key, or the batch, until the frame has been handed to the driver.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import itertools
import re
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from unittest import mock

from textual import events
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Size
from textual.pilot import Pilot

from adapter.events import Event, OpFinalized, OpStarted, TurnFinalized, TurnStarted, Usage
from adapter.local import OpencodeSource
from adapter.sqlite.reader import Snapshot
from tests.bench.filter import world
from tests.bench.screen import Marks, marking_opencode, still
from tests.bench.table import Line
from tests.bench.terminal import percentile
from tests.tui.stage import feed
from tests.tui.story import NOW, SOURCE, Step, at, prompt, session
from tui.app import ViewerApp
from tui.model.records import ChangeSet, Key, session_key

SESSIONS, STEPS, CALLS = 600, 50, 18
"""A session is 1 row, its prompt 1, a step with its calls 19: 571,200 rows."""
MARK = re.compile(r"mark(\d{5})x")


class Terminal(HeadlessDriver):
    """A terminal that counts the bytes and the frames that are written to it, each frame in one piece. Textual sends
    nothing to one that is headless."""

    written: ClassVar[int] = 0
    frames: ClassVar[int] = 0

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        Terminal.written += len(data)
        Terminal.frames += 1


@asynccontextmanager
async def app_on_terminal(*sources: Any, clock: Callable[[], float] = lambda: NOW) -> AsyncIterator[Pilot[Any]]:
    """The app, running, at 120x40."""
    app = ViewerApp(sources, clock=clock)
    # What Textual takes when it runs in a test.
    with mock.patch("textual.drivers.headless_driver.HeadlessDriver", Terminal):
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            assert Terminal.written > 0, "frames do not get to the driver"
            yield pilot


class Cost(NamedTuple):
    """CPU ms of an action with all that it leads to on the screen, and in how many frames."""

    cpu: float
    frames: int


async def cost(act: Callable[[], object]) -> Cost:
    """What an action costs. Fails when nothing comes of it."""
    written, drawn, before = Terminal.written, Terminal.frames, time.process_time()
    act()
    deadline = time.monotonic() + 10
    while Terminal.written == written:
        if time.monotonic() > deadline:
            raise AssertionError("nothing was drawn")
        await asyncio.sleep(0.004)
    await quiet()
    return Cost((time.process_time() - before) * 1000, Terminal.frames - drawn)


def press(app: ViewerApp, key: str) -> None:
    """Hands a key to the app, as its driver does."""
    driver = app._driver
    assert driver is not None
    event = events.Key("space" if key == " " else key, key if len(key) == 1 else None)
    event.set_sender(app)
    driver.send_message(event)


async def quiet() -> None:
    """Waits until nothing has been drawn for a while."""
    written = -1
    while written != Terminal.written:
        written = Terminal.written
        await asyncio.sleep(0.04)


def history(number: int) -> list[Event]:
    """A session that has ended, whole."""
    name = f"ses_{number:04}"
    first = 10_000_000 - number * 10_000
    events: list[Event] = [session(name, f"Session {number}", first), prompt(name, f"usr_{name}", "Do it.", first - 1)]
    for step in range(1, STEPS + 1):
        message, began = f"msg_{name}_{step}", at(first - step * 100)
        place: dict[str, Any] = {"source": SOURCE, "session_id": name, "turn_seq": step, "message_id": message}
        events.append(TurnStarted(ts=began, prompt_id=f"usr_{name}", agent="build", model="opus-4.5", **place))
        for call in range(1, CALLS + 1):
            events += one_call(place, call, began + call * 1_000_000)
        events.append(TurnFinalized(ts=began, status="completed", finish="tool-calls", end_ts=began + 90, **place))
    return events


def one_call(place: dict[str, Any], call: int, began: int) -> list[Event]:
    """A call of bash that has ended."""
    part = {"op_seq": call, "part_id": f"prt_{place['message_id']}_{call}", **place}
    status = "failed" if call == CALLS and place["turn_seq"] == STEPS else "completed"
    label = {"label": f"make target-{call}"}
    return [
        OpStarted(ts=began, op_kind="tool", name="bash", extras=label, **part),
        OpFinalized(ts=began, op_kind="tool", status=status, end_ts=began + 500_000, **part),
    ]


def tree(arguments: argparse.Namespace) -> Iterator[Line]:
    """Moving, scrolling, folding, jumping and inserting in a tree of 600,000 rows, everything open."""
    yield from asyncio.run(_tree(60 if arguments.quick else SESSIONS, 5 if arguments.quick else 15))


async def _tree(sessions: int, times: int) -> list[Line]:
    async with app_on_terminal() as pilot:
        app = pilot.app
        assert isinstance(app, ViewerApp)
        rows, widget = app.main.rows, app.main.sessions
        for number in range(sessions):
            feed(app, history(number), loaded=[f"ses_{number:04}"])
            rows.open(session_key(app.store.sessions[SOURCE, f"ses_{number:04}"]))
            await asyncio.sleep(0)
        widget.virtual_size = Size(0, len(rows))
        widget.refresh()
        await pilot.pause()
        gc.collect()
        gc.freeze()
        middle = f"ses_{sessions // 2:04}"
        widget.select(Key(SOURCE, "turn", middle, f"msg_{middle}_25"))
        await pilot.pause()
        await quiet()
        newer = itertools.count()

        def insert() -> None:
            # Into the session above the cursor's, so that everything in sight has to stay where it is.
            name = f"ses_{sessions // 2 - 1:04}"
            place = {"source": SOURCE, "session_id": name, "turn_seq": STEPS, "message_id": f"msg_{name}_{STEPS}"}
            feed(app, one_call(place, CALLS + 1 + next(newer), at(100)))

        actions: list[tuple[str, Callable[[], object]]] = [
            ("move the cursor by a row", lambda: press(app, "j")),
            ("scroll by a page", lambda: press(app, "pagedown")),
            ("jump to the next failure", lambda: press(app, "e")),
            ("fold or unfold a session of 952 rows", lambda: fold(app)),
            ("insert above the cursor", insert),
            ("jump to the end, to the beginning", lambda: press(app, "gG"[next(newer) % 2])),
        ]
        lines = []
        for name, act in actions:
            taken = [await cost(act) for _ in range(times)]
            frame = statistics.median(one.cpu / one.frames for one in taken)
            whole = statistics.median(one.cpu for one in taken)
            drawn = statistics.fmean(one.frames for one in taken)
            note = f"of {len(rows):,} rows; {whole:.1f} ms in all, {drawn:.1f} frames, {times} times"
            lines.append(Line(f"{name}, CPU of a frame", "time", frame, 6, note=note))
        return lines


def timeline(arguments: argparse.Namespace) -> Iterator[Line]:
    """The timeline of a session of 1,000 steps and 5,000 parts: to open it, a page, a zoom, a change, a second."""
    keys = {"a page": ("pagedown", "pageup"), "zoom in time": ("z", "Z")}
    yield from asyncio.run(_own_view("timeline", "i", keys, 30, 3 if arguments.quick else 15))


def transcript(arguments: argparse.Namespace) -> Iterator[Line]:
    """The transcript of the same: to open it, a line, a page, a change."""
    keys = {"a line": ("k", "j"), "a page": ("pageup", "pagedown")}
    yield from asyncio.run(_own_view("transcript", "t", keys, 8, 3 if arguments.quick else 15))


async def _own_view(
    name: str, key: str, keys: Mapping[str, tuple[str, str]], target_ms: float, times: int
) -> list[Line]:
    """What it costs to open a tab by its key, to press there some keys by turns, and what the model and time change;
    `target_ms` is the CPU that a frame may take."""
    moment = [float(NOW)]
    async with app_on_terminal(clock=lambda: moment[0]) as pilot:
        app = pilot.app
        assert isinstance(app, ViewerApp)
        feed(app, long_session(1_000, 4), loaded=["ses_long"])
        await pilot.pause()
        gc.collect()
        gc.freeze()
        opened = []
        for _ in range(times):
            press(app, "1")
            await pilot.pause()
            await quiet()
            opened.append(await cost(lambda: press(app, key)))
        press(app, key)
        await pilot.pause()
        await quiet()
        turn = itertools.count()

        def change() -> None:
            place = {"source": SOURCE, "session_id": "ses_long", "turn_seq": 1_000, "message_id": "msg_ses_long_1000"}
            feed(app, one_call(place, 10 + next(turn), at(5)))

        def second() -> None:
            moment[0] += 1
            app.main.tick()

        cpu = statistics.median(one.cpu for one in opened)
        note = f"worst {max(one.cpu for one in opened):.0f} ms, {times} times"
        lines = [Line(f"{name} of 1,000 steps, 5,000 parts: open it, CPU", "time", cpu, 150, note=note)]
        acts: dict[str, list[Callable[[], object]]] = {
            act: [functools.partial(press, app, each) for each in pressed] for act, pressed in keys.items()
        }
        acts["a change"] = [change]
        if name == "timeline":
            # In a transcript a second is seen only where a call that goes on is in sight.
            acts["a second passes"] = [second]
        for act, actions in acts.items():
            if actions == [change]:
                # Where it is seen: of what lies behind the view nothing is drawn.
                press(app, "G")
                await pilot.pause()
                await quiet()
            taken = [await cost(actions[number % len(actions)]) for number in range(times)]
            frame = statistics.median(one.cpu / max(1, one.frames) for one in taken)
            note = f"worst {max(one.cpu for one in taken):.1f} ms in all, {times} times"
            lines.append(Line(f"{name} of 5,000 parts: {act}, CPU of a frame", "time", frame, target_ms, note=note))
        return lines


def long_session(steps: int, calls: int) -> list[Event]:
    """A session of so many steps of so many calls each, the last of them at work."""
    events: list[Event] = [session("ses_long", "Long", 20_000)]
    for number in range(steps):
        prompt_id = f"usr_{number // 50}"
        ago = 19_000 - number * 19 + 10
        if number % 50 == 0:
            events.append(prompt("ses_long", prompt_id, f"prompt {number // 50}", ago + 1))
        step = Step("ses_long", number + 1, prompt_id, ago)
        for call in range(calls):
            step.op("tool", "bash", ago - 1 - 4 * call, 3.5, label=f"command {number} {call}")
        step.op("text", "", ago - 17, 1, label="done")
        if number < steps - 1:
            step.end(ago - 18, Usage(input=1_000), 1_000, 0.01)
        events += step.events
    return events


def fold(app: ViewerApp) -> None:
    """Folds or unfolds the session of the cursor."""
    cursor = app.main.sessions.cursor
    assert cursor is not None
    app.main.sessions.select(Key(cursor.source, "session", cursor.session_id, cursor.session_id))
    app.main.sessions.action_fold()


def keystrokes(arguments: argparse.Namespace) -> Iterator[Line]:
    """Letters typed into the filter with 7,000 sessions, whole app: the query, the list, the frame."""
    yield from asyncio.run(_keystrokes(arguments.quick))


async def _keystrokes(quick: bool) -> list[Line]:
    async with app_on_terminal() as pilot:
        app = pilot.app
        assert isinstance(app, ViewerApp)
        feed(app, world(7_000))
        await pilot.pause()
        gc.collect()
        gc.freeze()
        taken = []
        for _ in range(1 if quick else 5):
            await pilot.press("slash")
            await quiet()
            for letter in "retry test 42":
                taken.append(await cost(functools.partial(press, app, letter)))
            await pilot.press("escape", "escape")
            await pilot.pause()
        cpu = [one.cpu for one in taken]
        note = f"worst {max(cpu):.1f} ms, {len(taken)} keys; with its frames; the model alone: tests.bench.filter"
        return [Line("filter 7,000 sessions, per key stroke, CPU", "time", statistics.median(cpu), 5, note=note)]


def applied(arguments: argparse.Namespace) -> Iterator[Line]:
    """From the commit of a running call by real opencode to its op in the model, in the running app."""
    count = 20 if arguments.quick else 100
    with marking_opencode(count) as run:
        if run is None:
            return
        came = asyncio.run(_applied(run))
        late = [(came[number] - when) * 1000 for number, when in run.committed.items() if number in came]
    note = f"{len(late)} of {count} calls, max {max(late):.0f} ms"
    yield Line("commit by real opencode -> events in the model, p50", "time", percentile(late, 0.5), 20, note=note)
    yield Line("commit by real opencode -> events in the model, p99", "time", percentile(late, 0.99), 40)


async def _applied(run: Marks) -> dict[int, float]:
    came: dict[int, float] = {}
    async with app_on_terminal(OpencodeSource(run.database), clock=time.time) as pilot:
        app = pilot.app
        assert isinstance(app, ViewerApp)
        changed = app.feed.arrivals._listener.changed

        def noted(changes: ChangeSet) -> bool:
            now = time.time()
            for key in changes.dirty:
                found = MARK.search(op.label) if (op := app.store.op(key)) is not None else None
                if found:
                    came.setdefault(int(found[1]), now)
            return changed(changes)

        app.changed = noted  # type: ignore[method-assign]
        await asyncio.sleep(3)
        run.begin()
        await asyncio.to_thread(run.join)
    return came


def statements(arguments: argparse.Namespace) -> Iterator[Line]:
    """SQL beside `PRAGMA data_version`, and frames, while nothing is committed."""
    seconds = 3.0 if arguments.quick else 15.0
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory) / "opencode.db"
        still(database, 20)
        asked, written = asyncio.run(_statements(database, seconds))
    yield Line("idle, SQL statements beside data_version", "counter", asked, 0, "", f"{seconds:.0f} s")
    yield Line("idle, bytes handed to the driver", "counter", written, 0, "bytes")


async def _statements(database: Path, seconds: float) -> tuple[int, int]:
    asked = 0
    stream = Snapshot.stream

    def counted(self: Snapshot, sql: str, *arguments: Any) -> Iterator[Any]:
        nonlocal asked
        asked += sql != "PRAGMA data_version"
        return stream(self, sql, *arguments)

    Snapshot.stream = counted  # type: ignore[method-assign]
    try:
        async with app_on_terminal(OpencodeSource(database), clock=time.time):
            # A start ends with counting rows, and with a comparison of lists a while after it.
            before = (-1, -1)
            while before != (asked, Terminal.written):
                before = (asked, Terminal.written)
                await asyncio.sleep(5)
            await asyncio.sleep(seconds)
            return asked - before[0], Terminal.written - before[1]
    finally:
        Snapshot.stream = stream  # type: ignore[method-assign]
