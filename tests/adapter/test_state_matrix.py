"""Every state in which the files of a database can lie there, with whoever else has them open: each command ends with
the right content, what goes on waits without work and hears the next commit, and no byte is changed by looking.

Combinations that make no sense, and why:

* an empty or a filled -wal without its -shm, beside a writer that is alive: it holds the -shm. The same for a -shm
  alone, which a living writer would have made its -wal beside.
* another reader of a file that is closed, of a -wal alone and of a -shm alone: opening it makes the missing files, so
  that it is one of the other states. (In rollback mode it makes nothing.)
* another reader of a hot journal: it is refused as we are.
* no side files beside a writer that is alive: only in rollback mode.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.adapter import states
from tests.adapter.face import Done, Face, Follow, Tail
from tests.adapter.footprint import footprint
from tests.adapter.hand import Hand, steady
from tests.adapter.states import COMMITTED, LATER, NAME, STATES, Base, Stage, side
from tests.adapter.stranger import NOBODY
from tests.tui.test_terminal import Terminal

Scene = tuple[str, str]
DEAD, ALIVE, COMES, ENDS, READER = (
    "writer dead",
    "writer alive",
    "writer comes later",
    "writer ends later",
    "another reader",
)
SCENES: list[Scene] = [
    *[("no side files", who) for who in (DEAD, COMES)],
    *[("no side files, rollback mode", who) for who in (DEAD, ALIVE, COMES, ENDS, READER)],
    *[("empty wal and shm", who) for who in (DEAD, ALIVE, COMES, ENDS, READER)],
    *[("filled wal and shm", who) for who in (DEAD, ALIVE, COMES, ENDS, READER)],
    *[("filled wal alone", who) for who in (DEAD, COMES)],
    *[("shm alone", who) for who in (DEAD, COMES)],
    *[("persistent journal", who) for who in (DEAD, ALIVE, COMES, ENDS, READER)],
    *[("empty journal", who) for who in (DEAD, COMES)],
    *[("leftover journal beside a wal database", who) for who in (DEAD, ALIVE, COMES, ENDS)],
    *[("hot journal", who) for who in (DEAD, COMES, "writer in a transaction", "writer in a large transaction")],
    *[("hot journal beside a wal database", who) for who in (DEAD, COMES)],
]
# A writer that comes later was dead before, so these are the dead ones, too.
IDLE_SCENES: list[Scene] = [
    ("no side files", COMES),
    ("no side files, rollback mode", COMES),
    *[("empty wal and shm", who) for who in (ALIVE, COMES, ENDS, READER)],
    *[("filled wal and shm", who) for who in (COMES, ENDS, READER)],
    ("filled wal alone", COMES),
    ("shm alone", COMES),
    ("persistent journal", ALIVE),
    ("leftover journal beside a wal database", COMES),
    ("hot journal", COMES),
    ("hot journal", "writer in a large transaction"),
]
APP_SCENES: list[Scene] = [
    ("empty wal and shm", DEAD),
    ("filled wal and shm", COMES),
    ("leftover journal beside a wal database", DEAD),
    ("shm alone", COMES),
]
AHEAD = 3
"""Idle scenes that are on stage at once: they wait most of the time."""
COMMANDS = (("ls", "--json"), ("tree", "--json"), ("events",))
IDLE_S = 3.0
SETTLED_S = 12.0
"""How soon after a start or a commit there must have been an idle stretch."""
STATEMENTS_PER_S = 2.0
BUSY_SHARE = 0.2
"""Of one core. Measured where nothing is wrong: 0.01 to 0.03."""
HEARD_S = 5.0
"""A commit is heard after milliseconds; this is for a busy machine."""
LET_GO_S = 10.0


def scene_id(scene: Any) -> str:
    return " - ".join(scene)


@pytest.fixture(scope="module")
def face() -> Iterator[Face]:
    with Face() as one:
        yield one


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return states.build_base(tmp_path_factory.mktemp("base") / "data")


@pytest.fixture(scope="module")
def kept(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return states.keep_all(base, tmp_path_factory.mktemp("kept"))


# -- what ends


def wrong(command: str, done: Done, stage: Stage) -> list[str]:
    """What is not as it has to be after a command."""
    found = []
    if done.status is None:
        found.append(f"{command} did not end")
    elif stage.may_be_refused and done.status == 2:
        if not done.err.startswith("opencode-viewer: ") or done.err.count("\n") != 1:
            found.append(f"{command} does not say in a line why not: {done.err!r}")
    elif done.status != 0:
        found.append(f"{command} ended with {done.status}: {done.err!r}")
    elif done.titles != stage.titles:
        found.append(f"{command} shows {done.titles} instead of {stage.titles}")
    if "Traceback" in done.err:
        found.append(f"{command} broke: {done.err}")
    return found + [f"after {command} {trace}" for trace in stage.traces()]


@pytest.mark.parametrize("scene", SCENES, ids=scene_id)
def test_commands_end_with_what_is_right_and_leave_no_trace(
    scene: Scene, face: Face, base: Base, kept: Path, tmp_path: Path
) -> None:
    state, who = scene
    found = []
    with Stage(base, state, who, kept, tmp_path / "data") as stage:
        for steps in range(1 + stage.goes_on):
            if steps:
                stage.go_on()
            for command in COMMANDS:
                done = face.run(*command, "--db", stage.path)
                found += wrong(f"{'later ' * steps}{command[0]}", done, stage)
                if who == DEAD:
                    stage.forget()
    assert not found, "\n".join(found)


def test_a_shm_that_had_to_be_made_is_told(face: Face, kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept / "filled wal alone", tmp_path / "data")
    before = footprint(tmp_path / "data")
    done = face.run("doctor", "--json", "--db", tmp_path / "data" / NAME)
    assert (done.status, done.err) == (0, "")
    made = side(tmp_path / "data" / NAME, "-shm").exists()
    assert ("made -shm" in json.loads(done.out)["sources"][0]["open_mode"]) == made
    assert before.differences(footprint(tmp_path / "data"), allowed=frozenset({NAME + "-shm"})) == []


# -- what goes on


class Idle:
    """A stage with a tail and `events --follow` before it."""

    def __init__(self, scene: Scene, face: Face, base: Base, kept: Path, directory: Path) -> None:
        self.stage = Stage(base, *scene, kept, directory)
        self.began = time.monotonic()
        self.tail = Tail(face, self.stage.path)
        self.follow = Follow(face, self.stage.path)

    def close(self) -> None:
        """Ends everything."""
        self.tail.close()
        self.follow.interrupt()
        self.stage.close()

    def shows_what_is_right(self) -> None:
        """Waits until both know what is in the file."""
        if self.stage.may_be_refused:
            # Said once, or read as it would be after a rollback; what was never committed is shown by nobody.
            self.tail.until(lambda: bool(self.tail.titles or self.tail.of("source_error")), "words or titles")
            for one in (self.tail, self.follow):
                assert one.titles in ({}, self.stage.titles)
            return
        self.tail.until_titles(self.stage.titles, HEARD_S + 5)
        self.follow.until_titles(self.stage.titles, HEARD_S)

    def costs_nothing(self) -> None:
        """Waits for an idle stretch of both."""
        since = max(self.began, time.monotonic() - SETTLED_S)
        cost = self.tail.quietest(
            IDLE_S,
            since,
            lambda cost: cost.statements <= STATEMENTS_PER_S * IDLE_S and cost.cpu_s < BUSY_SHARE * IDLE_S,
            SETTLED_S,
        )
        assert cost.statements <= STATEMENTS_PER_S * IDLE_S, f"statements in {IDLE_S} idle seconds of the tail"
        assert cost.cpu_s < BUSY_SHARE * IDLE_S, f"seconds of a processor in {IDLE_S} idle seconds of the tail"
        assert cost.batches - self.tail.beats[0].batches < 50, "batches about nothing"
        cost = self.follow.quietest(IDLE_S, since, lambda cost: cost.cpu_s < BUSY_SHARE * IDLE_S, SETTLED_S)
        assert cost.cpu_s < BUSY_SHARE * IDLE_S, f"seconds of a processor in {IDLE_S} idle seconds of events --follow"


@pytest.fixture(scope="module")
def idle_stages(
    face: Face, base: Base, kept: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Scene, Idle]]:
    """What is on stage; `idle` puts it there."""
    directory = tmp_path_factory.mktemp("idle")

    class Stages(dict[Scene, Idle]):
        def __missing__(self, scene: Scene) -> Idle:
            self[scene] = Idle(scene, face, base, kept, directory / scene_id(scene))
            return self[scene]

    stages = Stages()
    with ExitStack() as stack:
        stack.callback(lambda: [stage.close() for stage in stages.values()])
        yield stages


@pytest.fixture
def idle(request: pytest.FixtureRequest, idle_stages: dict[Scene, Idle]) -> Iterator[Idle]:
    """The stage of a test. The next ones are put up now, so that all wait at the same time."""
    at = IDLE_SCENES.index(request.param)
    chosen = {item.callspec.params.get("idle") for item in request.session.items if hasattr(item, "callspec")}
    for scene in IDLE_SCENES[at : at + AHEAD]:
        if scene in chosen:
            assert idle_stages[scene]
    yield idle_stages[request.param]
    idle_stages.pop(request.param).close()


@pytest.mark.parametrize("idle", IDLE_SCENES, ids=scene_id, indirect=True)
def test_what_goes_on_waits_without_work_hears_the_next_commit_and_leaves_no_trace(idle: Idle) -> None:
    stage = idle.stage
    idle.shows_what_is_right()
    if stage.who != ENDS:
        idle.costs_nothing()
    assert stage.traces() == []
    if stage.goes_on:
        stage.go_on()
        idle.tail.until_titles(stage.titles, HEARD_S)
        idle.follow.until_titles(stage.titles, HEARD_S)
        if stage.who == ENDS:
            idle.began = time.monotonic()
            idle.costs_nothing()
    assert idle.tail.close() == 0, idle.tail.complaint
    assert idle.follow.interrupt() == 130, idle.follow.complaint
    assert "Traceback" not in idle.tail.complaint + idle.follow.complaint
    assert stage.traces() == []


class Screen:
    """The app in a terminal before a database. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.terminal = Terminal("--db", str(path), columns=100, rows=24)
        self.clock = os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self.terminal.child.close(force=True)

    def costs_nothing(self) -> None:
        """Reads on until two seconds went by without work."""
        began = time.monotonic()
        samples = [(began, self.cpu_s())]
        while time.monotonic() < began + SETTLED_S + IDLE_S:
            assert self.terminal.read(), "it has ended"
            samples.append((time.monotonic(), self.cpu_s()))
            for at, cpu_s in samples:
                if samples[-1][0] - at < 2:
                    break
                if samples[-1][1] - cpu_s < BUSY_SHARE * (samples[-1][0] - at):
                    return
        raise AssertionError(f"never idle: {samples[-1][1] - samples[0][1]:.1f} s in {SETTLED_S + IDLE_S} s")

    def cpu_s(self) -> float:
        """What the process has used until now."""
        stat = Path(f"/proc/{self.terminal.child.pid}/stat")
        if not stat.exists():
            pytest.skip("needs /proc to see what another process uses")
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / self.clock


@pytest.mark.parametrize("scene", APP_SCENES, ids=scene_id)
def test_the_screen_shows_what_is_right_waits_without_work_and_leaves_no_trace(
    scene: Scene, base: Base, kept: Path, tmp_path: Path
) -> None:
    with Stage(base, *scene, kept, tmp_path / "data") as stage, Screen(stage.path) as screen:
        screen.terminal.until(states.SECOND)
        screen.terminal.until(stage.title)
        screen.costs_nothing()
        assert stage.traces() == []
        if stage.goes_on:
            stage.go_on()
            screen.terminal.until(LATER)
        assert screen.terminal.quit() == 0
        assert stage.traces() == []


# -- a main file that cannot be a database, beside a WAL (SQLite deletes the WAL when it opens such a file)


@pytest.fixture(params=[0, 1], ids=["0 bytes", "1 byte"])
def cut_bytes(request: pytest.FixtureRequest) -> int:
    size: int = request.param
    return size


@pytest.fixture(params=[DEAD, ALIVE])
def cut(
    request: pytest.FixtureRequest, cut_bytes: int, base: Base, kept: Path, tmp_path: Path
) -> Iterator[tuple[Stage, Hand | None]]:
    """A main file that was cut, and its writer if it is alive."""
    with Stage(base, "filled wal and shm", request.param, kept, tmp_path / "data") as stage:
        os.truncate(stage.path, cut_bytes)
        stage.forget()
        yield stage, stage._hand


def test_no_command_deletes_the_wal_beside_a_main_file_that_was_cut(cut: tuple[Stage, Hand | None], face: Face) -> None:
    stage, hand = cut
    found = []
    for command in (*COMMANDS, ("doctor",), ("doctor", "--json"), ("export", stage.base.first), ("show", "x://y")):
        done = face.run(*command, "--db", stage.path)
        if done.status != 2 or "Traceback" in done.err:
            found.append(f"{command} ended with {done.status}: {done.err!r}")
        found += [f"after {command} {trace}" for trace in stage.traces()]
    assert not found, "\n".join(found)
    if hand is not None:
        states.rename(hand, stage.base, LATER)
        assert side(stage.path, "-wal").stat().st_ino == stage.before().files[NAME + "-wal"][0]


def test_nothing_that_goes_on_deletes_the_wal_beside_a_main_file_that_was_cut(
    cut: tuple[Stage, Hand | None], face: Face
) -> None:
    stage, hand = cut
    with Tail(face, stage.path) as tail:
        follow = Follow(face, stage.path)
        tail.until(lambda: bool(tail.of("source_error")), "a word about it")
        follow.until(lambda: bool(follow.complaint), "a word about it")
        inode = stage.before().files[NAME + "-wal"][0]
        if hand is not None:
            states.rename(hand, stage.base, LATER)
        cost = tail.quietest(1, time.monotonic(), lambda cost: cost.cpu_s < BUSY_SHARE)
        assert cost.cpu_s < BUSY_SHARE
        assert side(stage.path, "-wal").stat().st_ino == inode
        assert follow.interrupt() == 130
    if hand is None:
        assert stage.traces() == []


def test_a_main_file_that_is_cut_under_what_goes_on_keeps_its_wal_and_is_read_when_it_is_back(
    face: Face, base: Base, kept: Path, tmp_path: Path
) -> None:
    with Stage(base, "filled wal and shm", ALIVE, kept, tmp_path / "data") as stage:
        whole = stage.path.read_bytes()
        with Tail(face, stage.path) as tail, Screen(stage.path) as screen:
            tail.until_titles(stage.titles)
            screen.terminal.until(stage.title)
            os.truncate(stage.path, 0)
            stage.forget()
            tail.until(lambda: bool(tail.of("source_error")), "a word about it")
            screen.costs_nothing()
            assert stage.traces() == []
            stage.path.write_bytes(whole)
            stage.go_on()
            tail.until_titles(stage.titles)
            screen.terminal.until(LATER)
            assert screen.terminal.quit() == 0
            assert stage.traces() == []


# -- nobody is held up


@pytest.mark.parametrize(
    "state",
    ["no side files", "empty wal and shm", "leftover journal beside a wal database", "persistent journal"],
)
def test_a_viewer_that_waits_does_not_keep_a_writer_from_leaving_the_wal(
    state: str, face: Face, base: Base, kept: Path, tmp_path: Path
) -> None:
    with Stage(base, state, DEAD, kept, tmp_path / "data") as stage, Tail(face, stage.path) as tail:
        tail.until_titles(stage.titles)
        with Hand(stage.path, "WAL") as hand:
            states.rename(hand, base, LATER)
            tail.until_titles(base.titles(LATER), HEARD_S)
            left: list[Any] = []
            end = time.monotonic() + LET_GO_S
            while left != [["delete"]]:
                assert time.monotonic() < end, f"the writer is kept from it: {left}"
                try:
                    left = hand.run("PRAGMA journal_mode=DELETE")
                except sqlite3.OperationalError as error:
                    left = [[str(error)]]
                time.sleep(0.1)
            states.rename(hand, base, COMMITTED)
            tail.until_titles(base.titles(COMMITTED), HEARD_S)


# -- a database that cannot be read, beside a WAL that is written all the time


@pytest.fixture
def open_to_all(base: Base) -> Iterator[Path]:
    """A database where a user without rights can go."""
    top = Path(tempfile.mkdtemp(prefix="opencode-viewer-"))
    top.chmod(0o755)
    closed = [str(directory) for directory in top.parents if not directory.stat().st_mode & 0o001]
    if closed and os.geteuid() == 0:
        pytest.skip(f"another user cannot enter {closed[-1]}; set TMPDIR to a directory that everybody can")
    try:
        shutil.copytree(base.path.parent, top / "data")
        yield top / "data" / NAME
    finally:
        shutil.rmtree(top)


UNRELATED = "UPDATE project SET time_updated = time_updated + 1"


def root_page(path: Path, table: str) -> int:
    """Where a table begins, as the number of a page from 0."""
    connection = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)
    try:
        return int(connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]) - 1
    finally:
        connection.close()


@pytest.mark.parametrize("fault", ["no permission", "the first page is zero", "the table of sessions is zero"])
def test_what_cannot_be_read_costs_nothing_though_its_wal_is_written(
    fault: str, open_to_all: Path, face: Face, base: Base
) -> None:
    page = {"the first page is zero": 0, "the table of sessions is zero": root_page(open_to_all, "session")}.get(fault)
    with steady(open_to_all, 0.02, UNRELATED) as writer:
        whole = open_to_all.read_bytes()
        if page is None:
            for file in open_to_all.parent.iterdir():
                os.chown(file, NOBODY, NOBODY) if os.geteuid() == 0 else None
                file.chmod(0o000 if file == open_to_all else 0o644)
        else:
            overwrite(open_to_all, page, bytes(4096))
        with Tail(face, open_to_all, uid=NOBODY if page is None else 0) as tail:
            tail.until(lambda: bool(tail.of("source_error")), "a word about it")
            cost = tail.quietest(IDLE_S, time.monotonic(), lambda cost: cost.cpu_s < BUSY_SHARE * IDLE_S, 6)
            assert cost.cpu_s < BUSY_SHARE * IDLE_S, f"seconds of a processor in {IDLE_S} s"
            assert len(tail.of("source_error")) == 1, "said once"
            if page is None:
                open_to_all.chmod(0o644)
            else:
                overwrite(open_to_all, page, whole[page * 4096 : page * 4096 + 4096])
            tail.until_titles(base.titles(states.FIRST))
        writer.close()


def overwrite(path: Path, page: int, content: bytes) -> None:
    """Puts another page there, as a disk does that has gone bad."""
    with path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(content)


def test_each_state_is_tried_with_somebody() -> None:
    assert {state for state, _ in SCENES} == set(STATES)
